//! The sample of real baskets, through the demo's program, beside a calculation that shares nothing with the host: its
//! own reading of the events, and icu_calendar for the days.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    clippy::as_conversions,
    reason = "small numbers, written as one would on paper"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};

use flate2::read::GzDecoder;
use icu_calendar::Date;
use icu_calendar::cal::ChineseTraditional;
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::{components, jifen_in, new_ledger, root, run};

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("every balance is what an independent calculation says", compare).with_kind("baskets")]
}

fn compare() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let ledger = new_ledger();
    let data = root().join("tests/data");
    let sample = data.join("journey-sample.jsonl.gz");
    let mut run_sample = jifen_in(folder.path(), &["run"]);
    run_sample.arg("--program").arg(data.join("demo.toml")).arg("--policies").arg(components());
    run(run_sample.arg("--ledger").arg(&ledger).arg(&sample));

    let got = run(&mut jifen_in(folder.path(), &["balance", "--json", "--ledger", &ledger]));
    let got: BTreeMap<String, u64> = got.lines().map(balance).collect();
    let mut expected = calculate(BufReader::new(GzDecoder::new(File::open(sample)?)))?;
    expected.retain(|_, points| *points > 0);
    let differ: Vec<_> =
        expected.iter().filter(|(member, points)| got.get(*member) != Some(points)).collect();
    if differ.is_empty() && got.len() == expected.len() {
        return Ok(());
    }
    Err(format!("{} members expected, {} got; these differ: {differ:?}", expected.len(), got.len()).into())
}

fn balance(line: &str) -> (String, u64) {
    let balance: Value = serde_json::from_str(line).expect("a line is an object");
    (
        balance["member"].as_str().unwrap_or_default().to_owned(),
        balance["available"].as_u64().unwrap_or_default(),
    )
}

/// What the calculation keeps of the members so far.
#[derive(Default)]
struct Town {
    points: BTreeMap<String, u64>,
    orders: BTreeMap<String, u64>,
    eco_of_day: BTreeMap<(String, String), u64>,
    bonus_of_month: BTreeMap<(String, String), u64>,
    welcome_left: u64,
}

fn calculate(events: impl BufRead) -> Result<BTreeMap<String, u64>, Failed> {
    let mut town = Town { welcome_left: 20_000, ..Town::default() };
    for line in events.lines() {
        town.add(&serde_json::from_str(&line?)?);
    }
    Ok(town.points)
}

impl Town {
    fn add(&mut self, event: &Value) {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let data = &event["data"];
        let (member, merchant, day) =
            (text(&data["member"]), text(&data["merchant"]), text(&event["time"])[..10].to_owned());
        let lines = || data["lines"].as_array().expect("lines").iter();
        let amount = |line: &Value| line["amount"].as_u64().expect("an amount");
        let total: u64 = lines().map(amount).sum();
        let eligible: u64 = lines().filter(|line| line["category"] != "fuel").map(amount).sum();
        let is_eco =
            |line: &&Value| line["tags"].as_array().is_some_and(|tags| tags.contains(&Value::from("eco")));
        let eco_units: u64 =
            lines().filter(is_eco).map(|line| line["quantity"].as_u64().expect("a quantity")).sum();

        let mut points = eligible / 100;
        let orders = self.orders.entry(member.clone()).or_default();
        if *orders == 0 && total >= 2_000 {
            let bonus = self.welcome_left.min(20);
            self.welcome_left -= bonus;
            points += bonus;
        }
        *orders += 1;
        points +=
            capped(self.eco_of_day.entry((member.clone(), day.clone())).or_default(), 3 * eco_units, 60);
        if total >= 3_000 && is_market_day(&merchant, &day) {
            points += capped(
                self.bonus_of_month.entry((member.clone(), day[..7].to_owned())).or_default(),
                points,
                500,
            );
        }
        *self.points.entry(member).or_default() += points;
    }
}

/// Grants what is left under a cap.
fn capped(used: &mut u64, asked: u64, cap: u64) -> u64 {
    let granted = asked.min(cap - *used);
    *used += granted;
    granted
}

/// The four calendars of the demo. The stores are dealt out to the towns in the order of their names.
fn is_market_day(merchant: &str, day: &str) -> bool {
    let [year, month, day]: [u16; 3] = day
        .split('-')
        .map(|part| part.parse().expect("a number"))
        .collect::<Vec<_>>()
        .try_into()
        .expect("three parts");
    let iso = Date::try_new_iso(year.into(), month as u8, day as u8).expect("a day");
    let lunar = iso.to_calendar(ChineseTraditional::new());
    let lunar_day = lunar.day_of_month().0;
    let rata_die = iso.to_rata_die().to_i64_date();
    match merchant {
        "store-321" | "store-367" => [1, 4, 7].contains(&(lunar_day % 10)),
        // 辰 and 戌 are the branches 4 and 10.
        "store-330" | "store-381" => [4, 10].contains(&((rata_die + 2) % 12)),
        "store-343" | "store-406" => {
            let last_of_short_month = lunar.days_in_month() == 29 && lunar_day == 29;
            [2, 5, 0].contains(&(lunar_day % 10)) || last_of_short_month
        }
        "store-361" | "store-429" => {
            let saturday = rata_die % 7 == 6;
            let new_year_s_eve = Date::try_new_iso(2017, 1, 27).expect("a day").to_rata_die().to_i64_date();
            let closed = (new_year_s_eve..=new_year_s_eve + 2).contains(&rata_die);
            ([1, 6].contains(&(day % 10)) || saturday) && !closed
        }
        other => panic!("{other} is not in the demo"),
    }
}
