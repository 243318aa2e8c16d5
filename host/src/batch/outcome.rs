//! What becomes of events.

use std::collections::BTreeMap;

use jifen_ledger::Logged;
use jifen_loyalty::entry::NewLot;
use jifen_loyalty::posting::Kind;
use jifen_loyalty::{Decision, DeploymentId, Entry, InvalidEvent, MemberId, Points, Posting, UnitId};

use super::Waiting;
use crate::campaign::Tally;
use crate::error::Answered;
use crate::pipeline::Faults;
use crate::redemption;

/// What became of an event.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was applied.
    Applied {
        /// Its receipt.
        recorded: Recorded,
        /// The lots that it awarded.
        lots: Vec<NewLot>,
        /// The points that it used, and those that lapsed.
        moved: Moved,
        /// The deployments that failed to answer.
        faults: Faults,
        /// What everybody's midnight work came to, where a day was closed.
        closed: Option<Box<Done>>,
        /// What the programs that were asked beside would have decided, each in its place; nothing where no rule is asked.
        beside: Vec<Beside>,
    },
    /// It had been applied before: the first receipt.
    Duplicate(Recorded),
    /// It cannot be applied; nothing of it was.
    Refused {
        /// Why.
        refusal: InvalidEvent,
        /// The rules that were asked before, where some were.
        answered: Option<Box<Answered>>,
    },
}

impl Outcome {
    /// Returns the outcome of what was refused before any rule was asked.
    pub(crate) fn refused(refusal: InvalidEvent) -> Self {
        Self::Refused { refusal, answered: None }
    }
}

/// What a program would have decided, or why it would not take the event.
pub(crate) type Beside = Result<Decision, InvalidEvent>;

/// What an event would come to.
#[derive(Debug)]
pub(crate) enum Quoted {
    /// The receipt that it would have, in canonical form.
    Receipt(Vec<u8>),
    /// Why it would be refused.
    Refused(InvalidEvent),
    /// What it came to, or why its name cannot be used: the ledger knows it.
    Known(Outcome),
}

/// A receipt and its place in the log.
#[derive(Debug)]
pub(crate) struct Recorded {
    /// Its place.
    pub(crate) seq: u64,
    /// Its canonical form.
    pub(crate) receipt: Vec<u8>,
    /// Its digest; nothing where the receipt is not shown whole.
    pub(crate) digest: Option<[u8; 32]>,
}

impl From<&Logged> for Recorded {
    fn from(logged: &Logged) -> Self {
        Self { seq: logged.seq, receipt: logged.receipt.clone(), digest: Some(logged.receipt_digest) }
    }
}

/// Points that were used or lapsed, by unit.
pub(crate) type Moved = Vec<(Kind, UnitId, Points)>;

/// What everybody's midnight work and the campaigns came to.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Points that were awarded, by deployment and unit.
    pub(crate) awarded: BTreeMap<(DeploymentId, UnitId), Points>,
    /// Points that were used or lapsed, by unit.
    pub(crate) moved: Moved,
    /// Deployments that failed to answer, each as often as it did.
    pub(crate) faults: BTreeMap<DeploymentId, u64>,
    /// What campaigns did.
    pub(crate) campaigns: BTreeMap<DeploymentId, Tally>,
}

impl Done {
    /// Adds what an event came to.
    pub(crate) fn add(&mut self, outcome: Outcome) {
        let Outcome::Applied { lots, moved, faults, .. } = outcome else { return };
        for NewLot { lot, .. } in lots {
            let sum = self.awarded.entry((lot.deployment, lot.unit)).or_default();
            *sum = sum.plus(lot.points);
        }
        for (kind, unit, points) in moved {
            match self.moved.iter_mut().find(|(of, in_unit, _)| *of == kind && *in_unit == unit) {
                Some((.., sum)) => *sum = sum.plus(points),
                None => self.moved.push((kind, unit, points)),
            }
        }
        for (deployment, _) in faults {
            let count = self.faults.entry(deployment).or_default();
            *count = count.saturating_add(1);
        }
    }
}

/// An event with what was decided.
pub(super) struct Decided {
    pub(super) waiting: Waiting,
    /// Whose event it is.
    pub(super) owner: Option<MemberId>,
    pub(super) verdict: Result<(Entry, Faults), InvalidEvent>,
    /// The rules that were asked, where it is refused after that.
    pub(super) answered: Option<Box<Answered>>,
    /// What the programs beside would have decided.
    pub(super) beside: Vec<Beside>,
}

impl Decided {
    /// Returns whether it puts something back into a stock.
    pub(super) fn restocks(&self) -> bool {
        self.verdict.as_ref().is_ok_and(|(entry, _)| !entry.restocked.is_empty())
    }

    /// Returns whether there is too little of what it asks for, and some may be held for too long.
    pub(super) fn is_short(&self) -> bool {
        let short = |refusal: &InvalidEvent| redemption::is_out_of_stock(refusal);
        !self.waiting.restocked && self.verdict.as_ref().is_err_and(short)
    }

    /// Hands the entry over and returns what becomes of the event if it is committed.
    pub(super) fn promise(self, entries: &mut Vec<Entry>) -> (Waiting, Promise) {
        let promise = match self.verdict {
            Err(refusal) => Promise::Refused(refusal, self.answered),
            Ok((entry, faults)) => {
                let (receipt, digest) = (entry.receipt.clone(), entry.receipt_digest);
                let (lots, moved) = (awarded(&entry), moved(&entry));
                entries.push(entry);
                Promise::Applied(Applied { receipt, digest, lots, moved, faults, beside: self.beside })
            }
        };
        (self.waiting, promise)
    }
}

/// What becomes of an event once everything before it is committed.
pub(super) enum Promise {
    Applied(Applied),
    Refused(InvalidEvent, Option<Box<Answered>>),
}

/// An entry on its way into the ledger.
pub(super) struct Applied {
    receipt: Vec<u8>,
    digest: [u8; 32],
    lots: Vec<NewLot>,
    moved: Moved,
    faults: Faults,
    beside: Vec<Beside>,
}

impl Applied {
    pub(super) fn at(self, seq: u64) -> Outcome {
        let Self { receipt, digest, lots, moved, faults, beside } = self;
        let recorded = Recorded { seq, receipt, digest: Some(digest) };
        Outcome::Applied { recorded, lots, moved, faults, closed: None, beside }
    }
}

/// Returns the lots that an entry awards: not those that hold what was given back.
fn awarded(entry: &Entry) -> Vec<NewLot> {
    let is_award = |new: &&NewLot| {
        entry.postings.iter().any(|it| it.kind == Kind::Award && it.lot.as_ref() == Some(&new.lot.id))
    };
    entry.lots.iter().filter(is_award).cloned().collect()
}

/// Returns the points that an entry uses, and those that it lets lapse.
fn moved(entry: &Entry) -> Moved {
    let told = |posting: &&Posting| {
        matches!(posting.kind, Kind::Redemption | Kind::Expiry) && posting.lot.is_none() && posting.points > 0
    };
    let moved = entry.postings.iter().filter(told);
    moved.filter_map(|it| Some((it.kind, it.unit.clone(), Points::new(it.points.unsigned_abs())?))).collect()
}
