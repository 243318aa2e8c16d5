//! `eco`: points for every unit of goods that bear a tag.

use rules_guest::rate::{Rate, Rounding};
use rules_guest::{Award, EarningPolicy, Event, Facts, Proposal, ensure, total};
use serde::Deserialize;

/// The parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eco {
    /// The merchant's mark on such goods.
    tag: String,
    /// Points for each unit, whole or a decimal such as "0.5"; a fraction of the sum is dropped.
    per_unit: Rate,
}

rules_guest::policy!(Eco);

impl EarningPolicy for Eco {
    fn check(&self) -> Result<(), String> {
        ensure(!self.tag.is_empty(), "tag: is empty; write the tag of the lines that count")
    }

    fn evaluate(&self, event: &Event, _: &impl Facts) -> Proposal {
        let tagged = event.lines().iter().filter(|line| line.has_tag(&self.tag));
        let points = self.per_unit.of(total(tagged.map(|line| line.quantity)), 1, Rounding::Floor);
        Award::to_member(points.expect("the points of one award fit in 64 bits"), "eco").into()
    }
}
