//! What merchants owe and are owed.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use jifen_loyalty::MerchantId;

use super::access::Caller;
use super::extract::{Named, Parameters, Within};
use super::problem::Problem;
use super::{Shared, is_name};
use crate::merchant::MerchantStatement;

/// Return what a merchant owes for its points and is owed for those that it took.
///
/// Worked out from the whole log, without any member's name.
#[utoipa::path(
    get,
    path = "/v1/merchants/{merchant}/statement",
    tag = "merchants",
    params(("merchant" = String, Path, description = "The merchant", example = "store-330"), Within),
    responses(
        (status = 200, description = "The statement", body = MerchantStatement),
        (status = 400, description = "A parameter cannot be read", body = Problem),
        (status = 404, description = "There is nothing of that merchant", body = Problem),
    )
)]
pub(super) async fn statement(
    State(service): State<Shared>,
    Extension(caller): Extension<Arc<Caller>>,
    Named(merchant): Named<String>,
    Parameters(within): Parameters<Within>,
) -> Result<Json<MerchantStatement>, Problem> {
    caller.may_see_merchant(&merchant)?;
    let period = within.period()?;
    let statement = service.one_of(&service.statements, move |desk| {
        let unknown = || Problem::not_found(format!("there is nothing of a merchant {merchant:?}"));
        if !is_name(&merchant) {
            return Err(unknown());
        }
        let id = MerchantId::from(&*merchant);
        let statement = MerchantStatement::of(&*desk.ledger, &id, period);
        let statement = statement.map_err(|error| Problem::failed(&error.into()))?;
        let known = !statement.is_empty() || desk.active().program.merchant(&merchant).is_some();
        if known { Ok(statement) } else { Err(unknown()) }
    });
    statement.await.map(Json)
}
