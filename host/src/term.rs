//! What happened, by which points can be spent at another time: the member was told of their end, or did what they wait for.

use std::sync::Arc;

use jifen_loyalty::clawback::{Repayment, spendable};
use jifen_loyalty::event::{TermCause, TermChange};
use jifen_loyalty::receipt::Inputs;
use jifen_loyalty::term::Retermed;
use jifen_loyalty::time::{date_of, next_day};
use jifen_loyalty::{Entry, Event, InvalidEvent, Lot, MemberId, Program, Receipt, Redeemed, Term, UnitId};

use crate::active::Active;
use crate::error::Undecided;
use crate::pipeline::{Draft, Faults, Known};
use crate::{redemption, refund};

/// Processes such an event.
///
/// # Errors
///
/// If the program does not know the unit, or the ledger not the order.
pub(crate) fn process(
    active: &Active,
    event: &Arc<Event>,
    change: &TermChange,
    lapsed: Vec<Redeemed>,
    known: &Known<'_>,
) -> Result<(Entry, Faults), Undecided> {
    if let TermCause::Notified { unit: Some(unit), .. } = &change.cause {
        active.program.known_unit("data.unit", unit)?;
    }
    let of_order = of_order(event, change, known)?;
    let known_at = match &change.cause {
        TermCause::Delivered { told: Some(told), .. } => told.as_of,
        TermCause::Delivered { told: None, .. } | TermCause::Notified { .. } | TermCause::Done { .. } => {
            event.time
        }
    };
    let concerned = |lot: &&Lot| {
        let there = !lot.remaining.is_zero() || known.member.holds_of(&lot.id);
        let then = lot.earned_at <= known_at && lot.term.ends_at() > event.time;
        there && then && of_order.as_ref().is_none_or(|order| order.has(lot))
    };
    let mut lots: Vec<_> = known.member.lots.iter().filter(concerned).collect();
    lots.sort_by_key(|lot| lot.spending_order());
    let mut terms = Vec::new();
    for lot in lots {
        let now = next(&active.program, event, change, &lot.unit, &lot.term)?;
        terms.extend(Retermed::of(lot, now));
    }
    if let (TermCause::Done { action, .. }, true) = (&change.cause, terms.is_empty()) {
        // Not taken: it can be sent again once there is what waits for it.
        let reason = format!("nothing_waits: no points of {} wait for {action}", change.member);
        return Err(InvalidEvent { field: "data.action".to_owned(), reason }.into());
    }
    let mut receipt = receipt(active, event, change, known.member.version.saturating_add(1))?;
    let restocked = redemption::restocked(&lapsed, known.member);
    receipt.redemptions = lapsed;
    receipt.repayments = repayments(known, &terms, event);
    receipt.terms = terms;
    let draft = Draft::of(event, receipt, &change.member, known.member);
    Ok(Draft { order: known.order, restocked, ..draft }.entry(active))
}

/// The lots that an order opened.
struct OfOrder<'o> {
    buyer: &'o MemberId,
    /// The buyer's versions that name them.
    versions: Vec<u64>,
}

impl OfOrder<'_> {
    fn has(&self, lot: &Lot) -> bool {
        lot.id.member == *self.buyer && self.versions.contains(&lot.id.version)
    }
}

/// Returns which lots an order opened, where the event is about one: the member's own, or one for which the member has something.
fn of_order<'o>(
    event: &Event,
    change: &TermChange,
    known: &Known<'o>,
) -> Result<Option<OfOrder<'o>>, InvalidEvent> {
    let Some(number) = event.order() else { return Ok(None) };
    let wrong = |reason| Err(InvalidEvent { field: "data.order".to_owned(), reason });
    let order = known.order.expect("an event of an order is read with it");
    match refund::bought_by(order, event)? {
        Some((buyer, versions)) => {
            let order = OfOrder { buyer, versions };
            if *buyer == change.member || known.member.lots.iter().any(|lot| order.has(lot)) {
                return Ok(Some(order));
            }
            let member = &change.member;
            wrong(format!(
                "{number} is not an order of {member}, who has nothing for it; name the member who bought"
            ))
        }
        None => {
            wrong(format!("unknown_order: no purchase has the number {number}; send it after its purchase"))
        }
    }
}

/// Returns the term that a lot gets, if it gets another.
fn next(
    program: &Program,
    event: &Event,
    change: &TermChange,
    unit: &UnitId,
    term: &Term,
) -> Result<Option<Term>, InvalidEvent> {
    let zone = program.zone;
    let (day, _) = program.day_of(event.time)?;
    let Some(today) = date_of(day.number()) else { return Ok(None) };
    let ends_by = |through| term.expires_at <= zone.start_of(next_day(through));
    Ok(match &change.cause {
        TermCause::Notified { unit: only, through } => {
            let meant = only.as_ref().is_none_or(|only| only == unit);
            term.told(today, zone).filter(|_| meant && ends_by(*through))
        }
        TermCause::Delivered { told, .. } => {
            let meant = told.as_ref().is_some_and(|told| told.unit == *unit && ends_by(told.through));
            term.told(today, zone).filter(|_| meant)
        }
        TermCause::Done { action, .. } => term.done(action, (today, event.time), zone),
    })
}

/// Returns what points that are there now pay of what the member owes.
fn repayments(known: &Known<'_>, terms: &[Retermed], event: &Event) -> Vec<Repayment> {
    if known.member.debts.is_empty() {
        return Vec::new();
    }
    let mut lots = known.member.lots.clone();
    for Retermed { lot, now, .. } in terms {
        lots.iter_mut().filter(|own| own.id == *lot).for_each(|own| own.term = now.clone());
    }
    Repayment::all(&known.member.debts, spendable(lots.iter(), event.time))
}

fn receipt(
    active: &Active,
    event: &Event,
    change: &TermChange,
    version: u64,
) -> Result<Receipt, InvalidEvent> {
    let day = active.program.day_of(event.time)?.0.number();
    Ok(Receipt::new(active.digest.clone(), (Some(change.member.clone()), version), day))
}

/// Derives the receipt of such an event again.
pub(crate) fn derive(
    active: &Active,
    event: &Event,
    change: &TermChange,
    inputs: Inputs,
) -> Result<Receipt, Undecided> {
    let mut receipt = receipt(active, event, change, inputs.version)?;
    for recorded in inputs.terms {
        let Retermed { unit, was, .. } = &recorded;
        if let Some(now) = next(&active.program, event, change, unit, was)? {
            receipt.terms.push(Retermed { now, ..recorded });
        }
    }
    receipt.redemptions = inputs.redemptions;
    receipt.repayments = inputs.repayments;
    Ok(receipt)
}
