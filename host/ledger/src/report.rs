//! Reports: what the ledger tells auditors and members.

use std::collections::BTreeMap;

use jifen_loyalty::clawback::Debt;
use jifen_loyalty::lot::Standing;
use jifen_loyalty::posting::{Kind, parse_debt, parse_held};
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
    /// What is set aside for redemptions.
    pub held: Points,
    /// What is owed, now: for points that were spent before what earned them was returned.
    pub debt: Points,
}

/// Which lines of a statement: by default all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Only lines before that of an entry, given by its place in the log: of the page after this one, the first.
    pub before: Option<u64>,
    /// Only so many, the latest.
    pub last: Option<u32>,
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
    /// What it took from lots that the member of the statement had before, or made the member owe: by kind and unit, what
    /// the member's accounts gained, negative for what they lost.
    pub moves: Vec<Move>,
}

/// What an event did to points that a member had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// What the movement is.
    pub kind: Kind,
    /// Of which unit.
    pub unit: UnitId,
    /// What the member's lots gained.
    pub points: i64,
    /// What is set aside more.
    pub held: i64,
    /// What the member owes less; negative for more.
    pub debt: i64,
}

/// Returns what postings did to points that a member had.
pub(crate) fn moves(postings: &[Posting], member: &MemberId) -> Vec<Move> {
    let own = format!("member/{member}");
    let owes = |account: &str| parse_debt(account).is_some_and(|(_, debtor)| debtor == *member);
    let holds = |account: &str| parse_held(account).is_some_and(|(_, holder)| holder == *member);
    let mut moves = Vec::<Move>::new();
    for posting in postings.iter().filter(|posting| posting.kind != Kind::Award) {
        let (points, held, debt) = match &*posting.account {
            account if account == own => (posting.points, 0, 0),
            account if holds(account) => (0, posting.points, 0),
            account if owes(account) => (0, 0, posting.points),
            _ => continue,
        };
        let same = |other: &&mut Move| other.kind == posting.kind && other.unit == posting.unit;
        match moves.iter_mut().find(same) {
            Some(other) => {
                other.points = other.points.saturating_add(points);
                other.held = other.held.saturating_add(held);
                other.debt = other.debt.saturating_add(debt);
            }
            None => moves.push(Move { kind: posting.kind, unit: posting.unit.clone(), points, held, debt }),
        }
    }
    moves
}

/// The balances of one member while the member's lots go by.
#[derive(Default)]
pub(crate) struct Tally(BTreeMap<UnitId, Sums>);

#[derive(Default)]
struct Sums {
    available: u64,
    pending: u64,
    held: u64,
    debt: u64,
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
        grow(sum, lot.remaining, member)
    }

    /// Adds what of a lot is set aside until an instant. From then on it is what the lot is.
    pub(crate) fn hold(
        &mut self,
        member: &MemberId,
        lot: &Lot,
        (points, until): (Points, Instant),
        at: Instant,
    ) -> Result<(), LedgerError> {
        if until <= at {
            return self.add(member, &Lot { remaining: points, ..lot.clone() }, at);
        }
        grow(&mut self.0.entry(lot.unit.clone()).or_default().held, points, member)
    }

    /// Adds what is owed.
    pub(crate) fn owe(&mut self, debt: &Debt) {
        let sums = self.0.entry(debt.unit.clone()).or_default();
        sums.debt = sums.debt.saturating_add(debt.points.get()).min(Points::MAX.get());
    }

    /// Hands out the balances and begins anew.
    pub(crate) fn close(&mut self, member: &MemberId, each: &mut dyn FnMut(Balance)) {
        for (unit, sums) in std::mem::take(&mut self.0) {
            let points = |sum| Points::new(sum).expect("sums are kept within bounds");
            let (available, pending) = (points(sums.available), points(sums.pending));
            let (held, debt) = (points(sums.held), points(sums.debt));
            each(Balance { member: member.clone(), unit, available, pending, held, debt });
        }
    }
}

fn grow(sum: &mut u64, by: Points, member: &MemberId) -> Result<(), LedgerError> {
    let total = sum.checked_add(by.get()).filter(|total| *total <= Points::MAX.get());
    *sum = total.ok_or_else(|| LedgerError::Overflow { total: Total::Balance(member.clone()) })?;
    Ok(())
}
