//! Conversions: points that become another member's, or points of another unit.
//!
//! Whatever they become, they keep their issuer. What comes out of each lot is a lot of its own.

use crate::id::{MemberId, UnitId};
use crate::lot::LotId;
use crate::points::Points;
use crate::posting::{Kind, Postings, gain, loss};
use crate::redemption::Part;
use crate::term::Term;

/// Points that became others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// How: [`Kind::Transfer`] or [`Kind::Exchange`].
    pub kind: Kind,
    /// Of which unit they were.
    pub unit: UnitId,
    /// Who has them now.
    pub to: MemberId,
    /// Of which unit they are now.
    pub into: UnitId,
    /// What came of which lot.
    pub parts: Vec<Converted>,
}

/// What came of the points of one lot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The points that were.
    pub from: Part,
    /// How many there are now; none where the part was too small.
    pub points: Points,
    /// When they can be spent.
    pub term: Term,
}

impl Conversion {
    /// Returns the parts of which something came, each a new lot.
    pub fn gained(&self) -> impl Iterator<Item = &Converted> {
        self.parts.iter().filter(|part| !part.points.is_zero())
    }

    /// Writes the postings. `new` names the lots of [`Self::gained`], in their order.
    pub fn post(&self, member: &MemberId, new: &mut dyn Iterator<Item = LotId>, postings: &mut Postings) {
        let Self { kind, unit, to, into, parts } = self;
        for Converted { from: Part { lot, issuer, points: taken, .. }, points, .. } in parts {
            postings.lot(*kind, member, unit, lot, loss(*taken));
            if let Some(own) = (!points.is_zero()).then(|| new.next()).flatten() {
                postings.lot(*kind, to, into, &own, gain(*points));
            }
            // Of one unit the issuer owes as much as before.
            if unit != into {
                postings.issuer(*kind, issuer, unit, gain(*taken));
                postings.issuer(*kind, issuer, into, loss(*points));
            }
        }
    }
}
