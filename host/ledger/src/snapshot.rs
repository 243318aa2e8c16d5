//! Snapshots: what the evaluation of a batch of events asks of the ledger, in one read.

use std::collections::BTreeMap;

use jifen_loyalty::{DeploymentId, Member, MemberId, Points};

use crate::Digest;

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
