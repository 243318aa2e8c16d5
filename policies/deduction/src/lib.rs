//! `deduction`: points that pay part of a bill.
//!
//! So many points are worth so much money, against the goods, the freight or both. What points may pay can be limited
//! to some lines, to a share, to an amount and to days of the month; the rest of the bill is paid in money.

use rules_guest::deduction::{Deducted, Deduction, LastPoint, NotDeducted, check};
use rules_guest::rate::{Rate, Rounding};
use rules_guest::{
    Answer, Facts, Line, Minor, Offer, Points, Purchase, RedemptionPolicy, Request, Today, ensure,
};
use serde::Deserialize;

/// The parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BillDeduction {
    /// So many points …
    points: Points,
    /// … are worth so many minor units.
    per: Minor,
    /// What of the bill points may pay.
    #[serde(default)]
    of: Part,
    /// Tags of which a line needs one to be paid. Empty: every line.
    #[serde(default)]
    only_tags: Vec<String>,
    /// Categories whose lines are not paid.
    #[serde(default)]
    exclude_categories: Vec<String>,
    /// The share of it that points may pay, a decimal such as "0.3".
    #[serde(default = "all")]
    share: Rate,
    /// The most that points may pay, in minor units.
    max: Option<Minor>,
    /// The fewest points that are taken.
    #[serde(default)]
    min_points: Points,
    /// Points are taken in multiples of this.
    #[serde(default = "one")]
    multiple: Points,
    /// What becomes of minor units that are worth less than a point.
    #[serde(default)]
    rounding: LastPoint,
    /// Days of the month on which points pay. Empty: every day.
    #[serde(default)]
    days_of_month: Vec<u8>,
}

/// A part of a bill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Part {
    Goods,
    Freight,
    #[default]
    Bill,
}

rules_guest::redemption_policy!(BillDeduction);

impl RedemptionPolicy for BillDeduction {
    fn check(&self) -> Result<(), String> {
        let some_lines = !self.only_tags.is_empty() || !self.exclude_categories.is_empty();
        check(self.points, self.per, self.share)?;
        ensure(self.multiple > 0, "multiple: must be at least 1")?;
        ensure(
            !(some_lines && self.of == Part::Freight),
            "of: freight has no lines; leave out which lines count",
        )?;
        let days = self.days_of_month.iter().all(|day| (1..=31).contains(day));
        ensure(days, "days_of_month: must be 1 to 31")
    }

    fn quote(&self, request: &Request, facts: &impl Facts) -> Answer {
        self.terms(request, facts).map_or_else(Answer::decline, Answer::from)
    }
}

impl BillDeduction {
    /// Returns the offer, or the code of a no.
    fn terms(&self, request: &Request, facts: &impl Facts) -> Result<Offer, &'static str> {
        let bill = request.bill().ok_or("bills-only")?;
        if !self.is_on(&request.today) {
            return Err("not-today");
        }
        let points_max = request.wanted.unwrap_or(Points::MAX).min(facts.balance_available());
        let deducted = self.deduction().of(self.payable_minor(bill), points_max);
        let Deducted { points, worth_minor } = deducted.map_err(NotDeducted::code)?;
        let cash_minor = bill.payable_minor().saturating_sub(worth_minor);
        Ok(Offer::for_points(points, "deduction").with_cash(cash_minor).worth(worth_minor))
    }

    fn is_on(&self, today: &Today) -> bool {
        self.days_of_month.is_empty() || self.days_of_month.contains(&today.day_of_month)
    }

    /// Returns what of the bill points may pay.
    fn payable_minor(&self, bill: &Purchase) -> Minor {
        let goods = || bill.eligible_minor(|line| self.counts(line));
        let part = match self.of {
            Part::Goods => goods(),
            Part::Freight => bill.freight_minor,
            Part::Bill => goods().saturating_add(bill.freight_minor),
        };
        let share = self.share.of(part, 1, Rounding::Floor).expect("a share is at most the whole");
        share.min(self.max.unwrap_or(Minor::MAX))
    }

    fn counts(&self, line: &Line) -> bool {
        let excluded = self.exclude_categories.contains(&line.category);
        !excluded && (self.only_tags.is_empty() || self.only_tags.iter().any(|tag| line.has_tag(tag)))
    }

    fn deduction(&self) -> Deduction {
        let Self { points, per, rounding, multiple, min_points, .. } = *self;
        Deduction { points, per, last_point: rounding, multiple, min_points }
    }
}

fn all() -> Rate {
    Rate::ONE
}

fn one() -> Points {
    1
}
