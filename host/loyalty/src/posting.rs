//! Postings: balanced double entry.

use std::collections::BTreeMap;
use std::fmt;

use crate::id::{MemberId, MerchantId, RedemptionId, UnitId};
use crate::lot::{Issuer, LotId};
use crate::points::Points;

/// One side of an entry: what an account gains or loses of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// What the movement is.
    pub kind: Kind,
    /// The account: `member/…`, `platform`, `merchant/…`, `debt/` with issuer and member, `held/` with redemption and
    /// member, or `claim/` with issuer and the merchant who took the points.
    pub account: String,
    /// Of which unit.
    pub unit: UnitId,
    /// What it gains; negative for what it loses.
    pub points: i64,
    /// The lot that gains or loses, or whose points are held; `None` on every other side.
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
    /// Points are set aside for a redemption.
    Hold,
    /// Points that were set aside are free again.
    Release,
    /// Points are used. Whoever took them has a claim on their issuer.
    Redemption,
    /// Points that were used come back.
    Return,
    /// Points lapse: nobody owes them any more.
    Expiry,
    /// Points become another member's.
    Transfer,
    /// Points become points of another unit.
    Exchange,
    /// A claim on an issuer is settled in money.
    Settlement,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Award,
        Self::Clawback,
        Self::Repayment,
        Self::Hold,
        Self::Release,
        Self::Redemption,
        Self::Return,
        Self::Expiry,
        Self::Transfer,
        Self::Exchange,
        Self::Settlement,
    ];

    /// Returns the word that stands on receipts and in the ledger.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Award => "award",
            Self::Clawback => "clawback",
            Self::Repayment => "repayment",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Redemption => "redemption",
            Self::Return => "return",
            Self::Expiry => "expiry",
            Self::Transfer => "transfer",
            Self::Exchange => "exchange",
            Self::Settlement => "settlement",
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
pub struct Postings {
    lots: Vec<Posting>,
    others: Vec<Posting>,
}

impl Postings {
    /// Moves points of a lot: positive into it, negative out of it.
    pub fn lot(&mut self, kind: Kind, member: &MemberId, unit: &UnitId, lot: &LotId, points: i64) {
        let (account, unit) = (format!("member/{member}"), unit.clone());
        self.lots.push(Posting { kind, account, unit, points, lot: Some(lot.clone()) });
    }

    /// Moves points of an issuer's account: negative where the issuer owes more.
    pub fn issuer(&mut self, kind: Kind, issuer: &Issuer, unit: &UnitId, points: i64) {
        self.other(kind, issuer.to_string(), unit, points);
    }

    /// Moves what a member owes an issuer: negative where the member owes more.
    pub fn debt(&mut self, kind: Kind, member: &MemberId, issuer: &Issuer, unit: &UnitId, points: i64) {
        self.other(kind, of_issuer("debt", issuer, member.as_str()), unit, points);
    }

    /// Moves points of a lot that are held: positive into the hold, negative out of it.
    pub fn held(
        &mut self,
        kind: Kind,
        holder: (&RedemptionId, &MemberId),
        unit: &UnitId,
        lot: &LotId,
        points: i64,
    ) {
        let (redemption, member) = holder;
        let account = format!("held/{}/{member}", escaped(redemption.as_str()));
        self.lots.push(Posting { kind, account, unit: unit.clone(), points, lot: Some(lot.clone()) });
    }

    /// Moves what an issuer owes the merchant who took its points.
    pub fn claim(&mut self, kind: Kind, issuer: &Issuer, acceptor: &MerchantId, unit: &UnitId, points: i64) {
        self.other(kind, of_issuer("claim", issuer, acceptor.as_str()), unit, points);
    }

    /// Lets points of a lot lapse: nobody owes them any more.
    pub fn lapse(&mut self, member: &MemberId, issuer: &Issuer, unit: &UnitId, lot: &LotId, points: Points) {
        self.lot(Kind::Expiry, member, unit, lot, loss(points));
        self.issuer(Kind::Expiry, issuer, unit, gain(points));
    }

    fn other(&mut self, kind: Kind, account: String, unit: &UnitId, points: i64) {
        let same =
            |other: &&mut Posting| other.kind == kind && other.account == account && other.unit == *unit;
        match self.others.iter_mut().find(same) {
            Some(posting) => posting.points = posting.points.saturating_add(points),
            None => self.others.push(Posting { kind, account, unit: unit.clone(), points, lot: None }),
        }
    }

    /// Returns the postings, what moves a lot first, without those that came to nothing.
    pub fn into_vec(self) -> Vec<Posting> {
        let mut postings = self.lots;
        postings.extend(self.others);
        postings.retain(|posting| posting.points != 0);
        postings
    }
}

/// Returns an account between an issuer and someone: `debt/platform/ann`, `claim/merchant/store-330/store-7`.
fn of_issuer(kind: &str, issuer: &Issuer, other: &str) -> String {
    match issuer {
        Issuer::Platform => format!("{kind}/platform/{other}"),
        Issuer::Merchant(merchant) => format!("{kind}/merchant/{}/{other}", escaped(merchant.as_str())),
    }
}

/// Returns a name without slashes, so that what follows it in an account is the next name: a slash is written `%2F` and
/// a percent sign `%25`.
fn escaped(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2F")
}

fn unescaped(name: &str) -> String {
    name.replace("%2F", "/").replace("%25", "%")
}

/// Reads the account of a debt: the issuer, and the member who owes.
pub fn parse_debt(account: &str) -> Option<(Issuer, MemberId)> {
    between(account, "debt/").map(|(issuer, member)| (issuer, member.into()))
}

/// Reads the account of a claim: the issuer who owes, and the merchant who took the points.
pub fn parse_claim(account: &str) -> Option<(Issuer, MerchantId)> {
    between(account, "claim/").map(|(issuer, acceptor)| (issuer, acceptor.into()))
}

/// Reads the account of a hold: the redemption, and the member whose points are held.
pub fn parse_held(account: &str) -> Option<(RedemptionId, MemberId)> {
    let (redemption, member) = account.strip_prefix("held/")?.split_once('/')?;
    Some((unescaped(redemption).into(), member.into()))
}

/// Reads an account between an issuer and someone.
fn between<'a>(account: &'a str, kind: &str) -> Option<(Issuer, &'a str)> {
    let rest = account.strip_prefix(kind)?;
    if let Some(other) = rest.strip_prefix("platform/") {
        return Some((Issuer::Platform, other));
    }
    let (merchant, other) = rest.strip_prefix("merchant/")?.split_once('/')?;
    Some((Issuer::Merchant(unescaped(merchant).into()), other))
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
