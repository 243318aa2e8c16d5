//! What a host counts of its work, as Prometheus reads it. It is lost with the host; what must not be lost is in the ledger.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jifen_loyalty::entry::NewLot;
use jifen_loyalty::{DeploymentId, Points, UnitId};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::{debug, error};

use super::Shared;
use super::extract::{method_of, route_of};
use super::problem::Problem;
use crate::batch::Outcome;
use crate::clock::Stopwatch;
use crate::meter::{FAULTS, FUEL, SECONDS};

const EVENTS: &str = "jifen_events_total";
const AWARDED: &str = "jifen_points_awarded_total";
const BATCH_EVENTS: &str = "jifen_batch_events";
const BATCH_SECONDS: &str = "jifen_batch_seconds";
const QUEUE_EVENTS: &str = "jifen_queue_events";
const VERSION: &str = "jifen_program_version";
const BEHIND: &str = "jifen_program_behind";
const FAILING: &str = "jifen_rules_failing_total";
const REQUEST_SECONDS: &str = "jifen_http_request_seconds";

/// How long values are kept at most until they are added up.
const UPKEEP: Duration = Duration::from_secs(1);

/// Where what is counted is read.
#[derive(Clone)]
pub(crate) struct Metrics(PrometheusHandle);

impl Metrics {
    /// Begins to count. Programs that were loaded before are not counted.
    ///
    /// # Errors
    ///
    /// If this process counts already.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let micros = |all: &[u32]| {
            all.iter().map(|it| Duration::from_micros((*it).into()).as_secs_f64()).collect::<Vec<_>>()
        };
        let evaluation = micros(&[2, 5, 10, 20, 50, 100, 500, 1_000, 5_000, 50_000]);
        let waits = micros(&[
            500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 10_000_000,
        ]);
        let sizes = [1.0, 10.0, 50.0, 100.0, 500.0, 1_000.0, 2_000.0];
        let fuel = [1e2, 1e3, 1e4, 1e5, 1e6, 1e7];
        let buckets = [
            (SECONDS, &evaluation[..]),
            (FUEL, &fuel),
            (BATCH_EVENTS, &sizes),
            (BATCH_SECONDS, &waits),
            (REQUEST_SECONDS, &waits),
        ];
        let builder = buckets.into_iter().try_fold(PrometheusBuilder::new(), |builder, (name, buckets)| {
            builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), buckets)
        });
        let handle = builder.and_then(PrometheusBuilder::install_recorder).context("begin to count")?;
        describe();
        Ok(Self(handle))
    }

    /// Adds up what was counted, now and then: until then each value is kept.
    pub(super) async fn keep_up(self) {
        loop {
            tokio::time::sleep(UPKEEP).await;
            self.0.run_upkeep();
        }
    }
}

fn describe() {
    describe_counter!(EVENTS, "Events that were answered, by outcome");
    describe_counter!(AWARDED, "Points that deployments awarded, by unit");
    describe_histogram!(SECONDS, Unit::Seconds, "Time that an evaluation took, with its instance");
    describe_histogram!(FUEL, "Fuel that an evaluation used, the same on every machine");
    describe_counter!(FAULTS, "Evaluations that gave no answer, by fault");
    describe_histogram!(BATCH_EVENTS, "Events that were answered together");
    describe_histogram!(BATCH_SECONDS, Unit::Seconds, "Time until a batch was in the ledger");
    describe_gauge!(QUEUE_EVENTS, "Events that wait, or are decided now");
    describe_gauge!(VERSION, "The version of the list of changes that this host decides by");
    describe_gauge!(BEHIND, "1 while another program is at work that this host cannot load");
    describe_counter!(FAILING, "Rules that failed three times in a row, by what came of it");
    // From the beginning, so that the first is seen to be one more.
    for outcome in ["put-back", "stays", "overtaken", "failed"] {
        counter!(FAILING, "outcome" => outcome).increment(0);
    }
    describe_histogram!(
        REQUEST_SECONDS,
        Unit::Seconds,
        "Time until a request was answered, by method, path and status"
    );
}

/// Counts what became of a batch, and how long that took.
pub(super) fn count_batch(outcomes: &[Outcome], took: Duration) {
    histogram!(BATCH_EVENTS).record(u32::try_from(outcomes.len()).unwrap_or(u32::MAX));
    histogram!(BATCH_SECONDS).record(took);
    for outcome in outcomes {
        let name = match outcome {
            Outcome::Applied { lots, closed, .. } => {
                lots.iter()
                    .for_each(|NewLot { lot, .. }| count_award(&lot.deployment, &lot.unit, lot.points));
                let closed = closed.iter().flat_map(|done| &done.awarded);
                closed.for_each(|((deployment, unit), points)| count_award(deployment, unit, *points));
                "applied"
            }
            Outcome::Duplicate(_) => "replayed",
            Outcome::Refused { .. } => "refused",
        };
        counter!(EVENTS, "outcome" => name).increment(1);
    }
}

/// Counts what came of a rule that failed once too often.
pub(super) fn count_failing(outcome: &'static str) {
    counter!(FAILING, "outcome" => outcome).increment(1);
}

fn count_award(deployment: &DeploymentId, unit: &UnitId, points: Points) {
    let labels = [("deployment", deployment.to_string()), ("unit", unit.to_string())];
    counter!(AWARDED, &labels).increment(points.get());
}

/// Counts requests, and how long they took.
pub(super) async fn count_request(request: Request, next: Next) -> Response {
    let (method, path) = (method_of(&request), route_of(&request).to_owned());
    let watch = Stopwatch::start();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    let took = watch.elapsed();
    histogram!(REQUEST_SECONDS, "method" => method, "path" => path.clone(), "status" => status.clone())
        .record(took);
    let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
        error!(method, path, microseconds, "the host is at fault");
    } else {
        debug!(method, path, status, microseconds, "answered");
    }
    response
}

/// Return what this host counted since it was started, in Prometheus' text format.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "health",
    responses((status = 200, description = "The metrics", body = String, content_type = "text/plain"))
)]
pub(super) async fn metrics(State(service): State<Shared>) -> Result<Response, Problem> {
    let live = service.desk.live();
    let waiting = service.intake.size().saturating_sub(service.intake.room());
    gauge!(QUEUE_EVENTS).set(u32::try_from(waiting).unwrap_or(u32::MAX));
    gauge!(VERSION).set(u32::try_from(live.change.version).unwrap_or(u32::MAX));
    gauge!(BEHIND).set(u32::from(service.desk.behind.load(Ordering::Relaxed)));
    let text = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    Ok((text, service.metrics.0.render()).into_response())
}
