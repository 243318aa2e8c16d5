//! The governor: a program by which somebody would be awarded less waits until it has been known for a week (F9).
//!
//! Whether anybody would is asked of history, not of whoever changes the program: the candidate is held against the program at work on
//! what happened in the last ninety days of business time.

use std::fmt;
use std::num::NonZeroUsize;

use jifen_engine::PolicyStore;
use jifen_ledger::{Announcement, Ledger};
use jifen_loyalty::Instant;

use crate::active::Active;
use crate::backtest::{Against, Loser, Pair, Scope, backtest};
use crate::change::Reason;
use crate::clock;
use crate::error::HostError;
use crate::releases::{Releases, parse_digest};

const DAY_MS: i64 = 86_400_000;

/// How long it must be known that somebody will be awarded less.
const NOTICE_MS: i64 = 7 * DAY_MS;

/// How far history is looked at.
const WINDOW_MS: i64 = 90 * DAY_MS;

/// A program by which somebody would be awarded less, and that was not known long enough.
#[derive(Debug)]
pub(crate) struct TooSoon {
    /// How many members would be.
    lose: u64,
    /// The one who would lose most.
    most: Option<Loser>,
    /// When it can be put to work, if it was announced.
    earliest: Option<Instant>,
}

impl fmt::Display for TooSoon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "on the last 90 days {} members would have been awarded less than by the program at work",
            self.lose
        )?;
        if let Some(Loser { member, unit, points: Pair { was, would_be }, source, id }) = &self.most {
            write!(f, ", {member} {would_be} {unit} instead of {was}, most of it at event {id} of {source}")?;
        }
        match &self.earliest {
            None => write!(
                f,
                "; announce the program, and put it to work seven days later, or do it without notice"
            ),
            Some(earliest) => {
                write!(f, "; it is announced, and can be put to work from {earliest} on, or without notice")
            }
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
    Reason { who, why }: Reason,
) -> Result<Announcement, HostError> {
    active.keep(ledger, releases)?;
    let program = parse_digest(&active.digest).expect("a program's digest is one");
    let announcement = Announcement { program, made_at: clock::now(), who, why };
    ledger.announce(&announcement)?;
    Ok(ledger.announcement(&program)?.unwrap_or(announcement))
}

/// Returns from when on an announced program can be put to work, whatever comes of it.
pub(crate) fn earliest(announcement: &Announcement) -> Instant {
    Instant::from_millis(announcement.made_at.millis().saturating_add(NOTICE_MS))
}

/// Lets a program pass that was announced long enough ago, or by which nobody would have been awarded less.
///
/// # Errors
///
/// [`HostError::TooSoon`] for another, and if the ledger cannot be read.
pub(crate) fn admit(
    ledger: &dyn Ledger,
    store: &PolicyStore,
    at_work: &Active,
    candidate: &Active,
    threads: NonZeroUsize,
) -> Result<(), HostError> {
    let Some(latest) = ledger.latest_time()? else { return Ok(()) };
    let program = parse_digest(&candidate.digest).expect("a program's digest is one");
    let earliest = ledger.announcement(&program)?.as_ref().map(earliest);
    if earliest.is_some_and(|earliest| earliest <= clock::now()) {
        return Ok(());
    }
    let from = Some(Instant::from_millis(latest.millis().saturating_sub(WINDOW_MS)));
    let scope = Scope { from, ..Scope::default() };
    let report = backtest(ledger, store, candidate, Against::Program(at_work), &scope, threads, |_| {})?;
    if report.lose == 0 {
        return Ok(());
    }
    let most = report.losers.into_iter().next();
    Err(HostError::TooSoon(Box::new(TooSoon { lose: report.lose, most, earliest })))
}
