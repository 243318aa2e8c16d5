use super::*;
use crate::posting::{Posting, balanced};
use crate::term::Term;

fn points(points: u64) -> Points {
    Points::new(points).unwrap()
}

/// A lot of so many points, available from day `from` until day `until`, of which `remaining` are left.
fn lot(version: u64, remaining: u64, from: i64, until: i64) -> Lot {
    Lot {
        id: LotId { member: "ann".into(), version, award: 0 },
        unit: "points".into(),
        issuer: Issuer::Platform,
        deployment: "spend".into(),
        day: 0,
        earned_at: Instant::from_millis(0),
        points: points(100),
        remaining: points(remaining),
        reversed: Points::ZERO,
        expired: Points::ZERO,
        term: Term::new(Instant::from_millis(from), Instant::from_millis(until)),
    }
}

fn level(granted: u64) -> Level {
    Level {
        deployment: "spend".into(),
        to: "ann".into(),
        unit: "points".into(),
        issuer: Issuer::Platform,
        granted: points(granted),
    }
}

fn told(reversal: &Reversal) -> String {
    let taken = reversal.taken.iter().map(|taken| format!("{} of {}", taken.points, taken.from.lot.version));
    let taken = taken.collect::<Vec<_>>().join(", ");
    format!("{taken}; owed {}, forgiven {}", reversal.debt, reversal.forgiven)
}

/// E1: an order of 100, of which 40 are pending and 40 of the other 60 are spent; 10 from elsewhere.
#[test]
fn a_claw_back_goes_as_far_as_the_unit_says() {
    let own = [lot(1, 20, 0, 90), lot(2, 40, 50, 90)];
    let other = [lot(3, 10, 0, 80)];
    for (mode, expected) in [
        (Clawback::OnlyPending, "40 of 2; owed 0, forgiven 60"),
        (Clawback::WithinBalance, "40 of 2, 20 of 1, 10 of 3; owed 0, forgiven 30"),
        (Clawback::Debt, "40 of 2, 20 of 1, 10 of 3; owed 30, forgiven 0"),
    ] {
        let at = Instant::from_millis(10);
        let all = own.iter().chain(&other);
        let reach = within_reach(mode, own.iter(), all, &"points".into(), at);
        let reversal = Reversal::new(level(100), mode, reach);
        assert_eq!(told(&reversal), expected, "{mode:?}");
        let mut postings = Postings::default();
        reversal.post(&mut postings);
        assert!(balanced(&postings.into_vec()), "{mode:?}");
    }
}

#[test]
fn other_lots_go_as_they_would_be_spent_and_lapsed_ones_are_no_ones() {
    let own = [lot(1, 5, 0, 10)];
    let others = [lot(2, 7, 0, 90), lot(3, 7, 0, 40), lot(4, 7, 0, 20), lot(5, 7, 60, 90)];
    let at = Instant::from_millis(30);
    let reach = within_reach(Clawback::Debt, own.iter(), own.iter().chain(&others), &"points".into(), at);
    // Its own lot lapsed unspent; lot 4 lapsed, lot 5 is not there yet.
    assert_eq!(
        told(&Reversal::new(level(15), Clawback::Debt, reach)),
        "5 of 1, 7 of 3, 3 of 2; owed 0, forgiven 0"
    );
}

#[test]
fn next_points_pay_what_is_owed_and_issuers_stay_square() {
    let owed = |issuer, owed| Debt { unit: "points".into(), issuer, points: points(owed) };
    let debts = [owed(Issuer::Platform, 30), owed(Issuer::Merchant("shop".into()), 50)];
    let lots = [lot(2, 60, 0, 90), lot(1, 10, 0, 50), lot(3, 99, 20, 90)];
    let repayments = Repayment::all(&debts, spendable(lots.iter(), Instant::from_millis(10)));
    let paid = repayments.iter().map(|paid| {
        format!("{} of {} to {}", paid.taken.points, paid.taken.from.lot.version, paid.debt.issuer)
    });
    assert_eq!(
        paid.collect::<Vec<_>>(),
        ["10 of 1 to platform", "20 of 2 to platform", "40 of 2 to merchant/shop"]
    );
    let mut postings = Postings::default();
    repayments.iter().for_each(|paid| paid.post(&"ann".into(), &mut postings));
    let postings = postings.into_vec();
    assert!(balanced(&postings));
    let sum = |account: &str| -> i64 {
        let of = |posting: &&Posting| posting.account == account;
        postings.iter().filter(of).map(|posting| posting.points).sum()
    };
    // The platform owes ann 40 less for lots that paid the shop, and what ann owed it is paid by its own.
    assert_eq!((sum("platform"), sum("merchant/shop")), (40, -40));
    assert_eq!((sum("member/ann"), sum("debt/platform/ann"), sum("debt/merchant/shop/ann")), (-70, 30, 40));
}

#[test]
fn the_account_of_a_debt_reads_back_whatever_the_names() {
    let issuers =
        [Issuer::Platform, Issuer::Merchant("store-330".into()), Issuer::Merchant("a/%2F/b%".into())];
    for issuer in issuers {
        for member in ["ann", "", "a/b", "merchant/x", "/"] {
            let mut postings = Postings::default();
            postings.debt(Kind::Clawback, &member.into(), &issuer, &"points".into(), -1);
            let [posting] = &*postings.into_vec() else { unreachable!("one movement, one posting") };
            let expected = Some((issuer.clone(), member.into()));
            assert_eq!(crate::posting::parse_debt(&posting.account), expected, "{}", posting.account);
        }
    }
}
