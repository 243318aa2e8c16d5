//! Points that can be spent at another time, by another member, or as points of another unit: step by step, through the
//! command line. Points are a purchase's yuan.

use serde_json::Value;

use crate::components::redemption;
use crate::story::{Stage, tell};
use crate::town::{Town, objects};

/// A story, each row of which may say what members have after it.
struct Story<'a> {
    about: &'static str,
    /// Further lines of the unit, of the deployment, and of the program behind both.
    unit: &'a str,
    deployment: &'static str,
    program: &'static str,
    /// See `story.rs`.
    rows: &'static [&'static str],
}

const GREEN: &str = "[[unit]]\nid = 'green'\nexpires = { months = 12 }\n";

const STORIES: &[Story<'_>] = &[
    Story {
        about: "A14 a member who was told",
        unit: "expires = { date = '2026-05-15' }\nnotice = { days = 30 }",
        deployment: "",
        program: "",
        rows: &[
            "buy 1 ann 2026-01-01 300",
            "tell ann 2026-05-15 2026-04-15 -> ann 300",
            "close 2026-05-14 2026-05-15T00:00 -> ann 300",
            "close 2026-05-15 2026-05-16T00:00 -> ann 0",
        ],
    },
    Story {
        about: "A14 a member whom nobody told, and then someone did",
        unit: "expires = { date = '2026-05-15' }\nnotice = { days = 30 }",
        deployment: "",
        program: "",
        rows: &[
            "buy 1 ann 2026-01-01 300",
            "tell ann 2026-05-14 2026-04-14 -> ann 300",
            "tell bob 2026-05-15 2026-04-15 -> ann 300",
            "close 2026-05-15 2026-05-16T00:00 -> ann 300",
            "close 2026-05-16 2026-05-17T00:00 -> ann 300",
            "ask r1 ann 2026-05-18 -> ann 200 100 held",
            "use r1 2026-05-18T12:01",
            "tell ann 2026-05-15 2026-05-20 -> ann 200",
            "close 2026-06-18 2026-06-19T00:00 -> ann 200",
            "close 2026-06-19 2026-06-20T00:00 -> ann 0",
        ],
    },
    Story {
        about: "A14 points that are used untold come back untold, and may live longer",
        unit: "expires = { date = '2026-05-15' }\nnotice = { days = 30 }",
        deployment: "",
        program: "cancel = { carrier = { extend = { months = 1 } } }",
        rows: &[
            "buy 1 ann 2026-01-01 300",
            "ask r1 ann 2026-05-10",
            "use r1 2026-05-10T12:01",
            "ask r2 ann 2026-05-11",
            "use r2 2026-05-11T12:01 -> ann 100",
            "back r1 2026-05-16 member -> ann 200",
            "back r2 2026-05-16 carrier -> ann 300",
            "tell ann 2026-05-15 2026-05-17 -> ann 300",
            "close 2026-06-15 2026-06-16T00:00 -> ann 300",
            "close 2026-06-16 2026-06-17T00:00 -> ann 100",
            "tell ann 2026-06-15 2026-06-20 -> ann 100",
            "close 2026-07-20 2026-07-21T00:00 -> ann 0",
        ],
    },
    Story {
        about: "points that wait for an action",
        unit: "expires = { days = 30 }",
        deployment: "available = { on = 'confirmed' }",
        program: "",
        rows: &[
            "buy 1 ann 2026-01-01 100 -> ann 0 +100 pending",
            "buy 2 ann 2026-01-02 50 -> ann 0 +150 pending",
            "done ann confirmed 2026-01-02 9 -> no data.order: unknown_order",
            "done bob confirmed 2026-01-02 1 -> no data.order: 1 is not an order of bob",
            "done ann reviewed 2026-01-03 1 -> no data.action: nothing_waits: no points of ann wait for reviewed",
            "done ann confirmed 2026-01-10 1 -> ann 100 +50 pending",
            "ask r1 ann 2026-01-10T12:01 -> ann 0 +50 pending 100 held",
            "free r1 2026-01-10T12:02",
            "done ann confirmed 2026-01-11 1 -> no data.action: nothing_waits",
            "buy 3 ann 2026-01-12 7",
            "done ann confirmed 2026-01-20 -> ann 157",
            "close 2026-02-08 2026-02-09T00:00 -> ann 157",
            "close 2026-02-09 2026-02-10T00:00 -> ann 57",
            "close 2026-02-19 2026-02-20T00:00 -> ann 0",
        ],
    },
    Story {
        about: "what waits for an action lapses, and goes first when what earned it comes back",
        unit: "expires = { days = 30 }",
        deployment: "available = { on = 'confirmed' }",
        program: "",
        rows: &[
            "buy 1 ann 2026-01-01 100",
            "buy 2 ann 2026-01-02 50",
            "done ann confirmed 2026-01-03 1 -> ann 100 +50 pending",
            "return 2 2026-01-04 -> ann 100",
            "buy 3 ann 2026-01-05 20",
            "close 2026-02-02 2026-02-03T00:00 -> ann 0 +20 pending",
            "close 2026-02-04 2026-02-05T00:00 -> ann 0",
            "done ann confirmed 2026-02-05 -> no data.action: nothing_waits",
        ],
    },
    Story {
        about: "of an end that an action counts anew, the member is told anew",
        unit: "expires = { days = 30 }\nnotice = { days = 5 }",
        deployment: "available = { on = 'confirmed' }",
        program: "",
        rows: &[
            "buy 1 ann 2026-01-01 100",
            "tell ann 2026-01-31 2026-01-20",
            "done ann confirmed 2026-01-25 1 -> ann 100",
            "close 2026-02-24 2026-02-25T00:00 -> ann 100",
            "tell ann 2026-02-24 2026-02-26 -> ann 100",
            "close 2026-03-02 2026-03-03T00:00 -> ann 100",
            "close 2026-03-03 2026-03-04T00:00 -> ann 0",
        ],
    },
    Story {
        about: "so too if the member was told so late that the end moved",
        unit: "expires = { days = 30 }\nnotice = { days = 5 }",
        deployment: "available = { on = 'confirmed' }",
        program: "",
        rows: &[
            "buy 1 ann 2026-01-01 100",
            "tell ann 2026-01-31 2026-01-29",
            "done ann confirmed 2026-01-30 1 -> ann 100",
            "close 2026-02-03 2026-02-04T00:00 -> ann 100",
            "tell ann 2026-03-01 2026-02-20 -> ann 100",
            "close 2026-03-01 2026-03-02T00:00 -> ann 0",
        ],
    },
    Story {
        about: "an end that is a date is not counted anew, and was told",
        unit: "expires = { date = '2026-01-31' }\nnotice = { days = 5 }",
        deployment: "available = { on = 'confirmed' }",
        program: "",
        rows: &[
            "buy 1 ann 2026-01-01 100",
            "tell ann 2026-01-31 2026-01-20",
            "done ann confirmed 2026-01-25 1 -> ann 100",
            "close 2026-01-31 2026-02-01T00:00 -> ann 0",
        ],
    },
    Story {
        about: "what is owed is paid by points that an action frees",
        unit: "",
        deployment: "available = { on = 'confirmed' }",
        program: "",
        rows: &[
            "buy 1 ann 2026-01-01 100",
            "done ann confirmed 2026-01-02 1 -> ann 100",
            "ask r1 ann 2026-01-03",
            "use r1 2026-01-03T12:01",
            "return 1 2026-01-04 -> ann 0 -100 owed",
            "buy 2 ann 2026-01-05 130 -> ann 0 +130 pending -100 owed",
            "done ann confirmed 2026-01-06 2 -> ann 30",
        ],
    },
    Story {
        about: "D10 a gift keeps its end",
        unit: "expires = { months = 1 }",
        deployment: "",
        program: "",
        rows: &[
            "buy 1 ann 2026-01-01 100",
            "give ann bob 2026-01-25 101 -> no data.points: insufficient: 101 points are needed and 100 can be spent",
            "give ann ann 2026-01-25 1 -> no data.to: is the member",
            "give ann bob 2026-01-25 0 -> no data.points: is 0; write 1 to",
            "give ann bob 2026-01-25 60 -> ann 40, bob 60",
            "give bob cai 2026-01-26 10 -> ann 40, bob 50, cai 10",
            "close 2026-01-31 2026-02-01T00:00 -> ann 40, bob 50, cai 10",
            "close 2026-02-01 2026-02-02T00:00 -> ann 0, bob 0, cai 0",
            "give bob cai 2026-02-02 1 -> no data.points: insufficient",
        ],
    },
    Story {
        about: "D10 a gift ends as if it were awarded",
        unit: "expires = { months = 1 }\ntransfer = 'reset'",
        deployment: "",
        program: "",
        rows: &[
            "buy 1 ann 2026-01-01 100",
            "give ann bob 2026-01-25 60",
            "close 2026-02-24 2026-02-25T00:00 -> ann 0, bob 60",
            "close 2026-02-25 2026-02-26T00:00 -> ann 0, bob 0",
        ],
    },
    Story {
        about: "what is given cannot be taken back, and what is owed cannot be given",
        unit: "",
        deployment: "",
        program: "",
        rows: &[
            "buy 1 ann 2026-01-01 100",
            "give ann bob 2026-01-02 60 -> ann 40, bob 60",
            "return 1 2026-01-03 -> ann 0 -60 owed, bob 60",
            "buy 2 ann 2026-01-04 50 -> ann 0 -10 owed, bob 60",
            "buy 3 ann 2026-01-05 15 -> ann 5, bob 60",
            "give ann bob 2026-01-06 6 -> no data.points: insufficient: 6 points are needed and 5 can be spent",
        ],
    },
    Story {
        about: "gifts that the program does not allow",
        unit: "transfer = 'forbidden'",
        deployment: "",
        program: "",
        rows: &["buy 1 ann 2026-01-01 100", "give ann bob 2026-01-02 1 -> no data.unit: not_transferable"],
    },
    Story {
        about: "an exchange takes whole points and keeps their end",
        unit: "expires = { months = 1 }",
        deployment: "",
        program: "[[exchange]]\nunit = 'points'\ninto = 'green'\nrate = '0.1'\nfrom = '2026-01-05T00:00:00+08:00'",
        rows: &[
            "buy 1 ann 2026-01-01 55",
            "buy 2 ann 2026-01-03 60",
            "swap ann green 2026-01-04 50 -> no data.into: no [[exchange]] of the program from points into green",
            "swap ann red 2026-01-05 50 -> no data.into: red is not a unit",
            "swap ann green 2026-01-05 9 -> no data.points: is 9, which comes to no whole green at 0.1",
            "swap ann green 2026-01-05 200 -> no data.points: insufficient: 200 points are needed and 115 can be spent, 85 short",
            "swap ann green 2026-01-05 109 -> ann 10 green, ann 15",
            "close 2026-02-01 2026-02-02T00:00 -> ann 4 green, ann 15",
            "close 2026-02-03 2026-02-04T00:00 -> ann 0 green, ann 0",
        ],
    },
    Story {
        about: "an exchange keeps how long before its end the member must be told",
        unit: "expires = { date = '2026-05-15' }\nnotice = { days = 30 }",
        deployment: "",
        program: "[[exchange]]\nunit = 'points'\ninto = 'green'\nrate = '1'",
        rows: &[
            "buy 1 ann 2026-01-01 300",
            "swap ann green 2026-05-01 100 -> ann 100 green, ann 200",
            "tell ann 2026-05-15 2026-05-10",
            "close 2026-05-15 2026-05-16T00:00 -> ann 100 green, ann 200",
            "close 2026-06-08 2026-06-09T00:00 -> ann 100 green, ann 200",
            "close 2026-06-09 2026-06-10T00:00 -> ann 0 green, ann 0",
        ],
    },
    Story {
        about: "an exchange that begins anew",
        unit: "expires = { months = 1 }",
        deployment: "",
        program: "[[exchange]]\nunit = 'points'\ninto = 'green'\nrate = '1.5'\nexpires = 'reset'",
        rows: &[
            "buy 1 ann 2026-01-01 55",
            "swap ann green 2026-01-05 999999999999999 -> no data.points: is 999999999999999, which comes to more green at 1.5 than anyone can",
            "swap ann green 2026-01-05 55 -> ann 82 green, ann 0",
            "close 2026-02-02 2026-02-03T00:00 -> ann 82 green, ann 0",
            "close 2027-01-05 2027-01-06T00:00 -> ann 0 green, ann 0",
        ],
    },
];

#[test]
fn points_change_their_term_their_owner_and_their_unit() {
    for story in STORIES {
        let town = Town::new();
        town.policy("offer", &redemption(100, 0, 0));
        program(&town, story);
        let events = tell(story.about, story.rows, &InTown(&town, story));
        let applied = town.replay("l.db");
        let again = town.run("l.db", &events, &["--json"]).json();
        assert_eq!(again["applied"], 0, "{}: nothing is applied twice", story.about);
        town.run("all.db", &events, &["--threads", "8"]);
        assert_eq!(
            InTown(&town, story).balances(),
            balances(&town, "all.db"),
            "{}: all at once",
            story.about
        );
        assert_eq!(town.replay("all.db"), applied, "{}: all at once", story.about);
    }
}

struct InTown<'a>(&'a Town, &'a Story<'a>);

impl Stage for InTown<'_> {
    fn until(&self, unit: &str) {
        program(self.0, &Story { unit, ..*self.1 });
    }

    fn apply(&self, event: &Value) -> (Option<i32>, String) {
        let done = self.0.run("l.db", std::slice::from_ref(event), &["--receipts", "receipts.jsonl"]);
        (done.code, done.err)
    }

    fn balances(&self) -> String {
        balances(self.0, "l.db")
    }
}

fn balances(town: &Town, ledger: &str) -> String {
    town.done(&["balance", "--ledger", ledger, "--json"]).out
}

fn program(town: &Town, story: &Story<'_>) {
    town.program(&[("spend", "spend", "base", story.deployment)]);
    let unit = format!("id = \"points\"\n{}", story.unit);
    let program = town.read("program.toml").replace("id = \"points\"", &unit);
    let offer = "[[redemption]]\nid = 'offer'\npolicy = 'offer'\nunit = 'points'\n";
    town.write("program.toml", format!("{program}\n{GREEN}{offer}{}\n", story.program));
}

/// What was promised when points were awarded holds, whatever the program says when the action is done or the member told.
#[test]
fn a_changed_program_leaves_the_terms_of_points_alone() {
    let town = Town::new();
    town.policy("offer", &redemption(100, 0, 0));
    let story = Story {
        about: "twelve months to the end of the month, then a week",
        unit: "expires = { months = 12, end_of = 'month' }\nnotice = { days = 30 }",
        deployment: "available = { on = 'confirmed' }",
        program: "",
        rows: &[
            "buy 1 ann 2026-01-10 100",
            "until expires = { days = 7 }",
            "done ann confirmed 2026-03-10 1 -> ann 100",
            "tell ann 2027-03-31 2027-02-01",
            "close 2027-03-30 2027-03-31T00:00 -> ann 100",
            "close 2027-03-31 2027-04-01T00:00 -> ann 0",
        ],
    };
    program(&town, &story);
    tell(story.about, story.rows, &InTown(&town, &story));
    town.replay("l.db");
}

/// A14: that the member was not told stands in the books, once.
#[test]
fn points_that_stay_untold_are_flagged() {
    let town = Town::new();
    town.policy("offer", &redemption(100, 0, 0));
    let story = STORIES.iter().find(|story| story.about.starts_with("A14")).expect("there is one");
    program(&town, story);
    let rows = [
        "buy 1 ann 2026-01-01 300",
        "close 2026-05-15 2026-05-16T00:00",
        "close 2026-05-16 2026-05-17T00:00",
    ];
    tell("A14", &rows, &InTown(&town, story));
    let statement = town.done(&["statement", "--ledger", "l.db", "--json", "ann"]).out;
    let lines: Vec<Value> =
        statement.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(lines.len(), 2, "{statement}");
    assert_eq!(lines[0]["lots"][0]["notice"], "notice_missing", "{statement}");
    let id = lines[1]["id"].as_str().expect("a name");
    let why = town.done(&["why", "--ledger", "l.db", "--json", "/merchants/shop", id]).json();
    assert_eq!(why["terms"][0]["was"]["notice"], "needed", "{why}");
    assert_eq!(why["terms"][0]["now"]["notice"], "notice_missing", "{why}");
    assert_eq!(why["postings"], serde_json::json!([]), "{why}");
    let words = town.done(&["why", "--ledger", "l.db", "/merchants/shop", id]).out;
    assert!(words.contains("stays      lot ann/1/0: nobody told the member"), "{words}");
}

/// F3: twenty gifts of all there is, at once.
#[test]
fn points_are_given_once() {
    let town = Town::new();
    town.program(&[("spend", "spend", "base", "")]);
    let mut rows = vec!["buy 1 ann 2026-01-01 100".to_owned()];
    rows.extend((0..20).map(|n| format!("give ann b{n:02} 2026-01-02 100")));
    let events: Vec<_> = rows.iter().enumerate().map(|(n, row)| crate::story::event(n, row)).collect();
    for threads in ["1", "8"] {
        let ledger = format!("{threads}.db");
        let done =
            town.run(&ledger, &events, &["--json", "--threads", threads, "--receipts", "receipts.jsonl"]);
        assert_eq!((&done.json()["applied"], &done.json()["refused"]), (&2.into(), &19.into()), "{done:?}");
        let receipts = objects(&town.path("receipts.jsonl"));
        let refused = receipts
            .iter()
            .filter(|it| it["reason"].as_str().is_some_and(|it| it.starts_with("insufficient")));
        assert_eq!(refused.count(), 19);
        assert_eq!(town.balances(&ledger), "ann 0, b00 100");
    }
}
