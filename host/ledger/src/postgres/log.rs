//! The log: entries by their place and by the key of their event.

use std::collections::BTreeMap;

use jifen_loyalty::{Instant, Posting};
use tokio_postgres::Row;

use super::column::Unsigned;
use super::failure::Stop;
use super::found::{head, read_head};
use super::link::{Call, Link};
use crate::Logged;
use crate::column;

/// Returns entries behind a place, in order.
pub(super) fn page(link: &Link, after: u64, limit: usize) -> Result<Vec<Logged>, Stop> {
    let sql = "
        SELECT seq, event, event_digest, receipt, receipt_digest
        FROM transactions
        WHERE seq > $1
        ORDER BY seq
        LIMIT $2";
    let (after, limit) = column::page(after, limit);
    let mut entries = Vec::new();
    link.stream(&Call::new(sql).value(after).value(limit), &mut |row| {
        entries.push(column::logged(row, 0)?);
        Ok(())
    })?;
    add_postings(link, entries.iter_mut())?;
    Ok(entries)
}

/// Returns receipts behind a place, in order.
pub(super) fn receipts(link: &Link, after: u64, limit: usize) -> Result<Vec<Vec<u8>>, Stop> {
    let sql = "
        SELECT receipt
        FROM transactions
        WHERE seq > $1
        ORDER BY seq
        LIMIT $2";
    let (after, limit) = column::page(after, limit);
    let mut receipts = Vec::new();
    link.stream(&Call::new(sql).value(after).value(limit), &mut |row| {
        receipts.push(row.try_get(0)?);
        Ok(())
    })?;
    Ok(receipts)
}

pub(super) fn find(link: &Link, source: &str, id: &str) -> Result<Option<Logged>, Stop> {
    let sql = "
        SELECT seq, event, event_digest, receipt, receipt_digest
        FROM transactions
        WHERE source = $1
          AND id = $2";
    read(link, &Call::new(sql).value(source).value(id)).map(|mut entries| entries.pop())
}

/// Returns the entries that name an order, in their order.
pub(super) fn of_order(link: &Link, number: &str) -> Result<Vec<Logged>, Stop> {
    let sql = "
        SELECT seq, event, event_digest, receipt, receipt_digest
        FROM transactions
        WHERE order_number = $1
        ORDER BY seq";
    read(link, &Call::new(sql).value(number))
}

/// Returns entries at places in the log, by place.
pub(super) fn at_places(
    link: &Link,
    seqs: impl IntoIterator<Item = u64>,
) -> Result<BTreeMap<u64, Logged>, Stop> {
    let sql = "
        SELECT seq, event, event_digest, receipt, receipt_digest
        FROM transactions
        WHERE seq = ANY ($1::bigint[])";
    let entries = read(link, &Call::new(sql).column(seqs.into_iter().map(Unsigned)))?;
    Ok(entries.into_iter().map(|logged| (logged.seq, logged)).collect())
}

/// Returns how many entries there are, and the latest business time of any.
pub(super) fn end(link: &Link) -> Result<(u64, Option<Instant>), Stop> {
    let head = read_head(&link.ask_one(&head())?)?;
    Ok((head.seq, head.latest))
}

fn read(link: &Link, call: &Call<'_>) -> Result<Vec<Logged>, Stop> {
    let rows = link.ask_one(call)?;
    let mut entries = rows.iter().map(|row| column::logged(row, 0)).collect::<Result<Vec<_>, _>>()?;
    add_postings(link, entries.iter_mut())?;
    Ok(entries)
}

pub(super) fn add_postings<'a>(
    link: &Link,
    entries: impl Iterator<Item = &'a mut Logged>,
) -> Result<(), Stop> {
    let entries: Vec<_> = entries.collect();
    let postings = postings(link, entries.iter().map(|logged| logged.seq))?;
    for logged in entries {
        logged.postings = postings.get(&logged.seq).cloned().unwrap_or_default();
    }
    Ok(())
}

/// Returns the postings of entries by place, each in its order.
pub(super) fn postings(
    link: &Link,
    seqs: impl Iterator<Item = u64>,
) -> Result<BTreeMap<u64, Vec<Posting>>, Stop> {
    let sql = "
        SELECT seq, kind, account, unit, points, lot
        FROM postings
        WHERE seq = ANY ($1::bigint[])
        ORDER BY seq, n";
    let mut by_seq = BTreeMap::<u64, Vec<Posting>>::new();
    let mut add = |row: &Row| {
        by_seq.entry(column::count(row, 0)?).or_default().push(column::posting(row, 1)?);
        Ok(())
    };
    link.stream(&Call::new(sql).column(seqs.map(Unsigned)), &mut add)?;
    Ok(by_seq)
}
