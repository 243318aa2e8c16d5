//! Answers to facts as a case states them.

use serde::{Deserialize, Serialize};

use crate::date::Date;

/// An answer. `null` is for a day that there never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// A count, an amount in minor units, or points.
    Number(u64),
    /// Yes or no.
    Flag(bool),
    /// A day.
    Day(Option<Date>),
}

impl Answer {
    /// Returns the number that the contract's function returns: days are day numbers, none is 0, yes is 1.
    pub fn value(self) -> u64 {
        match self {
            Self::Number(number) => number,
            Self::Flag(yes) => yes.into(),
            Self::Day(day) => day.map_or(0, |day| u64::try_from(day.number()).unwrap_or(0)),
        }
    }
}
