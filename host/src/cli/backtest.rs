//! `jifen backtest`: what another program would have awarded on real history.

use std::fmt::Write;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::process::ExitCode;

use clap::Args;
use jifen_loyalty::Instant;

use super::apply::Candidate;
use super::progress;
use super::statement::money;
use crate::backtest::{Against, BacktestReport, Cost, Loser, Pair, Row, Scope, backtest};
use crate::releases::Releases;

/// Which part of history is looked at.
#[derive(Args)]
pub(super) struct Within {
    /// Only what happened at this time or later
    #[arg(long, value_name = "TIME", value_parser = Instant::parse)]
    from: Option<Instant>,
    /// Only what happened before this time
    #[arg(long, value_name = "TIME", value_parser = Instant::parse)]
    until: Option<Instant>,
    /// Only what happened in this region or below
    #[arg(long)]
    region: Option<String>,
    /// Only what happened at this merchant
    #[arg(long)]
    merchant: Option<String>,
}

impl From<Within> for Scope {
    fn from(Within { from, until, region, merchant }: Within) -> Self {
        Self { from, until, region, merchant }
    }
}

#[derive(Args)]
pub(super) struct Backtest {
    #[command(flatten)]
    ledger: super::LedgerArg,
    #[command(flatten)]
    candidate: Candidate,
    #[command(flatten)]
    scope: Within,
    /// Threads that evaluate [default: one for each core]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

impl Backtest {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let ledger = self.ledger.open()?;
        let releases = Releases::new(self.candidate.policies.as_deref(), Some(&*ledger));
        let store = super::policy_store()?;
        let active = self.candidate.load(&releases, &store)?;
        let scope = Scope::from(self.scope);
        let bar = progress::bar(ledger.length()?, "receipts");
        let threads = super::threads(self.threads);
        let report = backtest(&*ledger, &store, &active, Against::History, &scope, threads, |entries| {
            bar.inc(entries);
            ControlFlow::Continue(())
        })?;
        let report = report.expect("it is not stopped");
        bar.finish_and_clear();
        if self.json {
            super::print(&serde_json::to_string(&report)?)?;
        } else {
            super::print(&words(&report)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn words(report: &BacktestReport) -> Result<String, std::fmt::Error> {
    let BacktestReport { events, refused, faults, differ, gain, lose, .. } = report;
    let mut text = format!("{events} events; {gain} members would have been awarded more, {lose} less");
    for (count, what) in [
        (refused, "events would not have been taken"),
        (faults, "answers would have failed"),
        (differ, "receipts do not come out again with this build, so what was known may differ"),
    ] {
        if *count > 0 {
            write!(text, "\n{count} {what}")?;
        }
    }
    for (title, rows) in [
        ("awarded", &report.units),
        ("by deployment", &report.deployments),
        ("by merchant", &report.merchants),
        ("by region", &report.regions),
        ("by day", &report.days),
    ] {
        for Row { of, unit, points } in rows {
            let of = of.as_ref().map(|of| format!(" {of}")).unwrap_or_default();
            write!(text, "\n{title}{of}: {} {unit}", change(*points))?;
        }
    }
    for Cost { issuer, currency, minor } in &report.costs {
        write!(text, "\ncosts {issuer}: {} -> {} {currency}", money(minor.was), money(minor.would_be))?;
    }
    for Loser { member, unit, points, source, id } in &report.losers {
        write!(text, "\nloses: {member} {} {unit}, most at event {id} of {source}", change(*points))?;
    }
    Ok(text)
}

fn change(Pair { was, would_be }: Pair) -> String {
    if was == would_be { was.to_string() } else { format!("{was} -> {would_be}") }
}
