//! The ledger in one SQLite file.
//!
//! ```text
//! callers ──► queue ──► one writer thread:  BEGIN IMMEDIATE · batch · batch · … · COMMIT  ──► each caller its answer
//! readers ──► a connection each, one read transaction per question
//! ```
//!
//! **Writing.** All batches that are in the queue share one transaction and one flush ([`writer`]). A batch that meets a
//! conflict, or that would overflow a total, concerns nobody else, because all of it is checked before any of it is
//! written ([`admission`]). If SQLite fails, the transaction is rolled back and every caller in it gets the error.
//!
//! **Folding.** What is in the log is copied into the file beside the writer ([`fold`]).
//!
//! **Durable** means write-ahead log and `synchronous = FULL`: the log is flushed before a caller hears of it.
//!
//! **Several processes** may open one file: each commit reads what it checks inside its own write transaction, and
//! waits [`file::BUSY_WAIT`] for its turn.
//!
//! [`admission`]: crate::admission
//! [`writer`]: crate::writer

mod backup;
mod column;
mod desk;
mod failure;
mod file;
mod fold;
mod found;
mod log;
mod member;
mod outbox;
mod readers;
mod redemption;
mod rows;
mod store;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use jifen_loyalty::{DeploymentId, Entry, Instant, MemberId, NoticeId, RedemptionId};
use rusqlite::Connection;
use tempfile::TempDir;

use self::desk::FileDesk;
use self::file::File;
use self::readers::Readers;
use crate::writer::Writer;
use crate::{
    Announcement, ApiKey, Balance, Committed, Digest, HeldQuote, Ledger, LedgerError, Logged, Page, Place,
    ProgramChange, Publication, Query, Release, Signer, Snapshot, StatementLine, Stored, TrailStep,
    Undelivered,
};

/// A ledger in one SQLite file.
pub struct Sqlite {
    readers: Readers,
    writer: Writer,
    /// The folder of a ledger that is thrown away, which goes last.
    _scratch: Option<TempDir>,
}

impl Sqlite {
    /// Opens the ledger in a file, or begins one if there is none.
    ///
    /// # Errors
    ///
    /// If the file is something else, of a later schema, or cannot be read and written. It is untouched then.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let file = File::new(path);
        let writer = file.open_or_begin()?;
        let folding = file.open_to_fold()?;
        Self::on(file, writer, folding)
    }

    /// Begins a ledger to try something on: nothing of it outlives it, and nothing of it is flushed.
    ///
    /// # Errors
    ///
    /// If there is no room for temporary files.
    pub fn scratch() -> Result<Self, LedgerError> {
        let folder = tempfile::tempdir().map_err(|error| LedgerError::CannotOpen {
            place: Place::File(std::env::temp_dir()),
            mend: "make room for temporary files, or name another folder for them in TMPDIR",
            source: Some(Arc::new(error)),
        })?;
        let file = File::new(&folder.path().join("scratch.db"));
        let writer = file.open_or_begin()?;
        let folding = file.open_to_fold()?;
        for connection in [&writer, &folding] {
            file.let_go(connection)?;
        }
        Ok(Self { _scratch: Some(folder), ..Self::on(file, writer, folding)? })
    }

    /// Copies the ledger in a file, as it is at one place of its log, to a file that is not there yet. Hosts may go on writing
    /// meanwhile. `copied` hears how many pages are copied, and of how many.
    ///
    /// # Errors
    ///
    /// If there is no ledger that this version can read, or no room for a copy, or something lies there. Nothing is left of
    /// the copy then.
    pub fn back_up(from: &Path, to: &Path, copied: &mut dyn FnMut(u64, u64)) -> Result<(), LedgerError> {
        backup::back_up(&File::new(from), to, copied)
    }

    fn on(file: File, writer: Connection, folding: Connection) -> Result<Self, LedgerError> {
        let desk = FileDesk::new(file.clone(), writer, folding)?;
        Ok(Self { writer: Writer::start(file.place(), desk), readers: Readers::new(file), _scratch: None })
    }
}

impl Ledger for Sqlite {
    fn read(&self, query: &Query<'_>) -> Result<Snapshot, LedgerError> {
        self.readers.read(|connection| Ok(member::snapshot(connection, query)?))
    }

    fn commit(&self, entries: Vec<Entry>) -> Result<Committed, LedgerError> {
        self.writer.commit(entries)
    }

    fn put_program(&self, digest: &Digest, body: &[u8]) -> Result<(), LedgerError> {
        self.writer.put_program(digest, body)
    }

    fn program(&self, digest: &Digest) -> Result<Option<Vec<u8>>, LedgerError> {
        self.readers.read(|connection| Ok(store::program(connection, digest)?))
    }

    fn put_release(&self, release: &Release) -> Result<(), LedgerError> {
        self.writer.put_release(release)
    }

    fn release(&self, digest: &Digest) -> Result<Option<Release>, LedgerError> {
        self.readers.read(|connection| Ok(store::release(connection, digest)?))
    }

    fn publish(&self, publication: &Publication) -> Result<(), LedgerError> {
        self.writer.publish(publication)
    }

    fn publication(&self, policy: &str, version: &str) -> Result<Option<Publication>, LedgerError> {
        self.readers.read(|connection| Ok(store::publication(connection, policy, version)?))
    }

    fn publications(
        &self,
        owner: Option<&str>,
        after: (&str, &str),
        limit: usize,
    ) -> Result<Vec<Publication>, LedgerError> {
        self.readers.read(|connection| Ok(store::publications(connection, owner, after, limit)?))
    }

    fn announce(&self, announcement: &Announcement) -> Result<(), LedgerError> {
        self.writer.announce(announcement)
    }

    fn announcement(&self, program: &Digest) -> Result<Option<Announcement>, LedgerError> {
        self.readers.read(|connection| Ok(store::announcement(connection, program)?))
    }

    fn announcements(&self, limit: usize) -> Result<Vec<Announcement>, LedgerError> {
        self.readers.read(|connection| Ok(store::announcements(connection, limit)?))
    }

    fn put_key(&self, key: &ApiKey) -> Result<(), LedgerError> {
        self.writer.put_key(key)
    }

    fn key(&self, id: &str) -> Result<Option<ApiKey>, LedgerError> {
        self.readers.read(|connection| Ok(store::key(connection, id)?))
    }

    fn keys(&self, after: &str, limit: usize) -> Result<Vec<ApiKey>, LedgerError> {
        self.readers.read(|connection| Ok(store::keys(connection, after, limit)?))
    }

    fn revoke_key(&self, id: &str, at: Instant) -> Result<(), LedgerError> {
        self.writer.revoke_key(id, at)
    }

    fn hold_quote(&self, quote: &HeldQuote, forget_before: Instant) -> Result<(), LedgerError> {
        self.writer.hold_quote(quote, forget_before)
    }

    fn held_quote(&self, token: &Digest) -> Result<Option<HeldQuote>, LedgerError> {
        self.readers.read(|connection| Ok(store::held_quote(connection, token)?))
    }

    fn put_signer(&self, signer: &Signer) -> Result<(), LedgerError> {
        self.writer.put_signer(signer)
    }

    fn signer(&self, id: &str) -> Result<Option<Signer>, LedgerError> {
        self.readers.read(|connection| Ok(store::signer(connection, id)?))
    }

    fn signers(&self, after: &str, limit: usize) -> Result<Vec<Signer>, LedgerError> {
        self.readers.read(|connection| Ok(store::signers(connection, after, limit)?))
    }

    fn signers_of(&self, owner: Option<&str>) -> Result<Vec<Signer>, LedgerError> {
        self.readers.read(|connection| Ok(store::signers_of(connection, owner)?))
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
        self.readers.read(|connection| Ok(store::trail(connection, after, limit)?))
    }

    fn change_program(&self, change: &ProgramChange) -> Result<(), LedgerError> {
        self.writer.change_program(change)
    }

    fn program_changes(&self, after: u64, limit: usize) -> Result<Vec<ProgramChange>, LedgerError> {
        self.readers.read(|connection| Ok(store::changes(connection, after, limit)?))
    }

    fn last_program_change(&self) -> Result<Option<ProgramChange>, LedgerError> {
        self.readers.read(|connection| Ok(store::last_change(connection)?))
    }

    fn log(&self, after: u64, limit: usize) -> Result<Vec<Logged>, LedgerError> {
        self.readers.read(|connection| Ok(log::page(connection, after, limit)?))
    }

    fn receipts(&self, after: u64, limit: usize) -> Result<Vec<Vec<u8>>, LedgerError> {
        self.readers.read(|connection| Ok(log::receipts(connection, after, limit)?))
    }

    fn order(&self, number: &str) -> Result<Vec<Logged>, LedgerError> {
        self.readers.read(|connection| Ok(log::of_order(connection, number)?))
    }

    fn find(&self, source: &str, id: &str) -> Result<Option<Logged>, LedgerError> {
        self.readers.read(|connection| Ok(log::find(connection, source, id)?))
    }

    fn balances(
        &self,
        at: Option<Instant>,
        member: Option<&MemberId>,
        each: &mut dyn FnMut(Balance),
    ) -> Result<(), LedgerError> {
        self.readers.read(|connection| member::balances(connection, at, member, each))
    }

    fn statement(&self, member: &MemberId, page: Page) -> Result<Vec<StatementLine>, LedgerError> {
        self.readers.read(|connection| Ok(member::statement(connection, member, page)?))
    }

    fn members(&self, after: Option<&MemberId>, limit: usize) -> Result<Vec<MemberId>, LedgerError> {
        self.readers.read(|connection| Ok(member::all(connection, after, limit)?))
    }

    fn due(&self, at: Instant, after: Option<&MemberId>, limit: usize) -> Result<Vec<MemberId>, LedgerError> {
        self.readers.read(|connection| Ok(member::due(connection, at, after, limit)?))
    }

    fn lapsed(
        &self,
        deployment: &DeploymentId,
        item: &str,
        at: Instant,
    ) -> Result<Vec<(RedemptionId, Instant)>, LedgerError> {
        self.readers.read(|connection| Ok(redemption::lapsed(connection, deployment, item, at)?))
    }

    fn undelivered(
        &self,
        due: Option<Instant>,
        after: NoticeId,
        limit: usize,
    ) -> Result<Vec<Undelivered>, LedgerError> {
        self.readers.read(|connection| Ok(outbox::page(connection, due, after, limit)?))
    }

    fn keep_attempts(&self, tried: Vec<Undelivered>) -> Result<(), LedgerError> {
        self.writer.keep_attempts(tried)
    }

    fn stored(&self, each: &mut dyn FnMut(Stored)) -> Result<(), LedgerError> {
        self.readers.read(|connection| Ok(log::stored(connection, each)?))
    }

    fn length(&self) -> Result<u64, LedgerError> {
        self.readers.read(|connection| Ok(log::head(connection)?.seq))
    }

    fn latest_time(&self) -> Result<Option<Instant>, LedgerError> {
        self.readers.read(|connection| Ok(log::head(connection)?.latest))
    }
}
