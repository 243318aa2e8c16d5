//! `jifen certificate`: what a member earned and used, with its proof.

use std::process::ExitCode;

use chrono::NaiveDate;
use clap::Args;

use crate::certificate::{self, Of};

#[derive(Args)]
pub(super) struct Issue {
    #[command(flatten)]
    ledger: super::LedgerArg,
    /// The member
    member: String,
    /// The unit
    #[arg(long, default_value = "points")]
    unit: String,
    /// The first business day
    #[arg(long, value_name = "DAY")]
    from: NaiveDate,
    /// The last business day
    #[arg(long, value_name = "DAY")]
    through: NaiveDate,
}

impl Issue {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let Self { ledger, member, unit, from, through } = self;
        anyhow::ensure!(from <= through, "--through {through} lies before --from {from}; swap them");
        let certificate = certificate::issue(&*ledger.open()?, Of { member, unit, from, through })?;
        super::print(&serde_json::to_string(&certificate)?)?;
        Ok(ExitCode::SUCCESS)
    }
}
