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
