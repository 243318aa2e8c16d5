//! A member with very many lots: one request takes them all, and one cancellation gives them all back.

use serde_json::{Value, json};

use crate::components::redemption;
use crate::town::{Town, purchase};

const LOTS: u64 = 10_000;
const TIME: &str = "2025-07-25T12:00:00+08:00";

#[test]
fn ten_thousand_lots_are_used_at_once_and_come_back() {
    let town = Town::new();
    town.policy("offer", &redemption(LOTS, 0, 0));
    town.program(&[("spend", "spend", "base", "")]);
    let offer = "[[redemption]]\nid = 'offer'\npolicy = 'offer'\nunit = 'points'\n";
    town.write("program.toml", format!("{}\n{offer}", town.read("program.toml")));

    let purchases: Vec<_> = (0..LOTS).map(|n| purchase(&format!("o{n}"), "ann", TIME, 100)).collect();
    assert_eq!(town.summary("l.db", &purchases)["applied"], LOTS);
    let step = |kind: &str, data: Value| {
        json!({"specversion": "1.0", "id": kind, "source": "/merchants/shop", "type": format!("jifen.redemption.{kind}"),
            "time": TIME, "data": data})
    };
    for (event, left) in [
        (
            step(
                "requested",
                json!({"redemption": "r", "member": "ann", "merchant": "shop", "item": "rice"}),
            ),
            0,
        ),
        (step("captured", json!({"redemption": "r"})), 0),
        (step("cancelled", json!({"redemption": "r", "cause": "merchant"})), LOTS),
    ] {
        assert_eq!(town.summary("l.db", std::slice::from_ref(&event))["applied"], 1);
        assert_eq!(town.balances("l.db"), format!("ann {left}"), "{event}");
    }
    let captured = "SELECT CAST(count(*) AS TEXT) FROM redemption_lots WHERE captured = 1 AND cancelled = 1";
    assert_eq!(town.texts("l.db", captured), [LOTS.to_string()]);
    assert_eq!(town.replay("l.db"), LOTS + 3);
}
