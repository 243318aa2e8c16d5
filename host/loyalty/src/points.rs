//! Whole points.

use std::fmt;
use std::iter::Sum;

/// Whole points of some unit. Never negative: postings say which way they move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Points(u64);

impl Points {
    /// No points.
    pub const ZERO: Self = Self(0);
    /// One point, such as a benefit is.
    pub const ONE: Self = Self(1);

    /// The most that one award, one balance or one budget can hold: 10^15, so that a thousand of them still add
    /// up within a signed 64-bit column.
    pub const MAX: Self = Self(1_000_000_000_000_000);

    /// Returns the points, or `None` above [`Points::MAX`].
    pub const fn new(points: u64) -> Option<Self> {
        if points <= Self::MAX.0 { Some(Self(points)) } else { None }
    }

    /// Returns the number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the number as an entry of a posting, a positive one.
    pub fn entry(self) -> i64 {
        i64::try_from(self.0).expect("points are at most 10^15 each and a receipt has few of them")
    }

    /// Returns what is left after taking `taken`, at least nothing.
    pub const fn less(self, taken: Self) -> Self {
        Self(self.0.saturating_sub(taken.0))
    }

    /// Returns the sum; sums stop at `u64::MAX`, far above anything that can be granted.
    pub const fn plus(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }

    /// Returns what there is after a gain, or after a loss, which leaves at least nothing.
    pub const fn moved(self, by: i64) -> Self {
        if by < 0 { self.less(Self(by.unsigned_abs())) } else { self.plus(Self(by.unsigned_abs())) }
    }

    /// Returns whether there are none.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl Sum for Points {
    fn sum<I: Iterator<Item = Self>>(points: I) -> Self {
        points.fold(Self::ZERO, Self::plus)
    }
}

impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
