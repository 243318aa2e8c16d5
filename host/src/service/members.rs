//! Questions about members: what they have, until when, and what happened to them.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use jifen_ledger::{MemberQuery, Needs, Page, Query};
use jifen_loyalty::{Member, MemberId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::extract::{Named, Parameters, instant};
use super::intake::Desk;
use super::problem::Problem;
use super::{Shared, is_name};
use crate::clock;
use crate::view::{self, Line, LotOfLine};

/// Lines of a page of a statement, if nothing is said.
const LINES: u32 = 50;
/// Lines of a page at most.
const LINES_MAX: u32 = 500;

/// As of when.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct At {
    /// A business time; absent: that of the ledger's latest event, or now where that lies more than a day ahead.
    #[param(example = "2026-03-31T23:59:59+08:00", format = "date-time")]
    at: Option<String>,
}

/// Which lines of a statement.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Lines {
    /// How many, the latest; absent: 50.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// Only those before the line with this `seq`: what `next` of a page says.
    before: Option<u64>,
}

/// Nothing: lots are told as they are now.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Now {}

/// What a member has.
#[derive(Serialize, ToSchema)]
pub(super) struct Balances {
    member: String,
    /// By unit.
    balances: Vec<view::Balance>,
}

/// What a member's points are made of: every lot of which something is left or set aside, the first to lapse first.
#[derive(Serialize, ToSchema)]
pub(super) struct Lots {
    member: String,
    lots: Vec<LotOfLine>,
}

/// What happened to a member.
#[derive(Serialize, ToSchema)]
pub(super) struct Statement {
    member: String,
    /// By business day and time, the latest last.
    lines: Vec<Line>,
    /// What `before` is of the page with what happened earlier; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// Return what a member has.
#[utoipa::path(
    get,
    path = "/v1/members/{member}/balances",
    tag = "members",
    params(("member" = String, Path, description = "The member"), At),
    responses(
        (status = 200, description = "What the member has, by unit", body = Balances),
        (status = 400, description = "A parameter cannot be read", body = Problem),
        (status = 404, description = "The ledger knows no such member", body = Problem),
    )
)]
pub(super) async fn balances(
    State(service): State<Shared>,
    Extension(caller): Extension<Arc<Caller>>,
    Named(member): Named<String>,
    Parameters(At { at }): Parameters<At>,
) -> Result<Json<Balances>, Problem> {
    caller.may_see_member(&member)?;
    let at = instant("at", at.as_ref())?;
    let answer = service.ask(move |desk| {
        let id = known(desk, &member, false)?.0;
        let at = match at {
            None => {
                desk.ledger.latest_time()?.filter(|latest| clock::is_ahead(*latest)).map(|_| clock::now())
            }
            at @ Some(_) => at,
        };
        let mut balances = Vec::new();
        desk.ledger.balances(at, Some(&id), &mut |balance| balances.push(view::Balance::from(&balance)))?;
        Ok(Balances { member, balances })
    });
    answer.await.map(Json)
}

/// Return what a member's points are made of, with every end.
#[utoipa::path(
    get,
    path = "/v1/members/{member}/lots",
    tag = "members",
    params(("member" = String, Path, description = "The member")),
    responses(
        (status = 200, description = "The lots as they are now, the first to lapse first", body = Lots),
        (status = 400, description = "There is no such parameter", body = Problem),
        (status = 404, description = "The ledger knows no such member", body = Problem),
    )
)]
pub(super) async fn lots(
    State(service): State<Shared>,
    Extension(caller): Extension<Arc<Caller>>,
    Named(member): Named<String>,
    Parameters(Now {}): Parameters<Now>,
) -> Result<Json<Lots>, Problem> {
    caller.may_see_member(&member)?;
    let answer = service.ask(move |desk| {
        let zone = desk.active().program.zone;
        let mut lots = known(desk, &member, true)?.1.lots;
        lots.sort_by_key(|lot| (lot.term.expires_at, lot.earned_at));
        Ok(Lots { member, lots: lots.iter().map(|lot| LotOfLine::new(lot, zone)).collect() })
    });
    answer.await.map(Json)
}

/// Return what happened to a member, page by page from the latest back.
#[utoipa::path(
    get,
    path = "/v1/members/{member}/statement",
    tag = "members",
    params(("member" = String, Path, description = "The member"), Lines),
    responses(
        (status = 200, description = "A page", body = Statement),
        (status = 400, description = "A parameter cannot be read", body = Problem),
        (status = 404, description = "The ledger knows no such member", body = Problem),
    )
)]
pub(super) async fn statement(
    State(service): State<Shared>,
    Extension(caller): Extension<Arc<Caller>>,
    Named(member): Named<String>,
    Parameters(Lines { limit, before }): Parameters<Lines>,
) -> Result<Json<Statement>, Problem> {
    caller.may_see_member(&member)?;
    let limit = limit.unwrap_or(LINES);
    if !(1..=LINES_MAX).contains(&limit) {
        return Err(Problem::malformed(format!("limit: a page has 1 to {LINES_MAX} lines")));
    }
    let answer = service.ask(move |desk| {
        let id = known(desk, &member, false)?.0;
        if let Some(seq) = before
            && !(1..=desk.ledger.length()?).contains(&seq)
        {
            let detail = "before: the ledger has no such receipt; take what next of a page says";
            return Err(Problem::malformed(detail));
        }
        // One more tells whether there is a further page.
        let page = Page { before, last: Some(limit.saturating_add(1)) };
        let zone = desk.active().program.zone;
        let mut lines: Vec<_> =
            desk.ledger.statement(&id, page)?.iter().map(|line| Line::new(line, zone)).collect();
        let surplus = lines.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        lines.drain(..surplus);
        let next = lines.first().filter(|_| surplus > 0).map(|line| line.seq);
        Ok(Statement { member, lines, next })
    });
    answer.await.map(Json)
}

/// Returns a member whom the ledger knows.
fn known(desk: &Desk, member: &str, lots: bool) -> Result<(MemberId, Member), Problem> {
    let unknown = || Problem::not_found(format!("the ledger knows no member {member:?}"));
    if !is_name(member) {
        return Err(unknown());
    }
    let id = MemberId::from(member);
    let asked = [MemberQuery { id: &id, first_day: i32::MAX, lots }];
    let query = Query { members: &asked, needs: Needs { lots, ..Needs::default() }, ..Query::default() };
    let found = desk.ledger.read(&query)?.members.pop().filter(|member| member.version > 0);
    found.map(|found| (id, found)).ok_or_else(unknown)
}
