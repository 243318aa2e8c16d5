//! What functions would cost the compiler.
//!
//! Limits on bytes do not bound compile time: a module of 9 kB was seen to take two minutes. Both of what it takes can be told in one
//! pass:
//!
//! * About 1.2 ns × (Σ over a function's loops of the different locals assigned inside)², because every such local needs
//!   a merge at the loop's head, and register allocation then compares them all.
//! * About 0.5 µs × a function's locals, with its parameters, × its blocks, because each may live over each block.
//!
//! The rest is in proportion to the bytes.

use std::collections::HashSet;

use jifen_engine::Refusal;
use jifen_engine::limits::Limits;
use wasmparser::{
    CompositeInnerType, FunctionBody, FunctionSectionReader, ImportSectionReader, Operator, TypeRef,
    TypeSectionReader,
};

use super::{at_most, invalid};
use crate::compile::bytes;

/// A block that is open. What was assigned in it, if it is a loop.
type Frame = Option<HashSet<u32>>;

/// The costs of all functions so far.
pub(super) struct Costs {
    limits: &'static Limits,
    module: Module,
    total: u64,
    /// The costliest function, and what its loops assign.
    costliest: (u64, u64),
    /// Over all functions, the locals of each once for each of its blocks.
    spread: u64,
    /// The function in which that is most, with its locals and blocks.
    widest: (u64, u64, u64),
}

impl Costs {
    pub(super) fn within(limits: &'static Limits) -> Self {
        Self { limits, module: Module::default(), total: 0, costliest: (0, 0), spread: 0, widest: (0, 0, 0) }
    }

    /// Begins the next module.
    pub(super) fn begin_module(&mut self) {
        self.module = Module::default();
    }

    /// Takes note of types of a module.
    pub(super) fn add_types(&mut self, section: TypeSectionReader<'_>) -> Result<(), Refusal> {
        for group in section {
            let types = group.map_err(|error| invalid(&error))?.into_types();
            self.module.types.extend(types.map(|it| match &it.composite_type.inner {
                CompositeInnerType::Func(function) => bytes(function.params().len()),
                CompositeInnerType::Array(_)
                | CompositeInnerType::Struct(_)
                | CompositeInnerType::Cont(_) => 0,
            }));
        }
        Ok(())
    }

    /// Takes note of what a module imports.
    pub(super) fn add_imports(&mut self, section: ImportSectionReader<'_>) -> Result<(), Refusal> {
        for import in section.into_imports() {
            if let TypeRef::Func(_) | TypeRef::FuncExact(_) = import.map_err(|error| invalid(&error))?.ty {
                self.module.imported = self.module.imported.saturating_add(1);
            }
        }
        Ok(())
    }

    /// Takes note of the types of a module's functions, which are not too many.
    pub(super) fn add_functions(&mut self, section: FunctionSectionReader<'_>) -> Result<(), Refusal> {
        for of_type in section {
            let of_type = usize::try_from(of_type.map_err(|error| invalid(&error))?).unwrap_or(usize::MAX);
            // A type that is not there is told by the validator.
            self.module.parameters.push(self.module.types.get(of_type).copied().unwrap_or_default());
        }
        Ok(())
    }

    /// Adds a function. Functions come in the order of their modules.
    pub(super) fn add(&mut self, body: &FunctionBody<'_>) -> Result<(), Refusal> {
        let locals = self.locals(body)?.saturating_add(self.module.parameters());
        let mut walk = Walk::default();
        for operator in body.get_operators_reader().map_err(|error| invalid(&error))? {
            walk.step(&operator.map_err(|error| invalid(&error))?);
        }
        self.check_blocks(&walk)?;
        self.total = self.total.saturating_add(walk.assigned.saturating_mul(walk.assigned));
        if walk.assigned > self.costliest.1 {
            self.costliest = (self.module.function(), walk.assigned);
        }
        let (_, most, over) = self.widest;
        if locals.saturating_mul(walk.blocks) > most.saturating_mul(over) {
            self.widest = (self.module.function(), locals, walk.blocks);
        }
        self.spread = self.spread.saturating_add(locals.saturating_mul(walk.blocks));
        self.module.read = self.module.read.saturating_add(1);
        Ok(())
    }

    /// Returns what the loops of the costliest function assign.
    #[cfg(test)]
    pub(super) fn assigned(&self) -> u64 {
        self.costliest.1
    }

    /// Returns the locals of all functions, each once for each block of its function.
    #[cfg(test)]
    pub(super) fn spread(&self) -> u64 {
        self.spread
    }

    fn locals(&self, body: &FunctionBody<'_>) -> Result<u64, Refusal> {
        let mut locals: u64 = 0;
        for group in body.get_locals_reader().map_err(|error| invalid(&error))? {
            let (count, _) = group.map_err(|error| invalid(&error))?;
            locals = locals.saturating_add(count.into());
        }
        self.at_most("locals", locals, self.limits.locals)?;
        Ok(locals)
    }

    fn check_blocks(&self, walk: &Walk) -> Result<(), Refusal> {
        self.at_most("blocks within each other", bytes(walk.deepest), bytes(self.limits.nesting))?;
        self.at_most("branch targets", walk.branch_targets, self.limits.branch_targets)
    }

    /// Refuses more of something than the function that is looked at may have.
    fn at_most(&self, what: &str, count: u64, limit: u64) -> Result<(), Refusal> {
        at_most(&format!("{what} in function {}", self.module.function()), count, limit)
    }

    /// Returns how long compiling the functions is foreseen to take beyond what their bytes do, in microseconds.
    pub(super) fn foreseen_us(&self) -> u64 {
        let loops = self.total.saturating_mul(12).div_euclid(10_000);
        loops.saturating_add(self.spread.div_euclid(2))
    }

    pub(super) fn check(&self) -> Result<(), Refusal> {
        let (function, assigned) = self.costliest;
        if self.total > self.limits.loop_cost {
            return Err(Refusal::TooCostly { function, assigned });
        }
        let (function, locals, blocks) = self.widest;
        if self.spread > self.limits.block_cost {
            return Err(Refusal::TooBranched { function, locals, blocks });
        }
        Ok(())
    }
}

/// The module that is looked at.
#[derive(Default)]
struct Module {
    /// The parameters of its types that are those of functions.
    types: Vec<u64>,
    imported: u64,
    /// The parameters of the functions that have bodies here.
    parameters: Vec<u64>,
    /// How many of those were looked at.
    read: usize,
}

impl Module {
    /// Returns the index of the function that comes next.
    fn function(&self) -> u64 {
        self.imported.saturating_add(bytes(self.read))
    }

    /// Returns its parameters.
    fn parameters(&self) -> u64 {
        self.parameters.get(self.read).copied().unwrap_or_default()
    }
}

#[derive(Default)]
struct Walk {
    open: Vec<Frame>,
    blocks: u64,
    deepest: usize,
    assigned: u64,
    branch_targets: u64,
}

impl Walk {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "hundreds of operators assign nothing and open nothing"
    )]
    fn step(&mut self, operator: &Operator<'_>) {
        match operator {
            Operator::Loop { .. } => self.enter(Some(HashSet::new())),
            Operator::Block { .. } | Operator::If { .. } => self.enter(None),
            Operator::End => self.leave(),
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                self.assign(*local_index);
            }
            Operator::BrIf { .. } => self.blocks = self.blocks.saturating_add(1),
            Operator::BrTable { targets } => {
                self.branch_targets = self.branch_targets.saturating_add(targets.len().into());
                self.blocks = self.blocks.saturating_add(targets.len().into());
            }
            _ => {}
        }
    }

    fn enter(&mut self, frame: Frame) {
        self.blocks = self.blocks.saturating_add(1);
        self.open.push(frame);
        self.deepest = self.deepest.max(self.open.len());
    }

    fn assign(&mut self, local: u32) {
        if let Some(innermost) = self.open.iter_mut().rev().flatten().next() {
            innermost.insert(local);
        }
    }

    /// Closes a block. What a loop assigned, the loop around it assigned, too. Always the smaller set is moved, so that
    /// this stays nearly linear.
    fn leave(&mut self) {
        let Some(Some(mut closed)) = self.open.pop() else { return };
        self.assigned = self.assigned.saturating_add(bytes(closed.len()));
        if let Some(around) = self.open.iter_mut().rev().flatten().next() {
            if around.len() < closed.len() {
                std::mem::swap(around, &mut closed);
            }
            around.extend(closed);
        }
    }
}
