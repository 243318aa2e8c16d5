//! `jifen audit check`: whatever a store keeps that its log does not come to is named.

use crate::components::redemption;
use crate::town::{Town, market, purchase, registration};

const TIME: &str = "2025-07-25T12:00:00+08:00";

/// Returns a town with a ledger in a file, in which there is some of everything.
fn town() -> Town {
    let town = Town::new();
    town.policy("offer", &redemption(50, 0, 0));
    town.program(&[("spend", "spend", "base", "budget = 100000")]);
    let program = town.read("program.toml");
    let offer = "[[redemption]]\nid = 'offer'\npolicy = 'offer'\nunit = 'points'\nhold = { days = 30 }\n";
    town.write("program.toml", format!("{program}\n{offer}"));
    let step = |id: &str, kind: &str, data: serde_json::Value| serde_json::json!({"specversion": "1.0", "id": id, "source": "/merchants/shop", "type": kind, "time": TIME, "data": data});
    let mut events = market(20, 3);
    events.push(purchase("ann1", "ann", TIME, 10_000));
    let ask = |name: &str| serde_json::json!({"redemption": name, "member": "ann", "merchant": "shop", "item": "rice"});
    events.push(step("a1", "jifen.redemption.requested", ask("r1")));
    events.push(step("u1", "jifen.redemption.captured", serde_json::json!({"redemption": "r1"})));
    events.push(step("b1", "jifen.purchase.refunded", serde_json::json!({"order": "ann1"})));
    events.push(purchase("bob1", "bob", TIME, 10_000));
    let mut asked = ask("r2");
    asked["member"] = "bob".into();
    events.push(step("a2", "jifen.redemption.requested", asked));
    let joins = [("cat", "k1", "bob"), ("dan", "k1", "cat")];
    events.extend(joins.map(|(member, person, referrer)| {
        let mut join = registration(member, member, TIME);
        join["data"]["person"] = person.into();
        join["data"]["referrer"] = referrer.into();
        join["data"]["birthday"] = "1990-05-01".into();
        join
    }));
    town.summary("sqlite:l.db", &events);
    town.replay("sqlite:l.db");
    town
}

#[test]
fn what_does_not_add_up_is_named() {
    for (change, complaint) in [
        (
            "UPDATE lots SET remaining = remaining - 1 WHERE member = (SELECT number FROM members WHERE member = 'bob')",
            "lot bob/1/0: the store has 49 left",
        ),
        (
            "UPDATE lots SET expired = 1, remaining = remaining - 1 WHERE member = (SELECT number FROM members WHERE member = 'bob')",
            "and 1 lapsed of 100 points of bob",
        ),
        (
            "UPDATE lots SET member = (SELECT number FROM members WHERE member = 'ann') WHERE member = (SELECT number FROM members WHERE member = 'bob')",
            "of ann, its postings 50 left",
        ),
        (
            "UPDATE lots SET member = 99 WHERE member = (SELECT number FROM members WHERE member = 'bob')",
            "of #99, its postings 50 left",
        ),
        (
            "DELETE FROM lots WHERE member = (SELECT number FROM members WHERE member = 'bob')",
            "lot bob/1/0: the store does not have it",
        ),
        (
            "UPDATE members SET version = version + 1 WHERE member = 'ann'",
            "member ann: entries: the store has 5, the log comes to 4",
        ),
        (
            "UPDATE members SET purchase_spend_minor = 1 WHERE member = 'ann'",
            "member ann: spend: the store has 1, the log comes to 10000",
        ),
        (
            "UPDATE members SET birth_day = 1 WHERE member = 'cat'",
            "member cat: born: the store has 1, the log comes to ",
        ),
        (
            "UPDATE members SET person = 'k2' WHERE member = 'cat'",
            "member cat: person: the store has k2, the log comes to k1",
        ),
        (
            "UPDATE members SET referrer = 'ann' WHERE member = 'cat'",
            "member cat: referral: the store has ann, the log comes to bob",
        ),
        (
            "UPDATE members SET same_person = 0 WHERE member = 'dan'",
            "member dan: referral: the store has cat, the log comes to cat, the same person",
        ),
        ("DELETE FROM members WHERE member = 'ann'", "member ann: the store does not have them"),
        (
            "UPDATE debts SET points = points + 1",
            "member ann: owes platform: the store has 51, the log comes to 50",
        ),
        ("DELETE FROM debts", "member ann: owes 50, and not in the store"),
        (
            "UPDATE redemption_lots SET released = 1 WHERE member = (SELECT number FROM members WHERE member = 'bob')",
            "redemption r2: held of lot bob/1/0: the store has 49, the log comes to 50",
        ),
        ("UPDATE budgets SET granted = granted + 1", "budget spend: granted: the store has"),
        (
            "UPDATE postings SET points = points + 1 WHERE seq = 21 AND n = 0",
            "receipt 21: its postings do not sum to zero",
        ),
        (
            "UPDATE transactions SET receipt_digest = zeroblob(32) WHERE seq = 3",
            "receipt 3: it does not have its digest",
        ),
        (
            "UPDATE transactions SET event_digest = zeroblob(32) WHERE seq = 3",
            "receipt 3: its event does not have its digest",
        ),
        (
            "UPDATE transactions SET event = CAST('{}' AS BLOB) WHERE seq = 3",
            "receipt 3: its event cannot be read",
        ),
        ("DELETE FROM transactions WHERE seq = 3", "the log: receipt"),
    ] {
        let town = town();
        let ledger = rusqlite::Connection::open(town.path("l.db")).expect("it is a ledger");
        assert!(ledger.execute(change, []).expect("it can be changed") >= 1, "{change}");
        drop(ledger);
        let done = town.done(&["audit", "check", "--ledger", "sqlite:l.db"]);
        assert_eq!(done.code, Some(1), "{change}: {done:?}");
        assert!(done.err.contains(complaint), "{change}: expected {complaint}, got {}", done.err);
    }
}
