//! Postings: balanced double entry.

use std::collections::BTreeMap;
use std::fmt;

use crate::id::{MemberId, UnitId};
use crate::lot::{Issuer, LotId};
use crate::points::Points;

/// One side of an entry: what an account gains or loses of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// What the movement is.
    pub kind: Kind,
    /// The account: `member/…`, `platform`, `merchant/…`, or `debt/` with issuer and member.
    pub account: String,
    /// Of which unit.
    pub unit: UnitId,
    /// What it gains; negative for what it loses.
    pub points: i64,
    /// The lot that gains or loses; `None` on every other side.
    pub lot: Option<LotId>,
}

/// What a movement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Points are granted.
    Award,
    /// Points are taken back, because what earned them was returned.
    Clawback,
    /// Points pay what is owed for points that had been spent before they were taken back.
    Repayment,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Award, Self::Clawback, Self::Repayment];

    /// Returns the word that stands on receipts and in the ledger.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Award => "award",
            Self::Clawback => "clawback",
            Self::Repayment => "repayment",
        }
    }

    /// Reads the word.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The postings of an entry in the making. A lot has a posting for each movement; what other accounts gain and lose by
/// movements of one kind is one posting.
#[derive(Debug, Default)]
pub struct Postings(Vec<Posting>);

impl Postings {
    /// Moves points of a lot: positive into it, negative out of it.
    pub fn lot(&mut self, kind: Kind, member: &MemberId, unit: &UnitId, lot: &LotId, points: i64) {
        let (account, unit) = (format!("member/{member}"), unit.clone());
        self.0.push(Posting { kind, account, unit, points, lot: Some(lot.clone()) });
    }

    /// Moves points of an issuer's account: negative where the issuer owes more.
    pub fn issuer(&mut self, kind: Kind, issuer: &Issuer, unit: &UnitId, points: i64) {
        self.other(kind, issuer.to_string(), unit, points);
    }

    /// Moves what a member owes an issuer: negative where the member owes more.
    pub fn debt(&mut self, kind: Kind, member: &MemberId, issuer: &Issuer, unit: &UnitId, points: i64) {
        self.other(kind, debt_account(issuer, member), unit, points);
    }

    fn other(&mut self, kind: Kind, account: String, unit: &UnitId, points: i64) {
        let same = |other: &&mut Posting| {
            other.kind == kind && other.account == account && other.unit == *unit && other.lot.is_none()
        };
        match self.0.iter_mut().find(same) {
            Some(posting) => posting.points = posting.points.saturating_add(points),
            None => self.0.push(Posting { kind, account, unit: unit.clone(), points, lot: None }),
        }
    }

    /// Returns the postings, what moves a lot first, without those that came to nothing.
    pub fn into_vec(self) -> Vec<Posting> {
        let (mut lots, others): (Vec<_>, Vec<_>) = self
            .0
            .into_iter()
            .filter(|posting| posting.points != 0)
            .partition(|posting| posting.lot.is_some());
        lots.extend(others);
        lots
    }
}

/// Returns the account of what a member owes an issuer: `debt/platform/ann`, `debt/merchant/store-330/ann`. A slash in a
/// merchant's name is written `%2F` and a percent sign `%25`, so that what follows the issuer is the member.
fn debt_account(issuer: &Issuer, member: &MemberId) -> String {
    match issuer {
        Issuer::Platform => format!("debt/platform/{member}"),
        Issuer::Merchant(merchant) => {
            let merchant = merchant.as_str().replace('%', "%25").replace('/', "%2F");
            format!("debt/merchant/{merchant}/{member}")
        }
    }
}

/// Reads the account of a debt: the issuer, and the member who owes.
pub fn parse_debt(account: &str) -> Option<(Issuer, MemberId)> {
    let debt = account.strip_prefix("debt/")?;
    if let Some(member) = debt.strip_prefix("platform/") {
        return Some((Issuer::Platform, member.into()));
    }
    let (merchant, member) = debt.strip_prefix("merchant/")?.split_once('/')?;
    let merchant = merchant.replace("%2F", "/").replace("%25", "%");
    Some((Issuer::Merchant(merchant.into()), member.into()))
}

/// Returns points as what an account gains.
pub fn gain(points: Points) -> i64 {
    points.entry()
}

/// Returns points as what an account loses.
pub fn loss(points: Points) -> i64 {
    points.entry().saturating_neg()
}

/// Returns whether every unit's postings sum to zero.
pub fn balanced(postings: &[Posting]) -> bool {
    let mut sums = BTreeMap::<&UnitId, i128>::new();
    for posting in postings {
        let sum = sums.entry(&posting.unit).or_default();
        *sum = sum.saturating_add(i128::from(posting.points));
    }
    sums.values().all(|sum| *sum == 0)
}
