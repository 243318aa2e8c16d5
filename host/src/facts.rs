//! Facts from what the ledger knows of a member.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use jifen_engine::Policy;
use jifen_ledger::Needs;
use jifen_loyalty::facts::{Known, first_day_of_window};
use jifen_loyalty::lot::{Purse, Standing};
use jifen_loyalty::member::{Grants, Profile};
use jifen_loyalty::program::is_award;
use jifen_loyalty::time::{Zone, day_number};
use jifen_loyalty::{DeploymentId, Fact, Instant, Lot, Member, Points, UnitId};
use rules_guest::calendar::Day;

/// Returns which parts of a member's history a policy may ask for, in a program that has levels or none. Those it cannot ask for
/// are not read.
pub(crate) fn needs_of(policy: &Policy, levels: bool) -> Needs {
    let asks = |names: &[&str]| policy.facts().iter().any(|fact| names.contains(&fact.as_str()));
    Needs {
        purchases_by_day: asks(&["purchases.count-since", "purchases.spend-minor-since"]),
        granted_by_day: asks(&["awards.granted-since"]) || levels && asks(&["tier.earned-since"]),
        lots: asks(&["balance.available", "balance.pending", "expiring.untold-until"])
            || levels && asks(&["tier.level"]),
    }
}

/// Returns the facts without a day that a policy may ask for.
pub(crate) fn scalars_of(policy: &Policy) -> Vec<Fact> {
    policy.facts().iter().filter_map(|name| Fact::scalar(name)).collect()
}

/// Returns the first business day whose history a deployment needs for an event on a day.
pub(crate) fn first_day_needed(needs: Needs, today: &Day) -> i32 {
    let window = needs.purchases_by_day || needs.granted_by_day;
    if window { first_day_of_window(today.number()) } else { *month_of(today).start() }
}

/// Returns what a deployment's policy may know of a member before something happened. `said` is the profile with what the
/// event says of the member.
pub(crate) fn known(
    time: Instant,
    member: &Member,
    said: &Profile,
    deployment: &DeploymentId,
    purse: Purse<'_>,
    needs: Needs,
    today: &Day,
) -> Known {
    let profile = &member.profile;
    let (available, pending) = if needs.lots { balance(time, member, purse) } else { Default::default() };
    Known {
        today: today.number(),
        purchase_count: profile.purchase_count,
        purchase_spend_minor: profile.purchase_spend_minor,
        last_purchase_day: profile.last_purchase_day,
        purchases_by_day: if needs.purchases_by_day {
            member.purchases_by_day.clone()
        } else {
            BTreeMap::new()
        },
        granted_by_day: if needs.granted_by_day {
            granted_by_day(member, deployment, purse.unit)
        } else {
            BTreeMap::new()
        },
        available,
        pending,
        untold: BTreeMap::new(),
        level: Points::ZERO,
        earned_by_day: BTreeMap::new(),
        registered_day: profile.registered_day,
        referred: profile.referral.is_some(),
        referral: None,
        birth_day: said.birth_day,
    }
}

/// Returns what a member was granted on some business days and refunds have not taken back.
pub(crate) fn granted(member: &Member, grants: &Grants, days: RangeInclusive<i32>) -> Points {
    let range = (grants.clone(), *days.start())..=(grants.clone(), *days.end());
    member.granted_by_day.range(range).map(|(_, day)| day.net()).sum()
}

/// Returns the days of the civil month that a day lies in.
pub(crate) fn month_of(day: &Day) -> RangeInclusive<i32> {
    let first = day.number().saturating_sub(i32::from(day.day_of_month())).saturating_add(1);
    first..=first.saturating_add(i32::from(day.days_in_month())).saturating_sub(1)
}

/// Returns what a deployment granted a member of a unit, for whatever, by business day.
pub(crate) fn granted_by_day(
    member: &Member,
    deployment: &DeploymentId,
    unit: &UnitId,
) -> BTreeMap<i32, Points> {
    let grants = |for_other| Grants { deployment: deployment.clone(), unit: unit.clone(), for_other };
    let all = (grants(false), i32::MIN)..=(grants(true), i32::MAX);
    by_day(member.granted_by_day.range(all).map(|((_, day), grant)| (*day, grant.granted)))
}

fn by_day(grants: impl Iterator<Item = (i32, Points)>) -> BTreeMap<i32, Points> {
    grants.fold(BTreeMap::new(), |mut days, (day, points)| {
        let of_day = days.entry(day).or_insert(Points::ZERO);
        *of_day = of_day.plus(points);
        days
    })
}

/// Returns what a member was awarded of a unit and refunds have not taken back, by business day.
pub(crate) fn earned(member: &Member, unit: &UnitId) -> BTreeMap<i32, Points> {
    let grants = member.granted_by_day.iter();
    let grants = grants.filter(|((of, _), _)| of.unit == *unit && is_award(&of.deployment));
    by_day(grants.map(|((_, day), grant)| (*day, grant.net())))
}

/// Returns how many points of a purse a member can spend.
pub(crate) fn available(time: Instant, member: &Member, purse: Purse<'_>) -> Points {
    balance(time, member, purse).0
}

/// Returns what a member can spend of a purse of whose end the member was not told, by its last day.
pub(crate) fn untold(zone: Zone, time: Instant, member: &Member, purse: Purse<'_>) -> BTreeMap<i32, Points> {
    let mut untold = BTreeMap::<i32, Points>::new();
    let waits = |lot: &&Lot| {
        purse.has(lot) && lot.standing(time) == Standing::Available && lot.term.notice.days().is_some()
    };
    for lot in member.lots.iter().filter(waits) {
        let last_day = day_number(zone.last_day_before(lot.term.expires_at));
        let points = untold.entry(last_day).or_default();
        *points = points.plus(lot.remaining);
    }
    untold
}

fn balance(time: Instant, member: &Member, purse: Purse<'_>) -> (Points, Points) {
    let of_standing = |standing| {
        let lots = member.lots.iter().filter(|lot| purse.has(lot) && lot.standing(time) == standing);
        lots.map(|lot| lot.remaining).sum()
    };
    (of_standing(Standing::Available), of_standing(Standing::Pending))
}
