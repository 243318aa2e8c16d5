//! Leaves out of a snapshot what nothing can call any more.
//!
//! A snapshot took its parameters, so its `configure` is never called again, nor is what only `configure` calls: reading
//! JSON, for most. Such a function keeps its place and its type, and has `unreachable` for a body. Compiled for each
//! deployment, this is most of the code of a small policy.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::Range;

use jifen_engine::contract::{CONFIGURATION, full_name};
use wasm_encoder::{CodeSection, Component, ComponentSectionId, Function, Module, RawSection, SectionId};
use wasmparser::{
    BinaryReaderError, ConstExpr, ElementItems, ExternalKind, FunctionBody, Operator, OperatorsReader,
    Parser, Payload, TableInit, TypeRef,
};

type Result<T> = std::result::Result<T, BinaryReaderError>;

/// Returns a component without what only `configure` needs.
///
/// # Errors
///
/// If it is no valid component.
pub(crate) fn prune(component: &[u8]) -> Result<Vec<u8>> {
    let mut pruned = Component::new();
    for (id, range) in sections(component)? {
        let data = &component[range];
        if id == u8::from(ComponentSectionId::CoreModule) {
            pruned.section(&RawSection { id, data: &prune_module(data)? });
        } else {
            pruned.section(&RawSection { id, data });
        }
    }
    Ok(pruned.finish())
}

fn prune_module(module: &[u8]) -> Result<Vec<u8>> {
    let functions = Functions::read(module)?;
    let kept = functions.reachable()?;
    let mut pruned = Module::new();
    for (id, range) in sections(module)? {
        if id == u8::from(SectionId::Code) {
            pruned.section(&functions.code(module, &kept));
        } else {
            pruned.section(&RawSection { id, data: &module[range] });
        }
    }
    Ok(pruned.finish())
}

/// Returns the sections of a component or module, not those of what is in it.
fn sections(bytes: &[u8]) -> Result<Vec<(u8, Range<usize>)>> {
    let mut sections = Vec::new();
    let mut depth: u32 = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        if let Payload::Version { .. } = payload {
            depth = depth.saturating_add(1);
        } else if let Payload::End(_) = payload {
            depth = depth.saturating_sub(1);
        } else if depth == 1 {
            sections.extend(payload.as_section());
        }
    }
    Ok(sections)
}

/// The functions of a module, by index.
#[derive(Default)]
struct Functions<'a> {
    imported: u32,
    bodies: Vec<FunctionBody<'a>>,
    /// Who can be called from outside, or through a table.
    roots: BTreeSet<u32>,
}

impl<'a> Functions<'a> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other sections name no function")]
    fn read(module: &'a [u8]) -> Result<Self> {
        let mut functions = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let imported = matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_));
                        functions.imported = functions.imported.saturating_add(imported.into());
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.kind == ExternalKind::Func && !is_configure(export.name) {
                            functions.roots.insert(export.index);
                        }
                    }
                }
                Payload::StartSection { func, .. } => {
                    functions.roots.insert(func);
                }
                Payload::GlobalSection(section) => {
                    for global in section {
                        functions.add_expression(&global?.init_expr)?;
                    }
                }
                Payload::TableSection(section) => {
                    for table in section {
                        if let TableInit::Expr(expression) = table?.init {
                            functions.add_expression(&expression)?;
                        }
                    }
                }
                Payload::ElementSection(section) => {
                    for element in section {
                        functions.add_elements(element?.items)?;
                    }
                }
                Payload::CodeSectionEntry(body) => functions.bodies.push(body),
                _ => {}
            }
        }
        Ok(functions)
    }

    fn add_elements(&mut self, items: ElementItems<'_>) -> Result<()> {
        match items {
            ElementItems::Functions(indices) => {
                for index in indices {
                    self.roots.insert(index?);
                }
            }
            ElementItems::Expressions(_, expressions) => {
                for expression in expressions {
                    self.add_expression(&expression?)?;
                }
            }
        }
        Ok(())
    }

    fn add_expression(&mut self, expression: &ConstExpr<'_>) -> Result<()> {
        self.roots.extend(named(expression.get_operators_reader())?);
        Ok(())
    }

    /// Returns the roots and whom they call.
    fn reachable(&self) -> Result<BTreeSet<u32>> {
        let mut reachable = BTreeSet::new();
        let mut open: Vec<u32> = self.roots.iter().copied().collect();
        while let Some(index) = open.pop() {
            if reachable.insert(index)
                && let Some(body) =
                    index.checked_sub(self.imported).and_then(|own| self.bodies.get(place(own)))
            {
                open.extend(named(body.get_operators_reader()?)?);
            }
        }
        Ok(reachable)
    }

    fn code(&self, module: &[u8], kept: &BTreeSet<u32>) -> CodeSection {
        let mut code = CodeSection::new();
        for (index, body) in (self.imported..).zip(&self.bodies) {
            if kept.contains(&index) {
                code.raw(&module[body.range()]);
            } else {
                let mut never = Function::new([]);
                never.instructions().unreachable().end();
                code.function(&never);
            }
        }
        code
    }
}

/// Returns whether the canonical ABI calls this export for `configure`, or after it.
fn is_configure(export: &str) -> bool {
    let (interface, function) = CONFIGURATION;
    let name = export.strip_prefix("cabi_post_").unwrap_or(export);
    name.split_once('#') == Some((&full_name(interface), function))
}

/// Returns the functions that operators name.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other operators name no function")]
fn named(operators: OperatorsReader<'_>) -> Result<Vec<u32>> {
    let mut named = Vec::new();
    for operator in operators {
        match operator? {
            Operator::Call { function_index }
            | Operator::ReturnCall { function_index }
            | Operator::RefFunc { function_index } => named.push(function_index),
            _ => {}
        }
    }
    Ok(named)
}

fn place(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}
