use super::*;
use crate::bindings::Recipient;

const TODAY: i32 = 737_000;

fn award() -> Award {
    Award {
        to: Recipient::Member,
        points: 61,
        unit: None,
        reason: "spend".to_owned(),
        available_from: None,
        valid_until: None,
        line: None,
    }
}

fn code_of(award: Award) -> &'static str {
    let question = Question { today: TODAY, lines: 2 };
    question.check(Proposal::Awards(vec![award])).map_or_else(|fault| fault.code(), |_| "ok")
}

fn offer() -> Offer {
    Offer {
        points: 800,
        cash_minor: 990,
        worth_minor: 0,
        benefit: "lipstick".to_owned(),
        restrictions: vec!["one-store".to_owned()],
    }
}

fn code_of_quote(answer: Answer) -> &'static str {
    Terms { payable_minor: 999 }.check(answer).map_or_else(|fault| fault.code(), |_| "ok")
}

#[test]
fn an_award_is_checked_field_by_field() {
    for (expected, award) in [
        ("ok", award()),
        ("ok", Award { points: 0, ..award() }),
        ("ok", Award { points: limits::AWARD_POINTS_MAX, ..award() }),
        ("points-out-of-range", Award { points: limits::AWARD_POINTS_MAX + 1, ..award() }),
        ("points-out-of-range", Award { points: u64::MAX, ..award() }),
        ("ok", Award { line: Some(1), ..award() }),
        ("no-such-line", Award { line: Some(2), ..award() }),
        ("no-such-line", Award { line: Some(u32::MAX), ..award() }),
        ("ok", Award { unit: Some("green".to_owned()), ..award() }),
        ("unit-not-granted", Award { unit: Some("g".repeat(65)), ..award() }),
        ("ok", Award { valid_until: Some(TODAY), ..award() }),
        ("never-spendable", Award { valid_until: Some(TODAY - 1), ..award() }),
        ("ok", Award { available_from: Some(TODAY + 7), valid_until: Some(TODAY + 7), ..award() }),
        (
            "never-spendable",
            Award { available_from: Some(TODAY + 8), valid_until: Some(TODAY + 7), ..award() },
        ),
        ("never-spendable", Award { available_from: Some(i32::MAX), ..award() }),
        ("never-spendable", Award { available_from: Some(i32::MIN), ..award() }),
        ("never-spendable", Award { valid_until: Some(i32::MAX), ..award() }),
    ] {
        let shown = format!("{award:?}");
        assert_eq!(code_of(award), expected, "{shown}");
    }
}

#[test]
fn a_reason_is_a_short_code_in_kebab_case() {
    let longest = "a".repeat(64);
    let too_long = "a".repeat(65);
    for (expected, reason) in [
        ("ok", "spend"),
        ("ok", "market-day-2"),
        ("ok", &longest),
        ("bad-reason", &too_long),
        ("bad-reason", ""),
        ("bad-reason", "-"),
        ("bad-reason", "spend-"),
        ("bad-reason", "market--day"),
        ("bad-reason", "Spend"),
        ("bad-reason", "market day"),
        ("bad-reason", "满减"),
        ("bad-reason", "\u{1b}[31m"),
    ] {
        assert_eq!(code_of(Award { reason: reason.to_owned(), ..award() }), expected, "{reason:?}");
    }
}

#[test]
fn an_offer_is_checked_field_by_field() {
    let restricted = |code: &str, times| Offer { restrictions: vec![code.to_owned(); times], ..offer() };
    for (expected, offer) in [
        ("ok", offer()),
        ("ok", Offer { points: 0, ..offer() }),
        ("ok", Offer { points: limits::AWARD_POINTS_MAX, ..offer() }),
        ("points-out-of-range", Offer { points: limits::AWARD_POINTS_MAX + 1, ..offer() }),
        ("points-out-of-range", Offer { points: u64::MAX, ..offer() }),
        ("ok", Offer { cash_minor: AMOUNT_MINOR_MAX, ..offer() }),
        ("answer-unreadable", Offer { cash_minor: AMOUNT_MINOR_MAX + 1, ..offer() }),
        ("ok", Offer { worth_minor: 999, ..offer() }),
        ("worth-out-of-range", Offer { worth_minor: 1_000, ..offer() }),
        ("worth-out-of-range", Offer { worth_minor: u64::MAX, ..offer() }),
        ("bad-reason", Offer { benefit: "口红".to_owned(), ..offer() }),
        ("ok", restricted("one-store", 0)),
        ("ok", restricted("one-store", 16)),
        ("too-many-restrictions", restricted("one-store", 17)),
        ("bad-reason", restricted("One store", 1)),
    ] {
        let shown = format!("{offer:?}");
        assert_eq!(code_of_quote(Answer::Offered(offer)), expected, "{shown}");
    }
    assert_eq!(code_of_quote(Answer::Declined("not-today".to_owned())), "ok");
    assert_eq!(code_of_quote(Answer::Declined(String::new())), "bad-reason");
}

#[test]
fn what_a_campaign_does_is_checked_action_by_action() {
    let question = Question { today: TODAY, lines: 0 };
    let code_of =
        |actions: Vec<Action>| question.check_actions(actions).map_or_else(|fault| fault.code(), |_| "ok");
    let grant = |unit: &str| Action::Grant(unit.to_owned());
    let notice = |code: &str| Action::Notice(code.to_owned());
    for (expected, actions) in [
        ("ok", vec![]),
        ("ok", vec![notice("come-back"), grant("coupon"), Action::Award(award())]),
        ("ok", vec![notice("a"); limits::AWARDS_MAX]),
        ("too-many-awards", vec![notice("a"); limits::AWARDS_MAX + 1]),
        ("bad-reason", vec![notice("Come back")]),
        ("unit-not-granted", vec![grant(&"g".repeat(65))]),
        ("no-such-line", vec![Action::Award(Award { line: Some(0), ..award() })]),
        ("points-out-of-range", vec![notice("a"), Action::Award(Award { points: u64::MAX, ..award() })]),
    ] {
        let shown = format!("{:?}", actions.first());
        assert_eq!(code_of(actions), expected, "{shown}");
    }
}
