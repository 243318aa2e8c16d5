//! The watch over a new program: a rule that fails three times in a row is put back to what was before it (F10).
//!
//! The change that brought it is undone, and no other: what else was changed since is not for whoever wrote the rule to undo, nor is
//! what a person withdrew put to work again.
//!
//! An event that a rule fails on is decided without it, so nobody waits; but members get less than they were promised, or cannot use
//! what they have, and who changed the program is asleep. Campaigns are not watched: they run once a day, and all of it at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jifen_ledger::{LedgerError, ProgramChange};
use jifen_loyalty::{DeploymentId, Fault};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tracing::warn;

use super::intake::{Desk, Live};
use super::metrics;
use crate::active::Document;
use crate::batch::Outcome;
use crate::change::{self, Reason, differ_only_in};
use crate::error::HostError;

/// Failures in a row after which a rule is put back.
const FAULTS: u32 = 3;

/// Who puts a program back.
const WHO: &str = "jifen";

/// How many changes are looked back at.
const LOOKED_BACK: u64 = 100;

/// How often deployments failed in a row, under one version of the program.
#[derive(Default)]
pub(super) struct Watch(Mutex<Streaks>);

#[derive(Default)]
struct Streaks {
    version: u64,
    faults: BTreeMap<DeploymentId, Streak>,
}

#[derive(Default)]
struct Streak {
    faults: u32,
    /// Events that were refused for it: sent again, they are no others.
    refused: BTreeSet<(String, String)>,
    /// Whether that was seen to.
    seen_to: bool,
}

impl Watch {
    /// Looks at what a program decided, in its order, and returns what failed once too often.
    pub(super) fn look(&self, live: &Live, outcomes: &[Outcome]) -> Vec<Failed> {
        let mut streaks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let version = live.change.version;
        if streaks.version != version {
            *streaks = Streaks { version, faults: BTreeMap::new() };
        }
        let mut failed = Vec::new();
        for outcome in outcomes {
            for (id, fault) in answered(&live.active.digest, outcome, !streaks.faults.is_empty()) {
                let Some(fault) = fault else {
                    streaks.faults.remove(&id);
                    continue;
                };
                let streak = streaks.faults.entry(id.clone()).or_default();
                if let Outcome::Refused { answered: Some(answered), .. } = outcome
                    && streak.faults < FAULTS
                    && !streak.refused.insert(answered.event.clone())
                {
                    continue;
                }
                streak.faults = streak.faults.saturating_add(1);
                if streak.faults >= FAULTS && !streak.seen_to {
                    streak.seen_to = true;
                    failed.push(Failed { deployment: id, fault });
                }
            }
        }
        failed
    }

    /// Looks again at the next failure: what there was to do could not be done.
    fn again(&self, failed: &Failed) {
        let mut streaks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(streak) = streaks.faults.get_mut(&failed.deployment) {
            streak.seen_to = false;
        }
    }
}

/// Returns which rules of a program were asked about something new, and how each failed that did. Where nobody asks how rules do that
/// failed before, nothing is said of an event on which none does.
fn answered(program: &str, outcome: &Outcome, asks: bool) -> Vec<(DeploymentId, Option<Fault>)> {
    match outcome {
        Outcome::Applied { faults, recorded, .. } if asks || !faults.is_empty() => {
            let asked = Asked::by(program, &recorded.receipt).into_iter().flat_map(|asked| asked.evaluations);
            let fault = |id: &DeploymentId| Some(faults.iter().find(|(of, _)| of == id)?.1.clone());
            let ids = asked.map(|evaluation| DeploymentId::from(&*evaluation.deployment));
            ids.map(|id| (id.clone(), fault(&id))).collect()
        }
        Outcome::Refused { answered: Some(answered), .. } if answered.program == program => {
            answered.deployments.clone()
        }
        Outcome::Applied { .. } | Outcome::Refused { .. } | Outcome::Duplicate(_) => Vec::new(),
    }
}

/// The deployments that were asked about an event, by its receipt.
#[derive(Deserialize)]
struct Asked {
    program: String,
    evaluations: Vec<Evaluation>,
    refund: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Evaluation {
    deployment: String,
}

impl Asked {
    /// Returns them where that program was asked about something new.
    fn by(program: &str, receipt: &[u8]) -> Option<Self> {
        let asked: Self = serde_json::from_slice(receipt).ok()?;
        (asked.program == program && asked.refund.is_none()).then_some(asked)
    }
}

/// A deployment that failed once too often.
pub(super) struct Failed {
    deployment: DeploymentId,
    /// How it did last.
    fault: Fault,
}

impl Failed {
    /// Returns what the deployment runs in a program: its component, and the parameters.
    fn runs<'d>(&self, document: &'d Document) -> Option<(&'d str, &'d str)> {
        let pin = document.pins.policies.iter().find(|pin| pin.deployment == self.deployment.as_str())?;
        Some((&pin.component, &pin.parameters))
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed {FAULTS} times in a row; the last time it {}", self.deployment, self.fault)
    }
}

impl Desk {
    /// Puts the program back to one that ran something else in place of what failed.
    pub(super) fn put_back(&self, live: &Live, failed: &Failed) {
        let version = live.change.version;
        let (became, outcome) = match self.before(live, failed) {
            Ok(Some(now)) => (format!("what was at work before is at work as version {now}"), "put-back"),
            Ok(None) => (
                "what was before it cannot take its place without undoing other changes, would fail as well, or was withdrawn; so it \
                 stays, see to it"
                    .to_owned(),
                "stays",
            ),
            Err(HostError::Ledger(LedgerError::Superseded { last })) => {
                (format!("version {last} is at work already"), "overtaken")
            }
            Err(error) => {
                self.watch.again(failed);
                (format!("it cannot be put back yet, see to it: {error}"), "failed")
            }
        };
        metrics::count_failing(outcome);
        warn!("version {version}: {failed}; {became}");
    }

    /// Returns the version that is at work then; nothing where what was before would fail likewise or was withdrawn, or where more than the
    /// rule has changed since.
    fn before(&self, live: &Live, failed: &Failed) -> Result<Option<u64>, HostError> {
        let version = live.change.version;
        let mut changes = self.ledger.program_changes(version.saturating_sub(LOOKED_BACK), usize::MAX)?;
        changes.retain(|change| change.version <= version);
        for before in stood(&changes) {
            let document = Document::of(&hex::encode(before.program), &*self.ledger)?;
            if failed.runs(&document) == failed.runs(&live.active.document) {
                continue;
            }
            let brought_by_the_last = before.version.saturating_add(1) == version;
            let only_it = || differ_only_in(&failed.deployment, &document, &live.active.document);
            if !(brought_by_the_last || only_it()) {
                return Ok(None);
            }
            let (who, why) = (WHO.to_owned(), failed.to_string());
            let reason = Reason { who, why, without_notice: false };
            let (ledger, store) = (&*self.ledger, &self.store);
            let (change, active) =
                change::roll_back(ledger, store, Some(version), Some(before.version), None, reason)?;
            let now = change.version;
            self.take(Live { change, active: Arc::new(active) });
            return Ok(Some(now));
        }
        Ok(None)
    }
}

/// Returns the programs that were at work before the last change and stood, each by its last change, the latest first: not those that a
/// host put back, nor those that a person withdrew by putting to work again what had been before them.
fn stood(changes: &[ProgramChange]) -> Vec<&ProgramChange> {
    let put_back: BTreeSet<_> =
        changes.windows(2).filter(|pair| pair[1].who == WHO).map(|pair| pair[0].program).collect();
    let withdrawn = |place: usize| {
        let (before, after) = changes.split_at(place);
        after.iter().skip(1).any(|later| before.iter().any(|earlier| earlier.program == later.program))
    };
    let (mut seen, mut stood) = (BTreeSet::new(), Vec::new());
    for (place, change) in changes.iter().enumerate().rev().skip(1) {
        let last = seen.insert(change.program);
        if last && !put_back.contains(&change.program) && (change.who == WHO || !withdrawn(place)) {
            stood.push(change);
        }
    }
    stood
}
