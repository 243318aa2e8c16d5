//! Admission: which entries of a batch still hold, and what members and budgets come to with them.
//!
//! Only reads. Each member and each budget is read once for a batch and carried along, so the entries of a batch see
//! each other, and what is written of a member in the end is one row.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap};

use jifen_loyalty::entry::{BudgetDraw, OrderClaim, StockKey, StockTaken};
use jifen_loyalty::member::Profile;
use jifen_loyalty::{DeploymentId, Entry, MemberId, Points, RedemptionId};
use rusqlite::{Connection, OptionalExtension as _, Result};

use super::failure::Stop;
use super::log::{self, Head};
use super::{column, member, redemption};
use crate::entry::touched;
use crate::{Conflict, LedgerError, Total};

/// The entries of a batch that hold, and the state of what they touch after them.
pub(super) struct Admission<'a> {
    /// The entries: the first of the batch.
    pub(super) entries: &'a [Entry],
    /// The end of the log before them.
    pub(super) head: Head,
    /// Members whom they touch.
    pub(super) members: BTreeMap<&'a MemberId, Account>,
    /// What is granted from budgets on which they draw.
    pub(super) budgets: BTreeMap<&'a DeploymentId, Points>,
    /// How many are taken of items, on a day and, under day 0, in all.
    pub(super) stock: BTreeMap<(&'a DeploymentId, &'a str, i32), u64>,
    /// The steps of uses of points that they move on.
    pub(super) redemptions: BTreeMap<&'a RedemptionId, u64>,
    keys: HashMap<(&'a str, &'a str), u64>,
    /// How many entries name an order, of the orders that they name.
    orders: HashMap<&'a str, u64>,
}

/// A member's row. The default is a member whom the ledger does not know yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    pub(super) version: u64,
    pub(super) profile: Profile,
    /// Whether an admitted entry touched it; else it was only looked at.
    pub(super) moved: bool,
}

impl<'a> Admission<'a> {
    /// Admits the entries of a batch up to the first that does not hold, and says why that one does not.
    pub(super) fn of(connection: &Connection, batch: &'a [Entry]) -> Result<(Self, Option<Conflict>), Stop> {
        let head = log::head(connection)?;
        let mut admission = Self {
            entries: &batch[..0],
            head,
            members: BTreeMap::new(),
            budgets: BTreeMap::new(),
            stock: BTreeMap::new(),
            redemptions: BTreeMap::new(),
            keys: HashMap::with_capacity(batch.len()),
            orders: HashMap::with_capacity(batch.len()),
        };
        for (n, entry) in batch.iter().enumerate() {
            let conflict = admission.admit(connection, entry)?;
            if conflict.is_some() {
                return Ok((admission, conflict));
            }
            admission.entries = &batch[..=n];
        }
        Ok((admission, None))
    }

    /// Returns the entries with their places in the log.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (u64, &'a Entry)> {
        (self.head.seq.saturating_add(1)..).zip(self.entries)
    }

    pub(super) fn seqs(&self) -> Vec<u64> {
        self.numbered().map(|(seq, _)| seq).collect()
    }

    fn admit(&mut self, connection: &Connection, entry: &'a Entry) -> Result<Option<Conflict>, Stop> {
        if let Some(seq) = self.place(connection, entry)? {
            return Ok(Some(Conflict::Duplicate { seq }));
        }
        let own = entry.member.iter().map(|moved| (&moved.id, moved.version));
        for (member, expected) in own.chain(entry.others.iter().map(|(member, version)| (member, *version))) {
            let found = self.account(connection, member)?.version;
            if found != expected {
                return Ok(Some(Conflict::StaleMember { expected, found }));
            }
        }
        let order = entry.event.order();
        let entries = order.map(|number| self.entries_of_order(connection, number)).transpose()?;
        if let (Some(OrderClaim { entries: expected, .. }), Some(found)) = (&entry.order, entries)
            && found != *expected
        {
            return Ok(Some(Conflict::StaleOrder { expected: *expected, found }));
        }
        for step in &entry.redemptions {
            let found = self.steps(connection, &step.name)?;
            if found != step.steps {
                let (name, expected) = (step.name.clone(), step.steps);
                return Ok(Some(Conflict::StaleRedemption { name, expected, found }));
            }
        }
        for draw in &entry.stock {
            if !draw.holds(self.taken(connection, &draw.key)?) {
                let StockKey { deployment, item, .. } = draw.key.clone();
                return Ok(Some(Conflict::Stock { deployment, item }));
            }
        }
        if let Some(deployment) = self.draw(connection, &entry.budgets)? {
            return Ok(Some(Conflict::Budget { deployment }));
        }
        self.give_back(connection, entry)?;
        self.restock(connection, entry)?;
        for step in &entry.redemptions {
            self.redemptions.insert(&step.name, step.steps.saturating_add(1));
        }
        self.move_members(connection, entry)?;
        self.keys.insert(key(entry), self.next_seq());
        if let (Some(number), Some(entries)) = (order, entries) {
            self.orders.insert(number, entries.saturating_add(1));
        }
        Ok(None)
    }

    fn entries_of_order(&self, connection: &Connection, number: &str) -> Result<u64> {
        self.orders
            .get(number)
            .map_or_else(|| log::entries_of_order(connection, number), |entries| Ok(*entries))
    }

    fn steps(&self, connection: &Connection, name: &RedemptionId) -> Result<u64> {
        self.redemptions.get(name).map_or_else(|| redemption::steps(connection, name), |steps| Ok(*steps))
    }

    /// Returns how many of an item are taken, in all and on the day.
    fn taken(&self, connection: &Connection, key: &'a StockKey) -> Result<StockTaken> {
        let taken = |day| {
            let known = self.stock.get(&(&key.deployment, key.item.as_str(), day));
            known.map_or_else(
                || redemption::taken(connection, &key.deployment, &key.item, day),
                |taken| Ok(*taken),
            )
        };
        Ok(StockTaken { total: taken(0)?, on_day: taken(key.day)? })
    }

    /// Takes from stocks and gives back to them.
    fn restock(&mut self, connection: &Connection, entry: &'a Entry) -> Result<()> {
        let drawn = entry.stock.iter().map(|draw| (&draw.key, true));
        for (key, draws) in drawn.chain(entry.restocked.iter().map(|key| (key, false))) {
            let StockTaken { total, on_day } = self.taken(connection, key)?;
            for (day, taken) in [(0, total), (key.day, on_day)] {
                let taken = if draws {
                    taken.saturating_add(key.quantity)
                } else {
                    taken.saturating_sub(key.quantity)
                };
                self.stock.insert((&key.deployment, &key.item, day), taken);
            }
        }
        Ok(())
    }

    /// Gives back to budgets.
    fn give_back(&mut self, connection: &Connection, entry: &'a Entry) -> Result<()> {
        for (deployment, points) in &entry.returned {
            let left = self.used(connection, deployment)?.less(*points);
            self.budgets.insert(deployment, left);
        }
        Ok(())
    }

    fn next_seq(&self) -> u64 {
        let admitted = u64::try_from(self.entries.len()).expect("a batch is shorter than 2^64");
        self.head.seq.saturating_add(admitted).saturating_add(1)
    }

    /// Returns the place in the log that an event has already.
    fn place(&self, connection: &Connection, entry: &Entry) -> Result<Option<u64>> {
        match self.keys.get(&key(entry)) {
            Some(seq) => Ok(Some(*seq)),
            None => log::place(connection, &entry.event.source, &entry.event.id),
        }
    }

    /// Draws on budgets, all or none. Returns the first that does not allow it.
    fn draw(
        &mut self,
        connection: &Connection,
        draws: &'a [BudgetDraw],
    ) -> Result<Option<DeploymentId>, Stop> {
        let mut after = BTreeMap::<&DeploymentId, Points>::new();
        for draw in draws {
            let used = match after.get(&draw.deployment) {
                Some(used) => *used,
                None => self.used(connection, &draw.deployment)?,
            };
            if !draw.holds(used) {
                return Ok(Some(draw.deployment.clone()));
            }
            after.insert(&draw.deployment, total(used, draw)?);
        }
        self.budgets.append(&mut after);
        Ok(None)
    }

    /// Moves every member whom an entry touches on by one version, and its own to the profile it gives.
    fn move_members(&mut self, connection: &Connection, entry: &'a Entry) -> Result<()> {
        for member in touched(entry) {
            let account = self.account(connection, member)?;
            account.version = account.version.saturating_add(1);
            account.moved = true;
        }
        if let Some(moved) = &entry.member {
            self.account(connection, &moved.id)?.profile.clone_from(&moved.profile);
        }
        Ok(())
    }

    fn account(&mut self, connection: &Connection, member: &'a MemberId) -> Result<&mut Account> {
        match self.members.entry(member) {
            Slot::Occupied(known) => Ok(known.into_mut()),
            Slot::Vacant(unknown) => {
                Ok(unknown.insert(member::account(connection, member)?.unwrap_or_default()))
            }
        }
    }

    fn used(&self, connection: &Connection, deployment: &DeploymentId) -> Result<Points> {
        self.budgets.get(deployment).map_or_else(|| used(connection, deployment), |used| Ok(*used))
    }
}

/// Returns what has been granted from a budget.
pub(super) fn used(connection: &Connection, deployment: &DeploymentId) -> Result<Points> {
    let mut statement = connection.prepare_cached("SELECT granted FROM budgets WHERE deployment = ?1")?;
    let used = statement.query_one([deployment.as_str()], |row| column::points(row, 0)).optional()?;
    Ok(used.unwrap_or_default())
}

fn total(used: Points, draw: &BudgetDraw) -> Result<Points, LedgerError> {
    let total = used.plus(draw.granted);
    let overflow = || LedgerError::Overflow { total: Total::Budget(draw.deployment.clone()) };
    (total <= Points::MAX).then_some(total).ok_or_else(overflow)
}

fn key(entry: &Entry) -> (&str, &str) {
    (&entry.event.source, &entry.event.id)
}
