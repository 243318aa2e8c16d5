//! Stories: rows of words, each an event, and what members have after it.
//!
//! `join MEMBER WHEN [by REFERRER] [as PERSON] [born DAY]`, `buy ID MEMBER WHEN AMOUNT…`, `bill NAME MEMBER WHEN AMOUNT…`,
//! `ask NAME MEMBER WHEN [ITEM[*N]] [POINTS]`, `use NAME WHEN [POINTS]`, `free NAME WHEN [POINTS]`, `over NAME WHEN`,
//! `back NAME WHEN CAUSE [POINTS]`, `return ID WHEN [a0:AMOUNT…]`, `reject ID WHEN`, `close DAY WHEN`, `give MEMBER MEMBER WHEN POINTS`,
//! `swap MEMBER UNIT WHEN POINTS`, `tell MEMBER DAY WHEN`, `done MEMBER ACTION WHEN [ID]`; `notify WHEN [STATUS]` delivers
//! notices to an endpoint that answers so, `settle` settles, and `until DAY` sets when points end that are awarded from then on.
//!
//! WHEN is a day, at noon, or a time. Whoever buys, bills or asks does so at the shop, or as `ann@m1` at another merchant.
//! Amounts are yuan; a line's may have a quantity before it, a category and a tag behind it, as `2x58.80@rice#staples`;
//! `freight:6` is freight, `discount:6` is one on the basket, `r1:20` was paid by a redemption, and `payer:p1` is the account. Behind `->` stands what members have then, or `no` and how the refusal begins; behind that of `settle` what parties get, in fen.

use serde_json::{Value, json};

/// Where a story happens.
pub(crate) trait Stage {
    /// Sets when points end that are awarded from now on.
    fn until(&self, day: &str);
    /// Applies an event; returns the exit code and what was complained about.
    fn apply(&self, event: &Value) -> (Option<i32>, String);
    /// Delivers what campaigns send, at a time, to an endpoint that answers with a status.
    fn notify(&self, at: &str, status: u16) {
        panic!("nobody sends anything here: {at}, {status}");
    }
    /// Settles, and returns the line of `jifen settle --json`.
    fn settle(&self) -> String {
        panic!("nobody settles here");
    }
    /// Returns the lines of `jifen balance --json`.
    fn balances(&self) -> String;
}

/// Tells a story row by row, and returns its events.
pub(crate) fn tell(about: &str, rows: &[&str], stage: &impl Stage) -> Vec<Value> {
    let mut events = Vec::new();
    for (n, row) in rows.iter().enumerate() {
        let (asked, expected) =
            row.split_once(" -> ").map_or((*row, None), |(asked, then)| (asked, Some(then)));
        if let Some(day) = asked.strip_prefix("until ") {
            stage.until(day);
            continue;
        }
        if let Some(words) = asked.strip_prefix("notify ") {
            let (when, status) = words.split_once(' ').unwrap_or((words, "204"));
            stage.notify(&time(when), status.parse().expect("a status is a number"));
            if let Some(expected) = expected {
                assert_eq!(told(&stage.balances()), expected, "{about}: {row}");
            }
            continue;
        }
        if asked == "settle" {
            assert_eq!(Some(&*parties(&stage.settle())), expected, "{about}: {row}");
            continue;
        }
        let event = event(n, asked);
        let (code, complaint) = stage.apply(&event);
        match expected.and_then(|expected| expected.strip_prefix("no ")) {
            Some(refusal) => {
                assert_eq!(code, Some(3), "{about}: {row}: {complaint}");
                assert!(complaint.contains(&format!("line 1: {refusal}")), "{about}: {row}: {complaint}");
            }
            None => assert_eq!(code, Some(0), "{about}: {row}: {complaint}"),
        }
        if let Some(expected) = expected.filter(|expected| !expected.starts_with("no ")) {
            assert_eq!(told(&stage.balances()), expected, "{about}: {row}");
        }
        events.push(event);
    }
    events
}

/// Returns what parties get, as `pool 380, merchant/m1 -800`; together it must be nothing.
fn parties(line: &str) -> String {
    let settled: Value = serde_json::from_str(line).expect("a settlement is an object");
    let parties = settled["parties"].as_array().expect("it has parties");
    let amount = |party: &Value| party["amount"].as_i64().expect("an amount is a number");
    assert_eq!(parties.iter().map(amount).sum::<i64>(), 0, "{line}");
    let told =
        parties.iter().map(|party| format!("{} {}", party["party"].as_str().unwrap_or("?"), amount(party)));
    told.collect::<Vec<_>>().join(", ")
}

/// Returns what members have, as `ann 200 +3 pending 300 held -5 owed, bob 1`, or `nothing`.
pub(crate) fn told(lines: &str) -> String {
    let balance = |line: &str| {
        let balance: Value = serde_json::from_str(line).expect("a line is an object");
        let member = balance["member"].as_str().expect("a member has a name");
        let mut words = format!("{member} {}", balance["available"]);
        if let Some(unit) = balance["unit"].as_str().filter(|unit| *unit != "points") {
            words.push_str(&format!(" {unit}"));
        }
        for (field, before, after) in
            [("pending", "+", "pending"), ("held", "", "held"), ("debt", "-", "owed")]
        {
            if balance[field] != 0 {
                words.push_str(&format!(" {before}{} {after}", balance[field]));
            }
        }
        words
    };
    let balances: Vec<_> = lines.lines().map(balance).collect();
    if balances.is_empty() { "nothing".to_owned() } else { balances.join(", ") }
}

/// Returns the event of a row, named by its place.
pub(crate) fn event(n: usize, row: &str) -> Value {
    let words: Vec<_> = row.split(' ').collect();
    let (kind, when, data) = match words.as_slice() {
        ["join", member, when, said @ ..] => ("jifen.member.registered", when, joined(member, said)),
        ["buy", id, member, when, rest @ ..] => {
            let mut data = basket(rest);
            data["order"] = json!(id);
            at(&mut data, member);
            ("jifen.purchase.completed", when, data)
        }
        ["close", day, when] => ("jifen.day.closed", when, json!({"day": day})),
        ["give", member, to, when, points] => {
            let data = json!({"member": member, "to": to, "unit": "points", "points": number(points)});
            ("jifen.points.transferred", when, data)
        }
        ["swap", member, into, when, points] => {
            let data = json!({"member": member, "unit": "points", "into": into, "points": number(points)});
            ("jifen.points.exchanged", when, data)
        }
        ["tell", member, through, when] => {
            ("jifen.expiry.notified", when, json!({"member": member, "through": through}))
        }
        ["done", member, action, when] => {
            ("jifen.action.done", when, json!({"member": member, "action": action}))
        }
        ["done", member, action, when, order] => {
            ("jifen.action.done", when, json!({"member": member, "action": action, "order": order}))
        }
        ["reject", id, when] => ("jifen.referral.rejected", when, json!({"order": id})),
        ["return", id, when, rest @ ..] => ("jifen.purchase.refunded", when, returned(id, rest)),
        ["ask", name, member, when, points @ ..] => {
            let (item, points) = match points {
                [item, points @ ..] if item.parse::<u64>().is_err() => (*item, points),
                points => ("rice", points),
            };
            let (item, quantity) = item.split_once('*').unwrap_or((item, "1"));
            let mut data = json!({"redemption": name, "item": item, "quantity": number(quantity)});
            at(&mut data, member);
            ("jifen.redemption.requested", when, with_points(data, points))
        }
        ["bill", name, member, when, rest @ ..] => {
            let mut data = basket(rest);
            data["redemption"] = json!(name);
            at(&mut data, member);
            ("jifen.redemption.requested", when, data)
        }
        ["use", name, when, points @ ..] => {
            ("jifen.redemption.captured", when, with_points(json!({"redemption": name}), points))
        }
        ["free", name, when, points @ ..] => {
            ("jifen.redemption.voided", when, with_points(json!({"redemption": name}), points))
        }
        ["over", name, when] => ("jifen.redemption.lapsed", when, json!({"redemption": name})),
        ["back", name, when, cause, points @ ..] => {
            let data = json!({"redemption": name, "cause": cause});
            ("jifen.redemption.cancelled", when, with_points(data, points))
        }
        _ => panic!("no such row: {row}"),
    };
    json!({"specversion": "1.0", "id": n.to_string(), "source": "/merchants/shop", "type": kind, "time": time(when),
        "data": data})
}

/// Says who does something, and at which merchant.
fn at(data: &mut Value, member: &str) {
    let (member, merchant) = member.split_once('@').unwrap_or((member, "shop"));
    data["member"] = json!(member);
    data["merchant"] = json!(merchant);
}

fn time(when: &str) -> String {
    match when.split_once('T') {
        None => format!("{when}T12:00:00+08:00"),
        Some((_, clock)) if clock.len() == "12:00".len() => format!("{when}:00+08:00"),
        Some(_) => format!("{when}+08:00"),
    }
}

fn joined(member: &str, said: &[&str]) -> Value {
    let mut data = json!({"member": member});
    for pair in said.chunks(2) {
        let (field, value) = match pair {
            ["by", referrer] => ("referrer", referrer),
            ["as", person] => ("person", person),
            ["born", day] => ("birthday", day),
            _ => panic!("a registration says no such thing: {pair:?}"),
        };
        data[field] = json!(value);
    }
    data
}

fn with_points(mut data: Value, points: &[&str]) -> Value {
    if let [points] = points {
        data["points"] = json!(number(points));
    }
    data
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("no number: {text}"))
}

fn fen(yuan: &str) -> u64 {
    let (yuan, cents) = yuan.split_once('.').unwrap_or((yuan, "00"));
    number(yuan).saturating_mul(100).saturating_add(number(cents))
}

fn quantity_and_fen(text: &str) -> (u64, u64) {
    let (quantity, yuan) = text.split_once('x').unwrap_or(("1", text));
    (number(quantity), fen(yuan))
}

/// A line for each amount; `freight:6`, `discount:6`, and `r1:20` for what was paid by a redemption, the rest in cash.
fn basket(words: &[&str]) -> Value {
    let mut lines = Vec::new();
    let mut data = json!({"currency": "CNY"});
    for word in words {
        match word.split_once(':') {
            None => {
                let sku = format!("a{}", lines.len());
                let (word, tags) =
                    word.split_once('#').map_or((*word, vec![]), |(word, tag)| (word, vec![tag]));
                let (amount, category) = word.split_once('@').unwrap_or((word, "goods"));
                let (quantity, amount) = quantity_and_fen(amount);
                lines.push(json!({"sku": sku, "category": category, "quantity": quantity, "amount": amount,
                    "tags": tags}));
            }
            Some((field @ ("freight" | "discount"), yuan)) => data[field] = json!(fen(yuan)),
            Some(("payer", payer)) => data["payer"] = json!(payer),
            Some((redemption, yuan)) => {
                data["tenders"] = json!([{"kind": "points", "redemption": redemption, "amount": fen(yuan)}]);
            }
        }
    }
    if let Some(points) = data["tenders"][0]["amount"].as_u64() {
        let total: u64 = lines.iter().filter_map(|line| line["amount"].as_u64()).sum();
        let minor = |field: &str| data[field].as_u64().unwrap_or(0);
        let payable = total.saturating_add(minor("freight")).saturating_sub(minor("discount"));
        let cash = payable.saturating_sub(points);
        let tenders = data["tenders"].as_array_mut().expect("it was made above");
        tenders.push(json!({"kind": "cash", "amount": cash}));
    } else {
        data.as_object_mut().expect("it is an object").remove("tenders");
    }
    data["lines"] = json!(lines);
    data
}

/// `a1:40` returns an article, `a1:2x40` two of it, `freight:6` freight; nothing returns all. `cause:carrier` says who is to
/// blame.
fn returned(order: &str, words: &[&str]) -> Value {
    let mut data = json!({"order": order});
    let lines: Vec<_> = words
        .iter()
        .filter(|word| word.starts_with('a'))
        .map(|word| {
            let (sku, yuan) = word.split_once(':').expect("a returned line names its article");
            let (quantity, amount) = quantity_and_fen(yuan);
            json!({"sku": sku, "quantity": quantity, "amount": amount})
        })
        .collect();
    for cause in words.iter().filter_map(|word| word.strip_prefix("cause:")) {
        data["cause"] = json!(cause);
    }
    if words.iter().any(|word| !word.starts_with("cause:")) {
        data["lines"] = json!(lines);
    }
    for yuan in words.iter().filter_map(|word| word.strip_prefix("freight:")) {
        data["freight"] = json!(fen(yuan));
    }
    data
}
