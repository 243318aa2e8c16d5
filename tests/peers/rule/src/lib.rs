//! The policy as an ordinary Rust function: what all the others must answer, and what the extism plugin runs.
//!
//! Points for money on eligible lines; as many again on a market day; a tenth more for members of a tier, rounded down;
//! points for each unit of tagged goods; and all of it only as far as a monthly cap leaves room.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// What a merchant sets. The names are those of the policy's parameters.
#[derive(Clone, Debug, Serialize)]
pub struct Parameters {
    /// One point for so many minor units.
    pub per: u64,
    /// Lines of this category earn nothing.
    pub exclude_category: &'static str,
    /// Last digits of lunar days that are market days.
    pub lunar_digits: Vec<u8>,
    /// How many times the points of the purchase there are on a market day.
    pub market_multiplier: u64,
    /// Whoever spent this much before is in the tier.
    pub tier_from_minor: u64,
    /// What the tier adds.
    pub tier_percent: u64,
    /// The mark on goods with a bonus.
    pub eco_tag: &'static str,
    /// The bonus for each unit of them.
    pub eco_per_unit: u64,
    /// The most points of a calendar month.
    pub monthly_cap: u64,
}

/// A purchase, the day, and the facts that are asked for in Jifen and given beforehand elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Transaction {
    pub lines: Vec<Line>,
    pub lunar_day: u8,
    /// What the member's earlier purchases came to.
    pub lifetime_spend: u64,
    /// The points of this month before this purchase.
    pub granted: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    pub category: String,
    pub quantity: u64,
    /// In minor units.
    pub amount: u64,
    pub tags: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Award {
    pub points: u64,
    pub reason: Cow<'static, str>,
}

impl Parameters {
    /// Returns the parameters of the comparison. The scripts have them as literals.
    pub fn of_the_comparison() -> Self {
        Self {
            per: 100,
            exclude_category: "tobacco",
            lunar_digits: vec![1, 4, 7],
            market_multiplier: 2,
            tier_from_minor: 500_000,
            tier_percent: 10,
            eco_tag: "eco",
            eco_per_unit: 5,
            monthly_cap: 2_000,
        }
    }
}

/// Returns the awards of a purchase, those without points left out.
pub fn evaluate(parameters: &Parameters, transaction: &Transaction) -> Vec<Award> {
    let (mut eligible, mut units) = (0, 0);
    for line in &transaction.lines {
        if line.category != parameters.exclude_category {
            eligible += line.amount;
        }
        if line.tags.iter().any(|tag| tag == parameters.eco_tag) {
            units += line.quantity;
        }
    }
    let purchase = eligible / parameters.per;
    let on_market_day = parameters.lunar_digits.contains(&(transaction.lunar_day % 10));
    let market = if on_market_day { purchase * (parameters.market_multiplier - 1) } else { 0 };
    let in_tier = transaction.lifetime_spend >= parameters.tier_from_minor;
    let tier = if in_tier { (purchase + market) * parameters.tier_percent / 100 } else { 0 };
    let eco = units * parameters.eco_per_unit;

    let mut room = parameters.monthly_cap.saturating_sub(transaction.granted);
    let mut awards = Vec::with_capacity(4);
    for (points, reason) in [(purchase, "purchase"), (market, "market-day"), (tier, "tier"), (eco, "eco")] {
        let points = points.min(room);
        room -= points;
        if points > 0 {
            awards.push(Award { points, reason: Cow::Borrowed(reason) });
        }
    }
    awards
}
