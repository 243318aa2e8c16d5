use chrono::NaiveDate;

use super::*;

fn period(text: &str) -> Period {
    Period::parse(Span::Year, text).unwrap()
}

/// Returns revenue by period, as `2026 4175`, of points used by year and expectations by year.
fn revenue(allocated_minor: u64, used: &[(&str, i64)], expected: &[(&str, u64)]) -> String {
    let expected = expected.iter().map(|(year, points)| (period(year), *points)).collect();
    let allocation = Allocation { currency: "CNY".to_owned(), allocated_minor, expected };
    let used = used.iter().map(|(year, points)| (period(year), *points)).collect();
    let revenue = allocation.revenue(&used);
    let sum = revenue.iter().map(|it| it.revenue_minor).sum::<i64>();
    let last = revenue.last().map_or(0, |last| last.cumulative_minor);
    assert!(sum.unsigned_abs() == last && last <= allocated_minor, "{revenue:?}");
    let told: Vec<_> = revenue.iter().map(|it| format!("{} {}", it.period, it.revenue_minor)).collect();
    told.join(", ")
}

/// Figures worked out by hand.
#[test]
fn revenue_follows_what_is_redeemed() {
    let (two, three) = (("2022", 4_500), ("2023", 4_000));
    for (scenario, allocated, used, expected, told) in [
        // 9,000 × 4,500 / 9,700 = 4,175.26; 9,000 × 8,500 / 9,900 = 7,727.27, less 4,175.
        (
            "G1 revised up",
            9_000,
            vec![two, three],
            vec![("2021", 9_700), ("2023", 9_900)],
            "2021 0, 2022 4175, 2023 3552",
        ),
        // 9,000 × 8,500 / 9,200 = 8,315.22, less 4,175.
        (
            "G1 revised down",
            9_000,
            vec![two, three],
            vec![("2021", 9_700), ("2023", 9_200)],
            "2021 0, 2022 4175, 2023 4140",
        ),
        // 900,000 × 4,500 / 9,700 = 417,525.77; 900,000 × 8,500 / 9,900 = 772,727.27.
        (
            "G1 in cents",
            900_000,
            vec![two, three],
            vec![("2021", 9_700), ("2023", 9_900)],
            "2021 0, 2022 417526, 2023 355201",
        ),
        ("half a unit up: 10 × 1 / 4", 10, vec![("2021", 1)], vec![("2021", 4)], "2021 3"),
        (
            "never above what was allocated",
            100,
            vec![("2021", 30), ("2022", 5)],
            vec![("2021", 20)],
            "2021 100, 2022 0",
        ),
        (
            "nothing is revenue before it was estimated",
            100,
            vec![("2021", 10)],
            vec![("2022", 20)],
            "2022 50",
        ),
        (
            "what comes back is revenue no more",
            100,
            vec![("2021", 10), ("2022", -4)],
            vec![("2021", 20)],
            "2021 50, 2022 -20",
        ),
        (
            "more expected late takes revenue back",
            100,
            vec![("2021", 10)],
            vec![("2021", 20), ("2022", 40)],
            "2021 50, 2022 -25",
        ),
        ("what lapsed is no revenue of its own", 100, vec![], vec![("2021", 20)], "2021 0"),
        (
            "once none is expected any more, all is",
            100,
            vec![("2021", 5)],
            vec![("2021", 20), ("2022", 5)],
            "2021 25, 2022 75",
        ),
        ("and where none ever was", 100, vec![], vec![("2021", 20), ("2022", 0)], "2021 0, 2022 100"),
    ] {
        assert_eq!(revenue(allocated, &used, &expected), told, "{scenario}");
    }
    let all =
        revenue(1_000_000_000_000_000, &[("2021", 999_999_999_999_999)], &[("2021", 1_000_000_000_000_000)]);
    assert_eq!(all, "2021 999999999999999");
}

#[test]
fn a_period_is_read_as_it_is_told() {
    let day = NaiveDate::from_ymd_opt(2026, 11, 30).unwrap();
    for (span, told) in [(Span::Year, "2026"), (Span::Quarter, "2026-Q4"), (Span::Month, "2026-11")] {
        assert_eq!(Period::of(span, day).to_string(), told);
        assert_eq!(Period::parse(span, told), Ok(Period::of(span, day)));
    }
    for (span, text, mend) in [
        (Span::Year, "", "is not a year; write it as 2026"),
        (Span::Year, "26", "is not a year"),
        (Span::Year, "+2026", "is not a year"),
        (Span::Year, "2026-01", "is not a year"),
        (Span::Quarter, "2026", "is not a quarter; write it as 2026-Q1"),
        (Span::Quarter, "2026-Q5", "is not a quarter"),
        (Span::Quarter, "2026-Q01", "is not a quarter"),
        (Span::Month, "2026-1", "is not a month; write it as 2026-01"),
        (Span::Month, "2026-13", "is not a month"),
        (Span::Month, "2026-00", "is not a month"),
    ] {
        let refusal = Period::parse(span, text).unwrap_err();
        assert!(refusal.contains(mend), "{refusal}");
    }
}
