//! Uses of points, as receipts write them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::term::NoticeJson;
use super::{InvalidReceipt, is_zero, issuer, points};
use crate::lot::LotId;
use crate::proposal::Offer;
use crate::redemption::{Acceptance, Expired, Paid, Part, Quoted, Redeemed, Return, Returned};
use crate::term::Notice;
use crate::time::{Instant, Zone, date_of, day_number};

#[derive(Serialize, Deserialize)]
pub(super) struct RedeemedJson<'a> {
    #[serde(borrow)]
    redemption: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_zero")]
    steps: u64,
    #[serde(borrow)]
    unit: Cow<'a, str>,
    #[serde(flatten, borrow, skip_serializing_if = "Option::is_none")]
    acceptance: Option<AcceptanceJson<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    offer: Option<OfferJson<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    until: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    held: Vec<PartJson<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    captured: Vec<PartJson<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    released: Vec<PartJson<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    cancelled: Vec<PartJson<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    returned: Vec<ReturnedJson<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paid: Option<PaidJson>,
}

#[derive(Serialize, Deserialize)]
struct PaidJson {
    captured: u64,
    cancelled: u64,
}

#[derive(Serialize, Deserialize)]
struct AcceptanceJson<'a> {
    #[serde(borrow)]
    deployment: Cow<'a, str>,
    #[serde(borrow)]
    merchant: Cow<'a, str>,
    #[serde(borrow)]
    terms: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct OfferJson<'a> {
    points: u64,
    cash: u64,
    worth: u64,
    #[serde(borrow)]
    benefit: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    restrictions: Vec<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PartJson<'a> {
    lot: String,
    #[serde(borrow)]
    issuer: Cow<'a, str>,
    earned: String,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    expires: Option<Cow<'a, str>>,
    #[serde(flatten)]
    notice: NoticeJson,
    had: u64,
    points: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ExpiredJson<'a> {
    #[serde(borrow)]
    unit: Cow<'a, str>,
    #[serde(flatten, borrow)]
    part: PartJson<'a>,
}

#[derive(Serialize, Deserialize)]
struct ReturnedJson<'a> {
    lot: String,
    #[serde(borrow)]
    issuer: Cow<'a, str>,
    points: u64,
    #[serde(default, skip_serializing_if = "is_false")]
    lapsed: bool,
    /// Of a lot of its own: when it ends.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    new: Option<Cow<'a, str>>,
    #[serde(flatten)]
    notice: NoticeJson,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The end of what never ends.
const NEVER: &str = "never";

pub(super) fn end_out<'a>(instant: Instant, zone: Zone) -> Cow<'a, str> {
    if instant == Instant::NEVER { NEVER.into() } else { zone.format(instant).into() }
}

pub(super) fn end(text: &str) -> Result<Instant, InvalidReceipt> {
    if text == NEVER { Ok(Instant::NEVER) } else { Instant::parse(text).map_err(InvalidReceipt) }
}

pub(super) fn lot(name: &str) -> Result<LotId, InvalidReceipt> {
    LotId::parse(name).ok_or_else(|| InvalidReceipt(format!("{name:?} is no lot")))
}

impl<'a> RedeemedJson<'a> {
    pub(super) fn new(redeemed: &'a Redeemed, zone: Zone) -> Self {
        let Redeemed { name, steps, unit, acceptance, quoted, held, captured, released, cancelled, .. } =
            redeemed;
        let paid = |paid: Paid| PaidJson { captured: paid.captured.get(), cancelled: paid.cancelled.get() };
        let parts = |parts: &'a [Part]| parts.iter().map(|part| PartJson::new(part, zone)).collect();
        Self {
            redemption: name.as_str().into(),
            steps: *steps,
            unit: unit.as_str().into(),
            acceptance: acceptance.as_ref().map(AcceptanceJson::from),
            offer: quoted.as_ref().map(|quoted| OfferJson::from(&quoted.offer)),
            until: quoted.as_ref().map(|quoted| end_out(quoted.until, zone)),
            held: parts(held),
            captured: parts(captured),
            released: parts(released),
            cancelled: parts(cancelled),
            returned: redeemed.returned.iter().map(|returned| ReturnedJson::new(returned, zone)).collect(),
            paid: redeemed.paid.map(paid),
        }
    }
}

impl TryFrom<RedeemedJson<'_>> for Redeemed {
    type Error = InvalidReceipt;

    fn try_from(json: RedeemedJson<'_>) -> Result<Self, InvalidReceipt> {
        let parts =
            |parts: Vec<PartJson<'_>>| parts.into_iter().map(Part::try_from).collect::<Result<_, _>>();
        let paid = |paid: PaidJson| {
            Ok(Paid { captured: points(paid.captured)?, cancelled: points(paid.cancelled)? })
        };
        let quoted = json.offer.map(|offer| {
            let until = json.until.as_deref().unwrap_or(NEVER);
            Ok(Quoted { offer: Offer::try_from(offer)?, until: end(until)? })
        });
        Ok(Self {
            name: json.redemption.as_ref().into(),
            steps: json.steps,
            unit: json.unit.as_ref().into(),
            acceptance: json.acceptance.map(Acceptance::from),
            quoted: quoted.transpose()?,
            held: parts(json.held)?,
            captured: parts(json.captured)?,
            released: parts(json.released)?,
            cancelled: parts(json.cancelled)?,
            returned: json.returned.into_iter().map(Returned::try_from).collect::<Result<_, _>>()?,
            paid: json.paid.map(paid).transpose()?,
        })
    }
}

impl<'a> From<&'a Acceptance> for AcceptanceJson<'a> {
    fn from(acceptance: &'a Acceptance) -> Self {
        let Acceptance { deployment, merchant, program } = acceptance;
        Self {
            deployment: deployment.as_str().into(),
            merchant: merchant.as_str().into(),
            terms: program.as_str().into(),
        }
    }
}

impl From<AcceptanceJson<'_>> for Acceptance {
    fn from(json: AcceptanceJson<'_>) -> Self {
        let AcceptanceJson { deployment, merchant, terms } = json;
        Self {
            deployment: deployment.as_ref().into(),
            merchant: merchant.as_ref().into(),
            program: terms.into_owned(),
        }
    }
}

impl<'a> From<&'a Offer> for OfferJson<'a> {
    fn from(offer: &'a Offer) -> Self {
        let Offer { points, cash_minor, worth_minor, benefit, restrictions } = offer;
        Self {
            points: points.get(),
            cash: *cash_minor,
            worth: *worth_minor,
            benefit: benefit.as_str().into(),
            restrictions: restrictions.clone(),
        }
    }
}

impl TryFrom<OfferJson<'_>> for Offer {
    type Error = InvalidReceipt;

    fn try_from(json: OfferJson<'_>) -> Result<Self, InvalidReceipt> {
        Ok(Self {
            points: points(json.points)?,
            cash_minor: json.cash,
            worth_minor: json.worth,
            benefit: json.benefit.into_owned(),
            restrictions: json.restrictions,
        })
    }
}

impl<'a> ExpiredJson<'a> {
    pub(super) fn new(expired: &'a Expired, zone: Zone) -> Self {
        Self { unit: expired.unit.as_str().into(), part: PartJson::new(&expired.part, zone) }
    }
}

impl TryFrom<ExpiredJson<'_>> for Expired {
    type Error = InvalidReceipt;

    fn try_from(json: ExpiredJson<'_>) -> Result<Self, InvalidReceipt> {
        Ok(Self { unit: json.unit.as_ref().into(), part: Part::try_from(json.part)? })
    }
}

impl<'a> PartJson<'a> {
    pub(super) fn new(part: &'a Part, zone: Zone) -> Self {
        Self {
            lot: part.lot.to_string(),
            issuer: part.issuer.to_string().into(),
            earned: super::date_text(part.day),
            expires: (part.expires_at != Instant::NEVER).then(|| end_out(part.expires_at, zone)),
            notice: NoticeJson::from(part.notice),
            had: part.had.get(),
            points: part.points.get(),
        }
    }
}

impl TryFrom<PartJson<'_>> for Part {
    type Error = InvalidReceipt;

    fn try_from(json: PartJson<'_>) -> Result<Self, InvalidReceipt> {
        Ok(Self {
            lot: lot(&json.lot)?,
            issuer: issuer(&json.issuer)?,
            day: day(&json.earned)?,
            expires_at: end(json.expires.as_deref().unwrap_or(NEVER))?,
            notice: json.notice.try_into()?,
            had: points(json.had)?,
            points: points(json.points)?,
        })
    }
}

/// Reads a day as [`super::date_text`] writes it.
pub(super) fn day(text: &str) -> Result<i32, InvalidReceipt> {
    let number = || text.parse().ok().filter(|number| date_of(*number).is_none());
    let day = text.parse().map(day_number).ok().or_else(number);
    day.ok_or_else(|| InvalidReceipt(format!("{text:?} is no day")))
}

impl<'a> ReturnedJson<'a> {
    fn new(returned: &'a Returned, zone: Zone) -> Self {
        let Returned { lot, issuer, points, to } = returned;
        let (new, notice) = match to {
            Return::New { expires_at, notice } => (Some(end_out(*expires_at, zone)), *notice),
            Return::Lot | Return::Lapsed => (None, Notice::Given),
        };
        Self {
            lot: lot.to_string(),
            issuer: issuer.to_string().into(),
            points: points.get(),
            lapsed: *to == Return::Lapsed,
            new,
            notice: notice.into(),
        }
    }
}

impl TryFrom<ReturnedJson<'_>> for Returned {
    type Error = InvalidReceipt;

    fn try_from(json: ReturnedJson<'_>) -> Result<Self, InvalidReceipt> {
        let to = match (json.new, json.lapsed) {
            (Some(expires), _) => Return::New { expires_at: end(&expires)?, notice: json.notice.try_into()? },
            (None, true) => Return::Lapsed,
            (None, false) => Return::Lot,
        };
        Ok(Self { lot: lot(&json.lot)?, issuer: issuer(&json.issuer)?, points: points(json.points)?, to })
    }
}
