//! Quotes: what points buy, asked of a policy of the other world.

use jifen_engine::{Evaluation, Policy, PreparedRequest, World};
use jifen_loyalty::event::{Occasion, Purpose};
use jifen_loyalty::points::Points;
use jifen_loyalty::proposal::{Fault, Offer, Quote};

use crate::components::{constant, redemption};
use crate::support::{Room, evaluate, facts, purchase, today};

/// A bill of five lines, 61.00 in all.
fn bill() -> Purpose {
    match purchase(5) {
        Occasion::Purchase(bill) => Purpose::Bill(bill),
        Occasion::Registration(_) | Occasion::Run(_) => unreachable!("it is a purchase"),
    }
}

fn item() -> Purpose {
    Purpose::Item { item: "lipstick".to_owned(), quantity: 2 }
}

fn quote(policy: &Policy, purpose: &Purpose) -> Evaluation<Quote> {
    policy.quote(&PreparedRequest::new(purpose, Points::new(1_000), "supermarket", &today()), facts())
}

fn offer(points: u64, cash_minor: u64, worth_minor: u64) -> Quote {
    let points = Points::new(points).expect("it is in range");
    Quote::Offered(Offer {
        points,
        cash_minor,
        worth_minor,
        benefit: "test".to_owned(),
        restrictions: Vec::new(),
    })
}

#[test]
fn an_offer_is_held_against_what_it_is_for() {
    let room = Room::new();
    let too_much = |worth_minor, payable_minor| Err(Fault::WorthOutOfRange { worth_minor, payable_minor });
    let endless = Fault::PointsOutOfRange { points: u64::MAX, limit: Points::MAX.get() };
    for (name, terms, purpose, expected) in [
        ("an item", (800, 990, 0), item(), Ok(offer(800, 990, 0))),
        ("nothing", (0, 0, 0), item(), Ok(offer(0, 0, 0))),
        ("part of a bill", (100, 6_000, 100), bill(), Ok(offer(100, 6_000, 100))),
        ("all of a bill", (6_100, 0, 6_100), bill(), Ok(offer(6_100, 0, 6_100))),
        ("more than the bill", (6_101, 0, 6_101), bill(), too_much(6_101, 6_100)),
        ("money for an item", (800, 0, 1), item(), too_much(1, 0)),
        ("too many points", (u64::MAX, 0, 0), item(), Err(endless)),
    ] {
        let policy = room.policy(&redemption(terms.0, terms.1, terms.2));
        assert_eq!(quote(&policy, &purpose).outcome, expected, "{name}");
    }
}

#[test]
fn a_policy_answers_the_question_of_its_world_only() {
    let room = Room::new();
    let (earning, redemption) = (room.policy(&constant(61)), room.policy(&redemption(800, 990, 0)));
    assert_eq!((earning.world(), redemption.world()), (World::Earning, World::Redemption));
    assert_eq!((redemption.facts(), redemption.report().logs), (&[][..], false), "it can ask nothing");
    for fault in [evaluate(&redemption).outcome.unwrap_err(), quote(&earning, &item()).outcome.unwrap_err()] {
        assert_eq!(fault.code(), "answer-unreadable", "{fault}");
    }
}
