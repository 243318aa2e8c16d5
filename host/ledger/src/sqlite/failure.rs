//! Failures: what SQLite says, told as what it means for a ledger. By extended code, never by words.

use std::sync::Arc;

use rusqlite::{Error, ffi};

use super::file::File;
use crate::{LedgerError, Place, StoreError};

/// Why something was not done.
pub(super) enum Stop {
    /// What was asked for cannot be. Others in the same transaction go on.
    Asked(LedgerError),
    /// The store failed, and with it the whole transaction.
    Store(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<LedgerError> for Stop {
    fn from(error: LedgerError) -> Self {
        Self::Asked(error)
    }
}

impl Stop {
    pub(super) fn explain(self, file: &File, doing: &'static str) -> LedgerError {
        match self {
            Self::Asked(error) => error,
            Self::Store(error) => explain(file, doing, error),
        }
    }
}

/// Returns what an error means that SQLite gave while `doing` something with a file.
pub(super) fn explain(file: &File, doing: &'static str, error: Error) -> LedgerError {
    let (place, code) = (file.place(), code(&error));
    let source: StoreError = Arc::new(error);
    match code & 0xff {
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => LedgerError::Busy { place, source },
        ffi::SQLITE_READONLY | ffi::SQLITE_PERM => {
            let mend = "make the file and its directory writable";
            LedgerError::ReadOnly { place, mend, source }
        }
        ffi::SQLITE_FULL => LedgerError::Full { place, source },
        ffi::SQLITE_NOTADB => LedgerError::NotALedger { place },
        ffi::SQLITE_CORRUPT | ffi::SQLITE_MISMATCH => LedgerError::Damaged { place, source },
        ffi::SQLITE_CANTOPEN => cannot_open(place, source),
        _ => LedgerError::Store { place, doing, source },
    }
}

/// Returns what an error of COMMIT means. A flush that failed may still have reached the disk, and a statement that was
/// interrupted may have done its work: unless SQLite says that there was no way to write, nobody knows.
pub(super) fn explain_commit(file: &File, error: Error) -> LedgerError {
    match code(&error) & 0xff {
        ffi::SQLITE_BUSY | ffi::SQLITE_FULL | ffi::SQLITE_READONLY => explain(file, "commit to", error),
        _ => LedgerError::Uncertain { place: file.place(), source: Arc::new(error) },
    }
}

pub(super) fn cannot_open(place: Place, source: StoreError) -> LedgerError {
    let mend = "its directory must exist and be writable";
    LedgerError::CannotOpen { place, mend, source: Some(source) }
}

/// Returns SQLite's extended code. A column that does not hold what it should counts as a damaged file.
fn code(error: &Error) -> i32 {
    let misfit = matches!(
        error,
        Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..)
    );
    let other = if misfit { ffi::SQLITE_MISMATCH } else { ffi::SQLITE_ERROR };
    error.sqlite_error().map_or(other, |failure| failure.extended_code)
}
