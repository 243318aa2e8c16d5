//! Several processes on one ledger at once, each with an event that excludes the others: exactly one wins.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::components::redemption;
use crate::town::{Town, purchase};

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
