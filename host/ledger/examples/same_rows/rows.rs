//! The rows of a ledger, and how a program writes them that checks nothing.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

/// The tables of an entry, and which of their columns is its place in the log.
const TABLES: [(&str, &str); 3] = [("transactions", "seq"), ("postings", "seq"), ("lots", "seq")];

type Row = Vec<Value>;

/// Rows by table.
pub(crate) type Batch = Vec<(&'static str, Vec<Row>)>;

/// Begins a file with the tables of a ledger and its settings.
pub(crate) fn begin(source: &Connection, fresh: &str) -> rusqlite::Result<Connection> {
    for file in [fresh.to_owned(), format!("{fresh}-wal"), format!("{fresh}-shm")] {
        if Path::new(&file).exists() {
            std::fs::remove_file(&file).expect("the file is ours");
        }
    }
    let target = Connection::open(fresh)?;
    target.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 10000;",
    )?;
    copy_schema(source, &target)?;
    Ok(target)
}

fn copy_schema(source: &Connection, target: &Connection) -> rusqlite::Result<()> {
    let mut schema = source.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")?;
    let statements = schema.query_map([], |row| row.get::<_, String>(0))?;
    statements.into_iter().try_for_each(|statement| target.execute_batch(&statement?))
}

/// Returns the rows of the entries from behind a place in the log through another: those of each table in the order of the
/// log, and then the members that they touched, as they are in the end.
pub(crate) fn batch(source: &Connection, between: [i64; 2]) -> rusqlite::Result<Batch> {
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

/// Writes rows in one commit.
pub(crate) fn write<'b>(
    target: &Connection,
    batches: impl IntoIterator<Item = &'b Batch>,
) -> rusqlite::Result<()> {
    target.execute_batch("BEGIN IMMEDIATE")?;
    for (table, rows) in batches.into_iter().flatten() {
        let columns = rows.first().map_or(0, Vec::len);
        let values = vec!["?"; columns].join(", ");
        let insert = format!("INSERT OR REPLACE INTO {table} VALUES ({values})");
        for row in rows {
            target.prepare_cached(&insert)?.execute(params_from_iter(row))?;
        }
    }
    target.execute_batch("COMMIT")
}
