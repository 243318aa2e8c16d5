//! `jifen test`: runs a policy's cases in its component, and tries its promises and whether it is fair.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Error};
use clap::Args;
use jifen_engine::PolicyStore;
use rules_guest::case::{Case, Outcome};
use serde::Serialize;

use crate::cases::{self, CaseError, Cost, Respondent, case_files};
use crate::description;

#[derive(Args)]
pub(super) struct Test {
    /// A policy's folder, with its cases in cases/, or a folder of such folders
    folder: PathBuf,
    /// The folder of components, one <name>.wasm for each policy
    #[arg(long, default_value = "target/policies")]
    policies: PathBuf,
    /// Write what the component answers into the cases that expect something else
    #[arg(long)]
    bless: bool,
    /// Tell what an evaluation of each case costs, too: its fuel, its time on this machine and the pages that it touches
    #[arg(long)]
    measure: bool,
    /// One JSON object for each case
    #[arg(long)]
    json: bool,
}

/// On which policies are run.
struct Stores {
    store: PolicyStore,
    /// Where what a case costs is measured.
    unpooled: Option<PolicyStore>,
}

/// What became of a case or of a claim.
#[derive(Serialize)]
struct Result {
    policy: String,
    #[serde(flatten)]
    what: What,
    passed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<String>,
    #[serde(flatten)]
    cost: Option<Cost>,
    /// Whether the answer was written into the case. A promise cannot be mended so.
    #[serde(skip)]
    blessed: bool,
}

impl Result {
    fn of_case(policy: &str, file: &Path, difference: Option<String>) -> Self {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Self::of(policy, What::Case(name), difference)
    }

    fn of(policy: &str, what: What, difference: Option<String>) -> Self {
        let (policy, passed) = (policy.to_owned(), difference.is_none());
        Self { policy, what, passed, difference, cost: None, blessed: false }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Case(String),
    /// A promise in words, or by its name what every policy owes to members.
    Claim(String),
}

impl Test {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let store = super::policy_store()?;
        let unpooled = if self.measure { Some(super::policy_store()?.unpooled()?) } else { None };
        let stores = Stores { store, unpooled };
        let (mut passed, mut failed, mut blessed) = (0_u32, 0_u32, 0_u32);
        for policy in policies(&self.folder)? {
            for result in self.policy(&policy, &stores)? {
                let count = match (result.passed, result.blessed) {
                    (true, _) => &mut passed,
                    (false, false) => &mut failed,
                    (false, true) => &mut blessed,
                };
                *count = count.saturating_add(1);
                self.tell(&result)?;
            }
        }
        let none = (passed, failed, blessed) == (0, 0, 0);
        anyhow::ensure!(!none, "there are no cases in {}", self.folder.display());
        if !self.json {
            super::print(&format_args!("{passed} passed, {} failed", failed.saturating_add(blessed)))?;
        }
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn policy(&self, folder: &Path, stores: &Stores) -> anyhow::Result<Vec<Result>> {
        let absolute = folder.canonicalize().with_context(|| format!("open {}", folder.display()))?;
        let policy = absolute.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = self.policies.join(&policy).with_extension("wasm");
        let component =
            PolicyStore::read(&file).with_context(|| format!("find the component of {policy}"))?;
        let files = case_files(folder).with_context(|| format!("look for cases in {}", folder.display()))?;
        let respondent = Respondent::new(&component, &stores.store, super::threads(None));
        let read: Vec<_> = files.iter().map(|file| (file, Case::read(file))).collect();
        let sound: Vec<_> = read.iter().filter_map(|(_, case)| case.as_ref().ok().cloned()).collect();
        respondent.prepare(sound.iter().map(|case| &*case.parameters));
        let mut results = Vec::new();
        for (file, case) in &read {
            results.push(match case {
                Ok(case) => self.case(&policy, file, case, &respondent, stores)?,
                Err(invalid) => Result::of_case(&policy, file, Some(invalid.to_string())),
            });
        }
        results.extend(claims(&policy, folder, &sound, &respondent)?);
        Ok(results)
    }

    fn case(
        &self,
        policy: &str,
        file: &Path,
        case: &Case,
        respondent: &Respondent<'_>,
        Stores { store, unpooled }: &Stores,
    ) -> anyhow::Result<Result> {
        let got = match respondent.run(case) {
            Ok((got, _)) => got,
            Err(error @ CaseError::Policy(_)) => {
                return Err(error).with_context(|| format!("run {}", file.display()));
            }
            Err(invalid) => {
                let difference = format!("{}: {invalid}", file.display());
                return Ok(Result::of_case(policy, file, Some(difference)));
            }
        };
        let difference = case.expect.compare(got.clone()).err().map(|difference| difference.to_string());
        let cost = match unpooled {
            Some(unpooled) => cases::measure(case, respondent.component, store, unpooled)?,
            None => None,
        };
        let blessed = difference.is_some() && self.bless;
        if blessed {
            bless(case, got, file)?;
        }
        Ok(Result { blessed, cost, ..Result::of_case(policy, file, difference) })
    }

    fn tell(&self, result: &Result) -> anyhow::Result<()> {
        if self.json {
            return super::print(&serde_json::to_string(result)?);
        }
        let verdict = match (result.passed, result.blessed) {
            (true, _) => "ok",
            (false, false) => "FAILED",
            (false, true) => "blessed",
        };
        let (What::Case(what) | What::Claim(what)) = &result.what;
        let mut words = format!("{:<14} {what:<40} {verdict}", result.policy);
        if let Some(Cost { fuel, nanoseconds, touched_pages }) = result.cost {
            write!(words, "  {fuel} fuel, {nanoseconds} ns")?;
            if let Some(pages) = touched_pages {
                write!(words, ", {pages} pages touched")?;
            }
        }
        for line in result.difference.iter().flat_map(|difference| difference.lines()) {
            write!(words, "\n    {line}")?;
        }
        super::print(&words)
    }
}

/// Tries what the description in the component promises, or else the file beside the cases, and whether the policy is fair.
fn claims(
    policy: &str,
    folder: &Path,
    cases: &[Case],
    respondent: &Respondent<'_>,
) -> anyhow::Result<Vec<Result>> {
    let file = folder.join("policy.toml");
    let description = match description::text(respondent.component) {
        Some(text) => text,
        None if file.is_file() => {
            std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?
        }
        None => String::new(),
    };
    let tried = respondent.claims(&description, cases).map_err(Error::msg);
    let tried = tried.with_context(|| format!("{policy}: policy.toml"))?;
    let claim = |what, difference| Result::of(policy, What::Claim(what), difference);
    let mut results = Vec::new();
    if description::has_schema(&description) {
        let unfit = match respondent.unfit(&description, cases) {
            Err(error) if error.is_refusal() => Some(error.to_string()),
            unfit => unfit.with_context(|| format!("{policy}: policy.toml"))?,
        };
        results.push(claim("parameters as its schema says".to_owned(), unfit));
    }
    results.extend(tried.into_iter().map(|tried| {
        let to_mend = tried.to_mend();
        claim(tried.what, to_mend)
    }));
    Ok(results)
}

/// Returns the folder itself if it has cases, else the folders in it that have.
fn policies(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if folder.join("cases").is_dir() {
        return Ok(vec![folder.to_owned()]);
    }
    let entries = folder.read_dir().with_context(|| format!("open {}", folder.display()))?;
    let entries = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut folders = entries.collect::<std::io::Result<Vec<_>>>().context("look for policies")?;
    folders.retain(|folder| folder.join("cases").is_dir());
    folders.sort();
    Ok(folders)
}

/// Writes what was got into the case's file, whose old expectation was shown.
fn bless(case: &Case, got: Outcome, file: &Path) -> anyhow::Result<()> {
    let blessed = Case { expect: got, ..case.clone() };
    std::fs::write(file, blessed.to_json()).with_context(|| format!("write {}", file.display()))
}
