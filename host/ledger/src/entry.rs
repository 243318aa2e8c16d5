//! What can be said of an entry by itself, before any store looks at it.

use std::collections::BTreeMap;

use jifen_loyalty::lot::LotId;
use jifen_loyalty::posting::{Posting, balanced, gain, loss, parse_held};
use jifen_loyalty::{Entry, MemberId, Points, RedemptionId};

use crate::{LedgerError, Total};

/// The largest number that a column holds.
const COLUMN_MAX: u64 = i64::MAX.unsigned_abs();

/// Checks what must be true of every entry, whatever the ledger holds.
///
/// # Panics
///
/// If postings do not sum to zero or are not what lots and holds gain and lose, or a lot has more left than it began with: our
/// bug, and it stops here.
pub(crate) fn check(entry: &Entry) -> Result<(), LedgerError> {
    assert!(balanced(&entry.postings), "the postings of event {} sum to zero by unit", entry.event.id);
    assert_eq!(
        posted(entry),
        moved(entry),
        "the postings of event {} are what its lots move",
        entry.event.id
    );
    assert_eq!(
        posted_to_holds(entry),
        held(entry),
        "the postings of event {} are what its redemptions hold",
        entry.event.id
    );
    for new in &entry.lots {
        assert!(new.lot.remaining <= new.lot.points, "no more is left of a lot than was awarded");
    }
    overflow(entry).map_or(Ok(()), |total| Err(LedgerError::Overflow { total }))
}

/// Returns what an entry takes beyond what a ledger holds, whatever else is there.
pub fn overflow(entry: &Entry) -> Option<Total> {
    if let Some(moved) = &entry.member {
        let profile = [moved.profile.purchase_count, moved.profile.purchase_spend_minor];
        let figures = profile.into_iter().chain(spend_minor(entry));
        if figures.max().is_some_and(|figure| figure > COLUMN_MAX) {
            return Some(Total::Profile(moved.id.clone()));
        }
    }
    let too_large = entry.lots.iter().find(|new| new.lot.points > Points::MAX);
    too_large.map(|new| Total::Lot(new.member.clone()))
}

/// Returns what the postings move each lot by.
fn posted(entry: &Entry) -> BTreeMap<&LotId, i64> {
    let of_members = |posting: &&Posting| posting.account.starts_with("member/");
    let postings = entry.postings.iter().filter(of_members);
    sums(postings.filter_map(|posting| Some((posting.lot.as_ref()?, posting.points))))
}

/// Returns what the postings hold of each lot, by redemption.
fn posted_to_holds(entry: &Entry) -> BTreeMap<(RedemptionId, &LotId), i64> {
    let hold = |posting: &'_ Posting| parse_held(&posting.account).map(|(redemption, _)| redemption);
    sums(entry.postings.iter().filter_map(|it| Some(((hold(it)?, it.lot.as_ref()?), it.points))))
}

/// Returns what the entry's redemptions hold more of each lot.
fn held(entry: &Entry) -> BTreeMap<(RedemptionId, &LotId), i64> {
    let parts = entry.redemptions.iter().flat_map(|step| step.parts.iter().map(move |part| (step, part)));
    sums(parts.map(|(step, part)| {
        let out = part.released.plus(part.captured);
        ((step.name.clone(), &part.lot), gain(part.held).saturating_add(loss(out)))
    }))
}

/// Returns what the entry's rows move each lot by.
fn moved(entry: &Entry) -> BTreeMap<&LotId, i64> {
    let gains = entry.lots.iter().map(|new| (&new.lot.id, gain(new.lot.remaining)));
    sums(gains.chain(entry.moved.iter().map(|moved| (&moved.lot, moved.remaining))))
}

/// Returns the sums of movements, without those that come to nothing.
fn sums<K: Ord>(movements: impl Iterator<Item = (K, i64)>) -> BTreeMap<K, i64> {
    let mut sums = BTreeMap::<_, i64>::new();
    for (of, points) in movements {
        let sum = sums.entry(of).or_default();
        *sum = sum.saturating_add(points);
    }
    sums.retain(|_, sum| *sum != 0);
    sums
}

/// Returns what a purchase came to, in minor units; `None` for anything else.
pub(crate) fn spend_minor(entry: &Entry) -> Option<u64> {
    entry.event.purchase().map(|purchase| purchase.spend_minor())
}

/// Returns the members that an entry touches: its own, then those of its lots, debts and redemptions, each once.
pub(crate) fn touched(entry: &Entry) -> Vec<&MemberId> {
    let own = entry.member.iter().map(|moved| &moved.id);
    let lots = entry.lots.iter().map(|new| &new.member).chain(entry.moved.iter().map(|moved| &moved.member));
    let mut members = Vec::new();
    let holders = entry.redemptions.iter().map(|step| &step.member);
    for member in own.chain(lots).chain(entry.debts.iter().map(|moved| &moved.member)).chain(holders) {
        if !members.contains(&member) {
            members.push(member);
        }
    }
    members
}
