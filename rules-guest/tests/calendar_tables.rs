//! The pinned tables: the lunar years against icu_calendar, day by day, and the digest that receipts carry.
//!
//! `UPDATE_TABLES=1 cargo test -p rules-guest --test calendar_tables` writes the lunar table anew.

#![expect(clippy::arithmetic_side_effects, reason = "a test that overflows fails, which is right")]

use icu_calendar::cal::ChineseTraditional;
use icu_calendar::types::RataDie;
use icu_calendar::{Date, Iso};
use rules_guest::calendar::{CalendarRange, Day, InvalidDate, Lunar, table_bytes};

const LUNAR_TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/calendar/lunar_table.rs");

type Chinese = Date<ChineseTraditional>;

#[test]
fn the_lunar_table_is_what_icu_calendar_says() {
    let written = std::fs::read_to_string(LUNAR_TABLE).expect("the table can be read");
    // The head ends with the line of 1899, which icu_calendar does not know.
    let (head, _) = written.split_once("// 1899\n").expect("the table begins with 1899");
    let expected = format!("{head}// 1899\n{}];\n", (1900..=2100).map(row).collect::<String>());
    if std::env::var_os("UPDATE_TABLES").is_some() {
        std::fs::write(LUNAR_TABLE, expected).expect("the table can be written");
        return;
    }
    for (written, expected) in written.lines().zip(expected.lines()) {
        assert_eq!(
            written, expected,
            "run again with UPDATE_TABLES=1, and say in the commit why the table moves"
        );
    }
    assert_eq!(written.len(), expected.len());
}

fn row(year: i32) -> String {
    let first = first_day_of(year);
    let mut months = Vec::new();
    let mut day = first;
    while day.cyclic_year().related_iso == year {
        months.push((day.month().to_input(), day.days_in_month()));
        day = chinese(day.to_rata_die().to_i64_date() + i64::from(day.days_in_month()));
    }
    let leap = months.iter().find(|(month, _)| month.is_leap()).map_or(0, |(month, _)| month.number());
    let lengths: String = months.iter().map(|&(_, days)| if days == 30 { 'L' } else { 's' }).collect();
    let first = first.to_calendar(Iso);
    let row = format!("row({}, {}, {leap}, b\"{lengths}\"),", first.month().number(), first.day_of_month().0);
    format!("    {row:<33} // {year}\n")
}

fn first_day_of(year: i32) -> Chinese {
    let from = Date::try_new_iso(year, 1, 20).expect("a date").to_rata_die().to_i64_date();
    (from..from + 33)
        .map(chinese)
        .find(|day| day.cyclic_year().related_iso == year)
        .expect("a lunar year begins by then")
}

fn chinese(number: i64) -> Chinese {
    Date::from_rata_die(RataDie::new(number), ChineseTraditional::new())
}

#[test]
fn every_day_is_what_icu_calendar_says() {
    for number in Day::FIRST..=Day::LAST {
        let day = Day::from_number(number).expect("a day of the range");
        let iso = Date::from_rata_die(RataDie::new(number.into()), Iso);
        let civil = (iso.year().extended_year(), iso.month().number(), iso.day_of_month().0);
        assert_eq!((day.year(), day.month(), day.day_of_month()), civil);
        assert_eq!(i64::from(day.weekday()), (i64::from(number) - 1) % 7 + 1, "{day}");
        assert_eq!(day.days_in_month(), iso.days_in_month(), "{day}");
        assert_eq!(day.lunar(), oracle(number), "{day}");
    }
}

fn oracle(number: i32) -> Lunar {
    let date = chinese(number.into());
    let month = date.month().to_input();
    Lunar {
        year: date.cyclic_year().related_iso,
        month: month.number(),
        leap: month.is_leap(),
        day: date.day_of_month().0,
        days_in_month: date.days_in_month(),
    }
}

#[test]
fn days_that_almanacs_know() {
    // (day, lunar year, month, leap, day, days in month)
    let rows = [
        ("1900-01-01", (1899, 12, false, 1, 30)), // the first of the range, and of its month
        ("1900-01-31", (1900, 1, false, 1, 29)),
        ("1954-02-03", (1954, 1, false, 1, 30)),  // B12: not 腊月三十
        ("1989-02-06", (1989, 1, false, 1, 30)),  // wrong in LVGL's table once, as are the next two
        ("2025-04-27", (2025, 3, false, 30, 30)), // B2
        ("2089-09-04", (2089, 8, false, 1, 30)),
        ("2025-07-24", (2025, 6, false, 30, 30)),  // A26
        ("2025-07-25", (2025, 6, true, 1, 29)),    // A26, B3
        ("2025-08-22", (2025, 6, true, 29, 29)),   // B1
        ("2033-12-22", (2033, 11, true, 1, 29)),   // the famous leap month of 2033
        ("2026-02-16", (2025, 12, false, 29, 29)), // A28
        ("2030-02-02", (2029, 12, false, 30, 30)), // A28
        ("2100-12-31", (2100, 12, false, 1, 29)),
    ];
    for (date, (year, month, leap, day, days_in_month)) in rows {
        assert_eq!(at(date).lunar(), Lunar { year, month, leap, day, days_in_month }, "{date}");
    }
}

#[test]
fn sexagenary_days_that_almanacs_know() {
    // (day, place in the cycle, branch)
    let rows = [("2024-02-10", 40, 4), ("1949-10-01", 0, 0), ("2000-01-01", 54, 6), ("2026-03-04", 13, 1)];
    for (date, sexagenary, branch) in rows {
        assert_eq!((at(date).sexagenary(), at(date).branch()), (sexagenary, branch), "{date}");
    }
}

#[test]
fn the_range_ends_with_an_error() {
    // B13: asking for 2101 is an error, never an approximation.
    assert_eq!(Day::from_number(Day::FIRST).expect("the first day").to_string(), "1900-01-01");
    assert_eq!(Day::from_number(Day::LAST).expect("the last day").to_string(), "2100-12-31");
    for number in [i32::MIN, Day::FIRST - 1, Day::LAST + 1, i32::MAX] {
        assert_eq!(Day::from_number(number), Err(CalendarRange { number }));
    }
    assert_eq!("2101-01-01".parse::<Day>(), Err(InvalidDate::Range(CalendarRange { number: Day::LAST + 1 })));
    assert!(CalendarRange { number: 0 }.to_string().starts_with(CalendarRange::CODE));
}

#[test]
fn dates_that_are_none() {
    let rows = [
        ("2026-02-29", "there is no 2026-02-29"),
        ("2026-13-01", "there is no 2026-13-01"),
        ("2026-00-10", "there is no 2026-00-10"),
        ("2026-04-31", "there is no 2026-04-31"),
        ("2026-4-1", "a date is written YYYY-MM-DD, as 2026-02-17"),
        ("2026/04/01", "a date is written YYYY-MM-DD, as 2026-02-17"),
        ("20260-4-01", "a date is written YYYY-MM-DD, as 2026-02-17"),
        ("+026-04-01", "a date is written YYYY-MM-DD, as 2026-02-17"),
        ("二〇二六年", "a date is written YYYY-MM-DD, as 2026-02-17"),
        ("", "a date is written YYYY-MM-DD, as 2026-02-17"),
    ];
    for (text, message) in rows {
        assert_eq!(text.parse::<Day>().expect_err("no date").to_string(), message, "{text}");
    }
    for year in [i32::MIN, -1, 0, 1899, 2101, 10_000, i32::MAX] {
        assert!(matches!(Day::from_civil(year, 1, 1), Err(InvalidDate::Range(_))), "{year}");
    }
}

#[test]
fn the_tables_are_pinned() {
    // Receipts carry a digest of these bytes. Whoever changes this number changes what old receipts are compared with.
    let fnv = table_bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    assert_eq!(table_bytes().count(), 4 + 202 * 4 + 4 + 201 * 8);
    assert_eq!(format!("{fnv:016x}"), "44e99f540e659736");
}

fn at(date: &str) -> Day {
    date.parse().expect("a date of the range")
}
