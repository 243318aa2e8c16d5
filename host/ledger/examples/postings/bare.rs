//! The same rows in SQLite, written by a program that checks nothing and knows no ledger.

use std::path::Path;
use std::time::Duration;

use jifen_loyalty::Entry;
use rusqlite::{Connection, Transaction, params};

use crate::synthetic::Purchases;
use crate::watch::{Measured, Watch};
use crate::{MEMBERS, PURCHASES_EACH};

const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 10000;
    PRAGMA cache_size = -65536;
";

pub(crate) fn run(path: &Path, entries: usize, batch: usize) -> Measured<Duration> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch(SETTINGS)?;
    connection.execute_batch(include_str!("../../src/sqlite/schema.sql"))?;
    let mut purchases = Purchases::of(0, MEMBERS, PURCHASES_EACH);
    let mut taken = Duration::ZERO;
    for first in (0..entries).step_by(batch) {
        let entries = purchases.next_batch(batch);
        let watch = Watch::start();
        let transaction = connection.transaction()?;
        for (seq, entry) in (first..).zip(&entries) {
            write(&transaction, i64::try_from(seq)?, entry)?;
        }
        transaction.commit()?;
        taken = taken.saturating_add(watch.elapsed());
    }
    Ok(taken)
}

fn write(transaction: &Transaction<'_>, seq: i64, entry: &Entry) -> rusqlite::Result<()> {
    let (event, time) = (&entry.event, entry.event.time.millis());
    let moved = entry.member.as_ref().expect("a purchase has a member");
    let version = i64::try_from(moved.version).unwrap_or(0).saturating_add(1);
    let member: i64 = transaction
        .prepare_cached(
            "INSERT INTO members
               (member, version, registered_day, purchase_count, purchase_spend_minor, last_purchase_day, indebted, holding)
             VALUES (?1, ?2, 0, ?2, ?2, ?3, 0, 0)
             ON CONFLICT (member) DO UPDATE SET
               version = excluded.version,
               purchase_count = excluded.purchase_count,
               purchase_spend_minor = excluded.purchase_spend_minor,
               last_purchase_day = excluded.last_purchase_day
             RETURNING number",
        )?
        .query_one((moved.id.as_str(), version, entry.day), |row| row.get(0))?;
    transaction
        .prepare_cached(
            "INSERT INTO transactions VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, 3150, ?3, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            seq,
            event.source,
            event.id,
            member,
            time,
            entry.day,
            event.digest,
            entry.receipt_digest,
            event.canonical,
            entry.receipt
        ])?;
    let mut insert =
        transaction.prepare_cached("INSERT INTO postings VALUES (?1, ?2, 'award', ?3, ?4, ?5, ?6)")?;
    for (n, posting) in (0_u32..).zip(&entry.postings) {
        let (unit, lot) = (posting.unit.as_str(), posting.lot.as_ref().map(ToString::to_string));
        insert.execute(params![seq, n, posting.account, unit, posting.points, lot])?;
    }
    let lot = "INSERT INTO lots VALUES (?1, ?2, ?1, ?3, ?4, ?5, ?6, ?7, 'platform', ?8, ?9, ?9, 0, 0, ?6, ?10, NULL, NULL, 0, NULL)";
    let mut insert = transaction.prepare_cached(lot)?;
    for new in &entry.lots {
        let (unit, deployment) = (new.lot.unit.as_str(), new.lot.deployment.as_str());
        let (points, expires) = (new.lot.points.entry(), new.lot.term.expires_at.millis());
        let id = &new.lot.id;
        let row =
            params![member, entry.day, id.version, id.award, seq, time, unit, deployment, points, expires];
        insert.execute(row)?;
    }
    Ok(())
}
