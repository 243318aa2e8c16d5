//! Settlements, as receipts and statements write them.

use serde::{Serialize, Serializer};

use crate::clearing::{Line, Net, Position, Settled, net};

#[derive(Serialize)]
pub(super) struct SettledOut<'a> {
    after: u64,
    lines: &'a [Line],
    parties: Vec<Net>,
}

#[derive(Serialize)]
struct LineOut<'a> {
    reason: &'static str,
    issuer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    acceptor: Option<&'a str>,
    unit: &'a str,
    points: i64,
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

impl<'a> From<&'a Settled> for SettledOut<'a> {
    fn from(settled: &'a Settled) -> Self {
        Self { after: settled.after, lines: &settled.lines, parties: net(&settled.lines) }
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
