//! Program files as they are written: the one place that knows their TOML.

mod contract;
mod exchange;
mod redemption;
mod unit;

use std::collections::{BTreeSet, HashMap};

use rules_guest::calendar::Calendar;
use serde::Deserialize;
use toml::Spanned;

use self::contract::RawContract;
use self::exchange::RawExchange;
use self::redemption::RawRedemption;
use self::unit::RawUnit;
use super::{
    Availability, Budget, Cap, Combine, Deployment, InvalidProgram, IssuerRule, Lane, Merchant, Mode,
    OnRefund, Once, OverEvent, PolicyRef, Program, Review, Scope, Segment, Span, Unit, ancestors, is_award,
};
use crate::id::{DeploymentId, MerchantId};
use crate::lot::Issuer;
use crate::member::PAYER_DAYS_MAX;
use crate::points::Points;
use crate::time::{Instant, Zone};

/// Days that points may be held back: ten years.
const DAYS_MAX: u32 = 3_660;
/// Months that somebody may have bought nothing: ten years.
const MONTHS_MAX: u32 = 120;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProgram {
    program: RawHead,
    #[serde(default)]
    unit: Vec<RawUnit>,
    #[serde(default)]
    calendar: Vec<RawCalendar>,
    #[serde(default)]
    region: Vec<RawRegion>,
    #[serde(default)]
    merchant: Vec<RawMerchant>,
    #[serde(default)]
    lane: Vec<RawLane>,
    #[serde(default)]
    deployment: Vec<RawDeployment>,
    #[serde(default)]
    campaign: Vec<RawCampaign>,
    #[serde(default)]
    redemption: Vec<RawRedemption>,
    #[serde(default)]
    contract: Vec<RawContract>,
    #[serde(default)]
    exchange: Vec<RawExchange>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHead {
    name: String,
    timezone: Spanned<String>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawOnRefund {
    #[default]
    Reevaluate,
    Proportional,
    Keep,
}

#[derive(Deserialize)]
struct RawCalendar {
    id: Spanned<String>,
    #[serde(flatten)]
    calendar: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRegion {
    id: Spanned<String>,
    calendar: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMerchant {
    id: Spanned<String>,
    #[serde(default)]
    region: Option<Spanned<String>>,
    #[serde(default)]
    category: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLane {
    id: Spanned<String>,
    #[serde(default)]
    combine: RawCombine,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawCombine {
    #[default]
    All,
    Best,
    First,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDeployment {
    id: Spanned<String>,
    policy: Spanned<String>,
    lane: Spanned<String>,
    unit: Spanned<String>,
    issuer: Spanned<String>,
    #[serde(default)]
    scope: RawScope,
    from: Option<Spanned<Text>>,
    until: Option<Spanned<Text>>,
    days: Option<Calendar>,
    mode: Option<Spanned<String>>,
    percent: Option<Spanned<i64>>,
    replaces: Option<Spanned<String>>,
    #[serde(default)]
    cap: RawCap,
    budget: Option<Spanned<RawBudget>>,
    #[serde(default)]
    on_refund: RawOnRefund,
    available: Option<Spanned<RawAvailable>>,
    review: Option<Spanned<RawReview>>,
    parameters: Option<Spanned<toml::Table>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReview {
    same_payer: RawSamePayer,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSamePayer {
    days: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAvailable {
    days: Option<u32>,
    date: Option<String>,
    on: Option<String>,
}

/// What a campaign has of a deployment, and whom it is about.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCampaign {
    id: Spanned<String>,
    policy: Spanned<String>,
    unit: Spanned<String>,
    from: Option<Spanned<Text>>,
    until: Option<Spanned<Text>>,
    days: Option<Calendar>,
    mode: Option<Spanned<String>>,
    percent: Option<Spanned<i64>>,
    #[serde(default)]
    cap: RawCap,
    budget: Option<Spanned<RawBudget>>,
    available: Option<Spanned<RawAvailable>>,
    #[serde(default)]
    segment: RawSegment,
    once: Option<Spanned<RawOnce>>,
    #[serde(default)]
    grants: Vec<Spanned<String>>,
    parameters: Option<Spanned<toml::Table>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawOnce {
    Day,
    Dormancy,
    Month,
    Year,
    Ever,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSegment {
    dormant: Option<Spanned<RawSpan>>,
    expiring: Option<Spanned<RawExpiring>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSpan {
    days: Option<u32>,
    months: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExpiring {
    days: u32,
}

impl RawCampaign {
    /// Returns what it has of a deployment; the lane is none.
    fn deployed(self) -> RawDeployment {
        let platform = Spanned::new(self.policy.span(), "platform".to_owned());
        RawDeployment {
            id: self.id,
            lane: self.policy.clone(),
            policy: self.policy,
            unit: self.unit,
            issuer: platform,
            scope: RawScope::default(),
            from: self.from,
            until: self.until,
            days: self.days,
            mode: self.mode,
            percent: self.percent,
            replaces: None,
            cap: self.cap,
            budget: self.budget,
            on_refund: RawOnRefund::Keep,
            available: self.available,
            review: None,
            parameters: self.parameters,
        }
    }
}

/// A time, written as text or as TOML's own.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Text(String),
    Time(toml::value::Datetime),
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScope {
    region: Option<String>,
    merchant: Option<Spanned<String>>,
    category: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCap {
    per_event: Option<Spanned<u64>>,
    #[serde(default)]
    over_event: RawOverEvent,
    per_member_per_day: Option<Spanned<u64>>,
    per_member_per_month: Option<Spanned<u64>>,
    per_referrer_per_day: Option<Spanned<u64>>,
    per_referrer_per_month: Option<Spanned<u64>>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawOverEvent {
    #[default]
    Reject,
    Reduce,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawBudget {
    Points(u64),
    Table(RawBudgetTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBudgetTable {
    points: u64,
    #[serde(default = "yes")]
    partial: bool,
}

fn yes() -> bool {
    true
}

pub(super) fn parse(text: &str) -> Result<Program, InvalidProgram> {
    let at = Lines { text };
    let raw = at.read()?;
    let zone = at.check("program.timezone", &raw.program.timezone, |name| Zone::parse(name))?;
    let calendars = Named::collect(
        &at,
        "calendar",
        raw.calendar,
        |raw| raw.id.clone(),
        |field, raw| at.calendar(field, raw),
    )?;
    let mut warnings = Vec::new();
    let regions = at.regions(raw.region, &calendars)?;
    let merchants = at.merchants(raw.merchant, &regions, &mut warnings)?;
    let units = at.units(raw.unit)?;
    let lanes = Named::collect(&at, "lane", raw.lane, |raw| raw.id.clone(), |_, raw| Ok(lane(&raw)))?;
    let names = raw.deployment.iter().map(|raw| raw.id.as_ref().as_str().into()).collect();
    let campaign_names = raw.campaign.iter().map(|raw| raw.id.as_ref().as_str().into()).collect();
    let context = Context {
        at: &at,
        units: &units,
        lanes: &lanes,
        merchants: &merchants,
        deployments: &names,
        campaigns: &campaign_names,
    };
    let replaces = raw.deployment.iter().map(|raw| raw.replaces.clone()).collect();
    let mut deployments = Named::collect(
        &at,
        "deployment",
        raw.deployment,
        |raw| raw.id.clone(),
        |field, raw| context.deployment(field, raw),
    )?;
    replace(&at, &mut deployments, replaces)?;
    let campaigns = Named::collect(
        &at,
        "campaign",
        raw.campaign,
        |raw| raw.id.clone(),
        |field, raw| context.campaign(field, raw),
    )?;
    let redemptions = Named::collect(
        &at,
        "redemption",
        raw.redemption,
        |raw| raw.id.clone(),
        |field, raw| context.redemption(field, raw),
    )?;
    let of_deployments = deployments.items.iter().map(|it| it.days.as_ref());
    let of_redemptions = redemptions.items.iter().map(|it| it.days.as_ref());
    warnings.extend(rare("calendar", "any", calendars.items.iter().map(Some)));
    let of_campaigns = campaigns.items.iter().map(|it| it.days.as_ref());
    warnings.extend(rare("deployment", "days", of_deployments));
    warnings.extend(rare("campaign", "days", of_campaigns));
    warnings.extend(rare("redemption", "days", of_redemptions));
    let contracts = (0_usize..).zip(raw.contract);
    let contracts = contracts.map(|(index, raw)| context.contract(&format!("contract[{index}]"), raw));
    let contracts = contracts.collect::<Result<_, _>>()?;
    let spans: Vec<_> = raw.exchange.iter().map(RawExchange::span).collect();
    let exchanges = (0_usize..).zip(raw.exchange);
    let exchanges = exchanges.map(|(index, raw)| context.exchange(&format!("exchange[{index}]"), raw));
    let exchanges = exchanges.collect::<Result<Vec<_>, _>>()?;
    context.circles(&exchanges, &spans, &mut warnings)?;
    Ok(Program {
        name: raw.program.name,
        zone,
        units: units.items,
        lanes: lanes.items,
        deployments: deployments.items.into_iter().chain(campaigns.items).collect(),
        redemptions: redemptions.items,
        contracts,
        exchanges,
        warnings,
        merchants,
        calendars: calendars.items,
        regions,
    })
}

/// Says which dates of calendars some years lack: a rule for 腊月三十 waits years for one (scenario A28).
fn rare<'a>(
    kind: &str,
    key: &str,
    calendars: impl Iterator<Item = Option<&'a Calendar>>,
) -> impl Iterator<Item = String> {
    let dates = |(index, calendar): (usize, Option<&'a Calendar>)| {
        let dates = calendar.map(Calendar::missing_dates).unwrap_or_default();
        dates.into_iter().map(move |date| (index, date))
    };
    (0_usize..).zip(calendars).flat_map(dates).map(move |(index, (month, day))| {
        format!(
            "{kind}[{index}].{key}: many years have no day {day} in month {month}, and nothing stands in for it; write \
             day = \"last\" for the last of the month, or on_missing_day = \"last_day\""
        )
    })
}

/// Items of one kind, found by their names.
struct Named<T> {
    kind: &'static str,
    items: Vec<T>,
    places: HashMap<String, usize>,
}

impl<T> Named<T> {
    fn collect<Raw>(
        at: &Lines<'_>,
        kind: &'static str,
        raws: Vec<Raw>,
        id: fn(&Raw) -> Spanned<String>,
        item: impl Fn(&str, Raw) -> Result<T, InvalidProgram>,
    ) -> Result<Self, InvalidProgram> {
        let mut named = Self { kind, items: Vec::new(), places: HashMap::new() };
        for (index, raw) in raws.into_iter().enumerate() {
            let id = id(&raw);
            at.new_name(
                &format!("{kind}[{index}].id"),
                &id,
                named.places.contains_key(id.as_ref().as_str()),
            )?;
            named.places.insert(id.into_inner(), index);
            named.items.push(item(&format!("{kind}[{index}]"), raw)?);
        }
        Ok(named)
    }

    /// Returns the place of the item that a field names.
    fn find(&self, at: &Lines<'_>, field: &str, name: &Spanned<String>) -> Result<usize, InvalidProgram> {
        let kind = self.kind;
        let missing = || format!("there is no [[{kind}]] with the id {:?}; {}", name.as_ref(), self.offer());
        self.places
            .get(name.as_ref().as_str())
            .copied()
            .ok_or_else(|| at.wrong(field, name.span(), missing()))
    }

    fn offer(&self) -> String {
        let mut names: Vec<_> = self.places.keys().map(String::as_str).collect();
        names.sort_unstable();
        if names.is_empty() {
            "the program has none".to_owned()
        } else {
            format!("there is {}", names.join(", "))
        }
    }
}

fn lane(raw: &RawLane) -> Lane {
    let combine = match raw.combine {
        RawCombine::All => Combine::All,
        RawCombine::Best => Combine::Best,
        RawCombine::First => Combine::First,
    };
    Lane { id: raw.id.as_ref().as_str().into(), combine }
}

/// The text, to say in which line a field stands.
struct Lines<'a> {
    text: &'a str,
}

impl Lines<'_> {
    fn read(&self) -> Result<RawProgram, InvalidProgram> {
        let wrong = |path: String, error: &toml::de::Error| {
            // `Spanned` shows up in the path under a name of its own.
            let path = path.replace(".$__serde_spanned_private_value", "");
            let field = if path == "." { "program file".to_owned() } else { path };
            self.wrong(&field, error.span().unwrap_or(0..0), error.message().to_owned())
        };
        let document = toml::Deserializer::parse(self.text).map_err(|error| wrong(".".to_owned(), &error))?;
        serde_path_to_error::deserialize(document)
            .map_err(|error| wrong(error.path().to_string(), error.inner()))
    }

    fn wrong(&self, field: &str, span: std::ops::Range<usize>, reason: impl Into<String>) -> InvalidProgram {
        let before = self.text.get(..span.start).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1);
        InvalidProgram { line, field: field.to_owned(), reason: reason.into() }
    }

    fn check<T, U>(
        &self,
        field: &str,
        value: &Spanned<T>,
        check: impl FnOnce(&T) -> Result<U, String>,
    ) -> Result<U, InvalidProgram> {
        check(value.as_ref()).map_err(|reason| self.wrong(field, value.span(), reason))
    }

    fn new_name(&self, field: &str, id: &Spanned<String>, taken: bool) -> Result<(), InvalidProgram> {
        let name = id.as_ref();
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(self.wrong(field, id.span(), "must not be empty or have control characters"));
        }
        if taken {
            return Err(self.wrong(field, id.span(), format!("{name:?} stands here for the second time")));
        }
        Ok(())
    }

    fn calendar(&self, field: &str, raw: RawCalendar) -> Result<Calendar, InvalidProgram> {
        let wrong = |error: toml::de::Error| self.wrong(field, raw.id.span(), error.message().to_owned());
        raw.calendar.try_into().map_err(wrong)
    }

    fn regions(
        &self,
        raws: Vec<RawRegion>,
        calendars: &Named<Calendar>,
    ) -> Result<HashMap<String, Option<usize>>, InvalidProgram> {
        let mut regions = HashMap::new();
        for (index, raw) in raws.into_iter().enumerate() {
            self.new_name(&format!("region[{index}].id"), &raw.id, regions.contains_key(raw.id.as_ref()))?;
            let calendar = raw.calendar.as_ref();
            let calendar = calendar
                .map(|name| calendars.find(self, &format!("region[{index}].calendar"), name))
                .transpose()?;
            regions.insert(raw.id.into_inner(), calendar);
        }
        Ok(regions)
    }

    fn merchants(
        &self,
        raws: Vec<RawMerchant>,
        regions: &HashMap<String, Option<usize>>,
        warnings: &mut Vec<String>,
    ) -> Result<HashMap<MerchantId, Merchant>, InvalidProgram> {
        let mut merchants = HashMap::new();
        for (index, raw) in raws.into_iter().enumerate() {
            let id = MerchantId::from(raw.id.as_ref().as_str());
            let field = format!("merchant[{index}].id");
            self.new_name(&field, &raw.id, merchants.contains_key(&id))?;
            if Issuer::named(id.as_str()) == Issuer::Platform {
                let reason = "is the name of the program itself where someone issues points; name the merchant otherwise";
                return Err(self.wrong(&field, raw.id.span(), reason));
            }
            let region = raw.region.map(Spanned::into_inner).unwrap_or_default();
            if !region.is_empty() && !ancestors(&region).any(|path| regions.contains_key(path)) {
                warnings.push(format!(
                    "merchant {id}: no [[region]] is {region:?} or above it, so it has no market days"
                ));
            }
            let calendar = ancestors(&region).find_map(|path| regions.get(path).copied().flatten());
            merchants.insert(id.clone(), Merchant { id, region, category: raw.category, calendar });
        }
        Ok(merchants)
    }

    fn points(&self, field: &str, points: &Spanned<u64>) -> Result<Points, InvalidProgram> {
        self.check(field, points, |points| points_within(*points))
    }
}

fn points_within(points: u64) -> Result<Points, String> {
    Points::new(points).ok_or_else(|| format!("is {points}; at most {} is allowed", Points::MAX))
}

/// What a deployment may refer to.
struct Context<'a> {
    at: &'a Lines<'a>,
    units: &'a Named<Unit>,
    lanes: &'a Named<Lane>,
    merchants: &'a HashMap<MerchantId, Merchant>,
    deployments: &'a BTreeSet<DeploymentId>,
    campaigns: &'a BTreeSet<DeploymentId>,
}

impl Context<'_> {
    fn deployment(&self, field: &str, raw: RawDeployment) -> Result<Deployment, InvalidProgram> {
        let lane = self.lanes.find(self.at, &format!("{field}.lane"), &raw.lane)?;
        self.deployed(field, raw, lane)
    }

    fn mode(
        &self,
        field: &str,
        mode: Option<&Spanned<String>>,
        percent: Option<&Spanned<i64>>,
    ) -> Result<Mode, InvalidProgram> {
        let (at, mode_field) = (self.at, format!("{field}.mode"));
        let percent = percent.map(|percent| {
            let one = |percent: &i64| match u8::try_from(*percent) {
                Ok(percent @ 1..=99) => Ok(percent),
                Ok(_) | Err(_) => Err(format!("is {percent}; a canary is for 1 to 99 of a hundred members")),
            };
            at.check(&format!("{field}.percent"), percent, one).map(|one| (one, percent.span()))
        });
        let only_of_a_canary = |(_, span)| {
            let why =
                "says for how many of a hundred members a canary is live; write mode = \"canary\" with it";
            at.wrong(&format!("{field}.percent"), span, why)
        };
        let found = match (mode.map(|mode| mode.as_ref().as_str()), percent.transpose()?) {
            (Some("canary"), Some((percent, _))) => Ok(Mode::Canary { percent }),
            (Some("canary"), None) => {
                Err("a canary is for some members; write percent = 10 beside it".to_owned())
            }
            (None | Some("live" | "shadow"), Some(percent)) => return Err(only_of_a_canary(percent)),
            (None | Some("live"), None) => Ok(Mode::Live),
            (Some("shadow"), None) => Ok(Mode::Shadow),
            (Some(other), _) => {
                Err(format!("{other:?} is no mode; write \"live\", \"shadow\" or \"canary\""))
            }
        };
        found.map_err(|why| at.wrong(&mode_field, mode.map_or(0..0, Spanned::span), why))
    }

    fn deployed(&self, field: &str, raw: RawDeployment, lane: usize) -> Result<Deployment, InvalidProgram> {
        let at = self.at;
        let within = |name: &str| format!("{field}.{name}");
        let line = at.wrong("", raw.policy.span(), "").line;
        self.check_name(&within("id"), &raw.id)?;
        let (from, until) = self.interval(field, raw.from.as_ref(), raw.until.as_ref())?;
        Ok(Deployment {
            policy: at.check(&within("policy"), &raw.policy, |text| policy(text))?,
            lane,
            campaign: None,
            grants: Vec::new(),
            unit: self.units.find(at, &within("unit"), &raw.unit)?,
            issuer: at.check(&within("issuer"), &raw.issuer, |text| issuer(text))?,
            scope: self.scope(&within("scope"), raw.scope)?,
            from,
            until,
            days: raw.days,
            mode: self.mode(field, raw.mode.as_ref(), raw.percent.as_ref())?,
            replaces: raw.replaces.map(|id| id.into_inner().as_str().into()),
            replaced_by: None,
            cap: self.cap(&within("cap"), &raw.cap)?,
            budget: raw.budget.as_ref().map(|raw| at.check(&within("budget"), raw, budget)).transpose()?,
            review: raw
                .review
                .as_ref()
                .map(|review| {
                    at.check(&within("review"), review, |it| self::review(it, raw.available.as_ref()))
                })
                .transpose()?,
            available: raw
                .available
                .as_ref()
                .map_or(Ok(Availability::AtOnce), |raw| at.check(&within("available"), raw, available))?,
            on_refund: match raw.on_refund {
                RawOnRefund::Reevaluate => OnRefund::Reevaluate,
                RawOnRefund::Proportional => OnRefund::Proportional,
                RawOnRefund::Keep => OnRefund::Keep,
            },
            parameters: raw.parameters.map_or_else(
                || Ok("{}".to_owned()),
                |table| at.check(&within("parameters"), &table, parameters),
            )?,
            id: raw.id.into_inner().into(),
            line,
        })
    }

    fn campaign(&self, field: &str, raw: RawCampaign) -> Result<Deployment, InvalidProgram> {
        let at = self.at;
        let within = |name: &str| format!("{field}.{name}");
        self.own_name(&within("id"), &raw.id, self.deployments, "deployment")?;
        let grants = raw.grants.iter().map(|unit| self.units.find(at, &within("grants"), unit));
        let grants = grants.collect::<Result<_, _>>()?;
        let dormant = raw.segment.dormant.as_ref();
        let dormant = dormant.map(|raw| at.check(&within("segment.dormant"), raw, span)).transpose()?;
        let unit = self.units.find(at, &within("unit"), &raw.unit)?;
        let asks = self.units.items.get(unit).is_some_and(|unit| unit.ends.notice_days.is_some());
        let expiring = raw.segment.expiring.as_ref();
        let expiring =
            expiring.map(|raw| at.check(&within("segment.expiring"), raw, |raw| expiring_in(raw, asks)));
        let once = raw.once.as_ref().map(|raw| at.check(&within("once"), raw, |raw| once(*raw, dormant)));
        let once = once.transpose()?.unwrap_or_default();
        let segment = Segment { dormant, expiring: expiring.transpose()?, once };
        let deployed = self.deployed(field, raw.deployed(), self.lanes.items.len())?;
        Ok(Deployment { campaign: Some(segment), grants, ..deployed })
    }

    /// Returns the place of a unit whose points can become something else: levels are not spent.
    fn spendable(&self, field: &str, unit: &Spanned<String>) -> Result<usize, InvalidProgram> {
        let place = self.units.find(self.at, field, unit)?;
        let levels = self.units.items.get(place).is_some_and(|unit| unit.level_by.is_some());
        let refuse =
            || self.at.wrong(field, unit.span(), "its points are levels, which are not spent; name another");
        if levels { Err(refuse()) } else { Ok(place) }
    }

    /// Refuses a name that something of another kind has.
    fn own_name(
        &self,
        field: &str,
        id: &Spanned<String>,
        others: &BTreeSet<DeploymentId>,
        kind: &str,
    ) -> Result<(), InvalidProgram> {
        let name = id.as_ref();
        let reason = || format!("{name:?} is the id of a [[{kind}]]; each needs a name of its own");
        if others.contains(name.as_str()) { Err(self.at.wrong(field, id.span(), reason())) } else { Ok(()) }
    }

    /// Refuses a name under which the ledger keeps points that nothing deployed awarded: caps count by name.
    fn check_name(&self, field: &str, id: &Spanned<String>) -> Result<(), InvalidProgram> {
        self.at.check(field, id, |id| {
            let reason =
                || format!("{id:?} is the name of points that nothing deployed awards; name it otherwise");
            if is_award(&id.as_str().into()) { Ok(()) } else { Err(reason()) }
        })
    }

    fn scope(&self, field: &str, raw: RawScope) -> Result<Scope, InvalidProgram> {
        if let Some(merchant) = &raw.merchant {
            self.known_merchant(&format!("{field}.merchant"), merchant)?;
        }
        let merchant = raw.merchant.map(|merchant| merchant.into_inner().into());
        Ok(Scope { region: raw.region, merchant, category: raw.category })
    }

    fn known_merchant(&self, field: &str, merchant: &Spanned<String>) -> Result<(), InvalidProgram> {
        let reason = || format!("there is no [[merchant]] with the id {:?}", merchant.as_ref());
        let known = self.merchants.contains_key(merchant.as_ref().as_str());
        if known { Ok(()) } else { Err(self.at.wrong(field, merchant.span(), reason())) }
    }

    fn cap(&self, field: &str, raw: &RawCap) -> Result<Cap, InvalidProgram> {
        let points = |name: &str, points: &Option<Spanned<u64>>| {
            points.as_ref().map(|points| self.at.points(&format!("{field}.{name}"), points)).transpose()
        };
        Ok(Cap {
            per_event: points("per_event", &raw.per_event)?,
            over_event: match raw.over_event {
                RawOverEvent::Reject => OverEvent::Reject,
                RawOverEvent::Reduce => OverEvent::Reduce,
            },
            per_member_per_day: points("per_member_per_day", &raw.per_member_per_day)?,
            per_member_per_month: points("per_member_per_month", &raw.per_member_per_month)?,
            per_referrer_per_day: points("per_referrer_per_day", &raw.per_referrer_per_day)?,
            per_referrer_per_month: points("per_referrer_per_month", &raw.per_referrer_per_month)?,
        })
    }
}

fn days(days: u32) -> Result<u32, String> {
    if days <= DAYS_MAX { Ok(days) } else { Err(format!("is {days} days; at most {DAYS_MAX} are allowed")) }
}

fn span(raw: &RawSpan) -> Result<Span, String> {
    match (raw.days, raw.months) {
        (Some(days), None) if days > 0 => self::days(days).map(Span::Days),
        (None, Some(months)) if months > 0 && months <= MONTHS_MAX => Ok(Span::Months(months)),
        _ => Err(format!(
            "write {{ days = 90 }} or {{ months = 3 }}, 1 to {DAYS_MAX} days or 1 to {MONTHS_MAX} months"
        )),
    }
}

fn once(raw: RawOnce, dormant: Option<Span>) -> Result<Once, String> {
    match raw {
        RawOnce::Dormancy if dormant.is_none() => {
            Err("needs segment = { dormant = … }; without it, write day, month, year or ever".to_owned())
        }
        RawOnce::Day => Ok(Once::Day),
        RawOnce::Dormancy => Ok(Once::Dormancy),
        RawOnce::Month => Ok(Once::Month),
        RawOnce::Year => Ok(Once::Year),
        RawOnce::Ever => Ok(Once::Ever),
    }
}

fn expiring_in(raw: &RawExpiring, unit_asks: bool) -> Result<u32, String> {
    if unit_asks {
        return days(raw.days);
    }
    let mend = "give the unit notice = { days = 30 }";
    Err(format!("the campaign's unit asks for no notice, so that nothing says who was told; {mend}"))
}

fn review(raw: &RawReview, available: Option<&Spanned<RawAvailable>>) -> Result<Review, String> {
    let days = raw.same_payer.days;
    if days > PAYER_DAYS_MAX {
        return Err(format!(
            "looks back {days} days; accounts are known for {PAYER_DAYS_MAX}, write at most that"
        ));
    }
    if available.is_some_and(|available| available.as_ref().on.is_some()) {
        return Err("points wait for one thing alone; leave out the action of available, or this".to_owned());
    }
    Ok(Review { same_payer_days: days })
}

fn available(raw: &RawAvailable) -> Result<Availability, String> {
    const FORMS: &str = "write { days = 14 }, { date = \"2026-05-01\" } or { on = \"receipt-confirmed\" }";
    match (raw.days, &raw.date, &raw.on) {
        (Some(days), None, None) => Ok(Availability::AfterDays(self::days(days)?)),
        (None, Some(date), None) => {
            let date = date.parse().map_err(|_| format!("{date:?} is not a date; {FORMS}"))?;
            Ok(Availability::On(date))
        }
        (None, None, Some(action)) if action.is_empty() || action.chars().any(char::is_control) => {
            Err("names no action; write a word without control characters, such as receipt-confirmed"
                .to_owned())
        }
        (None, None, Some(action)) if action == Review::ACTION => Err(format!(
            "{action:?} is for what a person is to look at; name another action, or write a review"
        )),
        (None, None, Some(action)) => Ok(Availability::OnAction(action.clone())),
        (None, None, None) => {
            Err(format!("says nothing; {FORMS}, or leave it out for points that are there at once"))
        }
        _ => Err(format!("days, a date and an action exclude each other; {FORMS}")),
    }
}

fn instant(text: &Text) -> Result<Instant, String> {
    match text {
        Text::Text(text) => Instant::parse(text),
        Text::Time(time) => Instant::parse(&time.to_string()),
    }
}

fn policy(text: &str) -> Result<PolicyRef, String> {
    const FORMS: &str = "write name, name@version or sha256: and 64 hexadecimal digits";
    if let Some(digest) = text.strip_prefix("sha256:") {
        let hexadecimal =
            digest.len() == 64 && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        return if hexadecimal {
            Ok(PolicyRef::Digest(digest.to_owned()))
        } else {
            Err(format!("{text:?} is not a digest; {FORMS}"))
        };
    }
    let (name, version) = text.split_once('@').map_or((text, None), |(name, version)| (name, Some(version)));
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte))
    };
    if !plain(name) || name.starts_with('.') || !version.is_none_or(plain) {
        return Err(format!("{text:?} is not a policy's name; {FORMS}"));
    }
    Ok(PolicyRef::Named { name: name.to_owned(), version: version.map(str::to_owned) })
}

fn issuer(text: &str) -> Result<IssuerRule, String> {
    match text {
        "platform" => Ok(IssuerRule::Platform),
        "merchant" => Ok(IssuerRule::MerchantOfEvent),
        other => Err(format!(
            "{other:?} cannot issue; write \"platform\", or \"merchant\" for the merchant of the event"
        )),
    }
}

/// Says of each deployment which one is tried in its place.
fn replace(
    at: &Lines<'_>,
    deployments: &mut Named<Deployment>,
    replaces: Vec<Option<Spanned<String>>>,
) -> Result<(), InvalidProgram> {
    for (index, replaces) in replaces.into_iter().enumerate() {
        let Some(replaces) = replaces else { continue };
        let field = format!("deployment[{index}].replaces");
        let place = deployments.find(at, &field, &replaces)?;
        let [tried, replaced] = [index, place].map(|place| deployments.items.get(place));
        let (Some(tried), Some(replaced)) = (tried, replaced) else { continue };
        let why = if tried.mode == Mode::Live {
            "it is live; only what is in shadow or a canary is tried in the place of another"
        } else if replaced.mode != Mode::Live {
            "that one is not live itself"
        } else if replaced.unit != tried.unit {
            "that one grants points of another unit"
        } else if replaced.replaced_by.is_some() {
            "another one is tried in the place of that already"
        } else {
            if let Some(replaced) = deployments.items.get_mut(place) {
                replaced.replaced_by = Some(index);
            }
            continue;
        };
        return Err(at.wrong(&field, replaces.span(), why));
    }
    Ok(())
}

fn budget(raw: &RawBudget) -> Result<Budget, String> {
    let (points, partial) = match raw {
        RawBudget::Points(points) => (*points, true),
        RawBudget::Table(table) => (table.points, table.partial),
    };
    Ok(Budget { points: points_within(points)?, partial })
}

/// Returns parameters as JSON with sorted keys, so that the same parameters have the same digest.
fn parameters(table: &toml::Table) -> Result<String, String> {
    let value = json("parameters", &toml::Value::Table(table.clone()))?;
    Ok(value.to_string())
}

/// Returns the tables of a program file as JSON, times as text.
pub(super) fn tables(text: &str) -> Result<serde_json::Value, String> {
    let tables = toml::from_str(text).map_err(|error| error.to_string())?;
    json("the file", &toml::Value::Table(tables))
}

fn json(path: &str, value: &toml::Value) -> Result<serde_json::Value, String> {
    Ok(match value {
        toml::Value::String(text) => text.clone().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Boolean(yes) => (*yes).into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Float(number) => {
            return Err(format!(
                "{path} is the float {number}; write an exact decimal as text, \"{number}\""
            ));
        }
        toml::Value::Array(items) => {
            let items = items.iter().enumerate().map(|(index, item)| json(&format!("{path}[{index}]"), item));
            serde_json::Value::Array(items.collect::<Result<_, _>>()?)
        }
        toml::Value::Table(table) => {
            let fields =
                table.iter().map(|(key, value)| Ok((key.clone(), json(&format!("{path}.{key}"), value)?)));
            let sorted: std::collections::BTreeMap<_, _> = fields.collect::<Result<_, String>>()?;
            serde_json::Value::Object(sorted.into_iter().collect())
        }
    })
}
