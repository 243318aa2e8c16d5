//! `jifen compare`: a deployment that is tried, beside the one in whose place it is.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jifen_loyalty::{DeploymentId, Instant, Program};

use super::LedgerArg;
use crate::active::Document;
use crate::compare::{compare, not_tried};
use jifen_loyalty::program::Mode;

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
        let program = Program::parse(&Document::of(&hex::encode(last.program), &*ledger)?.program)?;
        let id = DeploymentId::from(&*self.deployment);
        let tried = program.deployments.iter().find(|it| it.id == id && it.mode != Mode::Live);
        let tried = tried.with_context(|| not_tried(&self.deployment))?;
        let report = compare(&*ledger, &id, tried.replaces.as_ref(), (self.from, self.until))?;
        super::print(&serde_json::to_string(&report)?)?;
        Ok(ExitCode::SUCCESS)
    }
}
