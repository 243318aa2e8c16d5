//! Offers and answers, written briefly.

use crate::{Answer, Minor, Offer, Points};

impl Offer {
    /// Returns the offer of a benefit for points alone, with the same rights as for money. `benefit` is a code in kebab
    /// case that has words in `policy.toml`.
    pub fn for_points(points: Points, benefit: &str) -> Self {
        Self { points, cash_minor: 0, worth_minor: 0, benefit: benefit.to_owned(), restrictions: Vec::new() }
    }

    /// Sets what the member pays beside the points, in minor units.
    #[must_use]
    pub fn with_cash(self, cash_minor: Minor) -> Self {
        Self { cash_minor, ..self }
    }

    /// Sets what the points are worth against the bill, in minor units. More than there is to pay is a fault.
    #[must_use]
    pub fn worth(self, worth_minor: Minor) -> Self {
        Self { worth_minor, ..self }
    }

    /// Adds a limit on the use of the benefit, a code in kebab case that has words in `policy.toml`.
    #[must_use]
    pub fn restricted(mut self, restriction: &str) -> Self {
        self.restrictions.push(restriction.to_owned());
        self
    }
}

impl Answer {
    /// Returns a no that the member may be told. `code` is in kebab case and has words in `policy.toml`.
    pub fn decline(code: &str) -> Self {
        Self::Declined(code.to_owned())
    }
}

impl From<Offer> for Answer {
    fn from(offer: Offer) -> Self {
        Self::Offered(offer)
    }
}
