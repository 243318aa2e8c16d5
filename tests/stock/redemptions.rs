//! Scenarios of the specification in which points are used: what a stock policy takes points for.

use std::fs;
use std::path::Path;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::story::{Stage, tell};
use crate::{components, jifen_in, new_ledger, run};

/// A scenario: a program, and a story.
struct Scenario {
    id: &'static str,
    /// Points for each yuan.
    earns: &'static str,
    /// `[[redemption]]` tables.
    redemptions: &'static str,
    /// See `story.rs`.
    rows: &'static [&'static str],
}

/// The lipstick of A10: cheaper on the 25th.
const LIPSTICK: &str = "[[redemption]]\nid = 'gifts'\npolicy = 'catalogue'\nunit = 'points'\n\
    parameters.items.lipstick = { points = 1000, prices = [{ day_of_month = 25, points = 800 }] }\n";

/// The 31st of every month, in both readings of A11.
const LAST_DAYS: &str = "[[redemption]]\nid = 'gifts'\npolicy = 'catalogue'\nunit = 'points'\n\
    [redemption.parameters.items]\n\
    none = { points = 9, prices = [{ day_of_month = 31, on_missing_day = 'skip', points = 1 }] }\n\
    last = { points = 9, prices = [{ day_of_month = 31, on_missing_day = 'last_day', points = 1 }] }\n";

const RECALL: &str = "[[redemption]]\nid = 'gifts'\npolicy = 'catalogue'\nunit = 'points'\n\
    parameters.items.set = { points = 500, cash = 990 }\n";

/// 中秋 of 2025 and 2026, from ten days before.
const BOX: &str = "[[redemption]]\nid = '2025'\npolicy = 'catalogue'\nunit = 'points'\n\
    parameters.items.box = { points = 1, window = { first = '2025-09-26', last = '2025-10-06' } }\n\
    [[redemption]]\nid = '2026'\npolicy = 'catalogue'\nunit = 'points'\n\
    parameters.items.box = { points = 1, window = { first = '2026-09-15', last = '2026-09-25' } }\n";

const STAPLES: &str = "[[redemption]]\nid = 'deduction'\npolicy = 'deduction'\nunit = 'points'\n\
    covers = { tags = ['staples'] }\n\
    parameters = { points = 100, per = 100, of = 'goods', only_tags = ['staples'], share = '0.3' }\n";

const FREIGHT: &str = "[[redemption]]\nid = 'freight'\npolicy = 'deduction'\nunit = 'points'\ncovers = 'freight'\n\
    parameters = { points = 25, per = 100, of = 'freight', max = 800 }\n";

const FREIGHT_CEIL: &str = "[[redemption]]\nid = 'freight'\npolicy = 'deduction'\nunit = 'points'\ncovers = 'freight'\n\
    parameters = { points = 25, per = 100, of = 'freight', max = 800, rounding = 'ceil' }\n";

const A_FEN: &str = "[[redemption]]\nid = 'deduction'\npolicy = 'deduction'\nunit = 'points'\n\
    parameters = { points = 1, per = 1 }\n";

const HALF: &str = "[[redemption]]\nid = 'deduction'\npolicy = 'deduction'\nunit = 'points'\n\
    parameters = { points = 1, per = 1, share = '0.5' }\n";

const HUNDREDS: &str = "[[redemption]]\nid = 'deduction'\npolicy = 'deduction'\nunit = 'points'\n\
    parameters = { points = 1, per = 1, multiple = 100, min_points = 500 }\n";

const SEVEN: &str = "[[redemption]]\nid = 'deduction'\npolicy = 'deduction'\nunit = 'points'\n\
    parameters = { points = 1, per = 7 }\n";

const THREES: &str = "[[redemption]]\nid = 'deduction'\npolicy = 'deduction'\nunit = 'points'\n\
    parameters = { points = 1, per = 100, multiple = 3 }\n";

const GIFT: &str = "[[redemption]]\nid = 'gifts'\npolicy = 'catalogue'\nunit = 'points'\n\
    parameters.items.gift = { points = 500 }\n";

const A_YUAN: &str = "[[redemption]]\nid = 'deduction'\npolicy = 'deduction'\nunit = 'points'\n\
    parameters = { points = 1, per = 100 }\n";

const SCENARIOS: &[Scenario] = &[
    Scenario {
        id: "A10 monthly redemption day",
        earns: "1",
        redemptions: LIPSTICK,
        rows: &[
            "buy 1 ann 2026-03-01 900",
            "ask r1 ann 2026-03-24T23:59:59 lipstick -> no data.points: insufficient: 1000 points are needed and 900 can be spent, 100 short",
            "ask r2 ann 2026-03-25T00:00 lipstick -> ann 100 800 held",
            "use r2 2026-03-25T00:01 -> ann 100",
            "ask r3 ann 2026-03-26T00:00 lipstick -> no data.points: insufficient: 1000",
            "ask r4 ann 2026-03-25T00:02 comb -> no data.item: declined: gifts says no-such-item",
        ],
    },
    Scenario {
        id: "A11 the 31st of April",
        earns: "1",
        redemptions: LAST_DAYS,
        rows: &[
            "buy 1 ann 2026-03-01 100",
            "ask r1 ann 2026-03-31 none -> ann 99 1 held",
            "ask r2 ann 2026-03-31 last -> ann 98 2 held",
            "ask r3 ann 2026-04-30 none -> ann 91 9 held",
            "ask r4 ann 2026-04-30 last -> ann 90 10 held",
            "ask r5 ann 2026-05-01 last*2 -> ann 82 18 held",
        ],
    },
    Scenario {
        id: "A13 recall with points and a little cash",
        earns: "1",
        redemptions: RECALL,
        rows: &[
            "until 2026-05-15",
            "buy 1 ann 2026-01-01 300",
            "until 2026-12-31",
            "buy 2 ann 2026-01-02 400",
            "ask r1 ann 2026-05-01 set",
            "use r1 2026-05-01T12:01 -> ann 200",
            "buy 3 ann 2026-05-01T12:02 9.90 -> ann 209",
            "buy 4 bob 2026-05-16T00:00 1 -> ann 209, bob 1",
        ],
    },
    Scenario {
        id: "A16 points for staples",
        earns: "1",
        redemptions: STAPLES,
        rows: &[
            "buy 1 ann 2026-03-01 2000",
            "bill r1 ann 2026-03-16 58.80#staples 100 -> ann 236 1764 held",
            "use r1 2026-03-16T12:01",
            "buy 2 ann 2026-03-16T12:02 58.80#staples 100 r1:17.64 -> ann 377",
            "return 2 2026-03-17 a1:100 -> ann 277",
            "return 2 2026-03-18 a0:58.80 -> ann 2000",
        ],
    },
    Scenario {
        id: "A17 green freight",
        earns: "1",
        redemptions: FREIGHT,
        rows: &[
            "buy 1 ann 2026-03-01 600",
            "bill r1 ann 2026-03-02 50 freight:6 -> ann 450 150 held",
            "free r1 2026-03-02T12:01",
            "bill r2 ann 2026-03-03 50 freight:6.30 -> ann 443 157 held",
            "free r2 2026-03-03T12:01",
            "bill r3 ann 2026-03-04 50 freight:12 -> ann 400 200 held",
            "use r3 2026-03-04T12:01",
            "buy 2 ann 2026-03-04T12:02 50 freight:12 r3:8 -> ann 443",
            "return 2 2026-03-05 a0:50 -> ann 400",
            "return 2 2026-03-06 freight:12 -> ann 600",
        ],
    },
    Scenario {
        id: "A17 ceil",
        earns: "1",
        redemptions: FREIGHT_CEIL,
        rows: &["buy 1 ann 2026-03-01 600", "bill r1 ann 2026-03-02 50 freight:6.30 -> ann 442 158 held"],
    },
    Scenario {
        id: "A27 festival box",
        earns: "1",
        redemptions: BOX,
        rows: &[
            "buy 1 ann 2025-09-01 10",
            "ask r1 ann 2025-09-25 box -> no data.item: declined: 2025 says not-available, 2026 says not-available",
            "ask r2 ann 2025-09-26T00:00 box -> ann 9 1 held",
            "ask r3 ann 2025-10-06T23:59:59 box -> ann 9 1 held",
            "ask r4 ann 2025-10-07T00:00 box -> no data.item: declined: 2025 says not-available",
            "ask r5 ann 2026-09-25T23:59:59 box -> ann 9 1 held",
            "ask r6 ann 2026-09-26T00:00 box -> no data.item: declined",
        ],
    },
    Scenario {
        id: "C7 whole multiples",
        earns: "1",
        redemptions: THREES,
        rows: &[
            "buy 1 ann 2026-03-01 10",
            "buy 2 ann 2026-03-02 1",
            "bill r1 ann 2026-03-02T12:01 100 -> ann 2 9 held",
        ],
    },
    Scenario {
        id: "C8 an order is not paid with what it earns",
        earns: "0.1",
        redemptions: A_YUAN,
        rows: &[
            "buy 1 ann 2026-03-01 1000 -> ann 100",
            "bill r1 ann 2026-03-02 265 -> ann 0 100 held",
            "use r1 2026-03-02T12:01",
            "buy 2 ann 2026-03-02T12:02 265 r1:100 -> ann 16",
        ],
    },
    Scenario {
        id: "C9 first in, first out",
        earns: "5",
        redemptions: GIFT,
        rows: &[
            "buy 1 ann 2026-03-01 115 -> ann 575",
            "ask r1 ann 2026-03-02 gift",
            "use r1 2026-03-02T12:01 -> ann 75",
            "buy 2 ann 2026-03-03 161 -> ann 880",
            "ask r2 ann 2026-03-04 gift",
            "use r2 2026-03-04T12:01 -> ann 380",
            "return 1 2026-03-05 -> ann 0 -195 owed",
        ],
    },
    Scenario {
        id: "C14 no more than wanted",
        earns: "1",
        redemptions: A_FEN,
        rows: &[
            "buy 1 ann 2026-03-01 5000",
            "bill r1 ann 2026-03-02 100 1000",
            "free r1 2026-03-02T12:01 -> ann 5000",
        ],
    },
    Scenario {
        id: "C14 no more than there is",
        earns: "1",
        redemptions: A_FEN,
        rows: &["buy 1 ann 2026-03-01 700", "bill r1 ann 2026-03-02 100 -> ann 0 700 held"],
    },
    Scenario {
        id: "C14 half of the order",
        earns: "1",
        redemptions: HALF,
        rows: &["buy 1 ann 2026-03-01 10000", "bill r1 ann 2026-03-02 100 -> ann 5000 5000 held"],
    },
    Scenario {
        id: "C14 hundreds",
        earns: "1",
        redemptions: HUNDREDS,
        rows: &[
            "buy 1 ann 2026-03-01 1050",
            "bill r1 ann 2026-03-02 100 -> ann 50 1000 held",
            "buy 2 bob 2026-03-02T12:01 400",
            "bill r2 bob 2026-03-02T12:02 100 -> no data.lines: declined: deduction says below-minimum",
        ],
    },
    Scenario {
        id: "C15 points cover all but what a point is too much for",
        earns: "1",
        redemptions: SEVEN,
        rows: &["buy 1 ann 2026-03-01 1000", "bill r1 ann 2026-03-02 9.99 -> ann 858 142 held"],
    },
    Scenario {
        id: "E6 mixed tender",
        earns: "1",
        redemptions: "[[redemption]]\nid = 'deduction'\npolicy = 'deduction'\nunit = 'points'\n\
            parameters = { points = 100, per = 100, max = 2000 }\n",
        rows: &[
            "buy 1 ann 2026-01-01 2000",
            "bill r1 ann 2026-02-01 60 40 -> ann 0 2000 held",
            "use r1 2026-02-01T12:01",
            "buy 2 ann 2026-02-01T12:02 60 40 r1:20 -> ann 80",
            "return 2 2026-02-02 a1:40 -> ann 848",
            "return 2 2026-02-03 a0:60 -> ann 2000",
        ],
    },
    Scenario {
        id: "E11 what is paid in points earns nothing",
        earns: "1",
        redemptions: A_YUAN,
        rows: &[
            "buy 1 ann 2026-01-01 59",
            "bill r1 ann 2026-02-01 106 -> ann 0 59 held",
            "free r1 2026-02-01T12:01",
            "bill r2 ann 2026-02-01T12:02 50",
            "use r2 2026-02-01T12:03 -> ann 9",
            "buy 2 ann 2026-02-01T12:04 106 r2:50 -> ann 65",
        ],
    },
];

pub(crate) fn trials() -> Vec<Trial> {
    SCENARIOS
        .iter()
        .map(|scenario| Trial::test(scenario.id, || play(scenario)).with_kind("scenario"))
        .collect()
}

fn play(scenario: &Scenario) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let stage = InFolder { folder: folder.path(), ledger: new_ledger(), scenario };
    stage.program("");
    tell(scenario.id, scenario.rows, &stage);
    run(&mut jifen_in(stage.folder, &["audit", "replay", "--ledger", &stage.ledger]));
    run(&mut jifen_in(stage.folder, &["audit", "check", "--ledger", &stage.ledger]));
    Ok(())
}

struct InFolder<'a> {
    folder: &'a Path,
    ledger: String,
    scenario: &'a Scenario,
}

impl InFolder<'_> {
    fn program(&self, expires: &str) {
        let Scenario { earns, redemptions, .. } = self.scenario;
        let program = format!(
            "[program]\nname = 's'\ntimezone = 'Asia/Shanghai'\n[[unit]]\nid = 'points'\n{expires}\n[[merchant]]\nid = 'shop'\n\
             [[lane]]\nid = 'base'\n[[deployment]]\nid = 'spend'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\n\
             issuer = 'platform'\nparameters = {{ points = '{earns}', per = 100 }}\n{redemptions}",
        );
        fs::write(self.folder.join("program.toml"), program).expect("the folder can be written");
    }
}

impl Stage for InFolder<'_> {
    fn until(&self, day: &str) {
        self.program(&format!("expires = {{ date = '{day}' }}"));
    }

    fn apply(&self, event: &Value) -> (Option<i32>, String) {
        fs::write(self.folder.join("events.jsonl"), format!("{event}\n")).expect("the folder can be written");
        let mut jifen = jifen_in(
            self.folder,
            &["run", "--ledger", &self.ledger, "--program", "program.toml", "--policies"],
        );
        let output = jifen.arg(components()).arg("events.jsonl").output().expect("jifen starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn balances(&self) -> String {
        run(&mut jifen_in(self.folder, &["balance", "--json", "--ledger", &self.ledger]))
    }
}
