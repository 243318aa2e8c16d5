//! Steps of uses of points derived again, from what their receipts recorded.

use jifen_ledger::{Ledger, Query, RedemptionQuery};
use jifen_loyalty::decision::Decision;
use jifen_loyalty::event::{Redemption, Request, Step};
use jifen_loyalty::receipt::Inputs;
use jifen_loyalty::redemption::{Part, Redeemed, take};
use jifen_loyalty::{Event, MemberId, Receipt, RedemptionId};

use super::{advance, enough, held_by, on_request, pinned, quote, refused, requested};
use crate::error::Undecided;
use crate::programs::Programs;
use crate::refund::Then;

/// Derives the receipt of a step again.
pub(crate) fn derive(
    programs: &Programs<'_>,
    event: &Event,
    redemption: &Redemption,
    inputs: Inputs,
) -> Result<Receipt, Undecided> {
    let missing = || refused("data.redemption", "is not in the receipt");
    let own = inputs.redemptions.iter().find(|step| step.name == redemption.name).ok_or_else(missing)?;
    match &redemption.step {
        Step::Requested(request) => derive_hold(programs, event, redemption, request, own, &inputs),
        step @ (Step::Captured(_) | Step::Voided(_) | Step::Lapsed | Step::Cancelled(..)) => {
            derive_step(programs, event, step, own, &inputs)
        }
    }
}

fn derive_hold(
    programs: &Programs<'_>,
    event: &Event,
    redemption: &Redemption,
    request: &Request,
    own: &Redeemed,
    inputs: &Inputs,
) -> Result<Receipt, Undecided> {
    let active = programs.get(&inputs.program)?;
    let situation = active.program.situate_request(request, event.time)?;
    let source = Then { evaluations: &inputs.evaluations, referral: None, history: None };
    let quotation = quote(&active, event.time, request, situation, on_request, &source)?;
    let (deployment, offer) = quotation.accepted(request)?;
    let held = take(own.held.clone(), offer.points);
    enough(&held, offer.points)?;
    let step = held_by(&active, &redemption.name, request, (deployment, offer), held, event.time);
    let (owner, day) = ((Some(request.member.clone()), inputs.version), situation.today.day.number());
    Ok(Receipt {
        evaluations: quotation.evaluations,
        decision: quotation.decision,
        redemptions: lapsed(inputs, &step).chain([step]).collect(),
        repayments: inputs.repayments.clone(),
        ..Receipt::new(inputs.program.clone(), owner, day)
    })
}

fn derive_step(
    programs: &Programs<'_>,
    event: &Event,
    step: &Step,
    own: &Redeemed,
    inputs: &Inputs,
) -> Result<Receipt, Undecided> {
    let (owner, request) = request_of(programs.ledger(), &own.name)?;
    let pinned = pinned(programs, &request)?;
    let (day, _) = pinned.program.day_of(event.time)?;
    let base = Redeemed {
        paid: own.paid,
        ..Redeemed::new(own.name.clone(), own.steps, request.unit, request.acceptance)
    };
    let parts = (open(own), own.cancelled.iter().rev().cloned().collect());
    let (step, compensation) = advance(&pinned, step, base, parts, &owner, (day.number(), event.time))?;
    Ok(Receipt {
        decision: Decision { awards: compensation.into_iter().collect(), ..Decision::default() },
        redemptions: lapsed(inputs, &step).chain([step]).collect(),
        repayments: inputs.repayments.clone(),
        ..Receipt::new(pinned.digest.clone(), (Some(owner), inputs.version), day.number())
    })
}

/// Returns whose points a step uses, and what its request's receipt has.
fn request_of(ledger: &dyn Ledger, name: &RedemptionId) -> Result<(MemberId, Redeemed), Undecided> {
    let asked = [RedemptionQuery { name, key: 0 }];
    let state = ledger.read(&Query { redemptions: &asked, ..Query::default() })?.redemptions.pop();
    let missing = || refused("data.redemption", "its request is not in the ledger");
    let state = state.filter(|state| state.steps > 0).ok_or_else(missing)?;
    let request = requested(&state)?;
    let (owner, _) = state.owner.ok_or_else(missing)?;
    Ok((owner, request))
}

/// Returns what time had freed by then.
fn lapsed<'i>(inputs: &'i Inputs, own: &Redeemed) -> impl Iterator<Item = Redeemed> + use<'i> {
    let own = own.name.clone();
    inputs.redemptions.iter().filter(move |step| step.name != own).cloned()
}

/// Returns what was set aside of each lot before a step that used it or let it go, as far as the step touched it.
fn open(own: &Redeemed) -> Vec<Part> {
    let mut open = own.captured.clone();
    let rest = own.released.iter().filter(|part| own.captured.iter().all(|other| other.lot != part.lot));
    open.extend(rest.cloned());
    if own.captured.is_empty() {
        // What was taken last was let go first.
        open.reverse();
    }
    open.into_iter().map(|part| Part { points: part.had, ..part }).collect()
}
