//! Decisions, members side by side on all threads.

use std::collections::HashMap;
use std::iter;
use std::num::NonZeroUsize;
use std::thread;

use jifen_ledger::{Order, overflow};
use jifen_loyalty::{Entry, InvalidEvent, Member, MemberId};

use super::outcome::Decided;
use super::read::{Read, Shared, owner};
use super::{NO_PANIC, Processor, Waiting};
use crate::active::Active;
use crate::error::{HostError, Undecided};
use crate::pipeline::{self, Answers, Faults, process, would_decide};
use crate::reach;

/// Refuses an event after which a total would be more than a ledger holds: alone, before it concerns others.
fn fits((entry, faults): (Entry, Faults)) -> Result<(Entry, Faults), Undecided> {
    let Some(total) = overflow(&entry) else { return Ok((entry, faults)) };
    let reason = format!("overflow: {total} would exceed what a ledger can hold");
    Err(InvalidEvent { field: "data".to_owned(), reason }.into())
}

/// Events that are worth a thread: beginning one costs as much as deciding some. Fewer in builds with assertions, as above.
const HAND: usize = if cfg!(debug_assertions) { 1 } else { 50 };

impl Processor<'_> {
    /// Decides events, members side by side, and returns the decisions in the events' order. Of their members is known then what
    /// was decided.
    pub(super) fn decide(&self, events: Vec<Waiting>, read: &mut Read) -> Result<Vec<Decided>, HostError> {
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
            let decide = |()| process(self.active, self.programs, &waiting.event, &known).and_then(fits);
            let (verdict, answered) = match reached.and_then(decide) {
                Ok((entry, faults)) => {
                    member.apply(&entry);
                    (Ok((entry, faults)), None)
                }
                Err(Undecided::Refused(refusal)) => (Err(refusal), None),
                Err(Undecided::Declined(refusal, answered)) => (Err(refusal), Some(answered)),
                Err(Undecided::Failed(error)) => return Err(error),
            };
            Ok(Decided { waiting, owner, verdict, answered, beside })
        };
        let decided = events.into_iter().map(decide).collect::<Result<_, HostError>>()?;
        Ok((members, decided))
    }
}

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

/// Members with their names; whose event it is may be unknown.
type Named = Vec<(Option<MemberId>, Member)>;

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
