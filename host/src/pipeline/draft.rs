//! Entries in the making: a receipt, sealed, and the rows that it comes to.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jifen_ledger::Order;
use jifen_loyalty::clawback::{Level, Repayment};
use jifen_loyalty::entry::{
    Begins, BudgetDraw, DebtMove, LotMove, Moved, NewLot, OrderClaim, RedemptionMove, StockDraw, StockKey,
};
use jifen_loyalty::lot::LotId;
use jifen_loyalty::member::Grants;
use jifen_loyalty::posting::{gain, loss};
use jifen_loyalty::receipt::Evaluation;
use jifen_loyalty::redemption::Expired;
use jifen_loyalty::time::Zone;
use jifen_loyalty::{Entry, Event, Instant, Lot, Member, MemberId, Points, Receipt, Redeemed};

use super::Faults;
use crate::active::Active;
use crate::refund;

/// An entry in the making.
pub(crate) struct Draft<'a> {
    pub(crate) event: &'a Arc<Event>,
    pub(crate) receipt: Receipt,
    pub(crate) moved: Moved,
    /// Lots that were there, among which are all that the receipt moves.
    pub(crate) held: Vec<Held<'a>>,
    pub(crate) budgets: Vec<BudgetDraw>,
    pub(crate) order: Option<&'a Order>,
    /// What a use of points that begins takes from a stock.
    pub(crate) stock: Vec<StockDraw>,
    pub(crate) restocked: Vec<StockKey>,
}

impl<'a> Draft<'a> {
    /// Returns the draft of what happened to a member whose figures stay, without budgets, stocks and an order.
    pub(crate) fn of(event: &'a Arc<Event>, receipt: Receipt, id: &'a MemberId, member: &'a Member) -> Self {
        let moved = Moved { id: id.clone(), version: member.version, profile: member.profile.clone() };
        let held = Held::of(id, member);
        let (budgets, stock, restocked) = (Vec::new(), Vec::new(), Vec::new());
        Self { event, receipt, moved, held, budgets, order: None, stock, restocked }
    }

    /// Seals the receipt and works out the rows.
    pub(crate) fn entry(self, active: &Active) -> (Entry, Faults) {
        let Self { event, receipt, moved, held, budgets, order, stock, restocked } = self;
        let lots = receipt.lots(event.time);
        let postings = receipt.postings(&lots, event.time);
        let sealed = receipt.seal(event, active.program.zone, &postings);
        let entry = Entry {
            event: Arc::clone(event),
            day: receipt.day,
            others: Vec::new(),
            order: claim(event, order),
            moved: lot_moves(&receipt, &lots, &held, event.time),
            redemptions: redemption_moves(&receipt, &moved.id, &stock),
            debts: debts(&receipt, &moved.id),
            member: Some(moved),
            lots,
            budgets,
            stock,
            restocked,
            returned: refund::returned(active, &receipt, event),
            notices: receipt.decision.to_send(),
            postings,
            receipt: sealed.json,
            receipt_digest: sealed.digest,
        };
        (entry, receipt.decision.faults)
    }
}

/// A lot that was there.
#[derive(Clone, Copy)]
pub(crate) struct Held<'a> {
    /// Whose it is.
    pub(crate) member: &'a MemberId,
    /// As it was.
    pub(crate) lot: &'a Lot,
    /// Whether the order that is returned opened it.
    pub(crate) of_order: bool,
}

impl<'a> Held<'a> {
    /// Returns all lots of a member, none of which the event's order opened.
    pub(crate) fn of(id: &'a MemberId, member: &'a Member) -> Vec<Self> {
        member.lots.iter().map(|lot| Self { member: id, lot, of_order: false }).collect()
    }

    /// Returns whether it is what an award of the order opened.
    pub(crate) fn is_own(&self, of: &Level) -> bool {
        self.of_order && of.is_of_lot(self.member, self.lot)
    }
}

/// Returns the entry of an event that is nobody's, and moves no lot.
pub(crate) fn unclaimed(zone: Zone, event: &Arc<Event>, receipt: &Receipt, order: Option<&Order>) -> Entry {
    let postings = receipt.postings(&[], event.time);
    let sealed = receipt.seal(event, zone, &postings);
    Entry {
        event: Arc::clone(event),
        day: receipt.day,
        member: None,
        others: Vec::new(),
        order: claim(event, order),
        lots: Vec::new(),
        moved: Vec::new(),
        redemptions: Vec::new(),
        stock: Vec::new(),
        restocked: Vec::new(),
        debts: Vec::new(),
        budgets: Vec::new(),
        returned: Vec::new(),
        notices: Vec::new(),
        postings,
        receipt: sealed.json,
        receipt_digest: sealed.digest,
    }
}

fn redemption_moves(receipt: &Receipt, member: &MemberId, stock: &[StockDraw]) -> Vec<RedemptionMove> {
    let begins = |step: &Redeemed| {
        let until = step.quoted.as_ref()?.until;
        let by = &step.acceptance.as_ref()?.deployment;
        let draw = stock.iter().find(|draw| draw.key.deployment == *by);
        Some(Begins { until, stock: draw.map(|draw| draw.key.clone()) })
    };
    let moves = receipt.redemptions.iter().map(|step| RedemptionMove {
        name: step.name.clone(),
        member: member.clone(),
        steps: step.steps,
        begins: begins(step),
        parts: step.parts(),
    });
    moves.filter(|moved| moved.begins.is_some() || !moved.parts.is_empty()).collect()
}

/// Returns what must still be true of the order that an event completes or returns.
fn claim(event: &Event, order: Option<&Order>) -> Option<OrderClaim> {
    let entries = order.map_or(0, |order| u64::try_from(order.entries.len()).unwrap_or(u64::MAX));
    event.order().map(|number| OrderClaim { number: number.to_owned(), entries })
}

/// Returns what comes out of lots that were there before, and what goes back into them.
fn lot_moves(receipt: &Receipt, new: &[NewLot], held: &[Held<'_>], at: Instant) -> Vec<LotMove> {
    let mut moves = Vec::<LotMove>::new();
    let mut places = HashMap::<LotId, usize>::new();
    let new: HashSet<_> = new.iter().map(|new| &new.lot.id).collect();
    let by_name: HashMap<_, _> = held.iter().map(|held| (&held.lot.id, held)).collect();
    let mut change = |lot: &LotId, remaining: i64, reversed: Points, expired: i64| {
        if new.contains(lot) {
            return;
        }
        if let Some(moved) = places.get(lot).and_then(|place| moves.get_mut(*place)) {
            moved.remaining = moved.remaining.saturating_add(remaining);
            moved.reversed = moved.reversed.plus(reversed);
            moved.expired = moved.expired.saturating_add(expired);
        } else {
            let Held { member, lot, .. } = by_name.get(lot).expect("a receipt moves lots that were read");
            places.insert(lot.id.clone(), moves.len());
            moves.push(LotMove {
                member: (*member).clone(),
                day: lot.day,
                grants: Grants::of(member, lot),
                lot: lot.id.clone(),
                remaining,
                reversed,
                expired,
                term: None,
            });
        }
    };
    for step in &receipt.redemptions {
        step.change_lots(at, &mut |lot, remaining, expired| {
            change(lot, remaining, Points::ZERO, gain(expired));
        });
    }
    for Expired { part, .. } in &receipt.expired {
        change(&part.lot, loss(part.points), Points::ZERO, gain(part.points));
    }
    for reversal in receipt.reversals() {
        for taken in &reversal.taken {
            change(&taken.from.lot, loss(taken.left()), Points::ZERO, loss(taken.lapsed()));
        }
        let mut left = reversal.taken_back();
        for Held { lot, .. } in held.iter().filter(|held| held.is_own(&reversal.of)) {
            let reversed = left.min(lot.points.less(lot.reversed));
            left = left.less(reversed);
            if !reversed.is_zero() {
                change(&lot.id, 0, reversed, 0);
            }
        }
    }
    for taken in receipt.repayments.iter().map(|repayment| &repayment.taken) {
        change(&taken.from.lot, loss(taken.points), Points::ZERO, 0);
    }
    for part in receipt.conversion.iter().flat_map(|conversion| &conversion.parts) {
        change(&part.from.lot, loss(part.from.points), Points::ZERO, 0);
    }
    for retermed in &receipt.terms {
        change(&retermed.lot, 0, Points::ZERO, 0);
    }
    let terms: HashMap<_, _> = receipt.terms.iter().map(|retermed| (&retermed.lot, &retermed.now)).collect();
    for moved in &mut moves {
        moved.term = terms.get(&moved.lot).map(|now| (*now).clone());
    }
    moves
}

fn debts(receipt: &Receipt, member: &MemberId) -> Vec<DebtMove> {
    let incurred = receipt.reversals().iter().filter(|reversal| !reversal.debt.is_zero());
    let incurred = incurred.map(|reversal| DebtMove {
        member: reversal.of.to.clone(),
        unit: reversal.of.unit.clone(),
        issuer: reversal.of.issuer.clone(),
        points: reversal.debt.entry(),
    });
    let paid = receipt.repayments.iter().map(|Repayment { debt, taken }| DebtMove {
        member: member.clone(),
        unit: debt.unit.clone(),
        issuer: debt.issuer.clone(),
        points: taken.points.entry().saturating_neg(),
    });
    incurred.chain(paid).collect()
}

pub(super) fn budget_draws(active: &Active, receipt: &Receipt) -> Vec<BudgetDraw> {
    let draw = |evaluation: &Evaluation| {
        let budget = active.deployment(&evaluation.deployment)?.budget?;
        let unit = &active.program.unit_of(active.deployment(&evaluation.deployment)?).id;
        let granted = receipt.decision.granted_to(&evaluation.deployment, unit);
        let limited = receipt.decision.limited_by_budget(&evaluation.deployment);
        (limited || !granted.is_zero()).then(|| BudgetDraw {
            deployment: evaluation.deployment.clone(),
            budget: budget.points,
            used_before: evaluation.usage.unwrap_or_default().budget,
            granted,
            limited,
        })
    };
    receipt.evaluations.iter().filter_map(draw).collect()
}
