//! Interop (通兑) and clearing through the command line: points of one merchant used at another, and what that comes to; and
//! points that merchants pay for in advance.

use std::process::Stdio;

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
    let receipt = town.done(&["why", "--ledger", "l.db", "--json", "/jifen/settle", "through-3"]).out;
    assert!(!receipt.contains("prepaid") && !receipt.contains("block"), "{receipt}");

    let back = json!({"points": 100, "cause": "member"});
    town.summary("l.db", &[step("r1", "cancelled", "2026-01-03", back)]);
    assert_eq!(parties(&settle(&town, &[])), "pool 70, merchant/m2 -70");

    let close = json!({"specversion": "1.0", "id": "c", "source": "/clock", "type": "jifen.day.closed",
        "time": "2026-03-02T00:00:00+08:00", "data": {"day": "2026-03-01"}});
    town.summary("l.db", &[close]);
    assert_eq!(parties(&settle(&town, &[])), "pool -200, merchant/m1 200", "G2: 500 points lapsed");
    assert_eq!(town.replay("l.db"), 9);
}

/// Points that merchants pay for in advance, row by row: `block ID DAY POINTS FEN`, `buy ID DAY YUAN`, `return ID DAY`, `use
/// NAME DAY` at m2, and `settle`. Points are a purchase's yuan and m1's, at 0.8 fen each until July and 1 fen from then on.
/// Behind `->` stands what is billed for awards as `POINTS -PREPAID = FEN`, what is left of each block, and what parties get.
const BLOCKS: &[(&str, &[&str])] = &[
    (
        "what a block does not cover is billed: 400 at 0.8",
        &[
            "block b1 2026-01-01 600 450",
            "buy 1 2026-01-02 1000",
            "settle -> 1000 -600 = 320; b1 0; pool 320, merchant/m1 -320",
            "buy 2 2026-01-03 100",
            "settle -> 100 = 80; pool 80, merchant/m1 -80",
        ],
    ),
    (
        "the oldest block first, and what is left stays",
        &[
            "block b1 2026-01-01 300 210",
            "block b2 2026-01-01 500 400",
            "buy 1 2026-01-02 600",
            "settle -> 600 -600 = 0; b1 0, b2 200; pool 0, merchant/m1 0",
            "buy 2 2026-01-03 50",
            "settle -> 50 -50 = 0; b2 150; pool 0, merchant/m1 0",
        ],
    ),
    (
        "what is taken back goes into the newest block that gave, as far as it gave: of 450, 150 and then 300",
        &[
            "block b1 2026-01-01 300 210",
            "block b2 2026-01-01 500 400",
            "buy 1 2026-01-02 450",
            "buy 2 2026-01-02 150",
            "settle -> 600 -600 = 0; b1 0, b2 200; pool 0, merchant/m1 0",
            "return 2 2026-01-03",
            "settle -> -150 --150 = 0; b2 350; pool 0, merchant/m1 0",
            "return 1 2026-01-03",
            "settle -> -450 --450 = 0; b1 300, b2 500; pool 0, merchant/m1 0",
        ],
    ),
    (
        "no block gets back more than it gave: of 150, 100, and 50 at 0.8 are money",
        &[
            "block b1 2026-01-01 100 70",
            "buy 1 2026-01-02 150",
            "settle -> 150 -100 = 40; b1 0; pool 40, merchant/m1 -40",
            "block b2 2026-01-02 1000 700",
            "return 1 2026-01-03",
            "settle -> -150 --100 = -40; b1 100, b2 1000; pool -40, merchant/m1 40",
            "buy 2 2026-01-04 120",
            "settle -> 120 -120 = 0; b1 0, b2 980; pool 0, merchant/m1 0",
        ],
    ),
    (
        "what was awarded and taken back since is netted first: 70",
        &[
            "block b1 2026-01-01 100 70",
            "buy 1 2026-01-02 80",
            "buy 2 2026-01-02 70",
            "return 1 2026-01-03",
            "settle -> 70 -70 = 0; b1 30; pool 0, merchant/m1 0",
        ],
    ),
    (
        "of two rates, the lower first: 80 at 0.8, 20 of 60 at 1, and 40 at 1 are billed",
        &[
            "block b1 2026-01-01 100 70",
            "buy 1 2026-01-02 80",
            "buy 2 2026-07-02 60",
            "settle -> 80 -80 = 0, 60 -20 = 40; b1 0; pool 40, merchant/m1 -40",
        ],
    ),
    (
        "a block does not reach back behind a settlement",
        &[
            "buy 1 2026-01-02 100",
            "settle -> 100 = 80; pool 80, merchant/m1 -80",
            "block b1 2026-01-01 600 450",
            "settle -> nothing",
            "buy 2 2026-01-02 100",
            "settle -> 100 -100 = 0; b1 500; pool 0, merchant/m1 0",
        ],
    ),
    (
        "A19 paid in advance: who takes points is paid all the same, and the pool has 800 - 420",
        &[
            "block b1 2026-01-01 1000 800",
            "buy 1 2026-01-01 1000",
            "use r1 2026-01-02",
            "settle -> 1000 -1000 = 0; b1 0; pool -420, merchant/m1 0, merchant/m2 420",
        ],
    ),
];

const LATER: &str =
    "\n[[contract]]\nissuer = \"m1\"\nunit = \"points\"\ncurrency = \"CNY\"\naccrual = \"1\"\n";

fn block(id: &str, day: &str, points: u64, fen: u64) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/pool", "type": "jifen.block.purchased",
        "time": format!("{day}T09:00:00+08:00"),
        "data": {"merchant": "m1", "unit": "points", "points": points, "currency": "CNY", "amount": fen}})
}

/// Returns what a settlement came to, as rows of [`BLOCKS`] say it.
fn settled(told: &Value) -> String {
    if told["settled"] == false {
        return "nothing".to_owned();
    }
    let each = |list: &str, words: &dyn Fn(&Value) -> String| {
        let list = told[list].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().map(words).filter(|words| !words.is_empty()).collect::<Vec<_>>().join(", ")
    };
    let lines = each("lines", &|line| match (text(&line["reason"]), &line["prepaid"]) {
        ("accrual", Value::Null) => format!("{} = {}", line["points"], line["amount"]),
        ("accrual", prepaid) => format!("{} -{prepaid} = {}", line["points"], line["amount"]),
        _ => String::new(),
    });
    let blocks = each("blocks", &|block| format!("{} {}", text(&block["id"]), block["left"]));
    let parts = [lines, blocks, parties(told)];
    parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join("; ")
}

/// Buys a block; at that step, too, what parties get sums to zero.
fn buy_block(town: &Town, event: &Value) {
    town.summary("l.db", std::slice::from_ref(event));
    let told = town.done(&["why", "--ledger", "l.db", "--json", text(&event["source"]), text(&event["id"])]);
    let amount = event["data"]["amount"].as_i64().expect("an amount");
    assert_eq!(parties(&told.json()["block"]), format!("pool {amount}, merchant/m1 -{amount}"));
}

#[test]
fn blocks_pay_for_what_is_awarded_as_far_as_they_go() {
    let contracts =
        CONTRACTS.replace("currency =", "until = \"2026-07-01T00:00:00+08:00\"\ncurrency =") + LATER;
    for (about, rows) in BLOCKS {
        let town = town(600, &contracts);
        for row in *rows {
            let (asked, expected) = row.split_once(" -> ").unwrap_or((row, ""));
            let number = |text: &str| text.parse::<u64>().expect("a number");
            match asked.split(' ').collect::<Vec<_>>().as_slice() {
                ["block", id, day, points, fen] => {
                    buy_block(&town, &block(id, day, number(points), number(fen)));
                }
                ["buy", id, day, yuan] => drop(town.summary("l.db", &[buy(id, "m1", day, number(yuan))])),
                ["return", id, day] => {
                    let mut event =
                        purchase(&format!("back {id}"), "ann", &format!("{day}T12:00:00+08:00"), 1);
                    event["type"] = json!("jifen.purchase.refunded");
                    event["data"] = json!({"order": id});
                    town.summary("l.db", &[event]);
                }
                ["use", name, day] => drop(town.summary("l.db", &spend_at(name, "m2", day))),
                ["settle"] => assert_eq!(settled(&settle(&town, &[])), expected, "{about}: {row}"),
                _ => panic!("no such row: {row}"),
            }
        }
        town.replay("l.db");
    }
}

#[test]
fn a_statement_says_what_was_paid_in_advance_and_what_is_left() {
    let town = town(600, CONTRACTS);
    buy_block(&town, &block("b1", "2026-01-01", 600, 450));
    town.summary("l.db", &[buy("1", "m1", "2026-01-02", 1_000)]);
    settle(&town, &[]);
    town.summary("l.db", &[buy("2", "m1", "2026-02-02", 10)]);
    buy_block(&town, &block("b2", "2026-02-03", 500, 400));
    let statement = |arguments: &[&str]| {
        let done = town
            .done(&[&["statement", "--ledger", "l.db", "--json", "--merchant", "m1"], arguments].concat());
        assert_eq!(done.code, Some(0), "{done:?}");
        settled(&done.json())
    };
    // 450 and 400 for blocks, 400 at 0.8, and 10 at 0.8 that no settlement has come to.
    assert_eq!(statement(&[]), "1010 -600 = 328; b1 0, b2 500; pool 1178, merchant/m1 -1178");
    assert_eq!(
        statement(&["--until", "2026-02-01T00:00:00+08:00"]),
        "1000 -600 = 320; b1 0; pool 770, merchant/m1 -770"
    );
    assert_eq!(
        statement(&["--from", "2026-02-01T00:00:00+08:00"]),
        "10 = 8; b1 0, b2 500; pool 408, merchant/m1 -408"
    );
    let words = town.done(&["statement", "--ledger", "l.db", "--merchant", "m1"]).out;
    assert!(words.contains("(600 prepaid) at 0.8 each: 3.28 CNY"), "{words}");
    assert!(
        words.contains("block b2 of /pool: 500 left of 500 points of m1, bought for 4.00 CNY"),
        "{words}"
    );
    let why = town.done(&["why", "--ledger", "l.db", "/jifen/settle", "through-2"]).out;
    assert!(why.contains("block      b1 of /pool: 600 taken, 0 left of 600 points"), "{why}");
}

#[test]
fn a_block_is_bought_once_of_what_there_is() {
    let town = town(600, CONTRACTS);
    buy_block(&town, &block("b1", "2026-01-01", 600, 450));
    let again = town.run("l.db", &[block("b1", "2026-01-01", 600, 450)], &["--json"]);
    assert_eq!(again.json()["duplicate"], 1, "{again:?}");
    for (field, value, complaint) in [
        ("points", json!(700), "data.points: conflict: another event"),
        ("points", json!(0), "data.points: is 0; write 1 to"),
        (
            "points",
            json!(-5),
            "data.points: invalid value: integer `-5`, expected u64; amounts are never negative",
        ),
        (
            "amount",
            json!(-5),
            "data.amount: invalid value: integer `-5`, expected u64; amounts are never negative",
        ),
        (
            "amount",
            json!(4.5),
            "data.amount: invalid type: floating point `4.5`, expected u64; amounts are integers",
        ),
        ("amount", json!("450"), "data.amount: invalid type: string \"450\", expected u64"),
        (
            "merchant",
            json!("m9"),
            "data.merchant: \"m9\" is not a merchant of the program; add a [[merchant]]",
        ),
        ("merchant", json!("m2"), "data.unit: no [[contract]] bills m2 for points at this time"),
        ("unit", json!("gold"), "data.unit: gold is not a unit of the program"),
        ("currency", json!("USD"), "data.currency: is USD, and m1 is billed for points in CNY; write CNY"),
        ("currency", json!("yuan"), "data.currency: must be three capital letters"),
    ] {
        let mut event = block("b1", "2026-01-01", 600, 450);
        event["data"][field] = value;
        if !complaint.contains("conflict") {
            event["id"] = json!("b2");
        }
        let done = town.run("l.db", &[event], &[]);
        assert!(done.code == Some(3) && done.err.contains(complaint), "{complaint}: {done:?}");
    }
    assert_eq!(town.replay("l.db"), 1);
}

/// Of settlements at once, one has the postings, and takes of the block once.
#[test]
fn a_block_is_drawn_on_once() {
    let town = town(600, CONTRACTS);
    buy_block(&town, &block("b1", "2026-01-01", 600, 450));
    town.summary("l.db", &[buy("1", "m1", "2026-01-02", 400)]);
    let start = |_| {
        let mut jifen = town.jifen(&["settle", "--ledger", "l.db", "--json"]);
        jifen.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("jifen starts")
    };
    let running: Vec<_> = (0..8).map(start).collect();
    let mut won = 0_usize;
    for done in running.into_iter().map(|jifen| jifen.wait_with_output().expect("jifen ends")) {
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        match done.status.code() {
            Some(0) if out.contains("\"settled\":true") => won = won.saturating_add(1),
            Some(0) => assert!(out.contains("\"lines\":[]"), "{out}"),
            code => {
                assert!(code == Some(2) && err.contains("another settlement came first"), "{code:?} {err}");
            }
        }
    }
    assert_eq!(won, 1);
    let done = town.done(&["statement", "--ledger", "l.db", "--json", "--merchant", "m1"]);
    assert_eq!(settled(&done.json()), "400 -400 = 0; b1 200; pool 450, merchant/m1 -450");
    town.replay("l.db");
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
    assert_eq!(town.change_program("apply", "program.toml", &[]).code, Some(0));
    let host = town.host();
    for (merchant, query, told) in [
        ("m1", "", "pool 800, merchant/m1 -800"),
        ("m2", "?until=2026-02-01T00:00:00%2B08:00", ""),
        ("m2", "?from=2026-02-01T00:00:00%2B08:00", "pool -420, merchant/m2 420"),
        ("m3", "", ""),
    ] {
        let answer = host.get(&format!("/v1/merchants/{merchant}/statement{query}"));
        assert!(answer.status == 200 && !answer.text.contains("ann"), "{answer:?}");
        assert_eq!(
            (parties(&answer.json()), &answer.json()["merchant"]),
            (told.to_owned(), &json!(merchant))
        );
    }
    for (path, status) in
        [("m33/statement", 404), ("m1/statement?from=soon", 400), ("m1/statement?to=x", 400)]
    {
        assert_eq!(host.get(&format!("/v1/merchants/{path}")).status, status, "{path}");
    }
    let misspelt = town.done(&["statement", "--ledger", "l.db", "--merchant", "m33"]);
    let told = "the ledger has nothing of m33, and its program no such merchant";
    assert!(misspelt.code == Some(2) && misspelt.err.contains(told), "{misspelt:?}");
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
