//! What can go wrong around an event. What goes wrong inside a policy is a fault, and no error.

use std::path::PathBuf;

use jifen_engine::PolicyError;
use jifen_ledger::LedgerError;
use jifen_loyalty::DeploymentId;
use jifen_loyalty::program::InvalidProgram;
use jifen_loyalty::receipt::InvalidReceipt;

use crate::active::Pins;

/// Why a command cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HostError {
    /// The program file is wrong.
    #[error("{0}")]
    Program(InvalidProgram),
    /// A deployment's policy cannot be found.
    #[error("line {line}: deployment {id}")]
    Deployment {
        line: usize,
        id: DeploymentId,
        #[source]
        source: ReleaseError,
    },
    /// A deployment's policy cannot be used.
    #[error("line {line}: deployment {id}")]
    Policy {
        line: usize,
        id: DeploymentId,
        #[source]
        source: PolicyError,
    },
    /// A release cannot be found.
    #[error(transparent)]
    Release(ReleaseError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A receipt is none.
    #[error(transparent)]
    Receipt(InvalidReceipt),
    /// A receipt names a program that the ledger does not have.
    #[error("the ledger has no program {digest}, which a receipt names")]
    UnknownProgram { digest: String },
    /// The tables of this build are not those that decided then.
    #[error(
        "program {digest} was decided with calendars {}, time zones {}, and this build has {}, {}; use the build of that time",
        then.calendars, then.timezones, now.calendars, now.timezones
    )]
    OtherTables { digest: String, then: Box<Pins>, now: Box<Pins> },
    /// Other hosts change the same members or budgets faster than this one can decide.
    #[error(
        "the ledger changed under the same events {tries} times in a row; try again when fewer hosts write"
    )]
    Contention { tries: usize },
}

/// Why a release cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReleaseError {
    /// Nothing has that name or digest.
    #[error("there is no policy {policy} in {folder:?} ({offer}); build it there or mend the name")]
    NotFound { policy: String, folder: PathBuf, offer: String },
    /// The file is too large, or cannot be read.
    #[error(transparent)]
    Unreadable(#[from] PolicyError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}
