//! Points that became others, as receipts write them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::redemption::PartJson;
use super::term::TermJson;
use super::{InvalidReceipt, points};
use crate::conversion::{Conversion, Converted};
use crate::posting::Kind;
use crate::redemption::Part;
use crate::term::Term;
use crate::time::Zone;

#[derive(Serialize, Deserialize)]
pub(super) struct ConversionJson<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    unit: Cow<'a, str>,
    #[serde(borrow)]
    to: Cow<'a, str>,
    #[serde(borrow)]
    into: Cow<'a, str>,
    #[serde(borrow)]
    parts: Vec<ConvertedJson<'a>>,
}

#[derive(Serialize, Deserialize)]
struct ConvertedJson<'a> {
    #[serde(borrow)]
    from: PartJson<'a>,
    points: u64,
    #[serde(borrow)]
    term: TermJson<'a>,
}

impl<'a> ConversionJson<'a> {
    pub(super) fn new(conversion: &'a Conversion, zone: Zone) -> Self {
        let Conversion { kind, unit, to, into, parts } = conversion;
        let part = |part: &'a Converted| ConvertedJson {
            from: PartJson::new(&part.from, zone),
            points: part.points.get(),
            term: TermJson::new(&part.term, zone),
        };
        Self {
            kind: kind.code().into(),
            unit: unit.as_str().into(),
            to: to.as_str().into(),
            into: into.as_str().into(),
            parts: parts.iter().map(part).collect(),
        }
    }
}

impl TryFrom<ConversionJson<'_>> for Conversion {
    type Error = InvalidReceipt;

    fn try_from(json: ConversionJson<'_>) -> Result<Self, InvalidReceipt> {
        let ConversionJson { kind, unit, to, into, parts } = json;
        let part = |part: ConvertedJson<'_>| {
            let (from, term) = (Part::try_from(part.from)?, Term::try_from(part.term)?);
            Ok(Converted { from, points: points(part.points)?, term })
        };
        Ok(Self {
            kind: Kind::parse(&kind).ok_or_else(|| InvalidReceipt(format!("{kind:?} is no kind")))?,
            unit: unit.as_ref().into(),
            to: to.as_ref().into(),
            into: into.as_ref().into(),
            parts: parts.into_iter().map(part).collect::<Result<_, _>>()?,
        })
    }
}
