//! From a crate to a component.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use toml_edit::DocumentMut;
use wasm_encoder::{ComponentSection as _, CustomSection};
use wit_component::ComponentEncoder;

use crate::toolchain::{TARGET, Toolchain};

const PROFILE: &str = "policy";

/// The custom section in which a component says what it is: its `policy.toml`.
pub const DESCRIPTION: &str = "jifen-policy";

/// Returns the name of the package in a folder.
///
/// # Errors
///
/// If there is none.
pub fn package_name(folder: &Path) -> Result<String> {
    let file = folder.join("Cargo.toml");
    let text = fs::read_to_string(&file)
        .with_context(|| format!("open {}; `jifen new` makes a policy's project", file.display()))?;
    let manifest: DocumentMut = text.parse().with_context(|| format!("read {}", file.display()))?;
    let name = manifest.get("package").and_then(|package| package.get("name"));
    let name = name.and_then(|name| name.as_str());
    Ok(name.with_context(|| format!("{} has no package.name", file.display()))?.to_owned())
}

/// Compiles one crate to a core module for WebAssembly, and returns its file. A call for each, because cargo leaves link-time
/// optimization out where a library is built for tests, too, and `--crate-type` takes one package; it is worth two
/// fifths of the bytes.
///
/// # Errors
///
/// If it does not compile.
pub fn module(
    toolchain: &Toolchain,
    root: &Path,
    folder: &Path,
    name: &str,
    target: &Path,
) -> Result<PathBuf> {
    let mut cargo = toolchain.cargo();
    cargo.current_dir(root).args(["rustc", "--quiet", "--lib", "--crate-type", "cdylib"]);
    cargo.arg("--manifest-path").arg(folder.join("Cargo.toml"));
    cargo.args(["--target", TARGET, "--profile", PROFILE, "--target-dir"]).arg(target);
    let status = cargo.status().context("run cargo")?;
    ensure!(status.success(), "{name} does not compile");
    let module = root.join(target).join(TARGET).join(PROFILE).join(name.replace('-', "_"));
    Ok(module.with_extension("wasm"))
}

/// Compiles the policy in a folder to a component, which goes into a file. The file is left alone where nothing changed, so
/// that whoever watches it sees only real changes.
///
/// # Errors
///
/// If it does not compile, or is no policy.
pub fn component(
    toolchain: &Toolchain,
    root: &Path,
    folder: &Path,
    target: &Path,
    file: &Path,
) -> Result<Vec<u8>> {
    let name = package_name(folder)?;
    let module = fs::read(module(toolchain, root, folder, &name, target)?).context("read the module")?;
    let component = ComponentEncoder::default().module(&module).and_then(|it| it.validate(true).encode());
    let component = component.with_context(|| format!("make a component of {name}"))?;
    let description = fs::read(folder.join("policy.toml")).context("read policy.toml")?;
    ensure!(contains(&component, &description), "policy.toml is not in the component of {name}");
    if fs::read(file).ok().as_deref() != Some(&*component) {
        fs::create_dir_all(file.parent().unwrap_or(root)).context("make the folder for components")?;
        fs::write(file, &component).with_context(|| format!("write {}", file.display()))?;
    }
    Ok(component)
}

/// Puts a description, the text of a `policy.toml`, into a component that another tool made.
pub fn described(component: &[u8], description: &str) -> Vec<u8> {
    let mut described = component.to_vec();
    let section = CustomSection { name: DESCRIPTION.into(), data: description.as_bytes().into() };
    section.append_to_component(&mut described);
    described
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
