//! Many callers at once: each gets its own answer, and what was acknowledged is there.

use std::collections::BTreeSet;
use std::sync::{Arc, Barrier};
use std::thread;

use super::fixture::{Draft, SOURCE, View, durable, member, used};
use crate::{Committed, Conflict, Ledger, Needs};
use jifen_loyalty::Points;
use jifen_loyalty::entry::BudgetDraw;

const CALLERS: u64 = 16;
const ROUNDS: u64 = 12;

/// Runs callers at once, each on one of the ledgers, and returns what each came to.
fn at_once<T: Send + 'static>(
    ledgers: &[&Arc<dyn Ledger>],
    call: impl Fn(&dyn Ledger, u64) -> T + Send + Sync + 'static,
) -> Vec<T> {
    let (call, barrier) = (Arc::new(call), Arc::new(Barrier::new(CALLERS.try_into().unwrap())));
    let start = |(caller, ledger): (_, &&Arc<dyn Ledger>)| {
        let (ledger, call, barrier) = (Arc::clone(ledger), Arc::clone(&call), Arc::clone(&barrier));
        thread::spawn(move || {
            barrier.wait();
            call(&*ledger, caller)
        })
    };
    let threads: Vec<_> = (0..CALLERS).zip(ledgers.iter().cycle()).map(start).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

#[test]
fn every_acknowledged_entry_is_there_after_reopening() {
    for durable in durable() {
        let ledger = durable.open();
        let acknowledged: Vec<_> = at_once(&[&ledger], |ledger, caller| {
            let (name, mut acknowledged) = (format!("m{caller}"), Vec::new());
            for round in 0..ROUNDS {
                let id = format!("o{caller}-{round}");
                let entry = Draft::purchase(&id, &name, round, 10, 100).lot(&name, "spend", 1).entry();
                let committed = ledger.commit(vec![entry]).unwrap();
                assert_eq!(committed.conflict, None);
                acknowledged.push((committed.seqs[0], id));
            }
            acknowledged
        });
        drop(ledger);
        let ledger = durable.open();
        let acknowledged: BTreeSet<_> = acknowledged.into_iter().flatten().collect();
        assert_eq!(u64::try_from(acknowledged.len()).unwrap(), CALLERS * ROUNDS);
        for (seq, id) in acknowledged {
            let found = ledger.find(SOURCE, &id).unwrap().map(|logged| logged.seq);
            assert_eq!(found, Some(seq), "{}", durable.name);
        }
        View::of(&*ledger, &["m0"], &["spend"], &[10]).assert_sound();
    }
}

#[test]
fn of_two_hosts_that_send_the_same_each_entry_has_one_winner() {
    // Everybody sends the same purchases of the same members, from another one on.
    for durable in durable() {
        let hosts = [durable.open(), durable.open()];
        let won = at_once(&[&hosts[0], &hosts[1]], |ledger, caller| {
            let mut won = Vec::new();
            for n in (0..CALLERS).map(|n| (n + caller) % CALLERS) {
                let (id, name) = (format!("o{n}"), format!("m{}", n % 3));
                won.extend(commit_on_what_is(ledger, &id, &name).map(|seq| (seq, id)));
            }
            won
        });
        let won: BTreeSet<_> = won.into_iter().flatten().collect();
        let ids: BTreeSet<_> = won.iter().map(|(_, id)| id).collect();
        assert_eq!(u64::try_from(ids.len()).unwrap(), CALLERS, "{}", durable.name);
        assert!(won.iter().map(|(seq, _)| *seq).eq(1..=CALLERS), "{} has gaps: {won:?}", durable.name);
        let views = hosts.map(|host| View::of(&*host, &["m0", "m1", "m2"], &["spend"], &[10]));
        views[0].assert_sound();
        assert_eq!(views[0], views[1], "{}", durable.name);
    }
}

/// Commits a purchase on the version that its member is at; returns its place if it was this one that won.
fn commit_on_what_is(ledger: &dyn Ledger, id: &str, name: &str) -> Option<u64> {
    loop {
        let version = member(ledger, name, 0, Needs::default()).version;
        let entry = Draft::purchase(id, name, version, 10, 100).lot(name, "spend", 1).entry();
        match ledger.commit(vec![entry]).unwrap() {
            Committed { seqs, conflict: None } => return seqs.first().copied(),
            Committed { conflict: Some(Conflict::Duplicate { .. }), .. } => return None,
            Committed { conflict, .. } => assert!(matches!(conflict, Some(Conflict::StaleMember { .. }))),
        }
    }
}

#[test]
fn one_budget_is_shared_to_the_last_point() {
    // 16 callers want 12 times 50 of a budget of 1,060: 21 get 50, one gets 10, the rest nothing.
    for durable in durable() {
        let hosts = [durable.open(), durable.open()];
        let granted = at_once(&[&hosts[0], &hosts[1]], |ledger, caller| {
            let rounds = (0..ROUNDS).map(|round| draw(ledger, caller, round));
            rounds.collect::<Vec<_>>()
        });
        let mut granted = granted.concat();
        granted.sort_unstable();
        assert_eq!(granted.iter().filter(|points| **points == 50).count(), 21, "{}", durable.name);
        assert_eq!(granted.iter().filter(|points| **points == 10).count(), 1);
        assert_eq!(granted.iter().sum::<u64>(), 1_060);
        assert_eq!(used(&*hosts[0], "spend").get(), 1_060);
    }
}

/// Decides and commits until it holds, as the pipeline does.
fn draw(ledger: &dyn Ledger, caller: u64, round: u64) -> u64 {
    loop {
        let used_before = used(ledger, "spend");
        let (budget, asked) = (Points::new(1_060).unwrap(), Points::new(50).unwrap());
        let granted = asked.min(budget.less(used_before));
        let mut draft = Draft::purchase(&format!("o{caller}-{round}"), &format!("m{caller}"), round, 10, 100);
        let limited = granted < asked;
        draft.draws.push(BudgetDraw { deployment: "spend".into(), budget, used_before, granted, limited });
        match ledger.commit(vec![draft.entry()]).unwrap().conflict {
            None => return granted.get(),
            Some(conflict) => assert_eq!(conflict, Conflict::Budget { deployment: "spend".into() }),
        }
    }
}

#[test]
fn one_event_sent_by_all_is_applied_once() {
    for durable in durable() {
        let ledger = durable.open();
        let committed = at_once(&[&ledger], |ledger, _| {
            let entry = Draft::purchase("o1", "ann", 0, 10, 100).lot("ann", "spend", 1).entry();
            ledger.commit(vec![entry]).unwrap()
        });
        let (applied, refused): (Vec<_>, Vec<_>) =
            committed.into_iter().partition(|one| one.conflict.is_none());
        assert_eq!(applied.len(), 1, "{}", durable.name);
        assert!(refused.iter().all(|one| one.conflict == Some(Conflict::Duplicate { seq: 1 })));
        assert_eq!(member(&*ledger, "ann", 0, Needs::default()).version, 1);
    }
}

#[test]
fn a_batch_that_asks_too_much_fails_alone() {
    for durable in durable() {
        let ledger = durable.open();
        let committed = at_once(&[&ledger], |ledger, caller| {
            let mut draft = Draft::purchase(&format!("o{caller}"), &format!("m{caller}"), 0, 10, 100);
            if caller % 2 == 0 {
                draft.draws.push(too_much());
            }
            (caller, ledger.commit(vec![draft.entry()]))
        });
        for (caller, committed) in &committed {
            assert_eq!(committed.is_err(), caller % 2 == 0, "{}, {caller}: {committed:?}", durable.name);
        }
        let applied = committed.iter().filter(|(_, committed)| committed.is_ok()).count();
        assert_eq!(ledger.log(0, usize::MAX).unwrap().len(), applied);
    }
}

/// A draw that a budget allows and no column holds.
fn too_much() -> BudgetDraw {
    let (budget, granted) = (Points::MAX.plus(Points::MAX), Points::MAX.plus(Points::MAX));
    BudgetDraw { deployment: "spend".into(), budget, used_before: Points::ZERO, granted, limited: false }
}
