use expect_test::expect;
use serde::Deserialize;

use super::*;

/// Does what its parameters say.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Probe {
    Panics,
    AsksEverything,
    SpeaksOfToday,
    AwardsEverything,
}

impl EarningPolicy for Probe {
    fn evaluate(&self, event: &Event, facts: &impl Facts) -> Proposal {
        match self {
            Self::Panics => panic!("as it was told"),
            Self::AsksEverything => Proposal::decline(&everything(event.today.number, facts)),
            Self::SpeaksOfToday => Proposal::decline(&format!("{:?}", event.today)),
            Self::AwardsEverything => [
                Award::to_member(1, "one").of_unit("green").for_line(0),
                Award::to_referrer(2, "two").available_from(739_458).valid_until(739_617),
                Award::to_member(0, "nothing"),
            ]
            .into_iter()
            .collect(),
        }
    }
}

impl RedemptionPolicy for Probe {
    fn quote(&self, request: &Request, facts: &impl Facts) -> Answer {
        match (self, request.item()) {
            (Self::Panics, _) => panic!("as it was told"),
            (_, Some((item, quantity))) => {
                let offer = Offer::for_points(facts.balance_available(), item).with_cash(quantity);
                offer.restricted("pickup-only").into()
            }
            (_, None) => Answer::decline("items-only"),
        }
    }
}

fn everything(today: DayNumber, facts: &impl Facts) -> String {
    let purchases = (
        facts.purchases_lifetime_count(),
        facts.purchases_lifetime_spend_minor(),
        facts.purchases_count_since(today),
        facts.purchases_spend_minor_since(today),
        facts.purchases_last_day(),
    );
    let points = (facts.awards_granted_since(today), facts.balance_available(), facts.balance_pending());
    let membership = (facts.membership_registered_day(), facts.membership_referred());
    format!("{purchases:?} {points:?} {membership:?}")
}

/// Returns a registration on 2025-07-25, a market day.
fn case(probe: &str, facts: &str, expect: &str) -> Case {
    let json = format!(
        r#"{{"about": "", "parameters": "{probe}", "event": {{"specversion": "1.0", "id": "1", "source": "/m",
        "type": "jifen.member.registered", "time": "2025-07-25T00:00:01+08:00", "data": {{"member": "ann"}}}},
        "market_day": true, "facts": {{{facts}}}, "expect": {expect}}}"#
    );
    Case::parse(&json).expect("the case is valid")
}

fn difference(probe: &str, facts: &str, expect: &str) -> String {
    check::<Probe>(&case(probe, facts, expect)).expect_err("they differ").to_string()
}

#[test]
fn a_panic_is_a_trap() {
    assert_eq!(check::<Probe>(&case("panics", "", r#"{"fault": "trap"}"#)), Ok(()));
    let difference = difference("panics", "", r#"{"awards": []}"#);
    expect![[r#"
        expected (-) and got (+) differ:
        - no awards
        + fault: trap"#]]
    .assert_eq(&difference);
}

/// Returns a request of this event type, and what a redemption policy and an earning policy say to it.
fn answers(probe: &str, kind: &str, data: &str, expect: &str) -> [Result<(), String>; 2] {
    let json = format!(
        r#"{{"about": "", "parameters": "{probe}", "event": {{"specversion": "1.0", "id": "1", "source": "/m",
        "type": "{kind}", "time": "2025-07-25T00:00:01+08:00", "data": {{"member": "ann"{data}}}}},
        "facts": {{"balance.available": 800}}, "expect": {expect}}}"#
    );
    let case = Case::parse(&json).expect("the case is valid");
    [check_redemption::<Probe>(&case), check::<Probe>(&case)]
        .map(|checked| checked.map_err(|difference| difference.to_string()))
}

#[test]
fn each_kind_of_policy_is_asked_about_its_own_events() {
    let item = r#", "redemption": "r1", "merchant": "m1", "item": "mug", "quantity": 2"#;
    let offered =
        r#"{"offered": {"points": 800, "cash": 2, "benefit": "mug", "restrictions": ["pickup-only"]}}"#;
    let not_asked = |kind| Err(format!("event.type: no policy of this kind is asked about {kind}"));
    let (requested, registered) = ("jifen.redemption.requested", "jifen.member.registered");
    for (probe, kind, data, expect, answered) in [
        ("awards-everything", requested, item, offered, [Ok(()), not_asked(requested)]),
        ("panics", requested, item, r#"{"fault": "trap"}"#, [Ok(()), not_asked(requested)]),
        ("panics", registered, "", r#"{"fault": "trap"}"#, [not_asked(registered), Ok(())]),
    ] {
        assert_eq!(answers(probe, kind, data, expect), answered, "{probe} {kind}");
    }
}

#[test]
fn a_fault_of_the_host_needs_the_host() {
    let difference = difference("panics", "", r#"{"fault": "out-of-fuel"}"#);
    expect!["the fault out-of-fuel shows only in the host; run `jifen test`"].assert_eq(&difference);
}

#[test]
fn parameters_are_refused_by_name() {
    let refused =
        check::<Probe>(&case("sleeps", "", r#"{"invalid_parameters": "unknown variant `sleeps`"}"#));
    assert_eq!(refused, Ok(()));
}

#[test]
fn a_fact_that_is_not_stated_is_named() {
    let difference = difference("asks-everything", r#""purchases.lifetime-count": 0"#, r#"{"awards": []}"#);
    expect![
        "the policy asks purchases.lifetime-spend-minor, which the case does not state; add it to `facts`"
    ]
    .assert_eq(&difference);
}

#[test]
fn facts_are_answered_as_stated() {
    let facts = r#""purchases.lifetime-count": 1, "purchases.lifetime-spend-minor": 2,
        "purchases.count-since(2025-07-25)": 3, "purchases.spend-minor-since(2025-07-25)": 4,
        "purchases.last-day": "2025-07-24", "awards.granted-since(2025-07-25)": 5, "balance.available": 6,
        "balance.pending": 7, "membership.registered-day": null, "membership.referred": true"#;
    let difference = difference("asks-everything", facts, r#"{"awards": []}"#);
    expect![[r#"
        expected (-) and got (+) differ:
        - no awards
        + declined: (1, 2, 3, 4, Some(739456)) (5, 6, 7) (None, true)"#]]
    .assert_eq(&difference);
}

#[test]
fn the_day_comes_with_all_its_calendars() {
    let difference = difference("speaks-of-today", "", r#"{"awards": []}"#);
    expect![[r#"
        expected (-) and got (+) differ:
        - no awards
        + declined: Day { number: 739457, year: 2025, month: 7, day-of-month: 25, weekday: 5, lunar: LunarDate { year: 2025, month: 6, leap: true, day: 1, days-in-month: 29 }, solar-term: 255, sexagenary: 31, market-day: true, second-of-day: 1 }"#]].assert_eq(&difference);
}

#[test]
fn awards_keep_everything_but_zeros() {
    let difference = difference("awards-everything", "", r#"{"awards": []}"#);
    expect![[r#"
        expected (-) and got (+) differ:
        - no awards
        + 1 points to the member, one, of unit green, for line 0
        + 2 points to the referrer, two, available from 2025-07-26, valid until 2026-01-01"#]]
    .assert_eq(&difference);
}
