//! Days as people write them, in case files, receipts and facts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::calendar::{Day, InvalidDate};

/// A day, written as a civil date such as `2025-07-01`; a day outside 1900 to 2100, which a policy may name by
/// its number, is written `day 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date {
    number: i32,
}

impl Date {
    /// Returns the day with a rata die number; 0001-01-01 is 1.
    pub fn from_number(number: i32) -> Self {
        Self { number }
    }

    /// Returns the rata die number.
    pub fn number(self) -> i32 {
        self.number
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Day::from_number(self.number) {
            Ok(day) => day.fmt(f),
            Err(_) => write!(f, "day {}", self.number),
        }
    }
}

impl FromStr for Date {
    type Err = InvalidDate;

    fn from_str(text: &str) -> Result<Self, InvalidDate> {
        match text.strip_prefix("day ").and_then(|number| number.parse().ok()) {
            Some(number) => Ok(Self { number }),
            None => Ok(Self { number: text.parse::<Day>()?.number() }),
        }
    }
}

impl TryFrom<String> for Date {
    type Error = InvalidDate;

    fn try_from(text: String) -> Result<Self, InvalidDate> {
        text.parse()
    }
}

impl From<Date> for String {
    fn from(date: Date) -> Self {
        date.to_string()
    }
}
