//! Columns: from what SQLite stores to what the domain means. What does not fit is an error of the file.

use std::borrow::Borrow;
use std::collections::BTreeSet;

use jifen_loyalty::clawback::Debt;
use jifen_loyalty::lot::{Issuer, LotId};
use jifen_loyalty::posting::{Kind, Posting, parse_debt, parse_held};
use jifen_loyalty::{DeploymentId, Instant, Lot, MemberId, Points, RedemptionId, UnitId};
use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};

/// Reads a name, such as a member's.
pub(super) fn name<T: for<'a> From<&'a str>>(row: &Row<'_>, column: usize) -> Result<T> {
    text(row, column).map(T::from)
}

pub(super) fn points(row: &Row<'_>, column: usize) -> Result<Points> {
    let number: i64 = row.get(column)?;
    let points = u64::try_from(number).ok().and_then(Points::new);
    points.ok_or(Error::IntegralValueOutOfRange(column, number))
}

pub(super) fn instant(row: &Row<'_>, column: usize) -> Result<Instant> {
    row.get(column).map(Instant::from_millis)
}

/// The columns of a lot, for a SELECT from a table.
macro_rules! lot_columns {
    ($table:ident) => {
        lot_columns!(@ $table: origin, version, award, unit, issuer, deployment, day, earned_ms, points, remaining, reversed,
            expired, available_ms, expires_ms)
    };
    (@ $table:ident: $first:ident $(, $column:ident)*) => {
        concat!(stringify!($table), ".", stringify!($first) $(, ", ", stringify!($table), ".", stringify!($column))*)
    };
}
pub(super) use lot_columns;

/// Reads lots. They share a few names of units and deployments, and each is made once.
#[derive(Default)]
pub(super) struct Lots {
    origins: BTreeSet<MemberId>,
    units: BTreeSet<UnitId>,
    deployments: BTreeSet<DeploymentId>,
}

impl Lots {
    /// Reads the columns of [`lot_columns`].
    pub(super) fn read(&mut self, row: &Row<'_>, first: usize) -> Result<Lot> {
        let [
            origin,
            version,
            award,
            unit,
            issuer,
            deployment,
            day,
            earned,
            points,
            remaining,
            reversed,
            expired,
            available,
            expires,
        ] = std::array::from_fn(|n| first.saturating_add(n));
        Ok(Lot {
            id: LotId {
                member: once(&mut self.origins, text(row, origin)?),
                version: row.get(version)?,
                award: row.get(award)?,
            },
            unit: once(&mut self.units, text(row, unit)?),
            issuer: self::issuer(row, issuer)?,
            deployment: once(&mut self.deployments, text(row, deployment)?),
            day: row.get(day)?,
            earned_at: instant(row, earned)?,
            points: self::points(row, points)?,
            remaining: self::points(row, remaining)?,
            reversed: self::points(row, reversed)?,
            expired: self::points(row, expired)?,
            available_at: instant(row, available)?,
            expires_at: row.get::<_, Option<i64>>(expires)?.map_or(Instant::NEVER, Instant::from_millis),
        })
    }
}

/// Reads a lot's name: origin, version, award.
pub(super) fn lot_id(row: &Row<'_>, first: usize) -> Result<LotId> {
    let [origin, version, award] = std::array::from_fn(|n| first.saturating_add(n));
    Ok(LotId { member: name(row, origin)?, version: row.get(version)?, award: row.get(award)? })
}

fn once<T: Borrow<str> + Clone + Ord + for<'a> From<&'a str>>(known: &mut BTreeSet<T>, name: &str) -> T {
    if let Some(name) = known.get(name) {
        return name.clone();
    }
    let name = T::from(name);
    known.insert(name.clone());
    name
}

/// Returns the column of an instant at which something ends: NULL for never.
pub(super) fn end(instant: Instant) -> Option<i64> {
    (instant != Instant::NEVER).then_some(instant.millis())
}

/// Reads what a member owes: unit, issuer, points.
pub(super) fn debt(row: &Row<'_>) -> Result<Debt> {
    Ok(Debt { unit: name(row, 0)?, issuer: issuer(row, 1)?, points: points(row, 2)? })
}

/// Reads what an account says that a member owes: account, unit, points.
pub(super) fn debt_account(row: &Row<'_>) -> Result<(MemberId, Debt)> {
    let account = text(row, 0)?;
    let read = parse_debt(account);
    let (issuer, debtor) = read.ok_or_else(|| wrong(0, Type::Text, format!("{account:?} is no debt")))?;
    Ok((debtor, Debt { unit: name(row, 1)?, issuer, points: points(row, 2)? }))
}

/// Reads the redemption of an account that holds points.
pub(super) fn held_account(row: &Row<'_>) -> Result<RedemptionId> {
    let account = text(row, 0)?;
    let read = parse_held(account).map(|(redemption, _)| redemption);
    read.ok_or_else(|| wrong(0, Type::Text, format!("{account:?} is no hold")))
}

/// Reads a posting: kind, account, unit, points, lot.
pub(super) fn posting(row: &Row<'_>) -> Result<Posting> {
    let kind = text(row, 0)?;
    let kind = Kind::parse(kind).ok_or_else(|| wrong(0, Type::Text, format!("{kind:?} is no kind")))?;
    let lot = row.get_ref(4)?.as_str_or_null().map_err(|error| wrong(4, Type::Text, error))?;
    let read = |lot| LotId::parse(lot).ok_or_else(|| wrong(4, Type::Text, format!("{lot:?} is no lot")));
    Ok(Posting {
        kind,
        account: row.get(1)?,
        unit: name(row, 2)?,
        points: row.get(3)?,
        lot: lot.map(read).transpose()?,
    })
}

fn issuer(row: &Row<'_>, column: usize) -> Result<Issuer> {
    let account = text(row, column)?;
    Issuer::parse(account).ok_or_else(|| wrong(column, Type::Text, format!("{account:?} is no issuer")))
}

fn text<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str> {
    row.get_ref(column)?.as_str().map_err(|error| wrong(column, Type::Text, error))
}

fn wrong(column: usize, kind: Type, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::FromSqlConversionFailure(column, kind, error.into())
}
