//! Postings: balanced double entry.

use std::collections::BTreeMap;

use crate::id::UnitId;

/// One side of an entry: what an account gains or loses of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// The account: `member/…`, `platform`, or `merchant/…`.
    pub account: String,
    /// Of which unit.
    pub unit: UnitId,
    /// What it gains; negative for what it loses.
    pub points: i64,
    /// The lot it belongs to, by its place in the receipt's awards; `None` on the issuer's side.
    pub award: Option<u32>,
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
