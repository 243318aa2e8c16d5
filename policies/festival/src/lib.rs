//! `festival`: more points for a while.
//!
//! A purchase from a certain total on earns what it earned so far some times over, or a fixed number of points once a day,
//! or both. The deployment's `days` say when: 春节, 中秋, 端午, 除夕, solar terms, whatever a calendar can say, with days
//! before and after. Put it into a lane after the one that earns.

use rules_guest::rate::{Rate, Rounding};
use rules_guest::{Award, EarningPolicy, Event, Facts, Minor, Points, Proposal, ensure};
use serde::Deserialize;

/// The parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Festival {
    /// How many times what was earned so far the member gets in all, a decimal such as "2", at least 1.
    #[serde(default = "once")]
    multiplier: Rate,
    /// Points for the member's first such purchase of a day.
    #[serde(default)]
    points: Points,
    /// The total from which it applies, in minor units: all lines less the discount on the basket.
    #[serde(default)]
    min_spend: Minor,
    /// What becomes of a fraction of a point.
    #[serde(default)]
    rounding: Rounding,
}

rules_guest::policy!(Festival);

impl EarningPolicy for Festival {
    fn check(&self) -> Result<(), String> {
        ensure(
            self.multiplier >= Rate::ONE,
            "multiplier: must be at least 1; write \"2\" to double the points",
        )?;
        ensure(
            self.multiplier > Rate::ONE || self.points > 0,
            "points: neither it nor multiplier gives anything; write one of them",
        )
    }

    fn evaluate(&self, event: &Event, facts: &impl Facts) -> Proposal {
        let enough = event.purchase().is_some_and(|purchase| purchase.total_minor() >= self.min_spend);
        if !enough {
            return Proposal::nothing();
        }
        let bonus = self.multiplier.bonus_of(event.points_so_far, self.rounding);
        let bonus = bonus.expect("the points of one award fit in 64 bits");
        let gift = if self.points > 0 && facts.awards_granted_since(event.today.number) == 0 {
            self.points
        } else {
            0
        };
        [Award::to_member(bonus, "festival"), Award::to_member(gift, "festival-gift")].into_iter().collect()
    }
}

fn once() -> Rate {
    Rate::ONE
}
