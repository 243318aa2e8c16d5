//! Questions about the program.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jifen_ledger::LedgerError;
use jifen_loyalty::DeploymentId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::access::{Asker, Caller};
use super::extract::{Named, Parameters, Within, instant, page};
use super::intake::{Desk, Live};
use super::problem::Problem;
use crate::active::{Active, Document, Pins};
use crate::backtest::{self, Against, BacktestReport, Scope};
use crate::change::{self, Difference, Plan, Reason};
use crate::compare::{ComparisonReport, compare, tried};
use crate::error::{HostError, ReleaseError};
use crate::governor::{self, Evidence};
use crate::releases::Releases;
use crate::view::{AnnouncementLine, ChangeLine, ProgramText};

/// Changes of a page.
const CHANGES: usize = 100;

/// The program at work.
#[derive(Serialize, ToSchema)]
pub(super) struct Program {
    #[serde(flatten)]
    change: ChangeLine,
    /// The file.
    text: String,
    /// What it depends on beside: the components that its deployments run, and the tables of this build.
    pins: Pins,
}

/// Which changes.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct After {
    /// Only those behind this version.
    #[param(format = "uint64", maximum = 18_446_744_073_709_551_615_u64)]
    after: Option<u64>,
}

/// A page of changes.
#[derive(Serialize, ToSchema)]
pub(super) struct Changes {
    /// In order.
    changes: Vec<ChangeLine>,
    /// What `after` is of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// Return the program at work here.
#[utoipa::path(
    get,
    path = "/v1/program",
    tag = "program",
    responses(
        (status = 200, description = "The program", body = Program, headers(("ETag" = String, description = "Its version"))),
    )
)]
pub(super) async fn at_work(State(service): State<Shared>) -> Response {
    let live = service.desk.live();
    let Document { program, pins } = &live.active.document;
    let (text, pins) = (program.clone(), pins.clone());
    let program = Program { change: ChangeLine::from(&live.change), text, pins };
    ([etag(live.change.version)], Json(program)).into_response()
}

fn etag(version: u64) -> (HeaderName, HeaderValue) {
    (header::ETAG, HeaderValue::from_str(&format!("\"{version}\"")).expect("digits are text"))
}

/// Who makes a change, and why.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Because {
    /// Who makes the change; absent: whose key it is.
    #[param(pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\x9f\s][^\x00-\x1f\x7f-\x9f]*$")]
    who: Option<String>,
    /// Why, for whoever reads the list of changes.
    #[param(pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\x9f\s][^\x00-\x1f\x7f-\x9f]*$")]
    why: String,
}

/// Who puts a program to work, why, and whether at once.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Putting {
    /// Who makes the change; absent: whose key it is.
    #[param(pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\x9f\s][^\x00-\x1f\x7f-\x9f]*$")]
    who: Option<String>,
    /// Why, for whoever reads the list of changes.
    #[param(pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\x9f\s][^\x00-\x1f\x7f-\x9f]*$")]
    why: String,
    /// At once, though members would be awarded less than before; `why` says why that must be.
    #[serde(default)]
    without_notice: bool,
}

/// Which version is put to work again, by whom and why.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Back {
    /// The version whose program is put to work again; absent: that before the last.
    to: Option<u64>,
    /// Who makes the change; absent: whose key it is.
    #[param(pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\x9f\s][^\x00-\x1f\x7f-\x9f]*$")]
    who: Option<String>,
    /// Why, for whoever reads the list of changes.
    #[param(pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\x9f\s][^\x00-\x1f\x7f-\x9f]*$")]
    why: String,
    /// At once, though members would be awarded less; to the version before that is so anyway.
    #[serde(default)]
    without_notice: bool,
}

/// A change that was made.
#[derive(Serialize, ToSchema)]
pub(super) struct Changed {
    #[serde(flatten)]
    change: ChangeLine,
    /// What it changed; nothing where it was the program at work.
    differences: Vec<Difference>,
    /// What shows that it leaves nobody with less, where it was held against history.
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Evidence>,
}

/// Say what a program would change.
///
/// The program is loaded as if it were to be put to work: its policies are found by their names among those that were published.
#[utoipa::path(
    post,
    path = "/v1/program/plan",
    tag = "program",
    request_body(content = String, content_type = "application/toml", description = "The program file"),
    responses(
        (
            status = 200,
            description = "What differs",
            body = Plan,
            headers(("ETag" = String, description = "The version that it was compared with")),
        ),
        (status = 400, description = "The body is no text", body = Problem),
        (status = 422, description = "The program is refused", body = Problem),
    )
)]
pub(super) async fn plan(
    State(service): State<Shared>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let text = text(body)?;
    let plan = service.one_of(&service.works, move |desk| Ok(desk.plan(&text)?.1)).await?;
    Ok(([etag(plan.after)], Json(plan)).into_response())
}

/// Which history.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct History {
    /// Only what happened at this time or later.
    #[param(example = "2017-01-01T00:00:00+08:00", format = "date-time")]
    from: Option<String>,
    /// Only what happened before this time.
    #[param(format = "date-time")]
    until: Option<String>,
    /// Only what happened in this region or below.
    region: Option<String>,
    /// Only what happened at this merchant.
    merchant: Option<String>,
}

/// Say what another program would have awarded on real history.
///
/// The log is decided once more on a ledger that is thrown away, with the candidate asked beside. It takes as long as deciding all of it
/// does, some seconds for a hundred thousand events, and ends early where the client leaves.
#[utoipa::path(
    post,
    path = "/v1/program/backtest",
    tag = "program",
    params(History),
    request_body(content = String, content_type = "application/toml", description = "The program file"),
    responses(
        (status = 200, description = "What was awarded, and what would have been", body = BacktestReport),
        (status = 400, description = "A parameter cannot be read, or the body is no text", body = Problem),
        (status = 422, description = "The program is refused", body = Problem),
    )
)]
pub(super) async fn backtest(
    State(service): State<Shared>,
    Extension(asker): Extension<Asker>,
    Parameters(History { from, until, region, merchant }): Parameters<History>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<BacktestReport>, Problem> {
    let (from, until) = (instant("from", from.as_ref())?, instant("until", until.as_ref())?);
    let scope = Scope { from, until, region, merchant };
    let text = text(body)?;
    // What is compiled for it is compiled in turn: hosts that follow a change wait for no back-test.
    let candidate = service.one_of(&service.works, move |desk| desk.candidate(&text)).await?;
    let report = service.one_of(&service.backtests, move |desk| {
        let (ledger, threads) = (&*desk.ledger, NonZeroUsize::MIN);
        let go_on = |_| if asker.waits() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
        let report =
            backtest::backtest(ledger, &desk.store, &candidate, Against::History, &scope, threads, go_on);
        report.map_err(refused)?.ok_or_else(Problem::abandoned)
    });
    report.await.map(Json)
}

/// Say what a deployment that is tried came to beside the one in whose place it is.
///
/// Of a deployment in shadow, or a canary, of the program at work: on the events on which both were asked, what each asked for.
#[utoipa::path(
    get,
    path = "/v1/program/deployments/{deployment}/comparison",
    tag = "program",
    params(("deployment" = String, Path, description = "The deployment that is tried"), Within),
    responses(
        (status = 200, description = "What both asked for", body = ComparisonReport),
        (status = 400, description = "A parameter cannot be read", body = Problem),
        (status = 404, description = "The program at work tries no such deployment", body = Problem),
    )
)]
pub(super) async fn comparison(
    State(service): State<Shared>,
    Named(deployment): Named<String>,
    Parameters(within): Parameters<Within>,
) -> Result<Json<ComparisonReport>, Problem> {
    let within = within.period()?;
    let report = service.one_of(&service.backtests, move |desk| {
        let (active, id) = (desk.active(), DeploymentId::from(&*deployment));
        let tried = tried(&active.program, &id).map_err(Problem::not_found)?;
        compare(&*desk.ledger, tried, within).map_err(refused)
    });
    report.await.map(Json)
}

/// Say that a program will be put to work.
///
/// A program by which members would be awarded less can be put to work seven days after that. Said again, the first time counts.
#[utoipa::path(
    post,
    path = "/v1/program/announcements",
    tag = "program",
    params(Because),
    request_body(content = String, content_type = "application/toml", description = "The program file"),
    responses(
        (status = 200, description = "Since when it is known, and from when on it can be put to work", body = AnnouncementLine),
        (status = 400, description = "A parameter is missing, or the body is no text", body = Problem),
        (status = 422, description = "The program is refused", body = Problem),
    )
)]
pub(super) async fn announce(
    State(service): State<Shared>,
    Extension(caller): Extension<Arc<Caller>>,
    Parameters(Because { who, why }): Parameters<Because>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<AnnouncementLine>, Problem> {
    caller.still(&service).await?;
    let (reason, text) = (Reason::new(caller.who(who)?, why).map_err(Problem::malformed)?, text(body)?);
    let announced = service.one_of(&service.works, move |desk| {
        let (releases, active) = (Releases::new(None, Some(&*desk.ledger)), desk.candidate(&text)?);
        let announced = governor::announce(&*desk.ledger, &active, &releases, reason).map_err(refused)?;
        Ok(AnnouncementLine::from(&announced))
    });
    announced.await.map(Json)
}

/// Programs that were announced.
#[derive(Serialize, ToSchema)]
pub(super) struct Announcements {
    /// The latest first.
    announcements: Vec<AnnouncementLine>,
}

/// Return which programs were announced, the latest hundred.
#[utoipa::path(
    get,
    path = "/v1/program/announcements",
    tag = "program",
    responses((status = 200, description = "What is to come, and what came", body = Announcements))
)]
pub(super) async fn announced(State(service): State<Shared>) -> Result<Json<Announcements>, Problem> {
    let announced = service.ask(|desk| {
        let announcements = desk.ledger.announcements(CHANGES)?.iter().map(AnnouncementLine::from).collect();
        Ok(Announcements { announcements })
    });
    announced.await.map(Json)
}

/// Put a program to work.
///
/// On the version that `If-Match` names and no other, so that nobody undoes unseen what another did. Events in flight finish on the
/// program that they began with; other hosts follow within a second.
#[utoipa::path(
    put,
    path = "/v1/program",
    tag = "program",
    params(Putting, ("If-Match" = String, Header, description = "The version that the change is made on, as an entity tag", example = "\"1\"", pattern = "^\"(0|[1-9][0-9]{0,17})\"$")),
    request_body(content = String, content_type = "application/toml", description = "The program file"),
    responses(
        (status = 200, description = "It is at work", body = Changed, headers(("ETag" = String, description = "Its version"))),
        (status = 400, description = "A parameter is missing, or the body is no text", body = Problem),
        (status = 409, description = "Members would be awarded less, and it is not known long enough", body = Problem),
        (status = 412, description = "Another version is at work", body = Problem),
        (status = 422, description = "The program is refused", body = Problem),
        (status = 428, description = "The version is missing on which the change is made", body = Problem),
    )
)]
pub(super) async fn put(
    State(service): State<Shared>,
    Extension(caller): Extension<Arc<Caller>>,
    Parameters(Putting { who, why, without_notice }): Parameters<Putting>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    caller.still(&service).await?;
    let reason = Reason::new(caller.who(who)?, why).map_err(Problem::malformed)?;
    let reason = Reason { without_notice, ..reason };
    let (after, text) = (precondition(&headers)?, text(body)?);
    let changed = service.one_of(&service.works, move |desk| desk.put_to_work(&text, after, reason)).await?;
    Ok(([etag(changed.change.version)], Json(changed)).into_response())
}

/// Put the program of an earlier version to work again.
#[utoipa::path(
    post,
    path = "/v1/program/rollback",
    tag = "program",
    params(Back, ("If-Match" = String, Header, description = "The version to go back from, as an entity tag", example = "\"2\"", pattern = "^\"(0|[1-9][0-9]{0,17})\"$")),
    responses(
        (status = 200, description = "It is at work", body = ChangeLine, headers(("ETag" = String, description = "Its version"))),
        (status = 400, description = "A parameter is missing", body = Problem),
        (status = 404, description = "There is no such version", body = Problem),
        (status = 409, description = "Members would be awarded less, and it is not known long enough", body = Problem),
        (status = 412, description = "Another version is at work", body = Problem),
        (status = 422, description = "This build cannot run that program", body = Problem),
        (status = 428, description = "The version to go back from is missing", body = Problem),
    )
)]
pub(super) async fn roll_back(
    State(service): State<Shared>,
    Extension(caller): Extension<Arc<Caller>>,
    Parameters(Back { to, who, why, without_notice }): Parameters<Back>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.still(&service).await?;
    let reason = Reason::new(caller.who(who)?, why).map_err(Problem::malformed)?;
    let reason = Reason { without_notice, ..reason };
    let after = precondition(&headers)?;
    // Further back it is a change as any other, which history is asked about; a way back does not wait for that.
    let at_once = reason.without_notice || to.is_none_or(|to| to.saturating_add(1) >= after);
    let room = if at_once { &service.roll_backs } else { &service.works };
    let change = service.one_of(room, move |desk| desk.roll_back(after, to, reason)).await?;
    Ok(([etag(change.version)], Json(change)).into_response())
}

/// Returns the version that a change is made on.
fn precondition(headers: &HeaderMap) -> Result<u64, Problem> {
    let tag = headers.get(header::IF_MATCH).ok_or_else(Problem::unconditional)?;
    let named = tag.to_str().ok().and_then(|tag| tag.trim().strip_prefix('"')?.strip_suffix('"'));
    // Tags are compared letter by letter: 01 is none that was ever given.
    let version = named.and_then(|tag| tag.parse::<u64>().ok().filter(|version| version.to_string() == tag));
    version.ok_or_else(|| {
        Problem::malformed("If-Match names one version, as in \"1\", as the ETag of GET /v1/program does")
    })
}

fn text(body: Result<Bytes, BytesRejection>) -> Result<String, Problem> {
    let body = body.map_err(|it| Problem::unread(it.status(), &it, it.body_text()))?;
    String::from_utf8(body.into()).map_err(|_| Problem::malformed("the program file is not UTF-8"))
}

impl Desk {
    /// Loads a program file as if it were to be put to work.
    fn candidate(&self, text: &str) -> Result<Active, Problem> {
        let releases = Releases::new(None, Some(&*self.ledger));
        Active::from_file(text, &releases, &self.store).map_err(refused)
    }

    /// Loads a program file, and compares it with what is at work.
    fn plan(&self, text: &str) -> Result<(Active, Plan), Problem> {
        let active = self.candidate(text)?;
        let plan = Plan::new(&*self.ledger, &active).map_err(refused)?;
        Ok((active, plan))
    }

    fn put_to_work(&self, text: &str, after: u64, reason: Reason) -> Result<Changed, Problem> {
        let (active, plan) = self.plan(text)?;
        let Some(last) = self.ledger.last_program_change()?.filter(|last| last.version == after) else {
            return Err(Problem::superseded(plan.after));
        };
        if plan.differences.is_empty() {
            return Ok(Changed { change: ChangeLine::from(&last), differences: Vec::new(), history: None });
        }
        let history = match reason.without_notice {
            true => None,
            false => governor::admit(&*self.ledger, &self.store, &last, &active, NonZeroUsize::MIN)
                .map_err(refused)?,
        };
        let releases = Releases::new(None, Some(&*self.ledger));
        let change =
            change::put_to_work(&*self.ledger, &active, &releases, after, reason).map_err(refused)?;
        let line = ChangeLine::from(&change);
        self.take(Live { change, active: Arc::new(active) });
        Ok(Changed { change: line, differences: plan.differences, history })
    }

    fn roll_back(&self, after: u64, to: Option<u64>, reason: Reason) -> Result<ChangeLine, Problem> {
        let notice = (!reason.without_notice).then_some(NonZeroUsize::MIN);
        let back = change::roll_back(&*self.ledger, &self.store, Some(after), to, notice, reason);
        let (change, active) = back.map_err(refused)?;
        let line = ChangeLine::from(&change);
        self.take(Live { change, active: Arc::new(active) });
        Ok(line)
    }
}

/// Tells why a program is not put to work: it is refused, or this machine or the ledger fails.
pub(super) fn refused(error: HostError) -> Problem {
    match error {
        HostError::Ledger(LedgerError::Superseded { last }) => Problem::superseded(last),
        HostError::TooSoon(too_soon) => Problem::notice(too_soon.to_string()),
        HostError::NoVersion { .. } => Problem::not_found(error.to_string()),
        HostError::Policy { ref source, .. } if !source.is_refusal() => Problem::failed(&error.into()),
        HostError::Deployment { source: ReleaseError::Ledger(_), .. }
        | HostError::Release(_)
        | HostError::Ledger(_)
        | HostError::Event(_)
        | HostError::Receipt(_)
        | HostError::Unreadable(_)
        | HostError::UnknownProgram { .. }
        | HostError::OtherTables { .. }
        | HostError::Contention { .. } => Problem::failed(&error.into()),
        HostError::Program(_)
        | HostError::Deployment { .. }
        | HostError::Policy { .. }
        | HostError::World { .. }
        | HostError::SameProgram { .. } => Problem::program(error),
    }
}

/// Return a program that was put to work, or is announced.
#[utoipa::path(
    get,
    path = "/v1/programs/{program}",
    tag = "program",
    params(("program" = String, Path, description = "A version of the list of changes, or the SHA-256 of a program", example = "1")),
    responses(
        (status = 200, description = "The program", body = ProgramText),
        (status = 404, description = "The ledger has no such program", body = Problem),
    )
)]
pub(super) async fn find(
    State(service): State<Shared>,
    Named(program): Named<String>,
) -> Result<Json<ProgramText>, Problem> {
    let found = service.ask(move |desk| {
        let program = desk.named(&program)?;
        ProgramText::of(&program, &*desk.ledger).map_err(refused)
    });
    found.await.map(Json)
}

/// Return which programs were put to work, when, by whom and why.
#[utoipa::path(
    get,
    path = "/v1/program/changes",
    tag = "program",
    params(After),
    responses(
        (status = 200, description = "A page, the oldest first", body = Changes),
        (status = 400, description = "A parameter cannot be read", body = Problem),
    )
)]
pub(super) async fn changes(
    State(service): State<Shared>,
    Parameters(After { after }): Parameters<After>,
) -> Result<Json<Changes>, Problem> {
    let answer = service.ask(move |desk| {
        let (found, more) = page(CHANGES, |limit| desk.ledger.program_changes(after.unwrap_or(0), limit))?;
        let next = found.last().filter(|_| more).map(|last| last.version);
        Ok(Changes { changes: found.iter().map(ChangeLine::from).collect(), next })
    });
    answer.await.map(Json)
}
