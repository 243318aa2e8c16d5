//! `jifen backup`: copies a ledger in a file while hosts write it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jifen_ledger::Sqlite;

use super::progress;

#[derive(Args)]
pub(super) struct Backup {
    #[command(flatten)]
    ledger: super::LedgerArg,
    /// The copy: a file that is not there yet
    #[arg(value_name = "TO.db")]
    to: PathBuf,
}

impl Backup {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let file = self.ledger.file()?.context(
            "back up a ledger that is not in a file; one in a PostgreSQL database is copied by the server's own \
             `pg_dump --schema=SCHEMA DATABASE`, while hosts write it, too",
        )?;
        let bar = progress::bar(0, "pages");
        Sqlite::back_up(file, &self.to, &mut |copied, pages| {
            bar.set_length(pages);
            bar.set_position(copied);
        })?;
        bar.finish_and_clear();
        Ok(ExitCode::SUCCESS)
    }
}
