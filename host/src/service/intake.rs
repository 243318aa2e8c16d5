//! The intake: events wait here, not many, and are decided batch after batch as `jifen run` does.
//!
//! ```text
//! handler ──► room for so many events ──► queue ──► decider: all that wait, as one batch ──► answers
//! ```
//!
//! While one batch is flushed, the decider reads and evaluates what comes. A closed day takes minutes where campaigns reach everybody, and
//! so has a decider of its own; what does not hold for what the other did is decided again, as between hosts.

use std::collections::VecDeque;
use std::mem;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use jifen_engine::PolicyStore;
use jifen_ledger::{Digest, Ledger, LedgerError, ProgramChange};
use jifen_loyalty::event::Body;
use jifen_loyalty::{Event, MerchantId};
use tokio::sync::{Semaphore, oneshot};

use super::body::Held;
use super::metrics;
use super::queue::{Queue, Submission};
use super::watch::Watch;
use crate::active::Active;
use crate::batch::{Line, Outcome, Outcomes, Processor, Sent};
use crate::clock::Stopwatch;
use crate::error::HostError;
use crate::programs::{self, Programs};
use crate::releases::Releases;

/// Events that are decided together at most.
const BATCH: usize = 2_000;

/// Events that may wait with closed days among them.
const CLOSING: usize = 2 * super::EVENTS_MAX;

/// What deciders work with.
pub(super) struct Desk {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) store: PolicyStore,
    /// The program at work. Whoever decides takes it once for a whole batch.
    pub(super) live: RwLock<Live>,
    /// Programs that are loaded: what was at work lately, what decided what is returned or used on, by what quotes hold.
    pub(super) held: programs::Held,
    /// Whether another program is at work that this host could not load: it decides nothing then.
    pub(super) behind: AtomicBool,
    pub(super) threads: NonZeroUsize,
    /// Whether the ledger could not be written when that was tried last.
    pub(super) failing: AtomicBool,
    /// Whether every release is signed, whoever publishes it.
    pub(super) must_sign: bool,
    /// How often deployments failed lately.
    pub(super) watch: Watch,
}

/// A program at work.
#[derive(Clone)]
pub(super) struct Live {
    /// What put it to work.
    pub(super) change: ProgramChange,
    pub(super) active: Arc<Active>,
}

impl Desk {
    /// Returns the program at work.
    pub(super) fn active(&self) -> Arc<Active> {
        self.live().active
    }

    /// Decides by a program from now on, unless a later one is at work here already.
    pub(super) fn take(&self, live: Live) {
        let mut at_work = self.live.write().unwrap_or_else(PoisonError::into_inner);
        if live.change.version > at_work.change.version {
            self.held.insert(live.active.digest.clone(), Arc::clone(&live.active));
            *at_work = live;
            // Not before: whoever sees this decides by the program that was loaded.
            self.behind.store(false, Ordering::Release);
        }
    }

    /// Returns programs of then, of which this host holds some. What is read of them lasts as long as these do.
    pub(super) fn programs<'a>(&'a self, releases: &'a Releases<'a>) -> Programs<'a> {
        Programs::holding(&*self.ledger, releases, &self.store, self.held.clone())
    }

    /// Returns the program of a digest: one of those that are held, or as the ledger kept it.
    pub(super) fn loaded(&self, digest: &Digest) -> Result<Arc<Active>, HostError> {
        let releases = Releases::new(None, Some(&*self.ledger));
        self.programs(&releases).get(&hex::encode(digest))
    }

    /// Returns the program at work, and what put it there.
    pub(super) fn live(&self) -> Live {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Where events are handed in.
pub(super) struct Intake {
    room: Arc<Semaphore>,
    room_to_close: Arc<Semaphore>,
    size: usize,
    queue: Arc<Queue>,
    closes: Arc<Queue>,
}

/// The deciders' threads, and what they take events from.
pub(super) struct Deciders {
    threads: Vec<JoinHandle<()>>,
    queues: [Arc<Queue>; 2],
}

/// What became of events, in their order.
pub(super) type Answer = Result<Vec<Outcome>, Unanswered>;

/// Why events have no answer.
#[derive(Clone, Debug)]
pub(super) enum Unanswered {
    /// Too many wait already.
    Full,
    /// The host could not load the program that is at work.
    Behind,
    /// The host failed. Some or all of them may have been applied; they may be sent again.
    Failed(Arc<HostError>),
    /// A fault of this program.
    Broken,
}

impl Intake {
    /// Starts the deciders, with room for so many events. They end by [`Deciders::finish`].
    pub(super) fn start(desk: &Arc<Desk>, room: usize) -> (Self, Deciders) {
        let (queue, closes) = (Arc::<Queue>::default(), Arc::<Queue>::default());
        let threads = vec![decider("decider", desk, &queue), decider("closer", desk, &closes)];
        let (size, room) = (room, Arc::new(Semaphore::new(room)));
        let room_to_close = Arc::new(Semaphore::new(CLOSING));
        let deciders = Deciders { threads, queues: [Arc::clone(&queue), Arc::clone(&closes)] };
        (Self { room, room_to_close, size, queue, closes }, deciders)
    }

    /// Hands events in, to be decided by the program at work unless another is named, and waits until each is in the ledger, or
    /// refused. Whoever stops waiting does not take them back.
    pub(super) async fn submit(
        &self,
        events: Vec<Event>,
        within: Option<MerchantId>,
        under: Option<Arc<Active>>,
        bytes: Option<Held>,
    ) -> Answer {
        let closes = events.iter().any(|event| matches!(event.body, Body::Close(_)));
        let (queue, room) =
            if closes { (&self.closes, &self.room_to_close) } else { (&self.queue, &self.room) };
        let count = u32::try_from(events.len()).map_err(|_| Unanswered::Full)?;
        let room = Arc::clone(room).try_acquire_many_owned(count).map_err(|_| Unanswered::Full)?;
        let (answer, answered) = oneshot::channel();
        let events = events.into_iter().map(Arc::new).collect();
        let submission = Submission { events, within, under, answer, _room: room, _bytes: bytes };
        queue.put(submission);
        answered.await.map_err(|_| Unanswered::Broken)?
    }

    /// Returns how many events may wait.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Returns how many more events may wait now.
    pub(super) fn room(&self) -> usize {
        self.room.available_permits()
    }
}

impl Unanswered {
    /// Returns whether it may be for what one request asks; otherwise everybody hears the same.
    fn is_for_one(&self) -> bool {
        match self {
            Self::Full | Self::Behind => false,
            Self::Broken => true,
            Self::Failed(error) => match &**error {
                HostError::Ledger(error) => matches!(error, LedgerError::Overflow { .. }),
                HostError::Contention { .. } => false,
                HostError::Program(_)
                | HostError::Deployment { .. }
                | HostError::Policy { .. }
                | HostError::World { .. }
                | HostError::Release(_)
                | HostError::Event(_)
                | HostError::Receipt(_)
                | HostError::Unreadable(_)
                | HostError::UnknownProgram { .. }
                | HostError::NoVersion { .. }
                | HostError::TooSoon(_)
                | HostError::SameProgram { .. }
                | HostError::OtherTables { .. } => true,
            },
        }
    }
}

impl Deciders {
    /// Waits until all that was handed in is answered. Nobody hands in more: it would not be decided.
    pub(super) fn finish(self) {
        self.queues.iter().for_each(|queue| queue.close());
        for thread in self.threads {
            // A panic over there has been reported over there.
            drop(thread.join());
        }
    }
}

fn decider(name: &str, desk: &Arc<Desk>, queue: &Arc<Queue>) -> JoinHandle<()> {
    let (desk, queue) = (Arc::clone(desk), Arc::clone(queue));
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || work(&desk, &queue));
    thread.expect("the system has room for one thread")
}

fn work(desk: &Arc<Desk>, queue: &Queue) {
    loop {
        // Where little comes, nothing does while it is committed, and a second thread costs more than it is worth.
        let behind = (!queue.is_empty()).then_some(queue);
        let batch = queue.next(BATCH, |_| true, || false);
        if batch.is_empty() {
            return;
        }
        let releases = Releases::new(None, Some(&*desk.ledger));
        let programs = desk.programs(&releases);
        // Whoever waits for a batch on which this program is at fault hears that; the next one is decided.
        drop(catch_unwind(AssertUnwindSafe(|| decide(desk, &programs, behind, batch))));
    }
}

/// Decides a batch, and what comes behind it: what is decided by the same program, and follows each other, together.
fn decide(desk: &Arc<Desk>, programs: &Programs<'_>, queue: Option<&Queue>, batch: Vec<Submission>) {
    let (live, mut batch) = (desk.live(), VecDeque::from(batch));
    while let Some(active) = batch.front().map(|first| Arc::clone(first.by(&live))) {
        let others = batch.iter().position(|next| next.by(&live).digest != active.digest);
        let rest = batch.split_off(others.unwrap_or(batch.len()));
        // Nothing comes before what is taken already.
        let queue = queue.filter(|_| rest.is_empty());
        answer(&Turn::new(desk, &live, &active, queue), programs, mem::replace(&mut batch, rest).into());
    }
}

/// Decides submissions by one program, and what comes behind them. Where that fails for what one of the submissions may ask, each is
/// decided by itself, so that none fails for another's sake.
fn answer(turn: &Turn<'_>, programs: &Programs<'_>, batch: Vec<Submission>) {
    let events = turn.take(batch);
    let Err(unanswered) = process(turn, programs, events) else { return };
    let left = turn.leave();
    if left.len() > 1 && unanswered.is_for_one() {
        for submission in left {
            answer(&Turn::new(turn.desk, turn.live, turn.active, None), programs, vec![submission]);
        }
    } else {
        left.into_iter().for_each(|submission| drop(submission.answer.send(Err(unanswered.clone()))));
    }
}

fn process(turn: &Turn<'_>, programs: &Programs<'_>, events: Vec<Sent>) -> Result<(), Unanswered> {
    let Desk { ledger, threads, failing, .. } = &**turn.desk;
    if turn.desk.behind.load(Ordering::Acquire) {
        return Err(Unanswered::Behind);
    }
    let processor = Processor::new(turn.active, programs, &**ledger, *threads);
    // The ledger takes a batch or nothing of it, and nothing else outlives one.
    let decided = catch_unwind(AssertUnwindSafe(|| match turn.queue {
        Some(_) => processor.serve(events, turn),
        None => processor.process(events).map(|outcomes| turn.hear(&mut (0..).zip(outcomes).collect())),
    }));
    match decided {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            failing.store(matches!(error, HostError::Ledger(_)), Ordering::Relaxed);
            Err(Unanswered::Failed(Arc::new(error)))
        }
        Err(_) => Err(Unanswered::Broken),
    }
}

/// A decider's turn: submissions that one program decides, and whatever comes behind them meanwhile.
struct Turn<'a> {
    desk: &'a Arc<Desk>,
    live: &'a Live,
    active: &'a Arc<Active>,
    /// Where more comes from.
    queue: Option<&'a Queue>,
    taken: Mutex<Taken>,
}

/// What is not answered yet, each with the time since when.
#[derive(Default)]
struct Taken {
    submissions: VecDeque<(Submission, Stopwatch)>,
    /// The place of the first of their events.
    first: usize,
}

impl Taken {
    /// Takes the first submission, and what became of its events, once that is known of all of them.
    fn answered(&mut self, outcomes: &mut Outcomes) -> Option<(Submission, Stopwatch, Outcomes)> {
        let end = |next: &Submission| self.first.saturating_add(next.events.len());
        let whole = |next: &Submission| outcomes.range(..end(next)).count() == next.events.len();
        let (submission, since) = self.submissions.pop_front_if(|(next, _)| whole(next))?;
        self.first = self.first.saturating_add(submission.events.len());
        let later = outcomes.split_off(&self.first);
        Some((submission, since, mem::replace(outcomes, later)))
    }
}

impl<'a> Turn<'a> {
    fn new(desk: &'a Arc<Desk>, live: &'a Live, active: &'a Arc<Active>, queue: Option<&'a Queue>) -> Self {
        Self { desk, live, active, queue, taken: Mutex::default() }
    }

    /// Takes submissions over, and returns their events.
    fn take(&self, submissions: Vec<Submission>) -> Vec<Sent> {
        let sent = submissions.iter().flat_map(|it| it.events.iter().map(|event| (event, &it.within)));
        let sent = sent.map(|(event, within)| Sent::new(Arc::clone(event), within.clone())).collect();
        self.lock().submissions.extend(submissions.into_iter().map(|it| (it, Stopwatch::start())));
        sent
    }

    /// Gives up what is not answered.
    fn leave(&self) -> Vec<Submission> {
        mem::take(&mut *self.lock()).submissions.into_iter().map(|(submission, _)| submission).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line for Turn<'_> {
    fn next(&self, events: usize, enough: &dyn Fn() -> bool) -> Vec<Sent> {
        let is_live = || {
            let live = self.desk.live.read().unwrap_or_else(PoisonError::into_inner);
            live.change.version == self.live.change.version && !self.desk.behind.load(Ordering::Acquire)
        };
        let fits = |next: &Submission| next.by(self.live).digest == self.active.digest && is_live();
        self.queue.map(|queue| self.take(queue.next(events, fits, enough))).unwrap_or_default()
    }

    fn stir(&self) {
        if let Some(queue) = self.queue {
            queue.stir();
        }
    }

    fn hear(&self, outcomes: &mut Outcomes) {
        let (mut answered, mut heard) = (Vec::new(), Vec::new());
        let mut taken = self.lock();
        while let Some((submission, since, its)) = taken.answered(outcomes) {
            answered.push((submission, since));
            heard.extend(its.into_values());
        }
        drop(taken);
        let Some((_, since)) = answered.first() else { return };
        self.desk.failing.store(false, Ordering::Relaxed);
        metrics::count_batch(&heard, since.elapsed());
        let failed = self.desk.watch.look(self.live, &heard);
        let mut heard = heard.into_iter();
        for (Submission { events, answer, .. }, _) in answered {
            // Whoever is gone does not need the answer.
            answer.send(Ok(heard.by_ref().take(events.len()).collect())).ok();
        }
        if !failed.is_empty() {
            let (desk, live) = (Arc::clone(self.desk), self.live.clone());
            let put_back = move || failed.iter().for_each(|failed| desk.put_back(&live, failed));
            thread::spawn(put_back);
        }
    }
}
