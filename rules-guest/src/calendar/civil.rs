//! The civil (Gregorian) calendar on rata die numbers: 0001-01-01 is 1.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "years are 1899 to 2101 and numbers their days, so nothing comes near the limits of i32"
)]

/// Days of the year before each month of a common year.
const BEFORE_MONTH: [i32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// Returns the number of a date. The month is 1 to 12 and the day exists.
pub(super) fn number(year: i32, month: u8, day: u8) -> i32 {
    before_year(year) + before_month(year, month) + i32::from(day)
}

/// Returns the date of a number: year, month 1 to 12, day of the month from 1.
pub(super) fn date(number: i32) -> (i32, u8, u8) {
    let year = year(number);
    let of_year = number - before_year(year);
    // A 32nd of the day of the year is the month or the one before it.
    let guess = small((of_year - 1) / 32 + 1);
    let late = guess < 12 && of_year > before_month(year, guess + 1);
    let month = if late { guess + 1 } else { guess };
    (year, month, small(of_year - before_month(year, month)))
}

/// Returns the ISO weekday: Monday is 1, Sunday is 7.
pub(super) fn weekday(number: i32) -> u8 {
    small((number - 1).rem_euclid(7) + 1)
}

/// Returns the length of a month.
pub(super) fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Returns the month before a month, with its year.
pub(super) fn previous_month(year: i32, month: u8) -> (i32, u8) {
    if month == 1 { (year - 1, 12) } else { (year, month - 1) }
}

fn year(number: i32) -> i32 {
    // Leap years make the mean year run up to two days ahead. Two days earlier, it is this year or the next.
    let guess = (number - 2) * 400 / 146_097 + 1;
    if number > before_year(guess + 1) { guess + 1 } else { guess }
}

fn before_year(year: i32) -> i32 {
    let whole = year - 1;
    whole * 365 + whole / 4 - whole / 100 + whole / 400
}

fn before_month(year: i32, month: u8) -> i32 {
    let leap_day = i32::from(month > 2 && is_leap(year));
    BEFORE_MONTH[usize::from(month) - 1] + leap_day
}

const fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Returns the number as a byte. Months, days and weekdays fit.
fn small(number: i32) -> u8 {
    u8::try_from(number).expect("a month, day or weekday is at most 31")
}
