//! The log: entries by their place and by the key of their event.

use jifen_loyalty::Posting;
use rusqlite::{Connection, OptionalExtension as _, Result, Row};

use super::column::named_lot_columns;
use crate::admission::Head;
use crate::column::Lots;
use crate::stored::Table;
use crate::{Known, Logged, Stored, column};

pub(super) fn head(connection: &Connection) -> Result<Head> {
    let sql = "
        SELECT seq, latest_ms
        FROM transactions
        ORDER BY seq DESC
        LIMIT 1";
    let last = |row: &Row<'_>| Ok(Head { seq: row.get(0)?, latest: Some(column::instant(row, 1)?) });
    let head = connection.prepare_cached(sql)?.query_one([], last).optional()?;
    Ok(head.unwrap_or_default())
}

/// Returns the place of an event in the log.
pub(super) fn place(connection: &Connection, source: &str, id: &str) -> Result<Option<u64>> {
    let sql = "
        SELECT seq
        FROM transactions
        WHERE source = ?1
          AND id = ?2";
    connection.prepare_cached(sql)?.query_one((source, id), |row| row.get(0)).optional()
}

/// Returns what is known of an event.
pub(super) fn known(connection: &Connection, source: &str, id: &str) -> Result<Option<Known>> {
    let sql = "
        SELECT seq, event_digest, receipt, receipt_digest
        FROM transactions
        WHERE source = ?1
          AND id = ?2";
    connection.prepare_cached(sql)?.query_one((source, id), |row| column::known(row, 0)).optional()
}

/// Returns entries behind a place, in order.
pub(super) fn page(connection: &Connection, after: u64, limit: usize) -> Result<Vec<Logged>> {
    let sql = "
        SELECT seq, event, event_digest, receipt, receipt_digest
        FROM transactions
        WHERE seq > ?1
        ORDER BY seq
        LIMIT ?2";
    let (after, limit) = column::page(after, limit);
    let mut statement = connection.prepare_cached(sql)?;
    let mut page =
        statement.query_map((after, limit), |row| column::logged(row, 0))?.collect::<Result<Vec<_>>>()?;
    page.iter_mut().try_for_each(|logged| add_postings(connection, logged))?;
    Ok(page)
}

/// Returns receipts behind a place, in order.
pub(super) fn receipts(connection: &Connection, after: u64, limit: usize) -> Result<Vec<Vec<u8>>> {
    let sql = "
        SELECT receipt
        FROM transactions
        WHERE seq > ?1
        ORDER BY seq
        LIMIT ?2";
    let (after, limit) = column::page(after, limit);
    connection.prepare_cached(sql)?.query_map((after, limit), |row| row.get(0))?.collect()
}

pub(super) fn find(connection: &Connection, source: &str, id: &str) -> Result<Option<Logged>> {
    match place(connection, source, id)? {
        Some(seq) => Ok(page(connection, seq.saturating_sub(1), 1)?.pop()),
        None => Ok(None),
    }
}

fn add_postings(connection: &Connection, logged: &mut Logged) -> Result<()> {
    logged.postings = postings(connection, logged.seq)?;
    Ok(())
}

/// Returns the postings of an entry, in their order.
pub(super) fn postings(connection: &Connection, seq: u64) -> Result<Vec<Posting>> {
    let sql = "
        SELECT kind, account, unit, points, lot
        FROM postings
        WHERE seq = ?1
        ORDER BY n";
    connection.prepare_cached(sql)?.query_map([seq], |row| column::posting(row, 0))?.collect()
}

/// Returns how many entries name an order.
pub(super) fn entries_of_order(connection: &Connection, number: &str) -> Result<u64> {
    let sql = "
        SELECT count(*)
        FROM transactions
        WHERE order_number = ?1";
    connection.prepare_cached(sql)?.query_one([number], |row| row.get(0))
}

/// Returns the entries that name an order, in their order.
pub(super) fn of_order(connection: &Connection, number: &str) -> Result<Vec<Logged>> {
    let sql = "
        SELECT seq, event, event_digest, receipt, receipt_digest
        FROM transactions
        WHERE order_number = ?1
        ORDER BY seq";
    let mut statement = connection.prepare_cached(sql)?;
    let mut entries =
        statement.query_map([number], |row| column::logged(row, 0))?.collect::<Result<Vec<_>>>()?;
    entries.iter_mut().try_for_each(|logged| add_postings(connection, logged))?;
    Ok(entries)
}

/// Returns what asks for all of a table. Rows of a number that no member has are handed out too, as somebody's who is not.
const fn rows_of(table: Table) -> &'static str {
    match table {
        Table::Members => Table::MEMBERS,
        Table::Lots => concat!(
            "SELECT coalesce(owners.member, '#' || lots.member), ",
            named_lot_columns!(),
            "
            FROM lots
            LEFT JOIN members AS owners ON owners.number = lots.member"
        ),
        Table::Holds => {
            "
            SELECT coalesce(owners.member, '#' || redemption_lots.member), redemption,
              coalesce(origins.member, '#' || origin), redemption_lots.version, award, held - released - captured
            FROM redemption_lots
            LEFT JOIN members AS owners ON owners.number = redemption_lots.member
            LEFT JOIN members AS origins ON origins.number = redemption_lots.origin
            WHERE released + captured < held"
        }
        Table::Debts => {
            "
            SELECT coalesce(members.member, '#' || debts.member), unit, issuer, points
            FROM debts
            LEFT JOIN members ON members.number = debts.member"
        }
        Table::Budgets => Table::BUDGETS,
        Table::Outbox => Table::OUTBOX,
    }
}

/// Calls `each` with all that is kept beside the log.
pub(super) fn stored(connection: &Connection, each: &mut dyn FnMut(Stored)) -> Result<()> {
    let mut lots = Lots::default();
    for table in Table::ALL {
        let mut statement = connection.prepare(rows_of(table))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            each(table.read(row, &mut lots)?);
        }
    }
    Ok(())
}
