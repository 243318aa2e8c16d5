//! Calendars: which days are market days, festivals, members' days.
//!
//! A [`Day`] is a day that the tables cover, 1900-01-01 to 2100-12-31, with its place in the civil and the
//! traditional Chinese calendar. A [`Calendar`] is a set of days, written as data in a program file or in a policy's
//! parameters, read once and then asked about one day after the other. Both compute with integers on tables that are
//! compiled in, so the same day has the same answer in every host, in every guest and on replay; [`table_bytes`] is
//! what a receipt's digest is made of.
//!
//! # Kinds
//!
//! A calendar is a table with exactly one of these keys. In TOML `{ weekdays = [6] }`, in JSON `{"weekdays": [6]}`. A
//! date by itself, `"2026-02-14"`, is short for `dates` with that date, and `"every_day"` for `every_day`.
//!
//! | key | days | its own options |
//! |---|---|---|
//! | `any = [{ weekdays = [6] }, "2026-02-14"]` | of at least one of these calendars | |
//! | `all = [{ weekdays = [6] }, { lunar_parity = "odd" }]` | of all of these calendars | |
//! | `every_day = true` | 天天: every day | |
//! | `lunar_digits = [1, 4, 7]` | 逢一四七: lunar days that end in these digits; 10 may be written for 0 | `on_missing_day`, `leap` |
//! | `lunar_days = [1, 15]` | these days of the lunar month | `on_missing_day`, `leap` |
//! | `gregorian_digits = [1, 6]` | 公历逢1、6: days of the month that end in these digits, so 31 counts as a 1 | `on_missing_day` |
//! | `gregorian_days = [25]` | these days of the civil month | `on_missing_day` |
//! | `weekdays = [3, 6]` | ISO weekdays, 1 for Monday to 7 for Sunday | `nth` |
//! | `lunar_parity = "odd"` | 单日, `"even"` 双日 of the lunar month | |
//! | `gregorian_parity = "odd"` | 单日, `"even"` 双日 of the civil month | |
//! | `branches = ["chen", "戌"]` | 赶辰戌: days of these earthly branches, in pinyin or Chinese | |
//! | `cycle = { days = 5, offset = 0 }` | where the day number's remainder by `days` is `offset` | |
//! | `cycle = { days = 5, anchor = "1945-08-17" }` | every fifth day, that day being one; `offset` counts from it | |
//! | `lunar_dates = [{ month = 12, day = "last" }]` | dates of the lunar year; `"last"` is the month's last day | `on_missing_day`, `leap`, `days_before`, `days_after` |
//! | `gregorian_dates = [{ month = 11, day = 11 }]` | dates of the civil year | `on_missing_day`, `days_before`, `days_after` |
//! | `solar_terms = ["qingming", "冬至"]` | days on which these terms begin, in pinyin or Chinese | `days_before`, `days_after` |
//! | `festivals = ["zhongqiu", "春节"]` | festivals of the lunar year, in pinyin or Chinese: 春节, 元宵, 端午, 七夕, 中元, 中秋, 重阳, 腊八, 除夕 | `days_before`, `days_after` |
//! | `dates = ["2026-02-14"]` | these dates | |
//!
//! # Options
//!
//! | option | values | meaning |
//! |---|---|---|
//! | `on_missing_day` | `"skip"` (default), `"last_day"`, `"first_of_next"` | what becomes of the 30th in a month of 29 days: nothing, the month's last day, or the first of the next month |
//! | `leap` | `"same"`, `"skip"`, `"only"` | leap months count as any month, do not count, or alone count. Default `"same"` for digits and days, as market tables have it, and `"skip"` for `lunar_dates`, as festivals and birthdays do. What counts is the month that the day belongs to, so `first_of_next` moves no day out of a leap month that is skipped, and may move one into it |
//! | `nth` | 1 to 5, or −1 to −5 from the end | which of its kind in the civil month: `{ weekdays = [6], nth = [1, -1] }` is the first and the last Saturday |
//! | `days_before`, `days_after` | 0 to 180, default 0 | a window around each date, the date included |
//! | `except` | a list of calendars, with any kind | days that do not count: closures, 歇集 |
//! | `from`, `until` | dates, `until` exclusive, with any kind | bounds outside which the calendar has no days; without a kind, an interval |
//!
//! ```toml
//! any = [{ lunar_digits = [5, 0], on_missing_day = "last_day" }, { lunar_dates = [{ month = 12, day = 28 }] }]
//! except = ["2026-02-17", { weekdays = [1], from = "2026-06-01", until = "2026-07-01" }]
//! ```
//!
//! # Range
//!
//! A window can look over the edge: whether 2100-12-30 lies three days before 小寒 of 2101 the tables do not know. Then
//! the answer is [`CalendarRange`], unless it is settled without.
//!
//! **Invariant:** no floats, and no answer is approximated.

mod civil;
mod day;
mod kind;
mod lunar;
mod lunar_table;
mod names;
mod parse;
mod term_table;
mod terms;

pub use day::{CalendarRange, Day, InvalidDate};
pub use kind::MissingDay;
pub use lunar::Lunar;
pub use names::{BRANCHES, FESTIVALS, SOLAR_TERMS};

use kind::{Kind, MonthDays};

/// A set of days. See the [module](self) for how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    kind: Kind,
    /// The number of the first day that can count.
    from: i32,
    /// The number of the first day that cannot count any more.
    until: i32,
    except: Vec<Calendar>,
}

impl Calendar {
    /// Returns whether the day is in the calendar.
    ///
    /// Without allocation, in tens of nanoseconds for a calendar of a few kinds.
    ///
    /// # Errors
    ///
    /// The answer depends on a date that the tables do not cover.
    pub fn contains(&self, day: &Day) -> Result<bool, CalendarRange> {
        if !(self.from..self.until).contains(&day.number()) {
            return Ok(false);
        }
        match self.kind.contains(day) {
            Ok(false) => Ok(false),
            held => match any(&self.except, day) {
                Ok(true) => Ok(false),
                Ok(false) => held,
                Err(range) => Err(range),
            },
        }
    }

    /// Returns the days of the calendar from `first` to `last`, both included, as a published calendar lists them.
    ///
    /// A day of which [`Calendar::contains`] cannot tell is an error in its place.
    pub fn days(&self, first: Day, last: Day) -> impl Iterator<Item = Result<Day, CalendarRange>> {
        (first.number()..=last.number()).filter_map(|number| self.listed(number).transpose())
    }

    /// Returns the dates, month and day, that it names and that some years lack without anything in their place: 腊月三十,
    /// the 29th of February.
    pub fn missing_dates(&self) -> Vec<(u8, u8)> {
        self.kind.missing_dates()
    }

    fn listed(&self, number: i32) -> Result<Option<Day>, CalendarRange> {
        let day = Day::from_number(number)?;
        Ok(self.contains(&day)?.then_some(day))
    }
}

/// Returns whether a civil date is that day of its month, 1 to 31, or stands in for it where a month lacks it. It needs no
/// table.
///
/// ```
/// use rules_guest::calendar::{MissingDay, is_monthly};
///
/// assert!(is_monthly(31, MissingDay::LastDay, (2026, 4, 30)));
/// assert!(!is_monthly(31, MissingDay::Skip, (2026, 4, 30)));
/// ```
pub fn is_monthly(day_of_month: u8, missing: MissingDay, (year, month, day): (i32, u8, u8)) -> bool {
    let days = 1_u32.checked_shl(day_of_month.into()).unwrap_or(0);
    MonthDays { days, missing }.on_date(year, month, day)
}

/// Returns the number of the first day of a civil year. It needs no table.
///
/// ```
/// assert_eq!(rules_guest::calendar::first_of_year(1), 1);
/// ```
pub fn first_of_year(year: i32) -> i32 {
    civil::number(year, 1, 1)
}

/// Returns the bytes of the tables behind every answer, for a digest: the first lunar year and its packed years, then
/// the first civil year and its packed solar terms, all little-endian.
pub fn table_bytes() -> impl Iterator<Item = u8> {
    let (lunar_first, lunar_years) = lunar::table();
    let (terms_first, terms_years) = terms::table();
    let lunar =
        lunar_first.to_le_bytes().into_iter().chain(lunar_years.iter().flat_map(|year| year.to_le_bytes()));
    let terms =
        terms_first.to_le_bytes().into_iter().chain(terms_years.iter().flat_map(|year| year.to_le_bytes()));
    lunar.chain(terms)
}

/// Returns whether one of the calendars has the day. One that has it settles what another cannot tell.
fn any(calendars: &[Calendar], day: &Day) -> Result<bool, CalendarRange> {
    settle(calendars, day, true)
}

/// Returns whether all of the calendars have the day. One that lacks it settles what another cannot tell.
fn all(calendars: &[Calendar], day: &Day) -> Result<bool, CalendarRange> {
    settle(calendars, day, false)
}

fn settle(calendars: &[Calendar], day: &Day, settled: bool) -> Result<bool, CalendarRange> {
    let mut answer = Ok(!settled);
    for calendar in calendars {
        match calendar.contains(day) {
            Ok(held) if held == settled => return Ok(settled),
            Ok(_) => {}
            Err(range) => answer = Err(range),
        }
    }
    answer
}
