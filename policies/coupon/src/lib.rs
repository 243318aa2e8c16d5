//! `coupon`: one point of a unit of its own is a coupon, and pays part of one bill.
//!
//! What grants the coupon is any rule that awards one point of that unit: its expiry, who has it and what became of it are then
//! in the books like those of all points.

use rules_guest::rate::{Rate, Rounding};
use rules_guest::{Answer, Facts, Line, Minor, Offer, Points, RedemptionPolicy, Request, ensure};
use serde::Deserialize;

/// The parameters. Either `share` or `worth`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coupon {
    /// The share of the goods that it pays, a decimal such as "0.1".
    share: Option<Rate>,
    /// What of the goods it pays, in minor units.
    worth: Option<Minor>,
    /// The most that it pays, in minor units.
    max: Option<Minor>,
    /// What the goods must come to, in minor units.
    #[serde(default)]
    min_spend: Minor,
    /// Tags of which a line needs one to count. Empty: every line.
    #[serde(default)]
    only_tags: Vec<String>,
    /// Whether it pays for nothing but a first order.
    #[serde(default)]
    first_order: bool,
}

/// One coupon for one bill.
const ONE: Points = 1;

rules_guest::redemption_policy!(Coupon);

impl RedemptionPolicy for Coupon {
    fn check(&self) -> Result<(), String> {
        let one = self.share.is_some() != self.worth.is_some();
        ensure(one, "share: either share or worth says what a coupon pays; write share = \"0.1\" for 10 %")?;
        let up_to_all = self.share.is_none_or(|share| share == Rate::ONE || share.less_one().is_err());
        let some = self.share.is_none_or(|share| !share.is_zero());
        ensure(up_to_all && some, "share: must be above 0 and at most 1; write \"0.1\" for 10 %")?;
        ensure(self.worth != Some(0), "worth: must be at least 1 minor unit; write 1000 for ¥10")
    }

    fn quote(&self, request: &Request, facts: &impl Facts) -> Answer {
        self.terms(request, facts).map_or_else(Answer::decline, Answer::from)
    }
}

impl Coupon {
    /// Returns the offer, or the code of a no.
    fn terms(&self, request: &Request, facts: &impl Facts) -> Result<Offer, &'static str> {
        let bill = request.bill().ok_or("bills-only")?;
        let goods = bill.eligible_minor(|line| self.counts(line));
        if goods < self.min_spend.max(1) {
            return Err("below-minimum");
        }
        if self.first_order && facts.purchases_lifetime_count() > 0 {
            return Err("first-order-only");
        }
        let share = self.share.map(|share| share.of(goods, 1, Rounding::Floor));
        let pays = share.transpose().expect("a share is at most the whole").or(self.worth);
        let worth_minor = pays.unwrap_or(0).min(goods).min(self.max.unwrap_or(Minor::MAX));
        if worth_minor == 0 {
            return Err("below-minimum");
        }
        if facts.balance_available() < ONE {
            return Err("no-coupon");
        }
        let cash_minor = bill.payable_minor().saturating_sub(worth_minor);
        Ok(Offer::for_points(ONE, "coupon").with_cash(cash_minor).worth(worth_minor))
    }

    fn counts(&self, line: &Line) -> bool {
        self.only_tags.is_empty() || self.only_tags.iter().any(|tag| line.has_tag(tag))
    }
}
