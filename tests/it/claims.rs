//! Claims at work: `jifen audit claims`.

use serde_json::{Value, json};

use crate::access::key;
use crate::components::{Guest, SUM, campaign, configurable_guest, redemption};
use crate::releases::publish_with;
use crate::town::{Done, Town, purchase, text};

/// A use of points and a campaign, beside whatever is deployed.
const OTHERS: &str = "\n[[redemption]]\nid = 'mug'\npolicy = 'mug'\nunit = 'points'\n\n\
    [[campaign]]\nid = 'daily'\npolicy = 'daily'\nunit = 'points'\n";
const NOON: &str = "2025-07-25T12:00:00+08:00";

fn town() -> Town {
    let town = Town::new();
    town.policy("mug", &redemption(60, 0, 0));
    town.policy("daily", &campaign(7));
    town.begin("l.db");
    town
}

/// A policy that promises twice the points from ¥50 on, and doubles from ¥60 on.
fn doubles() -> Vec<u8> {
    let promise = "[[promises]]\nzh = '满50元逢集双倍'\nen = 'Twice the points from ¥50 on'\n\
        when = { market_day = true, spend_from = 5000 }\nthen = { times = '2' }\n";
    let from_60 = "(if (result i32) (i64.ge_u (call $sum (local.get $arguments)) (i64.const 6000))
        (then (call $award (i64.load offset=88 (local.get $arguments))))
        (else (call $awards (i32.const 0) (i32.const 0))))";
    Guest::new().item(SUM).described("doubles", "0.1.0", promise).evaluate(from_60).build()
}

fn apply(town: &Town, deployments: &[(&str, &str, &str, &str)], why: &str) {
    let program = town.program(deployments).read("program.toml");
    town.write("program.toml", program + OTHERS);
    let done = town.done(&[
        "apply",
        "--ledger",
        "l.db",
        "--program",
        "program.toml",
        "--policies",
        "policies",
        "--without-notice",
        "--who",
        "赵敏",
        "--why",
        why,
    ]);
    assert_eq!(done.code, Some(0), "{done:?}");
}

fn audit(town: &Town, more: &[&str]) -> Done {
    town.done(&[&["audit", "claims", "--ledger", "l.db"], more].concat())
}

/// Returns the report of an audit that finds something.
fn report(town: &Town) -> Value {
    let done = audit(town, &["--json"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    done.json()
}

/// A29: the claim is from ¥50 on, the component doubles from ¥60, and it is at work.
#[test]
fn a_false_promise_at_work_is_shown_with_whose_it_is_and_since_when() {
    let town = town();
    town.policy("doubles", &doubles());
    let none = audit(&town, &[]);
    assert!(none.code == Some(2) && none.err.contains("no program was ever put to work here"), "{none:?}");

    let spend = ("spend", "spend", "base", "");
    let at_shop = "scope = { merchant = 'shop' }";
    let twice = ("twice", "doubles", "bonus", at_shop);
    let in_shadow = ("twice", "doubles", "bonus", "mode = 'shadow'");
    apply(&town, &[spend, twice], "tried once");
    apply(&town, &[spend], "the first");
    let sound = audit(&town, &[]);
    let sum = |version, claims, deployments, broken| {
        format!(
            "version {version}: {claims} claims of {deployments} deployments, {broken} do not hold, 0 could not be tried; \
             0 promises are made for other parameters"
        )
    };
    assert_eq!((sound.code, sound.out.trim_end()), (Some(0), &*sum(2, 7, 3, 0)), "{sound:?}");
    apply(&town, &[spend, in_shadow], "in shadow");
    apply(&town, &[spend, twice], "逢集双倍");
    apply(&town, &[("base", "spend", "base", ""), twice], "another name");

    let told = audit(&town, &[]);
    let lines: Vec<_> = told.out.lines().collect();
    assert_eq!(told.code, Some(1), "{told:?}");
    let [at, claim, with, shown, end] = lines[..] else { panic!("{told:?}") };
    assert!(at.starts_with("twice at shop runs doubles@0.1.0 since version 4, 20"), "{at}");
    assert!(at.ends_with(", by 赵敏: 逢集双倍"), "{at}");
    assert_eq!((claim, with), ("  promise: Twice the points from ¥50 on / 满50元逢集双倍", "    with {}"));
    assert_eq!(
        shown.trim(),
        "a purchase of ¥50.00 (1 × goods ¥50.00), on 2025-01-01, a market day, 50 points so far: promised 50 points, \
         100 in all, got no awards"
    );
    assert_eq!(end, sum(5, 11, 4, 1));

    let found = report(&town)["broken"].as_array().expect("a list").clone();
    let [twice] = &found[..] else { panic!("{found:?}") };
    let told =
        [&twice["deployment"], &twice["merchant"], &twice["policy"], &twice["terms"]["lane"]].map(text);
    assert_eq!(told, ["twice", "shop", "doubles@0.1.0", "bonus"], "{twice}");
    assert_eq!(
        (&twice["since"]["version"], twice["component"].as_str().map(str::len), &twice["owner"]),
        (&json!(4), Some(64), &Value::Null),
        "{twice}"
    );

    // What was at work before can be looked at, too.
    let before = audit(&town, &["--version", "3"]);
    assert!(before.out.starts_with("twice runs doubles@0.1.0 in shadow since version 3, "), "{before:?}");
    let first = audit(&town, &["--version", "1"]);
    assert!(first.out.starts_with("twice at shop runs doubles@0.1.0 since version 1, "), "{first:?}");
    let none = audit(&town, &["--version", "6"]);
    assert!(none.code == Some(2) && none.err.contains("there is no version 6; the last is 5"), "{none:?}");
}

/// What passes every gate with the parameters of its cases may be deployed with others.
#[test]
fn a_release_is_tried_with_the_parameters_that_it_is_deployed_with() {
    let town = town();
    let flat = ("flat", "flat", "base", "parameters = { points = 0 }");
    apply(&town, &[flat], "the first");
    key(&town, "operator", &[]);
    let shop = key(&town, "merchant", &["--scope", "shop"]);
    let promise =
        "[[promises]]\nzh = '不给'\nen = 'Nothing'\nparameters = { points = 0 }\nthen = { points = 0 }\n";
    let component = configurable_guest().described("gift", "1.0.0", promise).build();
    let case = json!({
        "about": "Nothing is given.", "parameters": {"points": 0}, "event": purchase("1", "ann", NOON, 100),
        "expect": {"awards": [{"to": "member", "points": 0, "reason": "test"}]},
    });
    let published = publish_with(&town.host(), &shop, "gift@1.0.0", &component, &[case.to_string()]);
    assert_eq!(published.status, 201, "{published:?}");

    let nothing = ("nothing", "gift@1.0.0", "base", "parameters = { points = 0 }");
    let gift = |id| (id, "gift@1.0.0", "base", "parameters = { points = 7 }");
    apply(&town, &[flat, nothing, gift("one"), gift("other")], "gifts");
    let report = report(&town);
    let told = |list: &str, words: &str| {
        let rows = report[list].as_array().expect("a list").iter();
        rows.map(|it| format!("{}: {}", text(&it["deployment"]), text(&it[words]))).collect::<Vec<_>>()
    };
    assert_eq!(told("broken", "claim"), ["one: fairness: splitting", "other: fairness: splitting"]);
    assert_eq!(text(&report["broken"][0]["owner"]), "shop");
    // It promises nothing of seven points.
    assert_eq!(told("not_promised", "promise"), ["one: Nothing / 不给", "other: Nothing / 不给"]);
}

/// An exception that is declared is none here; nor is one that these parameters do not need, which its author is told of.
#[test]
fn what_is_declared_is_not_told() {
    let town = town();
    let exception = "[[exceptions]]\nprobe = 'splitting'\nzh = '每单'\nen = 'So much for each order'\n";
    town.policy("gift", &configurable_guest().described("gift", "1.0.0", exception).build());
    let gift = |id, points| (id, "gift", "base", points);
    apply(
        &town,
        &[gift("none", "parameters = { points = 0 }"), gift("seven", "parameters = { points = 7 }")],
        "gifts",
    );
    let done = audit(&town, &["--threads", "1"]);
    assert_eq!(done.code, Some(0), "{done:?}");
}

/// Trouble of this machine is nobody's false promise, and what cannot be tried is not told as kept.
#[test]
fn what_cannot_be_tried_is_told_apart() {
    let town = town();
    let spend = ("spend", "spend", "base", "");
    apply(&town, &[spend], "the first");
    let cache = town.path("cache");
    let mut uncompiled = town.jifen(&["audit", "claims", "--ledger", "l.db"]);
    uncompiled.env("JIFEN_CACHE", &cache).env("JIFEN_COMPILE", "/nonexistent/jifen-compile");
    let done = Done::from(uncompiled.output().expect("jifen starts"));
    assert!(done.code == Some(2) && done.err.contains("cannot run the compiler"), "{done:?}");
    assert_eq!(done.out, "");

    // An escape in its words would write where it likes on the terminal of whoever looks.
    let promise = "[[promises]]\nzh = '诺'\nen = \"\\u001b[2J\"\nthen = { points = 1 }\n";
    town.policy("forged", &Guest::new().described("forged", "0.1.0", promise).build());
    apply(&town, &[spend, ("forged", "forged", "base", "")], "forged");
    let done = audit(&town, &[]);
    assert!(done.code == Some(1) && done.out.contains("1 could not be tried"), "{done:?}");
    assert!(done.out.contains("promises[0].zh: is more than a line of text"), "{done:?}");
    assert!(!done.out.contains('\u{1b}'), "{done:?}");
}
