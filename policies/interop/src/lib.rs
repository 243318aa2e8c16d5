//! `interop`: points of other merchants that pay part of a bill, on the terms of the trade of whoever takes them.
//!
//! What a point is worth differs from trade to trade, and so does what of a bill points may pay. Whose points are taken is the
//! program's `accepts`, and what merchants then owe each other its contracts.

use std::collections::BTreeMap;

use rules_guest::deduction::{Deducted, Deduction, LastPoint, NotDeducted, check};
use rules_guest::rate::{Rate, Rounding};
use rules_guest::{Answer, Facts, Minor, Offer, Points, RedemptionPolicy, Request, ensure};
use serde::Deserialize;

/// The parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interop {
    /// The terms of each trade, by the merchant's category. Elsewhere points pay nothing.
    trades: BTreeMap<String, Terms>,
    /// The fewest points that are taken.
    #[serde(default)]
    min_points: Points,
}

/// On which terms merchants of one trade take points.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Terms {
    /// So many points …
    points: Points,
    /// … are worth so many minor units.
    per: Minor,
    /// The share of the bill that points may pay, a decimal such as "0.3".
    #[serde(default = "all")]
    share: Rate,
    /// The most that points may pay, in minor units.
    max: Option<Minor>,
}

rules_guest::redemption_policy!(Interop);

impl RedemptionPolicy for Interop {
    fn check(&self) -> Result<(), String> {
        ensure(
            !self.trades.is_empty(),
            "trades: must have one; write { dining = { points = 100, per = 100 } }",
        )?;
        for (trade, terms) in &self.trades {
            check(terms.points, terms.per, terms.share)
                .map_err(|reason| format!("trades.{trade}.{reason}"))?;
        }
        Ok(())
    }

    fn quote(&self, request: &Request, facts: &impl Facts) -> Answer {
        self.offer(request, facts).map_or_else(Answer::decline, Answer::from)
    }
}

impl Interop {
    /// Returns the offer, or the code of a no.
    fn offer(&self, request: &Request, facts: &impl Facts) -> Result<Offer, &'static str> {
        let bill = request.bill().ok_or("bills-only")?;
        let terms = self.trades.get(&bill.merchant_category).ok_or("not-in-this-trade")?;
        let points_max = request.wanted.unwrap_or(Points::MAX).min(facts.balance_available());
        let payable_minor = terms.payable_minor(bill.payable_minor());
        let deducted = terms.deduction(self.min_points).of(payable_minor, points_max);
        let Deducted { points, worth_minor } = deducted.map_err(NotDeducted::code)?;
        let cash_minor = bill.payable_minor().saturating_sub(worth_minor);
        Ok(Offer::for_points(points, "interop").with_cash(cash_minor).worth(worth_minor))
    }
}

impl Terms {
    /// Returns what points may pay of what there is to pay.
    fn payable_minor(&self, payable_minor: Minor) -> Minor {
        let share = self.share.of(payable_minor, 1, Rounding::Floor).expect("a share is at most the whole");
        share.min(self.max.unwrap_or(Minor::MAX))
    }

    fn deduction(&self, min_points: Points) -> Deduction {
        let Self { points, per, .. } = *self;
        Deduction { points, per, last_point: LastPoint::NeverOver, multiple: 1, min_points }
    }
}

fn all() -> Rate {
    Rate::ONE
}
