//! Stock policies: from crates to components.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use jifen_author::{Toolchain, component};
use wit_parser::decoding::{DecodedWasm, decode};
use wit_parser::{Resolve, WorldItem};

use crate::toolchain;

/// Guests have a target directory of their own, so that they never wait for the lock of a native build.
const GUEST_TARGET: &str = "target/guest";
const COMPONENTS: &str = "target/policies";

/// Builds every policy under `policies/` and prints what came out.
#[expect(clippy::print_stdout, reason = "a task talks to the person at the terminal")]
pub(crate) fn build(root: &Path) -> Result<()> {
    let names = names(root)?;
    let toolchain = toolchain::choose()?;
    println!("policies are built with {toolchain}");
    if !root.join(GUEST_TARGET).exists() {
        println!(
            "the first build takes a few minutes: it compiles the standard library and the bindings, too"
        );
    }
    for name in &names {
        let folder = root.join("policies").join(name);
        let file = root.join(COMPONENTS).join(name).with_extension("wasm");
        let component = component(&toolchain, root, &folder, Path::new(GUEST_TARGET), &file)?;
        println!("{name:<12} {:>7} bytes  {}", component.len(), imports(&component)?);
    }
    Ok(())
}

/// Builds the policy in a folder outside `policies/`, the component of which goes into a file.
pub(crate) fn build_one(root: &Path, toolchain: &Toolchain, folder: &Path, file: &Path) -> Result<()> {
    component(toolchain, root, folder, Path::new(GUEST_TARGET), file).map(drop)
}

/// Compiles the crate in a folder to a core module, and returns its file.
pub(crate) fn module(root: &Path, toolchain: &Toolchain, folder: &Path, name: &str) -> Result<PathBuf> {
    jifen_author::module(toolchain, root, folder, name, Path::new(GUEST_TARGET))
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
