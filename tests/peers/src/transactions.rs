//! Random transactions: the same ones for everybody, and the same ones next time.

use std::collections::BTreeMap;

use jifen_loyalty::day::BusinessDay;
use jifen_loyalty::event::{self, Occasion, Purchase};
use jifen_loyalty::facts::Known;
use jifen_loyalty::points::Points;
use rule::{Award, Line, Parameters, Transaction};
use rules_guest::calendar::Day;

const LINES: usize = 5;
const CATEGORIES: [&str; 6] = ["staples", "vegetables", "pastry", "household", "stationery", "tobacco"];
const TAGS: [&[&str]; 5] = [&[], &[], &["new"], &["eco"], &["local", "eco"]];

/// A transaction as the peers take it and as Jifen has it, and what all must answer.
pub(crate) struct Sample {
    pub(crate) transaction: Transaction,
    pub(crate) occasion: Occasion,
    pub(crate) today: BusinessDay,
    pub(crate) known: Known,
    pub(crate) expected: Vec<Award>,
}

pub(crate) fn random(seed: u64, count: usize) -> Vec<Sample> {
    let mut random = Random(seed);
    let first = Day::from_civil(2025, 1, 1).expect("the tables cover it").number();
    (0..count).map(|number| sample(&mut random, first, number)).collect()
}

fn sample(random: &mut Random, first: i32, number: usize) -> Sample {
    let day = first + i32::try_from(random.below(730)).expect("below 730");
    let day = Day::from_number(day).expect("the tables cover it");
    // The tier begins in the middle, and every third member is near the cap or beyond it.
    let lifetime_spend = random.below(1_000_000);
    let granted = if random.below(3) == 0 { 1_500 + random.below(600) } else { random.below(1_000) };
    let lines = (0..LINES).map(|_| line(random)).collect();
    let transaction = Transaction { lines, lunar_day: day.lunar().day, lifetime_spend, granted };
    Sample {
        occasion: Occasion::Purchase(purchase(&transaction.lines, number)),
        today: BusinessDay { day, market_day: false, second_of_day: 42_806 },
        known: known(&day, lifetime_spend, granted),
        expected: rule::evaluate(&Parameters::of_the_comparison(), &transaction),
        transaction,
    }
}

fn line(random: &mut Random) -> Line {
    Line {
        category: random.one_of(&CATEGORIES).to_string(),
        quantity: 1 + random.below(4),
        amount: random.below(12_000),
        tags: random.one_of(&TAGS).iter().map(|tag| tag.to_string()).collect(),
    }
}

fn purchase(lines: &[Line], number: usize) -> Purchase {
    let line = |(index, line): (usize, &Line)| event::Line {
        sku: format!("1095{index:03}"),
        category: line.category.clone(),
        quantity: line.quantity,
        amount_minor: line.amount,
        tags: line.tags.clone(),
    };
    Purchase {
        order: format!("3119857{number:04}"),
        merchant: "store-330".into(),
        currency: "CNY".to_owned(),
        lines: lines.iter().enumerate().map(line).collect(),
        freight_minor: 0,
        discount_minor: 0,
        tenders: Vec::new(),
    }
}

/// What was granted this month fell on its first day and on this one; what was granted before it does not count.
fn known(day: &Day, lifetime_spend: u64, granted: u64) -> Known {
    let today = day.number();
    let first_of_month = today - i32::from(day.day_of_month()) + 1;
    let mut granted_by_day = BTreeMap::from([(first_of_month - 1, Points::MAX)]);
    for (day, points) in [(first_of_month, granted / 2), (today, granted - granted / 2)] {
        let points = Points::new(points).expect("a few points");
        let before = granted_by_day.entry(day).or_insert(Points::ZERO);
        *before = before.plus(points);
    }
    Known {
        today,
        purchase_count: 3,
        purchase_spend_minor: lifetime_spend,
        granted_by_day,
        ..Known::default()
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_of<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        let place = self.below(u64::try_from(things.len()).expect("a few"));
        &things[usize::try_from(place).expect("a few")]
    }
}
