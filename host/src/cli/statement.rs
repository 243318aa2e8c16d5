//! `jifen statement`: what happened to a member.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jifen_ledger::{Move, StatementLine};
use jifen_loyalty::time::Zone;
use jifen_loyalty::{Instant, Lot, MemberId};
use serde::Serialize;

use crate::active;

#[derive(Args)]
pub(super) struct Statement {
    #[command(flatten)]
    ledger: super::LedgerArg,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// The member
    member: String,
}

#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    source: &'a str,
    id: &'a str,
    member: &'a str,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    spend: Option<u64>,
    lots: Vec<LotLine<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    moves: Vec<MoveLine<'a>>,
}

#[derive(Serialize)]
struct MoveLine<'a> {
    kind: &'static str,
    unit: &'a str,
    points: i64,
    /// What is held more; negative for less.
    #[serde(skip_serializing_if = "is_zero")]
    held: i64,
    /// What the member owes more; negative for less.
    debt: i64,
}

#[derive(Serialize)]
struct LotLine<'a> {
    deployment: &'a str,
    unit: &'a str,
    issuer: String,
    points: u64,
    remaining: u64,
    available: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

impl Statement {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let ledger = self.ledger.open()?;
        let lines = ledger.statement(&MemberId::from(self.member.as_str()))?;
        let Some(last) = lines.last() else { anyhow::bail!("the ledger knows no member {}", self.member) };
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

fn json(out: &mut impl Write, line: &StatementLine, zone: Zone) -> io::Result<()> {
    let lots = line.lots.iter().map(|lot| LotLine {
        deployment: lot.deployment.as_str(),
        unit: lot.unit.as_str(),
        issuer: lot.issuer.to_string(),
        points: lot.points.get(),
        remaining: lot.remaining.get(),
        available: zone.format(lot.available_at),
        expires: ends(lot).map(|end| zone.format(end)),
    });
    let json = Line {
        seq: line.seq,
        source: &line.source,
        id: &line.id,
        member: line.member.as_str(),
        time: zone.format(line.time),
        spend: line.spend_minor,
        lots: lots.collect(),
        moves: line.moves.iter().map(MoveLine::from).collect(),
    };
    serde_json::to_writer(&mut *out, &json)?;
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
    }
    for moved in line.moves.iter().map(MoveLine::from) {
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

impl<'a> From<&'a Move> for MoveLine<'a> {
    fn from(moved: &'a Move) -> Self {
        let debt = moved.debt.saturating_neg();
        let Move { kind, unit, points, held, .. } = moved;
        Self { kind: kind.code(), unit: unit.as_str(), points: *points, held: *held, debt }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(points: &i64) -> bool {
    *points == 0
}

fn ends(lot: &Lot) -> Option<Instant> {
    (lot.expires_at != Instant::NEVER).then_some(lot.expires_at)
}

/// Returns minor units as people write money.
#[expect(clippy::integer_division, reason = "splits an amount into its two halves and loses nothing")]
pub(super) fn money(minor: u64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}
