//! The solar terms: known dates, the law that ties them to the months, and the Sun.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    reason = "the position of the Sun is the test's own witness; nothing of it reaches the library"
)]

use rules_guest::calendar::{Day, SOLAR_TERMS};

const DONGZHI: u8 = 21;

#[test]
fn days_that_almanacs_know() {
    let rows = [
        // DOMAIN §4.2, B13.
        ("2025-02-03", "立春"),
        ("2026-02-04", "立春"),
        ("2025-04-04", "清明"),
        ("2026-04-05", "清明"),
        ("2027-04-05", "清明"),
        ("2026-12-22", "冬至"),
        ("2021-12-21", "冬至"), // 23:59
        // As printed, where the almanac and the Sun at UTC+8 disagree: see `term_table`.
        ("1912-11-23", "小雪"),
        ("1913-09-24", "秋分"),
        ("1917-12-07", "大雪"),
        ("1927-09-08", "白露"),
        ("1928-06-21", "夏至"),
        ("1979-01-21", "大寒"),
        // The one day on which the two computations disagree.
        ("1951-12-23", "冬至"),
        // The Hong Kong Observatory's tables.
        ("1901-01-06", "小寒"),
        ("1901-05-22", "小满"),
        ("1902-06-07", "芒种"),
        ("1902-12-23", "冬至"),
        ("1906-06-06", "芒种"),
        ("1948-12-22", "冬至"),
        ("1950-04-20", "谷雨"), // 23:59
        ("1980-02-05", "立春"),
        ("2082-01-20", "大寒"),
        ("2083-02-03", "立春"), // 23:58
    ];
    for (date, name) in rows {
        assert_eq!(term(date).map(|term| SOLAR_TERMS[usize::from(term)].1), Some(name), "{date}");
    }
}

#[test]
fn terms_follow_each_other() {
    let terms: Vec<_> = days().filter_map(|day| day.solar_term().map(|term| (day.number(), term))).collect();
    assert_eq!(terms.len(), 201 * 24);
    assert_eq!(terms[0].1, 22, "the civil year begins with 小寒");
    for pair in terms.windows(2) {
        assert_eq!((pair[0].1 + 1) % 24, pair[1].1);
        assert!((14..=17).contains(&(pair[1].0 - pair[0].0)), "{pair:?}");
    }
}

#[test]
fn the_winter_solstice_is_in_the_eleventh_month() {
    let solstices: Vec<_> = days().filter(|day| day.solar_term() == Some(DONGZHI)).collect();
    assert_eq!(solstices.len(), 201);
    for day in solstices {
        assert_eq!((day.lunar().month, day.lunar().leap), (11, false), "{day}");
    }
}

#[test]
fn a_leap_month_has_no_principal_term() {
    // 中气 are the odd places: 雨水, 春分 … 大寒. No exception in two centuries.
    let principal = |day: &Day| day.solar_term().is_some_and(|term| term % 2 == 1);
    let wrong: Vec<_> =
        days().filter(|day| day.lunar().leap && principal(day)).map(|day| day.to_string()).collect();
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn the_first_month_without_a_principal_term_is_the_leap_month() {
    // Between two solstices there are thirteen months only if one of them is a leap month, and then it is the first
    // that has no principal term. So the terms alone give the leap months of the lunar table.
    for year in 1900..2100 {
        let months = months_between_solstices(year);
        let leap: Vec<_> = months.iter().map(|month| month.leap).collect();
        let empty = months.iter().position(|month| !month.principal);
        let expected: Vec<_> = (0..months.len()).map(|at| months.len() == 13 && Some(at) == empty).collect();
        assert_eq!(leap, expected, "after the solstice of {year}");
    }
}

struct Month {
    leap: bool,
    principal: bool,
}

/// The months after the one of this year's solstice, up to and with the one of the next.
fn months_between_solstices(year: i32) -> Vec<Month> {
    let solstice = days_of(year).find(|day| day.solar_term() == Some(DONGZHI)).expect("a solstice");
    let first =
        solstice.number() - i32::from(solstice.lunar().day) + 1 + i32::from(solstice.lunar().days_in_month);
    let mut months: Vec<Month> = Vec::new();
    for day in (first..=Day::LAST).filter_map(|number| Day::from_number(number).ok()) {
        if day.lunar().day == 1 {
            if day.number() > first && is_month_eleven_over(&day) {
                break;
            }
            months.push(Month { leap: day.lunar().leap, principal: false });
        }
        let month = months.last_mut().expect("the first day begins a month");
        month.principal |= day.solar_term().is_some_and(|term| term % 2 == 1);
    }
    months
}

/// Whether the month before the one that this day begins had the winter solstice.
fn is_month_eleven_over(first_of_month: &Day) -> bool {
    let back = |days: i32| Day::from_number(first_of_month.number() - days).expect("a day of the range");
    let days_in_month = i32::from(back(1).lunar().days_in_month);
    (1..=days_in_month).any(|days| back(days).solar_term() == Some(DONGZHI))
}

#[test]
fn the_sun_is_there() {
    // Meeus, Astronomical Algorithms, chapter 25: good to 0.01 degrees, a quarter of an hour.
    for day in days() {
        let Some(term) = day.solar_term() else { continue };
        let tolerance = 0.015;
        let target = (f64::from(term) * 15.0 + 315.0) % 360.0;
        let (morning, night) =
            (turn(longitude(day.number()) - target), turn(longitude(day.number() + 1) - target));
        assert!(morning < tolerance && night > -tolerance, "{day}: {morning} to {night}");
    }
}

/// The apparent longitude of the Sun, in degrees, at midnight of Beijing before a day.
fn longitude(number: i32) -> f64 {
    // 2000-01-01 12:00 is the epoch; TT runs about a minute ahead, which is far below the tolerance.
    let days = f64::from(number - 730_120) - 0.5 - 8.0 / 24.0;
    let t = days / 36525.0;
    let mean = 280.466_46 + 36_000.769_83 * t + 0.000_303_2 * t * t;
    let anomaly = (357.529_11 + 35_999.050_29 * t - 0.000_153_7 * t * t).to_radians();
    let centre = (1.914_602 - 0.004_817 * t) * anomaly.sin()
        + (0.019_993 - 0.000_101 * t) * (2.0 * anomaly).sin()
        + 0.000_289 * (3.0 * anomaly).sin();
    let node = (125.04 - 1934.136 * t).to_radians();
    mean + centre - 0.005_69 - 0.004_78 * node.sin()
}

/// An angle between -180 and 180 degrees.
fn turn(degrees: f64) -> f64 {
    (degrees + 180.0).rem_euclid(360.0) - 180.0
}

fn days() -> impl Iterator<Item = Day> {
    (Day::FIRST..=Day::LAST).map(|number| Day::from_number(number).expect("a day of the range"))
}

fn days_of(year: i32) -> impl Iterator<Item = Day> {
    let first = Day::from_civil(year, 1, 1).expect("a year of the range").number();
    (first..first + 365).map(|number| Day::from_number(number).expect("a day of the year"))
}

fn term(date: &str) -> Option<u8> {
    date.parse::<Day>().expect("a date of the range").solar_term()
}
