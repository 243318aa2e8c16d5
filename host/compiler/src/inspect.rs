//! Looks at a component without running or compiling any of it: one pass over its bytes.
//!
//! Everything that can be said of an upload in words is said here, before wasmtime sees it: what it is, what it
//! imports and exports, how much of everything it has, and what its functions would cost the compiler.

mod costs;
mod names;
#[cfg(test)]
mod tests;

use jifen_engine::limits::{self, Limits, SCRIPT};
use jifen_engine::words::clean;
use jifen_engine::{Refusal, Report, config};
use wasmparser::{BinaryReaderError, Encoding, Instance, Parser, Payload, Validator};

use crate::compile::bytes;

/// The custom section in which a component says what it is.
const DESCRIPTION: &str = "jifen-policy";

/// What is counted on the way.
struct Counts {
    limits: &'static Limits,
    functions: u64,
    data_segments: u64,
    definitions: u64,
    core_instances: u64,
    custom_bytes: u64,
    memories: u64,
    memory_bytes: u64,
    tables: u64,
    costs: costs::Costs,
    descriptions: u64,
    description: Option<String>,
}

/// Returns what a component is.
///
/// # Errors
///
/// With the first reason not to take it.
pub(crate) fn inspect(component: &[u8]) -> Result<Report, Refusal> {
    check_kind(component)?;
    let counts = count(component)?;
    let mut validator = Validator::new_with_features(config::FEATURES);
    let types = validator.validate_all(component).map_err(|error| invalid(&error))?;
    let (world, imports) = names::check(component, &types)?;
    let foreseen_ms = foreseen_ms(component, &counts);
    Ok(Report {
        world,
        imports: imports.names,
        facts: imports.facts,
        logs: imports.logs,
        description: counts.description,
        component_bytes: bytes(component.len()),
        functions: counts.functions,
        memory_bytes: counts.memory_bytes,
        foreseen_ms,
        configure_fuel: 0,
        snapshotted: false,
        code_bytes: 0,
        compile_ms: 0,
    })
}

/// Returns how long compiling is foreseen to take, by what was seen of others.
fn foreseen_ms(component: &[u8], counts: &Counts) -> u64 {
    let by_bytes = bytes(component.len()).saturating_mul(5);
    by_bytes.saturating_add(counts.costs.foreseen_us()).div_euclid(1_000)
}

/// Refuses what is not a component at all, by its first bytes.
fn check_kind(component: &[u8]) -> Result<(), Refusal> {
    if component.is_empty() {
        Err(Refusal::Empty)
    } else if component.len() > SCRIPT.component_bytes {
        Err(Refusal::too_large(bytes(component.len())))
    } else if wasmtime::Engine::detect_precompiled(component).is_some() {
        Err(Refusal::Precompiled)
    } else if !component.starts_with(b"\0asm") {
        Err(Refusal::NotWebAssembly)
    } else if Parser::is_core_wasm(component) {
        Err(Refusal::CoreModule)
    } else {
        Ok(())
    }
}

fn count(component: &[u8]) -> Result<Counts, Refusal> {
    let mut counts = Counts::within(Limits::of(component.len()));
    // How deep in nested components and modules we are; the outermost component is 1.
    let mut depth: u32 = 0;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(|error| invalid(&error))?;
        if let Payload::Version { encoding, .. } = &payload {
            depth = depth.saturating_add(1);
            if *encoding == Encoding::Module && depth > 2 {
                return Err(Refusal::NestedComponent);
            }
            counts.costs.begin_module();
        } else if matches!(&payload, Payload::InstanceSection(_)) && depth > 1 {
            // It could be instantiated again and again, with modules that it is given.
            return Err(Refusal::NestedComponent);
        } else if let Payload::End(_) = &payload {
            depth = depth.saturating_sub(1);
        } else {
            counts.add(&payload)?;
        }
    }
    counts.check()?;
    Ok(counts)
}

impl Counts {
    fn within(limits: &'static Limits) -> Self {
        Self {
            limits,
            functions: 0,
            data_segments: 0,
            definitions: 0,
            core_instances: 0,
            custom_bytes: 0,
            memories: 0,
            memory_bytes: 0,
            tables: 0,
            costs: costs::Costs::within(limits),
            descriptions: 0,
            description: None,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other sections need no count of their own")]
    fn add(&mut self, payload: &Payload<'_>) -> Result<(), Refusal> {
        match payload {
            Payload::StartSection { .. } | Payload::ComponentStartSection { .. } => {
                return Err(Refusal::StartFunction);
            }
            Payload::TypeSection(section) => self.costs.add_types(section.clone())?,
            Payload::ImportSection(section) => self.costs.add_imports(section.clone())?,
            Payload::FunctionSection(section) => {
                grow(&mut self.functions, section.count());
                at_most("functions", self.functions, self.limits.functions)?;
                self.costs.add_functions(section.clone())?;
            }
            Payload::DataSection(section) => grow(&mut self.data_segments, section.count()),
            Payload::MemorySection(section) => self.add_memories(section.clone())?,
            Payload::TableSection(section) => self.add_tables(section.clone())?,
            Payload::InstanceSection(section) => self.add_core_instances(section.clone())?,
            Payload::ComponentTypeSection(section) => grow(&mut self.definitions, section.count()),
            Payload::CoreTypeSection(section) => grow(&mut self.definitions, section.count()),
            Payload::ComponentImportSection(section) => grow(&mut self.definitions, section.count()),
            Payload::ComponentExportSection(section) => grow(&mut self.definitions, section.count()),
            Payload::ComponentInstanceSection(section) => grow(&mut self.definitions, section.count()),
            Payload::ComponentAliasSection(section) => grow(&mut self.definitions, section.count()),
            Payload::ComponentCanonicalSection(section) => grow(&mut self.definitions, section.count()),
            Payload::CustomSection(section) => self.add_custom(section.name(), section.data())?,
            Payload::CodeSectionEntry(body) => self.costs.add(body)?,
            _ => {}
        }
        Ok(())
    }

    fn add_memories(&mut self, section: wasmparser::MemorySectionReader<'_>) -> Result<(), Refusal> {
        for memory in section {
            let memory = memory.map_err(|error| invalid(&error))?;
            // Other page sizes are off; the validator says so where they appear.
            grow(&mut self.memories, 1);
            self.memory_bytes = self.memory_bytes.saturating_add(memory.initial.saturating_mul(64 << 10));
        }
        Ok(())
    }

    fn add_tables(&mut self, section: wasmparser::TableSectionReader<'_>) -> Result<(), Refusal> {
        for table in section {
            let elements = table.map_err(|error| invalid(&error))?.ty.initial;
            at_most("elements in a table", elements, bytes(self.limits.table_elements))?;
            grow(&mut self.tables, 1);
        }
        Ok(())
    }

    fn add_core_instances(&mut self, section: wasmparser::InstanceSectionReader<'_>) -> Result<(), Refusal> {
        for instance in section {
            if let Instance::Instantiate { .. } = instance.map_err(|error| invalid(&error))? {
                grow(&mut self.core_instances, 1);
            }
        }
        Ok(())
    }

    fn add_custom(&mut self, name: &str, data: &[u8]) -> Result<(), Refusal> {
        let all = name.len().saturating_add(data.len());
        self.custom_bytes = self.custom_bytes.saturating_add(bytes(all));
        if name == DESCRIPTION {
            // Of two, one reader would believe the first, and another the last.
            grow(&mut self.descriptions, 1);
            at_most("descriptions of itself", self.descriptions, 1)?;
            at_most("bytes in its description", bytes(data.len()), limits::DESCRIPTION_BYTES_MAX)?;
            self.description = std::str::from_utf8(data).ok().map(str::to_owned);
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Refusal> {
        let limits = self.limits;
        let limit_bytes = bytes(limits.memory_bytes);
        at_most("memories", self.memories, 1)?;
        if self.memory_bytes > limit_bytes {
            return Err(Refusal::MemoryTooLarge { bytes: self.memory_bytes, limit_bytes });
        }
        at_most("data segments", self.data_segments, limits.data_segments)?;
        at_most("definitions", self.definitions, limits.definitions)?;
        at_most("core instances", self.core_instances, limits.core_instances.into())?;
        at_most("tables", self.tables, limits.tables.into())?;
        at_most("bytes in custom sections", self.custom_bytes, limits.custom_bytes)?;
        self.costs.check()
    }
}

fn grow(count: &mut u64, by: u32) {
    *count = count.saturating_add(by.into());
}

fn at_most(what: &str, count: u64, limit: u64) -> Result<(), Refusal> {
    if count <= limit { Ok(()) } else { Err(Refusal::TooMany { what: what.to_owned(), count, limit }) }
}

fn invalid(error: &BinaryReaderError) -> Refusal {
    Refusal::Invalid { why: clean(&error.to_string(), limits::MESSAGE_BYTES_MAX) }
}
