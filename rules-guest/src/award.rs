//! Awards and proposals, written briefly.

use crate::{Award, DayNumber, Points, Proposal, Recipient};

impl Award {
    /// Returns an award to the member: available at once, for the event as a whole, in the deployment's unit.
    pub fn to_member(points: Points, reason: &str) -> Self {
        Self {
            to: Recipient::Member,
            points,
            unit: None,
            reason: reason.to_owned(),
            available_from: None,
            valid_until: None,
            line: None,
        }
    }

    /// Returns an award to the member who referred the member of the event.
    pub fn to_referrer(points: Points, reason: &str) -> Self {
        Self { to: Recipient::Referrer, ..Self::to_member(points, reason) }
    }

    /// Sets the unit. A unit that the deployment may not issue is a fault.
    #[must_use]
    pub fn of_unit(self, unit: &str) -> Self {
        Self { unit: Some(unit.to_owned()), ..self }
    }

    /// Sets the first day on which the points can be spent.
    #[must_use]
    pub fn available_from(self, day: DayNumber) -> Self {
        Self { available_from: Some(day), ..self }
    }

    /// Sets the last day on which the points can be spent.
    #[must_use]
    pub fn valid_until(self, day: DayNumber) -> Self {
        Self { valid_until: Some(day), ..self }
    }

    /// Says for which line of the purchase the award is, counted from 0.
    #[must_use]
    pub fn for_line(self, line: u32) -> Self {
        Self { line: Some(line), ..self }
    }
}

impl Proposal {
    /// Returns the proposal of a rule that does not apply: no awards.
    pub fn nothing() -> Self {
        Self::Awards(Vec::new())
    }

    /// Returns a no that the member may be told. `code` is in kebab case and has words in `policy.toml`.
    pub fn decline(code: &str) -> Self {
        Self::Declined(code.to_owned())
    }
}

impl From<Award> for Proposal {
    /// Returns a proposal of one award, or of none if it has no points.
    fn from(award: Award) -> Self {
        [award].into_iter().collect()
    }
}

impl FromIterator<Award> for Proposal {
    /// Returns a proposal of those awards that have points.
    fn from_iter<I: IntoIterator<Item = Award>>(awards: I) -> Self {
        Self::Awards(awards.into_iter().filter(|award| award.points > 0).collect())
    }
}
