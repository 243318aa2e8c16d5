//! Corrections: purchases that are decided anew by another version of the program, once somebody else approved (F8).

use serde_json::{Value, json};

use crate::access::key;
use crate::components;
use crate::refunds::refund;
use crate::town::{Done, Town, purchase, registration, text};

const NOVEMBER: &str = "2026-11-30T12:00:00+08:00";
const DECEMBER: &str = "2026-12-01T12:00:00+08:00";
const NEXT_DAY: &str = "2026-12-02T12:00:00+08:00";
const LATER: &str = "2026-12-04T12:00:00+08:00";

/// A deployment: `(id, policy, lane, further lines)`.
type Deployment = (&'static str, &'static str, &'static str, &'static str);

const SPEND: Deployment = ("spend", "spend", "base", "");
const DOUBLE: Deployment = ("double", "doubling", "bonus", "");

/// Puts a program to work, with points that can be given away.
fn apply(town: &Town, deployments: &[Deployment]) {
    apply_with(town, deployments, "platform", "");
}

/// Puts a program to work whose points somebody owes, with further tables.
fn apply_with(town: &Town, deployments: &[Deployment], issuer: &str, more: &str) {
    town.program(deployments);
    let program =
        town.read("program.toml").replacen("id = \"points\"", "id = \"points\"\ntransfer = 'preserve'", 1);
    let program = program.replace("issuer = 'platform'", &format!("issuer = '{issuer}'"));
    town.write("program.toml", program + more);
    let done = town.change_program("apply", "program.toml", &["--without-notice", "--who", "赵敏"]);
    assert_eq!(done.code, Some(0), "{done:?}");
}

/// Returns an event that happens after all that is bought.
fn later(mut event: Value) -> Value {
    event["time"] = json!(LATER);
    event
}

fn propose(town: &Town, version: &str, more: &[&str]) -> Done {
    let command = ["corrections", "--ledger", "l.db", "--to", version, "--who", "李静", "--approver", "王梅"];
    town.done(
        &[&command[..], &["--why", "double points were announced for 12 December", "--time", LATER], more]
            .concat(),
    )
}

/// Returns the corrections that are proposed.
fn proposed(town: &Town, version: &str, more: &[&str]) -> Vec<Value> {
    let done = propose(town, version, more);
    assert_eq!(done.code, Some(0), "{done:?}");
    done.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_withdrawn_rule_is_corrected_by_further_entries_that_somebody_approved() {
    let town = Town::new();
    town.begin("l.db");
    apply(&town, &[SPEND]);
    town.summary("l.db", &[purchase("a", "ann", NOVEMBER, 10_000)]);
    apply(&town, &[SPEND, DOUBLE]);
    town.summary("l.db", &[purchase("b", "ann", DECEMBER, 10_000), purchase("c", "bob", NEXT_DAY, 5_000)]);
    apply(&town, &[SPEND]);
    town.summary("l.db", &[purchase("d", "ann", LATER, 10_000)]);
    // Withdrawn, it stays what decided.
    assert_eq!(town.balances("l.db"), "ann 400, bob 100");
    let before = town.log("l.db");

    let corrections = proposed(&town, "3", &["--from", "2026-12-01T00:00:00+08:00"]);
    let told: Vec<_> =
        corrections.iter().map(|it| [&it["data"]["order"], &it["data"]["approved_by"]]).collect();
    assert_eq!(told, [["b", "王梅"], ["c", "王梅"]]);
    assert_eq!(town.balances("l.db"), "ann 400, bob 100");
    let only = proposed(&town, "3", &["--until", "2026-12-02T00:00:00+08:00", "--merchant", "shop"]);
    assert_eq!(only, [corrections[0].clone()]);

    assert_eq!(town.summary("l.db", &corrections)["applied"], 2);
    assert_eq!(town.balances("l.db"), "ann 300, bob 50");
    assert_eq!(town.log("l.db")[..4], before);
    assert_eq!(town.replay("l.db"), 6);
    let why = town.done(&[
        "why",
        "--ledger",
        "l.db",
        "/jifen/corrections",
        corrections[0]["id"].as_str().expect("text"),
    ]);
    for words in [
        "order b was decided anew, as 李静 proposed and 王梅 approved: double points were announced for 12 December",
        "correction of event b of /merchants/shop",
        "100 points taken back from ann",
        "the order comes to 100 points for ann now",
    ] {
        assert!(why.out.contains(words), "{words}: {why:?}");
    }

    // It is done once, and what is returned later is decided by the program that decides the order now.
    assert!(proposed(&town, "3", &[]).is_empty());
    assert_eq!(town.summary("l.db", &corrections)["duplicate"], 2);
    town.summary("l.db", &[later(refund("r1", "b", Some(5_000)))]);
    assert_eq!(town.balances("l.db"), "ann 250, bob 50");
    town.summary("l.db", &[later(refund("r2", "b", None))]);
    assert_eq!(town.balances("l.db"), "ann 200, bob 50");

    // Back and there again are further corrections.
    let back = proposed(
        &town,
        "2",
        &["--from", "2026-12-02T00:00:00+08:00", "--until", "2026-12-03T00:00:00+08:00"],
    );
    town.summary("l.db", &back);
    assert_eq!(town.balances("l.db"), "ann 200, bob 100");
    let again = proposed(&town, "3", &["--from", "2026-12-02T00:00:00+08:00"]);
    assert_eq!(again.len(), 1);
    town.summary("l.db", &again);
    assert_eq!(town.balances("l.db"), "ann 200, bob 50");
    assert_eq!(town.replay("l.db"), 10);
    assert_eq!(town.done(&["audit", "check", "--ledger", "l.db"]).code, Some(0));
}

/// Returns events from their short form: `buy 1 10000; return 1 4000; return 1 all; give 180`.
fn story(text: &str) -> Vec<Value> {
    let event = |(n, words): (usize, &str)| match *words.split(' ').collect::<Vec<_>>() {
        ["buy", id, amount] => purchase(id, "ann", DECEMBER, amount.parse().expect("an amount")),
        ["return", order, amount] => later(refund(&format!("r{n}{amount}"), order, amount.parse().ok())),
        ["give", points] => {
            json!({"specversion": "1.0", "id": "t", "source": "/app", "type": "jifen.points.transferred",
            "time": LATER, "data": {"member": "ann", "to": "bob", "unit": "points", "points": points.parse::<u64>().expect("points")}})
        }
        _ => panic!("no event: {words}"),
    };
    text.split("; ").filter(|words| !words.is_empty()).enumerate().map(event).collect()
}

/// Returns what members have, as `ann 20 +30 -40, bob 180`: with what is pending and what is owed, if anything is.
fn has(town: &Town) -> String {
    let done = town.done(&["balance", "--ledger", "l.db", "--json"]);
    let lines = done.out.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let line = |of: Value| {
        let further = [("pending", " +"), ("debt", " -")];
        let further = further.map(|(key, sign)| match of[key].as_u64() {
            None | Some(0) => String::new(),
            Some(points) => format!("{sign}{points}"),
        });
        format!("{} {}{}", text(&of["member"]), of["available"], further.concat())
    };
    lines.map(line).collect::<Vec<_>>().join(", ")
}

/// What it shows; the program then, and the one that corrects; what happened before and after the correction; the balances before
/// it, by it, and in the end.
type Case = (&'static str, [&'static [Deployment]; 2], [&'static str; 2], [&'static str; 3]);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("more", [&[SPEND], &[SPEND, DOUBLE]], ["buy 1 10000", "return 1 4000"], ["ann 100", "ann 200", "ann 120"]),
    ("less", [&[SPEND, DOUBLE], &[SPEND]], ["buy 1 10000", "return 1 all"], ["ann 200", "ann 100", "ann 0"]),
    ("another rule", [&[SPEND], &[FLAT]], ["buy 1 10000", "return 1 all"], ["ann 100", "ann 7", "ann 0"]),
    ("the same", [&[SPEND], &[("spend", "spend", "bonus", "")]], ["buy 1 10000", "return 1 4000"], ["ann 100", "ann 100", "ann 60"]),
    ("after a return", [&[SPEND], &[SPEND, DOUBLE]], ["buy 1 10000; return 1 4000", "return 1 all"], ["ann 60", "ann 120", "ann 0"]),
    ("before its purchase", [&[SPEND], &[SPEND, DOUBLE]], ["return 1 4000; buy 1 10000", "return 1 all"], ["ann 60", "ann 120", "ann 0"]),
    ("what a return leaves", [&[SPEND], &[SPEND, KEEP]], ["buy 1 10000; return 1 4000", "return 1 all"], ["ann 60", "ann 160", "ann 100"]),
    ("all was returned", [&[SPEND], &[SPEND, KEEP]], ["buy 1 10000; return 1 all", ""], ["ann 0", "ann 100", "ann 100"]),
    ("in proportion", [&[SPEND], &[SPEND, SHARE]], ["buy 1 10000", "return 1 4000"], ["ann 100", "ann 200", "ann 120"]),
    // Where nothing was counted then, a cap counts what is left of what was granted before: 0, and 100.
    ("a cap", [&[SPEND], &[CAPPED]], ["buy 1 10000; buy 2 10000", "buy 3 2000"], ["ann 200", "ann 150", "ann 150"]),
    ("a cap, after a return", [&[SPEND], &[CAPPED]], ["buy 1 10000; return 1 all; buy 2 10000", ""], ["ann 100", "ann 100", "ann 100"]),
    ("what it takes is not counted", [&[DOUBLED], &[CAPPED]], ["buy 1 10000; buy 2 10000", ""], ["ann 400", "ann 150", "ann 150"]),
    // What was counted then counts the same.
    ("another cap", [&[HALF], &[CAPPED]], ["buy 1 10000; buy 2 10000", ""], ["ann 100", "ann 200", "ann 200"]),
    ("what it did not look at", [&[ELSEWHERE], &[CAPPED]], ["buy 1 10000; buy 2 10000", ""], ["", "ann 200", "ann 200"]),
    // More is not drawn from a budget of then; less goes back into it.
    ("a budget", [&[FEW], &[MANY]], ["buy 1 10000", ""], ["ann 7", "ann 7", "ann 7"]),
    ("a budget goes up again", [&[MANY], &[FEW]], ["buy 1 10000", "buy 2 10000"], ["ann 9", "ann 7", "ann 12"]),
    // What comes in the place of what was spent is no second award.
    ("under another name", [&[SPEND], &[EARN]], ["buy 1 10000; give 100", "buy 3 500"], ["ann 0, bob 100", "ann 0, bob 100", "ann 5, bob 100"]),
    ("later available", [&[SPEND], &[LATE]], ["buy 1 10000; give 100", ""], ["ann 0, bob 100", "ann 0, bob 100", "ann 0, bob 100"]),
    ("later, and not spent", [&[SPEND], &[LATE]], ["buy 1 10000", "return 1 all"], ["ann 100", "ann 0 +100", "ann 0"]),
    ("beside it, later", [&[SPEND], &[SPEND, LATER_ON]], ["buy 1 10000", "return 1 all"], ["ann 100", "ann 100 +100", "ann 0"]),
    ("up by another rule", [&[FLAT], &[SPEND]], ["buy 1 10000", "return 1 all"], ["ann 7", "ann 100", "ann 0"]),
    ("a shadow that fails", [&[SPEND], &[SPEND, DOUBLE, SHADOW]], ["buy 1 10000", ""], ["ann 100", "ann 200", "ann 200"]),
    // 180 of 200 are given away, so 20 of the 100 can be had; and nobody owes the rest.
    ("what is spent", [&[SPEND, DOUBLE], &[SPEND]], ["buy 1 10000; give 180", "buy 3 500"], ["ann 20, bob 180", "ann 0, bob 180", "ann 5, bob 180"]),
];
const FLAT: Deployment = ("flat", "flat", "base", "parameters = { points = 7 }");
const FEW: Deployment = ("flat", "flat", "base", "parameters = { points = 7 }\nbudget = 12");
const MANY: Deployment = ("flat", "flat", "base", "parameters = { points = 9 }\nbudget = 12");
const CAPPED: Deployment = ("spend", "spend", "base", "cap = { per_member_per_day = 150 }");
const DOUBLED: Deployment = ("spend", "flat", "base", "parameters = { points = 200 }");
const HALF: Deployment =
    ("spend", "flat", "base", "parameters = { points = 50 }\ncap = { per_member_per_day = 500 }");
const EARN: Deployment = ("earn", "spend", "base", "");
const LATE: Deployment = ("earn", "spend", "base", "available = { days = 30 }");
const ELSEWHERE: Deployment =
    ("spend", "spend", "base", "cap = { per_member_per_day = 150 }\nfrom = '2027-01-01T00:00:00+08:00'");
const LATER_ON: Deployment = ("double", "doubling", "bonus", "available = { days = 30 }");
const SHADOW: Deployment = ("count", "counting", "bonus", "mode = 'shadow'");
const KEEP: Deployment = ("double", "doubling", "bonus", "on_refund = 'keep'");
const SHARE: Deployment = ("double", "doubling", "bonus", "on_refund = 'proportional'");

#[test]
fn an_order_comes_to_what_the_other_program_would_have_made_of_it() {
    for (what, [then, corrects], [before, after], balances) in CASES {
        let town = Town::new();
        town.begin("l.db");
        apply(&town, then);
        town.summary("l.db", &story(before));
        apply(&town, corrects);
        let mut told = vec![has(&town)];
        town.summary("l.db", &proposed(&town, "2", &[]));
        told.push(has(&town));
        town.summary("l.db", &story(after));
        told.push(has(&town));
        assert_eq!(&told, balances, "{what}");
        town.replay("l.db");
    }
}

#[test]
fn what_cannot_be_corrected_is_refused_with_the_reason() {
    let town = Town::new();
    town.begin("l.db");
    apply(&town, &[SPEND]);
    town.summary("l.db", &[purchase("1", "ann", DECEMBER, 10_000)]);
    // It asks how many purchases there were, which nobody asked then.
    apply(&town, &[SPEND, ("count", "counting", "base", "")]);
    for (more, code, told) in [
        (&["--to", "9"][..], 2, "there is no version 9; the last is 2"),
        (
            &["--to", "2", "--approver", "李静"],
            2,
            "--approver is who proposed it; somebody else must look at it",
        ),
        (&["--to", "2", "--why", " "], 2, "--why says nothing"),
    ] {
        let command = ["corrections", "--ledger", "l.db", "--who", "李静"];
        let rest = [("--why", "why"), ("--approver", "王梅")];
        let rest =
            rest.iter().filter(|(flag, _)| !more.contains(flag)).flat_map(|(flag, value)| [*flag, *value]);
        let arguments: Vec<_> = command.into_iter().chain(more.iter().copied()).chain(rest).collect();
        let done = town.done(&arguments);
        assert!(done.code == Some(code) && done.err.contains(told), "{told}: {done:?}");
    }
    let [correction] = &*proposed(&town, "2", &[]) else { panic!("one purchase, one correction") };
    let with = |id: &str, field: &str, value: Value| {
        let mut event = correction.clone();
        event["id"] = json!(id);
        event["data"][field] = value;
        event
    };
    let rows = [
        (
            with("1", "order", json!("2")),
            "data.order: no purchase 1 of /merchants/shop completed this order; there is nothing to decide anew",
        ),
        (
            with("8", "source", json!("/merchants/stall")),
            "data.order: no purchase 1 of /merchants/stall completed this order",
        ),
        (with("2", "program", json!("1")), "data.program: is \"1\"; name the program by its digest"),
        (
            with("3", "program", json!("0".repeat(64))),
            "data.program: was never at work here; `jifen changes --json` prints those that were",
        ),
        (with("4", "approved_by", json!("李静")), "data.approved_by: is who proposed it"),
        (with("5", "why", json!("")), "data.why: must say in 1 to 1000 bytes"),
        (with("6", "points", json!(5)), "data.points: unknown field `points`"),
        (
            correction.clone(),
            "data.program: cannot decide this purchase anew: count failed to answer on what is known of it: asked what has no answer: it asks purchases.lifetime-count, which it did not ask then",
        ),
    ];
    let events: Vec<_> = rows.iter().map(|(event, _)| event.clone()).collect();
    let done = town.run("l.db", &events, &["--json"]);
    assert_eq!((done.code, &done.json()["refused"]), (Some(3), &json!(rows.len())), "{done:?}");
    for (line, (_, reason)) in (1..).zip(&rows) {
        assert!(done.err.contains(&format!("line {line}: {reason}")), "{reason}: {done:?}");
    }
    assert_eq!(town.balances("l.db"), "ann 100");
}

/// What was awarded by one program, and would be owed, paid or counted by another.
#[test]
fn what_would_be_at_somebodys_cost_is_refused() {
    const CONTRACT: &str = "\n[[contract]]\nissuer = 'shop'\nunit = 'points'\ncurrency = 'CNY'\nfrom = '2026-01-01T00:00:00+08:00'\naccrual = '1'\nredemption = '1'\nbreakage = '0'\n";
    const BUDGET: Deployment = ("spend", "spend", "base", "budget = 500");
    const COUNT: Deployment = ("count", "counting", "base", "");
    #[rustfmt::skip]
    let rows = [
        (BUDGET, ["platform", "platform"], "", "only one of both programs has a budget for it"),
        (SPEND, ["platform", "merchant"], "", "another issuer would owe for the points"),
        (DOUBLE, ["merchant", "merchant"], CONTRACT, "merchant/shop pays another price for points by this program"),
        (COUNT, ["platform", "platform"], "", "count failed to answer on what is known of it"),
    ];
    for (corrects, [was, is], more, told) in rows {
        let town = Town::new();
        town.begin("l.db");
        apply_with(&town, &[SPEND], was, "");
        town.summary("l.db", &story("buy 1 10000"));
        apply_with(&town, &[corrects], is, more);
        let done = town.run("l.db", &proposed(&town, "2", &[]), &[]);
        let told = format!("line 1: data.program: cannot decide this purchase anew: {told}");
        assert!(done.code == Some(3) && done.err.contains(&told), "{told}: {done:?}");
    }
}

/// What was let go once is not awarded once more.
#[test]
fn there_is_no_way_up_from_what_was_let_go() {
    let town = Town::new();
    town.begin("l.db");
    apply(&town, &[SPEND, DOUBLE]);
    town.summary("l.db", &story("buy 1 10000; give 180"));
    apply(&town, &[SPEND]);
    town.summary("l.db", &proposed(&town, "2", &[]));
    assert_eq!(town.balances("l.db"), "ann 0, bob 180");
    let done = town.run("l.db", &proposed(&town, "1", &[]), &[]);
    assert!(
        done.err.contains("points of it that were spent were let go already, and would be awarded once more"),
        "{done:?}"
    );
    assert_eq!(town.balances("l.db"), "ann 0, bob 180");
}

/// A unit may let points go when they are returned, too.
#[test]
fn what_a_return_let_go_is_not_awarded_once_more() {
    let town = Town::new();
    town.begin("l.db");
    apply_with(&town, &[SPEND], "platform", "");
    let within = town.read("program.toml").replacen(
        "id = \"points\"",
        "id = \"points\"\nclawback = 'within-balance'",
        1,
    );
    town.write("program.toml", within);
    assert_eq!(town.change_program("apply", "program.toml", &["--without-notice"]).code, Some(0));
    town.summary("l.db", &story("buy 1 10000; give 100; return 1 4000"));
    assert_eq!(has(&town), "ann 0, bob 100");
    apply(&town, &[SPEND, DOUBLE]);
    let done = town.run("l.db", &proposed(&town, "3", &[]), &[]);
    assert!(done.err.contains("points of it that were spent were let go already"), "{done:?}");
    assert_eq!(has(&town), "ann 0, bob 100");
}

/// Who brought the buyer gets less where the rule gave too much, and nothing that was not known to be due.
#[test]
fn whoever_brought_the_buyer_never_gets_more() {
    let friend = |id: &str| {
        let mut joined = registration(id, id, NOVEMBER);
        joined["data"]["referrer"] = json!("kim");
        joined
    };
    let town = Town::new();
    let [much, little]: [Deployment; 2] = ["much", "little"].map(|policy| ("bring", policy, "bonus", ""));
    town.policy("much", &components::referring(150));
    town.policy("little", &components::referring(100));
    town.begin("l.db");
    apply(&town, &[SPEND, much]);
    town.summary("l.db", &[friend("ann"), purchase("1", "ann", DECEMBER, 10_000)]);
    assert_eq!(town.balances("l.db"), "ann 100, kim 150");
    apply(&town, &[SPEND, little]);
    town.summary("l.db", &proposed(&town, "2", &[]));
    assert_eq!(town.balances("l.db"), "ann 100, kim 100");
    let done = town.run("l.db", &proposed(&town, "1", &[]), &[]);
    assert!(done.err.contains("kim would get more for having brought the buyer"), "{done:?}");
    town.replay("l.db");
}

/// Whoever has nothing as the correction is decided may have something as it is written.
#[test]
fn what_another_member_has_is_taken_whatever_comes_with_it() {
    let mut told = Vec::new();
    for parts in [1, 2] {
        let town = Town::new();
        town.begin("l.db");
        let [much, little]: [Deployment; 2] = ["much", "little"].map(|policy| ("bring", policy, "bonus", ""));
        town.policy("much", &components::referring(150));
        town.policy("little", &components::referring(100));
        apply(&town, &[SPEND, much]);
        let mut ann = registration("ann", "ann", NOVEMBER);
        ann["data"]["referrer"] = json!("kim");
        let mut given = story("give 150");
        given[0]["data"]["member"] = json!("kim");
        town.summary("l.db", &[ann, purchase("1", "ann", DECEMBER, 10_000)]);
        town.summary("l.db", &given);
        apply(&town, &[SPEND, little]);
        let mut events = proposed(&town, "2", &[]);
        events.insert(0, purchase("2", "kim", LATER, 10_000));
        for part in events.chunks(2_usize.div_euclid(parts)) {
            town.summary("l.db", part);
        }
        told.push(has(&town));
        town.replay("l.db");
    }
    assert_eq!(told, ["ann 100, bob 150, kim 50", "ann 100, bob 150, kim 50"]);
}

/// Members' caps count the same, however the corrections arrive.
#[test]
fn corrections_of_a_member_follow_each_other() {
    let town = Town::new();
    let bought: Vec<_> = (0..6).map(|n| purchase(&format!("p{n}"), "ann", DECEMBER, 10_000)).collect();
    let mut told = Vec::new();
    for parts in [1, 6] {
        town.forget("l.db");
        town.begin("l.db");
        apply(&town, &[DOUBLED]);
        town.summary("l.db", &bought);
        apply(&town, &[("spend", "spend", "base", "cap = { per_member_per_day = 250 }")]);
        for part in proposed(&town, "2", &[]).chunks(6_usize.div_euclid(parts)) {
            town.summary("l.db", part);
        }
        told.push(town.balances("l.db"));
        town.replay("l.db");
    }
    assert_eq!(told, ["ann 250", "ann 250"]);
}

/// What one deployment was told of the member, another may be told.
#[test]
fn what_was_known_of_the_member_is_known_to_another_rule() {
    let town = Town::new();
    town.begin("l.db");
    apply(&town, &[("count", "counting", "base", "")]);
    town.summary("l.db", &[purchase("1", "ann", NOVEMBER, 100), purchase("2", "ann", DECEMBER, 10_000)]);
    assert_eq!(town.balances("l.db"), "ann 1");
    apply(&town, &[("anew", "counting", "bonus", ""), SPEND]);
    town.summary("l.db", &proposed(&town, "2", &["--from", "2026-12-01T00:00:00+08:00"]));
    assert_eq!(town.balances("l.db"), "ann 101");
    town.replay("l.db");
}

#[test]
fn whoever_approves_sends_it() {
    let town = Town::new();
    town.begin("l.db");
    apply(&town, &[SPEND, DOUBLE]);
    town.summary("l.db", &[purchase("1", "ann", DECEMBER, 10_000)]);
    apply(&town, &[SPEND]);
    let [correction] = &*proposed(&town, "2", &[]) else { panic!("one purchase, one correction") };
    let mut own = correction.clone();
    own["data"]["approved_by"] = json!("operator");
    let (operator, merchant) = (key(&town, "operator", &[]), key(&town, "merchant", &["--scope", "shop"]));
    let host = town.host();
    // What it would come to may be asked by whoever proposes it.
    let quoted = host.post_with(&operator, "/v1/quotes", correction);
    assert_eq!(quoted.json()["refund"]["reversals"][0]["reversed"], json!(100), "{}", quoted.text);
    for (key, event, status, told) in [
        (&operator, correction, 422, "is 王梅, and this key is operator's; whoever approves it sends it"),
        (&merchant, &own, 422, "this key is shop's, whose events have the source /merchants/shop"),
        (&operator, &own, 200, "applied"),
    ] {
        let answer = host.events_with(key, event);
        assert!(answer.status == status && answer.text.contains(told), "{told}: {}", answer.text);
    }
    assert_eq!(town.balances("l.db"), "ann 100");
}
