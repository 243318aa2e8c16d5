//! The governor: a program by which somebody would be awarded less waits until it has been known for a week (F9).
//!
//! Whether anybody would is asked of history, not of whoever changes the program: the candidate is held against the program at work on
//! what happened in the last ninety days of business time. What history cannot show – an end that lies ahead, a budget, whom a campaign
//! is for – is read off the files.

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use jifen_engine::PolicyStore;
use jifen_ledger::{Announcement, Ledger, ProgramChange};
use jifen_loyalty::program::{Budget, Mode};
use jifen_loyalty::{DeploymentId, Instant, Program};
use serde::Serialize;
use utoipa::ToSchema;

use crate::active::Active;
use crate::backtest::{Against, BacktestReport, Cost, Loser, Pair, Row, Scope, backtest};
use crate::change::Reason;
use crate::clock;
use crate::error::HostError;
use crate::releases::Releases;

const DAY_MS: i64 = 86_400_000;

/// How long it must be known that somebody will be awarded less.
const NOTICE_MS: i64 = 7 * DAY_MS;

/// How far history is looked at.
const WINDOW_MS: i64 = 90 * DAY_MS;

/// A program by which somebody would be awarded less, and that was not known long enough.
#[derive(Debug)]
pub(crate) struct TooSoon {
    worse: Worse,
    /// When it can be put to work, if it was announced.
    earliest: Option<Instant>,
}

/// What history shows of a program by which nobody would have been awarded less.
#[derive(Serialize, ToSchema)]
pub(crate) struct Evidence {
    /// Events of the last ninety days that it was held against.
    pub(crate) events: u64,
    /// Members of a unit who would have been awarded more.
    pub(crate) gain: u64,
    /// What was awarded and what would have been, by unit.
    pub(crate) units: Vec<Row>,
    /// What issuers would pay for it where a contract says so, by issuer.
    pub(crate) costs: Vec<Cost>,
}

/// What shows that somebody would be awarded less.
#[derive(Debug)]
enum Worse {
    /// History: how many members would have been, and the one who would lose most.
    Shown { lose: u64, most: Option<Loser> },
    /// History cannot tell of this deployment.
    Written { deployment: DeploymentId, what: &'static str },
    /// History does not come out again, so it cannot tell: of so many receipts.
    Unknown { differ: u64 },
}

impl fmt::Display for Worse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shown { lose, most } => {
                write!(
                    f,
                    "on the last 90 days {lose} members would have been awarded less than by the program at work"
                )?;
                let Some(Loser { member, unit, points: Pair { was, would_be }, source, id }) = most else {
                    return Ok(());
                };
                write!(
                    f,
                    ", {member} {would_be} {unit} instead of {was}, most of it at event {id} of {source}"
                )
            }
            Self::Written { deployment, what } => write!(f, "deployment {deployment} {what}"),
            Self::Unknown { differ } => {
                write!(
                    f,
                    "{differ} receipts do not come out again with this build, so history cannot tell who would lose"
                )
            }
        }
    }
}

impl fmt::Display for TooSoon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worse, earliest } = self;
        match earliest {
            None => write!(
                f,
                "{worse}; announce the program, and put it to work seven days later, or do it without notice"
            ),
            Some(earliest) => write!(
                f,
                "{worse}; it is announced, and can be put to work from {earliest} on, or without notice"
            ),
        }
    }
}

/// Says that a program will be put to work, and returns when it was said first.
///
/// # Errors
///
/// If the ledger fails, or a component of the program cannot be found.
pub(crate) fn announce(
    ledger: &dyn Ledger,
    active: &Active,
    releases: &Releases<'_>,
    Reason { who, why, .. }: Reason,
) -> Result<Announcement, HostError> {
    active.keep(ledger, releases)?;
    let program = active.key();
    let announcement = Announcement { program, made_at: clock::now(), who, why };
    ledger.announce(&announcement)?;
    Ok(ledger.announcement(&program)?.unwrap_or(announcement))
}

/// Returns from when on an announced program can be put to work, whatever comes of it.
pub(crate) fn earliest(announcement: &Announcement) -> Instant {
    Instant::from_millis(announcement.made_at.millis().saturating_add(NOTICE_MS))
}

/// Lets a program pass that was announced long enough ago, or by which nobody would have been awarded less. Returns what shows that,
/// where history was asked.
///
/// # Errors
///
/// [`HostError::TooSoon`] for another, and if the ledger cannot be read.
pub(crate) fn admit(
    ledger: &dyn Ledger,
    store: &PolicyStore,
    at_work: &ProgramChange,
    candidate: &Active,
    threads: NonZeroUsize,
) -> Result<Option<Evidence>, HostError> {
    let Some(latest) = ledger.latest_time()? else { return Ok(None) };
    let earliest = ledger.announcement(&candidate.key())?.as_ref().map(earliest);
    if earliest.is_some_and(|earliest| earliest <= clock::now()) {
        return Ok(None);
    }
    let releases = Releases::new(None, Some(ledger));
    let at_work = &Active::with_our_tables(&hex::encode(at_work.program), ledger, &releases, store)?;
    if let Some(worse) = written(&at_work.program, &candidate.program) {
        return Err(HostError::TooSoon(Box::new(TooSoon { worse, earliest })));
    }
    // An event with a wrong date does not move the window.
    let latest = latest.min(clock::now());
    let from = Some(Instant::from_millis(latest.millis().saturating_sub(WINDOW_MS)));
    let scope = Scope { from, ..Scope::default() };
    let go_on = |_| ControlFlow::Continue(());
    let report = backtest(ledger, store, candidate, Against::Program(at_work), &scope, threads, go_on)?;
    let report = report.expect("it is not stopped");
    let worse = match (report.differ, report.lose) {
        (0, 0) => {
            let BacktestReport { events, gain, units, costs, .. } = report;
            return Ok(Some(Evidence { events, gain, units, costs }));
        }
        (0, lose) => Worse::Shown { lose, most: report.losers.into_iter().next() },
        (differ, _) => Worse::Unknown { differ },
    };
    Err(HostError::TooSoon(Box::new(TooSoon { worse, earliest })))
}

/// Returns what gets worse in writing, where history cannot show it: it lies ahead, or counts what was never counted.
fn written(at_work: &Program, candidate: &Program) -> Option<Worse> {
    let soon = clock::now().millis().saturating_add(NOTICE_MS);
    let live = |of: &'_ Program, id: &DeploymentId| {
        of.deployments.iter().any(|it| it.id == *id && it.mode == Mode::Live && it.replaced_by.is_none())
    };
    let gone = at_work.deployments.iter().any(|it| it.mode == Mode::Live && !live(candidate, &it.id));
    for now in candidate.deployments.iter().filter(|it| it.mode != Mode::Shadow) {
        let was = at_work.deployments.iter().find(|it| it.id == now.id && it.mode == now.mode);
        let Some(was) = was else {
            if gone && (now.budget.is_some() || now.cap.over_periods() || now.cap.of_referrers()) {
                let what = "is new, stands for one that is gone, and has a cap or a budget that has counted nothing yet";
                return Some(Worse::Written { deployment: now.id.clone(), what });
            }
            continue;
        };
        let less = |now: &Option<Budget>, was: &Option<Budget>| match (now, was) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(now), Some(was)) => now.points < was.points || was.partial && !now.partial,
        };
        let what = if now.until < was.until && now.until.millis() < soon {
            "ends within seven days, and did not"
        } else if less(&now.budget, &was.budget) {
            "has a budget that it did not have, or a lower one"
        } else if now.campaign != was.campaign {
            "is a campaign for others than before"
        } else {
            continue;
        };
        return Some(Worse::Written { deployment: now.id.clone(), what });
    }
    None
}
