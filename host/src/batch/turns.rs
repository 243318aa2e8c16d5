//! Which events must wait until something before them is in the ledger.

use std::collections::{HashMap, HashSet};

use jifen_ledger::{Needs, Order, Redemption};
use jifen_loyalty::event::{Body, Step};
use jifen_loyalty::{Event, MemberId, RedemptionId};
use rules_guest::calendar::Day;

use super::Waiting;
use super::doubts::given;
use super::outcome::Decided;
use super::read::{named, owner};
use crate::facts::first_day_needed;

/// What had a turn in a round.
#[derive(Default)]
pub(super) struct Turns {
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
    pub(super) fn take(&mut self, event: &Event) -> bool {
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

/// What is decided and not in the ledger yet.
#[derive(Default)]
pub(super) struct Flight {
    pub(super) turns: Turns,
    needs: Needs,
    /// Whom it changes, and the first day from which what a happening needs is known of them; nothing where one of their events
    /// is more than a happening, or another's gives them something, and the ledger must say what that leaves.
    pub(super) members: HashMap<MemberId, Option<i32>>,
}

impl Flight {
    pub(super) fn of(decided: &[Decided], needs: Needs) -> Self {
        let mut flight = Self { needs, ..Self::default() };
        for Decided { waiting, .. } in decided {
            flight.turns.take(&waiting.event);
        }
        flight.carry(decided);
        flight
    }

    /// Takes up whose events decisions are about.
    pub(super) fn carry(&mut self, decided: &[Decided]) {
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

/// Returns how many of the events can be decided together. What moves used points, or takes them back with a purchase, needs
/// the lots of its member as the ledger has them: it stands alone among the events of its member.
pub(super) fn together(
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

/// Returns whether an event closes a day for everybody.
pub(super) fn is_whole_close(event: &Event) -> bool {
    matches!(&event.body, Body::Close(close) if close.member.is_none())
}
