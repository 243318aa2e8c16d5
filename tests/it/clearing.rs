//! Interop (通兑) and clearing through the command line: points of one merchant used at another, and what that comes to.

use serde_json::{Value, json};

use crate::components::redemption;
use crate::town::{Town, purchase, text};

const CONTRACTS: &str = r#"
[[contract]]
issuer = "m1"
unit = "points"
currency = "CNY"
accrual = "0.8"
redemption = "0.7"
breakage = "0.4"
"#;

/// Returns a town where merchants owe for their own points, which are there until the end of March at m1 and of the year
/// elsewhere.
fn town(points: u64, contracts: &str) -> Town {
    let town = Town::new();
    town.policy("offer", &redemption(points, 0, 0));
    town.program(&[]);
    let head =
        town.read("program.toml").replace("id = \"points\"", "id = \"points\"\nexpires = { months = 2 }");
    let merchants = ["m1", "m2", "m3"].map(|id| format!("[[merchant]]\nid = '{id}'\n"));
    let deployed = "[[deployment]]\nid = 'spend'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\nissuer = 'merchant'\n\
        [[redemption]]\nid = 'offer'\npolicy = 'offer'\nunit = 'points'\n";
    town.write("program.toml", [&head, &merchants.concat(), deployed, contracts].concat());
    town
}

fn buy(id: &str, merchant: &str, day: &str, yuan: u64) -> Value {
    let mut event = purchase(id, "ann", &format!("{day}T12:00:00+08:00"), yuan.saturating_mul(100));
    event["data"]["merchant"] = json!(merchant);
    event
}

fn step(name: &str, kind: &str, day: &str, data: Value) -> Value {
    let mut event = json!({"specversion": "1.0", "id": format!("{kind} {name} {day}"), "source": "/app",
        "type": format!("jifen.redemption.{kind}"), "time": format!("{day}T13:00:00+08:00"), "data": data});
    event["data"]["redemption"] = json!(name);
    event
}

fn spend_at(name: &str, merchant: &str, day: &str) -> [Value; 2] {
    let request = json!({"member": "ann", "merchant": merchant, "item": "rice"});
    [step(name, "requested", day, request), step(name, "captured", day, json!({}))]
}

fn settle(town: &Town, more: &[&str]) -> Value {
    let done = town.done(&[&["settle", "--ledger", "l.db", "--json"], more].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    done.json()
}

/// Returns what parties get, as `m1 -800, pool 380`; they must sum to zero.
fn parties(told: &Value) -> String {
    let parties = told["parties"].as_array().expect("parties");
    let amounts = parties.iter().map(|party| party["amount"].as_i64().expect("an amount"));
    assert_eq!(amounts.sum::<i64>(), 0, "{told}");
    let told = parties.iter().map(|party| format!("{} {}", text(&party["party"]), party["amount"]));
    told.collect::<Vec<_>>().join(", ")
}

#[test]
fn a19_issued_used_given_back_and_settled_once() {
    let town = town(600, CONTRACTS);
    town.summary("l.db", &[buy("1", "m1", "2026-01-01", 1_000)]);
    assert_eq!(parties(&settle(&town, &["--dry-run"])), "pool 800, merchant/m1 -800");
    town.summary("l.db", &spend_at("r1", "m2", "2026-01-02"));
    assert_eq!(parties(&settle(&town, &["--dry-run"])), "pool 380, merchant/m1 -800, merchant/m2 420");
    assert_eq!(parties(&settle(&town, &[])), "pool 380, merchant/m1 -800, merchant/m2 420");
    assert_eq!(settle(&town, &[])["settled"], false);

    let back = json!({"points": 100, "cause": "member"});
    town.summary("l.db", &[step("r1", "cancelled", "2026-01-03", back)]);
    assert_eq!(parties(&settle(&town, &[])), "pool 70, merchant/m2 -70");

    let close = json!({"specversion": "1.0", "id": "c", "source": "/clock", "type": "jifen.day.closed",
        "time": "2026-03-02T00:00:00+08:00", "data": {"day": "2026-03-01"}});
    town.summary("l.db", &[close]);
    assert_eq!(parties(&settle(&town, &[])), "pool -200, merchant/m1 200", "G2: 500 points lapsed");
    assert_eq!(town.replay("l.db"), 9);
}

#[test]
fn a_statement_of_a_merchant_is_of_a_period_and_names_no_member() {
    let town = town(600, CONTRACTS);
    town.summary("l.db", &[buy("1", "m1", "2026-01-01", 1_000)]);
    town.summary("l.db", &spend_at("r1", "m2", "2026-02-01"));
    let statement = |arguments: &[&str]| {
        let done =
            town.done(&[&["statement", "--ledger", "l.db", "--json", "--merchant"], arguments].concat());
        assert!(done.code == Some(0) && !done.out.contains("ann"), "{done:?}");
        parties(&done.json())
    };
    assert_eq!(statement(&["m1"]), "pool 800, merchant/m1 -800");
    assert_eq!(statement(&["m2"]), "pool -420, merchant/m2 420");
    assert_eq!(statement(&["m2", "--until", "2026-02-01T00:00:00+08:00"]), "");
    assert_eq!(statement(&["m1", "--from", "2026-02-01T00:00:00+08:00"]), "");
    assert_eq!(statement(&["m3"]), "");
}

#[test]
fn a20_the_origin_follows_the_lots() {
    let town = town(150, "");
    town.summary("l.db", &[buy("1", "m1", "2026-01-01", 100), buy("2", "m3", "2026-01-02", 100)]);
    town.summary("l.db", &spend_at("r1", "m2", "2026-01-03"));
    let told = settle(&town, &[]);
    let lines = told["lines"].as_array().expect("lines").iter().filter(|line| line["reason"] == "redemption");
    let lines: Vec<_> = lines
        .map(|line| format!("{} {} {}", text(&line["issuer"]), text(&line["acceptor"]), line["points"]))
        .collect();
    assert_eq!(lines, ["merchant/m1 m2 100", "merchant/m3 m2 50"]);
    assert_eq!(parties(&told), "", "no contract says what they cost");
    town.replay("l.db");
}

#[test]
fn a_settlement_is_made_by_settling() {
    let town = town(150, CONTRACTS);
    let event = json!({"specversion": "1.0", "id": "1", "source": "/app", "type": "jifen.settlement.closed",
        "time": "2026-01-01T00:00:00+08:00", "data": {"through": 7}});
    let done = town.run("l.db", &[event], &[]);
    assert!(done.code == Some(3) && done.err.contains("is made by `jifen settle`"), "{done:?}");
    let program = town.read("program.toml");
    for (from, to, complaint) in [
        (
            "issuer = \"m1\"",
            "issuer = \"m9\"",
            "contract[0].issuer: there is no [[merchant]] with the id \"m9\"",
        ),
        ("\"CNY\"", "\"yuan\"", "contract[0].currency: \"yuan\" is no currency"),
        ("\"0.8\"", "\"0,8\"", "contract[0].accrual"),
        (
            "breakage",
            "acceptors = { m8 = \"1\" }\nbreakage",
            "contract[0].acceptors: there is no [[merchant]]",
        ),
    ] {
        town.write("program.toml", program.replace(from, to));
        let done = town.run("l.db", &[buy("1", "m1", "2026-01-01", 1)], &[]);
        assert!(done.code == Some(2) && done.err.contains(complaint), "{to}: {done:?}");
    }
}
