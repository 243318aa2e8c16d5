//! When points end.

use chrono::{Datelike, Days, Months, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::term::{Notice, Term};
use crate::time::{Instant, Zone, next_day};

/// When points end, and whether the member must be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// When they end.
    pub expires: Expiry,
    /// Days between telling a member of that and the last day; `None` where they end untold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_days: Option<u32>,
}

impl Ends {
    /// Returns the term of points that are available from an instant on, their end counted from its day.
    pub fn counted(self, available_at: Instant, first_day: NaiveDate, zone: Zone) -> Term {
        let last_day = self.expires.last_day(first_day);
        self.at(available_at, last_day.map_or(Instant::NEVER, |last| zone.start_of(next_day(last))))
    }

    /// Returns the term of points that can be spent between two instants.
    pub fn at(self, available_at: Instant, expires_at: Instant) -> Term {
        let notice = if expires_at == Instant::NEVER { Notice::Given } else { self.notice() };
        Term { notice, ..Term::new(available_at, expires_at) }
    }

    /// Returns whether the end depends on the day from which it is counted.
    pub fn are_counted(self) -> bool {
        matches!(self.expires, Expiry::After { .. })
    }

    /// Returns it as ledgers keep it.
    pub fn to_json(self) -> String {
        serde_json::to_string(&self).expect("numbers and words can be written")
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    ///
    /// What about the text is wrong.
    pub fn from_json(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// Returns whether the member must be told.
    pub fn notice(self) -> Notice {
        self.notice_days.map_or(Notice::Given, |days| Notice::Needed { days })
    }
}

/// A civil period whose end expiry may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// The civil month.
    Month,
    /// The quarter.
    Quarter,
    /// The civil year.
    Year,
}

/// When points end, counted from the business day on which they become available.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
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
        days: u32,
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
                let day = first_day.checked_add_months(Months::new(months))?;
                let day = day.checked_add_days(Days::new(days.into()))?;
                match end_of {
                    None => Some(day),
                    Some((period, plus)) => period.last_day(day, plus),
                }
            }
        }
    }
}

/// An expiry, as program files and receipts write it.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    months: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_of: Option<Period>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plus: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<String>,
}

/// How an expiry is written.
const FORMS: &str =
    "write { months = 12 }, { days = 365 }, { end_of = \"year\", plus = 1 } or { date = \"2026-12-31\" }";

impl TryFrom<Written> for Expiry {
    type Error = String;

    fn try_from(Written { months, days, end_of, plus, date }: Written) -> Result<Self, String> {
        if let Some(date) = date {
            let alone = months.is_none() && days.is_none() && end_of.is_none() && plus.is_none();
            let date = date.parse().map_err(|_| format!("{date:?} is not a date; {FORMS}"))?;
            return if alone { Ok(Self::On(date)) } else { Err(format!("a date stands alone; {FORMS}")) };
        }
        if plus.is_some() && end_of.is_none() {
            return Err(format!("`plus` counts periods and needs `end_of`; {FORMS}"));
        }
        if months.is_none() && days.is_none() && end_of.is_none() {
            return Ok(Self::Never);
        }
        Ok(Self::After {
            months: months.unwrap_or(0),
            days: days.unwrap_or(0),
            end_of: end_of.map(|period| (period, plus.unwrap_or(0))),
        })
    }
}

impl Written {
    /// Reads what a program file says, which must be something.
    pub(super) fn expiry(&self) -> Result<Expiry, String> {
        match Expiry::try_from(self.clone())? {
            Expiry::Never => Err(format!("says nothing; {FORMS}, or leave it out for points that stay")),
            expiry @ (Expiry::On(_) | Expiry::After { .. }) => Ok(expiry),
        }
    }
}

impl From<Expiry> for Written {
    fn from(expiry: Expiry) -> Self {
        match expiry {
            Expiry::Never => Self::default(),
            Expiry::On(date) => Self { date: Some(date.to_string()), ..Self::default() },
            Expiry::After { months, days, end_of } => Self {
                months: Some(months).filter(|months| *months > 0),
                // Not nothing, which would be no end.
                days: Some(days).filter(|days| *days > 0 || (months == 0 && end_of.is_none())),
                end_of: end_of.map(|(period, _)| period),
                plus: end_of.map(|(_, plus)| plus).filter(|plus| *plus > 0),
                date: None,
            },
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
