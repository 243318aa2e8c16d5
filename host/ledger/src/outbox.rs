//! The outbox: notices that are not delivered yet.
//!
//! What was tried is no fact about anybody's points: it is kept beside the log, and nothing is decided on it.

use jifen_loyalty::{Entry, Instant, NoticeId};

use crate::column::{self, Row};

/// A notice that is not delivered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// Where it is.
    pub id: NoticeId,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is to be tried next; `None` if that was given up.
    pub due: Option<Instant>,
    /// What the last attempt met.
    pub problem: Option<String>,
}

impl Undelivered {
    /// Returns the notices that an entry at a place in the log puts into the outbox.
    pub(crate) fn of(seq: u64, entry: &Entry) -> impl Iterator<Item = Self> {
        let due = Some(entry.event.time);
        entry.notices.iter().map(move |n| Self {
            id: NoticeId { seq, n: *n },
            attempts: 0,
            due,
            problem: None,
        })
    }

    /// Reads seq, n, attempts, due_ms, problem.
    pub(crate) fn read<R: Row>(row: &R) -> Result<Self, R::Error> {
        Ok(Self {
            id: NoticeId { seq: column::count(row, 0)?, n: column::count(row, 1)? },
            attempts: column::count(row, 2)?,
            due: row.number_or_null(3)?.map(Instant::from_millis),
            problem: row.text_or_null(4)?.map(str::to_owned),
        })
    }
}
