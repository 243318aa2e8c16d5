//! `jifen compare`: a deployment that is tried, beside the one in whose place it is.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jifen_loyalty::{DeploymentId, Instant};

use super::LedgerArg;
use crate::active::program_named;
use crate::compare::{compare, tried};

#[derive(Args)]
pub(super) struct Compare {
    #[command(flatten)]
    ledger: LedgerArg,
    /// The deployment that is tried: in shadow, or a canary
    #[arg(long, value_name = "ID")]
    deployment: String,
    /// Only what happened at this time or later
    #[arg(long, value_name = "TIME", value_parser = Instant::parse)]
    from: Option<Instant>,
    /// Only what happened before this time
    #[arg(long, value_name = "TIME", value_parser = Instant::parse)]
    until: Option<Instant>,
}

impl Compare {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let ledger = self.ledger.open()?;
        let last = ledger.last_program_change()?.context("no program was ever put to work here")?;
        let (program, _) = program_named(&*ledger, &hex::encode(last.program))?;
        let tried = tried(&program, &DeploymentId::from(&*self.deployment)).map_err(anyhow::Error::msg)?;
        let report = compare(&*ledger, tried, (self.from, self.until))?;
        super::print(&serde_json::to_string(&report)?)?;
        Ok(ExitCode::SUCCESS)
    }
}
