//! The writer: one thread, and a transaction for all who wait.
//!
//! What makes a commit dear is the flush, so whoever waits shares one: the writer takes all tasks that are in the queue
//! to its [`Desk`] at once and answers when the desk is done.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use jifen_loyalty::Entry;

use crate::entry::check;
use crate::{
    Announcement, ApiKey, Committed, Digest, HeldQuote, Instant, LedgerError, Place, ProgramChange,
    Publication, Release, Signer, TrailStep, Undelivered,
};

/// Entries from which on a transaction takes no further batches: enough to make the flush cheap, few enough that
/// nobody waits long behind it.
const ENTRIES_PER_GROUP: usize = 8_192;

/// What the writer is asked to do.
pub(crate) enum Task {
    Commit(Vec<Entry>),
    Program { digest: Digest, body: Vec<u8> },
    Release(Release),
    Publication(Publication),
    Announcement(Announcement),
    Key(ApiKey),
    Revocation { id: String, at: Instant },
    Quote { quote: HeldQuote, forget_before: Instant },
    Signer(Signer),
    SignerRevocation { id: String, at: Instant },
    Step(TrailStep),
    Answered { id: String, status: u16 },
    Change(ProgramChange),
    Attempts(Vec<Undelivered>),
}

/// What a caller hears.
pub(crate) type Answer = Result<Committed, LedgerError>;

/// Where the writer's thread works: a store that is written.
pub(crate) trait Desk: Send + 'static {
    /// Performs tasks in one transaction. An error is everybody's; an answer may be an error of that task alone.
    fn perform(&mut self, tasks: &[Task]) -> Result<Vec<Answer>, LedgerError>;
}

struct Job {
    task: Task,
    answer: SyncSender<Answer>,
}

/// The way to the writer's thread. Dropping it finishes what is queued and closes the store.
pub(crate) struct Writer {
    place: Place,
    queue: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn start(place: Place, mut desk: impl Desk) -> Self {
        let (queue, jobs) = channel();
        let thread = Builder::new().name("ledger".to_owned()).spawn(move || work(&mut desk, &jobs));
        Self { place, queue: Some(queue), thread: Some(thread.expect("the system has room for one thread")) }
    }

    /// Commits a batch.
    pub(crate) fn commit(&self, entries: Vec<Entry>) -> Answer {
        entries.iter().try_for_each(check)?;
        if entries.is_empty() {
            return Ok(Committed::default());
        }
        self.perform(Task::Commit(entries))
    }

    /// Keeps a program.
    pub(crate) fn put_program(&self, digest: &Digest, body: &[u8]) -> Result<(), LedgerError> {
        self.perform(Task::Program { digest: *digest, body: body.to_vec() }).map(|_| ())
    }

    /// Keeps a release.
    pub(crate) fn put_release(&self, release: &Release) -> Result<(), LedgerError> {
        self.perform(Task::Release(release.clone())).map(|_| ())
    }

    /// Gives a release a name.
    pub(crate) fn publish(&self, publication: &Publication) -> Result<(), LedgerError> {
        self.perform(Task::Publication(publication.clone())).map(|_| ())
    }

    /// Says that a program will be put to work.
    pub(crate) fn announce(&self, announcement: &Announcement) -> Result<(), LedgerError> {
        self.perform(Task::Announcement(announcement.clone())).map(|_| ())
    }

    /// Keeps a key.
    pub(crate) fn put_key(&self, key: &ApiKey) -> Result<(), LedgerError> {
        self.perform(Task::Key(key.clone())).map(|_| ())
    }

    /// Says that a key is of no use any longer.
    pub(crate) fn revoke_key(&self, id: &str, at: Instant) -> Result<(), LedgerError> {
        self.perform(Task::Revocation { id: id.to_owned(), at }).map(|_| ())
    }

    /// Keeps a quote that holds.
    pub(crate) fn hold_quote(&self, quote: &HeldQuote, forget_before: Instant) -> Result<(), LedgerError> {
        self.perform(Task::Quote { quote: quote.clone(), forget_before }).map(|_| ())
    }

    /// Keeps who signs releases.
    pub(crate) fn put_signer(&self, signer: &Signer) -> Result<(), LedgerError> {
        self.perform(Task::Signer(signer.clone())).map(|_| ())
    }

    /// Says that nothing that somebody signs is taken any longer.
    pub(crate) fn revoke_signer(&self, id: &str, at: Instant) -> Result<(), LedgerError> {
        self.perform(Task::SignerRevocation { id: id.to_owned(), at }).map(|_| ())
    }

    /// Appends a step to the trail.
    pub(crate) fn put_step(&self, step: &TrailStep) -> Result<(), LedgerError> {
        self.perform(Task::Step(step.clone())).map(|_| ())
    }

    /// Says how a step was answered.
    pub(crate) fn answer_step(&self, id: &str, status: u16) -> Result<(), LedgerError> {
        self.perform(Task::Answered { id: id.to_owned(), status }).map(|_| ())
    }

    /// Puts a program to work.
    pub(crate) fn change_program(&self, change: &ProgramChange) -> Result<(), LedgerError> {
        self.perform(Task::Change(change.clone())).map(|_| ())
    }

    /// Keeps what became of attempts to deliver notices.
    pub(crate) fn keep_attempts(&self, tried: Vec<Undelivered>) -> Result<(), LedgerError> {
        self.perform(Task::Attempts(tried)).map(|_| ())
    }

    /// Hands over a task and waits until it is durable.
    fn perform(&self, task: Task) -> Answer {
        let (answer, answered) = sync_channel(1);
        let stopped = || LedgerError::Stopped { place: self.place.clone() };
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

fn work(desk: &mut impl Desk, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let (tasks, callers): (Vec<_>, Vec<_>) = group(first, jobs).map(|job| (job.task, job.answer)).unzip();
        match desk.perform(&tasks) {
            Ok(answers) => callers.iter().zip(answers).for_each(|(caller, answer)| reply(caller, answer)),
            Err(error) => callers.iter().for_each(|caller| reply(caller, Err(error.clone()))),
        }
    }
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
        Task::Attempts(tried) => tried.len(),
        Task::Program { .. }
        | Task::Release(_)
        | Task::Publication(_)
        | Task::Announcement(_)
        | Task::Key(_)
        | Task::Revocation { .. }
        | Task::Quote { .. }
        | Task::Signer(_)
        | Task::SignerRevocation { .. }
        | Task::Step(_)
        | Task::Answered { .. }
        | Task::Change(_) => 1,
    }
}

fn reply(caller: &SyncSender<Answer>, answer: Answer) {
    // A caller who is gone does not need the answer.
    caller.send(answer).ok();
}
