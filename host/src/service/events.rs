//! Events: in, one or many, and each answered with its receipt.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jifen_loyalty::{Event, InvalidEvent};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;
use super::{EVENTS_MAX, Service, Shared};
use crate::batch::{Outcome, Recorded};
use crate::view::{self, Names};

/// Says that the event had been applied before, and the answer is that of then.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const ATTRIBUTE: &str = "ce-";

/// A receipt: what was decided on an event, and why. The members that every receipt has; the file format's documentation has
/// all of them.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described: receipts go out as they stand in the ledger")]
pub(super) struct Receipt {
    /// Who sent the event.
    #[schema(example = "/merchants/store-330")]
    source: String,
    /// The sender's name for it.
    #[schema(example = "31198570044")]
    id: String,
    /// To whom it happened.
    #[schema(example = "m900")]
    member: String,
    /// When.
    #[schema(example = "2017-01-01T11:53:26+08:00")]
    time: String,
    /// `applied`, now or before.
    #[schema(example = "applied")]
    outcome: String,
    /// The SHA-256 of the program that decided.
    program: String,
    /// What was granted.
    #[schema(value_type = Vec<Object>)]
    awards: Value,
    /// Deployments that failed to answer.
    #[schema(value_type = Vec<Object>)]
    faults: Value,
    /// Both sides of every movement.
    #[schema(value_type = Vec<Object>)]
    postings: Value,
    /// The receipt's place in the log.
    seq: u64,
    /// The receipt's SHA-256.
    digest: String,
}

/// A CloudEvents 1.0 JSON object.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described: events are read by the domain")]
pub(super) struct CloudEvent {
    /// `1.0`.
    #[schema(example = "1.0")]
    specversion: String,
    /// The sender's name for it. With the source it is the event's name for ever.
    #[schema(example = "31198570044")]
    id: String,
    /// Who sends it.
    #[schema(example = "/merchants/store-330")]
    source: String,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "jifen.purchase.completed")]
    kind: String,
    /// When it happened.
    #[schema(example = "2017-01-01T11:53:26+08:00")]
    time: String,
    /// By its type.
    #[schema(value_type = Object)]
    data: Value,
}

/// An event of a batch that was refused. Nothing of it is applied, and it can be mended and sent again.
#[derive(Serialize, ToSchema)]
pub(super) struct Refused {
    #[serde(flatten)]
    names: Names,
    /// `refused`.
    #[schema(example = "refused")]
    outcome: &'static str,
    /// `event-refused`, or `conflict`.
    #[schema(example = "event-refused")]
    code: &'static str,
    /// The first field that is wrong.
    #[schema(example = "data.lines[0].amount")]
    field: String,
    /// What is wrong with it.
    reason: String,
    #[schema(value_type = Vec<Object>)]
    awards: [(); 0],
    #[schema(value_type = Vec<Object>)]
    faults: [(); 0],
}

/// Which event.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Key {
    /// Who sent it.
    #[param(example = "/merchants/store-330")]
    source: String,
    /// The sender's name for it.
    id: String,
}

/// Events as they came.
enum Sent {
    One(Vec<u8>),
    Many(Vec<Box<RawValue>>),
}

/// Send events.
///
/// One CloudEvent (structured, or binary with `ce-` headers), or an array of up to 1,000. The answer comes when what it says is
/// durable. The same event again is answered with its first receipt. Of a batch, the answers are in the order of the events; an
/// event that is refused does not keep the others back.
#[utoipa::path(
    post,
    path = "/v1/events",
    tag = "events",
    request_body(content(
        (CloudEvent = "application/cloudevents+json"),
        (Vec<CloudEvent> = "application/cloudevents-batch+json"),
        (CloudEvent = "application/json"),
    )),
    responses(
        (status = 200, description = "The receipt; of a batch, an array of receipts and refusals", body = Receipt),
        (status = 400, description = "What was sent is no JSON", body = Problem),
        (status = 409, description = "Another event has that name", body = Problem),
        (status = 413, description = "More was sent than is taken at once", body = Problem),
        (status = 415, description = "The body is of another media type", body = Problem),
        (status = 422, description = "The event is refused", body = Problem),
        (status = 429, description = "Too much waits already; nothing was taken", body = Problem),
        (status = 503, description = "The ledger cannot be reached; the same may be sent again", body = Problem),
    )
)]
pub(super) async fn post(
    State(service): State<Shared>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|rejection| unread(&rejection))?;
    match sent(&headers, &body)? {
        Sent::One(event) => {
            let event = Event::parse(&event).map_err(|refusal| Problem::from(&refusal))?;
            let outcome = service.intake.submit(vec![event]).await?.pop().ok_or_else(Problem::broken)?;
            one(&outcome)
        }
        Sent::Many(events) => many(&service, &events).await,
    }
}

/// Return the receipt of an event.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "events",
    params(Key),
    responses(
        (status = 200, description = "The receipt", body = Receipt),
        (status = 400, description = "A parameter is missing, or unknown", body = Problem),
        (status = 404, description = "The ledger has no such event", body = Problem),
    )
)]
pub(super) async fn find(
    State(service): State<Shared>,
    key: Result<Query<Key>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Key { source, id }) = key.map_err(|rejection| Problem::malformed(rejection.body_text()))?;
    let logged = service
        .ask(move |desk| {
            let unknown = || Problem::not_found(format!("the ledger has no event {id:?} of {source:?}"));
            Ok(desk.ledger.find(&source, &id)?.ok_or_else(unknown))
        })
        .await??;
    let recorded = Recorded { seq: logged.seq, receipt: logged.receipt, digest: logged.receipt_digest };
    Ok(json(receipt(&recorded)))
}

fn unread(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::body_too_large()
    } else {
        Problem::malformed(rejection.body_text())
    }
}

/// Returns what was sent, whichever of the CloudEvents modes it came in.
fn sent(headers: &HeaderMap, body: &[u8]) -> Result<Sent, Problem> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_binary = headers.contains_key("ce-specversion");
    let taken = ["application/json", "application/cloudevents+json", "application/cloudevents-batch+json"];
    if !taken.contains(&&*media_type) || is_binary && media_type != "application/json" {
        let found = if media_type.is_empty() { "it has no Content-Type".to_owned() } else { media_type };
        return Err(Problem::media_type(format!("send one of {}; {found}", taken.join(", "))));
    }
    let no_json = |error: serde_json::Error| Problem::malformed(format!("the body is no JSON: {error}"));
    let value: &RawValue = serde_json::from_slice(body).map_err(no_json)?;
    if is_binary {
        return binary(headers, value).map(Sent::One);
    }
    if !value.get().trim_start().starts_with('[') {
        return Ok(Sent::One(value.get().as_bytes().to_vec()));
    }
    let events: Vec<Box<RawValue>> = serde_json::from_str(value.get()).map_err(no_json)?;
    if events.len() > EVENTS_MAX {
        let found = events.len();
        return Err(Problem::too_large(format!(
            "a batch has at most {EVENTS_MAX} events, and this has {found}"
        )));
    }
    Ok(Sent::Many(events))
}

/// Returns the structured form of an event whose attributes are headers.
fn binary(headers: &HeaderMap, data: &RawValue) -> Result<Vec<u8>, Problem> {
    let mut event = Map::new();
    for (name, value) in headers {
        let Some(attribute) = name.as_str().strip_prefix(ATTRIBUTE) else { continue };
        let text = value.to_str().ok().and_then(percent_decoded);
        let text = text.ok_or_else(|| Problem::malformed(format!("the header {name} is no text")))?;
        event.insert(attribute.to_owned(), Value::String(text));
    }
    let data = serde_json::from_str(data.get()).map_err(|error| Problem::malformed(error.to_string()))?;
    event.insert("data".to_owned(), data);
    Ok(serde_json::to_vec(&event).expect("text always serializes"))
}

/// Returns what a header of an attribute says: bytes that no header takes are escaped.
fn percent_decoded(text: &str) -> Option<String> {
    let text = percent_encoding::percent_decode_str(text).decode_utf8().ok()?;
    Some(text.into_owned())
}

/// Answers one event.
fn one(outcome: &Outcome) -> Result<Response, Problem> {
    match outcome {
        Outcome::Applied { recorded, .. } => Ok(json(receipt(recorded))),
        Outcome::Duplicate(recorded) => {
            let replayed = [(REPLAYED, HeaderValue::from_static("true"))];
            Ok((replayed, json(receipt(recorded))).into_response())
        }
        Outcome::Refused(refusal) => Err(refusal.into()),
    }
}

/// Answers a batch, each event in its place.
async fn many(service: &Service, sent: &[Box<RawValue>]) -> Result<Response, Problem> {
    let mut events = Vec::with_capacity(sent.len());
    let mut refusals = Vec::with_capacity(sent.len());
    for sent in sent {
        refusals.push(Event::parse(sent.get().as_bytes()).map(|event| events.push(event)).err());
    }
    let room = service.intake.size();
    if events.len() > room {
        return Err(Problem::too_large(format!("at most {room} events wait here, so send no more at once")));
    }
    let outcomes = if events.is_empty() { Vec::new() } else { service.intake.submit(events).await? };
    let (mut outcomes, mut body) = (outcomes.into_iter(), b"[".to_vec());
    for (sent, refusal) in sent.iter().zip(refusals) {
        if body.len() > 1 {
            body.push(b',');
        }
        let outcome =
            refusal.map(Outcome::Refused).or_else(|| outcomes.next()).ok_or_else(Problem::broken)?;
        match &outcome {
            Outcome::Applied { recorded, .. } | Outcome::Duplicate(recorded) => write(&mut body, recorded),
            Outcome::Refused(refusal) => {
                let refused = Refused::new(Names::of(sent.get().as_bytes()), refusal);
                serde_json::to_writer(&mut body, &refused).expect("memory takes all");
            }
        }
    }
    body.push(b']');
    Ok(json(body))
}

fn receipt(recorded: &Recorded) -> Vec<u8> {
    let mut body = Vec::with_capacity(recorded.receipt.len().saturating_add(128));
    write(&mut body, recorded);
    body
}

/// Writes a receipt, the same whenever it is asked for.
fn write(body: &mut Vec<u8>, recorded: &Recorded) {
    view::write_receipt(body, recorded, b"", "applied").expect("memory takes all");
}

impl Refused {
    fn new(names: Names, refusal: &InvalidEvent) -> Self {
        let Problem { code, .. } = refusal.into();
        let (field, reason) = (refusal.field.clone(), refusal.reason.clone());
        Self { names, outcome: "refused", code, field, reason, awards: [], faults: [] }
    }
}

fn json(body: Vec<u8>) -> Response {
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (json, body).into_response()
}
