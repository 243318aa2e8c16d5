//! The ledger in memory: a list of entries, and folds over it.
//!
//! This is what tests take as the truth, so it is plain before all else: nothing is stored but the entries, and every
//! answer is worked out from all of them. It gets slower with every entry, and it is gone when it is closed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jifen_loyalty::clawback::Debt;
use jifen_loyalty::entry::{Begins, BudgetDraw, PartMove, StockKey, StockTaken};
use jifen_loyalty::event::Sent;
use jifen_loyalty::lot::{Issuer, LotId};
use jifen_loyalty::member::{Hold, Profile};
use jifen_loyalty::{
    DeploymentId, Entry, Event, Instant, Lot, Member, MemberId, NoticeId, Points, RedemptionId, UnitId,
};

use crate::entry::{check, spend_minor, touched};
use crate::report::{Tally, moves};
use crate::snapshot::{add_lot, add_purchase};
use crate::{
    Announcement, ApiKey, Balance, Committed, Conflict, Digest, HeldQuote, Known, Ledger, LedgerError,
    Logged, MemberQuery, Needs, Order, OrderQuery, Page, ProgramChange, Publication, Purchased, Query,
    RedeemedPart, Redemption, RedemptionQuery, Release, Signer, Snapshot, StatementLine, Stored, Total,
    TrailStep, Undelivered,
};

/// A ledger in memory.
#[derive(Default)]
pub struct Memory(Mutex<State>);

#[derive(Default)]
struct State {
    log: Log,
    programs: BTreeMap<Digest, Vec<u8>>,
    releases: BTreeMap<Digest, Release>,
    /// By policy and version.
    publications: BTreeMap<(String, String), Publication>,
    announcements: BTreeMap<Digest, Announcement>,
    keys: BTreeMap<String, ApiKey>,
    /// By the token's digest.
    quotes: BTreeMap<Digest, HeldQuote>,
    signers: BTreeMap<String, Signer>,
    trail: Vec<TrailStep>,
    /// The first version is 1.
    changes: Vec<ProgramChange>,
    /// The last that was kept of attempts to deliver a notice.
    attempts: BTreeMap<NoticeId, Undelivered>,
}

/// The entries in their order; the place of the first is 1.
#[derive(Default)]
struct Log(Vec<Entry>);

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for Memory {
    fn read(&self, query: &Query<'_>) -> Result<Snapshot, LedgerError> {
        let log = &self.state().log;
        let known: Vec<_> = query.keys.iter().map(|(source, id)| log.known(source, id)).collect();
        let order = |asked: &OrderQuery<'_>| {
            if asked.is_idle(&known) { Order::default() } else { log.order(asked.number, asked.whole) }
        };
        let redemption = |asked: &RedemptionQuery<'_>| {
            if asked.is_idle(&known) { Redemption::default() } else { log.redemption(asked.name) }
        };
        let member =
            |asked: &MemberQuery<'_>| log.member(asked.id, asked.first_day, asked.needs(query.needs));
        let stock = query.stock.iter().map(|(deployment, item, day)| log.taken(deployment, item, *day));
        Ok(Snapshot {
            orders: query.orders.iter().map(order).collect(),
            redemptions: query.redemptions.iter().map(redemption).collect(),
            members: query.members.iter().map(member).collect(),
            stock: stock.collect(),
            budgets_used: query.budgets.iter().map(|id| (id.clone(), log.used(id))).collect(),
            known,
        })
    }

    fn commit(&self, entries: Vec<Entry>) -> Result<Committed, LedgerError> {
        entries.iter().try_for_each(check)?;
        let log = &mut self.state().log;
        let length_before = log.0.len();
        let committed = log.append(entries);
        if committed.is_err() {
            log.0.truncate(length_before);
        }
        committed
    }

    fn put_program(&self, digest: &Digest, body: &[u8]) -> Result<(), LedgerError> {
        self.state().programs.entry(*digest).or_insert_with(|| body.to_vec());
        Ok(())
    }

    fn program(&self, digest: &Digest) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self.state().programs.get(digest).cloned())
    }

    fn put_release(&self, release: &Release) -> Result<(), LedgerError> {
        self.state().releases.entry(release.digest).or_insert_with(|| release.clone());
        Ok(())
    }

    fn release(&self, digest: &Digest) -> Result<Option<Release>, LedgerError> {
        Ok(self.state().releases.get(digest).cloned())
    }

    fn publish(&self, publication: &Publication) -> Result<(), LedgerError> {
        let name = (publication.policy.clone(), publication.version.clone());
        let publications = &mut self.state().publications;
        let is_others = |it: &Publication| it.policy == publication.policy && it.owner != publication.owner;
        if !publications.values().any(is_others) {
            publications.entry(name).or_insert_with(|| publication.clone());
        }
        Ok(())
    }

    fn publication(&self, policy: &str, version: &str) -> Result<Option<Publication>, LedgerError> {
        Ok(self.state().publications.get(&(policy.to_owned(), version.to_owned())).cloned())
    }

    fn publications(
        &self,
        owner: Option<&str>,
        after: (&str, &str),
        limit: usize,
    ) -> Result<Vec<Publication>, LedgerError> {
        let behind = (Bound::Excluded((after.0.to_owned(), after.1.to_owned())), Bound::Unbounded);
        let state = self.state();
        let found = state.publications.range(behind).map(|(_, it)| it);
        let found = found.filter(|it| owner.is_none() || it.owner.as_deref() == owner);
        Ok(found.take(limit).cloned().collect())
    }

    fn announce(&self, announcement: &Announcement) -> Result<(), LedgerError> {
        let announcements = &mut self.state().announcements;
        announcements.entry(announcement.program).or_insert_with(|| announcement.clone());
        Ok(())
    }

    fn announcement(&self, program: &Digest) -> Result<Option<Announcement>, LedgerError> {
        Ok(self.state().announcements.get(program).cloned())
    }

    fn announcements(&self, limit: usize) -> Result<Vec<Announcement>, LedgerError> {
        let mut all: Vec<_> = self.state().announcements.values().cloned().collect();
        all.sort_by_key(|announcement| std::cmp::Reverse(announcement.made_at));
        all.truncate(limit);
        Ok(all)
    }

    fn put_key(&self, key: &ApiKey) -> Result<(), LedgerError> {
        self.state().keys.entry(key.id.clone()).or_insert_with(|| key.clone());
        Ok(())
    }

    fn key(&self, id: &str) -> Result<Option<ApiKey>, LedgerError> {
        Ok(self.state().keys.get(id).cloned())
    }

    fn keys(&self, after: &str, limit: usize) -> Result<Vec<ApiKey>, LedgerError> {
        let behind = (Bound::Excluded(after.to_owned()), Bound::Unbounded);
        Ok(self.state().keys.range(behind).take(limit).map(|(_, key)| key.clone()).collect())
    }

    fn revoke_key(&self, id: &str, at: Instant) -> Result<(), LedgerError> {
        if let Some(key) = self.state().keys.get_mut(id) {
            key.revoked_at.get_or_insert(at);
        }
        Ok(())
    }

    fn hold_quote(&self, quote: &HeldQuote, forget_before: Instant) -> Result<(), LedgerError> {
        let quotes = &mut self.state().quotes;
        quotes.retain(|_, held| held.until >= forget_before);
        quotes.entry(quote.token).or_insert_with(|| quote.clone());
        Ok(())
    }

    fn held_quote(&self, token: &Digest) -> Result<Option<HeldQuote>, LedgerError> {
        Ok(self.state().quotes.get(token).cloned())
    }

    fn put_signer(&self, signer: &Signer) -> Result<(), LedgerError> {
        self.state().signers.entry(signer.id.clone()).or_insert_with(|| signer.clone());
        Ok(())
    }

    fn signer(&self, id: &str) -> Result<Option<Signer>, LedgerError> {
        Ok(self.state().signers.get(id).cloned())
    }

    fn signers(&self, after: &str, limit: usize) -> Result<Vec<Signer>, LedgerError> {
        let behind = (Bound::Excluded(after.to_owned()), Bound::Unbounded);
        Ok(self.state().signers.range(behind).take(limit).map(|(_, signer)| signer.clone()).collect())
    }

    fn signers_of(&self, owner: Option<&str>) -> Result<Vec<Signer>, LedgerError> {
        let state = self.state();
        Ok(state.signers.values().filter(|signer| signer.owner.as_deref() == owner).cloned().collect())
    }

    fn revoke_signer(&self, id: &str, at: Instant) -> Result<(), LedgerError> {
        if let Some(signer) = self.state().signers.get_mut(id) {
            signer.revoked_at.get_or_insert(at);
        }
        Ok(())
    }

    fn put_step(&self, step: &TrailStep) -> Result<(), LedgerError> {
        let trail = &mut self.state().trail;
        if !trail.iter().any(|it| it.id == step.id) {
            trail.push(step.clone());
        }
        Ok(())
    }

    fn answer_step(&self, id: &str, status: u16) -> Result<(), LedgerError> {
        if let Some(step) = self.state().trail.iter_mut().find(|step| step.id == id) {
            step.status.get_or_insert(status);
        }
        Ok(())
    }

    fn trail(&self, after: u64, limit: usize) -> Result<Vec<(u64, TrailStep)>, LedgerError> {
        let steps = (1_u64..).zip(self.state().trail.clone());
        Ok(steps.filter(|(place, _)| *place > after).take(limit).collect())
    }

    fn change_program(&self, change: &ProgramChange) -> Result<(), LedgerError> {
        let changes = &mut self.state().changes;
        let last = changes.last().map_or(0, |last| last.version);
        if change.version != last.saturating_add(1) {
            return Err(LedgerError::Superseded { last });
        }
        changes.push(change.clone());
        Ok(())
    }

    fn program_changes(&self, after: u64, limit: usize) -> Result<Vec<ProgramChange>, LedgerError> {
        let changes = &self.state().changes;
        Ok(changes.iter().filter(|change| change.version > after).take(limit).cloned().collect())
    }

    fn last_program_change(&self) -> Result<Option<ProgramChange>, LedgerError> {
        Ok(self.state().changes.last().cloned())
    }

    fn log(&self, after: u64, limit: usize) -> Result<Vec<Logged>, LedgerError> {
        let log = &self.state().log;
        Ok(log.numbered().filter(|(seq, _)| *seq > after).take(limit).map(logged).collect())
    }

    fn receipts(&self, after: u64, limit: usize) -> Result<Vec<Vec<u8>>, LedgerError> {
        let log = &self.state().log;
        let entries = log.numbered().filter(|(seq, _)| *seq > after).take(limit);
        Ok(entries.map(|(_, entry)| entry.receipt.clone()).collect())
    }

    fn order(&self, number: &str) -> Result<Vec<Logged>, LedgerError> {
        Ok(self.state().log.of_order(number).map(logged).collect())
    }

    fn find(&self, source: &str, id: &str) -> Result<Option<Logged>, LedgerError> {
        Ok(self.state().log.find(source, id).map(logged))
    }

    fn balances(
        &self,
        at: Option<Instant>,
        member: Option<&MemberId>,
        each: &mut dyn FnMut(Balance),
    ) -> Result<(), LedgerError> {
        let balances = self.state().log.balances(at, member)?;
        balances.into_iter().for_each(each);
        Ok(())
    }

    fn statement(&self, member: &MemberId, page: Page) -> Result<Vec<StatementLine>, LedgerError> {
        Ok(self.state().log.statement(member, page))
    }

    fn members(&self, after: Option<&MemberId>, limit: usize) -> Result<Vec<MemberId>, LedgerError> {
        let log = &self.state().log;
        let members: BTreeSet<_> = log.0.iter().flat_map(touched).collect();
        let behind = members.into_iter().filter(|member| after.is_none_or(|after| *member > after));
        Ok(behind.take(limit).cloned().collect())
    }

    fn due(&self, at: Instant, after: Option<&MemberId>, limit: usize) -> Result<Vec<MemberId>, LedgerError> {
        let log = &self.state().log;
        let members: BTreeSet<_> = log.0.iter().flat_map(touched).collect();
        let due = members.into_iter().filter(|member| after.is_none_or(|after| *member > after));
        Ok(due.filter(|member| log.is_due(member, at)).take(limit).cloned().collect())
    }

    fn lapsed(
        &self,
        deployment: &DeploymentId,
        item: &str,
        at: Instant,
    ) -> Result<Vec<(RedemptionId, Instant)>, LedgerError> {
        let log = &self.state().log;
        let of_item = |key: &StockKey| key.deployment == *deployment && key.item == item;
        let members: BTreeSet<_> = log.0.iter().flat_map(touched).collect();
        let holds = members.into_iter().flat_map(|member| log.holds(member, None));
        let over = holds.filter(|hold| hold.until <= at && hold.stock.as_ref().is_some_and(of_item));
        let over: BTreeSet<_> = over.map(|hold| (hold.until, hold.name)).collect();
        Ok(over.into_iter().map(|(until, name)| (name, until)).collect())
    }

    fn undelivered(
        &self,
        due: Option<Instant>,
        after: NoticeId,
        limit: usize,
    ) -> Result<Vec<Undelivered>, LedgerError> {
        let State { log, attempts, .. } = &*self.state();
        let now = |new: Undelivered| attempts.get(&new.id).cloned().unwrap_or(new);
        let waiting = log.undelivered().into_iter().map(now).filter(|it| it.id > after);
        let waiting = waiting.filter(|it| due.is_none_or(|due| it.due.is_some_and(|at| at <= due)));
        Ok(waiting.take(limit).collect())
    }

    fn keep_attempts(&self, tried: Vec<Undelivered>) -> Result<(), LedgerError> {
        self.state().attempts.extend(tried.into_iter().map(|tried| (tried.id, tried)));
        Ok(())
    }

    fn stored(&self, each: &mut dyn FnMut(Stored)) -> Result<(), LedgerError> {
        let log = &self.state().log;
        log.undelivered().into_iter().for_each(|notice| each(Stored::Undelivered(notice.id)));
        for id in log.0.iter().flat_map(touched).collect::<BTreeSet<_>>() {
            each(Stored::Member { id: id.clone(), version: log.version(id), profile: log.profile(id) });
            for lot in log.lots(id) {
                each(Stored::Lot { member: id.clone(), lot });
            }
            for Hold { name, parts, .. } in log.holds(id, None) {
                for (lot, points) in parts {
                    each(Stored::Hold { member: id.clone(), name: name.clone(), lot, points });
                }
            }
            for debt in log.debts(id, None) {
                each(Stored::Debt { member: id.clone(), debt });
            }
        }
        let drawn = log.0.iter().flat_map(|entry| &entry.budgets).map(|draw| &draw.deployment);
        for deployment in drawn.collect::<BTreeSet<_>>() {
            each(Stored::Budget { deployment: deployment.clone(), granted: log.used(deployment) });
        }
        Ok(())
    }

    fn length(&self) -> Result<u64, LedgerError> {
        Ok(number(self.state().log.0.len()))
    }

    fn latest_time(&self) -> Result<Option<Instant>, LedgerError> {
        Ok(self.state().log.latest_time())
    }
}

impl Log {
    fn append(&mut self, entries: Vec<Entry>) -> Result<Committed, LedgerError> {
        let mut committed = Committed::default();
        for entry in entries {
            committed.conflict = self.objection(&entry)?;
            if committed.conflict.is_some() {
                break;
            }
            self.0.push(entry);
            committed.seqs.push(number(self.0.len()));
        }
        Ok(committed)
    }

    fn objection(&self, entry: &Entry) -> Result<Option<Conflict>, LedgerError> {
        if let Some((seq, _)) = self.find(&entry.event.source, &entry.event.id) {
            return Ok(Some(Conflict::Duplicate { seq }));
        }
        let own = entry.member.iter().map(|moved| (&moved.id, moved.version));
        for (member, expected) in own.chain(entry.others.iter().map(|(member, version)| (member, *version))) {
            let found = self.version(member);
            if expected != found {
                return Ok(Some(Conflict::StaleMember { expected, found }));
            }
        }
        if let Some(claim) = &entry.order {
            let found = number(self.of_order(&claim.number).count());
            if claim.entries != found {
                return Ok(Some(Conflict::StaleOrder { expected: claim.entries, found }));
            }
        }
        for step in &entry.redemptions {
            let found = self.steps(&step.name);
            if step.steps != found {
                let (name, expected) = (step.name.clone(), step.steps);
                return Ok(Some(Conflict::StaleRedemption { name, expected, found }));
            }
        }
        for draw in &entry.stock {
            let StockKey { deployment, item, day, .. } = &draw.key;
            if !draw.holds(self.taken(deployment, item, *day).less(&entry.restocked, &draw.key)) {
                let (deployment, item) = (deployment.clone(), item.clone());
                return Ok(Some(Conflict::Stock { deployment, item }));
            }
        }
        for (n, draw) in entry.budgets.iter().enumerate() {
            let used = self.used(&draw.deployment).plus(drawn(&entry.budgets[..n], &draw.deployment));
            if !draw.holds(used) {
                return Ok(Some(Conflict::Budget { deployment: draw.deployment.clone() }));
            }
            if used.plus(draw.granted) > Points::MAX {
                return Err(LedgerError::Overflow { total: Total::Budget(draw.deployment.clone()) });
            }
        }
        Ok(None)
    }

    fn numbered(&self) -> impl Iterator<Item = (u64, &Entry)> {
        (1..).zip(&self.0)
    }

    fn find(&self, source: &str, id: &str) -> Option<(u64, &Entry)> {
        self.numbered().find(|(_, entry)| entry.event.source == source && entry.event.id == id)
    }

    fn known(&self, source: &str, id: &str) -> Option<Known> {
        self.find(source, id).map(|(seq, entry)| Known {
            seq,
            event_digest: entry.event.digest,
            receipt: entry.receipt.clone(),
            receipt_digest: entry.receipt_digest,
        })
    }

    fn version(&self, member: &MemberId) -> u64 {
        number(self.0.iter().filter(|entry| touched(entry).contains(&member)).count())
    }

    fn profile(&self, member: &MemberId) -> Profile {
        let own = self.0.iter().filter_map(|entry| entry.member.as_ref()).rfind(|moved| moved.id == *member);
        let profile = own.map(|moved| moved.profile.clone()).unwrap_or_default();
        let (indebted, holding) =
            (!self.debts(member, None).is_empty(), !self.holds(member, None).is_empty());
        Profile { indebted, holding, ..profile }
    }

    fn steps(&self, name: &RedemptionId) -> u64 {
        number(self.0.iter().flat_map(|entry| &entry.redemptions).filter(|step| step.name == *name).count())
    }

    /// Returns what of a member's points is held; with an instant, by events up to then.
    fn holds(&self, member: &MemberId, at: Option<Instant>) -> Vec<Hold> {
        let mut holder = Member::default();
        let entries = self.0.iter().filter(|entry| at.is_none_or(|at| entry.event.time <= at));
        entries
            .flat_map(|entry| &entry.redemptions)
            .filter(|step| step.member == *member)
            .for_each(|step| holder.step(step));
        holder.holds
    }

    fn redemption(&self, name: &RedemptionId) -> Redemption {
        let mut found = Redemption { steps: self.steps(name), ..Redemption::default() };
        let mut parts = Vec::<PartMove>::new();
        for (place, entry) in self.numbered() {
            for step in entry.redemptions.iter().filter(|step| step.name == *name) {
                if let Some(Begins { until, stock }) = &step.begins {
                    found.request = Some(logged((place, entry)));
                    found.until = Some(*until);
                    found.stock.clone_from(stock);
                    let all = Needs { lots: true, ..Needs::default() };
                    found.owner = Some((step.member.clone(), self.member(&step.member, i32::MAX, all)));
                }
                for moved in &step.parts {
                    match parts.iter_mut().find(|part| part.lot == moved.lot) {
                        Some(part) => {
                            part.released = part.released.plus(moved.released);
                            part.captured = part.captured.plus(moved.captured);
                            part.cancelled = part.cancelled.plus(moved.cancelled);
                        }
                        None => parts.push(moved.clone()),
                    }
                }
            }
        }
        let part = |PartMove { lot, held, released, captured, cancelled, .. }: PartMove| {
            Some(RedeemedPart { lot: self.lot(&lot)?, held, released, captured, cancelled })
        };
        found.parts = parts.into_iter().filter_map(part).collect();
        found
    }

    /// Returns how many of an item are taken, in all and on a day.
    fn taken(&self, deployment: &DeploymentId, item: &str, day: i32) -> StockTaken {
        let mut taken = StockTaken::default();
        let mut count = |key: &StockKey, add: fn(u64, u64) -> u64| {
            if key.deployment == *deployment && key.item == item {
                taken.total = add(taken.total, key.quantity);
                taken.on_day = if key.day == day { add(taken.on_day, key.quantity) } else { taken.on_day };
            }
        };
        for entry in &self.0 {
            entry.stock.iter().for_each(|draw| count(&draw.key, u64::saturating_add));
            entry.restocked.iter().for_each(|key| count(key, u64::saturating_sub));
        }
        taken
    }

    /// Returns a lot as it is now.
    fn lot(&self, id: &LotId) -> Option<Lot> {
        let new = self.0.iter().flat_map(|entry| &entry.lots).find(|new| new.lot.id == *id)?;
        Some(self.now(&new.lot, None))
    }

    fn used(&self, deployment: &DeploymentId) -> Points {
        let mut used = Points::ZERO;
        for entry in &self.0 {
            let returned =
                entry.returned.iter().filter(|(id, _)| id == deployment).map(|(_, points)| *points);
            used = used.plus(drawn(&entry.budgets, deployment)).less(returned.sum());
        }
        used
    }

    /// Returns what a member owes, by unit and issuer; with an instant, by events up to then.
    fn debts(&self, member: &MemberId, at: Option<Instant>) -> Vec<Debt> {
        let mut sums = BTreeMap::<(&UnitId, &Issuer), i64>::new();
        for entry in self.0.iter().filter(|entry| at.is_none_or(|at| entry.event.time <= at)) {
            for moved in entry.debts.iter().filter(|moved| moved.member == *member) {
                let sum = sums.entry((&moved.unit, &moved.issuer)).or_default();
                *sum = sum.saturating_add(moved.points);
            }
        }
        let owed = |((unit, issuer), sum): ((&UnitId, &Issuer), i64)| {
            let points = u64::try_from(sum).ok().and_then(Points::new).filter(|points| !points.is_zero())?;
            Some(Debt { unit: unit.clone(), issuer: issuer.clone(), points })
        };
        sums.into_iter().filter_map(owed).collect()
    }

    fn undelivered(&self) -> Vec<Undelivered> {
        let place =
            |Sent { run, n }: &Sent| Some(NoticeId { seq: self.find(Event::CAMPAIGNS, run)?.0, n: *n });
        let delivered = self.0.iter().filter_map(|entry| entry.event.delivers());
        let delivered: BTreeSet<_> = delivered.filter_map(place).collect();
        let sent = self.numbered().flat_map(|(seq, entry)| Undelivered::of(seq, entry));
        sent.filter(|notice| !delivered.contains(&notice.id)).collect()
    }

    fn of_order(&self, number: &str) -> impl Iterator<Item = (u64, &Entry)> {
        self.numbered().filter(move |(_, entry)| entry.event.order() == Some(number))
    }

    fn order(&self, number: &str, whole: bool) -> Order {
        let mut order = Order { entries: self.of_order(number).map(logged).collect(), ..Order::default() };
        if !whole {
            return order;
        }
        for (seq, entry) in self.of_order(number).filter(|(_, entry)| entry.event.purchase().is_some()) {
            let Some(moved) = &entry.member else { continue };
            let lots = self.of_order(number).flat_map(|(_, entry)| &entry.lots);
            let lots: Vec<_> = lots.map(|new| (new.member.clone(), self.now(&new.lot, None))).collect();
            for owner in lots.iter().map(|(owner, _)| owner).chain([&moved.id]) {
                let all = Needs { lots: true, ..Needs::default() };
                order.owners.insert(owner.clone(), self.member(owner, i32::MAX, all));
            }
            let tenders = entry.event.purchase().into_iter().flat_map(|purchase| &purchase.tenders);
            for name in tenders.filter_map(|tender| tender.redemption.as_ref()) {
                order.redemptions.insert(name.clone(), self.redemption(name));
            }
            let before = self.before(seq, &moved.id);
            order.purchases.push(Purchased { seq, member: moved.id.clone(), lots, before });
        }
        order
    }

    /// Returns a member's days as they were before an entry.
    fn before(&self, seq: u64, member: &MemberId) -> Member {
        let earlier = usize::try_from(seq.saturating_sub(1)).unwrap_or(usize::MAX);
        let earlier = Self(self.0.iter().take(earlier).cloned().collect());
        let days = Needs { purchases_by_day: true, ..Needs::default() };
        let Member { purchases_by_day, .. } = earlier.member(member, i32::MIN, days);
        let mut before = Member { purchases_by_day, ..Member::default() };
        let granted = Needs { granted_by_day: true, ..Needs::default() };
        for lot in earlier.0.iter().flat_map(|entry| lots_of(entry, member)) {
            // What is left of it by now.
            add_lot((member, &mut before), self.now(lot, None), granted, i32::MIN);
        }
        before
    }

    /// Returns a lot after everything that was taken from it; with an instant, by events up to then.
    fn now(&self, lot: &Lot, at: Option<Instant>) -> Lot {
        let mut lot = lot.clone();
        // Together: of events that came late, what was taken by an instant may be told before what had come back.
        let (mut remaining, mut expired) = (0_i64, 0_i64);
        let entries = self.0.iter().filter(|entry| at.is_none_or(|at| entry.event.time <= at));
        for moved in entries.flat_map(|entry| &entry.moved).filter(|moved| moved.lot == lot.id) {
            remaining = remaining.saturating_add(moved.remaining);
            expired = expired.saturating_add(moved.expired);
            lot.reversed = lot.reversed.plus(moved.reversed);
            lot.term = moved.term.clone().unwrap_or(lot.term);
        }
        lot.remaining = lot.remaining.moved(remaining);
        lot.expired = lot.expired.moved(expired);
        lot
    }

    fn member(&self, member: &MemberId, first_day: i32, needs: Needs) -> Member {
        let mut found =
            Member { version: self.version(member), profile: self.profile(member), ..Member::default() };
        let own = |entry: &&Entry| entry.member.as_ref().is_some_and(|moved| moved.id == *member);
        let purchases = self.0.iter().filter(own).filter(|entry| entry.day >= first_day);
        found.debts = self.debts(member, None);
        found.holds = self.holds(member, None);
        for (entry, spend_minor) in purchases.filter_map(|entry| Some((entry, spend_minor(entry)?))) {
            if needs.purchases_by_day {
                add_purchase(&mut found.purchases_by_day, entry.day, spend_minor);
            }
        }
        for lot in self.lots(member) {
            add_lot((member, &mut found), lot, needs, first_day);
        }
        found
    }

    fn is_due(&self, member: &MemberId, at: Instant) -> bool {
        let untold = |lot: &Lot| lot.term.notice.is_missing();
        let over = |lot: &Lot| lot.term.expires_at <= at && !untold(lot) && !lot.remaining.is_zero();
        self.lots(member).iter().any(over) || self.holds(member, None).iter().any(|hold| hold.until <= at)
    }

    /// Returns the lots of a member as they are now, by business day, then by name.
    fn lots(&self, member: &MemberId) -> Vec<Lot> {
        let lots = self.0.iter().flat_map(|entry| lots_of(entry, member));
        let mut lots: Vec<_> = lots.map(|lot| self.now(lot, None)).collect();
        lots.sort_by(|one, other| (one.day, &one.id).cmp(&(other.day, &other.id)));
        lots
    }

    fn balances(&self, at: Option<Instant>, member: Option<&MemberId>) -> Result<Vec<Balance>, LedgerError> {
        let Some(at) = at.or(self.latest_time()) else { return Ok(Vec::new()) };
        let mut tallies = BTreeMap::<&MemberId, Tally>::new();
        for entry in self.0.iter().filter(|entry| entry.event.time <= at) {
            for new in entry.lots.iter().filter(|new| member.is_none_or(|member| *member == new.member)) {
                let lot = self.now(&new.lot, Some(at));
                let tally = tallies.entry(&new.member).or_default();
                tally.add(&new.member, &lot, at)?;
                for hold in self.holds(&new.member, Some(at)) {
                    let parts = hold.parts.iter().filter(|(held, _)| *held == lot.id);
                    for (_, points) in parts {
                        tally.hold(&new.member, &lot, (*points, hold.until), at)?;
                    }
                }
            }
            for moved in
                entry.debts.iter().filter(|moved| member.is_none_or(|member| *member == moved.member))
            {
                tallies.entry(&moved.member).or_default();
            }
        }
        for (member, tally) in &mut tallies {
            self.debts(member, Some(at)).iter().for_each(|debt| tally.owe(debt));
        }
        let mut balances = Vec::new();
        tallies
            .iter_mut()
            .for_each(|(member, tally)| tally.close(member, &mut |balance| balances.push(balance)));
        Ok(balances)
    }

    fn statement(&self, member: &MemberId, page: Page) -> Vec<StatementLine> {
        let lines = self.numbered().map(|(seq, entry)| (entry, self.statement_line(seq, entry, member)));
        let own = |entry: &Entry| entry.member.as_ref().is_some_and(|moved| moved.id == *member);
        let theirs =
            lines.filter(|(entry, line)| own(entry) || !line.lots.is_empty() || !line.moves.is_empty());
        let mut lines: Vec<_> =
            theirs.map(|(entry, line)| ((entry.day, line.time, line.seq), line)).collect();
        lines.sort_by_key(|(place, _)| *place);
        if let Some((seq, entry)) = self.numbered().find(|(seq, _)| Some(*seq) == page.before) {
            lines.retain(|(place, _)| *place < (entry.day, entry.event.time, seq));
        }
        let last = page.last.map_or(lines.len(), |last| usize::try_from(last).unwrap_or(usize::MAX));
        lines.drain(..lines.len().saturating_sub(last));
        lines.into_iter().map(|(_, line)| line).collect()
    }

    fn statement_line(&self, seq: u64, entry: &Entry, member: &MemberId) -> StatementLine {
        StatementLine {
            seq,
            source: entry.event.source.clone(),
            id: entry.event.id.clone(),
            member: entry.member.as_ref().map_or_else(|| member.clone(), |moved| moved.id.clone()),
            time: entry.event.time,
            spend_minor: spend_minor(entry),
            lots: lots_of(entry, member).into_iter().map(|lot| self.now(lot, None)).collect(),
            moves: moves(&entry.postings, member),
        }
    }

    fn latest_time(&self) -> Option<Instant> {
        self.0.iter().map(|entry| entry.event.time).max()
    }
}

fn drawn(draws: &[BudgetDraw], deployment: &DeploymentId) -> Points {
    draws.iter().filter(|draw| draw.deployment == *deployment).map(|draw| draw.granted).sum()
}

/// Returns the lots that an entry gives a member, by their place in its awards.
fn lots_of<'a>(entry: &'a Entry, member: &MemberId) -> Vec<&'a Lot> {
    let mut theirs: Vec<_> = entry.lots.iter().filter(|new| new.member == *member).collect();
    theirs.sort_by_key(|new| new.lot.id.award);
    theirs.into_iter().map(|new| &new.lot).collect()
}

fn logged((seq, entry): (u64, &Entry)) -> Logged {
    Logged {
        seq,
        event: entry.event.canonical.clone(),
        event_digest: entry.event.digest,
        receipt: entry.receipt.clone(),
        receipt_digest: entry.receipt_digest,
        postings: entry.postings.clone(),
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).expect("a list is shorter than 2^64")
}
