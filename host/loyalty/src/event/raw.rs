//! Events as they are written: the one place that knows their JSON.

mod points;

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, TimeDelta};
use rules_guest::calendar::{Day, InvalidDate};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    AMOUNT_MINOR_MAX, Block, Body, Cause, Close, Correction, Event, Happening, InvalidEvent, LINES_MAX, Line,
    NAME_BYTES_MAX, Occasion, Opening, Purchase, Purpose, Redemption, Refund, RefundLine, Registration,
    Request, Revision, Run, Sent, Settlement, Step, Tender, TenderKind, Told,
};
use crate::id::{DeploymentId, MemberId, MerchantId, RedemptionId, UnitId};
use crate::lot::Issuer;
use crate::points::Points;
use crate::time::{Instant, day_number};

const DAY_CLOSED: &str = "jifen.day.closed";
const PURCHASE_CORRECTED: &str = "jifen.purchase.corrected";
const CAMPAIGN_RAN: &str = "jifen.campaign.ran";
const NOTICE_DELIVERED: &str = "jifen.notice.delivered";
/// Who sends what became of notices.
const NOTICES: &str = "/jifen/notices";
/// Hexadecimal digits of a SHA-256, and those of a program's that stand in the names of corrections.
const DIGEST_DIGITS: usize = 64;
const PROGRAM_DIGITS: usize = 12;
/// Bytes that why a purchase is decided anew may have.
const WHY_BYTES_MAX: usize = 1_000;

/// The envelope. `Data` is raw at first, because its form depends on the type.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a JSON object")]
struct RawEnvelope<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a serde_json::value::RawValue,
    // Attributes that CloudEvents allows and that say nothing here.
    #[serde(default, rename = "datacontenttype")]
    _datacontenttype: IgnoredAny,
    #[serde(default, rename = "dataschema")]
    _dataschema: IgnoredAny,
    #[serde(default, rename = "subject")]
    _subject: IgnoredAny,
}

/// The canonical form, field by field in this order.
#[derive(Serialize)]
struct Canonical<'a, Data> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    r#type: &'a str,
    time: String,
    data: &'a Data,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRegistration<'a> {
    #[serde(borrow)]
    member: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    region: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    referrer: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    person: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    birthday: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    consents: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPurchase<'a> {
    #[serde(borrow)]
    order: Cow<'a, str>,
    #[serde(borrow)]
    member: Cow<'a, str>,
    #[serde(borrow)]
    merchant: Cow<'a, str>,
    #[serde(borrow)]
    currency: Cow<'a, str>,
    #[serde(borrow)]
    lines: Vec<RawLine<'a>>,
    #[serde(default, skip_serializing_if = "is_zero")]
    freight: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    discount: u64,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    tenders: Vec<RawTender<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    payer: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLine<'a> {
    #[serde(borrow)]
    sku: Cow<'a, str>,
    #[serde(borrow)]
    category: Cow<'a, str>,
    quantity: u64,
    amount: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTender<'a> {
    kind: RawTenderKind,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    redemption: Option<Cow<'a, str>>,
    amount: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRefund<'a> {
    #[serde(borrow)]
    order: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    lines: Option<Vec<RawRefundLine<'a>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    freight: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<RawCause>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRejection<'a> {
    #[serde(borrow)]
    order: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCorrection<'a> {
    #[serde(borrow)]
    order: Cow<'a, str>,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    program: Cow<'a, str>,
    #[serde(borrow)]
    why: Cow<'a, str>,
    #[serde(borrow)]
    proposed_by: Cow<'a, str>,
    #[serde(borrow)]
    approved_by: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRefundLine<'a> {
    #[serde(borrow)]
    sku: Cow<'a, str>,
    quantity: u64,
    amount: u64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawCause {
    Member,
    Merchant,
    Carrier,
}

impl From<RawCause> for Cause {
    fn from(cause: RawCause) -> Self {
        match cause {
            RawCause::Member => Self::Member,
            RawCause::Merchant => Self::Merchant,
            RawCause::Carrier => Self::Carrier,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRequest<'a> {
    #[serde(borrow)]
    redemption: Cow<'a, str>,
    #[serde(borrow)]
    member: Cow<'a, str>,
    #[serde(borrow)]
    merchant: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    item: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quantity: Option<u64>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    lines: Option<Vec<RawLine<'a>>>,
    #[serde(default, skip_serializing_if = "is_zero")]
    freight: u64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    currency: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    points: Option<u64>,
}

/// A step after the request, of all points or of some.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep<'a> {
    #[serde(borrow)]
    redemption: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    points: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLapse<'a> {
    #[serde(borrow)]
    redemption: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCancellation<'a> {
    #[serde(borrow)]
    redemption: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    points: Option<u64>,
    cause: RawCause,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawTenderKind {
    Cash,
    Card,
    Wallet,
    Points,
    GiftCard,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClose<'a> {
    #[serde(borrow)]
    day: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    member: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "is_false")]
    late: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRun<'a> {
    #[serde(borrow)]
    campaign: Cow<'a, str>,
    #[serde(borrow)]
    member: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOpening<'a> {
    #[serde(borrow)]
    member: Cow<'a, str>,
    #[serde(borrow)]
    unit: Cow<'a, str>,
    points: u64,
    #[serde(borrow)]
    issuer: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    expires: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSettlement {
    through: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBlock<'a> {
    #[serde(borrow)]
    merchant: Cow<'a, str>,
    #[serde(borrow)]
    unit: Cow<'a, str>,
    points: u64,
    #[serde(borrow)]
    currency: Cow<'a, str>,
    amount: u64,
}

impl From<RawTenderKind> for TenderKind {
    fn from(kind: RawTenderKind) -> Self {
        match kind {
            RawTenderKind::Cash | RawTenderKind::Card | RawTenderKind::Wallet => Self::Cash,
            RawTenderKind::Points => Self::Points,
            RawTenderKind::GiftCard => Self::GiftCard,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(amount: &u64) -> bool {
    *amount == 0
}

pub(super) fn parse(json: &[u8]) -> Result<Event, InvalidEvent> {
    let envelope: RawEnvelope<'_> = read(json, "")?;
    if envelope.specversion != "1.0" {
        return Err(InvalidEvent::new("specversion", "must be \"1.0\""));
    }
    name("id", &envelope.id)?;
    name("source", &envelope.source)?;
    let time = Instant::parse(&envelope.time).map_err(|reason| InvalidEvent::new("time", reason))?;
    match &*envelope.kind {
        "jifen.member.registered" => finish(&envelope, time, registration),
        "jifen.purchase.completed" => finish(&envelope, time, purchase),
        "jifen.purchase.refunded" => finish(&envelope, time, refund),
        PURCHASE_CORRECTED => finish(&envelope, time, correction),
        "jifen.referral.rejected" => finish(&envelope, time, rejection),
        "jifen.redemption.requested" => finish(&envelope, time, request),
        "jifen.redemption.captured" => finish(&envelope, time, capture),
        "jifen.redemption.voided" => finish(&envelope, time, void),
        "jifen.redemption.lapsed" => finish(&envelope, time, lapse),
        "jifen.redemption.cancelled" => finish(&envelope, time, cancellation),
        DAY_CLOSED => finish(&envelope, time, close),
        "jifen.balance.opened" => finish(&envelope, time, opening),
        "jifen.points.transferred" => finish(&envelope, time, points::transfer),
        "jifen.points.exchanged" => finish(&envelope, time, points::exchange),
        "jifen.expiry.notified" => finish(&envelope, time, points::notification),
        "jifen.action.done" => finish(&envelope, time, points::action),
        CAMPAIGN_RAN if envelope.source != Event::CAMPAIGNS => {
            let reason = format!("must be {:?}: closing a day makes such events", Event::CAMPAIGNS);
            Err(InvalidEvent::new("source", reason))
        }
        CAMPAIGN_RAN => finish(&envelope, time, run),
        NOTICE_DELIVERED if envelope.source != NOTICES => {
            let reason = format!("must be {NOTICES:?}: `jifen notify` makes such events");
            Err(InvalidEvent::new("source", reason))
        }
        NOTICE_DELIVERED => finish(&envelope, time, points::delivery),
        "jifen.settlement.closed" => finish(&envelope, time, settlement),
        "jifen.block.purchased" => finish(&envelope, time, block),
        unknown => Err(InvalidEvent::new("type", format!("{unknown:?} is not a type that Jifen knows"))),
    }
}

/// Reads the data by its type and writes the canonical form.
fn finish<'a, Data: Serialize + Deserialize<'a>>(
    envelope: &'a RawEnvelope<'a>,
    time: Instant,
    check: fn(Instant, &Data) -> Result<Body, InvalidEvent>,
) -> Result<Event, InvalidEvent> {
    let data: Data = read(envelope.data.get().as_bytes(), "data")?;
    let body = check(time, &data)?;
    let canonical = Canonical {
        specversion: "1.0",
        id: &envelope.id,
        source: &envelope.source,
        r#type: &envelope.kind,
        time: time.to_string(),
        data: &data,
    };
    let canonical = serde_json::to_vec(&canonical).expect("text and integers always serialize");
    Ok(Event {
        source: envelope.source.clone().into_owned(),
        id: envelope.id.clone().into_owned(),
        time,
        body,
        digest: Sha256::digest(&canonical).into(),
        canonical,
    })
}

fn registration(time: Instant, data: &RawRegistration<'_>) -> Result<Body, InvalidEvent> {
    let member = MemberId::from(name("data.member", &data.member)?);
    let referrer = data.referrer.as_deref().map(|referrer| name("data.referrer", referrer)).transpose()?;
    if referrer == Some(member.as_str()) {
        return Err(InvalidEvent::new("data.referrer", "is the member; nobody refers themself"));
    }
    let registration = Registration {
        region: data.region.as_deref().map(Into::into),
        referrer: referrer.map(MemberId::from),
        person: data.person.as_deref().map(|person| name("data.person", person)).transpose()?.map(Into::into),
        birthday: data.birthday.as_deref().map(|date| birthday(time, date)).transpose()?,
    };
    Ok(Body::Happening(Happening { member, time, occasion: Occasion::Registration(registration) }))
}

/// How far the clocks that are fastest are ahead of UTC.
const FASTEST_CLOCK: TimeDelta = TimeDelta::hours(14);

/// Reads the day on which a member who joins at an instant was born, wherever on earth that day was.
fn birthday(time: Instant, text: &str) -> Result<Day, InvalidEvent> {
    let wrong = |reason: String| InvalidEvent::new("data.birthday", reason);
    let day: Day = text.parse().map_err(|error: InvalidDate| wrong(error.to_string()))?;
    let now = DateTime::from_timestamp_millis(time.millis());
    let latest = now.and_then(|now| now.checked_add_signed(FASTEST_CLOCK));
    if latest.is_some_and(|latest| day.number() > day_number(latest.date_naive())) {
        return Err(wrong(format!("{day} lies after the registration")));
    }
    Ok(day)
}

fn purchase(time: Instant, data: &RawPurchase<'_>) -> Result<Body, InvalidEvent> {
    let member = MemberId::from(name("data.member", &data.member)?);
    let tenders = data.tenders.iter().enumerate().map(|(index, tender)| self::tender(index, tender));
    let purchase = Purchase {
        order: name("data.order", &data.order)?.to_owned(),
        merchant: MerchantId::from(name("data.merchant", &data.merchant)?),
        currency: currency(&data.currency)?,
        lines: lines(&data.lines)?,
        freight_minor: amount(|| "data.freight".to_owned(), data.freight)?,
        discount_minor: amount(|| "data.discount".to_owned(), data.discount)?,
        tenders: tenders.collect::<Result<_, _>>()?,
        payer: data.payer.as_deref().map(|payer| name("data.payer", payer)).transpose()?.map(Into::into),
    };
    let total = purchase.lines.iter().map(|line| line.amount_minor).fold(0, u64::saturating_add);
    if purchase.discount_minor > total {
        let reason = format!("is {}, more than the lines' total of {total}", purchase.discount_minor);
        return Err(InvalidEvent::new("data.discount", reason));
    }
    Ok(Body::Happening(Happening { member, time, occasion: Occasion::Purchase(purchase) }))
}

fn run(time: Instant, data: &RawRun<'_>) -> Result<Body, InvalidEvent> {
    let member = MemberId::from(name("data.member", &data.member)?);
    let campaign = name("data.campaign", &data.campaign)?.into();
    Ok(Body::Happening(Happening { member, time, occasion: Occasion::Run(Run { campaign }) }))
}

fn refund(_: Instant, data: &RawRefund<'_>) -> Result<Body, InvalidEvent> {
    let lines = data.lines.as_ref().map(|lines| {
        if lines.len() > LINES_MAX {
            return Err(InvalidEvent::new("data.lines", format!("must have at most {LINES_MAX} lines")));
        }
        lines.iter().enumerate().map(|(index, line)| refund_line(index, line)).collect::<Result<Vec<_>, _>>()
    });
    let refund = Refund {
        order: name("data.order", &data.order)?.to_owned(),
        lines: lines.transpose()?,
        freight_minor: data
            .freight
            .map(|freight| amount(|| "data.freight".to_owned(), freight))
            .transpose()?,
        cause: data.cause.map_or_else(Cause::default, Cause::from),
        revision: Revision::Returned,
    };
    if refund.lines.as_ref().is_some_and(Vec::is_empty) && refund.freight_minor.unwrap_or(0) == 0 {
        let reason = "gives nothing back; leave lines out to return all that remains";
        return Err(InvalidEvent::new("data.lines", reason));
    }
    Ok(Body::Refund(refund))
}

fn rejection(_: Instant, data: &RawRejection<'_>) -> Result<Body, InvalidEvent> {
    nothing_back(&data.order, Revision::ReferralRejected)
}

fn correction(_: Instant, data: &RawCorrection<'_>) -> Result<Body, InvalidEvent> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if data.program.len() != DIGEST_DIGITS || !data.program.bytes().all(is_digit) {
        let reason = format!(
            "is {:?}; name the program by its digest, {DIGEST_DIGITS} digits of 0 to 9 and a to f, as `jifen changes --json` prints it",
            data.program
        );
        return Err(InvalidEvent::new("data.program", reason));
    }
    if data.why.trim().is_empty() || data.why.len() > WHY_BYTES_MAX {
        let reason =
            format!("must say in 1 to {WHY_BYTES_MAX} bytes why the purchase is decided anew; members ask");
        return Err(InvalidEvent::new("data.why", reason));
    }
    let correction = Correction {
        source: name("data.source", &data.source)?.to_owned(),
        id: name("data.id", &data.id)?.to_owned(),
        program: data.program.clone().into_owned(),
        why: data.why.clone().into_owned(),
        proposed_by: name("data.proposed_by", &data.proposed_by)?.to_owned(),
        approved_by: name("data.approved_by", &data.approved_by)?.to_owned(),
    };
    if correction.approved_by == correction.proposed_by {
        let reason = "is who proposed it; somebody else must look at it and approve it";
        return Err(InvalidEvent::new("data.approved_by", reason));
    }
    nothing_back(&data.order, Revision::Corrected(correction))
}

/// Returns the body of what looks at an order again of which nothing comes back.
fn nothing_back(order: &str, revision: Revision) -> Result<Body, InvalidEvent> {
    Ok(Body::Refund(Refund {
        order: name("data.order", order)?.to_owned(),
        lines: Some(Vec::new()),
        freight_minor: Some(0),
        cause: Cause::default(),
        revision,
    }))
}

fn request(_: Instant, data: &RawRequest<'_>) -> Result<Body, InvalidEvent> {
    if data.redemption.starts_with(RedemptionId::AT_CLOSE) {
        let reason =
            format!("begins with {:?}, which is for what is given at midnight", RedemptionId::AT_CLOSE);
        return Err(InvalidEvent::new("data.redemption", reason));
    }
    let merchant = MerchantId::from(name("data.merchant", &data.merchant)?);
    let purpose = match (&data.item, &data.lines) {
        (Some(item), None) => {
            if data.freight > 0 || data.currency.is_some() {
                let field = if data.freight > 0 { "data.freight" } else { "data.currency" };
                return Err(InvalidEvent::new(field, "belongs to a bill; leave it out for an item"));
            }
            Purpose::Item { item: name("data.item", item)?.to_owned(), quantity: quantity(data.quantity)? }
        }
        (None, Some(lines)) => {
            if data.quantity.is_some() {
                return Err(InvalidEvent::new("data.quantity", "belongs to an item; lines have their own"));
            }
            let missing = || InvalidEvent::new("data.currency", "is missing; a bill is in some currency");
            Purpose::Bill(Purchase {
                order: String::new(),
                merchant: merchant.clone(),
                currency: currency(data.currency.as_deref().ok_or_else(missing)?)?,
                lines: self::lines(lines)?,
                freight_minor: amount(|| "data.freight".to_owned(), data.freight)?,
                discount_minor: 0,
                tenders: Vec::new(),
                payer: None,
            })
        }
        (Some(_), Some(_)) => {
            return Err(InvalidEvent::new("data.item", "excludes lines; ask for an item or for a bill"));
        }
        (None, None) => {
            let reason = "is missing; say which item the points are for, or the lines of which bill";
            return Err(InvalidEvent::new("data.item", reason));
        }
    };
    let member = MemberId::from(name("data.member", &data.member)?);
    let request = Request { member, merchant, purpose, wanted: points(data.points)? };
    step(&data.redemption, Step::Requested(request))
}

fn capture(_: Instant, data: &RawStep<'_>) -> Result<Body, InvalidEvent> {
    step(&data.redemption, Step::Captured(points(data.points)?))
}

fn void(_: Instant, data: &RawStep<'_>) -> Result<Body, InvalidEvent> {
    step(&data.redemption, Step::Voided(points(data.points)?))
}

fn lapse(_: Instant, data: &RawLapse<'_>) -> Result<Body, InvalidEvent> {
    step(&data.redemption, Step::Lapsed)
}

fn cancellation(_: Instant, data: &RawCancellation<'_>) -> Result<Body, InvalidEvent> {
    step(&data.redemption, Step::Cancelled(points(data.points)?, data.cause.into()))
}

fn step(redemption: &str, step: Step) -> Result<Body, InvalidEvent> {
    let name = RedemptionId::from(name("data.redemption", redemption)?);
    Ok(Body::Redemption(Redemption { name, step }))
}

fn opening(_: Instant, data: &RawOpening<'_>) -> Result<Body, InvalidEvent> {
    Ok(Body::Opening(Opening {
        member: MemberId::from(name("data.member", &data.member)?),
        unit: UnitId::from(name("data.unit", &data.unit)?),
        points: points::some(data.points)?,
        issuer: Issuer::named(name("data.issuer", &data.issuer)?),
        expires: data.expires.as_deref().map(|day| self::day("data.expires", day)).transpose()?,
    }))
}

fn day(field: &str, text: &str) -> Result<NaiveDate, InvalidEvent> {
    let wrong = |_| InvalidEvent::new(field, format!("{text:?} is not a day; write it as 2026-03-31"));
    text.parse().map_err(wrong)
}

fn close(_: Instant, data: &RawClose<'_>) -> Result<Body, InvalidEvent> {
    let member = data.member.as_deref().map(|member| name("data.member", member)).transpose()?;
    let (day, late) = (day("data.day", &data.day)?, data.late);
    Ok(Body::Close(Close { day, member: member.map(MemberId::from), late }))
}

fn settlement(_: Instant, data: &RawSettlement) -> Result<Body, InvalidEvent> {
    Ok(Body::Settlement(Settlement { through: data.through }))
}

fn block(_: Instant, data: &RawBlock<'_>) -> Result<Body, InvalidEvent> {
    Ok(Body::Block(Block {
        merchant: MerchantId::from(name("data.merchant", &data.merchant)?),
        unit: UnitId::from(name("data.unit", &data.unit)?),
        points: points::some(data.points)?,
        currency: currency(&data.currency)?,
        amount_minor: amount(|| "data.amount".to_owned(), data.amount)?,
    }))
}

pub(super) fn close_for(
    whole: &Event,
    member: &MemberId,
    day: NaiveDate,
    midnight: Instant,
) -> Result<Event, InvalidEvent> {
    let late = matches!(&whole.body, Body::Close(close) if close.day != day);
    let day = day.to_string();
    let id = short(format!("{}/{day}/{member}", whole.id));
    let data = RawClose { day: day.into(), member: Some(member.as_str().into()), late };
    let canonical = Canonical {
        specversion: "1.0",
        id: &id,
        source: &whole.source,
        r#type: DAY_CLOSED,
        time: midnight.to_string(),
        data: &data,
    };
    parse(&serde_json::to_vec(&canonical).expect("text always serializes"))
}

pub(super) fn correction_of(
    order: &str,
    correction: &Correction,
    nth: u64,
    at: Instant,
) -> Result<Event, InvalidEvent> {
    let Correction { source, id, program, why, proposed_by, approved_by } = correction;
    let of = format!("{}{source}", without_slashes(id));
    let to: String = program.chars().take(PROGRAM_DIGITS).collect();
    let data = RawCorrection {
        order: order.into(),
        source: source.into(),
        id: id.into(),
        program: program.into(),
        why: why.into(),
        proposed_by: proposed_by.into(),
        approved_by: approved_by.into(),
    };
    let canonical = Canonical {
        specversion: "1.0",
        id: &short(format!("{nth}/{to}/{of}")),
        source: Event::CORRECTIONS,
        r#type: PURCHASE_CORRECTED,
        time: at.to_string(),
        data: &data,
    };
    parse(&serde_json::to_vec(&canonical).expect("text always serializes"))
}

/// Returns a name in which a slash is written `%2F`, so that what follows behind one is another.
fn without_slashes(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2F")
}

pub(super) fn run_of(
    campaign: &DeploymentId,
    once: &str,
    member: &MemberId,
    midnight: Instant,
) -> Result<Event, InvalidEvent> {
    let named = without_slashes(campaign.as_str());
    let id = short(format!("{named}/{once}/{member}"));
    let data = RawRun { campaign: campaign.as_str().into(), member: member.as_str().into() };
    let canonical = Canonical {
        specversion: "1.0",
        id: &id,
        source: Event::CAMPAIGNS,
        r#type: CAMPAIGN_RAN,
        time: midnight.to_string(),
        data: &data,
    };
    parse(&serde_json::to_vec(&canonical).expect("text always serializes"))
}

pub(super) fn delivery_of(
    notice: &Sent,
    member: &MemberId,
    told: Option<&Told>,
    at: Instant,
) -> Result<Event, InvalidEvent> {
    let id = notice.name();
    let canonical = Canonical {
        specversion: "1.0",
        id: &id,
        source: NOTICES,
        r#type: NOTICE_DELIVERED,
        time: at.to_string(),
        data: &points::RawDelivery::new(notice, member, told),
    };
    parse(&serde_json::to_vec(&canonical).expect("text always serializes"))
}

/// Returns a name as it is, or by its digest where it is too long for one.
pub(super) fn short(id: String) -> String {
    if id.len() > NAME_BYTES_MAX { hex::encode(Sha256::digest(id)) } else { id }
}

fn points(points: Option<u64>) -> Result<Option<Points>, InvalidEvent> {
    let Some(number) = points else { return Ok(None) };
    let points = Points::new(number).filter(|points| !points.is_zero());
    let reason = || format!("is {number}; write 1 to {}, or leave it out", Points::MAX);
    points.map(Some).ok_or_else(|| InvalidEvent::new("data.points", reason()))
}

fn quantity(quantity: Option<u64>) -> Result<u64, InvalidEvent> {
    match quantity {
        Some(0) => Err(InvalidEvent::new("data.quantity", "is 0; write how many, or leave it out for one")),
        Some(quantity) => amount(|| "data.quantity".to_owned(), quantity),
        None => Ok(1),
    }
}

fn currency(currency: &str) -> Result<String, InvalidEvent> {
    if currency.len() != 3 || !currency.bytes().all(|letter| letter.is_ascii_uppercase()) {
        let reason = "must be three capital letters of ISO 4217, such as CNY";
        return Err(InvalidEvent::new("data.currency", reason));
    }
    Ok(currency.to_owned())
}

fn lines(lines: &[RawLine<'_>]) -> Result<Vec<Line>, InvalidEvent> {
    if lines.is_empty() || lines.len() > LINES_MAX {
        return Err(InvalidEvent::new("data.lines", format!("must have 1 to {LINES_MAX} lines")));
    }
    let lines = lines.iter().enumerate().map(|(index, line)| self::line(index, line));
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    let total = lines.iter().map(|line| line.amount_minor).fold(0, u64::saturating_add);
    amount(|| "data.lines".to_owned(), total)?;
    Ok(lines)
}

fn refund_line(index: usize, line: &RawRefundLine<'_>) -> Result<RefundLine, InvalidEvent> {
    Ok(RefundLine {
        sku: line.sku.clone().into_owned(),
        quantity: amount(|| format!("data.lines[{index}].quantity"), line.quantity)?,
        amount_minor: amount(|| format!("data.lines[{index}].amount"), line.amount)?,
    })
}

fn line(index: usize, line: &RawLine<'_>) -> Result<Line, InvalidEvent> {
    Ok(Line {
        sku: line.sku.clone().into_owned(),
        category: line.category.clone().into_owned(),
        quantity: amount(|| format!("data.lines[{index}].quantity"), line.quantity)?,
        amount_minor: amount(|| format!("data.lines[{index}].amount"), line.amount)?,
        tags: line.tags.clone(),
    })
}

fn tender(index: usize, tender: &RawTender<'_>) -> Result<Tender, InvalidEvent> {
    let amount_minor = amount(|| format!("data.tenders[{index}].amount"), tender.amount)?;
    if tender.redemption.is_some() && !matches!(tender.kind, RawTenderKind::Points) {
        let reason = "belongs to a tender of the kind points";
        return Err(InvalidEvent::new(format!("data.tenders[{index}].redemption"), reason));
    }
    let redemption = tender.redemption.as_deref();
    let named = redemption.map(|redemption| name(&format!("data.tenders[{index}].redemption"), redemption));
    Ok(Tender {
        kind: tender.kind.into(),
        redemption: named.transpose()?.map(RedemptionId::from),
        amount_minor,
    })
}

fn name<'a>(field: &str, text: &'a str) -> Result<&'a str, InvalidEvent> {
    if text.is_empty() || text.len() > NAME_BYTES_MAX || text.chars().any(char::is_control) {
        let reason = format!("must be 1 to {NAME_BYTES_MAX} bytes without control characters");
        return Err(InvalidEvent::new(field, reason));
    }
    Ok(text)
}

fn amount(field: impl Fn() -> String, amount: u64) -> Result<u64, InvalidEvent> {
    if amount > AMOUNT_MINOR_MAX {
        return Err(InvalidEvent::new(
            field(),
            format!("is {amount}; at most {AMOUNT_MINOR_MAX} is allowed"),
        ));
    }
    Ok(amount)
}

/// Reads JSON the fast way, and once more the slow way to name the field where that fails.
fn read<'a, T: Deserialize<'a>>(json: &'a [u8], within: &str) -> Result<T, InvalidEvent> {
    serde_json::from_slice(json).map_err(|_| locate::<T>(json, within))
}

fn locate<'a, T: Deserialize<'a>>(json: &'a [u8], within: &str) -> InvalidEvent {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let (path, error) = match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(error) => (error.path().to_string(), error.into_inner()),
        Ok(_) => match reader.end() {
            Err(error) => (".".to_owned(), error),
            Ok(()) => unreachable!("the same bytes were refused a moment ago"),
        },
    };
    let field = match (within, path.as_str()) {
        ("", ".") => "event".to_owned(),
        ("", path) => path.to_owned(),
        (within, ".") => within.to_owned(),
        (within, path) => format!("{within}.{path}"),
    };
    InvalidEvent::new(field, mend(&error.to_string()))
}

/// Returns serde's words without its position, which counts within the line, and with the mend where it is not
/// plain.
fn mend(words: &str) -> String {
    let words = words.split(" at line ").next().unwrap_or(words);
    if words.contains("floating point") {
        format!("{words}; amounts are integers in minor units")
    } else if words.contains("expected u64") {
        format!("{words}; amounts are never negative: a return is an event of its own")
    } else {
        words.to_owned()
    }
}
