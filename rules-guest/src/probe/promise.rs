//! Promises: what members are told, as circumstances and what they get in them.

use proptest::collection;
use proptest::prelude::{Just, Strategy, any};
use proptest::strategy::BoxedStrategy;
use proptest::{prop_oneof, sample};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::basket::{AMOUNT_MAX, Basket, Hints, Wish, case, days, run};
use super::member::{Member, members};
use super::{Asked, Counterexample, Doubt, Kind, Pinned, Respond, search, words};
use crate::allocate::allocated;
use crate::calendar::{Calendar, Day};
use crate::case::{Action, Award, Case, Data, Line, Outcome, Recipient, Registration};
use crate::fact::Fact;
use crate::rate::{Rate, Rounding};
use crate::total;

/// A promise.
///
/// ```toml
/// [[promises]]
/// zh = "满50元逢集双倍"
/// en = "Twice the points on market days from ¥50 on"
/// parameters = { multiplier = "2", min_spend = 5000 }
/// when = { market_day = true, spend_from = 5000 }
/// then = { times = "2" }
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promise {
    zh: String,
    en: String,
    /// The deployment's parameters with which it is promised.
    #[serde(default)]
    parameters: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    when: When,
    then: Then,
}

/// In which circumstances. What is not said may be in any way.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct When {
    /// The member joins. Otherwise somebody buys, or wants to use points.
    joining: bool,
    /// The item that is wanted; none: part of a bill.
    item: Option<String>,
    /// How many of it.
    quantity: Option<u64>,
    market_day: Option<bool>,
    /// The days, as a calendar.
    days: Option<Calendar>,
    /// What the lines come to less the discount, in minor units: from here,
    spend_from: Option<u64>,
    /// and below this.
    spend_below: Option<u64>,
    /// The category of all lines, `goods` if it is not said.
    category: Option<String>,
    /// The tags of all lines.
    tags: Vec<String>,
    /// What is so of the member, by the fact's name without its day.
    facts: Pinned,
}

/// What the member gets. Of an award the terms are added up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Then {
    /// So many points. Of an offer: so many points are taken.
    points: Option<u64>,
    /// So many points for each yuan that was spent, rounded down.
    per_yuan: Option<Rate>,
    /// So many points for each piece.
    per_unit: Option<u64>,
    /// So many times what earlier rules granted, with that, rounded down.
    times: Option<Rate>,
    /// So many points for the one who referred the member.
    referrer: Option<u64>,
    /// Cash beside the points of an offer, in minor units.
    cash: Option<u64>,
    /// What the points of an offer pay, in minor units.
    worth: Option<u64>,
    /// What they pay as a share of the goods, rounded down.
    share: Option<Rate>,
    /// The code of a no.
    declined: Option<String>,
    /// The code of a notice.
    notice: Option<String>,
    /// The benefit that a campaign grants.
    grant: Option<String>,
}

/// What happens.
#[derive(Clone, Debug)]
enum Circumstances {
    Joining(Day, Member),
    Run(Day, Member),
    Purchase(Basket),
    Wish(Wish),
}

impl Promise {
    /// Returns what members are told.
    pub(super) fn words(&self) -> String {
        format!("{} / {}", self.en, self.zh)
    }

    /// Sees that there are words, and circumstances that can be.
    pub(super) fn check(&self) -> Result<(), String> {
        let When { item, spend_from, spend_below, facts, .. } = &self.when;
        if self.zh.is_empty() || self.en.is_empty() {
            return Err("zh: needs words in `zh` and `en`; members read them".to_owned());
        }
        if [&self.zh, &self.en].iter().any(|words| words.contains(char::is_control)) {
            return Err("zh: is more than a line of text, or `en` is; write a sentence".to_owned());
        }
        if self.then == Then::default() {
            return Err(
                "then: promises nothing; say what the member gets, such as { points = 100 }".to_owned()
            );
        }
        let alone = Then { declined: self.then.declined.clone(), ..Then::default() };
        if self.then.declined.is_some() && self.then != alone {
            return Err("then.declined: excludes whatever else is promised; a no is all there is".to_owned());
        }
        let (from, below) = (spend_from.unwrap_or(1), spend_below.unwrap_or(AMOUNT_MAX));
        if from == 0 || from >= below || below > AMOUNT_MAX {
            return Err(format!(
                "when.spend_from: no amount from {from} below {below} can be tried; write 1 to {AMOUNT_MAX}"
            ));
        }
        if item.is_some() && (spend_from.is_some() || spend_below.is_some()) {
            return Err("when.item: excludes spend_from and spend_below; an item is no bill".to_owned());
        }
        let is_fact = |name: &&String| {
            name.parse::<Fact>().is_ok() || format!("{name}(2025-01-01)").parse::<Fact>().is_ok()
        };
        if let Some(name) = facts.keys().find(|name| !is_fact(name)) {
            return Err(format!(
                "when.facts: there is no fact `{name}`; write one such as purchases.lifetime-count"
            ));
        }
        if self.when.days().is_empty() {
            return Err("when.days: are none of those from 2025 to 2028, which are tried".to_owned());
        }
        Ok(())
    }

    /// Returns the parameters with which it is promised.
    pub(super) fn parameters(&self) -> Box<RawValue> {
        serde_json::value::to_raw_value(&self.parameters).expect("JSON is JSON")
    }

    /// Returns whether those are the parameters with which it is promised.
    pub(super) fn is_made_for(&self, parameters: &RawValue) -> bool {
        serde_json::from_str(parameters.get()).is_ok_and(|it: serde_json::Map<_, _>| it == self.parameters)
    }

    /// Returns what shows that it is not kept.
    pub(super) fn broken(&self, kind: Kind, respond: &Respond<'_>) -> Option<Counterexample> {
        let parameters = self.parameters();
        let policy = Asked { parameters: &parameters, respond };
        let hints = Hints::of(&parameters);
        search(self.when.circumstances(kind, &hints), |circumstances| self.holds(&policy, circumstances))
    }

    fn holds(&self, policy: &Asked<'_>, circumstances: &Circumstances) -> Result<(), Doubt> {
        let (case, member) = circumstances.case(policy.parameters);
        let (case, got) = policy.ask(case, member)?;
        let expected = self.then.expected(circumstances);
        if expected.is_met(&got) {
            return Ok(());
        }
        let words = format!("promised {}, got {}", expected.words(), outcome(&got));
        Err(policy.shows(&[&words::case(&case, &words)]))
    }
}

impl When {
    fn days(&self) -> Vec<Day> {
        let is_one = |day: &Day| self.days.as_ref().is_none_or(|days| days.contains(day).unwrap_or(false));
        days().filter(is_one).collect()
    }

    fn circumstances(&self, kind: Kind, hints: &Hints) -> BoxedStrategy<Circumstances> {
        let day_and_member = (sample::select(self.days()), members(self.facts.clone(), hints));
        if self.joining {
            return day_and_member.prop_map(|(day, member)| Circumstances::Joining(day, member)).boxed();
        }
        if kind == Kind::Campaign {
            return day_and_member.prop_map(|(day, member)| Circumstances::Run(day, member)).boxed();
        }
        let market_day = self.market_day.map_or_else(|| any::<bool>().boxed(), |is| Just(is).boxed());
        if let Some(item) = &self.item {
            let item = Some((item.clone(), self.quantity.unwrap_or(1)));
            let wish = move |((day, member), market_day)| {
                let (item, lines) = (item.clone(), vec![]);
                Circumstances::Wish(Wish { day, market_day, item, lines, freight: 0, wanted: None, member })
            };
            return (day_and_member, market_day).prop_map(wish).boxed();
        }
        let (category, tags) = (self.category.clone().unwrap_or("goods".to_owned()), self.tags.clone());
        let line = move |quantity, amount| Line {
            sku: String::new(),
            category: category.clone(),
            quantity,
            amount,
            tags: tags.clone(),
        };
        let weights = collection::vec((1..100_u64, 1..4_u64), 1..4);
        let discount = prop_oneof![Just(0), 1..5_000_u64];
        (day_and_member, market_day, self.spend(), weights, discount)
            .prop_map(move |((day, member), market_day, spend, parts, discount)| {
                let discount = if kind == Kind::Earning { discount } else { 0 };
                let weights: Vec<u64> = parts.iter().map(|(weight, _)| *weight).collect();
                let amounts =
                    allocated(spend.saturating_add(discount), &weights).expect("weights are positive");
                let lines = parts.iter().zip(amounts).map(|((_, quantity), amount)| line(*quantity, amount));
                let lines = lines.collect();
                match kind {
                    Kind::Campaign => unreachable!("a campaign is asked about days"),
                    Kind::Earning => Circumstances::Purchase(Basket {
                        day,
                        market_day,
                        lines,
                        discount,
                        points_paid: 0,
                        member,
                    }),
                    Kind::Redemption => Circumstances::Wish(Wish {
                        day,
                        market_day,
                        item: None,
                        lines,
                        freight: 0,
                        wanted: None,
                        member,
                    }),
                }
            })
            .boxed()
    }

    /// Returns what is spent: often the least, seldom much.
    fn spend(&self) -> BoxedStrategy<u64> {
        let (from, below) = (self.spend_from.unwrap_or(1), self.spend_below.unwrap_or(AMOUNT_MAX));
        let near = below.min(from.saturating_add(20_000));
        prop_oneof![Just(from), from..near, from..below, Just(below.saturating_sub(1))].boxed()
    }
}

impl Circumstances {
    fn case(&self, parameters: &RawValue) -> (Case, &Member) {
        match self {
            Self::Joining(day, member) => {
                let registration = Registration {
                    member: "ann".to_owned(),
                    region: None,
                    referrer: None,
                    person: None,
                    birthday: None,
                    consents: None,
                };
                (case(parameters, *day, Data::Registration(registration)), member)
            }
            Self::Run(day, member) => (run(parameters, *day), member),
            Self::Purchase(basket) => (basket.case(parameters), &basket.member),
            Self::Wish(wish) => (wish.case(parameters), &wish.member),
        }
    }
}

/// What is promised in certain circumstances.
struct Expected<'a> {
    /// Points that the member gets, or gives.
    points: Option<u64>,
    /// What the member had been granted before.
    so_far: u64,
    referrer: Option<u64>,
    cash: Option<u64>,
    worth: Option<u64>,
    declined: Option<&'a str>,
    notice: Option<&'a str>,
    grant: Option<&'a str>,
}

impl Then {
    fn expected(&self, circumstances: &Circumstances) -> Expected<'_> {
        let (spend, units, so_far) = match circumstances {
            Circumstances::Joining(..) | Circumstances::Run(..) => (0, 0, 0),
            Circumstances::Purchase(basket) => (basket.spend(), units(&basket.lines), basket.so_far()),
            Circumstances::Wish(wish) => (super::basket::gross(&wish.lines), units(&wish.lines), 0),
        };
        let of = |rate: Option<Rate>, amount, per| {
            rate.map(|rate| rate.of(amount, per, Rounding::Floor).unwrap_or(u64::MAX))
        };
        let terms = [
            self.points,
            of(self.per_yuan, spend, 100),
            self.per_unit.map(|points| points.saturating_mul(units)),
            of(self.times, so_far, 1).map(|all| all.saturating_sub(so_far)),
        ];
        let promised = terms.iter().any(Option::is_some);
        Expected {
            points: promised.then(|| total(terms.into_iter().flatten())),
            so_far: self.times.map_or(0, |_| so_far),
            referrer: self.referrer,
            cash: self.cash,
            worth: self.worth.or(of(self.share, spend, 1)),
            declined: self.declined.as_deref(),
            notice: self.notice.as_deref(),
            grant: self.grant.as_deref(),
        }
    }
}

fn units(lines: &[Line]) -> u64 {
    total(lines.iter().map(|line| line.quantity))
}

impl Expected<'_> {
    fn is_met(&self, got: &Outcome) -> bool {
        let is = |expected: Option<u64>, got| expected.is_none_or(|expected| expected == got);
        let no_action = self.notice.is_none() && self.grant.is_none();
        match got {
            Outcome::Actions(actions) => {
                let no_offer = self.cash.is_none() && self.worth.is_none() && self.declined.is_none();
                let does = |action: Option<Action>| action.is_none_or(|action| actions.contains(&action));
                let [member, referrer] = awarded(got);
                no_offer
                    && is(self.points, member)
                    && is(self.referrer, referrer)
                    && does(self.notice.map(|code| Action::Notice(code.to_owned())))
                    && does(self.grant.map(|unit| Action::Grant(unit.to_owned())))
            }
            Outcome::Awards(_) => {
                let no_offer = self.cash.is_none() && self.worth.is_none() && self.declined.is_none();
                let [member, referrer] = awarded(got);
                no_offer && no_action && is(self.points, member) && is(self.referrer, referrer)
            }
            Outcome::Offered(offer) => {
                let no_award = no_action && self.referrer.is_none() && self.declined.is_none();
                no_award
                    && is(self.points, offer.points)
                    && is(self.cash, offer.cash)
                    && is(self.worth, offer.worth)
            }
            Outcome::Declined(code) => self.declined == Some(code),
            Outcome::Fault(_) | Outcome::InvalidParameters(_) => false,
        }
    }

    fn words(&self) -> String {
        let mut words = Vec::new();
        match (self.points, self.so_far) {
            (Some(points), 0) => words.push(format!("{points} points")),
            (Some(points), so_far) => {
                words.push(format!("{points} points, {} in all", points.saturating_add(so_far)));
            }
            (None, _) => {}
        }
        words.extend(self.referrer.map(|points| format!("{points} points to the referrer")));
        words.extend(self.cash.map(|cash| format!("{cash} in cash")));
        words.extend(self.worth.map(|worth| format!("worth {worth}")));
        words.extend(self.notice.map(|code| format!("the notice {code}")));
        words.extend(self.grant.map(|unit| format!("the grant {unit}")));
        words.extend(self.declined.map(|code| format!("a no: {code}")));
        words.join(" and ")
    }
}

/// Returns what the member and the referrer were awarded.
fn awarded(outcome: &Outcome) -> [u64; 2] {
    let awards: Vec<&Award> = match outcome {
        Outcome::Awards(awards) => awards.iter().collect(),
        Outcome::Actions(actions) => actions.iter().filter_map(Action::as_award).collect(),
        Outcome::Offered(_) | Outcome::Declined(_) | Outcome::Fault(_) | Outcome::InvalidParameters(_) => {
            Vec::new()
        }
    };
    [Recipient::Member, Recipient::Referrer]
        .map(|to| total(awards.iter().filter(|award| award.to == to).map(|award| award.points)))
}

fn outcome(outcome: &Outcome) -> String {
    outcome.to_string().replace('\n', "; ")
}
