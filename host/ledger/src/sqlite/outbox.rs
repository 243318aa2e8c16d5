//! The outbox: notices that are not delivered yet.

use jifen_loyalty::event::Sent;
use jifen_loyalty::{Event, Instant, NoticeId};
use rusqlite::{Connection, Result, params};

use crate::Undelivered;
use crate::admission::Admission;

/// Writes which notices there are from now on, and takes out what was delivered.
pub(super) fn write(connection: &Connection, admission: &Admission<'_>) -> Result<()> {
    let insert = "
        INSERT INTO outbox (seq, n, attempts, due_ms, problem)
        VALUES (?1, ?2, ?3, ?4, ?5)";
    let delete = "
        DELETE FROM outbox
        WHERE seq = (SELECT seq FROM transactions WHERE source = ?1 AND id = ?2)
          AND n = ?3";
    let (mut insert, mut delete) = (connection.prepare_cached(insert)?, connection.prepare_cached(delete)?);
    for (seq, entry) in admission.numbered() {
        for Undelivered { id, attempts, due, problem } in Undelivered::of(seq, entry) {
            insert.execute(params![id.seq, id.n, attempts, due.map(Instant::millis), problem])?;
        }
        if let Some(Sent { run, n }) = entry.event.delivers() {
            delete.execute((Event::CAMPAIGNS, run, n))?;
        }
    }
    Ok(())
}

/// Keeps what became of attempts.
pub(super) fn keep(connection: &Connection, tried: &[Undelivered]) -> Result<()> {
    let sql = "
        UPDATE outbox
        SET attempts = ?3, due_ms = ?4, problem = ?5
        WHERE seq = ?1
          AND n = ?2";
    let mut update = connection.prepare_cached(sql)?;
    for Undelivered { id, attempts, due, problem } in tried {
        update.execute(params![id.seq, id.n, attempts, due.map(Instant::millis), problem])?;
    }
    Ok(())
}

/// Returns notices behind one; with an instant, those that are to be tried by then.
pub(super) fn page(
    connection: &Connection,
    due: Option<Instant>,
    after: NoticeId,
    limit: usize,
) -> Result<Vec<Undelivered>> {
    let sql = "
        SELECT seq, n, attempts, due_ms, problem
        FROM outbox
        WHERE (seq, n) > (?1, ?2)
          AND (?3 IS NULL OR due_ms <= ?3)
        ORDER BY seq, n
        LIMIT ?4";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let asked = params![after.seq, after.n, due.map(Instant::millis), limit];
    connection.prepare_cached(sql)?.query_map(asked, |row| Undelivered::read(row))?.collect()
}
