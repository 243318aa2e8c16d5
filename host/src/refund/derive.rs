//! Refunds derived again: the same settling, from what a receipt recorded.

use jifen_ledger::Logged;
use jifen_loyalty::clawback::{Level, Reach};
use jifen_loyalty::decision::Granted;
use jifen_loyalty::event::Body;
use jifen_loyalty::receipt::{Inputs, Key, Refunded};
use jifen_loyalty::{Event, InvalidEvent, Receipt};

use super::bought::{Bought, parsed};
use super::{Then, after_waiting, key, refund_receipt, settle, waiting, waiting_refunds};
use crate::active::Active;
use crate::error::HostError;
use crate::programs::Programs;

/// Derives the receipt of a refund again, from its own receipt and the entries of its order before it.
pub(crate) fn derive(
    programs: &Programs<'_>,
    event: &Event,
    inputs: &Inputs,
    earlier: &[Logged],
) -> Result<Result<Receipt, InvalidEvent>, HostError> {
    let pinned = programs.get(&inputs.program)?;
    let recorded = inputs.refund.clone().unwrap_or_default();
    let (Body::Refund(refund), Some(of)) = (&event.body, &recorded.of) else {
        let day = pinned.program.day_of(event.time);
        return Ok(day.map(|(day, _)| waiting(pinned.digest.clone(), day.number())));
    };
    let bought = match place(earlier, of).and_then(|seq| Bought::read(earlier, seq)) {
        Ok(bought) => bought,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let source =
        Then { evaluations: &inputs.evaluations, referrer: bought.inputs.referrer.as_ref(), history: None };
    let settled = bought.remainder().and_then(|mut remainder| {
        remainder.take(refund)?;
        let levels = (&*bought.first, &*bought.levels);
        let reach = |of: &Level, _, _: &[Granted]| recorded_reach(&recorded, of);
        settle(&pinned, &bought.happening, &remainder, &source, levels, reach)
    });
    let day = pinned.program.day_of(event.time);
    Ok(settled.and_then(|settled| {
        let version = inputs.version.saturating_sub(1);
        Ok(refund_receipt(&pinned, &bought, version, day?.0.number(), settled))
    }))
}

/// Derives again what refunds came to that had waited for a purchase, and adds it to the receipt.
pub(crate) fn derive_waited(
    active: &Active,
    event: &Event,
    receipt: &mut Receipt,
    recorded: &Refunded,
    order: &[Logged],
) -> Result<(), InvalidEvent> {
    let (Some(happening), Some(purchase)) = (event.happening(), event.purchase()) else { return Ok(()) };
    let (mut refunds, _) = waiting_refunds(order)?;
    refunds.retain(|(key, _)| recorded.waited.contains(key));
    let source =
        Then { evaluations: &recorded.evaluations, referrer: receipt.referrer.as_ref(), history: None };
    let reach = |of: &Level, _, _: &[Granted]| recorded_reach(recorded, of);
    let after = after_waiting(active, happening, purchase, &receipt.decision, refunds, &source, reach);
    receipt.refunded(after);
    Ok(())
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
