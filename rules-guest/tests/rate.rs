//! Rates and rounding.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test that overflows fails, which is right; the halves are meant to be rounded down"
)]

use proptest::prelude::*;
use rules_guest::rate::Rounding::{Ceil, Floor, HalfUp};
use rules_guest::rate::{Rate, RateError, Rounding, Scope};

#[test]
fn points_for_amounts() {
    // (scenario, rate, amount, per, floor, half up, ceil)
    let rows = [
        ("C2", "1.5", 19, 1, 28, 29, 29),
        ("C2 ¥19.99 at 1 a yuan", "1", 1999, 100, 19, 20, 20),
        ("C2 ¥19.99 at 1 for two", "1", 1999, 200, 9, 10, 10),
        ("C1 order", "1", 150, 100, 1, 2, 2),
        ("C1 line", "1", 50, 100, 0, 1, 1),
        ("C5", "0.9", 30_000, 1, 27_000, 27_000, 27_000),
        ("C5", "0.9", 27_000, 1, 24_300, 24_300, 24_300),
        ("C5", "0.9", 24_300, 1, 21_870, 21_870, 21_870),
        ("C8", "0.1", 100_000, 100, 100, 100, 100),
        ("C9", "5", 11_500, 100, 575, 575, 575),
        ("C12 1 per $10", "1", 10_500, 1000, 10, 11, 11),
        ("C15 ¥9.99 at ¥0.07", "1", 999, 7, 142, 143, 143),
        ("A16 100 points a yuan", "100", 1764, 100, 1764, 1764, 1764),
        ("A17 25 points a yuan", "25", 630, 100, 157, 158, 158),
        ("A19 ¥0.008 in tenths of fen", "0.8", 1000, 1, 800, 800, 800),
        ("nothing", "0", u64::MAX, 1, 0, 0, 0),
        ("of nothing", "1.5", 0, 1, 0, 0, 0),
        ("below a half", "0.499999999", 1, 1, 0, 0, 1),
        ("a half", "0.5", 1, 1, 0, 1, 1),
        ("above nothing", "0.000000001", 1, 1, 0, 0, 1),
        ("a third", "1", 1, 3, 0, 0, 1),
        ("half of the largest", "0.5", u64::MAX, 1, u64::MAX / 2, u64::MAX / 2 + 1, u64::MAX / 2 + 1),
        ("all of the largest", "1", u64::MAX, 1, u64::MAX, u64::MAX, u64::MAX),
        ("the largest per the largest", "1", u64::MAX, u64::MAX, 1, 1, 1),
        ("half of one per the largest", "1", u64::MAX / 2, u64::MAX, 0, 0, 1),
        ("rounded halves of large ones", "0.5", u64::MAX, u64::MAX, 0, 1, 1),
    ];
    for (scenario, rate, amount, per, floor, half_up, ceil) in rows {
        for (rounding, points) in [(Floor, floor), (HalfUp, half_up), (Ceil, ceil)] {
            assert_eq!(read(rate).of(amount, per, rounding), Ok(points), "{scenario} {rounding:?}");
        }
    }
}

#[test]
fn points_for_lines_with_rates_of_their_own() {
    type Row<'a> = (&'a str, &'a [(u64, &'a str)], u64, u64, u64);
    let rows: [Row<'_>; 7] = [
        // What, amounts with their rates, per, the sum rounded once, each line rounded.
        ("C1", &[(50, "1"), (50, "1"), (50, "1")], 100, 1, 0),
        ("two halves make one", &[(150, "1"), (50, "1")], 100, 2, 1),
        ("halves of two rates", &[(100, "1.5"), (20, "2.5")], 100, 2, 1),
        ("thirds stay exact", &[(1, "1"), (1, "1"), (1, "1")], 3, 1, 0),
        ("a billionth is not lost", &[(999_999_999, "0.000000001"), (1, "0.000000001")], 1, 1, 0),
        ("nothing", &[], 100, 0, 0),
        ("the largest", &[(u64::MAX - 1, "1"), (2, "0.5")], 1, u64::MAX, u64::MAX),
    ];
    for (what, lines, per, order, line) in rows {
        let lines = || lines.iter().map(|(amount, rate)| (*amount, read(rate)));
        assert_eq!(Scope::Order.sum(lines(), per, Floor), Ok(order), "{what}");
        assert_eq!(Scope::Line.sum(lines(), per, Floor), Ok(line), "{what}");
    }
    let too_much = [(u64::MAX, read("1")), (1, read("1"))];
    let most = [(u64::MAX, read("1000000000.999999999")); 2];
    for scope in [Scope::Order, Scope::Line] {
        assert_eq!(scope.sum(too_much, 1, Floor), Err(RateError::Overflow), "{scope:?}");
        assert_eq!(scope.sum(most, 1, Floor), Err(RateError::Overflow), "{scope:?}");
        assert_eq!(scope.sum([(1, read("1"))], 0, Floor), Err(RateError::PerZero), "{scope:?}");
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let rows = [
        ("1.000000001", u64::MAX, 1, Floor, RateError::Overflow),
        ("1000000000.999999999", u64::MAX, 1, Floor, RateError::Overflow),
        ("1", 1, 0, Floor, RateError::PerZero),
        ("0", 0, 0, Ceil, RateError::PerZero),
        ("1", u64::MAX, 0, HalfUp, RateError::PerZero),
    ];
    for (rate, amount, per, rounding, error) in rows {
        assert_eq!(read(rate).of(amount, per, rounding), Err(error), "{rate} × {amount} / {per}");
    }
}

#[test]
fn multipliers_add_what_is_above_one() {
    // (scenario, multiplier, points so far, bonus)
    let rows = [
        ("A26 double", "2", 68, Ok(68)),
        ("A26 under the minimum, not doubled by anyone", "1", 49, Ok(0)),
        ("one and a half of 19", "1.5", 19, Ok(9)),
        ("1.05 of 19", "1.05", 19, Ok(0)),
        ("1.05 of 20", "1.05", 20, Ok(1)),
        ("below one", "0.9", 100, Err(RateError::BelowOne)),
    ];
    for (scenario, multiplier, points, bonus) in rows {
        assert_eq!(read(multiplier).bonus_of(points, Floor), bonus, "{scenario}");
    }
    assert_eq!(read("1.5").less_one(), Ok(read("0.5")));
    assert_eq!(read("11").less_one(), Ok(read("10")));
}

#[test]
fn rates_from_json() {
    // (JSON, the rate written out)
    let rows = [
        (r#""1.5""#, "1.5"),
        (r#""0.1""#, "0.1"),
        (r#""2""#, "2"),
        ("2", "2"),
        ("0", "0"),
        (r#""1.50""#, "1.5"),
        (r#""10.00""#, "10"),
        (r#""0.000000001""#, "0.000000001"),
        (r#""1.05""#, "1.05"),
        (r#""1000000000.999999999""#, "1000000000.999999999"),
        ("1000000000", "1000000000"),
    ];
    for (json, written) in rows {
        let rate: Rate = serde_json::from_str(json).expect(json);
        assert_eq!(rate.to_string(), written);
        assert_eq!(rate, read(written), "equal when they are worth the same");
    }
}

#[test]
fn refusals_name_the_value_and_the_mend() {
    let not_decimal = "a rate is digits with at most one point between them; write 1.5, 0.1 or 2";
    let rows = [
        (
            "1.5",
            "a rate is exact, which a number with a point is not; write it as a string, such as \"1.5\""
                .to_owned(),
        ),
        ("-1", "a rate is not negative; write it from 0 up".to_owned()),
        (r#""-1.5""#, "\"-1.5\": a rate is not negative; write it from 0 up".to_owned()),
        (r#""""#, format!("\"\": {not_decimal}")),
        (r#"".5""#, format!("\".5\": {not_decimal}")),
        (r#""5.""#, format!("\"5.\": {not_decimal}")),
        (r#""1.5.2""#, format!("\"1.5.2\": {not_decimal}")),
        (r#""1,5""#, format!("\"1,5\": {not_decimal}")),
        (r#""1e3""#, format!("\"1e3\": {not_decimal}")),
        (r#"" 1""#, format!("\" 1\": {not_decimal}")),
        (r#""+1""#, format!("\"+1\": {not_decimal}")),
        (r#""50%""#, format!("\"50%\": {not_decimal}")),
        (r#""一""#, format!("\"一\": {not_decimal}")),
        (r#""0.0000000001""#, "\"0.0000000001\": a rate has at most 9 decimal places; round it".to_owned()),
        (r#""1000000001""#, "\"1000000001\": a rate is at most 1000000000; lower it".to_owned()),
        ("1000000001", "a rate is at most 1000000000; lower it".to_owned()),
        (
            r#""99999999999999999999""#,
            "\"99999999999999999999\": a rate is at most 1000000000; lower it".to_owned(),
        ),
        ("true", "invalid type: boolean `true`, expected a rate: a decimal as a string".to_owned()),
    ];
    for (json, message) in rows {
        let error = serde_json::from_str::<Rate>(json).expect_err(json).to_string();
        assert!(error.starts_with(&message), "{json}\n  says  {error}\n  not   {message}");
    }
}

#[test]
fn roundings_have_names() {
    for (json, rounding) in [(r#""floor""#, Floor), (r#""half-up""#, HalfUp), (r#""ceil""#, Ceil)] {
        assert_eq!(serde_json::from_str::<Rounding>(json).expect(json), rounding);
    }
    assert_eq!(Rounding::default(), Floor);
    let error = serde_json::from_str::<Rounding>(r#""up""#).expect_err("no rounding").to_string();
    assert!(error.contains("unknown variant `up`, expected one of `floor`, `half-up`, `ceil`"), "{error}");
}

proptest! {
    /// The result is the exact one, found by multiplying back.
    #[test]
    fn rounding_is_within_one_of_exact(amount: u32, per in 1_u32.., millionths in 0_u64..10_000_000) {
        let rate = read(&format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000));
        let (exact, unit) = (u128::from(amount) * u128::from(millionths), u128::from(per) * 1_000_000);
        let of = |rounding| u128::from(rate.of(amount.into(), per.into(), rounding).expect("it fits"));
        let (floor, half_up, ceil) = (of(Floor), of(HalfUp), of(Ceil));
        prop_assert!(floor * unit <= exact && exact < (floor + 1) * unit);
        prop_assert!(ceil * unit >= exact && exact + unit > ceil * unit);
        prop_assert!(2 * half_up * unit <= 2 * exact + unit && 2 * exact < 2 * half_up * unit + unit);
    }

    /// Large amounts take the way over 128 bits, and agree with the small ones.
    #[test]
    fn scaling_changes_nothing(amount in 0_u64..1 << 32, per in 1_u64..1 << 32, rounding in rounding()) {
        let rate = read("1.000000007");
        let scale = 1 << 31;
        prop_assert_eq!(rate.of(amount, per, rounding), rate.of(amount * scale, per * scale, rounding));
    }

    #[test]
    fn what_is_written_reads_back(whole in 0..=Rate::WHOLE_MAX, billionths in 0_u64..1_000_000_000) {
        let rate = read(&format!("{whole}.{billionths:09}"));
        prop_assert_eq!(rate, read(&rate.to_string()));
    }

    #[test]
    fn only_digits_and_a_point_are_read(text in "[0-9.,eE+ -]{0,12}|.{0,8}") {
        let decimal = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        prop_assert!(decimal || text.parse::<Rate>().is_err());
    }
}

fn rounding() -> impl Strategy<Value = Rounding> {
    prop_oneof![Just(Floor), Just(HalfUp), Just(Ceil)]
}

fn read(rate: &str) -> Rate {
    rate.parse().expect("a rate")
}

#[test]
fn rates_are_in_order() {
    let rates = ["0", "0.000000001", "0.7", "0.70", "0.8", "1", "1.5", "2", "1000000000"];
    let parsed: Vec<Rate> = rates.iter().map(|rate| rate.parse().unwrap()).collect();
    assert!(parsed.is_sorted());
    let equal = parsed.windows(2).filter(|pair| pair[0] >= pair[1]).count();
    assert_eq!(equal, 1, "0.7 and 0.70");
}
