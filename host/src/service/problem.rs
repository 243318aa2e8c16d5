//! What goes wrong, as RFC 9457 tells it, with codes that stay.

use std::fmt;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jifen_ledger::LedgerError;
use jifen_loyalty::InvalidEvent;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::{BODY_BYTES_MAX, Cut};
use super::intake::Unanswered;
use crate::conflict::is_conflict;
use crate::error::HostError;
use crate::gates::GateReport;
use crate::signature::BadSigner;

/// A problem, in the media type `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// `urn:jifen:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(example = "urn:jifen:problem:event-refused")]
    kind: String,
    /// What kind of problem it is.
    title: &'static str,
    /// The status of the response.
    status: u16,
    /// What is wrong here, and how to mend it.
    pub(super) detail: String,
    /// The kind of problem, for programs.
    pub(super) code: Code,
    /// Why an event is refused, for programs, where its reason has a name, such as `insufficient`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    refusal: Option<Box<str>>,
    /// The part of what was sent that is wrong, such as `data.lines[0].amount`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    field: Option<Box<str>>,
    /// What was tried of a release that is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Box<GateReport>>,
    /// Seconds after which to try again.
    #[serde(skip)]
    retry_after: Option<u32>,
}

/// The kind of a problem. None ever changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Code {
    /// The request cannot be read.
    Malformed,
    /// No key is shown, or none that is of use.
    Unauthorized,
    /// The key's role may not, or it is another's.
    Forbidden,
    /// There is no such path, event or member.
    NotFound,
    /// The path takes another method.
    Method,
    /// The body did not come in time.
    TooSlow,
    /// Another event has that name.
    Conflict,
    /// Members would be awarded less, and it is not known for seven days.
    NoticeRequired,
    /// Another component was published under that name and version.
    ReleaseTaken,
    /// The request was answered before, and what it was answered is told once.
    Repeated,
    /// The public key signs for somebody else, or was revoked.
    SignerTaken,
    /// Another version is at work than `If-Match` says.
    Superseded,
    /// More bytes or events than are taken at once.
    TooLarge,
    /// The body is of another media type.
    MediaType,
    /// The event is wrong in itself, or for this program, or too late for what it asks.
    EventRefused,
    /// Nobody was given that quote, it ended an hour ago, or it is of another event.
    QuoteUnknown,
    /// The release does not pass; `report` says what was tried.
    ReleaseRefused,
    /// The program cannot be put to work; the line and the mend are in `detail`.
    ProgramRefused,
    /// A total would leave its column.
    Overflow,
    /// A change does not say in `If-Match` on which version it is made.
    PreconditionRequired,
    /// Too much waits already.
    Busy,
    /// The key was used more often than it may be.
    TooOften,
    /// Whoever asked has left; only the trail says so.
    Abandoned,
    /// A fault of the host; nothing was acknowledged.
    Internal,
    /// The ledger cannot be reached.
    Unavailable,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl Code {
    /// Returns the status that it is answered with, and what kind of problem it is in words.
    fn status_and_title(self) -> (StatusCode, &'static str) {
        match self {
            Self::Malformed => (StatusCode::BAD_REQUEST, "The request cannot be read"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "A key is asked for"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "The key does not open this"),
            Self::NotFound => (StatusCode::NOT_FOUND, "There is no such thing"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "The path takes another method"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "The request came too slowly"),
            Self::Conflict => (StatusCode::CONFLICT, "Another event has that name"),
            Self::NoticeRequired => (StatusCode::CONFLICT, "Members must know of it before"),
            Self::ReleaseTaken => (StatusCode::CONFLICT, "Another release has that name"),
            Self::Repeated => (StatusCode::CONFLICT, "It was asked before"),
            Self::SignerTaken => (StatusCode::CONFLICT, "The key cannot sign for them"),
            Self::Superseded => (StatusCode::PRECONDITION_FAILED, "Another version is at work"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The request is too large"),
            Self::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is of another media type"),
            Self::EventRefused => (StatusCode::UNPROCESSABLE_ENTITY, "The event is refused"),
            Self::QuoteUnknown => (StatusCode::UNPROCESSABLE_ENTITY, "There is no such quote of it"),
            Self::ReleaseRefused => (StatusCode::UNPROCESSABLE_ENTITY, "The release does not pass"),
            Self::ProgramRefused => (StatusCode::UNPROCESSABLE_ENTITY, "The program is refused"),
            Self::Overflow => (StatusCode::UNPROCESSABLE_ENTITY, "A total would leave its column"),
            Self::PreconditionRequired => (StatusCode::PRECONDITION_REQUIRED, "The request needs If-Match"),
            Self::Busy => (StatusCode::TOO_MANY_REQUESTS, "The host is busy"),
            Self::TooOften => (StatusCode::TOO_MANY_REQUESTS, "The key is used too often"),
            // Of no standard, and used for this by most proxies.
            Self::Abandoned => (StatusCode::from_u16(499).expect("it is a status"), "The client has left"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "The host is at fault"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "The host cannot answer now"),
        }
    }
}

impl Problem {
    /// What was sent cannot be read.
    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(Code::Malformed, detail)
    }

    /// Nobody knows who asks.
    pub(super) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(Code::Unauthorized, detail)
    }

    /// Whoever asks may not.
    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(Code::Forbidden, detail)
    }

    /// A key was used more often than it may be.
    pub(super) fn too_often(rate: u32) -> Self {
        let detail =
            format!("this key is for {rate} requests a second; nothing was taken; send it again later");
        Self::new(Code::TooOften, detail).retry_after(1)
    }

    /// A key has as many quotes that hold as it may.
    pub(super) fn held_too_often(many: u32) -> Self {
        let detail =
            format!("this key has {many} quotes an hour that hold, and had them; ask without `hold`");
        Self::new(Code::TooOften, detail).retry_after(60)
    }

    /// The name of an event belongs to another, of which no more is told.
    pub(super) fn named() -> Self {
        Self::new(Code::Conflict, "there is another event of that source and id; take another id")
    }

    /// A request was answered before, and its answer cannot be had again.
    pub(super) fn repeated(detail: impl Into<String>) -> Self {
        Self::new(Code::Repeated, detail)
    }

    /// There is nothing of that name.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Code::NotFound, detail)
    }

    /// The body is of another media type.
    pub(super) fn media_type(detail: impl Into<String>) -> Self {
        Self::new(Code::MediaType, detail)
    }

    /// More was sent than is taken at once.
    pub(super) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(Code::TooLarge, detail)
    }

    /// The request has a larger body than is taken.
    pub(super) fn body_too_large(bytes_max: usize) -> Self {
        Self::too_large(format!("a request has at most {bytes_max} bytes here; send less at once"))
    }

    /// A body could not be read to its end.
    pub(super) fn unread(
        status: StatusCode,
        error: &(dyn std::error::Error + 'static),
        told: impl Into<String>,
    ) -> Self {
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            Self::body_too_large(BODY_BYTES_MAX)
        } else if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            Self::media_type(told)
        } else {
            match anyhow::Chain::new(error).find_map(|cause| cause.downcast_ref::<Cut>()) {
                Some(Cut::Late) => Self::too_slow(),
                Some(Cut::NoRoom) => Self::busy(),
                None => Self::malformed(told),
            }
        }
    }

    /// A release does not pass the gates.
    pub(super) fn release(report: GateReport) -> Self {
        let failed: Vec<_> = report.findings.iter().filter(|finding| !finding.passed).collect();
        let first = failed.first().map(|it| format!("{}: {}", it.what, it.evidence)).unwrap_or_default();
        let detail = match failed.len() {
            0 | 1 => first,
            all => format!("{first}; and {} more, see `report`", all.saturating_sub(1)),
        };
        Self { report: Some(Box::new(report)), ..Self::new(Code::ReleaseRefused, detail) }
    }

    /// An event comes with the token of a quote that it does not have.
    pub(super) fn quote(detail: impl Into<String>) -> Self {
        Self::new(Code::QuoteUnknown, detail)
    }

    /// The name belongs to another release.
    pub(super) fn taken(detail: impl Into<String>) -> Self {
        Self::new(Code::ReleaseTaken, detail)
    }

    /// The program cannot be put to work.
    pub(super) fn program(error: HostError) -> Self {
        Self::new(Code::ProgramRefused, format!("{:#}", anyhow::Error::new(error)))
    }

    /// Members would be awarded less, and it is not known long enough.
    pub(super) fn notice(detail: impl Into<String>) -> Self {
        Self::new(Code::NoticeRequired, detail)
    }

    /// A change was made on another version than the one at work.
    pub(super) fn superseded(found: u64) -> Self {
        let detail = format!("version {found} is at work; look at what it says, and make the change on that");
        Self::new(Code::Superseded, detail)
    }

    /// A change does not say on which version it is made.
    pub(super) fn unconditional() -> Self {
        let detail = "say on which version the change is made, as in `If-Match: \"1\"`; GET /v1/program tells it as its ETag";
        Self::new(Code::PreconditionRequired, detail)
    }

    /// Something of this machine failed.
    pub(super) fn failed(error: &anyhow::Error) -> Self {
        Self::unavailable(format!("{error:#}"))
    }

    /// The path takes another method.
    pub(super) fn method() -> Self {
        Self::new(Code::Method, "this path takes other methods; /docs shows which")
    }

    /// More is asked for than can wait.
    pub(super) fn busy() -> Self {
        let detail = "too much waits already, and nothing of this was taken; send it again later";
        Self::new(Code::Busy, detail).retry_after(1)
    }

    /// Whoever asked has left. As nobody hears of it, it is for the trail alone.
    pub(super) fn abandoned() -> Self {
        Self::new(Code::Abandoned, "nobody waits for the answer")
    }

    /// A body came too slowly.
    pub(super) fn too_slow() -> Self {
        let detail = "the body did not come in time, and nothing of it was taken; send it again";
        Self::new(Code::TooSlow, detail)
    }

    /// The ledger did not do what it was asked.
    fn of_ledger(error: &LedgerError, told: String) -> Self {
        if matches!(error, LedgerError::Overflow { .. }) {
            return Self::new(Code::Overflow, told);
        }
        Self::unavailable(told)
    }

    fn unavailable(told: String) -> Self {
        Self::new(Code::Unavailable, told).retry_after(1)
    }

    /// A fault of this program.
    pub(super) fn broken() -> Self {
        let detail = "this is a fault of the host; nothing was acknowledged, and the same may be sent again";
        Self::new(Code::Internal, detail)
    }

    fn new(code: Code, detail: impl Into<String>) -> Self {
        let (status, title) = code.status_and_title();
        Self {
            kind: format!("urn:jifen:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            code,
            refusal: None,
            field: None,
            report: None,
            retry_after: None,
        }
    }

    fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

impl From<&InvalidEvent> for Problem {
    fn from(refusal: &InvalidEvent) -> Self {
        let code = if is_conflict(refusal) { Code::Conflict } else { Code::EventRefused };
        let (field, named) = (refusal.field.as_str().into(), refusal.name().map(Into::into));
        Self { field: Some(field), refusal: named, ..Self::new(code, refusal.reason.clone()) }
    }
}

impl From<BadSigner> for Problem {
    fn from(bad: BadSigner) -> Self {
        let told = bad.to_string();
        match bad {
            BadSigner::Unfit(_) => Self::malformed(told),
            BadSigner::Taken(..) => Self::new(Code::SignerTaken, told),
        }
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        Self::of_ledger(&error, error.to_string())
    }
}

impl From<Unanswered> for Problem {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Full => Self::busy(),
            Unanswered::Failed(error) => {
                let again = format!("{error}; the same may be sent again, whether or not it was applied");
                if let HostError::Ledger(ledger) = &*error {
                    Self::of_ledger(ledger, again)
                } else if error.is_trouble() {
                    Self::unavailable(again)
                } else {
                    Self { detail: error.to_string(), ..Self::broken() }
                }
            }
            Unanswered::Behind => Self::unavailable(
                "another program is at work, which this host could not load yet; its log says why".to_owned(),
            ),
            Unanswered::Broken => Self::broken(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"jifen\""));
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
