//! Redemption deployments as they are written.

use std::collections::BTreeMap;

use rules_guest::calendar::Calendar;
use rules_guest::rate::Rate;
use serde::Deserialize;
use toml::Spanned;

use super::{Context, DAYS_MAX, InvalidProgram, RawScope, Text, instant, issuer, parameters, policy};
use crate::event::Cause;
use crate::lot::Issuer;
use crate::program::{AtClose, Covers, IssuerRule, RedemptionDeployment, Stock};
use crate::redemption::{CancelTerms, ExtendFrom, Extension};
use crate::time::Instant;

/// Minutes that points are held where the program does not say: time to pay.
const HOLD_MINUTES: u32 = 30;
/// Months by which points can be extended: ten years.
const MONTHS_MAX: u32 = 120;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRedemption {
    pub(super) id: Spanned<String>,
    policy: Spanned<String>,
    unit: Spanned<String>,
    issuer: Option<Spanned<String>>,
    #[serde(default)]
    scope: RawScope,
    from: Option<Spanned<Text>>,
    until: Option<Spanned<Text>>,
    days: Option<Calendar>,
    accepts: Option<Spanned<Vec<Spanned<String>>>>,
    hold: Option<Spanned<RawHold>>,
    covers: Option<Spanned<RawCovers>>,
    #[serde(default)]
    stock: BTreeMap<String, Spanned<RawStock>>,
    #[serde(default)]
    cancel: RawCancel,
    parity: Option<Vec<String>>,
    at_close: Option<RawAtClose>,
    parameters: Option<Spanned<toml::Table>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHold {
    minutes: Option<u32>,
    days: Option<u32>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawCovers {
    Name(String),
    Tags(RawTags),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTags {
    tags: Vec<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStock {
    total: Option<u64>,
    per_day: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAtClose {
    item: String,
    merchant: Spanned<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCancel {
    member: Option<Spanned<RawTerms>>,
    merchant: Option<Spanned<RawTerms>>,
    carrier: Option<Spanned<RawTerms>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTerms {
    fee: Option<Rate>,
    grace: Option<RawDays>,
    extend: Option<RawExtension>,
    compensation: Option<Rate>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDays {
    days: u32,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExtension {
    #[serde(default)]
    months: u32,
    #[serde(default)]
    days: u32,
    #[serde(default)]
    from: RawExtendFrom,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawExtendFrom {
    #[default]
    Expiry,
    Cancellation,
}

impl Context<'_> {
    pub(super) fn redemption(
        &self,
        field: &str,
        raw: RawRedemption,
    ) -> Result<RedemptionDeployment, InvalidProgram> {
        let at = self.at;
        let within = |name: &str| format!("{field}.{name}");
        self.own_name(&within("id"), &raw.id, self.deployments, "deployment")?;
        self.own_name(&within("id"), &raw.id, self.campaigns, "campaign")?;
        self.check_name(&within("id"), &raw.id)?;
        let (from, until) = self.interval(field, raw.from.as_ref(), raw.until.as_ref())?;
        let hold = raw.hold.as_ref().map(|raw| at.check(&within("hold"), raw, hold)).transpose()?;
        let covers = raw.covers.as_ref().map(|raw| at.check(&within("covers"), raw, covers)).transpose()?;
        let stock = raw.stock.iter().map(|(item, raw)| {
            let stock = at.check(&within(&format!("stock.{item}")), raw, stock)?;
            Ok((item.clone(), stock))
        });
        let issuer_rule =
            raw.issuer.as_ref().map(|text| at.check(&within("issuer"), text, |text| issuer(text)));
        Ok(RedemptionDeployment {
            policy: at.check(&within("policy"), &raw.policy, |text| policy(text))?,
            unit: self.spendable(&within("unit"), &raw.unit)?,
            issuer: issuer_rule.unwrap_or(Ok(IssuerRule::Platform))?,
            scope: self.scope(&within("scope"), raw.scope)?,
            from,
            until,
            days: raw.days,
            accepts: raw.accepts.as_ref().map(|raw| self.accepts(&within("accepts"), raw)).transpose()?,
            hold_ms: hold.unwrap_or_else(|| minutes(HOLD_MINUTES)),
            covers: covers.unwrap_or_default(),
            stock: stock.collect::<Result<_, _>>()?,
            parity: raw.parity,
            cancel: self.cancel(&within("cancel"), &raw.cancel)?,
            at_close: raw.at_close.map(|raw| self.at_close(&within("at_close"), raw)).transpose()?,
            line: at.wrong("", raw.policy.span(), "").line,
            parameters: raw.parameters.map_or_else(
                || Ok("{}".to_owned()),
                |table| at.check(&within("parameters"), &table, parameters),
            )?,
            id: raw.id.into_inner().into(),
        })
    }

    fn accepts(
        &self,
        field: &str,
        raw: &Spanned<Vec<Spanned<String>>>,
    ) -> Result<Vec<Issuer>, InvalidProgram> {
        if raw.get_ref().is_empty() {
            let reason = "takes nobody's points; name issuers, or leave it out to take everybody's";
            return Err(self.at.wrong(field, raw.span(), reason));
        }
        let issuers = raw.get_ref().iter().map(|name| match Issuer::named(name.get_ref()) {
            Issuer::Platform => Ok(Issuer::Platform),
            issuer @ Issuer::Merchant(_) => self.known_merchant(field, name).map(|()| issuer),
        });
        issuers.collect()
    }

    fn at_close(&self, field: &str, raw: RawAtClose) -> Result<AtClose, InvalidProgram> {
        let RawAtClose { item, merchant } = raw;
        self.known_merchant(&format!("{field}.merchant"), &merchant)?;
        Ok(AtClose { item, merchant: merchant.into_inner().into() })
    }

    fn cancel(&self, field: &str, raw: &RawCancel) -> Result<BTreeMap<Cause, CancelTerms>, InvalidProgram> {
        let RawCancel { member, merchant, carrier } = raw;
        let causes = [(Cause::Member, member), (Cause::Merchant, merchant), (Cause::Carrier, carrier)];
        let terms = causes.into_iter().filter_map(|(cause, raw)| Some((cause, raw.as_ref()?)));
        let terms = terms.map(|(cause, raw)| {
            Ok((cause, self.at.check(&format!("{field}.{}", cause.code()), raw, cancel_terms)?))
        });
        terms.collect()
    }

    /// Returns the first instant at which something applies and the first at which it no longer does.
    pub(super) fn interval(
        &self,
        field: &str,
        from: Option<&Spanned<Text>>,
        until: Option<&Spanned<Text>>,
    ) -> Result<(Instant, Instant), InvalidProgram> {
        let at = self.at;
        let within = |name: &str| format!("{field}.{name}");
        let from = from.map(|text| at.check(&within("from"), text, instant)).transpose()?;
        let from = from.unwrap_or(Instant::from_millis(i64::MIN));
        let Some(text) = until else { return Ok((from, Instant::NEVER)) };
        let until = at.check(&within("until"), text, instant)?;
        if until <= from {
            let reason = "is not after `from`; `until` is the first instant without it";
            return Err(at.wrong(&within("until"), text.span(), reason));
        }
        Ok((from, until))
    }
}

fn minutes(minutes: u32) -> i64 {
    i64::from(minutes).saturating_mul(60_000)
}

fn hold(raw: &RawHold) -> Result<i64, String> {
    const FORMS: &str = "write { minutes = 30 } or { days = 2 }";
    let held = match (raw.minutes, raw.days) {
        (Some(minutes), None) => u64::from(minutes),
        (None, Some(days)) => u64::from(days).saturating_mul(24 * 60),
        (None, None) => return Err(format!("says nothing; {FORMS}")),
        (Some(_), Some(_)) => return Err(format!("minutes and days exclude each other; {FORMS}")),
    };
    let most = u64::from(DAYS_MAX).saturating_mul(24 * 60);
    match u32::try_from(held) {
        Ok(held) if held > 0 && u64::from(held) <= most => Ok(minutes(held)),
        _ => Err(format!("must be 1 minute to {DAYS_MAX} days; {FORMS}")),
    }
}

fn covers(raw: &RawCovers) -> Result<Covers, String> {
    const FORMS: &str = "write \"bill\", \"goods\", \"freight\" or { tags = [\"staples\"] }";
    match raw {
        RawCovers::Name(name) => match name.as_str() {
            "bill" => Ok(Covers::Bill),
            "goods" => Ok(Covers::Goods),
            "freight" => Ok(Covers::Freight),
            other => Err(format!("{other:?} is no part of a bill; {FORMS}")),
        },
        RawCovers::Tags(RawTags { tags }) if tags.is_empty() => Err(format!("names no tag; {FORMS}")),
        RawCovers::Tags(RawTags { tags }) => Ok(Covers::Tags(tags.clone())),
    }
}

fn stock(raw: &RawStock) -> Result<Stock, String> {
    let RawStock { total, per_day } = *raw;
    if total.is_none() && per_day.is_none() {
        return Err("says nothing; write { total = 100 }, { per_day = 10 } or both".to_owned());
    }
    Ok(Stock { total, per_day })
}

fn cancel_terms(raw: &RawTerms) -> Result<CancelTerms, String> {
    let part = |name: &str, rate: Option<Rate>| match rate {
        Some(rate) if rate > Rate::ONE => {
            Err(format!("{name} is more than \"1\", which is all of the points"))
        }
        rate => Ok(rate.unwrap_or(Rate::ZERO)),
    };
    let grace_days = raw.grace.map_or(0, |grace| grace.days);
    if grace_days > DAYS_MAX {
        return Err(format!("grace is {grace_days} days; at most {DAYS_MAX} are allowed"));
    }
    Ok(CancelTerms {
        fee: part("fee", raw.fee)?,
        grace_days,
        extend: raw.extend.map(extension).transpose()?,
        compensation: part("compensation", raw.compensation)?,
    })
}

fn extension(raw: RawExtension) -> Result<Extension, String> {
    let RawExtension { months, days, from } = raw;
    if (months, days) == (0, 0) || months > MONTHS_MAX || days > DAYS_MAX {
        return Err("extend must be { months = 6 } or { days = 180 }, up to ten years".to_owned());
    }
    let from = match from {
        RawExtendFrom::Expiry => ExtendFrom::Expiry,
        RawExtendFrom::Cancellation => ExtendFrom::Cancellation,
    };
    Ok(Extension { months, days, from })
}
