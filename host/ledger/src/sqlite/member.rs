//! Members: their row, their days, their lots.

use std::collections::{BTreeMap, BTreeSet};

use jifen_loyalty::clawback::Debt;
use jifen_loyalty::facts::DayTotal;
use jifen_loyalty::{DeploymentId, Instant, Lot, Member, MemberId, Points, RedemptionId};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::column::{named_lot_columns, origin};
use super::failure::Stop;
use super::{log, redemption};
use crate::admission::Account;
use crate::balances::{Balances, Held, Moved, Owed, Standing};
use crate::column::{self, Lots, account_columns};
use crate::report::moves;
use crate::snapshot::{RedemptionHead, add_lot, add_purchase, needs_whole_lots};
use crate::{
    Balance, MemberQuery, Needs, Order, OrderQuery, Page, Purchased, Query, Redemption, RedemptionQuery,
    Snapshot, StatementLine,
};

/// Answers a query, inside one read transaction.
pub(super) fn snapshot(connection: &Connection, query: &Query<'_>) -> Result<Snapshot> {
    let mut reader = Reader { connection, needs: query.needs, lots: Lots::default() };
    let known = query.keys.iter().map(|(source, id)| log::known(connection, source, id));
    let members = query.members.iter().map(|asked| reader.asked(asked, query.needs));
    let budgets = query.budgets.iter().map(|id| Ok((id.clone(), used(connection, id)?)));
    let (known, members) = (known.collect::<Result<Vec<_>>>()?, members.collect::<Result<_>>()?);
    let budgets_used = budgets.collect::<Result<_>>()?;
    reader.needs = Needs { lots: true, ..Needs::default() };
    let order = |asked: &OrderQuery<'_>| {
        if asked.is_idle(&known) { Ok(Order::default()) } else { reader.order(asked.number, asked.whole) }
    };
    let orders = query.orders.iter().map(order).collect::<Result<_>>()?;
    let redemption = |asked: &RedemptionQuery<'_>| {
        if asked.is_idle(&known) { Ok(Redemption::default()) } else { reader.redemption(asked.name) }
    };
    let redemptions = query.redemptions.iter().map(redemption).collect::<Result<_>>()?;
    let stock = query.stock.iter().map(|asked| redemption::stock_taken(connection, *asked));
    Ok(Snapshot { stock: stock.collect::<Result<_>>()?, known, members, budgets_used, orders, redemptions })
}

/// Reads members for one snapshot.
struct Reader<'a> {
    connection: &'a Connection,
    needs: Needs,
    lots: Lots,
}

impl Reader<'_> {
    fn asked(&mut self, asked: &MemberQuery<'_>, needs: Needs) -> Result<Member> {
        self.needs = asked.needs(needs);
        self.member(asked.id, asked.first_day)
    }

    fn redemption(&mut self, name: &RedemptionId) -> Result<Redemption> {
        let Some(head) = redemption::head(self.connection, name)? else { return Ok(Redemption::default()) };
        let RedemptionHead { member, seq, redemption } = head;
        Ok(Redemption {
            request: log::page(self.connection, seq.saturating_sub(1), 1)?.pop(),
            parts: redemption::parts(self.connection, &member, name, &mut self.lots)?,
            owner: Some((member.clone(), self.member(&member, i32::MAX)?)),
            ..redemption
        })
    }

    fn member(&mut self, id: &MemberId, first_day: i32) -> Result<Member> {
        // Whoever has a purchase or a lot has a row.
        let Some((number, account)) = account(self.connection, id)? else { return Ok(Member::default()) };
        let mut member = Member { version: account.version, profile: account.profile, ..Member::default() };
        if self.needs.purchases_by_day {
            member.purchases_by_day = purchases_by_day(self.connection, number, first_day, u64::MAX)?;
        }
        if member.profile.indebted {
            member.debts = debts(self.connection, number)?;
        }
        if member.profile.holding {
            member.holds = redemption::holds(self.connection, number)?;
        }
        if self.needs.granted_by_day || needs_whole_lots(&member, self.needs) {
            self.read_lots((id, number), first_day, &mut member)?;
        }
        Ok(member)
    }

    fn order(&mut self, number: &str, whole: bool) -> Result<Order> {
        let mut order = Order { entries: log::of_order(self.connection, number)?, ..Order::default() };
        if order.entries.is_empty() || !whole {
            return Ok(order);
        }
        for (seq, member) in purchases_of_order(self.connection, number)? {
            let lots = self.lots_of_order(number)?;
            for owner in lots.iter().map(|(owner, _)| owner).chain([&member]) {
                order.owners.insert(owner.clone(), self.member(owner, i32::MAX)?);
            }
            for name in order.tendered(seq) {
                let redemption = self.redemption(&name)?;
                order.redemptions.insert(name, redemption);
            }
            let before = before(self.connection, seq, &member)?;
            order.purchases.push(Purchased { seq, member, lots, before });
        }
        Ok(order)
    }

    fn lots_of_order(&mut self, number: &str) -> Result<Vec<(MemberId, Lot)>> {
        let sql = concat!(
            "SELECT owners.member, ",
            named_lot_columns!(),
            "
            FROM transactions
            CROSS JOIN postings USING (seq)
            CROSS JOIN members AS owners ON owners.member = substr(postings.account, length('member/') + 1)
            CROSS JOIN lots ON lots.member = owners.number AND lots.day = transactions.day
            WHERE transactions.order_number = ?1
              AND postings.kind = 'award'
              AND postings.lot = ",
            origin!(),
            " || '/' || lots.version || '/' || lots.award
            ORDER BY lots.seq, lots.award"
        );
        let mut statement = self.connection.prepare_cached(sql)?;
        let lot = |row: &Row<'_>| Ok((column::name(row, 0)?, self.lots.read(row, 1)?));
        statement.query_map([number], lot)?.collect()
    }

    /// Reads what was granted and what is left in one scan: both are of the same rows.
    fn read_lots(
        &mut self,
        (id, number): (&MemberId, i64),
        first_day: i32,
        member: &mut Member,
    ) -> Result<()> {
        let sql = concat!(
            "SELECT ",
            named_lot_columns!(),
            "
            FROM members AS owners
            CROSS JOIN lots ON lots.member = owners.number
            WHERE owners.number = ?1
              AND day >= ?2"
        );
        let first_day_read = if needs_whole_lots(member, self.needs) { i32::MIN } else { first_day };
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((number, first_day_read))?;
        while let Some(row) = rows.next()? {
            add_lot((id, member), self.lots.read(row, 0)?, self.needs, first_day);
        }
        sort(&mut member.lots);
        Ok(())
    }
}

/// Brings a member's lots into the order of their names. They lie in the order of numbers, which is another one where one
/// day has lots of several origins.
fn sort(lots: &mut [Lot]) {
    lots.sort_by(|one, other| (one.day, &one.id).cmp(&(other.day, &other.id)));
}

/// Returns a member's number, by which every other table names them.
pub(super) fn number(connection: &Connection, member: &MemberId) -> Result<Option<i64>> {
    let sql = "SELECT number FROM members WHERE member = ?1";
    connection.prepare_cached(sql)?.query_one([member.as_str()], |row| row.get(0)).optional()
}

/// Returns a member's number and row.
pub(super) fn account(connection: &Connection, member: &MemberId) -> Result<Option<(i64, Account)>> {
    let sql = concat!("SELECT number, ", account_columns!(), " FROM members WHERE member = ?1");
    let account = |row: &Row<'_>| Ok((row.get(0)?, column::account(row, 1)?));
    connection.prepare_cached(sql)?.query_one([member.as_str()], account).optional()
}

/// Returns what has been granted from a budget.
pub(super) fn used(connection: &Connection, deployment: &DeploymentId) -> Result<Points> {
    let mut statement = connection.prepare_cached("SELECT granted FROM budgets WHERE deployment = ?1")?;
    let used = statement.query_one([deployment.as_str()], |row| column::points(row, 0)).optional()?;
    Ok(used.unwrap_or_default())
}

fn debts(connection: &Connection, member: i64) -> Result<Vec<Debt>> {
    let sql = "
        SELECT unit, issuer, points
        FROM debts
        WHERE member = ?1
        ORDER BY unit, issuer";
    let mut debts: Vec<Debt> = connection
        .prepare_cached(sql)?
        .query_map([member], |row| column::debt(row, 0))?
        .collect::<Result<_>>()?;
    // An issuer's place among others is that of its value, not of its text.
    debts.sort_by(|one, other| (&one.unit, &one.issuer).cmp(&(&other.unit, &other.issuer)));
    Ok(debts)
}

fn purchases_of_order(connection: &Connection, number: &str) -> Result<Vec<(u64, MemberId)>> {
    let sql = "
        SELECT seq, members.member
        FROM transactions
        CROSS JOIN members ON members.number = transactions.member
        WHERE order_number = ?1
          AND spend_minor IS NOT NULL
        ORDER BY seq";
    let purchase = |row: &Row<'_>| Ok((row.get(0)?, column::name(row, 1)?));
    connection.prepare_cached(sql)?.query_map([number], purchase)?.collect()
}

/// Returns a member's days as they were before an entry.
fn before(connection: &Connection, seq: u64, member: &MemberId) -> Result<Member> {
    let sql = "
        SELECT deployment, unit, origin <> member, day, points, reversed
        FROM lots
        WHERE member = ?1
          AND seq < ?2";
    let Some(number) = number(connection, member)? else { return Ok(Member::default()) };
    let mut before = Member {
        purchases_by_day: purchases_by_day(connection, number, i32::MIN, seq)?,
        ..Member::default()
    };
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((number, seq))?;
    while let Some(row) = rows.next()? {
        column::add_grant(row, 0, &mut before.granted_by_day)?;
    }
    Ok(before)
}

/// Returns purchases of some day or later, by day, as far as they lie before a place in the log.
fn purchases_by_day(
    connection: &Connection,
    member: i64,
    first_day: i32,
    before: u64,
) -> Result<BTreeMap<i32, DayTotal>> {
    let sql = "
        SELECT day, spend_minor
        FROM transactions
        WHERE member = ?1
          AND day >= ?2
          AND spend_minor IS NOT NULL
          AND seq < ?3";
    let before = i64::try_from(before).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((member, first_day, before))?;
    let mut by_day = BTreeMap::<i32, DayTotal>::new();
    while let Some(row) = rows.next()? {
        add_purchase(&mut by_day, row.get(0)?, row.get(1)?);
    }
    Ok(by_day)
}

/// Calls `each` with balances, ordered by member and unit. What was left of a lot at an instant is the sum of its
/// postings up to then.
pub(super) fn balances(
    connection: &Connection,
    at: Option<Instant>,
    member: Option<&MemberId>,
    each: &mut dyn FnMut(Balance),
) -> Result<(), Stop> {
    let latest = log::head(connection)?.latest;
    let Some(at) = at.or(latest) else { return Ok(()) };
    let past = Some(at) < latest;
    let mut balances = Balances::new(at, standing(connection, at, past, member)?, each);
    let mut lots = Lots::default();
    let of_all = concat!(
        "SELECT owners.member, ",
        named_lot_columns!(),
        "
        FROM members AS owners
        CROSS JOIN lots ON lots.member = owners.number
        WHERE earned_ms <= ?1
        ORDER BY owners.member"
    );
    let of_one = concat!(
        "SELECT owners.member, ",
        named_lot_columns!(),
        "
        FROM members AS owners
        CROSS JOIN lots ON lots.member = owners.number
        WHERE earned_ms <= ?1
          AND owners.member = ?2"
    );
    let mut statement = connection.prepare_cached(if member.is_some() { of_one } else { of_all })?;
    let mut rows = match member {
        Some(member) => statement.query(params![at.millis(), member.as_str()])?,
        None => statement.query(params![at.millis()])?,
    };
    while let Some(row) = rows.next()? {
        balances.add(&column::name(row, 0)?, lots.read(row, 1)?)?;
    }
    balances.finish();
    Ok(())
}

/// Returns what of lots is not in their rows at an instant, which is `past` if something happened after it.
fn standing(connection: &Connection, at: Instant, past: bool, member: Option<&MemberId>) -> Result<Standing> {
    Ok(Standing {
        moved: if past { moved_later(connection, at)? } else { Moved::default() },
        held: if past { held_then(connection, at)? } else { held_now(connection)? },
        owed: debts_at(connection, at, past, member)?,
    })
}

/// Returns what was moved into lots by events after an instant.
fn moved_later(connection: &Connection, at: Instant) -> Result<Moved> {
    let sql = "
        SELECT lot, sum(points)
        FROM postings
        JOIN transactions USING (seq)
        WHERE account LIKE 'member/%'
          AND time_ms > ?1
        GROUP BY lot";
    let moved = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    connection.prepare_cached(sql)?.query_map([at.millis()], moved)?.collect()
}

fn held_now(connection: &Connection) -> Result<Held> {
    let sql = "
        SELECT origins.member || '/' || redemption_lots.version || '/' || award, held - released - captured, until_ms
        FROM redemption_lots
        JOIN redemptions USING (redemption)
        JOIN members AS origins ON origins.number = redemption_lots.origin
        WHERE released + captured < held";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut held = Held::new();
    while let Some(row) = rows.next()? {
        let hold = (column::points(row, 1)?, column::instant(row, 2)?);
        held.entry(row.get(0)?).or_default().push(hold);
    }
    Ok(held)
}

/// Returns what was held at an instant, from the postings up to then.
fn held_then(connection: &Connection, at: Instant) -> Result<Held> {
    let sql = "
        SELECT account, lot, sum(points)
        FROM postings
        JOIN transactions USING (seq)
        WHERE account LIKE 'held/%'
          AND time_ms <= ?1
        GROUP BY account, lot
        HAVING sum(points) > 0";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([at.millis()])?;
    let mut held = Held::new();
    while let Some(row) = rows.next()? {
        let name = column::held_account(row)?;
        let until = redemption::head(connection, &name)?.and_then(|head| head.redemption.until);
        let hold = (column::points(row, 2)?, until.unwrap_or(Instant::NEVER));
        held.entry(row.get(1)?).or_default().push(hold);
    }
    Ok(held)
}

/// Returns what members owe; where it is not the latest instant, from the postings up to then.
fn debts_at(connection: &Connection, at: Instant, past: bool, member: Option<&MemberId>) -> Result<Owed> {
    let mut owed = match member {
        _ if past => debts_then(connection, at)?,
        Some(member) => match number(connection, member)? {
            Some(number) => Owed::from([(member.clone(), debts(connection, number)?)]),
            None => Owed::new(),
        },
        None => debts_now(connection)?,
    };
    owed.retain(|debtor, debts| member.is_none_or(|member| member == debtor) && !debts.is_empty());
    Ok(owed)
}

fn debts_now(connection: &Connection) -> Result<Owed> {
    let sql = "
        SELECT unit, issuer, points, members.member
        FROM debts
        JOIN members ON members.number = debts.member";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut owed = Owed::new();
    while let Some(row) = rows.next()? {
        owed.entry(column::name(row, 3)?).or_default().push(column::debt(row, 0)?);
    }
    Ok(owed)
}

fn debts_then(connection: &Connection, at: Instant) -> Result<Owed> {
    let sql = "
        SELECT account, postings.unit, -sum(postings.points)
        FROM postings
        JOIN transactions USING (seq)
        WHERE account LIKE 'debt/%'
          AND time_ms <= ?1
        GROUP BY account, postings.unit
        HAVING sum(postings.points) < 0";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([at.millis()])?;
    let mut owed = Owed::new();
    while let Some(row) = rows.next()? {
        let (debtor, debt) = column::debt_account(row)?;
        owed.entry(debtor).or_default().push(debt);
    }
    Ok(owed)
}

/// Returns a page of the events that happened to a member or moved points of the member's.
pub(super) fn statement(
    connection: &Connection,
    member: &MemberId,
    page: Page,
) -> Result<Vec<StatementLine>> {
    let Some(number) = number(connection, member)? else { return Ok(Vec::new()) };
    // Whatever is not the member's own begins with a lot that another's entry gave, and goes on with that order's refunds.
    let sql = "
        WITH own AS (
          SELECT seq
          FROM transactions
          WHERE member = ?6
            AND day <= ?2
            AND (day, time_ms, seq) < (?2, ?3, ?4)
          ORDER BY day DESC, time_ms DESC, seq DESC
          LIMIT ?5
        ), given AS (
          SELECT seq, issuer
          FROM lots
          WHERE member = ?6
            AND origin <> member
        ), refunded AS (
          SELECT refunds.seq
          FROM given
          JOIN transactions AS purchases USING (seq)
          JOIN transactions AS refunds USING (order_number)
          JOIN postings ON postings.seq = refunds.seq
          WHERE account IN ('member/' || ?1, 'debt/' || issuer || '/' || ?1)
        )
        SELECT seq, source, id, coalesce(members.member, ?1), time_ms, spend_minor, day
        FROM transactions
        LEFT JOIN members ON members.number = transactions.member
        WHERE seq IN (SELECT seq FROM own UNION SELECT seq FROM given UNION SELECT seq FROM refunded)
          AND (day, time_ms, seq) < (?2, ?3, ?4)
        ORDER BY day DESC, time_ms DESC, seq DESC
        LIMIT ?5";
    let bound = "
        SELECT day, time_ms, seq
        FROM transactions
        WHERE seq = ?1";
    let place = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let before = connection.prepare_cached(bound)?.query_one([page.before], place).optional()?;
    let (day, time, seq): (i64, i64, i64) = before.unwrap_or((i64::MAX, i64::MAX, i64::MAX));
    let last = page.last.map_or(-1, i64::from);
    let mut days = BTreeSet::new();
    let line = |row: &Row<'_>| {
        let seq = row.get(0)?;
        days.insert(row.get(6)?);
        Ok(StatementLine {
            seq,
            source: row.get(1)?,
            id: row.get(2)?,
            member: column::name(row, 3)?,
            time: column::instant(row, 4)?,
            spend_minor: row.get(5)?,
            lots: Vec::new(),
            moves: moves(&log::postings(connection, seq)?, member),
        })
    };
    let rows = params![member.as_str(), day, time, seq, last, number];
    let mut lines: Vec<StatementLine> =
        connection.prepare_cached(sql)?.query_map(rows, line)?.collect::<Result<_>>()?;
    lines.reverse();
    let mut lots = lots_by_seq(connection, number, &days)?;
    for line in &mut lines {
        line.lots = lots.remove(&line.seq).unwrap_or_default();
    }
    Ok(lines)
}

/// Returns a member's lots of the days from the first to the last, by the entry that opened them.
fn lots_by_seq(
    connection: &Connection,
    member: i64,
    days: &BTreeSet<i32>,
) -> Result<BTreeMap<u64, Vec<Lot>>> {
    let sql = concat!(
        "SELECT seq, ",
        named_lot_columns!(),
        "
        FROM members AS owners
        CROSS JOIN lots ON lots.member = owners.number
        WHERE owners.number = ?1
          AND day BETWEEN ?2 AND ?3"
    );
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![member, days.first(), days.last()])?;
    let (mut by_seq, mut lots) = (BTreeMap::<u64, Vec<Lot>>::new(), Lots::default());
    while let Some(row) = rows.next()? {
        by_seq.entry(row.get(0)?).or_default().push(lots.read(row, 1)?);
    }
    by_seq.values_mut().for_each(|lots| sort(lots));
    Ok(by_seq)
}

/// Returns members in the order of their names.
pub(super) fn all(connection: &Connection, after: Option<&MemberId>, limit: usize) -> Result<Vec<MemberId>> {
    let sql = "SELECT member FROM members WHERE member > ?1 ORDER BY member LIMIT ?2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let after = after.map_or("", |after| after.as_str());
    connection.prepare_cached(sql)?.query_map((after, limit), |row| column::name(row, 0))?.collect()
}

/// Returns members for whom time did something by an instant that no entry says yet. Looks at the lots of each: an index of
/// when they end would cost every purchase a page, to save a night's work seconds.
pub(super) fn due(
    connection: &Connection,
    at: Instant,
    after: Option<&MemberId>,
    limit: usize,
) -> Result<Vec<MemberId>> {
    let sql = "
        SELECT member
        FROM members
        WHERE member > ?2
          AND (
            EXISTS (
              SELECT 1
              FROM lots
              WHERE lots.member = members.number
                AND remaining > 0
                AND expires_ms <= ?1
                AND notice < 2
            )
            OR holding AND EXISTS (
              SELECT 1
              FROM redemption_lots
              JOIN redemptions USING (redemption)
              WHERE redemption_lots.member = members.number
                AND released + captured < held
                AND until_ms <= ?1
            )
          )
        ORDER BY member
        LIMIT ?3";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let after = after.map_or("", |after| after.as_str());
    connection
        .prepare_cached(sql)?
        .query_map((at.millis(), after, limit), |row| column::name(row, 0))?
        .collect()
}
