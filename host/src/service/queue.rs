//! The queue before the deciders.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use jifen_loyalty::{Event, MerchantId};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::body::Held;
use super::intake::{Answer, Live};
use crate::active::Active;

/// Events that somebody waits for.
pub(super) struct Submission {
    pub(super) events: Vec<Arc<Event>>,
    /// The merchant with whose key they came.
    pub(super) within: Option<MerchantId>,
    /// The program that decides them; nothing for the one at work.
    pub(super) under: Option<Arc<Active>>,
    pub(super) answer: oneshot::Sender<Answer>,
    /// Given back when they are answered.
    pub(super) _room: OwnedSemaphorePermit,
    pub(super) _bytes: Option<Held>,
}

impl Submission {
    /// Returns the program that decides it, where that one is at work.
    pub(super) fn by<'a>(&'a self, live: &'a Live) -> &'a Arc<Active> {
        self.under.as_ref().unwrap_or(&live.active)
    }
}

/// What waits to be decided, in the order in which it came.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    submissions: VecDeque<Submission>,
    closed: bool,
}

impl Queue {
    pub(super) fn put(&self, submission: Submission) {
        self.lock().submissions.push_back(submission);
        self.changed.notify_all();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().submissions.is_empty()
    }

    /// Ends [`Self::next`] when all is handed out.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Has [`Self::next`] ask once more whether it is enough.
    pub(super) fn stir(&self) {
        // Whoever asks holds the lock until it waits, and so hears this.
        drop(self.lock());
        self.changed.notify_all();
    }

    /// Waits for submissions, and returns the first that fit, until they have so many events; none after the last, where the first does
    /// not fit, and once that is `enough`.
    pub(super) fn next(
        &self,
        events: usize,
        fits: impl Fn(&Submission) -> bool,
        enough: impl Fn() -> bool,
    ) -> Vec<Submission> {
        let mut waiting = self.lock();
        while waiting.submissions.is_empty() && !waiting.closed && !enough() {
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let (mut taken, mut count) = (Vec::new(), 0_usize);
        while count < events
            && !enough()
            && let Some(submission) = waiting.submissions.pop_front_if(|first| fits(first))
        {
            count = count.saturating_add(submission.events.len());
            taken.push(submission);
        }
        taken
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
