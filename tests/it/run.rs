//! `jifen run`: what becomes of events, good and bad, once and again.

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::components::{Guest, constant};
use crate::town::{Town, lines, market, objects, purchase, registration, text};

const NOON: &str = "2025-07-25T12:00:00+08:00";

/// One point per yuan, and those points once more.
fn doubled(town: &Town) -> &Town {
    town.program(&[("spend", "spend", "base", ""), ("double", "doubling", "bonus", "")])
}

#[test]
fn a_run_says_what_it_did() {
    let town = Town::new();
    doubled(&town);
    let events =
        [purchase("1", "ann", NOON, 6_850), registration("2", "bob", NOON), purchase("3", "ann", NOON, 99)];
    let mut summary = town.summary("l.db", &events);
    for unsteady in ["seconds", "events_per_second"] {
        assert!(summary.as_object_mut().unwrap().remove(unsteady).unwrap().is_number());
    }
    assert_eq!(
        summary,
        json!({
            "events": 3, "applied": 3, "duplicate": 0, "refused": 0, "faults": 0,
            "awarded": {"points": 136}, "by_deployment": {"spend": 68, "double": 68},
        })
    );
    assert_eq!(town.balances("l.db"), "ann 136");
    assert_eq!(town.replay("l.db"), 3);
}

/// Whoever sends an event may wait for its receipt before sending the next.
#[test]
fn standard_input_is_answered_as_it_comes() {
    let town = Town::new();
    doubled(&town);
    let arguments = ["run", "--program", "program.toml", "--policies", "policies", "--ledger", "l.db"];
    let mut jifen = town.jifen(&[&arguments[..], &["--receipts", "-", "-"]].concat());
    let jifen = jifen.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut jifen = jifen.spawn().expect("jifen starts");
    let mut input = jifen.stdin.take().expect("it is piped");
    let mut answers = BufReader::new(jifen.stdout.take().expect("it is piped")).lines();
    for id in ["1", "2", "1"] {
        writeln!(input, "{}", purchase(id, "ann", NOON, 6_850)).expect("jifen reads");
        let answer = answers.next().expect("an answer").expect("it is text");
        assert_eq!(serde_json::from_str::<Value>(&answer).expect("JSON")["id"], id);
    }
    drop(input);
    assert_eq!(answers.count(), 0, "the summary is no receipt");
    let done = jifen.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && told.contains("2 applied, 1 duplicate"), "{told}");
}

#[test]
fn refused_lines_alone_go_to_standard_output() {
    let town = Town::new();
    doubled(&town);
    let events = [purchase("1", "ann", NOON, 6_850), purchase("2", "", NOON, 6_850)];
    let done = town.run("l.db", &events, &["--json", "--rejects", "-"]);
    assert_eq!((done.code, done.out), (Some(3), format!("{}\n", events[1])));
    assert!(done.err.contains("\"refused\":1"), "{}", done.err);
    let both = town.run("l.db", &events, &["--receipts", "-", "--rejects", "-"]);
    assert!(both.code == Some(2) && both.err.contains("give one of them a file"), "{both:?}");
}

#[test]
fn a_receipt_line_has_what_others_script_against() {
    let town = Town::new();
    doubled(&town);
    town.run("l.db", &[purchase("1", "ann", NOON, 6_850)], &["--receipts", "r.jsonl"]);
    let [receipt] = &*objects(&town.path("r.jsonl")) else { panic!("one event, one line") };
    let told =
        ["source", "id", "member", "time", "outcome", "faults", "awards"].map(|key| receipt[key].clone());
    let award = |deployment: &str, reason: &str| {
        json!({"deployment": deployment, "to": "ann", "unit": "points", "issuer": "platform", "asked": 68, "granted": 68,
               "reason": reason})
    };
    let reason = text(&receipt["awards"][0]["reason"]);
    let awards = json!([award("spend", reason), award("double", reason)]);
    assert_eq!(
        told,
        [
            json!("/merchants/shop"),
            json!("1"),
            json!("ann"),
            json!(NOON),
            json!("applied"),
            json!([]),
            awards
        ]
    );
    let sum: i64 =
        receipt["postings"].as_array().unwrap().iter().map(|side| side["points"].as_i64().unwrap()).sum();
    assert_eq!((sum, &receipt["seq"]), (0, &json!(1)));
    for digest in [&receipt["digest"], &receipt["program"], &receipt["event"], &receipt["pins"]["calendars"]]
    {
        assert_eq!(text(digest).len(), 64, "{receipt}");
    }
}

#[test]
fn a_statement_is_read_backwards_page_by_page() {
    let town = Town::new();
    doubled(&town);
    // The last to arrive is not the last that happened.
    let days = [3, 1, 4, 2, 5];
    let buy = |day: i32| purchase(&day.to_string(), "ann", &format!("2025-07-{day:02}T12:00:00+08:00"), 100);
    town.summary("l.db", &days.map(buy));
    let ids = |arguments: &[&str]| {
        let done = town.done(&[&["statement", "--ledger", "l.db", "--json", "ann"], arguments].concat());
        assert_eq!(done.code, Some(0), "{done:?}");
        let lines = done.out.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines.map(|line| format!("{}@{}", text(&line["id"]), line["seq"])).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ids(&[]), "1@2 2@4 3@1 4@3 5@5");
    assert_eq!(ids(&["--last", "2"]), "4@3 5@5");
    assert_eq!(ids(&["--last", "2", "--before", "3"]), "2@4 3@1");
    assert_eq!(ids(&["--before", "4"]), "1@2");
    assert_eq!(ids(&["--last", "2", "--before", "2"]), "");
    for (arguments, told) in [
        (&["ann", "--last", "0"][..], "0 is not in 1"),
        (&["ann", "--before", "6"], "the ledger has no receipt 6; name a line of the statement by its seq"),
        (&["ann", "--before", "0"], "the ledger has no receipt 0"),
        (&["bob", "--last", "2"], "the ledger knows no member bob"),
        (&["--merchant", "shop", "--last", "2"], "cannot be used with"),
    ] {
        let done = town.done(&[&["statement", "--ledger", "l.db"], arguments].concat());
        assert!(done.code == Some(2) && done.err.contains(told), "{done:?}");
    }
}

#[test]
fn the_same_file_twice_changes_nothing() {
    let town = Town::new();
    doubled(&town);
    let events = market(500, 20);
    let first = town.run("l.db", &events, &["--json", "--receipts", "first.jsonl"]).json();
    let balances = town.balances("l.db");
    let second = town.run("l.db", &events, &["--json", "--receipts", "second.jsonl"]).json();
    assert_eq!(
        (&first["applied"], &second["applied"], &second["duplicate"]),
        (&json!(500), &json!(0), &json!(500))
    );
    assert_eq!(second["awarded"], json!({}));
    assert_eq!(town.balances("l.db"), balances);
    // The first receipt, but for what became of the event this time.
    assert_eq!(town.read("second.jsonl").replace("\"duplicate\"", "\"applied\""), town.read("first.jsonl"));
}

#[test]
fn within_one_file_a_repeated_event_counts_once() {
    let town = Town::new();
    doubled(&town);
    let event = purchase("1", "ann", NOON, 100);
    let summary =
        town.summary("l.db", &[event.clone(), purchase("2", "ann", NOON, 100), event.clone(), event]);
    assert_eq!((&summary["applied"], &summary["duplicate"]), (&json!(2), &json!(2)));
    assert_eq!(town.balances("l.db"), "ann 4");
}

/// F1: however often and however late an event comes again, it counts once and is answered as it was at first.
#[test]
fn an_event_counts_once_for_ever() {
    let town = Town::new();
    doubled(&town);
    let event = purchase("1", "ann", NOON, 6_850);
    let answer = |event: &Value| {
        town.run("l.db", std::slice::from_ref(event), &["--receipts", "r.jsonl"]);
        let [answer] = &mut *objects(&town.path("r.jsonl")) else { panic!("one event, one line") };
        (answer["outcome"].take(), answer.take())
    };
    let (outcome, first) = answer(&event);
    assert_eq!(outcome, "applied");
    for _ in 0..15 {
        assert_eq!(answer(&event), (json!("duplicate"), first.clone()));
    }
    town.summary("l.db", &[purchase("2", "ann", "2025-10-23T12:00:00+08:00", 100)]);
    assert_eq!(answer(&event), (json!("duplicate"), first));
    let mut other = event;
    other["data"]["lines"][0]["amount"] = json!(6_851);
    let (outcome, refused) = answer(&other);
    assert_eq!(outcome, "refused");
    assert!(refused.to_string().contains("conflict"), "{refused}");
    assert_eq!(town.balances("l.db"), "ann 138");
    assert_eq!(town.replay("l.db"), 2);
}

#[test]
fn the_result_does_not_depend_on_threads() {
    let town = Town::new();
    // A budget that runs out in the middle, caps over day and month, and a fact that counts.
    town.program(&[
        ("spend", "spend", "base", "cap = { per_member_per_day = 60, per_member_per_month = 300 }"),
        ("count", "counting", "base", "budget = 700"),
        ("double", "doubling", "bonus", "budget = { points = 9000, partial = false }"),
    ]);
    let events = market(4_500, 40);
    let receipts = ["1", "2", "8"].map(|threads| {
        let file = format!("{threads}.jsonl");
        let done = town.run(&format!("{threads}.db"), &events, &["--threads", threads, "--receipts", &file]);
        assert_eq!(done.code, Some(0), "{done:?}");
        town.read(&file)
    });
    assert!(receipts[0] == receipts[1] && receipts[0] == receipts[2]);
    for limit in ["\"reason\":\"day_cap\"", "\"reason\":\"month_cap\"", "\"reason\":\"budget\""] {
        assert!(receipts[0].contains(limit), "no award was limited: {limit}");
    }
    assert_eq!(town.replay("8.db"), 4_500);
}

#[test]
fn one_event_at_a_time_gives_what_a_batch_gives() {
    let town = Town::new();
    town.program(&[
        ("count", "counting", "base", "budget = 40"),
        ("spend", "spend", "base", "cap = { per_member_per_day = 60 }"),
    ]);
    let events = market(60, 4);
    for event in &events {
        town.summary("single.db", std::slice::from_ref(event));
    }
    town.summary("batch.db", &events);
    assert_eq!(town.balances("single.db"), town.balances("batch.db"));
}

#[test]
fn a_budget_is_never_overdrawn_and_its_last_award_is_partial_or_none() {
    let town = Town::new();
    let rows = [("budget = 60", "a 50, b 10"), ("budget = { points = 60, partial = false }", "a 50")];
    for (index, (budget, expected)) in rows.into_iter().enumerate() {
        town.program(&[("flat", "flat", "base", &format!("parameters = {{ points = 50 }}\n{budget}"))]);
        let ledger = format!("{index}.db");
        town.summary(&ledger, &["a", "b", "c"].map(|member| purchase(member, member, NOON, 100)));
        assert_eq!(town.balances(&ledger), expected, "{budget}");
        // A later run finds the budget as it was left.
        town.summary(&ledger, &[purchase("d", "d", NOON, 100)]);
        assert_eq!(town.balances(&ledger), expected, "{budget}");
        town.replay(&ledger);
    }
}

#[test]
fn caps_count_by_business_day_and_month_whatever_the_order() {
    let town = Town::new();
    town.program(&[(
        "spend",
        "spend",
        "base",
        "cap = { per_member_per_day = 100, per_member_per_month = 150 }",
    )]);
    let rows = [
        ("2025-07-25T12:00:00+08:00", 8_000, "ann 80"),
        ("2025-07-25T23:59:59+08:00", 8_000, "ann 100"),
        ("2025-07-26T00:00:00+08:00", 8_000, "ann 150"),
        // Late: an event of the day before yesterday counts on its own day, and in the month.
        ("2025-07-24T12:00:00+08:00", 8_000, "ann 150"),
        // Another month, earlier than what the ledger knows.
        ("2025-06-30T23:59:59+08:00", 12_000, "ann 250"),
        ("2025-08-01T00:00:00+08:00", 4_000, "ann 290"),
    ];
    for (index, (time, amount, expected)) in rows.into_iter().enumerate() {
        town.summary("l.db", &[purchase(&index.to_string(), "ann", time, amount)]);
        assert_eq!(town.balances("l.db"), expected, "{time}");
    }
    assert_eq!(town.replay("l.db"), 6);
}

#[test]
fn what_is_bad_is_refused_with_line_field_and_reason_and_the_rest_goes_on() {
    let town = Town::new();
    doubled(&town);
    let good = purchase("good", "ann", NOON, 100).to_string();
    let with = |from: &str, to: &str| good.replace("\"good\"", "\"bad\"").replacen(from, to, 1);
    let rows = [
        (good[..120].to_owned(), "EOF while parsing"),
        ("nonsense".to_owned(), "event: expected ident"),
        (with("completed", "imagined"), "type: \"jifen.purchase.imagined\" is not a type"),
        (with("\"order\"", "\"oder\""), "data.oder: unknown field `oder`"),
        (
            with("\"amount\":100", "\"amount\":1.5"),
            "data.lines[0].amount: invalid type: floating point `1.5`",
        ),
        (with("\"amount\":100", "\"amount\":-100"), "data.lines[0].amount: invalid value: integer `-100`"),
        (with("\"shop\"", "\"shoe\""), "data.merchant: \"shoe\" is not a merchant of the program"),
        (with("2025", "2101"), "time: calendar_range"),
        (with("2025", "1899"), "time: calendar_range"),
        (
            good.replacen("\"amount\":100", "\"amount\":101", 1),
            "data.lines[0].amount: conflict: another event has the same source and id",
        ),
        ("x".repeat(17 << 20), "line: is longer than 16777216 bytes"),
        (
            format!("{}{}", with("\"rice\"", "\"rice\""), " ".repeat(2 << 20)),
            "event: is larger than 1048576 bytes",
        ),
    ];
    let mut input = format!("{good}\n\n");
    rows.iter().for_each(|(line, _)| input.push_str(&format!("{line}\n")));
    input.push_str(&purchase("last", "ann", NOON, 100).to_string());
    town.write("events.jsonl", &input);
    let more = ["--json", "--rejects", "bad.jsonl", "--receipts", "r.jsonl"];
    let done = town.done(&Town::run_arguments("l.db", &more));

    assert_eq!(done.code, Some(3), "{}", done.err);
    let summary = done.json();
    assert_eq!((&summary["applied"], &summary["refused"]), (&json!(2), &json!(rows.len())));
    for (index, (_, reason)) in rows.iter().enumerate() {
        let told = format!("events.jsonl, line {}: ", index + 3);
        let line = done
            .err
            .lines()
            .find(|line| line.contains(&told))
            .unwrap_or_else(|| panic!("{told}: {}", done.err));
        assert!(line.contains(reason), "expected {reason}, got {line}");
    }
    // As they came, but for the one that was too long to keep.
    let kept: String =
        rows.iter().filter(|(line, _)| line.len() < 16 << 20).map(|(line, _)| format!("{line}\n")).collect();
    assert!(town.read("bad.jsonl") == kept);
    let refused =
        objects(&town.path("r.jsonl")).into_iter().filter(|line| line["outcome"] == "refused").count();
    assert_eq!((refused, town.balances("l.db").as_str()), (rows.len(), "ann 4"));
    assert_eq!(town.replay("l.db"), 2);
}

#[test]
fn nobody_registers_twice() {
    let town = Town::new();
    doubled(&town);
    let done =
        town.run("l.db", &[registration("1", "ann", NOON), registration("2", "ann", NOON)], &["--json"]);
    assert_eq!((done.code, &done.json()["applied"]), (Some(3), &json!(1)));
    assert!(done.err.contains("line 2: data.member: \"ann\" is registered already"), "{}", done.err);
}

#[test]
fn a_program_or_a_policy_that_is_wrong_stops_the_run_before_it_begins() {
    let town = Town::new();
    town.policy("wasi", &Guest::new().build()[..40]);
    town.policy("module", &wat::parse_str("(module)").unwrap());
    town.policy("huge", &vec![0; 100 << 20]);
    let rows = [
        ("none", "base", "", "line 30: deployment d: there is no policy none in"),
        (
            "spend",
            "lane",
            "",
            "line 31: deployment[0].lane: there is no [[lane]] with the id \"lane\"; there is base, bonus",
        ),
        (
            "spend",
            "base",
            "parameters = { rate = 1.5 }",
            "line 34: deployment[0].parameters: parameters.rate is the float 1.5",
        ),
        (
            "flat",
            "base",
            "parameters = { rate = \"x\" }",
            "line 30: deployment d: the policy refuses its parameters: points: is missing",
        ),
        ("module", "base", "", "line 30: deployment d: "),
        ("wasi", "base", "", "line 30: deployment d: "),
        ("huge", "base", "", "line 30: deployment d: "),
        ("spend@9.9.9", "base", "", "there is no policy spend@9.9.9"),
        (
            "sha256:0000000000000000000000000000000000000000000000000000000000000000",
            "base",
            "",
            "there is no policy sha256:0000",
        ),
    ];
    for (policy, lane, more, expected) in rows {
        town.program(&[("d", policy, lane, more)]);
        let done = town.run("l.db", &[purchase("1", "ann", NOON, 100)], &[]);
        assert_eq!(done.code, Some(2), "{policy}: {done:?}");
        assert!(done.err.contains(expected), "{policy}: expected {expected}, got {}", done.err);
    }
    doubled(&town);
    assert_eq!(town.summary("l.db", &[purchase("1", "ann", NOON, 100)])["applied"], 1);
}

/// F10 and F11: a component that loops, mints or traps has no say, and everything else stands.
#[test]
fn a_policy_that_fails_costs_itself_and_nobody_else() {
    let town = Town::new();
    town.policy("greedy", &constant(1_000_000_000_000_000_000));
    town.policy("negative", &constant(u64::MAX));
    town.policy("broken", &Guest::new().evaluate("(unreachable)").build());
    town.program(&[
        ("spend", "spend", "base", ""),
        ("loop", "looping", "base", ""),
        ("greedy", "greedy", "base", ""),
        ("negative", "negative", "base", ""),
        ("broken", "broken", "base", ""),
        ("double", "doubling", "bonus", ""),
    ]);
    let done = town.run("l.db", &[purchase("1", "ann", NOON, 6_850)], &["--json", "--receipts", "r.jsonl"]);
    assert_eq!((done.code, &done.json()["faults"]), (Some(0), &json!(4)), "{done:?}");
    let [receipt] = &*objects(&town.path("r.jsonl")) else { panic!("one event, one line") };
    let faults = receipt["faults"].as_array().unwrap().iter();
    let faults: Vec<_> = faults.map(|fault| (text(&fault["deployment"]), text(&fault["fault"]))).collect();
    let expected = [
        ("loop", "out-of-fuel"),
        ("greedy", "points-out-of-range"),
        ("negative", "points-out-of-range"),
        ("broken", "trap"),
    ];
    assert_eq!(faults, expected);
    assert_eq!(town.balances("l.db"), "ann 136");
    // The same fuel again, and so the same receipt.
    assert_eq!(town.replay("l.db"), 1);
}

#[test]
fn replay_finds_what_was_changed() {
    let town = Town::new();
    doubled(&town);
    town.summary("sqlite:l.db", &market(50, 5));
    let changes = [
        ("UPDATE postings SET points = points + 1 WHERE seq = 7", "receipt 7: differs in the postings"),
        (
            "UPDATE transactions SET receipt = CAST(replace(CAST(receipt AS TEXT), '\"granted\":', '\"granted\":1') AS BLOB) WHERE seq = 9",
            "receipt 9: differs in the receipt: awards[0].granted",
        ),
        (
            "UPDATE transactions SET event = CAST(replace(CAST(event AS TEXT), '\"quantity\":1', '\"quantity\":2') AS BLOB) WHERE seq = 11",
            "receipt 11: differs in the event does not have its digest",
        ),
    ];
    let ledger = rusqlite::Connection::open(town.path("l.db")).unwrap();
    for (change, _) in changes {
        assert!(ledger.execute(change, []).unwrap() >= 1, "{change}");
    }
    drop(ledger);
    let done = town.done(&["audit", "replay", "--ledger", "sqlite:l.db", "--json"]);
    assert_eq!((done.code, &done.json()["differ"]), (Some(1), &json!(3)), "{done:?}");
    for (_, difference) in changes {
        assert!(done.err.contains(difference), "expected {difference}, got {}", done.err);
    }
}

#[test]
fn a_file_that_is_cut_anywhere_can_be_sent_again_whole() {
    let town = Town::new();
    doubled(&town);
    let events = market(200, 10);
    town.summary("whole.db", &events);
    let plain = lines(&events);
    let mut gzipped = GzEncoder::new(Vec::new(), Compression::fast());
    gzipped.write_all(plain.as_bytes()).unwrap();
    for input in [plain.into_bytes(), gzipped.finish().unwrap()] {
        for cut in (1..8).map(|eighth| (input.len() >> 3) * eighth + eighth) {
            let ledger = "cut.db";
            town.forget(ledger);
            town.write("events.jsonl", &input[..cut]);
            let done = town.done(&Town::run_arguments(ledger, &["--json"]));
            let summary = done.json();
            assert!(summary["refused"].as_u64().unwrap() <= 1, "{done:?}");
            town.write("events.jsonl", &input);
            let again = town.done(&Town::run_arguments(ledger, &["--json"])).json();
            let applied = |summary: &Value| summary["applied"].as_u64().unwrap();
            assert_eq!(applied(&summary) + applied(&again), 200, "cut at {cut}");
            assert_eq!(town.balances(ledger), town.balances("whole.db"), "cut at {cut}");
        }
    }
}

#[test]
fn market_days_are_those_of_the_merchant_s_region() {
    // B: the day decides by the program's zone; what the policy sees of it is on the receipt only through its answer,
    // so `why` is asked.
    let town = Town::new();
    town.program(&[("spend", "spend", "base", "")]);
    let rows = [
        ("2025-07-25T00:00:00+08:00", "lunar leap month 6, day 1, market day"),
        ("2025-07-24T23:59:59.999+08:00", "lunar month 6, day 30"),
        ("2026-02-16T12:00:00+08:00", "lunar month 12, day 29"),
        ("2026-02-17T12:00:00+08:00", "lunar month 1, day 1, market day"),
    ];
    for (time, expected) in rows {
        town.summary("l.db", &[purchase(time, "ann", time, 100)]);
        let done = town.done(&["why", "--ledger", "l.db", "/merchants/shop", time]);
        let day = done.out.lines().find(|line| line.trim_start().starts_with("day ")).unwrap_or_default();
        assert!(day.ends_with(expected), "{time}: expected {expected}, got {done:?}");
    }
}
