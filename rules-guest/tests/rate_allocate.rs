//! Sharing out by largest remainder.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test that overflows fails, which is right; floors are what is tested"
)]

use proptest::prelude::*;
use rules_guest::allocate::{AllocationError, allocate, allocated};

#[test]
fn shares() {
    // (scenario, total, weights, shares)
    let rows: [(&str, u64, &[u64], &[u64]); 14] = [
        ("C13", 100, &[1, 1, 1], &[34, 33, 33]),
        ("C17", 100, &[40, 40, 40], &[34, 33, 33]),
        ("two are left, the lowest get them", 101, &[1, 1, 1], &[34, 34, 33]),
        ("the largest remainder first", 10, &[1, 1, 4], &[2, 2, 6]),
        ("then the lowest of equals", 7, &[3, 5, 3, 5], &[2, 2, 1, 2]),
        ("nothing to share", 0, &[1, 2], &[0, 0]),
        ("one", 7, &[3], &[7]),
        ("fewer than weights", 2, &[1, 1, 1, 1], &[1, 1, 0, 0]),
        ("a weight of zero gets nothing", 5, &[0, 1, 0, 1], &[0, 3, 0, 2]),
        ("all zero are equal", 5, &[0, 0, 0], &[2, 2, 1]),
        ("nobody, and nothing", 0, &[], &[]),
        ("the largest total", u64::MAX, &[1, 1], &[u64::MAX / 2 + 1, u64::MAX / 2]),
        ("the largest weights", 3, &[u64::MAX, u64::MAX], &[2, 1]),
        ("the largest of both", u64::MAX, &[u64::MAX, 0, u64::MAX], &[u64::MAX / 2 + 1, 0, u64::MAX / 2]),
    ];
    for (scenario, total, weights, shares) in rows {
        assert_eq!(allocated(total, weights).as_deref(), Ok(shares), "{scenario}");
    }
}

#[test]
fn refusals() {
    assert_eq!(allocated(1, &[]), Err(AllocationError::Nobody { total: 1 }));
    assert_eq!(allocate(1, &[1, 2], &mut [0]), Err(AllocationError::Lengths { weights: 2, shares: 1 }));
}

proptest! {
    #[test]
    fn shares_add_up_and_are_within_one_of_exact(total: u64, weights in proptest::collection::vec(any::<u64>(), 1..40)) {
        let shares = allocated(total, &weights).expect("there is somebody");
        prop_assert_eq!(shares.iter().map(|&share| u128::from(share)).sum::<u128>(), u128::from(total));
        let sum: u128 = weights.iter().map(|&weight| u128::from(weight)).sum::<u128>().max(1);
        for (&share, &weight) in shares.iter().zip(&weights) {
            let floor = u128::from(total) * u128::from(weight) / sum;
            prop_assert!(weights.iter().all(|&weight| weight == 0) || (floor..=floor + 1).contains(&share.into()));
        }
    }

    /// The definition, written out: sort by remainder and give to the first.
    #[test]
    fn the_largest_remainders_gain(total in 0_u64..1000, weights in proptest::collection::vec(0_u64..9, 1..12)) {
        let sum = weights.iter().sum::<u64>();
        prop_assume!(sum > 0);
        let mut expected: Vec<_> = weights.iter().map(|weight| total * weight / sum).collect();
        let mut order: Vec<_> = (0..weights.len()).collect();
        order.sort_by_key(|&index| (u64::MAX - total * weights[index] % sum, index));
        let left = usize::try_from(total - expected.iter().sum::<u64>()).expect("few");
        order.into_iter().take(left).for_each(|index| expected[index] += 1);
        prop_assert_eq!(allocated(total, &weights), Ok(expected));
    }
}
