//! What is granted of what is asked: lanes, caps, budgets, validity.

use super::{Answered, Decision, Expiring, Terms, Usage};
use crate::event::Event;
use crate::id::MemberId;
use crate::member::Referral;
use crate::points::Points;
use crate::program::Program;
use crate::proposal::{Action, Award, Fault, Proposal, Recipient};
use crate::receipt::Receipt;
use crate::term::Awaited;
use crate::time::{Instant, date_of, day_number};

const EVENT: &str = r#"{"specversion":"1.0","id":"1","source":"/m","type":"jifen.purchase.completed","time":"2025-07-25T12:00:00+08:00","data":{"order":"o","member":"ann","merchant":"m1","currency":"CNY","lines":[{"sku":"a","category":"c","quantity":1,"amount":1},{"sku":"b","category":"c","quantity":1,"amount":1},{"sku":"d","category":"c","quantity":1,"amount":1}]}}"#;

/// A program of one lane and deployments `d0`, `d1`, … with these lines of their own.
fn program(combine: &str, deployments: &[&str]) -> Program {
    let mut text = format!(
        "[program]\nname = 'p'\ntimezone = 'Asia/Shanghai'\n[[unit]]\nid = 'points'\nexpires = {{ months = 1 }}\n\
         [[merchant]]\nid = 'm1'\n[[lane]]\nid = 'l'\ncombine = '{combine}'\n"
    );
    for (index, lines) in deployments.iter().enumerate() {
        text.push_str(&format!(
            "[[deployment]]\nid = 'd{index}'\npolicy = 'p'\nlane = 'l'\nunit = 'points'\nissuer = 'platform'\n{lines}\n"
        ));
    }
    Program::parse(&text).unwrap()
}

fn points(points: u64) -> Points {
    Points::new(points).unwrap()
}

fn award(asked: u64) -> Award {
    Award {
        to: Recipient::Member,
        points: points(asked),
        unit: None,
        reason: "why".to_owned(),
        available_from: None,
        valid_until: None,
        line: None,
    }
}

type Asked = Result<Proposal, Fault>;

fn asks(asked: &[u64]) -> Asked {
    Ok(Proposal::Awards(asked.iter().map(|asked| award(*asked)).collect()))
}

/// Decides one lane for a member whom nobody referred; every deployment has had `usage`.
fn decide(program: &Program, usage: Usage, asked: Vec<Asked>) -> Decision {
    decide_referred(program, None, usage, asked)
}

fn decide_referred(
    program: &Program,
    referral: Option<&Referral>,
    usage: Usage,
    asked: Vec<Asked>,
) -> Decision {
    let event = Event::parse(EVENT.as_bytes()).unwrap();
    let happening = event.happening().unwrap();
    let terms = Terms { program, happening, situation: program.situate(happening).unwrap(), referral };
    let answers = program.deployments.iter().zip(asked);
    let answers = answers.map(|(deployment, outcome)| Answered { deployment, outcome, usage }).collect();
    let mut decision = Decision::default();
    decision.close(&program.lanes[0], &terms, answers);
    decision
}

/// Renders what was granted: `d0 40/34 day_cap` is 34 granted of 40 asked.
fn granted(decision: &Decision) -> String {
    let awards = decision.awards.iter().map(|award| {
        let limit = award.limit.map(|limit| format!(" {}", limit.code())).unwrap_or_default();
        format!("{} {}/{}{limit}", award.deployment, award.asked, award.granted)
    });
    let declined =
        decision.declined.iter().map(|(deployment, reason)| format!("{deployment} declined {reason}"));
    let faults = decision.faults.iter().map(|(deployment, fault)| format!("{deployment} {}", fault.code()));
    awards.chain(declined).chain(faults).collect::<Vec<_>>().join(", ")
}

#[test]
fn caps_and_budgets_reduce_what_is_asked() {
    let used = |day, month, budget| Usage {
        day: points(day),
        month: points(month),
        budget: points(budget),
        ..Usage::default()
    };
    let none = used(0, 0, 0);
    let rows = [
        ("", none, vec![40, 40], "d0 40/40, d0 40/40"),
        // C16: a period's cap is partial, a transaction's rejects.
        ("cap = { per_member_per_month = 500 }", used(0, 450, 0), vec![100], "d0 100/50 month_cap"),
        ("cap = { per_event = 80 }", none, vec![80], "d0 80/80"),
        ("cap = { per_event = 80 }", none, vec![81], "d0 81/0 tx_cap"),
        ("cap = { per_event = 80 }", none, vec![100], "d0 100/0 tx_cap"),
        ("cap = { per_event = 80, over_event = 'reduce' }", none, vec![100], "d0 100/80 tx_cap"),
        // C17: 100 left today over three lines of 40; the next order of the day gets nothing.
        (
            "cap = { per_member_per_day = 100 }",
            none,
            vec![40, 40, 40],
            "d0 40/34 day_cap, d0 40/33 day_cap, d0 40/33 day_cap",
        ),
        ("cap = { per_member_per_day = 100 }", used(100, 100, 0), vec![40], "d0 40/0 day_cap"),
        ("cap = { per_member_per_day = 100 }", used(60, 60, 0), vec![40], "d0 40/40"),
        // A cap that was lowered below what was granted already grants nothing more.
        ("cap = { per_member_per_day = 100 }", used(150, 150, 0), vec![40], "d0 40/0 day_cap"),
        (
            "cap = { per_member_per_day = 30, per_member_per_month = 20 }",
            none,
            vec![40],
            "d0 40/20 month_cap",
        ),
        ("cap = { per_member_per_day = 20, per_member_per_month = 30 }", none, vec![40], "d0 40/20 day_cap"),
        // F2: 60 left, two awards of 50.
        ("budget = 60", none, vec![50], "d0 50/50"),
        ("budget = 60", used(0, 0, 50), vec![50], "d0 50/10 budget"),
        ("budget = { points = 60, partial = false }", used(0, 0, 50), vec![50], "d0 50/0 budget"),
        ("budget = { points = 60, partial = false }", used(0, 0, 10), vec![50], "d0 50/50"),
        ("budget = 60", used(0, 0, 60), vec![50], "d0 50/0 budget"),
        ("budget = 0", none, vec![1], "d0 1/0 budget"),
        ("cap = { per_member_per_day = 20 }\nbudget = 10", none, vec![40], "d0 40/10 budget"),
        ("mode = 'shadow'", none, vec![40], "d0 40/0 shadow"),
        ("cap = { per_event = 80 }", none, vec![], ""),
        ("cap = { per_event = 0 }", none, vec![0], "d0 0/0"),
    ];
    for (lines, usage, asked, expected) in rows {
        let decision = decide(&program("all", &[lines]), usage, vec![asks(&asked)]);
        assert_eq!(granted(&decision), expected, "{lines}: {asked:?} with {usage:?}");
    }
}

/// A6: what others have earned the one who referred counts, and what the member has does not.
#[test]
fn what_the_referrer_gets_has_caps_of_its_own() {
    let by = |same_person| Referral::new("bob".into(), same_person);
    let used = |referrer_day, referrer_month| Usage {
        day: points(7),
        referrer_day: points(referrer_day),
        referrer_month: points(referrer_month),
        ..Usage::default()
    };
    let rows = [
        ("", by(false), used(0, 0), "d0 200/200, d0 100/100"),
        ("", by(true), used(0, 0), "d0 200/0 same_person, d0 100/100"),
        ("cap = { per_referrer_per_day = 2000 }", by(false), used(1_800, 0), "d0 200/200, d0 100/100"),
        (
            "cap = { per_referrer_per_day = 2000 }",
            by(false),
            used(1_900, 0),
            "d0 200/100 referrer_day_cap, d0 100/100",
        ),
        (
            "cap = { per_referrer_per_day = 2000 }",
            by(false),
            used(2_000, 0),
            "d0 200/0 referrer_day_cap, d0 100/100",
        ),
        (
            "cap = { per_referrer_per_month = 300 }",
            by(false),
            used(0, 200),
            "d0 200/100 referrer_month_cap, d0 100/100",
        ),
        ("cap = { per_member_per_day = 107 }", by(false), used(0, 0), "d0 200/200, d0 100/100"),
    ];
    for (lines, referral, usage, expected) in rows {
        let asked = vec![Award { to: Recipient::Referrer, ..award(200) }, award(100)];
        let asked = vec![Ok(Proposal::Awards(asked))];
        let decision = decide_referred(&program("all", &[lines]), Some(&referral), usage, asked);
        assert_eq!(granted(&decision), expected, "{lines}: {referral:?} with {usage:?}");
    }
}

/// What a budget left of an award decides whether its lane prefers it, so it counts even if the lane does not.
#[test]
fn a_budget_that_made_its_deployment_lose_limited_it() {
    let program = program("best", &["budget = 100", "", ""]);
    for (used, limited, expected) in
        [(40, true, "d0 80/0 lane, d1 70/70"), (20, false, "d0 80/80, d1 70/0 lane")]
    {
        let usage = Usage { budget: points(used), ..Usage::default() };
        let decision = decide(&program, usage, vec![asks(&[80]), asks(&[70])]);
        assert_eq!(granted(&decision), expected);
        assert_eq!(decision.limited_by_budget(&"d0".into()), limited);
    }
}

#[test]
fn lanes_combine() {
    let declined = || Ok(Proposal::Declined("not-today".to_owned()));
    let fault = || Err(Fault::StackOverflow);
    let rows = [
        ("all", ["", "", ""], [asks(&[50]), asks(&[200]), asks(&[])], "d0 50/50, d1 200/200"),
        (
            "best",
            ["", "", ""],
            [asks(&[50]), asks(&[200]), asks(&[100])],
            "d0 50/0 lane, d1 200/200, d2 100/0 lane",
        ),
        // Equals: the earlier one.
        (
            "best",
            ["", "", ""],
            [asks(&[50]), asks(&[200]), asks(&[200])],
            "d0 50/0 lane, d1 200/200, d2 200/0 lane",
        ),
        ("best", ["", "", ""], [asks(&[10, 10]), asks(&[15]), asks(&[])], "d0 10/10, d0 10/10, d1 15/0 lane"),
        // Best is what the member gets, after caps.
        (
            "best",
            ["cap = { per_member_per_day = 40 }", "", ""],
            [asks(&[500]), asks(&[50]), asks(&[])],
            "d0 500/0 lane, d1 50/50",
        ),
        (
            "best",
            ["mode = 'shadow'", "", ""],
            [asks(&[500]), asks(&[50]), asks(&[])],
            "d0 500/0 shadow, d1 50/50",
        ),
        (
            "best",
            ["", "", ""],
            [fault(), declined(), asks(&[1])],
            "d2 1/1, d1 declined not-today, d0 stack-overflow",
        ),
        ("first", ["", "", ""], [asks(&[50]), asks(&[200]), asks(&[])], "d0 50/50, d1 200/0 lane"),
        ("first", ["", "", ""], [asks(&[]), asks(&[200]), asks(&[500])], "d1 200/200, d2 500/0 lane"),
        (
            "first",
            ["", "", ""],
            [fault(), declined(), asks(&[1])],
            "d2 1/1, d1 declined not-today, d0 stack-overflow",
        ),
        ("first", ["mode = 'shadow'", "", ""], [asks(&[9]), asks(&[5]), asks(&[])], "d0 9/0 shadow, d1 5/5"),
        ("first", ["", "", ""], [asks(&[]), asks(&[]), asks(&[])], ""),
    ];
    for (combine, deployments, asked, expected) in rows {
        let what = format!("{combine}: {asked:?}");
        let decision = decide(&program(combine, &deployments), Usage::default(), asked.into_iter().collect());
        assert_eq!(granted(&decision), expected, "{what}");
    }
}

#[test]
fn a_proposal_that_nobody_could_grant_is_a_fault() {
    let with = |change: fn(&mut Award)| {
        let mut award = award(5);
        change(&mut award);
        award
    };
    let today = 739_457;
    let rows = [
        (with(|award| award.unit = Some("points".into())), "d0 5/5"),
        (with(|award| award.unit = Some("gold".into())), "d0 unit-not-granted"),
        (with(|award| award.line = Some(2)), "d0 5/5"),
        (with(|award| award.line = Some(3)), "d0 no-such-line"),
        (with(|award| award.valid_until = Some(739_457)), "d0 5/5"),
        (with(|award| award.valid_until = Some(739_456)), "d0 never-spendable"),
        (
            with(|award| (award.available_from, award.valid_until) = (Some(739_460), Some(739_459))),
            "d0 never-spendable",
        ),
        (with(|award| award.available_from = Some(i32::MAX)), "d0 never-spendable"),
        (with(|award| award.valid_until = Some(i32::MAX)), "d0 never-spendable"),
        (with(|award| award.to = Recipient::Referrer), "d0 5/0 no_referrer"),
    ];
    let program = program("all", &[""]);
    let event = Event::parse(EVENT.as_bytes()).unwrap();
    assert_eq!(program.situate(event.happening().unwrap()).unwrap().today.day.number(), today);
    for (asked, expected) in rows {
        let what = format!("{asked:?}");
        let decision = decide(&program, Usage::default(), vec![Ok(Proposal::Awards(vec![asked]))]);
        assert_eq!(granted(&decision), expected, "{what}");
    }
}

#[test]
fn points_can_be_spent_from_an_instant_until_another() {
    let rows = [
        // At once, for a month: through 2025-08-25.
        (None, None, "2025-07-25T04:00:00Z", Some("2025-08-25T16:00:00Z")),
        // A month counts from the day on which they become available.
        (Some(739_460), None, "2025-07-27T16:00:00Z", Some("2025-08-28T16:00:00Z")),
        // A day in the past is at once.
        (Some(739_000), None, "2025-07-25T04:00:00Z", Some("2025-08-25T16:00:00Z")),
        // The policy's own end.
        (None, Some(739_457), "2025-07-25T04:00:00Z", Some("2025-07-25T16:00:00Z")),
    ];
    for (from, until, available_at, expires_at) in rows {
        let asked = Award { available_from: from, valid_until: until, ..award(5) };
        let decision =
            decide(&program("all", &[""]), Usage::default(), vec![Ok(Proposal::Awards(vec![asked]))]);
        let [award] = &*decision.awards else { unreachable!("one was asked for") };
        let instant = |text: &str| Instant::parse(text).unwrap();
        assert_eq!(award.term.available_at, instant(available_at), "{from:?} {until:?}");
        assert_eq!(award.term.expires_at, expires_at.map_or(Instant::NEVER, instant), "{from:?} {until:?}");
    }
}

/// A month in the unit; a policy that names the same day itself has named a day.
#[test]
fn only_an_end_that_the_unit_counts_is_counted_anew_after_an_action() {
    let program = program("all", &["available = { on = 'confirmed' }"]);
    let ends = program.units[0].ends;
    let last_day = ends.expires.last_day(date_of(739_457).unwrap()).map(day_number);
    for (until, counts) in [(None, Some(ends)), (last_day, None)] {
        let asked = Award { valid_until: until, ..award(5) };
        let decision = decide(&program, Usage::default(), vec![Ok(Proposal::Awards(vec![asked]))]);
        let [award] = &*decision.awards else { unreachable!("one was asked for") };
        let awaited = Awaited { action: "confirmed".to_owned(), counts };
        assert_eq!(award.term.awaits, Some(awaited), "{until:?}");
    }
}

#[test]
fn later_lanes_see_what_was_granted() {
    let program = program("all", &["cap = { per_member_per_day = 30 }"]);
    let decision = decide(&program, Usage::default(), vec![asks(&[40])]);
    assert_eq!(decision.points_so_far(&"ann".into(), &"points".into()), points(30));
    assert_eq!(decision.points_so_far(&"ann".into(), &"green".into()), Points::ZERO);
    assert_eq!(decision.points_so_far(&"bob".into(), &"points".into()), Points::ZERO);
}

#[test]
fn every_lot_is_owed_by_its_issuer() {
    let program = program("all", &["", "cap = { per_event = 1 }", ""]);
    let decision = decide(&program, Usage::default(), vec![asks(&[3, 4]), asks(&[9]), asks(&[5])]);
    let receipt = Receipt { decision, ..Receipt::new(String::new(), (Some("ann".into()), 7), 739_457) };
    let lots = receipt.lots(Instant::from_millis(0));
    let postings = receipt.postings(&lots, Instant::from_millis(0));
    assert!(crate::posting::balanced(&postings));
    let rendered: Vec<_> = postings
        .iter()
        .map(|posting| {
            let lot = posting.lot.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{} {} {lot}", posting.account, posting.points)
        })
        .collect();
    assert_eq!(
        rendered,
        ["member/ann 3 ann/7/0", "member/ann 4 ann/7/1", "member/ann 5 ann/7/3", "platform -12 "]
    );
    assert!(
        lots.iter().all(|lot| lot.member == MemberId::from("ann") && lot.lot.points == lot.lot.remaining)
    );
}

/// A campaign grants of its own unit and of those that it may, tells nothing in shadow, and nothing at all where it fails.
#[test]
fn a_campaign_does_what_it_may() {
    let notice = || Action::Notice("come-back".to_owned());
    let grant = |unit: &str| Action::Grant(unit.into());
    let to_referrer = |points| Award { to: Recipient::Referrer, ..award(points) };
    let rows = [
        ("", Ok(vec![]), ""),
        ("", Ok(vec![notice(), Action::Award(award(50))]), "50 points why; come-back"),
        ("", Ok(vec![grant("coupon")]), "1 coupon coupon"),
        ("", Ok(vec![grant("points")]), "1 points points"),
        ("", Ok(vec![notice(), grant("mug")]), "unit-not-granted"),
        ("mode = 'shadow'", Ok(vec![notice(), grant("coupon")]), "0 coupon shadow; come-back in shadow"),
        ("cap = { per_event = 20 }", Ok(vec![notice(), Action::Award(award(50))]), "0 points tx_cap"),
        ("budget = 20", Ok(vec![Action::Award(award(50))]), "20 points budget"),
        // A coupon is of another unit, which no cap and no budget counts.
        (
            "budget = 50",
            Ok(vec![Action::Award(award(50)), grant("coupon")]),
            "50 points why; 1 coupon coupon",
        ),
        (
            "budget = 0",
            Ok(vec![Action::Award(award(50)), grant("coupon")]),
            "0 points budget; 1 coupon coupon",
        ),
        (
            "cap = { per_event = 50 }",
            Ok(vec![Action::Award(award(50)), grant("coupon")]),
            "50 points why; 1 coupon coupon",
        ),
        ("", Err(Fault::Deadline), "deadline"),
        // Of another unit there is a point at a time, and no award, for no cap would count it.
        ("", Ok(vec![Action::Award(Award { unit: Some("coupon".into()), ..award(9) })]), "unit-not-granted"),
        ("", Ok(vec![grant("coupon"), grant("coupon")]), "unit-not-granted"),
        ("", Ok(vec![grant("points"), grant("points")]), "1 points points; 1 points points"),
        // Who was brought by nobody is told all the same, and that alone is nothing to do.
        ("", Ok(vec![notice(), Action::Award(to_referrer(5))]), "0 points no_referrer; come-back"),
        ("", Ok(vec![Action::Award(to_referrer(5))]), "0 points no_referrer"),
    ];
    for (lines, actions, expected) in rows {
        let text = format!(
            "[program]\nname = 'p'\ntimezone = 'Asia/Shanghai'\n[[unit]]\nid = 'points'\n[[unit]]\nid = 'coupon'\n\
             [[unit]]\nid = 'mug'\n[[campaign]]\nid = 'c'\npolicy = 'p'\nunit = 'points'\ngrants = ['coupon']\n{lines}\n"
        );
        let program = Program::parse(&text).unwrap();
        let time = Instant::parse("2026-03-01T00:00:00+08:00").unwrap();
        let event = Event::run_of(&"c".into(), "2026-03-01", &"ann".into(), time).unwrap();
        let happening = event.happening().unwrap();
        let situation = program.situate(happening).unwrap();
        let terms = Terms { program: &program, happening, situation, referral: None };
        let mut decision = Decision::default();
        let shown = format!("{lines} {actions:?}");
        let through = "2026-04-01".parse().unwrap();
        let expiring = Expiring { unit: "points".into(), through, points: Points::ONE };
        decision.act(&terms, &program.deployments[0], actions, Usage::default(), Some(&expiring));
        assert!(decision.notices.iter().all(|notice| notice.expiring.as_ref() == Some(&expiring)), "{shown}");
        let sent = decision.notices.iter().filter(|notice| !notice.shadow).count();
        assert_eq!(decision.to_send().len(), sent, "{shown}");
        let awards = decision
            .awards
            .iter()
            .map(|it| format!("{} {} {}", it.granted.get(), it.unit.as_str(), it.reason()));
        let shadow = |shadow| if shadow { " in shadow" } else { "" };
        let notices = decision.notices.iter().map(|it| format!("{}{}", it.code, shadow(it.shadow)));
        let faults = decision.faults.iter().map(|(_, fault)| fault.code().to_owned());
        let all: Vec<_> = awards.chain(notices).chain(faults).collect();
        assert_eq!(all.join("; "), expected, "{shown}");
        let idle = ["", "0 points tx_cap", "0 points no_referrer", "unit-not-granted", "deadline"]
            .contains(&expected);
        assert_eq!(decision.is_idle(), idle, "{shown}");
    }
}
