//! `tier-bonus`: members who spend more, or have a higher level, earn faster.
//!
//! What a member spent in a period, or the member's level, says which tier applies, and the tier multiplies what the purchase
//! earned so far. Put it into a lane after the one that earns.

use rules_guest::rate::{Rate, Rounding};
use rules_guest::{Award, EarningPolicy, Event, Facts, Period, Proposal, ensure};
use serde::Deserialize;

/// The parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierBonus {
    /// The tiers, from the lowest up. Whoever has not reached the first has no bonus.
    tiers: Vec<Tier>,
    /// What counts.
    #[serde(default)]
    by: By,
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
    /// The spend, in minor units, or the level from which it applies.
    from: u64,
    /// How many times what was earned so far the member gets in all, at least 1.
    multiplier: Rate,
}

/// What takes a member to a tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum By {
    /// What was bought, in minor units.
    #[default]
    Spend,
    /// The member's level.
    Level,
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
        let of_spend = self.by == By::Spend || (self.period == Period::default() && self.counts_itself);
        ensure(
            of_spend,
            "by: a level has no period, and no purchase counts towards it at once; leave `period` and `counts_itself` out",
        )?;
        ensure(self.period.is_known(), "period: days must be 1 to 732, as far back as the ledger tells")
    }

    fn evaluate(&self, event: &Event, facts: &impl Facts) -> Proposal {
        let Some(purchase) = event.purchase() else { return Proposal::nothing() };
        if event.points_so_far == 0 {
            return Proposal::nothing();
        }
        let reached = match self.by {
            By::Level => facts.tier_level(),
            By::Spend => {
                let own = if self.counts_itself { purchase.total_minor() } else { 0 };
                self.period.spend_minor(&event.today, facts).saturating_add(own)
            }
        };
        let bonus = self.multiplier_of(reached).bonus_of(event.points_so_far, self.rounding);
        Award::to_member(bonus.expect("the points of one award fit in 64 bits"), "tier-bonus").into()
    }
}

impl TierBonus {
    fn multiplier_of(&self, reached: u64) -> Rate {
        let tier = self.tiers.iter().rev().find(|tier| tier.from <= reached);
        tier.map_or(Rate::ONE, |tier| tier.multiplier)
    }
}

fn yes() -> bool {
    true
}
