//! `jifen audit claims`: tries once more what the rules at work promise, and whether they are fair.

use std::num::NonZeroUsize;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::progress;
use crate::claims::{self, Broken, ClaimsReport};

#[derive(Args)]
pub(super) struct Claims {
    #[command(flatten)]
    ledger: super::LedgerArg,
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
        let bar = progress::bar(0, "deployments");
        let report = claims::check(&*ledger, &store, super::threads(self.threads), |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        })?;
        bar.finish_and_clear();
        let report = report.context("no program was ever put to work here")?;
        if self.json {
            super::print(&serde_json::to_string(&report)?)?;
        } else {
            report.broken.iter().try_for_each(|broken| super::print(&words(broken)))?;
            let ClaimsReport { version, deployments, claims, broken } = &report;
            super::print(&format_args!(
                "version {version}: {claims} claims of {deployments} deployments, {} do not hold",
                broken.len()
            ))?;
        }
        Ok(if report.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn words(broken: &Broken) -> String {
    let Broken { deployment, merchant, policy, owner, claim, counterexample, since } = broken;
    let at = merchant.as_ref().map(|merchant| format!(" at {merchant}")).unwrap_or_default();
    let of = owner.as_ref().map(|owner| format!(" of {owner}")).unwrap_or_default();
    let counterexample = counterexample.replace('\n', "\n    ");
    format!(
        "{deployment}{at} runs {policy}{of} since version {}, {}, by {}: {}\n  {claim}\n    {counterexample}",
        since.version, since.made, since.who, since.why
    )
}
