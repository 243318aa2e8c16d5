//! Writes the rows of a ledger into a fresh file, in commits of 2,000 events with the ledger's settings, and does
//! nothing else: what the rows of a run cost without the run.
//!
//! `same_rows LEDGER FRESH` prints `{"events":…,"seconds":…}`.

#![expect(clippy::print_stdout, reason = "a measurement talks to the person at the terminal")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::path::Path;
use std::time::Instant;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

const EVENTS_PER_COMMIT: i64 = 2_000;

/// The tables of an entry, and which of their columns is its place in the log.
const TABLES: [(&str, &str); 3] = [("transactions", "seq"), ("postings", "seq"), ("lots", "seq")];

type Row = Vec<Value>;

fn main() -> rusqlite::Result<()> {
    let mut files = std::env::args().skip(1);
    let (Some(ledger), Some(fresh)) = (files.next(), files.next()) else {
        println!("usage: same_rows LEDGER FRESH");
        return Ok(());
    };
    for file in [fresh.clone(), format!("{fresh}-wal"), format!("{fresh}-shm")] {
        if Path::new(&file).exists() {
            std::fs::remove_file(&file).expect("the file is ours");
        }
    }
    let source = Connection::open(ledger)?;
    let target = Connection::open(fresh)?;
    target.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 10000;",
    )?;
    copy_schema(&source, &target)?;
    let events: i64 = source.query_row("SELECT max(seq) FROM transactions", [], |row| row.get(0))?;
    let batches = (0..events)
        .step_by(2_000)
        .map(|after| batch(&source, after))
        .collect::<rusqlite::Result<Vec<_>>>()?;

    let began = Instant::now();
    for batch in &batches {
        write(&target, batch)?;
    }
    println!("{{\"events\":{events},\"seconds\":{}}}", began.elapsed().as_secs_f64());
    Ok(())
}

fn copy_schema(source: &Connection, target: &Connection) -> rusqlite::Result<()> {
    let mut schema = source.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")?;
    let statements = schema.query_map([], |row| row.get::<_, String>(0))?;
    statements.into_iter().try_for_each(|statement| target.execute_batch(&statement?))
}

/// Returns the rows of a batch: those of each table in the order of the log, and then the members that it touched, as
/// they are in the end.
fn batch(source: &Connection, after: i64) -> rusqlite::Result<Vec<(&'static str, Vec<Row>)>> {
    let between = [after, after.saturating_add(EVENTS_PER_COMMIT)];
    let mut tables = Vec::new();
    for (table, seq) in TABLES {
        let select = format!("SELECT * FROM {table} WHERE {seq} > ?1 AND {seq} <= ?2 ORDER BY {seq}");
        tables.push((table, rows(source, &select, between)?));
    }
    let touched = "SELECT m.* FROM transactions t JOIN members m ON m.number = t.member WHERE t.seq > ?1 AND t.seq <= ?2 ORDER BY t.seq";
    tables.push(("members", rows(source, touched, between)?));
    Ok(tables)
}

fn rows(source: &Connection, select: &str, between: [i64; 2]) -> rusqlite::Result<Vec<Row>> {
    let mut statement = source.prepare(select)?;
    let columns = statement.column_count();
    let row = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column)).collect();
    statement.query_map(between, row)?.collect()
}

fn write(target: &Connection, batch: &[(&str, Vec<Row>)]) -> rusqlite::Result<()> {
    target.execute_batch("BEGIN IMMEDIATE")?;
    for (table, rows) in batch {
        let columns = rows.first().map_or(0, Vec::len);
        let values = vec!["?"; columns].join(", ");
        let insert = format!("INSERT OR REPLACE INTO {table} VALUES ({values})");
        for row in rows {
            target.prepare_cached(&insert)?.execute(params_from_iter(row))?;
        }
    }
    target.execute_batch("COMMIT")
}
