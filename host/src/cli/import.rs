//! `jifen import`: opening balances of an old system, as events.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jifen_loyalty::{Event, Instant};
use serde::Deserialize;
use serde_json::json;

use super::output::complain;

#[derive(Args)]
#[command(
    after_help = "The first line of the file names the columns: member,unit,points,issuer,expires. The last may be empty: the points stay.\n\n\
    jifen import balances.csv --time 2026-01-01T00:00:00+08:00 | jifen run --program P --policies DIR --ledger L -"
)]
pub(super) struct Import {
    /// The file of balances, one row for each member, unit, issuer and last day
    file: PathBuf,
    /// When the points begin: the business time of the change-over
    #[arg(long, value_parser = Instant::parse)]
    time: Instant,
    /// What distinguishes this import from others [default: the file's name]
    #[arg(long)]
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    member: String,
    unit: String,
    points: u64,
    issuer: String,
    expires: Option<String>,
}

impl Import {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let opened = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(&self.file);
        let mut rows = opened.with_context(|| format!("open {}", self.file.display()))?;
        let stem = self.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let source = format!("/import/{}", self.name.as_deref().unwrap_or(&stem));
        let mut out = BufWriter::new(io::stdout().lock());
        let mut alike = BTreeMap::<String, u64>::new();
        let mut refused = 0_u64;
        for row in rows.deserialize::<Row>() {
            let event =
                row.map_err(|error| told(&error)).and_then(|row| self.event(&source, &row, &mut alike));
            match event {
                Ok(event) => out
                    .write_all(&event.canonical)
                    .and_then(|()| out.write_all(b"\n"))
                    .context("write to standard output")?,
                Err(reason) => {
                    refused = refused.saturating_add(1);
                    complain(format_args!("{}, {reason}", self.file.display()));
                }
            }
        }
        out.flush().context("write to standard output")?;
        Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }

    /// Returns a row's event. Its name is what the balance is of, so that the same row is the same event wherever it stands
    /// in the file, and another number of points for it is a conflict.
    fn event(&self, source: &str, row: &Row, alike: &mut BTreeMap<String, u64>) -> Result<Event, String> {
        let Row { member, unit, points, issuer, expires } = row;
        let of = format!("{member}/{unit}/{issuer}/{}", expires.as_deref().unwrap_or("stays"));
        let count = alike.entry(of.clone()).or_default();
        *count = count.saturating_add(1);
        let id = if *count == 1 { of } else { format!("{of}/{count}") };
        let mut data = json!({"member": member, "unit": unit, "points": points, "issuer": issuer});
        if let Some(expires) = expires {
            data["expires"] = json!(expires);
        }
        let event = json!({"specversion": "1.0", "id": id, "source": source, "type": "jifen.balance.opened",
            "time": self.time.to_string(), "data": data});
        Event::parse(event.to_string().as_bytes()).map_err(|refusal| format!("{member}: {refusal}"))
    }
}

/// Returns what is wrong with a row, with its line.
fn told(error: &csv::Error) -> String {
    match error.position() {
        Some(position) => format!("line {}: {error}", position.line()),
        None => error.to_string(),
    }
}
