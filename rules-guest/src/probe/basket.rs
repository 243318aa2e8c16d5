//! Purchases and requests that are made up.

use std::collections::BTreeSet;

use proptest::collection;
use proptest::prelude::{Just, Strategy, any};
use proptest::strategy::BoxedStrategy;
use proptest::{option, prop_oneof, sample};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Pinned;
use super::member::{Member, members};
use crate::calendar::Day;
use crate::case::{Case, Data, Event, Line, Outcome, Purchase, Request, Run, Tender, TenderKind};
use crate::total;

/// What amounts go up to, in minor units.
pub(super) const AMOUNT_MAX: u64 = 5_000_000;
/// The days on which things happen: four years of the table, with a leap day and a leap month.
const DAYS: [(i32, u8, u8); 2] = [(2025, 1, 1), (2028, 12, 31)];
/// How many names of the parameters are used at most.
const NAMES_MAX: usize = 24;

/// What parameters name: numbers that may be thresholds, and names that may be categories, tags or items.
#[derive(Clone, Debug)]
pub(super) struct Hints {
    amounts: Vec<u64>,
    pub(super) names: Vec<String>,
}

/// A purchase by a member on a day.
#[derive(Clone, Debug)]
pub(super) struct Basket {
    pub(super) day: Day,
    pub(super) market_day: bool,
    pub(super) lines: Vec<Line>,
    pub(super) discount: u64,
    /// What of it was paid in points, in minor units.
    pub(super) points_paid: u64,
    pub(super) member: Member,
}

/// A wish to use points.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) day: Day,
    pub(super) market_day: bool,
    /// The item and how many; none: a bill.
    pub(super) item: Option<(String, u64)>,
    pub(super) lines: Vec<Line>,
    pub(super) freight: u64,
    pub(super) wanted: Option<u64>,
    pub(super) member: Member,
}

impl Hints {
    pub(super) fn of(parameters: &RawValue) -> Self {
        let mut hints = Self { amounts: vec![1, 99, 100], names: vec!["goods".to_owned()] };
        hints.take(&serde_json::from_str(parameters.get()).unwrap_or_default());
        hints.amounts.sort_unstable();
        hints.amounts.dedup();
        let mut seen = BTreeSet::new();
        hints.names.retain(|name| seen.insert(name.clone()));
        hints.names.truncate(NAMES_MAX);
        hints
    }

    fn take(&mut self, value: &Value) {
        match value {
            Value::Number(number) => {
                let number = number.as_u64().unwrap_or(0);
                let near = [number.saturating_sub(1), number, number.saturating_add(1)];
                self.amounts.extend(near.into_iter().filter(|near| (1..=AMOUNT_MAX).contains(near)));
            }
            Value::String(name) => self.names.push(name.clone()),
            Value::Array(values) => values.iter().for_each(|value| self.take(value)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.names.push(name.clone());
                    self.take(value);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    pub(super) fn amounts(&self) -> BoxedStrategy<u64> {
        prop_oneof![1..20_000_u64, self.near(), 1..=AMOUNT_MAX].boxed()
    }

    /// Returns numbers of the parameters, and those beside them.
    pub(super) fn near(&self) -> BoxedStrategy<u64> {
        sample::select(self.amounts.clone()).boxed()
    }

    /// Returns lines: a name stands in a category or among the tags.
    fn lines(&self) -> BoxedStrategy<Vec<Line>> {
        let line = (self.amounts(), 1..4_u64, sample::select(self.names.clone()), any::<bool>()).prop_map(
            |(amount, quantity, name, tagged)| {
                let (category, tags) = if tagged { ("goods".to_owned(), vec![name]) } else { (name, vec![]) };
                Line { sku: "a".to_owned(), category, quantity, amount, tags }
            },
        );
        collection::vec(line, 1..4).boxed()
    }

    pub(super) fn baskets(&self) -> BoxedStrategy<Basket> {
        (any_day(), any::<bool>(), self.lines(), members(Pinned::new(), self))
            .prop_map(|(day, market_day, lines, member)| Basket {
                day,
                market_day,
                lines,
                discount: 0,
                points_paid: 0,
                member,
            })
            .boxed()
    }

    pub(super) fn wishes(&self) -> BoxedStrategy<Wish> {
        let item = (sample::select(self.names.clone()), 1..4_u64).prop_map(Some);
        let purpose = prop_oneof![
            (item, Just(vec![]), Just(0)),
            (Just(None), self.lines(), prop_oneof![Just(0_u64), 1..3_000_u64])
        ];
        ((any_day(), any::<bool>()), purpose, option::of(1..20_000_u64), members(Pinned::new(), self))
            .prop_map(|((day, market_day), (item, lines, freight), wanted, member)| Wish {
                day,
                market_day,
                item,
                lines,
                freight,
                wanted,
                member,
            })
            .boxed()
    }
}

/// Returns the days on which things happen.
pub(super) fn days() -> impl Iterator<Item = Day> {
    let [first, last] = DAYS.map(|(year, month, day)| {
        Day::from_civil(year, month, day).expect("the days lie in the table").number()
    });
    (first..=last).map(|day| Day::from_number(day).expect("days between days of the table lie in it"))
}

pub(super) fn any_day() -> impl Strategy<Value = Day> {
    sample::select(days().collect::<Vec<_>>())
}

impl Basket {
    /// Returns the total less the discount, in minor units.
    pub(super) fn spend(&self) -> u64 {
        gross(&self.lines).saturating_sub(self.discount)
    }

    /// Returns what a base rule of one point a yuan granted for it.
    pub(super) fn so_far(&self) -> u64 {
        let paid = self.spend().saturating_sub(self.points_paid);
        paid.checked_div(100).expect("a yuan has minor units")
    }

    pub(super) fn case(&self, parameters: &RawValue) -> Case {
        let money = self.spend().saturating_sub(self.points_paid);
        let tender = |kind, redemption: Option<&str>, amount| Tender {
            kind,
            redemption: redemption.map(str::to_owned),
            amount,
        };
        let tenders = match self.points_paid {
            0 => vec![],
            points => {
                vec![tender(TenderKind::Points, Some("r"), points), tender(TenderKind::Cash, None, money)]
            }
        };
        let purchase = Purchase {
            order: "1".to_owned(),
            member: "ann".to_owned(),
            merchant: "shop".to_owned(),
            currency: "CNY".to_owned(),
            lines: numbered(&self.lines),
            freight: 0,
            discount: self.discount,
            tenders,
        };
        let case = case(parameters, self.day, Data::Purchase(purchase));
        Case { market_day: self.market_day, points_so_far: self.so_far(), ..case }
    }
}

impl Wish {
    pub(super) fn case(&self, parameters: &RawValue) -> Case {
        let request = Request {
            redemption: "r".to_owned(),
            member: "ann".to_owned(),
            merchant: "shop".to_owned(),
            item: self.item.as_ref().map(|(item, _)| item.clone()),
            quantity: self.item.as_ref().map(|(_, quantity)| *quantity),
            lines: numbered(&self.lines),
            freight: self.freight,
            currency: (!self.lines.is_empty()).then(|| "CNY".to_owned()),
            points: self.wanted,
        };
        let case = case(parameters, self.day, Data::Request(request));
        Case { market_day: self.market_day, ..case }
    }
}

/// Returns what lines come to, in minor units.
pub(super) fn gross(lines: &[Line]) -> u64 {
    total(lines.iter().map(|line| line.amount))
}

/// Returns the lines, each with an article number of its own.
fn numbered(lines: &[Line]) -> Vec<Line> {
    lines.iter().enumerate().map(|(n, line)| Line { sku: format!("a{n}"), ..line.clone() }).collect()
}

/// Returns the case of a campaign's day.
pub(super) fn run(parameters: &RawValue, day: Day) -> Case {
    case(parameters, day, Data::Run(Run { campaign: "campaign".to_owned(), member: "ann".to_owned() }))
}

pub(super) fn case(parameters: &RawValue, day: Day, data: Data) -> Case {
    let (source, clock) = match data {
        Data::Run(_) => ("/jifen/campaigns", "00:00:00"),
        Data::Registration(_) | Data::Purchase(_) | Data::Request(_) => ("/merchants/shop", "12:00:00"),
    };
    let time = format!("{day}T{clock}+08:00");
    Case {
        about: String::new(),
        parameters: parameters.to_owned(),
        event: Event {
            id: "1".to_owned(),
            source: source.to_owned(),
            time: time.parse().expect("a day of the table and a clock are a time"),
            data,
        },
        merchant_category: "retail".to_owned(),
        market_day: false,
        points_so_far: 0,
        facts: [].into(),
        expect: Outcome::Awards(vec![]),
    }
}
