//! Everything that CI runs, cheap to dear.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command::provide;
use crate::{cargo, fuzz, policies, postgres, script};

/// Requests of each operation that the fuzz makes up at most, in each phase.
const FUZZED: u32 = 20;

/// Runs format, lints, builds, and every suite.
pub(crate) fn run(root: &Path) -> Result<()> {
    cargo(root, &["fmt", "--all", "--check"])?;
    cargo(root, &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])?;
    policies::build(root)?;
    postgres::prepare()?;
    provide("curl", "the documents' commands are tried with it", "", has_curl)?;
    // The suites start the binaries as a person does. Tests are named along, or Cargo would build the dependencies a
    // second time with other features.
    cargo(root, &["build", "--workspace", "--bins", "--tests"])?;
    script::build(root)?;
    cargo(root, &["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"])?;
    on_postgres(root)?;
    fuzz::built(root, FUZZED)?;
    cargo(root, &["test", "--package", "rules-guest", "--doc"])
}

fn has_curl() -> bool {
    Command::new("curl").arg("--version").output().is_ok_and(|answer| answer.status.success())
}

/// Runs what crosses crates, and the stock policies, once more on the other durable store.
fn on_postgres(root: &Path) -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    // Selected with the workspace, or Cargo would build the dependencies a second time with other features.
    cargo
        .args(["test", "--workspace", "--test", "it", "--test", "stock", "--no-fail-fast"])
        .current_dir(root);
    let status = cargo.env("JIFEN_TEST_LEDGER", "postgres").status().context("start cargo")?;
    ensure!(status.success(), "the suites fail on PostgreSQL");
    Ok(())
}
