//! The writer: one thread, one connection, and a transaction for all who wait.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use jifen_loyalty::Entry;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::admission::Admission;
use super::failure::{Stop, explain, explain_commit};
use super::file::File;
use super::{rows, store};
use crate::{Committed, Digest, LedgerError, Release};

/// Entries from which on a transaction takes no further batches: enough to make the flush cheap, few enough that
/// nobody waits long behind it.
const ENTRIES_PER_GROUP: usize = 8_192;

/// What the writer is asked to do.
pub(super) enum Task {
    Commit(Vec<Entry>),
    Program { digest: Digest, body: Vec<u8> },
    Release(Release),
}

type Answer = Result<Committed, LedgerError>;

struct Job {
    task: Task,
    answer: SyncSender<Answer>,
}

/// The way to the writer's thread. Dropping it finishes what is queued and closes the file.
pub(super) struct Writer {
    file: File,
    queue: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(file: File, connection: Connection) -> Self {
        let (queue, jobs) = channel();
        let mut desk = Desk { file: file.clone(), connection };
        let thread = Builder::new().name("ledger".to_owned()).spawn(move || desk.work(&jobs));
        Self { file, queue: Some(queue), thread: Some(thread.expect("the system has room for one thread")) }
    }

    /// Hands over a task and waits until it is durable.
    pub(super) fn perform(&self, task: Task) -> Answer {
        let (answer, answered) = sync_channel(1);
        let stopped = || LedgerError::Stopped { path: self.file.path() };
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(Job { task, answer }).map_err(|_| stopped())?;
        answered.recv().map_err(|_| stopped())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        // A panic over there has been reported over there, and every caller was told that the writer has stopped.
        self.thread.take().map(JoinHandle::join);
    }
}

/// Where the writer's thread works.
struct Desk {
    file: File,
    connection: Connection,
}

impl Desk {
    fn work(&mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let (tasks, callers): (Vec<_>, Vec<_>) =
                group(first, jobs).map(|job| (job.task, job.answer)).unzip();
            match self.perform(&tasks) {
                Ok(answers) => callers.iter().zip(answers).for_each(|(caller, answer)| reply(caller, answer)),
                Err(error) => callers.iter().for_each(|caller| reply(caller, Err(error.clone()))),
            }
        }
    }

    /// Performs tasks in one transaction. An error is everybody's; an answer may be an error of that task alone.
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

/// Returns a job with those that wait behind it, up to the size of a group.
fn group(first: Job, jobs: &Receiver<Job>) -> impl Iterator<Item = Job> {
    let mut entries = entries(&first);
    let mut group = vec![first];
    while entries < ENTRIES_PER_GROUP
        && let Ok(next) = jobs.try_recv()
    {
        entries = entries.saturating_add(self::entries(&next));
        group.push(next);
    }
    group.into_iter()
}

fn entries(job: &Job) -> usize {
    match &job.task {
        Task::Commit(entries) => entries.len(),
        Task::Program { .. } | Task::Release(_) => 1,
    }
}

fn reply(caller: &SyncSender<Answer>, answer: Answer) {
    // A caller who is gone does not need the answer.
    caller.send(answer).ok();
}

fn answer(connection: &Connection, task: &Task) -> rusqlite::Result<Answer> {
    match task {
        Task::Commit(entries) => match apply(connection, entries) {
            Ok(committed) => Ok(Ok(committed)),
            Err(Stop::Asked(error)) => Ok(Err(error)),
            Err(Stop::Store(error)) => Err(error),
        },
        Task::Program { digest, body } => store::put_program(connection, digest, body).map(nothing_committed),
        Task::Release(release) => store::put_release(connection, release).map(nothing_committed),
    }
}

fn nothing_committed((): ()) -> Answer {
    Ok(Committed::default())
}

/// Applies a batch: checks all that can stop it, then writes what was admitted.
fn apply(connection: &Connection, entries: &[Entry]) -> Result<Committed, Stop> {
    let (admission, conflict) = Admission::of(connection, entries)?;
    rows::write(connection, &admission)?;
    Ok(Committed { seqs: admission.seqs(), conflict })
}
