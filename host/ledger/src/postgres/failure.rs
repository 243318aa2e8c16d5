//! Failures: what PostgreSQL says, told as what it means for a ledger. By SQLSTATE, never by words.

use std::error::Error as _;
use std::io;
use std::sync::Arc;

use tokio_postgres::Error;
use tokio_postgres::error::{Severity, SqlState};

use crate::{LedgerError, Place, StoreError};

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Stop {
    /// What was asked for cannot be.
    Asked(LedgerError),
    /// The store failed, and with it the whole transaction.
    Store(Error),
    /// A column does not hold what it should.
    Misfit(Misfit),
    /// A statement did not meet the rows that it must: what was decided was decided on something else.
    Missed { sql: &'static str, rows: Option<u64>, written: u64 },
}

/// A column that does not hold what it should.
#[derive(Debug, thiserror::Error)]
#[error("column {column} does not hold what it should")]
pub(crate) struct Misfit {
    pub(super) column: usize,
    pub(super) source: Box<dyn std::error::Error + Send + Sync>,
}

/// A statement that did not meet the rows that it must.
#[derive(Debug, thiserror::Error)]
#[error("{written} rows were met of {rows}: {sql}")]
struct Missed {
    sql: &'static str,
    rows: u64,
    written: u64,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<Misfit> for Stop {
    fn from(misfit: Misfit) -> Self {
        Self::Misfit(misfit)
    }
}

impl From<LedgerError> for Stop {
    fn from(error: LedgerError) -> Self {
        Self::Asked(error)
    }
}

impl Stop {
    /// Returns whether the connection was lost. What was not committed then is not there.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Store(error) if is_lost(error))
    }

    pub(super) fn explain(self, place: &Place, doing: &'static str) -> LedgerError {
        match self {
            Self::Asked(error) => error,
            Self::Store(error) => explain(place, doing, error),
            Self::Misfit(misfit) => LedgerError::Damaged { place: place.clone(), source: Arc::new(misfit) },
            Self::Missed { sql, rows, written } => {
                let missed = Missed { sql, rows: rows.unwrap_or_default(), written };
                LedgerError::Store { place: place.clone(), doing, source: Arc::new(missed) }
            }
        }
    }
}

/// Returns what an error means that PostgreSQL gave while `doing` something with a ledger.
pub(super) fn explain(place: &Place, doing: &'static str, error: Error) -> LedgerError {
    let (place, code, lost) = (place.clone(), error.code().cloned(), is_lost(&error));
    let source: StoreError = Arc::new(error);
    match code {
        _ if lost => LedgerError::Unreachable { place, source },
        Some(code) => explain_code(place, doing, &code, source),
        None => LedgerError::Store { place, doing, source },
    }
}

fn explain_code(place: Place, doing: &'static str, code: &SqlState, source: StoreError) -> LedgerError {
    let cannot_open =
        |mend| LedgerError::CannotOpen { place: place.clone(), mend, source: Some(source.clone()) };
    match code.code() {
        // lock_not_available, deadlock_detected, serialization_failure
        "55P03" | "40P01" | "40001" => LedgerError::Busy { place, source },
        // disk_full
        "53100" => LedgerError::Full { place, source },
        // read_only_sql_transaction
        "25006" => {
            let mend = "connect to the server that takes writes";
            LedgerError::ReadOnly { place, mend, source }
        }
        // data_corrupted, index_corrupted
        "XX001" | "XX002" => LedgerError::Damaged { place, source },
        // duplicate_table
        "42P07" => LedgerError::NotALedger { place },
        // invalid_authorization_specification, invalid_password
        "28000" | "28P01" => cannot_open(
            "see that user, password and pg_hba.conf let it in; connections are encrypted with sslmode=require alone",
        ),
        // invalid_catalog_name
        "3D000" => cannot_open("create the database"),
        // invalid_schema_name
        "3F000" => cannot_open("create the schema that search_path names"),
        // insufficient_privilege
        "42501" => {
            cannot_open("the user must be allowed to create tables in the schema, and to read and write them")
        }
        _ => LedgerError::Store { place, doing, source },
    }
}

/// Returns what an error of COMMIT means. Where the server says that it did not commit, it did not; where it went away
/// over it, nobody knows.
pub(super) fn explain_commit(place: &Place, error: Error) -> LedgerError {
    let refused = error.as_db_error().is_some_and(|said| said.parsed_severity() == Some(Severity::Error));
    if refused {
        return explain(place, "commit to", error);
    }
    LedgerError::Uncertain { place: place.clone(), source: Arc::new(error) }
}

/// Returns whether an error means that there is no connection, or that the server lets nobody in now.
fn is_lost(error: &Error) -> bool {
    let by_code = error.code().is_some_and(|code| {
        // connection_exception; admin_shutdown, crash_shutdown, cannot_connect_now; too_many_connections
        code.code().starts_with("08") || code.code().starts_with("57P0") || code.code() == "53300"
    });
    by_code || error.is_closed() || error.source().is_some_and(|source| source.is::<io::Error>())
}
