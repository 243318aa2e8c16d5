//! `market-day`: more points on a market day.
//!
//! On a day that the calendar of the region calls a market day, a purchase from a certain total on earns what it
//! earned so far once more, or half as much again, and so on. Put it into a lane after the one that earns.

use rules_guest::rate::{Rate, Rounding};
use rules_guest::{Award, EarningPolicy, Event, Facts, Minor, Proposal, ensure};
use serde::Deserialize;

/// The parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarketDay {
    /// How many times what was earned so far the member gets in all, a decimal such as "2", at least 1.
    multiplier: Rate,
    /// The total from which it applies, in minor units: all lines less the discount on the basket, without freight,
    /// however it was paid.
    #[serde(default)]
    min_spend: Minor,
    /// What becomes of a fraction of a point.
    #[serde(default)]
    rounding: Rounding,
}

rules_guest::policy!(MarketDay);

impl EarningPolicy for MarketDay {
    fn check(&self) -> Result<(), String> {
        let adds = self.multiplier.less_one().is_ok();
        ensure(adds, "multiplier: must be at least 1; write \"2\" to double the points")
    }

    fn evaluate(&self, event: &Event, _: &impl Facts) -> Proposal {
        let enough = event.purchase().is_some_and(|purchase| purchase.total_minor() >= self.min_spend);
        if !enough || !event.today.market_day {
            return Proposal::nothing();
        }
        let bonus = self.multiplier.bonus_of(event.points_so_far, self.rounding);
        Award::to_member(bonus.expect("the points of one award fit in 64 bits"), "market-day").into()
    }
}
