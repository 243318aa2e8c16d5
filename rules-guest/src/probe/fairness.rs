//! What is owed to every member without being stated.

use proptest::prelude::any;
use serde::Deserialize;

use super::basket::{Basket, Hints, Wish, any_day, run};
use super::member::{DAYS_AGO, Member, members};
use super::{Asked, Counterexample, Doubt, Kind, Pinned, search, words};
use crate::calendar::Day;
use crate::case::{Action, Case, Line, Offer, Outcome, Recipient};
use crate::total;

/// Something that is owed to every member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// Who spends more does not earn less.
    MoreSpend,
    /// Who splits an order does not earn more.
    Splitting,
    /// Who pays a part in points does not earn more, or points would breed points.
    PaidInPoints,
    /// Who has more points is not offered less.
    MorePoints,
    /// Who wants more of an item does not pay less.
    MoreItems,
    /// A bill that is higher is not paid for less by points.
    HigherBill,
    /// Who bought more is not given less.
    MoreBought,
}

impl Probe {
    /// Returns the probes of a kind of policy.
    pub fn of(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::Earning => &[Self::MoreSpend, Self::Splitting, Self::PaidInPoints],
            Kind::Redemption => &[Self::MorePoints, Self::MoreItems, Self::HigherBill],
            Kind::Campaign => &[Self::MoreBought],
        }
    }

    /// Returns its name, as `policy.toml` writes it in an exception.
    pub fn name(self) -> &'static str {
        match self {
            Self::MoreSpend => "more-spend",
            Self::Splitting => "splitting",
            Self::PaidInPoints => "paid-in-points",
            Self::MorePoints => "more-points",
            Self::MoreItems => "more-items",
            Self::HigherBill => "higher-bill",
            Self::MoreBought => "more-bought",
        }
    }

    /// Returns what shows that a policy fails it.
    pub(super) fn fails(self, policy: &Asked<'_>) -> Option<Counterexample> {
        let hints = Hints::of(policy.parameters);
        let other_amount = (hints.amounts(), any::<proptest::sample::Index>());
        match self {
            Self::MoreSpend => search((hints.baskets(), other_amount), |(basket, (amount, index))| {
                more_spend(policy, basket, *amount, index.index(basket.lines.len()))
            }),
            Self::Splitting => {
                let parts = proptest::collection::vec(any::<bool>(), 4);
                search((hints.baskets(), parts, 1..100_u64), |(basket, parts, percent)| {
                    splitting(policy, basket, parts, *percent)
                })
            }
            Self::PaidInPoints => search((hints.baskets(), 1..100_u64), |(basket, percent)| {
                paid_in_points(policy, basket, *percent)
            }),
            Self::MorePoints => search((hints.wishes(), 1..20_000_u64), |(wish, extra)| {
                let mut richer = wish.clone();
                richer.member.available = richer.member.available.saturating_add(*extra);
                let points = (wish.member.available, richer.member.available);
                let words = format!("with {} points than with {}", points.1, points.0);
                no_worse(policy, wish, &richer, &words, is_no_worse)
            }),
            Self::MoreItems => search((hints.wishes(), 1..4_u64), |(wish, extra)| {
                let Some((item, quantity)) = &wish.item else { return Ok(()) };
                let item = Some((item.clone(), quantity.saturating_add(*extra)));
                let bigger = Wish { item, ..wish.clone() };
                no_cheaper(policy, wish, &bigger)
            }),
            Self::HigherBill => search((hints.wishes(), other_amount), |(wish, (amount, index))| {
                if wish.lines.is_empty() {
                    return Ok(());
                }
                let (mut lower, mut higher) = (wish.clone(), wish.clone());
                spread(&mut lower.lines, &mut higher.lines, index.index(wish.lines.len()), *amount);
                no_worse(policy, &lower, &higher, "for a higher bill", pays_no_less)
            }),
            Self::MoreBought => {
                let members = (any_day(), members(Pinned::new(), &hints));
                search((members, 0..DAYS_AGO, hints.amounts()), |((day, member), days_ago, amount)| {
                    let less = given(policy, *day, member)?;
                    let more = given(policy, *day, &member.with_purchase(*days_ago, *amount))?;
                    if more.1 >= less.1 {
                        return Ok(());
                    }
                    let told =
                        |(case, points): &(Case, u64)| words::case(case, &format!("is given {points}"));
                    Err(policy.shows(&["who bought more is given less:", &told(&less), &told(&more)]))
                })
            }
        }
    }
}

/// Asks what a campaign gives a member: points, and a point of another unit for each benefit.
fn given(policy: &Asked<'_>, day: Day, member: &Member) -> Result<(Case, u64), Doubt> {
    let (case, outcome) = policy.ask(run(policy.parameters, day), member)?;
    let points = match &outcome {
        Outcome::Actions(actions) => total(actions.iter().map(|action| match action {
            Action::Award(award) if award.to == Recipient::Member => award.points,
            Action::Grant(_) => 1,
            Action::Award(_) | Action::Notice(_) => 0,
        })),
        Outcome::Awards(_)
        | Outcome::Offered(_)
        | Outcome::Declined(_)
        | Outcome::Fault(_)
        | Outcome::InvalidParameters(_) => 0,
    };
    Ok((case, points))
}

/// Gives one of two equal lines the lower and one the higher of its amount and another.
fn spread(lower: &mut [Line], higher: &mut [Line], index: usize, amount: u64) {
    if let (Some(lower), Some(higher)) = (lower.get_mut(index), higher.get_mut(index)) {
        lower.amount = lower.amount.min(amount);
        higher.amount = higher.amount.max(amount);
    }
}

/// Asks for what a basket earns, for whomever.
fn earned(policy: &Asked<'_>, basket: &Basket) -> Result<(Case, u64), Doubt> {
    let (case, outcome) = policy.ask(basket.case(policy.parameters), &basket.member)?;
    let points = match &outcome {
        Outcome::Awards(awards) => total(awards.iter().map(|award| award.points)),
        Outcome::Offered(_)
        | Outcome::Actions(_)
        | Outcome::Declined(_)
        | Outcome::Fault(_)
        | Outcome::InvalidParameters(_) => 0,
    };
    Ok((case, points))
}

fn told((case, points): &(Case, u64)) -> String {
    words::case(case, &format!("earns {points}"))
}

fn more_spend(policy: &Asked<'_>, basket: &Basket, amount: u64, index: usize) -> Result<(), Doubt> {
    let (mut smaller, mut bigger) = (basket.clone(), basket.clone());
    spread(&mut smaller.lines, &mut bigger.lines, index, amount);
    let (less, more) = (earned(policy, &smaller)?, earned(policy, &bigger)?);
    if more.1 >= less.1 {
        return Ok(());
    }
    Err(policy.shows(&["who spends more earns less:", &told(&less), &told(&more)]))
}

/// Splits an order by its lines; if they stay together, by the first of them.
fn splitting(policy: &Asked<'_>, basket: &Basket, parts: &[bool], percent: u64) -> Result<(), Doubt> {
    let (mut first, mut second) = (basket.clone(), basket.clone());
    let in_second = |n: usize| n > 0 && parts.get(n).is_some_and(|part| *part);
    let lines = |wanted: bool| {
        let lines = basket.lines.iter().enumerate().filter(move |(n, _)| in_second(*n) == wanted);
        lines.map(|(_, line)| line.clone()).collect::<Vec<_>>()
    };
    (first.lines, second.lines) = (lines(false), lines(true));
    if second.lines.is_empty() {
        // A single piece is not sold in two parts.
        let Some(line) = first.lines.first_mut().filter(|line| line.quantity > 1) else { return Ok(()) };
        let quantity = part(line.quantity, percent);
        let amount = line.amount.saturating_mul(quantity).checked_div(line.quantity).unwrap_or(0);
        let rest = Line {
            amount: line.amount.saturating_sub(amount),
            quantity: line.quantity.saturating_sub(quantity),
            ..line.clone()
        };
        (line.amount, line.quantity) = (amount, quantity);
        second.lines.push(rest);
    }
    // What costs less than a fen a piece has no price of its own.
    if first.spend() == 0 || second.spend() == 0 {
        return Ok(());
    }
    let whole = earned(policy, basket)?;
    let one = earned(policy, &first)?;
    second.member = first.member.after(first.spend(), one.1);
    let other = earned(policy, &second)?;
    if one.1.saturating_add(other.1) <= whole.1 {
        return Ok(());
    }
    let rows = ["who splits an order earns more:", &told(&whole), &told(&one), &told(&other)];
    Err(policy.shows(&rows))
}

fn paid_in_points(policy: &Asked<'_>, basket: &Basket, percent: u64) -> Result<(), Doubt> {
    // A fen is paid in one way or the other, and what is paid in points alone asks no policy.
    if basket.spend() < 2 {
        return Ok(());
    }
    let paid = Basket { points_paid: part(basket.spend(), percent), ..basket.clone() };
    let (money, points) = (earned(policy, basket)?, earned(policy, &paid)?);
    if points.1 <= money.1 {
        return Ok(());
    }
    Err(policy.shows(&["who pays a part in points earns more:", &told(&money), &told(&points)]))
}

/// Returns so many of a hundred parts, and at least 1.
fn part(of: u64, percent: u64) -> u64 {
    of.saturating_mul(percent).checked_div(100).unwrap_or(0).max(1)
}

type Offered = Option<Offer>;

fn offered(policy: &Asked<'_>, wish: &Wish) -> Result<(Case, Offered), Doubt> {
    let (case, outcome) = policy.ask(wish.case(policy.parameters), &wish.member)?;
    let offer = match outcome {
        Outcome::Offered(offer) => Some(offer),
        Outcome::Awards(_)
        | Outcome::Actions(_)
        | Outcome::Declined(_)
        | Outcome::Fault(_)
        | Outcome::InvalidParameters(_) => None,
    };
    Ok((case, offer))
}

fn quoted((case, offer): &(Case, Offered)) -> String {
    let what =
        offer.as_ref().map_or_else(|| "gets no offer".to_owned(), |offer| format!("is offered {offer}"));
    words::case(case, &what)
}

/// Sees that what was offered is offered in better circumstances, too, and is no worse there.
fn no_worse(
    policy: &Asked<'_>,
    wish: &Wish,
    better: &Wish,
    words: &str,
    holds: impl Fn(&Offer, &Offer) -> bool,
) -> Result<(), Doubt> {
    let (one, other) = (offered(policy, wish)?, offered(policy, better)?);
    let no_worse = match (&one.1, &other.1) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(one), Some(other)) => holds(one, other),
    };
    if no_worse {
        return Ok(());
    }
    Err(policy.shows(&[&format!("the offer is worse {words}:"), &quoted(&one), &quoted(&other)]))
}

/// Returns whether an offer pays more than another, or as much and takes no more; where it takes more of points or cash, less of the
/// other.
fn is_no_worse(one: &Offer, other: &Offer) -> bool {
    let takes_more = other.points > one.points || other.cash > one.cash;
    let takes_less = other.points < one.points || other.cash < one.cash;
    other.worth > one.worth || other.worth == one.worth && (takes_less || !takes_more)
}

/// Returns whether points pay more for a bill than for another, or as much for no more points. Money pays the rest.
fn pays_no_less(one: &Offer, other: &Offer) -> bool {
    other.worth > one.worth || other.worth == one.worth && other.points <= one.points
}

fn no_cheaper(policy: &Asked<'_>, wish: &Wish, bigger: &Wish) -> Result<(), Doubt> {
    let (one, other) = (offered(policy, wish)?, offered(policy, bigger)?);
    let (Some(less), Some(more)) = (&one.1, &other.1) else { return Ok(()) };
    if more.points >= less.points && more.cash >= less.cash {
        return Ok(());
    }
    Err(policy.shows(&["who wants more of an item pays less:", &quoted(&one), &quoted(&other)]))
}
