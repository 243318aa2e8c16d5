//! What can go wrong around an event. What goes wrong inside a policy is a fault, and no error.

use std::path::PathBuf;

use jifen_engine::PolicyError;
use jifen_engine::World;
use jifen_ledger::LedgerError;
use jifen_loyalty::program::InvalidProgram;
use jifen_loyalty::receipt::InvalidReceipt;
use jifen_loyalty::{DeploymentId, Fault, InvalidEvent};

use crate::active::Pins;
use crate::governor::TooSoon;

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
    /// A deployment's policy is of another world than its table is for.
    #[error(
        "line {line}: deployment {id}: its policy is of the world {}, and stands where one of {} is needed; move it to a \
         [[{}]]",
        found.name(), expected.name(), table(*found)
    )]
    World { line: usize, id: DeploymentId, found: World, expected: World },
    /// A release cannot be found.
    #[error(transparent)]
    Release(ReleaseError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// An event of the ledger is none.
    #[error("the ledger has an event that cannot be read: {0}")]
    Event(InvalidEvent),
    /// A receipt is none.
    #[error(transparent)]
    Receipt(InvalidReceipt),
    /// A receipt of the ledger is no JSON of a receipt.
    #[error("the ledger has a receipt that cannot be read: {0}")]
    Unreadable(serde_json::Error),
    /// A receipt names a program that the ledger does not have.
    #[error("the ledger has no program {digest}, which a receipt names")]
    UnknownProgram { digest: String },
    /// No such version was ever put to work.
    #[error("there is no version {version}; the last is {last}")]
    NoVersion { version: u64, last: u64 },
    /// Going back would change nothing.
    #[error("version {version} has the program that is at work")]
    SameProgram { version: u64 },
    /// Somebody would be awarded less, and nobody knows yet.
    #[error("{0}")]
    TooSoon(Box<TooSoon>),
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

impl HostError {
    /// Returns whether this machine or the ledger failed, and not what was asked of it: later, or elsewhere, it may be done.
    pub(crate) fn is_trouble(&self) -> bool {
        match self {
            Self::Ledger(_) | Self::Contention { .. } => true,
            // What was at work was compiled before: where the compiler died over it, this machine has other troubles.
            Self::Policy { source, .. } => !source.is_refusal() || matches!(source, PolicyError::Compile(_)),
            Self::Deployment { source, .. } | Self::Release(source) => match source {
                ReleaseError::Ledger(_) => true,
                ReleaseError::Unreadable(error) => !error.is_refusal(),
                ReleaseError::NotFound { .. } | ReleaseError::NotPublished { .. } => false,
            },
            Self::Program(_)
            | Self::World { .. }
            | Self::Event(_)
            | Self::Receipt(_)
            | Self::Unreadable(_)
            | Self::UnknownProgram { .. }
            | Self::NoVersion { .. }
            | Self::SameProgram { .. }
            | Self::TooSoon(_)
            | Self::OtherTables { .. } => false,
        }
    }
}

/// Why a release cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReleaseError {
    /// Nothing has that name or digest.
    #[error("there is no policy {policy} in {folder:?} ({offer}); build it there or mend the name")]
    NotFound { policy: String, folder: PathBuf, offer: String },
    /// Nothing of that name or digest was published.
    #[error(
        "the ledger has no policy {policy}; publish it first, mend the name, or name the version: without one, neither a merchant's nor a pre-release is meant"
    )]
    NotPublished { policy: String },
    /// The file is too large, or cannot be read.
    #[error(transparent)]
    Unreadable(#[from] PolicyError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Which rules were asked about an event that is refused, and how each failed that did.
#[derive(Debug)]
pub(crate) struct Answered {
    /// Source and id of the event, which may be sent again.
    pub(crate) event: (String, String),
    /// The digest of the program that deploys them.
    pub(crate) program: String,
    /// The deployments.
    pub(crate) deployments: Vec<(DeploymentId, Option<Fault>)>,
}

/// Why an event was not decided.
#[derive(Debug)]
pub(crate) enum Undecided {
    /// It cannot be applied, whoever tries; nothing of it is.
    Refused(InvalidEvent),
    /// The same, after rules were asked.
    Declined(InvalidEvent, Box<Answered>),
    /// The host failed. The event may be sent again.
    Failed(HostError),
}

impl From<InvalidEvent> for Undecided {
    fn from(refusal: InvalidEvent) -> Self {
        Self::Refused(refusal)
    }
}

impl From<HostError> for Undecided {
    fn from(error: HostError) -> Self {
        Self::Failed(error)
    }
}

impl From<LedgerError> for Undecided {
    fn from(error: LedgerError) -> Self {
        Self::Failed(error.into())
    }
}

/// Returns the table of a program file in which policies of a world are deployed.
fn table(world: World) -> &'static str {
    match world {
        World::Earning => "deployment",
        World::Redemption => "redemption",
        World::Campaign => "campaign",
    }
}
