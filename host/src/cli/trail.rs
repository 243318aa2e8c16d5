//! What is done by the command line about who may do what: it stands in the trail, too.

use std::process::ExitCode;

use clap::Args;
use jifen_ledger::{Ledger, TrailStep};

use super::LedgerArg;
use super::output::complain;
use crate::clock;
use crate::keys::random;
use crate::view::StepLine;

/// Steps that are read at a time.
const PAGE: usize = 100;

#[derive(Args)]
pub(super) struct Trail {
    #[command(flatten)]
    ledger: LedgerArg,
}

impl Trail {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let ledger = self.ledger.open()?;
        let find = |after: &u64| ledger.trail(*after, PAGE);
        super::print_pages(find, |(place, _)| *place, |step| serde_json::to_string(&StepLine::from(step)))
    }
}

#[derive(Args)]
pub(super) struct By {
    /// Who does it, for whoever reads the trail
    #[arg(long, env = "USER", default_value = "operator")]
    who: String,
}

impl By {
    /// Writes into the trail what is asked before it is done, and then whether it was: as a request that was answered 200 or 400.
    pub(super) fn record<T>(
        self,
        ledger: &dyn Ledger,
        asked: String,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let id = hex::encode(random::<16>());
        let step = TrailStep {
            id: id.clone(),
            made_at: clock::now(),
            key: None,
            who: self.who,
            asked,
            status: None,
        };
        ledger.put_step(&step)?;
        let done = work();
        if let Err(error) = ledger.answer_step(&id, if done.is_ok() { 200 } else { 400 }) {
            complain(format_args!("the trail could not be told how it ended: {error}"));
        }
        done
    }
}
