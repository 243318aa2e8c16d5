//! `referral`: points for whoever brings a new member, once that member's first order is safe, and for the one who was brought.

use rules_guest::{Award, DayNumber, EarningPolicy, Event, Facts, Minor, Occasion, Points, Proposal, ensure};
use serde::Deserialize;

/// The longest time that the points can wait, in days.
const SAFE_DAYS_MAX: u16 = 366;

/// The parameters. What is left out or 0 is off, except for `safe_days`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Referral {
    /// Points for the one who referred, for the first order of the one who was referred.
    #[serde(default)]
    referrer: Points,
    /// Points for the one who was referred, for joining.
    #[serde(default)]
    member: Points,
    /// The total from which a first order counts, in minor units: all lines less the discount on the basket.
    #[serde(default)]
    first_order_min: Minor,
    /// So many days after the first order the points of the one who referred can be spent: time to return it.
    #[serde(default = "a_week")]
    safe_days: u16,
}

rules_guest::policy!(Referral);

impl EarningPolicy for Referral {
    fn check(&self) -> Result<(), String> {
        ensure(self.safe_days <= SAFE_DAYS_MAX, "safe_days: must be at most 366")
    }

    fn evaluate(&self, event: &Event, facts: &impl Facts) -> Proposal {
        let award = match &event.occasion {
            Occasion::Registration => Award::to_member(self.member, "was-referred"),
            Occasion::Purchase(order) if order.total_minor() >= self.first_order_min => {
                if self.referrer == 0 || facts.purchases_lifetime_count() > 0 {
                    return Proposal::nothing();
                }
                let safe = event.today.number.saturating_add(DayNumber::from(self.safe_days));
                Award::to_referrer(self.referrer, "has-referred").available_from(safe)
            }
            Occasion::Purchase(_) => return Proposal::nothing(),
        };
        if award.points == 0 || !facts.referral_present() {
            return Proposal::nothing();
        }
        if facts.referral_same_person() {
            return Proposal::decline("same-person");
        }
        award.into()
    }
}

fn a_week() -> u16 {
    7
}
