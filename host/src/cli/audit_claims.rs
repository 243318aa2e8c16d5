//! `jifen audit claims`: tries once more what rules promise as they are deployed, and whether they are fair.

use std::num::NonZeroUsize;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jifen_engine::words::clean;

use super::progress;
use crate::claims::{self, ClaimsReport, Finding};

/// Bytes of a line that is told of what a component or its author wrote.
const LINE_BYTES_MAX: usize = 2_000;

#[derive(Args)]
pub(super) struct Claims {
    #[command(flatten)]
    ledger: super::LedgerArg,
    /// An earlier version of the program instead of the one at work
    #[arg(long)]
    version: Option<u64>,
    /// Threads that evaluate [default: one for each core]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

impl Claims {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let ledger = self.ledger.open()?;
        let store = super::policy_store()?;
        let (bar, threads) = (progress::bar(0, "deployments"), super::threads(self.threads));
        let report = claims::check(&*ledger, &store, self.version, threads, |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        })?;
        bar.finish_and_clear();
        let report = report.context("no program was ever put to work here")?;
        if self.json {
            super::print(&serde_json::to_string(&report)?)?;
        } else {
            tell(&report)?;
        }
        let sound = report.broken.is_empty() && report.untried.is_empty();
        Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn tell(report: &ClaimsReport) -> anyhow::Result<()> {
    let ClaimsReport { version, deployments, claims, broken, untried, not_promised } = report;
    for finding in broken.iter().chain(untried) {
        // A stranger wrote words of it.
        let words = words(finding);
        let lines = words.lines().map(|line| clean(line, LINE_BYTES_MAX));
        super::print(&lines.collect::<Vec<_>>().join("\n"))?;
    }
    super::print(&format_args!(
        "version {version}: {claims} claims of {deployments} deployments, {} do not hold, {} could not be tried; \
         {} promises are made for other parameters",
        broken.len(),
        untried.len(),
        not_promised.len(),
    ))
}

fn words(finding: &Finding) -> String {
    let Finding { deployment, merchant, policy, owner, claim, evidence, terms, since, .. } = finding;
    let at = merchant.as_ref().map(|merchant| format!(" at {merchant}")).unwrap_or_default();
    let of = owner.as_ref().map(|owner| format!(" of {owner}")).unwrap_or_default();
    let mode = terms.get("mode").and_then(|mode| mode.as_str()).filter(|mode| *mode != "live");
    let mode = mode.map(|mode| format!(" in {mode}")).unwrap_or_default();
    let evidence = evidence.replace('\n', "\n    ");
    format!(
        "{deployment}{at} runs {policy}{of}{mode} since version {}, {}, by {}: {}\n  {claim}\n    {evidence}",
        since.version, since.made, since.who, since.why
    )
}
