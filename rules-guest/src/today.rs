//! The business day, as rules ask about it.

use crate::calendar::{self, MissingDay};
use crate::{DayNumber, Today};

impl Today {
    /// Returns whether this is that day of its civil month, 1 to 31, or stands in for it where the month lacks it.
    pub fn is_monthly(&self, day_of_month: u8, missing: MissingDay) -> bool {
        calendar::is_monthly(day_of_month, missing, (self.year, self.month, self.day_of_month))
    }

    /// Returns the first day of this civil month.
    pub fn first_of_month(&self) -> DayNumber {
        self.number.saturating_sub(DayNumber::from(self.day_of_month)).saturating_add(1)
    }

    /// Returns the first day of this civil year.
    pub fn first_of_year(&self) -> DayNumber {
        calendar::first_of_year(self.year)
    }
}
