//! Why a member got what: a receipt with the words for what stands on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Context;
use axum::extract::State;
use axum::{Extension, Json};
use jifen_ledger::{Ledger, Logged};
use jifen_loyalty::program::Cap;
use jifen_loyalty::{Event, Points};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Shared;
use super::access::Caller;
use super::events::{Key, logged, receipt};
use super::extract::Parameters;
use super::problem::Problem;
use super::schema::Receipt;
use crate::active::program_of;
use crate::batch::Recorded;
use crate::description::Description;
use crate::releases::Releases;
use crate::words::Words;

/// A receipt with what explains it.
#[derive(Serialize, ToSchema)]
pub(super) struct Explanation {
    /// What was decided: what each rule proposed and asked, what was granted, and what limited it.
    #[schema(value_type = Receipt)]
    receipt: Box<RawValue>,
    /// The business day of the event.
    day: DayOf,
    /// The rules that were asked, in the order of the program.
    policies: Vec<Explained>,
    /// What the codes mean that are no rule's own: what limited an award, and what was asked.
    #[schema(example = json!({"day_cap": {"zh": "每位会员每日的上限", "en": "the most that a member is granted in a day"}}))]
    words: BTreeMap<String, Words>,
}

/// A business day, by both calendars.
#[derive(Serialize, ToSchema)]
pub(super) struct DayOf {
    /// The day of the civil calendar.
    #[schema(example = "2025-07-25")]
    date: String,
    /// The month of the lunar calendar, 1 to 12.
    lunar_month: u8,
    /// Whether that is a leap month.
    lunar_leap: bool,
    /// The day of the lunar month, 1 to 30.
    lunar_day: u8,
    /// Whether it is a market day where the event happened.
    market_day: bool,
}

/// A rule that was asked, and what its codes mean.
#[derive(Serialize, ToSchema)]
pub(super) struct Explained {
    /// The deployment.
    deployment: String,
    /// Its lane; absent where it is one of redemption or a campaign.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "base")]
    lane: Option<String>,
    /// What it grants at most; absent where nothing limits that.
    #[serde(skip_serializing_if = "Option::is_none")]
    cap: Option<Most>,
    /// Its policy, with the version.
    policy: String,
    /// The SHA-256 of the component that ran.
    component: String,
    /// What the policy does.
    summary: Words,
    /// What its codes mean: those on the receipt, and the others that it has.
    reasons: BTreeMap<String, Words>,
}

/// What a deployment grants at most, in points.
#[derive(Serialize, ToSchema)]
pub(super) struct Most {
    /// For one event.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_event: Option<u64>,
    /// To a member on a business day.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_member_per_day: Option<u64>,
    /// To a member in a civil month.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_member_per_month: Option<u64>,
    /// To whoever brought members, on a business day.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_referrer_per_day: Option<u64>,
    /// To whoever brought members, in a civil month.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_referrer_per_month: Option<u64>,
}

impl Most {
    fn of(cap: &Cap) -> Option<Self> {
        let points = |most: Option<Points>| most.map(Points::get);
        let limits = cap.per_event.is_some() || cap.over_periods() || cap.of_referrers();
        limits.then(|| Self {
            per_event: points(cap.per_event),
            per_member_per_day: points(cap.per_member_per_day),
            per_member_per_month: points(cap.per_member_per_month),
            per_referrer_per_day: points(cap.per_referrer_per_day),
            per_referrer_per_month: points(cap.per_referrer_per_month),
        })
    }
}

/// Return why an event came to what it came to.
///
/// The receipt, with what limits each rule, the words for all codes, in Chinese and English, and the day by both calendars.
#[utoipa::path(
    get,
    path = "/v1/events/why",
    tag = "events",
    params(Key),
    responses(
        (status = 200, description = "The receipt with what explains it", body = Explanation),
        (status = 400, description = "A parameter is missing, or unknown", body = Problem),
        (status = 404, description = "The ledger has no such event", body = Problem),
    )
)]
pub(super) async fn why(
    State(service): State<Shared>,
    Extension(caller): Extension<Arc<Caller>>,
    Parameters(key): Parameters<Key>,
) -> Result<Json<Explanation>, Problem> {
    caller.may_see_events_of(&key.source)?;
    let explanation = service.ask(move |desk| {
        let logged = logged(desk, &key)?;
        let mut shown = Recorded::from(&logged);
        caller.show(desk, &mut shown);
        explain(&*desk.ledger, &logged, &shown).map_err(|error| Problem::failed(&error))
    });
    explanation.await.map(Json)
}

/// The deployments and codes that a receipt names.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    awards: Vec<Award>,
    #[serde(default)]
    evaluations: Vec<Evaluation>,
    #[serde(default)]
    redemptions: Vec<Redeemed>,
}

/// Where there is a code, it is the policy's, and the reason is what limited the award.
#[derive(Deserialize)]
struct Award {
    reason: String,
    code: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Evaluation {
    deployment: String,
    #[serde(default)]
    facts: Vec<(String, u64)>,
}

#[derive(Deserialize)]
struct Redeemed {
    #[serde(default)]
    deployment: String,
}

impl Asked {
    /// Returns words for the codes that are no rule's own.
    fn words(&self) -> BTreeMap<String, Words> {
        let limits = self.awards.iter().filter(|award| award.code.is_some()).map(|award| &award.reason);
        let limits = limits.filter_map(|code| Some((code.clone(), Words::of_limit(code)?)));
        let facts = self.evaluations.iter().flat_map(|evaluation| &evaluation.facts);
        let facts = facts.filter_map(|(fact, _)| Some((fact.clone(), Words::of_fact(fact)?)));
        limits.chain(facts).collect()
    }
}

/// Explains an entry to whom that is shown of its receipt.
fn explain(ledger: &dyn Ledger, logged: &Logged, shown: &Recorded) -> anyhow::Result<Explanation> {
    let told: Asked = serde_json::from_slice(&shown.receipt).context("read the receipt")?;
    let event = Event::parse(&logged.event).context("read the event")?;
    let (program, pins) = program_of(ledger, logged)?;
    let (day, market_day) = match event.happening() {
        Some(happening) => {
            let today = program.situate(happening).context("put the event in its place")?.today;
            (today.day, today.market_day)
        }
        None => (program.day_of(event.time).context("put the event in its place")?.0, false),
    };
    let lunar = day.lunar();
    let day = DayOf {
        date: day.to_string(),
        lunar_month: lunar.month,
        lunar_leap: lunar.leap,
        lunar_day: lunar.day,
        market_day,
    };
    let words = told.words();
    let evaluated = told.evaluations.into_iter().map(|evaluation| evaluation.deployment);
    let named: BTreeSet<_> = evaluated.chain(told.redemptions.into_iter().map(|it| it.deployment)).collect();
    let releases = Releases::new(None, Some(ledger));
    let asked = pins.policies.into_iter().filter(|pin| named.contains(&pin.deployment));
    let policies = asked.map(|pin| {
        let release = releases.find_digest(&pin.component).ok();
        let description = release.as_ref().and_then(|release| release.description.as_ref());
        let own = |it: &Description| (it.summary.clone(), it.reasons.clone());
        let (summary, reasons) = description.map(own).unwrap_or_default();
        let deployment = program.deployments.iter().find(|it| it.id.as_str() == pin.deployment);
        let lane = deployment.filter(|it| it.campaign.is_none()).and_then(|it| program.lanes.get(it.lane));
        Explained {
            lane: lane.map(|lane| lane.id.as_str().to_owned()),
            cap: deployment.and_then(|it| Most::of(&it.cap)),
            deployment: pin.deployment,
            policy: pin.policy,
            component: pin.component,
            summary,
            reasons,
        }
    });
    let policies = policies.collect();
    let receipt = RawValue::from_string(String::from_utf8(receipt(shown, b""))?)?;
    Ok(Explanation { receipt, day, policies, words })
}
