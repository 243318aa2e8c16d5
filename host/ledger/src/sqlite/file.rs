//! The file: what it must be before we touch it, how it is begun, and how connections to it are set up.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Error, ErrorCode, OpenFlags, TransactionBehavior};

use super::failure::explain;
use crate::{LedgerError, Place};

/// How long a write waits for another process before it gives up.
pub(super) const BUSY_WAIT: Duration = Duration::from_secs(10);

/// How often a file is tried that others begin at the same time.
const BEGIN_ATTEMPTS: usize = 100;

/// Marks the file as ours: "Jife" in ASCII.
const APPLICATION_ID: i32 = 0x4A69_6665;

/// The schema, step by step. A file has taken as many steps as its `user_version` says; steps are only ever added.
const STEPS: [&str; 8] = [
    include_str!("schema.sql"),
    include_str!("changes.sql"),
    include_str!("publications.sql"),
    include_str!("announcements.sql"),
    include_str!("keys.sql"),
    include_str!("quotes.sql"),
    include_str!("signers.sql"),
    include_str!("overrides.sql"),
];

// Pages of 4 KiB: pages of 16 KiB were worth 10 to 30 % in large batches and cost 25 % one at a time.
const WRITER: &str = "
    PRAGMA page_size = 4096;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -65536;
";
const READER: &str = "
    PRAGMA query_only = ON;
    PRAGMA cache_size = -16384;
";

/// Statements that a connection keeps compiled: all that we have.
const STATEMENTS: usize = 64;

/// The file that a ledger lies in.
#[derive(Clone, Debug)]
pub(super) struct File(Arc<Path>);

/// What lies at a path.
enum Found {
    /// Nothing yet.
    Blank,
    /// A ledger that has taken so many steps.
    Ledger(usize),
}

impl File {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.into())
    }

    pub(super) fn place(&self) -> Place {
        Place::File(self.0.to_path_buf())
    }

    /// Opens the connection that writes, and begins the ledger or brings it up to date.
    pub(super) fn open_or_begin(&self) -> Result<Connection, LedgerError> {
        if self.0.is_dir() {
            return Err(self.cannot_open("it is a directory; name a file in it"));
        }
        let mut connection =
            self.connect(OpenFlags::SQLITE_OPEN_CREATE).map_err(|error| self.unopened(error))?;
        self.identify(&connection)?;
        set_up_writer(&connection).map_err(|error| self.unopened(error))?;
        self.migrate(&mut connection)?;
        Ok(connection)
    }

    /// Opens the connection that folds the log of the one that writes.
    pub(super) fn open_to_fold(&self) -> Result<Connection, LedgerError> {
        let connection = self.connect(OpenFlags::empty()).map_err(|error| self.unopened(error))?;
        // A connection that never read anything knows of no log.
        self.identify(&connection).map(|_| connection)
    }

    /// Sets a connection up for a ledger that is thrown away: nothing is flushed, nor folded at the end.
    pub(super) fn let_go(&self, connection: &Connection) -> Result<(), LedgerError> {
        let set = connection.execute_batch("PRAGMA synchronous = OFF");
        let set =
            set.and_then(|()| connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true));
        set.map(drop).map_err(|error| self.unopened(error))
    }

    /// Opens a connection that reads.
    pub(super) fn open_reader(&self) -> Result<Connection, LedgerError> {
        let open = || {
            let connection = self.connect(OpenFlags::empty())?;
            connection.execute_batch(READER).map(|()| connection)
        };
        open().map_err(|error| self.unopened(error))
    }

    /// Opens a connection that reads all of what must be a ledger.
    pub(super) fn open_to_copy(&self) -> Result<Connection, LedgerError> {
        let connection = self.open_reader()?;
        match self.identify(&connection)? {
            Found::Ledger(_) => Ok(connection),
            Found::Blank => Err(LedgerError::NotALedger { place: self.place() }),
        }
    }

    fn connect(&self, more: OpenFlags) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
        let connection = Connection::open_with_flags(&self.0, flags)?;
        connection.busy_timeout(BUSY_WAIT)?;
        // A plan does not depend on what is bound. Else ranges over days are planned anew each time they are asked.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    }

    /// Takes the steps that the file has not taken yet, all of them or none.
    fn migrate(&self, connection: &mut Connection) -> Result<(), LedgerError> {
        let explain = |error| self.unopened(error);
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(explain)?;
        // Looked at again under the lock: another process may have begun the same file meanwhile.
        let taken = match self.identify(&transaction)? {
            Found::Blank => 0,
            Found::Ledger(steps) => steps,
        };
        let steps = STEPS.iter().skip(taken).try_for_each(|step| transaction.execute_batch(step));
        let marked = steps.and_then(|()| {
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", STEPS.len())
        });
        marked.and_then(|()| transaction.commit()).map_err(explain)
    }

    /// Looks at the marks of the file and writes nothing.
    fn identify(&self, connection: &Connection) -> Result<Found, LedgerError> {
        // One statement, so one state of the file: another process may be beginning it.
        let sql = "
            SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
            FROM pragma_application_id, pragma_user_version";
        let marks = connection.query_one(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        let known = u32::try_from(STEPS.len()).expect("there are few steps");
        match marks.map_err(|error| self.unopened(error))? {
            (APPLICATION_ID, found, _) if found > known => {
                Err(LedgerError::Newer { place: self.place(), found, known })
            }
            (APPLICATION_ID, found, _) => Ok(Found::Ledger(usize::try_from(found).unwrap_or(usize::MAX))),
            (0, 0, 0_u64) => Ok(Found::Blank),
            _ => Err(LedgerError::NotALedger { place: self.place() }),
        }
    }

    fn unopened(&self, error: Error) -> LedgerError {
        explain(self, "open", error)
    }

    fn cannot_open(&self, mend: &'static str) -> LedgerError {
        LedgerError::CannotOpen { place: self.place(), mend, source: None }
    }
}

/// Sets up the connection that writes. SQLite does not wait when two begin a file at once and both want to give it its
/// write-ahead log, so this does: whoever loses waits for the lock and finds that it is done.
fn set_up_writer(connection: &Connection) -> rusqlite::Result<()> {
    for _ in 0..BEGIN_ATTEMPTS {
        match connection.execute_batch(WRITER) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
            }
            done => return done,
        }
    }
    connection.execute_batch(WRITER)
}
