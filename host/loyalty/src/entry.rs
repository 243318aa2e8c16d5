//! Entries: what one event writes into the ledger, all of it or nothing.

use std::sync::Arc;

use crate::event::Event;
use crate::id::{DeploymentId, MemberId, RedemptionId, UnitId};
use crate::lot::{Issuer, Lot, LotId};
use crate::member::{Grants, Profile};
use crate::points::Points;
use crate::posting::Posting;
use crate::term::Term;
use crate::time::Instant;

/// What one event writes, and what must still be true when it is written.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The event. Shared, because whoever sent the entry still needs it if it no longer holds.
    pub event: Arc<Event>,
    /// Its business day.
    pub day: i32,
    /// Whose event it is, and what becomes of that member; `None` where it is nobody's yet.
    pub member: Option<Moved>,
    /// Other members whose lots it moves, with the versions that the decision was made on.
    pub others: Vec<(MemberId, u64)>,
    /// The order that it completes or returns. The ledger refuses the entry if the order has moved.
    pub order: Option<OrderClaim>,
    /// Points that members gain, in the order of the receipt's awards; only those that were granted.
    pub lots: Vec<NewLot>,
    /// What comes out of lots that were there before, or goes back into them.
    pub moved: Vec<LotMove>,
    /// Uses of points that it begins or moves on.
    pub redemptions: Vec<RedemptionMove>,
    /// What it takes from stocks. The ledger refuses the entry if a stock no longer has it.
    pub stock: Vec<StockDraw>,
    /// What goes back into stocks.
    pub restocked: Vec<StockKey>,
    /// What members owe more or less.
    pub debts: Vec<DebtMove>,
    /// What was taken from budgets. The ledger refuses the entry if a budget no longer allows it.
    pub budgets: Vec<BudgetDraw>,
    /// What goes back into budgets.
    pub returned: Vec<(DeploymentId, Points)>,
    /// Which of its notices are to be delivered.
    pub notices: Vec<u32>,
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

/// What an entry does to a lot that was there before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LotMove {
    /// Whose it is.
    pub member: MemberId,
    /// The business day it was earned on.
    pub day: i32,
    /// What it is counted with.
    pub grants: Grants,
    /// Its name.
    pub lot: LotId,
    /// How many points more are left of it; negative for what comes out.
    pub remaining: i64,
    /// By how much its award goes down.
    pub reversed: Points,
    /// How many points more of it have lapsed; negative where what had lapsed is taken back instead.
    pub expired: i64,
    /// When its points can be spent from then on, where that changes.
    pub term: Option<Term>,
}

/// A step of a use of points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedemptionMove {
    /// Which.
    pub name: RedemptionId,
    /// Whose points it uses.
    pub member: MemberId,
    /// The steps that the decision was made on. The ledger refuses the entry if there are others.
    pub steps: u64,
    /// Where it is the first step: what it begins.
    pub begins: Option<Begins>,
    /// What it does, by lot.
    pub parts: Vec<PartMove>,
}

/// A use of points that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begins {
    /// The first instant at which what it holds is free again.
    pub until: Instant,
    /// What it takes from a stock.
    pub stock: Option<StockKey>,
}

/// What a step of a use of points does with the points of one lot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartMove {
    /// The lot.
    pub lot: LotId,
    /// The business day it was earned on.
    pub day: i32,
    /// How many points are set aside.
    pub held: Points,
    /// How many that were set aside are free again.
    pub released: Points,
    /// How many that were set aside are used.
    pub captured: Points,
    /// How many that were used are no longer, whether they came back or not.
    pub cancelled: Points,
}

impl PartMove {
    /// Returns a step that does nothing with a lot yet.
    pub const fn none(lot: LotId, day: i32) -> Self {
        let none = Points::ZERO;
        Self { lot, day, held: none, released: none, captured: none, cancelled: none }
    }
}

/// Some of an item of limited stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockKey {
    /// The deployment whose stock it is.
    pub deployment: DeploymentId,
    /// Which item.
    pub item: String,
    /// The business day whose quantity it counts in, too.
    pub day: i32,
    /// How many.
    pub quantity: u64,
}

/// What an entry takes from a stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockDraw {
    /// What.
    pub key: StockKey,
    /// How many there are in all, if that is limited.
    pub total: Option<u64>,
    /// How many there are for each business day, if that is limited.
    pub per_day: Option<u64>,
}

impl StockDraw {
    /// Returns whether there is enough when so many are taken in all, and on that day.
    pub fn holds(&self, taken: StockTaken) -> bool {
        let within = |taken: u64, limit: Option<u64>| {
            limit.is_none_or(|limit| taken.saturating_add(self.key.quantity) <= limit)
        };
        within(taken.total, self.total) && within(taken.on_day, self.per_day)
    }
}

/// How many of an item are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StockTaken {
    /// In all.
    pub total: u64,
    /// On one business day.
    pub on_day: u64,
}

impl StockTaken {
    /// Returns how many are taken once some of the item go back.
    #[must_use]
    pub fn less(self, back: &[StockKey], of: &StockKey) -> Self {
        let same = back.iter().filter(|key| key.deployment == of.deployment && key.item == of.item);
        same.fold(self, |taken, key| Self {
            total: taken.total.saturating_sub(key.quantity),
            on_day: if key.day == of.day { taken.on_day.saturating_sub(key.quantity) } else { taken.on_day },
        })
    }
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
