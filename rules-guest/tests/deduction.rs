//! Points against a bill: the trade's examples, and the edges.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test that overflows fails, which is right; what points are worth is rounded down"
)]

use proptest::prelude::*;
use rules_guest::deduction::{Deducted, Deduction, LastPoint, NotDeducted};

use LastPoint::{Ceil, NeverOver};

/// So many points per so many minor units, without further conditions.
fn rate(points: u64, per: u64, last_point: LastPoint) -> Deduction {
    Deduction { points, per, last_point, multiple: 1, min_points: 0 }
}

#[test]
fn points_pay_what_they_are_worth() {
    let fen = rate(1, 1, NeverOver);
    let hundreds = Deduction { multiple: 100, min_points: 500, ..fen };
    for (name, deduction, payable, points_max, expected) in [
        ("C14 what is wanted", fen, 10_000, 1_000, Ok((1_000, 1_000))),
        ("C14 what there is", fen, 10_000, 700, Ok((700, 700))),
        ("C14 what is to be paid", fen, 5_000, 10_000, Ok((5_000, 5_000))),
        ("C14 clean multiples", hundreds, 10_000, 1_050, Ok((1_000, 1_000))),
        ("C14 below the minimum", hundreds, 10_000, 400, Err(NotDeducted::BelowMinimum)),
        ("C15 never over", rate(1, 7, NeverOver), 999, 5_000, Ok((142, 994))),
        ("C15 ceil", rate(1, 7, Ceil), 999, 5_000, Ok((143, 999))),
        ("C15 ceil, one point short", rate(1, 7, Ceil), 999, 142, Ok((142, 994))),
        ("A17 exact", rate(25, 100, NeverOver), 600, 5_000, Ok((150, 600))),
        ("A17 never over", rate(25, 100, NeverOver), 630, 5_000, Ok((157, 628))),
        ("A17 ceil", rate(25, 100, Ceil), 630, 5_000, Ok((158, 630))),
        ("no point that pays nothing", rate(3, 1, NeverOver), 100, 31, Ok((30, 10))),
        (
            "unless multiples ask for it",
            Deduction { multiple: 50, ..rate(3, 1, Ceil) },
            100,
            60,
            Ok((50, 16)),
        ),
        ("less than a fen", rate(3, 1, NeverOver), 100, 2, Err(NotDeducted::BelowMinimum)),
        ("less than a multiple", hundreds, 10_000, 99, Err(NotDeducted::BelowMinimum)),
        ("less than a point", rate(1, 7, NeverOver), 6, 100, Err(NotDeducted::NothingToDeduct)),
        ("nothing to pay", rate(1, 7, Ceil), 0, 100, Err(NotDeducted::NothingToDeduct)),
        ("no points", fen, 100, 0, Err(NotDeducted::NoPoints)),
        ("the most of everything", fen, u64::MAX, u64::MAX, Ok((u64::MAX, u64::MAX))),
        ("more points than fit", rate(u64::MAX, 1, NeverOver), 2, u64::MAX, Ok((u64::MAX, 1))),
        ("a worth that does not fit", rate(1, u64::MAX, Ceil), 5, u64::MAX, Ok((1, 5))),
    ] {
        let expected = expected.map(|(points, worth_minor)| Deducted { points, worth_minor });
        assert_eq!(deduction.of(payable, points_max), expected, "{name}");
    }
}

proptest! {
    #[test]
    fn nobody_pays_more_than_is_due(
        (points, per) in (1..1_000_u64, 1..1_000_u64),
        (multiple, min_points) in (1..500_u64, 0..500_u64),
        (payable, points_max) in (0..1_000_000_u64, 0..1_000_000_u64),
        last_point in prop::sample::select(vec![NeverOver, Ceil]),
    ) {
        let deduction = Deduction { points, per, last_point, multiple, min_points };
        let Ok(taken) = deduction.of(payable, points_max) else { return Ok(()) };
        prop_assert!(taken.worth_minor <= payable && taken.points <= points_max);
        prop_assert!(taken.points >= min_points && taken.points.is_multiple_of(multiple));
        prop_assert!(taken.worth_minor <= taken.points * per / points, "points pay no more than they are worth");
        let fewer = taken.points - multiple;
        prop_assert!(fewer * per / points < taken.worth_minor, "fewer points would have paid as much");
        prop_assert!(last_point == Ceil || taken.points * per <= payable * points, "never over");
    }
}
