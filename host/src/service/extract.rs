//! What handlers take from a request, with problems as everywhere.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, MatchedPath, Path, Query, Request};
use jifen_loyalty::Instant;
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::Problem;
use crate::keys;

/// The header with the sender's name for a request.
pub(super) const ONCE: &str = "idempotency-key";

/// The parameters behind the `?`.
#[derive(FromRequestParts)]
#[from_request(via(Query), rejection(Problem))]
pub(super) struct Parameters<T>(pub(super) T);

/// What stands in the path.
#[derive(FromRequestParts)]
#[from_request(via(Path), rejection(Problem))]
pub(super) struct Named<T>(pub(super) T);

/// Of which time.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Within {
    /// Only what happened at this time or later.
    #[param(example = "2017-01-01T00:00:00+08:00", format = "date-time")]
    from: Option<String>,
    /// Only what happened before this time.
    #[param(format = "date-time")]
    until: Option<String>,
}

impl Within {
    /// Reads both ends.
    pub(super) fn period(&self) -> Result<(Option<Instant>, Option<Instant>), Problem> {
        Ok((instant("from", self.from.as_ref())?, instant("until", self.until.as_ref())?))
    }
}

/// Where a page begins of what has ids, such as keys.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BehindId {
    /// Only what is behind this id.
    #[param(pattern = "^[0-9a-f]{12}$")]
    after: Option<String>,
}

impl BehindId {
    /// Returns the id, empty for the first page.
    pub(super) fn id(self) -> Result<String, Problem> {
        match self.after {
            Some(after) if !keys::is_id(&after) => {
                Err(Problem::malformed("after: that is no id; write the `next` of a page"))
            }
            after => Ok(after.unwrap_or_default()),
        }
    }
}

/// Returns the method of a request. One that nobody takes has no name of its own: anybody could make them up.
pub(super) fn method_of(request: &Request) -> &'static str {
    const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];
    let found = METHODS.into_iter().find(|method| *method == request.method().as_str());
    found.unwrap_or("other")
}

/// Returns the path of a request as the description of the API has it. One that there is not has no name of its own.
pub(super) fn route_of(request: &Request) -> &str {
    request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str)
}

/// Returns a page of what is found up to a limit, and whether there is more: one more than fits tells.
pub(super) fn page<T, E>(
    size: usize,
    find: impl FnOnce(usize) -> Result<Vec<T>, E>,
) -> Result<(Vec<T>, bool), E> {
    let mut found = find(size.saturating_add(1))?;
    let more = found.len() > size;
    found.truncate(size);
    Ok((found, more))
}

/// Reads a parameter that is a time.
pub(super) fn instant(name: &str, text: Option<&String>) -> Result<Option<Instant>, Problem> {
    let instant = text.map(|text| Instant::parse(text)).transpose();
    instant.map_err(|error| Problem::malformed(format!("{name}: {error}")))
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::malformed(rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::malformed(rejection.body_text())
    }
}
