//! Events as a case states them: the form of the events that the host takes in.

use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{LocalTime, is_default};
use crate::json;

/// A CloudEvents 1.0 object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The sender's name for it.
    pub id: String,
    /// Who sent it.
    pub source: String,
    /// When it happened, in the program's zone.
    pub time: LocalTime,
    /// What happened.
    pub data: Data,
}

/// What happened, by type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Data {
    /// `jifen.member.registered`.
    Registration(Registration),
    /// `jifen.purchase.completed`.
    Purchase(Purchase),
    /// `jifen.redemption.requested`.
    Request(Request),
    /// `jifen.campaign.ran`.
    Run(Run),
}

/// A member who joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The member.
    pub member: String,
    /// Where the member lives, as a region's path.
    #[serde(default, skip_serializing_if = "is_default")]
    pub region: Option<String>,
    /// Who brought the member.
    #[serde(default, skip_serializing_if = "is_default")]
    pub referrer: Option<String>,
    /// An opaque key, equal for one real person.
    #[serde(default, skip_serializing_if = "is_default")]
    pub person: Option<String>,
    /// The birthday.
    #[serde(default, skip_serializing_if = "is_default")]
    pub birthday: Option<String>,
    /// What the member consented to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub consents: Option<Vec<String>>,
}

/// A completed purchase. Amounts are in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purchase {
    /// The merchant's name for the order.
    pub order: String,
    /// Who bought.
    pub member: String,
    /// Where.
    pub merchant: String,
    /// ISO 4217.
    pub currency: String,
    /// What was bought.
    pub lines: Vec<Line>,
    /// What delivery cost.
    #[serde(default, skip_serializing_if = "is_default")]
    pub freight: u64,
    /// A discount on the whole basket.
    #[serde(default, skip_serializing_if = "is_default")]
    pub discount: u64,
    /// How it was paid. Empty: all of it in money.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tenders: Vec<Tender>,
}

/// A wish to use points: for an item, or for part of a bill. Amounts are in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The merchant's name for the use of points.
    pub redemption: String,
    /// Who wants to use them.
    pub member: String,
    /// Where.
    pub merchant: String,
    /// The item; none if it is for a bill.
    #[serde(default, skip_serializing_if = "is_default")]
    pub item: Option<String>,
    /// How many; one if it is left out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub quantity: Option<u64>,
    /// What the bill is for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lines: Vec<Line>,
    /// What delivery costs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub freight: u64,
    /// ISO 4217, with a bill.
    #[serde(default, skip_serializing_if = "is_default")]
    pub currency: Option<String>,
    /// How many points the member wants to use, if it is not left to the rule.
    #[serde(default, skip_serializing_if = "is_default")]
    pub points: Option<u64>,
}

/// A day of a campaign, for one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The campaign, as the program names it.
    pub campaign: String,
    /// For whom.
    pub member: String,
}

/// One line of a basket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The merchant's article number.
    pub sku: String,
    /// The merchant's category.
    pub category: String,
    /// How many.
    pub quantity: u64,
    /// The line's total after its own discounts, in minor units.
    pub amount: u64,
    /// The merchant's marks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tags: Vec<String>,
}

/// A part of the payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tender {
    /// How.
    pub kind: TenderKind,
    /// The redemption that it comes from.
    #[serde(default, skip_serializing_if = "is_default")]
    pub redemption: Option<String>,
    /// How much, in minor units.
    pub amount: u64,
}

/// How a part was paid. A policy sees the first three as money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TenderKind {
    /// Notes and coins, or money in a form not named.
    Cash,
    /// A card.
    Card,
    /// A wallet.
    Wallet,
    /// A redemption of points.
    Points,
    /// A gift card.
    GiftCard,
}

impl Data {
    /// Returns the type of the event.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Registration(_) => "jifen.member.registered",
            Self::Purchase(_) => "jifen.purchase.completed",
            Self::Request(_) => "jifen.redemption.requested",
            Self::Run(_) => "jifen.campaign.ran",
        }
    }

    fn parse(kind: &str, json: &str) -> Result<Self, String> {
        match kind {
            "jifen.member.registered" => parse(json).map(Self::Registration),
            "jifen.purchase.completed" => parse(json).map(Self::Purchase),
            "jifen.redemption.requested" => parse(json).and_then(Request::checked).map(Self::Request),
            "jifen.campaign.ran" => parse(json).map(Self::Run),
            other => Err(format!("type: no policy is asked about {other}")),
        }
    }
}

impl Request {
    fn checked(self) -> Result<Self, String> {
        match (&self.item, self.lines.as_slice()) {
            (Some(_), []) | (None, [_, ..]) => Ok(self),
            (Some(_), [_, ..]) => Err("data.item: excludes lines; ask for an item or for a bill".to_owned()),
            (None, []) => Err("data.item: is missing; name an item, or the lines of a bill".to_owned()),
        }
    }
}

/// The envelope. Data is raw at first, because its form depends on the type.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    specversion: String,
    id: String,
    source: String,
    r#type: String,
    time: LocalTime,
    data: Box<RawValue>,
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let envelope = Envelope::deserialize(deserializer)?;
        if envelope.specversion != "1.0" {
            return Err(serde::de::Error::custom("specversion: must be \"1.0\""));
        }
        let data = Data::parse(&envelope.r#type, envelope.data.get()).map_err(serde::de::Error::custom)?;
        Ok(Self { id: envelope.id, source: envelope.source, time: envelope.time, data })
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut event = serializer.serialize_struct("Event", 6)?;
        event.serialize_field("specversion", "1.0")?;
        event.serialize_field("id", &self.id)?;
        event.serialize_field("source", &self.source)?;
        event.serialize_field("type", self.data.kind())?;
        event.serialize_field("time", &self.time)?;
        event.serialize_field("data", &self.data)?;
        event.end()
    }
}

/// Reads `data`. The place would be counted from where `data` begins; the error around this one says where that is.
fn parse<'de, T: Deserialize<'de>>(json: &'de str) -> Result<T, String> {
    json::parse(json).map_err(|fault| match fault.path.as_str() {
        "" => format!("data: {}", fault.reason_without_place()),
        path => format!("data.{path}: {}", fault.reason_without_place()),
    })
}
