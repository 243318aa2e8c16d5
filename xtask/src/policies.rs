//! Stock policies: from crates to components.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use wit_component::ComponentEncoder;
use wit_parser::decoding::{DecodedWasm, decode};
use wit_parser::{Resolve, WorldItem};

use crate::toolchain::{TARGET, Toolchain};

/// Guests have a target directory of their own, so that they never wait for the lock of a native build.
const GUEST_TARGET: &str = "target/guest";
const COMPONENTS: &str = "target/policies";
const PROFILE: &str = "policy";

/// Builds every policy under `policies/` and prints what came out.
#[expect(clippy::print_stdout, reason = "a task talks to the person at the terminal")]
pub(crate) fn build(root: &Path) -> Result<()> {
    let names = names(root)?;
    let toolchain = Toolchain::choose()?;
    println!("policies are built with {toolchain}");
    if !root.join(GUEST_TARGET).exists() {
        println!(
            "the first build takes a few minutes: it compiles the standard library and the bindings, too"
        );
    }
    fs::create_dir_all(root.join(COMPONENTS)).context("make the directory for components")?;
    for name in &names {
        let folder = root.join("policies").join(name);
        let component = component(root, &toolchain, &folder, name)?;
        keep(&root.join(COMPONENTS).join(name).with_extension("wasm"), &component)?;
        println!("{name:<12} {:>7} bytes  {}", component.len(), imports(&component)?);
    }
    Ok(())
}

/// Builds the policy in a folder outside `policies/`, the component of which goes into a file.
pub(crate) fn build_one(
    root: &Path,
    toolchain: &Toolchain,
    folder: &Path,
    name: &str,
    file: &Path,
) -> Result<()> {
    keep(file, &component(root, toolchain, folder, name)?)
}

/// Returns the names of the crates under `policies/`, which are those of the directories.
fn names(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join("policies")).context("look for policies")? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Compiles one crate to a core module, and returns its file. A call for each, because cargo leaves link-time
/// optimization out where a library is built for tests, too, and `--crate-type` takes one package; it is worth two
/// fifths of the bytes.
pub(crate) fn module(root: &Path, toolchain: &Toolchain, folder: &Path, name: &str) -> Result<PathBuf> {
    let mut cargo = toolchain.cargo();
    cargo.current_dir(root).args(["rustc", "--quiet", "--lib", "--crate-type", "cdylib"]);
    cargo.arg("--manifest-path").arg(folder.join("Cargo.toml"));
    cargo.args(["--target", TARGET, "--target-dir", GUEST_TARGET, "--profile", PROFILE]);
    let status = cargo.status().context("run cargo")?;
    ensure!(status.success(), "{name} does not compile");
    let module = root.join(GUEST_TARGET).join(TARGET).join(PROFILE).join(name.replace('-', "_"));
    Ok(module.with_extension("wasm"))
}

/// Compiles one policy and wraps the core module that cargo made.
fn component(root: &Path, toolchain: &Toolchain, folder: &Path, name: &str) -> Result<Vec<u8>> {
    let module = fs::read(module(root, toolchain, folder, name)?).context("read the module")?;
    let component = ComponentEncoder::default().module(&module).and_then(|it| it.validate(true).encode());
    let component = component.with_context(|| format!("make a component of {name}"))?;
    let description = fs::read(folder.join("policy.toml")).context("read policy.toml")?;
    ensure!(contains(&component, &description), "policy.toml is not in the component of {name}");
    Ok(component)
}

/// Writes a component where the host looks for it. Left alone where nothing changed, so that whoever watches the file
/// sees only real changes.
fn keep(file: &Path, component: &[u8]) -> Result<()> {
    if fs::read(file).ok().as_deref() != Some(component) {
        fs::write(file, component).with_context(|| format!("write {}", file.display()))?;
    }
    Ok(())
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Returns what a component asks of the host, as `interface.function`.
fn imports(component: &[u8]) -> Result<String> {
    let DecodedWasm::Component(resolve, world) = decode(component)? else { bail!("not a component") };
    let items = resolve.worlds[world].imports.values();
    let names: Vec<String> = items.flat_map(|item| functions(&resolve, item)).collect();
    Ok(if names.is_empty() { "no imports".to_owned() } else { format!("imports {}", names.join(", ")) })
}

/// Returns the functions of an import; an interface that has only types asks for nothing.
fn functions(resolve: &Resolve, item: &WorldItem) -> Vec<String> {
    match item {
        WorldItem::Interface { id, .. } => {
            let interface = &resolve.interfaces[*id];
            let of = interface.name.as_deref().unwrap_or_default();
            interface.functions.keys().map(|function| format!("{of}.{function}")).collect()
        }
        WorldItem::Function(function) => vec![function.name.clone()],
        WorldItem::Type { .. } => Vec::new(),
    }
}
