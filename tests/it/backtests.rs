//! Back-tests: what another program would have awarded on real history (F12).

use std::io::Write as _;

use serde_json::{Value, json};

use crate::mixed;
use crate::service::Answer;
use crate::town::{Town, market, purchase, registration, text, until};

const MORNING: &str = "2026-11-02T09:00:00+08:00";
const NOON: &str = "2026-11-02T12:00:00+08:00";
const LATER: &str = "2026-11-20T12:00:00+08:00";

/// A history: ann and ben bought under one point a yuan, and ann again under two points a purchase.
fn town() -> Town {
    let town = Town::new();
    town.program(&[("rate", "spend", "base", "")]);
    town.summary(
        "l.db",
        &[
            registration("0", "ann", MORNING),
            purchase("a", "ann", NOON, 10_000),
            purchase("b", "ben", NOON, 6_850),
        ],
    );
    town.program(&[("rate", "flat", "base", "parameters = { points = 2 }")]);
    town.summary("l.db", &[purchase("c", "ann", LATER, 10_000)]);
    town
}

/// Decides a ledger's history again with the town's program beside, and returns the report.
pub(crate) fn backtest(town: &Town, more: &[&str]) -> Value {
    let command =
        ["backtest", "--ledger", "l.db", "--program", "program.toml", "--policies", "policies", "--json"];
    let done = town.done(&[&command, more].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    done.json()
}

fn points(was: u64, would_be: u64) -> Value {
    json!([{"unit": "points", "was": was, "would_be": would_be}])
}

#[test]
fn history_is_decided_again_by_a_candidate_and_stays_as_it_was() {
    let town = town();
    let head = || town.done(&["audit", "head", "--ledger", "l.db"]).out;
    let before = (head(), town.log("l.db"));
    // F12: what is worth 100 under the first rule is worth 200 under the second.
    town.program(&[("rate", "spend", "base", ""), ("double", "doubling", "bonus", "")]);
    let report = backtest(&town, &[]);
    assert_eq!((&report["events"], &report["differ"], &report["refused"]), (&json!(4), &json!(0), &json!(0)));
    assert_eq!(report["units"], points(170, 536));
    assert_eq!(
        report["deployments"],
        json!([
            {"of": "double", "unit": "points", "was": 0, "would_be": 268},
            {"of": "rate", "unit": "points", "was": 170, "would_be": 268},
        ])
    );
    assert_eq!(
        report["days"],
        json!([
            {"of": "2026-11-02", "unit": "points", "was": 168, "would_be": 336},
            {"of": "2026-11-20", "unit": "points", "was": 2, "would_be": 200},
        ])
    );
    assert_eq!(report["merchants"][0]["of"], "shop");
    assert_eq!(report["regions"][0]["of"], "cn/town");
    assert_eq!((&report["gain"], &report["lose"], &report["losers"]), (&json!(2), &json!(0), &json!([])));
    assert_eq!((head(), town.log("l.db")), before);
}

#[test]
fn who_would_have_less_is_named_with_where() {
    let town = town();
    town.program(&[("rate", "flat", "base", "parameters = { points = 5 }")]);
    let report = backtest(&town, &[]);
    assert_eq!(report["units"], points(170, 20));
    assert_eq!(
        report["losers"],
        json!([
            {"member": "ann", "unit": "points", "was": 102, "would_be": 15, "source": "/merchants/shop", "id": "a"},
            {"member": "ben", "unit": "points", "was": 68, "would_be": 5, "source": "/merchants/shop", "id": "b"},
        ])
    );
    let command = ["backtest", "--ledger", "l.db", "--program", "program.toml", "--policies", "policies"];
    let words = town.done(&command).out;
    for line in [
        "4 events; 0 members would have been awarded more, 2 less",
        "awarded: 170 -> 20 points",
        "by day 2026-11-20: 2 -> 5 points",
        "loses: ann 102 -> 15 points, most at event a of /merchants/shop",
    ] {
        assert!(words.lines().any(|told| told == line), "{line}: {words}");
    }
}

/// What both programs run is the same policy, but not always the same question.
#[test]
fn a_rule_that_stays_is_asked_with_what_the_rules_before_it_grant() {
    let town = Town::new();
    town.program(&[("rate", "spend", "base", ""), ("double", "doubling", "bonus", "")]);
    town.summary("l.db", &[purchase("a", "ann", NOON, 10_000)]);
    town.program(&[
        ("rate", "flat", "base", "parameters = { points = 2 }"),
        ("double", "doubling", "bonus", ""),
    ]);
    assert_eq!(
        backtest(&town, &[])["deployments"],
        json!([
            {"of": "double", "unit": "points", "was": 100, "would_be": 2},
            {"of": "rate", "unit": "points", "was": 100, "would_be": 2},
        ])
    );
}

/// A rule that awards as many points as there were purchases sees those of history, and no award of its own.
#[test]
fn a_candidate_sees_members_as_they_were() {
    let town = town();
    town.program(&[("rate", "counting", "base", "cap = { per_member_per_day = 100 }")]);
    assert_eq!(backtest(&town, &[])["units"], points(170, 1));
    // Under the name of then, it has what was granted then behind it.
    town.program(&[("rate", "spend", "base", "cap = { per_member_per_month = 150 }")]);
    let report = backtest(&town, &[]);
    assert_eq!(report["days"][1], json!({"of": "2026-11-20", "unit": "points", "was": 2, "would_be": 50}));
}

#[test]
fn a_part_of_history_is_looked_at() {
    let town = town();
    town.program(&[("rate", "flat", "base", "parameters = { points = 5 }")]);
    for (scope, events, units) in [
        (&["--from", LATER][..], 1, points(2, 5)),
        (&["--until", LATER], 3, points(168, 15)),
        (&["--from", NOON, "--until", NOON], 0, json!([])),
        (&["--merchant", "shop"], 3, points(170, 15)),
        (&["--merchant", "nobody"], 0, json!([])),
        (&["--region", "cn"], 3, points(170, 15)),
        (&["--region", "cn/tow"], 0, json!([])),
    ] {
        let report = backtest(&town, scope);
        assert_eq!((&report["events"], &report["units"]), (&json!(events), &units), "{scope:?}");
    }
}

#[test]
fn what_points_cost_is_told_where_a_contract_says_so() {
    let town = town();
    let contract = "\n[[contract]]\nissuer = 'shop'\nunit = 'points'\ncurrency = 'CNY'\naccrual = '0.8'\n";
    let text = town.program(&[("rate", "spend", "base", "")]).read("program.toml");
    town.write("program.toml", text.replace("issuer = 'platform'", "issuer = 'merchant'") + contract);
    assert_eq!(
        backtest(&town, &[])["costs"],
        json!([{"issuer": "merchant/shop", "currency": "CNY", "was": 0, "would_be": 214}])
    );
}

/// Everything mixed, under two programs, and settled: each receipt comes out again, and against itself a program wins nothing.
#[test]
fn history_of_every_kind_comes_out_again() {
    for seed in [3, 11] {
        let town = mixed::town();
        let mut events = mixed::events(seed, 400);
        let later = events.split_off(200);
        town.run("l.db", &events, &[]);
        let text = town.read("program.toml");
        town.write("program.toml", text.replace("rate = '0.3'", "rate = '0.4'"));
        town.run("l.db", &later, &[]);
        assert_eq!(town.done(&["settle", "--ledger", "l.db"]).code, Some(0));
        let report = backtest(&town, &[]);
        assert_eq!(report["differ"], 0, "seed {seed}: {report}");
        assert_eq!((&report["gain"], &report["lose"]), (&json!(0), &json!(0)), "seed {seed}: {report}");
        assert!(report["events"].as_u64() > Some(50), "seed {seed}: {report}");
    }
}

#[test]
fn a_host_answers_as_the_command_does() {
    let town = town();
    assert_eq!(town.change_program("apply", "program.toml", &[]).code, Some(0));
    let host = town.host();
    let candidate =
        town.program(&[("rate", "flat", "base", "parameters = { points = 5 }")]).read("program.toml");
    let ask = |query: &str, body: &str| {
        Answer::to(host.request(&format!("/v1/program/backtest{query}")).body(body.to_owned()))
    };
    let report = ask("?from=2026-11-20T12:00:00%2B08:00", &candidate);
    assert_eq!(report.json(), backtest(&town, &["--from", LATER]), "{report:?}");
    for (query, body, status, code) in [
        ("?from=yesterday", &*candidate, 400, "malformed"),
        ("?since=x", &candidate, 400, "malformed"),
        ("", "[program]", 422, "program-refused"),
    ] {
        let answer = ask(query, body);
        assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)), "{answer:?}");
    }
}

/// A first use of points is decided by whichever program is at work, not by the one before it in the log.
#[test]
fn a_request_behind_a_change_of_the_program_comes_out_again() {
    let town = mixed::town();
    let (bought, asked) = ("2025-07-01T12:00:00+08:00", "2025-07-02T12:00:00+08:00");
    town.summary("l.db", &[purchase("1", "ann", bought, 10_000)]);
    let text = town.read("program.toml");
    town.write("program.toml", text.replace("rate = '0.3'", "rate = '0.4'"));
    let data = json!({"redemption": "r", "member": "ann", "merchant": "shop", "item": "rice"});
    town.summary(
        "l.db",
        &[json!({"specversion": "1.0", "id": "r", "source": "/merchants/shop", "type": "jifen.redemption.requested",
            "time": asked, "data": data})],
    );
    let report = backtest(&town, &[]);
    assert_eq!((&report["events"], &report["differ"]), (&json!(1), &json!(0)), "{report}");
}

/// What nobody waits for any longer keeps nobody waiting.
#[test]
fn the_backtest_of_a_client_that_leaves_ends() {
    let town = Town::new();
    // Each event takes until its fuel is spent: the back-test is not over before the client has left.
    let program = town.program(&[("rate", "looping", "base", "")]).read("program.toml");
    assert_eq!(town.change_program("apply", "program.toml", &[]).code, Some(0));
    town.summary("l.db", &market(200, 10));
    let host = town.host();
    let length = program.len();
    let head = format!("POST /v1/program/backtest HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n");
    let mut client = host.stall(&head);
    client.write_all(program.as_bytes()).expect("the host listens");
    let steps = || host.get("/v1/trail").json()["steps"].as_array().expect("a list").clone();
    let asked = || steps().into_iter().find(|step| text(&step["asked"]).contains("backtest"));
    assert!(until(|| asked().is_some()), "it is not asked for");
    drop(client);
    assert!(until(|| asked().is_some_and(|step| !step["status"].is_null())), "it does not end");
    assert_eq!(asked().expect("it is there")["status"], 499);
    assert_eq!(host.post("/v1/program/backtest", program).status, 200);
}
