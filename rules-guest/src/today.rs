//! The business day, as rules ask about it.

use crate::Today;
use crate::calendar::{self, MissingDay};

impl Today {
    /// Returns whether this is that day of its civil month, 1 to 31, or stands in for it where the month lacks it.
    pub fn is_monthly(&self, day_of_month: u8, missing: MissingDay) -> bool {
        calendar::is_monthly(day_of_month, missing, (self.year, self.month, self.day_of_month))
    }
}
