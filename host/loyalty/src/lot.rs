//! Lots: the points of one award, who owes for them, and when they can be spent.

use std::fmt;

use crate::id::{DeploymentId, MemberId, MerchantId, UnitId};
use crate::points::Points;
use crate::term::Term;
use crate::time::Instant;

/// Who owes for points.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Issuer {
    /// The program.
    Platform,
    /// A merchant.
    Merchant(MerchantId),
}

/// The name of the issuer's account: `platform`, or `merchant/` and the merchant.
impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform => f.write_str("platform"),
            Self::Merchant(merchant) => write!(f, "merchant/{merchant}"),
        }
    }
}

impl Issuer {
    /// Returns who people mean by a name: a merchant, or `platform`.
    pub fn named(name: &str) -> Self {
        match name {
            "platform" => Self::Platform,
            merchant => Self::Merchant(merchant.into()),
        }
    }

    /// Reads the name of an issuer's account.
    pub fn parse(account: &str) -> Option<Self> {
        match account {
            "platform" => Some(Self::Platform),
            account => account.strip_prefix("merchant/").map(|merchant| Self::Merchant(merchant.into())),
        }
    }
}

/// A lot's name for ever, known as soon as the award is decided: which entry of whose, and the award's place in it.
///
/// Written `ann/17/0`: the first award of the entry that brought ann to version 17.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LotId {
    /// The member to whom the entry's event happened, who need not be the one who has the lot.
    pub member: MemberId,
    /// The version of that member after the entry.
    pub version: u64,
    /// The award's place in the entry's receipt.
    pub award: u32,
}

impl fmt::Display for LotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.member, self.version, self.award)
    }
}

impl LotId {
    /// Reads a name. Members may have a slash in theirs, so it is read from its end.
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, award) = text.rsplit_once('/')?;
        let (member, version) = rest.rsplit_once('/')?;
        Some(Self { member: member.into(), version: version.parse().ok()?, award: award.parse().ok()? })
    }
}

/// The points of one award.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lot {
    /// Its name.
    pub id: LotId,
    /// Of which unit.
    pub unit: UnitId,
    /// Who owes for them.
    pub issuer: Issuer,
    /// The deployment that awarded them.
    pub deployment: DeploymentId,
    /// The business day they were earned on.
    pub day: i32,
    /// The instant they were earned at.
    pub earned_at: Instant,
    /// How many were awarded.
    pub points: Points,
    /// How many are left.
    pub remaining: Points,
    /// By how much a refund reduced the award, wherever the points then came from.
    pub reversed: Points,
    /// How many have lapsed, as far as that is posted.
    pub expired: Points,
    /// When they can be spent.
    pub term: Term,
}

/// Which lots count.
#[derive(Clone, Copy, Debug)]
pub struct Purse<'p> {
    /// Those of this unit.
    pub unit: &'p UnitId,
    /// Those of these issuers; `None`: whoever owes for them.
    pub issuers: Option<&'p [Issuer]>,
}

impl<'p> Purse<'p> {
    /// Returns the purse of all points of a unit.
    pub const fn of(unit: &'p UnitId) -> Self {
        Self { unit, issuers: None }
    }

    /// Returns whether a lot is in it.
    pub fn has(&self, lot: &Lot) -> bool {
        lot.unit == *self.unit && self.issuers.is_none_or(|issuers| issuers.contains(&lot.issuer))
    }
}

/// What of a lot can be spent at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not yet.
    Pending,
    /// Now.
    Available,
    /// No longer. Whether a job has posted it makes no difference.
    Expired,
}

impl Lot {
    /// Returns what puts lots in the order in which they are spent: the earliest expiry first and those that stay last,
    /// then the earliest earned, then by name.
    pub fn spending_order(&self) -> (Instant, Instant, &LotId) {
        (self.term.expires_at, self.earned_at, &self.id)
    }

    /// Returns where the lot stands at an instant.
    pub fn standing(&self, at: Instant) -> Standing {
        if at >= self.term.ends_at() {
            Standing::Expired
        } else if self.term.has_begun(at) {
            Standing::Available
        } else {
            Standing::Pending
        }
    }
}
