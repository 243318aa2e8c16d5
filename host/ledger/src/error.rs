//! Errors: what can be wrong with a ledger, and what to do about it.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use jifen_loyalty::{DeploymentId, MemberId};

/// Where a ledger is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File(PathBuf),
    /// In a database, named by a URL without a password.
    Database(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Database(url) => f.write_str(url),
        }
    }
}

/// What a store said: an error of SQLite, of PostgreSQL or of the connection to it.
pub type StoreError = Arc<dyn Error + Send + Sync>;

/// Why the ledger could not do something. Callers that shared a transaction get copies of one error.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LedgerError {
    /// There is no such kind of ledger.
    #[error("no ledger can be opened at {url:?}: {mend}")]
    Url {
        /// What was asked for.
        url: String,
        /// What would do.
        mend: &'static str,
    },
    /// What is there is something else. It was not touched.
    #[error("{place} is not a Jifen ledger; name another place, or one where nothing is to begin a ledger")]
    NotALedger {
        /// Where.
        place: Place,
    },
    /// Something is where a copy is to be. It was not touched.
    #[error(
        "{place} is there, or what belongs to a file of that name (-wal, -shm, -journal); name a place where nothing is"
    )]
    Taken {
        /// Where.
        place: Place,
    },
    /// The ledger was written by a later version. It was not touched.
    #[error(
        "{place} has schema {found}, this version knows up to {known}; open it with the version that wrote it"
    )]
    Newer {
        /// Where.
        place: Place,
        /// Its schema.
        found: u32,
        /// The newest schema that this version can read.
        known: u32,
    },
    /// The ledger cannot be opened or begun.
    #[error("cannot open ledger {place}; {mend}")]
    CannotOpen {
        /// Where.
        place: Place,
        /// What would do.
        mend: &'static str,
        /// What the store said, if it was asked.
        #[source]
        source: Option<StoreError>,
    },
    /// The ledger cannot be written.
    #[error("ledger {place} is read-only; {mend}")]
    ReadOnly {
        /// Where.
        place: Place,
        /// What would do.
        mend: &'static str,
        /// What the store said.
        source: StoreError,
    },
    /// There is no connection to the server any more, or not yet. What was acknowledged is safe.
    #[error("ledger {place} cannot be reached; see that the server runs, and try again")]
    Unreachable {
        /// Where.
        place: Place,
        /// What became of the connection.
        source: StoreError,
    },
    /// Another process held the lock for longer than we wait.
    #[error("ledger {place} is locked by another process; end it, or try again")]
    Busy {
        /// Where.
        place: Place,
        /// What the store said.
        source: StoreError,
    },
    /// There is no room.
    #[error("the disk of ledger {place} is full; make room and try again")]
    Full {
        /// Where.
        place: Place,
        /// What the store said.
        source: StoreError,
    },
    /// What is there is not what a ledger holds.
    #[error("ledger {place} is damaged; restore it from a backup")]
    Damaged {
        /// Where.
        place: Place,
        /// What the store said.
        source: StoreError,
    },
    /// A number would leave its column. Nothing was written.
    #[error("{total} would exceed what a ledger can hold")]
    Overflow {
        /// Which.
        total: Total,
    },
    /// Another change of the program came first.
    #[error(
        "the program was changed meanwhile, the last version is {last}; see what it says, and make the change again"
    )]
    Superseded {
        /// The last version.
        last: u64,
    },
    /// The store failed while it made a transaction durable: it may be there or not. Sending the same again is safe.
    #[error("what was written last may or may not be in ledger {place}; send it again")]
    Uncertain {
        /// Where.
        place: Place,
        /// What the store said.
        source: StoreError,
    },
    /// The writer is gone after a bug of ours. What was acknowledged is safe.
    #[error("the writer of ledger {place} has stopped; open the ledger again")]
    Stopped {
        /// Where.
        place: Place,
    },
    /// Anything else that a store may say.
    #[error("cannot {doing} ledger {place}")]
    Store {
        /// Where.
        place: Place,
        /// What was to be done, such as `read`.
        doing: &'static str,
        /// What the store said.
        source: StoreError,
    },
}

/// A number that a ledger keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Total {
    /// What was granted from a deployment's budget.
    Budget(DeploymentId),
    /// What a member has of a unit.
    Balance(MemberId),
    /// A figure of a member's profile, or what a purchase of the member came to.
    Profile(MemberId),
    /// A lot of a member.
    Lot(MemberId),
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget(deployment) => write!(f, "the points granted by deployment {deployment}"),
            Self::Balance(member) => write!(f, "the balance of member {member}"),
            Self::Profile(member) => write!(f, "the purchases of member {member}"),
            Self::Lot(member) => write!(f, "a lot of member {member}"),
        }
    }
}

impl LedgerError {
    /// Returns whether the same call may succeed later without anything being mended in the request.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Busy { .. } | Self::Full { .. } | Self::Uncertain { .. } => true,
            Self::Url { .. }
            | Self::NotALedger { .. }
            | Self::Taken { .. }
            | Self::Newer { .. }
            | Self::CannotOpen { .. }
            | Self::ReadOnly { .. }
            | Self::Damaged { .. }
            | Self::Overflow { .. }
            | Self::Superseded { .. }
            | Self::Stopped { .. }
            | Self::Store { .. } => false,
        }
    }
}
