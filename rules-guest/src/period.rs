//! Periods, as thresholds of spend are counted in.

use serde::Deserialize;

use crate::{DayNumber, Facts, Minor, Today};

/// A time over which purchases are summed, up to today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Period {
    /// From the member's first purchase on.
    #[default]
    Lifetime,
    /// This civil year.
    Year,
    /// This civil month.
    Month,
    /// So many days, today being the last of them.
    Days(u16),
}

impl Period {
    /// The most days that facts reach back.
    pub const DAYS_MAX: u16 = 732;

    /// Returns whether it has days, and facts know of all of them.
    pub fn is_known(self) -> bool {
        match self {
            Self::Lifetime | Self::Year | Self::Month => true,
            Self::Days(days) => (1..=Self::DAYS_MAX).contains(&days),
        }
    }

    /// Returns the first day of the period; `None` where it has none.
    pub fn first_day(self, today: &Today) -> Option<DayNumber> {
        match self {
            Self::Lifetime => None,
            Self::Year => Some(today.first_of_year()),
            Self::Month => Some(today.first_of_month()),
            Self::Days(days) => Some(today.number.saturating_sub(DayNumber::from(days)).saturating_add(1)),
        }
    }

    /// Returns what the member's purchases of the period came to before this event, in minor units.
    pub fn spend_minor(self, today: &Today, facts: &impl Facts) -> Minor {
        match self.first_day(today) {
            None => facts.purchases_lifetime_spend_minor(),
            Some(first_day) => facts.purchases_spend_minor_since(first_day),
        }
    }
}
