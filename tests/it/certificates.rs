//! Certificates: what a member earned and used, with the proof that the log says so.

use serde_json::{Value, json};

use crate::components::{constant, redemption, referring};
use crate::ledgers::on_postgres;
use crate::town::{Town, purchase, registration, text};

const OF_ANN: [&str; 7] = ["certificate", "--ledger", "l.db", "ann", "--from", "2026-01-01", "--through"];

/// Returns a town in which ann earned 120 and 80 and used 150 in 2026, and more before and after. What ann buys gives something to
/// bob, too, who brought ann, under a cap and a budget.
fn town() -> Town {
    let town = Town::new();
    town.policy("offer", &redemption(150, 0, 0));
    town.policy("brings", &referring(33));
    let brings = "cap = { per_referrer_per_day = 4400 }\nbudget = 66000";
    town.program(&[("spend", "spend", "base", ""), ("brings", "brings", "base", brings)]);
    let offer = "[[redemption]]\nid = 'offer'\npolicy = 'offer'\nunit = 'points'\n";
    town.write("program.toml", format!("{}{offer}", town.read("program.toml")));
    let step = |kind: &str, time: &str, data: Value| {
        let mut event = json!({"specversion": "1.0", "id": kind, "source": "/app", "time": time,
            "type": format!("jifen.redemption.{kind}"), "data": data});
        event["data"]["redemption"] = json!("r1");
        event
    };
    let asks = json!({"member": "ann", "merchant": "shop", "item": "freight"});
    let mut joins = registration("joins", "ann", "2025-12-31T12:00:00+08:00");
    joins["data"]["referrer"] = json!("bob");
    town.summary(
        "l.db",
        &[
            joins,
            purchase("before", "ann", "2025-12-31T23:59:59+08:00", 500),
            purchase("1", "ann", "2026-01-01T00:00:00+08:00", 12_000),
            purchase("2", "bob", "2026-02-01T12:00:00+08:00", 7_700),
            purchase("3", "ann", "2026-03-01T12:00:00+08:00", 8_000),
            step("requested", "2026-03-02T12:00:00+08:00", asks),
            step("captured", "2026-03-02T12:01:00+08:00", json!({})),
            purchase("after", "ann", "2027-01-01T00:00:00+08:00", 900),
        ],
    );
    town
}

fn issued(town: &Town) -> Value {
    let done = town.done(&[&OF_ANN[..], &["2026-12-31"]].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    town.write("ann.json", &done.out);
    done.json()
}

#[test]
fn a18_a_certificate_states_what_the_log_proves() {
    let town = town();
    let certificate = issued(&town);
    assert_eq!((&certificate["earned"], &certificate["used"]), (&json!(200), &json!(150)), "{certificate}");
    assert_eq!(certificate["entries"].as_array().map(Vec::len), Some(3));
    for others in ["bob", "brings", "usage", "budget"] {
        assert!(!certificate.to_string().contains(others), "nobody else's {others} is in it: {certificate}");
    }
    assert!(town.balances("l.db").contains("bob 209"), "the log has it: {}", town.balances("l.db"));

    let head = town.done(&["audit", "head", "--ledger", "l.db", "--json"]).json();
    assert_eq!(head, certificate["head"]);
    let verify = |more: &[&str]| town.done(&[&["audit", "certificate", "ann.json"], more].concat());
    for more in [&[][..], &["--root", text(&head["root"])], &["--ledger", "l.db"]] {
        let verified = verify(more);
        assert_eq!(verified.code, Some(0), "{verified:?}");
        let words = format!(
            "ann earned 200 points and used 150 from 2026-01-01 through 2026-12-31, by 3 entries of the log of 8 entries with the root {}",
            text(&head["root"])
        );
        assert_eq!(verified.out.trim(), words);
    }
    assert_eq!(verify(&["--root", "00"]).code, Some(1));

    town.summary("l.db", &[purchase("later", "bob", "2027-02-01T12:00:00+08:00", 100)]);
    assert_eq!(verify(&["--ledger", "l.db"]).code, Some(0), "it is of the log as it was");
    let then = town.done(&["audit", "head", "--ledger", "l.db", "--entries", "8", "--json"]).json();
    assert_eq!(then, head);
    assert_eq!(town.done(&["audit", "head", "--ledger", "l.db", "--entries", "10"]).code, Some(2));
}

#[test]
fn whatever_is_changed_shows() {
    let town = town();
    let certificate = issued(&town);
    let last = |text: &str| {
        let other = if text.ends_with('0') { '1' } else { '0' };
        format!("{}{other}", &text[..text.len() - 1])
    };
    let change = |pointer: &str, to: &dyn Fn(&Value) -> Value| {
        let mut changed = certificate.clone();
        let value = changed.pointer_mut(pointer).unwrap_or_else(|| panic!("there is no {pointer}"));
        *value = to(value);
        changed
    };
    let swap = |from: &'static str, to: &'static str| move |it: &Value| json!(text(it).replace(from, to));
    let flip = |it: &Value| json!(last(text(it)));
    let not_there = "the log of that head does not say so";
    let no_head = "its head is none: the root is not that of the tree and the number of entries";
    let capitals = |it: &Value| json!(text(it).to_uppercase());
    let mut rows = vec![
        (change("/certificate", &|_| json!("jifen.certificate/2")), "and this program knows"),
        (
            change("/earned", &|_| json!(201)),
            "it states that 201 were earned and 150 used, and its entries come to 200 and 150",
        ),
        (change("/used", &|_| json!(0)), "it states that 200 were earned and 0 used"),
        (change("/member", &|_| json!("bob")), "it is of ann on 2026-01-01"),
        (change("/unit", &|_| json!("miles")), "its entries come to 0 and 0"),
        (change("/from", &|_| json!("2026-02-01")), "it is of ann on 2026-01-01"),
        (change("/through", &|_| json!("2026-03-01")), "it is of ann on 2026-03-02"),
        (change("/head/root", &flip), no_head),
        (change("/head/root", &capitals), no_head),
        (change("/head/root", &|_| json!("no root")), no_head),
        (change("/head/tree", &flip), no_head),
        (change("/head/entries", &|_| json!(7)), no_head),
        (change("/head/entries", &|_| json!(9)), no_head),
        (change("/head/entries", &|_| json!(u64::MAX)), no_head),
        (change("/entries/1/seq", &|_| json!(6)), not_there),
        (change("/entries/1/seq", &|_| json!(0)), not_there),
    ];
    for n in 0..3 {
        let of = |key: &str| format!("/entries/{n}/{key}");
        rows.push((
            change(&of("event"), &swap("\"id\"", "\"ID\"")),
            "its event is another one than the log's",
        ));
        rows.push((change(&of("extract"), &swap("2026", "2025")), not_there));
        rows.push((change(&of("proof"), &flip), not_there));
        rows.push((change(&of("proof"), &capitals), not_there));
        rows.push((change(&of("proof"), &|_| json!("")), not_there));
    }
    let mut nothing = change("/head/root", &|_| json!("no root"));
    (nothing["entries"], nothing["earned"], nothing["used"]) = (json!([]), json!(0), json!(0));
    rows.push((nothing, no_head));
    let twice = change("/entries", &|it| json!([it[0], it[1], it[1], it[2]]));
    rows.push((twice, "it stands there twice, or out of order"));
    for (changed, expected) in rows {
        town.write("ann.json", changed.to_string());
        let verified = town.done(&["audit", "certificate", "ann.json"]);
        assert!(verified.code == Some(1) && verified.err.contains(expected), "{expected}: {verified:?}");
    }

    let mut short = change("/entries", &|it| json!([it[0], it[2]]));
    short["earned"] = json!(120);
    town.write("ann.json", short.to_string());
    assert_eq!(town.done(&["audit", "certificate", "ann.json"]).code, Some(0), "it holds by itself");
    let by_ledger = town.done(&["audit", "certificate", "ann.json", "--ledger", "l.db"]);
    assert!(by_ledger.code == Some(1) && by_ledger.err.contains("entry 5: it is left out"), "{by_ledger:?}");
}

/// The receipt of somebody else is changed by a space, its digest left as it is.
#[test]
fn a_log_that_was_changed_has_another_head() {
    let town = town();
    issued(&town);
    town.change(
        "l.db",
        if on_postgres() {
            "UPDATE transactions SET receipt = receipt || convert_to(' ', 'UTF8') WHERE seq = 4"
        } else {
            "UPDATE transactions SET receipt = CAST(CAST(receipt AS TEXT) || ' ' AS BLOB) WHERE seq = 4"
        },
    );
    let verified = town.done(&["audit", "certificate", "ann.json", "--ledger", "l.db"]);
    let words = "the root of the ledger's first 8 entries is ";
    assert!(verified.code == Some(1) && verified.err.contains(words), "{verified:?}");
    assert_eq!(town.done(&["audit", "certificate", "ann.json"]).code, Some(0), "it is of the log as it was");
}

/// What came after the head and is of those days makes it less than the log says.
#[test]
fn what_came_later_is_told() {
    let town = town();
    issued(&town);
    let verify = || town.done(&["audit", "certificate", "ann.json", "--ledger", "l.db"]);
    town.summary("l.db", &[purchase("of another year", "ann", "2027-06-01T12:00:00+08:00", 800)]);
    assert_eq!(verify().code, Some(0));
    town.summary("l.db", &[purchase("late", "ann", "2026-06-01T12:00:00+08:00", 800)]);
    let verified = verify();
    let words = "entry 10: it came later; ask for a new one";
    assert!(verified.code == Some(1) && verified.err.contains(words), "{verified:?}");
    issued(&town);
    assert_eq!(verify().code, Some(0));
}

/// What a registration gave counts, and who the member is stays untold.
#[test]
fn a_registration_is_not_shown() {
    let town = Town::new();
    town.policy("constant", &constant(30));
    town.program(&[("joins", "constant", "base", "")]);
    let mut joins = registration("joins", "ann", "2026-01-01T12:00:00+08:00");
    joins["data"]["referrer"] = json!("bob");
    joins["data"]["person"] = json!("k1");
    joins["data"]["birthday"] = json!("1990-05-01");
    town.summary("l.db", &[joins]);
    let mut buys = purchase("buys", "ann", "2026-01-02T12:00:00+08:00", 100);
    buys["data"]["payer"] = json!("account of bob");
    town.summary("l.db", &[buys]);
    let certificate = issued(&town);
    assert_eq!(
        (&certificate["earned"], certificate["entries"].as_array().map(Vec::len)),
        (&json!(60), Some(2))
    );
    for told in ["bob", "k1", "1990"] {
        assert!(!certificate.to_string().contains(told), "{told} is in it: {certificate}");
    }
    let verified = town.done(&["audit", "certificate", "ann.json", "--ledger", "l.db"]);
    assert!(
        verified.code == Some(0) && verified.out.contains("; 2 of them without the event"),
        "{verified:?}"
    );
}

/// Points that were brought along are not earned.
#[test]
fn an_opening_balance_is_not_certified() {
    let town = town();
    town.write("balances.csv", "member,unit,points,issuer,expires\nann,points,500,platform,\n");
    let imported = town.done(&["import", "balances.csv", "--time", "2026-04-01T12:00:00+08:00"]);
    assert_eq!(imported.code, Some(0), "{imported:?}");
    town.write("events.jsonl", &imported.out);
    let applied = town.done(&Town::run_arguments("l.db", &[]));
    assert_eq!(applied.code, Some(0), "{applied:?}");
    let certificate = issued(&town);
    assert_eq!((&certificate["earned"], &certificate["used"]), (&json!(200), &json!(150)), "{certificate}");
    assert!(town.balances("l.db").contains("ann 564"), "{}", town.balances("l.db"));
}

#[test]
fn what_is_none_is_told() {
    let town = town();
    let mut more = issued(&town);
    more["issuer"] = json!("somebody");
    town.write("more.json", more.to_string());
    for (arguments, expected) in [
        (&["audit", "certificate", "program.toml"][..], "program.toml is no certificate"),
        (&["audit", "certificate", "nothing.json"], "open nothing.json"),
        (&["audit", "certificate", "more.json"], "unknown field `issuer`"),
        (&[&OF_ANN[..], &["2025-12-31"]].concat(), "--through 2025-12-31 lies before --from 2026-01-01"),
        (&[&OF_ANN[..], &["2026-02-30"]].concat(), "invalid value '2026-02-30'"),
    ] {
        let done = town.done(arguments);
        assert!(done.code == Some(2) && done.err.contains(expected), "{expected}: {done:?}");
    }
}
