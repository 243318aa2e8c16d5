//! Snapshots: what the evaluation of a batch of events asks of the ledger, in one read.

use std::collections::BTreeMap;

use jifen_loyalty::{DeploymentId, Lot, Member, MemberId, Points};

use crate::{Digest, Logged};

/// What a snapshot should hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<'a> {
    /// The `(source, id)` of events that may be in the ledger already.
    pub keys: &'a [(&'a str, &'a str)],
    /// Members, each with the first business day that is needed of them.
    pub members: &'a [(&'a MemberId, i32)],
    /// What is needed of each member.
    pub needs: Needs,
    /// Deployments whose budget may be drawn on.
    pub budgets: &'a [DeploymentId],
    /// Orders that events complete or return.
    pub orders: &'a [OrderQuery<'a>],
}

/// What is asked of an order.
#[derive(Clone, Copy, Debug)]
pub struct OrderQuery<'a> {
    /// Its number.
    pub number: &'a str,
    /// Whether all of it is needed, or only its entries.
    pub whole: bool,
    /// The place among [`Query::keys`] of the event that names it: of an event that the ledger knows, nothing is read.
    pub key: Option<usize>,
}

impl OrderQuery<'_> {
    /// Returns whether the event that asks is known, so that nobody needs the answer.
    pub(crate) fn is_idle(&self, known: &[Option<Known>]) -> bool {
        self.key.and_then(|key| known.get(key)).is_some_and(Option::is_some)
    }
}

/// What is needed of members beyond their version and profile. What is not asked for is left empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Purchases by business day.
    pub purchases_by_day: bool,
    /// Points granted by deployment and business day.
    pub granted_by_day: bool,
    /// Lots with something left, of whatever day.
    pub lots: bool,
}

/// The answer to a [`Query`], all of it as of one instant of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// For each key the entry that the ledger has, in the order of the query.
    pub known: Vec<Option<Known>>,
    /// The members, in the order of the query. Their lots are ordered by business day, then as they were earned.
    pub members: Vec<Member>,
    /// What has been granted from each budget that was asked for.
    pub budgets_used: BTreeMap<DeploymentId, Points>,
    /// What the ledger has of each order, in the order of the query.
    pub orders: Vec<Order>,
}

/// What the ledger has of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Every entry that names it, in their order: its purchase, and its refunds.
    pub entries: Vec<Logged>,
    /// Purchases of that number, if all was asked for; two merchants may use the same one.
    pub purchases: Vec<Purchased>,
    /// Whoever has a lot of it, and whoever bought it, with all their lots, as of now; if all was asked for.
    pub owners: BTreeMap<MemberId, Member>,
}

/// A purchase in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchased {
    /// Its place in the log.
    pub seq: u64,
    /// Who bought.
    pub member: MemberId,
    /// The lots that entries of this number opened, each with its owner, whatever is left of them.
    pub lots: Vec<(MemberId, Lot)>,
    /// The member's days as they were before it: only these are filled.
    pub before: Member,
}

/// What the ledger has of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its place in the log.
    pub seq: u64,
    /// The digest of the event. The same key with another digest is another event under a used name.
    pub event_digest: Digest,
    /// The receipt, as it was committed.
    pub receipt: Vec<u8>,
    /// Its digest.
    pub receipt_digest: Digest,
}
