//! The twenty-four solar terms: reading the packed years.
//!
//! Each month has two terms, and a term keeps within four days over two centuries; so a term is two bits of its
//! year's `u64`, from the lowest, counted from the earliest day it ever has.

#![expect(clippy::arithmetic_side_effects, reason = "places are below 24, days of the month below 32")]

use super::civil;
use super::term_table::YEARS;

const FIRST_YEAR: i32 = 1900;

/// The earliest day of the month on which each term begins, from 小寒.
const EARLIEST: [u8; 24] =
    [4, 19, 3, 18, 4, 19, 4, 19, 4, 20, 4, 20, 6, 22, 6, 22, 6, 22, 7, 22, 6, 21, 6, 21];

/// The civil year begins with 小寒 and 大寒, which end the year of the terms.
const PLACE_OF_LICHUN: u8 = 2;

/// Returns the term that begins on a date, 0 for 立春 to 23 for 大寒.
pub(super) fn on(year: i32, month: u8, day: u8) -> Option<u8> {
    let first = (month - 1) * 2;
    let bits = bits(year)?;
    [first, first + 1].into_iter().find(|&place| day_of_month(bits, place) == day).map(term_at)
}

/// Returns the number of the day on which a term of a civil year begins, if the table has the year.
pub(super) fn number(year: i32, term: u8) -> Option<i32> {
    let place = (term + PLACE_OF_LICHUN) % 24;
    let day = day_of_month(bits(year)?, place);
    Some(civil::number(year, (place >> 1) + 1, day))
}

/// Returns the packed years, in order.
pub(super) fn table() -> (i32, &'static [u64]) {
    (FIRST_YEAR, &YEARS)
}

fn bits(year: i32) -> Option<u64> {
    YEARS.get(usize::try_from(year - FIRST_YEAR).ok()?).copied()
}

fn day_of_month(bits: u64, place: u8) -> u8 {
    let late = u8::try_from(bits >> (2 * place) & 3).expect("two bits");
    EARLIEST[usize::from(place)] + late
}

fn term_at(place: u8) -> u8 {
    (place + 24 - PLACE_OF_LICHUN) % 24
}

/// Packs one line of the table. Runs in the compiler, which stops at a day that is out of reach.
#[expect(clippy::as_conversions, reason = "`From` cannot be called in a constant; every value is below 4")]
pub(super) const fn row(days: [u8; 24]) -> u64 {
    let mut bits = 0;
    let mut place = 0;
    while place < 24 {
        let late = days[place] - EARLIEST[place];
        assert!(late < 4, "a term keeps within four days");
        bits |= (late as u64) << (2 * place);
        place += 1;
    }
    bits
}
