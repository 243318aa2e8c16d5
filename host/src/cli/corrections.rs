//! `jifen corrections`: the events that decide purchases of then anew by another version of the program.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jifen_loyalty::event::Correction;
use jifen_loyalty::{Event, Instant};

use super::backtest::Within;
use super::output::complain;
use super::progress;
use crate::backtest::Scope;
use crate::change::{Reason, of_version};
use crate::clock;
use crate::corrections::{Decided, Purchases};
use crate::error::HostError;
use crate::programs::Programs;
use crate::releases::Releases;

/// Digits of a digest that stand in an event's name.
const DIGITS: usize = 12;

#[derive(Args)]
#[command(
    after_help = "Nothing is changed. Whoever approves reads what is printed, and sends it: to /v1/events with a key of that name, or by\n\n\
    jifen run --ledger L --program P --policies DIR corrections.jsonl\n\n\
    What it will come to is what `jifen backtest` tells of that program and time."
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
        let releases = Releases::new(None, Some(&*ledger));
        let store = super::policy_store()?;
        let programs = Programs::new(&*ledger, &releases, &store).with_our_tables();
        let bar = progress::bar(ledger.length()?, "receipts");
        let scope = Scope::from(self.scope);
        let purchases = Purchases::read(&*ledger, &programs, &scope, |entries| bar.inc(entries))?;
        bar.finish_and_clear();
        if purchases.unread > 0 {
            complain(format_args!(
                "{} receipts cannot be read by this build; they are left out",
                purchases.unread
            ));
        }
        let correction = Correction {
            program,
            source: None,
            why: self.why,
            proposed_by: self.who,
            approved_by: self.approver,
        };
        let at = self.time.unwrap_or_else(clock::now);
        let mut out = BufWriter::new(io::stdout().lock());
        let mut count = 0_u64;
        for decided in purchases.found.iter().filter(|decided| decided.program != correction.program) {
            let event = event(decided, &correction, at)?;
            out.write_all(&event.canonical)
                .and_then(|()| out.write_all(b"\n"))
                .context("write to standard output")?;
            count = count.saturating_add(1);
        }
        out.flush().context("write to standard output")?;
        complain(format_args!(
            "{count} purchases are to be decided anew by version {version}; nothing is yet"
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns the event for a purchase. Its name is the same however often it is proposed, and another once it was applied.
fn event(decided: &Decided, correction: &Correction, at: Instant) -> anyhow::Result<Event> {
    let Decided { key, order, corrections, .. } = decided;
    let to: String = correction.program.chars().take(DIGITS).collect();
    let id = format!("{}/{to}/{}/{}", corrections.saturating_add(1), key.source, key.id);
    let correction = Correction { source: Some(key.source.clone()), ..correction.clone() };
    Event::correction_of(order, &correction, &id, at).map_err(|wrong| match &*wrong.field {
        "data.approved_by" => anyhow::anyhow!("--approver {}", wrong.reason),
        _ => anyhow::anyhow!("order {order}: {wrong}"),
    })
}
