//! Members: their row, their days, their lots.

use std::collections::BTreeMap;

use jifen_loyalty::facts::DayTotal;
use jifen_loyalty::member::Profile;
use jifen_loyalty::{Instant, Lot, Member, MemberId};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::admission::{Account, used};
use super::column::Lots;
use super::failure::Stop;
use super::{column, log};
use crate::report::Tally;
use crate::{Balance, Needs, Query, Snapshot, StatementLine};

/// Answers a query, inside one read transaction.
pub(super) fn snapshot(connection: &Connection, query: &Query<'_>) -> Result<Snapshot> {
    let mut reader = Reader { connection, needs: query.needs, lots: Lots::default() };
    let known = query.keys.iter().map(|(source, id)| log::known(connection, source, id));
    let members = query.members.iter().map(|(id, first_day)| reader.member(id, *first_day));
    let budgets = query.budgets.iter().map(|id| Ok((id.clone(), used(connection, id)?)));
    Ok(Snapshot {
        known: known.collect::<Result<_>>()?,
        members: members.collect::<Result<_>>()?,
        budgets_used: budgets.collect::<Result<_>>()?,
    })
}

/// Reads members for one snapshot.
struct Reader<'a> {
    connection: &'a Connection,
    needs: Needs,
    lots: Lots,
}

impl Reader<'_> {
    fn member(&mut self, id: &MemberId, first_day: i32) -> Result<Member> {
        // Whoever has a purchase or a lot has a row.
        let Some(account) = account(self.connection, id)? else { return Ok(Member::default()) };
        let mut member = Member { version: account.version, profile: account.profile, ..Member::default() };
        if self.needs.purchases_by_day {
            member.purchases_by_day = purchases_by_day(self.connection, id, first_day)?;
        }
        if self.needs.granted_by_day || self.needs.lots {
            self.read_lots(id, first_day, &mut member)?;
        }
        Ok(member)
    }

    /// Reads what was granted and what is left in one scan: both are of the same rows.
    fn read_lots(&mut self, id: &MemberId, first_day: i32, member: &mut Member) -> Result<()> {
        let sql = "
            SELECT unit, issuer, deployment, day, points, remaining, available_ms, expires_ms
            FROM lots
            WHERE member = ?1
              AND day >= ?2
            ORDER BY day, seq, award";
        let first_day_read = if self.needs.lots { i32::MIN } else { first_day };
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((id.as_str(), first_day_read))?;
        while let Some(row) = rows.next()? {
            let lot = self.lots.read(row, 0)?;
            if self.needs.granted_by_day && lot.day >= first_day {
                let granted = member.granted_by_day.entry((lot.deployment.clone(), lot.day)).or_default();
                *granted = granted.plus(lot.points);
            }
            if self.needs.lots && !lot.remaining.is_zero() {
                member.lots.push(lot);
            }
        }
        Ok(())
    }
}

/// Returns a member's row.
pub(super) fn account(connection: &Connection, member: &MemberId) -> Result<Option<Account>> {
    let sql = "
        SELECT version, registered_day, referrer, purchase_count, purchase_spend_minor, last_purchase_day
        FROM members
        WHERE member = ?1";
    let account = |row: &Row<'_>| {
        let profile = Profile {
            registered_day: row.get(1)?,
            referrer: row.get::<_, Option<String>>(2)?.map(MemberId::from),
            purchase_count: row.get(3)?,
            purchase_spend_minor: row.get(4)?,
            last_purchase_day: row.get(5)?,
        };
        Ok(Account { version: row.get(0)?, profile, moved: false })
    };
    connection.prepare_cached(sql)?.query_one([member.as_str()], account).optional()
}

fn purchases_by_day(
    connection: &Connection,
    member: &MemberId,
    first_day: i32,
) -> Result<BTreeMap<i32, DayTotal>> {
    let sql = "
        SELECT day, spend_minor
        FROM transactions
        WHERE member = ?1
          AND day >= ?2
          AND spend_minor IS NOT NULL";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((member.as_str(), first_day))?;
    let mut by_day = BTreeMap::<i32, DayTotal>::new();
    while let Some(row) = rows.next()? {
        let total = by_day.entry(row.get(0)?).or_default();
        total.count = total.count.saturating_add(1);
        total.spend_minor = total.spend_minor.saturating_add(row.get(1)?);
    }
    Ok(by_day)
}

/// Calls `each` with balances, ordered by member and unit: lots lie in the order of members.
pub(super) fn balances(
    connection: &Connection,
    at: Option<Instant>,
    member: Option<&MemberId>,
    each: &mut dyn FnMut(Balance),
) -> Result<(), Stop> {
    let of_all = "
        SELECT member, unit, issuer, deployment, day, points, remaining, available_ms, expires_ms
        FROM lots
        WHERE earned_ms <= ?1
        ORDER BY member";
    let of_one = "
        SELECT member, unit, issuer, deployment, day, points, remaining, available_ms, expires_ms
        FROM lots
        WHERE earned_ms <= ?1
          AND member = ?2";
    let latest = log::head(connection)?.latest;
    let Some(at) = at.or(latest) else { return Ok(()) };
    let mut statement = connection.prepare_cached(if member.is_some() { of_one } else { of_all })?;
    let rows = match member {
        Some(member) => statement.query(params![at.millis(), member.as_str()])?,
        None => statement.query(params![at.millis()])?,
    };
    tally(rows, at, each)
}

fn tally(mut rows: rusqlite::Rows<'_>, at: Instant, each: &mut dyn FnMut(Balance)) -> Result<(), Stop> {
    let (mut tally, mut lots) = (Tally::default(), Lots::default());
    let mut current: Option<MemberId> = None;
    while let Some(row) = rows.next()? {
        let (member, lot): (MemberId, Lot) = (column::name(row, 0)?, lots.read(row, 1)?);
        if let Some(before) = current.replace(member.clone()).filter(|before| *before != member) {
            tally.close(&before, each);
        }
        tally.add(&member, &lot, at)?;
    }
    if let Some(last) = current {
        tally.close(&last, each);
    }
    Ok(())
}

/// Returns the events that happened to a member or gave the member points, by business time.
pub(super) fn statement(connection: &Connection, member: &MemberId) -> Result<Vec<StatementLine>> {
    let sql = "
        SELECT seq, source, id, member, time_ms, spend_minor
        FROM transactions
        WHERE seq IN (
          SELECT seq FROM transactions WHERE member = ?1
          UNION
          SELECT seq FROM lots WHERE member = ?1
        )
        ORDER BY time_ms, seq";
    let mut lots = lots_by_seq(connection, member)?;
    let line = |row: &Row<'_>| {
        let seq = row.get(0)?;
        Ok(StatementLine {
            seq,
            source: row.get(1)?,
            id: row.get(2)?,
            member: column::name(row, 3)?,
            time: column::instant(row, 4)?,
            spend_minor: row.get(5)?,
            lots: lots.remove(&seq).unwrap_or_default(),
        })
    };
    connection.prepare_cached(sql)?.query_map([member.as_str()], line)?.collect()
}

fn lots_by_seq(connection: &Connection, member: &MemberId) -> Result<BTreeMap<u64, Vec<Lot>>> {
    let sql = "
        SELECT seq, unit, issuer, deployment, day, points, remaining, available_ms, expires_ms
        FROM lots
        WHERE member = ?1
        ORDER BY day, seq, award";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([member.as_str()])?;
    let (mut by_seq, mut lots) = (BTreeMap::<u64, Vec<Lot>>::new(), Lots::default());
    while let Some(row) = rows.next()? {
        by_seq.entry(row.get(0)?).or_default().push(lots.read(row, 1)?);
    }
    Ok(by_seq)
}
