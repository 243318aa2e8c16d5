//! `reference`: the policy of the comparison, as one would write it with the SDK.
//!
//! Points for money on eligible lines; as many again on a market day; a tenth more for members of a tier, rounded down;
//! points for each unit of tagged goods; and all of it only as far as a monthly cap leaves room. It asks two facts.

use rules_guest::rate::{Rate, Rounding};
use rules_guest::{Award, EarningPolicy, Event, Facts, Minor, Points, Proposal, ensure, total};
use serde::Deserialize;

/// The parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// One point for so many minor units.
    per: Minor,
    /// Lines of this category earn nothing.
    exclude_category: String,
    /// Last digits of lunar days that are market days.
    lunar_digits: Vec<u8>,
    /// How many times the points of the purchase there are on a market day.
    market_multiplier: Rate,
    /// Whoever spent this much before is in the tier.
    tier_from_minor: Minor,
    /// What the tier adds.
    tier_percent: Rate,
    /// The mark on goods with a bonus.
    eco_tag: String,
    /// The bonus for each unit of them.
    eco_per_unit: Rate,
    /// The most points of a calendar month.
    monthly_cap: Points,
}

rules_guest::policy!(Reference);

impl EarningPolicy for Reference {
    fn check(&self) -> Result<(), String> {
        ensure(self.per > 0, "per: must be at least 1 minor unit; write 100 for ¥1")?;
        let adds = self.market_multiplier.less_one().is_ok();
        ensure(adds, "market_multiplier: must be at least 1; write \"2\" to double the points")
    }

    fn evaluate(&self, event: &Event, facts: &impl Facts) -> Proposal {
        let Some(purchase) = event.purchase() else { return Proposal::nothing() };
        let eligible = purchase.eligible_minor(|line| line.category != self.exclude_category);
        let units = event.lines().iter().filter(|line| line.has_tag(&self.eco_tag)).map(|line| line.quantity);

        let bought = floor(Rate::ONE, eligible, self.per);
        let market = if self.market_day(event) { self.market_bonus(bought) } else { 0 };
        let in_tier = facts.purchases_lifetime_spend_minor() >= self.tier_from_minor;
        let tier = if in_tier { floor(self.tier_percent, total([bought, market]), 100) } else { 0 };
        let eco = floor(self.eco_per_unit, total(units), 1);

        let first_of_month = event.today.number - i32::from(event.today.day_of_month) + 1;
        let mut room = self.monthly_cap.saturating_sub(facts.awards_granted_since(first_of_month));
        let awards = [(bought, "purchase"), (market, "market-day"), (tier, "tier"), (eco, "eco")];
        let awards = awards.into_iter().map(|(points, reason)| {
            let points = points.min(room);
            room -= points;
            Award::to_member(points, reason)
        });
        awards.collect()
    }
}

impl Reference {
    fn market_day(&self, event: &Event) -> bool {
        self.lunar_digits.contains(&(event.today.lunar.day % 10))
    }

    fn market_bonus(&self, points: Points) -> Points {
        let bonus = self.market_multiplier.bonus_of(points, Rounding::Floor);
        bonus.expect("the points of one award fit in 64 bits")
    }
}

fn floor(rate: Rate, amount: u64, per: u64) -> Points {
    rate.of(amount, per, Rounding::Floor).expect("the points of one award fit in 64 bits")
}
