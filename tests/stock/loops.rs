//! C18: no cycle of buying, gift cards, paying with points and returning yields points from nothing. With a point for each
//! yuan, and a yuan for each point, nobody ever has more points than yuan that were paid in cash; and when all is returned,
//! nobody has any.

#![expect(clippy::arithmetic_side_effects, clippy::integer_division, reason = "small numbers of a test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::{components, jifen_in, new_ledger, run};

const SEEDS: u64 = 30;
const STEPS: u64 = 60;

const PROGRAM: &str = "[program]\nname = 's'\ntimezone = 'Asia/Shanghai'\n[[unit]]\nid = 'points'\n\
    [[merchant]]\nid = 'shop'\n[[lane]]\nid = 'base'\n\
    [[deployment]]\nid = 'spend'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { points = '1', per = 100, exclude_categories = ['gift-card'] }\n\
    [[redemption]]\nid = 'deduction'\npolicy = 'deduction'\nunit = 'points'\nparameters = { points = 1, per = 100 }\n";

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("C18 no cycle yields points from nothing", play).with_kind("scenario")]
}

fn play() -> Result<(), Failed> {
    let mut paid_in_points = 0;
    for seed in 0..SEEDS {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("program.toml"), PROGRAM)?;
        let (folder, ledger) = (folder.path(), new_ledger());
        let events = events(seed);
        let applied = apply(folder, &ledger, &events)?;
        paid_in_points += applied.iter().filter(|event| paid(event, "points") > 0).count();
        let mut cash = BTreeMap::<String, i64>::new();
        let (returns, purchases): (Vec<_>, Vec<_>) =
            applied.iter().partition(|event| event["type"] == "jifen.purchase.refunded");
        let orders: BTreeMap<_, _> = purchases.iter().map(|event| (order(event), *event)).collect();
        for event in purchases {
            *cash.entry(member(event)).or_default() += paid(event, "cash");
        }
        for event in returns.iter().filter_map(|event| orders.get(&order(event))) {
            *cash.entry(member(event)).or_default() -= paid(event, "cash");
        }
        for (who, points) in points(folder, &ledger) {
            let yuan = cash[&who] / 100;
            if points > yuan {
                return Err(format!("seed {seed}: {who} has {points} points for {yuan} yuan").into());
            }
        }
        let all: Vec<Value> = (0..).zip(orders.keys()).map(|(n, order)| returned(STEPS + n, order)).collect();
        apply(folder, &ledger, &all)?;
        if let Some((who, points)) = points(folder, &ledger).into_iter().find(|(_, points)| *points > 0) {
            return Err(format!("seed {seed}: {who} has {points} points for nothing").into());
        }
        run(&mut jifen_in(folder, &["audit", "replay", "--ledger", &ledger]));
    }
    if paid_in_points < 50 {
        return Err(format!("only {paid_in_points} purchases were paid in points").into());
    }
    Ok(())
}

/// Returns what two members do, in the order of time.
fn events(seed: u64) -> Vec<Value> {
    let mut dice = Dice(seed);
    let mut roll = |sides| dice.roll(sides);
    let mut on_card = [0, 0];
    let mut events = Vec::new();
    for n in 0..STEPS {
        let who = usize::from(roll(2) == 1);
        let (member, yuan) = (["ann", "bob"][who], 1 + roll(90));
        match roll(5) {
            0 => events.push(bought(n, member, "goods", &[("cash", yuan)])),
            1 => {
                on_card[who] += yuan;
                events.push(bought(n, member, "gift-card", &[("cash", yuan)]));
            }
            2 if on_card[who] >= yuan => {
                on_card[who] -= yuan;
                events.push(bought(n, member, "goods", &[("gift-card", yuan), ("cash", roll(20))]));
            }
            3 => events.push(returned(n, &roll(n + 1).to_string())),
            _ => {
                let redemption = format!("r{n}");
                let request = json!({"redemption": redemption, "member": member, "merchant": "shop", "currency": "CNY",
                    "points": yuan, "lines": [line("goods", yuan + 10)]});
                events.push(event(n, "jifen.redemption.requested", &format!("{n}-ask"), request));
                let capture = json!({"redemption": redemption});
                events.push(event(n, "jifen.redemption.captured", &format!("{n}-use"), capture));
                events.push(bought(n, member, "goods", &[("points", yuan), ("cash", 10)]));
            }
        }
    }
    events
}

fn event(minute: u64, kind: &str, id: &str, data: Value) -> Value {
    let time = format!("2026-03-01T{:02}:{:02}:00+08:00", 8 + minute / 60, minute % 60);
    json!({"specversion": "1.0", "id": id, "source": "/shop", "type": kind, "time": time, "data": data})
}

fn line(category: &str, yuan: u64) -> Value {
    json!({"sku": "a", "category": category, "quantity": 1, "amount": yuan * 100})
}

fn bought(n: u64, member: &str, category: &str, tenders: &[(&str, u64)]) -> Value {
    let total = tenders.iter().map(|(_, yuan)| yuan).sum();
    let tender = |(kind, yuan): &(&str, u64)| {
        let mut tender = json!({"kind": kind, "amount": yuan * 100});
        if *kind == "points" {
            tender["redemption"] = json!(format!("r{n}"));
        }
        tender
    };
    let tenders: Vec<Value> = tenders.iter().map(tender).collect();
    let data = json!({"order": n.to_string(), "member": member, "merchant": "shop", "currency": "CNY",
        "lines": [line(category, total)], "tenders": tenders});
    event(n, "jifen.purchase.completed", &n.to_string(), data)
}

fn returned(n: u64, order: &str) -> Value {
    event(n, "jifen.purchase.refunded", &format!("{n}-return"), json!({"order": order}))
}

/// Runs events, some of which are refused, and returns the purchases and returns that were applied.
fn apply(folder: &Path, ledger: &str, events: &[Value]) -> Result<Vec<Value>, Failed> {
    fs::write(
        folder.join("events.jsonl"),
        events.iter().map(|event| format!("{event}\n")).collect::<String>(),
    )?;
    let mut jifen = jifen_in(
        folder,
        &["run", "--program", "program.toml", "--ledger", ledger, "--receipts", "r.jsonl", "--policies"],
    );
    let output = jifen.arg(components()).arg("events.jsonl").output()?;
    if !matches!(output.status.code(), Some(0 | 3)) {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let receipts = fs::read_to_string(folder.join("r.jsonl"))?;
    let applied = receipts.lines().zip(events).filter(|(receipt, event)| {
        let receipt: Value = serde_json::from_str(receipt).expect("a line is an object");
        assert_eq!(receipt["id"], event["id"], "a line for each event");
        receipt["outcome"] == "applied" && !order(event).is_empty()
    });
    Ok(applied.map(|(_, event)| event.clone()).collect())
}

/// Returns what members have less what they owe.
fn points(folder: &Path, ledger: &str) -> Vec<(String, i64)> {
    let balances = run(&mut jifen_in(folder, &["balance", "--json", "--ledger", ledger]));
    let of = |line: &str| {
        let balance: Value = serde_json::from_str(line).expect("a line is an object");
        let points = |field: &str| balance[field].as_i64().expect("a number of points");
        (text(&balance["member"]), points("available") + points("held") - points("debt"))
    };
    balances.lines().map(of).collect()
}

/// Returns an event's order; empty for none.
fn order(event: &Value) -> String {
    event["data"]["order"].as_str().unwrap_or_default().to_owned()
}

fn member(event: &Value) -> String {
    text(&event["data"]["member"])
}

fn text(value: &Value) -> String {
    value.as_str().expect("it is a name").to_owned()
}

/// Returns what of a purchase was paid so, in fen.
fn paid(event: &Value, kind: &str) -> i64 {
    let tenders = event["data"]["tenders"].as_array().into_iter().flatten();
    tenders.filter(|tender| tender["kind"] == kind).filter_map(|tender| tender["amount"].as_i64()).sum()
}
