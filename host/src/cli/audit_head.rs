//! `jifen audit head`: one hash over all receipts, to be published or kept.

use std::process::ExitCode;

use clap::Args;

use crate::head::{self, Tree};

#[derive(Args)]
pub(super) struct Head {
    #[command(flatten)]
    ledger: super::LedgerArg,
    /// Of so many entries, the first, instead of all
    #[arg(long, value_name = "ENTRIES")]
    entries: Option<u64>,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl Head {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let ledger = self.ledger.open()?;
        let length = ledger.length()?;
        let entries = self.entries.unwrap_or(length);
        anyhow::ensure!(entries <= length, "there are {length} entries; --entries can be that at most");
        let head = Tree::read(&*ledger, entries)?.head();
        if self.json {
            super::print(&serde_json::to_string(&head)?)?;
        } else {
            super::print(&words(&head))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Tells a head.
pub(super) fn words(head: &head::Head) -> String {
    format!("the log of {} entries with the root {}", head.entries, head.root)
}
