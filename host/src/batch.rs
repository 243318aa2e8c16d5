//! Batches: many events, evaluated side by side and committed in their order.
//!
//! ```text
//! read ──► evaluate (members side by side, each member's events in order) ──► commit the prefix that holds ──┐
//!  ▲                                                                                                         │
//!  └────────────────────────────── what did not hold, and all behind it, once more ◄─────────────────────────┘
//! ```
//!
//! The commit is in the order of the input, and an entry is only committed if it says what it would have said had
//! everything before it been committed first. So the result depends neither on threads nor on batches.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use jifen_ledger::{Known, Ledger, Query};
use jifen_loyalty::entry::NewLot;
use jifen_loyalty::{DeploymentId, Entry, Event, InvalidEvent, Member, MemberId, Points};
use rules_guest::calendar::Day;

use crate::active::Active;
use crate::conflict::conflict;
use crate::error::HostError;
use crate::facts::first_day_needed;
use crate::pipeline::{Faults, process};

/// How often a batch is decided again before another host is given the way.
const TRIES_MAX: usize = 1_000;

/// What became of an event.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was applied.
    Applied {
        /// Its receipt.
        recorded: Recorded,
        /// The lots it opened.
        lots: Vec<NewLot>,
        /// The deployments that failed to answer.
        faults: Faults,
    },
    /// It had been applied before: the first receipt.
    Duplicate(Recorded),
    /// It cannot be applied; nothing of it was.
    Refused(InvalidEvent),
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
    pub(crate) ledger: &'a dyn Ledger,
    pub(crate) threads: NonZeroUsize,
}

/// An event that waits, with its place in the batch and its business day.
struct Waiting {
    place: usize,
    day: Day,
    event: Arc<Event>,
}

impl Processor<'_> {
    /// Processes a batch and returns what became of each event, in their order.
    ///
    /// # Errors
    ///
    /// If the ledger fails. What was committed by then is in the ledger; processing the same batch again is safe.
    pub(crate) fn process(&self, events: Vec<Event>) -> Result<Vec<Outcome>, HostError> {
        let mut outcomes: BTreeMap<usize, Outcome> = BTreeMap::new();
        let mut waiting = Vec::with_capacity(events.len());
        for (place, event) in events.into_iter().enumerate() {
            match self.active.program.situate(&event).map(|situation| situation.today.day) {
                Ok(day) => waiting.push(Waiting { place, day, event: Arc::new(event) }),
                Err(refusal) => drop(outcomes.insert(place, Outcome::Refused(refusal))),
            }
        }
        for _ in 0..TRIES_MAX {
            if waiting.is_empty() {
                return Ok(outcomes.into_values().collect());
            }
            waiting = self.round(waiting, &mut outcomes)?;
        }
        Err(HostError::Contention { tries: TRIES_MAX })
    }

    /// Decides and commits as far as it holds; returns the events that still wait.
    fn round(
        &self,
        waiting: Vec<Waiting>,
        outcomes: &mut BTreeMap<usize, Outcome>,
    ) -> Result<Vec<Waiting>, HostError> {
        let (known, members, budgets_used) = self.read(&waiting)?;
        let repeated = repeated(&waiting);
        let mut fresh = Vec::with_capacity(waiting.len());
        let mut again = Vec::new();
        for ((waiting, known), repeated) in waiting.into_iter().zip(known).zip(repeated) {
            match known {
                Some(known) => drop(outcomes.insert(waiting.place, self.again(&waiting.event, known)?)),
                // The first of the two is decided now; then the ledger knows it.
                None if repeated => again.push(waiting),
                None => fresh.push(waiting),
            }
        }
        let decided = self.decide(deal(fresh, members, self.threads), &budgets_used);
        again.append(&mut self.commit(decided, outcomes)?);
        again.sort_unstable_by_key(|waiting| waiting.place);
        Ok(again)
    }

    fn read(&self, waiting: &[Waiting]) -> Result<Read, HostError> {
        let needs = self.active.needs;
        let mut first_days = BTreeMap::<&MemberId, i32>::new();
        for Waiting { day, event, .. } in waiting {
            let needed = first_day_needed(needs, day);
            let first = first_days.entry(&event.member).or_insert(needed);
            *first = needed.min(*first);
        }
        let keys: Vec<_> = waiting.iter().map(|Waiting { event, .. }| (&*event.source, &*event.id)).collect();
        let members: Vec<_> = first_days.into_iter().collect();
        let query = Query { keys: &keys, members: &members, needs, budgets: &self.active.budgets };
        let snapshot = self.ledger.read(&query)?;
        let names = members.iter().map(|(name, _)| (*name).clone());
        Ok((snapshot.known, names.zip(snapshot.members).collect(), snapshot.budgets_used))
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

    /// Evaluates the hands side by side, and returns the decisions in the events' order.
    fn decide(&self, mut hands: Vec<Hand>, budgets_used: &BTreeMap<DeploymentId, Points>) -> Vec<Decided> {
        let own = hands.pop();
        let play = |hand| self.play(hand, budgets_used);
        let mut decided = thread::scope(|scope| {
            let threads: Vec<_> = hands.into_iter().map(|hand| scope.spawn(move || play(hand))).collect();
            let mut decided = own.map(play).unwrap_or_default();
            for thread in threads {
                decided.append(&mut thread.join().expect("a policy cannot panic the host"));
            }
            decided
        });
        decided.sort_unstable_by_key(|decided| decided.waiting.place);
        decided
    }

    fn play(&self, hand: Hand, budgets_used: &BTreeMap<DeploymentId, Points>) -> Vec<Decided> {
        let Hand { mut members, events } = hand;
        let decide = |(member, Waiting { place, day, event }): (usize, Waiting)| {
            let member: &mut Member = members.get_mut(member).expect("events are dealt with their members");
            let verdict = process(self.active, &event, member, budgets_used);
            if let Ok((entry, _)) = &verdict {
                let own = entry.lots.iter().filter(|lot| lot.member == event.member);
                member.apply(&event.occasion, entry.day, own.map(|lot| lot.lot.clone()));
            }
            Decided { waiting: Waiting { place, day, event }, verdict }
        };
        events.into_iter().map(decide).collect()
    }

    /// Commits decisions up to the first that no longer holds, and returns the events from there on.
    fn commit(
        &self,
        decided: Vec<Decided>,
        outcomes: &mut BTreeMap<usize, Outcome>,
    ) -> Result<Vec<Waiting>, HostError> {
        let mut entries = Vec::with_capacity(decided.len());
        let promises: Vec<_> = decided.into_iter().map(|decided| decided.promise(&mut entries)).collect();
        let mut seqs = self.ledger.commit(entries)?.seqs.into_iter();
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

impl Decided {
    /// Hands the entry over and returns what becomes of the event if it is committed.
    fn promise(self, entries: &mut Vec<Entry>) -> (Waiting, Promise) {
        let promise = match self.verdict {
            Err(reason) => Promise::Refused(reason),
            Ok((entry, faults)) => {
                let (receipt, digest, lots) =
                    (entry.receipt.clone(), entry.receipt_digest, entry.lots.clone());
                entries.push(entry);
                Promise::Applied(Applied { receipt, digest, lots, faults })
            }
        };
        (self.waiting, promise)
    }
}

impl Applied {
    fn at(self, seq: u64) -> Outcome {
        let Self { receipt, digest, lots, faults } = self;
        Outcome::Applied { recorded: Recorded { seq, receipt, digest }, lots, faults }
    }
}

/// What the ledger knew: of the events, of their members, of the budgets.
type Read = (Vec<Option<Known>>, HashMap<MemberId, Member>, BTreeMap<DeploymentId, Points>);

/// An event with what was decided.
struct Decided {
    waiting: Waiting,
    verdict: Result<(Entry, Faults), InvalidEvent>,
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
    faults: Faults,
}

/// Events for one thread, each beside the place of its member.
#[derive(Default)]
struct Hand {
    members: Vec<Member>,
    events: Vec<(usize, Waiting)>,
}

/// Deals events out to threads, all events of a member into one hand.
fn deal(fresh: Vec<Waiting>, mut members: HashMap<MemberId, Member>, threads: NonZeroUsize) -> Vec<Hand> {
    let mut hands: Vec<Hand> = (0..threads.get()).map(|_| Hand::default()).collect();
    let mut places = HashMap::<MemberId, (usize, usize)>::new();
    for waiting in fresh {
        let name = &waiting.event.member;
        let (hand, member) = *places.entry(name.clone()).or_insert_with(|| {
            let shortest = (0..hands.len()).min_by_key(|hand| hands.get(*hand).map(|hand| hand.events.len()));
            let shortest = shortest.expect("there is at least one thread");
            let hand = hands.get_mut(shortest).expect("it is one of them");
            hand.members.push(members.remove(name).expect("the ledger answers for every member"));
            (shortest, hand.members.len().saturating_sub(1))
        });
        hands.get_mut(hand).expect("it was found above").events.push((member, waiting));
    }
    hands.retain(|hand| !hand.events.is_empty());
    hands
}

/// Returns for each event whether one before it has the same key.
fn repeated(waiting: &[Waiting]) -> Vec<bool> {
    let mut seen = HashSet::with_capacity(waiting.len());
    waiting.iter().map(|Waiting { event, .. }| !seen.insert((&*event.source, &*event.id))).collect()
}
