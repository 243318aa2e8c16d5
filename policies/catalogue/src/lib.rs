//! `catalogue`: things for points.
//!
//! Each item has a price in points, and may have one in money beside it. On some days of the month it may have another
//! price, and outside its window it is not there.

use std::collections::BTreeMap;

use rules_guest::calendar::{Day, MissingDay};
use rules_guest::{Answer, Facts, Minor, Offer, Points, RedemptionPolicy, Request, Today, ensure, is_code};
use serde::Deserialize;

/// The parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// What there is, by the names that requests use.
    items: BTreeMap<String, Item>,
}

/// What a piece costs, and on which terms.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    points: Points,
    /// Minor units beside the points.
    #[serde(default)]
    cash: Minor,
    /// What the member gets, as a code.
    #[serde(default = "item_code")]
    benefit: String,
    /// What limits its use, as codes.
    #[serde(default)]
    restrictions: Vec<String>,
    /// What limits the use of the same bought for money: then it may be limited by nothing else. Absent: it cannot be bought.
    cash_restrictions: Option<Vec<String>>,
    /// Other prices; the first that applies counts.
    #[serde(default)]
    prices: Vec<MonthlyPrice>,
    #[serde(default)]
    window: Window,
}

/// What a piece costs on a day of every month.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MonthlyPrice {
    day_of_month: u8,
    /// What becomes of the day in a month that lacks it.
    #[serde(default)]
    on_missing_day: MissingDay,
    points: Points,
    /// Minor units beside the points, if they are not the item's.
    cash: Option<Minor>,
}

/// The days on which an item is there, both included.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Window {
    first: Option<Day>,
    last: Option<Day>,
}

rules_guest::redemption_policy!(Catalogue);

impl RedemptionPolicy for Catalogue {
    fn check(&self) -> Result<(), String> {
        self.items
            .iter()
            .try_for_each(|(name, item)| item.check().map_err(|why| ["items.", name, ".", &why].concat()))
    }

    fn quote(&self, request: &Request, _: &impl Facts) -> Answer {
        self.terms(request).map_or_else(Answer::decline, Answer::from)
    }
}

impl Catalogue {
    /// Returns the offer, or the code of a no.
    fn terms(&self, request: &Request) -> Result<Offer, &'static str> {
        let (name, quantity) = request.item().ok_or("items-only")?;
        let item = self.items.get(name).ok_or("no-such-item")?;
        if !item.window.has(&request.today) {
            return Err("not-available");
        }
        let (points, cash) = item.price(&request.today);
        let points = points.checked_mul(quantity).ok_or("too-many")?;
        let cash = cash.checked_mul(quantity).ok_or("too-many")?;
        if request.wanted.is_some_and(|wanted| wanted < points) {
            return Err("costs-more");
        }
        let offer = Offer::for_points(points, &item.benefit).with_cash(cash);
        Ok(item.restrictions.iter().fold(offer, |offer, code| offer.restricted(code)))
    }
}

impl Item {
    fn check(&self) -> Result<(), String> {
        ensure(self.points > 0, "points: must be at least 1")?;
        ensure(is_code(&self.benefit), "benefit: must be a code in kebab case, such as lipstick")?;
        ensure(
            self.restrictions.iter().all(|code| is_code(code)),
            "restrictions: must be codes in kebab case",
        )?;
        ensure(self.restrictions.len() <= 16, "restrictions: must be at most 16")?;
        self.check_parity()?;
        self.prices.iter().try_for_each(MonthlyPrice::check)?;
        self.window.check()
    }

    /// What points buy has the rights of what money buys.
    fn check_parity(&self) -> Result<(), String> {
        let Some(cash) = &self.cash_restrictions else { return Ok(()) };
        let Some(code) = self.restrictions.iter().find(|code| !cash.contains(code)) else { return Ok(()) };
        let limits = if cash.is_empty() { "nothing".to_owned() } else { cash.join(", ") };
        Err([
            "restrictions: parity_violation: `",
            code,
            "` limits who pays in points, and money is limited by ",
            &limits,
        ]
        .concat())
    }

    /// Returns what a piece costs today, in points and in minor units.
    fn price(&self, today: &Today) -> (Points, Minor) {
        let special = self.prices.iter().find(|price| price.applies(today));
        special.map_or((self.points, self.cash), |price| (price.points, price.cash.unwrap_or(self.cash)))
    }
}

impl MonthlyPrice {
    fn check(&self) -> Result<(), String> {
        ensure(self.points > 0, "prices: points must be at least 1")?;
        ensure((1..=31).contains(&self.day_of_month), "prices: day_of_month must be 1 to 31")
    }

    fn applies(&self, today: &Today) -> bool {
        today.is_monthly(self.day_of_month, self.on_missing_day)
    }
}

impl Window {
    fn check(&self) -> Result<(), String> {
        let ends_first = self.first.zip(self.last).is_some_and(|(first, last)| last < first);
        ensure(!ends_first, "window: last must not be before first")
    }

    fn has(&self, today: &Today) -> bool {
        self.first.is_none_or(|first| first.number() <= today.number)
            && self.last.is_none_or(|last| today.number <= last.number())
    }
}

fn item_code() -> String {
    "item".to_owned()
}
