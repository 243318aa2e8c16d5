//! Redemptions through the command line: what is held, used, let go and given back, step by step. Points are a purchase's
//! yuan; what they buy is a policy's flat offer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

use crate::components::redemption;
use crate::story::{Stage, tell};
use crate::town::Town;

/// A story, each row of which may say what members have after it.
struct Story {
    about: &'static str,
    /// The offer: points, cash and worth, in minor units.
    offer: (u64, u64, u64),
    /// Further lines of the `[[redemption]]`, and of the program behind it.
    lines: &'static str,
    /// See `story.rs`.
    rows: &'static [&'static str],
}

const STORIES: &[Story] = &[
    Story {
        about: "hold, then use",
        offer: (300, 990, 0),
        lines: "",
        rows: &[
            "buy 1 ann 2026-03-01 500 -> ann 500",
            "ask r1 ann 2026-03-02 -> ann 200 300 held",
            "use r1 2026-03-02T12:10 -> ann 200",
            "use r1 2026-03-02T12:11 -> no data.redemption: captured_already",
            "free r1 2026-03-02T12:11 -> no data.redemption: captured_already",
            "ask r1 ann 2026-03-02 -> no data.redemption: \"r1\" was requested already",
            "ask r2 ann 2026-03-02 -> no data.points: insufficient: 300 points are needed and 200 can be spent, 100 short",
            "ask r3 bob 2026-03-02 -> no data.points: insufficient: 300 points are needed and 0 can be spent",
            "use r4 2026-03-02 -> no data.redemption: unknown_redemption",
        ],
    },
    Story {
        about: "F4 a part is used, the rest is free",
        offer: (300, 0, 0),
        lines: "",
        rows: &[
            "buy 1 ann 2026-03-01 500",
            "ask r1 ann 2026-03-02 -> ann 200 300 held",
            "ask r2 ann 2026-03-02 -> no data.points: insufficient: 300 points are needed and 200 can be spent",
            "use r1 2026-03-02T12:05 301 -> no data.points: is 301, and r1 has 300",
            "use r1 2026-03-02T12:05 250 -> ann 250",
            "use r1 2026-03-02T12:06 50 -> no data.redemption: captured_already",
        ],
    },
    Story {
        about: "F4 a hold ends by itself",
        offer: (300, 0, 0),
        lines: "hold = { minutes = 10 }",
        rows: &[
            "buy 1 ann 2026-03-01 500",
            "ask r1 ann 2026-03-02T12:00 -> ann 200 300 held",
            "buy 2 bob 2026-03-02T12:09 1 -> ann 200 300 held, bob 1",
            "buy 3 bob 2026-03-02T12:10 1 -> ann 500, bob 2",
            "use r1 2026-03-02T12:10 -> no data.redemption: hold_lapsed",
            "ask r2 ann 2026-03-02T12:11 -> ann 200 300 held, bob 2",
            "use r1 2026-03-02T12:09 -> no data.redemption: nothing_held",
            "use r2 2026-03-02T12:12 -> ann 200, bob 2",
        ],
    },
    Story {
        about: "F4 a lot lapses while it is held",
        offer: (300, 0, 0),
        lines: "hold = { days = 2 }",
        rows: &[
            "until 2026-03-31",
            "buy 1 ann 2026-03-01 500",
            "ask r1 ann 2026-03-31 -> ann 200 300 held",
            "ask r2 ann 2026-04-01 -> no data.points: insufficient: 300 points are needed and 0 can be spent",
            "use r1 2026-04-01 250 -> ann 0",
            "buy 2 ann 2026-04-02 1 -> ann 0",
        ],
    },
    Story {
        about: "what is let go, in parts",
        offer: (300, 0, 0),
        lines: "",
        rows: &[
            "buy 1 ann 2026-03-01 500",
            "ask r1 ann 2026-03-02",
            "free r1 2026-03-02T12:01 100 -> ann 300 200 held",
            "free r1 2026-03-02T12:02 -> ann 500",
            "free r1 2026-03-02T12:03 -> no data.redemption: nothing_held",
            "use r1 2026-03-02T12:03 -> no data.redemption: nothing_held",
            "back r1 2026-03-02T12:03 member -> no data.redemption: not_captured",
        ],
    },
    Story {
        about: "E7 points come back into their lots, last consumed first",
        offer: (600, 0, 0),
        lines: "",
        rows: &[
            "until 2026-03-31",
            "buy 1 ann 2026-01-01 300",
            "until 2026-12-31",
            "buy 2 ann 2026-01-02 500",
            "ask r1 ann 2026-03-01",
            "use r1 2026-03-01T12:01 -> ann 200",
            "back r1 2026-03-10 member 200 -> ann 400",
            "back r1 2026-03-11 member 401 -> no data.points: is 401, and r1 has 400",
            "back r1 2026-04-05 member 400 -> ann 500",
            "back r1 2026-04-05T13:00 member -> no data.redemption: cancelled_already",
        ],
    },
    Story {
        about: "E7 with grace",
        offer: (600, 0, 0),
        lines: "cancel = { member = { grace = { days = 30 } } }",
        rows: &[
            "until 2026-03-31",
            "buy 1 ann 2026-01-01 300",
            "until 2026-12-31",
            "buy 2 ann 2026-01-02 500",
            "ask r1 ann 2026-03-01",
            "use r1 2026-03-01T12:01",
            "back r1 2026-04-05 member -> ann 800",
            "buy 3 bob 2026-05-05T23:59:59 1 -> ann 800, bob 1",
            "buy 4 bob 2026-05-06T00:00 1 -> ann 500, bob 2",
        ],
    },
    Story {
        about: "E8 nothing lives longer for having been away",
        offer: (300, 0, 0),
        lines: "",
        rows: &[
            "until 2026-03-31",
            "buy 1 ann 2026-01-01 300",
            "ask r1 ann 2026-03-29",
            "use r1 2026-03-29T12:01",
            "back r1 2026-03-30 member",
            "ask r2 ann 2026-03-30T13:00",
            "use r2 2026-03-30T13:01",
            "back r2 2026-03-31T23:59:59 merchant -> ann 300",
            "buy 2 bob 2026-04-01T00:00 1 -> ann 0, bob 0",
        ],
    },
    Story {
        about: "points for the trouble pay what is owed",
        offer: (100, 0, 2_000),
        lines: "cancel = { carrier = { compensation = '0.1' } }",
        rows: &[
            "until 2026-01-10",
            "buy 1 ann 2026-01-01 100",
            "until 2026-12-31",
            "bill r1 ann 2026-01-02 60",
            "use r1 2026-01-02T12:01 -> ann 0",
            "buy 2 ann 2026-01-03 60 r1:20 -> ann 60",
            "return 1 2026-01-20 -> ann 0 -40 owed",
            "return 2 2026-01-21 cause:carrier -> ann 0 -90 owed",
        ],
    },
    Story {
        about: "points come back with what they paid for",
        offer: (2_000, 0, 2_000),
        lines: "",
        rows: &[
            "buy 1 ann 2026-01-01 2000",
            "bill r1 ann 2026-02-01 60 40",
            "use r1 2026-02-01T12:01 -> ann 0",
            "buy 2 ann 2026-02-01T12:02 60 40 r1:20 -> ann 100",
            "return 2 2026-02-02 a1:40 -> ann 860",
            "return 2 2026-02-03 a0:60 -> ann 2000",
        ],
    },
    Story {
        about: "points come back though the return comes first",
        offer: (2_000, 0, 2_000),
        lines: "",
        rows: &[
            "buy 1 ann 2026-01-01 2000",
            "bill r1 ann 2026-02-01 60 40",
            "use r1 2026-02-01T12:01",
            "return 2 2026-02-02 a1:40 -> ann 0",
            "buy 2 ann 2026-02-01T12:02 60 40 r1:20 -> ann 860",
        ],
    },
    Story {
        about: "A17 the freight's points come back with the freight alone",
        offer: (150, 0, 600),
        lines: "covers = 'freight'",
        rows: &[
            "buy 1 ann 2026-01-01 150",
            "bill r1 ann 2026-02-01 100 freight:6",
            "use r1 2026-02-01T12:01 -> ann 0",
            "buy 2 ann 2026-02-01T12:02 100 freight:6 r1:6 -> ann 100",
            "return 2 2026-02-02 a0:100 -> ann 0",
            "return 2 2026-02-03 freight:6 -> ann 150",
        ],
    },
    Story {
        about: "points pay for no more than what they are for",
        offer: (150, 0, 601),
        lines: "covers = 'freight'",
        rows: &[
            "buy 1 ann 2026-01-01 150",
            "bill r1 ann 2026-02-01 100 freight:6 -> no data.lines: declined: offer failed (worth-out-of-range)",
        ],
    },
    Story {
        about: "E1 what was spent before it was taken back is owed",
        offer: (40, 0, 0),
        lines: "",
        rows: &[
            "buy 1 ann 2026-01-01 10",
            "buy 2 ann 2026-01-02 60",
            "ask r1 ann 2026-01-03",
            "use r1 2026-01-03T12:01 -> ann 30",
            "return 2 2026-01-04 -> ann 0 -30 owed",
            "ask r2 ann 2026-01-05 -> no data.points: insufficient: 40 points are needed and 0 can be spent",
            "buy 3 ann 2026-01-06 100 -> ann 70",
        ],
    },
    Story {
        about: "E2 spent elsewhere",
        offer: (1_091, 0, 0),
        lines: "",
        rows: &[
            "buy 1 ann 2026-01-01 1091",
            "ask r1 ann 2026-01-02",
            "use r1 2026-01-02T12:01 -> ann 0",
            "return 1 2026-01-03 -> ann 0 -1091 owed",
            "ask r2 ann 2026-01-04 100 -> no data.points: declined: 1091 points are needed, and no more than 100",
            "buy 2 ann 2026-01-05 1200 -> ann 109",
        ],
    },
    Story {
        about: "D5 and E1: what is held is out of reach until it is free",
        offer: (60, 0, 0),
        lines: "",
        rows: &[
            "buy 1 ann 2026-01-01 60",
            "ask r1 ann 2026-01-02 -> ann 0 60 held",
            "return 1 2026-01-02T12:10 -> ann 0 60 held -60 owed",
            "free r1 2026-01-02T12:20 -> ann 0",
            "buy 2 ann 2026-01-03 5 -> ann 5",
        ],
    },
    Story {
        about: "A15 one piece, two who want it; what is let go is there again",
        offer: (1_000, 0, 0),
        lines: "stock = { rice = { total = 1 } }",
        rows: &[
            "buy 1 ann 2026-01-01 1000",
            "buy 2 bob 2026-01-01 1000",
            "ask r1 ann 2026-01-02",
            "ask r2 bob 2026-01-02 -> no data.item: out_of_stock",
            "free r1 2026-01-02T12:01 -> ann 1000, bob 1000",
            "ask r3 bob 2026-01-02T12:02 -> ann 1000, bob 0 1000 held",
            "use r3 2026-01-02T12:03",
            "ask r4 ann 2026-01-03 -> no data.item: out_of_stock",
            "back r3 2026-01-04 merchant -> ann 1000, bob 1000",
            "ask r5 ann 2026-01-05 -> ann 0 1000 held, bob 1000",
        ],
    },
    Story {
        about: "A15 what nobody holds any longer is there for the next",
        offer: (1_000, 0, 0),
        lines: "stock = { rice = { total = 2 } }\nhold = { minutes = 10 }",
        rows: &[
            "buy 1 ann 2026-01-01 2000",
            "buy 2 bob 2026-01-01 1000",
            "buy 3 cai 2026-01-01 1000",
            "ask r1 ann 2026-01-02T12:00",
            "ask r2 ann 2026-01-02T12:01 -> ann 0 2000 held, bob 1000, cai 1000",
            "ask r3 bob 2026-01-02T12:09:59 -> no data.item: out_of_stock",
            "over r1 2026-01-02T12:09:59 -> no time: is too early: r1 is held until 2026-01-02T04:10:00Z",
            "ask r3 bob 2026-01-02T12:10 -> ann 1000 1000 held, bob 0 1000 held, cai 1000",
            "use r1 2026-01-02T12:09 -> no data.redemption: nothing_held",
            "use r2 2026-01-02T12:10:30",
            "ask r4 cai 2026-01-02T12:12 -> no data.item: out_of_stock",
            "use r3 2026-01-02T12:12 -> ann 1000, bob 0, cai 1000",
            "ask r4 cai 2026-01-02T12:30 -> no data.item: out_of_stock",
        ],
    },
    Story {
        about: "whoever held the last piece for too long may ask for it again",
        offer: (1_000, 0, 0),
        lines: "stock = { rice = { total = 1 } }\nhold = { minutes = 10 }",
        rows: &[
            "buy 1 ann 2026-01-01 2000",
            "ask r1 ann 2026-01-02T12:00",
            "ask r2 ann 2026-01-02T12:09 -> no data.item: out_of_stock",
            "ask r3 ann 2026-01-02T12:10 -> ann 1000 1000 held",
            "use r3 2026-01-02T12:11 -> ann 1000",
        ],
    },
    Story {
        about: "whoever waits may say that a hold is over",
        offer: (1_000, 0, 0),
        lines: "stock = { rice = { per_day = 1 } }\nhold = { minutes = 10 }",
        rows: &[
            "buy 1 ann 2026-01-01 1000",
            "buy 2 bob 2026-01-01 1000",
            "over r1 2026-01-02 -> no data.redemption: unknown_redemption",
            "ask r1 ann 2026-01-02T12:00",
            "over r1 2026-01-02T12:10 -> ann 1000, bob 1000",
            "over r1 2026-01-02T12:11 -> no data.redemption: nothing_held",
            "ask r2 bob 2026-01-02T12:12 -> ann 1000, bob 0 1000 held",
            "use r2 2026-01-02T12:13",
            "over r2 2026-01-02T12:22 -> no data.redemption: captured_already",
        ],
    },
    Story {
        about: "so many a day",
        offer: (10, 0, 0),
        lines: "stock = { rice = { per_day = 1 } }\nhold = { minutes = 10 }",
        rows: &[
            "buy 1 ann 2026-01-01 1000",
            "ask r1 ann 2026-01-02",
            "ask r2 ann 2026-01-02T12:01 -> no data.item: out_of_stock",
            "ask r3 ann 2026-01-03T00:00 -> ann 990 10 held",
            "use r3 2026-01-03T00:01",
            "ask r4 ann 2026-01-02T12:20 -> ann 990",
        ],
    },
    Story {
        about: "D4 what ends first goes first, what never ends goes last",
        offer: (70, 0, 0),
        lines: "",
        rows: &[
            "buy 1 ann 2025-11-01 50",
            "until 2026-02-01",
            "buy 2 ann 2025-11-02 50",
            "until 2026-01-01",
            "buy 3 ann 2025-11-03 50",
            "ask r1 ann 2025-12-01",
            "use r1 2025-12-01T12:01 -> ann 80",
            "close 2026-01-01 2026-01-02T00:00 -> ann 80",
            "close 2026-02-01 2026-02-02T00:00 -> ann 50",
        ],
    },
    Story {
        about: "D6 what lapses is the rest of what ends first",
        offer: (80, 0, 0),
        lines: "",
        rows: &[
            "until 2026-01-01",
            "buy 1 ann 2025-11-01 100",
            "until 2027-01-01",
            "buy 2 ann 2025-11-02 100",
            "ask r1 ann 2025-12-01",
            "use r1 2025-12-01T12:01 -> ann 120",
            "close 2026-01-01 2026-01-02T00:00 -> ann 100",
            "close 2026-01-01 2026-01-02T00:05 -> ann 100",
            "close 2026-01-02 2026-01-02T23:59:59 -> no time: 2026-01-02 is not over before 2026-01-03T00:00:00+08:00",
        ],
    },
    Story {
        about: "D9 a late close changes nothing but the books",
        offer: (10, 0, 0),
        lines: "",
        rows: &[
            "until 2026-03-31",
            "buy 1 ann 2026-01-01 100",
            "ask r1 ann 2026-04-01T00:00 -> no data.points: insufficient: 10 points are needed and 0 can be spent",
            "close 2026-03-31 2026-04-02 -> ann 0",
            "close 2026-03-31 2026-04-03 -> ann 0",
            "ask r2 ann 2026-03-31 -> no data.points: insufficient: 10 points are needed and 0 can be spent",
        ],
    },
    Story {
        about: "D5 what lapsed is taken back instead, whether its day was closed or not",
        offer: (10, 0, 0),
        lines: "",
        rows: &[
            "until 2026-03-31",
            "buy 1 ann 2026-01-01 100",
            "buy 2 bob 2026-01-01 100",
            "ask r1 ann 2026-01-02",
            "use r1 2026-01-02T12:01",
            "ask r2 bob 2026-01-02",
            "use r2 2026-01-02T12:01 -> ann 90, bob 90",
            "return 2 2026-04-01T00:00 -> ann 0, bob 0 -10 owed",
            "close 2026-03-31 2026-04-01T00:01 -> ann 0, bob 0 -10 owed",
            "return 1 2026-04-01T00:02 -> ann 0 -10 owed, bob 0 -10 owed",
        ],
    },
    Story {
        about: "F4 the close frees what was held for long enough",
        offer: (300, 0, 0),
        lines: "hold = { days = 2 }\nstock = { rice = { total = 1 } }",
        rows: &[
            "until 2026-03-31",
            "buy 1 ann 2026-03-01 500",
            "until 2026-12-31",
            "buy 2 bob 2026-03-01 500",
            "ask r1 ann 2026-03-30",
            "close 2026-03-31 2026-04-01T00:00 -> ann 0 300 held, bob 500",
            "ask r2 bob 2026-04-01T11:00 -> no data.item: out_of_stock",
            "close 2026-04-01 2026-04-02T00:00 -> ann 0, bob 500",
            "use r1 2026-04-01T11:00 -> no data.redemption: nothing_held",
            "ask r3 bob 2026-04-02T00:00 -> ann 0, bob 200 300 held",
        ],
    },
    Story {
        about: "A30 issued, used, lapsed, taken back and given back",
        offer: (300, 0, 0),
        lines: "",
        rows: &[
            "until 2026-12-31",
            "buy 1 ann 2026-01-01 750",
            "ask r1 ann 2026-01-02",
            "use r1 2026-01-02T12:01 -> ann 450",
            "until 2026-03-31",
            "buy 2 ann 2026-01-03 200",
            "until 2026-12-31",
            "buy 3 ann 2026-01-04 50 -> ann 700",
            "close 2026-03-31 2026-04-01T00:00 -> ann 500",
            "return 3 2026-04-02 -> ann 450",
            "back r1 2026-04-03 member 100 -> ann 550",
        ],
    },
    Story {
        about: "D7 the order of midnight: there, given, lapsed",
        offer: (100, 0, 0),
        lines: "at_close = { item = 'voucher', merchant = 'shop' }\nstock = { voucher = { per_day = 1 } }\n\
            [[deployment]]\nid = 'later'\npolicy = 'spend'\nlane = 'bonus'\nunit = 'points'\nissuer = 'platform'\n\
            available = { date = '2026-04-01' }\nfrom = '2026-03-20T00:00:00+08:00'\nuntil = '2026-03-21T00:00:00+08:00'",
        rows: &[
            "until 2026-03-31",
            "buy 1 ann 2026-03-01 15",
            "until 2026-12-31",
            "buy 2 ann 2026-03-02 55",
            "buy 3 ann 2026-03-20 20 -> ann 90 +20 pending",
            "buy 4 bob 2026-03-25 99",
            "ask r1 ann 2026-03-25 -> no data.merchant: no [[redemption]] of the program is at work for shop",
            "close 2026-03-30 2026-03-31T00:00 -> ann 90 +20 pending, bob 99",
            "close 2026-03-31 2026-04-02 -> ann 10, bob 99",
            "close 2026-03-31 2026-04-03 -> ann 10, bob 99",
            "back close/offer/2026-03-31/ann 2026-04-03T13:00 member -> ann 95, bob 99",
            "ask close/offer/2026-04-03/bob bob 2026-04-03 -> no data.redemption: begins with \"close/\"",
        ],
    },
    Story {
        about: "D2 and D3: the last instant of the last day",
        offer: (10, 0, 0),
        lines: "",
        rows: &[
            "until 2026-03-31",
            "buy 1 ann 2026-01-01 20",
            "ask r1 ann 2026-03-31T23:59:59.999 -> ann 10 10 held",
            "ask r2 ann 2026-04-01T00:00 -> no data.points: insufficient: 10 points are needed and 0 can be spent",
        ],
    },
    Story {
        about: "E12 what is pending cannot be spent",
        offer: (20, 0, 0),
        lines: "[[deployment]]\nid = 'later'\npolicy = 'spend'\nlane = 'bonus'\nunit = 'points'\nissuer = 'platform'\navailable = { days = 14 }",
        rows: &[
            "buy 1 ann 2026-01-01 19 -> ann 19 +19 pending",
            "ask r1 ann 2026-01-03 -> no data.points: insufficient: 20 points are needed and 19 can be spent",
            "ask r2 ann 2026-01-15T00:00 -> ann 18 20 held",
        ],
    },
];

#[test]
fn points_are_held_used_and_given_back() {
    let untrue = |story: &&Story| catch_unwind(AssertUnwindSafe(|| play(story))).is_err();
    let untrue: Vec<_> = STORIES.iter().filter(untrue).map(|story| story.about).collect();
    assert!(untrue.is_empty(), "{} of {}: {untrue:#?}", untrue.len(), STORIES.len());
}

fn play(story: &Story) {
    let town = Town::new();
    town.policy("offer", &redemption(story.offer.0, story.offer.1, story.offer.2));
    program(&town, story, None);
    let about = story.about;
    let stage = InTown { town: &town, story, ledger: "l.db" };
    let events = tell(about, story.rows, &stage);
    let applied = town.replay("l.db");
    let again = town.run("l.db", &events, &["--json"]).json();
    assert_eq!(again["applied"], 0, "{about}: nothing is applied twice");
    assert!(applied > 0, "{about}");
    if !story.rows.iter().any(|row| row.starts_with("until ")) {
        town.run("all.db", &events, &["--threads", "8"]);
        assert_eq!(balances(&town, "all.db"), balances(&town, "l.db"), "{about}: all at once");
        assert_eq!(town.replay("all.db"), applied, "{about}: all at once");
    }
}

struct InTown<'a> {
    town: &'a Town,
    story: &'a Story,
    ledger: &'a str,
}

impl Stage for InTown<'_> {
    fn until(&self, day: &str) {
        program(self.town, self.story, Some(day));
    }

    fn apply(&self, event: &Value) -> (Option<i32>, String) {
        let done = self.town.run(self.ledger, std::slice::from_ref(event), &[]);
        (done.code, done.err)
    }

    fn balances(&self) -> String {
        balances(self.town, self.ledger)
    }
}

fn balances(town: &Town, ledger: &str) -> String {
    town.done(&["balance", "--ledger", ledger, "--json"]).out
}

/// Writes the program; with a day, points that are awarded from now on end with it.
fn program(town: &Town, story: &Story, until: Option<&str>) {
    town.program(&[("spend", "spend", "base", "")]);
    let program = town.read("program.toml");
    let unit = until.map(|day| format!("[[unit]]\nid = \"points\"\nexpires = {{ date = \"{day}\" }}"));
    let program = unit.map_or(program.clone(), |unit| program.replace("[[unit]]\nid = \"points\"", &unit));
    let offer = format!("[[redemption]]\nid = 'offer'\npolicy = 'offer'\nunit = 'points'\n{}\n", story.lines);
    town.write("program.toml", format!("{program}\n{offer}"));
}

/// D9: what lapsed is dated to its midnight, however late the close is sent; the days before it are not forgotten.
#[test]
fn points_lapse_once_at_their_midnight() {
    let town = Town::new();
    town.policy("offer", &redemption(10, 0, 0));
    let story = Story { about: "D9", offer: (10, 0, 0), lines: "", rows: &[] };
    let stage = InTown { town: &town, story: &story, ledger: "l.db" };
    program(&town, &story, None);
    let rows = [
        "until 2026-03-30",
        "buy 1 ann 2026-01-01 100",
        "until 2026-03-31",
        "buy 2 ann 2026-01-02 20",
        "buy 3 bob 2026-01-02 7",
        "close 2026-03-31 2026-04-02",
        "close 2026-03-31 2026-04-03",
    ];
    let events = tell(story.about, &rows, &stage);
    let statement = |member: &str| -> Vec<String> {
        let done = town.done(&["statement", "--ledger", "l.db", "--json", member]);
        let lines =
            done.out.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is an object"));
        let lapsed = lines.filter(|line| line["moves"][0]["kind"] == "expiry");
        lapsed.map(|line| format!("{} {}", line["time"], line["moves"][0]["points"])).collect()
    };
    assert_eq!(statement("ann"), ["\"2026-03-31T00:00:00+08:00\" -100", "\"2026-04-01T00:00:00+08:00\" -20"]);
    assert_eq!(statement("bob"), ["\"2026-04-01T00:00:00+08:00\" -7"]);
    let again = town.run("l.db", &events, &["--json"]).json();
    assert_eq!((&again["applied"], &again["duplicate"]), (&0.into(), &5.into()), "{again}");
}

/// Terms, prices and who is paid are derived from the request, not read from the receipt that is checked.
#[test]
fn replay_notices_what_a_redemption_was_not() {
    let story = Story {
        about: "replay",
        offer: (100, 0, 0),
        lines: "cancel = { member = { fee = '0.5' } }",
        rows: &[],
    };
    let rows = [
        "buy 1 ann 2026-03-01 250",
        "ask r1 ann 2026-03-02",
        "use r1 2026-03-02T12:01",
        "back r1 2026-03-03 member 40",
    ];
    for (place, from, to, difference) in [
        (2, "\"had\":250,\"points\":100", "\"had\":99,\"points\":99", "data.points: insufficient"),
        (3, "\"merchant\":\"shop\"", "\"merchant\":\"shop2\"", "the receipt: redemptions[0].merchant"),
        (3, "\"points\":100", "\"points\":90", "the receipt: postings[1].points"),
        (4, "\"points\":20", "\"points\":40", "the receipt: postings[0].points"),
    ] {
        let town = Town::new();
        town.policy("offer", &redemption(100, 0, 0));
        program(&town, &story, None);
        tell(story.about, &rows, &InTown { town: &town, story: &story, ledger: "sqlite:l.db" });
        let ledger = rusqlite::Connection::open(town.path("l.db")).expect("it is a ledger");
        let change = "UPDATE transactions SET receipt = CAST(replace(CAST(receipt AS TEXT), ?2, ?3) AS BLOB) WHERE seq = ?1";
        ledger.execute(change, rusqlite::params![place, from, to]).expect("it can be changed");
        drop(ledger);
        let done = town.done(&["audit", "replay", "--ledger", "sqlite:l.db"]);
        assert_eq!(done.code, Some(1), "{place} {to}: {done:?}");
        let expected = format!("receipt {place}: differs in {difference}");
        assert!(done.err.contains(&expected), "{place} {to}: expected {expected}, got {}", done.err);
    }
}
