//! `jifen corrections`: the events that decide purchases of then anew by another version of the program.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jifen_loyalty::event::Correction;
use jifen_loyalty::receipt::Key;
use jifen_loyalty::{Event, Instant};

use super::backtest::Within;
use super::output::complain;
use super::progress;
use crate::backtest::Scope;
use crate::change::{Reason, of_version};
use crate::clock;
use crate::corrections::{Decided, Purchases};
use crate::error::HostError;

#[derive(Args)]
#[command(
    after_help = "Nothing is changed. Whoever approves reads what is printed, asks by /v1/quotes what each would come to, and sends it: to \
    /v1/events with a key of that name, or by\n\n\
    jifen run --ledger L --program P --policies DIR corrections.jsonl"
)]
pub(super) struct Corrections {
    #[command(flatten)]
    ledger: super::LedgerArg,
    /// The version of the program that should have decided
    #[arg(long, value_name = "VERSION")]
    to: u64,
    #[command(flatten)]
    scope: Within,
    /// Why, for members who ask
    #[arg(long)]
    why: String,
    /// Who proposes it
    #[arg(long, env = "USER", default_value = "operator")]
    who: String,
    /// Who is asked to approve it: somebody else
    #[arg(long, value_name = "WHO")]
    approver: String,
    /// The business time of the corrections [default: now]
    #[arg(long, value_parser = Instant::parse)]
    time: Option<Instant>,
}

impl Corrections {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        Reason::new(self.who.clone(), self.why.clone()).map_err(|wrong| anyhow::anyhow!("--{wrong}"))?;
        let ledger = self.ledger.open()?;
        let last = ledger.last_program_change()?.map_or(0, |last| last.version);
        let version = self.to;
        let change = of_version(&*ledger, version)?.ok_or(HostError::NoVersion { version, last })?;
        let program = hex::encode(change.program);
        let bar = progress::bar(ledger.length()?, "receipts");
        let scope = Scope::from(self.scope);
        let purchases = Purchases::read(&*ledger, &scope, |entries| bar.inc(entries))?;
        bar.finish_and_clear();
        if purchases.unread > 0 {
            complain(format_args!(
                "{} receipts cannot be read by this build; they are left out",
                purchases.unread
            ));
        }
        let at = self.time.unwrap_or_else(clock::now);
        let mut out = BufWriter::new(io::stdout().lock());
        let others = purchases.but_by(&program);
        for (key, decided) in &others {
            let Key { source, id } = (*key).clone();
            let (program, why) = (program.clone(), self.why.clone());
            let (proposed_by, approved_by) = (self.who.clone(), self.approver.clone());
            let correction = Correction { source, id, program, why, proposed_by, approved_by };
            let event = event(decided, &correction, at)?;
            let written = out.write_all(&event.canonical).and_then(|()| out.write_all(b"\n"));
            written.context("write to standard output")?;
        }
        out.flush().context("write to standard output")?;
        let count = others.len();
        complain(format_args!(
            "{count} purchases are to be decided anew by version {version}; nothing is yet"
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns the event for a purchase.
fn event(decided: &Decided, correction: &Correction, at: Instant) -> anyhow::Result<Event> {
    let Decided { order, corrections, .. } = decided;
    let event = Event::correction_of(order, correction, corrections.saturating_add(1), at);
    event.map_err(|wrong| match &*wrong.field {
        "data.approved_by" => anyhow::anyhow!("--approver {}", wrong.reason),
        _ => anyhow::anyhow!("order {order}: {wrong}"),
    })
}
