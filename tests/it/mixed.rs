//! Everything mixed: purchases, returns, uses of points, gifts, exchanges, notices, actions, blocks and closes of a few members,
//! in disorder and with repeats. It must not matter how they are cut into batches; and what comes of it adds up.

use serde_json::{Value, json};

use crate::components::redemption;
use crate::dice::Dice;
use crate::town::{Town, objects, purchase, text};

const PROGRAM: &str = "
[[redemption]]
id = 'offer'
policy = 'offer'
unit = 'points'
cancel = { member = { fee = '0.5' }, carrier = { extend = { days = 5 }, compensation = '0.1' } }

# What 'offer' is worth is too much for an item, which costs nothing in money.
[[redemption]]
id = 'piece'
policy = 'piece'
unit = 'points'
hold = { minutes = 60 }
stock = { rice = { total = 4, per_day = 1 } }

[[redemption]]
id = 'gift'
policy = 'gift'
unit = 'points'
at_close = { item = 'voucher', merchant = 'shop' }
stock = { voucher = { per_day = 2 } }

[[unit]]
id = 'green'
expires = { days = 3 }
notice = { days = 1 }

[[exchange]]
unit = 'points'
into = 'green'
rate = '0.3'

[[deployment]]
id = 'green'
policy = 'spend'
lane = 'bonus'
unit = 'green'
issuer = 'merchant'
available = { on = 'confirmed' }

[[contract]]
issuer = 'shop'
unit = 'green'
currency = 'CNY'
accrual = '0.8'
redemption = '0.7'
";

/// Returns events over some days of July, most of them in order. Names are few, so that steps meet.
#[expect(clippy::arithmetic_side_effects, clippy::integer_division, reason = "small numbers of a test")]
pub(crate) fn events(seed: u64, count: u64) -> Vec<Value> {
    let mut dice = Dice(seed);
    let mut events = Vec::<Value>::new();
    for n in 0..count {
        let minute = n * 14 * 24 * 60 / count + dice.roll(300);
        let (day, hour, minute) = (1 + minute / 1_440, minute / 60 % 24, minute % 60);
        let time = format!("2025-07-{day:02}T{hour:02}:{minute:02}:00+08:00");
        let (member, name, order) =
            (format!("m{}", dice.roll(3)), format!("r{}", dice.roll(12)), dice.roll(count / 4));
        let step = |kind: &str, mut data: Value| {
            data["redemption"] = json!(name);
            json!({"specversion": "1.0", "id": format!("e{n}"), "source": "/merchants/shop",
                "type": format!("jifen.redemption.{kind}"), "time": time, "data": data})
        };
        let of_close = |data: Value, time: String| {
            json!({"specversion": "1.0", "id": format!("e{n}"), "source": "/clock", "type": "jifen.day.closed",
                "time": time, "data": data})
        };
        let own = |kind: &str, mut data: Value| {
            data["member"] = json!(member);
            json!({"specversion": "1.0", "id": format!("e{n}"), "source": "/app", "type": format!("jifen.{kind}"),
                "time": time, "data": data})
        };
        let midnight = format!("2025-07-{:02}T00:00:00+08:00", day + 1);
        let event = match dice.roll(28) {
            0..=5 => {
                let mut event = purchase(&format!("o{order}"), &member, &time, 1_000 + 500 * dice.roll(30));
                event["id"] = json!(format!("e{n}"));
                if dice.roll(2) == 0 {
                    event["data"]["tenders"] = json!([{"kind": "points", "redemption": name, "amount": 300},
                        {"kind": "cash", "amount": 700}]);
                }
                event
            }
            6..=8 => step("requested", json!({"member": member, "merchant": "shop", "item": "rice"})),
            9 => {
                let lines = json!([{"sku": "rice", "category": "staples", "quantity": 1, "amount": 5_000}]);
                step(
                    "requested",
                    json!({"member": member, "merchant": "shop", "currency": "CNY", "lines": lines}),
                )
            }
            10..=12 => step("captured", json!({})),
            13 => step("voided", json!({"points": 10})),
            14..=15 => {
                let cause = ["member", "carrier"][usize::try_from(dice.roll(2)).expect("few")];
                step("cancelled", json!({"points": 10, "cause": cause}))
            }
            16..=17 => {
                let lines =
                    (dice.roll(2) == 0).then(|| json!([{"sku": "rice", "quantity": 0, "amount": 400}]));
                let data = lines.map_or(
                    json!({"order": format!("o{order}")}),
                    |lines| json!({"order": format!("o{order}"), "lines": lines}),
                );
                json!({"specversion": "1.0", "id": format!("e{n}"), "source": "/merchants/shop",
                    "type": "jifen.purchase.refunded", "time": time, "data": data})
            }
            18 => of_close(json!({"day": format!("2025-07-{day:02}")}), midnight),
            19 => {
                let unit = ["points", "green"][usize::try_from(dice.roll(2)).expect("few")];
                let to = format!("m{}", dice.roll(4));
                own("points.transferred", json!({"to": to, "unit": unit, "points": 1 + dice.roll(20)}))
            }
            20..=21 => own(
                "points.exchanged",
                json!({"unit": "points", "into": "green", "points": 1 + dice.roll(40)}),
            ),
            22..=23 => own("expiry.notified", json!({"through": format!("2025-07-{:02}", day + 2)})),
            24 => own("action.done", json!({"action": "confirmed"})),
            26 => json!({"specversion": "1.0", "id": format!("e{n}"), "source": "/pool", "time": time,
                "type": "jifen.block.purchased", "data": {"merchant": "shop", "unit": "green",
                "points": 1 + dice.roll(50), "currency": "CNY", "amount": dice.roll(40)}}),
            25 => own("action.done", json!({"action": "confirmed", "order": format!("o{order}")})),
            _ => of_close(json!({"day": format!("2025-07-{day:02}"), "member": member}), midnight),
        };
        let again = events.get(usize::try_from(dice.roll(count)).expect("few")).cloned();
        events.push(event);
        events.extend(again.filter(|_| dice.roll(4) == 0));
    }
    events
}

pub(crate) fn town() -> Town {
    let town = Town::new();
    town.policy("offer", &redemption(30, 0, 300));
    town.policy("piece", &redemption(20, 0, 0));
    town.policy("gift", &redemption(100, 0, 0));
    town.program(&[
        ("spend", "spend", "base", "cap = { per_member_per_day = 200 }"),
        ("later", "spend", "bonus", "available = { days = 3 }\nbudget = 900"),
    ]);
    let program =
        town.read("program.toml").replace("id = \"points\"", "id = \"points\"\nexpires = { days = 4 }");
    town.write("program.toml", program + PROGRAM);
    town
}

/// Runs events in batches of some size, and settles. Returns what became of each and of the settlement, and what members have at the
/// end.
fn run(town: &Town, events: &[Value], size: usize, threads: &str) -> (Vec<String>, String) {
    let ledger = format!("{size}.{threads}.db");
    let mut told = Vec::new();
    for batch in events.chunks(size) {
        let done = town.run(&ledger, batch, &["--threads", threads, "--receipts", "receipts.jsonl"]);
        assert!(matches!(done.code, Some(0 | 3)), "{done:?}");
        for line in objects(&town.path("receipts.jsonl")) {
            let why = if line["outcome"] == "refused" { &line["reason"] } else { &line["digest"] };
            told.push(format!("{} {} {}", text(&line["id"]), text(&line["outcome"]), text(why)));
        }
    }
    let settled = town.done(&["settle", "--ledger", &ledger, "--json"]);
    assert_eq!(settled.code, Some(0), "{settled:?}");
    told.push(settled.out);
    town.replay(&ledger);
    add_up(town, &ledger);
    let balances = town.done(&["balance", "--ledger", &ledger, "--json"]).out;
    (told, balances)
}

/// Checks that cohorts say where everything went.
fn add_up(town: &Town, ledger: &str) {
    let done = town.done(&["cohorts", "--ledger", ledger, "--by", "month", "--json"]);
    for line in done.out.lines().map(|line| serde_json::from_str::<Value>(line).expect("an object")) {
        let sum =
            |names: &[&str]| names.iter().map(|name| line[name].as_i64().expect("a figure")).sum::<i64>();
        let come = sum(&["issued", "restored", "exchanged"]);
        assert_eq!(come, sum(&["redeemed", "expired", "clawed_back", "outstanding", "held"]), "{line}");
        assert!(sum(&["pending"]) >= 0 && sum(&["pending"]) <= sum(&["outstanding"]), "{line}");
        assert!(sum(&["held"]) >= 0 && sum(&["restored"]) <= sum(&["redeemed"]), "{line}");
    }
}

/// How many histories are told: `JIFEN_SEEDS`, or a few.
pub(crate) fn seeds() -> u64 {
    std::env::var("JIFEN_SEEDS").map_or(2, |seeds| seeds.parse().expect("JIFEN_SEEDS is a number"))
}

#[test]
fn it_does_not_matter_how_events_are_cut_into_batches() {
    let town = town();
    let mut lapsed = 0;
    for seed in 1..=seeds() {
        let events = events(seed, 120);
        let (one, balances) = run(&town, &events, 1, "1");
        let applied = one.iter().filter(|told| told.contains(" applied ")).count();
        assert!(applied > 25, "seed {seed}: only {applied} of {} were applied", one.len());
        for (size, threads) in [(1_000, "8"), (1_001, "1"), (7, "2")] {
            let (other, other_balances) = run(&town, &events, size, threads);
            for (n, (one, other)) in one.iter().zip(&other).enumerate() {
                assert_eq!(one, other, "seed {seed}, batches of {size}, event {n}: {}", events[n]);
            }
            assert_eq!(balances, other_balances, "seed {seed}, batches of {size}");
        }
        lapsed += town.texts("1.1.db", "SELECT id FROM transactions WHERE source = '/jifen/holds'").len();
        for ledger in ["1.1.db", "1000.8.db", "1001.1.db", "7.2.db"] {
            town.forget(ledger);
        }
    }
    assert!(lapsed > 0, "no hold had to be ended for the next who asked");
}
