//! Questions about the program.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::extract::Parameters;
use super::problem::Problem;
use crate::active::{Document, Pins};
use crate::view::ChangeLine;

/// Changes of a page.
const CHANGES: usize = 100;

/// The program at work.
#[derive(Serialize, ToSchema)]
pub(super) struct Program {
    #[serde(flatten)]
    change: ChangeLine,
    /// The file.
    text: String,
    /// What it depends on beside: the components that its deployments run, and the tables of this build.
    pins: Pins,
}

/// Which changes.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct After {
    /// Only those behind this version.
    after: Option<u64>,
}

/// A page of changes.
#[derive(Serialize, ToSchema)]
pub(super) struct Changes {
    /// In order.
    changes: Vec<ChangeLine>,
    /// What `after` is of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// Return the program at work here.
#[utoipa::path(
    get,
    path = "/v1/program",
    tag = "program",
    responses((status = 200, description = "The program; `ETag` is its version", body = Program))
)]
pub(super) async fn at_work(State(service): State<Shared>) -> Response {
    let live = service.desk.live();
    let etag = HeaderValue::from_str(&format!("\"{}\"", live.change.version)).expect("digits are text");
    let Document { program, pins } = &live.active.document;
    let (text, pins) = (program.clone(), pins.clone());
    let program = Program { change: ChangeLine::from(&live.change), text, pins };
    ([(header::ETAG, etag)], Json(program)).into_response()
}

/// Return which programs were put to work, when, by whom and why.
#[utoipa::path(
    get,
    path = "/v1/program/changes",
    tag = "program",
    params(After),
    responses(
        (status = 200, description = "A page, the oldest first", body = Changes),
        (status = 400, description = "A parameter cannot be read", body = Problem),
    )
)]
pub(super) async fn changes(
    State(service): State<Shared>,
    Parameters(After { after }): Parameters<After>,
) -> Result<Json<Changes>, Problem> {
    let answer = service.ask(move |desk| {
        // One more tells whether there is a further page.
        let mut found = desk.ledger.program_changes(after.unwrap_or(0), CHANGES.saturating_add(1))?;
        let more = found.len() > CHANGES;
        found.truncate(CHANGES);
        let next = found.last().filter(|_| more).map(|last| last.version);
        Ok(Changes { changes: found.iter().map(ChangeLine::from).collect(), next })
    });
    answer.await.map(Json)
}
