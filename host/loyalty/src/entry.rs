//! Entries: what one event writes into the ledger, all of it or nothing.

use std::sync::Arc;

use crate::event::Event;
use crate::id::{DeploymentId, MemberId};
use crate::lot::Lot;
use crate::member::Profile;
use crate::points::Points;
use crate::posting::Posting;

/// What one event writes, and what must still be true when it is written.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The event. Shared, because whoever sent the entry still needs it if it no longer holds.
    pub event: Arc<Event>,
    /// Its business day.
    pub day: i32,
    /// The member's version that the decision was made on. The ledger refuses the entry if it has moved.
    pub member_version: u64,
    /// The member's figures after it.
    pub profile: Profile,
    /// Points that members gain, in the order of the receipt's awards; only those that were granted.
    pub lots: Vec<NewLot>,
    /// What was taken from budgets. The ledger refuses the entry if a budget no longer allows it.
    pub budgets: Vec<BudgetDraw>,
    /// Both sides of every movement; they sum to zero by unit.
    pub postings: Vec<Posting>,
    /// The receipt in its canonical form.
    pub receipt: Vec<u8>,
    /// Its SHA-256.
    pub receipt_digest: [u8; 32],
}

/// A lot that an entry opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLot {
    /// Whose it is.
    pub member: MemberId,
    /// Its place in the receipt's awards: with the entry's place in the log, its name.
    pub award: u32,
    /// The lot.
    pub lot: Lot,
}

/// What an entry takes from a deployment's budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetDraw {
    /// Whose budget.
    pub deployment: DeploymentId,
    /// What the deployment may grant in all.
    pub budget: Points,
    /// What had been granted when the decision was made.
    pub used_before: Points,
    /// What this entry grants.
    pub granted: Points,
    /// Whether the budget was the reason for granting less than was asked. If so, the decision holds only while
    /// exactly `used_before` is granted.
    pub limited: bool,
}

impl BudgetDraw {
    /// Returns whether the decision still holds when `used` has been granted.
    pub fn holds(&self, used: Points) -> bool {
        if self.limited { used == self.used_before } else { used.plus(self.granted) <= self.budget }
    }
}
