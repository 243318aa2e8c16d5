//! Reports: balances, statements, and for whom something is due.

use std::collections::{BTreeMap, BTreeSet};

use jifen_loyalty::{Instant, Lot, MemberId, Points, RedemptionId};
use tokio_postgres::Row;

use super::column::Unsigned;
use super::failure::Stop;
use super::link::{Call, Link};
use super::log;
use crate::balances::{Balances, Held, Moved, Owed, Standing};
use crate::column::{self, Lots, Row as _, lot_columns};
use crate::report::moves;
use crate::stored::Table;
use crate::{Balance, Page, StatementLine, Stored};

/// Lets the statements of a transaction read whole tables in the order in which they lie. Connections are set up for
/// statements that find a few rows in large tables.
const WHOLE_TABLES: &str = "SET LOCAL enable_seqscan = on";

/// Calls `each` with balances, ordered by member and unit. Lots are read as they come, in the order of members.
pub(super) fn balances(
    link: &Link,
    at: Option<Instant>,
    member: Option<&MemberId>,
    each: &mut dyn FnMut(Balance),
) -> Result<(), Stop> {
    let (_, latest) = log::end(link)?;
    let Some(at) = at.or(latest) else { return Ok(()) };
    let past = Some(at) < latest;
    if member.is_none() || past {
        link.perform(WHOLE_TABLES)?;
    }
    let mut balances = Balances::new(at, standing(link, at, past, member)?, each);
    let mut lots = Lots::default();
    let call = match member {
        Some(member) => Call::new(LOTS_OF_ONE).value(at.millis()).value(member.as_str()),
        None => Call::new(LOTS_OF_ALL).value(at.millis()),
    };
    link.stream(&call, &mut |row| Ok(balances.add(&column::name(row, 0)?, lots.read(row, 1)?)?))?;
    balances.finish();
    Ok(())
}

const LOTS_OF_ALL: &str = concat!(
    "SELECT member, ",
    lot_columns!("lots.origin"),
    "
    FROM lots
    WHERE earned_ms <= $1
    ORDER BY member"
);

const LOTS_OF_ONE: &str = concat!(
    "SELECT member, ",
    lot_columns!("lots.origin"),
    "
    FROM lots
    WHERE earned_ms <= $1
      AND member = $2"
);

/// Returns what of lots is not in their rows at an instant, which is `past` if something happened after it.
fn standing(link: &Link, at: Instant, past: bool, member: Option<&MemberId>) -> Result<Standing, Stop> {
    let mut standing = Standing {
        moved: if past { moved_later(link, at)? } else { Moved::default() },
        held: if past { held_then(link, at)? } else { held_now(link)? },
        owed: if past { owed_then(link, at)? } else { owed_now(link)? },
    };
    standing.owed.retain(|debtor, _| member.is_none_or(|member| member == debtor));
    Ok(standing)
}

/// Returns what was moved into lots by events after an instant.
fn moved_later(link: &Link, at: Instant) -> Result<Moved, Stop> {
    let sql = "
        SELECT lot, sum(points)::bigint
        FROM postings
        JOIN transactions USING (seq)
        WHERE account LIKE 'member/%'
          AND time_ms > $1
        GROUP BY lot";
    let mut moved = Moved::new();
    link.stream(&Call::new(sql).value(at.millis()), &mut |row| {
        moved.insert(row.text(0)?.to_owned(), row.number(1)?);
        Ok(())
    })?;
    Ok(moved)
}

fn held_now(link: &Link) -> Result<Held, Stop> {
    let sql = "
        SELECT origin || '/' || version || '/' || award, held - released - captured, until_ms
        FROM redemption_lots
        JOIN redemptions USING (redemption)
        WHERE released + captured < held";
    let mut held = Held::new();
    link.stream(&Call::new(sql), &mut |row| {
        let hold = (column::points(row, 1)?, column::instant(row, 2)?);
        held.entry(row.text(0)?.to_owned()).or_default().push(hold);
        Ok(())
    })?;
    Ok(held)
}

/// Returns what was held at an instant, from the postings up to then.
fn held_then(link: &Link, at: Instant) -> Result<Held, Stop> {
    let sql = "
        SELECT account, lot, sum(points)::bigint
        FROM postings
        JOIN transactions USING (seq)
        WHERE account LIKE 'held/%'
          AND time_ms <= $1
        GROUP BY account, lot
        HAVING sum(points) > 0";
    let mut parts: Vec<(RedemptionId, String, Points)> = Vec::new();
    link.stream(&Call::new(sql).value(at.millis()), &mut |row| {
        parts.push((column::held_account(row)?, row.text(1)?.to_owned(), column::points(row, 2)?));
        Ok(())
    })?;
    let ends = ends(link, parts.iter().map(|(name, _, _)| name))?;
    let mut held = Held::new();
    for (name, lot, points) in parts {
        let until = ends.get(&name).copied().unwrap_or(Instant::NEVER);
        held.entry(lot).or_default().push((points, until));
    }
    Ok(held)
}

/// Returns when uses of points hold nothing any longer.
fn ends<'a>(
    link: &Link,
    names: impl Iterator<Item = &'a RedemptionId>,
) -> Result<BTreeMap<RedemptionId, Instant>, Stop> {
    let sql = "
        SELECT redemption, until_ms
        FROM redemptions
        WHERE redemption = ANY ($1::text[])";
    let rows = link.ask_one(&Call::new(sql).column(names.map(RedemptionId::as_str)))?;
    let end = |row: &Row| Ok((column::name(row, 0)?, column::instant(row, 1)?));
    rows.iter().map(end).collect()
}

fn owed_now(link: &Link) -> Result<Owed, Stop> {
    let sql = "
        SELECT member, unit, issuer, points
        FROM debts";
    let mut owed = Owed::new();
    link.stream(&Call::new(sql), &mut |row| {
        owed.entry(column::name(row, 0)?).or_default().push(column::debt(row, 1)?);
        Ok(())
    })?;
    Ok(owed)
}

fn owed_then(link: &Link, at: Instant) -> Result<Owed, Stop> {
    let sql = "
        SELECT account, postings.unit, -sum(postings.points)::bigint
        FROM postings
        JOIN transactions USING (seq)
        WHERE account LIKE 'debt/%'
          AND time_ms <= $1
        GROUP BY account, postings.unit
        HAVING sum(postings.points) < 0";
    let mut owed = Owed::new();
    link.stream(&Call::new(sql).value(at.millis()), &mut |row| {
        let (debtor, debt) = column::debt_account(row)?;
        owed.entry(debtor).or_default().push(debt);
        Ok(())
    })?;
    Ok(owed)
}

/// Returns a page of the events that happened to a member or moved points of the member's.
pub(super) fn statement(link: &Link, member: &MemberId, page: Page) -> Result<Vec<StatementLine>, Stop> {
    let before = page.before.map(|seq| place(link, seq)).transpose()?.flatten();
    let (day, time, seq) = before.unwrap_or((i32::MAX, i64::MAX, i64::MAX));
    let call = Call::new(LINES).value(member.as_str()).value(day).value(time).value(seq);
    let rows = link.ask_one(&call.value(page.last.map(i64::from)))?;
    let days = rows.iter().map(|row| column::count(row, 6)).collect::<Result<BTreeSet<i32>, _>>()?;
    let of_days = Call::new(LOTS_BY_SEQ).value(member.as_str()).value(days.first()).value(days.last());
    let (mut lots_by_seq, mut lots) = (BTreeMap::<u64, Vec<Lot>>::new(), Lots::default());
    link.stream(&of_days, &mut |row| {
        lots_by_seq.entry(column::count(row, 0)?).or_default().push(lots.read(row, 1)?);
        Ok(())
    })?;
    let seqs = rows.iter().map(|row| column::count(row, 0)).collect::<Result<Vec<u64>, _>>()?;
    let postings = log::postings(link, seqs.into_iter())?;
    let line = |row: &Row| -> Result<StatementLine, Stop> {
        let seq = column::count(row, 0)?;
        let of_entry = postings.get(&seq).map(Vec::as_slice).unwrap_or_default();
        Ok(StatementLine {
            seq,
            source: row.text(1)?.to_owned(),
            id: row.text(2)?.to_owned(),
            member: column::name(row, 3)?,
            time: column::instant(row, 4)?,
            spend_minor: column::count_or_null(row, 5)?,
            lots: lots_by_seq.remove(&seq).unwrap_or_default(),
            moves: moves(of_entry, member),
        })
    };
    rows.iter().rev().map(line).collect()
}

/// Returns where an entry stands among those of a statement: day, time and place in the log.
fn place(link: &Link, seq: u64) -> Result<Option<(i32, i64, i64)>, Stop> {
    let sql = "
        SELECT day, time_ms, seq
        FROM transactions
        WHERE seq = $1";
    let rows = link.ask_one(&Call::new(sql).value(Unsigned(seq)))?;
    let place = |row: &Row| Ok((column::count(row, 0)?, row.number(1)?, row.number(2)?));
    rows.first().map(place).transpose()
}

/// Whatever is not the member's own begins with a lot that another's entry gave, and goes on with that order's refunds.
const LINES: &str = "
    WITH own AS (
      SELECT seq
      FROM transactions
      WHERE member = $1
        AND day <= $2::integer
        AND (day, time_ms, seq) < ($2::integer, $3::bigint, $4::bigint)
      ORDER BY day DESC, time_ms DESC, seq DESC
      LIMIT $5::bigint
    ), given AS (
      SELECT seq, issuer
      FROM lots
      WHERE member = $1
        AND origin <> member
    ), refunded AS (
      SELECT refunds.seq
      FROM given
      JOIN transactions AS purchases USING (seq)
      JOIN transactions AS refunds USING (order_number)
      JOIN postings ON postings.seq = refunds.seq
      WHERE account IN ('member/' || $1, 'debt/' || issuer || '/' || $1)
    )
    SELECT seq, source, id, coalesce(member, $1), time_ms, spend_minor, day
    FROM transactions
    WHERE seq IN (SELECT seq FROM own UNION SELECT seq FROM given UNION SELECT seq FROM refunded)
      AND (day, time_ms, seq) < ($2::integer, $3::bigint, $4::bigint)
    ORDER BY day DESC, time_ms DESC, seq DESC
    LIMIT $5::bigint";

const LOTS_BY_SEQ: &str = concat!(
    "SELECT seq, ",
    lot_columns!("lots.origin"),
    "
    FROM lots
    WHERE member = $1
      AND day BETWEEN $2 AND $3
    ORDER BY day, origin, version, award"
);

/// Returns members in the order of their names.
pub(super) fn members(link: &Link, after: Option<&MemberId>, limit: usize) -> Result<Vec<MemberId>, Stop> {
    let sql = "SELECT member FROM members WHERE member > $1 ORDER BY member LIMIT $2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let after = after.map_or("", |after| after.as_str());
    let rows = link.ask_one(&Call::new(sql).value(after).value(limit))?;
    Ok(rows.iter().map(|row| column::name(row, 0)).collect::<Result<_, _>>()?)
}

/// Returns members for whom time did something by an instant that no entry says yet. Reads all lots: an index of when they
/// end would cost every purchase a page, to save a night's work seconds.
pub(super) fn due(
    link: &Link,
    at: Instant,
    after: Option<&MemberId>,
    limit: usize,
) -> Result<Vec<MemberId>, Stop> {
    let sql = "
        SELECT member
        FROM lots
        WHERE member > $2
          AND remaining > 0
          AND expires_ms <= $1
          AND notice < 2
        UNION
        SELECT redemption_lots.member
        FROM redemption_lots
        JOIN redemptions USING (redemption)
        WHERE redemption_lots.member > $2
          AND released + captured < held
          AND until_ms <= $1
        ORDER BY 1
        LIMIT $3";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let after = after.map_or("", |after| after.as_str());
    link.perform(WHOLE_TABLES)?;
    let rows = link.ask_one(&Call::new(sql).value(at.millis()).value(after).value(limit))?;
    Ok(rows.iter().map(|row| column::name(row, 0)).collect::<Result<_, _>>()?)
}

/// Returns what asks for all of a table.
const fn rows_of(table: Table) -> &'static str {
    match table {
        Table::Members => Table::MEMBERS,
        Table::Lots => concat!("SELECT member, ", lot_columns!("lots.origin"), " FROM lots"),
        Table::Holds => {
            "
            SELECT member, redemption, origin, version, award, held - released - captured
            FROM redemption_lots
            WHERE released + captured < held"
        }
        Table::Debts => "SELECT member, unit, issuer, points FROM debts",
        Table::Budgets => Table::BUDGETS,
        Table::Outbox => Table::OUTBOX,
    }
}

/// Calls `each` with all that is kept beside the log.
pub(super) fn stored(link: &Link, each: &mut dyn FnMut(Stored)) -> Result<(), Stop> {
    link.perform(WHOLE_TABLES)?;
    let mut lots = Lots::default();
    for table in Table::ALL {
        link.stream(&Call::new(rows_of(table)), &mut |row| {
            each(table.read(row, &mut lots)?);
            Ok(())
        })?;
    }
    Ok(())
}
