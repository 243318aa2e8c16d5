//! Balances at an instant, while lots go by in the order of their owners.

use std::collections::BTreeMap;

use jifen_loyalty::clawback::Debt;
use jifen_loyalty::{Instant, Lot, MemberId, Points};

use crate::report::Tally;
use crate::{Balance, LedgerError};

/// What was moved into lots by events after the instant, by name; negative for what was taken.
pub(crate) type Moved = BTreeMap<String, i64>;

/// What is held of lots, by name: how many points, until when.
pub(crate) type Held = BTreeMap<String, Vec<(Points, Instant)>>;

/// What members owe.
pub(crate) type Owed = BTreeMap<MemberId, Vec<Debt>>;

/// What there is to know at an instant beside the rows of lots.
pub(crate) struct Standing {
    pub(crate) moved: Moved,
    pub(crate) held: Held,
    pub(crate) owed: Owed,
}

/// The balances of one member after the other.
pub(crate) struct Balances<'a> {
    at: Instant,
    standing: Standing,
    tally: Tally,
    current: Option<MemberId>,
    each: &'a mut dyn FnMut(Balance),
}

impl<'a> Balances<'a> {
    pub(crate) fn new(at: Instant, standing: Standing, each: &'a mut dyn FnMut(Balance)) -> Self {
        Self { at, standing, tally: Tally::default(), current: None, each }
    }

    /// Adds a lot as it is now. What was left of it at the instant is the sum of its postings up to then.
    pub(crate) fn add(&mut self, member: &MemberId, mut lot: Lot) -> Result<(), LedgerError> {
        self.turn_to(member);
        let Standing { moved, held, .. } = &self.standing;
        if !moved.is_empty() || !held.is_empty() {
            let name = lot.id.to_string();
            if let Some(points) = moved.get(&name) {
                lot.remaining = lot.remaining.moved(points.saturating_neg());
            }
            for hold in held.get(&name).into_iter().flatten() {
                self.tally.hold(member, &lot, *hold, self.at)?;
            }
        }
        self.tally.add(member, &lot, self.at)
    }

    pub(crate) fn finish(mut self) {
        self.close();
        while let Some((debtor, debts)) = self.standing.owed.pop_first() {
            self.only_owes(&debtor, &debts);
        }
    }

    fn turn_to(&mut self, member: &MemberId) {
        if self.current.as_ref() == Some(member) {
            return;
        }
        self.close();
        // Whoever owes without having a lot comes before.
        while let Some(first) = self.standing.owed.first_entry().filter(|first| first.key() < member) {
            let (debtor, debts) = first.remove_entry();
            self.only_owes(&debtor, &debts);
        }
        self.current = Some(member.clone());
    }

    fn close(&mut self) {
        let Some(member) = self.current.take() else { return };
        let debts = self.standing.owed.remove(&member).unwrap_or_default();
        self.only_owes(&member, &debts);
    }

    fn only_owes(&mut self, debtor: &MemberId, debts: &[Debt]) {
        debts.iter().for_each(|debt| self.tally.owe(debt));
        self.tally.close(debtor, self.each);
    }
}
