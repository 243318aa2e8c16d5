//! Gates: what a release passes before programs can deploy it, each told with its evidence.
//!
//! Whoever uploads is a stranger. The component is looked at and compiled in a process of its own, on a cache that is thrown away;
//! what it may take in all is bounded, in fuel and in compilations, so that the verdict is the same on every machine.

use std::num::NonZeroUsize;

use jifen_engine::{PolicyError, PolicyStore, Report};
use jifen_ledger::{Digest, Signer};
use rules_guest::case::Case;
use rules_guest::probe::{TRIES, Tried};
use semver::Version;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::cases::{Bounds, Respondent};
use crate::description::{Description, has_schema};
use crate::signature;

/// Cases that come with a release, at most.
pub(crate) const CASES_MAX: usize = 200;

/// Sets of parameters that a release is tried with, at most: twice as many as the cases of any stock policy have. A compilation of an
/// honest component takes a tenth of a second; a script has one for all of them.
const SETS_MAX: usize = 60;

/// Milliseconds that all compilations of a release may be foreseen to take, one for each set: 60 of a component of 150 KB, 8 of the largest.
/// What is foreseen is the same on every machine.
const FORESEEN_MS_MAX: u64 = 45_000;

/// Bytes of a policy's name, and of its version: both are keys of an index.
const NAME_BYTES_MAX: usize = 64;

/// What is handed in.
pub(crate) struct Upload {
    /// The policy's name.
    pub(crate) policy: String,
    /// Its version.
    pub(crate) version: String,
    pub(crate) component: Vec<u8>,
    /// By their names.
    pub(crate) cases: Vec<(String, String)>,
    /// Of what it is published as, by who signs for whoever publishes it.
    pub(crate) signature: Option<Vec<u8>>,
}

/// What was tried of a release, and what came of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct GateReport {
    /// The policy's name.
    #[schema(example = "market-day")]
    pub(crate) policy: String,
    /// Its semantic version.
    #[schema(example = "0.1.0")]
    pub(crate) version: String,
    /// The SHA-256 of the component.
    pub(crate) digest: String,
    /// Whether it passed everything.
    pub(crate) accepted: bool,
    /// What was tried, in order; what comes after a component that is not taken is not tried.
    pub(crate) findings: Vec<Finding>,
}

/// One thing that was tried.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Finding {
    /// What it is about.
    pub(crate) gate: Gate,
    /// What was tried.
    pub(crate) what: String,
    /// Whether it is as it should be.
    pub(crate) passed: bool,
    /// What shows it: figures, or a counter-example. Reports of earlier builds have none of what passed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) evidence: String,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Gate {
    /// Whether somebody signed it who may.
    Signature,
    /// Whether it is a component that keeps the contract and the bounds, and what it may ask.
    Component,
    /// Whether it says what it is, and that is what it is published as.
    Description,
    /// Whether it answers a case as its author says.
    Case,
    /// Whether it keeps what it promises, and is fair.
    Claim,
}

impl GateReport {
    /// Adds what is wrong after all.
    pub(crate) fn refuse(&mut self, finding: Finding) {
        self.findings.retain(|before| before.gate != finding.gate);
        self.findings.insert(0, finding);
        self.accepted = false;
    }
}

impl Upload {
    /// Returns what is wrong with the name under which it is handed in.
    pub(crate) fn misnamed(&self) -> Option<String> {
        if let Some(misnamed) = misnamed(&self.policy) {
            return Some(misnamed);
        }
        let version = &self.version;
        if version.len() > NAME_BYTES_MAX {
            return Some(format!(
                "a version has at most {NAME_BYTES_MAX} bytes, and this has {}",
                version.len()
            ));
        }
        let error = Version::parse(version).err()?;
        Some(format!("{version:?} is no version: {error}; write three numbers, such as 1.0.0"))
    }

    /// Returns whether it is signed as it must be; nothing where it need not be and is not.
    pub(crate) fn signed(
        &self,
        component: &Digest,
        owner: Option<&str>,
        signers: &[Signer],
        must: bool,
    ) -> Option<Finding> {
        let Self { policy, version, .. } = self;
        let whose = owner.unwrap_or("the platform");
        let Some(signature) = &self.signature else {
            let evidence = format!(
                "what is published for {whose} is signed; send the file that `jifen sign` writes as a part `signature`"
            );
            let missing = must || !signers.is_empty();
            return missing.then(|| Finding::failed(Gate::Signature, "signature", evidence));
        };
        let text = signature::text(owner, policy, version, component);
        Some(match signature::signed_by(signers, &text, signature) {
            Some(Signer { id, name, .. }) => {
                let (gate, what, evidence) =
                    (Gate::Signature, "signature".to_owned(), format!("by {name} ({id})"));
                Finding { gate, what, passed: true, evidence }
            }
            None => {
                let evidence = format!(
                    "nobody who signs for {whose} signed this component as {policy}@{version}; an operator says who does"
                );
                Finding::failed(Gate::Signature, "signature", evidence)
            }
        })
    }

    /// Puts the release through all gates but that of its signature, which is told first, and tries it on so many
    /// threads. What is signed wrongly is not tried.
    ///
    /// # Errors
    ///
    /// If something of this machine fails. What is wrong with the release is in the report.
    pub(crate) fn report(
        &self,
        signed: Option<Finding>,
        store: impl FnOnce() -> Result<PolicyStore, PolicyError>,
        threads: NonZeroUsize,
    ) -> Result<GateReport, PolicyError> {
        let (policy, version) = (self.policy.clone(), self.version.clone());
        let digest = hex::encode(Sha256::digest(&self.component));
        let mut findings = Vec::from_iter(signed);
        if findings.iter().all(|finding| finding.passed) {
            self.pass(&store()?, threads, &mut findings)?;
        }
        let accepted = findings.iter().all(|finding| finding.passed);
        Ok(GateReport { policy, version, digest, accepted, findings })
    }

    fn pass(
        &self,
        store: &PolicyStore,
        threads: NonZeroUsize,
        findings: &mut Vec<Finding>,
    ) -> Result<(), PolicyError> {
        let report = match store.inspect(&self.component) {
            Ok(report) => report,
            Err(error) if error.is_refusal() => {
                let evidence = format!("{error} [{}]", error.code());
                findings.push(Finding::failed(Gate::Component, "contract and bounds", evidence));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        findings.extend(Finding::of_component(&report));
        findings.push(self.named());
        let bounds = Bounds { fuel: report.limits().trial_fuel, parameters: sets_max(&report) };
        let respondent = Respondent::within(bounds, &self.component, store, threads);
        let cases: Vec<_> = self.cases.iter().map(|(name, json)| (name, Case::parse(json))).collect();
        let sound: Vec<_> = cases.iter().filter_map(|(_, case)| case.as_ref().ok().cloned()).collect();
        respondent.prepare(sound.iter().map(|case| &*case.parameters));
        findings.extend(cases.iter().map(|(name, case)| match case {
            Err(invalid) => Finding::failed(Gate::Case, name, invalid.to_string()),
            Ok(case) => answered(name, case, &respondent),
        }));
        let description = report.description.unwrap_or_default();
        findings.extend(described(&respondent, &description, &sound)?);
        match respondent.claims(&description, &sound) {
            Err(unreadable) => findings.push(Finding::failed(Gate::Description, "promises", unreadable)),
            Ok(tried) => findings.extend(tried.into_iter().map(Finding::of_claim)),
        }
        if sound.is_empty() {
            let evidence = "no case came with it; send one for each kind of parameters, so that fairness can be tried with them";
            findings.push(Finding::failed(Gate::Case, "cases", evidence.to_owned()));
        }
        Ok(())
    }

    /// Compares what it says it is with what it is handed in as.
    fn named(&self) -> Finding {
        let Some(description) = Description::of(&self.component) else {
            let evidence = "it does not say what it is; build it with a policy.toml, as `jifen new` does";
            return Finding::failed(Gate::Description, "name and version", evidence.to_owned());
        };
        let Description { name, version, summary, .. } = description;
        let passed = name == self.policy && version == self.version;
        let evidence = match passed {
            true => format!("{name} {version}: {} / {}", summary.en, summary.zh),
            false => {
                format!("it says that it is {name} {version}; publish it as that, or mend its policy.toml")
            }
        };
        Finding { gate: Gate::Description, what: "name and version".to_owned(), passed, evidence }
    }
}

/// Says why a policy cannot have that name, if it cannot.
pub(crate) fn misnamed(policy: &str) -> Option<String> {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let named = policy.len() <= NAME_BYTES_MAX && policy.split('-').all(word);
    (!named).then(|| {
        format!(
            "{policy:?} is no name of a policy; take up to {NAME_BYTES_MAX} small letters and digits, words parted by -"
        )
    })
}

/// Returns with how many sets of parameters a component is tried at most.
fn sets_max(report: &Report) -> usize {
    if report.limits().script {
        return SETS_MAX;
    }
    let sets = FORESEEN_MS_MAX.checked_div(report.foreseen_ms).and_then(|sets| usize::try_from(sets).ok());
    sets.unwrap_or(SETS_MAX).clamp(1, SETS_MAX)
}

/// Returns whether the parameters of cases are as a description's schema says; nothing where it has none.
fn described(
    respondent: &Respondent<'_>,
    description: &str,
    cases: &[Case],
) -> Result<Option<Finding>, PolicyError> {
    if !has_schema(description) {
        return Ok(None);
    }
    let (passed, evidence) = match respondent.unfit(description, cases) {
        Ok(None) => (true, "those of all cases are as the schema says".to_owned()),
        Ok(Some(unfit)) => (false, unfit),
        Err(error) if error.is_refusal() => (false, format!("{error} [{}]", error.code())),
        Err(error) => return Err(error),
    };
    Ok(Some(Finding { gate: Gate::Description, what: "parameters".to_owned(), passed, evidence }))
}

fn answered(name: &str, case: &Case, respondent: &Respondent<'_>) -> Finding {
    let (passed, evidence) = match respondent.run(case) {
        Err(error) => (false, error.to_string()),
        Ok((got, fuel)) => match case.expect.compare(got) {
            Err(difference) => (false, difference.to_string()),
            Ok(_) => (true, format!("{fuel} fuel")),
        },
    };
    Finding { gate: Gate::Case, what: name.to_owned(), passed, evidence }
}

impl Finding {
    fn of_claim(tried: Tried) -> Self {
        let to_mend = tried.to_mend();
        let Tried { what, sets, excused, .. } = tried;
        let passed = to_mend.is_none();
        let evidence = match to_mend {
            Some(to_mend) => to_mend,
            None if excused == 0 => {
                format!("holds in {TRIES} circumstances with each of {sets} sets of parameters")
            }
            None => format!(
                "holds in {TRIES} circumstances with each of {sets} sets of parameters; not so with {excused} by a declared exception"
            ),
        };
        Self { gate: Gate::Claim, what, passed, evidence }
    }

    fn failed(gate: Gate, what: &str, evidence: String) -> Self {
        Self { gate, what: what.to_owned(), passed: false, evidence }
    }

    fn of_component(report: &Report) -> [Self; 3] {
        let passed = |what: &str, evidence| Self {
            gate: Gate::Component,
            what: what.to_owned(),
            passed: true,
            evidence,
        };
        let asks = if report.facts.is_empty() { "nothing".to_owned() } else { report.facts.join(", ") };
        let Report { component_bytes, functions, memory_bytes, .. } = report;
        let class =
            if report.limits().script { "an interpreter with its rule, asked in milliseconds: " } else { "" };
        let bounds =
            format!("{class}{component_bytes} bytes, {functions} functions, {memory_bytes} bytes of memory");
        [
            passed("contract", format!("a component of the world {}", report.world.name())),
            passed("imports", format!("it may ask {asks}")),
            passed("bounds", bounds),
        ]
    }
}
