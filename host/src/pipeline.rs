//! One event, all the way: every stage, in order, on one screen.
//!
//! ```text
//! event ──► facts ──► policies (wasm) ──► proposals ──► decision ──► postings ──► receipt
//! ```
//!
//! Nothing flows back up, and nothing here touches the ledger: [`process`] takes what the ledger knew and returns
//! what the ledger shall write. Replay takes the same way, with a receipt in the ledger's place; and so does a refund,
//! with what remains of the purchase in the purchase's place (`refund`).

use std::collections::BTreeMap;
use std::sync::Arc;

use jifen_engine::Prepared;
use jifen_ledger::{Needs, Order};
use jifen_loyalty::clawback::{Level, Repayment, spendable};
use jifen_loyalty::decision::{Answered, Terms, Usage};
use jifen_loyalty::entry::{BudgetDraw, DebtMove, LotMove, Moved, NewLot, OrderClaim};
use jifen_loyalty::event::{Happening, Occasion};
use jifen_loyalty::facts::Answer;
use jifen_loyalty::lot::LotId;
use jifen_loyalty::program::{Deployment, Situation};
use jifen_loyalty::receipt::Evaluation;
use jifen_loyalty::{
    Decision, DeploymentId, Entry, Event, Fact, Facts, Fault, InvalidEvent, Lot, Member, MemberId, Points,
    Receipt, UnitId,
};
use rules_guest::calendar::Day;

use crate::active::{Active, Loaded};
use crate::error::HostError;
use crate::programs::Programs;
use crate::refund;

/// Deployments that failed to answer, and how.
pub(crate) type Faults = Vec<(DeploymentId, Fault)>;

/// Where the facts of an evaluation come from.
pub(crate) trait Source {
    /// Returns who brought the member.
    fn referrer(&self) -> Option<&MemberId>;
    /// Returns what a deployment may know.
    fn facts(&self, deployment: &Deployment, unit: &UnitId, needs: Needs, today: &Day) -> Facts;
    /// Returns what a deployment's caps and budget have counted.
    fn usage(&self, deployment: &Deployment, today: &Day) -> Usage;
}

/// Evaluates what happened on what a source knows.
pub(crate) fn evaluate(
    active: &Active,
    happening: &Happening,
    situation: Situation<'_>,
    source: &impl Source,
) -> (Decision, Vec<Evaluation>) {
    let program = &active.program;
    let today = &situation.today.day;
    let category = situation.merchant.map_or("", |merchant| merchant.category.as_str());
    let prepared = Prepared::new(&happening.occasion, category, &situation.today);
    let terms = Terms { program, happening, situation, referrer: source.referrer() };

    let mut evaluations = Vec::new();
    let mut decision = Decision::default();
    for (place, lane) in program.lanes.iter().enumerate() {
        let mut answers = Vec::new();
        for (deployment, Loaded { policy, needs, scalars }) in active.lane(place) {
            if !deployment.applies(happening.time, &situation) {
                continue;
            }
            let unit = &program.unit_of(deployment).id;
            let points_so_far = decision.points_so_far(&happening.member, unit);
            let usage = source.usage(deployment, today);
            let facts = source.facts(deployment, unit, *needs, today);
            let mut known = answers_to(scalars, &facts);
            let evaluation = policy.evaluate(&prepared, points_so_far, facts);
            known.retain(|answer| !evaluation.asked.contains(answer));
            evaluations.push(Evaluation {
                deployment: deployment.id.clone(),
                points_so_far,
                fuel: evaluation.fuel_used,
                facts: evaluation.asked,
                known,
                usage: counts(deployment).then_some(usage),
            });
            answers.push(Answered { deployment, outcome: evaluation.outcome, usage });
        }
        decision.close(lane, &terms, answers);
    }
    (decision, evaluations)
}

fn answers_to(scalars: &[Fact], facts: &Facts) -> Vec<Answer> {
    let answer = |fact: &Fact| Some(Answer { fact: *fact, value: facts.answer(*fact).ok()? });
    scalars.iter().filter_map(answer).collect()
}

/// What the ledger knew for one event.
pub(crate) struct Known<'a> {
    /// The event's member; for a refund, the one who bought.
    pub(crate) member: &'a Member,
    /// The order that the event completes or returns.
    pub(crate) order: Option<&'a Order>,
    /// What was granted from budgets.
    pub(crate) budgets_used: &'a BTreeMap<DeploymentId, Points>,
}

/// Processes an event on what the ledger knew. Returns what to write, and which deployments failed to answer.
///
/// # Errors
///
/// The event cannot be applied at all, which is the inner one; or a program that the ledger names cannot be loaded.
pub(crate) fn process(
    active: &Active,
    programs: &Programs<'_>,
    event: &Arc<Event>,
    known: &Known<'_>,
) -> Result<Result<(Entry, Faults), InvalidEvent>, HostError> {
    match event.happening() {
        Some(happening) => Ok(happened(active, event, happening, known)),
        None => refund::process(active, programs, event, known),
    }
}

fn happened(
    active: &Active,
    event: &Arc<Event>,
    happening: &Happening,
    known: &Known<'_>,
) -> Result<(Entry, Faults), InvalidEvent> {
    let situation = active.program.situate(happening)?;
    admit(event, happening, known)?;
    let view = View { happening, member: known.member, budgets_used: known.budgets_used };
    let (decision, evaluations) = evaluate(active, happening, situation, &view);
    let mut receipt = Receipt {
        program: active.digest.clone(),
        member: Some(happening.member.clone()),
        version: known.member.version.saturating_add(1),
        day: situation.today.day.number(),
        referrer: view.referrer().cloned(),
        evaluations,
        decision,
        refund: None,
        repayments: Vec::new(),
    };
    if let Some(order) = known.order.filter(|order| !order.entries.is_empty()) {
        refund::waited(active, event, happening, &mut receipt, order, known.member)?;
    }
    receipt.repayments = repayments(&receipt, happening, known.member);
    let profile = known.member.profile.after(&happening.occasion, receipt.day);
    let moved = Moved { id: happening.member.clone(), version: known.member.version, profile };
    let held = |lot| Held { member: &happening.member, lot, of_order: false };
    let held = known.member.lots.iter().map(held).collect();
    let budgets = budget_draws(active, &receipt);
    Ok(Draft { event, receipt, moved, held, budgets, order: known.order }.entry(active))
}

fn admit(event: &Event, happening: &Happening, known: &Known<'_>) -> Result<(), InvalidEvent> {
    let again = |field: &str, reason| Err(InvalidEvent { field: field.to_owned(), reason });
    match &happening.occasion {
        Occasion::Registration(_) if known.member.profile.registered_day != 0 => {
            again("data.member", format!("{} is registered already", happening.member))
        }
        Occasion::Purchase(purchase) => {
            match known.order.and_then(|order| refund::same_purchase(order, event)) {
                Some(key) => again(
                    "data.order",
                    format!("{} was completed by event {} of {} already", purchase.order, key.id, key.source),
                ),
                None => Ok(()),
            }
        }
        Occasion::Registration(_) => Ok(()),
    }
}

/// Returns what lots pay of what the member owes: those that were there, and those that this event opened.
fn repayments(receipt: &Receipt, happening: &Happening, member: &Member) -> Vec<Repayment> {
    if member.debts.is_empty() {
        return Vec::new();
    }
    let new = receipt.lots(happening.time);
    let own = new.iter().filter(|new| new.member == happening.member).map(|new| &new.lot);
    Repayment::all(&member.debts, spendable(member.lots.iter().chain(own), happening.time))
}

/// An entry in the making.
pub(crate) struct Draft<'a> {
    pub(crate) event: &'a Arc<Event>,
    pub(crate) receipt: Receipt,
    pub(crate) moved: Moved,
    /// Lots that were there, among which are all that the receipt takes from.
    pub(crate) held: Vec<Held<'a>>,
    pub(crate) budgets: Vec<BudgetDraw>,
    pub(crate) order: Option<&'a Order>,
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

impl Held<'_> {
    /// Returns whether it is what an award of the order opened.
    pub(crate) fn is_own(&self, of: &Level) -> bool {
        self.of_order && of.is_of_lot(self.member, self.lot)
    }
}

impl Draft<'_> {
    /// Seals the receipt and works out the rows.
    pub(crate) fn entry(self, active: &Active) -> (Entry, Faults) {
        let Self { event, receipt, moved, held, budgets, order } = self;
        let lots = receipt.lots(event.time);
        let postings = receipt.postings(&lots);
        let sealed = receipt.seal(event, active.program.zone, &postings);
        let entry = Entry {
            event: Arc::clone(event),
            day: receipt.day,
            others: Vec::new(),
            order: claim(event, order),
            taken: taken(&receipt, &lots, &held),
            debts: debts(&receipt, &moved.id),
            member: Some(moved),
            lots,
            budgets,
            returned: refund::returned(active, &receipt, event),
            postings,
            receipt: sealed.json,
            receipt_digest: sealed.digest,
        };
        (entry, receipt.decision.faults)
    }
}

/// Returns what must still be true of the order that an event completes or returns.
pub(crate) fn claim(event: &Event, order: Option<&Order>) -> Option<OrderClaim> {
    let entries = order.map_or(0, |order| u64::try_from(order.entries.len()).unwrap_or(u64::MAX));
    event.order().map(|number| OrderClaim { number: number.to_owned(), entries })
}

/// Returns what comes out of lots that were there before.
fn taken(receipt: &Receipt, new: &[NewLot], held: &[Held<'_>]) -> Vec<LotMove> {
    let mut moves = Vec::<LotMove>::new();
    let mut take = |lot: &LotId, taken: Points, reversed: Points| {
        if new.iter().any(|new| new.lot.id == *lot) {
            return;
        }
        if let Some(moved) = moves.iter_mut().find(|moved| moved.lot == *lot) {
            moved.taken = moved.taken.plus(taken);
            moved.reversed = moved.reversed.plus(reversed);
        } else if let Some(Held { member, lot, .. }) = held.iter().find(|held| held.lot.id == *lot) {
            let (member, deployment) = ((*member).clone(), lot.deployment.clone());
            moves.push(LotMove { member, day: lot.day, deployment, lot: lot.id.clone(), taken, reversed });
        }
    };
    let of_reversals = receipt.reversals().iter().flat_map(|reversal| &reversal.taken);
    for taken in of_reversals.chain(receipt.repayments.iter().map(|repayment| &repayment.taken)) {
        take(&taken.from.lot, taken.points, Points::ZERO);
    }
    for reversal in receipt.reversals() {
        let mut left = reversal.taken_back();
        for Held { lot, .. } in held.iter().filter(|held| held.is_own(&reversal.of)) {
            let reversed = left.min(lot.points.less(lot.reversed));
            left = left.less(reversed);
            if !reversed.is_zero() {
                take(&lot.id, Points::ZERO, reversed);
            }
        }
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

/// Returns whether something that was granted before counts against a deployment.
fn counts(deployment: &Deployment) -> bool {
    deployment.cap.over_periods() || deployment.budget.is_some()
}

fn budget_draws(active: &Active, receipt: &Receipt) -> Vec<BudgetDraw> {
    let draw = |evaluation: &Evaluation| {
        let budget = active.deployment(&evaluation.deployment)?.budget?;
        let granted = receipt.decision.granted_to(&evaluation.deployment);
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

/// The ledger's view of a member, for one happening.
struct View<'a> {
    happening: &'a Happening,
    member: &'a Member,
    budgets_used: &'a BTreeMap<DeploymentId, Points>,
}

impl Source for View<'_> {
    fn referrer(&self) -> Option<&MemberId> {
        match &self.happening.occasion {
            Occasion::Registration(registration) => registration.referrer.as_ref(),
            Occasion::Purchase(_) => self.member.profile.referrer.as_ref(),
        }
    }

    fn facts(&self, deployment: &Deployment, unit: &UnitId, needs: Needs, today: &Day) -> Facts {
        Facts::Known(crate::facts::known(self.happening.time, self.member, deployment, unit, needs, today))
    }

    fn usage(&self, deployment: &Deployment, today: &Day) -> Usage {
        if !counts(deployment) {
            return Usage::default();
        }
        let granted = |days| crate::facts::granted(self.member, &deployment.id, days);
        Usage {
            day: granted(today.number()..=today.number()),
            month: granted(crate::facts::month_of(today)),
            budget: self.budgets_used.get(&deployment.id).copied().unwrap_or_default(),
        }
    }
}
