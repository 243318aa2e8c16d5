//! What goes wrong, as RFC 9457 tells it, with codes that stay.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jifen_ledger::LedgerError;
use jifen_loyalty::InvalidEvent;
use serde::Serialize;
use tower_http::timeout::TimeoutError;
use utoipa::ToSchema;

use super::BODY_BYTES_MAX;
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
    /// The kind of problem, for programs. Codes are never changed.
    pub(super) code: &'static str,
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

impl Problem {
    /// What was sent cannot be read.
    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "The request cannot be read", detail)
    }

    /// Nobody knows who asks.
    pub(super) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "A key is asked for", detail)
    }

    /// Whoever asks may not.
    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "The key does not open this", detail)
    }

    /// A key was used more often than it may be.
    pub(super) fn too_often(rate: u32) -> Self {
        let detail =
            format!("this key is for {rate} requests a second; nothing was taken; send it again later");
        let problem =
            Self::new(StatusCode::TOO_MANY_REQUESTS, "too-often", "The key is used too often", detail);
        Self { retry_after: Some(1), ..problem }
    }

    /// A key has as many quotes that hold as it may.
    pub(super) fn held_too_often(many: u32) -> Self {
        let detail =
            format!("this key has {many} quotes an hour that hold, and had them; ask without `hold`");
        let problem =
            Self::new(StatusCode::TOO_MANY_REQUESTS, "too-often", "The key is used too often", detail);
        Self { retry_after: Some(60), ..problem }
    }

    /// The name of an event belongs to another, of which no more is told.
    pub(super) fn named() -> Self {
        let detail = "there is another event of that source and id; take another id";
        Self::new(StatusCode::CONFLICT, "conflict", "Another event has that name", detail)
    }

    /// A request was answered before, and its answer cannot be had again.
    pub(super) fn repeated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "repeated", "It was asked before", detail)
    }

    /// There is nothing of that name.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing", detail)
    }

    /// The body is of another media type.
    pub(super) fn media_type(detail: impl Into<String>) -> Self {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::new(status, "media-type", "The body is of another media type", detail)
    }

    /// More was sent than is taken at once.
    pub(super) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The request is too large", detail)
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
        } else if anyhow::Chain::new(error).any(|cause| cause.is::<TimeoutError>()) {
            Self::too_slow()
        } else {
            Self::malformed(told)
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
        let title = "The release does not pass";
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "release-refused", title, detail);
        Self { report: Some(Box::new(report)), ..problem }
    }

    /// An event comes with the token of a quote that it does not have.
    pub(super) fn quote(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "quote-unknown", "There is no such quote of it", detail)
    }

    /// The name belongs to another release.
    pub(super) fn taken(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "release-taken", "Another release has that name", detail)
    }

    /// The program cannot be put to work.
    pub(super) fn program(error: HostError) -> Self {
        let detail = format!("{:#}", anyhow::Error::new(error));
        let title = "The program is refused";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "program-refused", title, detail)
    }

    /// Members would be awarded less, and it is not known long enough.
    pub(super) fn notice(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "notice-required", "Members must know of it before", detail)
    }

    /// A change was made on another version than the one at work.
    pub(super) fn superseded(found: u64) -> Self {
        let detail = format!("version {found} is at work; look at what it says, and make the change on that");
        Self::new(StatusCode::PRECONDITION_FAILED, "superseded", "Another version is at work", detail)
    }

    /// A change does not say on which version it is made.
    pub(super) fn unconditional() -> Self {
        let detail = "say on which version the change is made, as in `If-Match: \"1\"`; GET /v1/program tells it as its ETag";
        let title = "The request needs If-Match";
        Self::new(StatusCode::PRECONDITION_REQUIRED, "precondition-required", title, detail)
    }

    /// Something of this machine failed.
    pub(super) fn failed(error: &anyhow::Error) -> Self {
        Self::unavailable(format!("{error:#}"))
    }

    /// The path takes another method.
    pub(super) fn method() -> Self {
        let detail = "this path takes other methods; /docs shows which";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", "The path takes another method", detail)
    }

    /// More is asked for than can wait.
    pub(super) fn busy() -> Self {
        let detail = "too much waits already, and nothing of this was taken; send it again later";
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", "The host is busy", detail);
        Self { retry_after: Some(1), ..problem }
    }

    /// Whoever asked has left. As nobody hears of it, it is for the trail alone.
    pub(super) fn abandoned() -> Self {
        // Of no standard, and used for this by most proxies.
        let status = StatusCode::from_u16(499).expect("it is a status");
        Self::new(status, "abandoned", "The client has left", "nobody waits for the answer")
    }

    /// A body came too slowly.
    pub(super) fn too_slow() -> Self {
        let detail = "the body did not come in time, and nothing of it was taken; send it again";
        Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "The request came too slowly", detail)
    }

    /// The ledger did not do what it was asked.
    fn of_ledger(error: &LedgerError, told: String) -> Self {
        if matches!(error, LedgerError::Overflow { .. }) {
            let title = "A total would leave its column";
            return Self::new(StatusCode::UNPROCESSABLE_ENTITY, "overflow", title, told);
        }
        Self::unavailable(told)
    }

    fn unavailable(told: String) -> Self {
        let title = "The host cannot answer now";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", title, told);
        Self { retry_after: Some(1), ..problem }
    }

    /// A fault of this program.
    pub(super) fn broken() -> Self {
        let detail = "this is a fault of the host; nothing was acknowledged, and the same may be sent again";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The host is at fault", detail)
    }

    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        let (kind, detail) = (format!("urn:jifen:problem:{code}"), detail.into());
        Self {
            kind,
            title,
            status: status.as_u16(),
            detail,
            code,
            field: None,
            report: None,
            retry_after: None,
        }
    }
}

impl From<&InvalidEvent> for Problem {
    fn from(refusal: &InvalidEvent) -> Self {
        let (status, code, title) = if is_conflict(refusal) {
            (StatusCode::CONFLICT, "conflict", "Another event has that name")
        } else {
            (StatusCode::UNPROCESSABLE_ENTITY, "event-refused", "The event is refused")
        };
        let problem = Self::new(status, code, title, refusal.reason.clone());
        Self { field: Some(refusal.field.as_str().into()), ..problem }
    }
}

impl From<BadSigner> for Problem {
    fn from(bad: BadSigner) -> Self {
        let told = bad.to_string();
        match bad {
            BadSigner::Unfit(_) => Self::malformed(told),
            BadSigner::Taken(..) => {
                Self::new(StatusCode::CONFLICT, "signer-taken", "The key cannot sign for them", told)
            }
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
                } else if matches!(*error, HostError::Contention { .. }) {
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
