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
use crate::decision::{Decision, Usage};
use crate::entry::NewLot;
use crate::facts::Answer;
use crate::id::{DeploymentId, MemberId};
use crate::lot::Lot;
use crate::points::Points;
use crate::posting::Posting;

/// The record of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The digest of the program that decided, in hexadecimal.
    pub program: String,
    /// The event's business day.
    pub day: i32,
    /// Who had brought the member, if anyone had.
    pub referrer: Option<MemberId>,
    /// What each deployment in scope was asked and answered with.
    pub evaluations: Vec<Evaluation>,
    /// What was decided.
    pub decision: Decision,
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
    /// What its caps and its budget had counted; `None` if it has none.
    pub usage: Option<Usage>,
}

/// What of a receipt went into the decision: with the event and the program, all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// The program's digest, in hexadecimal.
    pub program: String,
    /// Who had brought the member, if anyone had.
    pub referrer: Option<MemberId>,
    /// What each deployment in scope was asked and answered with.
    pub evaluations: Vec<Evaluation>,
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
    /// Returns the lots that the decision opens.
    pub fn lots(&self) -> Vec<NewLot> {
        let granted = (0..).zip(&self.decision.awards).filter(|(_, award)| !award.granted.is_zero());
        let lot = |(place, award): (u32, &crate::decision::Granted)| {
            let lot = Lot {
                unit: award.unit.clone(),
                issuer: award.issuer.clone(),
                deployment: award.deployment.clone(),
                day: self.day,
                points: award.granted,
                remaining: award.granted,
                available_at: award.available_at,
                expires_at: award.expires_at,
            };
            award.to.clone().map(|member| NewLot { member, award: place, lot })
        };
        granted.filter_map(lot).collect()
    }

    /// Returns the postings of the decision: each lot gains, and its issuer owes as much.
    pub fn postings(lots: &[NewLot]) -> Vec<Posting> {
        let mut postings: Vec<Posting> = Vec::with_capacity(lots.len().saturating_add(1));
        for NewLot { member, award, lot } in lots {
            let (unit, points) = (lot.unit.clone(), lot.points.entry());
            postings.push(Posting { account: format!("member/{member}"), unit, points, award: Some(*award) });
        }
        let gains = postings.len();
        for NewLot { lot, .. } in lots {
            let (account, points) = (lot.issuer.to_string(), lot.points.entry());
            let owed =
                postings.iter_mut().skip(gains).find(|owed| owed.account == account && owed.unit == lot.unit);
            match owed {
                Some(owed) => owed.points = owed.points.saturating_sub(points),
                None => {
                    let points = points.saturating_neg();
                    postings.push(Posting { account, unit: lot.unit.clone(), points, award: None });
                }
            }
        }
        postings
    }
}
