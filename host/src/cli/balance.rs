//! `jifen balance`: what members have.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jifen_loyalty::{Instant, MemberId};

use crate::view;

#[derive(Args)]
pub(super) struct Balance {
    #[command(flatten)]
    ledger: super::LedgerArg,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// As of this time, such as 2026-03-31T23:59:59+08:00 [default: the latest event of the ledger]
    #[arg(long, value_name = "TIME", value_parser = Instant::parse)]
    at: Option<Instant>,
    /// Only this member
    member: Option<String>,
}

impl Balance {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let ledger = self.ledger.open()?;
        let member = self.member.as_deref().map(MemberId::from);
        let mut out = BufWriter::new(io::stdout().lock());
        let mut written = Ok(());
        ledger.balances(self.at, member.as_ref(), &mut |balance| {
            if written.is_ok() {
                written = self.write(&mut out, &balance);
            }
        })?;
        written.and_then(|()| out.flush()).context("write to standard output")?;
        Ok(ExitCode::SUCCESS)
    }

    fn write(&self, out: &mut impl Write, balance: &jifen_ledger::Balance) -> io::Result<()> {
        let told = view::Balance::from(balance);
        if self.json {
            serde_json::to_writer(&mut *out, &told)?;
            return out.write_all(b"\n");
        }
        let view::Balance { member, unit, available, pending, held, debt } = told;
        write!(out, "{member:<16} {available:>12} {unit}")?;
        if pending > 0 {
            write!(out, " and {pending} pending")?;
        }
        if held > 0 {
            write!(out, ", {held} held")?;
        }
        if debt > 0 {
            write!(out, ", {debt} owed")?;
        }
        writeln!(out)
    }
}
