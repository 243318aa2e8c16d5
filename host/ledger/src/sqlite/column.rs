//! Rows of SQLite.

use std::error::Error as StdError;

use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Error, Result, Row};

use crate::column;

/// The name of the member after whom a lot is named, for a SELECT from `members AS owners` and the `lots` of each: nearly
/// always the owner's.
macro_rules! origin {
    () => {
        "iif(
          lots.origin = owners.number,
          owners.member,
          coalesce(
            (SELECT origins.member FROM members AS origins WHERE origins.number = lots.origin),
            '#' || lots.origin
          )
        )"
    };
}
pub(super) use origin;

/// The columns of a lot, for the same SELECT.
macro_rules! named_lot_columns {
    () => {
        $crate::column::lot_columns!($crate::sqlite::column::origin!())
    };
}
pub(super) use named_lot_columns;

impl column::Row for Row<'_> {
    type Error = Error;

    fn text(&self, column: usize) -> Result<&str> {
        self.get_ref(column)?.as_str().map_err(|error| not(Type::Text, column, error))
    }

    fn text_or_null(&self, column: usize) -> Result<Option<&str>> {
        self.get_ref(column)?.as_str_or_null().map_err(|error| not(Type::Text, column, error))
    }

    fn number(&self, column: usize) -> Result<i64> {
        self.get(column)
    }

    fn number_or_null(&self, column: usize) -> Result<Option<i64>> {
        self.get(column)
    }

    fn bytes(&self, column: usize) -> Result<&[u8]> {
        self.get_ref(column)?.as_blob().map_err(|error| not(Type::Blob, column, error))
    }

    fn misfit(column: usize, why: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        Error::FromSqlConversionFailure(column, Type::Null, why.into())
    }
}

fn not(kind: Type, column: usize, error: FromSqlError) -> Error {
    Error::FromSqlConversionFailure(column, kind, error.into())
}
