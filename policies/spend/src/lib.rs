//! `spend`: points for money.
//!
//! So many points for so much money paid for the lines that count. Points, discounts and freight earn nothing: a
//! line counts with what was paid for it.

use rules_guest::rate::{Rate, Rounding, Scope};
use rules_guest::{Award, EarningPolicy, Event, Facts, Line, Minor, Proposal, ensure};
use serde::Deserialize;

/// The parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spend {
    /// How many points, a decimal such as "1.5", …
    points: Rate,
    /// … for how many minor units.
    per: Minor,
    /// Categories whose lines do not count.
    #[serde(default)]
    exclude_categories: Vec<String>,
    /// Tags of which a line needs one to count. Empty: every line counts.
    #[serde(default)]
    only_tags: Vec<String>,
    /// What becomes of a fraction of a point.
    #[serde(default)]
    rounding: Rounding,
    /// What is rounded.
    #[serde(default)]
    scope: Scope,
}

rules_guest::policy!(Spend);

impl EarningPolicy for Spend {
    fn check(&self) -> Result<(), String> {
        ensure(self.per > 0, "per: must be at least 1 minor unit; write 100 for ¥1")
    }

    fn evaluate(&self, event: &Event, _: &impl Facts) -> Proposal {
        let Some(purchase) = event.purchase() else { return Proposal::nothing() };
        let counted = purchase.paid_lines().filter(|(line, _)| self.counts(line));
        let points = self.scope.sum(counted.map(|(_, paid)| (paid, self.points)), self.per, self.rounding);
        Award::to_member(points.expect("the points of one award fit in 64 bits"), "purchase").into()
    }
}

impl Spend {
    fn counts(&self, line: &Line) -> bool {
        let excluded = self.exclude_categories.contains(&line.category);
        !excluded && (self.only_tags.is_empty() || self.only_tags.iter().any(|tag| line.has_tag(tag)))
    }
}
