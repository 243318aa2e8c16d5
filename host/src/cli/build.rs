//! `jifen build`: a component of a policy's project.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::Args;
use jifen_author::{Toolchain, component, package_name};
use jifen_engine::PolicyStore;

use super::output::complain;
use crate::description::{self, Description};
use crate::gates::misnamed;

#[derive(Args)]
pub(super) struct Build {
    /// The policy's project, such as `jifen new` makes
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Put the folder's policy.toml into this component, which another language's tool made
    #[arg(long, value_name = "COMPONENT")]
    from: Option<PathBuf>,
}

impl Build {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let folder = &self.folder;
        if let Some(component) = &self.from {
            return describe(folder, component);
        }
        let name = package_name(folder)?;
        let root = folder.canonicalize().with_context(|| format!("open {}", folder.display()))?;
        let toolchain = Toolchain::find()
            .with_context(|| format!("no Rust here compiles for WebAssembly; {}", Toolchain::advice()))?;
        complain(format_args!("{name} is built with {toolchain}"));
        let file = file_of(&name);
        // Guests have a target directory of their own, so that they never wait for the lock of a native build.
        let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or("target".into());
        let guests = Path::new(&target).join("guest");
        let built = component(&toolchain, &root, &root, &guests, &root.join(&file))?;
        super::print(&format_args!("{}: {} bytes", folder.join(file).display(), built.len()))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Where the component of a policy goes, in the folder of its project.
fn file_of(name: &str) -> PathBuf {
    Path::new("target/policies").join(name).with_extension("wasm")
}

/// Puts a description into a component that has none.
fn describe(folder: &Path, from: &Path) -> anyhow::Result<ExitCode> {
    let component = PolicyStore::read(from)?;
    ensure!(
        description::text(&component).is_none(),
        "{} says already what it is; give the one that its tool made",
        from.display()
    );
    let source = folder.join("policy.toml");
    let text = std::fs::read_to_string(&source).with_context(|| format!("open {}", source.display()))?;
    let Description { name, .. } =
        toml::from_str(&text).with_context(|| format!("read {}", source.display()))?;
    if let Some(misnamed) = misnamed(&name) {
        bail!("{}: name: {misnamed}", source.display());
    }
    let file = folder.join(file_of(&name));
    let described = jifen_author::described(&component, &text);
    std::fs::create_dir_all(file.parent().unwrap_or(folder)).context("make the folder for components")?;
    std::fs::write(&file, &described).with_context(|| format!("write {}", file.display()))?;
    super::print(&format_args!("{}: {} bytes", file.display(), described.len()))?;
    Ok(ExitCode::SUCCESS)
}
