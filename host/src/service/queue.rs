//! The queue before the deciders. No two of them get events that name the same member, order or use of points at the same time: what
//! one decides would not hold once the other's is in the ledger, and each would decide over and over what the other made untrue.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use jifen_loyalty::{Event, MemberId, MerchantId, RedemptionId};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::intake::{Answer, Held};
use crate::active::Active;
use crate::batch::named;

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

/// What waits to be decided, in the order in which it came.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// Each with what its events name.
    submissions: VecDeque<(Vec<Name>, Submission)>,
    /// What the events name that are being decided.
    named: HashSet<Name>,
    closed: bool,
}

/// What an event names.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Name {
    Member(MemberId),
    Order(String),
    Use(RedemptionId),
}

/// A decider's turn. While it lasts, nobody else gets events that name what its own do.
pub(super) struct Turn<'q> {
    queue: &'q Queue,
    named: Vec<Name>,
}

impl Queue {
    pub(super) fn put(&self, submission: Submission) {
        let names = submission.events.iter().flat_map(|event| names(event)).collect();
        self.lock().submissions.push_back((names, submission));
        self.changed.notify_one();
    }

    /// Ends [`Self::next`] when all is handed out.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits for submissions, and returns those that can be decided now, until they have so many events. `None` after the last.
    pub(super) fn next(&self, events: usize) -> Option<(Turn<'_>, Vec<Submission>)> {
        let mut waiting = self.lock();
        loop {
            let (named, submissions) = waiting.free(events);
            if !submissions.is_empty() {
                return Some((Turn { queue: self, named }, submissions));
            }
            if waiting.closed && waiting.submissions.is_empty() {
                return None;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Takes the submissions that neither those being decided nor earlier ones keep waiting: what names the same stays in its order.
    fn free(&mut self, events: usize) -> (Vec<Name>, Vec<Submission>) {
        let (mut free, mut taken, mut count) = (Vec::new(), Vec::new(), 0_usize);
        let (mut kept, mut waited_for) = (VecDeque::new(), HashSet::new());
        while count < events
            && let Some((mut names, submission)) = self.submissions.pop_front()
        {
            if names.iter().any(|name| self.named.contains(name) || waited_for.contains(name)) {
                waited_for.extend(names.iter().cloned());
                kept.push_back((names, submission));
            } else {
                taken.append(&mut names);
                count = count.saturating_add(submission.events.len());
                free.push(submission);
            }
        }
        kept.append(&mut self.submissions);
        self.submissions = kept;
        self.named.extend(taken.iter().cloned());
        (taken, free)
    }
}

fn names(event: &Event) -> impl Iterator<Item = Name> {
    let member = event.member().map(|member| Name::Member(member.clone()));
    let order = event.order().map(|order| Name::Order(order.to_owned()));
    member.into_iter().chain(order).chain(named(event).map(|name| Name::Use(name.clone())))
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
        for name in &self.named {
            waiting.named.remove(name);
        }
        drop(waiting);
        self.queue.changed.notify_all();
    }
}
