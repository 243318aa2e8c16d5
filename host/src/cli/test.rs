//! `jifen test`: runs a policy's cases in its component.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jifen_engine::PolicyStore;
use rules_guest::case::{Case, Outcome};
use serde::Serialize;

use crate::cases::{self, Cost, case_files};

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
    /// Tell what an evaluation of each case costs, too: its fuel, and its time on this machine
    #[arg(long)]
    measure: bool,
    /// One JSON object for each case
    #[arg(long)]
    json: bool,
}

/// What became of a case.
#[derive(Serialize)]
struct Result {
    policy: String,
    case: String,
    passed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<String>,
    #[serde(flatten)]
    cost: Option<Cost>,
}

impl Test {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let store = super::policy_store()?;
        let mut failed = 0_u32;
        let mut passed = 0_u32;
        for policy in policies(&self.folder)? {
            for result in self.policy(&policy, &store)? {
                let count = if result.passed { &mut passed } else { &mut failed };
                *count = count.saturating_add(1);
                self.tell(&result)?;
            }
        }
        anyhow::ensure!(passed > 0 || failed > 0, "there are no cases in {}", self.folder.display());
        if !self.json {
            super::print(&format_args!("{passed} passed, {failed} failed"))?;
        }
        Ok(if failed == 0 || self.bless { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn policy(&self, folder: &Path, store: &PolicyStore) -> anyhow::Result<Vec<Result>> {
        let absolute = folder.canonicalize().with_context(|| format!("open {}", folder.display()))?;
        let policy = absolute.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = self.policies.join(&policy).with_extension("wasm");
        let component =
            PolicyStore::read(&file).with_context(|| format!("find the component of {policy}"))?;
        let files = case_files(folder).with_context(|| format!("look for cases in {}", folder.display()))?;
        files.iter().map(|file| self.case(&policy, file, &component, store)).collect()
    }

    fn case(
        &self,
        policy: &str,
        file: &Path,
        component: &[u8],
        store: &PolicyStore,
    ) -> anyhow::Result<Result> {
        let case = Case::read(file)?;
        let got = cases::run(&case, component, store).with_context(|| format!("run {}", file.display()))?;
        let difference = case.expect.compare(got.clone()).err().map(|difference| difference.to_string());
        let cost = if self.measure { cases::measure(&case, component, store)? } else { None };
        if difference.is_some() && self.bless {
            bless(case, got, file)?;
        }
        Ok(Result {
            policy: policy.to_owned(),
            case: file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            passed: difference.is_none(),
            difference,
            cost,
        })
    }

    fn tell(&self, result: &Result) -> anyhow::Result<()> {
        if self.json {
            return super::print(&serde_json::to_string(result)?);
        }
        let verdict = match (result.passed, self.bless) {
            (true, _) => "ok",
            (false, false) => "FAILED",
            (false, true) => "blessed",
        };
        let mut words = format!("{:<14} {:<40} {verdict}", result.policy, result.case);
        if let Some(Cost { fuel, nanoseconds }) = result.cost {
            write!(words, "  {fuel} fuel, {nanoseconds} ns")?;
        }
        for line in result.difference.iter().flat_map(|difference| difference.lines()) {
            write!(words, "\n    {line}")?;
        }
        super::print(&words)
    }
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
fn bless(case: Case, got: Outcome, file: &Path) -> anyhow::Result<()> {
    let blessed = Case { expect: got, ..case };
    std::fs::write(file, blessed.to_json()).with_context(|| format!("write {}", file.display()))
}
