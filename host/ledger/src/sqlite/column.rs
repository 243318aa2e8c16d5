//! Columns: from what SQLite stores to what the domain means. What does not fit is an error of the file.

use std::borrow::Borrow;
use std::collections::BTreeSet;

use jifen_loyalty::lot::Issuer;
use jifen_loyalty::{DeploymentId, Instant, Lot, Points, UnitId};
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

/// Reads lots. They share a few names of units and deployments, and each is made once.
#[derive(Default)]
pub(super) struct Lots {
    units: BTreeSet<UnitId>,
    deployments: BTreeSet<DeploymentId>,
}

impl Lots {
    /// Reads eight columns: unit, issuer, deployment, day, points, remaining, available_ms, expires_ms.
    pub(super) fn read(&mut self, row: &Row<'_>, first: usize) -> Result<Lot> {
        let [unit, issuer, deployment, day, points, remaining, available, expires] =
            std::array::from_fn(|n| first.saturating_add(n));
        Ok(Lot {
            unit: once(&mut self.units, text(row, unit)?),
            issuer: self::issuer(row, issuer)?,
            deployment: once(&mut self.deployments, text(row, deployment)?),
            day: row.get(day)?,
            points: self::points(row, points)?,
            remaining: self::points(row, remaining)?,
            available_at: instant(row, available)?,
            expires_at: row.get::<_, Option<i64>>(expires)?.map_or(Instant::NEVER, Instant::from_millis),
        })
    }
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
