//! Entries: what one event writes into the ledger, all of it or nothing.

use std::sync::Arc;

use crate::event::Event;
use crate::id::{DeploymentId, MemberId, UnitId};
use crate::lot::{Issuer, Lot, LotId};
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
    /// Whose event it is, and what becomes of that member; `None` where it is nobody's yet.
    pub member: Option<Moved>,
    /// Other members whose lots it takes from, with the versions that the decision was made on.
    pub others: Vec<(MemberId, u64)>,
    /// The order that it completes or returns. The ledger refuses the entry if the order has moved.
    pub order: Option<OrderClaim>,
    /// Points that members gain, in the order of the receipt's awards; only those that were granted.
    pub lots: Vec<NewLot>,
    /// What comes out of lots that were there before.
    pub taken: Vec<LotMove>,
    /// What members owe more or less.
    pub debts: Vec<DebtMove>,
    /// What was taken from budgets. The ledger refuses the entry if a budget no longer allows it.
    pub budgets: Vec<BudgetDraw>,
    /// What goes back into budgets.
    pub returned: Vec<(DeploymentId, Points)>,
    /// Both sides of every movement; they sum to zero by unit.
    pub postings: Vec<Posting>,
    /// The receipt in its canonical form.
    pub receipt: Vec<u8>,
    /// Its SHA-256.
    pub receipt_digest: [u8; 32],
}

/// The member of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Who.
    pub id: MemberId,
    /// The version that the decision was made on. The ledger refuses the entry if it has moved.
    pub version: u64,
    /// The figures after it.
    pub profile: Profile,
}

/// An order, and how many entries named it when the decision was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderClaim {
    /// The merchant's name for it.
    pub number: String,
    /// How many entries there were.
    pub entries: u64,
}

/// A lot that an entry opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLot {
    /// Whose it is.
    pub member: MemberId,
    /// The lot, as the entry leaves it.
    pub lot: Lot,
}

/// What an entry takes out of a lot that was there before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LotMove {
    /// Whose it is.
    pub member: MemberId,
    /// The business day it was earned on.
    pub day: i32,
    /// The deployment that awarded it.
    pub deployment: DeploymentId,
    /// Its name.
    pub lot: LotId,
    /// How many points come out.
    pub taken: Points,
    /// By how much its award goes down.
    pub reversed: Points,
}

/// What a member owes more or less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebtMove {
    /// Who owes.
    pub member: MemberId,
    /// Of which unit.
    pub unit: UnitId,
    /// Whom.
    pub issuer: Issuer,
    /// How much more; negative for what was paid.
    pub points: i64,
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
