//! `tier-bonus`: members who spend more earn faster.
//!
//! What a member spent in a period says which tier applies, and the tier multiplies what the purchase earned so far. Put it
//! into a lane after the one that earns.

use rules_guest::rate::{Rate, Rounding};
use rules_guest::{Award, EarningPolicy, Event, Facts, Minor, Period, Proposal, ensure};
use serde::Deserialize;

/// The parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierBonus {
    /// The tiers, from the lowest up. Whoever has not reached the first has no bonus.
    tiers: Vec<Tier>,
    /// Over which time spend counts.
    #[serde(default)]
    period: Period,
    /// Whether the purchase itself counts: who reaches a tier by it has it at once.
    #[serde(default = "yes")]
    counts_itself: bool,
    /// What becomes of a fraction of a point.
    #[serde(default)]
    rounding: Rounding,
}

/// A tier.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tier {
    /// The spend from which it applies, in minor units.
    from: Minor,
    /// How many times what was earned so far the member gets in all, at least 1.
    multiplier: Rate,
}

rules_guest::policy!(TierBonus);

impl EarningPolicy for TierBonus {
    fn check(&self) -> Result<(), String> {
        ensure(
            !self.tiers.is_empty(),
            "tiers: is empty; write at least one, such as { from = 100000, multiplier = \"1.5\" }",
        )?;
        let adds = self.tiers.iter().all(|tier| tier.multiplier >= Rate::ONE);
        ensure(adds, "tiers: multiplier must be at least 1; write \"1.5\" for half as many points again")?;
        let rises = |tiers: &[Tier]| matches!(tiers, [low, high] if low.from < high.from && low.multiplier <= high.multiplier);
        ensure(
            self.tiers.windows(2).all(rises),
            "tiers: must rise in `from`, and not fall in `multiplier`: who spends more must not get less",
        )?;
        ensure(self.period.is_known(), "period: days must be 1 to 732, as far back as the ledger tells")
    }

    fn evaluate(&self, event: &Event, facts: &impl Facts) -> Proposal {
        let Some(purchase) = event.purchase() else { return Proposal::nothing() };
        if event.points_so_far == 0 {
            return Proposal::nothing();
        }
        let before = self.period.spend_minor(&event.today, facts);
        let own = if self.counts_itself { purchase.total_minor() } else { 0 };
        let bonus =
            self.multiplier_of(before.saturating_add(own)).bonus_of(event.points_so_far, self.rounding);
        Award::to_member(bonus.expect("the points of one award fit in 64 bits"), "tier-bonus").into()
    }
}

impl TierBonus {
    fn multiplier_of(&self, spend: Minor) -> Rate {
        let reached = self.tiers.iter().rev().find(|tier| tier.from <= spend);
        reached.map_or(Rate::ONE, |tier| tier.multiplier)
    }
}

fn yes() -> bool {
    true
}
