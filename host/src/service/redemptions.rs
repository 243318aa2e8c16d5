//! Uses of points: asked for, moved on, and how far one is.
//!
//! What moves one on is an event. Whoever has no name and no time for it of their own has it made here: it is named after the use and
//! the step, so that the same that is sent again is the same event.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::{Extension, Json};
use jifen_ledger::{Query, RedeemedPart, Redemption, RedemptionQuery};
use jifen_loyalty::event::EVENT_BYTES_MAX;
use jifen_loyalty::{Event, InvalidEvent, Points, RedemptionId};
use serde::de::IntoDeserializer as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

use super::access::Caller;
use super::body::Held;
use super::events::{aside, known, one};
use super::extract::{Named, ONCE};
use super::intake::Desk;
use super::problem::Problem;
use super::schema::{Line, Receipt, WhoseDoing};
use super::{Shared, is_name};
use crate::batch::Outcome;
use crate::clock;
use crate::conflict::is_conflict;
use crate::reach;

/// Who sends the events that are made here, where no merchant's key does.
const SOURCE: &str = "/jifen/redemptions";

/// What points are to be used for: the data of `jifen.redemption.requested`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described: it is read as the data of an event")]
pub(super) struct WantedUse {
    /// The name of the use, for ever.
    #[schema(example = "r-17")]
    redemption: String,
    /// Whose points.
    #[schema(example = "m900")]
    member: String,
    /// Where.
    #[schema(example = "store-330")]
    merchant: String,
    /// An item of a catalogue; otherwise a bill is paid, in part.
    #[schema(example = "rice-5kg")]
    item: Option<String>,
    /// How many of it.
    quantity: Option<u64>,
    /// The lines of the bill, as those of a purchase.
    #[schema(value_type = Option<Vec<Line>>)]
    lines: Option<Value>,
    /// The bill's currency.
    currency: Option<String>,
    /// Its freight, in minor units.
    freight: Option<u64>,
    /// How many points are to be used at most.
    points: Option<u64>,
}

/// What a step is about.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Moved {
    /// So many points; absent: all.
    #[schema(minimum = 1)]
    points: Option<u64>,
    /// Of a cancellation: whose doing it is.
    #[schema(value_type = Option<WhoseDoing>)]
    cause: Option<String>,
}

/// How far a use of points is.
#[derive(Serialize, ToSchema)]
pub(super) struct UseOfPoints {
    /// Its name.
    #[schema(example = "r-17")]
    redemption: String,
    /// Whose points they are.
    #[schema(example = "m900")]
    member: String,
    /// Which points; absent where none were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    /// Who sent the request, or closed the day on which it was a gift.
    source: String,
    /// The id of the request, under which its receipt has the offer.
    id: String,
    /// The first instant at which what it holds is free again.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// Points that it was asked with.
    points: u64,
    /// How many of them it still holds.
    held: u64,
    /// How many are used.
    used: u64,
    /// How many were used and are no longer, whether they came back or not.
    cancelled: u64,
    /// How many steps it has had: the request, and what moved it on.
    steps: u64,
}

impl UseOfPoints {
    /// Returns nothing where the ledger does not know it.
    fn of(name: String, redemption: Redemption) -> Option<Self> {
        let Redemption { steps, request, until, parts, owner, .. } = redemption;
        let (request, (member, _)) = (Event::parse(&request?.event).ok()?, owner?);
        let sum =
            |of: fn(&RedeemedPart) -> Points| parts.iter().map(of).fold(Points::ZERO, Points::plus).get();
        Some(Self {
            redemption: name,
            member: member.to_string(),
            unit: parts.first().map(|part| part.lot.unit.to_string()),
            source: request.source,
            id: request.id,
            until: until.map(|until| until.to_string()),
            points: sum(|part| part.held),
            held: sum(RedeemedPart::open),
            used: sum(RedeemedPart::used),
            cancelled: sum(|part| part.cancelled),
            steps,
        })
    }
}

/// Ask to use points.
///
/// The answer is the receipt of an event `jifen.redemption.requested` that is dated now: its step has the `offer`, and `until` when the
/// points are held. The same again is answered with the first receipt. Who has a time or a name of the event's own sends the event.
#[utoipa::path(
    post,
    path = "/v1/redemptions",
    tag = "events",
    params(("Idempotency-Key" = Option<String>, Header, description = "The sender's name for the request, where the use's own is not enough")),
    request_body = WantedUse,
    responses(
        (
            status = 200,
            description = "The receipt",
            body = Receipt,
            headers(("Idempotent-Replayed" = bool, description = "Whether the same request was answered before")),
        ),
        (status = 400, description = "What was sent is no JSON", body = Problem),
        (status = 409, description = "Something else was asked by that name", body = Problem),
        (status = 415, description = "The body is of another media type", body = Problem),
        (status = 422, description = "The points cannot be used", body = Problem),
    )
)]
pub(super) async fn request(
    State(service): State<Shared>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
    bytes: Option<Extension<Held>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    #[derive(Deserialize)]
    struct Wanted {
        #[serde(default)]
        redemption: String,
    }
    let body = body.map_err(|it| Problem::unread(it.status(), &it, it.body_text()))?;
    let data: &RawValue = read(&headers, &body)?;
    let Wanted { redemption: name } = aside(body.len(), || from_json(data.get().as_bytes()))?;
    Step { name, kind: "requested", data: data.to_owned() }.send(&service, &caller, &headers, bytes).await
}

/// What is done with a use of points.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Move {
    /// The points that are held are used; what is held beyond them is free again.
    Capture,
    /// Points that are held are let go.
    Void,
    /// What was used returns to the lots that it came from.
    Cancel,
}

impl Move {
    /// Returns the end of the event's type.
    fn kind(self) -> &'static str {
        match self {
            Self::Capture => "captured",
            Self::Void => "voided",
            Self::Cancel => "cancelled",
        }
    }
}

/// Use points that are held, let them go, or take a use of points back.
///
/// The answer is the receipt of an event `jifen.redemption.captured`, `.voided` or `.cancelled` that is dated now. The same again is
/// answered with the first receipt.
#[utoipa::path(
    post,
    path = "/v1/redemptions/{redemption}/{step}",
    tag = "events",
    params(
        ("redemption" = String, Path, description = "Its name", example = "r-17"),
        ("step" = inline(Move), Path, description = "What is done with it"),
        ("Idempotency-Key" = Option<String>, Header, description = "The sender's name for the request, where this is no first step of its kind"),
    ),
    request_body = Option<Moved>,
    responses(
        (
            status = 200,
            description = "The receipt",
            body = Receipt,
            headers(("Idempotent-Replayed" = bool, description = "Whether the same request was answered before")),
        ),
        (status = 400, description = "What was sent is no JSON", body = Problem),
        (status = 404, description = "There is no such step", body = Problem),
        (status = 409, description = "Something else was asked by that name", body = Problem),
        (status = 415, description = "The body is of another media type", body = Problem),
        (status = 422, description = "There is no such use of points, or this cannot follow", body = Problem),
    )
)]
pub(super) async fn step(
    State(service): State<Shared>,
    Extension(caller): Extension<Arc<Caller>>,
    Named((name, step)): Named<(String, String)>,
    headers: HeaderMap,
    bytes: Option<Extension<Held>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let unknown = |_: serde::de::value::Error| {
        Problem::not_found("there is no such step; one is `capture`, `void` or `cancel`")
    };
    let step = Move::deserialize(step.into_deserializer()).map_err(unknown)?;
    let body = body.map_err(|it| Problem::unread(it.status(), &it, it.body_text()))?;
    let said = if body.is_empty() { None } else { read::<Option<Moved>>(&headers, &body)? };
    let Moved { points, cause } = said.unwrap_or_default();
    let data = StepData { redemption: &name, points, cause };
    let data = to_raw_value(&data).expect("text and a number always serialize");
    Step { name, kind: step.kind(), data }.send(&service, &caller, &headers, bytes).await
}

/// Reads a body that is JSON, and no larger than an event.
fn read<'b, T: Deserialize<'b>>(headers: &HeaderMap, body: &'b [u8]) -> Result<T, Problem> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Problem::media_type("send it as application/json, in the header Content-Type"));
    }
    if body.len() > EVENT_BYTES_MAX {
        return Err(Problem::too_large(format!("this has at most {EVENT_BYTES_MAX} bytes, as an event has")));
    }
    // What is derived takes the members of an object from an array, too.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::malformed("the body is an array; send an object"));
    }
    aside(body.len(), || from_json(body))
}

fn from_json<'b, T: Deserialize<'b>>(json: &'b [u8]) -> Result<T, Problem> {
    serde_json::from_slice(json)
        .map_err(|error| Problem::malformed(format!("the body cannot be read: {error}")))
}

/// The data of an event that moves a use of points on.
#[derive(Serialize)]
struct StepData<'a> {
    redemption: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    points: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

/// An event that is made here.
#[derive(Serialize)]
struct Envelope<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    r#type: &'a str,
    time: String,
    data: &'a RawValue,
}

/// What moves a use of points on.
struct Step {
    name: String,
    /// The end of the event's type.
    kind: &'static str,
    data: Box<RawValue>,
}

impl Step {
    /// Sends it as an event of now. If it is known, or the request was made by a clock that is ahead of this, it is dated as that is.
    async fn send(
        self,
        service: &Shared,
        caller: &Caller,
        headers: &HeaderMap,
        bytes: Option<Extension<Held>>,
    ) -> Result<Response, Problem> {
        const TRIES: u32 = 3;
        let source = caller.source().unwrap_or_else(|| SOURCE.to_owned());
        let id = self.id(headers)?;
        let kind = format!("jifen.redemption.{}", self.kind);
        let bytes = bytes.map(|Extension(held)| held);
        let (mut time, mut tries) = (clock::now(), 1);
        loop {
            let envelope = Envelope {
                specversion: "1.0",
                id: &id,
                source: &source,
                r#type: &kind,
                time: time.to_string(),
                data: &self.data,
            };
            let event = serde_json::to_vec(&envelope).expect("text always serializes");
            let event = aside(event.len(), || Event::parse(&event)).map_err(refused)?;
            caller.may_send(&event).map_err(refused)?;
            let within = caller.merchant().cloned();
            let outcome = service.intake.submit(vec![event], within, None, bytes.clone()).await?.pop();
            let outcome = outcome.ok_or_else(Problem::broken)?;
            let refusal = match outcome {
                Outcome::Refused { refusal, .. } if tries < TRIES => refusal,
                Outcome::Refused { refusal, .. } => return Err(refused(refusal)),
                outcome @ (Outcome::Applied { .. } | Outcome::Duplicate(_)) => {
                    return one(&caller.shown_of(&service.desk, outcome), b"");
                }
            };
            tries = tries.saturating_add(1);
            let first = if is_conflict(&refusal) {
                let key = (source.clone(), id.clone());
                service.ask(move |desk| known(desk, &key.0, &key.1)).await?
            } else if refusal.field == "time" {
                let name = self.name.clone();
                service.ask(move |desk| Ok(state(desk, &name)?.request)).await?
            } else {
                None
            };
            let first = first.and_then(|logged| Event::parse(&logged.event).ok());
            match first.filter(|first| first.time != time) {
                Some(first) => time = first.time,
                None => return Err(refused(refusal)),
            }
        }
    }

    /// Returns the id of the event, the same for the same step.
    fn id(&self, headers: &HeaderMap) -> Result<String, Problem> {
        let name = self.name.replace('%', "%25").replace('/', "%2F");
        let id = format!("{name}/{}", self.kind);
        let Some(once) = headers.get(ONCE) else { return Ok(Event::short_id(id)) };
        let once = once.to_str().map_err(|_| Problem::malformed("Idempotency-Key: is no text"))?;
        Ok(Event::short_id(format!("{id}/{once}")))
    }
}

/// Tells a refusal of what was sent: the data of the event, without its envelope.
fn refused(refusal: InvalidEvent) -> Problem {
    let conflict = is_conflict(&refusal);
    let field = match &*refusal.field {
        "data" => "body",
        "id" => "redemption",
        field => field.strip_prefix("data.").unwrap_or(field),
    };
    let mut problem = Problem::from(&InvalidEvent { field: field.to_owned(), ..refusal });
    if conflict {
        "this was asked before, and differs here; name another request of the kind in Idempotency-Key"
            .clone_into(&mut problem.detail);
    }
    problem
}

/// Returns what a ledger has of a use of points.
fn state(desk: &Desk, redemption: &str) -> Result<Redemption, Problem> {
    if !is_name(redemption) {
        return Ok(Redemption::default());
    }
    let name = RedemptionId::from(redemption);
    // No event is asked about: nobody has that name.
    let query = Query {
        keys: &[("", "")],
        redemptions: &[RedemptionQuery { name: &name, key: 0 }],
        ..Query::default()
    };
    Ok(desk.ledger.read(&query)?.redemptions.pop().unwrap_or_default())
}

/// Return how far a use of points is.
#[utoipa::path(
    get,
    path = "/v1/redemptions/{redemption}",
    tag = "members",
    params(("redemption" = String, Path, description = "Its name", example = "r-17")),
    responses(
        (status = 200, description = "How far it is", body = UseOfPoints),
        (status = 404, description = "The ledger knows no such use of points", body = Problem),
    )
)]
pub(super) async fn find(
    State(service): State<Shared>,
    Extension(caller): Extension<Arc<Caller>>,
    Named(redemption): Named<String>,
) -> Result<Json<UseOfPoints>, Problem> {
    let found = service.ask(move |desk| {
        let known = state(desk, &redemption)?;
        let elsewhere = caller.merchant().is_some_and(|merchant| !reach::is_of(merchant, &known));
        let unknown = Problem::not_found(format!("there is no use of points {redemption:?}"));
        let found = UseOfPoints::of(redemption, known).ok_or(unknown)?;
        if elsewhere {
            return Err(Problem::forbidden("that use of points is at another merchant's"));
        }
        caller.may_see_member(&found.member)?;
        Ok(found)
    });
    found.await.map(Json)
}
