//! Times as a case states them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::calendar::Day;

/// A time of RFC 3339, kept as it was written. The business day is the date it shows, whatever the offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LocalTime {
    text: String,
    day: Day,
    second_of_day: u32,
}

impl LocalTime {
    /// Returns the date that the time shows.
    pub fn day(&self) -> Day {
        self.day
    }

    /// Returns the seconds since the midnight before, 0 to 86400; the last is a leap second.
    pub fn second_of_day(&self) -> u32 {
        self.second_of_day
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for LocalTime {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let malformed = || InvalidTime(text.to_owned());
        let (date, rest) = text.split_once('T').ok_or_else(malformed)?;
        let (clock, offset) = rest.split_at_checked("00:00:00".len()).ok_or_else(malformed)?;
        let day = date.parse().map_err(|_| malformed())?;
        let second_of_day =
            second_of_day(clock).filter(|_| is_offset(fraction_end(offset))).ok_or_else(malformed)?;
        Ok(Self { text: text.to_owned(), day, second_of_day })
    }
}

impl TryFrom<String> for LocalTime {
    type Error = InvalidTime;

    fn try_from(text: String) -> Result<Self, InvalidTime> {
        text.parse()
    }
}

impl From<LocalTime> for String {
    fn from(time: LocalTime) -> Self {
        time.text
    }
}

/// A text that is no time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidTime(pub String);

impl fmt::Display for InvalidTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = "write YYYY-MM-DDThh:mm:ss and the offset, as 2025-07-25T00:00:00+08:00";
        write!(f, "`{}` is no time between 1900 and 2100; {form}", self.0)
    }
}

impl std::error::Error for InvalidTime {}

/// Reads `hh:mm:ss`. The sixtieth second is a leap second's.
fn second_of_day(clock: &str) -> Option<u32> {
    let [hour, minute, second] = numbers(clock)?;
    let known = hour < 24 && minute < 60 && (second < 60 || (hour, minute, second) == (23, 59, 60));
    let seconds = hour.checked_mul(3600)?.checked_add(minute.checked_mul(60)?)?.checked_add(second)?;
    known.then_some(seconds)
}

/// Returns what follows the fraction of a second, if there is one.
fn fraction_end(text: &str) -> &str {
    match text.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|digit: char| digit.is_ascii_digit()),
        None => text,
    }
}

fn is_offset(text: &str) -> bool {
    let hours_and_minutes = text.strip_prefix(['+', '-']).and_then(numbers);
    text == "Z" || hours_and_minutes.is_some_and(|[hours, minutes]| hours < 24 && minutes < 60)
}

/// Reads numbers of two digits with colons between them.
fn numbers<const N: usize>(text: &str) -> Option<[u32; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(':');
    for number in &mut numbers {
        let part = parts.next()?;
        let two_digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| two_digits)?;
    }
    parts.next().is_none().then_some(numbers)
}
