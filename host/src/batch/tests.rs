//! What comes while something is committed is what it comes to one after the other.

use std::collections::VecDeque;
use std::slice;
use std::sync::Mutex;

use jifen_engine::PolicyStore;
use jifen_ledger::Sqlite;
use serde_json::{Value, json};

use super::*;
use crate::releases::Releases;

/// A town in which purchases are worth nothing: points are brought along.
const PROGRAM: &str = r#"
[program]
name = "小镇"
timezone = "Asia/Shanghai"

[[unit]]
id = "points"

[[calendar]]
id = "town"
any = [{ lunar_digits = [1, 4, 7] }]

[[region]]
id = "cn/town"
calendar = "town"

[[merchant]]
id = "shop"
region = "cn/town"
category = "retail"

[[lane]]
id = "base"
"#;

fn event(kind: &str, id: &str, day: u32, data: Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/merchants/shop", "type": format!("jifen.{kind}"),
        "time": format!("2025-07-{day:02}T12:00:00+08:00"), "data": data})
}

fn buy(id: &str, member: &str, day: u32) -> Value {
    let line = json!({"sku": "rice", "category": "staples", "quantity": 1, "amount": 100});
    let data = json!({"order": id, "member": member, "merchant": "shop", "currency": "CNY", "lines": [line]});
    event("purchase.completed", id, day, data)
}

fn take_back(id: &str, order: &str) -> Value {
    event("purchase.refunded", id, 26, json!({"order": order}))
}

fn bring(id: &str, member: &str, points: u64) -> Value {
    let data = json!({"member": member, "unit": "points", "points": points, "issuer": "platform"});
    event("balance.opened", id, 24, data)
}

fn give(id: &str, member: &str, to: &str, points: u64) -> Value {
    let data = json!({"member": member, "to": to, "unit": "points", "points": points});
    event("points.transferred", id, 25, data)
}

fn close(day: u32) -> Value {
    let mut close = event("day.closed", "close", day, json!({"day": format!("2025-07-{day:02}")}));
    close["time"] = json!(format!("2025-07-{:02}T00:00:00+08:00", day.saturating_add(1)));
    close
}

/// Hands over what it has, one after the other, however far commits are.
#[derive(Default)]
struct Script {
    coming: Mutex<VecDeque<Vec<Sent>>>,
    heard: Mutex<Outcomes>,
}

impl Line for Script {
    fn next(&self, _: usize, _: &dyn Fn() -> bool) -> Vec<Sent> {
        self.coming.lock().expect("nobody panics").pop_front().unwrap_or_default()
    }

    fn stir(&self) {}

    fn hear(&self, outcomes: &mut Outcomes) {
        self.heard.lock().expect("nobody panics").append(outcomes);
    }
}

fn parsed(events: &[Value]) -> Vec<Sent> {
    let parse = |event: &Value| Event::parse(event.to_string().as_bytes()).expect("it can be read").into();
    events.iter().map(parse).collect()
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applied { recorded, closed, .. } => {
            let closes = if closed.is_some() { ", and its work is done" } else { "" };
            format!("applied {} {}{closes}", recorded.seq, hex::encode(recorded.digest.unwrap_or_default()))
        }
        Outcome::Duplicate(recorded) => format!("known {}", recorded.seq),
        Outcome::Refused { refusal, .. } => format!("refused {} {}", refusal.field, refusal.reason),
    }
}

/// What it is about, what is there, what is sent, what comes while that is committed, and how many of all are applied.
type Story<'s> = (&'s str, &'s [Value], &'s [Value], &'s [&'s [Value]], usize);

#[test]
fn what_comes_meanwhile_is_what_it_comes_to_one_after_the_other() {
    let mut dearer = buy("1", "ann", 25);
    dearer["data"]["lines"][0]["amount"] = json!(200);
    let stories: [Story<'_>; 9] = [
        ("of another", &[], &[buy("1", "ann", 25)], &[&[buy("2", "bob", 25)]], 2),
        ("of the same", &[], &[buy("1", "ann", 25)], &[&[buy("2", "ann", 25)], &[buy("3", "ann", 26)]], 3),
        ("of the same, and late", &[], &[buy("1", "ann", 25)], &[&[buy("2", "ann", 1)]], 2),
        ("a return", &[], &[buy("1", "ann", 25)], &[&[take_back("r", "1")], &[buy("2", "bob", 25)]], 3),
        (
            "points that pass on",
            &[],
            &[bring("1", "ann", 5)],
            &[&[give("2", "ann", "bob", 5)], &[give("3", "bob", "cat", 5), give("4", "bob", "cat", 1)]],
            3,
        ),
        (
            "what was given",
            &[bring("1", "ann", 5)],
            &[give("2", "ann", "bob", 5)],
            &[&[buy("3", "bob", 25)]],
            3,
        ),
        ("a name again", &[], &[buy("1", "ann", 25)], &[&[buy("1", "ann", 25)], &[dearer]], 1),
        ("a day behind what is known", &[buy("1", "ann", 25)], &[buy("1", "ann", 25)], &[&[close(25)]], 2),
        ("a day behind what is not", &[], &[buy("1", "ann", 25)], &[&[close(25), buy("2", "ann", 26)]], 3),
    ];
    let folder = tempfile::tempdir().expect("there is room");
    let store = PolicyStore::open(folder.path(), "no-compiler").expect("it can be opened");
    for (about, before, first, behind, applied) in stories {
        let [served, alone] = [(); 2].map(|()| Sqlite::scratch().expect("it can be begun"));
        let releases = Releases::new(None, None);
        let active = Active::from_file(PROGRAM, &releases, &store).expect("it can be loaded");
        let programs = Programs::new(&served, &releases, &store);
        let processor = |ledger| Processor::new(&active, &programs, ledger, NonZeroUsize::MIN);
        let (serving, lone) = (processor(&served), processor(&alone));
        let one_by_one = |processor: &Processor<'_>, events: &[Value]| -> Vec<String> {
            active.keep_again(processor.ledger).expect("it can be written");
            let process = |event: &Value| processor.process(parsed(slice::from_ref(event)));
            events.iter().flat_map(|event| process(event).expect("it is there")).map(|it| told(&it)).collect()
        };
        assert_eq!(one_by_one(&serving, before), one_by_one(&lone, before));
        let script =
            Script { coming: Mutex::new(behind.iter().map(|it| parsed(it)).collect()), ..Script::default() };
        let (mut next, mut together) = (parsed(first), Vec::new());
        // As a decider does: what could not be decided behind something is the next to be taken.
        while !next.is_empty() {
            serving.serve(next, &script).expect("it is there");
            let heard = mem::take(&mut *script.heard.lock().expect("nobody panics"));
            together.extend(heard.values().map(told));
            next = script.next(1, &|| false);
        }
        let one_by_one = one_by_one(&lone, &[first, &behind.concat()].concat());
        assert_eq!(together, one_by_one, "{about}");
        assert_eq!(served.length().expect("it is there"), u64::try_from(applied).expect("few"), "{about}");
    }
}
