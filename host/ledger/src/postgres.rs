//! The ledger in a PostgreSQL database, shared by many hosts.
//!
//! ```text
//! callers ──► queue ──► one writer thread:  BEGIN, lock, look up ─► decide ─► write ─► COMMIT  ──► each caller its answer
//! readers ──► a connection each, one transaction that only reads per question
//! ```
//!
//! **Writing.** As with SQLite, all batches that are in the queue of a host share one transaction and one flush
//! ([`writer`]). The log is one order without gaps, so hosts take turns: whoever has the lock looks up everything that its
//! batches name, a statement a table; decides on all of them ([`admission`]); writes, a statement a table; and commits. That
//! is three round trips, however many entries there are, and nothing waits for a policy while the lock is held.
//!
//! **Durable** means `synchronous_commit = on`: the log is flushed before a caller hears of it. A connection that is lost
//! before COMMIT has done nothing, and the group is performed again on a new one; one that is lost during COMMIT leaves
//! what nobody knows ([`LedgerError::Uncertain`]), and sending it again tells.
//!
//! **Encryption:** TLS where the URL says `sslmode=require`, to servers whose certificates this machine trusts. Otherwise a host and its
//! server share a machine or a network that is trusted.
//!
//! [`admission`]: crate::admission
//! [`writer`]: crate::writer

mod column;
mod desk;
mod encryption;
mod failure;
mod found;
mod link;
mod log;
mod outbox;
mod readers;
mod redemption;
mod reports;
mod rows;
mod server;
mod snapshot;
mod store;
#[cfg(test)]
mod tests;
mod watch;

use jifen_loyalty::{DeploymentId, Entry, Instant, MemberId, NoticeId, RedemptionId};

use self::desk::ServerDesk;
use self::readers::Readers;
use self::server::Server;
use self::watch::Watch;
use crate::writer::Writer;
use crate::{
    Announcement, ApiKey, Balance, Committed, Digest, HeldQuote, Ledger, LedgerError, Logged, Page,
    ProgramChange, ProgramWatch, Publication, Query, Release, Signer, Snapshot, StatementLine, Stored,
    TrailStep, Undelivered,
};

/// A ledger in a schema of a PostgreSQL database.
pub struct Postgres {
    server: Server,
    readers: Readers,
    writer: Writer,
}

/// Returns a URL that says which server, database and schema, and who asks, without what only who asks may know.
pub(crate) fn without_password(url: &str) -> Result<String, LedgerError> {
    Ok(Server::new(url)?.place().to_string())
}

impl Postgres {
    /// Opens the ledger in the current schema of a database, or begins one if there is none.
    ///
    /// The URL is PostgreSQL's: `postgres://USER:PASSWORD@HOST:PORT/DATABASE`; another schema than `public` is named by
    /// `?options=-csearch_path%3DSCHEMA`.
    ///
    /// # Errors
    ///
    /// If the URL is none, the server cannot be reached or lets nobody in, or what is there is something else or of a later
    /// schema. It is untouched then. No error says the password.
    pub fn open(url: &str) -> Result<Self, LedgerError> {
        let server = Server::new(url)?;
        let link = server.open_or_begin()?;
        let place = server.place().clone();
        let writer = Writer::start(place, ServerDesk::new(server.clone(), link));
        Ok(Self { writer, readers: Readers::new(server.clone()), server })
    }
}

impl Ledger for Postgres {
    fn read(&self, query: &Query<'_>) -> Result<Snapshot, LedgerError> {
        self.readers.read(|link| snapshot::snapshot(link, query))
    }

    fn commit(&self, entries: Vec<Entry>) -> Result<Committed, LedgerError> {
        self.writer.commit(entries)
    }

    fn put_program(&self, digest: &Digest, body: &[u8]) -> Result<(), LedgerError> {
        self.writer.put_program(digest, body)
    }

    fn program(&self, digest: &Digest) -> Result<Option<Vec<u8>>, LedgerError> {
        self.readers.read(|link| store::program(link, digest))
    }

    fn put_release(&self, release: &Release) -> Result<(), LedgerError> {
        self.writer.put_release(release)
    }

    fn release(&self, digest: &Digest) -> Result<Option<Release>, LedgerError> {
        self.readers.read(|link| store::release(link, digest))
    }

    fn publish(&self, publication: &Publication) -> Result<(), LedgerError> {
        self.writer.publish(publication)
    }

    fn publication(&self, policy: &str, version: &str) -> Result<Option<Publication>, LedgerError> {
        self.readers.read(|link| store::publication(link, policy, version))
    }

    fn publications(
        &self,
        owner: Option<&str>,
        after: (&str, &str),
        limit: usize,
    ) -> Result<Vec<Publication>, LedgerError> {
        self.readers.read(|link| store::publications(link, owner, after, limit))
    }

    fn announce(&self, announcement: &Announcement) -> Result<(), LedgerError> {
        self.writer.announce(announcement)
    }

    fn announcement(&self, program: &Digest) -> Result<Option<Announcement>, LedgerError> {
        self.readers.read(|link| store::announcement(link, program))
    }

    fn announcements(&self, limit: usize) -> Result<Vec<Announcement>, LedgerError> {
        self.readers.read(|link| store::announcements(link, limit))
    }

    fn put_key(&self, key: &ApiKey) -> Result<(), LedgerError> {
        self.writer.put_key(key)
    }

    fn key(&self, id: &str) -> Result<Option<ApiKey>, LedgerError> {
        self.readers.read(|link| store::key(link, id))
    }

    fn keys(&self, after: &str, limit: usize) -> Result<Vec<ApiKey>, LedgerError> {
        self.readers.read(|link| store::keys(link, after, limit))
    }

    fn revoke_key(&self, id: &str, at: Instant) -> Result<(), LedgerError> {
        self.writer.revoke_key(id, at)
    }

    fn hold_quote(&self, quote: &HeldQuote, forget_before: Instant) -> Result<(), LedgerError> {
        self.writer.hold_quote(quote, forget_before)
    }

    fn held_quote(&self, token: &Digest) -> Result<Option<HeldQuote>, LedgerError> {
        self.readers.read(|link| store::held_quote(link, token))
    }

    fn put_signer(&self, signer: &Signer) -> Result<(), LedgerError> {
        self.writer.put_signer(signer)
    }

    fn signer(&self, id: &str) -> Result<Option<Signer>, LedgerError> {
        self.readers.read(|link| store::signer(link, id))
    }

    fn signers(&self, after: &str, limit: usize) -> Result<Vec<Signer>, LedgerError> {
        self.readers.read(|link| store::signers(link, after, limit))
    }

    fn signers_of(&self, owner: Option<&str>) -> Result<Vec<Signer>, LedgerError> {
        self.readers.read(|link| store::signers_of(link, owner))
    }

    fn revoke_signer(&self, id: &str, at: Instant) -> Result<(), LedgerError> {
        self.writer.revoke_signer(id, at)
    }

    fn put_step(&self, step: &TrailStep) -> Result<(), LedgerError> {
        self.writer.put_step(step)
    }

    fn answer_step(&self, id: &str, status: u16) -> Result<(), LedgerError> {
        self.writer.answer_step(id, status)
    }

    fn trail(&self, after: u64, limit: usize) -> Result<Vec<(u64, TrailStep)>, LedgerError> {
        self.readers.read(|link| store::trail(link, after, limit))
    }

    fn change_program(&self, change: &ProgramChange) -> Result<(), LedgerError> {
        self.writer.change_program(change)
    }

    fn program_changes(&self, after: u64, limit: usize) -> Result<Vec<ProgramChange>, LedgerError> {
        self.readers.read(|link| store::changes(link, after, limit))
    }

    fn last_program_change(&self) -> Result<Option<ProgramChange>, LedgerError> {
        self.readers.read(store::last_change)
    }

    fn program_watch(&self) -> Box<dyn ProgramWatch> {
        Box::new(Watch::new(self.server.clone()))
    }

    fn log(&self, after: u64, limit: usize) -> Result<Vec<Logged>, LedgerError> {
        self.readers.read(|link| log::page(link, after, limit))
    }

    fn receipts(&self, after: u64, limit: usize) -> Result<Vec<Vec<u8>>, LedgerError> {
        self.readers.read(|link| log::receipts(link, after, limit))
    }

    fn order(&self, number: &str) -> Result<Vec<Logged>, LedgerError> {
        self.readers.read(|link| log::of_order(link, number))
    }

    fn find(&self, source: &str, id: &str) -> Result<Option<Logged>, LedgerError> {
        self.readers.read(|link| log::find(link, source, id))
    }

    fn balances(
        &self,
        at: Option<Instant>,
        member: Option<&MemberId>,
        each: &mut dyn FnMut(Balance),
    ) -> Result<(), LedgerError> {
        self.readers.read(|link| reports::balances(link, at, member, each))
    }

    fn statement(&self, member: &MemberId, page: Page) -> Result<Vec<StatementLine>, LedgerError> {
        self.readers.read(|link| reports::statement(link, member, page))
    }

    fn members(&self, after: Option<&MemberId>, limit: usize) -> Result<Vec<MemberId>, LedgerError> {
        self.readers.read(|link| reports::members(link, after, limit))
    }

    fn due(&self, at: Instant, after: Option<&MemberId>, limit: usize) -> Result<Vec<MemberId>, LedgerError> {
        self.readers.read(|link| reports::due(link, at, after, limit))
    }

    fn lapsed(
        &self,
        deployment: &DeploymentId,
        item: &str,
        at: Instant,
    ) -> Result<Vec<(RedemptionId, Instant)>, LedgerError> {
        self.readers.read(|link| redemption::lapsed(link, deployment, item, at))
    }

    fn undelivered(
        &self,
        due: Option<Instant>,
        after: NoticeId,
        limit: usize,
    ) -> Result<Vec<Undelivered>, LedgerError> {
        self.readers.read(|link| outbox::page(link, due, after, limit))
    }

    fn keep_attempts(&self, tried: Vec<Undelivered>) -> Result<(), LedgerError> {
        self.writer.keep_attempts(tried)
    }

    fn stored(&self, each: &mut dyn FnMut(Stored)) -> Result<(), LedgerError> {
        self.readers.read(|link| reports::stored(link, each))
    }

    fn length(&self) -> Result<u64, LedgerError> {
        self.readers.read(|link| log::end(link).map(|(length, _)| length))
    }

    fn latest_time(&self) -> Result<Option<Instant>, LedgerError> {
        self.readers.read(|link| log::end(link).map(|(_, latest)| latest))
    }
}
