//! The desk of SQLite's writer: one connection, and a transaction for all tasks that it is given.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::failure::{Stop, explain, explain_commit};
use super::file::File;
use super::fold::{Folder, PAGES};
use super::{found, outbox, rows, store};
use crate::admission::{Admission, Named};
use crate::writer::{Answer, Desk, Task};
use crate::{Committed, LedgerError};
use jifen_loyalty::Entry;

pub(super) struct FileDesk {
    file: File,
    connection: Connection,
    /// Ends once the connection is closed.
    _folder: Folder,
}

impl FileDesk {
    pub(super) fn new(
        file: File,
        mut connection: Connection,
        folding: Connection,
    ) -> Result<Self, LedgerError> {
        let folder = Folder::start(&mut connection, folding, PAGES);
        let folder = folder.map_err(|error| explain(&file, "write to", error))?;
        Ok(Self { file, connection, _folder: folder })
    }
}

impl Desk for FileDesk {
    fn perform(&mut self, tasks: &[Task]) -> Result<Vec<Answer>, LedgerError> {
        let begun = begin(&mut self.connection);
        let transaction = begun.map_err(|error| explain(&self.file, "write to", error))?;
        let answers = tasks.iter().map(|task| answer(&transaction, task)).collect::<Result<_, _>>();
        let answers = answers.map_err(|error| explain(&self.file, "write to", error))?;
        transaction.commit().map_err(|error| explain_commit(&self.file, error))?;
        Ok(answers)
    }
}

/// Begins a transaction, even if the last one could not be rolled back when it failed.
fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

fn answer(connection: &Connection, task: &Task) -> rusqlite::Result<Answer> {
    match task {
        Task::Commit(entries) => asked(apply(connection, entries)),
        Task::Change(change) => asked(store::put_change(connection, change).map(|()| Committed::default())),
        Task::Program { digest, body } => store::put_program(connection, digest, body).map(nothing_committed),
        Task::Release(release) => store::put_release(connection, release).map(nothing_committed),
        Task::Publication(it) => store::publish(connection, it).map(nothing_committed),
        Task::Announcement(it) => store::announce(connection, it).map(nothing_committed),
        Task::Key(key) => store::put_key(connection, key).map(nothing_committed),
        Task::Revocation { id, at } => store::revoke_key(connection, id, *at).map(nothing_committed),
        Task::Quote { quote, forget_before } => {
            store::hold_quote(connection, quote, *forget_before).map(nothing_committed)
        }
        Task::Signer(signer) => store::put_signer(connection, signer).map(nothing_committed),
        Task::SignerRevocation { id, at } => store::revoke_signer(connection, id, *at).map(nothing_committed),
        Task::Step(step) => store::put_step(connection, step).map(nothing_committed),
        Task::Answered { id, status } => store::answer_step(connection, id, *status).map(nothing_committed),
        Task::Attempts(tried) => outbox::keep(connection, tried).map(nothing_committed),
    }
}

/// Returns the answer of a task that may ask for what cannot be.
fn asked(done: Result<Committed, Stop>) -> rusqlite::Result<Answer> {
    match done {
        Ok(committed) => Ok(Ok(committed)),
        Err(Stop::Asked(error)) => Ok(Err(error)),
        Err(Stop::Store(error)) => Err(error),
    }
}

fn nothing_committed((): ()) -> Answer {
    Ok(Committed::default())
}

/// Applies a batch: checks all that can stop it, then writes what was admitted.
fn apply(connection: &Connection, entries: &[Entry]) -> Result<Committed, Stop> {
    let (found, numbers) = found::of(connection, &Named::by(entries))?;
    let (admission, conflict) = Admission::of(&found, entries)?;
    rows::write(connection, &admission, numbers)?;
    Ok(Committed { seqs: admission.seqs(), conflict })
}
