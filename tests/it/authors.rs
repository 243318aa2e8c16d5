//! What a policy's author has: cases in the component, blessed or taken from production, and the check of a component.

use std::fs;

use serde_json::{Value, json};

use crate::components::{Guest, SUM};
use crate::town::{Town, purchase, text};

const NOON: &str = "2025-07-25T12:00:00+08:00";

/// A case of `counting`, which awards as many points as there were purchases.
fn case(expected: u64) -> Value {
    json!({
        "about": "Three purchases, three points.", "parameters": {}, "event": purchase("1", "ann", NOON, 100),
        "facts": {"purchases.lifetime-count": 3},
        "expect": {"awards": [{"to": "member", "points": expected, "reason": "test"}]},
    })
}

fn town_with(case: &Value) -> Town {
    let town = town();
    town.write("counting/cases/three.json", case.to_string());
    town
}

/// Returns a town in which `counting` says of itself where it is unfair.
fn town() -> Town {
    let town = Town::new();
    town.write(
        "counting/policy.toml",
        "[[exceptions]]\nprobe = 'splitting'\nzh = '按次数'\nen = 'It counts orders'\n",
    );
    town
}

#[test]
fn a_case_fails_with_the_difference_and_is_blessed_on_request() {
    let town = town_with(&case(4));
    let test = |more: &[&str]| town.done(&[&["test", "counting", "--policies", "policies"], more].concat());
    let failed = test(&[]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(
        failed.out.contains("FAILED")
            && failed.out.contains("- 4 points")
            && failed.out.contains("+ 3 points"),
        "{failed:?}"
    );
    let before = town.read("counting/cases/three.json");
    assert!(before.contains("\"points\":4"), "a test changes nothing: {before}");

    let blessed = test(&["--bless"]);
    assert_eq!(blessed.code, Some(0), "{blessed:?}");
    assert!(blessed.out.contains("blessed") && blessed.out.contains("+ 3 points"), "{blessed:?}");
    let of_the_case = |more: &[&str]| {
        let passed = test(&[&["--json"], more].concat());
        assert_eq!(passed.code, Some(0), "{passed:?}");
        let first = passed.out.lines().next().expect("there is a case");
        serde_json::from_str::<Value>(first).expect("a result is an object")
    };
    let passed = of_the_case(&[]);
    assert_eq!((&passed["case"], &passed["passed"]), (&json!("three"), &json!(true)), "{passed}");
    assert_eq!(passed["fuel"], json!(null), "nobody asked: {passed}");
    let measured = of_the_case(&["--measure"]);
    for cost in ["fuel", "nanoseconds", "touched_pages"] {
        assert!(measured[cost].as_u64() > Some(0), "{cost}: {measured}");
    }
}

#[test]
fn what_is_wrong_with_a_case_is_told_with_its_place() {
    let with = |key: &str, value: Value| {
        let mut case = case(3);
        case[key] = value;
        case
    };
    let request = json!({
        "specversion": "1.0", "id": "1", "source": "/merchants/shop", "type": "jifen.redemption.requested",
        "time": NOON, "data": {"redemption": "r", "member": "ann", "merchant": "shop", "item": "mug"},
    });
    let rows = [
        (with("colour", json!("red")), 1, "colour"),
        (with("event", request), 1, "no earning-policy is asked about jifen.redemption.requested"),
        (with("facts", json!({"purchases.lifetime": 3})), 1, "unknown fact `purchases.lifetime`"),
        (with("facts", json!({})), 1, "no-answer"),
        (with("parameters", json!([])), 2, "must be a JSON object"),
    ];
    for (case, code, expected) in rows {
        let done = town_with(&case).done(&["test", "counting", "--policies", "policies"]);
        assert_eq!(done.code, Some(code), "{expected}: {done:?}");
        assert!(
            done.out.contains(expected) || done.err.contains(expected),
            "expected {expected}, got {done:?}"
        );
        let blessed = town_with(&case).done(&["test", "counting", "--policies", "policies", "--bless"]);
        assert_eq!(blessed.code == Some(0), expected == "no-answer", "{expected}: {blessed:?}");
    }
    // One that cannot be read does not keep the others from being run.
    let two = town_with(&case(3));
    two.write("counting/cases/broken.json", "{");
    let done = two.done(&["test", "counting", "--policies", "policies"]);
    assert!(done.code == Some(1) && done.out.contains("cases/broken.json"), "{done:?}");
    assert!(done.out.lines().any(|line| line.contains("three ") && line.ends_with("ok")), "{done:?}");
    let town = town();
    fs::create_dir_all(town.path("counting/cases")).unwrap();
    let none = town.done(&["test", "counting", "--policies", "policies"]);
    assert_eq!(none.code, Some(2), "{none:?}");
    assert!(none.err.contains("there are no cases"), "{none:?}");
}

/// A29: the claim is from ¥50 on, the component doubles from ¥60.
#[test]
fn a_false_promise_and_an_unfair_rule_are_shown_in_the_component() {
    const PROMISE: &str = "[[promises]]\nzh = '满50元逢集双倍'\nen = 'Twice the points from ¥50 on'\n\
        when = { market_day = true, spend_from = 5000 }\nthen = { times = '2' }\n";
    let doubles = Guest::new().item(SUM).evaluate(
        "(if (result i32) (i64.ge_u (call $sum (local.get $arguments)) (i64.const 6000))
           (then (call $award (i64.load offset=88 (local.get $arguments))))
           (else (call $awards (i32.const 0) (i32.const 0))))",
    );
    let less_for_more = Guest::new().item(SUM).evaluate(
        "(call $award (i64.extend_i32_u (i64.lt_u (call $sum (local.get $arguments)) (i64.const 9000))))",
    );
    let constant = Guest::new().evaluate("(call $award (i64.const 1))");
    let rows = [
        (
            &doubles,
            PROMISE,
            "promise: Twice the points from ¥50 on / 满50元逢集双倍",
            "a purchase of ¥50.00 (1 × goods ¥50.00), on 2025-01-01, a market day, 50 points so far: \
             promised 50 points, 100 in all, got no awards",
        ),
        (&less_for_more, "", "fairness: more-spend", "who spends more earns less:"),
        (&constant, "", "fairness: splitting", "who splits an order earns more:"),
    ];
    for (guest, description, claim, expected) in rows {
        let town = Town::new();
        town.policy("doubles", &guest.build());
        town.write("doubles/policy.toml", description);
        let case = json!({
            "about": "Joining earns nothing.", "parameters": {}, "event": purchase("1", "ann", NOON, 1),
            "expect": {"declined": "not-looked-at"},
        });
        town.write("doubles/cases/joining.json", case.to_string());
        let done = town.done(&["test", "doubles", "--policies", "policies", "--bless"]);
        let failed = done.out.lines().any(|line| line.contains(claim) && line.ends_with("FAILED"));
        assert!(failed && done.out.contains(expected) && done.code == Some(1), "{claim}: {done:?}");
        let json = town.done(&["test", "doubles", "--policies", "policies", "--json"]);
        let results = json.out.lines().map(|line| serde_json::from_str::<Value>(line).expect("it is JSON"));
        let result = results.into_iter().find(|result| result["claim"] == claim).expect("it was tried");
        assert_eq!(result["passed"], json!(false), "{result}");
        assert!(text(&result["difference"]).contains(expected), "{result}");
    }
    let town = town_with(&case(3));
    town.write("counting/policy.toml", "[[promises]]\nzh = '诺'\nen = 'word'\nthen = { point = 1 }\n");
    let wrong = town.done(&["test", "counting", "--policies", "policies"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(
        wrong.err.contains("counting: policy.toml") && wrong.err.contains("unknown field `point`"),
        "{wrong:?}"
    );
}

#[test]
fn a_production_event_becomes_a_case_that_passes() {
    let town = town();
    town.program(&[("spend", "spend", "base", ""), ("count", "counting", "bonus", "")]);
    // Sent in UTC, it is a case of the program's day.
    town.summary(
        "l.db",
        &[purchase("1", "ann", NOON, 100), purchase("2", "ann", "2025-07-24T16:30:00Z", 250)],
    );
    let ambiguous = town.done(&["case", "--ledger", "l.db", "/merchants/shop", "2"]);
    assert_eq!(ambiguous.code, Some(2));
    assert!(ambiguous.err.contains("choose one with --deployment: spend, count"), "{ambiguous:?}");

    let made = town.done(&["case", "--ledger", "l.db", "--deployment", "count", "/merchants/shop", "2"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let case: Value = serde_json::from_str(&made.out).unwrap();
    assert_eq!(
        (text(&case["event"]["time"]), &case["market_day"], &case["points_so_far"], &case["facts"]),
        ("2025-07-25T00:30:00+08:00", &json!(true), &json!(2), &json!({"purchases.lifetime-count": 1})),
        "{case}"
    );
    town.write("counting/cases/two.json", &made.out);
    let passed = town.done(&["test", "counting", "--policies", "policies"]);
    assert_eq!(passed.code, Some(0), "{passed:?}");
}

#[test]
fn a_component_is_checked_without_being_run() {
    let town = Town::new();
    let wasi = "(component (import \"wasi:cli/stdout@0.2.0\" (instance)))";
    town.write("wasi.wasm", wat::parse_str(wasi).unwrap());
    town.write("module.wasm", wat::parse_str("(module)").unwrap());
    town.write("huge.wasm", vec![0; 100 << 20]);
    town.write("garbage.wasm", b"garbage");
    town.write("looping.wasm", Guest::new().evaluate("(loop $again (br $again)) (unreachable)").build());
    let good = town.done(&["check", "policies/counting.wasm", "--json"]);
    assert_eq!(
        (good.code, &good.json()["facts"]),
        (Some(0), &json!(["purchases.lifetime-count"])),
        "{good:?}"
    );
    assert_eq!(town.done(&["check", "looping.wasm"]).code, Some(0));
    for (file, expected) in [
        ("wasi.wasm", "wasi:cli/stdout@0.2.0"),
        ("module.wasm", "core module"),
        ("huge.wasm", "104857600"),
        ("garbage.wasm", "not WebAssembly"),
        ("missing.wasm", "missing.wasm"),
    ] {
        let bad = town.done(&["check", file]);
        assert_eq!(bad.code, Some(1), "{file}: {bad:?}");
        assert!(bad.err.contains(expected), "{file}: expected {expected}, got {}", bad.err);
    }
    let refused = town.done(&["check", "policies/flat.wasm", "--parameters", "{}", "--json"]);
    assert_eq!((refused.code, text(&refused.json()["code"])), (Some(1), "parameters-refused"), "{refused:?}");
}

#[test]
fn balances_are_as_of_a_time() {
    let town = Town::new();
    town.program(&[("spend", "spend", "base", "")]);
    let program =
        town.read("program.toml").replace("id = \"points\"\n", "id = \"points\"\nexpires = { months = 1 }\n");
    town.write("program.toml", program);
    town.summary(
        "l.db",
        &[purchase("1", "ann", "2026-01-31T12:00:00+08:00", 5_000), purchase("2", "ann", NOON, 100)],
    );
    let rows = [
        ("2026-01-31T11:59:59+08:00", "0"),
        ("2026-01-31T12:00:00+08:00", "50"),
        // D1, D2: through 28 February in the program's zone, whoever asks from where.
        ("2026-02-28T15:59:59.999Z", "50"),
        ("2026-02-28T16:00:00Z", "0"),
    ];
    for (at, expected) in rows {
        let done = town.done(&["balance", "--ledger", "l.db", "--json", "--at", at, "ann"]);
        let available =
            done.out.lines().last().map_or("0".to_owned(), |_| done.json()["available"].to_string());
        assert_eq!(available, expected, "{at}: {done:?}");
    }
    let wrong = town.done(&["balance", "--ledger", "sqlite:none.db"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("there is no ledger none.db"), "{wrong:?}");
}

#[test]
fn a_project_has_a_name_and_a_place_of_its_own() {
    let town = Town::new();
    town.write("taken/README.md", "ours");
    let rows = [
        ("Market", "spend", "\"Market\" cannot be a policy's name; write small letters"),
        ("-market", "spend", "unexpected argument '-m' found"),
        ("market-", "spend", "cannot be a policy's name"),
        ("8-days", "spend", "cannot be a policy's name"),
        ("match", "spend", "\"match\" is a word of the language"),
        ("cases", "spend", "\"cases\" is a word of the language or of what a policy is built of"),
        ("serde", "spend", "\"serde\" is a word of the language or of what"),
        ("market", "spent", "there is no stock policy \"spent\"; there are birthday, catalogue, "),
        ("market", "../spend", "there is no stock policy \"../spend\""),
        ("taken", "spend", "./taken is there already; name a folder that is empty or new"),
    ];
    for (name, stock, expected) in rows {
        let done = town.done(&["new", name, "--from", stock]);
        assert!(done.code == Some(2) && done.err.contains(expected), "{name}: {expected}: {done:?}");
    }
    assert_eq!(town.read("taken/README.md"), "ours");
    let built = town.done(&["build", "nowhere"]);
    assert!(
        built.code == Some(2) && built.err.contains("open nowhere/Cargo.toml; `jifen new` makes"),
        "{built:?}"
    );
}
