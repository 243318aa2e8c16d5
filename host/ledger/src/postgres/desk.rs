//! The desk of PostgreSQL's writer: one connection, and a transaction for all tasks that it is given.

use jifen_loyalty::Entry;

use super::failure::{Stop, explain, explain_commit};
use super::found;
use super::link::{Change, Link};
use super::server::Server;
use super::{outbox, rows, store};
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
        let connected = self.server.connect();
        let link = connected.map_err(|error| explain(self.server.place(), "write to", error))?;
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
            Task::Program { digest, body } => {
                kept.push(Change::any(store::put_program(digest, body)));
                Ok(Committed::default())
            }
            Task::Release(release) => {
                kept.push(Change::any(store::put_release(release)));
                Ok(Committed::default())
            }
            Task::Publication(publication) => {
                kept.push(Change::any(store::publish(publication)));
                Ok(Committed::default())
            }
            Task::Announcement(announcement) => {
                kept.push(Change::any(store::announce(announcement)));
                Ok(Committed::default())
            }
            Task::Change(change) => {
                let last = match changed {
                    Some(last) => last,
                    None => store::last_change(link)?.map_or(0, |last| last.version),
                };
                if change.version == last.saturating_add(1) {
                    changed = Some(change.version);
                    kept.push(Change::any(store::put_change(change)));
                    Ok(Committed::default())
                } else {
                    changed = Some(last);
                    Err(LedgerError::Superseded { last })
                }
            }
            Task::Attempts(tried) => {
                kept.push(Change::any(outbox::keep(tried)));
                Ok(Committed::default())
            }
        });
    }
    link.write(&rows::changes(&admitted))?;
    link.write(&kept)?;
    link.perform("COMMIT").map_err(Failed::At)?;
    Ok(answers)
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
        | Task::Change(_)
        | Task::Attempts(_) => None,
    }
}
