//! Contracts as they are written.

use std::collections::BTreeMap;

use rules_guest::rate::Rate;
use serde::Deserialize;
use toml::Spanned;

use super::{Context, InvalidProgram, Text};
use crate::lot::Issuer;
use crate::program::Contract;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawContract {
    issuer: Spanned<String>,
    unit: Spanned<String>,
    currency: Spanned<String>,
    from: Option<Spanned<Text>>,
    until: Option<Spanned<Text>>,
    #[serde(default)]
    accrual: Option<Rate>,
    #[serde(default)]
    redemption: Option<Rate>,
    #[serde(default)]
    breakage: Option<Rate>,
    #[serde(default)]
    acceptors: BTreeMap<Spanned<String>, Rate>,
}

impl Context<'_> {
    pub(super) fn contract(&self, field: &str, raw: RawContract) -> Result<Contract, InvalidProgram> {
        let within = |name: &str| format!("{field}.{name}");
        let issuer = Issuer::named(raw.issuer.as_ref());
        if issuer != Issuer::Platform {
            self.known_merchant(&within("issuer"), &raw.issuer)?;
        }
        let (from, until) = self.interval(field, raw.from.as_ref(), raw.until.as_ref())?;
        let currency = self.at.check(&within("currency"), &raw.currency, |text| currency(text))?;
        let mut acceptors = BTreeMap::new();
        for (acceptor, rate) in raw.acceptors {
            self.known_merchant(&within("acceptors"), &acceptor)?;
            acceptors.insert(acceptor.into_inner().into(), rate);
        }
        Ok(Contract {
            issuer,
            unit: self.units.find(self.at, &within("unit"), &raw.unit)?,
            currency,
            from,
            until,
            accrual: raw.accrual.unwrap_or(Rate::ZERO),
            redemption: raw.redemption.unwrap_or(Rate::ZERO),
            breakage: raw.breakage.unwrap_or(Rate::ZERO),
            acceptors,
        })
    }
}

fn currency(text: &str) -> Result<String, String> {
    let code = text.len() == 3 && text.bytes().all(|letter| letter.is_ascii_uppercase());
    if code {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is no currency; write three capital letters, such as CNY"))
    }
}
