//! A rule that is tried on some members, beside the one in whose place it is.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::service::Host;
use crate::town::{Town, purchase, text, until};

const NOON: &str = "2025-07-25T12:00:00+08:00";

/// Members of a test.
const MEMBERS: usize = 200;

/// The old rule: a point for each yuan.
const OLD: (&str, &str, &str, &str) = ("old", "spend", "base", "");

fn apply(town: &Town, deployments: &[(&str, &str, &str, &str)], more: &[&str]) -> Option<i32> {
    town.program(deployments);
    town.change_program("apply", "program.toml", more).code
}

/// A new rule of seven points, tried in the place of the old one.
fn canary(percent: u8) -> String {
    format!("mode = 'canary'\npercent = {percent}\nreplaces = 'old'\nparameters = {{ points = 7 }}")
}

/// Waits until a host is on a version.
fn wait_for(host: &Host, version: u64) {
    let there = until(|| host.get("/v1/program").json()["version"] == version);
    assert!(there, "{:?}", host.get("/v1/program"));
}

/// Everybody buys for 68.50; returns who got seven points for it. The others got 68.
fn buy(host: &Host, round: &str) -> BTreeSet<usize> {
    let events = (0..MEMBERS).map(|n| purchase(&format!("{round}-{n}"), &format!("m{n}"), NOON, 6_850));
    let answers = host.events(&json!(events.collect::<Vec<_>>())).json();
    let answers = answers.as_array().expect("an array").iter().enumerate();
    let granted = |answer: &Value| {
        let awards = answer["awards"].as_array().expect("a list").iter();
        awards.map(|award| award["granted"].as_u64().expect("a number")).sum::<u64>()
    };
    let tried = answers.filter(|(_, answer)| match granted(answer) {
        7 => true,
        68 => false,
        other => panic!("{other} points: {answer}"),
    });
    tried.map(|(n, _)| n).collect()
}

#[test]
fn a_canary_is_live_for_the_same_members_and_for_more_when_it_grows() {
    let town = Town::new();
    assert_eq!(apply(&town, &[OLD], &[]), Some(0));
    let host = town.host();
    assert_eq!(buy(&host, "a").len(), 0);
    let grown = |percent: u8, more: &[&str]| {
        let lines = canary(percent);
        apply(&town, &[OLD, ("new", "flat", "base", &lines)], more)
    };
    assert_eq!(grown(20, &[]), Some(2), "some members would have less, and nobody told them");
    assert_eq!(grown(20, &["--without-notice"]), Some(0));
    wait_for(&host, 2);
    let some = buy(&host, "b");
    assert!((20..=60).contains(&some.len()), "{} of {MEMBERS}", some.len());
    assert_eq!(buy(&host, "c"), some);
    let compared = host.get("/v1/program/deployments/new/comparison").json();
    let decided = u64::try_from(2 * some.len()).expect("it fits");
    let events = u64::try_from(2 * (MEMBERS - some.len())).expect("it fits");
    assert_eq!(
        (&compared["events"], &compared["differ"], &compared["decided"]),
        (&json!(events), &json!(events), &json!(decided))
    );
    assert_eq!(compared["units"], json!([{"unit": "points", "was": events * 68, "would_be": events * 7}]));
    assert_eq!(compared["canary"], json!([{"unit": "points", "was": decided * 7, "would_be": decided * 7}]));
    assert_eq!(
        (&compared["gain"], &compared["lose"], &compared["faults"]),
        (&json!(0), &json!(events.div_euclid(2)), &json!(0))
    );
    assert_eq!(compared["losers"].as_array().map(Vec::len), Some(10));
    let told = town.done(&["compare", "--ledger", "l.db", "--deployment", "new"]).json();
    assert_eq!(told, compared);
    let later = host.get("/v1/program/deployments/new/comparison?from=2025-07-26T00:00:00%2B08:00").json();
    assert_eq!(later["events"], 0);
    assert_eq!(host.get("/v1/program/deployments/old/comparison").status, 404);
    assert_eq!(town.done(&["compare", "--ledger", "l.db", "--deployment", "old"]).code, Some(2));

    assert_eq!(grown(60, &["--without-notice"]), Some(0));
    wait_for(&host, 3);
    let more = buy(&host, "d");
    assert!(more.is_superset(&some) && (90..=150).contains(&more.len()), "{} of {MEMBERS}", more.len());

    // What comes back is taken from what was given then.
    let (one, other) =
        (some.first().expect("there is one"), (0..MEMBERS).find(|n| !more.contains(n)).expect("one"));
    let refund = |n: usize| {
        let order = format!("b-{n}");
        json!({"specversion": "1.0", "id": format!("r{n}"), "source": "/merchants/shop", "type": "jifen.purchase.refunded", "time": NOON, "data": {"order": order}})
    };
    host.events(&json!([refund(*one), refund(other)]));
    let available =
        |n: usize| host.get(&format!("/v1/members/m{n}/balances")).json()["balances"][0]["available"].clone();
    // 68 before the canary, 7 or 68 for each of the three purchases since.
    assert_eq!((available(*one), available(other)), (json!(68 + 3 * 7 - 7), json!(4 * 68 - 68)));

    // Promoted: it is live for everybody, and the old one is gone.
    let live = [("new", "flat", "base", "parameters = { points = 7 }")];
    assert_eq!(apply(&town, &live, &["--without-notice"]), Some(0));
    wait_for(&host, 4);
    assert_eq!(buy(&host, "e").len(), MEMBERS);
    let receipts = u64::try_from(5 * MEMBERS + 2).expect("it fits");
    assert_eq!(town.replay("l.db"), receipts);
}

/// In shadow nobody is given by it, and outside its time the one that it would replace goes on.
#[test]
fn what_is_tried_replaces_nothing_where_it_does_not_apply() {
    let town = Town::new();
    let shadow = "mode = 'shadow'\nreplaces = 'old'\nparameters = { points = 7 }";
    assert_eq!(apply(&town, &[OLD, ("new", "flat", "base", shadow)], &[]), Some(0));
    let host = town.host();
    assert_eq!(buy(&host, "a").len(), 0);
    let compared = host.get("/v1/program/deployments/new/comparison").json();
    assert_eq!(
        (&compared["events"], &compared["decided"], &compared["lose"]),
        (&json!(200), &json!(0), &json!(200))
    );
    let later = canary(99) + "\nfrom = '2030-01-01T00:00:00+08:00'";
    assert_eq!(apply(&town, &[OLD, ("new", "flat", "base", &later)], &["--without-notice"]), Some(0));
    wait_for(&host, 2);
    assert_eq!(buy(&host, "b").len(), 0);
    assert_eq!(town.replay("l.db"), 400);
}

/// A canary that fails three times in a row is put back.
#[test]
fn a_canary_that_fails_is_put_back() {
    let town = Town::new();
    assert_eq!(apply(&town, &[OLD], &[]), Some(0));
    let host = town.host();
    let failing = "mode = 'canary'\npercent = 50\nreplaces = 'old'";
    assert_eq!(apply(&town, &[OLD, ("new", "looping", "base", failing)], &[]), Some(0));
    wait_for(&host, 2);
    for n in 0..20 {
        assert_eq!(host.events(&purchase(&n.to_string(), &format!("m{n}"), NOON, 6_850)).status, 200);
    }
    wait_for(&host, 3);
    let change = host.get("/v1/program").json();
    assert_eq!(text(&change["who"]), "jifen");
    assert_eq!(buy(&host, "a").len(), 0);
}
