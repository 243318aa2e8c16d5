//! When points end.

use chrono::{Datelike, Days, Months, NaiveDate};

/// A civil period whose end expiry may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// The civil month.
    Month,
    /// The quarter.
    Quarter,
    /// The civil year.
    Year,
}

/// When points end, counted from the business day on which they become available.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// Never.
    #[default]
    Never,
    /// On a day.
    On(NaiveDate),
    /// After so many days, or so many months (the 31st becomes the last of a shorter month), and then not before
    /// the period's end.
    After {
        /// Months to go on.
        months: u32,
        /// Days to go on.
        days: u64,
        /// The period to finish, and how many more after it.
        end_of: Option<(Period, u32)>,
    },
}

impl Expiry {
    /// Returns the last day on which points can be spent that became available on `first_day`; `None` for no end.
    pub fn last_day(self, first_day: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Never => None,
            Self::On(day) => Some(day),
            Self::After { months, days, end_of } => {
                let day =
                    first_day.checked_add_months(Months::new(months))?.checked_add_days(Days::new(days))?;
                match end_of {
                    None => Some(day),
                    Some((period, plus)) => period.last_day(day, plus),
                }
            }
        }
    }
}

impl Period {
    fn months(self) -> u32 {
        match self {
            Self::Month => 1,
            Self::Quarter => 3,
            Self::Year => 12,
        }
    }

    /// Returns the last day of the period that `day` lies in, or of the one `plus` periods later.
    fn last_day(self, day: NaiveDate, plus: u32) -> Option<NaiveDate> {
        let into_period = day.month0().checked_rem(self.months())?;
        let first = day.with_day(1)?.checked_sub_months(Months::new(into_period))?;
        let next = first.checked_add_months(Months::new(self.months().checked_mul(plus.checked_add(1)?)?))?;
        next.pred_opt()
    }
}
