//! Events as they are written: the one place that knows their JSON.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    AMOUNT_MINOR_MAX, Body, Event, Happening, InvalidEvent, LINES_MAX, Line, NAME_BYTES_MAX, Occasion,
    Purchase, Refund, RefundLine, Registration, Tender, TenderKind,
};
use crate::id::{MemberId, MerchantId};
use crate::time::Instant;

/// Types of DESIGN that a later release of the ledger processes.
const LATER: [&str; 5] = [
    "jifen.redemption.requested",
    "jifen.redemption.captured",
    "jifen.redemption.voided",
    "jifen.redemption.cancelled",
    "jifen.day.closed",
];

/// The envelope. `Data` is raw at first, because its form depends on the type.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
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
struct RawRefundLine<'a> {
    #[serde(borrow)]
    sku: Cow<'a, str>,
    quantity: u64,
    amount: u64,
}

/// Who caused it. What was bought is re-evaluated all the same; the cause is kept for what a redemption gives back.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawCause {
    Member,
    Merchant,
    Carrier,
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
        later if LATER.contains(&later) => {
            Err(InvalidEvent::new("type", format!("{later} is not processed by this release of Jifen")))
        }
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
    };
    Ok(Body::Happening(Happening { member, time, occasion: Occasion::Registration(registration) }))
}

fn purchase(time: Instant, data: &RawPurchase<'_>) -> Result<Body, InvalidEvent> {
    let member = MemberId::from(name("data.member", &data.member)?);
    if data.currency.len() != 3 || !data.currency.bytes().all(|letter| letter.is_ascii_uppercase()) {
        return Err(InvalidEvent::new(
            "data.currency",
            "must be three capital letters of ISO 4217, such as CNY",
        ));
    }
    if data.lines.is_empty() || data.lines.len() > LINES_MAX {
        return Err(InvalidEvent::new("data.lines", format!("must have 1 to {LINES_MAX} lines")));
    }
    let lines = data.lines.iter().enumerate().map(|(index, line)| self::line(index, line));
    let tenders = data.tenders.iter().enumerate().map(|(index, tender)| self::tender(index, tender));
    let purchase = Purchase {
        order: name("data.order", &data.order)?.to_owned(),
        merchant: MerchantId::from(name("data.merchant", &data.merchant)?),
        currency: data.currency.clone().into_owned(),
        lines: lines.collect::<Result<_, _>>()?,
        freight_minor: amount(|| "data.freight".to_owned(), data.freight)?,
        discount_minor: amount(|| "data.discount".to_owned(), data.discount)?,
        tenders: tenders.collect::<Result<_, _>>()?,
    };
    let total = purchase.lines.iter().map(|line| line.amount_minor).fold(0, u64::saturating_add);
    amount(|| "data.lines".to_owned(), total)?;
    if purchase.discount_minor > total {
        let reason = format!("is {}, more than the lines' total of {total}", purchase.discount_minor);
        return Err(InvalidEvent::new("data.discount", reason));
    }
    Ok(Body::Happening(Happening { member, time, occasion: Occasion::Purchase(purchase) }))
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
    };
    if refund.lines.as_ref().is_some_and(Vec::is_empty) && refund.freight_minor.unwrap_or(0) == 0 {
        let reason = "gives nothing back; leave lines out to return all that remains";
        return Err(InvalidEvent::new("data.lines", reason));
    }
    Ok(Body::Refund(refund))
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
    Ok(Tender { kind: tender.kind.into(), amount_minor })
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
