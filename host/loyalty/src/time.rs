//! Business time: instants, and the civil days of the program's zone.

use std::fmt;

use chrono::{
    DateTime, Days, LocalResult, NaiveDate, NaiveTime, SecondsFormat, TimeDelta, TimeZone, Timelike, Utc,
};
use chrono_tz::Tz;

/// An instant in milliseconds since 1970-01-01T00:00:00Z. Finer digits are cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

impl Instant {
    /// The end of time: what never ends, ends then.
    pub const NEVER: Self = Self(i64::MAX);

    /// Returns the instant so many milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since 1970-01-01T00:00:00Z.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Parses RFC 3339.
    ///
    /// # Errors
    ///
    /// With what is wrong and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |error| format!("{text:?} is not a time: {error}; write it as 2017-01-01T11:53:26+08:00");
        DateTime::parse_from_rfc3339(text).map(|time| Self(time.timestamp_millis())).map_err(wrong)
    }

    fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

/// RFC 3339 in UTC, with milliseconds only where there are any.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.utc().to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

/// The version of the time zone table.
pub const ZONES_VERSION: &str = chrono_tz::IANA_TZDB_VERSION;

/// The program's time zone, from a table that is compiled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(Tz);

/// A civil day and the time on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// The day.
    pub date: NaiveDate,
    /// Seconds since local midnight.
    pub second_of_day: u32,
}

impl Zone {
    /// Returns the zone of that IANA name.
    ///
    /// # Errors
    ///
    /// If the table has no such zone.
    pub fn parse(name: &str) -> Result<Self, String> {
        let wrong = |_| format!("{name:?} is not a time zone; write an IANA name such as Asia/Shanghai");
        name.parse().map(Self).map_err(wrong)
    }

    /// Returns the civil day and time at an instant.
    pub fn local(self, instant: Instant) -> Local {
        let local = instant.utc().with_timezone(&self.0);
        Local { date: local.date_naive(), second_of_day: local.num_seconds_from_midnight() }
    }

    /// Returns the last civil day that begins before an instant: the last on which points can be spent that end then.
    pub fn last_day_before(self, instant: Instant) -> NaiveDate {
        self.local(Instant(instant.0.saturating_sub(1))).date
    }

    /// Returns the first instant of a civil day: midnight, or the first that exists where a clock change skips it.
    pub fn start_of(self, date: NaiveDate) -> Instant {
        let midnight = date.and_time(NaiveTime::MIN);
        let earliest = |time| match self.0.from_local_datetime(&time) {
            LocalResult::Single(instant) | LocalResult::Ambiguous(instant, _) => Some(instant),
            LocalResult::None => None,
        };
        // No zone of the table skips more than a day (Samoa, 2011-12-30).
        let quarters = (0..=100)
            .filter_map(|n| midnight.checked_add_signed(TimeDelta::minutes(15_i64.saturating_mul(n))));
        let first = quarters.filter_map(earliest).next();
        first.map_or(Instant::NEVER, |instant| Instant(instant.timestamp_millis()))
    }

    /// Returns the instant in this zone's clock, as RFC 3339.
    pub fn format(self, instant: Instant) -> String {
        instant.utc().with_timezone(&self.0).to_rfc3339_opts(SecondsFormat::AutoSi, false)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

/// Returns the day after.
pub fn next_day(date: NaiveDate) -> NaiveDate {
    date.checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX)
}

/// Returns the rata die number of a civil day: 0001-01-01 is 1.
pub fn day_number(date: NaiveDate) -> i32 {
    chrono::Datelike::num_days_from_ce(&date)
}

/// Returns the civil day of a rata die number, if chrono has it.
pub fn date_of(day_number: i32) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(day_number)
}
