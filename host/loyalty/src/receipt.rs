//! Receipts: the record of one event, from which every posting can be derived again.
//!
//! A receipt pins the program by its digest, and through it every component, parameter and calendar table; it keeps
//! what the policies asked and were told, and what caps and budgets had counted. With the event it is everything that
//! the decision depended on. Its canonical form is JSON with fixed keys in a fixed order; its digest is the SHA-256
//! of that form.

mod json;
#[cfg(test)]
mod tests;

use sha2::{Digest, Sha256};

pub use self::json::InvalidReceipt;
use crate::clawback::{Level, Repayment, Reversal};
use crate::clearing::{Position, Settled};
use crate::conversion::{Conversion, Converted};
use crate::decision::{Decision, Granted, Usage};
use crate::entry::NewLot;
use crate::event::Block;
use crate::facts::Answer;
use crate::id::{DeploymentId, MemberId, UnitId};
use crate::lot::{Issuer, Lot, LotId};
use crate::member::Referral;
use crate::points::Points;
use crate::posting::{Kind, Posting, Postings, gain, loss};
use crate::redemption::{Expired, Redeemed};
use crate::term::Retermed;
use crate::time::Instant;

/// The record of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The digest of the program that decided, in hexadecimal. For a refund it is the purchase's, for a correction the one that
    /// it names.
    pub program: String,
    /// Whose event it is; `None` for a refund that waits for its purchase.
    pub member: Option<MemberId>,
    /// That member's version after it: with the member, it names the lots.
    pub version: u64,
    /// The event's business day.
    pub day: i32,
    /// Who had brought the member, if anyone had.
    pub referral: Option<Referral>,
    /// What each deployment in scope was asked and answered with. For a refund, on what remains of the purchase; for a correction,
    /// on all of it.
    pub evaluations: Vec<Evaluation>,
    /// What was decided.
    pub decision: Decision,
    /// What the refund of a purchase came to, or refunds that had waited for this purchase.
    pub refund: Option<Refunded>,
    /// Uses of the member's points that it begins or moves on.
    pub redemptions: Vec<Redeemed>,
    /// What of the member's points lapsed.
    pub expired: Vec<Expired>,
    /// What lots paid of the member's debts.
    pub repayments: Vec<Repayment>,
    /// Lots that can be spent at another time from then on.
    pub terms: Vec<Retermed>,
    /// Points that became another member's or points of another unit.
    pub conversion: Option<Conversion>,
    /// What parties owed each other, where it is a settlement.
    pub settlement: Option<Settled>,
    /// Points that a merchant bought in advance.
    pub block: Option<Block>,
}

/// An event's name for ever.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Who sent it.
    pub source: String,
    /// The sender's name for it.
    pub id: String,
}

/// What refunds of a purchase came to, or a correction of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refunded {
    /// The purchase; `None` while the refund waits for it.
    pub of: Option<Key>,
    /// Refunds that had waited for this purchase, where it is the purchase's own receipt.
    pub waited: Vec<Key>,
    /// The evaluations on what remains after those, or for a correction after all that was returned, if anything was.
    pub evaluations: Vec<Evaluation>,
    /// For a correction, what the whole purchase came to by its program.
    pub first: Vec<Level>,
    /// What the order comes to from now on.
    pub levels: Vec<Level>,
    /// What went down, and where it came from.
    pub reversals: Vec<Reversal>,
}

/// What blocks had to do with a settlement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Covered {
    /// Points that cost nothing, by what they are cleared by; negative for points that went back into blocks.
    pub lines: Vec<(Position, i64)>,
    /// What was taken of each block; negative for what it got back.
    pub blocks: Vec<(Key, i64)>,
}

/// What one deployment's evaluation depended on, and what it cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// The deployment.
    pub deployment: DeploymentId,
    /// What earlier lanes had granted the member for this event in the deployment's unit.
    pub points_so_far: Points,
    /// Fuel it used.
    pub fuel: u64,
    /// Facts it asked, in the order of asking, each once.
    pub facts: Vec<Answer>,
    /// Facts that take no day and that it could have asked: on what remains of a purchase, it may.
    pub known: Vec<Answer>,
    /// What its caps had counted, and its budget where that limited what it granted; `None` if it has none.
    pub usage: Option<Usage>,
}

/// What of a receipt went into the decision: with the event and the program, all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// The program's digest, in hexadecimal.
    pub program: String,
    /// Whose event it is.
    pub member: Option<MemberId>,
    /// Who had brought the member, if anyone had.
    pub referral: Option<Referral>,
    /// What each deployment in scope was asked and answered with.
    pub evaluations: Vec<Evaluation>,
    /// The version of the event's member after it.
    pub version: u64,
    /// What refunds came to, if it has to do with any.
    pub refund: Option<Refunded>,
    /// Uses of the member's points that it begins or moves on.
    pub redemptions: Vec<Redeemed>,
    /// What of the member's points lapsed.
    pub expired: Vec<Expired>,
    /// What lots paid of the member's debts.
    pub repayments: Vec<Repayment>,
    /// Lots that can be spent at another time from then on.
    pub terms: Vec<Retermed>,
    /// Points that became another member's or points of another unit.
    pub conversion: Option<Conversion>,
}

impl Evaluation {
    /// Returns every answer that is known: what was asked, and what could have been.
    pub fn answers(&self) -> Vec<Answer> {
        self.facts.iter().chain(&self.known).copied().collect()
    }
}

/// A receipt in its canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The canonical JSON.
    pub json: Vec<u8>,
    /// Its SHA-256.
    pub digest: [u8; 32],
}

impl Sealed {
    pub(crate) fn new(json: Vec<u8>) -> Self {
        Self { digest: Sha256::digest(&json).into(), json }
    }
}

impl Receipt {
    /// Returns a receipt of a program, for the entry that brings a member to a version on a business day: so far, nothing
    /// happened.
    pub fn new(program: String, (member, version): (Option<MemberId>, u64), day: i32) -> Self {
        Self {
            program,
            member,
            version,
            day,
            referral: None,
            evaluations: Vec::new(),
            decision: Decision::default(),
            refund: None,
            redemptions: Vec::new(),
            expired: Vec::new(),
            repayments: Vec::new(),
            terms: Vec::new(),
            conversion: None,
            settlement: None,
            block: None,
        }
    }

    /// Returns the lots that the decision opens, as the entry leaves them: less what was taken back of them or paid from
    /// them at once. `at` is the event's time.
    pub fn lots(&self, at: Instant) -> Vec<NewLot> {
        let granted = (0..).zip(&self.decision.awards).filter(|(_, award)| !award.granted.is_zero());
        let mut lots: Vec<_> = granted.filter_map(|(place, award)| self.lot(place, award, at)).collect();
        lots.extend(self.further_lots(at));
        for reversal in self.reversals() {
            let mut left = reversal.taken_back();
            for taken in &reversal.taken {
                let lot = lots.iter_mut().find(|new| new.lot.id == taken.from.lot);
                lot.into_iter().for_each(|new| new.lot.remaining = new.lot.remaining.less(taken.points));
            }
            let own = |new: &&mut NewLot| reversal.of.is_of_lot(&new.member, &new.lot);
            for new in lots.iter_mut().filter(own) {
                let reversed = left.min(new.lot.points.less(new.lot.reversed));
                new.lot.reversed = new.lot.reversed.plus(reversed);
                left = left.less(reversed);
            }
        }
        for Repayment { taken, .. } in &self.repayments {
            let lot = lots.iter_mut().find(|new| new.lot.id == taken.from.lot);
            lot.into_iter().for_each(|new| new.lot.remaining = new.lot.remaining.less(taken.points));
        }
        lots
    }

    /// Returns the lots that are not awards: of used points that can be spent for longer than those that they came from,
    /// and of points that became others.
    fn further_lots(&self, at: Instant) -> Vec<NewLot> {
        let Some(member) = &self.member else { return Vec::new() };
        let mut names = self.further_names();
        let mut open =
            |member: &MemberId, deployment: DeploymentId, unit: &UnitId, issuer: &Issuer, points, term| {
                let lot = Lot {
                    id: names.next()?,
                    unit: unit.clone(),
                    issuer: issuer.clone(),
                    deployment,
                    day: self.day,
                    earned_at: at,
                    points,
                    remaining: points,
                    reversed: Points::ZERO,
                    expired: Points::ZERO,
                    term,
                };
                Some(NewLot { member: member.clone(), lot })
            };
        let mut lots = Vec::new();
        for step in &self.redemptions {
            for (back, term) in step.new_lots(at) {
                let by = Kind::Return.code().into();
                lots.extend(open(member, by, &step.unit, &back.issuer, back.points, term));
            }
        }
        if let Some(conversion) = &self.conversion {
            let Conversion { kind, to, into, .. } = conversion;
            for Converted { from, points, term } in conversion.gained() {
                lots.extend(open(to, kind.code().into(), into, &from.issuer, *points, term.clone()));
            }
        }
        lots
    }

    /// Returns the names of lots that are not awards: they come behind those.
    fn further_names(&self) -> impl Iterator<Item = LotId> {
        let awards = u32::try_from(self.decision.awards.len()).unwrap_or(u32::MAX);
        let member = self.member.clone();
        (awards..)
            .map_while(move |award| Some(LotId { member: member.clone()?, version: self.version, award }))
    }

    fn is_award(&self, lot: &LotId) -> bool {
        usize::try_from(lot.award).is_ok_and(|place| place < self.decision.awards.len())
    }

    /// Adds what refunds came to that had waited for this purchase, what they made the order earn more of, and which points
    /// that paid for it they gave back.
    pub fn refunded(&mut self, after: Option<(Refunded, Vec<Granted>, Vec<Redeemed>)>) {
        let Some((refunded, more, back)) = after else { return };
        self.decision.awards.extend(more);
        self.redemptions.extend(back);
        self.refund = Some(refunded);
    }

    /// Returns what refunds took back.
    pub fn reversals(&self) -> &[Reversal] {
        self.refund.as_ref().map_or(&[], |refund| &refund.reversals)
    }

    fn lot(&self, award: u32, granted: &Granted, at: Instant) -> Option<NewLot> {
        let member = self.member.clone()?;
        let id = LotId { member, version: self.version, award };
        Some(NewLot { member: granted.to.clone()?, lot: granted.lot(id, self.day, at) })
    }

    /// Returns the postings: each new lot gains and its issuer owes as much; then what was held, used or given back, what was
    /// taken back, and what was paid.
    pub fn postings(&self, lots: &[NewLot], at: Instant) -> Vec<Posting> {
        let mut postings = Postings::default();
        for NewLot { member, lot } in lots.iter().filter(|new| self.is_award(&new.lot.id)) {
            postings.lot(Kind::Award, member, &lot.unit, &lot.id, gain(lot.points));
            postings.issuer(Kind::Award, &lot.issuer, &lot.unit, loss(lot.points));
        }
        let mut names = self.further_names();
        for (member, step) in
            self.member.iter().flat_map(|member| self.redemptions.iter().map(move |step| (member, step)))
        {
            step.post(member, at, &mut names, &mut postings);
        }
        for (member, Expired { unit, part }) in
            self.member.iter().flat_map(|member| self.expired.iter().map(move |it| (member, it)))
        {
            postings.lapse(member, &part.issuer, unit, &part.lot, part.points);
        }
        self.reversals().iter().for_each(|reversal| reversal.post(&mut postings));
        for (member, conversion) in self.member.iter().zip(&self.conversion) {
            conversion.post(member, &mut names, &mut postings);
        }
        self.settlement.iter().for_each(|settled| settled.post(&mut postings));
        for (member, paid) in
            self.member.iter().flat_map(|member| self.repayments.iter().map(move |paid| (member, paid)))
        {
            paid.post(member, &mut postings);
        }
        postings.into_vec()
    }
}
