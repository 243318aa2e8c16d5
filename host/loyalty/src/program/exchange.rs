//! Exchanges: what points of one unit are worth in another.

use rules_guest::rate::Rate;

use crate::time::Instant;

/// What points of one unit are worth in another.
#[derive(Debug)]
pub struct Exchange {
    /// The unit that is given, by place in [`super::Program::units`].
    pub unit: usize,
    /// The unit that is got, likewise.
    pub into: usize,
    /// How many of it for one point.
    pub rate: Rate,
    /// Whether what is got ends when what was given would have; else it ends as if it were awarded then.
    pub preserve: bool,
    /// The first instant of business time at which it holds.
    pub from: Instant,
    /// The first at which it no longer does.
    pub until: Instant,
}
