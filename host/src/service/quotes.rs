//! Quotes: what an event would come to, and, where that is asked for, the word that it is decided by the same program for a while.

use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderName};
use axum::response::Response;
use jifen_ledger::HeldQuote;
use jifen_loyalty::event::Body;
use jifen_loyalty::{Event, Instant, InvalidEvent, MerchantId, Receipt};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use utoipa::IntoParams;

use super::Shared;
use super::access::Caller;
use super::events::{Incoming, aside, json, one, sent};
use super::extract::Parameters;
use super::intake::{Desk, Unanswered};
use super::problem::Problem;
use super::program::refused;
use super::schema::{CloudEvent, QuotedOrApplied};
use crate::active::Active;
use crate::batch::{Outcome, Processor, Quoted, Sent};
use crate::keys::random;
use crate::releases::{Releases, parse_digest};
use crate::{change, clock};

/// With what an event is sent that was quoted.
const HEADER: HeaderName = HeaderName::from_static("jifen-quote");
/// Seconds that a quote holds at most.
const HOLD_MAX: u32 = 3_600;
/// Seconds for which it is known that a quote ended.
const REMEMBERED: i64 = 3_600;

/// Which program is asked.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct By {
    /// A version of the list of changes, or the SHA-256 of a program that the ledger keeps, such as an announced one; absent: the
    /// program at work.
    program: Option<String>,
    /// Seconds for which the quote holds, 1 to 3600: the event, sent with the quote's token, is decided by the same program.
    #[param(example = 600, minimum = 1, maximum = 3600)]
    hold: Option<u32>,
}

/// Say what an event would come to.
///
/// Of a purchase what it would earn, of a request to use points what they would buy, with the ledger as it is now and at the event's
/// own time. Nothing is awarded or used by it. With `hold` the answer has a `token`: the same event, sent with it in the header
/// `Jifen-Quote` until `until`, is decided by the program that was asked, whichever is at work then. Caps, budgets and stock are
/// not held.
#[utoipa::path(
    post,
    path = "/v1/quotes",
    tag = "events",
    params(By),
    request_body(content(
        (CloudEvent = "application/cloudevents+json"),
        (CloudEvent = "application/json"),
    )),
    responses(
        (
            status = 200,
            description = "The receipt that it would have: `outcome` is `quoted`; of an event that was applied, its receipt",
            body = QuotedOrApplied,
            headers(("Idempotent-Replayed" = bool, description = "Whether the event was applied before")),
        ),
        (status = 400, description = "What was sent is no JSON, or more than one event", body = Problem),
        (status = 404, description = "There is no such program", body = Problem),
        (status = 409, description = "Another event has that name", body = Problem),
        (status = 415, description = "The body is of another media type", body = Problem),
        (status = 422, description = "The event would be refused", body = Problem),
    )
)]
pub(super) async fn quote(
    State(service): State<Shared>,
    Extension(caller): Extension<Arc<Caller>>,
    Parameters(By { program, hold }): Parameters<By>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|it| Problem::unread(it.status(), &it, it.body_text()))?;
    let Incoming::One(event) = aside(body.len(), || sent(&headers, &body))? else {
        return Err(Problem::malformed("a quote is of one event, and this is an array"));
    };
    let event = aside(body.len(), || Event::parse(event.as_bytes()));
    let event = event.map_err(|refusal| Problem::from(&refusal))?;
    caller.may_ask(&event).map_err(|refusal| Problem::from(&refusal))?;
    if program.is_some() && !caller.may_see_programs() {
        return Err(Problem::forbidden("with this key, quotes are of the program at work alone"));
    }
    let hold = hold.map(|seconds| hold_for(seconds, program.as_deref())).transpose()?;
    if hold.is_some() {
        service.keys.may_hold(&caller)?;
    }
    if matches!(event.body, Body::Close(_)) {
        let reason = "a day is closed for everybody, and that cannot be tried".to_owned();
        return Err(Problem::from(&InvalidEvent { field: "type".to_owned(), reason }));
    }
    let (event, within) = (Arc::new(event), caller.merchant().cloned());
    let (quoted, held) =
        service.ask(move |desk| desk.quote(program.as_deref(), &event, within, hold)).await?;
    match quoted {
        Quoted::Receipt(receipt) => {
            let mut receipt = caller.shown(&service.desk, receipt);
            receipt.pop();
            receipt.extend(b",\"outcome\":\"quoted\"");
            if let Some(Held { token, until }) = held {
                receipt.extend(format!(",\"token\":\"{token}\",\"until\":\"{until}\"").into_bytes());
            }
            receipt.push(b'}');
            Ok(json(receipt))
        }
        Quoted::Refused(refusal) => Err(Problem::from(&refusal)),
        Quoted::Known(Outcome::Refused { .. }) if !caller.may_see_conflicts() => Err(Problem::named()),
        Quoted::Known(outcome) => one(&caller.shown_of(&service.desk, outcome), b""),
    }
}

/// Returns for how many seconds a quote is to hold.
fn hold_for(seconds: u32, program: Option<&str>) -> Result<u32, Problem> {
    if program.is_some() {
        return Err(Problem::malformed(
            "hold: a quote that holds is of the program at work; leave `program` away",
        ));
    }
    match seconds {
        1..=HOLD_MAX => Ok(seconds),
        _ => Err(Problem::malformed(format!("hold: a quote holds for 1 to {HOLD_MAX} seconds"))),
    }
}

/// A quote that holds.
struct Held {
    token: String,
    until: Instant,
}

/// What was promised by the quote with whose token an event is sent.
pub(super) struct Promise {
    /// The program that was asked.
    program: jifen_ledger::Digest,
    /// Whether the event follows another, whose program decides it.
    follows: bool,
    /// What decides the event: that program, while the quote holds. Afterwards it is whichever is at work.
    pub(super) under: Option<Arc<Active>>,
}

impl Promise {
    /// Reads the header with the token of a quote.
    pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
        // What is no text is nobody's token.
        headers.get(&HEADER).map(|value| value.to_str().unwrap_or_default())
    }

    /// Returns whether what became of the event was decided by the program that was asked. What is returned or used on is decided by
    /// the one of before, whatever was asked.
    pub(super) fn was_kept(&self, outcome: &Outcome) -> bool {
        let (Outcome::Applied { recorded, .. } | Outcome::Duplicate(recorded)) = outcome else { return true };
        let by = Receipt::inputs(&recorded.receipt).ok().and_then(|inputs| parse_digest(&inputs.program));
        self.follows || by.is_none_or(|by| by == self.program)
    }
}

impl Desk {
    fn quote(
        &self,
        program: Option<&str>,
        event: &Arc<Event>,
        within: Option<MerchantId>,
        hold: Option<u32>,
    ) -> Result<(Quoted, Option<Held>), Problem> {
        let active = self.program(program)?;
        let releases = Releases::new(None, Some(&*self.ledger));
        let programs = self.programs(&releases);
        let processor = Processor::new(&active, &programs, &*self.ledger, NonZeroUsize::MIN);
        let quoted = processor.quote(Sent::new(Arc::clone(event), within));
        let quoted = quoted.map_err(|error| Problem::from(Unanswered::Failed(Arc::new(error))))?;
        let held = match (&quoted, hold) {
            (Quoted::Receipt(_), Some(hold)) => Some(self.hold(&active, event, hold)?),
            (Quoted::Receipt(_) | Quoted::Refused(_) | Quoted::Known(_), _) => None,
        };
        Ok((quoted, held))
    }

    /// Keeps the word that an event will be decided by a program.
    fn hold(&self, active: &Active, event: &Event, seconds: u32) -> Result<Held, Problem> {
        let now = clock::now();
        let (token, until) = (format!("jq_{}", hex::encode(random::<16>())), after(now, seconds));
        let quote = HeldQuote { token: digest(&token), program: active.key(), event: event.digest, until };
        self.ledger.hold_quote(&quote, after(now, -REMEMBERED))?;
        Ok(Held { token, until })
    }

    /// Returns what was promised by the quote of a token, with which an event is sent.
    pub(super) fn promise(&self, token: &str, event: &Event) -> Result<Promise, Problem> {
        let quote = self.ledger.held_quote(&digest(token))?.ok_or_else(|| {
            Problem::quote("nobody was given that quote, or it ended long ago; send the event without it")
        })?;
        if quote.event != event.digest {
            return Err(Problem::quote(
                "that quote is of another event; ask for one of this, or send it without",
            ));
        }
        let program = quote.program;
        let live = self.active();
        let under = if program == live.key() {
            Some(live)
        } else if quote.until < clock::now() {
            None
        } else {
            Some(self.loaded(&program).map_err(refused)?)
        };
        Ok(Promise { program, follows: event.follows(), under })
    }

    /// Returns the program of that version or digest, the one at work where none is named.
    fn program(&self, name: Option<&str>) -> Result<Arc<Active>, Problem> {
        let Some(name) = name else { return Ok(self.active()) };
        self.loaded(&self.named(name)?).map_err(refused)
    }

    /// Returns the digest of the program of that version or digest.
    pub(super) fn named(&self, name: &str) -> Result<jifen_ledger::Digest, Problem> {
        let unknown = || Problem::not_found(format!("the ledger has no version or program {name:?}"));
        change::named(&*self.ledger, name)?.ok_or_else(unknown)
    }
}

fn after(time: Instant, seconds: impl Into<i64>) -> Instant {
    Instant::from_millis(time.millis().saturating_add(seconds.into().saturating_mul(1_000)))
}

fn digest(token: &str) -> jifen_ledger::Digest {
    Sha256::digest(token).into()
}
