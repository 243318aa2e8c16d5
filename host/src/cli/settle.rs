//! `jifen settle`: what issuers, acceptors and the program owe each other in money.

use std::process::ExitCode;

use clap::Args;
use jifen_loyalty::clearing::{Block, Line, Net, net};
use serde::Serialize;

use super::statement::{money, signed_money};
use crate::settle;

#[derive(Args)]
pub(super) struct Settle {
    #[command(flatten)]
    ledger: super::LedgerArg,
    /// Say what would be settled, and settle nothing
    #[arg(long)]
    dry_run: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Settled<'a> {
    settled: bool,
    after: u64,
    through: u64,
    lines: &'a [Line],
    parties: &'a [Net],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    blocks: &'a [Block],
}

impl Settle {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let ledger = self.ledger.open()?;
        let Some(run) = settle::prepare(&*ledger)? else {
            let nothing =
                if self.json { r#"{"settled":false,"lines":[],"parties":[]}"# } else { "nothing to settle" };
            super::print(&nothing)?;
            return Ok(ExitCode::SUCCESS);
        };
        let settled = !self.dry_run && run.commit(&*ledger)?;
        anyhow::ensure!(
            settled || self.dry_run,
            "another settlement came first; run this again for what is left"
        );
        let (lines, blocks) = (&*run.settled.lines, &*run.settled.blocks);
        let parties = net(lines);
        if self.json {
            let (after, through) = (run.settled.after, run.through);
            let told = Settled { settled, after, through, lines, parties: &parties, blocks };
            super::print(&serde_json::to_string(&told)?)?;
        } else {
            super::print(&words(lines, &parties, blocks).trim_end())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns lines and what they come to as people read them.
pub(super) fn words(lines: &[Line], parties: &[Net], blocks: &[Block]) -> String {
    let mut words = String::new();
    for Line { position, points, prepaid, amount_minor } in lines {
        let at = position.acceptor.as_ref().map(|acceptor| format!(" at {acceptor}")).unwrap_or_default();
        words.push_str(&format!(
            "{:<10} {points:>10} {} of {}{at}",
            position.reason.code(),
            position.unit,
            position.issuer
        ));
        if position.currency.is_empty() {
            words.push_str(": no contract\n");
        } else {
            words.push_str(&prepaid_words(*prepaid));
            let (rate, amount) = (position.rate, signed_money(*amount_minor));
            words.push_str(&format!(" at {rate} each: {amount} {}\n", position.currency));
        }
    }
    for Net { party, currency, amount_minor } in parties {
        let does = if *amount_minor < 0 { "pays" } else { "gets" };
        words.push_str(&format!(
            "{party} {does} {} {currency}\n",
            signed_money(amount_minor.saturating_abs())
        ));
    }
    for Block { key, bought, left, .. } in blocks {
        let (points, unit, paid) = (bought.points, &bought.unit, money(bought.amount_minor));
        words.push_str(&format!(
            "block {} of {}: {left} left of {points} {unit} of {}, bought for {paid} {}\n",
            key.id, key.source, bought.merchant, bought.currency
        ));
    }
    words
}

/// Returns what of a line was paid in advance, as people read it.
pub(super) fn prepaid_words(points: i64) -> String {
    match points {
        0 => String::new(),
        ..0 => format!(" ({} back into blocks)", points.unsigned_abs()),
        1.. => format!(" ({points} prepaid)"),
    }
}
