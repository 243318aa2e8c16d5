//! Batches: many events, evaluated side by side and committed in their order.
//!
//! ```text
//! read ──► evaluate (members side by side, each member's events in order) ──► commit the prefix that holds ──┐
//!  ▲                                                                                                         │
//!  └────────────────────────────── what did not hold, and all behind it, once more ◄─────────────────────────┘
//! ```
//!
//! A long batch is read at once, and evaluated slice after slice: one is committed while the next is evaluated. Where a [`Line`] stands
//! behind the batch, what comes is evaluated likewise, on what was decided of its members and is not in the ledger yet.
//!
//! What an event is decided on must be in the ledger: where its order, its use of points, or its own name had a turn in the
//! round already, the round ends before it. So the log stays in the order of the input.
//!
//! The commit is in the order of the input, and an entry is only committed if it says what it would have said had
//! everything before it been committed first. So the result depends neither on threads nor on batches.

mod doubts;
mod hands;
mod outcome;
mod read;
mod turns;

use std::collections::BTreeMap;
use std::mem;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use jifen_ledger::{Known, Ledger};
use jifen_loyalty::event::Body;
use jifen_loyalty::{DeploymentId, Event, InvalidEvent, MerchantId};
use rules_guest::calendar::Day;

use crate::active::Active;
use crate::campaign::{self, Tally};
use crate::conflict::conflict;
use crate::error::{HostError, Undecided};
use crate::programs::Programs;
use crate::{close, notice, redemption};

use self::doubts::Doubts;
use self::outcome::{Decided, Promise};
use self::turns::{Flight, is_whole_close};

pub(crate) use self::outcome::{Beside, Done, Moved, Outcome, Quoted, Recorded};
pub(crate) use self::read::{Read, named};

/// How often a batch is decided again before another host is given the way.
const TRIES_MAX: usize = 1_000;

/// Events that are decided while those before them are committed: enough that a flush is cheap, and few in builds with assertions, so
/// that what is tested meets the ends of slices.
const SLICE: usize = if cfg!(debug_assertions) { 8 } else { 500 };

/// Why a thread that decides or commits ends well: if not, that is our bug, and whoever waits hears of it.
const NO_PANIC: &str = "neither a policy nor a store can panic the host";

/// Members whose midnight work is done together.
const MEMBERS_CLOSED: usize = 1_000;

/// Processes events on a program and a ledger.
pub(crate) struct Processor<'a> {
    pub(crate) active: &'a Active,
    /// Those that decided purchases which are returned now.
    pub(crate) programs: &'a Programs<'a>,
    pub(crate) ledger: &'a dyn Ledger,
    pub(crate) threads: NonZeroUsize,
    /// Whether the events are those of a log, where all that a close does stands before it.
    pub(crate) of_log: bool,
    /// Programs that are asked beside. What they would decide comes to nothing.
    pub(crate) beside: &'a [&'a Active],
    /// Is told how far a campaign is.
    pub(crate) watch: &'a (dyn Fn(&DeploymentId, &Tally) + Sync),
}

/// What became of events, by their places in the batch.
pub(crate) type Outcomes = BTreeMap<usize, Outcome>;

/// Events that come while others are on their way into the ledger. They have their places behind those.
pub(crate) trait Line: Sync {
    /// Waits until events come, and returns about so many; none where another program decides the next, where none will come, and once that
    /// is `enough`.
    fn next(&self, events: usize, enough: &dyn Fn() -> bool) -> Vec<Sent>;
    /// Has `next` ask once more whether it is enough.
    fn stir(&self);
    /// Hears what became of events, and takes away what it need not hear again: that of the first.
    fn hear(&self, outcomes: &mut Outcomes);
}

/// What became of events so far.
#[derive(Default)]
struct Told<'l> {
    outcomes: Outcomes,
    /// How many events have a place.
    places: usize,
    /// Where more comes from.
    serves: Option<&'l Serves<'l>>,
}

impl Told<'_> {
    fn hear(&mut self) {
        if let Some(serves) = self.serves {
            serves.line.hear(&mut self.outcomes);
        }
    }
}

/// Who stands in line, and the thread that commits meanwhile.
struct Serves<'l> {
    line: &'l dyn Line,
    /// Whether the last that was handed over is committed, or cannot be.
    committed: &'l AtomicBool,
    commits: mpsc::Sender<Commit>,
    done: mpsc::Receiver<(Outcomes, Result<Vec<Waiting>, HostError>)>,
}

/// Decisions on their way into the ledger, with what became of those before them.
struct Commit {
    decided: Vec<Decided>,
    doubts: Doubts,
    outcomes: Outcomes,
}

/// A batch that is decided and not committed yet.
pub(crate) struct Ahead {
    decided: Vec<Decided>,
    again: Vec<Waiting>,
    outcomes: Outcomes,
}

/// An event as it was handed in.
pub(crate) struct Sent {
    event: Arc<Event>,
    /// The merchant whose key it came with, and whose things alone it may touch.
    within: Option<MerchantId>,
}

impl Sent {
    /// Returns an event that came with a merchant's key, or with one that reaches everything.
    pub(crate) fn new(event: Arc<Event>, within: Option<MerchantId>) -> Self {
        Self { event, within }
    }
}

impl<E: Into<Arc<Event>>> From<E> for Sent {
    fn from(event: E) -> Self {
        Self::new(event.into(), None)
    }
}

/// An event that waits, with its place in the batch and its business day.
struct Waiting {
    place: usize,
    day: Day,
    event: Arc<Event>,
    within: Option<MerchantId>,
    /// Whether all went back into stock of what it asks for that nobody holds any longer.
    restocked: bool,
}

impl<'a> Processor<'a> {
    /// Returns what decides what happens now, by one program, and tells nobody how far it is.
    pub(crate) fn new(
        active: &'a Active,
        programs: &'a Programs<'a>,
        ledger: &'a dyn Ledger,
        threads: NonZeroUsize,
    ) -> Self {
        Self { active, programs, ledger, threads, of_log: false, beside: &[], watch: &|_, _| {} }
    }

    /// Processes a batch and returns what became of each event, in their order.
    ///
    /// # Errors
    ///
    /// If the ledger fails. What was committed by then is in the ledger; processing the same batch again is safe.
    pub(crate) fn process(&self, events: Vec<impl Into<Sent>>) -> Result<Vec<Outcome>, HostError> {
        let mut told = Told::default();
        let waiting = self.placed(events, &mut told);
        self.rounds(waiting, &mut told)?;
        Ok(told.outcomes.into_values().collect())
    }

    /// Processes a batch and what comes behind it, until nothing does while the last is committed. The line hears what became of each.
    ///
    /// # Errors
    ///
    /// As [`Processor::process`].
    pub(crate) fn serve(&self, events: Vec<impl Into<Sent>>, line: &dyn Line) -> Result<(), HostError> {
        let committed = &AtomicBool::new(false);
        let ((commits, handed), (tell, done)) = (mpsc::channel::<Commit>(), mpsc::channel());
        thread::scope(|scope| {
            scope.spawn(move || {
                for Commit { decided, mut doubts, mut outcomes } in handed {
                    let stirs = Stirs { line, committed };
                    let again = self.commit(decided, &mut doubts, &mut outcomes);
                    line.hear(&mut outcomes);
                    drop(stirs);
                    // Whoever is gone has failed.
                    drop(tell.send((outcomes, again)));
                }
            });
            let serves = Serves { line, committed, commits, done };
            let mut told = Told { serves: Some(&serves), ..Told::default() };
            let waiting = self.placed(events, &mut told);
            self.rounds(waiting, &mut told)
        })
    }

    /// Decides days of a campaign, each of another member, on what was read of them, while others may be on their way into the
    /// ledger. [`Processor::finish`] commits what still holds then.
    ///
    /// # Errors
    ///
    /// If the ledger fails.
    pub(crate) fn decide_ahead(&self, runs: Vec<Event>, mut read: Read) -> Result<Ahead, HostError> {
        let mut told = Told::default();
        let waiting = self.placed(runs, &mut told);
        let (ready, mut again) = read.ready(waiting, &Flight::default());
        let mut decided = self.decide(ready, &mut read)?;
        // An entry says what must still be true of it; a refusal cannot.
        let refused = decided.iter().position(|decided| decided.verdict.is_err()).unwrap_or(decided.len());
        again.splice(0..0, decided.split_off(refused).into_iter().map(|decided| decided.waiting));
        Ok(Ahead { decided, again, outcomes: told.outcomes })
    }

    /// Commits what was decided ahead, decides once more what no longer holds, and returns what became of each event, in their order.
    ///
    /// # Errors
    ///
    /// As [`Processor::process`].
    pub(crate) fn finish(&self, ahead: Ahead) -> Result<Vec<Outcome>, HostError> {
        let Ahead { decided, again, mut outcomes } = ahead;
        let mut waiting = self.commit(decided, &mut Doubts::default(), &mut outcomes)?;
        waiting.extend(again);
        let mut told = Told { outcomes, ..Told::default() };
        self.rounds(waiting, &mut told)?;
        Ok(told.outcomes.into_values().collect())
    }

    /// Returns what an event would come to now. Nothing is written, and nothing of it is promised.
    ///
    /// # Errors
    ///
    /// If the ledger fails.
    pub(crate) fn quote(&self, event: impl Into<Sent>) -> Result<Quoted, HostError> {
        let mut told = Told::default();
        let waiting = self.placed(vec![event], &mut told);
        let mut read = Read::default();
        let (ready, _) = self.ready(waiting, &mut Flight::default(), &mut read, &mut told.outcomes)?;
        Ok(match (self.decide(ready, &mut read)?.pop(), told.outcomes.pop_first()) {
            (Some(Decided { verdict: Ok((entry, _)), .. }), _) => Quoted::Receipt(entry.receipt),
            (Some(Decided { verdict: Err(refusal), .. }), _) => Quoted::Refused(refusal),
            (None, Some((_, outcome))) => Quoted::Known(outcome),
            (None, None) => unreachable!("an event alone waits for no other"),
        })
    }

    /// Gives events their places and days, and refuses those that can have none.
    fn placed(&self, events: Vec<impl Into<Sent>>, told: &mut Told<'_>) -> Vec<Waiting> {
        let mut waiting = Vec::with_capacity(events.len());
        for event in events {
            let Sent { event, within } = event.into();
            let place = told.places;
            told.places = place.saturating_add(1);
            match self.day_of(&event) {
                Ok(day) => waiting.push(Waiting { place, day, event, within, restocked: false }),
                Err(refusal) => drop(told.outcomes.insert(place, Outcome::refused(refusal))),
            }
        }
        waiting
    }

    fn rounds(&self, mut waiting: Vec<Waiting>, told: &mut Told<'_>) -> Result<(), HostError> {
        let mut tries = 0_usize;
        loop {
            told.hear();
            if waiting.is_empty() {
                return Ok(());
            }
            let (before, places) = (waiting.len(), told.places);
            waiting = self.round(waiting, told)?;
            let came = told.places.saturating_sub(places);
            tries = if waiting.len() < before.saturating_add(came) { 0 } else { tries.saturating_add(1) };
            if tries >= TRIES_MAX {
                return Err(HostError::Contention { tries });
            }
        }
    }

    /// Returns an event's business day, or why it can have no place in the program.
    fn day_of(&self, event: &Event) -> Result<Day, InvalidEvent> {
        let program = &self.active.program;
        match &event.body {
            Body::Happening(happening) => program.situate(happening).map(|situation| situation.today.day),
            Body::Settlement(_) => {
                let reason = "jifen.settlement.closed is made by `jifen settle`".to_owned();
                Err(InvalidEvent { field: "type".to_owned(), reason })
            }
            Body::Refund(_)
            | Body::Redemption(_)
            | Body::Opening(_)
            | Body::Conversion(_)
            | Body::TermChange(_)
            | Body::Block(_) => program.day_of(event.time).map(|(day, _)| day),
            // The day that ended, not the midnight that ended it.
            Body::Close(close) => program.day_of(program.zone.start_of(close.day)).map(|(day, _)| day),
        }
    }

    /// Decides and commits as far as it holds; returns the events that still wait.
    fn round(&self, waiting: Vec<Waiting>, told: &mut Told<'_>) -> Result<Vec<Waiting>, HostError> {
        if let Some(first) = waiting.first().filter(|first| !self.of_log && is_whole_close(&first.event)) {
            let place = first.place;
            let done = match self.close(&first.event)? {
                Ok(done) => done,
                Err(refusal) => {
                    told.outcomes.insert(place, Outcome::refused(refusal));
                    return Ok(waiting.into_iter().skip(1).collect());
                }
            };
            // Nobody hears of it before it says what it did.
            let serves = told.serves.take();
            let again = self.decide_and_commit(waiting, told)?;
            told.serves = serves;
            if let Some(Outcome::Applied { closed, .. }) = told.outcomes.get_mut(&place) {
                *closed = Some(Box::new(done));
            }
            return Ok(again);
        }
        self.decide_and_commit(waiting, told)
    }

    fn decide_and_commit(
        &self,
        waiting: Vec<Waiting>,
        told: &mut Told<'_>,
    ) -> Result<Vec<Waiting>, HostError> {
        let mut read = Read::default();
        let (ready, mut later) =
            self.ready(waiting, &mut Flight::default(), &mut read, &mut told.outcomes)?;
        let mut ready = ready.into_iter();
        let mut doubts = Doubts::default();
        let mut decided = self.decide(ready.by_ref().take(SLICE).collect(), &mut read)?;
        loop {
            let next: Vec<_> = ready.by_ref().take(SLICE).collect();
            let serves = told.serves.filter(|_| !decided.is_empty() && next.is_empty() && later.is_empty());
            let (mut again, ahead) = match serves {
                Some(serves) => {
                    let (again, came) =
                        self.commit_and_serve(decided, &mut read, &mut doubts, told, serves)?;
                    later = came.later;
                    (again, came.decided)
                }
                None => {
                    let done = thread::scope(|scope| {
                        let ahead = (!next.is_empty()).then(|| scope.spawn(|| self.decide(next, &mut read)));
                        let again = self.commit(decided, &mut doubts, &mut told.outcomes)?;
                        let ahead = ahead.map(|ahead| ahead.join().expect(NO_PANIC)).transpose()?;
                        Ok::<_, HostError>((again, ahead.unwrap_or_default()))
                    })?;
                    told.hear();
                    done
                }
            };
            if !again.is_empty() || ahead.is_empty() {
                again.extend(ahead.into_iter().map(|decided| decided.waiting));
                again.extend(ready.chain(later));
                return Ok(again);
            }
            decided = ahead;
        }
    }

    /// Commits decisions, and meanwhile decides what comes. Returns what has to be decided again, and what came.
    fn commit_and_serve(
        &self,
        decided: Vec<Decided>,
        read: &mut Read,
        doubts: &mut Doubts,
        told: &mut Told<'_>,
        serves: &Serves<'_>,
    ) -> Result<(Vec<Waiting>, Came), HostError> {
        let mut flight = Flight::of(&decided, self.needs(&[]));
        // What comes is read when all before these is in the ledger, and nothing of those who were given something here is decided.
        let restocked = decided.iter().any(Decided::restocks);
        let left = Doubts { any: true, restocked, ..Doubts::default() };
        let (doubts, outcomes) = (mem::replace(doubts, left), mem::take(&mut told.outcomes));
        serves.committed.store(false, Ordering::Release);
        serves.commits.send(Commit { decided, doubts, outcomes }).expect(NO_PANIC);
        let came = self.decide_what_comes(serves, &mut flight, read, told);
        let (mut outcomes, again) = serves.done.recv().expect(NO_PANIC);
        told.outcomes.append(&mut outcomes);
        Ok((again?, came?))
    }

    /// Decides what comes until the last is committed, as far as it need not be in the ledger for that.
    fn decide_what_comes(
        &self,
        serves: &Serves<'_>,
        flight: &mut Flight,
        read: &mut Read,
        told: &mut Told<'_>,
    ) -> Result<Came, HostError> {
        let mut came = Came::default();
        while came.later.is_empty()
            && let room = SLICE.saturating_sub(came.decided.len())
            && room > 0
        {
            let sent = serves.line.next(room, &|| serves.committed.load(Ordering::Acquire));
            if sent.is_empty() {
                break;
            }
            let mut waiting = self.placed(sent, told);
            // What a closed day needs is done before it is decided.
            let closes = waiting.iter().position(|waiting| is_whole_close(&waiting.event));
            let apart = waiting.split_off(closes.unwrap_or(waiting.len()));
            let (ready, mut later) = self.ready(waiting, flight, read, &mut told.outcomes)?;
            later.extend(apart);
            let decided = self.decide(ready, read)?;
            flight.carry(&decided);
            came.decided.extend(decided);
            came.later = later;
        }
        Ok(came)
    }

    /// Returns the events up to the first that must wait for one before it, without those that the ledger knows, and the events from there
    /// on. `read` knows then what they are decided on, and still what was decided of members and is in flight.
    fn ready(
        &self,
        mut waiting: Vec<Waiting>,
        flight: &mut Flight,
        read: &mut Read,
        outcomes: &mut Outcomes,
    ) -> Result<(Vec<Waiting>, Vec<Waiting>), HostError> {
        let turns = &mut flight.turns;
        let end = waiting.iter().position(|waiting| !turns.take(&waiting.event)).unwrap_or(waiting.len());
        let later = waiting.split_off(end);
        let waiting = self.delivering_what_was_sent(waiting, outcomes)?;
        // What is not in flight is read anew.
        read.members.retain(|member, _| flight.members.contains_key(member));
        let known = self.read(&waiting, read)?;
        let mut fresh = Vec::with_capacity(waiting.len());
        for (waiting, known) in waiting.into_iter().zip(known) {
            match known {
                Some(known) => drop(outcomes.insert(waiting.place, self.again(&waiting.event, known)?)),
                None => fresh.push(waiting),
            }
        }
        let (ready, mut apart) = read.ready(fresh, flight);
        apart.extend(later);
        Ok((ready, apart))
    }

    /// Returns the events without deliveries of what nobody sent.
    fn delivering_what_was_sent(
        &self,
        waiting: Vec<Waiting>,
        outcomes: &mut Outcomes,
    ) -> Result<Vec<Waiting>, HostError> {
        let mut admitted = Vec::with_capacity(waiting.len());
        for waiting in waiting {
            match notice::admit(self.ledger, &waiting.event) {
                Ok(()) => admitted.push(waiting),
                Err(Undecided::Refused(refusal) | Undecided::Declined(refusal, _)) => {
                    outcomes.insert(waiting.place, Outcome::refused(refusal));
                }
                Err(Undecided::Failed(error)) => return Err(error),
            }
        }
        Ok(admitted)
    }

    /// Does everybody's midnight work and runs the campaigns of the day that begins, so that the close itself can be written,
    /// and returns what that came to. A close that the ledger knows has been done.
    ///
    /// # Errors
    ///
    /// If the ledger fails; the inner one, if the work of a member cannot be done, and so the day not be closed.
    fn close(&self, event: &Event) -> Result<Result<Done, InvalidEvent>, HostError> {
        let mut done = Done::default();
        let zone = self.active.program.zone;
        let Body::Close(close) = &event.body else { return Ok(Ok(done)) };
        if close::admit(zone, event, close).is_err() || self.ledger.find(&event.source, &event.id)?.is_some()
        {
            return Ok(Ok(done));
        }
        for members in close::candidates(self.ledger, self.active, close)?.chunks(MEMBERS_CLOSED) {
            let closes = close::closes(self.ledger, self.active, event, close, members)?;
            for outcome in self.process(closes)? {
                match outcome {
                    Outcome::Refused { refusal, .. } if !close::is_nothing_due(&refusal) => {
                        return Ok(Err(refusal));
                    }
                    Outcome::Refused { .. } | Outcome::Duplicate(_) => {}
                    outcome @ Outcome::Applied { .. } => done.add(outcome),
                }
            }
        }
        match campaign::run_all(self, close, &mut done) {
            Ok(()) => Ok(Ok(done)),
            Err(Undecided::Refused(refusal) | Undecided::Declined(refusal, _)) => Ok(Err(refusal)),
            Err(Undecided::Failed(error)) => Err(error),
        }
    }

    /// Returns the first receipt of an event that the ledger knows, or the conflict if it knows another event by
    /// that name.
    fn again(&self, event: &Event, known: Known) -> Result<Outcome, HostError> {
        if known.event_digest == event.digest {
            let Known { seq, receipt, receipt_digest, .. } = known;
            return Ok(Outcome::Duplicate(Recorded { seq, receipt, digest: Some(receipt_digest) }));
        }
        let first =
            self.ledger.find(&event.source, &event.id)?.map(|logged| logged.event).unwrap_or_default();
        Ok(Outcome::refused(conflict(&first, &event.canonical)))
    }

    /// Commits decisions up to the first that no longer holds, and returns the events from there on. Before there is too
    /// little of something, what is held of it for too long is let go.
    fn commit(
        &self,
        mut decided: Vec<Decided>,
        doubts: &mut Doubts,
        outcomes: &mut Outcomes,
    ) -> Result<Vec<Waiting>, HostError> {
        let unsure = doubts.split_off(&mut decided);
        let mut undone;
        loop {
            let short = decided.iter().position(Decided::is_short).unwrap_or(decided.len());
            let rest = decided.split_off(short);
            undone = self.commit_all(decided, outcomes)?;
            decided = rest;
            let Some(first) = decided.first_mut().filter(|_| undone.is_empty()) else { break };
            first.waiting.restocked = true;
            if self.restock(&first.waiting.event)? {
                break;
            }
        }
        undone.extend(decided.into_iter().chain(unsure).map(|decided| decided.waiting));
        Ok(undone)
    }

    /// Lets go what is held for too long of a stock that an event asks for. Returns whether there was anything.
    fn restock(&self, event: &Event) -> Result<bool, HostError> {
        let mut lapses = Vec::new();
        for (deployment, item) in self.limited(event) {
            let lapsed = self.ledger.lapsed(deployment, item, event.time)?;
            lapses.extend(lapsed.iter().map(|(name, until)| redemption::lapse(name, *until)));
        }
        let any = !lapses.is_empty();
        // Whatever cannot be let go here was let go by someone else.
        self.process(lapses)?;
        Ok(any)
    }

    fn commit_all(&self, decided: Vec<Decided>, outcomes: &mut Outcomes) -> Result<Vec<Waiting>, HostError> {
        let mut entries = Vec::with_capacity(decided.len());
        let promises: Vec<_> = decided.into_iter().map(|decided| decided.promise(&mut entries)).collect();
        let seqs = if entries.is_empty() { Vec::new() } else { self.ledger.commit(entries)?.seqs };
        let mut seqs = seqs.into_iter();
        let mut undone = Vec::new();
        for (waiting, promise) in promises {
            let outcome = match promise {
                Promise::Applied(applied) => seqs.next().map(|seq| applied.at(seq)),
                // A refusal holds only if everything before it did.
                Promise::Refused(refusal, answered) => {
                    undone.is_empty().then_some(Outcome::Refused { refusal, answered })
                }
            };
            match outcome {
                Some(outcome) => drop(outcomes.insert(waiting.place, outcome)),
                None => undone.push(waiting),
            }
        }
        Ok(undone)
    }
}

/// What came while something was committed.
#[derive(Default)]
struct Came {
    decided: Vec<Decided>,
    /// From the first on that must wait until something before it is in the ledger.
    later: Vec<Waiting>,
}

/// Says that something is committed, or cannot be, whatever happens to who does it.
struct Stirs<'a> {
    line: &'a dyn Line,
    committed: &'a AtomicBool,
}

impl Drop for Stirs<'_> {
    fn drop(&mut self) {
        self.committed.store(true, Ordering::Release);
        self.line.stir();
    }
}

#[cfg(test)]
mod tests;
