//! What handlers take from a request, with problems as everywhere.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use jifen_loyalty::Instant;

use super::problem::Problem;

/// The parameters behind the `?`.
#[derive(FromRequestParts)]
#[from_request(via(Query), rejection(Problem))]
pub(super) struct Parameters<T>(pub(super) T);

/// What stands in the path.
#[derive(FromRequestParts)]
#[from_request(via(Path), rejection(Problem))]
pub(super) struct Named<T>(pub(super) T);

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
