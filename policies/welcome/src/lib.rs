//! `welcome`: points for joining, and for a first order that is large enough.

use rules_guest::{Award, EarningPolicy, Event, Facts, Minor, Occasion, Points, Proposal, Purchase};
use serde::Deserialize;

/// The parameters. What is left out or 0 is off.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Welcome {
    /// Points for joining the program.
    #[serde(default)]
    registration: Points,
    /// The total from which a first order earns the bonus, in minor units: all lines less the discount on the basket.
    #[serde(default)]
    first_order_min: Minor,
    /// Points for such a first order.
    #[serde(default)]
    first_order_bonus: Points,
}

rules_guest::policy!(Welcome);

impl EarningPolicy for Welcome {
    fn evaluate(&self, event: &Event, facts: &impl Facts) -> Proposal {
        match &event.occasion {
            Occasion::Registration => Award::to_member(self.registration, "registration").into(),
            Occasion::Purchase(order) if self.is_enough(order) && facts.purchases_lifetime_count() == 0 => {
                Award::to_member(self.first_order_bonus, "first-order").into()
            }
            Occasion::Purchase(_) => Proposal::nothing(),
        }
    }
}

impl Welcome {
    /// Asked before the facts, so that most receipts need not record any.
    fn is_enough(&self, order: &Purchase) -> bool {
        self.first_order_bonus > 0 && order.total_minor() >= self.first_order_min
    }
}
