//! Events: in, one or many, and each answered with its receipt.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use jifen_ledger::Logged;
use jifen_loyalty::{Event, InvalidEvent};
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::task::block_in_place;
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::body::Held;
use super::extract::Parameters;
use super::intake::Desk;
use super::problem::{Code, Problem};
use super::quotes::Promise;
use super::schema::{Answered, CloudEvent, Receipt, Sent};
use super::{EVENTS_MAX, Service, Shared, is_name};
use crate::batch::{Outcome, Recorded};
use crate::view::{self, Names};

/// Says that the event had been applied before, and the answer is that of then.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const ATTRIBUTE: &str = "ce-";

/// An event of a batch that was refused. Nothing of it is applied, and it can be mended and sent again.
#[derive(Serialize, ToSchema)]
pub(super) struct Refused {
    #[serde(flatten)]
    names: Names,
    /// `refused`.
    #[schema(example = "refused")]
    outcome: &'static str,
    /// `event-refused`, or `conflict`.
    code: Code,
    /// Why, for programs, where the reason has a name, such as `insufficient`.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
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
    pub(super) source: String,
    /// The sender's name for it.
    id: String,
}

/// Events as they came.
pub(super) enum Incoming<'b> {
    One(Cow<'b, str>),
    Many(Vec<&'b RawValue>),
}

/// The events of an array, as many as are taken at once, and how many it has.
struct Batch<'b> {
    events: Vec<&'b RawValue>,
    found: usize,
}

impl<'de> Deserialize<'de> for Batch<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Events;
        impl<'de> Visitor<'de> for Events {
            type Value = Batch<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of events")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
                let mut events = Vec::new();
                while events.len() < EVENTS_MAX
                    && let Some(event) = array.next_element()?
                {
                    events.push(event);
                }
                let mut found = events.len();
                while array.next_element::<IgnoredAny>()?.is_some() {
                    found = found.saturating_add(1);
                }
                Ok(Batch { events, found })
            }
        }
        deserializer.deserialize_seq(Events)
    }
}

/// Send events.
///
/// One CloudEvent (structured, or binary: its attributes as headers `ce-id`, `ce-source`, `ce-type`, `ce-time` and `ce-specversion`, its `data` as
/// the body), or an array of up to 1,000, as `application/json`, too. The answer comes when what it says is
/// durable. The same event again is answered with its first receipt. Of a batch, the answers are in the order of the events; an
/// event that is refused does not keep the others back. One event may come with the token of a quote that holds.
#[utoipa::path(
    post,
    path = "/v1/events",
    tag = "events",
    params(("Jifen-Quote" = Option<String>, Header, description = "The token of a quote of this event")),
    request_body(content(
        (CloudEvent = "application/cloudevents+json"),
        (Vec<CloudEvent> = "application/cloudevents-batch+json"),
        (Sent = "application/json"),
    )),
    responses(
        (
            status = 200,
            description = "The receipt; of a batch, an array of receipts and refusals",
            body = Answered,
            headers(("Idempotent-Replayed" = bool, description = "Whether the same event was answered before")),
        ),
        (status = 400, description = "What was sent is no JSON", body = Problem),
        (status = 409, description = "Another event has that name", body = Problem),
        (status = 415, description = "The body is of another media type", body = Problem),
        (status = 422, description = "The event is refused", body = Problem),
    )
)]
pub(super) async fn post(
    State(service): State<Shared>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
    bytes: Option<Extension<Held>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|it| Problem::unread(it.status(), &it, it.body_text()))?;
    let bytes = bytes.map(|Extension(held)| held);
    match aside(body.len(), || sent(&headers, &body))? {
        Incoming::One(event) => {
            let event = aside(body.len(), || Event::parse(event.as_bytes()));
            let event = event.map_err(|refusal| Problem::from(&refusal))?;
            caller.may_send(&event).map_err(|refusal| Problem::from(&refusal))?;
            let promise = match Promise::token(&headers).map(str::to_owned) {
                None => None,
                Some(token) => {
                    let quoted = event.clone();
                    Some(service.ask(move |desk| desk.promise(&token, &quoted)).await?)
                }
            };
            let (within, under) =
                (caller.merchant().cloned(), promise.as_ref().and_then(|promise| promise.under.clone()));
            let outcome = service.intake.submit(vec![event], within, under, bytes).await?.pop();
            let outcome = outcome.ok_or_else(Problem::broken)?;
            let requoted = promise.is_some_and(|promise| !promise.was_kept(&outcome));
            let outcome = caller.shown_of(&service.desk, outcome);
            one(&outcome, if requoted { b"\"requoted\":true," } else { b"" })
        }
        Incoming::Many(_) if Promise::token(&headers).is_some() => {
            Err(Problem::malformed("Jifen-Quote: a quote is of one event, and this is an array"))
        }
        Incoming::Many(events) => many(&service, &caller, &events, body.len(), bytes).await,
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
    Extension(caller): Extension<Arc<Caller>>,
    Parameters(key): Parameters<Key>,
) -> Result<Response, Problem> {
    caller.may_see_events_of(&key.source)?;
    let logged = service.ask(move |desk| logged(desk, &key)).await?;
    let mut recorded = Recorded::from(&logged);
    caller.show(&service.desk, &mut recorded);
    Ok(json(self::receipt(&recorded, b"")))
}

/// Returns the entry of an event, if the ledger knows it.
pub(super) fn known(desk: &Desk, source: &str, id: &str) -> Result<Option<Logged>, Problem> {
    Ok(if is_name(source) && is_name(id) { desk.ledger.find(source, id)? } else { None })
}

/// Returns the entry of an event.
pub(super) fn logged(desk: &Desk, Key { source, id }: &Key) -> Result<Logged, Problem> {
    known(desk, source, id)?
        .ok_or_else(|| Problem::not_found(format!("the ledger has no event {id:?} of {source:?}")))
}

/// Does work on so many bytes. Others are not kept waiting for what is large.
pub(super) fn aside<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    const LARGE: usize = 64 << 10;
    if bytes < LARGE { work() } else { block_in_place(work) }
}

/// Returns what was sent, whichever of the CloudEvents modes it came in.
pub(super) fn sent<'b>(headers: &HeaderMap, body: &'b [u8]) -> Result<Incoming<'b>, Problem> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let taken = ["application/json", "application/cloudevents+json", "application/cloudevents-batch+json"];
    if !taken.contains(&&*media_type) {
        let found = if media_type.is_empty() { "it has no Content-Type".to_owned() } else { media_type };
        return Err(Problem::media_type(format!("send one of {}; {found}", taken.join(", "))));
    }
    let no_json = |error: serde_json::Error| Problem::malformed(format!("the body is no JSON: {error}"));
    let value: &RawValue = serde_json::from_slice(body).map_err(no_json)?;
    // Where the type is that of a CloudEvent, headers only repeat what it says.
    let has_attributes = headers.keys().any(|name| name.as_str().starts_with(ATTRIBUTE));
    if has_attributes && media_type == "application/json" {
        return binary(headers, value).map(|event| Incoming::One(event.into()));
    }
    if !value.get().starts_with('[') {
        return Ok(Incoming::One(value.get().into()));
    }
    let Batch { events, found } = serde_json::from_str(value.get()).map_err(no_json)?;
    if found > events.len() {
        let detail = format!("a batch has at most {EVENTS_MAX} events, and this has {found}");
        return Err(Problem::too_large(detail));
    }
    Ok(Incoming::Many(events))
}

/// Returns the structured form of an event whose attributes are headers.
fn binary(headers: &HeaderMap, data: &RawValue) -> Result<String, Problem> {
    let mut attributes = Map::new();
    for (name, value) in headers {
        let Some(attribute) = name.as_str().strip_prefix(ATTRIBUTE) else { continue };
        let text = value.to_str().ok().and_then(attribute_text);
        let text = text.ok_or_else(|| Problem::malformed(format!("the header {name} is no text")))?;
        if attributes.insert(attribute.to_owned(), Value::String(text)).is_some() {
            return Err(Problem::malformed(format!("the header {name} stands there twice")));
        }
    }
    let attributes = Value::Object(attributes).to_string();
    let open = attributes.trim_end_matches('}');
    Ok(format!("{open},\"data\":{}}}", data.get()))
}

/// Returns what a header of an attribute says: it may be quoted, and bytes that no header takes are escaped.
fn attribute_text(text: &str) -> Option<String> {
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let mut plain = String::with_capacity(text.len());
    let mut letters = quoted.unwrap_or(text).chars();
    while let Some(letter) = letters.next() {
        let is_escape = quoted.is_some() && letter == '\\';
        plain.push(if is_escape { letters.next()? } else { letter });
    }
    let text = percent_encoding::percent_decode_str(&plain).decode_utf8().ok()?;
    Some(text.into_owned())
}

/// Answers one event, with `more` members where it is applied.
pub(super) fn one(outcome: &Outcome, more: &[u8]) -> Result<Response, Problem> {
    match outcome {
        Outcome::Applied { recorded, .. } => Ok(json(receipt(recorded, more))),
        Outcome::Duplicate(recorded) => {
            let replayed = [(REPLAYED, HeaderValue::from_static("true"))];
            Ok((replayed, json(receipt(recorded, more))).into_response())
        }
        Outcome::Refused { refusal, .. } => Err(refusal.into()),
    }
}

/// Answers a batch, each event in its place.
async fn many(
    service: &Service,
    caller: &Caller,
    sent: &[&RawValue],
    size: usize,
    bytes: Option<Held>,
) -> Result<Response, Problem> {
    let mut events = Vec::with_capacity(sent.len());
    let mut parse = |sent: &&RawValue| {
        let event = Event::parse(sent.get().as_bytes())?;
        caller.may_send(&event)?;
        events.push(event);
        Ok::<_, InvalidEvent>(())
    };
    let refusals: Vec<_> = aside(size, || sent.iter().map(|sent| parse(sent).err()).collect());
    let room = service.intake.size();
    if events.len() > room {
        return Err(Problem::too_large(format!("at most {room} events wait here, so send no more at once")));
    }
    let within = caller.merchant().cloned();
    let outcomes = match events.is_empty() {
        true => Vec::new(),
        false => service.intake.submit(events, within, None, bytes).await?,
    };
    let (mut outcomes, mut body) = (outcomes.into_iter(), b"[".to_vec());
    for (sent, refusal) in sent.iter().zip(refusals) {
        if body.len() > 1 {
            body.push(b',');
        }
        let outcome =
            refusal.map(Outcome::refused).or_else(|| outcomes.next()).ok_or_else(Problem::broken)?;
        match &caller.shown_of(&service.desk, outcome) {
            Outcome::Applied { recorded, .. } | Outcome::Duplicate(recorded) => {
                write(&mut body, recorded, b"");
            }
            Outcome::Refused { refusal, .. } => {
                let refused = Refused::new(Names::of(sent.get().as_bytes()), refusal);
                serde_json::to_writer(&mut body, &refused).expect("memory takes all");
            }
        }
    }
    body.push(b']');
    Ok(json(body))
}

/// Returns a receipt with `more` members.
pub(super) fn receipt(recorded: &Recorded, more: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(recorded.receipt.len().saturating_add(128));
    write(&mut body, recorded, more);
    body
}

fn write(body: &mut Vec<u8>, recorded: &Recorded, more: &[u8]) {
    view::write_receipt(body, recorded, more, "applied").expect("memory takes all");
}

impl Refused {
    fn new(names: Names, refusal: &InvalidEvent) -> Self {
        let Problem { code, .. } = refusal.into();
        let (field, reason) = (refusal.field.clone(), refusal.reason.clone());
        let refusal = refusal.name().map(str::to_owned);
        Self { names, outcome: "refused", code, refusal, field, reason, awards: [], faults: [] }
    }
}

pub(super) fn json(body: Vec<u8>) -> Response {
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (json, body).into_response()
}
