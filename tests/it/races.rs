//! Several processes on one ledger at once, each with an event that excludes the others: exactly one wins.

use std::collections::BTreeMap;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::components::{redemption, referring};
use crate::town::{Done, Town, lines, objects, purchase, registration, text};

const TIME: &str = "2025-07-25T12:00:00+08:00";

fn event(id: &str, kind: &str, data: Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/merchants/shop", "type": kind, "time": TIME, "data": data})
}

/// Runs each event in a process of its own, all at once. Returns how many were applied; the others must be refused.
fn at_once(town: &Town, events: &[Value]) -> usize {
    let start = |(n, event): (usize, &Value)| {
        let file = format!("event{n}.jsonl");
        town.write(&file, format!("{event}\n"));
        let arguments =
            ["run", "--program", "program.toml", "--policies", "policies", "--ledger", "l.db", &file];
        town.jifen(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("jifen starts")
    };
    let running: Vec<_> = events.iter().enumerate().map(start).collect();
    let codes = running.into_iter().map(|mut jifen| jifen.wait().expect("jifen ends").code());
    let codes: Vec<_> = codes.collect();
    assert!(codes.iter().all(|code| matches!(code, Some(0 | 3))), "{codes:?}");
    codes.iter().filter(|code| **code == Some(0)).count()
}

fn town() -> Town {
    let town = Town::new();
    town.policy("offer", &redemption(100, 0, 0));
    town.program(&[("spend", "spend", "base", "")]);
    let program = town.read("program.toml");
    let offer =
        "[[redemption]]\nid = 'offer'\npolicy = 'offer'\nunit = 'points'\nstock = { rice = { total = 3 } }\n";
    town.write("program.toml", format!("{program}\n{offer}"));
    town
}

fn ask(name: &str, member: &str) -> Value {
    let data = json!({"redemption": name, "member": member, "merchant": "shop", "item": "rice"});
    event(&format!("ask {name}"), "jifen.redemption.requested", data)
}

/// F3: points for one, and many who want them.
#[test]
fn points_are_spent_once() {
    let town = town();
    town.summary("l.db", &[purchase("1", "ann", TIME, 10_000)]);
    let asks: Vec<_> = (0..12).map(|n| ask(&format!("r{n}"), "ann")).collect();
    assert_eq!(at_once(&town, &asks), 1);
    assert_eq!(town.balances("l.db"), "ann 0");
    assert_eq!(town.replay("l.db"), 2);
}

/// A15: pieces for three, and many who want one.
#[test]
fn a_stock_is_given_out_once() {
    let town = town();
    let members: Vec<_> = (0..10).map(|n| format!("m{n}")).collect();
    let purchases: Vec<_> = members.iter().map(|member| purchase(member, member, TIME, 10_000)).collect();
    town.summary("l.db", &purchases);
    let asks: Vec<_> = members.iter().map(|member| ask(member, member)).collect();
    assert_eq!(at_once(&town, &asks), 3);
    assert_eq!(town.replay("l.db"), 13);
}

/// A6: friends of one member who buy in the same instant, in one file and in a process each.
#[test]
fn a_cap_on_what_friends_bring_is_used_once() {
    for apart in [false, true] {
        let town = town();
        town.policy("referring", &referring(100));
        town.program(&[("brings", "referring", "base", "cap = { per_referrer_per_day = 150 }")]);
        let friends: Vec<_> = (0..8).map(|n| format!("m{n}")).collect();
        let joins = friends.iter().map(|friend| {
            let mut join = registration(friend, friend, TIME);
            join["data"]["referrer"] = json!("ann");
            join
        });
        town.summary("l.db", &joins.collect::<Vec<_>>());
        let buys: Vec<_> = friends.iter().map(|friend| purchase(friend, friend, TIME, 100)).collect();
        if apart {
            assert_eq!(at_once(&town, &buys), buys.len());
        } else {
            town.summary("l.db", &buys);
        }
        assert_eq!(town.balances("l.db"), "ann 150", "apart: {apart}");
        assert_eq!(town.replay("l.db"), 16);
    }
}

/// What a receipt says depends on what happened before it, and not on what came together with it.
#[test]
fn receipts_do_not_depend_on_which_events_come_together() {
    let town = town();
    town.policy("referring", &referring(100));
    let brings = "budget = 1000\ncap = { per_referrer_per_day = 300 }";
    town.program(&[("spend", "spend", "base", "budget = 900"), ("brings", "referring", "base", brings)]);
    let mut joins = registration("bob", "bob", TIME);
    joins["data"]["referrer"] = json!("ann");
    let buy = |id: &str, who: &str| purchase(id, who, TIME, 10_000);
    let events = [registration("ann", "ann", TIME), joins, buy("1", "bob"), buy("2", "bob"), buy("3", "ann")];
    town.summary("together.db", &events);
    for event in events {
        town.summary("apart.db", &[event]);
    }
    assert_eq!(town.log("together.db"), town.log("apart.db"));
}

/// A4: the referrer and friends pay from one account in the same instant, in one file and in a process each. In one file the
/// referrer is first; apart, whoever comes before the referrer need not be looked at.
#[test]
fn an_account_that_two_pay_from_is_seen_at_once() {
    for apart in [false, true] {
        let town = town();
        town.policy("referring", &referring(100));
        town.program(&[("brings", "referring", "base", "review = { same_payer = { days = 0 } }")]);
        let friends: Vec<_> = (0..4).map(|n| format!("m{n}")).collect();
        let joins = friends.iter().map(|friend| {
            let mut join = registration(friend, friend, TIME);
            join["data"]["referrer"] = json!("ann");
            join
        });
        town.summary("l.db", &joins.collect::<Vec<_>>());
        let buyers = ["ann"].into_iter().chain(friends.iter().map(String::as_str));
        let buys: Vec<_> = buyers
            .map(|buyer| {
                let mut buys = purchase(buyer, buyer, TIME, 100);
                buys["data"]["payer"] = json!("account");
                buys
            })
            .collect();
        if apart {
            assert_eq!(at_once(&town, &buys), buys.len());
        } else {
            town.summary("l.db", &buys);
            assert_eq!(town.balances("l.db"), "ann 0");
        }
        assert_eq!(town.replay("l.db"), 9, "apart: {apart}");
        let audited = town.done(&["audit", "check", "--ledger", "l.db"]);
        assert_eq!(audited.code, Some(0), "{audited:?}");
        let reviewed = town.run(
            "l.db",
            &[event("yes", "jifen.action.done", json!({"member": "ann", "action": "reviewed"}))],
            &[],
        );
        assert!(matches!(reviewed.code, Some(0 | 3)), "nothing may wait: {reviewed:?}");
        assert_eq!(town.balances("l.db"), "ann 400", "apart: {apart}");
    }
}

#[test]
fn a_hold_is_used_or_let_go_once_and_given_back_once() {
    let town = town();
    town.summary("l.db", &[purchase("1", "ann", TIME, 10_000), ask("r", "ann")]);
    let ends: Vec<_> = (0..10)
        .map(|n| {
            let kind = if n % 2 == 0 { "jifen.redemption.captured" } else { "jifen.redemption.voided" };
            event(&format!("end {n}"), kind, json!({"redemption": "r"}))
        })
        .collect();
    assert_eq!(at_once(&town, &ends), 1);
    if town.balances("l.db") == "ann 100" {
        let again = event("use s", "jifen.redemption.captured", json!({"redemption": "s"}));
        town.summary("l.db", &[ask("s", "ann"), again]);
    }
    let name = if town.replay("l.db") > 3 { "s" } else { "r" };
    let back = |n| {
        let data = json!({"redemption": name, "cause": "member"});
        event(&format!("back {n}"), "jifen.redemption.cancelled", data)
    };
    assert_eq!(at_once(&town, &(0..8).map(back).collect::<Vec<_>>()), 1);
    assert_eq!(town.balances("l.db"), "ann 100");
    town.replay("l.db");
}

#[test]
fn a_purchase_is_returned_once() {
    let town = town();
    town.summary("l.db", &[purchase("1", "ann", TIME, 10_000), purchase("2", "ann", TIME, 5_000)]);
    let lines = json!([{"sku": "rice", "quantity": 1, "amount": 10_000}]);
    let back = |n| event(&format!("r{n}"), "jifen.purchase.refunded", json!({"order": "1", "lines": lines}));
    assert_eq!(at_once(&town, &(0..8).map(back).collect::<Vec<_>>()), 1);
    assert_eq!(town.balances("l.db"), "ann 50");
    assert_eq!(town.replay("l.db"), 3);
}

/// How often each of two steps meets the one that excludes it.
const PAIRS: usize = 40;

/// Returns an event for each of many members.
fn each(make: impl Fn(&str) -> Value) -> Vec<Value> {
    (0..PAIRS).map(|n| make(&format!("m{n:02}"))).collect()
}

/// Returns a town in which each of them has bought something and holds its points.
fn crowd() -> Town {
    let town = town();
    town.write("program.toml", town.read("program.toml").replace("total = 3", "total = 1000"));
    town.summary("l.db", &each(|member| purchase(member, member, TIME, 10_000)));
    town
}

/// A step of each member's use of points, which has the member's name.
fn steps(id: &str, kind: &str, cause: Option<&str>) -> Vec<Value> {
    each(|member| {
        let mut data = json!({"redemption": member});
        if let Some(cause) = cause {
            data["cause"] = json!(cause);
        }
        event(&format!("{member} {id}"), &format!("jifen.redemption.{kind}"), data)
    })
}

/// Runs what two hosts have, at once, the second from its end, so that they meet. Of the two events of each member exactly one
/// must be applied, and the member then has the points of the one that was.
fn meet(town: &Town, first: &[Value], second: &[Value], points: [u64; 2]) {
    let turned: Vec<_> = second.iter().rev().cloned().collect();
    let runs = [first, &turned].into_iter().enumerate().map(|(host, events)| {
        let (file, receipts) = (format!("host{host}.jsonl"), format!("receipts{host}.jsonl"));
        town.write(&file, lines(events));
        let mut run = vec!["run", "--program", "program.toml", "--policies", "policies", "--ledger", "l.db"];
        run.extend(["--receipts", &receipts, &file]);
        town.jifen(&run).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("jifen starts")
    });
    for run in runs.collect::<Vec<_>>() {
        let done = Done::from(run.wait_with_output().expect("jifen ends"));
        assert!(matches!(done.code, Some(0 | 3)), "{done:?}");
    }
    let mut won = BTreeMap::<String, Vec<u64>>::new();
    for (receipts, points) in ["receipts0.jsonl", "receipts1.jsonl"].into_iter().zip(points) {
        for receipt in objects(&town.path(receipts)).iter().filter(|receipt| receipt["outcome"] == "applied")
        {
            let member = text(&receipt["member"]).to_owned();
            won.entry(member).or_default().push(points);
        }
    }
    assert!(won.len() == PAIRS && won.values().all(|won| won.len() == 1), "one of each two: {won:?}");
    let have = won.iter().map(|(member, points)| format!("{member} {}", points[0]));
    assert_eq!(town.balances("l.db"), have.collect::<Vec<_>>().join(", "));
    town.replay("l.db");
}

#[test]
fn every_hold_is_used_or_let_go() {
    let town = crowd();
    town.summary("l.db", &each(|member| ask(member, member)));
    meet(&town, &steps("use", "captured", None), &steps("free", "voided", None), [0, 100]);
}

#[test]
fn every_use_is_given_back_once() {
    let town = crowd();
    town.summary("l.db", &each(|member| ask(member, member)));
    town.summary("l.db", &steps("use", "captured", None));
    let [first, second] = [("back", "member"), ("lost", "carrier")];
    let back = |(id, cause)| steps(id, "cancelled", Some(cause));
    meet(&town, &back(first), &back(second), [100, 100]);
}

#[test]
fn every_purchase_is_returned_once() {
    let town = crowd();
    let lines = json!([{"sku": "rice", "quantity": 1, "amount": 10_000}]);
    let back = |id: &str| {
        each(|member| {
            let data = json!({"order": member, "lines": lines});
            event(&format!("{member} {id}"), "jifen.purchase.refunded", data)
        })
    };
    meet(&town, &back("first"), &back("second"), [0, 0]);
}
