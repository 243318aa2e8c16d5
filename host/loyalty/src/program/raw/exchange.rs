//! Exchanges as they are written.

use rules_guest::rate::Rate;
use serde::Deserialize;
use toml::Spanned;

use super::{Context, InvalidProgram, Text};
use crate::program::Exchange;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExchange {
    unit: Spanned<String>,
    into: Spanned<String>,
    rate: Spanned<Rate>,
    #[serde(default)]
    expires: RawExchangeExpiry,
    from: Option<Spanned<Text>>,
    until: Option<Spanned<Text>>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawExchangeExpiry {
    /// As what was given.
    #[default]
    Preserve,
    /// As if it were awarded then.
    Reset,
}

impl Context<'_> {
    pub(super) fn exchange(&self, field: &str, raw: RawExchange) -> Result<Exchange, InvalidProgram> {
        let within = |name: &str| format!("{field}.{name}");
        let (from, until) = self.interval(field, raw.from.as_ref(), raw.until.as_ref())?;
        let unit = self.units.find(self.at, &within("unit"), &raw.unit)?;
        let into = self.units.find(self.at, &within("into"), &raw.into)?;
        if unit == into {
            return Err(self.at.wrong(&within("into"), raw.into.span(), "is the unit itself; name another"));
        }
        if raw.rate.as_ref().is_zero() {
            let reason = "is 0, so that points would become nothing; write how many there are for one";
            return Err(self.at.wrong(&within("rate"), raw.rate.span(), reason));
        }
        let preserve = raw.expires == RawExchangeExpiry::Preserve;
        Ok(Exchange { unit, into, rate: raw.rate.into_inner(), preserve, from, until })
    }
}
