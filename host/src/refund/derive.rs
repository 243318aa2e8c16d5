//! Refunds derived again: the same settling, from what a receipt recorded.

use jifen_ledger::Logged;
use jifen_loyalty::clawback::{Level, Reach};
use jifen_loyalty::decision::Granted;
use jifen_loyalty::event::Refund;
use jifen_loyalty::receipt::{Inputs, Key, Refunded};
use jifen_loyalty::{Event, InvalidEvent, Receipt, Redeemed};

use super::bought::{Bought, parsed};
use super::{
    After, Then, after_waiting, correct, give_back, key, refund_receipt, settle, waiting, waiting_refunds,
};
use crate::active::Active;
use crate::error::Undecided;
use crate::programs::Programs;
use crate::redemption::Payment;

/// Derives the receipt of a refund or a correction again, from its own receipt and the entries of its order before it.
pub(crate) fn derive(
    programs: &Programs<'_>,
    event: &Event,
    refund: &Refund,
    inputs: &Inputs,
    earlier: &[Logged],
) -> Result<Receipt, Undecided> {
    let pinned = programs.get(&inputs.program)?;
    let recorded = inputs.refund.clone().unwrap_or_default();
    let (day, _) = pinned.program.day_of(event.time)?;
    let Some(of) = &recorded.of else { return Ok(waiting(pinned.digest.clone(), day.number())) };
    let bought = Bought::read(earlier, place(earlier, of)?)?;
    let referral = bought.inputs.referral.as_ref();
    let source = Then { evaluations: &inputs.evaluations, referral, history: None };
    let (paid, lapsed) = recorded_payments(programs, &inputs.redemptions)?;
    let mut remainder = bought.remainder()?;
    Payment::tell(&paid, &mut remainder);
    remainder.take(refund)?;
    let back = give_back(paid, &remainder, refund.cause, &bought.happening.member, event)?;
    let reach = |of: &Level, _, _: &[Granted]| recorded_reach(&recorded, of);
    let remains = (&remainder, bought.denied(refund));
    let settled = match refund.correction() {
        None => {
            let levels = (&*bought.first, &*bought.levels);
            settle(&pinned, &bought.happening, remains, &source, levels, reach)?
        }
        Some(_) => {
            let rest = Then { evaluations: &recorded.evaluations, referral, history: None };
            correct(&pinned, &bought, remains, (&source, &rest), reach)?
        }
    };
    let version = inputs.version.saturating_sub(1);
    let receipt = refund_receipt(&pinned, &bought, (version, day.number()), settled, lapsed, back);
    Ok(Receipt { repayments: inputs.repayments.clone(), ..receipt })
}

/// Derives again what refunds came to that had waited for a purchase, and adds it to the receipt, which has what time freed.
pub(crate) fn derive_waited(
    active: &Active,
    programs: &Programs<'_>,
    event: &Event,
    receipt: &mut Receipt,
    recorded: &Refunded,
    order: &[Logged],
) -> Result<(), Undecided> {
    let (Some(happening), Some(purchase)) = (event.happening(), event.purchase()) else { return Ok(()) };
    let (mut refunds, _) = waiting_refunds(order)?;
    refunds.retain(|(key, _)| recorded.waited.contains(key));
    let source =
        Then { evaluations: &recorded.evaluations, referral: receipt.referral.as_ref(), history: None };
    let reach = |of: &Level, _, _: &[Granted]| recorded_reach(recorded, of);
    let (paid, lapsed) = recorded_payments(programs, &receipt.redemptions)?;
    let after =
        after_waiting(active, happening, purchase, &receipt.decision, (refunds, paid), &source, reach)?;
    receipt.redemptions = lapsed;
    receipt.refunded(after.map(After::into_parts));
    Ok(())
}

/// Returns what a receipt recorded of points that paid for a purchase, and what time had freed.
fn recorded_payments(
    programs: &Programs<'_>,
    steps: &[Redeemed],
) -> Result<(Vec<Payment>, Vec<Redeemed>), Undecided> {
    let (paid, lapsed): (Vec<_>, Vec<_>) = steps.iter().partition(|step| step.paid.is_some());
    let mut payments = Vec::new();
    for step in paid {
        payments.extend(Payment::recorded(programs, step)?);
    }
    Ok((payments, lapsed.into_iter().cloned().collect()))
}

/// Returns the place in the log of the purchase that a receipt names.
fn place(entries: &[Logged], of: &Key) -> Result<u64, InvalidEvent> {
    for logged in entries {
        if key(&parsed(logged)?.0) == *of {
            return Ok(logged.seq);
        }
    }
    let reason = format!("its purchase, {} of {}, is not in the ledger", of.id, of.source);
    Err(InvalidEvent { field: "data.order".to_owned(), reason })
}

/// Returns the lots that an award was taken from then, as they were.
fn recorded_reach(recorded: &Refunded, of: &Level) -> Vec<Reach> {
    let reversal = recorded.reversals.iter().find(|reversal| reversal.of.is_of(of));
    reversal.into_iter().flat_map(|reversal| &reversal.taken).map(|taken| taken.from.clone()).collect()
}
