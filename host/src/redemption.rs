//! Redemptions: points quoted, held, used and given back.
//!
//! ```text
//! request ──► facts ──► redemption policies (wasm) ──► the first offer ──► lots, earliest expiry first ──► held
//! ```
//!
//! The program of the request decides to the end: its terms hold when the points are used, let go or given back. What is
//! held for longer than it was to be is free again by itself; the next entry of the member says so.

mod derive;
mod payment;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jifen_engine::PreparedRequest;
use jifen_ledger::{RedeemedPart, Redemption as State};
use jifen_loyalty::clawback::{Repayment, spendable};
use jifen_loyalty::decision::{Decision, Granted};
use jifen_loyalty::entry::{StockDraw, StockKey};
use jifen_loyalty::event::{Cause, Purpose, Redemption, Request, Step};
use jifen_loyalty::lot::{Purse, Standing};
use jifen_loyalty::member::Hold;
use jifen_loyalty::program::{Covers, RedemptionDeployment, Situation};
use jifen_loyalty::receipt::Evaluation;
use jifen_loyalty::redemption::{Acceptance, Paid, Part, Quoted, Redeemed, capture, take, total, void};
use jifen_loyalty::time::date_of;
use jifen_loyalty::{
    Entry, Event, Fault, Instant, InvalidEvent, Lot, Member, MemberId, Offer, Points, Quote, Receipt,
    RedemptionId,
};

pub(crate) use self::derive::derive;
pub(crate) use self::payment::{GivenBack, Payment, payments};
use crate::active::{Active, Loaded};
use crate::error::{Answered, Undecided};
use crate::pipeline::{Draft, Faults, Known, Source, View, after, repayments};
use crate::programs::Programs;

/// How the refusal begins of a request for what there is too little of.
const OUT_OF_STOCK: &str = "out_of_stock:";
/// Who says that points were held for long enough where nobody else does.
const SOURCE: &str = "/jifen/holds";

/// Returns whether a request was refused because there is too little of what it asks for.
pub(crate) fn is_out_of_stock(refusal: &InvalidEvent) -> bool {
    refusal.reason.starts_with(OUT_OF_STOCK)
}

/// Returns the event that a use of points was held for as long as it could be, which it was until then.
pub(crate) fn lapse(name: &RedemptionId, until: Instant) -> Event {
    let json = serde_json::json!({"specversion": "1.0", "id": name.as_str(), "source": SOURCE,
        "type": "jifen.redemption.lapsed", "time": until.to_string(), "data": {"redemption": name.as_str()}});
    Event::parse(json.to_string().as_bytes()).expect("a use of points has a name that an event can have")
}

/// Returns what is free again by an event's time because it was held for long enough.
pub(crate) fn lapsed(member: &Member, event: &Event) -> Vec<Redeemed> {
    let own = event.redemption().map(|redemption| &redemption.name);
    let over = |hold: &&Hold| hold.until <= event.time && Some(&hold.name) != own;
    let lapse = |hold: &Hold| {
        let lots = || hold.parts.iter().filter_map(|(lot, points)| Some((member.lot(lot)?, *points)));
        let unit = lots().next()?.0.unit.clone();
        let released = lots().map(|(lot, points)| Part::of(lot, points)).collect();
        Some(Redeemed::lapsed(&hold.name, hold.steps, unit, released))
    };
    member.holds.iter().filter(over).filter_map(lapse).collect()
}

/// Returns what goes back into stocks because it was held for long enough.
pub(crate) fn restocked(lapsed: &[Redeemed], member: &Member) -> Vec<StockKey> {
    let over = |hold: &&Hold| lapsed.iter().any(|step| step.name == hold.name);
    member.holds.iter().filter(over).filter_map(|hold| hold.stock.clone()).collect()
}

/// Processes a step of a use of points.
///
/// # Errors
///
/// If it cannot be taken, or the request's program cannot be loaded.
pub(crate) fn process(
    active: &Active,
    programs: &Programs<'_>,
    event: &Arc<Event>,
    redemption: &Redemption,
    lapsed: Vec<Redeemed>,
    known: &Known<'_>,
) -> Result<(Entry, Faults), Undecided> {
    let state = known.redemptions.get(&redemption.name).filter(|state| state.steps > 0);
    match (&redemption.step, state) {
        (Step::Requested(request), None) => hold(active, event, redemption, request, lapsed, known),
        (Step::Requested(_), Some(_)) => Err(refused(
            "data.redemption",
            format!("{:?} was requested already; give each a name of its own", redemption.name.as_str()),
        )
        .into()),
        (Step::Captured(_) | Step::Voided(_) | Step::Lapsed | Step::Cancelled(..), Some(state)) => {
            go_on(programs, event, redemption, lapsed, state, known)
        }
        (Step::Captured(_) | Step::Voided(_) | Step::Lapsed | Step::Cancelled(..), None) => {
            let reason =
                format!("unknown_redemption: no {} was requested; request it first", redemption.name);
            Err(refused("data.redemption", reason).into())
        }
    }
}

fn refused(field: &str, reason: impl Into<String>) -> InvalidEvent {
    InvalidEvent { field: field.to_owned(), reason: reason.into() }
}

/// Quotes a request and sets the points aside.
fn hold(
    active: &Active,
    event: &Arc<Event>,
    redemption: &Redemption,
    request: &Request,
    lapsed: Vec<Redeemed>,
    known: &Known<'_>,
) -> Result<(Entry, Faults), Undecided> {
    let situation = active.program.situate_request(request, event.time)?;
    let day = situation.today.day.number();
    // What is owed comes first, so it is not there to be used.
    let repayments = Repayment::all(&known.member.debts, spendable(known.member.lots.iter(), event.time));
    let member = less(known.member, &repayments);
    let view = View::of(event.time, &member, known);
    let quotation = quote(active, event.time, request, situation, on_request, &view)?;
    let restocked = restocked(&lapsed, known.member);
    let set_aside = || {
        let (deployment, offer) = quotation.accepted(request)?;
        let purse = active.program.purse_of(deployment);
        let held = take(there(&member, purse, event.time), offer.points);
        enough(&held, offer.points)?;
        let stock = draw(deployment, request, day);
        in_stock(&stock, &restocked, known)?;
        Ok((deployment, offer, held, stock))
    };
    let (deployment, offer, held, stock) = match set_aside() {
        Ok(set_aside) => set_aside,
        Err(refusal) => {
            return Err(Undecided::Declined(refusal, Box::new(quotation.answered(event, active))));
        }
    };
    let step = held_by(active, &redemption.name, request, (deployment, offer), held, event.time);
    let owner = (Some(request.member.clone()), known.member.version.saturating_add(1));
    let receipt = Receipt {
        evaluations: quotation.evaluations,
        decision: quotation.decision,
        redemptions: lapsed.into_iter().chain([step]).collect(),
        repayments,
        ..Receipt::new(active.digest.clone(), owner, day)
    };
    let draft = Draft::of(event, receipt, &request.member, known.member);
    Ok(Draft { stock, restocked, ..draft }.entry(active))
}

/// Returns whether a deployment answers requests: what is given at midnight is not asked for.
fn on_request(deployment: &RedemptionDeployment) -> bool {
    deployment.at_close.is_none()
}

pub(crate) fn held_by(
    active: &Active,
    name: &RedemptionId,
    request: &Request,
    (deployment, offer): (&RedemptionDeployment, Offer),
    held: Vec<Part>,
    at: Instant,
) -> Redeemed {
    let until = Instant::from_millis(at.millis().saturating_add(deployment.hold_ms));
    let acceptance = Acceptance {
        deployment: deployment.id.clone(),
        merchant: request.merchant.clone(),
        program: active.digest.clone(),
    };
    let unit = active.program.unit(deployment.unit).id.clone();
    Redeemed {
        quoted: Some(Quoted { offer, until }),
        held,
        ..Redeemed::new(name.clone(), 0, unit, Some(acceptance))
    }
}

/// Returns a member without what was paid from the member's lots.
pub(crate) fn less(member: &Member, repayments: &[Repayment]) -> Member {
    let mut member = member.clone();
    for Repayment { taken, .. } in repayments {
        let lot = member.lots.iter_mut().find(|lot| lot.id == taken.from.lot);
        lot.into_iter().for_each(|lot| lot.remaining = lot.remaining.less(taken.points));
    }
    member
}

/// Returns the points of a purse that can be spent, in the order in which they are.
pub(crate) fn there(member: &Member, purse: Purse<'_>, at: Instant) -> Vec<Part> {
    let usable = |lot: &&Lot| purse.has(lot) && lot.standing(at) == Standing::Available;
    let mut lots: Vec<_> = member.lots.iter().filter(usable).collect();
    lots.sort_by_key(|lot| lot.spending_order());
    lots.into_iter().map(|lot| Part::of(lot, lot.remaining)).collect()
}

pub(crate) fn enough(held: &[Part], points: Points) -> Result<(), InvalidEvent> {
    let there = total(held);
    let short = points.less(there);
    let reason =
        || format!("insufficient: {points} points are needed and {there} can be spent, {short} short");
    if short.is_zero() { Ok(()) } else { Err(refused("data.points", reason())) }
}

/// Returns what a request takes from a stock, if the deployment has a limited one of its item.
pub(crate) fn draw(deployment: &RedemptionDeployment, request: &Request, day: i32) -> Vec<StockDraw> {
    let Purpose::Item { item, quantity } = &request.purpose else { return Vec::new() };
    let limited = deployment.stock.get(item).map(|stock| StockDraw {
        key: StockKey { deployment: deployment.id.clone(), item: item.clone(), day, quantity: *quantity },
        total: stock.total,
        per_day: stock.per_day,
    });
    limited.into_iter().collect()
}

/// Checks that a stock has what is drawn, with what goes back into it at once.
pub(crate) fn in_stock(
    stock: &[StockDraw],
    restocked: &[StockKey],
    known: &Known<'_>,
) -> Result<(), InvalidEvent> {
    for draw in stock {
        let StockKey { deployment, item, day, quantity } = draw.key.clone();
        let taken = known.stock.get(&(deployment, item.clone(), day)).copied().unwrap_or_default();
        if !draw.holds(taken.less(restocked, &draw.key)) {
            let reason =
                format!("{OUT_OF_STOCK} {quantity} of {item} are wanted, and there are not as many left");
            return Err(refused("data.item", reason));
        }
    }
    Ok(())
}

/// What the deployments answered to a request.
pub(crate) struct Quotation<'p> {
    pub(crate) offered: Option<(&'p RedemptionDeployment, Offer)>,
    pub(crate) decision: Decision,
    pub(crate) evaluations: Vec<Evaluation>,
}

/// Asks the redemption deployments that `asked` picks, in their order, until one offers something.
///
/// # Errors
///
/// If the calendar of one does not reach the day.
pub(crate) fn quote<'p>(
    active: &'p Active,
    at: Instant,
    request: &Request,
    situation: Situation<'_>,
    asked: impl Fn(&RedemptionDeployment) -> bool,
    source: &impl Source,
) -> Result<Quotation<'p>, InvalidEvent> {
    let today = &situation.today;
    let category = situation.merchant.map_or("", |merchant| merchant.category.as_str());
    let prepared = PreparedRequest::new(&request.purpose, request.wanted, category, today);
    let (mut decision, mut evaluations) = (Decision::default(), Vec::new());
    for (deployment, Loaded { policy, needs, meter, .. }) in active.redemptions() {
        if !asked(deployment) || !deployment.applies(at, &situation)? {
            continue;
        }
        let purse = active.program.purse_of(deployment);
        let facts = source.facts(&deployment.id, purse, *needs, &today.day);
        let evaluation = meter.of(|| policy.quote(&prepared, facts));
        evaluations.push(Evaluation {
            deployment: deployment.id.clone(),
            points_so_far: Points::ZERO,
            fuel: evaluation.fuel_used,
            facts: evaluation.asked,
            known: Vec::new(),
            usage: None,
        });
        match evaluation.outcome.and_then(|quote| covered(quote, deployment, request)) {
            Ok(Quote::Offered(offer)) => {
                return Ok(Quotation { offered: Some((deployment, offer)), decision, evaluations });
            }
            Ok(Quote::Declined(reason)) => decision.declined.push((deployment.id.clone(), reason)),
            Err(fault) => decision.faults.push((deployment.id.clone(), fault)),
        }
    }
    Ok(Quotation { offered: None, decision, evaluations })
}

/// Checks what only the program can tell: that points pay for no more than what they are for, and that they buy what money buys.
fn covered(quote: Quote, deployment: &RedemptionDeployment, request: &Request) -> Result<Quote, Fault> {
    let Quote::Offered(offer) = quote else { return Ok(quote) };
    if offer.points.is_zero() {
        return Ok(Quote::Declined("nothing-to-redeem".to_owned()));
    }
    if let Some(allowed) = &deployment.parity
        && let Some(restriction) = offer.restrictions.iter().find(|code| !allowed.contains(code))
    {
        return Err(Fault::ParityViolation { restriction: restriction.clone() });
    }
    if let Purpose::Bill(bill) = &request.purpose {
        let goods =
            bill.lines.iter().filter(|line| deployment.covers.line(line)).map(|line| line.amount_minor);
        let freight = if deployment.covers.freight() { bill.freight_minor } else { 0 };
        let payable_minor = goods.chain([freight]).fold(0, u64::saturating_add);
        if offer.worth_minor > payable_minor {
            return Err(Fault::WorthOutOfRange { worth_minor: offer.worth_minor, payable_minor });
        }
    }
    Ok(Quote::Offered(offer))
}

impl<'p> Quotation<'p> {
    /// Returns the offer, if there is one that the member can want.
    fn accepted(&self, request: &Request) -> Result<(&'p RedemptionDeployment, Offer), InvalidEvent> {
        let (deployment, offer) = self.offered.clone().ok_or_else(|| self.refusal(request))?;
        match request.wanted.filter(|wanted| offer.points > *wanted) {
            None => Ok((deployment, offer)),
            Some(wanted) => {
                let points = offer.points;
                let reason =
                    format!("declined: {points} points are needed, and no more than {wanted} are to be used");
                Err(refused("data.points", reason))
            }
        }
    }

    /// Returns which deployments of a program were asked, and how each failed that did.
    fn answered(self, event: &Event, active: &Active) -> Answered {
        let mut faults: BTreeMap<_, _> = self.decision.faults.into_iter().collect();
        let asked = self.evaluations.into_iter().map(|evaluation| evaluation.deployment);
        let deployments = asked.map(|id| {
            let fault = faults.remove(&id);
            (id, fault)
        });
        Answered {
            event: (event.source.clone(), event.id.clone()),
            program: active.digest.clone(),
            deployments: deployments.collect(),
        }
    }

    fn refusal(&self, request: &Request) -> InvalidEvent {
        let declined = self.decision.declined.iter().map(|(id, reason)| format!("{id} says {reason}"));
        let faults = self.decision.faults.iter().map(|(id, fault)| format!("{id} failed ({})", fault.code()));
        let answers: Vec<_> = declined.chain(faults).collect();
        if answers.is_empty() {
            let reason =
                format!("no [[redemption]] of the program is at work for {} at this time", request.merchant);
            return refused("data.merchant", reason);
        }
        let field = match request.purpose {
            Purpose::Item { .. } => "data.item",
            Purpose::Bill(_) => "data.lines",
        };
        refused(field, format!("declined: {}", answers.join(", ")))
    }
}

/// Uses points that are set aside, lets them go, or gives used ones back.
fn go_on(
    programs: &Programs<'_>,
    event: &Arc<Event>,
    redemption: &Redemption,
    lapsed: Vec<Redeemed>,
    state: &State,
    known: &Known<'_>,
) -> Result<(Entry, Faults), Undecided> {
    let Some((owner, _)) = &state.owner else { unreachable!("what was requested has an owner") };
    let request = requested(state)?;
    let pinned = pinned(programs, &request)?;
    let (day, _) = pinned.program.day_of(event.time)?;
    admit(redemption, state, event.time)?;
    in_order(state, event.time)?;
    let parts = |of: fn(&RedeemedPart) -> Points| parts(state, known.member, of);
    let (open, used) = (parts(RedeemedPart::open), parts(RedeemedPart::used));
    let base = Redeemed {
        paid: matches!(redemption.step, Step::Cancelled(..)).then(|| paid(state)),
        ..Redeemed::new(redemption.name.clone(), state.steps, request.unit, request.acceptance)
    };
    let (step, compensation) =
        advance(&pinned, &redemption.step, base, (open, used), owner, (day.number(), event.time))?;
    let mut restocked = restocked(&lapsed, known.member);
    restocked.extend(state.stock.clone().filter(|_| is_undone(state, &step)));
    let after = after(known.member, std::slice::from_ref(&step), event.time);
    let moved = (Some(owner.clone()), known.member.version.saturating_add(1));
    let mut receipt = Receipt {
        decision: Decision { awards: compensation.into_iter().collect(), ..Decision::default() },
        redemptions: lapsed.into_iter().chain([step]).collect(),
        ..Receipt::new(pinned.digest.clone(), moved, day.number())
    };
    receipt.repayments = repayments(&receipt, owner, event.time, &after);
    Ok(Draft { restocked, ..Draft::of(event, receipt, owner, known.member) }.entry(&pinned))
}

/// Returns how many points were used in all, and how many of them no longer are.
fn paid(state: &State) -> Paid {
    let sum = |of: fn(&RedeemedPart) -> Points| state.parts.iter().map(of).sum::<Points>();
    Paid { captured: sum(|part| part.captured), cancelled: sum(|part| part.cancelled) }
}

/// Returns the points of each lot as far as `of` counts them, of the lots as they are now.
fn parts(state: &State, member: &Member, of: fn(&RedeemedPart) -> Points) -> Vec<Part> {
    let lots: HashMap<_, _> = member.lots.iter().map(|lot| (&lot.id, lot)).collect();
    let part = |part: &RedeemedPart| Part::of(lots.get(&part.lot.id).copied().unwrap_or(&part.lot), of(part));
    state.parts.iter().map(part).filter(|part| !part.had.is_zero()).collect()
}

/// Returns the step that the request's receipt has of a use of points.
pub(crate) fn requested(state: &State) -> Result<Redeemed, InvalidEvent> {
    let damaged =
        |what: String| refused("data.redemption", format!("the ledger's request is damaged: {what}"));
    let request = state.request.as_ref().ok_or_else(|| damaged("it is not there".to_owned()))?;
    let inputs = Receipt::inputs(&request.receipt).map_err(|error| damaged(error.to_string()))?;
    let step = inputs.redemptions.into_iter().find(|step| step.quoted.is_some());
    step.ok_or_else(|| damaged("its receipt has no quote".to_owned()))
}

/// Returns the program whose terms hold.
fn pinned(programs: &Programs<'_>, request: &Redeemed) -> Result<Arc<Active>, Undecided> {
    let Some(Acceptance { program, .. }) = &request.acceptance else {
        return Err(refused("data.redemption", "the ledger's request is damaged: it names no program").into());
    };
    programs.pinned(program, "data.redemption", "the program that decided its request")
}

/// Checks that a use of points is where a step can follow.
fn admit(redemption: &Redemption, state: &State, at: Instant) -> Result<(), InvalidEvent> {
    let name = &redemption.name;
    let sum = |of: fn(&RedeemedPart) -> Points| state.parts.iter().map(of).sum::<Points>();
    let (open, captured, used) =
        (sum(RedeemedPart::open), sum(|part| part.captured), sum(RedeemedPart::used));
    let no = |reason: String| Err(refused("data.redemption", reason));
    let over = |there: Points, points: Option<Points>| match points.filter(|points| *points > there) {
        None => Ok(()),
        Some(points) => Err(refused("data.points", format!("is {points}, and {name} has {there}"))),
    };
    match redemption.step {
        Step::Requested(_) => Ok(()),
        Step::Captured(_) | Step::Voided(_) | Step::Lapsed if !captured.is_zero() => {
            no(format!("captured_already: the points of {name} are used; cancel it to give them back"))
        }
        Step::Captured(_) | Step::Voided(_) | Step::Lapsed if open.is_zero() => {
            no(format!("nothing_held: {name} was voided, or was held for as long as it could be"))
        }
        Step::Captured(_) | Step::Voided(_) if state.until.is_some_and(|until| until <= at) => no(format!(
            "hold_lapsed: the points of {name} are free again since the hold ended; request it anew"
        )),
        Step::Captured(points) | Step::Voided(points) => over(open, points),
        Step::Lapsed => match state.until.filter(|until| *until > at) {
            None => Ok(()),
            Some(until) => Err(refused("time", format!("is too early: {name} is held until {until}"))),
        },
        Step::Cancelled(..) if captured.is_zero() => {
            no(format!("not_captured: no points of {name} are used; void it to let go what is held"))
        }
        Step::Cancelled(..) if used.is_zero() => {
            no(format!("cancelled_already: all points of {name} are back"))
        }
        Step::Cancelled(points, _) => over(used, points),
    }
}

/// Checks that a step happened after its request.
fn in_order(state: &State, at: Instant) -> Result<(), InvalidEvent> {
    let requested = state.request.as_ref().and_then(|logged| Event::parse(&logged.event).ok());
    match requested.filter(|requested| requested.time > at) {
        None => Ok(()),
        Some(requested) => {
            Err(refused("time", format!("is before the request, which was at {}", requested.time)))
        }
    }
}

/// Returns what a step does with points that are set aside and points that are used, and what is given for the trouble.
fn advance(
    pinned: &Active,
    step: &Step,
    base: Redeemed,
    (open, used): (Vec<Part>, Vec<Part>),
    owner: &MemberId,
    (day, at): (i32, Instant),
) -> Result<(Redeemed, Option<Granted>), InvalidEvent> {
    match step {
        Step::Requested(_) => Ok((base, None)),
        Step::Captured(points) => {
            let points = points.unwrap_or_else(|| total(&open));
            let (captured, released) = capture(open, points);
            Ok((Redeemed { captured, released, ..base }, None))
        }
        Step::Voided(points) => {
            let points = points.unwrap_or_else(|| total(&open));
            Ok((Redeemed { released: void(open, points), ..base }, None))
        }
        Step::Lapsed => {
            let points = total(&open);
            Ok((Redeemed { released: void(open, points), ..base }, None))
        }
        Step::Cancelled(points, cause) => {
            let points = points.unwrap_or_else(|| total(&used));
            cancel(pinned, base, used, (points, *cause), owner, (day, at))
        }
    }
}

/// Gives used points back, on the terms of the deployment that took them.
fn cancel(
    pinned: &Active,
    base: Redeemed,
    used: Vec<Part>,
    (points, cause): (Points, Cause),
    owner: &MemberId,
    (day, at): (i32, Instant),
) -> Result<(Redeemed, Option<Granted>), InvalidEvent> {
    let deployment = base.acceptance.as_ref().and_then(|by| pinned.program.redemption(&by.deployment));
    let (Some(deployment), Some(today)) = (deployment, date_of(day)) else {
        return Err(refused(
            "data.redemption",
            "its deployment is not in the program that its request names",
        ));
    };
    let zone = pinned.program.zone;
    let before = base.paid.map_or(Points::ZERO, |paid| paid.cancelled);
    let unit = pinned.program.unit(deployment.unit);
    let cancellation =
        deployment.terms(cause).cancel(used, (before, points), (today, at), zone, unit.ends.notice());
    let merchant = base.acceptance.as_ref().map(|by| &by.merchant);
    let compensation = (!cancellation.compensation.is_zero()).then(|| Granted {
        deployment: deployment.id.clone(),
        to: Some(owner.clone()),
        unit: base.unit.clone(),
        issuer: deployment.issuer.at(merchant),
        asked: cancellation.compensation,
        granted: cancellation.compensation,
        code: format!("{}_cancelled", cause.code()),
        limit: None,
        term: unit.ends.counted(at, today, zone),
        line: None,
    });
    Ok((
        Redeemed { cancelled: cancellation.cancelled, returned: cancellation.returned, ..base },
        compensation,
    ))
}

/// Returns whether a step undoes the last of a use of points: nothing of it is set aside or used any more.
fn is_undone(state: &State, step: &Redeemed) -> bool {
    let sum = |of: fn(&RedeemedPart) -> Points| state.parts.iter().map(of).sum::<Points>();
    let left = sum(RedeemedPart::open).plus(sum(RedeemedPart::used));
    let gone = total(&step.released).plus(total(&step.cancelled));
    !gone.is_zero() && left == gone
}

/// Returns what of a bill the points of a deployment pay for.
fn covers(pinned: &Active, acceptance: Option<&Acceptance>) -> Covers {
    let deployment = acceptance.and_then(|by| pinned.program.redemption(&by.deployment));
    deployment.map(|deployment| deployment.covers.clone()).unwrap_or_default()
}
