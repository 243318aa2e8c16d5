//! `jifen audit check`: works out again what a ledger keeps, and names what disagrees.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::output::complain;
use super::progress;
use crate::audit;

/// Disagreements that are told one by one; of the rest, the number.
const TOLD: usize = 50;

#[derive(Args)]
pub(super) struct Check {
    #[command(flatten)]
    ledger: super::LedgerArg,
    /// End with one JSON object on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Summary {
    entries: u64,
    members: u64,
    lots: u64,
    disagree: usize,
}

impl Check {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let ledger = self.ledger.open()?;
        let bar = progress::bar(ledger.length()?, "entries");
        let report = audit::check(&*ledger, |entries| bar.inc(entries))?;
        bar.finish_and_clear();
        for disagreement in report.disagreements.iter().take(TOLD) {
            complain(format_args!("{disagreement}"));
        }
        let audit::Report { entries, members, lots, disagreements } = report;
        let summary = Summary { entries, members, lots, disagree: disagreements.len() };
        if self.json {
            super::print(&serde_json::to_string(&summary)?)?;
        } else {
            let Summary { disagree, .. } = summary;
            super::print(&format!("{entries} entries, {members} members, {lots} lots: {disagree} disagree"))?;
        }
        Ok(if summary.disagree == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
