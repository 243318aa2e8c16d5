//! Keys, and the trail of what was done with them.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::access::Caller;
use super::extract::{BehindId, Named, ONCE, Parameters, page};
use super::problem::Problem;
use crate::clock;
use crate::keys::{self, Role};
use crate::view::{KeyLine, StepLine};

/// Keys, or steps of the trail, of a page.
const PAGE: usize = 100;

/// A key that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedKey {
    /// `operator`, `auditor`, `merchant` or `member`.
    #[schema(example = "merchant", pattern = "^(operator|auditor|merchant|member)$")]
    role: String,
    /// The merchant or the member whose it is.
    #[schema(example = "store-330")]
    scope: Option<String>,
    /// Who holds it, for people.
    #[schema(example = "the counter of store 330")]
    name: String,
    /// Requests a second, 0 for as many as come; absent: 10 for a member, 100 for an auditor, 1,000 for a merchant, any for an operator.
    #[schema(maximum = 4_294_967_295_u64)]
    rate: Option<u32>,
}

/// A key that was made.
#[derive(Serialize, ToSchema)]
pub(super) struct Made {
    /// What its holder shows, as `Authorization: Bearer`. It is told this once.
    secret: String,
    #[serde(flatten)]
    key: KeyLine,
}

/// A page of keys.
#[derive(Serialize, ToSchema)]
pub(super) struct AllKeys {
    /// By id, without their secrets.
    keys: Vec<KeyLine>,
    /// What `after` is of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Where a page of the trail begins.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BehindStep {
    /// Only steps behind this place.
    #[param(format = "uint64", maximum = 18_446_744_073_709_551_615_u64)]
    after: Option<u64>,
}

/// A page of the trail.
#[derive(Serialize, ToSchema)]
pub(super) struct Trail {
    /// In order, the oldest first.
    steps: Vec<StepLine>,
    /// What `after` is of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// Make a key.
///
/// The first one closes the ledger: from then on everybody is asked for one. So it has to be an operator's. Sent again with the same
/// `Idempotency-Key`, no second one is made.
#[utoipa::path(
    post,
    path = "/v1/keys",
    tag = "access",
    params(("Idempotency-Key" = Option<String>, Header, description = "The sender's name for the request")),
    request_body = WantedKey,
    responses(
        (status = 201, description = "The key, whose secret is told once", body = Made),
        (status = 400, description = "What was sent cannot be read, or there can be no such key", body = Problem),
        (status = 409, description = "It was made before, and its secret is told once", body = Problem),
        (status = 415, description = "The body is no JSON by its media type", body = Problem),
    )
)]
pub(super) async fn make(
    State(service): State<Shared>,
    Extension(caller): Extension<Arc<Caller>>,
    headers: HeaderMap,
    body: Result<Json<WantedKey>, JsonRejection>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let Json(wanted) = body.map_err(|it| Problem::unread(it.status(), &it, it.body_text()))?;
    caller.still(&service).await?;
    let id = headers.get(ONCE).map(|once| caller.name_for(once));
    let asked = Arc::clone(&service);
    let made = service.ask(move |desk| {
        let WantedKey { role, scope, name, rate } = wanted;
        let role = Role::new(&role, scope.as_deref()).map_err(|bad| Problem::malformed(bad.to_string()))?;
        if role != Role::Operator && desk.ledger.keys("", 1)?.is_empty() {
            let detail = "role: the first key is an operator's, or nobody could make another";
            return Err(Problem::malformed(detail));
        }
        let made = keys::make(&*desk.ledger, &role, &name, rate, id)?;
        let (key, secret) = made.map_err(|bad| Problem::malformed(bad.to_string()))?;
        if desk.ledger.key(&key.id)?.is_none_or(|kept| kept.secret != key.secret) {
            let again = format!(
                "the key {} was made for that Idempotency-Key, and its secret was told once; revoke it, and ask under another",
                key.id
            );
            return Err(Problem::repeated(again));
        }
        asked.keys.close();
        Ok(Made { secret, key: KeyLine::from(&key) })
    });
    Ok((StatusCode::CREATED, Json(made.await?)))
}

/// Return which keys there are, without their secrets.
#[utoipa::path(
    get,
    path = "/v1/keys",
    tag = "access",
    params(BehindId),
    responses(
        (status = 200, description = "A page, by id", body = AllKeys),
        (status = 400, description = "A parameter cannot be read", body = Problem),
    )
)]
pub(super) async fn all(
    State(service): State<Shared>,
    Parameters(behind): Parameters<BehindId>,
) -> Result<Json<AllKeys>, Problem> {
    let after = behind.id()?;
    let answer = service.ask(move |desk| {
        let (found, more) = page(PAGE, |limit| desk.ledger.keys(&after, limit))?;
        let next = found.last().filter(|_| more).map(|last| last.id.clone());
        Ok(AllKeys { keys: found.iter().map(KeyLine::from).collect(), next })
    });
    answer.await.map(Json)
}

/// Revoke a key.
///
/// It is of no use any longer, on every host within a second; it stays in the list. Revoked again, the first time counts.
#[utoipa::path(
    delete,
    path = "/v1/keys/{id}",
    tag = "access",
    params(("id" = String, Path, description = "The key's id: what stands between `jifen_` and the secret")),
    responses(
        (status = 200, description = "Since when it is of no use", body = KeyLine),
        (status = 404, description = "There is no such key", body = Problem),
    )
)]
pub(super) async fn revoke(
    State(service): State<Shared>,
    Named(id): Named<String>,
) -> Result<Json<KeyLine>, Problem> {
    let asked = Arc::clone(&service);
    let id = keys::id_of(&id).to_owned();
    let revoked = service.ask(move |desk| {
        if keys::is_id(&id) {
            desk.ledger.revoke_key(&id, clock::now())?;
            asked.keys.forget(&id);
            if let Some(key) = desk.ledger.key(&id)? {
                return Ok(KeyLine::from(&key));
            }
        }
        Err(Problem::not_found(format!("there is no key {id:?}")))
    });
    revoked.await.map(Json)
}

/// Return what hosts were asked to change or to try, by whom, and how they answered.
#[utoipa::path(
    get,
    path = "/v1/trail",
    tag = "access",
    params(BehindStep),
    responses(
        (status = 200, description = "A page, the oldest first", body = Trail),
        (status = 400, description = "A parameter cannot be read", body = Problem),
    )
)]
pub(super) async fn trail(
    State(service): State<Shared>,
    Parameters(BehindStep { after }): Parameters<BehindStep>,
) -> Result<Json<Trail>, Problem> {
    let answer = service.ask(move |desk| {
        let (found, more) = page(PAGE, |limit| desk.ledger.trail(after.unwrap_or(0), limit))?;
        let next = found.last().filter(|_| more).map(|(place, _)| *place);
        Ok(Trail { steps: found.iter().map(StepLine::from).collect(), next })
    });
    answer.await.map(Json)
}
