//! Reports: what the ledger tells auditors and members.

use std::collections::BTreeMap;

use jifen_loyalty::lot::Standing;
use jifen_loyalty::{Instant, Lot, MemberId, Points, Posting, UnitId};

use crate::{Digest, LedgerError, Total};

/// An entry of the log: enough to evaluate it again and compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its place in the log, from 1.
    pub seq: u64,
    /// The event in its canonical form.
    pub event: Vec<u8>,
    /// Its digest.
    pub event_digest: Digest,
    /// The receipt in its canonical form.
    pub receipt: Vec<u8>,
    /// Its digest.
    pub receipt_digest: Digest,
    /// The postings, in their order.
    pub postings: Vec<Posting>,
}

/// What a member has of a unit at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Whose.
    pub member: MemberId,
    /// Of what.
    pub unit: UnitId,
    /// What can be spent.
    pub available: Points,
    /// What is awarded but not yet available.
    pub pending: Points,
}

/// An event on a member's statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementLine {
    /// Its place in the log.
    pub seq: u64,
    /// Who sent the event.
    pub source: String,
    /// The sender's name for it.
    pub id: String,
    /// To whom it happened: the member of the statement, or one whom that member referred.
    pub member: MemberId,
    /// When it happened.
    pub time: Instant,
    /// What was spent, in minor units; `None` if it was not a purchase.
    pub spend_minor: Option<u64>,
    /// What the member of the statement got for it.
    pub lots: Vec<Lot>,
}

/// The balances of one member while the member's lots go by.
#[derive(Default)]
pub(crate) struct Tally(BTreeMap<UnitId, Sums>);

#[derive(Default)]
struct Sums {
    available: u64,
    pending: u64,
}

impl Tally {
    /// Adds what is left of a lot, by where the lot stands.
    pub(crate) fn add(&mut self, member: &MemberId, lot: &Lot, at: Instant) -> Result<(), LedgerError> {
        let sums = self.0.entry(lot.unit.clone()).or_default();
        let sum = match lot.standing(at) {
            Standing::Available => &mut sums.available,
            Standing::Pending => &mut sums.pending,
            Standing::Expired => return Ok(()),
        };
        let total = sum.checked_add(lot.remaining.get()).filter(|total| *total <= Points::MAX.get());
        *sum = total.ok_or_else(|| LedgerError::Overflow { total: Total::Balance(member.clone()) })?;
        Ok(())
    }

    /// Hands out the balances and begins anew.
    pub(crate) fn close(&mut self, member: &MemberId, each: &mut dyn FnMut(Balance)) {
        for (unit, sums) in std::mem::take(&mut self.0) {
            let points = |sum| Points::new(sum).expect("sums are kept within bounds");
            let (available, pending) = (points(sums.available), points(sums.pending));
            each(Balance { member: member.clone(), unit, available, pending });
        }
    }
}
