//! Writes the rows of a ledger into a fresh file, in commits of 2,000 events with the ledger's settings, and does
//! nothing else: what the rows of a run cost without the run.
//!
//! `same_rows LEDGER FRESH` prints `{"events":…,"seconds":…}`.

#![expect(clippy::print_stdout, reason = "a measurement talks to the person at the terminal")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

mod rows;

use std::time::Instant;

use rusqlite::Connection;

const EVENTS_PER_COMMIT: i64 = 2_000;

fn main() -> rusqlite::Result<()> {
    let mut files = std::env::args().skip(1);
    let (Some(ledger), Some(fresh)) = (files.next(), files.next()) else {
        println!("usage: same_rows LEDGER FRESH");
        return Ok(());
    };
    let source = Connection::open(ledger)?;
    let target = rows::begin(&source, &fresh)?;
    let events: i64 = source.query_row("SELECT max(seq) FROM transactions", [], |row| row.get(0))?;
    let batches = (0..events)
        .step_by(2_000)
        .map(|after| rows::batch(&source, [after, after.saturating_add(EVENTS_PER_COMMIT)]))
        .collect::<rusqlite::Result<Vec<_>>>()?;

    let began = Instant::now();
    for batch in &batches {
        rows::write(&target, [batch])?;
    }
    println!("{{\"events\":{events},\"seconds\":{}}}", began.elapsed().as_secs_f64());
    Ok(())
}
