//! The ledger: the one thing that survives a restart.
//!
//! ```text
//! read(query) ──► snapshot ──► (evaluation, elsewhere) ──► entries ──► commit ──► places in the log
//! ```
//!
//! Whoever processes events takes one [`Snapshot`] of everything they need, decides without touching the ledger
//! again, and hands back [`Entry`]s that say what must still be true when they are written. The ledger checks exactly
//! that, in order, and writes a prefix: an entry that no longer holds is named by a [`Conflict`], and the caller
//! decides again on a fresh snapshot. So no lock is ever held while a policy runs.
//!
//! Three stores keep that promise and pass one suite of tests: [`Memory`], which is as plain as it can be and which
//! tests take as the truth; [`Sqlite`], which is durable in one file; and [`Postgres`], which is durable and shared by many
//! hosts.
//!
//! **Invariants:** an event is applied at most once · the postings of an entry sum to zero by unit before they reach
//! a store · a lot's remainder lies between nothing and its points · a member's version grows by one with every entry
//! that touches the member · what was acknowledged is there after a crash.

mod admission;
mod balances;
mod column;
mod entry;
mod error;
mod memory;
mod outbox;
mod pool;
mod postgres;
mod report;
mod snapshot;
mod sqlite;
mod stored;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "in a test an overflow is a failure like any other")]
mod tests;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use jifen_loyalty::{DeploymentId, Entry, Instant, MemberId, NoticeId, RedemptionId};

pub use entry::overflow;
pub use error::{LedgerError, Place, StoreError, Total};
pub use memory::Memory;
pub use outbox::Undelivered;
pub use postgres::Postgres;
pub use report::{Balance, Logged, Move, Page, StatementLine};
pub use snapshot::{
    Known, MemberQuery, Needs, Order, OrderQuery, Purchased, Query, RedeemedPart, Redemption,
    RedemptionQuery, Snapshot,
};
pub use sqlite::Sqlite;
pub use stored::Stored;

/// A SHA-256.
pub type Digest = [u8; 32];

/// A store of events, what was decided on them, and what members have from it.
pub trait Ledger: Send + Sync {
    /// Returns one consistent snapshot: everything that the evaluation of a batch of events needs.
    fn read(&self, query: &Query<'_>) -> Result<Snapshot, LedgerError>;

    /// Applies entries in their order, in one durable transaction, up to the first that no longer holds.
    ///
    /// Of each entry is checked, before anything of it is written and with the entries before it applied: its
    /// `(source, id)` is new; its members are at the versions it names; its order has as many entries as it names, and its
    /// uses of points as many steps; its budgets and stocks hold. The entries from the first conflict on are untouched.
    ///
    /// # Errors
    ///
    /// If the store fails or a total would leave its column: nothing of the batch is applied then, except where the
    /// error is [`LedgerError::Uncertain`]. Sending the same entries again is always safe.
    ///
    /// # Panics
    ///
    /// If the postings of an entry do not sum to zero. Nothing is written then.
    fn commit(&self, entries: Vec<Entry>) -> Result<Committed, LedgerError>;

    /// Keeps a program under the digest of its bytes. Keeping it again changes nothing.
    fn put_program(&self, digest: &Digest, body: &[u8]) -> Result<(), LedgerError>;

    /// Returns the program of that digest.
    fn program(&self, digest: &Digest) -> Result<Option<Vec<u8>>, LedgerError>;

    /// Keeps a release under the digest of its component. Keeping it again changes nothing.
    fn put_release(&self, release: &Release) -> Result<(), LedgerError>;

    /// Returns the release whose component has that digest.
    fn release(&self, digest: &Digest) -> Result<Option<Release>, LedgerError>;

    /// Gives a release that the ledger keeps a name, for ever. Where that name is given already, whatever it was given to, or
    /// the policy is another owner's, nothing changes.
    fn publish(&self, publication: &Publication) -> Result<(), LedgerError>;

    /// Returns what was published under a name.
    fn publication(&self, policy: &str, version: &str) -> Result<Option<Publication>, LedgerError>;

    /// Returns up to `limit` publications behind a policy and a version, in the order of the texts of both; of one owner alone, if
    /// one is named.
    fn publications(
        &self,
        owner: Option<&str>,
        after: (&str, &str),
        limit: usize,
    ) -> Result<Vec<Publication>, LedgerError>;

    /// Says that a program that the ledger keeps will be put to work. Where that was said already, nothing changes.
    fn announce(&self, announcement: &Announcement) -> Result<(), LedgerError>;

    /// Returns when it was first said that a program will be put to work.
    fn announcement(&self, program: &Digest) -> Result<Option<Announcement>, LedgerError>;

    /// Returns up to `limit` announcements, the latest first.
    fn announcements(&self, limit: usize) -> Result<Vec<Announcement>, LedgerError>;

    /// Keeps a key. Keeping one of that id again changes nothing.
    fn put_key(&self, key: &ApiKey) -> Result<(), LedgerError>;

    /// Returns the key of that id.
    fn key(&self, id: &str) -> Result<Option<ApiKey>, LedgerError>;

    /// Returns up to `limit` keys behind an id, in the order of their ids.
    fn keys(&self, after: &str, limit: usize) -> Result<Vec<ApiKey>, LedgerError>;

    /// Says that a key is of no use any longer. Of one that is of none already, the first time counts.
    fn revoke_key(&self, id: &str, at: Instant) -> Result<(), LedgerError>;

    /// Appends what a host was asked to do to its trail.
    fn put_step(&self, step: &TrailStep) -> Result<(), LedgerError>;

    /// Says how a step was answered. The first time counts.
    fn answer_step(&self, id: &str, status: u16) -> Result<(), LedgerError>;

    /// Returns up to `limit` steps of the trail behind a place, in order, with their places, which grow.
    fn trail(&self, after: u64, limit: usize) -> Result<Vec<(u64, TrailStep)>, LedgerError>;

    /// Keeps who signs releases. Where its public key is kept already, nothing changes, whomever it signs for.
    fn put_signer(&self, signer: &Signer) -> Result<(), LedgerError>;

    /// Returns the signer of that id.
    fn signer(&self, id: &str) -> Result<Option<Signer>, LedgerError>;

    /// Returns up to `limit` signers behind an id, in the order of their ids.
    fn signers(&self, after: &str, limit: usize) -> Result<Vec<Signer>, LedgerError>;

    /// Returns who signs or signed for a merchant, or for the platform.
    fn signers_of(&self, owner: Option<&str>) -> Result<Vec<Signer>, LedgerError>;

    /// Says that nothing that somebody signs is taken any longer. The first time counts.
    fn revoke_signer(&self, id: &str, at: Instant) -> Result<(), LedgerError>;

    /// Keeps a quote that holds, and forgets those that ended before a time.
    fn hold_quote(&self, quote: &HeldQuote, forget_before: Instant) -> Result<(), LedgerError>;

    /// Returns the quote of a token, by the token's digest.
    fn held_quote(&self, token: &Digest) -> Result<Option<HeldQuote>, LedgerError>;

    /// Puts a program to work that the ledger keeps: appends a change.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Superseded`] if its version is not the one after the last; nothing is changed then.
    fn change_program(&self, change: &ProgramChange) -> Result<(), LedgerError>;

    /// Returns up to `limit` changes of the program behind a version, in order.
    fn program_changes(&self, after: u64, limit: usize) -> Result<Vec<ProgramChange>, LedgerError>;

    /// Returns the last change of the program, the one that holds; `None` if no program was ever put to work here.
    fn last_program_change(&self) -> Result<Option<ProgramChange>, LedgerError>;

    /// Returns what waits for changes of the program. It does not keep the ledger.
    fn program_watch(&self) -> Box<dyn ProgramWatch> {
        Box::new(Untold)
    }

    /// Returns up to `limit` entries behind the place `after`, in order. The first entry's place is 1.
    fn log(&self, after: u64, limit: usize) -> Result<Vec<Logged>, LedgerError>;

    /// Returns up to `limit` receipts behind the place `after`, in order.
    fn receipts(&self, after: u64, limit: usize) -> Result<Vec<Vec<u8>>, LedgerError>;

    /// Returns the entries that name an order, in their order.
    fn order(&self, number: &str) -> Result<Vec<Logged>, LedgerError>;

    /// Returns the entry of that event.
    fn find(&self, source: &str, id: &str) -> Result<Option<Logged>, LedgerError>;

    /// Calls `each` with the balances at an instant of business time, ordered by member and unit.
    ///
    /// Only lots count whose event had happened by then; a member appears with every unit of such a lot, be all of it
    /// expired. `None` is the latest business time in the ledger.
    fn balances(
        &self,
        at: Option<Instant>,
        member: Option<&MemberId>,
        each: &mut dyn FnMut(Balance),
    ) -> Result<(), LedgerError>;

    /// Returns the events that happened to a member or moved points of the member's, by business day, time and place in the
    /// log, the latest last.
    fn statement(&self, member: &MemberId, page: Page) -> Result<Vec<StatementLine>, LedgerError>;

    /// Returns members in the order of their names, up to `limit` behind `after`.
    fn members(&self, after: Option<&MemberId>, limit: usize) -> Result<Vec<MemberId>, LedgerError>;

    /// Returns members for whom time did something by an instant that no entry says yet: who has something left of a lot that
    /// can no longer be spent then, or points that are held no longer. In the order of their names, up to `limit` behind
    /// `after`.
    fn due(&self, at: Instant, after: Option<&MemberId>, limit: usize) -> Result<Vec<MemberId>, LedgerError>;

    /// Returns uses of points that took of a deployment's stock of an item and hold it though they were held for as long as
    /// they could be, with the instant at which that was over; the first over first.
    fn lapsed(
        &self,
        deployment: &DeploymentId,
        item: &str,
        at: Instant,
    ) -> Result<Vec<(RedemptionId, Instant)>, LedgerError>;

    /// Returns notices that are not delivered yet, in their order, up to `limit` behind `after`; with an instant, only those that
    /// are to be tried by then. An entry puts its notices there as it is committed, to be tried from its event's time on, and the
    /// entry that says that one was delivered takes it out.
    fn undelivered(
        &self,
        due: Option<Instant>,
        after: NoticeId,
        limit: usize,
    ) -> Result<Vec<Undelivered>, LedgerError>;

    /// Keeps what became of attempts to deliver notices. Of one that is not there any longer, nothing is kept.
    fn keep_attempts(&self, tried: Vec<Undelivered>) -> Result<(), LedgerError>;

    /// Calls `each` with all sums that the store keeps beside its log, for an audit.
    fn stored(&self, each: &mut dyn FnMut(Stored)) -> Result<(), LedgerError>;

    /// Returns how many entries there are: the place of the last.
    fn length(&self) -> Result<u64, LedgerError>;

    /// Returns the latest business time of any event in the ledger, `None` if it is empty.
    fn latest_time(&self) -> Result<Option<Instant>, LedgerError>;
}

/// What a commit did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The places in the log of the entries that were applied, a prefix of what was sent.
    pub seqs: Vec<u64>,
    /// Why the next one was not; `None` if all of them were.
    pub conflict: Option<Conflict>,
}

/// What no longer held for an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The event is in the ledger.
    Duplicate {
        /// Its place in the log.
        seq: u64,
    },
    /// The member has moved since the snapshot.
    StaleMember {
        /// The version that the entry was decided on.
        expected: u64,
        /// The version now.
        found: u64,
    },
    /// The order has been completed or returned since the snapshot.
    StaleOrder {
        /// The entries that the decision was made on.
        expected: u64,
        /// The entries now.
        found: u64,
    },
    /// A use of points has moved on since the snapshot.
    StaleRedemption {
        /// Which.
        name: RedemptionId,
        /// The steps that the decision was made on.
        expected: u64,
        /// The steps now.
        found: u64,
    },
    /// There is no longer enough of an item.
    Stock {
        /// Whose stock.
        deployment: DeploymentId,
        /// Which item.
        item: String,
    },
    /// A budget no longer allows what was granted, or would now allow more.
    Budget {
        /// Whose.
        deployment: DeploymentId,
    },
}

/// That a program was put to work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramChange {
    /// Counts a ledger's changes, from 1.
    pub version: u64,
    /// The digest of the program, which the ledger keeps.
    pub program: Digest,
    /// When it was made, by the clock of who made it. It decides nothing.
    pub made_at: Instant,
    /// Who made it.
    pub who: String,
    /// Why.
    pub why: String,
    /// Whether whoever made it waived the notice that members have of awards that get less. Kept since schema 8.
    pub without_notice: bool,
}

/// A policy's component under a name and a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The SHA-256 of the component.
    pub digest: Digest,
    /// The policy's name.
    pub name: String,
    /// Its semantic version.
    pub version: String,
    /// The component.
    pub component: Vec<u8>,
}

/// The word that a program will be put to work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The program's digest.
    pub program: Digest,
    /// Since when it is known, by the clock of who said so.
    pub made_at: Instant,
    /// Who said so.
    pub who: String,
    /// Why it will be.
    pub why: String,
}

/// What somebody shows to be let in. The secret itself is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The part of it that is no secret.
    pub id: String,
    /// The SHA-256 of the secret.
    pub secret: Digest,
    /// What its holder may do.
    pub role: String,
    /// The merchant or the member whose it is, where the role is of one.
    pub scope: Option<String>,
    /// Who holds it, for people.
    pub name: String,
    /// Requests a second; 0 for as many as come.
    pub rate: u32,
    /// When it was made, by the clock of who made it.
    pub made_at: Instant,
    /// Since when it is of no use.
    pub revoked_at: Option<Instant>,
}

/// Who signs releases, for a merchant or for the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The first digits of the public key's SHA-256.
    pub id: String,
    /// The merchant; nothing for the platform.
    pub owner: Option<String>,
    /// Its Ed25519 public key.
    pub public_key: [u8; 32],
    /// Who holds the private one, for people.
    pub name: String,
    /// When it was added, by the clock of who did.
    pub made_at: Instant,
    /// Since when nothing more of it is taken.
    pub revoked_at: Option<Instant>,
}

/// Waits for changes of the program.
pub trait ProgramWatch: Send {
    /// Waits at most so long, less if the store tells that the program was changed, and returns whether it told. That it did not means
    /// nothing: whoever waits looks.
    fn wait(&mut self, at_most: Duration) -> bool;
}

/// The watch of a store that tells nobody.
struct Untold;

impl ProgramWatch for Untold {
    fn wait(&mut self, at_most: Duration) -> bool {
        thread::sleep(at_most);
        false
    }
}

/// A quote that holds for a while: the event is decided by the program of then, whichever is at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldQuote {
    /// The SHA-256 of the token, which is not kept itself.
    pub token: Digest,
    /// The program that was asked.
    pub program: Digest,
    /// The event's digest.
    pub event: Digest,
    /// When it ends, by the clock of the host that was asked.
    pub until: Instant,
}

/// A step of the trail: what a host was asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailStep {
    /// The request's name.
    pub id: String,
    /// When, by the clock of the host.
    pub made_at: Instant,
    /// The id of the key with which it was asked.
    pub key: Option<String>,
    /// Who asked, for people.
    pub who: String,
    /// The method, and the path with its parameters.
    pub asked: String,
    /// The status of the answer; nothing if the host ended before.
    pub status: Option<u16>,
}

/// A name of a release, under which programs deploy it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The merchant whose policy it is; nothing where it is the platform's.
    pub owner: Option<String>,
    /// The policy's name.
    pub policy: String,
    /// Its version.
    pub version: String,
    /// The SHA-256 of the release's component.
    pub release: Digest,
    /// When, by the clock of the host that took it.
    pub made_at: Instant,
    /// What was tried before it was taken, as JSON.
    pub report: Vec<u8>,
}

/// Returns the URL of a ledger as it may be shown.
///
/// # Errors
///
/// If it is none.
pub fn without_password(url: &str) -> Result<String, LedgerError> {
    match url.split_once(':') {
        Some(("postgres" | "postgresql", _)) => postgres::without_password(url),
        Some(_) | None => Ok(url.to_owned()),
    }
}

/// Opens the ledger at a URL: a path or `sqlite:` and a path, `postgres://` and a database ([`Postgres::open`]), each begun
/// if there is none yet, or `memory:`, which is gone when it is closed.
///
/// # Errors
///
/// If there is no such kind of ledger, or what lies there is not one that this version can read and write.
pub fn open(url: &str) -> Result<Arc<dyn Ledger>, LedgerError> {
    let refused = |mend| Err(LedgerError::Url { url: url.to_owned(), mend });
    match url.split_once(':') {
        Some(("memory", "")) => Ok(Arc::new(Memory::default())),
        Some(("sqlite", "" | ":memory:")) => {
            refused("name a file, or use memory: for a ledger that is not kept")
        }
        Some(("sqlite", path)) => Ok(Arc::new(Sqlite::open(Path::new(path))?)),
        Some(("postgres" | "postgresql", _)) => Ok(Arc::new(Postgres::open(url)?)),
        Some((_, rest)) if rest.starts_with("//") => {
            refused("use a path, sqlite: and a path, postgres:// and a database, or memory:")
        }
        None if url.is_empty() => refused("name a file"),
        Some(_) | None => Ok(Arc::new(Sqlite::open(Path::new(url))?)),
    }
}
