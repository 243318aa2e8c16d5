//! The desk of PostgreSQL's writer: one connection, and a transaction for all tasks that it is given.

use jifen_loyalty::Entry;

use super::failure::{Stop, explain_commit};
use super::found;
use super::link::{Call, Change, Link};
use super::server::{SILENCE_MAX, Server};
use super::{outbox, rows, store, watch};
use crate::admission::{Admission, Found, Named};
use crate::writer::{Answer, Desk, Task};
use crate::{Committed, LedgerError};

pub(super) struct ServerDesk {
    server: Server,
    /// `None` after a failure: the next task connects anew.
    link: Option<Link>,
}

/// Why a transaction came to nothing, as far as is known.
enum Failed {
    /// Before COMMIT was sent.
    Before(Stop),
    /// At COMMIT.
    At(tokio_postgres::Error),
}

impl<E: Into<Stop>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Before(error.into())
    }
}

impl ServerDesk {
    pub(super) fn new(server: Server, link: Link) -> Self {
        Self { server, link: Some(link) }
    }

    /// Performs tasks on a connection, and keeps it if it still is one.
    fn perform_on(&mut self, link: Link, tasks: &[Task]) -> Result<Vec<Answer>, Failed> {
        let performed = in_transaction(&link, tasks);
        if performed.is_ok() || link.perform("ROLLBACK").is_ok() {
            self.link = Some(link);
        }
        performed
    }

    fn explain(&self, failed: Failed) -> LedgerError {
        match failed {
            Failed::Before(stop) => stop.explain(self.server.place(), "write to"),
            Failed::At(error) => explain_commit(self.server.place(), error),
        }
    }
}

impl Desk for ServerDesk {
    fn perform(&mut self, tasks: &[Task]) -> Result<Vec<Answer>, LedgerError> {
        if let Some(link) = self.link.take() {
            match self.perform_on(link, tasks) {
                // The connection was lost while nobody needed it, or in the middle: nothing is there, so once more.
                Err(Failed::Before(stop)) if stop.is_lost() => (),
                performed => return performed.map_err(|failed| self.explain(failed)),
            }
        }
        let link = self.server.connect("write to", SILENCE_MAX)?;
        self.perform_on(link, tasks).map_err(|failed| self.explain(failed))
    }
}

fn in_transaction(link: &Link, tasks: &[Task]) -> Result<Vec<Answer>, Failed> {
    link.age()?;
    let batches = || tasks.iter().filter_map(batch);
    let mut found = found::under_lock(link, &Named::by(batches().flatten()))?;
    let (mut admitted, mut answers, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    // The last version of the program, once it was looked at.
    let mut changed = None;
    for task in tasks {
        answers.push(match task {
            Task::Commit(entries) => admit(&mut found, entries, &mut admitted),
            Task::Program { digest, body } => keep(store::put_program(digest, body), &mut kept),
            Task::Release(release) => keep(store::put_release(release), &mut kept),
            Task::Publication(publication) => keep(store::publish(publication), &mut kept),
            Task::Announcement(announcement) => keep(store::announce(announcement), &mut kept),
            Task::Key(key) => keep(store::put_key(key), &mut kept),
            Task::Revocation { id, at } => keep(store::revoke_key(id, *at), &mut kept),
            Task::Quote { quote, forget_before } => {
                kept.extend(store::hold_quote(quote, *forget_before).map(Change::any));
                Ok(Committed::default())
            }
            Task::Signer(signer) => keep(store::put_signer(signer), &mut kept),
            Task::SignerRevocation { id, at } => keep(store::revoke_signer(id, *at), &mut kept),
            Task::Step(step) => keep(store::put_step(step), &mut kept),
            Task::Answered { id, status } => keep(store::answer_step(id, *status), &mut kept),
            Task::Change(change) => {
                let last = match changed {
                    Some(last) => last,
                    None => store::last_change(link)?.map_or(0, |last| last.version),
                };
                if change.version == last.saturating_add(1) {
                    changed = Some(change.version);
                    kept.push(Change::any(store::put_change(change)));
                    kept.push(Change::any(Call::plain(watch::TELL)));
                    Ok(Committed::default())
                } else {
                    changed = Some(last);
                    Err(LedgerError::Superseded { last })
                }
            }
            Task::Attempts(tried) => keep(outbox::keep(tried), &mut kept),
        });
    }
    link.write(&rows::changes(&admitted))?;
    link.write(&kept)?;
    link.perform("COMMIT").map_err(Failed::At)?;
    Ok(answers)
}

/// Takes note of a call that nothing can stop.
fn keep<'a>(call: Call<'a>, kept: &mut Vec<Change<'a>>) -> Answer {
    kept.push(Change::any(call));
    Ok(Committed::default())
}

/// Admits a batch behind those before it. One that asks for what cannot be concerns nobody else.
fn admit<'a>(found: &mut Found<'a>, batch: &'a [Entry], admitted: &mut Vec<Admission<'a>>) -> Answer {
    let (admission, conflict) = Admission::of(found, batch)?;
    found.advance(&admission);
    let seqs = admission.seqs();
    admitted.push(admission);
    Ok(Committed { seqs, conflict })
}

fn batch(task: &Task) -> Option<&[Entry]> {
    match task {
        Task::Commit(entries) => Some(entries),
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
        | Task::Change(_)
        | Task::Attempts(_) => None,
    }
}
