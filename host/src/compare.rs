//! Comparisons: what a deployment that is tried asked for, beside the one in whose place it is tried.
//!
//! Both are asked on every event of a member for whom it is in shadow, and the receipt has what each asked for; so nothing is recorded
//! beside, and what is told here can be told again of any time.

use std::collections::BTreeMap;

use jifen_ledger::Ledger;
use jifen_loyalty::program::{Deployment, Mode};
use jifen_loyalty::{DeploymentId, Event, Instant, MemberId, Program, UnitId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::backtest::{Loser, Members, Pair, Row, Side, row};
use crate::error::HostError;

/// Entries that are read at once.
const CHUNK: usize = 2_000;

/// What a deployment that is tried came to beside the one in whose place it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComparisonReport {
    /// The one that is tried.
    #[schema(example = "spend-2026")]
    pub(crate) deployment: String,
    /// The one in whose place it is; where there is none, it is held against nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "spend")]
    pub(crate) replaces: Option<String>,
    /// Events on which it was in shadow, and so both were asked.
    pub(crate) events: u64,
    /// Those of them on which they asked for something else.
    pub(crate) differ: u64,
    /// Events on which it decided, as a canary.
    pub(crate) decided: u64,
    /// Events on which it failed to answer, of both kinds.
    pub(crate) faults: u64,
    /// What both asked for where it was in shadow, by unit, before caps, budgets and lanes.
    pub(crate) units: Vec<Row>,
    /// What it asked for where it decided, by unit; `was` is what was granted of it.
    pub(crate) canary: Vec<Row>,
    /// Members of a unit for whom it asked for more.
    pub(crate) gain: u64,
    /// Members of a unit for whom it asked for less.
    pub(crate) lose: u64,
    /// Those for whom it asked for least, each with the event at which it did.
    pub(crate) losers: Vec<Loser>,
}

/// What a receipt says of who was asked.
#[derive(Deserialize)]
struct Asked {
    awards: Vec<Award>,
    faults: Vec<Of>,
    evaluations: Vec<Of>,
    refund: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Of {
    deployment: String,
}

#[derive(Deserialize)]
struct Award {
    deployment: String,
    to: String,
    unit: String,
    asked: u64,
    granted: u64,
}

impl Asked {
    fn has(&self, id: &DeploymentId) -> bool {
        self.evaluations.iter().any(|it| it.deployment == id.as_str())
    }

    fn awards(&self, id: &DeploymentId) -> impl Iterator<Item = &Award> {
        self.awards.iter().filter(move |award| award.deployment == id.as_str())
    }
}

/// Reads in receipts what a deployment asked for, and what the one in whose place it is tried did. Only events of that time count.
///
/// # Errors
///
/// If the ledger cannot be read.
pub(crate) fn compare(
    ledger: &dyn Ledger,
    tried: &Deployment,
    (from, until): (Option<Instant>, Option<Instant>),
) -> Result<ComparisonReport, HostError> {
    let (deployment, replaces) = (&tried.id, tried.replaces.as_ref());
    let mut report = ComparisonReport {
        deployment: deployment.to_string(),
        replaces: replaces.map(ToString::to_string),
        events: 0,
        differ: 0,
        decided: 0,
        faults: 0,
        units: Vec::new(),
        canary: Vec::new(),
        gain: 0,
        lose: 0,
        losers: Vec::new(),
    };
    let (mut units, mut canary) = (BTreeMap::<UnitId, Pair>::new(), BTreeMap::<UnitId, Pair>::new());
    let (mut members, mut after) = (Members::default(), 0);
    loop {
        let chunk = ledger.log(after, CHUNK)?;
        let Some(last) = chunk.last() else { break };
        after = last.seq;
        for logged in &chunk {
            // What does not name it was not asked about it, and is not read.
            let named = |id: &DeploymentId| {
                std::str::from_utf8(&logged.receipt).is_ok_and(|it| it.contains(id.as_str()))
            };
            if !named(deployment) {
                continue;
            }
            let (Ok(asked), Ok(event)) =
                (serde_json::from_slice::<Asked>(&logged.receipt), Event::parse(&logged.event))
            else {
                continue;
            };
            let within =
                from.is_none_or(|from| event.time >= from) && until.is_none_or(|until| event.time < until);
            if asked.refund.is_some() || !asked.has(deployment) || !within {
                continue;
            }
            if asked.faults.iter().any(|it| it.deployment == deployment.as_str()) {
                report.faults = report.faults.saturating_add(1);
            }
            if replaces.is_some_and(|replaces| !asked.has(replaces)) {
                report.decided = report.decided.saturating_add(1);
                for award in asked.awards(deployment) {
                    let pair = canary.entry(UnitId::from(&*award.unit)).or_default();
                    pair.add(Side::Was, award.granted);
                    pair.add(Side::WouldBe, award.asked);
                }
                continue;
            }
            report.events = report.events.saturating_add(1);
            let mut changed = BTreeMap::<(MemberId, UnitId), Pair>::new();
            let was = replaces.into_iter().flat_map(|replaces| asked.awards(replaces));
            let both = was.map(|award| (Side::Was, award));
            for (side, award) in both.chain(asked.awards(deployment).map(|award| (Side::WouldBe, award))) {
                let unit = UnitId::from(&*award.unit);
                units.entry(unit.clone()).or_default().add(side, award.asked);
                changed.entry((MemberId::from(&*award.to), unit)).or_default().add(side, award.asked);
            }
            if changed.values().any(|pair| pair.was != pair.would_be) {
                report.differ = report.differ.saturating_add(1);
            }
            members.add(changed, &event);
        }
    }
    let rows =
        |sums: &BTreeMap<UnitId, Pair>| sums.iter().map(|(unit, pair)| row(None, unit, *pair)).collect();
    let (gain, lose, losers) = members.told();
    Ok(ComparisonReport { units: rows(&units), canary: rows(&canary), gain, lose, losers, ..report })
}

/// Returns the deployment of that name if it is tried, in shadow or as a canary.
///
/// # Errors
///
/// If it is not: in words.
pub(crate) fn tried<'p>(program: &'p Program, id: &DeploymentId) -> Result<&'p Deployment, String> {
    let found = program.deployments.iter().find(|it| it.id == *id && it.mode != Mode::Live);
    let id = id.as_str();
    found.ok_or_else(|| format!("the program at work has no deployment {id:?} in shadow or as a canary"))
}
