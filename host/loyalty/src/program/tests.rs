//! What a program file must be, and where and when its parts apply.

use chrono::NaiveDate;

use super::{Expiry, Period, Program};
use crate::event::Event;

const PROGRAM: &str = r#"[program]
name = "红米好物"
timezone = "Asia/Shanghai"

[[unit]]
id = "points"
expires = { months = 12 }

[[calendar]]
id = "xixian"
any = [{ lunar_digits = [1, 4, 7], on_missing_day = "skip" }]

[[region]]
id = "cn/henan/xixian"
calendar = "xixian"

[[merchant]]
id = "store-330"
region = "cn/henan/xixian"
category = "supermarket"

[[lane]]
id = "base"
combine = "all"

[[deployment]]
id = "spend"
policy = "spend"
lane = "base"
unit = "points"
issuer = "platform"
scope = { region = "cn/henan" }
from = "2017-01-01T00:00:00+08:00"
until = "2027-01-01T00:00:00+08:00"
mode = "live"
cap = { per_event = 500, per_member_per_day = 2000 }
budget = 1000000
parameters = { points = "1", per = 100, exclude_categories = ["tobacco"] }
"#;

fn with(from: &str, to: &str) -> String {
    assert!(PROGRAM.contains(from), "{from} is not in the program");
    PROGRAM.replacen(from, to, 1)
}

#[test]
fn the_program_of_the_design_is_taken() {
    let program = Program::parse(PROGRAM).unwrap();
    let [spend] = &*program.deployments else { unreachable!("there is one deployment") };
    assert_eq!(spend.parameters, r#"{"exclude_categories":["tobacco"],"per":100,"points":"1"}"#);
    assert_eq!((spend.line, program.warnings.len()), (28, 0));
}

#[test]
fn what_is_wrong_is_named_with_line_field_and_mend() {
    let rows = [
        (
            "timezone = \"Asia/Shanghai\"",
            "timezone = \"China\"",
            "line 3: program.timezone: \"China\" is not a time zone; write an IANA name such as Asia/Shanghai",
        ),
        (
            "name = \"红米好物\"",
            "nmae = \"红米好物\"",
            "line 2: program.nmae: unknown field `nmae`, expected `name` or `timezone`",
        ),
        ("[[unit]]", "[[unti]]", "line 5: unti: unknown field `unti`"),
        ("{ months = 12 }", "{ weeks = 3 }", "line 7: unit[0].expires.weeks: unknown field `weeks`"),
        ("{ months = 12 }", "{}", "line 7: unit[0].expires: says nothing; write { months = 12 }"),
        ("{ months = 12 }", "{}", "line 7: unit[0].expires: says nothing"),
        (
            "{ months = 12 }",
            "{ months = 1, plus = 1 }",
            "line 7: unit[0].expires: `plus` counts periods and needs `end_of`",
        ),
        (
            "{ months = 12 }",
            "{ date = \"2026-13-01\" }",
            "line 7: unit[0].expires: \"2026-13-01\" is not a date",
        ),
        (
            "{ months = 12 }",
            "{ date = \"2026-12-31\", days = 1 }",
            "line 7: unit[0].expires: a date stands alone",
        ),
        ("[1, 4, 7]", "[1, 4, 17]", "calendar[0]"),
        ("lunar_digits", "lunar_digit", "calendar[0]"),
        (
            "calendar = \"xixian\"",
            "calendar = \"xian\"",
            "line 15: region[0].calendar: there is no [[calendar]] with the id \"xian\"; there is xixian",
        ),
        (
            "id = \"store-330\"",
            "id = \"\"",
            "line 18: merchant[0].id: must not be empty or have control characters",
        ),
        (
            "combine = \"all\"",
            "combine = \"some\"",
            "line 24: lane[0].combine: unknown variant `some`, expected one of `all`, `best`, `first`",
        ),
        (
            "lane = \"base\"",
            "lane = \"bonus\"",
            "line 29: deployment[0].lane: there is no [[lane]] with the id \"bonus\"; there is base",
        ),
        (
            "unit = \"points\"",
            "unit = \"green\"",
            "line 30: deployment[0].unit: there is no [[unit]] with the id \"green\"; there is points",
        ),
        (
            "policy = \"spend\"",
            "policy = \"../spend\"",
            "line 28: deployment[0].policy: \"../spend\" is not a policy's name",
        ),
        (
            "policy = \"spend\"",
            "policy = \"sha256:12\"",
            "line 28: deployment[0].policy: \"sha256:12\" is not a digest",
        ),
        (
            "issuer = \"platform\"",
            "issuer = \"bank\"",
            "line 31: deployment[0].issuer: \"bank\" cannot issue",
        ),
        (
            "mode = \"live\"",
            "available = { weeks = 2 }",
            "deployment[0].available.weeks: unknown field `weeks`, expected one of `days`, `date`, `on`",
        ),
        ("mode = \"live\"", "days = { festivals = [\"端阳\"] }", "line 35: deployment[0].days: festivals:"),
        ("mode = \"live\"", "days = { months = [5] }", "deployment[0].days.months: unknown field `months`"),
        (
            "mode = \"live\"",
            "available = { on = \"\" }",
            "deployment[0].available: names no action; write a word without control characters",
        ),
        (
            "{ months = 12 }",
            "{ months = 12 }\nnotice = { days = 3661 }",
            "line 8: unit[0].notice.days: is 3661 days; at most 3660 are allowed",
        ),
        ("{ months = 12 }", "{ months = 12 }\nnotice = {}", "unit[0].notice: missing field `days`"),
        (
            "{ months = 12 }",
            "{ months = 12 }\ntransfer = \"yes\"",
            "unit[0].transfer: unknown variant `yes`, expected one of `preserve`, `reset`, `forbidden`",
        ),
        (
            "{ months = 12 }",
            "{ months = 12 }\nlevel_by = \"miles\"",
            "line 8: unit[0].level_by: there is no [[unit]] with the id \"miles\"; there is points",
        ),
        (
            "{ months = 12 }",
            "{ months = 12 }\nlevel_by = \"points\"",
            "unit[0].level_by: is the unit itself; name",
        ),
        (
            "[[calendar]]",
            "[[unit]]\nid = \"gold\"\nlevel_by = \"points\"\n[[unit]]\nid = \"silver\"\nlevel_by = \"points\"\n[[calendar]]",
            "line 14: unit[2].level_by: another unit has levels already",
        ),
        (
            "[[calendar]]",
            "[[unit]]\nid = \"level\"\nlevel_by = \"points\"\ntransfer = \"reset\"\n[[calendar]]",
            "line 12: unit[1].transfer: levels cannot be given to others; leave it out",
        ),
        (
            "[[calendar]]",
            "[[unit]]\nid = \"level\"\nlevel_by = \"points\"\n[[exchange]]\nunit = \"points\"\ninto = \"level\"\nrate = \"1\"\n[[calendar]]",
            "line 14: exchange[0].into: its points are levels, which are not spent; name another",
        ),
        (
            "[[calendar]]",
            "[[unit]]\nid = \"level\"\nlevel_by = \"points\"\n[[redemption]]\nid = \"gifts\"\npolicy = \"catalogue\"\nunit = \"level\"\n[[calendar]]",
            "line 15: redemption[0].unit: its points are levels, which are not spent; name another",
        ),
        (
            "[[calendar]]",
            "[[redemption]]\nid = \"gifts\"\npolicy = \"catalogue\"\nunit = \"points\"\naccepts = []\n[[calendar]]",
            "line 13: redemption[0].accepts: takes nobody's points; name issuers",
        ),
        (
            "[[calendar]]",
            "[[redemption]]\nid = \"gifts\"\npolicy = \"catalogue\"\nunit = \"points\"\naccepts = [\"bank\"]\n[[calendar]]",
            "line 13: redemption[0].accepts: there is no [[merchant]] with the id \"bank\"",
        ),
        (
            "[[lane]]",
            "[[exchange]]\nunit = \"points\"\ninto = \"green\"\nrate = \"0.1\"\n\n[[lane]]",
            "exchange[0].into: there is no [[unit]] with the id \"green\"; there is points",
        ),
        (
            "[[lane]]",
            "[[exchange]]\nunit = \"points\"\ninto = \"points\"\nrate = \"0.1\"\n\n[[lane]]",
            "exchange[0].into: is the unit itself; name another",
        ),
        (
            "[[lane]]",
            "[[unit]]\nid = \"green\"\n[[exchange]]\nunit = \"points\"\ninto = \"green\"\nrate = \"0\"\n\n[[lane]]",
            "exchange[0].rate: is 0, so that points would become nothing",
        ),
        (
            "[[lane]]",
            "[[unit]]\nid = \"green\"\n[[exchange]]\nunit = \"points\"\ninto = \"green\"\nrate = 0.5\n\n[[lane]]",
            "exchange[0].rate: ",
        ),
        (
            "id = \"store-330\"",
            "id = \"platform\"",
            "merchant[0].id: is the name of the program itself where",
        ),
        (
            "id = \"spend\"",
            "id = \"opening\"",
            "deployment[0].id: \"opening\" is the name of points that nothing deployed",
        ),
        (
            "id = \"spend\"",
            "id = \"exchange\"",
            "deployment[0].id: \"exchange\" is the name of points that nothing deployed",
        ),
        (
            "mode = \"live\"",
            "available = { on = \"reviewed\" }",
            "deployment[0].available: \"reviewed\" is for what a person is to look at; name another action, or write a review",
        ),
        ("mode = \"live\"", "review = {}", "deployment[0].review: missing field `same_payer`"),
        (
            "mode = \"live\"",
            "review = { same_payer = { days = 32 } }",
            "deployment[0].review: looks back 32 days; accounts are known for 31, write at most that",
        ),
        (
            "mode = \"live\"",
            "review = { same_payer = { days = 7 } }\navailable = { on = \"receipt-confirmed\" }",
            "deployment[0].review: points wait for one thing alone; leave out the action of available, or this",
        ),
        ("mode = \"live\"", "available = {}", "deployment[0].available: says nothing; write { days = 14 }"),
        (
            "mode = \"live\"",
            "available = { days = 3661 }",
            "deployment[0].available: is 3661 days; at most 3660 are allowed",
        ),
        (
            "mode = \"live\"",
            "available = { days = 1, date = \"2026-05-01\" }",
            "deployment[0].available: days, a date and an action exclude each other",
        ),
        (
            "mode = \"live\"",
            "available = { date = \"May\" }",
            "deployment[0].available: \"May\" is not a date",
        ),
        (
            "mode = \"live\"",
            "on_refund = \"forget\"",
            "deployment[0].on_refund: unknown variant `forget`, expected one of `reevaluate`, `proportional`, `keep`",
        ),
        (
            "mode = \"live\"",
            "mode = \"loud\"",
            "line 35: deployment[0].mode: \"loud\" is no mode; write \"live\", \"shadow\" or \"canary\"",
        ),
        (
            "mode = \"live\"",
            "mode = \"canary\"",
            "line 35: deployment[0].mode: a canary is for some members; write percent = 10 beside it",
        ),
        (
            "mode = \"live\"",
            "mode = \"canary\"\npercent = 100",
            "line 36: deployment[0].percent: is 100; a canary is for 1 to 99 of a hundred members",
        ),
        (
            "mode = \"live\"",
            "mode = \"shadow\"\npercent = 10",
            "line 36: deployment[0].percent: says for how many of a hundred members a canary is live",
        ),
        (
            "mode = \"live\"",
            "percent = -1",
            "line 35: deployment[0].percent: is -1; a canary is for 1 to 99 of a hundred members",
        ),
        (
            "mode = \"live\"",
            "mode = \"shadow\"\nreplaces = \"nobody\"",
            "line 36: deployment[0].replaces: there is no [[deployment]] with the id \"nobody\"",
        ),
        (
            "mode = \"live\"",
            "mode = \"shadow\"\nreplaces = \"spend\"",
            "line 36: deployment[0].replaces: that one is not live itself",
        ),
        (
            "mode = \"live\"",
            "replaces = \"spend\"",
            "line 35: deployment[0].replaces: it is live; only what is in shadow or a canary is tried in the place of another",
        ),
        (
            "2017-01-01T00:00:00+08:00",
            "2017-01-01",
            "line 33: deployment[0].from: \"2017-01-01\" is not a time",
        ),
        (
            "2027-01-01T00:00:00+08:00",
            "2017-01-01T00:00:00+08:00",
            "line 34: deployment[0].until: is not after `from`",
        ),
        ("per_event = 500", "per_event = -500", "line 36: deployment[0].cap.per_event"),
        (
            "per_event = 500",
            "per_evnt = 500",
            "line 36: deployment[0].cap.per_evnt: unknown field `per_evnt`",
        ),
        (
            "per_event = 500",
            "per_event = 1000000000000001",
            "line 36: deployment[0].cap.per_event: is 1000000000000001; at most 1000000000000000 is allowed",
        ),
        (
            "points = \"1\"",
            "points = 1.5",
            "line 38: deployment[0].parameters: parameters.points is the float 1.5; write an exact decimal as text, \"1.5\"",
        ),
        (
            "scope = { region = \"cn/henan\" }",
            "scope = { merchant = \"store-1\" }",
            "line 32: deployment[0].scope.merchant: there is no [[merchant]] with the id \"store-1\"",
        ),
        ("name = \"红米好物\"", "name = 红米好物", "line 2: program file: "),
    ];
    for (from, to, expected) in rows {
        let refusal = Program::parse(&with(from, to)).map(|_| ()).unwrap_err().to_string();
        assert!(refusal.contains(expected), "{to}\n  expected {expected}\n  but got  {refusal}");
    }
}

#[test]
fn names_stand_once() {
    for kind in ["unit", "calendar", "region", "merchant", "lane", "deployment"] {
        let begin = PROGRAM.find(&format!("[[{kind}]]")).unwrap();
        let table = PROGRAM[begin..].split("\n\n").next().unwrap();
        let refusal = Program::parse(&format!("{PROGRAM}\n{table}\n")).map(|_| ()).unwrap_err().to_string();
        assert!(refusal.contains(&format!("{kind}[1].id")) && refusal.contains("second time"), "{refusal}");
    }
}

#[test]
fn a_region_without_a_calendar_is_odd_but_not_wrong() {
    let program = Program::parse(&with("region = \"cn/henan/xixian\"", "region = \"cn/hubei\"")).unwrap();
    assert_eq!(
        program.warnings,
        ["merchant store-330: no [[region]] is \"cn/hubei\" or above it, so it has no market days"]
    );
}

#[test]
fn a_date_that_years_lack_is_odd_but_not_wrong() {
    for (days, warned) in [
        ("{ lunar_dates = [{ month = 12, day = 30 }] }", true),
        ("{ any = [{ gregorian_dates = [{ month = 2, day = 29 }] }] }", true),
        ("{ lunar_dates = [{ month = 12, day = \"last\" }] }", false),
        ("{ lunar_dates = [{ month = 12, day = 30 }], on_missing_day = \"last_day\" }", false),
        ("{ festivals = [\"除夕\"] }", false),
        ("{ lunar_days = [30] }", false),
    ] {
        let days = format!("days = {days}");
        let program = Program::parse(&with("scope = { region = \"cn/henan\" }", &days)).unwrap();
        let starts: Vec<_> =
            program.warnings.iter().map(|warning| warning.split(':').next().unwrap()).collect();
        assert_eq!(starts, if warned { &["deployment[0].days"][..] } else { &[] }, "{days}");
    }
}

fn purchase(time: &str, merchant: &str) -> Event {
    let json = format!(
        r#"{{"specversion":"1.0","id":"1","source":"/m","type":"jifen.purchase.completed","time":"{time}","data":{{"order":"o","member":"ann","merchant":"{merchant}","currency":"CNY","lines":[{{"sku":"a","category":"c","quantity":1,"amount":1}}]}}}}"#
    );
    Event::parse(json.as_bytes()).unwrap()
}

#[test]
fn an_event_falls_on_the_day_of_the_program_zone() {
    let program = Program::parse(PROGRAM).unwrap();
    let rows = [
        // A26: 2025-07-25 is 闰六月初一, the day before is 六月三十.
        ("2025-07-24T23:59:59.999+08:00", "2025-07-24", false),
        ("2025-07-25T00:00:00+08:00", "2025-07-25", true),
        ("2025-07-24T16:00:00Z", "2025-07-25", true),
        ("2025-07-24T12:00:00-04:00", "2025-07-25", true),
    ];
    for (time, day, market_day) in rows {
        let event = purchase(time, "store-330");
        let today = program.situate(event.happening().unwrap()).unwrap().today;
        let civil = format!("{}-{:02}-{:02}", today.day.year(), today.day.month(), today.day.day_of_month());
        assert_eq!((civil.as_str(), today.market_day), (day, market_day), "{time}");
    }
}

#[test]
fn an_event_out_of_place_is_refused() {
    let program = Program::parse(PROGRAM).unwrap();
    let rows = [
        (
            "2025-07-25T00:00:00+08:00",
            "store-331",
            "data.merchant: \"store-331\" is not a merchant of the program",
        ),
        ("2101-01-01T00:00:00+08:00", "store-330", "time: calendar_range"),
        ("1899-12-31T12:00:00+08:00", "store-330", "time: calendar_range"),
    ];
    for (time, merchant, expected) in rows {
        let refusal = program
            .situate(purchase(time, merchant).happening().unwrap())
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert!(refusal.contains(expected), "expected {expected}, got {refusal}");
    }
    assert!(program.situate(purchase("1900-01-01T00:00:00+08:00", "store-330").happening().unwrap()).is_ok());
    assert!(program.situate(purchase("2100-12-31T23:59:59+08:00", "store-330").happening().unwrap()).is_ok());
}

#[test]
fn a_deployment_applies_in_its_scope_and_interval() {
    let inside = "2025-07-25T00:00:00+08:00";
    let region = "scope = { region = \"cn/henan\" }";
    let rows = [
        (region, region, inside, true),
        (region, "scope = { region = \"cn/henan/xixian\" }", inside, true),
        (region, "scope = { region = \"cn/hen\" }", inside, false),
        (region, "scope = { region = \"cn/henan/xixian/east\" }", inside, false),
        (region, "scope = { merchant = \"store-330\" }", inside, true),
        (region, "scope = { category = \"supermarket\" }", inside, true),
        (region, "scope = { category = \"diner\" }", inside, false),
        (region, "scope = { region = \"cn/henan\", category = \"diner\" }", inside, false),
        (region, "", inside, true),
        (region, "days = { festivals = [\"中秋\"], days_before = 10 }", "2025-09-25T23:59:59+08:00", false),
        (region, "days = { festivals = [\"中秋\"], days_before = 10 }", "2025-09-26T00:00:00+08:00", true),
        (region, "days = \"every_day\"", inside, true),
        (region, region, "2016-12-31T23:59:59.999+08:00", false),
        (region, region, "2017-01-01T00:00:00+08:00", true),
        (region, region, "2026-12-31T23:59:59.999+08:00", true),
        (region, region, "2027-01-01T00:00:00+08:00", false),
    ];
    for (from, to, time, expected) in rows {
        let program = Program::parse(&with(from, to)).unwrap();
        let event = purchase(time, "store-330");
        let situation = program.situate(event.happening().unwrap()).unwrap();
        assert_eq!(program.deployments[0].applies(event.time, &situation), Ok(expected), "{to} at {time}");
    }
}

#[test]
fn points_end_when_the_unit_says() {
    let months = |months| Expiry::After { months, days: 0, end_of: None };
    let end_of = |months, period, plus| Expiry::After { months, days: 0, end_of: Some((period, plus)) };
    let rows = [
        // D1.
        (months(1), "2026-01-25", "2026-02-25"),
        (months(1), "2026-01-31", "2026-02-28"),
        (months(1), "2028-01-31", "2028-02-29"),
        (months(0), "2026-01-25", "2026-01-25"),
        (end_of(1, Period::Month, 0), "2026-01-10", "2026-02-28"),
        // D8, C12.
        (Expiry::After { months: 0, days: 30, end_of: None }, "2026-01-24", "2026-02-23"),
        (end_of(12, Period::Month, 0), "2020-07-06", "2021-07-31"),
        (end_of(0, Period::Year, 1), "2026-01-01", "2027-12-31"),
        (end_of(0, Period::Year, 0), "2026-12-31", "2026-12-31"),
        (end_of(0, Period::Quarter, 0), "2026-02-28", "2026-03-31"),
        (end_of(0, Period::Quarter, 1), "2026-10-01", "2027-03-31"),
    ];
    for (expiry, first, last) in rows {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(expiry.last_day(day(first)), Some(day(last)), "{expiry:?} from {first}");
    }
}

/// Exchanges between three units, each `unit into rate [from [until]]`.
fn exchanges(rows: &[&str]) -> String {
    let mut text = with("[[lane]]", "[[unit]]\nid = \"green\"\n\n[[unit]]\nid = \"red\"\n\n[[lane]]");
    for row in rows {
        let words: Vec<_> = row.split(' ').collect();
        let [unit, into, rate, more @ ..] = words.as_slice() else { unreachable!("{row}") };
        text.push_str(&format!("\n[[exchange]]\nunit = \"{unit}\"\ninto = \"{into}\"\nrate = \"{rate}\"\n"));
        for word in more {
            let line = match word.split_once('=') {
                Some((key, year)) => format!("{key} = \"{year}-01-01T00:00:00+08:00\"\n"),
                None => "expires = \"reset\"\n".to_owned(),
            };
            text.push_str(&line);
        }
    }
    text
}

#[test]
fn exchanges_make_no_points() {
    for rows in [
        &["points green 0.1", "green points 10"][..],
        &["points green 0.3", "green points 3.33"],
        &["points green 2", "green red 0.5", "red points 1"],
        &["points green 2 until=2026", "green points 1 from=2026"],
        // For a year, both ways have another rate.
        &[
            "points green 2 from=2026 until=2027",
            "green points 0.5 from=2026 until=2027",
            "points green 1",
            "green points 1",
        ],
        &["points green 123456789.123456789", "points red 999999999.999999999", "red green 0.000000001"],
    ] {
        let program = Program::parse(&exchanges(rows)).unwrap();
        assert_eq!(program.warnings, [""; 0], "{rows:?}");
    }
    for (rows, refusal) in [
        (
            &["points green 0.1", "green points 11"][..],
            "exchange[0].rate: makes points: 10 become 11 by points -> green -> points; lower a rate",
        ),
        (
            &["points green 0.3", "green red 1", "red points 3.34"],
            "exchange[0].rate: makes points: 500 become 501 by points -> green -> red -> points",
        ),
        (
            &[
                "points green 1 until=2027",
                "green red 1",
                "green points 0.1",
                "red points 1.01 from=2026 until=2030",
            ],
            "exchange[0].rate: makes points: 100 become 101 by points -> green -> red -> points",
        ),
        (
            &["points green 0.1 from=2026 until=2027", "points green 2", "green points 0.6"],
            "exchange[1].rate: makes points: 5 become 6 by points -> green -> points",
        ),
        (
            &["green points 2 from=2026", "points green 0.1 until=2027", "points green 1"],
            "exchange[0].rate: makes points: 1 become 2 by green -> points -> green",
        ),
        (
            &["points green 123456789.123456789", "green red 0.123456789", "red points 0.123456789"],
            "exchange[0].rate: ",
        ),
    ] {
        let found = Program::parse(&exchanges(rows)).map(|_| ()).unwrap_err().to_string();
        assert!(found.contains(refusal), "{rows:?}: {found}");
    }
}

#[test]
fn points_that_go_round_to_live_longer_are_odd_but_not_wrong() {
    for (rows, warned) in [
        (&["points green 0.1 reset", "green red 1"][..], &[][..]),
        (&["points green 0.1 reset until=2026", "green points 1 from=2026"], &[]),
        (&["points green 0.1 reset", "green red 1", "red points 5 from=2026"], &["exchange[0]"]),
    ] {
        let program = Program::parse(&exchanges(rows)).unwrap();
        let found: Vec<_> =
            program.warnings.iter().map(|warning| warning.split(':').next().unwrap()).collect();
        assert_eq!(found, warned, "{rows:?}");
    }
}

#[test]
fn what_is_wrong_with_a_campaign_is_named_with_its_mend() {
    const CAMPAIGN: &str = "[[campaign]]\nid = \"recall\"\npolicy = \"recall\"\nunit = \"points\"\n";
    let rows = [
        ("", ""),
        ("segment = { dormant = { months = 3 } }\nonce = \"dormancy\"", ""),
        ("segment = { dormant = { days = 90 } }\nonce = \"ever\"\ngrants = [\"points\"]", ""),
        ("lane = \"base\"", "campaign[0].lane: unknown field `lane`"),
        ("issuer = \"platform\"", "campaign[0].issuer: unknown field `issuer`"),
        (
            "grants = [\"mug\"]",
            "campaign[0].grants: there is no [[unit]] with the id \"mug\"; there is points",
        ),
        ("once = \"dormancy\"", "campaign[0].once: needs segment = { dormant = … }"),
        ("once = \"week\"", "campaign[0].once: unknown variant `week`"),
        ("segment = { dormant = {} }", "campaign[0].segment.dormant: write { days = 90 } or { months = 3 }"),
        ("segment = { dormant = { days = 0 } }", "campaign[0].segment.dormant: write { days = 90 }"),
        ("segment = { dormant = { months = 121 } }", "campaign[0].segment.dormant: write { days = 90 }"),
        (
            "segment = { dormant = { days = 1, months = 1 } }",
            "campaign[0].segment.dormant: write { days = 90 }",
        ),
        ("segment = { dorment = { days = 1 } }", "campaign[0].segment.dorment: unknown field `dorment`"),
        (
            "segment = { expiring = { days = 30 } }",
            "campaign[0].segment.expiring: the campaign's unit asks for no notice",
        ),
        ("days = { weeks = 3 }", "campaign[0].days.weeks: unknown field `weeks`"),
        ("mode = \"dead\"", "campaign[0].mode"),
    ];
    for (lines, expected) in rows {
        let parsed = Program::parse(&format!("{PROGRAM}\n{CAMPAIGN}{lines}\n"));
        let refusal = parsed.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(
            refusal.contains(expected) && refusal.is_empty() == expected.is_empty(),
            "{lines}: {refusal}"
        );
    }
    let notice = PROGRAM.replacen("{ months = 12 }", "{ months = 12 }\nnotice = { days = 30 }", 1);
    Program::parse(&format!("{notice}\n{CAMPAIGN}segment = {{ expiring = {{ days = 37 }} }}\n")).unwrap();
    for id in ["spend", "transfer", "return"] {
        let refusal = Program::parse(&format!(
            "{PROGRAM}\n{}",
            CAMPAIGN.replace("\"recall\"\np", &format!("\"{id}\"\np"))
        ));
        let refusal = refusal.map(|_| ()).unwrap_err().to_string();
        assert!(refusal.contains("campaign[0].id"), "{refusal}");
    }
    let days = "days = { lunar_dates = [{ month = 12, day = 30 }] }";
    let warned = Program::parse(&format!("{PROGRAM}\n{CAMPAIGN}{days}\n")).unwrap();
    assert!(
        warned.warnings[0].contains("campaign[0].days: many years have no day 30"),
        "{:?}",
        warned.warnings
    );
}
