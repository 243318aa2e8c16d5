//! What is no calendar, and what the author is told: which key, which value, the mend.

use rules_guest::calendar::Calendar;

#[test]
fn refusals_name_the_key_the_value_and_the_mend() {
    let rows = [
        // No kind, two kinds, an unknown one.
        ("{}", "a calendar: has no kind; write one, such as weekdays = [6]"),
        (r#"{"except": ["2026-01-01"]}"#, "a calendar: has no kind; write one, such as weekdays = [6]"),
        (
            r#"{"weekdays": [6], "branches": ["zi"]}"#,
            "branches: stands beside `weekdays`; join the two with `any` or `all`",
        ),
        (r#"{"lunar_digit": [6]}"#, "unknown field `lunar_digit`, expected one of `any`, `all`, `every_day`"),
        ("6", "invalid type: integer `6`, expected a calendar: a table such as"),
        ("[]", "invalid type: sequence, expected a calendar"),
        // Lists that say nothing.
        (r#"{"any": []}"#, "any: is empty, so it says nothing; list something or remove it"),
        (r#"{"all": []}"#, "all: is empty"),
        (r#"{"lunar_digits": []}"#, "lunar_digits: is empty"),
        (r#"{"weekdays": []}"#, "weekdays: is empty"),
        (r#"{"weekdays": [6], "nth": []}"#, "nth: is empty"),
        (r#"{"branches": []}"#, "branches: is empty"),
        (r#"{"lunar_dates": []}"#, "lunar_dates: is empty"),
        (r#"{"dates": []}"#, "dates: is empty"),
        (
            r#"{"every_day": false}"#,
            "every_day: is false, so no day would ever count; write true or remove it",
        ),
        (r#"{"festivals": []}"#, "festivals: is empty"),
        // Values.
        (r#"{"festivals": ["christmas"]}"#, "festivals: `christmas` is none of chunjie 春节, yuanxiao 元宵,"),
        (r#"{"festivals": ["chunjie"], "leap": "same"}"#, "leap: means nothing with `festivals`; remove it"),
        (
            r#"{"lunar_digits": [11]}"#,
            "lunar_digits: 11 is not the last digit of a day; write 0 to 9, or 10 for 0",
        ),
        (r#"{"gregorian_digits": [-1]}"#, "gregorian_digits: -1 is not the last digit of a day"),
        (r#"{"lunar_digits": [1.5]}"#, "invalid type: floating point `1.5`, expected i64"),
        (r#"{"lunar_days": [31]}"#, "lunar_days: 31 is not within 1 to 30"),
        (r#"{"lunar_days": [0]}"#, "lunar_days: 0 is not within 1 to 30"),
        (r#"{"gregorian_days": [32]}"#, "gregorian_days: 32 is not within 1 to 31"),
        (r#"{"gregorian_days": [4294967297]}"#, "gregorian_days: 4294967297 is not within 1 to 31"),
        (r#"{"weekdays": [8]}"#, "weekdays: there is no weekday 8; write 1 for Monday to 7 for Sunday"),
        (r#"{"weekdays": [0]}"#, "weekdays: there is no weekday 0"),
        (
            r#"{"weekdays": [6], "nth": [0]}"#,
            "nth: 0 is no place in a month; write 1 to 5, or -1 to -5 from the end",
        ),
        (r#"{"weekdays": [6], "nth": [6]}"#, "nth: 6 is no place in a month"),
        (r#"{"lunar_parity": "uneven"}"#, "unknown variant `uneven`, expected `odd` or `even`"),
        (r#"{"branches": ["dragon"]}"#, "branches: `dragon` is none of zi 子, chou 丑, yin 寅"),
        (r#"{"solar_terms": ["spring"]}"#, "solar_terms: `spring` is none of lichun 立春, yushui 雨水"),
        (r#"{"cycle": {"days": 0, "offset": 0}}"#, "cycle: days = 0; a cycle has 1 day or more"),
        (r#"{"cycle": {"days": 5, "offset": 5}}"#, "cycle: offset = 5; a cycle of 5 days has offsets 0 to 4"),
        (
            r#"{"cycle": {"days": 5, "offset": -1}}"#,
            "cycle: offset = -1; a cycle of 5 days has offsets 0 to 4",
        ),
        (r#"{"cycle": {"days": 5}}"#, "cycle: has neither offset nor anchor; say which day it goes through"),
        (
            r#"{"cycle": {"days": 5, "anchor": "1945-02-30"}}"#,
            "cycle: anchor: \"1945-02-30\": there is no 1945-02-30",
        ),
        (
            r#"{"cycle": {"days": 5, "ofset": 5}}"#,
            "unknown field `ofset`, expected one of `days`, `offset`, `anchor`",
        ),
        (r#"{"lunar_dates": [{"month": 13, "day": 1}]}"#, "lunar_dates: there is no month 13; write 1 to 12"),
        (
            r#"{"lunar_dates": [{"month": 8, "day": 31}]}"#,
            "lunar_dates: month 8 never has a day 31; write 1 to 30 or \"last\"",
        ),
        (
            r#"{"lunar_dates": [{"month": 8, "day": "end"}]}"#,
            "a day is a number, or \"last\" for the last of the month",
        ),
        (r#"{"gregorian_dates": [{"month": 2, "day": 30}]}"#, "gregorian_dates: month 2 never has a day 30"),
        (r#"{"solar_terms": ["清明"], "days_before": 181}"#, "days_before: 181 is not within 0 to 180"),
        (r#"{"solar_terms": ["清明"], "days_after": -1}"#, "days_after: -1 is not within 0 to 180"),
        // Dates.
        (r#"{"dates": ["2026-02-30"]}"#, "dates: \"2026-02-30\": there is no 2026-02-30"),
        (r#""2026-2-3""#, "dates: \"2026-2-3\": a date is written YYYY-MM-DD, as 2026-02-17"),
        (r#""someday""#, "dates: \"someday\": a date is written YYYY-MM-DD"),
        (r#"{"dates": ["2101-01-01"]}"#, "dates: \"2101-01-01\": calendar_range: day 767010 is not within"),
        (r#"{"from": "2026-02-30"}"#, "from: \"2026-02-30\": there is no 2026-02-30"),
        (
            r#"{"from": "2026-02-03", "until": "2026-02-03"}"#,
            "until: is not after `from`, so no day would ever count",
        ),
        // Options where they mean nothing.
        (r#"{"weekdays": [6], "leap": "skip"}"#, "leap: means nothing with `weekdays`; remove it"),
        (r#"{"lunar_days": [1], "nth": [1]}"#, "nth: means nothing with `lunar_days`; remove it"),
        (
            r#"{"gregorian_days": [1], "leap": "same"}"#,
            "leap: means nothing with `gregorian_days`; remove it",
        ),
        (
            r#"{"solar_terms": ["清明"], "on_missing_day": "skip"}"#,
            "on_missing_day: means nothing with `solar_terms`",
        ),
        (
            r#"{"lunar_days": [1], "days_before": 1}"#,
            "days_before: means nothing with `lunar_days`; remove it",
        ),
        (
            r#"{"from": "2026-02-03", "days_after": 1}"#,
            "days_after: means nothing with `from and until`; remove it",
        ),
        (r#"{"any": ["every_day"], "leap": "skip"}"#, "leap: means nothing with `any`; remove it"),
        // Far inside.
        (r#"{"any": [{"all": [{"weekdays": [9]}]}]}"#, "weekdays: there is no weekday 9"),
        (r#"{"weekdays": [6], "except": [{"weekdays": [9]}]}"#, "weekdays: there is no weekday 9"),
    ];
    for (text, message) in rows {
        let error = serde_json::from_str::<Calendar>(text).expect_err(text).to_string();
        assert!(error.starts_with(message), "{text}\n  says  {error}\n  not   {message}");
    }
}
