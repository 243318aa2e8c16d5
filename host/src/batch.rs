//! Batches: many events, evaluated side by side and committed in their order.
//!
//! ```text
//! read ──► evaluate (members side by side, each member's events in order) ──► commit the prefix that holds ──┐
//!  ▲                                                                                                         │
//!  └────────────────────────────── what did not hold, and all behind it, once more ◄─────────────────────────┘
//! ```
//!
//! What an event is decided on must be in the ledger: where its order, or its own name, had a turn in the round already,
//! the round ends before it. So the log stays in the order of the input.
//!
//! The commit is in the order of the input, and an entry is only committed if it says what it would have said had
//! everything before it been committed first. So the result depends neither on threads nor on batches.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use jifen_ledger::{Known, Ledger, Order, OrderQuery, Query};
use jifen_loyalty::entry::NewLot;
use jifen_loyalty::{DeploymentId, Entry, Event, InvalidEvent, Member, MemberId, Points};
use rules_guest::calendar::Day;

use crate::active::Active;
use crate::conflict::conflict;
use crate::error::HostError;
use crate::facts::first_day_needed;
use crate::pipeline::{self, Faults, process};
use crate::programs::Programs;
use crate::refund;

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
    /// Those that decided purchases which are returned now.
    pub(crate) programs: Programs<'a>,
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
            match self.day_of(&event) {
                Ok(day) => waiting.push(Waiting { place, day, event: Arc::new(event) }),
                Err(refusal) => drop(outcomes.insert(place, Outcome::Refused(refusal))),
            }
        }
        let mut tries = 0_usize;
        while !waiting.is_empty() {
            let before = waiting.len();
            waiting = self.round(waiting, &mut outcomes)?;
            tries = if waiting.len() < before { 0 } else { tries.saturating_add(1) };
            if tries >= TRIES_MAX {
                return Err(HostError::Contention { tries });
            }
        }
        Ok(outcomes.into_values().collect())
    }

    /// Returns an event's business day, or why it can have no place in the program.
    fn day_of(&self, event: &Event) -> Result<Day, InvalidEvent> {
        let program = &self.active.program;
        match event.happening() {
            Some(happening) => program.situate(happening).map(|situation| situation.today.day),
            None => program.day_of(event.time).map(|(day, _)| day),
        }
    }

    /// Decides and commits as far as it holds; returns the events that still wait.
    fn round(
        &self,
        mut waiting: Vec<Waiting>,
        outcomes: &mut BTreeMap<usize, Outcome>,
    ) -> Result<Vec<Waiting>, HostError> {
        let mut turns = Turns::default();
        let end = waiting.iter().position(|waiting| !turns.take(&waiting.event)).unwrap_or(waiting.len());
        let later = waiting.split_off(end);
        let Read { known, members, orders, budgets_used } = self.read(&waiting)?;
        let mut fresh = Vec::with_capacity(waiting.len());
        for (waiting, known) in waiting.into_iter().zip(known) {
            match known {
                Some(known) => drop(outcomes.insert(waiting.place, self.again(&waiting.event, known)?)),
                None => fresh.push(waiting),
            }
        }
        let decided = self.decide(deal(fresh, members, orders, self.threads), &budgets_used)?;
        let mut again = self.commit(decided, outcomes)?;
        again.extend(later);
        Ok(again)
    }

    fn read(&self, waiting: &[Waiting]) -> Result<Read, HostError> {
        let needs = self.active.needs;
        let mut first_days = BTreeMap::<&MemberId, i32>::new();
        for Waiting { day, event, .. } in waiting {
            let Some(happening) = event.happening() else { continue };
            let needed = first_day_needed(needs, day);
            let first = first_days.entry(&happening.member).or_insert(needed);
            *first = needed.min(*first);
        }
        let mut orders = Vec::with_capacity(waiting.len());
        for (key, Waiting { event, .. }) in waiting.iter().enumerate() {
            let whole = event.happening().is_none();
            orders.extend(event.order().map(|number| OrderQuery { number, whole, key: Some(key) }));
        }
        let keys: Vec<_> = waiting.iter().map(|Waiting { event, .. }| (&*event.source, &*event.id)).collect();
        let members: Vec<_> = first_days.into_iter().collect();
        let budgets = &self.active.budgets;
        let snapshot =
            self.ledger.read(&Query { keys: &keys, members: &members, needs, budgets, orders: &orders })?;
        let names = members.iter().map(|(name, _)| (*name).clone());
        let numbers = orders.iter().map(|order| order.number.to_owned());
        Ok(Read {
            known: snapshot.known,
            members: names.zip(snapshot.members).collect(),
            orders: numbers.zip(snapshot.orders).collect(),
            budgets_used: snapshot.budgets_used,
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

    /// Evaluates the hands side by side, and returns the decisions in the events' order.
    fn decide(&self, mut hands: Vec<Hand>, budgets_used: &BudgetsUsed) -> Result<Vec<Decided>, HostError> {
        let own = hands.pop();
        let play = |hand| self.play(hand, budgets_used);
        let mut decided = thread::scope(|scope| {
            let threads: Vec<_> = hands.into_iter().map(|hand| scope.spawn(move || play(hand))).collect();
            let mut decided = own.map_or_else(|| Ok(Vec::new()), play)?;
            for thread in threads {
                decided.append(&mut thread.join().expect("a policy cannot panic the host")?);
            }
            Ok::<_, HostError>(decided)
        })?;
        decided.sort_unstable_by_key(|decided| decided.waiting.place);
        Ok(decided)
    }

    fn play(&self, hand: Hand, budgets_used: &BudgetsUsed) -> Result<Vec<Decided>, HostError> {
        let Hand { mut members, events } = hand;
        let decide = |Card { member, order, waiting }: Card| {
            let member: &mut Member = members.get_mut(member).expect("events are dealt with their members");
            let known = pipeline::Known { member, order: order.as_ref(), budgets_used };
            let verdict = process(self.active, &self.programs, &waiting.event, &known)?;
            if let Ok((entry, _)) = &verdict {
                member.apply(entry);
            }
            Ok(Decided { waiting, verdict })
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

/// What was granted from budgets.
type BudgetsUsed = BTreeMap<DeploymentId, Points>;

/// What the ledger knew: of the events, of their members, of their orders, of the budgets.
struct Read {
    known: Vec<Option<Known>>,
    members: HashMap<MemberId, Member>,
    orders: HashMap<String, Order>,
    budgets_used: BudgetsUsed,
}

/// What had a turn in a round.
#[derive(Default)]
struct Turns<'e> {
    keys: HashSet<(&'e str, &'e str)>,
    orders: HashSet<&'e str>,
}

impl<'e> Turns<'e> {
    /// Returns whether an event can be decided beside those before it. Where its name or its order had a turn already, the
    /// ledger must know of that first.
    fn take(&mut self, event: &'e Event) -> bool {
        let order = event.order().is_none_or(|number| self.orders.insert(number));
        order && self.keys.insert((&event.source, &event.id))
    }
}

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

/// Events for one thread.
#[derive(Default)]
struct Hand {
    members: Vec<Member>,
    events: Vec<Card>,
}

/// An event beside the place of its member in the hand, and what the ledger has of its order.
struct Card {
    member: usize,
    order: Option<Order>,
    waiting: Waiting,
}

/// Deals events out to threads, all events of a member into one hand.
fn deal(
    fresh: Vec<Waiting>,
    mut members: HashMap<MemberId, Member>,
    mut orders: HashMap<String, Order>,
    threads: NonZeroUsize,
) -> Vec<Hand> {
    let mut hands: Vec<Hand> = (0..threads.get()).map(|_| Hand::default()).collect();
    let mut places = HashMap::<MemberId, (usize, usize)>::new();
    for waiting in &fresh {
        bring_lots(&waiting.event, &orders, &mut members);
    }
    for waiting in fresh {
        let order = waiting.event.order().and_then(|number| orders.remove(number));
        let name = member_of(&waiting.event, order.as_ref()).cloned();
        let known = name.as_ref().and_then(|name| places.get(name)).copied();
        let (place, member) = known.unwrap_or_else(|| {
            let shortest = (0..hands.len()).min_by_key(|hand| hands.get(*hand).map(|hand| hand.events.len()));
            let shortest = shortest.expect("there is at least one thread");
            let hand = hands.get_mut(shortest).expect("it is one of them");
            hand.members.push(name.as_ref().and_then(|name| members.remove(name)).unwrap_or_default());
            (shortest, hand.members.len().saturating_sub(1))
        });
        places.extend(name.map(|name| (name, (place, member))));
        hands.get_mut(place).expect("it was found above").events.push(Card { member, order, waiting });
    }
    hands.retain(|hand| !hand.events.is_empty());
    hands
}

/// Returns whose event it is; `None` for a refund whose purchase is not there.
fn member_of<'e>(event: &'e Event, order: Option<&'e Order>) -> Option<&'e MemberId> {
    match event.happening() {
        Some(happening) => Some(&happening.member),
        None => refund::buyer(order?, event).map(|(id, _)| id),
    }
}

/// Adds to a member whose purchase is returned all lots that there are: a refund may take from any.
fn bring_lots(event: &Event, orders: &HashMap<String, Order>, members: &mut HashMap<MemberId, Member>) {
    let order = event.order().filter(|_| event.happening().is_none()).and_then(|number| orders.get(number));
    if let Some((id, buyer)) = order.and_then(|order| refund::buyer(order, event)) {
        let member = members.entry(id.clone()).or_insert_with(|| buyer.clone());
        member.lots.clone_from(&buyer.lots);
    }
}
