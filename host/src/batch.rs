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

use std::collections::{BTreeMap, HashMap, HashSet};
use std::iter;
use std::mem;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use jifen_ledger::{
    Known, Ledger, MemberQuery, Needs, Order, OrderQuery, Query, Redemption, RedemptionQuery,
};
use jifen_loyalty::entry::NewLot;
use jifen_loyalty::event::{Body, Occasion, Purpose, Step};
use jifen_loyalty::member::Profile;
use jifen_loyalty::posting::Kind;
use jifen_loyalty::{
    Decision, DeploymentId, Entry, Event, InvalidEvent, Member, MemberId, MerchantId, Points, Posting,
    RedemptionId, UnitId,
};
use rules_guest::calendar::Day;

use crate::active::Active;
use crate::campaign::{self, Tally};
use crate::close;
use crate::conflict::conflict;
use crate::error::{HostError, Undecided};
use crate::facts::{first_day_needed, month_of};
use crate::notice;
use crate::pipeline::{self, Answers, Faults, Stock, is_comparable, process, reviewed_payer, would_decide};
use crate::programs::Programs;
use crate::{reach, redemption, refund};

/// How often a batch is decided again before another host is given the way.
const TRIES_MAX: usize = 1_000;

/// Events that are decided while those before them are committed: enough that a flush is cheap, and few in builds with assertions, so
/// that what is tested meets the ends of slices.
const SLICE: usize = if cfg!(debug_assertions) { 8 } else { 500 };

/// Events that are worth a thread: beginning one costs as much as deciding some. Fewer in builds with assertions, as above.
const HAND: usize = if cfg!(debug_assertions) { 1 } else { 50 };

/// Why a thread that decides or commits ends well: if not, that is our bug, and whoever waits hears of it.
const NO_PANIC: &str = "neither a policy nor a store can panic the host";

/// Members whose midnight work is done together.
const MEMBERS_CLOSED: usize = 1_000;

/// What became of an event.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was applied.
    Applied {
        /// Its receipt.
        recorded: Recorded,
        /// The lots that it awarded.
        lots: Vec<NewLot>,
        /// The points that it used, and those that lapsed.
        moved: Moved,
        /// The deployments that failed to answer.
        faults: Faults,
        /// What everybody's midnight work came to, where a day was closed.
        closed: Option<Box<Done>>,
        /// What the programs that were asked beside would have decided, each in its place; nothing where no rule is asked.
        beside: Vec<Beside>,
    },
    /// It had been applied before: the first receipt.
    Duplicate(Recorded),
    /// It cannot be applied; nothing of it was.
    Refused(InvalidEvent),
}

/// What a program would have decided, or why it would not take the event.
pub(crate) type Beside = Result<Decision, InvalidEvent>;

/// What an event would come to.
#[derive(Debug)]
pub(crate) enum Quoted {
    /// The receipt that it would have, in canonical form.
    Receipt(Vec<u8>),
    /// Why it would be refused.
    Refused(InvalidEvent),
    /// What it came to, or why its name cannot be used: the ledger knows it.
    Known(Outcome),
}

/// A receipt and its place in the log.
#[derive(Debug)]
pub(crate) struct Recorded {
    /// Its place.
    pub(crate) seq: u64,
    /// Its canonical form.
    pub(crate) receipt: Vec<u8>,
    /// Its digest.
    pub(crate) digest: [u8; 32],
}

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
                Err(refusal) => drop(told.outcomes.insert(place, Outcome::Refused(refusal))),
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
                    told.outcomes.insert(place, Outcome::Refused(refusal));
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
                Err(Undecided::Refused(refusal)) => {
                    outcomes.insert(waiting.place, Outcome::Refused(refusal));
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
                    Outcome::Refused(refusal) if !close::is_nothing_due(&refusal) => return Ok(Err(refusal)),
                    Outcome::Refused(_) | Outcome::Duplicate(_) => {}
                    outcome @ Outcome::Applied { .. } => done.add(outcome),
                }
            }
        }
        match campaign::run_all(self, close, &mut done) {
            Ok(()) => Ok(Ok(done)),
            Err(Undecided::Refused(refusal)) => Ok(Err(refusal)),
            Err(Undecided::Failed(error)) => Err(error),
        }
    }

    /// Returns what of members' history events need: a day of a campaign may need more than what happens.
    fn needs(&self, waiting: &[Waiting]) -> Needs {
        let campaigns = waiting.iter().filter_map(|waiting| waiting.event.campaign());
        let asked = || iter::once(&self.active).chain(self.beside);
        let needs = |id: &'_ DeploymentId| {
            let campaigns = asked().flat_map(|active| active.campaigns());
            let needs = campaigns.filter(|it| it.deployment.id == *id).map(|it| it.needs());
            needs.reduce(Needs::and)
        };
        let beside = self.beside.iter().map(|active| active.needs);
        campaigns.filter_map(needs).chain(beside).fold(self.active.needs, Needs::and)
    }

    /// Returns which of the events the ledger knows, and reads what it knows of everything else that they are decided on. What is known
    /// of members already is further than the ledger, and stays.
    fn read(&self, waiting: &[Waiting], read: &mut Read) -> Result<Vec<Option<Known>>, HostError> {
        let needs = self.needs(waiting);
        let members = self.members(waiting, needs);
        let mut orders = Vec::with_capacity(waiting.len());
        let gifts = self.gifts(waiting);
        let (mut redemptions, mut stock) = (Vec::new(), Vec::new());
        redemptions.extend(gifts.iter().map(|(key, name)| RedemptionQuery { name, key: *key }));
        for (key, Waiting { event, day, .. }) in waiting.iter().enumerate() {
            let whole = matches!(event.body, Body::Refund(_) | Body::TermChange(_));
            orders.extend(event.order().map(|number| OrderQuery { number, whole, key: Some(key) }));
            redemptions.extend(named(event).map(|name| RedemptionQuery { name, key }));
            stock.extend(self.limited(event).map(|(deployment, item)| (deployment, item, day.number())));
        }
        let keys: Vec<_> = waiting.iter().map(|Waiting { event, .. }| (&*event.source, &*event.id)).collect();
        let query = Query {
            keys: &keys,
            members: &members,
            needs,
            budgets: &self.active.budgets,
            orders: &orders,
            redemptions: &redemptions,
            stock: &stock,
        };
        let snapshot = self.ledger.read(&query)?;
        let names = members.iter().map(|asked| asked.id.clone());
        let numbers = orders.iter().map(|order| order.number.to_owned());
        let mut uses = HashMap::<RedemptionId, Redemption>::new();
        for (asked, found) in redemptions.iter().zip(snapshot.redemptions) {
            // Where a known event names it, too, nothing was read for that one.
            let known = uses.entry(asked.name.clone()).or_default();
            if found.steps > known.steps {
                *known = found;
            }
        }
        let items =
            stock.iter().map(|(deployment, item, day)| ((*deployment).clone(), (*item).to_owned(), *day));
        for (name, member) in names.zip(snapshot.members) {
            read.members.entry(name).or_insert(member);
        }
        read.orders = numbers.zip(snapshot.orders).collect();
        read.shared = Shared {
            referrers: self.referrers(waiting, &read.members)?,
            redemptions: uses,
            stock: items.zip(snapshot.stock).collect(),
            budgets_used: snapshot.budgets_used,
        };
        Ok(snapshot.known)
    }

    /// Reads whoever referred a member of the events, where that makes a difference: who they are, and what they were granted,
    /// where a cap counts that. Entries say which version of them they depend on.
    fn referrers(
        &self,
        waiting: &[Waiting],
        members: &HashMap<MemberId, Member>,
    ) -> Result<HashMap<MemberId, Member>, HostError> {
        let capped = self.caps_referrers();
        let mut first_days = BTreeMap::new();
        for Waiting { event, day, .. } in waiting {
            let Some(happening) = event.happening() else { continue };
            let referrer = match &happening.occasion {
                Occasion::Registration(it) => it.referrer.as_ref().filter(|_| capped || it.person.is_some()),
                Occasion::Purchase(_) | Occasion::Run(_) => members
                    .get(&happening.member)
                    .and_then(|it| self.referrer_to_read(&it.profile, &happening.occasion)),
            };
            let Some(referrer) = referrer else { continue };
            let needed = *month_of(day).start();
            let first_day = first_days.entry(referrer).or_insert(needed);
            *first_day = needed.min(*first_day);
        }
        self.read_referrers(first_days)
    }

    /// Returns who referred a member to whom something happens, where that makes a difference.
    pub(crate) fn referrer_to_read<'m>(
        &self,
        profile: &'m Profile,
        occasion: &Occasion,
    ) -> Option<&'m MemberId> {
        let reviewed = reviewed_payer(&self.active.program, occasion).is_some();
        let read = self.caps_referrers() || is_comparable(profile) || reviewed;
        profile.referral.as_ref().filter(|_| read).map(|referral| &referral.by)
    }

    fn caps_referrers(&self) -> bool {
        self.active.caps_referrers || self.beside.iter().any(|active| active.caps_referrers)
    }

    /// Reads referrers, each with what was granted from a day on, where a cap counts that.
    pub(crate) fn read_referrers(
        &self,
        first_days: BTreeMap<&MemberId, i32>,
    ) -> Result<HashMap<MemberId, Member>, HostError> {
        if first_days.is_empty() {
            return Ok(HashMap::new());
        }
        let asked: Vec<_> =
            first_days.iter().map(|(id, day)| MemberQuery { id, first_day: *day, lots: false }).collect();
        let needs = Needs { granted_by_day: self.caps_referrers(), ..Needs::default() };
        let found = self.ledger.read(&Query { members: &asked, needs, ..Query::default() })?.members;
        Ok(first_days.into_keys().cloned().zip(found).collect())
    }

    /// Returns the names of what closes may give, each with the place of its close.
    fn gifts(&self, waiting: &[Waiting]) -> Vec<(usize, RedemptionId)> {
        let closes = waiting.iter().enumerate().filter_map(|(key, waiting)| match &waiting.event.body {
            Body::Close(close) => Some((key, close)),
            Body::Happening(_)
            | Body::Refund(_)
            | Body::Redemption(_)
            | Body::Settlement(_)
            | Body::Opening(_)
            | Body::Conversion(_)
            | Body::TermChange(_)
            | Body::Block(_) => None,
        });
        let names =
            |(key, close)| close::gift_names(self.active, close).into_iter().map(move |name| (key, name));
        closes.flat_map(names).collect()
    }

    /// Returns the members whose events they say they are, each once.
    fn members<'e>(&self, waiting: &'e [Waiting], needs: Needs) -> Vec<MemberQuery<'e>> {
        let mut members = BTreeMap::<&MemberId, (i32, bool)>::new();
        for Waiting { day, event, .. } in waiting {
            let Some(member) = event.member() else { continue };
            let needed = first_day_needed(needs, day);
            let (first_day, lots) = members.entry(member).or_insert((needed, false));
            *first_day = needed.min(*first_day);
            *lots |= event.happening().is_none() || needs.lots && event.campaign().is_some();
        }
        let query = |(id, (first_day, lots))| MemberQuery { id, first_day, lots };
        members.into_iter().map(query).collect()
    }

    /// Returns the deployments that have a limited stock of what an event asks for.
    fn limited<'e>(&'e self, event: &'e Event) -> impl Iterator<Item = (&'e DeploymentId, &'e str)> {
        let item = match event.redemption().map(|redemption| &redemption.step) {
            Some(Step::Requested(request)) => match &request.purpose {
                Purpose::Item { item, .. } => Some(item),
                Purpose::Bill(_) => None,
            },
            Some(Step::Captured(_) | Step::Voided(_) | Step::Lapsed | Step::Cancelled(..)) | None => None,
        };
        let closes = matches!(event.body, Body::Close(_));
        let deployments = self.active.program.redemptions.iter();
        deployments.filter_map(move |deployment| {
            let given = deployment.at_close.as_ref().map(|gift| &gift.item).filter(|_| closes);
            let item = item.or(given);
            Some((&deployment.id, deployment.stock.get_key_value(item?)?.0.as_str()))
        })
    }

    /// Returns the first receipt of an event that the ledger knows, or the conflict if it knows another event by
    /// that name.
    fn again(&self, event: &Event, known: Known) -> Result<Outcome, HostError> {
        if known.event_digest == event.digest {
            let Known { seq, receipt, receipt_digest, .. } = known;
            return Ok(Outcome::Duplicate(Recorded { seq, receipt, digest: receipt_digest }));
        }
        let first =
            self.ledger.find(&event.source, &event.id)?.map(|logged| logged.event).unwrap_or_default();
        Ok(Outcome::Refused(conflict(&first, &event.canonical)))
    }

    /// Decides events, members side by side, and returns the decisions in the events' order. Of their members is known then what
    /// was decided.
    fn decide(&self, events: Vec<Waiting>, read: &mut Read) -> Result<Vec<Decided>, HostError> {
        let mut hands = deal(events, read, self.threads);
        let own = hands.pop().unwrap_or_default();
        let shared = &read.shared;
        let play = |hand| self.play(hand, shared);
        let played = thread::scope(|scope| {
            let threads: Vec<_> = hands.into_iter().map(|hand| scope.spawn(move || play(hand))).collect();
            let own = play(own);
            let others = threads.into_iter().map(|thread| thread.join().expect(NO_PANIC));
            iter::once(own).chain(others).collect::<Result<Vec<_>, HostError>>()
        })?;
        let mut decided = Vec::new();
        for (members, mut of_hand) in played {
            read.members.extend(members.into_iter().filter_map(|(name, member)| Some((name?, member))));
            decided.append(&mut of_hand);
        }
        decided.sort_unstable_by_key(|decided| decided.waiting.place);
        Ok(decided)
    }

    fn play(&self, hand: Hand, shared: &Shared) -> Result<(Named, Vec<Decided>), HostError> {
        let Hand { mut members, events } = hand;
        let decide = |Card { member, owner, order, waiting }: Card| {
            let (_, member) = members.get_mut(member).expect("events are dealt with their members");
            let Shared { referrers, redemptions, stock, budgets_used } = shared;
            let order = order.as_ref();
            let program = &self.active.program;
            let answers = Answers::default();
            let known = pipeline::Known {
                program,
                member,
                order,
                referrers,
                redemptions,
                budgets_used,
                stock,
                answers: (!self.beside.is_empty()).then_some(&answers),
            };
            let would = |active: &&Active| would_decide(active, &waiting.event, &known);
            let beside = self.beside.iter().filter_map(would).collect();
            let reaches = |within| reach::concerns(within, &waiting.event, order, redemptions);
            let reached = waiting.within.as_ref().map_or(Ok(()), reaches).map_err(Undecided::Refused);
            let decide = |()| process(self.active, self.programs, &waiting.event, &known);
            let verdict = match reached.and_then(decide) {
                Ok((entry, faults)) => {
                    member.apply(&entry);
                    Ok((entry, faults))
                }
                Err(Undecided::Refused(refusal)) => Err(refusal),
                Err(Undecided::Failed(error)) => return Err(error),
            };
            Ok(Decided { waiting, owner, verdict, beside })
        };
        let decided = events.into_iter().map(decide).collect::<Result<_, HostError>>()?;
        Ok((members, decided))
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
                Promise::Refused(reason) => undone.is_empty().then_some(Outcome::Refused(reason)),
            };
            match outcome {
                Some(outcome) => drop(outcomes.insert(waiting.place, outcome)),
                None => undone.push(waiting),
            }
        }
        Ok(undone)
    }
}

/// What decisions on one read may have made untrue behind them. An entry says what must still be true of it; a refusal cannot.
#[derive(Default)]
struct Doubts {
    /// Who was given points by the event of somebody else.
    moved: HashSet<MemberId>,
    /// Whether something was put back into a stock.
    restocked: bool,
    /// Whether there was anything.
    any: bool,
}

impl Doubts {
    /// Splits decisions before the first that something before it may have made untrue, and that does not say on what it depends.
    fn split_off(&mut self, decided: &mut Vec<Decided>) -> Vec<Decided> {
        let unsure = decided.iter().position(|it| {
            let Decided { waiting: Waiting { event, .. }, owner, verdict, .. } = it;
            let unsure = match verdict {
                // Which gifts there were too few of is not in the entry.
                Ok(_) => self.restocked && matches!(event.body, Body::Close(_)),
                Err(refusal) => {
                    let moved = owner.as_ref().is_some_and(|owner| self.moved.contains(owner));
                    // It may be refused for what others have set aside.
                    let held = self.any && event.correction().is_some();
                    moved || held || self.restocked && redemption::is_out_of_stock(refusal)
                }
            };
            if let Ok((entry, _)) = verdict {
                self.any = true;
                self.moved.extend(given(entry, owner.as_ref()).cloned());
            }
            self.restocked |= it.restocks();
            unsure
        });
        decided.split_off(unsure.unwrap_or(decided.len()))
    }
}

/// Returns the others to whom an entry gives points, or whose it moves.
fn given<'e>(entry: &'e Entry, owner: Option<&MemberId>) -> impl Iterator<Item = &'e MemberId> {
    let lots = entry.lots.iter().map(|new| &new.member);
    let theirs = lots.chain(entry.moved.iter().map(|moved| &moved.member));
    theirs.filter(move |member| Some(*member) != owner)
}

impl Decided {
    /// Returns whether it puts something back into a stock.
    fn restocks(&self) -> bool {
        self.verdict.as_ref().is_ok_and(|(entry, _)| !entry.restocked.is_empty())
    }

    /// Returns whether there is too little of what it asks for, and some may be held for too long.
    fn is_short(&self) -> bool {
        let short = |refusal: &InvalidEvent| redemption::is_out_of_stock(refusal);
        !self.waiting.restocked && self.verdict.as_ref().is_err_and(short)
    }

    /// Hands the entry over and returns what becomes of the event if it is committed.
    fn promise(self, entries: &mut Vec<Entry>) -> (Waiting, Promise) {
        let promise = match self.verdict {
            Err(reason) => Promise::Refused(reason),
            Ok((entry, faults)) => {
                let (receipt, digest) = (entry.receipt.clone(), entry.receipt_digest);
                let (lots, moved) = (awarded(&entry), moved(&entry));
                entries.push(entry);
                Promise::Applied(Applied { receipt, digest, lots, moved, faults, beside: self.beside })
            }
        };
        (self.waiting, promise)
    }
}

impl Applied {
    fn at(self, seq: u64) -> Outcome {
        let Self { receipt, digest, lots, moved, faults, beside } = self;
        let recorded = Recorded { seq, receipt, digest };
        Outcome::Applied { recorded, lots, moved, faults, closed: None, beside }
    }
}

/// Returns the lots that an entry awards: not those that hold what was given back.
fn awarded(entry: &Entry) -> Vec<NewLot> {
    let is_award = |new: &&NewLot| {
        entry.postings.iter().any(|it| it.kind == Kind::Award && it.lot.as_ref() == Some(&new.lot.id))
    };
    entry.lots.iter().filter(is_award).cloned().collect()
}

/// Points that were used or lapsed, by unit.
pub(crate) type Moved = Vec<(Kind, UnitId, Points)>;

/// Returns the points that an entry uses, and those that it lets lapse.
fn moved(entry: &Entry) -> Moved {
    let told = |posting: &&Posting| {
        matches!(posting.kind, Kind::Redemption | Kind::Expiry) && posting.lot.is_none() && posting.points > 0
    };
    let moved = entry.postings.iter().filter(told);
    moved.filter_map(|it| Some((it.kind, it.unit.clone(), Points::new(it.points.unsigned_abs())?))).collect()
}

/// What is known: of the events' members, of their orders, and of what they share.
#[derive(Default)]
pub(crate) struct Read {
    members: HashMap<MemberId, Member>,
    orders: HashMap<String, Order>,
    shared: Shared,
}

impl Read {
    /// Returns what days of a campaign are decided on.
    pub(crate) fn of_members(
        members: HashMap<MemberId, Member>,
        referrers: HashMap<MemberId, Member>,
        budgets_used: BTreeMap<DeploymentId, Points>,
    ) -> Self {
        let shared = Shared { referrers, redemptions: HashMap::new(), stock: Stock::new(), budgets_used };
        Self { members, orders: HashMap::new(), shared }
    }

    /// Returns the events up to the first that must wait for one before it, and those from there on.
    fn ready(&mut self, mut fresh: Vec<Waiting>, flight: &Flight) -> (Vec<Waiting>, Vec<Waiting>) {
        let Self { members, orders, shared: Shared { redemptions, .. } } = self;
        let apart = fresh.split_off(together(&fresh, orders, redemptions, flight));
        for waiting in &fresh {
            bring_lots(&waiting.event, orders, redemptions, members);
        }
        (fresh, apart)
    }
}

/// What the ledger knew that no member has alone, and that stays as it was until it is read again.
#[derive(Default)]
struct Shared {
    referrers: HashMap<MemberId, Member>,
    redemptions: HashMap<RedemptionId, Redemption>,
    stock: Stock,
    budgets_used: BTreeMap<DeploymentId, Points>,
}

/// What everybody's midnight work and the campaigns came to.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Points that were awarded, by deployment and unit.
    pub(crate) awarded: BTreeMap<(DeploymentId, UnitId), Points>,
    /// Points that were used or lapsed, by unit.
    pub(crate) moved: Moved,
    /// Deployments that failed to answer, each as often as it did.
    pub(crate) faults: BTreeMap<DeploymentId, u64>,
    /// What campaigns did.
    pub(crate) campaigns: BTreeMap<DeploymentId, Tally>,
}

impl Done {
    /// Adds what an event came to.
    pub(crate) fn add(&mut self, outcome: Outcome) {
        let Outcome::Applied { lots, moved, faults, .. } = outcome else { return };
        for NewLot { lot, .. } in lots {
            let sum = self.awarded.entry((lot.deployment, lot.unit)).or_default();
            *sum = sum.plus(lot.points);
        }
        for (kind, unit, points) in moved {
            match self.moved.iter_mut().find(|(of, in_unit, _)| *of == kind && *in_unit == unit) {
                Some((.., sum)) => *sum = sum.plus(points),
                None => self.moved.push((kind, unit, points)),
            }
        }
        for (deployment, _) in faults {
            let count = self.faults.entry(deployment).or_default();
            *count = count.saturating_add(1);
        }
    }
}

/// What is decided and not in the ledger yet.
#[derive(Default)]
struct Flight {
    turns: Turns,
    needs: Needs,
    /// Whom it changes, and the first day from which what a happening needs is known of them; nothing where one of their events
    /// is more than a happening, or another's gives them something, and the ledger must say what that leaves.
    members: HashMap<MemberId, Option<i32>>,
}

impl Flight {
    fn of(decided: &[Decided], needs: Needs) -> Self {
        let mut flight = Self { needs, ..Self::default() };
        for Decided { waiting, .. } in decided {
            flight.turns.take(&waiting.event);
        }
        flight.carry(decided);
        flight
    }

    /// Takes up whose events decisions are about.
    fn carry(&mut self, decided: &[Decided]) {
        for Decided { waiting: Waiting { event, day, .. }, owner, verdict, .. } in decided {
            let entry = verdict.iter().map(|(entry, _)| entry);
            let others = entry.flat_map(|entry| given(entry, owner.as_ref()));
            self.members.extend(others.map(|other| (other.clone(), None)));
            let Some(owner) = owner else { continue };
            let known = is_plain(event).then(|| first_day_needed(self.needs, day));
            let first = self.members.entry(owner.clone()).or_insert(known);
            *first = first.zip(known).map(|(first, known)| first.min(known));
        }
    }

    /// Returns whether an event of a member can be decided on what is known of the member.
    fn lets(&self, owner: &MemberId, event: &Event, day: &Day) -> bool {
        let enough = |known: i32| is_plain(event) && known <= first_day_needed(self.needs, day);
        self.members.get(owner).is_none_or(|known| known.is_some_and(enough))
    }
}

/// Returns whether an event is a happening that uses no points, and no day of a campaign: what it leaves of its member is known when
/// it is decided, and as much as the next of that kind needs.
fn is_plain(event: &Event) -> bool {
    event.happening().is_some() && event.campaign().is_none() && named(event).next().is_none()
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

/// What had a turn in a round.
#[derive(Default)]
struct Turns {
    keys: HashSet<(String, String)>,
    orders: HashSet<String>,
    redemptions: HashSet<RedemptionId>,
    /// Whether a day is closed for everybody, which no other event stands beside.
    closes: bool,
    /// Whether anything may send a notice: that it was delivered is taken once the ledger has it.
    sends: bool,
    /// Whether a day is closed for somebody: what it gives has a name that only the ledger will know.
    gives: bool,
}

impl Turns {
    /// Returns whether an event can be decided beside those before it. Where its name, its order or its use of points had a
    /// turn already, the ledger must know of that first.
    fn take(&mut self, event: &Event) -> bool {
        let alone = is_whole_close(event);
        if alone && !self.keys.is_empty() || self.closes {
            return false;
        }
        self.closes = alone;
        let delivers = event.delivers().is_some();
        if delivers && self.sends {
            return false;
        }
        self.sends |= !delivers;
        let gift =
            event.redemption().is_some_and(|step| step.name.as_str().starts_with(RedemptionId::AT_CLOSE));
        if gift && self.gives {
            return false;
        }
        self.gives |= matches!(event.body, Body::Close(_));
        let order = event.order().is_none_or(|number| self.orders.insert(number.to_owned()));
        let uses = named(event).all(|name| !self.redemptions.contains(name));
        self.redemptions.extend(named(event).cloned());
        order && uses && self.keys.insert((event.source.clone(), event.id.clone()))
    }
}

/// An event with what was decided.
struct Decided {
    waiting: Waiting,
    /// Whose event it is.
    owner: Option<MemberId>,
    verdict: Result<(Entry, Faults), InvalidEvent>,
    /// What the programs beside would have decided.
    beside: Vec<Beside>,
}

/// What becomes of an event once everything before it is committed.
enum Promise {
    Applied(Applied),
    Refused(InvalidEvent),
}

/// An entry on its way into the ledger.
struct Applied {
    receipt: Vec<u8>,
    digest: [u8; 32],
    lots: Vec<NewLot>,
    moved: Moved,
    faults: Faults,
    beside: Vec<Beside>,
}

/// Members with their names; whose event it is may be unknown.
type Named = Vec<(Option<MemberId>, Member)>;

/// Events for one thread.
#[derive(Default)]
struct Hand {
    members: Named,
    events: Vec<Card>,
}

/// An event beside the place of its member in the hand, and what the ledger has of its order.
struct Card {
    member: usize,
    owner: Option<MemberId>,
    order: Option<Order>,
    waiting: Waiting,
}

/// Deals events out to threads, all events of a member into one hand.
fn deal(events: Vec<Waiting>, read: &mut Read, threads: NonZeroUsize) -> Vec<Hand> {
    let Read { members, orders, shared: Shared { redemptions, .. } } = read;
    let hands = events.len().div_euclid(HAND).clamp(1, threads.get());
    let mut hands: Vec<Hand> = (0..hands).map(|_| Hand::default()).collect();
    let mut places = HashMap::<MemberId, (usize, usize)>::new();
    for waiting in events {
        let order = waiting.event.order().and_then(|number| orders.remove(number));
        let owner = owner(&waiting.event, order.as_ref(), redemptions).map(|(id, _)| id);
        let name = waiting.event.member().or(owner).cloned();
        let known = name.as_ref().and_then(|name| places.get(name)).copied();
        let (place, member) = known.unwrap_or_else(|| {
            let shortest = (0..hands.len()).min_by_key(|hand| hands.get(*hand).map(|hand| hand.events.len()));
            let shortest = shortest.expect("there is at least one thread");
            let hand = hands.get_mut(shortest).expect("it is one of them");
            let member = name.as_ref().and_then(|name| members.remove(name)).unwrap_or_default();
            hand.members.push((name.clone(), member));
            (shortest, hand.members.len().saturating_sub(1))
        });
        places.extend(name.clone().map(|name| (name, (place, member))));
        let card = Card { member, owner: name, order, waiting };
        hands.get_mut(place).expect("it was found above").events.push(card);
    }
    hands.retain(|hand| !hand.events.is_empty());
    hands
}

/// Returns whether an event closes a day for everybody.
fn is_whole_close(event: &Event) -> bool {
    matches!(&event.body, Body::Close(close) if close.member.is_none())
}

/// Returns the uses of points that an event moves on or pays with.
pub(crate) fn named(event: &Event) -> impl Iterator<Item = &RedemptionId> {
    let own = event.redemption().map(|redemption| &redemption.name);
    let tenders = event.purchase().into_iter().flat_map(|purchase| &purchase.tenders);
    own.into_iter().chain(tenders.filter_map(|tender| tender.redemption.as_ref()))
}

/// Returns how many of the events can be decided together. What moves used points, or takes them back with a purchase, needs
/// the lots of its member as the ledger has them: it stands alone among the events of its member.
fn together(
    fresh: &[Waiting],
    orders: &HashMap<String, Order>,
    redemptions: &HashMap<RedemptionId, Redemption>,
    flight: &Flight,
) -> usize {
    let mut seen = HashMap::<&MemberId, bool>::new();
    let apart = fresh.iter().position(|Waiting { event, day, .. }| {
        let order = event.order().and_then(|number| orders.get(number));
        let owner = event.member().or_else(|| owner(event, order, redemptions).map(|(id, _)| id));
        let alone = stands_alone(event, order);
        owner.is_some_and(|owner| {
            let waits = seen.insert(owner, alone).is_some_and(|before| before || alone);
            waits || !flight.lets(owner, event, day)
        })
    });
    apart.unwrap_or(fresh.len())
}

fn stands_alone(event: &Event, order: Option<&Order>) -> bool {
    match &event.body {
        Body::Redemption(step) => !matches!(step.step, Step::Requested(_)),
        Body::Close(_) => true,
        // What one leaves of what was granted is counted by the next.
        Body::Refund(refund) if refund.correction().is_some() => true,
        Body::Refund(_) => order.is_some_and(|order| !order.redemptions.is_empty()),
        // One that refunds wait for gives back at once what they return.
        Body::Happening(_) => {
            named(event).next().is_some() && order.is_some_and(|order| !order.entries.is_empty())
        }
        Body::Settlement(_)
        | Body::Opening(_)
        | Body::Conversion(_)
        | Body::TermChange(_)
        | Body::Block(_) => false,
    }
}

/// Returns whose event it is that does not say so: whoever bought what is returned, or asked for what is moved on; `None`
/// where that is not there.
fn owner<'k>(
    event: &Event,
    order: Option<&'k Order>,
    redemptions: &'k HashMap<RedemptionId, Redemption>,
) -> Option<(&'k MemberId, &'k Member)> {
    match &event.body {
        Body::Happening(_)
        | Body::Close(_)
        | Body::Settlement(_)
        | Body::Opening(_)
        | Body::Conversion(_)
        | Body::TermChange(_)
        | Body::Block(_) => None,
        Body::Refund(_) => refund::buyer(order?, event),
        Body::Redemption(step) => {
            let (id, member) = redemptions.get(&step.name)?.owner.as_ref()?;
            Some((id, member))
        }
    }
}

/// Adds to whoever takes something back all lots that there are, and to whoever paid with points those that they were.
fn bring_lots(
    event: &Event,
    orders: &HashMap<String, Order>,
    redemptions: &HashMap<RedemptionId, Redemption>,
    members: &mut HashMap<MemberId, Member>,
) {
    let order = event.order().and_then(|number| orders.get(number));
    if let Some((id, owner)) = owner(event, order, redemptions) {
        let member = members.entry(id.clone()).or_insert_with(|| owner.clone());
        member.lots.clone_from(&owner.lots);
    }
    let paid = order.into_iter().flat_map(|order| order.redemptions.values());
    for redemption in named(event).filter_map(|name| redemptions.get(name)).chain(paid) {
        let Some(member) = redemption.owner.as_ref().and_then(|(id, _)| members.get_mut(id)) else {
            continue;
        };
        let known: HashSet<_> = member.lots.iter().map(|lot| lot.id.clone()).collect();
        let missing = redemption.parts.iter().filter(|part| !known.contains(&part.lot.id));
        member.lots.extend(missing.map(|part| part.lot.clone()));
    }
}

#[cfg(test)]
mod tests;
