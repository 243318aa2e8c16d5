//! Claims at work: what the rules of the program at work promise, and whether they are fair, tried once more.
//!
//! A release was tried with the parameters of its cases, and is deployed with others; what was found in a folder was not tried; and
//! a later build may look for more. Nothing is taken from work here: whoever looks decides what comes of it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::num::NonZeroUsize;

use jifen_engine::{PolicyStore, World};
use jifen_ledger::{Ledger, ProgramChange};
use jifen_loyalty::Program;
use rules_guest::probe::Kind;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::active::{Deployed, Document, Pin, deployed};
use crate::cases::Respondent;
use crate::description;
use crate::error::HostError;
use crate::releases::Releases;
use crate::view::ChangeLine;

/// What was tried of the program at work.
#[derive(Debug, Serialize)]
pub(crate) struct ClaimsReport {
    /// Its version.
    pub(crate) version: u64,
    /// How many deployments it has.
    pub(crate) deployments: usize,
    /// How many claims there are of them together.
    pub(crate) claims: usize,
    /// Those that do not hold.
    pub(crate) broken: Vec<Broken>,
}

/// A claim of a deployment that does not hold.
#[derive(Debug, Serialize)]
pub(crate) struct Broken {
    /// The deployment.
    pub(crate) deployment: String,
    /// The merchant at which it applies, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) merchant: Option<String>,
    /// The policy's name and version.
    pub(crate) policy: String,
    /// The merchant who published it, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// What is claimed: `promise: …` in words, or `fairness: …` by its name.
    pub(crate) claim: String,
    /// What shows that it is not so.
    pub(crate) counterexample: String,
    /// The change since which the deployment runs that with those parameters.
    pub(crate) since: ChangeLine,
}

/// Tries the claims of everything that is at work, and calls `progress` with how many deployments were looked at and how
/// many there are; nothing where no program was ever put to work.
///
/// # Errors
///
/// If the ledger fails, or does not have what is deployed.
pub(crate) fn check(
    ledger: &dyn Ledger,
    store: &PolicyStore,
    threads: NonZeroUsize,
    progress: impl Fn(u64, u64),
) -> Result<Option<ClaimsReport>, HostError> {
    let changes = ledger.program_changes(0, usize::MAX)?;
    let Some(at_work) = changes.last() else { return Ok(None) };
    let Document { program, pins } = Document::of(&hex::encode(at_work.program), ledger)?;
    let program = Program::parse(&program).map_err(HostError::Program)?;
    let releases = Releases::new(None, Some(ledger));
    let (mut claims, mut broken) = (0_usize, Vec::new());
    // Of those that run the same with the same parameters, one is tried.
    let mut known = BTreeMap::<_, Tried>::new();
    let deployed: Vec<_> = deployed(&program).zip(&pins.policies).collect();
    let all = u64::try_from(deployed.len()).unwrap_or(u64::MAX);
    for ((deployed, pin), done) in deployed.iter().zip(1..) {
        let tried = match known.entry((&pin.component, &pin.parameters)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let release = releases.find_digest(&pin.component).map_err(|it| deployed.not_found(it))?;
                new.insert(Tried::of(&release.component, deployed, store, threads))
            }
        };
        claims = claims.saturating_add(tried.claims);
        if !tried.broken.is_empty() {
            let since = ChangeLine::from(since(ledger, &changes, pin)?);
            let owner = owner(ledger, pin)?;
            let merchant = deployed.merchant.map(ToString::to_string);
            broken.extend(tried.broken.iter().map(|(claim, counterexample)| Broken {
                deployment: pin.deployment.clone(),
                merchant: merchant.clone(),
                policy: pin.policy.clone(),
                owner: owner.clone(),
                claim: claim.clone(),
                counterexample: counterexample.clone(),
                since: since.clone(),
            }));
        }
        progress(done, all);
    }
    Ok(Some(ClaimsReport { version: at_work.version, deployments: deployed.len(), claims, broken }))
}

/// What was tried of a policy with some parameters.
struct Tried {
    claims: usize,
    /// Each with what shows it.
    broken: Vec<(String, String)>,
}

impl Tried {
    fn of(component: &[u8], deployed: &Deployed<'_>, store: &PolicyStore, threads: NonZeroUsize) -> Self {
        let respondent = Respondent::new(component, store, threads);
        let description = description::text(component).unwrap_or_default();
        let parameters = RawValue::from_string(deployed.parameters.to_owned()).expect("a program has JSON");
        match respondent.claims_with(&description, kind(deployed.world), &[&parameters]) {
            // An exception that these parameters do not need is nobody's harm.
            Ok(tried) => Self {
                claims: tried.len(),
                broken: tried
                    .into_iter()
                    .filter_map(|it| Some((it.what, it.counterexample?.to_string())))
                    .collect(),
            },
            Err(unreadable) => Self { claims: 1, broken: vec![("promises".to_owned(), unreadable)] },
        }
    }
}

fn kind(world: World) -> Kind {
    match world {
        World::Earning => Kind::Earning,
        World::Redemption => Kind::Redemption,
        World::Campaign => Kind::Campaign,
    }
}

/// Returns the change since which a deployment at work runs the same with the same parameters.
fn since<'c>(
    ledger: &dyn Ledger,
    changes: &'c [ProgramChange],
    pin: &Pin,
) -> Result<&'c ProgramChange, HostError> {
    let (mut since, before) = changes.split_last().expect("something is at work");
    for change in before.iter().rev() {
        if !Document::of(&hex::encode(change.program), ledger)?.pins.policies.contains(pin) {
            break;
        }
        since = change;
    }
    Ok(since)
}

/// Returns the merchant who published what a deployment runs, if one did.
fn owner(ledger: &dyn Ledger, pin: &Pin) -> Result<Option<String>, HostError> {
    let Some((policy, version)) = pin.policy.split_once('@') else { return Ok(None) };
    let published = ledger.publication(policy, version)?;
    Ok(published.filter(|it| hex::encode(it.release) == pin.component).and_then(|it| it.owner))
}
