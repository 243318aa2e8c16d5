//! What can be said of an entry by itself, before any store looks at it.

use jifen_loyalty::entry::NewLot;
use jifen_loyalty::event::Occasion;
use jifen_loyalty::posting::balanced;
use jifen_loyalty::{Entry, MemberId, Points};

use crate::{LedgerError, Total};

/// The largest number that a column holds.
const COLUMN_MAX: u64 = i64::MAX.unsigned_abs();

/// Checks what must be true of every entry, whatever the ledger holds.
///
/// # Panics
///
/// If postings do not sum to zero, or a lot has more left than it began with: our bug, and it stops here.
pub(crate) fn check(entry: &Entry) -> Result<(), LedgerError> {
    assert!(balanced(&entry.postings), "the postings of event {} sum to zero by unit", entry.event.id);
    let member = || entry.event.member.clone();
    let profile = [entry.profile.purchase_count, entry.profile.purchase_spend_minor];
    let figures = profile.into_iter().chain(spend_minor(entry));
    if figures.max().is_some_and(|figure| figure > COLUMN_MAX) {
        return Err(LedgerError::Overflow { total: Total::Profile(member()) });
    }
    entry.lots.iter().try_for_each(check_lot)
}

fn check_lot(new: &NewLot) -> Result<(), LedgerError> {
    assert!(new.lot.remaining <= new.lot.points, "no more is left of a lot than was awarded");
    if new.lot.points > Points::MAX {
        return Err(LedgerError::Overflow { total: Total::Lot(new.member.clone()) });
    }
    Ok(())
}

/// Returns what a purchase came to, in minor units; `None` for anything else.
pub(crate) fn spend_minor(entry: &Entry) -> Option<u64> {
    match &entry.event.occasion {
        Occasion::Purchase(purchase) => Some(purchase.spend_minor()),
        Occasion::Registration(_) => None,
    }
}

/// Returns the members that an entry touches: its own, then those of its lots, each once.
pub(crate) fn touched(entry: &Entry) -> Vec<&MemberId> {
    let mut members = vec![&entry.event.member];
    for new in &entry.lots {
        if !members.contains(&&new.member) {
            members.push(&new.member);
        }
    }
    members
}
