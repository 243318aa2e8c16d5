//! Exact rates and named rounding.
//!
//! A rate is written as a decimal, `"1.5"`, and computed as the fraction it is. A product is exact in 128 bits and is
//! rounded once, by a rounding that has a name; what does not fit is an error and never wraps. The default is
//! [`Rounding::Floor`], once on the total of one award.
//!
//! ```
//! use rules_guest::rate::{Rate, Rounding};
//!
//! // 1.5 points for every 100 fen of ¥19.99.
//! let rate: Rate = "1.5".parse()?;
//! assert_eq!(rate.of(19_99, 100, Rounding::Floor), Ok(29));
//! # Ok::<(), rules_guest::rate::InvalidRate>(())
//! ```
//!
//! **Invariant:** no floats. A rate that arrives as one is refused, because what was meant is already lost.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// How an exact amount becomes a whole one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rounding {
    /// Down: 28.5 becomes 28.
    #[default]
    Floor,
    /// To the nearest, a half up: 28.5 becomes 29.
    HalfUp,
    /// Up: 28.1 becomes 29.
    Ceil,
}

/// What is rounded where several parts of one purchase earn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The sum of the whole order, once.
    #[default]
    Order,
    /// What each line comes to.
    Line,
}

impl Scope {
    /// Returns what lines come to, each an amount with its rate, over `per`.
    ///
    /// # Errors
    ///
    /// The result does not fit, or `per` is zero.
    pub fn sum(
        self,
        lines: impl IntoIterator<Item = (u64, Rate)>,
        per: u64,
        rounding: Rounding,
    ) -> Result<u64, RateError> {
        match self {
            Self::Order => Rate::sum(lines, per, rounding),
            Self::Line => lines.into_iter().try_fold(0_u64, |sum, (amount, rate)| {
                sum.checked_add(rate.of(amount, per, rounding)?).ok_or(RateError::Overflow)
            }),
        }
    }
}

/// An exact rate, not negative: how much for one, or how many times.
///
/// Read from a decimal with up to nine places, as a string, or from a whole number. `1.50` and `1.5` are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    numerator: u64,
    /// A power of ten up to 10^9, the smallest that makes the numerator whole.
    denominator: u64,
}

impl Rate {
    /// Nothing.
    pub const ZERO: Self = Self { numerator: 0, denominator: 1 };
    /// Once.
    pub const ONE: Self = Self { numerator: 1, denominator: 1 };
    /// The most decimal places that a rate can have.
    pub const PLACES_MAX: usize = 9;
    /// How many of the smallest part that a rate can have make a whole.
    const SMALLEST: u64 = 1_000_000_000;
    /// The highest whole part that a rate can have.
    pub const WHOLE_MAX: u64 = 1_000_000_000;

    /// Returns `amount × rate / per`, exact until it is rounded once.
    ///
    /// "1.5 points per 100 fen" on an amount in fen is `of(amount, 100, …)`; a multiplier is `of(points, 1, …)`.
    ///
    /// # Errors
    ///
    /// The result does not fit, or `per` is zero.
    pub fn of(self, amount: u64, per: u64, rounding: Rounding) -> Result<u64, RateError> {
        let exact = u128::from(amount).checked_mul(u128::from(self.numerator)).ok_or(RateError::Overflow)?;
        let divisor = u128::from(per).checked_mul(u128::from(self.denominator)).ok_or(RateError::Overflow)?;
        divide(exact, divisor, rounding)
    }

    /// Returns the sum of `amount × rate / per` over amounts with a rate each, exact until it is rounded once.
    ///
    /// # Errors
    ///
    /// The result does not fit, or `per` is zero.
    pub fn sum(
        parts: impl IntoIterator<Item = (u64, Self)>,
        per: u64,
        rounding: Rounding,
    ) -> Result<u64, RateError> {
        let exact = parts.into_iter().try_fold(0_u128, |sum, (amount, rate)| {
            let part = u128::from(amount).checked_mul(u128::from(rate.in_smallest()));
            part.and_then(|part| sum.checked_add(part)).ok_or(RateError::Overflow)
        })?;
        let divisor = u128::from(per).checked_mul(u128::from(Self::SMALLEST)).ok_or(RateError::Overflow)?;
        divide(exact, divisor, rounding)
    }

    /// Returns the least amount of which the rate comes to at least `whole`.
    ///
    /// # Errors
    ///
    /// The rate is nothing, or the result does not fit.
    pub fn least_for(self, whole: u64) -> Result<u64, RateError> {
        proportion(whole, self.denominator, self.numerator, Rounding::Ceil)
    }

    /// Returns what multiplying by this rate adds: `amount × (rate − 1)`, exact until it is rounded once.
    ///
    /// # Errors
    ///
    /// The result does not fit, or the rate is below one and would take away.
    pub fn bonus_of(self, amount: u64, rounding: Rounding) -> Result<u64, RateError> {
        self.less_one()?.of(amount, 1, rounding)
    }

    /// Returns the rate less one. A policy with a multiplier calls this once, where it checks its parameters.
    ///
    /// # Errors
    ///
    /// The rate is below one.
    pub fn less_one(self) -> Result<Self, RateError> {
        let numerator = self.numerator.checked_sub(self.denominator).ok_or(RateError::BelowOne)?;
        Ok(Self { numerator, ..self }.reduced())
    }

    /// Returns the fraction that the rate is: numerator and denominator.
    pub const fn fraction(self) -> (u64, u64) {
        (self.numerator, self.denominator)
    }

    /// Returns whether the rate is nothing.
    pub const fn is_zero(self) -> bool {
        self.numerator == 0
    }

    /// Returns the rate in billionths: below 2^64, with nine places behind ten digits at most.
    fn in_smallest(self) -> u64 {
        let scale = Self::SMALLEST.checked_div(self.denominator).unwrap_or(0);
        self.numerator.saturating_mul(scale)
    }

    fn whole(whole: u64) -> Result<Self, Fault> {
        if whole > Self::WHOLE_MAX {
            Err(Fault::TooHigh)
        } else {
            Ok(Self { numerator: whole, denominator: 1 })
        }
    }

    fn decimal(text: &str) -> Result<Self, Fault> {
        let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
        if text.starts_with('-') {
            return Err(Fault::Negative);
        }
        if places.len() > Self::PLACES_MAX {
            return Err(Fault::TooFine);
        }
        let (whole, fraction) = (digits(whole)?, digits(places)?);
        // Nine places leave nine zeros at most, and the whole part nine or ten digits before them: below 2^64.
        let denominator = places.bytes().fold(1_u64, |power, _| power.saturating_mul(10));
        let numerator = Self::whole(whole)?.numerator.saturating_mul(denominator).saturating_add(fraction);
        Ok(Self { numerator, denominator }.reduced())
    }

    /// Returns the same rate without zeros at the end.
    fn reduced(self) -> Self {
        let mut rate = self;
        while rate.denominator > 1 && rate.numerator.is_multiple_of(10) {
            rate = Self { numerator: tenth(rate.numerator), denominator: tenth(rate.denominator) };
        }
        rate
    }
}

/// Returns the sum of numbers. It stops at the largest there is, and never begins again at 0.
pub fn total(numbers: impl IntoIterator<Item = u64>) -> u64 {
    numbers.into_iter().fold(0, u64::saturating_add)
}

/// Returns `amount × by / per`, exact until it is rounded once: a rate of two whole numbers.
///
/// # Errors
///
/// The result does not fit, or `per` is zero.
pub fn proportion(amount: u64, by: u64, per: u64, rounding: Rounding) -> Result<u64, RateError> {
    let exact = u128::from(amount).checked_mul(u128::from(by)).ok_or(RateError::Overflow)?;
    divide(exact, u128::from(per), rounding)
}

#[expect(clippy::integer_division, reason = "the caller knows that ten divides it")]
const fn tenth(number: u64) -> u64 {
    number / 10
}

/// Divides and rounds once. Most amounts fit in 64 bits, where a guest divides in one instruction.
fn divide(dividend: u128, divisor: u128, rounding: Rounding) -> Result<u64, RateError> {
    let (quotient, remainder) = match (u64::try_from(dividend), u64::try_from(divisor)) {
        (Ok(dividend), Ok(divisor)) => (
            dividend.checked_div(divisor).map(u128::from),
            u128::from(dividend.checked_rem(divisor).unwrap_or(0)),
        ),
        _ => (dividend.checked_div(divisor), dividend.checked_rem(divisor).unwrap_or(0)),
    };
    let up = match rounding {
        Rounding::Floor => false,
        Rounding::HalfUp => remainder >= divisor.saturating_sub(remainder),
        Rounding::Ceil => remainder > 0,
    };
    let rounded = quotient.ok_or(RateError::PerZero)?.saturating_add(u128::from(up));
    u64::try_from(rounded).map_err(|_| RateError::Overflow)
}

fn digits(text: &str) -> Result<u64, Fault> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::NotDecimal);
    }
    // Only a number with too many digits is left to fail.
    text.parse().map_err(|_| Fault::TooHigh)
}

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        Self::decimal(text).map_err(|fault| InvalidRate { text: text.into(), fault })
    }
}

/// By what they are, not by how they are written.
impl Ord for Rate {
    fn cmp(&self, other: &Self) -> Ordering {
        let across = |one: &Self, other: &Self| {
            u128::from(one.numerator).saturating_mul(u128::from(other.denominator))
        };
        across(self, other).cmp(&across(other, self))
    }
}

impl PartialOrd for Rate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Writes the decimal: `1.5`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.numerator.checked_div(self.denominator).unwrap_or(0);
        let fraction = self.numerator.checked_rem(self.denominator).unwrap_or(0);
        match self.denominator.checked_ilog10() {
            None | Some(0) => write!(f, "{whole}"),
            Some(places) => {
                write!(f, "{whole}.{fraction:0width$}", width = usize::try_from(places).unwrap_or(0))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

struct Written;

impl Visitor<'_> for Written {
    type Value = Rate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rate: a decimal as a string, such as \"1.5\", or a whole number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Rate, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, whole: u64) -> Result<Rate, E> {
        Rate::whole(whole).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, whole: i64) -> Result<Rate, E> {
        u64::try_from(whole).map_or_else(|_| Err(E::custom(Fault::Negative)), |whole| self.visit_u64(whole))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Rate, E> {
        Err(E::custom(
            "a rate is exact, which a number with a point is not; write it as a string, such as \"1.5\"",
        ))
    }
}

/// Why a product is no whole number of points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateError {
    /// The result is above `u64::MAX`.
    Overflow,
    /// The rate is per nothing.
    PerZero,
    /// A rate below one adds nothing.
    BelowOne,
}

impl fmt::Display for RateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overflow => "the result does not fit in 64 bits",
            Self::PerZero => "a rate cannot be per 0",
            Self::BelowOne => "a multiplier is at least 1, or it would take points away",
        })
    }
}

impl std::error::Error for RateError {}

/// A text that is no [`Rate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRate {
    text: Box<str>,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    NotDecimal,
    Negative,
    TooFine,
    TooHigh,
}

impl fmt::Display for InvalidRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\": {}", self.text, self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotDecimal => "a rate is digits with at most one point between them; write 1.5, 0.1 or 2",
            Self::Negative => "a rate is not negative; write it from 0 up",
            Self::TooFine => "a rate has at most 9 decimal places; round it",
            Self::TooHigh => "a rate is at most 1000000000; lower it",
        })
    }
}

impl std::error::Error for InvalidRate {}
