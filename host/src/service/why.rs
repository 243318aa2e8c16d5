//! Why a member got what: a receipt with the words for what stands on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Context;
use axum::extract::State;
use axum::{Extension, Json};
use jifen_ledger::{Ledger, Logged};
use jifen_loyalty::Event;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Shared;
use super::access::Caller;
use super::events::{Key, Receipt, logged, receipt};
use super::extract::Parameters;
use super::problem::Problem;
use crate::active::program_of;
use crate::batch::Recorded;
use crate::description::{Description, Words};
use crate::releases::Releases;

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
    /// Its policy, with the version.
    policy: String,
    /// The SHA-256 of the component that ran.
    component: String,
    /// What the policy does.
    summary: Words,
    /// What its codes mean: those on the receipt, and the others that it has.
    reasons: BTreeMap<String, Words>,
}

/// Return why an event came to what it came to.
///
/// The receipt, with the words that the policies have for their codes, in Chinese and English, and the day by both calendars.
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
        let shown = caller.shown(desk, logged.receipt.clone());
        explain(&*desk.ledger, logged, shown).map_err(|error| Problem::failed(&error))
    });
    explanation.await.map(Json)
}

/// The deployments that a receipt names.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    evaluations: Vec<Named>,
    #[serde(default)]
    redemptions: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    deployment: String,
}

/// Explains an entry to whom that is shown of its receipt.
fn explain(ledger: &dyn Ledger, logged: Logged, shown: Vec<u8>) -> anyhow::Result<Explanation> {
    let asked: Asked = serde_json::from_slice(&logged.receipt).context("read the receipt")?;
    let event = Event::parse(&logged.event).context("read the event")?;
    let (program, pins) = program_of(ledger, &logged)?;
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
    let named: BTreeSet<_> =
        asked.evaluations.into_iter().chain(asked.redemptions).map(|it| it.deployment).collect();
    let releases = Releases::new(None, Some(ledger));
    let asked = pins.policies.into_iter().filter(|pin| named.contains(&pin.deployment));
    let policies = asked.map(|pin| {
        let release = releases.find_digest(&pin.component).ok();
        let description = release.as_ref().and_then(|release| release.description.as_ref());
        let words = |it: &Description| (it.summary.clone(), it.reasons.clone());
        let (summary, reasons) = description.map(words).unwrap_or_default();
        Explained {
            deployment: pin.deployment,
            policy: pin.policy,
            component: pin.component,
            summary,
            reasons,
        }
    });
    let policies = policies.collect();
    let recorded = Recorded { seq: logged.seq, receipt: shown, digest: logged.receipt_digest };
    let receipt = RawValue::from_string(String::from_utf8(receipt(&recorded, b""))?)?;
    Ok(Explanation { receipt, day, policies })
}
