//! Claims that are true and false, of policies that are closures.

use std::cell::Cell;

use super::{Claims, Kind, Respond, Unanswered};
use crate::case::{Action, Award, Case, Data, Offer, Outcome, Purchase, Recipient, Request};
use crate::fact::Fact;
use crate::total;

/// Returns the claims that are false, each with its counterexample.
fn false_claims(description: &str, kind: Kind, respond: &Respond<'_>) -> Vec<String> {
    let case = r#"{"about": "", "parameters": {"from": 5000, "mug": 1}, "event": {"specversion": "1.0", "id": "1",
        "source": "/m", "type": "jifen.member.registered", "time": "2025-07-25T00:00:00+08:00",
        "data": {"member": "ann"}}, "expect": {"awards": []}}"#;
    let case = Case::parse(case).expect("it is a case");
    let claims = Claims::parse(description).expect("they are claims");
    let tried = claims.try_all(kind, &[case], respond);
    let broken = tried.into_iter().filter_map(|tried| Some(format!("{}\n{}", tried.what, tried.to_mend()?)));
    broken.collect()
}

fn award(points: u64) -> Outcome {
    Outcome::Awards(vec![award_of(points)])
}

fn award_of(points: u64) -> Award {
    Award {
        to: Recipient::Member,
        points,
        reason: "test".to_owned(),
        unit: None,
        available_from: None,
        valid_until: None,
        line: None,
    }
}

fn purchase(case: &Case) -> Option<&Purchase> {
    match &case.event.data {
        Data::Purchase(purchase) => Some(purchase),
        Data::Registration(_) | Data::Request(_) | Data::Run(_) => None,
    }
}

fn spend(case: &Case) -> u64 {
    let of = |purchase: &Purchase| {
        total(purchase.lines.iter().map(|line| line.amount)).saturating_sub(purchase.discount)
    };
    purchase(case).map_or(0, of)
}

/// A policy that awards what a function says.
fn awards(points: impl Fn(&Case) -> u64) -> impl Fn(&Case) -> Result<Outcome, Unanswered> {
    move |case| Ok(award(points(case)))
}

fn fact(case: &Case, fact: Fact) -> Result<u64, Unanswered> {
    case.facts.get(&fact).map(|answer| answer.value()).ok_or(Unanswered::Unstated(fact))
}

const DOUBLES: &str = r#"
[[promises]]
zh = "满50元逢集双倍"
en = "Twice the points on market days from ¥50 on"
when = { market_day = true, spend_from = 5000 }
then = { times = "2" }
"#;

/// A29: what shows a claim to be false stays shown where the policy may not be asked any more; what does not is not told as kept.
#[test]
fn what_may_not_be_asked_any_more_is_not_taken_for_an_answer() {
    let doubles = awards(|case| if case.market_day && spend(case) >= 6_000 { case.points_so_far } else { 0 });
    for (name, most, words) in [
        ("nothing may be asked", 0, "no more"),
        ("too little to be sure", 1, "no more"),
        ("as much as it takes to see it", 200, "promised "),
    ] {
        let asked = Cell::new(0);
        let answer = |case: &Case| {
            asked.set(asked.get() + 1);
            if asked.get() > most { Err(Unanswered::Spent("no more".to_owned())) } else { doubles(case) }
        };
        let broken = false_claims(DOUBLES, Kind::Earning, &answer);
        assert!(broken[0].contains(words), "{name}: {broken:?}");
        // By then nothing was left for whether it is fair.
        assert!(broken[1..].iter().all(|it| it.ends_with("\nno more")), "{name}: {broken:?}");
        assert_eq!(broken.len(), 4, "{name}: {broken:?}");
    }
}

/// Nor does it show that an exception is needed.
#[test]
fn what_may_not_be_asked_any_more_needs_no_exception() {
    let description = "[[exceptions]]\nprobe = 'splitting'\nzh = 'x'\nen = 'it is so'\n";
    for (name, asked, told) in [
        ("it is needed", Ok(award(1)), vec![]),
        (
            "it is not",
            Ok(award(0)),
            vec!["fairness: splitting\ndeclares an exception, and no case's parameters need it: it is so"],
        ),
        (
            "nothing may be asked",
            Err(Unanswered::Spent("no more".to_owned())),
            vec![
                "fairness: more-spend\nno more",
                "fairness: splitting\nno more",
                "fairness: paid-in-points\nno more",
            ],
        ),
    ] {
        assert_eq!(false_claims(description, Kind::Earning, &|_| asked.clone()), told, "{name}");
    }
}

/// A29: the claim is from ¥50 on, and the policy doubles from ¥60 on.
#[test]
fn a_false_promise_is_shown_by_the_least_that_breaks_it() {
    let doubles_from = |least| {
        awards(move |case| if case.market_day && spend(case) >= least { case.points_so_far } else { 0 })
    };
    assert_eq!(false_claims(DOUBLES, Kind::Earning, &doubles_from(5_000)), [""; 0]);
    assert_eq!(
        false_claims(DOUBLES, Kind::Earning, &doubles_from(6_000)),
        ["promise: Twice the points on market days from ¥50 on / 满50元逢集双倍\n\
          with {}\n  a purchase of ¥50.00 (1 × goods ¥50.00), on 2025-01-01, a market day, 50 points so far: \
          promised 50 points, 100 in all, got 0 points to the member, test"]
    );
}

#[test]
fn every_term_of_a_promise_counts() {
    let promise = |when: &str, then: &str| {
        format!("[[promises]]\nzh = '诺'\nen = 'word'\nwhen = {{ {when} }}\nthen = {{ {then} }}")
    };
    let first_order = |case: &Case| match purchase(case) {
        Some(_) if fact(case, Fact::PurchasesLifetimeCount)? > 0 => Ok(award(0)),
        Some(_) | None => Ok(award(7)),
    };
    let of_goods = awards(|case| {
        let of = |purchase: &Purchase| {
            total(purchase.lines.iter().map(|line| match line.category.as_str() {
                "eco" => line.quantity.saturating_mul(3),
                _ => 0,
            }))
        };
        purchase(case).map_or(0, of)
    });
    let a_tenth = awards(|case| spend(case).checked_div(1_000).unwrap_or(0));
    let first = r#"facts = { "purchases.lifetime-count" = 0 }"#;
    let rows: [(&Respond<'_>, &str, &str, bool); 11] = [
        (&first_order, first, "points = 7", true),
        (&first_order, first, "points = 8", false),
        (&first_order, "", "points = 7", false),
        (&first_order, "joining = true", "points = 7", true),
        (&first_order, first, "referrer = 7", false),
        (&of_goods, "category = 'eco'", "per_unit = 3", true),
        (&of_goods, "category = 'eco'", "per_unit = 2, points = 1", false),
        (&of_goods, "tags = ['eco']", "points = 0", true),
        (&a_tenth, "", "per_yuan = '0.1'", true),
        (&a_tenth, "spend_below = 1000", "points = 0", true),
        (&a_tenth, "spend_below = 1001", "points = 0", false),
    ];
    for (policy, when, then, kept) in rows {
        let broken = false_claims(&promise(when, then), Kind::Earning, policy);
        let broken = broken.iter().filter(|claim| claim.starts_with("promise")).count();
        assert_eq!(broken == 0, kept, "when {when} then {then}");
    }
}

#[test]
fn what_is_unfair_is_shown() {
    let rows: [(&Respond<'_>, &str); 6] = [
        (
            &awards(|case| u64::from(spend(case) < 10_000)),
            "fairness: more-spend\nwith {\"from\": 5000, \"mug\": 1}\n  who spends more earns less:",
        ),
        (
            &awards(|_| 1),
            "fairness: splitting\nwith {\"from\": 5000, \"mug\": 1}\n  who splits an order earns more:",
        ),
        (
            &awards(|case| purchase(case).map_or(0, |purchase| u64::from(!purchase.tenders.is_empty()))),
            "fairness: paid-in-points\nwith {\"from\": 5000, \"mug\": 1}\n  who pays a part in points earns more:",
        ),
        // Found by way of the number in the parameters.
        (
            &awards(|case| if spend(case) == 5_001 { 0 } else { spend(case) }),
            "a purchase of ¥50.01 (1 × goods ¥50.01), on 2025-01-01, 50 points so far: earns 0",
        ),
        (&|_| Ok(Outcome::Fault("trap".to_owned())), "the policy fails: trap"),
        (
            &|case: &Case| {
                Err(Unanswered::Unstated(Fact::PurchasesCountSince(
                    i32::try_from(case.facts.len()).unwrap_or(0),
                )))
            },
            "it asks on and on",
        ),
    ];
    for (policy, expected) in rows {
        let found = false_claims("", Kind::Earning, policy).join("\n");
        assert!(found.contains(expected), "expected {expected}, got {found}");
    }
}

#[test]
fn what_is_unfair_about_an_offer_is_shown() {
    let offer = |points, worth| {
        Outcome::Offered(Offer { points, cash: 0, worth, benefit: "test".to_owned(), restrictions: vec![] })
    };
    let request = |case: &Case| match &case.event.data {
        Data::Request(request) => request.clone(),
        Data::Registration(_) | Data::Purchase(_) | Data::Run(_) => {
            unreachable!("a redemption policy is asked about requests")
        }
    };
    let quantity = move |case: &Case| request(case).quantity.unwrap_or(1);
    let bill =
        move |case: &Case| total(request(case).lines.iter().map(|line: &crate::case::Line| line.amount));
    let is_mug = move |case: &Case| {
        let request: Request = request(case);
        request.item.as_deref() == Some("mug")
    };
    let for_cash = |points, cash| {
        Outcome::Offered(Offer { points, cash, worth: 0, benefit: "test".to_owned(), restrictions: vec![] })
    };
    let is_rich = |case: &Case| Ok::<_, Unanswered>(fact(case, Fact::BalanceAvailable)? > 5_000);
    let rows: [(&Respond<'_>, &str); 7] = [
        (&|case: &Case| Ok(if is_rich(case)? { for_cash(1_000, 0) } else { for_cash(500, 990) }), ""),
        (
            &|case: &Case| Ok(if is_rich(case)? { for_cash(100, 5_000) } else { for_cash(100, 0) }),
            "fairness: more-points\nwith {\"from\": 5000, \"mug\": 1}\n  the offer is worse with ",
        ),
        (&|case: &Case| Ok(offer(quantity(case).saturating_mul(100), 0)), ""),
        (
            &|case: &Case| {
                let price = if is_mug(case) && quantity(case) > 2 { 50 } else { 100 };
                Ok(offer(price, 0))
            },
            "fairness: more-items\nwith {\"from\": 5000, \"mug\": 1}\n  who wants more of an item pays less:",
        ),
        (
            &|case: &Case| Ok(offer(1, u64::from(bill(case) < 10_000))),
            "fairness: higher-bill\nwith {\"from\": 5000, \"mug\": 1}\n  the offer is worse for a higher bill:",
        ),
        (
            &|case: &Case| {
                let rich = fact(case, Fact::BalanceAvailable)? > 10_000;
                Ok(if rich { Outcome::Declined("rich".to_owned()) } else { offer(1, 1) })
            },
            "fairness: more-points\nwith {\"from\": 5000, \"mug\": 1}\n  the offer is worse with ",
        ),
        (
            &|case: &Case| Ok(offer(if fact(case, Fact::BalanceAvailable)? > 5_000 { 2 } else { 1 }, 1)),
            "fairness: more-points\nwith {\"from\": 5000, \"mug\": 1}\n  the offer is worse with ",
        ),
    ];
    for (policy, expected) in rows {
        let found = false_claims("", Kind::Redemption, policy).join("\n");
        assert!(
            found.contains(expected) && found.is_empty() == expected.is_empty(),
            "expected {expected}, got {found}"
        );
    }
}

#[test]
fn who_bought_more_is_not_given_less() {
    let gift = |points| Outcome::Actions(vec![Action::Award(award_of(points))]);
    let bought = |case: &Case| fact(case, Fact::PurchasesLifetimeSpendMinor);
    let rows: [(&Respond<'_>, &str); 4] = [
        (&|_: &Case| Ok(gift(5)), ""),
        (&|case: &Case| Ok(gift(bought(case)?)), ""),
        (&|_: &Case| Ok(Outcome::Actions(vec![Action::Notice("come-back".to_owned())])), ""),
        (
            &|case: &Case| Ok(gift(u64::from(bought(case)? < 5_000))),
            "fairness: more-bought\nwith {\"from\": 5000, \"mug\": 1}\n  who bought more is given less:\n  a day of the campaign, on ",
        ),
    ];
    for (policy, expected) in rows {
        let found = false_claims("", Kind::Campaign, policy).join("\n");
        assert!(
            found.contains(expected) && found.is_empty() == expected.is_empty(),
            "expected {expected}, got {found}"
        );
    }
}

#[test]
fn a_declared_gap_is_none_to_complain_about_and_must_be_one() {
    let exception =
        |lines: &str| format!("[[exceptions]]\nprobe = 'splitting'\nzh = '例外'\nen = 'but'\n{lines}");
    let one_each = awards(|_| 1);
    let per_yuan = awards(|case| case.points_so_far);
    let rows: [(&Respond<'_>, &str, &str); 4] = [
        (&one_each, "", ""),
        (&one_each, "having = ['from']", ""),
        (&one_each, "having = ['steps']", "who splits an order earns more"),
        (&per_yuan, "", "declares an exception, and no case's parameters need it: but"),
    ];
    for (policy, lines, expected) in rows {
        let found = false_claims(&exception(lines), Kind::Earning, policy).join("\n");
        assert!(found.contains(expected) && found.is_empty() == expected.is_empty(), "{lines}: {found}");
    }
}

#[test]
fn what_is_wrong_with_a_claim_is_told() {
    let promise = |lines: &str| format!("[[promises]]\nzh = '诺'\nen = 'word'\n{lines}");
    let rows = [
        (
            "[[promises]]\nzh = ''\nen = 'word'\nthen = { points = 1 }".to_owned(),
            "promises[0].zh: needs words",
        ),
        (promise(""), "missing field `then`"),
        (promise("then = {}"), "promises[0].then: promises nothing"),
        (promise("then = { points = 7, declined = 'no' }"), "promises[0].then.declined: excludes"),
        (promise("then = { point = 1 }"), "unknown field `point`"),
        (promise("then = { points = 1 }\nwhen = { spned_from = 1 }"), "unknown field `spned_from`"),
        (promise("then = { times = '1.5.' }"), "1.5."),
        (
            promise("then = { points = 1 }\nwhen = { spend_from = 0 }"),
            "promises[0].when.spend_from: no amount from 0",
        ),
        (
            promise("then = { points = 1 }\nwhen = { spend_from = 9, spend_below = 9 }"),
            "no amount from 9 below 9",
        ),
        (
            promise("then = { points = 1 }\nwhen = { item = 'mug', spend_from = 9 }"),
            "promises[0].when.item: excludes",
        ),
        (
            promise("then = { points = 1 }\nwhen = { facts = { purchases = 1 } }"),
            "there is no fact `purchases`",
        ),
        (
            promise("then = { points = 1 }\nwhen = { days = { dates = ['2031-01-01'] } }"),
            "promises[0].when.days: are none",
        ),
        ("[[exceptions]]\nprobe = 'splits'\nzh = '例外'\nen = 'but'".to_owned(), "unknown variant `splits`"),
        ("[[exceptions]]\nprobe = 'splitting'\nzh = ''\nen = 'but'".to_owned(), "exceptions[0]: needs words"),
    ];
    for (description, expected) in rows {
        let error = Claims::parse(&description).expect_err(expected);
        assert!(error.contains(expected), "expected {expected}, got {error}");
    }
}
