//! What a component imports and exports, held against the contract by name. Types are compared later, by wasmtime.

use jifen_engine::words::clean;
use jifen_engine::{Refusal, World, contract, limits};
use wasmparser::component_types::ComponentEntityType;
use wasmparser::types::Types;
use wasmparser::{Parser, Payload};

use super::invalid;

/// What the names of the imports say.
#[derive(Default)]
pub(super) struct Imports {
    pub(super) names: Vec<String>,
    pub(super) facts: Vec<String>,
    pub(super) logs: bool,
}

/// Returns the world that a component is of, and its imports.
pub(super) fn check(component: &[u8], types: &Types) -> Result<(World, Imports), Refusal> {
    let (names, exports) = outermost(component)?;
    let mut imports = Imports::default();
    for name in names {
        imports.add(name, &functions(types, name))?;
    }
    imports.facts.sort();
    Ok((world(&exports)?, imports))
}

/// Returns the names of the outermost component's imports and exports.
fn outermost(component: &[u8]) -> Result<(Vec<&str>, Vec<&str>), Refusal> {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth: u32 = 0;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(|error| invalid(&error))?;
        if let Payload::Version { .. } = payload {
            depth = depth.saturating_add(1);
        } else if let Payload::End(_) = payload {
            depth = depth.saturating_sub(1);
        } else if depth > 1 {
            continue;
        } else if let Payload::ComponentImportSection(section) = payload {
            for import in section {
                imports.push(import.map_err(|error| invalid(&error))?.name.name);
            }
        } else if let Payload::ComponentExportSection(section) = payload {
            for export in section {
                exports.push(export.map_err(|error| invalid(&error))?.name.name);
            }
        }
    }
    Ok((imports, exports))
}

/// Returns the functions of an imported instance.
fn functions<'a>(types: &'a Types, import: &str) -> Vec<&'a str> {
    let Some(item) = types.component_item_for_import(import) else { return Vec::new() };
    let ComponentEntityType::Instance(instance) = item.ty else { return Vec::new() };
    let exports = types[instance].exports.iter();
    let functions = exports.filter(|(_, item)| matches!(item.ty, ComponentEntityType::Func(_)));
    functions.map(|(name, _)| name.as_str()).collect()
}

impl Imports {
    fn add(&mut self, import: &str, functions: &[&str]) -> Result<(), Refusal> {
        let (interface, offered) = offered(import)?;
        if let Some(unknown) = functions.iter().find(|function| !offered.contains(function)) {
            let import = quoted(&format!("{interface}.{unknown}"));
            let mend = format!(
                "this host has version {} of the contract: build against its wit/",
                contract::VERSION
            );
            return Err(Refusal::ForeignImport { import, mend });
        }
        if interface == contract::LOG.0 {
            self.logs = true;
        } else {
            self.facts.extend(functions.iter().map(|function| format!("{interface}.{function}")));
        }
        self.names.push(import.to_owned());
        Ok(())
    }
}

/// Returns the interface of an import, and what it offers.
fn offered(import: &str) -> Result<(&str, &'static [&'static str]), Refusal> {
    let foreign = || Refusal::ForeignImport { import: quoted(import), mend: mend(import) };
    let (interface, version) = of_contract(import).ok_or_else(foreign)?;
    let functions = contract::offered(interface).ok_or_else(foreign)?;
    check_version(import, interface, version)?;
    Ok((interface, functions))
}

/// Returns the world of which a component exports all interfaces.
fn world(exports: &[&str]) -> Result<World, Refusal> {
    let answering = World::ALL.into_iter().filter(|world| exported(world.answers().0, exports).is_some());
    let world = match answering.collect::<Vec<_>>().as_slice() {
        [] => return Err(no_world(exports)),
        [world] => *world,
        [..] => return Err(Refusal::SeveralWorlds { found: quoted(&exports.join(", ")) }),
    };
    for interface in world.exports() {
        let (export, version) = exported(interface, exports).ok_or_else(|| no_world(exports))?;
        check_version(export, interface, version)?;
    }
    Ok(world)
}

/// Returns an export of the contract by its interface, with its version.
fn exported<'a>(interface: &str, exports: &[&'a str]) -> Option<(&'a str, &'a str)> {
    exports.iter().find_map(|export| {
        let (found, version) = of_contract(export)?;
        (found == interface).then_some((*export, version))
    })
}

fn no_world(exports: &[&str]) -> Refusal {
    let configuration = contract::full_name(contract::CONFIGURATION.0);
    let answers = World::ALL.map(|world| contract::full_name(world.answers().0)).join(" or ");
    let found = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
    Refusal::NoWorld { expected: format!("{configuration} and {answers}"), found: quoted(&found) }
}

/// Splits `jifen:policy/earning@0.1.0` into `earning` and `0.1.0`; `None` for other packages.
fn of_contract(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(contract::PACKAGE)?.strip_prefix('/')?.split_once('@')
}

/// Versions fit if they are equal up to the last number: within these, functions are only added, and whether the ones
/// in use are here is seen by their names.
fn check_version(name: &str, interface: &str, version: &str) -> Result<(), Refusal> {
    let series = |version: &str| version.rsplit_once('.').map(|(series, _)| series.to_owned());
    let plain = version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if plain && series(version) == series(contract::VERSION) {
        return Ok(());
    }
    Err(Refusal::WrongVersion { found: quoted(name), offered: contract::full_name(interface) })
}

/// Says how to be rid of an import, for the tools that put it there unasked.
fn mend(import: &str) -> String {
    if import.starts_with("wasi:") {
        "Rust: build for wasm32-unknown-unknown instead of wasm32-wasip2; JavaScript: jco componentize --disable all; \
         Python: componentize-py componentize --stub-wasi"
            .to_owned()
    } else {
        let facts = contract::FACTS.map(|(interface, _)| interface).join(", ");
        format!("a policy may import {facts} and {} of {}", contract::LOG.0, contract::PACKAGE)
    }
}

fn quoted(name: &str) -> String {
    clean(name, limits::MESSAGE_BYTES_MAX)
}
