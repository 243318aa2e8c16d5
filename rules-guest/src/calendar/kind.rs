//! The kinds of calendars, and whether one has a day.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "days of the month are at most 31, windows at most 180 days, numbers those of the range"
)]

use serde::Deserialize;

use super::lunar::{self, Month};
use super::{Calendar, CalendarRange, Day, civil, terms};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Any(Vec<Calendar>),
    All(Vec<Calendar>),
    EveryDay,
    LunarDays {
        days: MonthDays,
        leap: Leap,
    },
    GregorianDays(MonthDays),
    Weekdays {
        weekdays: u8,
        nth: Option<Nth>,
    },
    LunarParity(Parity),
    GregorianParity(Parity),
    Branches(u16),
    Cycle {
        days: i32,
        offset: i32,
    },
    LunarDates {
        dates: Dates,
        leap: Leap,
    },
    GregorianDates(Dates),
    SolarTerms {
        terms: u32,
        window: Window,
    },
    /// Day numbers in ascending order.
    Explicit(Vec<i32>),
}

impl Kind {
    pub(super) fn contains(&self, day: &Day) -> Result<bool, CalendarRange> {
        Ok(match self {
            Self::Any(calendars) => super::any(calendars, day)?,
            Self::All(calendars) => super::all(calendars, day)?,
            Self::EveryDay => true,
            Self::LunarDays { days, leap } => days.in_lunar_month(*leap, day),
            Self::GregorianDays(days) => days.in_civil_month(day),
            Self::Weekdays { weekdays, nth } => {
                has(*weekdays, day.weekday()) && nth.is_none_or(|nth| nth.admits(day))
            }
            Self::LunarParity(parity) => parity.of(day.lunar().day),
            Self::GregorianParity(parity) => parity.of(day.day_of_month()),
            Self::Branches(branches) => has(*branches, day.branch()),
            Self::Cycle { days, offset } => day.number().rem_euclid(*days) == *offset,
            Self::LunarDates { dates, leap } => dates.near_in_lunar_year(*leap, day)?,
            Self::GregorianDates(dates) => dates.near_in_civil_year(day),
            Self::SolarTerms { terms, window } => near_term(*terms, *window, day)?,
            Self::Explicit(numbers) => numbers.binary_search(&day.number()).is_ok(),
        })
    }
}

impl Kind {
    pub(super) fn missing_dates(&self) -> Vec<(u8, u8)> {
        match self {
            Self::Any(calendars) | Self::All(calendars) => {
                calendars.iter().flat_map(Calendar::missing_dates).collect()
            }
            Self::LunarDates { dates, .. } => dates.missing(|date| date.day == 30),
            Self::GregorianDates(dates) => dates.missing(|date| (date.month, date.day) == (2, 29)),
            Self::EveryDay
            | Self::LunarDays { .. }
            | Self::GregorianDays(_)
            | Self::Weekdays { .. }
            | Self::LunarParity(_)
            | Self::GregorianParity(_)
            | Self::Branches(_)
            | Self::Cycle { .. }
            | Self::SolarTerms { .. }
            | Self::Explicit(_) => Vec::new(),
        }
    }
}

/// What becomes of a day that a month lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingDay {
    /// There is none in that month.
    #[default]
    Skip,
    /// The month's last day stands in.
    LastDay,
    /// The first of the next month stands in.
    FirstOfNext,
}

/// Whether leap months count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Leap {
    Same,
    Skip,
    Only,
}

impl Leap {
    const fn admits(self, is_leap: bool) -> bool {
        match self {
            Self::Same => true,
            Self::Skip => !is_leap,
            Self::Only => is_leap,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Parity {
    Odd,
    Even,
}

impl Parity {
    const fn of(self, day: u8) -> bool {
        match self {
            Self::Odd => day % 2 == 1,
            Self::Even => day.is_multiple_of(2),
        }
    }
}

/// Days of any month: bit 1 for the first to bit 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MonthDays {
    pub(super) days: u32,
    pub(super) missing: MissingDay,
}

impl MonthDays {
    fn in_lunar_month(self, leap: Leap, day: &Day) -> bool {
        let lunar = day.lunar();
        let (before, before_leap) = day.previous_lunar_month();
        (leap.admits(lunar.leap) && self.falls_on(lunar.day, lunar.days_in_month))
            || (leap.admits(before_leap) && self.spills_onto(lunar.day, before))
    }

    fn in_civil_month(self, day: &Day) -> bool {
        self.on_date(day.year(), day.month(), day.day_of_month())
    }

    pub(super) fn on_date(self, year: i32, month: u8, day: u8) -> bool {
        let (year_before, month_before) = civil::previous_month(year, month);
        self.falls_on(day, civil::days_in_month(year, month))
            || self.spills_onto(day, civil::days_in_month(year_before, month_before))
    }

    fn falls_on(self, day: u8, days_in_month: u8) -> bool {
        let stands_in =
            self.missing == MissingDay::LastDay && day == days_in_month && self.lacks(days_in_month);
        has(self.days, day) || stands_in
    }

    fn spills_onto(self, day: u8, days_in_previous: u8) -> bool {
        self.missing == MissingDay::FirstOfNext && day == 1 && self.lacks(days_in_previous)
    }

    fn lacks(self, days_in_month: u8) -> bool {
        self.days >> days_in_month > 1
    }
}

/// Which weekdays of their kind in a month: bit 1 for the first to bit 5, counted from the start and from the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Nth {
    pub(super) from_start: u8,
    pub(super) from_end: u8,
}

impl Nth {
    fn admits(self, day: &Day) -> bool {
        let to_end = day.days_in_month() - day.day_of_month();
        has(self.from_start, (day.day_of_month() - 1) / 7 + 1) || has(self.from_end, to_end / 7 + 1)
    }
}

/// Dates of a year, each with its window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dates {
    pub(super) dates: Vec<AnnualDate>,
    pub(super) missing: MissingDay,
    pub(super) window: Window,
}

/// A date of every year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AnnualDate {
    pub(super) month: u8,
    /// [`AnnualDate::LAST`] for the last of the month.
    pub(super) day: u8,
}

impl AnnualDate {
    pub(super) const LAST: u8 = u8::MAX;

    /// Returns the number of this date in the month that begins with `first`.
    fn number(self, missing: MissingDay, first: i32, days: u8) -> Option<i32> {
        let last = first + i32::from(days) - 1;
        match missing {
            _ if self.day <= days => Some(first + i32::from(self.day) - 1),
            _ if self.day == Self::LAST => Some(last),
            MissingDay::Skip => None,
            MissingDay::LastDay => Some(last),
            MissingDay::FirstOfNext => Some(last + 1),
        }
    }
}

impl Dates {
    /// Returns the dates that can be missing and have no stand-in.
    fn missing(&self, can_be_missing: fn(&AnnualDate) -> bool) -> Vec<(u8, u8)> {
        let dates = self.dates.iter().filter(|date| self.missing == MissingDay::Skip && can_be_missing(date));
        dates.map(|date| (date.month, date.day)).collect()
    }

    fn near_in_lunar_year(&self, leap: Leap, day: &Day) -> Result<bool, CalendarRange> {
        let span = self.window.around(day);
        let has = |year| self.in_lunar_year(leap, year, span);
        span.settle(around(day.lunar().year).into_iter().any(has), lunar::known_days())
    }

    fn in_lunar_year(&self, leap: Leap, year: i32, span: Span) -> bool {
        let Some(year) = lunar::Year::of(year) else { return false };
        let number = |date: &AnnualDate, month: Month| date.number(self.missing, month.first, month.days);
        self.dates.iter().any(|date| {
            let counted = year
                .months_numbered(date.month)
                .into_iter()
                .flatten()
                .filter(|month| leap.admits(month.leap));
            counted.filter_map(|month| number(date, month)).any(|number| span.has(number))
        })
    }

    /// The civil calendar has no range, so this is always known.
    fn near_in_civil_year(&self, day: &Day) -> bool {
        let span = self.window.around(day);
        around(day.year()).into_iter().any(|year| self.in_civil_year(year, span))
    }

    fn in_civil_year(&self, year: i32, span: Span) -> bool {
        self.dates.iter().any(|date| {
            let days = civil::days_in_month(year, date.month);
            date.number(self.missing, civil::number(year, date.month, 1), days)
                .is_some_and(|number| span.has(number))
        })
    }
}

/// Days before and after a date that count with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) before: i32,
    pub(super) after: i32,
}

impl Window {
    /// Windows up to half a year, so that three years hold every date whose window has a day.
    pub(super) const MAX: i32 = 180;

    /// Returns the dates whose window has the day.
    const fn around(self, day: &Day) -> Span {
        Span { first: day.number() - self.after, last: day.number() + self.before }
    }
}

#[derive(Clone, Copy, Debug)]
struct Span {
    first: i32,
    last: i32,
}

impl Span {
    fn has(self, number: i32) -> bool {
        (self.first..=self.last).contains(&number)
    }

    /// Returns the answer, unless it is no and the span leaves the days that are known.
    const fn settle(self, found: bool, (first, last): (i32, i32)) -> Result<bool, CalendarRange> {
        if found || (self.first >= first && self.last <= last) {
            Ok(found)
        } else {
            Err(CalendarRange { number: if self.first < first { self.first } else { self.last } })
        }
    }
}

fn near_term(terms: u32, window: Window, day: &Day) -> Result<bool, CalendarRange> {
    if window == Window::default() {
        return Ok(day.solar_term().is_some_and(|term| has(terms, term)));
    }
    let span = window.around(day);
    let begins = |year, term| terms::number(year, term).is_some_and(|number| span.has(number));
    let found =
        around(day.year()).into_iter().any(|year| (0..24).any(|term| has(terms, term) && begins(year, term)));
    span.settle(found, (Day::FIRST, Day::LAST))
}

const fn around(year: i32) -> [i32; 3] {
    [year - 1, year, year + 1]
}

/// Returns whether a set of small numbers has one of them.
fn has(set: impl Into<u32>, number: u8) -> bool {
    set.into() >> number & 1 == 1
}
