//! `mileage`: miles for flights, by fare and cabin.
//!
//! Each line of a purchase is a leg: its category is the cabin, its amount the fare, its quantity how many fly. Miles are
//! posted leg by leg. How long they last, the program's unit says.

use std::collections::BTreeMap;

use rules_guest::rate::{Rate, Rounding};
use rules_guest::{Award, EarningPolicy, Event, Facts, Line, Minor, Points, Proposal, ensure};
use serde::Deserialize;

/// The parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mileage {
    /// Miles for each yuan of the fare, by cabin. A cabin that is not named earns none.
    cabins: BTreeMap<String, Rate>,
    /// The fewest miles for each who flies a leg in such a cabin.
    #[serde(default)]
    min_per_leg: Points,
    /// Tags of fares that earn none.
    #[serde(default)]
    exclude_tags: Vec<String>,
}

rules_guest::policy!(Mileage);

impl EarningPolicy for Mileage {
    fn check(&self) -> Result<(), String> {
        ensure(
            !self.cabins.is_empty(),
            "cabins: is empty, so no flight would ever earn; write { economy = \"1\" }",
        )
    }

    fn evaluate(&self, event: &Event, _: &impl Facts) -> Proposal {
        let Some(purchase) = event.purchase() else { return Proposal::nothing() };
        let legs = (0_u32..).zip(purchase.paid_lines());
        let award =
            |number, leg, fare| Some(Award::to_member(self.miles(leg, fare)?, "flight").for_line(number));
        legs.filter_map(|(number, (leg, fare))| award(number, leg, fare)).collect()
    }
}

impl Mileage {
    /// Returns the miles of a leg. One that was paid in miles has no fare, and earns none.
    fn miles(&self, leg: &Line, fare: Minor) -> Option<Points> {
        let rate = self.cabins.get(&leg.category).filter(|_| fare > 0)?;
        let excluded = self.exclude_tags.iter().any(|tag| leg.has_tag(tag));
        let by_fare = rate.of(fare, 100, Rounding::Floor).expect("the points of one award fit in 64 bits");
        (!excluded).then(|| by_fare.max(self.min_per_leg.saturating_mul(leg.quantity)))
    }
}
