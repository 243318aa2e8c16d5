//! `category-bonus`: points for some lines at rates of their own, and for what they come to.
//!
//! Each line earns by the first rate that names it, on what was paid for it. Beside that, what all these lines come to can
//! reach steps: 满100送50.

use rules_guest::rate::{Rate, Rounding, Scope};
use rules_guest::{Award, EarningPolicy, Event, Facts, Line, Minor, Points, Proposal, ensure, total};
use serde::Deserialize;

/// The parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryBonus {
    /// Which lines count, and what they earn; of several that name a line, the first counts.
    rates: Vec<LineRate>,
    /// For how many minor units the points of a rate are.
    #[serde(default = "one_yuan")]
    per: Minor,
    /// Points for what all lines that count come to. The highest step that is reached counts.
    #[serde(default)]
    steps: Vec<Step>,
    /// What becomes of a fraction of a point.
    #[serde(default)]
    rounding: Rounding,
    /// What is rounded.
    #[serde(default)]
    scope: Scope,
}

/// What lines of a category, with a tag, or both earn; any line, if neither is named.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineRate {
    category: Option<String>,
    tag: Option<String>,
    points: Rate,
}

/// Points from a sum on, in minor units.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    from: Minor,
    points: Points,
}

rules_guest::policy!(CategoryBonus);

impl EarningPolicy for CategoryBonus {
    fn check(&self) -> Result<(), String> {
        ensure(
            !self.rates.is_empty(),
            "rates: is empty, so no line would ever count; name a category or a tag",
        )?;
        ensure(self.per > 0, "per: must be at least 1 minor unit; write 100 for ¥1")?;
        let rises = |steps: &[Step]| matches!(steps, [low, high] if low.from < high.from && low.points <= high.points);
        ensure(
            self.steps.windows(2).all(rises),
            "steps: must rise in `from`, and not fall in `points`: who spends more must not get less",
        )
    }

    fn evaluate(&self, event: &Event, _: &impl Facts) -> Proposal {
        let Some(purchase) = event.purchase() else { return Proposal::nothing() };
        let counted = || purchase.paid_lines().filter_map(|(line, paid)| Some((paid, self.rate_of(line)?)));
        let points = self.scope.sum(counted(), self.per, self.rounding);
        let points = points.expect("the points of one award fit in 64 bits");
        let step = self.step_of(total(counted().map(|(paid, _)| paid)));
        [Award::to_member(points, "category-bonus"), Award::to_member(step, "step")].into_iter().collect()
    }
}

impl CategoryBonus {
    fn rate_of(&self, line: &Line) -> Option<Rate> {
        self.rates.iter().find(|rate| rate.names(line)).map(|rate| rate.points)
    }

    fn step_of(&self, spend: Minor) -> Points {
        let reached = self.steps.iter().rev().find(|step| step.from <= spend);
        reached.map_or(0, |step| step.points)
    }
}

impl LineRate {
    fn names(&self, line: &Line) -> bool {
        self.category.as_ref().is_none_or(|category| *category == line.category)
            && self.tag.as_ref().is_none_or(|tag| line.has_tag(tag))
    }
}

fn one_yuan() -> Minor {
    100
}
