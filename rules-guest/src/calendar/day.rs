//! A day that is known in every calendar.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "a number is checked against the range before anything is computed with it"
)]

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use super::lunar::{self, Lunar};
use super::{civil, terms};

/// A day of 1900-01-01 to 2100-12-31, with its place in every calendar that a rule may ask for.
///
/// To hold one is to know that the tables cover it. Days compare by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day {
    number: i32,
    year: i32,
    month: u8,
    day_of_month: u8,
    weekday: u8,
    solar_term: Option<u8>,
    sexagenary: u8,
    lunar: Lunar,
    previous_days: u8,
    previous_leap: bool,
}

impl Day {
    /// The number of 1900-01-01.
    pub const FIRST: i32 = 693_596;
    /// The number of 2100-12-31.
    pub const LAST: i32 = 767_009;

    /// Returns the day with a rata die number; 0001-01-01 is 1.
    ///
    /// # Errors
    ///
    /// The number is not within [`Day::FIRST`] to [`Day::LAST`].
    pub fn from_number(number: i32) -> Result<Self, CalendarRange> {
        if !(Self::FIRST..=Self::LAST).contains(&number) {
            return Err(CalendarRange { number });
        }
        Ok(Self::within_range(number))
    }

    /// Returns the day with a civil date.
    ///
    /// # Errors
    ///
    /// The date does not exist, or its year is not within 1900 to 2100.
    pub fn from_civil(year: i32, month: u8, day: u8) -> Result<Self, InvalidDate> {
        let exists = (1..=12).contains(&month) && (1..=civil::days_in_month(year, month)).contains(&day);
        if !exists {
            return Err(InvalidDate::NoSuchDay { year, month, day });
        }
        // Further years than four digits can write would overflow the number.
        let number = civil::number(year.clamp(1, 9999), month, day);
        Ok(Self::from_number(number)?)
    }

    /// Returns the rata die number.
    pub const fn number(&self) -> i32 {
        self.number
    }

    /// Returns the civil year, 1900 to 2100.
    pub const fn year(&self) -> i32 {
        self.year
    }

    /// Returns the civil month, 1 to 12.
    pub const fn month(&self) -> u8 {
        self.month
    }

    /// Returns the day of the civil month, 1 to 31.
    pub const fn day_of_month(&self) -> u8 {
        self.day_of_month
    }

    /// Returns the length of the civil month, 28 to 31.
    pub fn days_in_month(&self) -> u8 {
        civil::days_in_month(self.year, self.month)
    }

    /// Returns the ISO weekday: Monday is 1, Sunday is 7.
    pub const fn weekday(&self) -> u8 {
        self.weekday
    }

    /// Returns the lunar date.
    pub const fn lunar(&self) -> Lunar {
        self.lunar
    }

    /// Returns the solar term that begins on this day: 0 for 立春 to 23 for 大寒, as in
    /// [`SOLAR_TERMS`](super::SOLAR_TERMS).
    pub const fn solar_term(&self) -> Option<u8> {
        self.solar_term
    }

    /// Returns the sexagenary day: 0 for 甲子 to 59 for 癸亥.
    pub const fn sexagenary(&self) -> u8 {
        self.sexagenary
    }

    /// Returns the earthly branch of the day: 0 for 子 to 11 for 亥, as in [`BRANCHES`](super::BRANCHES).
    pub const fn branch(&self) -> u8 {
        self.sexagenary % 12
    }

    /// Returns the length of the lunar month before this one, and whether it is a leap month.
    pub(super) const fn previous_lunar_month(&self) -> (u8, bool) {
        (self.previous_days, self.previous_leap)
    }

    fn within_range(number: i32) -> Self {
        let (year, month, day_of_month) = civil::date(number);
        let (lunar, previous) = lunar::date(number, year);
        Self {
            number,
            year,
            month,
            day_of_month,
            weekday: civil::weekday(number),
            solar_term: terms::on(year, month, day_of_month),
            sexagenary: u8::try_from((number + 14).rem_euclid(60)).expect("below 60"),
            lunar,
            previous_days: previous.days,
            previous_leap: previous.leap,
        }
    }
}

/// Writes the civil date: `2026-02-17`.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day_of_month)
    }
}

/// Reads a civil date of the form `2026-02-17`.
impl FromStr for Day {
    type Err = InvalidDate;

    fn from_str(text: &str) -> Result<Self, InvalidDate> {
        let (year, month, day) = split(text).ok_or(InvalidDate::Malformed)?;
        Self::from_civil(year, month, day)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

fn split(text: &str) -> Option<(i32, u8, u8)> {
    let shape = text
        .bytes()
        .enumerate()
        .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() });
    if text.len() != 10 || !shape {
        return None;
    }
    Some((text.get(..4)?.parse().ok()?, text.get(5..7)?.parse().ok()?, text.get(8..)?.parse().ok()?))
}

/// The tables do not cover a day, and nothing is approximated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalendarRange {
    /// The rata die number of the day that was asked for.
    pub number: i32,
}

impl CalendarRange {
    /// The stable code of this error.
    pub const CODE: &'static str = "calendar_range";
}

impl fmt::Display for CalendarRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "calendar_range: day {} is not within 1900-01-01 to 2100-12-31, which the tables cover",
            self.number
        )
    }
}

impl std::error::Error for CalendarRange {}

/// A civil date that is no [`Day`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidDate {
    /// The text is not of the form `YYYY-MM-DD`.
    Malformed,
    /// The calendar has no such day, as in `2026-02-29`.
    NoSuchDay {
        /// The year asked for.
        year: i32,
        /// The month asked for.
        month: u8,
        /// The day of the month asked for.
        day: u8,
    },
    /// The day exists, but the tables do not cover it.
    Range(CalendarRange),
}

impl From<CalendarRange> for InvalidDate {
    fn from(range: CalendarRange) -> Self {
        Self::Range(range)
    }
}

impl fmt::Display for InvalidDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("a date is written YYYY-MM-DD, as 2026-02-17"),
            Self::NoSuchDay { year, month, day } => write!(f, "there is no {year:04}-{month:02}-{day:02}"),
            Self::Range(range) => range.fmt(f),
        }
    }
}

impl std::error::Error for InvalidDate {}
