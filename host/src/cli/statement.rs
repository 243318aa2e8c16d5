//! `jifen statement`: what happened to a member.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, value_parser};
use jifen_ledger::{Ledger, Page, StatementLine};
use jifen_loyalty::clearing::{self, Block, Clearing};
use jifen_loyalty::term::Awaited;
use jifen_loyalty::time::Zone;
use jifen_loyalty::{Event, Instant, MemberId, MerchantId};
use serde::Serialize;

use crate::settle::{self, Walked};
use crate::view::{Line, MoveOfLine, ends};
use crate::{active, error::HostError};

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

#[derive(Serialize)]
struct OfMerchant<'a> {
    merchant: &'a str,
    lines: &'a [clearing::Line],
    parties: &'a [clearing::Net],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    blocks: &'a [BlockLine],
}

/// Points that the merchant bought in advance.
#[derive(Serialize)]
struct BlockLine {
    source: String,
    id: String,
    time: String,
    unit: String,
    points: u64,
    currency: String,
    amount: u64,
    left: u64,
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
        let mut clearing = Clearing::default();
        let through = ledger.length()?;
        settle::walk(ledger, 0, through, |Walked { logged, event, program, .. }| {
            let postings = logged.postings.iter().filter(|_| self.covers(event.time));
            postings.for_each(|posting| clearing.add(posting, program, event.time));
        })?;
        let blocks = self.blocks(ledger, through, merchant, &mut clearing)?;
        let mut lines = clearing.lines();
        lines.retain(|line| line.position.concerns(merchant));
        if lines.is_empty() && blocks.is_empty() {
            active::check_merchant(ledger, merchant)?;
        }
        let paid = blocks.iter().filter(|block| self.covers(block.time)).map(|block| block.bought.payment());
        let parties = clearing::net_of(lines.iter().filter_map(clearing::Line::payment).chain(paid));
        if self.json {
            let blocks: Vec<_> = blocks.iter().map(BlockLine::from).collect();
            let merchant = merchant.as_str();
            let told = OfMerchant { merchant, lines: &lines, parties: &parties, blocks: &blocks };
            return super::print(&serde_json::to_string(&told)?);
        }
        super::print(&super::settle::words(&lines, &parties, &blocks).trim_end())
    }

    /// Returns whether the statement is of a time.
    fn covers(&self, time: Instant) -> bool {
        self.from.is_none_or(|from| from <= time) && self.until.is_none_or(|until| time < until)
    }

    /// Returns a merchant's blocks as they were at the end of the statement's period, the oldest first, and adds what they
    /// covered within it. Blocks cover when a settlement says so: it is that one's time that counts.
    fn blocks(
        &self,
        ledger: &dyn Ledger,
        through: u64,
        merchant: &MerchantId,
        clearing: &mut Clearing,
    ) -> Result<Vec<Block>, HostError> {
        let over = |time| self.until.is_some_and(|until| until <= time);
        let mut covered = Vec::new();
        for logged in ledger.order(Event::SETTLEMENTS)?.iter().filter(|logged| logged.seq <= through) {
            let time = Event::parse(&logged.event).map_err(HostError::Event)?.time;
            let of_settlement = settle::covered(std::slice::from_ref(logged))?;
            let lines = of_settlement.iter().flat_map(|covered| &covered.lines).filter(|_| self.covers(time));
            lines.for_each(|(position, points)| clearing.cover(position.clone(), *points));
            covered.extend(of_settlement.into_iter().filter(|_| !over(time)));
        }
        let mut blocks = settle::blocks(ledger, through)?;
        settle::take(&mut blocks, &covered);
        blocks.retain(|block| block.bought.merchant == *merchant && !over(block.time));
        Ok(blocks)
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

impl From<&Block> for BlockLine {
    fn from(block: &Block) -> Self {
        let Block { key, time, bought, left, .. } = block;
        Self {
            source: key.source.clone(),
            id: key.id.clone(),
            time: time.to_string(),
            unit: bought.unit.as_str().to_owned(),
            points: bought.points.get(),
            currency: bought.currency.clone(),
            amount: bought.amount_minor,
            left: left.get(),
        }
    }
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
