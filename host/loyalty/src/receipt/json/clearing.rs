//! Settlements, as receipts and statements write them.

use std::borrow::Cow;

use rules_guest::rate::Rate;
use serde::{Deserialize, Serialize, Serializer};

use super::{InvalidReceipt, issuer};
use crate::clearing::{Block, Line, Net, Position, Reason, Settled, net, net_of};
use crate::event;
use crate::receipt::{Covered, Key};

#[derive(Serialize)]
pub(super) struct SettledOut<'a> {
    after: u64,
    lines: &'a [Line],
    parties: Vec<Net>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    blocks: &'a [Block],
}

#[derive(Serialize)]
struct LineOut<'a> {
    reason: &'static str,
    issuer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    acceptor: Option<&'a str>,
    unit: &'a str,
    points: i64,
    #[serde(skip_serializing_if = "is_zero")]
    prepaid: i64,
    rate: String,
    currency: &'a str,
    amount: i64,
}

#[derive(Serialize)]
struct NetOut<'a> {
    party: String,
    currency: &'a str,
    amount: i64,
}

/// A block as it is bought.
#[derive(Serialize)]
pub(super) struct BlockOut<'a> {
    issuer: String,
    unit: &'a str,
    points: u64,
    currency: &'a str,
    amount: u64,
    parties: Vec<Net>,
}

/// A block as settlements leave it.
#[derive(Serialize)]
struct BlockLeftOut<'a> {
    source: &'a str,
    id: &'a str,
    issuer: String,
    unit: &'a str,
    currency: &'a str,
    points: u64,
    taken: i64,
    left: u64,
}

#[derive(Deserialize)]
struct CoveredJson<'a> {
    #[serde(borrow, default)]
    settlement: Option<SettledJson<'a>>,
}

#[derive(Deserialize)]
struct SettledJson<'a> {
    #[serde(borrow)]
    lines: Vec<LineJson<'a>>,
    #[serde(borrow, default)]
    blocks: Vec<BlockJson<'a>>,
}

#[derive(Deserialize)]
struct LineJson<'a> {
    #[serde(borrow)]
    reason: Cow<'a, str>,
    #[serde(borrow)]
    issuer: Cow<'a, str>,
    #[serde(borrow)]
    unit: Cow<'a, str>,
    #[serde(default)]
    prepaid: i64,
    rate: Rate,
    #[serde(borrow)]
    currency: Cow<'a, str>,
}

#[derive(Deserialize)]
struct BlockJson<'a> {
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    taken: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(points: &i64) -> bool {
    *points == 0
}

/// Reads what blocks had to do with a settlement.
pub(super) fn covered(json: &[u8]) -> Result<Covered, InvalidReceipt> {
    let read: CoveredJson<'_> =
        serde_json::from_slice(json).map_err(|error| InvalidReceipt(error.to_string()))?;
    let Some(SettledJson { lines, blocks }) = read.settlement else { return Ok(Covered::default()) };
    let lines = lines.into_iter().filter(|line| line.prepaid != 0);
    Ok(Covered {
        lines: lines.map(LineJson::covered).collect::<Result<_, _>>()?,
        blocks: blocks.into_iter().map(BlockJson::taken).collect(),
    })
}

impl BlockJson<'_> {
    fn taken(self) -> (Key, i64) {
        (Key { source: self.source.into_owned(), id: self.id.into_owned() }, self.taken)
    }
}

impl LineJson<'_> {
    /// Only what issuers pay for awards is ever prepaid, so that nobody took the points.
    fn covered(self) -> Result<(Position, i64), InvalidReceipt> {
        let Self { reason, issuer: account, unit, prepaid, rate, currency } = self;
        let position = Position {
            reason: Reason::parse(&reason)
                .ok_or_else(|| InvalidReceipt(format!("{reason:?} is no reason")))?,
            issuer: issuer(&account)?,
            acceptor: None,
            unit: unit.as_ref().into(),
            currency: currency.into_owned(),
            rate,
        };
        Ok((position, prepaid))
    }
}

impl<'a> From<&'a event::Block> for BlockOut<'a> {
    fn from(block: &'a event::Block) -> Self {
        let event::Block { merchant, unit, points, currency, amount_minor } = block;
        Self {
            issuer: format!("merchant/{merchant}"),
            unit: unit.as_str(),
            points: points.get(),
            currency,
            amount: *amount_minor,
            parties: net_of([block.payment()]),
        }
    }
}

impl Serialize for Block {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event::Block { merchant, unit, points, currency, .. } = &self.bought;
        let out = BlockLeftOut {
            source: &self.key.source,
            id: &self.key.id,
            issuer: format!("merchant/{merchant}"),
            unit: unit.as_str(),
            currency,
            points: points.get(),
            taken: self.taken,
            left: self.left.get(),
        };
        out.serialize(serializer)
    }
}

impl<'a> From<&'a Settled> for SettledOut<'a> {
    fn from(settled: &'a Settled) -> Self {
        Self {
            after: settled.after,
            lines: &settled.lines,
            parties: net(&settled.lines),
            blocks: &settled.blocks,
        }
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Position { reason, issuer, acceptor, unit, currency, rate } = &self.position;
        let out = LineOut {
            reason: reason.code(),
            issuer: issuer.to_string(),
            acceptor: acceptor.as_ref().map(|acceptor| acceptor.as_str()),
            unit: unit.as_str(),
            points: self.points,
            prepaid: self.prepaid,
            rate: rate.to_string(),
            currency,
            amount: self.amount_minor,
        };
        out.serialize(serializer)
    }
}

impl Serialize for Net {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (party, currency, amount) = (self.party.to_string(), &*self.currency, self.amount_minor);
        NetOut { party, currency, amount }.serialize(serializer)
    }
}
