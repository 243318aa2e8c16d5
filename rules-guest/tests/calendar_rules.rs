//! Which days a calendar has: the scenarios, then each kind at its edges.

use rules_guest::calendar::{Calendar, CalendarRange, Day};

/// A scenario, a calendar, days that it has, and days that it does not have.
type Row = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

#[test]
fn market_days() {
    check(&[
        ("B1 skip", r#"{"lunar_digits": [5, 10]}"#, &["2025-08-18"], &["2025-08-22", "2025-08-23"]),
        (
            "B1 last",
            r#"{"lunar_digits": [5, 0], "on_missing_day": "last_day"}"#,
            &["2025-08-22"],
            &["2025-08-23"],
        ),
        (
            "B1 next",
            r#"{"lunar_digits": [5, 0], "on_missing_day": "first_of_next"}"#,
            &["2025-08-23"],
            &["2025-08-22"],
        ),
        (
            "B1, the short month is skipped",
            r#"{"lunar_digits": [5, 0], "on_missing_day": "first_of_next", "leap": "skip"}"#,
            &["2025-09-06", "2025-10-21"],
            &["2025-08-22", "2025-08-23"],
        ),
        (
            "B1, a day moves into the month that is skipped",
            r#"{"lunar_days": [30], "on_missing_day": "first_of_next", "leap": "skip"}"#,
            &["2017-07-23"], // 闰六月初一, after a 六月 of 29 days
            &["2017-07-22", "2017-08-22"],
        ),
        ("B2", r#"{"lunar_digits": [5, 0]}"#, &["2025-04-27"], &["2025-04-28"]),
        ("B3 same", r#"{"lunar_digits": [1, 6]}"#, &["2025-07-25"], &[]),
        ("B3 skip", r#"{"lunar_digits": [1, 6], "leap": "skip"}"#, &["2025-06-25"], &["2025-07-25"]),
        ("B3 only", r#"{"lunar_digits": [1, 6], "leap": "only"}"#, &["2025-07-25"], &["2025-06-25"]),
        (
            "B4",
            r#"{"lunar_digits": [1, 4, 7]}"#,
            &["2026-02-14", "2026-02-17", "2026-02-20"],
            &["2026-02-13", "2026-02-15", "2026-02-16", "2026-02-18", "2026-02-19"],
        ),
        (
            "B5",
            r#"{"branches": ["chen", "xu"]}"#,
            &["2024-02-10", "2024-02-16", "2024-03-11"],
            &["2024-02-13", "2024-02-11"],
        ),
        ("B5 in Chinese", r#"{"branches": ["辰", "戌"]}"#, &["2024-02-10", "2024-02-16"], &["2024-02-13"]),
        (
            "B6",
            r#"{"branches": ["丑", "si", "酉"]}"#,
            &["2026-03-04", "2026-03-08", "2026-03-12"],
            &["2026-03-05", "2026-03-06", "2026-03-07"],
        ),
        ("B7", r#"{"gregorian_digits": [1, 6]}"#, &["2026-03-31", "2026-04-01"], &["2026-04-30"]),
        ("B9", r#"{"lunar_parity": "odd"}"#, &["2026-02-16", "2026-02-17"], &["2026-02-15", "2026-02-18"]),
        ("B10", r#"{"cycle": {"days": 5, "offset": 0}}"#, &["2025-08-17", "2025-08-22"], &["2026-11-22"]),
        (
            "B10 from a day",
            r#"{"cycle": {"days": 5, "anchor": "1945-08-17"}}"#,
            &["1945-08-17", "2025-08-17", "2025-08-22", "1900-01-05"],
            &["2026-11-22"],
        ),
        (
            "B10 Pon",
            r#"{"cycle": {"days": 5, "anchor": "1945-08-17", "offset": 2}}"#,
            &["2026-11-22"],
            &["2025-08-17"],
        ),
        (
            "B13",
            r#"{"solar_terms": ["qingming"]}"#,
            &["2026-04-05", "2025-04-04"],
            &["2026-04-04", "2025-04-05"],
        ),
        ("A26", r#"{"lunar_digits": [1, 4, 7]}"#, &["2025-07-25"], &["2025-07-24"]),
    ]);
}

#[test]
fn monthly_days() {
    check(&[
        ("A10", r#"{"gregorian_days": [25]}"#, &["2026-02-25"], &["2026-02-24", "2026-02-26"]),
        ("A11 skip", r#"{"gregorian_days": [31]}"#, &["2026-03-31"], &["2026-04-30", "2026-05-01"]),
        (
            "A11 last",
            r#"{"gregorian_days": [31], "on_missing_day": "last_day"}"#,
            &["2026-04-30", "2026-02-28", "2028-02-29", "2026-03-31"],
            &["2026-05-01", "2026-03-30", "2028-02-28"],
        ),
        (
            "A11 next",
            r#"{"gregorian_days": [31], "on_missing_day": "first_of_next"}"#,
            &["2026-05-01", "2026-03-01", "2026-03-31"],
            &["2026-04-30", "2026-04-01", "1900-01-01"],
        ),
        (
            "two are missing, one day stands in",
            r#"{"gregorian_days": [30, 31], "on_missing_day": "last_day"}"#,
            &["2026-02-28", "2026-04-30", "2026-05-30", "2026-05-31"],
            &["2026-02-27", "2026-04-29"],
        ),
    ]);
}

#[test]
fn festivals_and_birthdays() {
    check(&[
        (
            "A27",
            r#"{"lunar_dates": [{"month": 8, "day": 15}], "days_before": 10}"#,
            &["2025-09-26", "2025-10-06", "2026-09-15", "2026-09-25"],
            &["2025-09-25", "2025-10-07", "2026-09-14", "2026-09-26"],
        ),
        (
            "A28 除夕",
            r#"{"lunar_dates": [{"month": 12, "day": "last"}]}"#,
            &["2026-02-16", "2027-02-05", "2028-01-25", "2029-02-12", "2030-02-02"],
            &["2026-02-15", "2026-02-17", "2030-02-01"],
        ),
        (
            "A27 by name",
            r#"{"festivals": ["中秋"], "days_before": 10}"#,
            &["2025-09-26", "2025-10-06", "2026-09-15", "2026-09-25"],
            &["2025-09-25", "2025-10-07", "2026-09-14", "2026-09-26"],
        ),
        (
            "A28 by name",
            r#"{"festivals": ["chuxi"]}"#,
            &["2026-02-16", "2027-02-05", "2028-01-25", "2029-02-12", "2030-02-02"],
            &["2026-02-15", "2026-02-17", "2030-02-01"],
        ),
        (
            "every festival",
            r#"{"festivals": ["chunjie", "yuanxiao", "duanwu", "qixi", "zhongyuan", "zhongqiu", "chongyang", "laba", "chuxi"]}"#,
            &[
                "2026-02-17",
                "2026-03-03",
                "2026-06-19",
                "2026-08-19",
                "2026-08-27",
                "2026-09-25",
                "2026-10-18",
                "2027-01-15",
                "2027-02-05",
            ],
            &["2026-02-18", "2026-03-02", "2026-06-18", "2026-10-17"],
        ),
        ("no festival of a leap month", r#"{"festivals": ["duanwu"]}"#, &["2028-05-28"], &["2028-06-27"]),
        (
            "A28 腊月三十",
            r#"{"lunar_dates": [{"month": 12, "day": 30}]}"#,
            &["2030-02-02"],
            &["2026-02-16", "2027-02-05", "2028-01-25", "2029-02-12"],
        ),
        ("B11", r#"{"lunar_dates": [{"month": 6, "day": 8}]}"#, &["2025-07-02"], &["2025-08-01"]),
        (
            "B11 both",
            r#"{"lunar_dates": [{"month": 6, "day": 8}], "leap": "same"}"#,
            &["2025-07-02", "2025-08-01"],
            &[],
        ),
        (
            "B11 born 闰六月",
            r#"{"lunar_dates": [{"month": 6, "day": 8}], "leap": "only"}"#,
            &["2025-08-01", "2036-07-30"],
            &["2025-07-02", "2026-07-21"],
        ),
        (
            "B11 born 闰六月, kept in 六月",
            r#"{"lunar_dates": [{"month": 6, "day": 8}]}"#,
            &["2026-07-21"],
            &[],
        ),
        (
            "B11 born 腊月三十",
            r#"{"lunar_dates": [{"month": 12, "day": 30}], "on_missing_day": "last_day"}"#,
            &["2026-02-16", "2030-02-02"],
            &["2026-02-17", "2030-02-01"],
        ),
        (
            "born 腊月三十, kept on 正月初一",
            r#"{"lunar_dates": [{"month": 12, "day": 30}], "on_missing_day": "first_of_next"}"#,
            &["2026-02-17", "2030-02-02"],
            &["2026-02-16", "2030-02-03"],
        ),
        (
            "a window over the new year",
            r#"{"lunar_dates": [{"month": 1, "day": 1}], "days_before": 1, "days_after": 2}"#,
            &["2026-02-16", "2026-02-17", "2026-02-18", "2026-02-19"],
            &["2026-02-15", "2026-02-20"],
        ),
        (
            "a window around a term",
            r#"{"solar_terms": ["清明"], "days_before": 1, "days_after": 1}"#,
            &["2026-04-04", "2026-04-05", "2026-04-06"],
            &["2026-04-03", "2026-04-07"],
        ),
        (
            "a window over the civil new year",
            r#"{"solar_terms": ["dongzhi"], "days_after": 12}"#,
            &["2026-12-22", "2027-01-03"],
            &["2026-12-21", "2027-01-04"],
        ),
        (
            "双十一",
            r#"{"gregorian_dates": [{"month": 11, "day": 11}], "days_before": 10}"#,
            &["2026-11-01", "2026-11-11"],
            &["2026-10-31", "2026-11-12"],
        ),
        (
            "born on February 29",
            r#"{"gregorian_dates": [{"month": 2, "day": 29}], "on_missing_day": "last_day"}"#,
            &["2027-02-28", "2028-02-29"],
            &["2028-02-28", "2027-03-01"],
        ),
    ]);
}

#[test]
fn other_kinds() {
    check(&[
        ("every day", r#"{"every_day": true}"#, &["1900-01-01", "2026-02-17", "2100-12-31"], &[]),
        ("every day, short", r#""every_day""#, &["1900-01-01", "2100-12-31"], &[]),
        ("a date", r#""2026-02-14""#, &["2026-02-14"], &["2026-02-13", "2026-02-15"]),
        (
            "dates",
            r#"{"dates": ["2026-02-14", "2025-08-29"]}"#,
            &["2025-08-29", "2026-02-14"],
            &["2026-08-29"],
        ),
        ("weekdays", r#"{"weekdays": [6, 3]}"#, &["2026-11-21", "2026-11-18"], &["2026-11-22", "2026-11-19"]),
        (
            "first and last Saturday",
            r#"{"weekdays": [6], "nth": [1, -1]}"#,
            &["2026-11-07", "2026-11-28"],
            &["2026-11-14", "2026-11-21", "2026-11-01"],
        ),
        (
            "a fifth Saturday",
            r#"{"weekdays": [6], "nth": [5]}"#,
            &["2026-10-31"],
            &["2026-11-28", "2026-10-24"],
        ),
        (
            "a fifth from the end",
            r#"{"weekdays": [6], "nth": [-5]}"#,
            &["2026-10-03"],
            &["2026-11-07", "2026-10-10"],
        ),
        ("公历双日", r#"{"gregorian_parity": "even"}"#, &["2026-11-22"], &["2026-11-21"]),
        (
            "公历逢十",
            r#"{"gregorian_digits": [10]}"#,
            &["2026-11-10", "2026-11-30"],
            &["2026-11-01", "2026-12-31"],
        ),
        (
            "初一十五",
            r#"{"lunar_days": [1, 15]}"#,
            &["2026-02-17", "2026-03-03"],
            &["2026-02-16", "2026-02-27"],
        ),
        ("a twelve-day market", r#"{"branches": ["zi"]}"#, &["2026-03-03", "2026-03-15"], &["2026-03-09"]),
        (
            "an Igbo week",
            r#"{"cycle": {"days": 4, "offset": 3}}"#,
            &["1900-01-04"],
            &["1900-01-03", "1900-01-05"],
        ),
        ("every day by cycle", r#"{"cycle": {"days": 1, "offset": 0}}"#, &["1900-01-01", "2100-12-31"], &[]),
        ("winter", r#"{"solar_terms": ["冬至", "xiaohan"]}"#, &["2026-12-22", "2027-01-05"], &["2026-12-21"]),
    ]);
}

#[test]
fn joined() {
    check(&[
        (
            "any",
            r#"{"any": [{"weekdays": [6]}, "2026-11-20"]}"#,
            &["2026-11-20", "2026-11-21"],
            &["2026-11-22"],
        ),
        (
            "all",
            r#"{"all": [{"weekdays": [6]}, {"gregorian_parity": "odd"}]}"#,
            &["2026-11-21"],
            &["2026-11-14"],
        ),
        (
            "except",
            r#"{"weekdays": [6], "except": ["2026-11-14", {"lunar_digits": [3]}]}"#,
            &["2026-11-07", "2026-11-28"],
            &["2026-11-14", "2026-11-21"], // 十月十三
        ),
        (
            "a closure for a month",
            r#"{"any": [{"lunar_digits": [1, 4, 7]}], "except": [{"from": "2026-02-01", "until": "2026-03-01"}]}"#,
            &["2026-01-29", "2026-03-02"],
            &["2026-02-14", "2026-02-17"],
        ),
        (
            "bounds on a kind, the end excluded",
            r#"{"every_day": true, "from": "2026-02-14", "until": "2026-02-16"}"#,
            &["2026-02-14", "2026-02-15"],
            &["2026-02-13", "2026-02-16"],
        ),
        ("from alone", r#"{"from": "2026-02-14"}"#, &["2026-02-14", "2100-12-31"], &["2026-02-13"]),
        ("until alone", r#"{"until": "2026-02-14"}"#, &["1900-01-01", "2026-02-13"], &["2026-02-14"]),
        (
            "nested",
            r#"{"all": [{"any": [{"weekdays": [6]}, {"weekdays": [7]}]}, {"all": [{"gregorian_days": [21, 22]}]}]}"#,
            &["2026-11-21", "2026-11-22"],
            &["2026-11-20", "2026-11-28"],
        ),
        ("an exception may be empty", r#"{"weekdays": [6], "except": []}"#, &["2026-11-21"], &[]),
    ]);
}

#[test]
fn year_counts() {
    // (scenario, calendar, year, days)
    let rows = [
        ("B8", r#"{"lunar_digits": [1, 4, 7]}"#, 2025, 111),
        ("B8", r#"{"lunar_digits": [1, 6]}"#, 2025, 74),
        ("B8", r#"{"lunar_digits": [5, 10]}"#, 2025, 68),
        (
            "every missing 30th is made up for",
            r#"{"lunar_digits": [5, 0], "on_missing_day": "last_day"}"#,
            2025,
            74,
        ),
        ("A11 skip", r#"{"gregorian_days": [31]}"#, 2026, 7),
        ("A11 last", r#"{"gregorian_days": [31], "on_missing_day": "last_day"}"#, 2026, 12),
        ("every day", r#""every_day""#, 2028, 366),
    ];
    for (scenario, calendar, year, days) in rows {
        let (first, last) = (Day::from_civil(year, 1, 1), Day::from_civil(year, 12, 31));
        let calendar = read(calendar);
        let listed = calendar.days(first.expect("a day"), last.expect("a day"));
        assert_eq!(listed.filter(Result::is_ok).count(), days, "{scenario}");
    }
}

#[test]
fn the_edges_of_the_range() {
    // (calendar, day, the answer, or the day that decides and lies outside)
    let after_2100 = |days| Err(CalendarRange { number: Day::LAST + days });
    let rows = [
        // 小寒 of 2101 is not in the table, and may or may not be six days off.
        (r#"{"solar_terms": ["xiaohan"], "days_before": 6}"#, "2100-12-31", after_2100(6)),
        (r#"{"solar_terms": ["xiaohan"], "days_before": 6}"#, "2100-12-25", Ok(false)),
        (r#"{"solar_terms": ["冬至"], "days_before": 6, "days_after": 12}"#, "2100-12-31", Ok(true)),
        (
            r#"{"solar_terms": ["冬至"], "days_after": 12}"#,
            "1900-01-03",
            Err(CalendarRange { number: Day::FIRST - 10 }),
        ),
        (r#"{"solar_terms": ["小寒"]}"#, "2100-12-31", Ok(false)),
        // The lunar year 2100 ends on 2101-01-28 and is known; the year after is not.
        (r#"{"lunar_dates": [{"month": 12, "day": "last"}], "days_before": 28}"#, "2100-12-31", Ok(true)),
        (r#"{"lunar_dates": [{"month": 1, "day": 1}], "days_before": 28}"#, "2100-12-31", Ok(false)),
        (r#"{"lunar_dates": [{"month": 1, "day": 1}], "days_before": 29}"#, "2100-12-31", after_2100(29)),
        // The lunar year 1899 is known.
        (r#"{"lunar_dates": [{"month": 12, "day": 1}]}"#, "1900-01-01", Ok(true)),
        (r#"{"lunar_dates": [{"month": 11, "day": "last"}], "days_after": 1}"#, "1900-01-01", Ok(true)),
        (r#"{"lunar_dates": [{"month": 8, "day": 15}], "days_after": 104}"#, "1900-01-01", Ok(true)),
        (r#"{"lunar_days": [30], "on_missing_day": "first_of_next"}"#, "1900-01-01", Ok(true)),
        // The civil calendar has no edge.
        (r#"{"gregorian_dates": [{"month": 1, "day": 5}], "days_before": 5}"#, "2100-12-31", Ok(true)),
        (r#"{"gregorian_dates": [{"month": 12, "day": 25}], "days_after": 7}"#, "1900-01-01", Ok(true)),
        // What is settled without the unknown is settled.
        (r#"{"any": [{"solar_terms": ["xiaohan"], "days_before": 6}, "every_day"]}"#, "2100-12-31", Ok(true)),
        (
            r#"{"any": [{"solar_terms": ["xiaohan"], "days_before": 6}, {"weekdays": [1]}]}"#,
            "2100-12-31",
            after_2100(6),
        ),
        (
            r#"{"all": [{"solar_terms": ["xiaohan"], "days_before": 6}, {"weekdays": [1]}]}"#,
            "2100-12-31",
            Ok(false),
        ),
        (
            r#"{"all": [{"solar_terms": ["xiaohan"], "days_before": 6}, "every_day"]}"#,
            "2100-12-31",
            after_2100(6),
        ),
        (
            r#"{"weekdays": [1], "except": [{"solar_terms": ["xiaohan"], "days_before": 6}]}"#,
            "2100-12-31",
            Ok(false),
        ),
        (
            r#"{"weekdays": [5], "except": [{"solar_terms": ["xiaohan"], "days_before": 6}]}"#,
            "2100-12-31",
            after_2100(6),
        ),
        (
            r#"{"solar_terms": ["xiaohan"], "days_before": 6, "except": ["every_day"]}"#,
            "2100-12-31",
            Ok(false),
        ),
        (r#"{"solar_terms": ["xiaohan"], "days_before": 6, "until": "2100-12-31"}"#, "2100-12-31", Ok(false)),
    ];
    for (calendar, date, answer) in rows {
        assert_eq!(read(calendar).contains(&at(date)), answer, "{calendar} {date}");
    }
}

#[test]
fn a_published_calendar() {
    let calendar = read(r#"{"lunar_digits": [5, 0], "on_missing_day": "last_day"}"#);
    let days: Vec<_> = calendar
        .days(at("2025-08-13"), at("2025-09-01"))
        .map(|day| day.expect("known").to_string())
        .collect();
    assert_eq!(days, ["2025-08-13", "2025-08-18", "2025-08-22", "2025-08-27", "2025-09-01"]);
    assert_eq!(calendar.days(at("2025-09-01"), at("2025-08-13")).count(), 0);
    // Its last six days are unknown: one of them may be six days before 小寒 of 2101.
    let unknown = read(r#"{"solar_terms": ["小寒"], "days_before": 6}"#);
    assert_eq!(unknown.days(at("2100-12-01"), at("2100-12-31")).filter(Result::is_err).count(), 6);
}

#[test]
fn a_calendar_among_other_fields() {
    #[derive(serde::Deserialize)]
    struct Named {
        id: String,
        #[serde(flatten)]
        calendar: Calendar,
    }
    let read = |text| serde_json::from_str::<Named>(text);
    let named =
        read(r#"{"id": "xixian", "any": [{"lunar_digits": [1, 4, 7]}], "except": []}"#).expect("a calendar");
    assert_eq!((named.id.as_str(), named.calendar.contains(&at("2025-07-25"))), ("xixian", Ok(true)));
    assert!(read(r#"{"id": "xixian", "any": ["every_day"], "excpet": []}"#).is_err());
}

fn check(rows: &[Row]) {
    for (scenario, calendar, has, lacks) in rows {
        let calendar = read(calendar);
        for (dates, expected) in [(has, true), (lacks, false)] {
            for date in *dates {
                assert_eq!(calendar.contains(&at(date)), Ok(expected), "{scenario}: {date}");
            }
        }
    }
}

fn read(calendar: &str) -> Calendar {
    serde_json::from_str(calendar).unwrap_or_else(|error| panic!("{calendar}: {error}"))
}

fn at(date: &str) -> Day {
    date.parse().unwrap_or_else(|error| panic!("{date}: {error}"))
}
