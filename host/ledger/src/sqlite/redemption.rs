//! Uses of points, and stocks.

use jifen_loyalty::entry::{Begins, RedemptionMove, StockTaken};
use jifen_loyalty::member::Hold;
use jifen_loyalty::{DeploymentId, Instant, MemberId, RedemptionId};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::column::named_lot_columns;
use super::rows::{Writer, change_one};
use crate::RedeemedPart;
use crate::admission::ItemKey;
use crate::column::{self, Lots};
use crate::snapshot::RedemptionHead;

pub(super) fn head(connection: &Connection, name: &RedemptionId) -> Result<Option<RedemptionHead>> {
    let sql = "
        SELECT members.member, seq, steps, until_ms, deployment, item, day, quantity
        FROM redemptions
        CROSS JOIN members ON members.number = redemptions.member
        WHERE redemption = ?1";
    connection.prepare_cached(sql)?.query_one([name.as_str()], |row| RedemptionHead::read(row, 0)).optional()
}

/// Returns the points of a use of points, in the order in which they were taken.
pub(super) fn parts(
    connection: &Connection,
    member: &MemberId,
    name: &RedemptionId,
    lots: &mut Lots,
) -> Result<Vec<RedeemedPart>> {
    let sql = concat!(
        "SELECT held, released, captured, cancelled, ",
        named_lot_columns!(),
        "
        FROM members AS owners
        CROSS JOIN redemption_lots ON redemption_lots.member = owners.number
        CROSS JOIN lots
          ON lots.member = redemption_lots.member
          AND lots.day = redemption_lots.day
          AND lots.origin = redemption_lots.origin
          AND lots.version = redemption_lots.version
          AND lots.award = redemption_lots.award
        WHERE owners.member = ?1
          AND redemption = ?2
        ORDER BY n"
    );
    let part = |row: &Row<'_>| RedeemedPart::read(row, 0, lots);
    connection.prepare_cached(sql)?.query_map((member.as_str(), name.as_str()), part)?.collect()
}

/// Returns what of a member's points is held.
pub(super) fn holds(connection: &Connection, member: i64) -> Result<Vec<Hold>> {
    let sql = "
        SELECT redemption, origins.member, redemption_lots.version, award, held - released - captured,
          steps, until_ms, deployment, item, redemptions.day, quantity
        FROM redemption_lots
        JOIN redemptions USING (redemption)
        JOIN members AS origins ON origins.number = redemption_lots.origin
        WHERE redemption_lots.member = ?1
          AND released + captured < held
        ORDER BY redemption, n";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([member])?;
    let mut holds = Vec::<Hold>::new();
    while let Some(row) = rows.next()? {
        column::add_hold(row, 0, &mut holds)?;
    }
    Ok(holds)
}

/// Returns how many steps a use of points has had.
pub(super) fn steps(connection: &Connection, name: &RedemptionId) -> Result<u64> {
    let sql = "SELECT steps FROM redemptions WHERE redemption = ?1";
    let steps = connection.prepare_cached(sql)?.query_one([name.as_str()], |row| row.get(0)).optional()?;
    Ok(steps.unwrap_or(0))
}

/// Returns how many of an item are taken on a day; on day 0, in all.
pub(super) fn taken(connection: &Connection, deployment: &DeploymentId, item: &str, day: i32) -> Result<u64> {
    let sql = "
        SELECT taken
        FROM stock
        WHERE deployment = ?1
          AND item = ?2
          AND day = ?3";
    let key = (deployment.as_str(), item, day);
    Ok(connection.prepare_cached(sql)?.query_one(key, |row| row.get(0)).optional()?.unwrap_or(0))
}

/// Returns how many of an item are taken, in all and on a day.
pub(super) fn stock_taken(
    connection: &Connection,
    (deployment, item, day): ItemKey<'_>,
) -> Result<StockTaken> {
    let (total, on_day) =
        (taken(connection, deployment, item, 0)?, taken(connection, deployment, item, day)?);
    Ok(StockTaken { total, on_day })
}

/// Returns uses of points that hold some of an item for too long, and since when. Reads all that is held: there is much
/// less of it than was ever taken of an item.
pub(super) fn lapsed(
    connection: &Connection,
    deployment: &DeploymentId,
    item: &str,
    at: Instant,
) -> Result<Vec<(RedemptionId, Instant)>> {
    let sql = "
        SELECT DISTINCT redemption, until_ms
        FROM redemption_lots
        JOIN redemptions USING (redemption)
        WHERE released + captured < held
          AND deployment = ?1
          AND item = ?2
          AND until_ms <= ?3
        ORDER BY until_ms, redemption";
    let over = |row: &Row<'_>| Ok((column::name(row, 0)?, column::instant(row, 1)?));
    connection.prepare_cached(sql)?.query_map((deployment.as_str(), item, at.millis()), over)?.collect()
}

/// Writes what an admitted batch does to uses of points and to stocks.
pub(super) fn write(writer: &mut Writer<'_>) -> Result<()> {
    for (seq, entry) in writer.admission.numbered() {
        for step in &entry.redemptions {
            match &step.begins {
                Some(begins) => begin(writer, seq, step, begins)?,
                None => go_on(writer, step)?,
            }
            let member = writer.number(&step.member)?;
            flag(writer.connection, member)?;
        }
    }
    let sql = "
        INSERT INTO stock
          (deployment, item, day, taken)
        VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (deployment, item, day) DO UPDATE SET
          taken = excluded.taken";
    let mut upsert = writer.connection.prepare_cached(sql)?;
    for ((deployment, item, day), taken) in &writer.admission.stock {
        upsert.execute(params![deployment.as_str(), item, day, taken])?;
    }
    Ok(())
}

fn begin<'a>(writer: &mut Writer<'a>, seq: u64, step: &'a RedemptionMove, begins: &Begins) -> Result<()> {
    let sql = "
        INSERT INTO redemptions
          (redemption, member, seq, steps, until_ms, deployment, item, day, quantity)
        VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?7, ?8)";
    let RedemptionMove { name, member, parts, .. } = step;
    let Begins { until, stock } = begins;
    let holder = writer.number(member)?;
    let stock = stock.as_ref();
    writer.connection.prepare_cached(sql)?.execute(params![
        name.as_str(),
        holder,
        seq,
        until.millis(),
        stock.map(|key| key.deployment.as_str()),
        stock.map(|key| &*key.item),
        stock.map(|key| key.day),
        stock.map(|key| key.quantity),
    ])?;
    let sql = "
        INSERT INTO redemption_lots
          (member, redemption, n, day, origin, version, award, held, released, captured, cancelled)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let mut insert = writer.connection.prepare_cached(sql)?;
    for (n, part) in (0_u32..).zip(parts) {
        insert.execute(params![
            holder,
            name.as_str(),
            n,
            part.day,
            writer.number(&part.lot.member)?,
            part.lot.version,
            part.lot.award,
            part.held.get(),
            part.released.get(),
            part.captured.get(),
            part.cancelled.get(),
        ])?;
    }
    Ok(())
}

/// Moves a use of points on. One that is not there, or has no points of a lot, fails the batch: it was decided on steps
/// that were asserted.
fn go_on<'a>(writer: &mut Writer<'a>, step: &'a RedemptionMove) -> Result<()> {
    let sql = "
        UPDATE redemptions
        SET steps = steps + 1
        WHERE redemption = ?1";
    let RedemptionMove { name, member, parts, .. } = step;
    change_one(&mut *writer.connection.prepare_cached(sql)?, [name.as_str()])?;
    let sql = "
        UPDATE redemption_lots
        SET released = released + ?6, captured = captured + ?7, cancelled = cancelled + ?8
        WHERE member = ?1
          AND redemption = ?2
          AND origin = ?3
          AND version = ?4
          AND award = ?5";
    let mut update = writer.connection.prepare_cached(sql)?;
    for part in parts {
        let (released, captured, cancelled) =
            (part.released.get(), part.captured.get(), part.cancelled.get());
        let (holder, name, origin) =
            (writer.number(member)?, name.as_str(), writer.number(&part.lot.member)?);
        let change =
            params![holder, name, origin, part.lot.version, part.lot.award, released, captured, cancelled];
        change_one(&mut update, change)?;
    }
    Ok(())
}

fn flag(connection: &Connection, member: i64) -> Result<()> {
    let sql = "
        UPDATE members
        SET holding = EXISTS (
          SELECT 1
          FROM redemption_lots
          WHERE redemption_lots.member = members.number
            AND released + captured < held
        )
        WHERE number = ?1";
    connection.prepare_cached(sql)?.execute([member]).map(|_| ())
}
