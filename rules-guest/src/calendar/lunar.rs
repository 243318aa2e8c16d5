//! The traditional Chinese calendar: reading the packed years.
//!
//! A year is 23 bits of a `u32`, from the lowest: thirteen month lengths (1: 30 days), the month that the leap month
//! follows (4 bits, 0: none), and the day of the civil year on which it begins (6 bits, 1 for January 1).

#![expect(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "every number is a field of the table or a day of its years; a test visits each of them"
)]

use super::civil;
use super::lunar_table::YEARS;

/// A day of the traditional Chinese calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lunar {
    /// The civil year in which this lunar year began.
    pub year: i32,
    /// 1 to 12. A leap month has the number of the month it follows.
    pub month: u8,
    /// Whether this is a leap month (闰月).
    pub leap: bool,
    /// 1 to 30.
    pub day: u8,
    /// 29 or 30.
    pub days_in_month: u8,
}

/// A month of a lunar year, and when it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Month {
    pub(super) first: i32,
    pub(super) days: u8,
    pub(super) leap: bool,
}

/// One lunar year of the table.
#[derive(Clone, Copy)]
pub(super) struct Year {
    year: i32,
    bits: u32,
}

const FIRST_YEAR: i32 = 1899;
const LENGTHS: u32 = 0x1FFF;
const LEAP_SHIFT: u32 = 13;
const START_SHIFT: u32 = 17;

/// Returns the lunar date of a day of the range, and the month before its month.
pub(super) fn date(number: i32, civil_year: i32) -> (Lunar, Month) {
    let this = Year::known(civil_year);
    let year = if number < this.first() { Year::known(civil_year - 1) } else { this };
    let index = year.index_of(number);
    let month = year.month(index);
    let lunar = Lunar {
        year: year.year,
        month: year.month_number(index),
        leap: month.leap,
        day: u8::try_from(number - month.first + 1).expect("a month has at most 30 days"),
        days_in_month: month.days,
    };
    (lunar, year.month_before(index))
}

/// Returns the first and the last day of the years in the table.
pub(super) fn known_days() -> (i32, i32) {
    let last = Year::known(FIRST_YEAR - 1 + i32::try_from(YEARS.len()).expect("the table has 202 years"));
    let month = last.month(last.months() - 1);
    (Year::known(FIRST_YEAR).first(), month.first + i32::from(month.days) - 1)
}

/// Returns the packed years, in order.
pub(super) fn table() -> (i32, &'static [u32]) {
    (FIRST_YEAR, &YEARS)
}

impl Year {
    /// Returns the year, if the table has it.
    pub(super) fn of(year: i32) -> Option<Self> {
        let index = usize::try_from(year - FIRST_YEAR).ok()?;
        YEARS.get(index).map(|&bits| Self { year, bits })
    }

    /// Returns the months with this number: the month, and the leap month that follows it if there is one.
    pub(super) fn months_numbered(self, number: u8) -> [Option<Month>; 2] {
        let number = u32::from(number);
        let after_leap = self.leap() != 0 && number > self.leap();
        let plain = self.month(number - u32::from(!after_leap));
        let leap = (self.leap() == number).then(|| self.month(number));
        [Some(plain), leap]
    }

    fn known(year: i32) -> Self {
        Self::of(year).expect("a day of 1900 to 2100 lies in a lunar year of 1899 to 2100")
    }

    fn first(self) -> i32 {
        civil::number(self.year, 1, 1) + i32::try_from(self.bits >> START_SHIFT).expect("six bits") - 1
    }

    fn leap(self) -> u32 {
        self.bits >> LEAP_SHIFT & 0xF
    }

    fn months(self) -> u32 {
        12 + u32::from(self.leap() != 0)
    }

    /// Returns the month at a place in the year, counted from 0 with the leap month in its place.
    fn month(self, index: u32) -> Month {
        let long_before = (self.bits & LENGTHS & ((1 << index) - 1)).count_ones();
        let first = self.first() + i32::try_from(29 * index + long_before).expect("a day of the year");
        let days = if self.bits >> index & 1 == 1 { 30 } else { 29 };
        Month { first, days, leap: self.leap() != 0 && index == self.leap() }
    }

    fn month_number(self, index: u32) -> u8 {
        let after_leap = self.leap() != 0 && index >= self.leap();
        u8::try_from(index + u32::from(!after_leap)).expect("a year has at most 13 months")
    }

    fn month_before(self, index: u32) -> Month {
        match index.checked_sub(1) {
            Some(before) => self.month(before),
            None => Self::of(self.year - 1).map_or(self.month(0), |year| year.month(year.months() - 1)),
        }
    }

    fn index_of(self, number: i32) -> u32 {
        let of_year = u32::try_from(number - self.first()).expect("the day is not before its year");
        // Were all months long, this would be it; with short ones it is this or the next.
        let guess = of_year / 30;
        let late = guess + 1 < self.months() && self.month(guess + 1).first <= number;
        guess + u32::from(late)
    }
}

/// Packs one line of the table. Runs in the compiler, which stops at a line that makes no sense.
#[expect(clippy::as_conversions, reason = "`From` cannot be called in a constant; every value is below 64")]
pub(super) const fn row(month: u8, day: u8, leap: u8, lengths: &[u8]) -> u32 {
    assert!(
        (month == 1 || month == 2) && day <= 31 && leap <= 12,
        "a lunar year begins in January or February"
    );
    assert!(lengths.len() == if leap == 0 { 12 } else { 13 }, "twelve months, or thirteen with a leap month");
    let start = if month == 1 { day } else { day + 31 };
    let mut bits = (start as u32) << START_SHIFT | (leap as u32) << LEAP_SHIFT;
    let mut index = 0;
    while index < lengths.len() {
        assert!(lengths[index] == b'L' || lengths[index] == b's', "a month is long (L) or short (s)");
        bits |= ((lengths[index] == b'L') as u32) << index;
        index += 1;
    }
    bits
}
