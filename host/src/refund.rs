//! Refunds: a purchase evaluated once more, on what remains of it.
//!
//! ```text
//! refund ──► order ──► what remains ──► the purchase's own program and facts ──► levels ──► the difference, posted
//! ```
//!
//! Nothing of today's program has a say: the purchase's receipt names the one that decided it, and what was asked then.
//! A refund that arrives before its purchase waits in the ledger; the purchase's own entry then takes it into account,
//! so that the points that never should have been are never seen.
//!
//! A correction takes the same way, with the program that it names in place of the purchase's.

mod bought;
mod correct;
mod derive;

use std::collections::BTreeMap;
use std::sync::Arc;

use jifen_ledger::{Logged, Needs, Order, Purchased};
use jifen_loyalty::clawback::{Clawback, Level, Reach, Repayment, Reversal, Taken, spendable, within_reach};
use jifen_loyalty::decision::{Decision, Granted, Usage};
use jifen_loyalty::entry::{Moved, NewLot, StockKey};
use jifen_loyalty::event::{Body, Cause, Correction, Happening, Occasion, Purchase, Refund};
use jifen_loyalty::facts::Known as History;
use jifen_loyalty::lot::{LotId, Purse};
use jifen_loyalty::member::Referral;
use jifen_loyalty::program::{Deployment, OnRefund};
use jifen_loyalty::receipt::{Evaluation, Key, Refunded};
use jifen_loyalty::refund::Remainder;
use jifen_loyalty::{
    DeploymentId, Entry, Event, Facts, InvalidEvent, Lot, Member, MemberId, Points, Receipt, Redeemed, UnitId,
};
use rules_guest::calendar::Day;

use self::bought::{Bought, parsed};
use self::correct::{Anew, Corrected, correct};
pub(crate) use self::derive::{derive, derive_waited};
use crate::active::Active;
use crate::error::Undecided;
use crate::pipeline::{Draft, Faults, Held, Known, Source, after, evaluate, unclaimed};
use crate::programs::Programs;
use crate::redemption::{self, GivenBack, Payment, payments};

/// Returns the purchase by which an order was completed already, at the same merchant.
pub(crate) fn same_purchase(order: &Order, event: &Event) -> Option<Key> {
    let merchant = &event.purchase()?.merchant;
    let events = order.entries.iter().filter_map(|logged| Event::parse(&logged.event).ok());
    let same = |other: &Event| other.purchase().is_some_and(|other| other.merchant == *merchant);
    events.into_iter().find(same).map(|other| key(&other))
}

fn key(event: &Event) -> Key {
    Key { source: event.source.clone(), id: event.id.clone() }
}

/// Processes a refund on what the ledger knew of its order.
///
/// # Errors
///
/// If the refund cannot be applied, or the purchase's program cannot be loaded.
pub(crate) fn process(
    active: &Active,
    programs: &Programs<'_>,
    event: &Arc<Event>,
    refund: &Refund,
    lapsed: Vec<Redeemed>,
    known: &Known<'_>,
) -> Result<(Entry, Faults), Undecided> {
    let Some(order) = known.order else { unreachable!("a refund is read with its order") };
    match target(order, event)? {
        None => Ok(wait(active, event, order)?),
        Some(purchased) => take_back(programs, event, refund, (order, purchased), lapsed, known),
    }
}

/// Returns the member who bought what a refund returns, as the ledger knows that member.
pub(crate) fn buyer<'o>(order: &'o Order, event: &Event) -> Option<(&'o MemberId, &'o Member)> {
    let purchased = target(order, event).ok().flatten()?;
    order.owners.get_key_value(&purchased.member)
}

/// Returns the entry of the purchase that a refund is of.
pub(crate) fn purchase<'o>(order: &'o Order, event: &Event) -> Option<&'o Logged> {
    let purchased = target(order, event).ok().flatten()?;
    order.entries.iter().find(|logged| logged.seq == purchased.seq)
}

/// Returns who bought what an event of an order is about, and the buyer's versions whose lots the order opened; `None` if
/// there is no such purchase.
pub(crate) fn bought_by<'o>(
    order: &'o Order,
    event: &Event,
) -> Result<Option<(&'o MemberId, Vec<u64>)>, InvalidEvent> {
    let Some(purchased) = target(order, event)? else { return Ok(None) };
    Ok(Some((&purchased.member, Bought::read(&order.entries, purchased.seq)?.versions)))
}

/// Returns the purchase that a refund is of: the only one of that number, or of several the only one of the same sender. A correction
/// names it.
fn target<'o>(order: &'o Order, event: &Event) -> Result<Option<&'o Purchased>, InvalidEvent> {
    let event_of = |purchased: &Purchased| {
        let logged = order.entries.iter().find(|logged| logged.seq == purchased.seq)?;
        Event::parse(&logged.event).ok()
    };
    if let Some(Correction { source, id, .. }) = event.correction() {
        let is_it = |found: &Event| (&found.source, &found.id) == (source, id);
        let found = order.purchases.iter().find(|purchased| event_of(purchased).is_some_and(|it| is_it(&it)));
        let reason =
            || format!("no purchase {id} of {source} completed this order; there is nothing to decide anew");
        let unknown = || InvalidEvent { field: "data.order".to_owned(), reason: reason() };
        return found.map(Some).ok_or_else(unknown);
    }
    if let [] | [_] = order.purchases.as_slice() {
        return Ok(order.purchases.first());
    }
    let from_here =
        |purchased: &&Purchased| event_of(purchased).is_some_and(|found| found.source == event.source);
    let mut found = order.purchases.iter().filter(from_here);
    if let (Some(only), None) = (found.next(), found.next()) {
        return Ok(Some(only));
    }
    let purchases = order.purchases.len();
    let reason =
        format!("ambiguous_order: {purchases} purchases have this number, and not one is of this source");
    Err(InvalidEvent { field: "data.order".to_owned(), reason })
}

/// Keeps a refund until its purchase arrives.
fn wait(active: &Active, event: &Arc<Event>, order: &Order) -> Result<(Entry, Faults), InvalidEvent> {
    let (day, _) = active.program.day_of(event.time)?;
    let receipt = waiting(active.digest.clone(), day.number());
    Ok((unclaimed(active.program.zone, event, &receipt, Some(order)), Vec::new()))
}

fn waiting(program: String, day: i32) -> Receipt {
    Receipt { refund: Some(Refunded::default()), ..Receipt::new(program, (None, 0), day) }
}

/// What an order comes to after a refund, and how.
struct Settled {
    /// New awards, where less was returned than a rule had held back for; who declined, who failed.
    decision: Decision,
    evaluations: Vec<Evaluation>,
    levels: Vec<Level>,
    reversals: Vec<Reversal>,
    /// For a correction, the whole purchase by its program.
    whole: Option<Whole>,
}

/// A purchase of which nothing was returned, by the program of a correction.
struct Whole {
    evaluations: Vec<Evaluation>,
    /// What it comes to.
    levels: Vec<Level>,
}

/// Evaluates a purchase on what remains and works out the differences. `reach` says from which lots an award that goes
/// down can be taken. Nothing of it is for who is `denied`, and all that was is taken back, whatever the unit says of returns.
fn settle(
    pinned: &Active,
    happening: &Happening,
    (remainder, denied): (&Remainder<'_>, Option<&MemberId>),
    source: &impl Source,
    (first, before): (&[Level], &[Level]),
    reach: impl FnMut(&Level, Clawback, &[Granted]) -> Vec<Reach>,
) -> Result<Settled, InvalidEvent> {
    let (decision, evaluations) = remaining(pinned, happening, remainder, source)?;
    let levels = levels(pinned, remainder, &decision, denied, first, before);
    let mode = |of: &Level| {
        if denied == Some(&of.to) { Clawback::Debt } else { clawback(pinned, &of.unit) }
    };
    let more = levels.iter().filter_map(|level| more(&decision, level, granted(before, level)));
    let awards: Vec<_> = more.collect();
    let reversals = reversals(&levels, before, &awards, mode, reach);
    let decision = Decision { awards, ..decision };
    Ok(Settled { decision, evaluations, levels, reversals, whole: None })
}

/// Evaluates what remains of a purchase.
fn remaining(
    pinned: &Active,
    happening: &Happening,
    remainder: &Remainder<'_>,
    source: &impl Source,
) -> Result<(Decision, Vec<Evaluation>), InvalidEvent> {
    // What was paid in points alone does not begin to earn because the parts of what paid for it are rounded.
    match remainder.purchase().filter(|_| happening.occasion.earns()) {
        None => Ok(Default::default()),
        Some(purchase) => {
            let happening = Happening { occasion: Occasion::Purchase(purchase), ..happening.clone() };
            evaluate(pinned, &happening, pinned.program.situate(&happening)?, source)
        }
    }
}

/// Returns what goes down from what an order came to before, while there is `more` of other. `mode` says how far it is taken back.
fn reversals(
    levels: &[Level],
    before: &[Level],
    more: &[Granted],
    mode: impl Fn(&Level) -> Clawback,
    mut reach: impl FnMut(&Level, Clawback, &[Granted]) -> Vec<Reach>,
) -> Vec<Reversal> {
    let mut reversals = Vec::new();
    for old in before {
        let now = granted(levels, old);
        if now < old.granted {
            let of = Level { granted: old.granted.less(now), ..old.clone() };
            let mode = mode(&of);
            let reach = reach(&of, mode, more);
            reversals.push(Reversal::new(of, mode, reach));
        }
    }
    reversals
}

/// Returns what an order comes to: what the purchase of what remains would have earned, except where the deployment says
/// otherwise or failed to answer this time.
fn levels(
    pinned: &Active,
    remainder: &Remainder<'_>,
    decision: &Decision,
    denied: Option<&MemberId>,
    first: &[Level],
    before: &[Level],
) -> Vec<Level> {
    let now = decision.levels();
    let failed = |id: &DeploymentId| decision.faults.iter().any(|(failed, _)| failed == id);
    let rule = |id: &DeploymentId| pinned.deployment(id).map_or(OnRefund::Keep, |it| it.on_refund);
    let mut levels = Vec::new();
    for old in before {
        let points = match rule(&old.deployment) {
            _ if denied == Some(&old.to) => Points::ZERO,
            OnRefund::Keep => old.granted,
            OnRefund::Proportional => remainder.share_of(granted(first, old)),
            OnRefund::Reevaluate if failed(&old.deployment) => old.granted,
            OnRefund::Reevaluate => granted(&now, old),
        };
        levels.push(Level { granted: points, ..old.clone() });
    }
    let risen = |level: &Level| {
        let deployment = pinned.deployment(&level.deployment);
        // What is new cannot be drawn from a budget as it was then.
        let free = deployment.is_some_and(|it| it.on_refund == OnRefund::Reevaluate && it.budget.is_none());
        free && !before.iter().any(|old| old.is_of(level))
    };
    levels.extend(now.iter().filter(|level| risen(level)).cloned());
    keep_to(&mut levels, pinned, denied, before);
    levels
}

/// Reduces what an order comes to to what it came to before where there is a budget, and leaves out what is nothing or for who is
/// denied it.
fn keep_to(levels: &mut Vec<Level>, pinned: &Active, denied: Option<&MemberId>, before: &[Level]) {
    for level in &mut *levels {
        let budget = pinned.deployment(&level.deployment).is_some_and(|it| it.budget.is_some());
        if budget {
            level.granted = level.granted.min(granted(before, level));
        }
    }
    levels.retain(|level| !level.granted.is_zero() && denied != Some(&level.to));
}

fn granted(levels: &[Level], of: &Level) -> Points {
    levels.iter().find(|level| level.is_of(of)).map(|level| level.granted).unwrap_or_default()
}

/// Returns the award of what a level went up by.
fn more(decision: &Decision, level: &Level, before: Points) -> Option<Granted> {
    let points = level.granted.less(before);
    let same = |award: &&Granted| {
        (&award.deployment, award.to.as_ref(), &award.unit)
            == (&level.deployment, Some(&level.to), &level.unit)
    };
    let award = decision.awards.iter().find(same).filter(|_| !points.is_zero())?;
    Some(Granted { asked: points, granted: points, limit: None, line: None, ..award.clone() })
}

fn clawback(pinned: &Active, unit: &UnitId) -> Clawback {
    let unit = pinned.program.units.iter().find(|other| other.id == *unit);
    unit.map(|unit| unit.clawback).unwrap_or_default()
}

/// Returns a program that decided an order.
fn program_of(programs: &Programs<'_>, digest: &str) -> Result<Arc<Active>, Undecided> {
    programs.pinned(digest, "data.order", "the program that decided its purchase")
}

/// Applies a refund to its purchase.
fn take_back(
    programs: &Programs<'_>,
    event: &Arc<Event>,
    refund: &Refund,
    (order, purchased): (&Order, &Purchased),
    lapsed: Vec<Redeemed>,
    known: &Known<'_>,
) -> Result<(Entry, Faults), Undecided> {
    let member = known.member;
    let bought = Bought::read(&order.entries, purchased.seq)?;
    let pinned = match refund.correction() {
        None => program_of(programs, &bought.program)?,
        Some(correction) => correct::program(programs, correction)?,
    };
    if refund.rejects_referral() && bought.inputs.referral.is_none() {
        let reason = format!(
            "nobody_referred: nobody had brought the buyer of {}; look at the order's number",
            refund.order
        );
        return Err(InvalidEvent { field: "data.order".to_owned(), reason }.into());
    }
    let (day, _) = pinned.program.day_of(event.time)?;
    let buyer = (&purchased.member, member);
    let paid = payments(programs, bought.purchase()?, buyer, |name| order.redemptions.get(name))?;
    let mut remainder = bought.remainder()?;
    Payment::tell(&paid, &mut remainder);
    remainder.take(refund)?;
    let back = give_back(paid, &remainder, refund.cause, buyer.0, event)?;
    let steps: Vec<_> = back.iter().map(|back| back.step.clone()).collect();
    let member_after = after(member, &steps, event.time);
    let held = held(order, purchased, &member_after, &bought.versions);
    let left = held.iter().map(|held| (held.member.clone(), held.lot.clone(), held.of_order));
    let mut lots = Lots(left.collect());
    let names = (&purchased.member, member.version.saturating_add(1));
    let source = Then {
        evaluations: &bought.evaluations,
        referral: bought.inputs.referral.as_ref(),
        history: Some(&purchased.before),
    };
    let remains = (&remainder, bought.denied(refund));
    let is_correction = refund.correction().is_some();
    let reach = |of: &Level, mode, more: &[Granted]| {
        lots.open(more, names, event);
        lots.reach(of, mode, event, |lot| is_correction && (&lot.id.member, lot.id.version) == names)
    };
    let settled = match refund.correction() {
        None => {
            let levels = (&*bought.first, &*bought.levels);
            settle(&pinned, &bought.happening, remains, &source, levels, reach)?
        }
        Some(_) => {
            let of = Corrected::read(programs, &bought, &pinned)?;
            let source = Anew { then: source, of: &of };
            let settled = correct(&pinned, &bought, remains, (&source, &source), reach)?;
            let held = |owner: &Member| owner.holds.iter().any(|hold| hold.until > event.time);
            let holds = |id: &MemberId| order.owners.get(id).is_some_and(held);
            of.admit(&settled, event.time, holds)?;
            settled
        }
    };
    let mut restocked = redemption::restocked(&lapsed, member);
    restocked.extend(back.iter().filter_map(|back| back.restocked.clone()));
    let mut receipt = refund_receipt(&pinned, &bought, (member.version, day.number()), settled, lapsed, back);
    lots.open(&receipt.decision.awards, names, event);
    receipt.repayments = Repayment::all(&member.debts, spendable(lots.of(&purchased.member), event.time));
    let moved =
        Moved { id: purchased.member.clone(), version: member.version, profile: member.profile.clone() };
    let (order_read, stock) = (Some(order), Vec::new());
    let draft =
        Draft { event, receipt, moved, held, budgets: Vec::new(), order: order_read, stock, restocked };
    let let_go = draft.receipt.reversals().iter().filter(|reversal| !reversal.forgiven.is_zero());
    let let_go: Vec<_> = let_go.map(|reversal| reversal.of.to.clone()).collect();
    let (mut entry, faults) = draft.entry(&pinned);
    entry.others = others(&entry, &let_go, &order.owners);
    Ok((entry, faults))
}

/// Gives back what goes with what is returned of the points that paid for a purchase.
fn give_back(
    paid: Vec<Payment>,
    remainder: &Remainder<'_>,
    cause: Cause,
    buyer: &MemberId,
    event: &Event,
) -> Result<Vec<GivenBack>, InvalidEvent> {
    paid.into_iter().map(|payment| payment.give_back(remainder, cause, buyer, event.time)).collect()
}

fn refund_receipt(
    pinned: &Active,
    bought: &Bought,
    (version, day): (u64, i32),
    settled: Settled,
    lapsed: Vec<Redeemed>,
    back: Vec<GivenBack>,
) -> Receipt {
    let Settled { mut decision, evaluations, levels, reversals, whole } = settled;
    let (evaluations, rest, first) = match whole {
        None => (evaluations, Vec::new(), Vec::new()),
        Some(Whole { evaluations: whole, levels }) => (whole, evaluations, levels),
    };
    decision.awards.extend(back.iter().filter_map(|back| back.compensation.clone()));
    let owner = (Some(bought.happening.member.clone()), version.saturating_add(1));
    Receipt {
        referral: bought.inputs.referral.clone(),
        evaluations,
        decision,
        refund: Some(Refunded {
            of: Some(bought.key.clone()),
            waited: Vec::new(),
            evaluations: rest,
            first,
            levels,
            reversals,
        }),
        redemptions: lapsed.into_iter().chain(back.into_iter().map(|back| back.step)).collect(),
        ..Receipt::new(pinned.digest.clone(), owner, day)
    }
}

/// Returns what goes back into budgets of deployments that are still at work: what was taken back, not what was forgiven.
pub(crate) fn returned(pinned: &Active, receipt: &Receipt, event: &Event) -> Vec<(DeploymentId, Points)> {
    let open = |of: &Level| {
        let deployment = pinned.deployment(&of.deployment);
        let open = deployment.filter(|it| it.budget.is_some() && it.is_open(event.time));
        open.is_some_and(|it| pinned.program.unit_of(it).id == of.unit)
    };
    let reversals = receipt.reversals().iter().filter(|reversal| open(&reversal.of));
    let returned = reversals.map(|it| (it.of.deployment.clone(), it.taken_back()));
    returned.filter(|(_, points)| !points.is_zero()).collect()
}

/// Returns the members beside the entry's own whose lots or debts it moves, or whom it `let_go` points for want of some, with their
/// versions.
fn others(entry: &Entry, let_go: &[MemberId], owners: &BTreeMap<MemberId, Member>) -> Vec<(MemberId, u64)> {
    let own = entry.member.as_ref().map(|moved| &moved.id);
    let touched = |id: &MemberId| {
        entry.moved.iter().any(|moved| moved.member == *id)
            || entry.debts.iter().any(|moved| moved.member == *id)
            || let_go.contains(id)
    };
    let others = owners.iter().filter(|(id, _)| own != Some(*id) && touched(id));
    others.map(|(id, member)| (id.clone(), member.version)).collect()
}

/// Returns the order's lots and all others of their owners. Those of the one who bought are as the entries before this one
/// leave them, which may not be in the ledger yet.
fn held<'a>(
    order: &'a Order,
    purchased: &'a Purchased,
    buyer: &'a Member,
    versions: &[u64],
) -> Vec<Held<'a>> {
    let now = |id: &MemberId| match order.owners.get(id) {
        Some(_) if *id == purchased.member => &buyer.lots,
        Some(owner) => &owner.lots,
        None => unreachable!("the ledger reads whoever has a lot of the order"),
    };
    let own = purchased.lots.iter().map(|(member, lot)| {
        let lot = now(member).iter().find(|now| now.id == lot.id).unwrap_or(lot);
        let of_order = lot.id.member == purchased.member && versions.contains(&lot.id.version);
        Held { member, lot, of_order }
    });
    let mut held: Vec<_> = own.collect();
    for member in order.owners.keys() {
        for lot in now(member) {
            if !held.iter().any(|held| held.lot.id == lot.id) {
                held.push(Held { member, lot, of_order: false });
            }
        }
    }
    held
}

/// The lots that a refund can take from, as they are left while it takes: each with its owner, and whether the order
/// opened it.
struct Lots(Vec<(MemberId, Lot, bool)>);

impl Lots {
    /// Returns what is left of a member's.
    fn of<'l>(&'l self, member: &'l MemberId) -> impl Iterator<Item = &'l Lot> {
        self.0.iter().filter(move |(owner, ..)| owner == member).map(|(_, lot, _)| lot)
    }

    /// Adds the lots that a refund opens, once, to the lots of their members: what goes up can pay what goes down. The
    /// refund brings `buyer` to a version, which names them.
    fn open(&mut self, awards: &[Granted], (buyer, version): (&MemberId, u64), event: &Event) {
        for (award, granted) in (0..).zip(awards) {
            let id = LotId { member: buyer.clone(), version, award };
            let known = self.0.iter().any(|(_, lot, _)| lot.id == id);
            if let Some(to) = granted.to.clone().filter(|_| !known) {
                self.0.push((to, granted.lot(id, 0, event.time), false));
            }
        }
    }

    /// Returns the lots for an award that goes down, and takes from them what they will give. Behind its own comes what is in its
    /// `place` now.
    fn reach(
        &mut self,
        of: &Level,
        mode: Clawback,
        event: &Event,
        place: impl Fn(&Lot) -> bool,
    ) -> Vec<Reach> {
        let theirs = || self.0.iter().filter(|(owner, ..)| *owner == of.to);
        let own = || theirs().filter(|(owner, lot, of_order)| *of_order && of.is_of_lot(owner, lot));
        let in_place = theirs().map(|(_, lot, _)| lot).filter(|lot| lot.unit == of.unit && place(lot));
        let others = theirs().map(|(_, lot, _)| lot).filter(|lot| !place(lot));
        let mut reach = within_reach(mode, own().map(|(_, lot, _)| lot), others, &of.unit, event.time);
        let behind_own = own().count().min(reach.len());
        reach.splice(behind_own..behind_own, in_place.map(Reach::from));
        let mut wanted = of.granted;
        for from in &reach {
            let part = Taken::of(from, wanted);
            wanted = wanted.less(part.points);
            let lot = self.0.iter_mut().find(|(_, lot, _)| lot.id == from.lot);
            lot.into_iter().for_each(|(_, lot, _)| {
                lot.remaining = lot.remaining.less(part.left());
                lot.expired = lot.expired.less(part.lapsed());
            });
        }
        reach
    }
}

/// Adds to a purchase's receipt what refunds come to that had waited for it, if any had. Returns what goes back into stocks.
pub(crate) fn waited(
    active: &Active,
    programs: &Programs<'_>,
    event: &Event,
    happening: &Happening,
    receipt: &mut Receipt,
    order: &Order,
    known: &Known<'_>,
) -> Result<Vec<StockKey>, Undecided> {
    let Some(purchase) = event.purchase() else { return Ok(Vec::new()) };
    let (mut refunds, taken) = waiting_refunds(&order.entries)?;
    refunds.retain(|(key, _)| !taken.contains(key));
    if refunds.is_empty() {
        return Ok(Vec::new());
    }
    let buyer = (&happening.member, known.member);
    let paid = payments(programs, purchase, buyer, |name| known.redemptions.get(name))?;
    let source = Then {
        evaluations: &receipt.evaluations,
        referral: receipt.referral.as_ref(),
        history: Some(known.member),
    };
    let new = receipt.lots(happening.time).into_iter();
    let mut lots = Lots(new.map(|NewLot { member, lot }| (member, lot, true)).collect());
    // Nobody has seen these points yet, so how far a claw-back goes does not matter.
    let reach = |of: &Level, _, _: &[Granted]| lots.reach(of, Clawback::Debt, event, |_| false);
    let after =
        after_waiting(active, happening, purchase, &receipt.decision, (refunds, paid), &source, reach)?;
    let restocked =
        after.iter().flat_map(|after| &after.back).filter_map(|back| back.restocked.clone()).collect();
    receipt.refunded(after.map(After::into_parts));
    Ok(restocked)
}

/// Refunds that had to wait for their purchase, and which of them a purchase took into account.
type Waiting = (Vec<(Key, Refund)>, Vec<Key>);

/// Returns the refunds among an order's entries that came before their purchase.
fn waiting_refunds(entries: &[Logged]) -> Result<Waiting, InvalidEvent> {
    let (mut refunds, mut taken) = (Vec::new(), Vec::new());
    for logged in entries {
        let (event, inputs) = parsed(logged)?;
        let own = key(&event);
        let recorded = inputs.refund.unwrap_or_default();
        taken.extend(recorded.waited);
        if let Body::Refund(refund) = event.body
            && recorded.of.is_none()
        {
            refunds.push((own, refund));
        }
    }
    Ok((refunds, taken))
}

/// What refunds come to that had waited for their purchase.
struct After {
    refunded: Refunded,
    more: Vec<Granted>,
    back: Vec<GivenBack>,
}

impl After {
    fn into_parts(self) -> (Refunded, Vec<Granted>, Vec<Redeemed>) {
        let Self { refunded, mut more, back } = self;
        more.extend(back.iter().filter_map(|back| back.compensation.clone()));
        (refunded, more, back.into_iter().map(|back| back.step).collect())
    }
}

/// Takes refunds that had waited off a purchase; one that returns more than there is has no effect.
fn after_waiting(
    active: &Active,
    happening: &Happening,
    purchase: &Purchase,
    decision: &Decision,
    (refunds, paid): (Vec<(Key, Refund)>, Vec<Payment>),
    source: &impl Source,
    reach: impl FnMut(&Level, Clawback, &[Granted]) -> Vec<Reach>,
) -> Result<Option<After>, InvalidEvent> {
    let mut remainder = Remainder::of(purchase);
    Payment::tell(&paid, &mut remainder);
    let (mut taken, mut applied) = (Vec::new(), Vec::new());
    let mut cause = Cause::default();
    for (key, refund) in refunds {
        let mut after = remainder.clone();
        if after.take(&refund).is_ok() {
            remainder = after;
            if !refund.rejects_referral() {
                cause = refund.cause;
            }
            applied.push(refund);
            taken.push(key);
        }
    }
    if taken.is_empty() {
        return Ok(None);
    }
    let before = decision.levels();
    let remains = (&remainder, denied(source.referral(), applied.iter()));
    let settled = settle(active, happening, remains, source, (&before, &before), reach)?;
    let Settled { decision, evaluations, levels, reversals, whole: _ } = settled;
    let refunded = Refunded { waited: taken, evaluations, levels, reversals, ..Refunded::default() };
    let buyer = &happening.member;
    let back = paid.into_iter().map(|payment| payment.give_back(&remainder, cause, buyer, happening.time));
    Ok(Some(After { refunded, more: decision.awards, back: back.collect::<Result<_, _>>()? }))
}

/// Returns whoever brought the buyer, if a review came to it that nobody is to be rewarded for that.
fn denied<'r>(
    referral: Option<&'r Referral>,
    mut refunds: impl Iterator<Item = &'r Refund>,
) -> Option<&'r MemberId> {
    referral.map(|referral| &referral.by).filter(|_| refunds.any(Refund::rejects_referral))
}

/// What was known when a purchase was evaluated: by its receipt, and by the ledger's history up to it.
pub(crate) struct Then<'a> {
    pub(crate) evaluations: &'a [Evaluation],
    pub(crate) referral: Option<&'a Referral>,
    /// The member's days before the purchase; `None` where only the receipt is asked.
    pub(crate) history: Option<&'a Member>,
}

impl Then<'_> {
    fn evaluation(&self, deployment: &DeploymentId) -> Option<&Evaluation> {
        self.evaluations.iter().find(|evaluation| evaluation.deployment == *deployment)
    }
}

impl Source for Then<'_> {
    fn referral(&self) -> Option<&Referral> {
        self.referral
    }

    fn facts(&self, deployment: &DeploymentId, purse: Purse<'_>, _: Needs, today: &Day) -> Facts {
        let recorded = self.evaluation(deployment).map(Evaluation::answers).unwrap_or_default();
        let today = today.number();
        let Some(member) = self.history else { return Facts::Recorded { today, answers: recorded } };
        let history = History {
            today,
            purchases_by_day: member.purchases_by_day.clone(),
            granted_by_day: crate::facts::granted_by_day(member, deployment, purse.unit),
            ..History::default()
        };
        Facts::Pinned { recorded, history }
    }

    fn usage(&self, deployment: &Deployment, _: &Day) -> Usage {
        self.evaluation(&deployment.id).and_then(|evaluation| evaluation.usage).unwrap_or_default()
    }
}
