//! `jifen audit replay`: derives every receipt again.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::output::complain;
use super::progress;
use crate::releases::Releases;
use crate::replay;

/// Differences that are told one by one; of the rest, the number.
const DIFFERENCES_TOLD: usize = 20;

#[derive(Args)]
pub(super) struct Replay {
    #[command(flatten)]
    ledger: super::LedgerArg,
    /// The folder of components; those that the ledger keeps are found without it
    #[arg(long)]
    policies: Option<PathBuf>,
    /// Threads that evaluate [default: one for each core]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// End with one JSON object on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Summary {
    receipts: u64,
    differ: usize,
    seconds: f64,
}

impl Replay {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long it took is told to the auditor and decides nothing"
    )]
    #[expect(clippy::float_arithmetic, reason = "seconds for people, far from points and money")]
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let ledger = self.ledger.open()?;
        let store = super::policy_store()?;
        let releases = Releases::new(self.policies.as_deref(), Some(&*ledger));
        let began = Instant::now();
        let bar = progress::bar(ledger.length()?, "receipts");
        let replay = replay::Replay::new(&*ledger, &releases, &store);
        let report = replay.all(super::threads(self.threads), |receipts| bar.inc(receipts))?;
        bar.finish_and_clear();
        for difference in report.differences.iter().take(DIFFERENCES_TOLD) {
            complain(format_args!("receipt {}: differs in {}", difference.seq, difference.what));
        }
        let seconds = (began.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0;
        let summary = Summary { receipts: report.receipts, differ: report.differences.len(), seconds };
        if self.json {
            super::print(&serde_json::to_string(&summary)?)?;
        } else {
            super::print(&format!(
                "{} receipts derived again in {seconds} s: {} differ",
                summary.receipts, summary.differ
            ))?;
        }
        Ok(if summary.differ == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
