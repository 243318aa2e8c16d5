//! Uses of points: how far one is. What moves it on is an event.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use jifen_ledger::{Query, RedeemedPart, Redemption, RedemptionQuery};
use jifen_loyalty::{Event, Points, RedemptionId};
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Caller;
use super::extract::Named;
use super::problem::Problem;
use super::{Shared, is_name};

/// How far a use of points is.
#[derive(Serialize, ToSchema)]
pub(super) struct UseOfPoints {
    /// Its name.
    #[schema(example = "r-17")]
    redemption: String,
    /// Whose points they are.
    #[schema(example = "m900")]
    member: String,
    /// Which points; absent where none were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    /// Who sent the request, or closed the day on which it was a gift.
    source: String,
    /// The id of the request, under which its receipt has the offer.
    id: String,
    /// The first instant at which what it holds is free again.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// Points that it was asked with.
    points: u64,
    /// How many of them it still holds.
    held: u64,
    /// How many are used.
    used: u64,
    /// How many were used and are no longer, whether they came back or not.
    cancelled: u64,
    /// How many steps it has had: the request, and what moved it on.
    steps: u64,
}

impl UseOfPoints {
    /// Returns nothing where the ledger does not know it.
    fn of(name: String, redemption: Redemption) -> Option<Self> {
        let Redemption { steps, request, until, parts, owner, .. } = redemption;
        let (request, (member, _)) = (Event::parse(&request?.event).ok()?, owner?);
        let sum =
            |of: fn(&RedeemedPart) -> Points| parts.iter().map(of).fold(Points::ZERO, Points::plus).get();
        Some(Self {
            redemption: name,
            member: member.to_string(),
            unit: parts.first().map(|part| part.lot.unit.to_string()),
            source: request.source,
            id: request.id,
            until: until.map(|until| until.to_string()),
            points: sum(|part| part.held),
            held: sum(RedeemedPart::open),
            used: sum(RedeemedPart::used),
            cancelled: sum(|part| part.cancelled),
            steps,
        })
    }
}

/// Return how far a use of points is.
///
/// It is asked for, captured, voided and cancelled by events.
#[utoipa::path(
    get,
    path = "/v1/redemptions/{redemption}",
    tag = "members",
    params(("redemption" = String, Path, description = "Its name", example = "r-17")),
    responses(
        (status = 200, description = "How far it is", body = UseOfPoints),
        (status = 404, description = "The ledger knows no such use of points", body = Problem),
        (status = 503, description = "The ledger cannot be reached", body = Problem),
    )
)]
pub(super) async fn find(
    State(service): State<Shared>,
    Extension(caller): Extension<Arc<Caller>>,
    Named(redemption): Named<String>,
) -> Result<Json<UseOfPoints>, Problem> {
    let told = redemption.clone();
    let found = service.ask(move |desk| {
        if !is_name(&redemption) {
            return Ok(None);
        }
        let name = RedemptionId::from(&*redemption);
        // No event is asked about: nobody has that name.
        let query = Query {
            keys: &[("", "")],
            redemptions: &[RedemptionQuery { name: &name, key: 0 }],
            ..Query::default()
        };
        let found = desk.ledger.read(&query)?.redemptions.pop().unwrap_or_default();
        Ok(UseOfPoints::of(redemption, found))
    });
    let found =
        found.await?.ok_or_else(|| Problem::not_found(format!("there is no use of points {told:?}")))?;
    caller.may_see_member(&found.member)?;
    Ok(Json(found))
}
