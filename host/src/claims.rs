//! Claims at work: what the rules of a program promise, and whether they are fair, tried once more as they are deployed.
//!
//! A release was tried with the parameters of its cases, and is deployed with others; what was found in a folder was not tried; and
//! a later build may look for more. Nothing is taken from work here: whoever looks decides what comes of it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::num::NonZeroUsize;

use jifen_engine::{PolicyStore, World};
use jifen_ledger::{Ledger, ProgramChange};
use jifen_loyalty::Program;
use rules_guest::probe::{Claims, Kind};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::active::{Deployed, Document, Pin, deployed};
use crate::cases::{Bounds, Respondent};
use crate::change::RUNS;
use crate::description;
use crate::error::HostError;
use crate::releases::{Release, Releases};
use crate::view::ChangeLine;

/// What was tried of a version of the program.
#[derive(Debug, Serialize)]
pub(crate) struct ClaimsReport {
    /// The version.
    pub(crate) version: u64,
    /// How many deployments it has.
    pub(crate) deployments: usize,
    /// How many claims there are of them together.
    pub(crate) claims: usize,
    /// Those that do not hold.
    pub(crate) broken: Vec<Finding>,
    /// Those that could not be tried to the end.
    pub(crate) untried: Vec<Finding>,
    /// Promises that are made for other parameters than the deployment has, and say nothing of it.
    pub(crate) not_promised: Vec<NotPromised>,
}

/// What was found of a claim of a deployment.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    /// The deployment.
    pub(crate) deployment: String,
    /// The merchant at which it applies, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) merchant: Option<String>,
    /// The policy's name and version.
    pub(crate) policy: String,
    /// The SHA-256 of its component.
    pub(crate) component: String,
    /// The merchant who published it, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// What is claimed: `promise: …` in words, `fairness: …` by its name, or `promises` where they cannot be read.
    pub(crate) claim: String,
    /// What shows that it is not so, or why it was not tried.
    pub(crate) evidence: String,
    /// The deployment as it stands in the program: where, when and for whom it applies.
    pub(crate) terms: Value,
    /// The change since which it stands there so, and runs that component.
    pub(crate) since: ChangeLine,
}

/// A promise of a policy that is made for other parameters than a deployment has.
#[derive(Debug, Serialize)]
pub(crate) struct NotPromised {
    /// The deployment.
    pub(crate) deployment: String,
    /// The policy's name and version.
    pub(crate) policy: String,
    /// Its words.
    pub(crate) promise: String,
}

/// Tries the claims of everything that a version deploys, the one at work if none is named, and calls `progress` with how many
/// deployments were looked at and how many there are; nothing where no program was ever put to work.
///
/// # Errors
///
/// If there is no such version, or a deployment cannot be loaded, or the ledger or the compiler fails.
pub(crate) fn check(
    ledger: &dyn Ledger,
    store: &PolicyStore,
    version: Option<u64>,
    threads: NonZeroUsize,
    progress: impl Fn(u64, u64),
) -> Result<Option<ClaimsReport>, HostError> {
    let mut changes = ledger.program_changes(0, usize::MAX)?;
    let Some(last) = changes.last().map(|change| change.version) else { return Ok(None) };
    let version = version.unwrap_or(last);
    changes.retain(|change| change.version <= version);
    let looked_at = changes.last().filter(|change| change.version == version);
    let looked_at = looked_at.ok_or(HostError::NoVersion { version, last })?;
    let document = Document::of(&hex::encode(looked_at.program), ledger)?;
    let program = Program::parse(&document.program).map_err(HostError::Program)?;
    let releases = Releases::new(None, Some(ledger));
    let runs: Vec<_> = deployed(&program).zip(&document.pins.policies).collect();
    let (deployments, all) = (runs.len(), u64::try_from(runs.len()).unwrap_or(u64::MAX));
    let mut report = ClaimsReport {
        version,
        deployments,
        claims: 0,
        broken: Vec::new(),
        untried: Vec::new(),
        not_promised: Vec::new(),
    };
    // Of those that run the same with the same parameters, one is tried.
    let mut known = BTreeMap::new();
    for ((run, pin), done) in runs.iter().zip(1..) {
        if let Entry::Vacant(new) = known.entry((&pin.component, &pin.parameters)) {
            let release = releases.find_digest(&pin.component).map_err(|it| run.not_found(it))?;
            new.insert(Tested::new(&release, *run, store, threads)?);
        }
        progress(done, all);
    }
    let (mut found, tables) = (Vec::new(), Program::tables(&document.program));
    for (run, pin) in runs {
        let tested = &known[&(&pin.component, &pin.parameters)];
        report.claims = report.claims.saturating_add(tested.claims);
        let elsewhere = tested.not_promised.iter().map(|promise| NotPromised {
            deployment: pin.deployment.clone(),
            policy: pin.policy.clone(),
            promise: promise.clone(),
        });
        report.not_promised.extend(elsewhere);
        if !(tested.broken.is_empty() && tested.untried.is_empty()) {
            found.push((tested, Found::new(ledger, &tables, run, pin, looked_at)?));
        }
    }
    look_back(ledger, &changes, found.iter_mut().map(|(_, found)| found));
    for (tested, found) in &found {
        report.broken.extend(tested.broken.iter().map(|claim| found.of(claim)));
        report.untried.extend(tested.untried.iter().map(|claim| found.of(claim)));
    }
    Ok(Some(report))
}

/// What was tried of a policy with some parameters.
#[derive(Default)]
struct Tested {
    claims: usize,
    /// Claims that do not hold, each with what shows it.
    broken: Vec<(String, String)>,
    /// Claims that could not be tried to the end, each with the reason.
    untried: Vec<(String, String)>,
    /// Promises that are made for other parameters.
    not_promised: Vec<String>,
}

impl Tested {
    fn new(
        release: &Release,
        run: Deployed<'_>,
        store: &PolicyStore,
        threads: NonZeroUsize,
    ) -> Result<Self, HostError> {
        // Trouble with the compiler is told here, before it can be taken for an answer; it is loaded for as long as it is asked.
        let policy = store.policy(&release.component, run.parameters);
        let policy =
            policy.map_err(|source| HostError::Policy { line: run.line, id: run.id.clone(), source })?;
        let bounds = Bounds { fuel: policy.report().limits().trial_fuel, parameters: usize::MAX };
        let respondent = Respondent::within(bounds, &release.component, store, threads);
        let parameters = RawValue::from_string(run.parameters.to_owned()).expect("a program has JSON");
        let mut tested = Self::default();
        let mut claims = match Claims::parse(&description::text(&release.component).unwrap_or_default()) {
            Ok(claims) => claims,
            Err(unreadable) => {
                tested.claims = 1;
                tested.untried.push(("promises".to_owned(), unreadable));
                return Ok(tested);
            }
        };
        tested.not_promised = claims.retain_made_for(&parameters);
        for tried in respondent.claims_with(&claims, kind(run.world), &[&parameters]) {
            tested.claims = tested.claims.saturating_add(1);
            // An exception that these parameters do not need is nobody's harm.
            if let Some(found) = tried.counterexample {
                let list = if found.is_shown() { &mut tested.broken } else { &mut tested.untried };
                list.push((tried.what, found.to_string()));
            }
        }
        Ok(tested)
    }
}

fn kind(world: World) -> Kind {
    match world {
        World::Earning => Kind::Earning,
        World::Redemption => Kind::Redemption,
        World::Campaign => Kind::Campaign,
    }
}

/// What is the same of all findings of a deployment.
struct Found<'a> {
    pin: &'a Pin,
    merchant: Option<String>,
    owner: Option<String>,
    terms: Value,
    since: &'a ProgramChange,
}

impl<'a> Found<'a> {
    fn new(
        ledger: &dyn Ledger,
        tables: &Map<String, Value>,
        run: Deployed<'_>,
        pin: &'a Pin,
        since: &'a ProgramChange,
    ) -> Result<Self, HostError> {
        let merchant = run.merchant.map(ToString::to_string);
        let terms = terms(tables, &pin.deployment);
        Ok(Self { pin, merchant, owner: owner(ledger, pin)?, terms, since })
    }

    fn of(&self, (claim, evidence): &(String, String)) -> Finding {
        Finding {
            deployment: self.pin.deployment.clone(),
            merchant: self.merchant.clone(),
            policy: self.pin.policy.clone(),
            component: self.pin.component.clone(),
            owner: self.owner.clone(),
            claim: claim.clone(),
            evidence: evidence.clone(),
            terms: self.terms.clone(),
            since: self.since.into(),
        }
    }
}

/// Looks back for the change since which each stands in the program as in the last of some changes, and runs the same.
fn look_back<'a, 'f>(
    ledger: &dyn Ledger,
    changes: &'a [ProgramChange],
    found: impl Iterator<Item = &'f mut Found<'a>>,
) where
    'a: 'f,
{
    let mut standing: Vec<_> = found.collect();
    for change in changes.iter().rev().skip(1) {
        if standing.is_empty() {
            break;
        }
        // What cannot be read any longer is not known to have been the same.
        let Ok(document) = Document::of(&hex::encode(change.program), ledger) else { break };
        let tables = Program::tables(&document.program);
        standing.retain_mut(|found| {
            let stands = document.pins.policies.contains(found.pin)
                && terms(&tables, &found.pin.deployment) == found.terms;
            if stands {
                found.since = change;
            }
            stands
        });
    }
}

/// Returns a deployment as it stands in the tables of a program.
fn terms(tables: &Map<String, Value>, deployment: &str) -> Value {
    let listed = RUNS.iter().filter_map(|table| tables.get(*table)?.as_array()).flatten();
    let is_it = |table: &&Value| table.get("id").and_then(Value::as_str) == Some(deployment);
    listed.into_iter().find(is_it).cloned().unwrap_or_default()
}

/// Returns the merchant who published what a deployment runs, if one did.
fn owner(ledger: &dyn Ledger, pin: &Pin) -> Result<Option<String>, HostError> {
    let Some((policy, version)) = pin.policy.split_once('@') else { return Ok(None) };
    let published = ledger.publication(policy, version)?;
    Ok(published.filter(|it| hex::encode(it.release) == pin.component).and_then(|it| it.owner))
}
