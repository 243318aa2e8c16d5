//! What happens to points that members have, as it is written.

use std::borrow::Cow;

use rules_guest::calendar::Day;
use serde::{Deserialize, Serialize};

use super::{day, name};
use crate::event::{Body, Conversion, Goal, InvalidEvent, TermCause, TermChange};
use crate::id::{MemberId, UnitId};
use crate::points::Points;
use crate::time::{Instant, day_number};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTransfer<'a> {
    #[serde(borrow)]
    member: Cow<'a, str>,
    #[serde(borrow)]
    to: Cow<'a, str>,
    #[serde(borrow)]
    unit: Cow<'a, str>,
    points: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExchange<'a> {
    #[serde(borrow)]
    member: Cow<'a, str>,
    #[serde(borrow)]
    unit: Cow<'a, str>,
    #[serde(borrow)]
    into: Cow<'a, str>,
    points: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNotification<'a> {
    #[serde(borrow)]
    member: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    unit: Option<Cow<'a, str>>,
    #[serde(borrow)]
    through: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAction<'a> {
    #[serde(borrow)]
    member: Cow<'a, str>,
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    order: Option<Cow<'a, str>>,
}

pub(super) fn transfer(_: Instant, data: &RawTransfer<'_>) -> Result<Body, InvalidEvent> {
    let to = MemberId::from(name("data.to", &data.to)?);
    if data.to == data.member {
        return Err(InvalidEvent::new("data.to", "is the member; name someone else"));
    }
    conversion(&data.member, &data.unit, data.points, Goal::Member(to))
}

pub(super) fn exchange(_: Instant, data: &RawExchange<'_>) -> Result<Body, InvalidEvent> {
    let into = UnitId::from(name("data.into", &data.into)?);
    if data.into == data.unit {
        return Err(InvalidEvent::new("data.into", "is the unit that the points have; name another"));
    }
    conversion(&data.member, &data.unit, data.points, Goal::Unit(into))
}

fn conversion(member: &str, unit: &str, points: u64, goal: Goal) -> Result<Body, InvalidEvent> {
    Ok(Body::Conversion(Conversion {
        member: MemberId::from(name("data.member", member)?),
        unit: UnitId::from(name("data.unit", unit)?),
        points: some(points)?,
        goal,
    }))
}

/// Reads a number of points that cannot be left out.
pub(super) fn some(number: u64) -> Result<Points, InvalidEvent> {
    let points = Points::new(number).filter(|points| !points.is_zero());
    let reason = || format!("is {number}; write 1 to {}", Points::MAX);
    points.ok_or_else(|| InvalidEvent::new("data.points", reason()))
}

pub(super) fn notification(_: Instant, data: &RawNotification<'_>) -> Result<Body, InvalidEvent> {
    let unit = data.unit.as_deref().map(|unit| name("data.unit", unit)).transpose()?;
    let through = day("data.through", &data.through)?;
    Day::from_number(day_number(through))
        .map_err(|error| InvalidEvent::new("data.through", format!("calendar_range: {error}")))?;
    change(&data.member, TermCause::Notified { unit: unit.map(UnitId::from), through })
}

pub(super) fn action(_: Instant, data: &RawAction<'_>) -> Result<Body, InvalidEvent> {
    let order = data.order.as_deref().map(|order| name("data.order", order)).transpose()?;
    let action = name("data.action", &data.action)?.to_owned();
    change(&data.member, TermCause::Done { action, order: order.map(str::to_owned) })
}

fn change(member: &str, cause: TermCause) -> Result<Body, InvalidEvent> {
    Ok(Body::TermChange(TermChange { member: MemberId::from(name("data.member", member)?), cause }))
}
