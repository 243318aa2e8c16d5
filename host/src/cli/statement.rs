//! `jifen statement`: what happened to a member.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, value_parser};
use jifen_ledger::{Ledger, Page, StatementLine};
use jifen_loyalty::term::Awaited;
use jifen_loyalty::time::Zone;
use jifen_loyalty::{Instant, MemberId, MerchantId};

use crate::active;
use crate::merchant::MerchantStatement;
use crate::view::{Line, MoveOfLine, ends};

#[derive(Args)]
pub(super) struct Statement {
    #[command(flatten)]
    ledger: super::LedgerArg,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// The member
    #[arg(required_unless_present = "merchant", conflicts_with = "merchant")]
    member: Option<String>,
    /// Of a member: only so many lines, the latest
    #[arg(long, value_name = "LINES", value_parser = value_parser!(u32).range(1..), conflicts_with = "merchant")]
    last: Option<u32>,
    /// Of a member: only what stands before the line of that receipt, by its place in the log (seq)
    #[arg(long, value_name = "SEQ", conflicts_with = "merchant")]
    before: Option<u64>,
    /// A merchant instead: what it owes for its points and is owed for those it took, without any member's name
    #[arg(long)]
    merchant: Option<String>,
    /// Of a merchant: only what happened then or later
    #[arg(long, value_name = "TIME", value_parser = Instant::parse, requires = "merchant")]
    from: Option<Instant>,
    /// Of a merchant: only what happened before
    #[arg(long, value_name = "TIME", value_parser = Instant::parse, requires = "merchant")]
    until: Option<Instant>,
}

impl Statement {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let ledger = self.ledger.open()?;
        if let Some(merchant) = &self.merchant {
            self.of_merchant(&*ledger, &merchant.as_str().into())?;
            return Ok(ExitCode::SUCCESS);
        }
        let member = self.member.as_deref().unwrap_or_default();
        if let Some(seq) = self.before {
            let there = (1..=ledger.length()?).contains(&seq);
            anyhow::ensure!(
                there,
                "the ledger has no receipt {seq}; name a line of the statement by its seq"
            );
        }
        let page = Page { before: self.before, last: self.last };
        let lines = ledger.statement(&MemberId::from(member), page)?;
        let Some(last) = lines.last() else {
            anyhow::ensure!(self.before.is_some(), "the ledger knows no member {member}");
            return Ok(ExitCode::SUCCESS);
        };
        let last = ledger.find(&last.source, &last.id)?.context("find the member's last receipt")?;
        let zone = active::program_of(&*ledger, &last)?.0.zone;
        let mut out = BufWriter::new(io::stdout().lock());
        let written = lines.iter().try_for_each(|line| match self.json {
            true => json(&mut out, line, zone),
            false => words(&mut out, line, zone),
        });
        written.and_then(|()| out.flush()).context("write to standard output")?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Statement {
    fn of_merchant(&self, ledger: &dyn Ledger, merchant: &MerchantId) -> anyhow::Result<()> {
        let statement = MerchantStatement::of(ledger, merchant, (self.from, self.until))?;
        if statement.is_empty() {
            active::check_merchant(ledger, merchant)?;
        }
        if self.json {
            return super::print(&serde_json::to_string(&statement)?);
        }
        let MerchantStatement { lines, parties, blocks, .. } = statement;
        super::print(&super::settle::words(&lines, &parties, &blocks).trim_end())
    }
}

fn json(out: &mut impl Write, line: &StatementLine, zone: Zone) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Line::new(line, zone))?;
    out.write_all(b"\n")
}

fn words(out: &mut impl Write, line: &StatementLine, zone: Zone) -> io::Result<()> {
    write!(out, "{}  {:<14}", zone.format(line.time), line.id)?;
    match line.spend_minor {
        Some(minor) => write!(out, " {:>12}", money(minor))?,
        None => write!(out, " {:>12}", "")?,
    }
    for lot in &line.lots {
        write!(out, "  {} {} {}", lot.deployment, lot.points, lot.unit)?;
        if let Some(end) = ends(lot) {
            write!(out, " until {}", zone.format(end))?;
        }
        if let Some(Awaited { action, .. }) = &lot.term.awaits {
            write!(out, " once {action}")?;
        }
    }
    for moved in line.moves.iter().map(MoveOfLine::from) {
        write!(out, "  {} {:+} {}", moved.kind, moved.points, moved.unit)?;
        if moved.held != 0 {
            write!(out, ", held {:+}", moved.held)?;
        }
        if moved.debt != 0 {
            write!(out, ", owed {:+}", moved.debt)?;
        }
    }
    writeln!(out)
}

/// Returns minor units that may be negative as people write money.
pub(super) fn signed_money(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    format!("{sign}{}", money(minor.unsigned_abs()))
}

/// Returns minor units as people write money.
#[expect(clippy::integer_division, reason = "splits an amount into its two halves and loses nothing")]
pub(super) fn money(minor: u64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}
