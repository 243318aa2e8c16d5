//! The watch over a new program: a release that fails three times in a row is put back to what was before it (F10).
//!
//! An event that a release fails on is decided without it, so nobody waits; but members get less than they were promised, and who
//! changed the program is asleep.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jifen_loyalty::{DeploymentId, Fault};
use serde::Deserialize;

use super::intake::{Desk, Live};
use crate::active::Document;
use crate::batch::Outcome;
use crate::change::{self, Reason};
use crate::error::HostError;

/// Failures in a row after which a release is not asked any longer.
const FAULTS: u32 = 3;

/// Who puts a program back.
const WHO: &str = "jifen";

/// How often deployments failed in a row, under one version of the program.
#[derive(Default)]
pub(super) struct Watch(Mutex<Streaks>);

#[derive(Default)]
struct Streaks {
    version: u64,
    faults: BTreeMap<DeploymentId, u32>,
}

impl Watch {
    /// Looks at what was decided, in its order.
    fn look(&self, version: u64, outcomes: &[Outcome]) -> Option<Failed> {
        let mut streaks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if streaks.version != version {
            *streaks = Streaks { version, faults: BTreeMap::new() };
        }
        let mut worst = None;
        for outcome in outcomes {
            let Outcome::Applied { faults, recorded, .. } = outcome else { continue };
            if streaks.faults.is_empty() && faults.is_empty() {
                continue;
            }
            let answered = asked(&recorded.receipt);
            streaks
                .faults
                .retain(|id, _| !answered.contains(id.as_str()) || faults.iter().any(|(of, _)| of == id));
            for (id, fault) in faults {
                let streak = streaks.faults.entry(id.clone()).or_default();
                *streak = streak.saturating_add(1);
                if *streak == FAULTS {
                    worst = Some(Failed { deployment: id.clone(), fault: fault.clone() });
                }
            }
        }
        worst
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

/// Returns the deployments that were asked about an event, by its receipt.
fn asked(receipt: &[u8]) -> BTreeSet<String> {
    #[derive(Deserialize)]
    struct Receipt {
        evaluations: Vec<Evaluation>,
    }
    #[derive(Deserialize)]
    struct Evaluation {
        deployment: String,
    }
    let receipt = serde_json::from_slice::<Receipt>(receipt);
    receipt.map(|it| it.evaluations.into_iter().map(|it| it.deployment).collect()).unwrap_or_default()
}

impl Desk {
    /// Returns what failed once too often, where something did.
    pub(super) fn failed(&self, live: &Live, outcomes: &[Outcome]) -> Option<Failed> {
        self.watch.look(live.change.version, outcomes)
    }

    /// Puts the program back to the one before, if that ran something else in place of what failed.
    pub(super) fn put_back(&self, live: &Live, failed: &Failed) {
        let version = live.change.version;
        let became = match self.before(live, failed) {
            Ok(Some(now)) => format!("the program of before is at work as version {now}"),
            Ok(None) => "what was at work before runs the same, so it stays; see to it".to_owned(),
            Err(error) => format!("it cannot be put back, see to it: {error}"),
        };
        (self.complain)(&format!("version {version}: {failed}; {became}"));
    }

    /// Returns the version that is at work then; nothing where the program before would fail likewise.
    fn before(&self, live: &Live, failed: &Failed) -> Result<Option<u64>, HostError> {
        let version = live.change.version;
        let before = self.ledger.program_changes(version.saturating_sub(2), 1)?;
        let Some(before) = before.first().filter(|before| before.version < version) else { return Ok(None) };
        let before = Document::of(&hex::encode(before.program), &*self.ledger)?;
        if failed.runs(&before) == failed.runs(&live.active.document) {
            return Ok(None);
        }
        let reason = Reason { who: WHO.to_owned(), why: failed.to_string() };
        let back = change::roll_back(&*self.ledger, &self.store, Some(version), None, reason)?;
        let (change, active) = (back.0, Arc::new(back.1));
        let now = change.version;
        self.take(Live { change, active });
        Ok(Some(now))
    }
}
