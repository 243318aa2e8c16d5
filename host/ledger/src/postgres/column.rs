//! Rows and values of PostgreSQL.

use std::error::Error as StdError;

use bytes::BytesMut;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::failure::Misfit;
use crate::column;

type Conversion<T> = Result<T, Box<dyn StdError + Sync + Send>>;

impl column::Row for Row {
    type Error = Misfit;

    fn text(&self, column: usize) -> Result<&str, Misfit> {
        get(self, column)
    }

    fn text_or_null(&self, column: usize) -> Result<Option<&str>, Misfit> {
        get(self, column)
    }

    fn number(&self, column: usize) -> Result<i64, Misfit> {
        get(self, column).map(|Number(number)| number)
    }

    fn number_or_null(&self, column: usize) -> Result<Option<i64>, Misfit> {
        get(self, column).map(|number: Option<Number>| number.map(|Number(number)| number))
    }

    fn bytes(&self, column: usize) -> Result<&[u8], Misfit> {
        get(self, column)
    }

    fn misfit(column: usize, why: impl Into<Box<dyn StdError + Send + Sync>>) -> Misfit {
        Misfit { column, source: why.into() }
    }
}

fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Misfit> {
    row.try_get(column).map_err(|error| Misfit { column, source: error.into() })
}

/// A number of whatever width, or a flag.
struct Number(i64);

impl<'a> FromSql<'a> for Number {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Conversion<Self> {
        let number = match *kind {
            Type::BOOL => bool::from_sql(kind, raw)?.into(),
            Type::INT4 => i32::from_sql(kind, raw)?.into(),
            _ => i64::from_sql(kind, raw)?,
        };
        Ok(Self(number))
    }

    fn accepts(kind: &Type) -> bool {
        [Type::BOOL, Type::INT4, Type::INT8].contains(kind)
    }
}

/// An unsigned number. One that does not fit its column is an error, not a wrapped number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsigned(pub(super) u64);

impl ToSql for Unsigned {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Conversion<IsNull> {
        i64::try_from(self.0)?.to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        <i64 as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

/// Returns what a row is about: its first column counts the things that were named, from 1.
pub(super) fn at<'a, T>(named: &'a [T], row: &Row) -> Result<&'a T, Misfit> {
    let place = place(row)?;
    named.get(place).ok_or_else(|| <Row as column::Row>::misfit(0, format!("nothing was named {place}")))
}

/// Returns the place, from 0, of what a row is about.
pub(super) fn place(row: &Row) -> Result<usize, Misfit> {
    let place: usize = column::count(row, 0)?;
    Ok(place.saturating_sub(1))
}

/// Returns what a row is about, to be filled.
pub(super) fn at_mut<'a, T>(named: &'a mut [T], row: &Row) -> Result<&'a mut T, Misfit> {
    let place = place(row)?;
    named.get_mut(place).ok_or_else(|| <Row as column::Row>::misfit(0, format!("nothing was named {place}")))
}
