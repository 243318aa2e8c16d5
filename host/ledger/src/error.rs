//! Errors: what can be wrong with a ledger, and what to do about it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use jifen_loyalty::{DeploymentId, MemberId};

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
    /// The file is something else. It was not touched.
    #[error("{} is not a Jifen ledger; name another file, or one that does not exist to begin a ledger", path.display())]
    NotALedger {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a later version. It was not touched.
    #[error("{} has schema {found}, this version knows up to {known}; open it with the version that wrote it", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema that this version can read.
        known: u32,
    },
    /// The file cannot be opened or begun.
    #[error("cannot open ledger {}; {mend}", path.display())]
    CannotOpen {
        /// The file.
        path: PathBuf,
        /// What would do.
        mend: &'static str,
        /// What SQLite said, if it was asked.
        #[source]
        source: Option<Arc<rusqlite::Error>>,
    },
    /// The file or its directory cannot be written.
    #[error("ledger {} is read-only; make the file and its directory writable", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: Arc<rusqlite::Error>,
    },
    /// Another process held the lock for longer than we wait.
    #[error("ledger {} is locked by another process; end it, or try again", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: Arc<rusqlite::Error>,
    },
    /// There is no room.
    #[error("the disk of ledger {} is full; make room and try again", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: Arc<rusqlite::Error>,
    },
    /// The file does not hold what a ledger holds.
    #[error("ledger {} is damaged; restore it from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: Arc<rusqlite::Error>,
    },
    /// A number would leave its column. Nothing was written.
    #[error("{total} would exceed what a ledger can hold")]
    Overflow {
        /// Which.
        total: Total,
    },
    /// The store failed while it made a transaction durable: it may be there or not. Sending the same again is safe.
    #[error("the last entries may or may not be in ledger {}; send them again", path.display())]
    Uncertain {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: Arc<rusqlite::Error>,
    },
    /// The writer is gone after a bug of ours. What was acknowledged is safe.
    #[error("the writer of ledger {} has stopped; open the ledger again", path.display())]
    Stopped {
        /// The file.
        path: PathBuf,
    },
    /// Anything else that SQLite may say.
    #[error("cannot {doing} ledger {}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What was to be done, such as `read`.
        doing: &'static str,
        /// What SQLite said.
        source: Arc<rusqlite::Error>,
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
            Self::Busy { .. } | Self::Full { .. } | Self::Uncertain { .. } => true,
            Self::Url { .. }
            | Self::NotALedger { .. }
            | Self::Newer { .. }
            | Self::CannotOpen { .. }
            | Self::ReadOnly { .. }
            | Self::Damaged { .. }
            | Self::Overflow { .. }
            | Self::Stopped { .. }
            | Self::Sqlite { .. } => false,
        }
    }
}
