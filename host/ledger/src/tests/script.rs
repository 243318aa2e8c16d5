//! Scripts: what is sent to a ledger and what it should say, a line each, on every store.
//!
//! ```text
//! buy  ID MEMBER VERSION DAY SPEND [lot=DEPLOYMENT:POINTS[>MEMBER]]… [draw=DEPLOYMENT:GRANTED/BUDGET@USED[!]]… -> SEQS [CONFLICT]
//! join ID MEMBER VERSION DAY …
//! member MEMBER            -> VERSION COUNT SPEND LAST-DAY
//! days MEMBER FIRST-DAY    -> DAY:COUNT:SPEND …
//! granted MEMBER FIRST-DAY -> DEPLOYMENT@DAY:POINTS …
//! used DEPLOYMENT          -> POINTS
//! balance MEMBER DAY[+MS]  -> AVAILABLE PENDING      (DAY may be `latest`)
//! ```
//!
//! `!` marks a draw that was limited by its budget. Entries without `->` are sent in one batch with the next that has
//! it. `reset` begins anew.

use jifen_loyalty::entry::BudgetDraw;
use jifen_loyalty::{Entry, Instant, MemberId, Points};

use super::fixture::{DAY_MS, Draft, EVERYTHING, Store, balances, member, stores, used};
use crate::{Committed, Conflict};

/// Runs a script on every store.
pub(super) fn check(script: &str) {
    for store in stores() {
        let mut batch = Vec::new();
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (asked, expected) = line.split_once("->").unzip();
            let words: Vec<_> = asked.unwrap_or(line).split_whitespace().collect();
            let heard = run(&store, &words, &mut batch, expected.is_some());
            let expected: Vec<_> = expected.unwrap_or_default().split_whitespace().collect();
            assert_eq!(heard, expected.join(" "), "{} at {line}", store.name);
        }
    }
}

fn run(store: &Store, words: &[&str], batch: &mut Vec<Entry>, send: bool) -> String {
    match words {
        ["buy" | "join", ..] => {
            batch.push(entry(store, words));
            if send { committed(store, std::mem::take(batch)) } else { String::new() }
        }
        ["member", id] => profile(store, id),
        ["days", id, first_day] => days(store, id, first_day.parse().unwrap()),
        ["granted", id, first_day] => granted(store, id, first_day.parse().unwrap()),
        ["used", deployment] => used(&*store.ledger, deployment).to_string(),
        ["balance", id, at] => balance(store, id, at),
        _ => panic!("no such line: {words:?}"),
    }
}

fn entry(store: &Store, words: &[&str]) -> Entry {
    let [kind, id, name, version, day, rest @ ..] = words else { panic!("too short: {words:?}") };
    let day = day.parse().unwrap();
    let mut draft = Draft::purchase(id, name, version.parse().unwrap(), day, 0);
    draft.profile = member(&*store.ledger, name, 0, EVERYTHING).profile;
    draft.spend_minor = (*kind == "buy").then(|| rest[0].parse().unwrap());
    for word in rest.iter().skip(usize::from(*kind == "buy")) {
        draft = match word.split_once('=').unwrap() {
            ("lot", lot) => with_lot(draft, lot),
            ("draw", draw) => with_draw(draft, draw),
            _ => panic!("no such part: {word}"),
        };
    }
    draft.entry()
}

fn with_lot(draft: Draft, lot: &str) -> Draft {
    let (lot, to) = lot.split_once('>').map_or((lot, None), |(lot, to)| (lot, Some(to)));
    let (deployment, points) = lot.split_once(':').unwrap();
    let to = to.unwrap_or(&draft.member).to_owned();
    draft.lot(&to, deployment, points.parse().unwrap())
}

fn with_draw(mut draft: Draft, draw: &str) -> Draft {
    let (draw, limited) = draw.strip_suffix('!').map_or((draw, false), |draw| (draw, true));
    let (deployment, draw) = draw.split_once(':').unwrap();
    let (granted, draw) = draw.split_once('/').unwrap();
    let (budget, used_before) = draw.split_once('@').unwrap();
    let points = |text: &str| Points::new(text.parse().unwrap()).unwrap();
    let (budget, used_before, granted) = (points(budget), points(used_before), points(granted));
    draft.draws.push(BudgetDraw { deployment: deployment.into(), budget, used_before, granted, limited });
    draft
}

fn committed(store: &Store, entries: Vec<Entry>) -> String {
    match store.ledger.commit(entries) {
        Ok(Committed { seqs, conflict }) => {
            let seqs = seqs.iter().map(u64::to_string);
            seqs.chain(conflict.map(told)).collect::<Vec<_>>().join(" ")
        }
        Err(error) => format!("error: {error}"),
    }
}

fn told(conflict: Conflict) -> String {
    match conflict {
        Conflict::Duplicate { seq } => format!("duplicate of {seq}"),
        Conflict::StaleMember { expected, found } => format!("stale {expected} now {found}"),
        Conflict::StaleOrder { expected, found } => format!("order of {expected} now {found}"),
        Conflict::StaleRedemption { name, expected, found } => format!("{name} of {expected} now {found}"),
        Conflict::Stock { deployment, item } => format!("no {item} of {deployment}"),
        Conflict::Budget { deployment } => format!("budget {deployment}"),
    }
}

fn profile(store: &Store, id: &str) -> String {
    let member = member(&*store.ledger, id, 0, EVERYTHING);
    let profile = &member.profile;
    let (count, spend) = (profile.purchase_count, profile.purchase_spend_minor);
    format!("{} {count} {spend} {}", member.version, profile.last_purchase_day)
}

fn days(store: &Store, id: &str, first_day: i32) -> String {
    let by_day = member(&*store.ledger, id, first_day, EVERYTHING).purchases_by_day;
    let days = by_day.iter().map(|(day, total)| format!("{day}:{}:{}", total.count, total.spend_minor));
    days.collect::<Vec<_>>().join(" ")
}

fn granted(store: &Store, id: &str, first_day: i32) -> String {
    let by_day = member(&*store.ledger, id, first_day, EVERYTHING).granted_by_day;
    let days = by_day.iter().map(|((of, day), of_day)| format!("{}@{day}:{}", of.deployment, of_day.net()));
    days.collect::<Vec<_>>().join(" ")
}

fn balance(store: &Store, id: &str, at: &str) -> String {
    let balances = balances(&*store.ledger, instant(at), Some(&MemberId::from(id)));
    let told = balances.iter().map(|balance| format!("{} {}", balance.available, balance.pending));
    told.collect::<Vec<_>>().join(", ")
}

fn instant(at: &str) -> Option<Instant> {
    let (day, ms) = at.split_once('+').unwrap_or((at, "0"));
    let day: i64 = if day == "latest" { return None } else { day.parse().unwrap() };
    Some(Instant::from_millis(day * DAY_MS + ms.parse::<i64>().unwrap()))
}
