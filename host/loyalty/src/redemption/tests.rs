use super::*;
use crate::time::day_number;

fn zone() -> Zone {
    Zone::parse("Asia/Shanghai").unwrap()
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn points(points: u64) -> Points {
    Points::new(points).unwrap()
}

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

/// Points of a lot that can be spent through a day; empty: for ever.
fn part(version: u64, had: u64, last_day: &str) -> Part {
    let expires_at =
        if last_day.is_empty() { Instant::NEVER } else { zone().start_of(next_day(date(last_day))) };
    Part {
        lot: LotId { member: "ann".into(), version, award: 0 },
        issuer: Issuer::Platform,
        day: day_number(date("2026-01-01")),
        expires_at,
        notice: Notice::Given,
        had: points(had),
        points: points(had),
    }
}

/// `2000 of 1 lapsed, 8000 of 2 until 2027-03-31, +2000`
fn told(cancellation: &Cancellation) -> String {
    let mut told: Vec<_> = cancellation
        .returned
        .iter()
        .map(|Returned { lot, points, to, .. }| {
            let to = match to {
                Return::Lot => String::new(),
                Return::Lapsed => " lapsed".to_owned(),
                Return::New { expires_at, .. } => format!(" until {}", zone().last_day_before(*expires_at)),
            };
            format!("{points} of {}{to}", lot.version)
        })
        .collect();
    if !cancellation.compensation.is_zero() {
        told.push(format!("+{}", cancellation.compensation));
    }
    told.join(", ")
}

#[test]
fn what_comes_back_follows_the_terms() {
    let none = CancelTerms::default();
    let half = CancelTerms { fee: rate("0.5"), ..none };
    let extend = |from| Some(Extension { months: 6, days: 0, from });
    let airline = CancelTerms { extend: extend(ExtendFrom::Expiry), compensation: rate("0.1"), ..none };
    let from_then = CancelTerms { extend: extend(ExtendFrom::Cancellation), ..none };
    let grace = CancelTerms { grace_days: 30, ..none };
    let miles = [(1, 12_000, "2026-06-30"), (2, 8_000, "2027-03-31")];
    let lots = [(1, 300, "2026-03-31"), (2, 300, "2026-12-31")];
    let later = [(1, 300, "2026-03-31"), (2, 100, "2026-12-31")];
    for (scenario, terms, used, wanted, today, expected) in [
        ("A23", half, miles, 20_000, "2026-06-10", "8000 of 2, 2000 of 1"),
        ("A24", half, miles, 20_000, "2026-07-15", "8000 of 2, 2000 of 1 lapsed"),
        (
            "A25",
            airline,
            miles,
            20_000,
            "2026-07-15",
            "8000 of 2 until 2027-09-30, 12000 of 1 until 2026-12-30, +2000",
        ),
        (
            "A25, months from then",
            from_then,
            miles,
            20_000,
            "2026-07-15",
            "8000 of 2, 12000 of 1 until 2027-01-15",
        ),
        ("E7 in part", none, lots, 200, "2026-03-10", "200 of 2"),
        ("E7 the rest", none, later, 400, "2026-04-05", "100 of 2, 300 of 1 lapsed"),
        ("E7 grace", grace, later, 400, "2026-04-05", "100 of 2, 300 of 1 until 2026-05-05"),
        ("grace before the end", grace, lots, 600, "2026-03-31", "300 of 2, 300 of 1"),
        ("points that stay", airline, [(1, 5, ""), (2, 5, "")], 10, "2026-03-31", "5 of 2, 5 of 1, +1"),
        ("a fee of all", CancelTerms { fee: rate("1"), ..none }, lots, 600, "2026-03-31", ""),
        ("a fee is rounded down", half, lots, 3, "2026-03-31", "2 of 2"),
        ("more than there is", none, lots, 900, "2026-03-31", "300 of 2, 300 of 1"),
    ] {
        let used = used.map(|(lot, had, last_day)| part(lot, had, last_day)).to_vec();
        let noon = Instant::parse(&format!("{today}T12:00:00+08:00")).unwrap();
        let cancellation =
            terms.cancel(used, (Points::ZERO, points(wanted)), (date(today), noon), zone(), Notice::Given);
        assert_eq!(told(&cancellation), expected, "{scenario}");
    }
}

#[test]
fn what_is_held_is_taken_in_order() {
    let there = || [part(1, 300, "2026-03-31"), part(2, 0, "2026-04-01"), part(3, 500, "")];
    for (wanted, expected) in [(0, vec![]), (300, vec![300]), (301, vec![300, 1]), (900, vec![300, 500])] {
        let taken: Vec<_> = take(there(), points(wanted)).iter().map(|part| part.points.get()).collect();
        assert_eq!(taken, expected, "{wanted}");
    }
}

/// Fee and compensation of many small cancellations come to those of one.
#[test]
fn parts_of_a_cancellation_come_to_the_whole() {
    let terms = CancelTerms { fee: rate("0.5"), compensation: rate("0.1"), ..CancelTerms::default() };
    let (mut back, mut compensation) = (Points::ZERO, Points::ZERO);
    for before in 0..99 {
        let used = vec![part(1, 99 - before, "2026-12-31")];
        let now = Instant::parse("2026-01-01T12:00:00+08:00").unwrap();
        let one =
            terms.cancel(used, (points(before), points(1)), (date("2026-01-01"), now), zone(), Notice::Given);
        back = back.plus(one.returned.iter().map(|returned| returned.points).sum());
        compensation = compensation.plus(one.compensation);
    }
    assert_eq!((back, compensation), (points(50), points(9)));
}
