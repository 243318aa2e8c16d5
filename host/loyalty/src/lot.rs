//! Lots: the points of one award, who owes for them, and when they can be spent.

use std::fmt;

use crate::id::{DeploymentId, MerchantId, UnitId};
use crate::points::Points;
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
    /// Reads the name of an issuer's account.
    pub fn parse(account: &str) -> Option<Self> {
        match account {
            "platform" => Some(Self::Platform),
            account => account.strip_prefix("merchant/").map(|merchant| Self::Merchant(merchant.into())),
        }
    }
}

/// The points of one award.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lot {
    /// Of which unit.
    pub unit: UnitId,
    /// Who owes for them.
    pub issuer: Issuer,
    /// The deployment that awarded them.
    pub deployment: DeploymentId,
    /// The business day they were earned on.
    pub day: i32,
    /// How many were awarded.
    pub points: Points,
    /// How many are left.
    pub remaining: Points,
    /// The first instant at which they can be spent.
    pub available_at: Instant,
    /// The first instant at which they no longer can; [`Instant::NEVER`] if they stay.
    pub expires_at: Instant,
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
    /// Returns where the lot stands at an instant.
    pub fn standing(&self, at: Instant) -> Standing {
        if at >= self.expires_at {
            Standing::Expired
        } else if at < self.available_at {
            Standing::Pending
        } else {
            Standing::Available
        }
    }
}
