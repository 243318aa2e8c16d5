//! Rows: what an admitted batch writes.

use jifen_loyalty::entry::NewLot;
use jifen_loyalty::{Entry, Instant};
use rusqlite::{Connection, Result, params};

use super::admission::Admission;
use super::column::end;
use crate::entry::spend_minor;

/// Writes all of an admitted batch, table by table.
pub(super) fn write(connection: &Connection, admission: &Admission<'_>) -> Result<()> {
    write_transactions(connection, admission)?;
    write_postings(connection, admission)?;
    write_lots(connection, admission)?;
    write_members(connection, admission)?;
    write_budgets(connection, admission)
}

fn write_transactions(connection: &Connection, admission: &Admission<'_>) -> Result<()> {
    let sql = "
        INSERT INTO transactions
          (seq, source, id, member, time_ms, latest_ms, day, spend_minor, event_digest, receipt_digest, event, receipt)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let mut insert = connection.prepare_cached(sql)?;
    let mut latest = admission.head.latest;
    for (seq, entry) in admission.numbered() {
        let event = &entry.event;
        latest = latest.max(Some(event.time));
        insert.execute(params![
            seq,
            event.source,
            event.id,
            event.member.as_str(),
            event.time.millis(),
            latest.map(Instant::millis),
            entry.day,
            spend_minor(entry),
            event.digest,
            entry.receipt_digest,
            event.canonical,
            entry.receipt,
        ])?;
    }
    Ok(())
}

fn write_postings(connection: &Connection, admission: &Admission<'_>) -> Result<()> {
    let sql = "
        INSERT INTO postings
          (seq, n, account, unit, points, award)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let mut insert = connection.prepare_cached(sql)?;
    for (seq, entry) in admission.numbered() {
        for (n, posting) in (0_u32..).zip(&entry.postings) {
            let unit = posting.unit.as_str();
            insert.execute(params![seq, n, posting.account, unit, posting.points, posting.award])?;
        }
    }
    Ok(())
}

/// Writes the lots in the order in which they lie in the file, so that each page is visited once.
fn write_lots(connection: &Connection, admission: &Admission<'_>) -> Result<()> {
    let sql = "
        INSERT INTO lots
          (member, day, seq, award, earned_ms, unit, issuer, deployment, points, remaining, available_ms, expires_ms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let mut insert = connection.prepare_cached(sql)?;
    let mut lots: Vec<_> = admission.numbered().flat_map(lots_of).collect();
    lots.sort_by_key(|(seq, _, new)| (&new.member, new.lot.day, *seq, new.award));
    for (seq, earned, NewLot { member, award, lot }) in lots {
        insert.execute(params![
            member.as_str(),
            lot.day,
            seq,
            award,
            earned.millis(),
            lot.unit.as_str(),
            lot.issuer.to_string(),
            lot.deployment.as_str(),
            lot.points.get(),
            lot.remaining.get(),
            lot.available_at.millis(),
            end(lot.expires_at),
        ])?;
    }
    Ok(())
}

fn lots_of((seq, entry): (u64, &Entry)) -> impl Iterator<Item = (u64, Instant, &NewLot)> {
    entry.lots.iter().map(move |new| (seq, entry.event.time, new))
}

fn write_members(connection: &Connection, admission: &Admission<'_>) -> Result<()> {
    let sql = "
        INSERT INTO members
          (member, version, registered_day, referrer, purchase_count, purchase_spend_minor, last_purchase_day)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT (member) DO UPDATE SET
          version = excluded.version,
          registered_day = excluded.registered_day,
          referrer = excluded.referrer,
          purchase_count = excluded.purchase_count,
          purchase_spend_minor = excluded.purchase_spend_minor,
          last_purchase_day = excluded.last_purchase_day";
    let mut upsert = connection.prepare_cached(sql)?;
    for (member, account) in admission.members.iter().filter(|(_, account)| account.moved) {
        let profile = &account.profile;
        upsert.execute(params![
            member.as_str(),
            account.version,
            profile.registered_day,
            profile.referrer.as_ref().map(|referrer| referrer.as_str()),
            profile.purchase_count,
            profile.purchase_spend_minor,
            profile.last_purchase_day,
        ])?;
    }
    Ok(())
}

fn write_budgets(connection: &Connection, admission: &Admission<'_>) -> Result<()> {
    let sql = "
        INSERT INTO budgets
          (deployment, granted)
        VALUES (?1, ?2)
        ON CONFLICT (deployment) DO UPDATE SET
          granted = excluded.granted";
    let mut upsert = connection.prepare_cached(sql)?;
    for (deployment, granted) in &admission.budgets {
        upsert.execute(params![deployment.as_str(), granted.get()])?;
    }
    Ok(())
}
