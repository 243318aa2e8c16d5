//! What happens to points that members have, as it is written.

use std::borrow::Cow;

use chrono::NaiveDate;
use rules_guest::calendar::Day;
use serde::{Deserialize, Serialize};

use super::{day, name};
use crate::event::{Body, Conversion, Goal, InvalidEvent, Sent, TermCause, TermChange, Told};
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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDelivery<'a> {
    #[serde(borrow)]
    member: Cow<'a, str>,
    #[serde(borrow)]
    run: Cow<'a, str>,
    notice: u32,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    expiring: Option<RawTold<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTold<'a> {
    #[serde(borrow)]
    unit: Cow<'a, str>,
    #[serde(borrow)]
    through: Cow<'a, str>,
    #[serde(borrow)]
    as_of: Cow<'a, str>,
}

impl<'a> RawDelivery<'a> {
    pub(super) fn new(Sent { run, n }: &'a Sent, member: &'a MemberId, told: Option<&'a Told>) -> Self {
        let expiring = told.map(|Told { unit, through, as_of }| RawTold {
            unit: unit.as_str().into(),
            through: through.to_string().into(),
            as_of: as_of.to_string().into(),
        });
        Self { member: member.as_str().into(), run: run.into(), notice: *n, expiring }
    }
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
    let through = last_day("data.through", &data.through)?;
    change(&data.member, TermCause::Notified { unit: unit.map(UnitId::from), through })
}

pub(super) fn delivery(_: Instant, data: &RawDelivery<'_>) -> Result<Body, InvalidEvent> {
    let notice = Sent { run: name("data.run", &data.run)?.to_owned(), n: data.notice };
    let told = data.expiring.as_ref().map(told).transpose()?;
    change(&data.member, TermCause::Delivered { notice, told })
}

fn told(raw: &RawTold<'_>) -> Result<Told, InvalidEvent> {
    let as_of = Instant::parse(&raw.as_of);
    Ok(Told {
        unit: name("data.expiring.unit", &raw.unit)?.into(),
        through: last_day("data.expiring.through", &raw.through)?,
        as_of: as_of.map_err(|reason| InvalidEvent::new("data.expiring.as_of", reason))?,
    })
}

/// Reads a day that lies where calendars reach.
fn last_day(field: &str, text: &str) -> Result<NaiveDate, InvalidEvent> {
    let date = day(field, text)?;
    Day::from_number(day_number(date))
        .map_err(|error| InvalidEvent::new(field, format!("calendar_range: {error}")))?;
    Ok(date)
}

pub(super) fn action(_: Instant, data: &RawAction<'_>) -> Result<Body, InvalidEvent> {
    let order = data.order.as_deref().map(|order| name("data.order", order)).transpose()?;
    let action = name("data.action", &data.action)?.to_owned();
    change(&data.member, TermCause::Done { action, order: order.map(str::to_owned) })
}

fn change(member: &str, cause: TermCause) -> Result<Body, InvalidEvent> {
    Ok(Body::TermChange(TermChange { member: MemberId::from(name("data.member", member)?), cause }))
}
