//! `jifen build`: a component of a policy's project.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jifen_author::{Toolchain, component, package_name};

use super::output::complain;

#[derive(Args)]
pub(super) struct Build {
    /// The policy's project, such as `jifen new` makes
    #[arg(default_value = ".")]
    folder: PathBuf,
}

impl Build {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let folder = &self.folder;
        let name = package_name(folder)?;
        let root = folder.canonicalize().with_context(|| format!("open {}", folder.display()))?;
        let toolchain = Toolchain::find()
            .with_context(|| format!("no Rust here compiles for WebAssembly; {}", Toolchain::advice()))?;
        complain(format_args!("{name} is built with {toolchain}"));
        let file = Path::new("target/policies").join(&name).with_extension("wasm");
        // Guests have a target directory of their own, so that they never wait for the lock of a native build.
        let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or("target".into());
        let guests = Path::new(&target).join("guest");
        let built = component(&toolchain, &root, &root, &guests, &root.join(&file))?;
        super::print(&format_args!("{}: {} bytes", folder.join(file).display(), built.len()))?;
        Ok(ExitCode::SUCCESS)
    }
}
