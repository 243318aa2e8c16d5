//! Terms do not get worse without notice (F9).

use serde_json::{Value, json};

use crate::service::Answer;
use crate::town::{Done, Town, purchase, text};

const NOON: &str = "2026-11-20T12:00:00+08:00";
const DAY_MS: i64 = 86_400_000;

/// A ledger where ann bought and two points a purchase are at work.
fn town() -> Town {
    let town = Town::new();
    program(&town, "parameters = { points = 2 }");
    assert_eq!(change(&town, "apply", &[]).code, Some(0));
    town.summary("l.db", &[purchase("a", "ann", NOON, 10_000)]);
    town
}

fn program(town: &Town, lines: &str) -> String {
    town.program(&[("rate", "flat", "base", lines)]).read("program.toml")
}

fn change(town: &Town, command: &str, more: &[&str]) -> Done {
    town.change_program(command, "program.toml", more)
}

fn version(town: &Town) -> usize {
    town.done(&["changes", "--ledger", "l.db"]).out.lines().count()
}

/// Lets time go by since a program was announced.
fn let_days_pass(town: &Town, days: i64) {
    town.change(
        "l.db",
        &format!("UPDATE announcements SET made_ms = made_ms - {}", days.saturating_mul(DAY_MS)),
    );
}

#[test]
fn a_program_that_gives_less_waits_until_it_is_known_for_a_week() {
    let town = town();
    program(&town, "parameters = { points = 1 }");
    let refused = change(&town, "apply", &[]);
    for words in [
        "1 members would have been awarded less",
        "ann 1 points instead of 2",
        "event a of /merchants/shop",
        "announce the program",
    ] {
        assert!(refused.code == Some(2) && refused.err.contains(words), "{words}: {refused:?}");
    }
    let announced = change(&town, "announce", &["--who", "赵敏", "--json"]).json();
    assert_eq!(announced["who"], "赵敏");
    let early = change(&town, "apply", &[]);
    let from = format!("can be put to work from {} on", text(&announced["earliest"]));
    assert!(early.code == Some(2) && early.err.contains(&from), "{early:?}");
    // Said again, the first time counts.
    let_days_pass(&town, 6);
    let again = change(&town, "announce", &["--who", "钱进", "--json"]).json();
    assert_eq!(again["who"], "赵敏");
    assert_eq!((change(&town, "apply", &[]).code, version(&town)), (Some(2), 1));
    let_days_pass(&town, 1);
    assert_eq!((change(&town, "apply", &[]).code, version(&town)), (Some(0), 2));
}

#[test]
fn what_gives_nobody_less_is_put_to_work_at_once() {
    let town = town();
    for (lines, changed) in [
        ("parameters = { points = 3 }", true),
        // Less than what was given, and more than the program at work gives.
        ("parameters = { points = 2 }", false),
        ("parameters = { points = 3 }\nscope = { category = 'retail' }", true),
        ("parameters = { points = 3 }\nscope = { category = 'fuel' }", false),
        // What lies ahead, and what was never counted, history cannot show.
        ("parameters = { points = 9 }\nuntil = '2026-11-20T13:00:00+08:00'", false),
        ("parameters = { points = 9 }\nuntil = '2099-12-01T00:00:00+08:00'", true),
        ("parameters = { points = 9 }\nuntil = '2099-12-01T00:00:00+08:00'\nbudget = 9", false),
    ] {
        program(&town, lines);
        let before = version(&town);
        let done = change(&town, "apply", &[]);
        assert_eq!((done.code == Some(0), version(&town) > before), (changed, changed), "{lines}: {done:?}");
        assert_eq!(done.out.contains("nobody would have been awarded less, and "), changed, "{done:?}");
    }
    // Under another name a cap has counted nothing.
    town.program(&[(
        "other",
        "flat",
        "base",
        "parameters = { points = 9 }\ncap = { per_member_per_month = 9 }",
    )]);
    let other = change(&town, "apply", &[]);
    assert!(other.code == Some(2) && other.err.contains("has counted nothing yet"), "{other:?}");
    program(&town, "parameters = { points = 1 }");
    let without = change(&town, "apply", &["--without-notice"]);
    assert_eq!(without.code, Some(0), "{without:?}");
    // Whoever looks later sees that it was so.
    let listed = town.done(&["changes", "--ledger", "l.db"]).out;
    let told: Vec<_> = listed.lines().map(|line| line.ends_with(": a test (without notice)")).collect();
    assert_eq!(told.iter().filter(|told| **told).count(), 1, "{listed}");
    assert_eq!(told.last(), Some(&true), "{listed}");
}

/// What is wrong can be undone at once; to go further back is a change as any other.
#[test]
fn one_step_back_needs_no_notice() {
    let town = town();
    for points in [3, 4] {
        program(&town, &format!("parameters = {{ points = {points} }}"));
        assert_eq!(change(&town, "apply", &[]).code, Some(0));
    }
    let back = |to: &str, more: &[&str]| {
        town.done(&[&["rollback", "--ledger", "l.db", "--why", "a test", "--to", to], more].concat())
    };
    let far = back("1", &[]);
    assert!(far.code == Some(2) && far.err.contains("would have been awarded less"), "{far:?}");
    assert_eq!(back("2", &[]).code, Some(0));
    assert_eq!(back("1", &["--without-notice"]).code, Some(0));
}

/// More than ninety days ago is long ago, and a wrong date does not make it so.
#[test]
fn only_the_last_ninety_days_count() {
    let town = Town::new();
    program(&town, "parameters = { points = 2 }");
    assert_eq!(change(&town, "apply", &[]).code, Some(0));
    town.summary(
        "l.db",
        &[purchase("a", "ann", "2026-06-01T12:00:00+08:00", 10_000), purchase("b", "ben", NOON, 5_000)],
    );
    town.program(&[("rate", "spend", "base", "")]);
    assert_eq!(change(&town, "apply", &[]).code, Some(0));
    // By that, ben had 50; ann's purchase, which came to more, is too long ago.
    program(&town, "parameters = { points = 60 }");
    let done = change(&town, "apply", &[]);
    assert_eq!(done.code, Some(0), "{done:?}");
    town.summary("l.db", &[purchase("c", "cat", "2099-01-01T12:00:00+08:00", 100)]);
    program(&town, "parameters = { points = 59 }");
    assert_eq!(change(&town, "apply", &[]).code, Some(2));
}

#[test]
fn a_host_asks_for_notice_too() {
    let town = town();
    let host = town.host();
    let better = program(&town, "parameters = { points = 9 }");
    let worse = program(&town, "parameters = { points = 1 }");
    let put = |query: &str| {
        let request = host.put(&format!("/v1/program?who=x&why=y{query}")).header("if-match", "\"1\"");
        Answer::to(request.body(worse.clone()))
    };
    let refused = put("");
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("notice-required")), "{refused:?}");
    let announce = || {
        let path = "/v1/program/announcements?who=%E8%B5%B5%E6%95%8F&why=from%20December%20on";
        Answer::to(host.request(path).body(worse.clone())).json()
    };
    let announced: Value = announce();
    assert_eq!((&announced["who"], &announced["why"]), (&json!("赵敏"), &json!("from December on")));
    assert!(text(&put("").json()["detail"]).contains(text(&announced["earliest"])));
    let listed = host.get("/v1/program/announcements").json();
    assert_eq!(listed, json!({"announcements": [announced]}));
    let_days_pass(&town, 7);
    assert_eq!(put("").json()["version"], 2);
    let back = host.request("/v1/program/rollback?who=x&why=y").header("if-match", "\"2\"");
    assert_eq!(Answer::to(back).status, 200);
    let without = host.put("/v1/program?who=x&why=y&without_notice=true").header("if-match", "\"3\"");
    let harsh = program(&town, "parameters = { points = 0 }");
    let without = Answer::to(without.body(harsh)).json();
    assert_eq!((&without["version"], &without["without_notice"]), (&json!(4), &json!(true)));
    let listed = host.get("/v1/program/changes").json()["changes"].clone();
    let better = host.put("/v1/program?who=x&why=y").header("if-match", "\"4\"").body(better);
    let better = Answer::to(better).json();
    let history = &better["history"];
    assert_eq!(
        (&better["version"], &history["events"], &history["gain"]),
        (&json!(5), &json!(1), &json!(1)),
        "{better}"
    );
    let flags: Vec<_> = listed.as_array().expect("a list").iter().map(|it| &it["without_notice"]).collect();
    assert_eq!(flags, [&Value::Null, &Value::Null, &Value::Null, &json!(true)]);
}
