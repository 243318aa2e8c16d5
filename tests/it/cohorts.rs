//! What became of points by the period in which they were awarded, through the command line; and what of it is revenue.

use serde_json::Value;

use crate::components::redemption;
use crate::story::event;
use crate::town::{Town, text};

/// A story, and what is told of its cohorts.
struct Story {
    about: &'static str,
    /// Further lines of the unit, of the deployment, and of the program behind both.
    unit: &'static str,
    deployment: &'static str,
    program: &'static str,
    /// How many points a redemption costs.
    costs: u64,
    /// See `story.rs`. Points are a purchase's yuan, and the shop's.
    rows: &'static [&'static str],
    /// Arguments, and for each cohort every figure that is not zero.
    told: &'static [(&'static str, &'static str)],
}

const PLAIN: Story =
    Story { about: "", unit: "", deployment: "", program: "", costs: 100, rows: &[], told: &[] };

const STORIES: &[Story] = &[
    Story {
        // Of 1,000, 300 are used and 100 of them come back; those and 100 more lapse, and 50 are taken back.
        about: "A30 everything that can become of points",
        unit: "expires = { months = 2 }",
        costs: 300,
        rows: &[
            "buy 1 ann 2026-01-01 300",
            "ask r1 ann 2026-01-01T13:00",
            "use r1 2026-01-01T13:01",
            "buy 2 ann 2026-01-02 100",
            "back r1 2026-01-03 member 100",
            "buy 3 ann 2026-02-01 550 50",
            "return 3 2026-02-02 a1:50",
            "close 2026-03-02 2026-03-03T00:00",
        ],
        told: &[
            ("", "2026: issued 1000 restored 100 redeemed 300 expired 200 clawed_back 50 outstanding 550"),
            (
                "--merchant shop",
                "2026: issued 1000 restored 100 redeemed 300 expired 200 clawed_back 50 outstanding 550",
            ),
            ("--merchant other", ""),
            ("--merchant platform", ""),
            (
                "--by month",
                "2026-01: issued 400 restored 100 redeemed 300 expired 200, 2026-02: issued 600 clawed_back 50 outstanding 550",
            ),
            // The midnight that ends a day is the day's.
            ("--through 2026-01-02", "2026: issued 400 redeemed 300 outstanding 100"),
            (
                "--through 2026-03-01",
                "2026: issued 1000 restored 100 redeemed 300 expired 100 clawed_back 50 outstanding 650",
            ),
            ("--through 2025-12-31", ""),
        ],
        ..PLAIN
    },
    Story {
        about: "what is pending is outstanding, and what is held is not",
        deployment: "available = { days = 14 }",
        rows: &["buy 1 ann 2026-03-31 100", "buy 2 ann 2026-04-01 100", "ask r1 ann 2026-04-15"],
        told: &[
            ("--by quarter", "2026-Q1: issued 100 held 100, 2026-Q2: issued 100 outstanding 100"),
            (
                "--by quarter --through 2026-04-13",
                "2026-Q1: issued 100 outstanding 100 pending 100, 2026-Q2: issued 100 outstanding 100 pending 100",
            ),
            (
                "--by quarter --through 2026-04-14",
                "2026-Q1: issued 100 outstanding 100, 2026-Q2: issued 100 outstanding 100 pending 100",
            ),
        ],
        ..PLAIN
    },
    Story {
        about: "points stay in their cohort, whoever has them and whatever they are",
        unit: "expires = { months = 6 }",
        program: "[redemption.cancel]\ncarrier = { extend = { months = 6 } }\n[[exchange]]\nunit = 'points'\ninto = 'green'\nrate = '0.1'",
        rows: &[
            "buy 1 ann 2026-01-01 300",
            "give ann bob 2026-02-01 150",
            "give bob cai 2026-03-01 120",
            "ask r1 cai 2026-04-01",
            "use r1 2026-04-01T12:01",
            "back r1 2026-05-01 carrier",
            "ask r2 cai 2026-06-01",
            "swap ann green 2026-06-02 40",
        ],
        told: &[
            (
                "--by month",
                "2026-01 green: exchanged 4 outstanding 4, 2026-01: issued 300 restored 100 exchanged -40 redeemed 100 outstanding 160 held 100",
            ),
            // What came back in May is a lot of its own from then on.
            ("--by month --through 2026-04-30", "2026-01: issued 300 redeemed 100 outstanding 200"),
        ],
        ..PLAIN
    },
    Story {
        about: "what a member owes is taken from the cohort that pays",
        rows: &[
            "buy 1 ann 2025-12-31 100",
            "ask r1 ann 2026-01-01",
            "use r1 2026-01-01T12:01",
            "return 1 2026-01-02",
            "buy 2 ann 2026-01-03 130",
        ],
        told: &[("", "2025: issued 100 redeemed 100, 2026: issued 130 clawed_back 100 outstanding 30")],
        ..PLAIN
    },
];

fn town(story: &Story) -> Town {
    let town = Town::new();
    town.policy("offer", &redemption(story.costs, 0, 0));
    town.program(&[("spend", "spend", "base", story.deployment)]);
    let text = town.read("program.toml").replace("issuer = 'platform'", "issuer = 'merchant'");
    let text = text.replace("id = \"points\"", &format!("id = \"points\"\n{}", story.unit));
    let more = "[[unit]]\nid = 'green'\n[[merchant]]\nid = 'other'\n[[redemption]]\nid = 'offer'\npolicy = 'offer'\nunit = 'points'";
    town.write("program.toml", format!("{text}\n{more}\n{}\n", story.program));
    let events: Vec<_> = story.rows.iter().enumerate().map(|(n, row)| event(n, row)).collect();
    if !events.is_empty() {
        town.summary("l.db", &events);
    }
    town
}

fn cohorts(town: &Town, arguments: &str) -> Vec<Value> {
    let more: Vec<_> = arguments.split(' ').filter(|argument| !argument.is_empty()).collect();
    let done = town.done(&[&["cohorts", "--ledger", "l.db", "--json"], more.as_slice()].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    done.out.lines().map(|line| serde_json::from_str(line).expect("a line is an object")).collect()
}

/// Returns a cohort's figures that are not zero; what was awarded must be where it went.
fn told(line: &Value) -> String {
    let figure = |name: &str| line[name].as_i64().expect("a figure");
    let sum = |names: &[&str]| names.iter().map(|name| figure(name)).sum::<i64>();
    let (come, gone) = (["issued", "restored", "exchanged"], ["redeemed", "expired", "clawed_back"]);
    assert_eq!(sum(&come), sum(&gone).saturating_add(sum(&["outstanding", "held"])), "{line}");
    assert_eq!(text(&line["issuer"]), "merchant/shop");
    let names = come.into_iter().chain(gone).chain(["outstanding", "pending", "held"]);
    let figures: Vec<_> =
        names.filter(|name| figure(name) != 0).map(|name| format!("{name} {}", figure(name))).collect();
    let unit = if line["unit"] == "points" { String::new() } else { format!(" {}", text(&line["unit"])) };
    format!("{}{unit}: {}", text(&line["cohort"]), figures.join(" "))
}

#[test]
fn points_add_up_by_cohort() {
    for story in STORIES {
        let town = town(story);
        for (arguments, expected) in story.told {
            let lines: Vec<_> = cohorts(&town, arguments).iter().map(told).collect();
            assert_eq!(lines.join(", "), *expected, "{}: {arguments}", story.about);
        }
        town.replay("l.db");
    }
}

/// G2: A19 before its refund step, and the 400 that are left lapse.
#[test]
fn what_lapses_is_shared_and_leaves_nothing() {
    let contract = "[[contract]]\nissuer = 'shop'\nunit = 'points'\ncurrency = 'CNY'\naccrual = '0.8'\nredemption = '0.7'\nbreakage = '0.4'";
    let rows = [
        "buy 1 ann 2026-01-01 1000",
        "ask r1 ann 2026-01-02",
        "use r1 2026-01-02T12:01",
        "close 2026-03-01 2026-03-02T00:00",
    ];
    let town = town(&Story { unit: "expires = { months = 2 }", program: contract, costs: 600, ..PLAIN });
    let mut events: Vec<_> = rows.iter().enumerate().map(|(n, row)| event(n, row)).collect();
    events[1]["data"]["merchant"] = "other".into();
    let end = events.pop().expect("there is a close");
    town.summary("l.db", &events);
    let settle = || town.done(&["settle", "--ledger", "l.db"]).out;
    let told_so = settle();
    assert!(
        told_so.ends_with("pool gets 3.80 CNY\nmerchant/other gets 4.20 CNY\nmerchant/shop pays 8.00 CNY\n"),
        "{told_so}"
    );
    town.summary("l.db", &[end]);
    let told_so = settle();
    assert!(told_so.contains("400 points of merchant/shop at 0.4 each: 1.60 CNY"), "{told_so}");
    assert!(told_so.ends_with("pool pays 1.60 CNY\nmerchant/shop gets 1.60 CNY\n"), "{told_so}");
    let lines: Vec<_> = cohorts(&town, "").iter().map(told).collect();
    assert_eq!(lines, ["2026: issued 1000 redeemed 600 expired 400"]);
}

const HEADER: &str = "merchant,unit,cohort,period,currency,allocated,expected\n";

/// Ten thousand points of 2021, of which 4,500 are used in 2022 and 4,000 in 2023.
const G1: Story = Story {
    costs: 4_500,
    rows: &[
        "buy 1 ann 2021-06-01 10000",
        "ask r1 ann 2022-06-01",
        "use r1 2022-06-01T12:01",
        "ask r2 ann 2023-06-01",
        "use r2 2023-06-01T12:01 4000",
    ],
    ..PLAIN
};

/// G1, by hand: 900,000 × 4,500 / 9,700 = 417,525.77, and 900,000 × 8,500 / 9,900 = 772,727.27 or / 9,200 = 831,521.74.
#[test]
fn revenue_follows_redemption_and_the_estimate_of_its_time() {
    let town = town(&G1);
    let first = format!("{HEADER}shop, points ,2021,2021,CNY,900000,9700\n");
    let revenue = |revised: &str, arguments: &str| {
        town.write("estimates.csv", format!("{first}{revised}"));
        let lines = cohorts(&town, &format!("--estimates estimates.csv {arguments}"));
        let revenue = lines[0]["revenue"].as_array().expect("revenue").iter();
        let told =
            revenue.map(|it| format!("{} {}/{}", text(&it["period"]), it["revenue"], it["cumulative"]));
        told.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(revenue("", ""), "2021 0/0, 2022 417526/417526, 2023 371134/788660");
    let up = "shop,points,2021,2023,CNY,900000,9900\n";
    assert_eq!(revenue(up, ""), "2021 0/0, 2022 417526/417526, 2023 355201/772727");
    let down = "shop,points,2021,2023,CNY,900000,9200\n";
    assert_eq!(revenue(down, ""), "2021 0/0, 2022 417526/417526, 2023 413996/831522");
    assert_eq!(revenue(down, "--through 2022-12-31"), "2021 0/0, 2022 417526/417526");

    assert!(cohorts(&town, "--estimates estimates.csv --through 2021-05-31").is_empty());

    let words = town.done(&["cohorts", "--ledger", "l.db", "--estimates", "estimates.csv"]).out;
    assert_eq!(
        words,
        "2021 points of merchant/shop: 10000 issued, 0 restored, 0 exchanged, 8500 redeemed, 0 expired, 0 clawed back; \
         1500 outstanding, of which 0 pending, and 0 held\n  \
         2021: 0 of 9700 redeemed, 0.00 of 9000.00 CNY is revenue, 0.00 of it new\n  \
         2022: 4500 of 9700 redeemed, 4175.26 of 9000.00 CNY is revenue, 4175.26 of it new\n  \
         2023: 8500 of 9200 redeemed, 8315.22 of 9000.00 CNY is revenue, 4139.96 of it new\n"
    );

    // What comes back is not redeemed: 900,000 × 8,000 / 9,200 = 782,608.70.
    town.summary("l.db", &[event(5, "back r2 2024-01-01 member 500")]);
    assert_eq!(
        revenue(down, "").split_off("2021 0/0, ".len()),
        "2022 417526/417526, 2023 413996/831522, 2024 -48913/782609"
    );
}

#[test]
fn an_estimate_that_is_wrong_is_named_with_line_and_column() {
    let town = town(&G1);
    let good = "shop,points,2021,2021,CNY,900000,9700";
    let complaint = |file: String, arguments: &[&str]| {
        town.write("e.csv", file);
        let done = town.done(&[&["cohorts", "--ledger", "l.db", "--estimates", "e.csv"], arguments].concat());
        assert_eq!((done.code, &*done.out), (Some(2), ""), "{done:?}");
        done.err
    };
    for (row, told) in [
        (",points,2021,2021,CNY,1,1", "column merchant: is empty; write a merchant, or platform"),
        ("shop,points,2021-01,2021,CNY,1,1", "column cohort: \"2021-01\" is not a year; write it as 2026"),
        ("shop,points,2022,22,CNY,1,1", "column period: \"22\" is not a year"),
        (
            "shop,points,2022,2021,CNY,1,1",
            "column period: is 2021, before the points were awarded; write 2022 or later",
        ),
        (
            "shop,points,2022,2022,yuan,1,1",
            "column currency: \"yuan\" is no currency; write three capital letters",
        ),
        (
            "shop,points,2022,2022,CNY,9000.50,1",
            "column allocated: invalid digit found in string; write a whole number",
        ),
        ("shop,points,2022,2022,CNY,-1,1", "column allocated: invalid digit found in string"),
        (
            "shop,points,2022,2022,CNY,1000000000000001,1",
            "column allocated: is 1000000000000001; at most 1000000000000000",
        ),
        ("shop,points,2022,2022,CNY,1,many", "column expected: invalid digit found in string"),
        ("shop,points,2022,2022,CNY,1,1000000000000001", "column expected: is 1000000000000001; at most"),
        (
            "shop,points,2021,2022,USD,900000,1",
            "column currency: is USD, and CNY in line 2 for the same cohort",
        ),
        (
            "shop,points,2021,2022,CNY,900001,1",
            "column allocated: is 900001, and 900000 in line 2 for the same cohort; only what",
        ),
        (good, "column period: 2021 has an estimate already; keep one"),
        (
            "shop,points,2022,2022,CNY,1,1",
            "column cohort: the ledger has no points of merchant/shop that were awarded in 2022",
        ),
        ("platform,points,2021,2021,CNY,1,1", "column cohort: the ledger has no points of platform"),
    ] {
        let found = complaint(format!("{HEADER}{good}\n{row}\n"), &[]);
        assert!(found.contains(&format!("e.csv, line 3, {told}")), "{row}: {found}");
    }
    let found = complaint(format!("{HEADER}{good},more\n"), &[]);
    assert!(found.contains("e.csv") && found.contains("line: 2"), "{found}");
    let found = complaint(format!("{}{good}\n", HEADER.replace("expected", "hoped")), &[]);
    assert!(found.contains("unknown field `hoped`"), "{found}");
    let found = complaint(format!("{HEADER}{good}\n"), &["--by", "quarter"]);
    assert!(found.contains("column cohort: \"2021\" is not a quarter; write it as 2026-Q1"), "{found}");
    let found = town.done(&["cohorts", "--ledger", "l.db", "--merchant", "shp"]);
    assert!(found.code == Some(2) && found.err.contains("its program no such merchant"), "{found:?}");
    let found = town.done(&["cohorts", "--ledger", "l.db", "--estimates", "nowhere.csv"]);
    assert!(found.code == Some(2) && found.err.contains("read nowhere.csv"), "{found:?}");
}
