//! Points that pay part of a bill, by the rules of the trade: how many are taken, and what they pay.
//!
//! So many points are worth so many minor units. Points are whole, so the last minor units may be worth less than one;
//! [`LastPoint`] says whether money pays them. Nobody gives more points than what they pay takes.
//!
//! ```
//! use rules_guest::deduction::{Deducted, Deduction, LastPoint};
//!
//! // 25 points are worth ¥1, and ¥6.30 is to be paid.
//! let deduction = Deduction { points: 25, per: 100, last_point: LastPoint::NeverOver, multiple: 1, min_points: 0 };
//! assert_eq!(deduction.of(630, 5_000), Ok(Deducted { points: 157, worth_minor: 628 }));
//! ```

use serde::Deserialize;

#[cfg(feature = "guest")]
use crate::rate::Rate;
use crate::rate::{Rounding, proportion};

/// How points pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deduction {
    /// So many points, at least one …
    pub points: u64,
    /// … are worth so many minor units, at least one.
    pub per: u64,
    /// What becomes of minor units that are worth less than a point.
    pub last_point: LastPoint,
    /// Points are taken in multiples of this, at least one.
    pub multiple: u64,
    /// The fewest points that are taken.
    pub min_points: u64,
}

/// What becomes of minor units that are worth less than a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastPoint {
    /// Money pays them: no point is taken that is worth more than it pays.
    #[default]
    NeverOver,
    /// A point pays them, and the merchant keeps what it is worth beyond them.
    Ceil,
}

/// Points taken, and what they pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deducted {
    /// How many.
    pub points: u64,
    /// What they pay, in minor units.
    pub worth_minor: u64,
}

/// Why no points are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDeducted {
    /// There is nothing to pay, or it is worth less than a point.
    NothingToDeduct,
    /// There are no points.
    NoPoints,
    /// There would be fewer points than are taken at once.
    BelowMinimum,
}

impl NotDeducted {
    /// Returns the code with which a policy says so to the member.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NothingToDeduct => "nothing-to-deduct",
            Self::NoPoints => "no-points",
            Self::BelowMinimum => "below-minimum",
        }
    }
}

/// Checks parameters: how much points are worth, and the share of a bill that they may pay.
///
/// # Errors
///
/// With the parameter that is wrong, and the mend.
#[cfg(feature = "guest")]
pub fn check(points: u64, per: u64, share: Rate) -> Result<(), String> {
    use crate::ensure;

    let up_to_all = share == Rate::ONE || share.less_one().is_err();
    ensure(points > 0, "points: must be at least 1; write 100 with per = 100 for 100 points a yuan")?;
    ensure(per > 0, "per: must be at least 1 minor unit; write 100 for ¥1")?;
    ensure(up_to_all && !share.is_zero(), "share: must be above 0 and at most 1; write \"0.3\" for 30 %")
}

impl Deduction {
    /// Returns as many of `points_max` points as pay for `payable_minor`, and what they pay of it.
    ///
    /// # Errors
    ///
    /// With the reason not to take any.
    pub fn of(&self, payable_minor: u64, points_max: u64) -> Result<Deducted, NotDeducted> {
        let enough = self.points_for(payable_minor, self.last_point.rounding());
        if enough == 0 {
            return Err(NotDeducted::NothingToDeduct);
        }
        if points_max == 0 {
            return Err(NotDeducted::NoPoints);
        }
        let within = enough.min(points_max);
        let worth_minor =
            self.worth_of(within.saturating_sub(self.beyond_multiple(within))).min(payable_minor);
        let points = self.points_for(worth_minor, Rounding::Ceil).next_multiple_of(self.multiple);
        if points == 0 || points < self.min_points {
            return Err(NotDeducted::BelowMinimum);
        }
        Ok(Deducted { points, worth_minor })
    }

    /// Returns what is worth so much: what does not fit is more than anybody has.
    fn points_for(&self, minor: u64, rounding: Rounding) -> u64 {
        proportion(minor, self.points, self.per, rounding).unwrap_or(u64::MAX)
    }

    /// Returns what points are worth: what does not fit is more than any bill.
    fn worth_of(&self, points: u64) -> u64 {
        proportion(points, self.per, self.points, Rounding::Floor).unwrap_or(u64::MAX)
    }

    fn beyond_multiple(&self, points: u64) -> u64 {
        points.checked_rem(self.multiple).unwrap_or(0)
    }
}

impl LastPoint {
    const fn rounding(self) -> Rounding {
        match self {
            Self::NeverOver => Rounding::Floor,
            Self::Ceil => Rounding::Ceil,
        }
    }
}
