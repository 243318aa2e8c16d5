//! Who signs releases.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Shared;
use super::access::Caller;
use super::extract::{BehindId, Named, Parameters, page};
use super::problem::Problem;
use crate::signature;
use crate::view::SignerLine;

/// Signers of a page.
const PAGE: usize = 100;

/// Who is to sign.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedSigner {
    /// The merchant for whose releases; absent: for the platform's.
    #[schema(example = "store-330")]
    merchant: Option<String>,
    /// Who holds the private key, for people.
    #[schema(example = "the developers of store 330")]
    name: String,
    /// The public key, of Ed25519, in PEM.
    #[schema(
        example = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"
    )]
    public_key: String,
}

/// A page of signers.
#[derive(Serialize, ToSchema)]
pub(super) struct Signers {
    /// By id.
    signers: Vec<SignerLine>,
    /// What `after` is of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Say who signs releases.
///
/// From the first one of a merchant on, what is published for that merchant is signed; likewise for the platform.
#[utoipa::path(
    post,
    path = "/v1/signers",
    tag = "access",
    request_body = WantedSigner,
    responses(
        (status = 201, description = "Who signs", body = SignerLine),
        (status = 400, description = "What was sent cannot be read, or nobody can sign so", body = Problem),
        (status = 409, description = "The key signs for somebody else, or was revoked", body = Problem),
        (status = 415, description = "The body is no JSON by its media type", body = Problem),
    )
)]
pub(super) async fn add(
    State(service): State<Shared>,
    Extension(caller): Extension<Arc<Caller>>,
    body: Result<Json<WantedSigner>, JsonRejection>,
) -> Result<(StatusCode, Json<SignerLine>), Problem> {
    let Json(WantedSigner { merchant, name, public_key }) =
        body.map_err(|it| Problem::unread(it.status(), &it, it.body_text()))?;
    caller.still(&service).await?;
    let added = service.ask(move |desk| {
        let added = signature::add(&*desk.ledger, merchant.as_deref(), &name, &public_key)?;
        added.map(|signer| SignerLine::from(&signer)).map_err(Problem::from)
    });
    Ok((StatusCode::CREATED, Json(added.await?)))
}

/// Return who signs releases.
#[utoipa::path(
    get,
    path = "/v1/signers",
    tag = "access",
    params(BehindId),
    responses(
        (status = 200, description = "A page, by id", body = Signers),
        (status = 400, description = "A parameter cannot be read", body = Problem),
    )
)]
pub(super) async fn all(
    State(service): State<Shared>,
    Parameters(behind): Parameters<BehindId>,
) -> Result<Json<Signers>, Problem> {
    let after = behind.id()?;
    let answer = service.ask(move |desk| {
        let find = |limit| desk.ledger.signers(&after, limit);
        let (found, more) = page(PAGE, find)?;
        let next = found.last().filter(|_| more).map(|last| last.id.clone());
        Ok(Signers { signers: found.iter().map(SignerLine::from).collect(), next })
    });
    answer.await.map(Json)
}

/// Revoke a signer.
///
/// Nothing more that it signs is published; what was stays. Revoked again, the first time counts.
#[utoipa::path(
    delete,
    path = "/v1/signers/{id}",
    tag = "access",
    params(("id" = String, Path, description = "The signer's id")),
    responses(
        (status = 200, description = "Since when nothing more is taken", body = SignerLine),
        (status = 404, description = "There is no such signer", body = Problem),
    )
)]
pub(super) async fn revoke(
    State(service): State<Shared>,
    Named(id): Named<String>,
) -> Result<Json<SignerLine>, Problem> {
    let revoked = service.ask(move |desk| {
        let revoked = signature::revoke(&*desk.ledger, &id)?;
        let unknown = || Problem::not_found(format!("there is no signer {id:?}"));
        revoked.map(|signer| SignerLine::from(&signer)).ok_or_else(unknown)
    });
    revoked.await.map(Json)
}
