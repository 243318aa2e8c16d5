//! Receipts: what went into a decision reads back from the canonical form.

use super::{Evaluation, Key, Receipt, Refunded};
use crate::clawback::{Debt, Level, Reach, Repayment, Reversal, Taken};
use crate::conversion::{Conversion, Converted};
use crate::decision::{Decision, Usage};
use crate::event::Event;
use crate::facts::{Answer, Fact};
use crate::lot::{Issuer, LotId};
use crate::member::Referral;
use crate::points::Points;
use crate::posting::Kind;
use crate::program::{Ends, Expiry, Period};
use crate::proposal::Offer;
use crate::redemption::{Acceptance, Expired, Paid, Part, Quoted, Redeemed, Return, Returned};
use crate::term::{Awaited, Notice, Retermed, Term};
use crate::time::{Instant, Zone};

const EVENT: &str = r#"{"specversion":"1.0","id":"1","source":"/app","type":"jifen.member.registered","time":"2025-07-25T00:00:00+08:00","data":{"member":"ann"}}"#;

#[test]
fn what_went_into_a_decision_reads_back() {
    let event = Event::parse(EVENT.as_bytes()).unwrap();
    let points = |points| Points::new(points).unwrap();
    let level = |granted| Level {
        deployment: "spend".into(),
        to: "ann".into(),
        unit: "points".into(),
        issuer: Issuer::Merchant("store-330".into()),
        granted: points(granted),
    };
    let taken = |had, taken| Taken {
        from: Reach {
            lot: LotId { member: "a/n/n".into(), version: 3, award: 1 },
            unit: "points".into(),
            issuer: Issuer::Platform,
            had: points(had),
            lapsed: points(2),
        },
        points: points(taken),
    };
    let part = |expires_at| Part {
        lot: LotId { member: "a/n/n".into(), version: 3, award: 1 },
        issuer: Issuer::Platform,
        day: 739_457,
        expires_at,
        notice: Notice::Needed { days: 30 },
        had: points(9),
        points: points(8),
    };
    let by =
        Acceptance { deployment: "gifts".into(), merchant: "store/330".into(), program: "cd".repeat(32) };
    let request = Redeemed {
        quoted: Some(Quoted {
            offer: Offer {
                points: points(8),
                cash_minor: 990,
                worth_minor: 0,
                benefit: "lipstick".to_owned(),
                restrictions: vec!["weekdays".to_owned()],
            },
            until: Instant::from_millis(1_753_372_800_001),
        }),
        held: vec![part(Instant::NEVER)],
        ..Redeemed::new("r/1".into(), 0, "points".into(), Some(by.clone()))
    };
    let back =
        |to| Returned { lot: part(Instant::NEVER).lot, issuer: Issuer::Platform, points: points(1), to };
    let cancellation = Redeemed {
        paid: Some(Paid { captured: points(9), cancelled: points(1) }),
        captured: vec![part(Instant::from_millis(0))],
        released: vec![part(Instant::from_millis(1))],
        cancelled: vec![part(Instant::from_millis(2))],
        returned: vec![
            back(Return::Lot),
            back(Return::Lapsed),
            back(Return::New { expires_at: Instant::from_millis(3), notice: Notice::Needed { days: 0 } }),
            back(Return::New { expires_at: Instant::NEVER, notice: Notice::Given }),
        ],
        ..Redeemed::new("r2".into(), 7, "points".into(), None)
    };
    let expires = Expiry::After { months: 12, days: 0, end_of: Some((Period::Year, 1)) };
    let counts = Ends { expires, notice_days: Some(30) };
    let waiting = Term {
        available_at: Instant::from_millis(7),
        awaits: Some(Awaited { action: "confirmed".to_owned(), counts: Some(counts) }),
        expires_at: Instant::from_millis(7),
        notice: Notice::Missing { days: 7 },
    };
    let receipt = Receipt {
        program: "ab".repeat(32),
        member: Some("ann".into()),
        version: 4,
        day: 739_457,
        referral: Some(Referral { same_payer_day: Some(739_000), ..Referral::new("bob".into(), true) }),
        evaluations: vec![
            Evaluation {
                deployment: "welcome".into(),
                points_so_far: points(68),
                fuel: 1_234,
                facts: vec![
                    Answer { fact: Fact::BalanceAvailable, value: 7 },
                    Answer { fact: Fact::PurchasesCountSince(739_457), value: u64::MAX },
                    Answer { fact: Fact::AwardsGrantedSince(i32::MIN), value: 0 },
                ],
                known: vec![Answer { fact: Fact::MembershipReferred, value: 1 }],
                usage: Some(Usage {
                    day: points(1),
                    month: points(2),
                    referrer_day: points(4),
                    referrer_month: points(5),
                    budget: points(3),
                }),
            },
            Evaluation {
                deployment: "spend".into(),
                points_so_far: Points::ZERO,
                fuel: 0,
                facts: Vec::new(),
                known: Vec::new(),
                usage: None,
            },
        ],
        decision: Decision::default(),
        refund: Some(Refunded {
            first: vec![level(70)],
            of: Some(Key { source: "/shop".to_owned(), id: "7".to_owned() }),
            waited: vec![Key { source: "/shop".to_owned(), id: "r7".to_owned() }],
            evaluations: Vec::new(),
            levels: vec![level(60)],
            reversals: vec![Reversal {
                of: level(40),
                taken: vec![taken(30, 30)],
                debt: points(7),
                forgiven: points(3),
            }],
        }),
        redemptions: vec![request, cancellation],
        expired: vec![Expired { unit: "points".into(), part: part(Instant::from_millis(4)) }],
        repayments: vec![Repayment {
            debt: Debt { unit: "points".into(), issuer: Issuer::Platform, points: points(9) },
            taken: taken(20, 9),
        }],
        terms: vec![Retermed {
            lot: part(Instant::NEVER).lot,
            unit: "points".into(),
            day: 739_457,
            was: waiting.clone(),
            now: Term::new(Instant::from_millis(5), Instant::NEVER),
        }],
        conversion: Some(Conversion {
            kind: Kind::Exchange,
            unit: "points".into(),
            to: "bob".into(),
            into: "green".into(),
            parts: vec![Converted { from: part(Instant::from_millis(6)), points: points(3), term: waiting }],
        }),
        settlement: None,
        block: None,
    };
    let sealed = receipt.seal(&event, Zone::parse("Asia/Shanghai").unwrap(), &[]);
    let inputs = Receipt::inputs(&sealed.json).unwrap();
    assert_eq!((inputs.program, inputs.referral), (receipt.program, receipt.referral));
    assert_eq!(inputs.evaluations, receipt.evaluations);
    assert_eq!((inputs.version, inputs.repayments), (receipt.version, receipt.repayments));
    assert_eq!(inputs.refund, receipt.refund);
    assert_eq!((inputs.redemptions, inputs.expired), (receipt.redemptions, receipt.expired));
    assert_eq!((inputs.terms, inputs.conversion), (receipt.terms, receipt.conversion));
    assert_eq!(Receipt::levels(&sealed.json).unwrap(), [level(60)]);
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
