//! What a function's loops would cost the compiler.
//!
//! Limits on bytes do not bound compile time: a module of 9 kB was seen to take two minutes. What it takes is, for each
//! function, about 1.2 ns × (Σ over its loops of the different locals assigned inside)², because every such local needs
//! a merge at the loop's head, and register allocation then compares them all. That sum is linear to compute.

use std::collections::HashSet;

use jifen_engine::Refusal;
use jifen_engine::limits::Limits;
use wasmparser::{FunctionBody, Operator};

use super::{at_most, invalid};
use crate::compile::bytes;

/// A block that is open. What was assigned in it, if it is a loop.
type Frame = Option<HashSet<u32>>;

/// The costs of all functions so far.
pub(super) struct Costs {
    limits: &'static Limits,
    functions: u64,
    total: u64,
    /// The costliest function, and what its loops assign.
    costliest: (u64, u64),
}

impl Costs {
    pub(super) fn within(limits: &'static Limits) -> Self {
        Self { limits, functions: 0, total: 0, costliest: (0, 0) }
    }

    /// Adds a function. Functions come in the order of their modules, without the imported ones.
    pub(super) fn add(&mut self, body: &FunctionBody<'_>) -> Result<(), Refusal> {
        check_locals(body, self.limits)?;
        let mut walk = Walk::default();
        for operator in body.get_operators_reader().map_err(|error| invalid(&error))? {
            walk.step(&operator.map_err(|error| invalid(&error))?);
        }
        walk.check(self.limits)?;
        self.total = self.total.saturating_add(walk.assigned.saturating_mul(walk.assigned));
        if walk.assigned > self.costliest.1 {
            self.costliest = (self.functions, walk.assigned);
        }
        self.functions = self.functions.saturating_add(1);
        Ok(())
    }

    /// Returns what the loops of the costliest function assign.
    #[cfg(test)]
    pub(super) fn assigned(&self) -> u64 {
        self.costliest.1
    }

    pub(super) fn check(&self) -> Result<(), Refusal> {
        let (function, assigned) = self.costliest;
        if self.total <= self.limits.loop_cost {
            Ok(())
        } else {
            Err(Refusal::TooCostly { function, assigned })
        }
    }
}

fn check_locals(body: &FunctionBody<'_>, limits: &Limits) -> Result<(), Refusal> {
    let mut locals: u64 = 0;
    for group in body.get_locals_reader().map_err(|error| invalid(&error))? {
        let (count, _) = group.map_err(|error| invalid(&error))?;
        locals = locals.saturating_add(count.into());
    }
    at_most("locals in a function", locals, limits.locals)
}

#[derive(Default)]
struct Walk {
    open: Vec<Frame>,
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
            Operator::BrTable { targets } => {
                self.branch_targets = self.branch_targets.saturating_add(targets.len().into());
            }
            _ => {}
        }
    }

    fn check(&self, limits: &Limits) -> Result<(), Refusal> {
        at_most("blocks within each other", bytes(self.deepest), bytes(limits.nesting))?;
        at_most("branch targets in a function", self.branch_targets, limits.branch_targets)
    }

    fn enter(&mut self, frame: Frame) {
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
