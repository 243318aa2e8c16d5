//! Refunds through the command line: what a purchase would have earned on what remains of it, whatever the order of
//! arrival, the batch, the threads and the program of today.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::town::{Town, market, objects, purchase, text};

const NOON: &str = "2025-07-25T12:00:00+08:00";
const LATER: &str = "2025-08-01T12:00:00+08:00";

/// Returns a refund of all that remains, or of a part of the only line.
pub(crate) fn refund(id: &str, order: &str, amount: Option<u64>) -> Value {
    let lines = amount.map(|amount| json!([{"sku": "rice", "quantity": 0, "amount": amount}]));
    let mut data = json!({"order": order});
    if let Some(lines) = lines {
        data["lines"] = lines;
    }
    json!({"specversion": "1.0", "id": id, "source": "/merchants/shop", "type": "jifen.purchase.refunded",
        "time": LATER, "data": data})
}

/// Returns a market's purchases and refunds of every third of them, in a fixed disorder: some come before their purchase,
/// some in parts, some for all that remains; a few parts come after all of it and are refused.
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of a test")]
fn market_with_refunds(purchases: u64, members: u64) -> Vec<Value> {
    let mut events = market(purchases, members);
    for n in (0..purchases).step_by(3) {
        let order = format!("e{n}");
        let parts: &[Option<u64>] = match n % 5 {
            0 => &[Some(40), Some(59)],
            1 => &[Some(7), None],
            _ => &[None],
        };
        for (part, amount) in parts.iter().enumerate() {
            let refund = refund(&format!("r{n}.{part}"), &order, *amount);
            let len = u64::try_from(events.len()).expect("few events");
            let place = (n * 61 + 17 * u64::try_from(part).expect("few parts")) % len;
            events.insert(usize::try_from(place).expect("it is one of them"), refund);
        }
    }
    events
}

/// Returns what members have where a point is given for each yuan, worked out from the events alone.
#[expect(clippy::arithmetic_side_effects, clippy::integer_division, reason = "small numbers of a test")]
fn spend(events: &[Value]) -> String {
    let mut remaining = BTreeMap::<&str, (&str, u64)>::new();
    for event in events.iter().filter(|event| event["type"] == "jifen.purchase.completed") {
        let data = &event["data"];
        let amount = data["lines"][0]["amount"].as_u64().expect("an amount");
        remaining.insert(text(&data["order"]), (text(&data["member"]), amount));
    }
    for event in events.iter().filter(|event| event["type"] == "jifen.purchase.refunded") {
        let data = &event["data"];
        let (_, amount) = remaining.get_mut(text(&data["order"])).expect("it was bought");
        *amount -= data["lines"][0]["amount"].as_u64().unwrap_or(*amount).min(*amount);
    }
    let mut members = BTreeMap::<&str, u64>::new();
    for (member, amount) in remaining.into_values() {
        *members.entry(member).or_default() += amount / 100;
    }
    members.iter().map(|(member, points)| format!("{member} {points}")).collect::<Vec<_>>().join(", ")
}

#[test]
fn what_remains_is_what_it_would_have_earned() {
    let town = Town::new();
    town.program(&[("spend", "spend", "base", "")]);
    let events = market_with_refunds(2_000, 40);
    let mut applied = None;
    for _ in 0..2 {
        let summary = town.run("l.db", &events, &["--json"]).json();
        assert_eq!(town.balances("l.db"), spend(&events));
        applied = applied.or(summary["applied"].as_u64());
    }
    assert_eq!(Some(town.replay("l.db")), applied);
}

#[test]
fn the_result_does_not_depend_on_threads_or_batches() {
    let town = Town::new();
    town.program(&[
        ("spend", "spend", "base", "cap = { per_member_per_day = 60, per_member_per_month = 300 }"),
        ("count", "counting", "base", "budget = 700"),
        ("double", "doubling", "bonus", "on_refund = 'proportional'"),
    ]);
    let events = market_with_refunds(600, 12);
    let receipts = ["1", "8"].map(|threads| {
        let file = format!("{threads}.jsonl");
        town.run(&format!("{threads}.db"), &events, &["--threads", threads, "--receipts", &file]);
        town.read(&file)
    });
    assert!(receipts[0] == receipts[1]);
    for part in events.chunks(7) {
        town.run("parts.db", part, &[]);
    }
    assert_eq!(town.balances("parts.db"), town.balances("8.db"));
    assert_eq!(town.replay("8.db"), town.replay("parts.db"));
}

/// E13: bought under one program, returned under another.
#[test]
fn the_program_of_the_purchase_decides() {
    let town = Town::new();
    town.program(&[("spend", "spend", "base", "")]);
    town.summary("l.db", &[purchase("1", "ann", NOON, 10_000), purchase("2", "ann", NOON, 10_000)]);
    town.program(&[("spend", "spend", "base", ""), ("double", "doubling", "bonus", "")]);
    town.summary("l.db", &[refund("r1", "1", None), purchase("3", "ann", NOON, 5_000)]);
    assert_eq!(town.balances("l.db"), "ann 200");
    town.summary("l.db", &[refund("r3", "3", Some(2_000)), refund("r2", "2", Some(5_000))]);
    assert_eq!(town.balances("l.db"), "ann 110");
    assert_eq!(town.replay("l.db"), 6);
}

/// E10 among them: the same refund twice, and another for more than is left.
#[test]
fn what_cannot_be_returned_is_refused_by_name() {
    let town = Town::new();
    town.program(&[("spend", "spend", "base", "")]);
    let mut elsewhere = purchase("1", "bob", NOON, 3_000);
    elsewhere["id"] = json!("1-again");
    let mut other_article = refund("r-other", "1", Some(1));
    other_article["data"]["lines"][0]["sku"] = json!("wine");
    let mut other_body = refund("r-part", "1", Some(2_000));
    other_body["data"]["cause"] = json!("merchant");
    let rows = [
        (refund("r-part", "1", Some(2_000)), None),
        (refund("r-part", "1", Some(2_000)), None),
        (other_body, Some("data.cause: conflict")),
        (refund("r-much", "1", Some(8_001)), Some("data.lines[0].amount: over_refund: returns 1 more")),
        (other_article, Some("data.lines[0].amount: over_refund")),
        (elsewhere, Some("data.order: \"1\" was completed by event 1 of /merchants/shop already")),
        (refund("r-rest", "1", None), None),
        (refund("r-again", "1", Some(1)), Some("data.lines[0].amount: over_refund: returns 1 more")),
    ];
    let mut events = vec![purchase("1", "ann", NOON, 10_000)];
    events.extend(rows.iter().map(|(event, _)| event.clone()));
    let done = town.run("l.db", &events, &["--json", "--receipts", "r.jsonl"]);
    let refused = rows.iter().filter(|(_, refused)| refused.is_some()).count();
    assert_eq!((done.code, &done.json()["refused"]), (Some(3), &json!(refused)), "{done:?}");
    for (index, (event, refused)) in rows.iter().enumerate() {
        let told = done.err.lines().find(|line| line.contains(&format!("line {}: ", index + 2)));
        match refused {
            Some(reason) => assert!(told.is_some_and(|told| told.contains(reason)), "{event}: {told:?}"),
            None => assert_eq!(told, None, "{event}"),
        }
    }
    assert_eq!(town.balances("l.db"), "ann 0");
    assert_eq!(town.replay("l.db"), 3);
}

#[test]
fn a_member_is_told_what_was_taken_back_and_why() {
    let town = Town::new();
    town.program(&[("spend", "spend", "base", "")]);
    town.summary("l.db", &[refund("early", "2", Some(100)), purchase("1", "ann", NOON, 10_000)]);
    town.summary("l.db", &[refund("r1", "1", Some(4_000)), purchase("2", "ann", NOON, 300)]);

    let told = |arguments: &[&str]| town.done(arguments).out;
    let statement = told(&["statement", "--ledger", "l.db", "ann"]);
    assert!(statement.contains("clawback -40 points"), "{statement}");
    let why = told(&["why", "--ledger", "l.db", "/merchants/shop", "r1"]);
    for words in
        ["returned 1 lines for 40.00 of order 1", "40 points taken back from ann", "comes to 60 points"]
    {
        assert!(why.contains(words), "{words}: {why}");
    }
    let why = told(&["why", "--ledger", "l.db", "/merchants/shop", "2"]);
    assert!(why.contains("that had waited: early of /merchants/shop"), "{why}");
    let why = told(&["why", "--ledger", "l.db", "/merchants/shop", "early"]);
    assert!(why.contains("waits for the purchase"), "{why}");

    // As of then, nothing had been returned yet.
    let then = told(&["balance", "--ledger", "l.db", "--json", "--at", "2025-07-26T00:00:00+08:00"]);
    assert!(then.contains("\"available\":102"), "{then}");
    assert_eq!(town.balances("l.db"), "ann 62");

    let summary = town.run("l.db", &[purchase("3", "ann", NOON, 100)], &["--receipts", "r.jsonl"]);
    let [receipt] = &*objects(&town.path("r.jsonl")) else { panic!("one event, one line: {summary:?}") };
    assert_eq!(receipt.get("refund"), None, "a purchase has nothing to do with refunds of others");
}

#[test]
fn replay_finds_an_order_that_was_changed() {
    let town = Town::new();
    town.program(&[("spend", "spend", "base", "")]);
    let events =
        [purchase("1", "ann", NOON, 10_000), refund("r1", "1", Some(4_000)), refund("r2", "1", None)];
    let rows = [
        ("UPDATE postings SET points = points - 1 WHERE seq = 2", "receipt 2: differs in the postings"),
        // What a lot had is told; what came out of it is derived.
        (
            "UPDATE transactions SET receipt = CAST(replace(CAST(receipt AS TEXT), '\"points\":40', '\"points\":41') AS BLOB) WHERE seq = 2",
            "receipt 2: differs in the receipt: postings[1].points",
        ),
        (
            "UPDATE transactions SET event = CAST(replace(CAST(event AS TEXT), '10000', '3000') AS BLOB) WHERE seq = 1",
            "receipt 2: differs in data.lines[0].amount: over_refund",
        ),
        (
            "UPDATE transactions SET order_number = 'lost' WHERE seq = 1",
            "receipt 2: differs in data.order: its purchase, 1 of /merchants/shop, is not in the ledger",
        ),
        (
            "UPDATE transactions SET event = CAST('{}' AS BLOB) WHERE seq = 1",
            "receipt 2: differs in data.order: the ledger's entries of this order are damaged",
        ),
    ];
    for (n, (change, difference)) in rows.into_iter().enumerate() {
        let file = format!("{n}.db");
        let name = format!("sqlite:{file}");
        town.summary(&name, &events);
        let ledger = rusqlite::Connection::open(town.path(&file)).expect("it is a ledger");
        assert!(ledger.execute(change, []).expect("it can be changed") >= 1, "{change}");
        drop(ledger);
        let done = town.done(&["audit", "replay", "--ledger", &name, "--json"]);
        assert_eq!(done.code, Some(1), "{change}: {done:?}");
        assert!(done.err.contains(difference), "expected {difference}, got {}", done.err);
    }
}

#[test]
fn as_many_refunds_as_purchases_fit_in_a_batch() {
    let town = Town::new();
    town.program(&[("spend", "spend", "base", "")]);
    let bought_and_returned = |n: u64| {
        let (id, member) = (format!("p{n}"), format!("m{}", n % 7));
        [purchase(&id, &member, NOON, 300), refund(&format!("r{n}"), &id, Some(100))]
    };
    let events: Vec<_> = (0..1_050).flat_map(bought_and_returned).collect();
    let summary = town.summary("l.db", &events);
    assert_eq!(summary["applied"], json!(2_100));
    assert_eq!(town.balances("l.db"), (0..7).map(|m| format!("m{m} 300")).collect::<Vec<_>>().join(", "));
}

/// Two shops may number alike; a refund is of the order of its sender, and only that order's points are its own.
#[test]
fn two_merchants_may_have_an_order_of_one_number() {
    let town = Town::new();
    town.program(&[("spend", "spend", "base", "")]);
    let program = town.read("program.toml");
    town.write("program.toml", program.replacen("[[lane]]", "[[merchant]]\nid = 'kiosk'\n\n[[lane]]", 1));
    let at_kiosk = |mut event: Value| {
        event["source"] = json!("/merchants/kiosk");
        if event["data"]["merchant"] == "shop" {
            event["data"]["merchant"] = json!("kiosk");
        }
        event
    };
    let elsewhere = |mut event: Value| {
        event["source"] = json!("/returns");
        event
    };
    let events = [
        purchase("1", "ann", NOON, 10_000),
        at_kiosk(purchase("1", "ann", NOON, 5_000)),
        at_kiosk(refund("r1", "1", Some(2_000))),
        elsewhere(refund("r2", "1", Some(1_000))),
        refund("r3", "1", Some(4_000)),
    ];
    let done = town.run("l.db", &events, &["--json"]);
    assert_eq!((done.code, &done.json()["refused"]), (Some(3), &json!(1)), "{done:?}");
    assert!(done.err.contains("line 4: data.order: ambiguous_order: 2 purchases"), "{done:?}");
    assert_eq!(town.balances("l.db"), "ann 90");
    assert_eq!(town.replay("l.db"), 4);
}
