//! `spend`: points for money.
//!
//! So many points for so much money paid for the lines that count. Points, discounts and freight earn nothing: a
//! line counts with what was paid for it.

use rules_guest::rate::{Rate, Rounding};
use rules_guest::{Award, EarningPolicy, Event, Facts, Line, Minor, Points, Proposal, ensure, total};
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

/// What is rounded.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Scope {
    /// The points of the whole order, once.
    #[default]
    Order,
    /// The points of each line.
    Line,
}

rules_guest::policy!(Spend);

impl EarningPolicy for Spend {
    fn check(&self) -> Result<(), String> {
        ensure(self.per > 0, "per: must be at least 1 minor unit; write 100 for ¥1")
    }

    fn evaluate(&self, event: &Event, _: &impl Facts) -> Proposal {
        let Some(purchase) = event.purchase() else { return Proposal::nothing() };
        let paid = purchase.paid_lines().filter(|(line, _)| self.counts(line)).map(|(_, paid)| paid);
        let points = match self.scope {
            Scope::Order => self.points_for(total(paid)),
            Scope::Line => total(paid.map(|paid| self.points_for(paid))),
        };
        Award::to_member(points, "purchase").into()
    }
}

impl Spend {
    fn counts(&self, line: &Line) -> bool {
        let excluded = self.exclude_categories.contains(&line.category);
        !excluded && (self.only_tags.is_empty() || self.only_tags.iter().any(|tag| line.has_tag(tag)))
    }

    fn points_for(&self, paid: Minor) -> Points {
        self.points.of(paid, self.per, self.rounding).expect("the points of one award fit in 64 bits")
    }
}
