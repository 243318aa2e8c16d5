//! Admission: which entries of a batch still hold, and what members, budgets and stocks come to with them.
//!
//! ```text
//! batch ──► Named ──► (the store reads) ──► Found ──► Admission ──► (the store writes)
//! ```
//!
//! Nothing is read here, so every store decides alike. What the entries before did is carried along: the entries of a
//! batch see each other, and what is written of a member in the end is one row.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jifen_loyalty::entry::{BudgetDraw, OrderClaim, StockDraw, StockKey, StockTaken};
use jifen_loyalty::member::Profile;
use jifen_loyalty::{DeploymentId, Entry, Instant, MemberId, Points, RedemptionId};

use crate::entry::touched;
use crate::{Conflict, LedgerError, Total};

/// The `(source, id)` of an event.
pub(crate) type EventKey<'a> = (&'a str, &'a str);
/// An item of a deployment's stock on a day; under day 0, on all days.
pub(crate) type ItemKey<'a> = (&'a DeploymentId, &'a str, i32);

/// What entries name, and must be looked up before they can be admitted.
#[derive(Default)]
pub(crate) struct Named<'a> {
    pub(crate) keys: Vec<EventKey<'a>>,
    pub(crate) members: BTreeSet<&'a MemberId>,
    pub(crate) orders: BTreeSet<&'a str>,
    pub(crate) redemptions: BTreeSet<&'a RedemptionId>,
    pub(crate) stock: BTreeSet<ItemKey<'a>>,
    pub(crate) budgets: BTreeSet<&'a DeploymentId>,
}

/// What a store has of what entries name. What it does not have is not there.
pub(crate) struct Found<'a> {
    pub(crate) head: Head,
    /// The places of events that are in the log.
    pub(crate) places: HashMap<EventKey<'a>, u64>,
    pub(crate) accounts: HashMap<&'a MemberId, Account>,
    /// How many entries name an order.
    pub(crate) orders: HashMap<&'a str, u64>,
    /// How many steps a use of points has had.
    pub(crate) steps: HashMap<&'a RedemptionId, u64>,
    /// How many of an item are taken.
    pub(crate) stock: HashMap<ItemKey<'a>, u64>,
    /// What is granted from a budget.
    pub(crate) budgets: HashMap<&'a DeploymentId, Points>,
}

/// The end of the log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head {
    /// The place of the last entry, 0 if there is none.
    pub(crate) seq: u64,
    /// The latest business time of any event, if there is any.
    pub(crate) latest: Option<Instant>,
}

/// A member's row. The default is a member whom the ledger does not know yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) version: u64,
    pub(crate) profile: Profile,
}

/// The entries of a batch that hold, and the state of what they touch after them.
pub(crate) struct Admission<'a> {
    /// The entries: the first of the batch.
    pub(crate) entries: &'a [Entry],
    /// The end of the log before them.
    pub(crate) head: Head,
    /// Members whom they touch.
    pub(crate) members: BTreeMap<&'a MemberId, Account>,
    /// What is granted from budgets on which they draw.
    pub(crate) budgets: BTreeMap<&'a DeploymentId, Points>,
    /// How many are taken of items.
    pub(crate) stock: BTreeMap<ItemKey<'a>, u64>,
    /// The steps of uses of points that they move on.
    redemptions: BTreeMap<&'a RedemptionId, u64>,
    keys: HashMap<EventKey<'a>, u64>,
    /// How many entries name an order, of the orders that they name.
    orders: BTreeMap<&'a str, u64>,
}

impl<'a> Named<'a> {
    pub(crate) fn by(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut named = Self::default();
        entries.into_iter().for_each(|entry| named.add(entry));
        named
    }

    fn add(&mut self, entry: &'a Entry) {
        self.keys.push(key(entry));
        self.members.extend(touched(entry));
        self.members.extend(entry.others.iter().map(|(member, _)| member));
        self.orders.extend(entry.event.order());
        self.redemptions.extend(entry.redemptions.iter().map(|step| &step.name));
        let drawn = entry.stock.iter().map(|draw| &draw.key);
        let items = drawn.chain(&entry.restocked);
        self.stock.extend(items.flat_map(|key| [0, key.day].map(|day| item(key, day))));
        self.budgets.extend(entry.budgets.iter().map(|draw| &draw.deployment));
        self.budgets.extend(entry.returned.iter().map(|(deployment, _)| deployment));
    }
}

impl<'a> Found<'a> {
    /// Returns what a store has that has nothing but a log.
    pub(crate) fn nothing_but(head: Head) -> Self {
        Self {
            head,
            places: HashMap::new(),
            accounts: HashMap::new(),
            orders: HashMap::new(),
            steps: HashMap::new(),
            stock: HashMap::new(),
            budgets: HashMap::new(),
        }
    }

    /// Takes over what was admitted, for the batches behind it that are written with it.
    pub(crate) fn advance(&mut self, admission: &Admission<'a>) {
        for (seq, entry) in admission.numbered() {
            self.head = Head { seq, latest: self.head.latest.max(Some(entry.event.time)) };
            self.places.insert(key(entry), seq);
        }
        let accounts = admission.members.iter().map(|(member, account)| (*member, account.clone()));
        self.accounts.extend(accounts);
        self.orders.extend(&admission.orders);
        self.steps.extend(&admission.redemptions);
        self.stock.extend(&admission.stock);
        self.budgets.extend(&admission.budgets);
    }
}

impl<'a> Admission<'a> {
    /// Admits the entries of a batch up to the first that does not hold, and says why that one does not.
    ///
    /// # Errors
    ///
    /// If a total would leave its column. Nothing of the batch is to be written then.
    pub(crate) fn of(found: &Found<'a>, batch: &'a [Entry]) -> Result<(Self, Option<Conflict>), LedgerError> {
        let mut admission = Self {
            entries: &batch[..0],
            head: found.head,
            members: BTreeMap::new(),
            budgets: BTreeMap::new(),
            stock: BTreeMap::new(),
            redemptions: BTreeMap::new(),
            keys: HashMap::with_capacity(batch.len()),
            orders: BTreeMap::new(),
        };
        for (n, entry) in batch.iter().enumerate() {
            let conflict = admission.admit(found, entry)?;
            if conflict.is_some() {
                return Ok((admission, conflict));
            }
            admission.entries = &batch[..=n];
        }
        Ok((admission, None))
    }

    /// Returns the entries with their places in the log.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (u64, &'a Entry)> + use<'a> {
        (self.head.seq.saturating_add(1)..).zip(self.entries)
    }

    pub(crate) fn seqs(&self) -> Vec<u64> {
        self.numbered().map(|(seq, _)| seq).collect()
    }

    fn admit(&mut self, found: &Found<'a>, entry: &'a Entry) -> Result<Option<Conflict>, LedgerError> {
        let conflict = self.objection(found, entry);
        if conflict.is_some() {
            return Ok(conflict);
        }
        if let Some(deployment) = self.draw(found, &entry.budgets)? {
            return Ok(Some(Conflict::Budget { deployment }));
        }
        self.give_back(found, entry);
        self.restock(found, entry);
        for step in &entry.redemptions {
            self.redemptions.insert(&step.name, step.steps.saturating_add(1));
        }
        self.move_members(found, entry);
        self.keys.insert(key(entry), self.next_seq());
        if let Some(number) = entry.event.order() {
            let entries = self.entries_of_order(found, number);
            self.orders.insert(number, entries.saturating_add(1));
        }
        Ok(None)
    }

    /// Returns why an entry does not hold, budgets apart.
    fn objection(&self, found: &Found<'a>, entry: &'a Entry) -> Option<Conflict> {
        if let Some(seq) = self.place(found, entry) {
            return Some(Conflict::Duplicate { seq });
        }
        let own = entry.member.iter().map(|moved| (&moved.id, moved.version));
        for (member, expected) in own.chain(entry.others.iter().map(|(member, version)| (member, *version))) {
            let found = self.version(found, member);
            if found != expected {
                return Some(Conflict::StaleMember { expected, found });
            }
        }
        if let (Some(OrderClaim { entries: expected, .. }), Some(number)) =
            (&entry.order, entry.event.order())
        {
            let (expected, found) = (*expected, self.entries_of_order(found, number));
            if found != expected {
                return Some(Conflict::StaleOrder { expected, found });
            }
        }
        for step in &entry.redemptions {
            let (expected, found) = (step.steps, self.steps(found, &step.name));
            if found != expected {
                return Some(Conflict::StaleRedemption { name: step.name.clone(), expected, found });
            }
        }
        // What goes back at once can be taken again by the same entry.
        let there =
            |draw: &&StockDraw| draw.holds(self.taken(found, &draw.key).less(&entry.restocked, &draw.key));
        let missing = entry.stock.iter().find(|draw| !there(draw))?;
        let StockKey { deployment, item, .. } = missing.key.clone();
        Some(Conflict::Stock { deployment, item })
    }

    /// Returns the place in the log that an event has already.
    fn place(&self, found: &Found<'a>, entry: &'a Entry) -> Option<u64> {
        let key = key(entry);
        self.keys.get(&key).or_else(|| found.places.get(&key)).copied()
    }

    fn version(&self, found: &Found<'a>, member: &MemberId) -> u64 {
        self.members.get(member).or_else(|| found.accounts.get(member)).map_or(0, |account| account.version)
    }

    fn entries_of_order(&self, found: &Found<'a>, number: &str) -> u64 {
        self.orders.get(number).or_else(|| found.orders.get(number)).copied().unwrap_or(0)
    }

    fn steps(&self, found: &Found<'a>, name: &RedemptionId) -> u64 {
        self.redemptions.get(name).or_else(|| found.steps.get(name)).copied().unwrap_or(0)
    }

    /// Returns how many of an item are taken, in all and on the day.
    fn taken(&self, found: &Found<'a>, key: &'a StockKey) -> StockTaken {
        let taken = |day| {
            let item = item(key, day);
            self.stock.get(&item).or_else(|| found.stock.get(&item)).copied().unwrap_or(0)
        };
        StockTaken { total: taken(0), on_day: taken(key.day) }
    }

    fn used(&self, found: &Found<'a>, deployment: &DeploymentId) -> Points {
        self.budgets.get(deployment).or_else(|| found.budgets.get(deployment)).copied().unwrap_or_default()
    }

    /// Takes from stocks and gives back to them.
    fn restock(&mut self, found: &Found<'a>, entry: &'a Entry) {
        let drawn = entry.stock.iter().map(|draw| (&draw.key, true));
        for (key, draws) in drawn.chain(entry.restocked.iter().map(|key| (key, false))) {
            let StockTaken { total, on_day } = self.taken(found, key);
            for (day, taken) in [(0, total), (key.day, on_day)] {
                let taken = if draws {
                    taken.saturating_add(key.quantity)
                } else {
                    taken.saturating_sub(key.quantity)
                };
                self.stock.insert(item(key, day), taken);
            }
        }
    }

    /// Gives back to budgets.
    fn give_back(&mut self, found: &Found<'a>, entry: &'a Entry) {
        for (deployment, points) in &entry.returned {
            let left = self.used(found, deployment).less(*points);
            self.budgets.insert(deployment, left);
        }
    }

    fn next_seq(&self) -> u64 {
        let admitted = u64::try_from(self.entries.len()).expect("a batch is shorter than 2^64");
        self.head.seq.saturating_add(admitted).saturating_add(1)
    }

    /// Draws on budgets, all or none. Returns the first that does not allow it.
    fn draw(
        &mut self,
        found: &Found<'a>,
        draws: &'a [BudgetDraw],
    ) -> Result<Option<DeploymentId>, LedgerError> {
        let mut after = BTreeMap::<&DeploymentId, Points>::new();
        for draw in draws {
            let drawn = after.get(&draw.deployment).copied();
            let used = drawn.unwrap_or_else(|| self.used(found, &draw.deployment));
            if !draw.holds(used) {
                return Ok(Some(draw.deployment.clone()));
            }
            after.insert(&draw.deployment, total(used, draw)?);
        }
        self.budgets.append(&mut after);
        Ok(None)
    }

    /// Moves every member whom an entry touches on by one version, and its own to the profile it gives.
    fn move_members(&mut self, found: &Found<'a>, entry: &'a Entry) {
        for member in touched(entry) {
            let account = self.account(found, member);
            account.version = account.version.saturating_add(1);
        }
        if let Some(moved) = &entry.member {
            self.account(found, &moved.id).profile.clone_from(&moved.profile);
        }
    }

    fn account(&mut self, found: &Found<'a>, member: &'a MemberId) -> &mut Account {
        let known = || found.accounts.get(member).cloned().unwrap_or_default();
        self.members.entry(member).or_insert_with(known)
    }
}

fn total(used: Points, draw: &BudgetDraw) -> Result<Points, LedgerError> {
    let total = used.plus(draw.granted);
    let overflow = || LedgerError::Overflow { total: Total::Budget(draw.deployment.clone()) };
    (total <= Points::MAX).then_some(total).ok_or_else(overflow)
}

fn key(entry: &Entry) -> EventKey<'_> {
    (&entry.event.source, &entry.event.id)
}

fn item(key: &StockKey, day: i32) -> ItemKey<'_> {
    (&key.deployment, &key.item, day)
}
