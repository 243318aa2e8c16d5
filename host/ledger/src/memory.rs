//! The ledger in memory: a list of entries, and folds over it.
//!
//! This is what tests take as the truth, so it is plain before all else: nothing is stored but the entries, and every
//! answer is worked out from all of them. It gets slower with every entry, and it is gone when it is closed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jifen_loyalty::entry::BudgetDraw;
use jifen_loyalty::member::Profile;
use jifen_loyalty::{DeploymentId, Entry, Instant, Lot, Member, MemberId, Points};

use crate::entry::{check, spend_minor, touched};
use crate::report::Tally;
use crate::{
    Balance, Committed, Conflict, Digest, Known, Ledger, LedgerError, Logged, Needs, Query, Release,
    Snapshot, StatementLine, Total,
};

/// A ledger in memory.
#[derive(Default)]
pub struct Memory(Mutex<State>);

#[derive(Default)]
struct State {
    log: Log,
    programs: BTreeMap<Digest, Vec<u8>>,
    releases: BTreeMap<Digest, Release>,
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
        Ok(Snapshot {
            known: query.keys.iter().map(|(source, id)| log.known(source, id)).collect(),
            members: query
                .members
                .iter()
                .map(|(id, first_day)| log.member(id, *first_day, query.needs))
                .collect(),
            budgets_used: query.budgets.iter().map(|id| (id.clone(), log.used(id))).collect(),
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

    fn log(&self, after: u64, limit: usize) -> Result<Vec<Logged>, LedgerError> {
        let log = &self.state().log;
        Ok(log.numbered().filter(|(seq, _)| *seq > after).take(limit).map(logged).collect())
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

    fn statement(&self, member: &MemberId) -> Result<Vec<StatementLine>, LedgerError> {
        Ok(self.state().log.statement(member))
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
        let (expected, found) = (entry.member_version, self.version(&entry.event.member));
        if expected != found {
            return Ok(Some(Conflict::StaleMember { expected, found }));
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
        let latest = self.0.iter().rfind(|entry| entry.event.member == *member);
        latest.map(|entry| entry.profile.clone()).unwrap_or_default()
    }

    fn used(&self, deployment: &DeploymentId) -> Points {
        self.0.iter().map(|entry| drawn(&entry.budgets, deployment)).sum()
    }

    fn member(&self, member: &MemberId, first_day: i32, needs: Needs) -> Member {
        let mut found =
            Member { version: self.version(member), profile: self.profile(member), ..Member::default() };
        let purchases = self.0.iter().filter(|entry| entry.event.member == *member && entry.day >= first_day);
        for (entry, spend_minor) in purchases.filter_map(|entry| Some((entry, spend_minor(entry)?))) {
            if needs.purchases_by_day {
                let total = found.purchases_by_day.entry(entry.day).or_default();
                total.count = total.count.saturating_add(1);
                total.spend_minor = total.spend_minor.saturating_add(spend_minor);
            }
        }
        for lot in self.lots(member) {
            if needs.granted_by_day && lot.day >= first_day {
                let granted = found.granted_by_day.entry((lot.deployment.clone(), lot.day)).or_default();
                *granted = granted.plus(lot.points);
            }
            if needs.lots && !lot.remaining.is_zero() {
                found.lots.push(lot.clone());
            }
        }
        found
    }

    /// Returns the lots of a member, by business day, then as they were earned.
    fn lots(&self, member: &MemberId) -> Vec<&Lot> {
        let mut lots: Vec<_> = self.0.iter().flat_map(|entry| lots_of(entry, member)).collect();
        lots.sort_by_key(|lot| lot.day);
        lots
    }

    fn balances(&self, at: Option<Instant>, member: Option<&MemberId>) -> Result<Vec<Balance>, LedgerError> {
        let Some(at) = at.or(self.latest_time()) else { return Ok(Vec::new()) };
        let mut tallies = BTreeMap::<&MemberId, Tally>::new();
        for entry in self.0.iter().filter(|entry| entry.event.time <= at) {
            for new in entry.lots.iter().filter(|new| member.is_none_or(|member| *member == new.member)) {
                tallies.entry(&new.member).or_default().add(&new.member, &new.lot, at)?;
            }
        }
        let mut balances = Vec::new();
        tallies
            .iter_mut()
            .for_each(|(member, tally)| tally.close(member, &mut |balance| balances.push(balance)));
        Ok(balances)
    }

    fn statement(&self, member: &MemberId) -> Vec<StatementLine> {
        let theirs = self.numbered().filter(|(_, entry)| touched(entry).contains(&member));
        let mut lines: Vec<_> = theirs.map(|(seq, entry)| statement_line(seq, entry, member)).collect();
        lines.sort_by_key(|line| (line.time, line.seq));
        lines
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
    theirs.sort_by_key(|new| new.award);
    theirs.into_iter().map(|new| &new.lot).collect()
}

fn statement_line(seq: u64, entry: &Entry, member: &MemberId) -> StatementLine {
    StatementLine {
        seq,
        source: entry.event.source.clone(),
        id: entry.event.id.clone(),
        member: entry.event.member.clone(),
        time: entry.event.time,
        spend_minor: spend_minor(entry),
        lots: lots_of(entry, member).into_iter().cloned().collect(),
    }
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
