//! Rows of SQLite.

use std::error::Error as StdError;

use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Error, Result, Row};

use crate::column;

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
