//! Receipts: every fact has a name that reads back, and what went into a decision reads back from the canonical form.

use super::{Evaluation, Receipt, fact_name, parse_fact};
use crate::decision::{Decision, Usage};
use crate::event::Event;
use crate::facts::{Answer, Fact};
use crate::points::Points;
use crate::time::Zone;

const EVENT: &str = r#"{"specversion":"1.0","id":"1","source":"/app","type":"jifen.member.registered","time":"2025-07-25T00:00:00+08:00","data":{"member":"ann"}}"#;

const FACTS: [(Fact, &str); 10] = [
    (Fact::PurchasesLifetimeCount, "purchases.lifetime-count"),
    (Fact::PurchasesLifetimeSpendMinor, "purchases.lifetime-spend-minor"),
    (Fact::PurchasesCountSince(739_457), "purchases.count-since(2025-07-25)"),
    (Fact::PurchasesSpendMinorSince(1), "purchases.spend-minor-since(0001-01-01)"),
    (Fact::PurchasesLastDay, "purchases.last-day"),
    (Fact::AwardsGrantedSince(i32::MAX), "awards.granted-since(2147483647)"),
    (Fact::BalanceAvailable, "balance.available"),
    (Fact::BalancePending, "balance.pending"),
    (Fact::MembershipRegisteredDay, "membership.registered-day"),
    (Fact::MembershipReferred, "membership.referred"),
];

#[test]
fn every_fact_has_a_name_that_reads_back() {
    for (fact, name) in FACTS {
        assert_eq!(fact_name(fact), name);
        assert_eq!(parse_fact(name), Some(fact), "{name}");
    }
    for name in
        ["", "purchases", "purchases.count-since", "purchases.last-day(2025-07-25)", "balance.available()"]
    {
        assert_eq!(parse_fact(name), None, "{name}");
    }
}

#[test]
fn what_went_into_a_decision_reads_back() {
    let event = Event::parse(EVENT.as_bytes()).unwrap();
    let points = |points| Points::new(points).unwrap();
    let receipt = Receipt {
        program: "ab".repeat(32),
        day: 739_457,
        referrer: Some("bob".into()),
        evaluations: vec![
            Evaluation {
                deployment: "welcome".into(),
                points_so_far: points(68),
                fuel: 1_234,
                facts: FACTS.iter().map(|(fact, _)| Answer { fact: *fact, value: 7 }).collect(),
                usage: Some(Usage { day: points(1), month: points(2), budget: points(3) }),
            },
            Evaluation {
                deployment: "spend".into(),
                points_so_far: Points::ZERO,
                fuel: 0,
                facts: Vec::new(),
                usage: None,
            },
        ],
        decision: Decision::default(),
    };
    let sealed = receipt.seal(&event, Zone::parse("Asia/Shanghai").unwrap(), &[]);
    let inputs = Receipt::inputs(&sealed.json).unwrap();
    assert_eq!((inputs.program, inputs.referrer), (receipt.program, receipt.referrer));
    assert_eq!(inputs.evaluations, receipt.evaluations);
}

#[test]
fn what_is_no_receipt_is_told() {
    for json in [
        "",
        "{}",
        r#"{"program":"","evaluations":[{"deployment":"d","fuel":1,"facts":[["balance.gold",1]]}]}"#,
    ] {
        assert!(Receipt::inputs(json.as_bytes()).is_err(), "{json}");
    }
}
