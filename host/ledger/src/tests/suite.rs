//! What every store does.

use jifen_loyalty::event::Sent;
use jifen_loyalty::lot::Issuer;
use jifen_loyalty::{Event, Instant, MemberId, NoticeId, Points};

use super::fixture::{DAY_MS, Draft, EVERYTHING, SOURCE, View, balances, digest, lot, member, plain, stores};
use super::script::check;
use crate::{
    Announcement, ApiKey, Committed, HeldQuote, Known, LedgerError, MemberQuery, Needs, Page, ProgramChange,
    Publication, Query, Release, Signer, Stored, Total, TrailStep, Undelivered,
};

const MAX: u64 = Points::MAX.get();

#[test]
fn nothing_is_known_of_an_empty_ledger() {
    check(
        "
        member  ann        -> 0 0 0 0
        days    ann 0      ->
        granted ann 0      ->
        used    spend      -> 0
        balance ann latest ->
        balance ann 10     ->
        ",
    );
    for store in stores() {
        assert_eq!(store.ledger.latest_time().unwrap(), None);
        assert_eq!(store.ledger.log(0, usize::MAX).unwrap(), []);
        assert_eq!(store.ledger.commit(Vec::new()).unwrap(), Committed::default());
        assert_eq!(member(&*store.ledger, "ann", 0, EVERYTHING), jifen_loyalty::Member::default());
    }
}

#[test]
fn entries_move_their_member() {
    check(
        "
        join o1 ann 0 10                         -> 1
        member ann                               -> 1 0 0 0
        buy  o2 ann 1 11 3050 lot=spend:30       -> 2
        buy  o3 ann 2 11 0                       -> 3
        buy  o4 ann 3 12 100 lot=spend:1         -> 4
        member ann                               -> 4 3 3150 12
        days ann 0                               -> 11:2:3050 12:1:100
        days ann 12                              -> 12:1:100
        days ann 13                              ->
        granted ann 0                            -> spend@11:30 spend@12:1
        granted ann 12                           -> spend@12:1
        balance ann latest                       -> 31 0
        member bob                               -> 0 0 0 0
        ",
    );
}

/// What an entry sends waits until an entry says that it came; what is tried is kept, and only of what waits.
#[test]
fn notices_wait_until_they_are_delivered() {
    for store in stores() {
        let ledger = &*store.ledger;
        let sends = |id: &str, version, notices: &[u32]| {
            let entry = Draft::purchase(id, "ann", version, 10, 100).entry();
            let event = Event { source: Event::CAMPAIGNS.to_owned(), ..(*entry.event).clone() };
            jifen_loyalty::Entry { event: event.into(), notices: notices.to_vec(), ..entry }
        };
        let says = |run: &str, n, version| {
            let notice = Sent { run: run.to_owned(), n };
            let at = Instant::from_millis(12 * DAY_MS);
            let event = Event::delivery_of(&notice, &"ann".into(), None, at).unwrap();
            let entry = Draft::purchase(&event.id, "ann", version, 12, 0).entry();
            jifen_loyalty::Entry { event: event.into(), ..entry }
        };
        let new = |seq, n| Undelivered {
            id: NoticeId { seq, n },
            attempts: 0,
            due: Some(Instant::from_millis(10 * DAY_MS)),
            problem: None,
        };
        let all = || ledger.undelivered(None, NoticeId::default(), usize::MAX).unwrap();
        ledger.commit(vec![sends("o1", 0, &[0, 2]), sends("o2", 1, &[]), sends("o3", 2, &[0])]).unwrap();
        assert_eq!(all(), [new(1, 0), new(1, 2), new(3, 0)], "{}", store.name);
        assert_eq!(ledger.undelivered(None, NoticeId { seq: 1, n: 0 }, 1).unwrap(), [new(1, 2)]);
        let due = |ms| ledger.undelivered(Some(Instant::from_millis(ms)), NoticeId::default(), 9).unwrap();
        assert_eq!((due(10 * DAY_MS - 1).len(), due(10 * DAY_MS).len()), (0, 3), "{}", store.name);

        let later = Undelivered {
            attempts: 1,
            due: Some(Instant::from_millis(11 * DAY_MS)),
            problem: Some("没有回应".to_owned()),
            ..new(1, 0)
        };
        let given_up = Undelivered { attempts: 9, due: None, ..later.clone() };
        let given_up = Undelivered { id: NoticeId { seq: 1, n: 2 }, ..given_up };
        let never_there = Undelivered { id: NoticeId { seq: 2, n: 0 }, ..later.clone() };
        ledger.keep_attempts(vec![later.clone(), given_up.clone(), never_there]).unwrap();
        assert_eq!(all(), [later.clone(), given_up.clone(), new(3, 0)], "{}", store.name);
        assert_eq!(due(10 * DAY_MS), [new(3, 0)], "{}", store.name);
        assert_eq!(due(11 * DAY_MS), [later.clone(), new(3, 0)], "{}", store.name);

        // Sent and delivered by the same batch, and one that was given up.
        ledger.commit(vec![sends("o4", 3, &[0, 1]), says("o4", 1, 4), says("o1", 2, 5)]).unwrap();
        ledger.keep_attempts(vec![given_up]).unwrap();
        assert_eq!(all(), [later, new(3, 0), new(4, 0)], "{}", store.name);
        let mut stored = Vec::new();
        ledger
            .stored(&mut |it| {
                if let Stored::Undelivered(id) = it {
                    stored.push(id.to_string());
                }
            })
            .unwrap();
        stored.sort();
        assert_eq!(stored, ["1-0", "3-0", "4-0"], "{}", store.name);
    }
}

#[test]
fn an_event_is_applied_once() {
    check(
        "
        buy o1 ann 0 10 100 lot=spend:1 -> 1
        buy o1 ann 0 10 100 lot=spend:1 -> duplicate of 1
        buy o1 ann 1 10 100 lot=spend:1 -> duplicate of 1
        buy o1 bob 0 10 100             -> duplicate of 1
        member ann                      -> 1 1 100 10
        balance ann latest              -> 1 0
        buy o2 ann 1 10 100
        buy o2 ann 2 10 100             -> 2 duplicate of 2
        ",
    );
}

#[test]
fn a_member_must_not_have_moved() {
    check(
        "
        buy o1 ann 1 10 100 -> stale 1 now 0
        buy o1 ann 0 10 100 -> 1
        buy o2 ann 0 10 100 -> stale 0 now 1
        buy o2 ann 2 10 100 -> stale 2 now 1
        buy o2 bob 0 10 100 -> 2
        buy o3 ann 1 10 100 -> 3
        ",
    );
}

#[test]
fn a_duplicate_is_named_before_a_stale_member_and_that_before_a_budget() {
    check(
        "
        buy o1 ann 0 10 100                      -> 1
        buy o1 ann 0 10 100 draw=spend:9/1@0     -> duplicate of 1
        buy o2 ann 0 10 100 draw=spend:9/1@0     -> stale 0 now 1
        buy o2 ann 1 10 100 draw=spend:9/1@0     -> budget spend
        ",
    );
}

#[test]
fn a_budget_is_never_exceeded() {
    check(
        "
        buy o1 ann 0 10 100 draw=spend:50/60@0   -> 1
        buy o2 bob 0 10 100 draw=spend:50/60@0   -> budget spend
        buy o2 bob 0 10 100 draw=spend:10/60@0!  -> budget spend
        buy o2 bob 0 10 100 draw=spend:10/60@50! -> 2
        used spend                               -> 60
        buy o3 cyd 0 10 100 draw=spend:1/60@60   -> budget spend
        buy o3 cyd 0 10 100 draw=spend:0/60@60!  -> 3
        buy o4 cyd 1 10 100 draw=spend:0/60@0    -> 4
        used spend                               -> 60
        ",
    );
}

#[test]
fn what_a_budget_does_not_limit_holds_whatever_is_used() {
    check(
        "
        buy o1 ann 0 10 100 draw=spend:10/60@0   -> 1
        buy o2 bob 0 10 100 draw=spend:10/60@0   -> 2
        buy o3 bob 1 10 100 draw=spend:40/60@0   -> 3
        used spend                               -> 60
        ",
    );
}

#[test]
fn one_entry_draws_on_all_its_budgets_or_none() {
    check(
        "
        buy o1 ann 0 10 100 draw=spend:10/60@0 draw=eco:9/1@0    -> budget eco
        used spend                                               -> 0
        buy o1 ann 0 10 100 draw=spend:10/60@0 draw=eco:1/1@0    -> 1
        used spend                                               -> 10
        used eco                                                 -> 1
        buy o2 ann 1 10 100 draw=spend:40/60@10 draw=spend:20/60@50 -> budget spend
        buy o2 ann 1 10 100 draw=spend:40/60@10 draw=spend:10/60@50 -> 2
        used spend                                               -> 60
        ",
    );
}

#[test]
fn the_entries_before_a_conflict_stay_and_those_after_it_do_not() {
    check(
        "
        buy o1 ann 0 10 100 lot=spend:1 draw=spend:1/9@0
        buy o2 ann 1 10 100 lot=spend:1 draw=spend:1/9@1
        buy o3 ann 1 10 100 lot=spend:1 draw=spend:1/9@2
        buy o4 bob 0 10 100 lot=spend:1 draw=spend:1/9@3 -> 1 2 stale 1 now 2
        member ann                                       -> 2 1 100 10
        member bob                                       -> 0 0 0 0
        used spend                                       -> 2
        balance ann latest                               -> 2 0
        buy o3 ann 2 10 100
        buy o4 bob 0 10 100                              -> 3 4
        ",
    );
}

#[test]
fn a_batch_sees_its_own_budget_draws() {
    check(
        "
        buy o1 ann 0 10 100 draw=spend:30/60@0
        buy o2 bob 0 10 100 draw=spend:30/60@0
        buy o3 cyd 0 10 100 draw=spend:1/60@0   -> 1 2 budget spend
        used spend                              -> 60
        ",
    );
}

#[test]
fn a_lot_for_another_member_moves_that_member_too() {
    check(
        "
        buy  o1 bob 0 10 100 lot=refer:20>ann lot=spend:1 lot=refer:5>ann -> 1
        member ann                                                        -> 1 0 0 0
        member bob                                                        -> 1 1 100 10
        granted ann 0                                                     -> refer@10:25
        days ann 0                                                        ->
        balance ann latest                                                -> 25 0
        balance bob latest                                                -> 1 0
        join o2 ann 0 11                                                  -> stale 0 now 1
        join o2 ann 1 11                                                  -> 2
        buy  o3 ann 2 12 100                                              -> 3
        buy  o4 bob 1 12 100 lot=refer:1>ann
        buy  o5 ann 3 12 100                                              -> 4 stale 3 now 4
        member ann                                                        -> 4 1 100 12
        ",
    );
}

#[test]
fn a_lot_is_gone_at_the_instant_it_expires() {
    // A lot of day 10 can be spent from day 10 and no longer from day 40.
    check(
        "
        buy o1 ann 0 10 100 lot=spend:30 -> 1
        balance ann 9                    ->
        balance ann 10                   -> 30 0
        balance ann 39+86399999          -> 30 0
        balance ann 40                   -> 0 0
        balance ann latest               -> 30 0
        buy o2 ann 1 40 100              -> 2
        balance ann latest               -> 0 0
        ",
    );
}

#[test]
fn a_lot_is_pending_until_the_instant_it_is_available() {
    for store in stores() {
        let mut draft = Draft::purchase("o1", "ann", 0, 10, 100).lot("ann", "spend", 7);
        draft.lots[0].lot.term.available_at = Instant::from_millis(12 * DAY_MS);
        draft.lots[0].lot.term.expires_at = Instant::NEVER;
        store.ledger.commit(vec![draft.entry()]).unwrap();
        let at = |ms| {
            let balance = balances(&*store.ledger, Some(Instant::from_millis(ms)), None).remove(0);
            (balance.available.get(), balance.pending.get())
        };
        assert_eq!(at(12 * DAY_MS - 1), (0, 7), "{}", store.name);
        assert_eq!(at(12 * DAY_MS), (7, 0), "{}", store.name);
        assert_eq!(at(i64::MAX - 1), (7, 0), "{}", store.name);
    }
}

#[test]
fn balances_come_by_member_and_unit() {
    for store in stores() {
        let mut first = Draft::purchase("o1", "bob", 0, 10, 100).lot("bob", "eco", 1).lot("ann", "spend", 2);
        first.lots[0].lot.unit = "green".into();
        let second = Draft::purchase("o2", "bob", 1, 10, 100).lot("bob", "spend", 4).lot("bob", "spend", 8);
        store.ledger.commit(vec![first.entry(), second.entry()]).unwrap();
        let told = |member: Option<&MemberId>| {
            let balances = balances(&*store.ledger, None, member);
            let told = balances.iter().map(|b| format!("{} {} {}", b.member, b.available, b.unit));
            told.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(told(None), "ann 2 points, bob 1 green, bob 12 points", "{}", store.name);
        assert_eq!(told(Some(&"bob".into())), "bob 1 green, bob 12 points", "{}", store.name);
        assert_eq!(told(Some(&"b".into())), "", "{}", store.name);
    }
}

#[test]
fn late_events_count_from_their_own_time() {
    check(
        "
        buy o1 ann 0 20 100 lot=spend:1 -> 1
        buy o2 ann 1 10 100 lot=spend:2 -> 2
        balance ann 10                  -> 2 0
        balance ann 19                  -> 2 0
        balance ann 20                  -> 3 0
        balance ann latest              -> 3 0
        days ann 0                      -> 10:1:100 20:1:100
        member ann                      -> 2 2 200 20
        ",
    );
}

#[test]
fn a_statement_is_ordered_by_business_time_and_has_referrals() {
    for store in stores() {
        let ledger = &*store.ledger;
        let entries = [
            Draft::purchase("late", "ann", 0, 20, 300).lot("ann", "spend", 3),
            Draft::purchase("early", "ann", 1, 10, 100).lot("ann", "spend", 1).lot("ann", "eco", 2),
            Draft::purchase("friend", "bob", 0, 15, 500).lot("ann", "refer", 9).lot("bob", "spend", 5),
            Draft::purchase("other", "cyd", 0, 15, 500).lot("cyd", "spend", 5),
        ];
        ledger.commit(entries.map(Draft::entry).to_vec()).unwrap();
        let told = ledger.statement(&"ann".into(), Page::default()).unwrap().into_iter().map(|line| {
            let lots: Vec<_> =
                line.lots.iter().map(|lot| format!("{}:{}", lot.deployment, lot.points)).collect();
            format!("{} {} {} {:?} {}", line.seq, line.id, line.member, line.spend_minor, lots.join(","))
        });
        let expected = [
            "2 early ann Some(100) spend:1,eco:2",
            "3 friend bob Some(500) refer:9",
            "1 late ann Some(300) spend:3",
        ];
        assert_eq!(told.collect::<Vec<_>>(), expected, "{}", store.name);
        assert_eq!(ledger.statement(&"dan".into(), Page::default()).unwrap(), []);
    }
}

#[test]
fn the_log_comes_in_pages_and_as_it_was_written() {
    for store in stores() {
        let entries: Vec<_> =
            (1..=5).map(|n| Draft::purchase(&format!("o{n}"), "ann", n - 1, 10, n)).collect();
        let entries: Vec<_> = entries.into_iter().map(|draft| draft.lot("ann", "spend", 3).entry()).collect();
        store.ledger.commit(entries.clone()).unwrap();
        let seqs = |after, limit| {
            let page = store.ledger.log(after, limit).unwrap();
            let receipts: Vec<_> = page.iter().map(|logged| logged.receipt.clone()).collect();
            assert_eq!(store.ledger.receipts(after, limit).unwrap(), receipts, "{}", store.name);
            page.iter().map(|logged| logged.seq).collect::<Vec<_>>()
        };
        assert_eq!(seqs(0, 2), [1, 2], "{}", store.name);
        assert_eq!(seqs(2, 2), [3, 4]);
        assert_eq!(seqs(4, 2), [5]);
        assert!(seqs(5, 2).is_empty());
        assert!(seqs(0, 0).is_empty());
        assert!(seqs(u64::MAX, usize::MAX).is_empty());
        let found = store.ledger.find(SOURCE, "o3").unwrap().unwrap();
        assert_eq!(
            (found.seq, &found.event, &found.receipt),
            (3, &entries[2].event.canonical, &entries[2].receipt)
        );
        assert_eq!(found.event_digest, entries[2].event.digest);
        assert_eq!(found.receipt_digest, entries[2].receipt_digest);
        assert_eq!(found.postings, entries[2].postings);
        assert_eq!(store.ledger.find(SOURCE, "o6").unwrap(), None);
        assert_eq!(store.ledger.find("elsewhere", "o3").unwrap(), None);
    }
}

#[test]
fn a_snapshot_answers_in_the_order_of_the_query() {
    for store in stores() {
        let entry = Draft::purchase("o1", "ann", 0, 10, 100).lot("ann", "spend", 3).entry();
        store.ledger.commit(vec![entry.clone()]).unwrap();
        let (ann, bob) = ("ann".into(), "bob".into());
        let query = Query {
            keys: &[(SOURCE, "new"), (SOURCE, "o1"), ("elsewhere", "o1")],
            members: &[&bob, &ann, &bob].map(|id| MemberQuery { id, first_day: 0, lots: false }),
            ..Query::default()
        };
        let snapshot = store.ledger.read(&query).unwrap();
        let known = Known {
            seq: 1,
            event_digest: entry.event.digest,
            receipt: entry.receipt,
            receipt_digest: entry.receipt_digest,
        };
        assert_eq!(snapshot.known, [None, Some(known), None], "{}", store.name);
        let versions: Vec<_> = snapshot.members.iter().map(|member| member.version).collect();
        assert_eq!(versions, [0, 1, 0], "{}", store.name);
        assert!(snapshot.budgets_used.is_empty());
    }
}

#[test]
fn only_what_is_needed_is_read() {
    for store in stores() {
        store
            .ledger
            .commit(vec![Draft::purchase("o1", "ann", 0, 10, 100).lot("ann", "spend", 3).entry()])
            .unwrap();
        for bits in 0..8 {
            let [purchases_by_day, granted_by_day, lots] = [1, 2, 4].map(|bit| bits & bit != 0);
            let needs = Needs { purchases_by_day, granted_by_day, lots };
            let member = member(&*store.ledger, "ann", 0, needs);
            let read = Needs {
                purchases_by_day: !member.purchases_by_day.is_empty(),
                granted_by_day: !member.granted_by_day.is_empty(),
                lots: !member.lots.is_empty(),
            };
            assert_eq!(read, needs, "{}", store.name);
            assert_eq!(member.version, 1);
        }
    }
}

#[test]
fn lots_of_any_day_with_something_left_come_in_the_order_they_were_earned() {
    for store in stores() {
        let mut spent =
            Draft::purchase("o1", "ann", 0, 30, 100).lot("ann", "spend", 1).lot("ann", "spend", 2);
        spent.lots[0].lot.remaining = Points::ZERO;
        let late = Draft::purchase("o2", "ann", 1, 10, 100).lot("ann", "spend", 3);
        store.ledger.commit(vec![spent.entry(), late.entry()]).unwrap();
        let member = member(&*store.ledger, "ann", 25, EVERYTHING);
        assert_eq!(plain(member.lots), [lot("spend", 10, 3), lot("spend", 30, 2)], "{}", store.name);
        let granted: Vec<_> = member.granted_by_day.values().map(|day| day.granted.get()).collect();
        assert_eq!(granted, [3], "what was spent was granted all the same, on {}", store.name);
    }
}

#[test]
fn lots_come_back_as_they_went_in() {
    for store in stores() {
        let mut draft =
            Draft::purchase("o1", "ann", 0, 10, 100).lot("ann", "spend", 1).lot("ann", "eco", MAX);
        draft.lots[0].lot.issuer = Issuer::Merchant("store-330".into());
        draft.lots[1].lot.term.expires_at = Instant::NEVER;
        draft.lots[1].lot.term.available_at = Instant::from_millis(i64::MIN);
        let expected: Vec<_> = draft.lots.iter().map(|new| new.lot.clone()).collect();
        store.ledger.commit(vec![draft.entry()]).unwrap();
        assert_eq!(plain(member(&*store.ledger, "ann", 0, EVERYTHING).lots), expected, "{}", store.name);
    }
}

#[test]
fn texts_are_kept_whatever_they_hold() {
    let names = ["", " ", "'; DROP TABLE lots; --", "积分", "a\0b", "ann\n", "\u{10ffff}"];
    for store in stores() {
        // PostgreSQL's text has no NUL. No event that is parsed has one either: names have no control characters.
        let names = names.iter().copied().filter(|name| store.name != "postgres" || !name.contains('\0'));
        let names: Vec<_> = names.collect();
        for name in names.iter().copied() {
            let draft = Draft::purchase(name, name, 0, 10, 100).lot(name, name, 1);
            assert_eq!(store.ledger.commit(vec![draft.entry()]).unwrap().conflict, None, "{name:?}");
        }
        for name in names {
            assert!(store.ledger.find(SOURCE, name).unwrap().is_some(), "{name:?} on {}", store.name);
            let member = member(&*store.ledger, name, 0, EVERYTHING);
            assert_eq!(plain(member.lots), [lot(name, 10, 1)], "{name:?} on {}", store.name);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_written() {
    let too_much = Points::MAX.plus(Points::MAX);
    let spend = |amount| Draft::purchase("o2", "ann", 1, 10, amount).entry();
    let mut profile = spend(1);
    profile.member.as_mut().unwrap().profile.purchase_count = 1 << 63;
    let mut lot = Draft::purchase("o2", "ann", 1, 10, 1).lot("bob", "spend", 1).entry();
    lot.lots[0].lot.points = too_much;
    for store in stores() {
        let first = || Draft::purchase("o1", "ann", 0, 10, 1).entry();
        for (entry, total) in [
            (spend(1 << 63), Total::Profile("ann".into())),
            (profile.clone(), Total::Profile("ann".into())),
            (lot.clone(), Total::Lot("bob".into())),
        ] {
            match store.ledger.commit(vec![first(), entry]) {
                Err(LedgerError::Overflow { total: found }) => assert_eq!(found, total),
                other => panic!("{other:?} on {}", store.name),
            }
            assert_eq!(store.ledger.log(0, 9).unwrap(), [], "{}", store.name);
        }
    }
}

#[test]
fn a_budget_that_would_overflow_is_refused_with_the_whole_batch() {
    check(&format!(
        "
        buy o1 ann 0 10 1 draw=spend:{MAX}/{MAX}@0  -> 1
        buy o2 ann 1 10 1
        buy o3 ann 2 10 1 draw=spend:1/1@{MAX}!     -> error: the points granted by deployment spend would exceed what a ledger can hold
        member ann                                  -> 1 1 1 10
        used spend                                  -> {MAX}
        buy o2 ann 1 10 1                           -> 2
        "
    ));
}

#[test]
fn a_balance_that_would_overflow_is_an_error() {
    for store in stores() {
        let draft = Draft::purchase("o1", "ann", 0, 10, 1).lot("ann", "spend", MAX).lot("ann", "spend", 1);
        store.ledger.commit(vec![draft.entry()]).unwrap();
        let told = store.ledger.balances(None, None, &mut |_| ());
        assert!(matches!(told, Err(LedgerError::Overflow { total: Total::Balance(_) })), "{}", store.name);
        assert_eq!(member(&*store.ledger, "ann", 0, EVERYTHING).version, 1, "the ledger goes on");
    }
}

#[test]
fn the_largest_figures_fit() {
    let most = i64::MAX.unsigned_abs();
    check(&format!(
        "
        buy o1 ann 0 {day} {most} lot=spend:{MAX} draw=spend:{MAX}/{MAX}@0 -> 1
        member ann                                                         -> 1 1 {most} {day}
        days ann {day}                                                     -> {day}:1:{most}
        granted ann {day}                                                  -> spend@{day}:{MAX}
        used spend                                                         -> {MAX}
        balance ann latest                                                 -> {MAX} 0
        ",
        day = i32::MAX - 30,
    ));
}

/// The last change holds, and of two that were made on the same one, one does.
#[test]
fn changes_of_the_program_follow_each_other() {
    for store in stores() {
        let ledger = &*store.ledger;
        let (one, other) = (digest("one"), digest("other"));
        ledger.put_program(&one, b"one").unwrap();
        ledger.put_program(&other, b"other").unwrap();
        assert_eq!(
            (ledger.last_program_change().unwrap(), ledger.program_changes(0, 9).unwrap()),
            (None, Vec::new())
        );
        let change = |version, program| ProgramChange {
            version,
            program,
            made_at: Instant::from_millis(1_764_000_000_123),
            who: "赵敏".to_owned(),
            why: "the first of a month".to_owned(),
            without_notice: version == 2,
        };
        let superseded = |change: ProgramChange| match ledger.change_program(&change) {
            Err(LedgerError::Superseded { last }) => last,
            other => panic!("{other:?}"),
        };
        assert_eq!(superseded(change(2, one)), 0);
        ledger.change_program(&change(1, one)).unwrap();
        assert_eq!(superseded(change(1, other)), 1);
        ledger.change_program(&change(2, other)).unwrap();
        ledger.change_program(&change(3, one)).unwrap();
        assert_eq!(superseded(change(5, one)), 3);
        assert_eq!(ledger.last_program_change().unwrap(), Some(change(3, one)));
        assert_eq!(ledger.program_changes(1, 9).unwrap(), [change(2, other), change(3, one)]);
        assert_eq!(ledger.program_changes(0, 1).unwrap(), [change(1, one)]);
        assert_eq!(ledger.program_changes(3, 9).unwrap(), []);
    }
}

/// A key stays what it was made as, and once it is of no use it is so since then.
#[test]
fn keys_are_made_once_and_revoked_once() {
    for store in stores() {
        let ledger = &*store.ledger;
        let key = |id: &str, name: &str| ApiKey {
            id: id.to_owned(),
            secret: digest(name),
            role: "merchant".to_owned(),
            scope: Some("shop".to_owned()),
            name: name.to_owned(),
            rate: 7,
            made_at: Instant::from_millis(1_764_000_000_123),
            revoked_at: None,
        };
        assert_eq!((ledger.key("a").unwrap(), ledger.keys("", 9).unwrap()), (None, Vec::new()));
        let other = ApiKey { scope: None, ..key("b", "钱进") };
        ledger.put_key(&other).unwrap();
        ledger.put_key(&key("a", "赵敏")).unwrap();
        ledger.put_key(&key("a", "钱进")).unwrap();
        assert_eq!(ledger.key("a").unwrap(), Some(key("a", "赵敏")), "{}", store.name);
        assert_eq!(ledger.keys("", 9).unwrap(), [key("a", "赵敏"), other.clone()], "{}", store.name);
        assert_eq!(ledger.keys("a", 9).unwrap(), std::slice::from_ref(&other));
        assert_eq!(ledger.keys("", 1).unwrap(), [key("a", "赵敏")]);
        let at = Instant::from_millis(1_765_000_000_000);
        ledger.revoke_key("a", at).unwrap();
        ledger.revoke_key("a", Instant::from_millis(1)).unwrap();
        ledger.revoke_key("c", at).unwrap();
        let revoked = ApiKey { revoked_at: Some(at), ..key("a", "赵敏") };
        assert_eq!(ledger.keys("", 9).unwrap(), [revoked, other], "{}", store.name);
    }
}

/// A public key signs for whom it was first added, until it is revoked.
#[test]
fn signers_are_kept_by_whom_they_sign_for() {
    for store in stores() {
        let ledger = &*store.ledger;
        let signer = |id: &str, owner: Option<&str>| Signer {
            id: id.to_owned(),
            owner: owner.map(str::to_owned),
            public_key: digest(id),
            name: "赵敏".to_owned(),
            made_at: Instant::from_millis(5),
            revoked_at: None,
        };
        let (shop, stall, ours) = (signer("b", Some("shop")), signer("c", Some("stall")), signer("a", None));
        for signer in [&shop, &stall, &ours, &signer("b", Some("stall"))] {
            ledger.put_signer(signer).unwrap();
        }
        let of = |owner| ledger.signers_of(owner).unwrap();
        assert_eq!(
            (of(Some("shop")), of(None), of(Some("x"))),
            (vec![shop.clone()], vec![ours.clone()], vec![])
        );
        assert_eq!(ledger.signers("", 2).unwrap(), [ours, shop.clone()], "{}", store.name);
        for ms in [7, 8] {
            ledger.revoke_signer("b", Instant::from_millis(ms)).unwrap();
        }
        let revoked = Signer { revoked_at: Some(Instant::from_millis(7)), ..shop };
        assert_eq!(ledger.signer("b").unwrap().as_ref(), Some(&revoked));
        assert_eq!(ledger.signers("a", 9).unwrap(), [revoked, stall], "{}", store.name);
        assert_eq!(ledger.signer("x").unwrap(), None);
    }
}

/// A quote stays as it was first kept, until a later one is kept behind its end.
#[test]
fn quotes_are_held_and_forgotten() {
    for store in stores() {
        let ledger = &*store.ledger;
        let quote = |token: &str, program: &str, until| HeldQuote {
            token: digest(token),
            program: digest(program),
            event: digest("event"),
            until: Instant::from_millis(until),
        };
        let hold =
            |quote, forget_before| ledger.hold_quote(&quote, Instant::from_millis(forget_before)).unwrap();
        let (early, late) = (quote("a", "one", 1_000), quote("b", "one", 2_000));
        hold(early.clone(), 0);
        hold(quote("a", "two", 9_000), 0);
        hold(late.clone(), 1_000);
        assert_eq!(ledger.held_quote(&digest("a")).unwrap(), Some(early), "{}", store.name);
        hold(quote("c", "one", 3_000), 1_001);
        let left = ["a", "b"].map(|token| ledger.held_quote(&digest(token)).unwrap());
        assert_eq!(left, [None, Some(late)], "{}", store.name);
    }
}

/// Steps stay in their order, each with its first answer.
#[test]
fn the_trail_keeps_what_was_asked_and_how_it_was_answered() {
    for store in stores() {
        let ledger = &*store.ledger;
        let step = |id: &str, status| TrailStep {
            id: id.to_owned(),
            made_at: Instant::from_millis(1_764_000_000_123),
            key: (id == "b").then(|| "k".to_owned()),
            who: "赵敏".to_owned(),
            asked: "PUT /v1/program".to_owned(),
            status,
        };
        for id in ["b", "a", "b", "c"] {
            ledger.put_step(&step(id, None)).unwrap();
        }
        for (id, status) in [("a", 200), ("c", 403), ("a", 500), ("d", 200)] {
            ledger.answer_step(id, status).unwrap();
        }
        let trail = ledger.trail(0, 9).unwrap();
        let steps: Vec<_> = trail.iter().map(|(_, step)| step.clone()).collect();
        assert_eq!(steps, [step("b", None), step("a", Some(200)), step("c", Some(403))], "{}", store.name);
        let (first, _) = trail[0];
        assert_eq!(ledger.trail(first, 1).unwrap(), trail[1..2], "{}", store.name);
    }
}

/// What is known stays known since then.
#[test]
fn announcements_are_made_once() {
    for store in stores() {
        let ledger = &*store.ledger;
        let program = digest("one");
        ledger.put_program(&program, b"one").unwrap();
        assert_eq!(ledger.announcement(&program).unwrap(), None);
        let announcement = |ms: i64, who: &str| Announcement {
            program,
            made_at: Instant::from_millis(ms),
            who: who.to_owned(),
            why: "from December on".to_owned(),
        };
        ledger.announce(&announcement(1_764_000_000_123, "赵敏")).unwrap();
        ledger.announce(&announcement(1_765_000_000_000, "钱进")).unwrap();
        let found = ledger.announcement(&program).unwrap();
        assert_eq!(found, Some(announcement(1_764_000_000_123, "赵敏")), "{}", store.name);
        assert_eq!(ledger.announcement(&digest("other")).unwrap(), None);
        ledger.put_program(&digest("other"), b"other").unwrap();
        let later = Announcement { program: digest("other"), ..announcement(1_765_000_000_000, "钱进") };
        ledger.announce(&later).unwrap();
        let all = ledger.announcements(9).unwrap();
        assert_eq!(all, [later, announcement(1_764_000_000_123, "赵敏")], "{}", store.name);
        assert_eq!(ledger.announcements(1).unwrap(), all[..1]);
    }
}

/// A name means for ever what it meant first, and a policy is whose it was first.
#[test]
fn publications_are_made_once() {
    for store in stores() {
        let ledger = &*store.ledger;
        let published = |policy: &str, version: &str, release: &str| Publication {
            policy: policy.to_owned(),
            version: version.to_owned(),
            release: digest(release),
            made_at: Instant::from_millis(1_764_000_000_123),
            report: format!("{{\"of\":\"{release}\"}}").into_bytes(),
            owner: (policy == "spend").then(|| "shop".to_owned()),
        };
        for component in ["one", "other"] {
            let (name, version) = ("spend".to_owned(), "0.1.0".to_owned());
            let (digest, component) = (digest(component), component.into());
            ledger.put_release(&Release { digest, name, version, component }).unwrap();
        }
        assert_eq!(ledger.publication("spend", "0.1.0").unwrap(), None);
        let all = [
            ("spend", "0.1.0", "one"),
            ("spend", "0.10.0", "other"),
            ("spend", "0.2.0", "other"),
            ("spenz", "0.1.0", "one"),
        ]
        .map(|(policy, version, release)| published(policy, version, release));
        for publication in all.iter().rev() {
            ledger.publish(publication).unwrap();
        }
        ledger.publish(&published("spend", "0.1.0", "other")).unwrap();
        for owner in [None, Some("stall".to_owned())] {
            ledger.publish(&Publication { owner, ..published("spend", "0.3.0", "one") }).unwrap();
        }
        ledger
            .publish(&Publication { owner: Some("shop".to_owned()), ..published("spenz", "0.2.0", "one") })
            .unwrap();
        assert_eq!(ledger.publication("spend", "0.1.0").unwrap().as_ref(), Some(&all[0]), "{}", store.name);
        assert_eq!(ledger.publication("spend", "0.3.0").unwrap(), None);
        assert_eq!(ledger.publications(None, ("", ""), 9).unwrap(), all, "{}", store.name);
        assert_eq!(ledger.publications(None, ("spend", ""), 2).unwrap(), all[..2]);
        assert_eq!(ledger.publications(None, ("spend", "0.10.0"), 9).unwrap(), all[2..]);
        assert_eq!(ledger.publications(None, ("spenz", "0.1.0"), 9).unwrap(), []);
        assert_eq!(ledger.publications(Some("shop"), ("", ""), 9).unwrap(), all[..3], "{}", store.name);
        assert_eq!(ledger.publications(Some("stall"), ("", ""), 9).unwrap(), []);
    }
}

#[test]
fn programs_and_releases_are_kept_once() {
    for store in stores() {
        let ledger = &*store.ledger;
        let one = digest("one");
        assert_eq!(ledger.program(&one).unwrap(), None);
        ledger.put_program(&one, b"body").unwrap();
        ledger.put_program(&one, b"another").unwrap();
        ledger.put_program(&digest("empty"), b"").unwrap();
        assert_eq!(ledger.program(&one).unwrap(), Some(b"body".to_vec()), "{}", store.name);
        assert_eq!(ledger.program(&digest("empty")).unwrap(), Some(Vec::new()));

        let release = |component: &[u8]| Release {
            digest: one,
            name: "spend".to_owned(),
            version: "0.1.0".to_owned(),
            component: component.to_vec(),
        };
        assert_eq!(ledger.release(&one).unwrap(), None);
        ledger.put_release(&release(b"component")).unwrap();
        ledger.put_release(&release(b"another")).unwrap();
        assert_eq!(ledger.release(&one).unwrap(), Some(release(b"component")), "{}", store.name);
    }
}

#[test]
fn unbalanced_postings_stop_before_anything_is_written() {
    for store in stores() {
        let mut entry = Draft::purchase("o1", "ann", 0, 10, 100).lot("ann", "spend", 3).entry();
        entry.postings.pop();
        let first = Draft::purchase("o0", "ann", 0, 10, 100).entry();
        let commit = std::panic::AssertUnwindSafe(|| store.ledger.commit(vec![first, entry]));
        assert!(std::panic::catch_unwind(commit).is_err(), "{}", store.name);
        let view = View::of(&*store.ledger, &["ann"], &["spend"], &[10]);
        assert_eq!(view.log, [], "{}", store.name);
    }
}
