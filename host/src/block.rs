//! Blocks: points that merchants buy of the program's pool in advance.
//!
//! Nothing of points is posted: the merchant pays, and settlements take of the block what the merchant would owe for its
//! awards (`settle`).

use std::sync::Arc;

use jifen_loyalty::event::Block;
use jifen_loyalty::lot::Issuer;
use jifen_loyalty::{Entry, Event, InvalidEvent, Receipt};

use crate::active::Active;
use crate::error::Undecided;
use crate::pipeline::{Faults, Known, unclaimed};

/// Processes the purchase of a block.
///
/// # Errors
///
/// If the program does not know the merchant or the unit, or no contract says that its points cost money of the currency.
pub(crate) fn process(
    active: &Active,
    event: &Arc<Event>,
    bought: &Block,
    known: &Known<'_>,
) -> Result<(Entry, Faults), Undecided> {
    let receipt = receipt(active, event, bought)?;
    Ok((unclaimed(active.program.zone, event, &receipt, known.order), Vec::new()))
}

/// Derives the receipt of the purchase of a block again.
pub(crate) fn derive(active: &Active, event: &Event, bought: &Block) -> Result<Receipt, Undecided> {
    Ok(receipt(active, event, bought)?)
}

fn receipt(active: &Active, event: &Event, bought: &Block) -> Result<Receipt, InvalidEvent> {
    let program = &active.program;
    let Block { merchant, unit, currency, .. } = bought;
    let wrong = |field: &str, reason: String| Err(InvalidEvent { field: field.to_owned(), reason });
    program.known_merchant(merchant)?;
    program.known_unit("data.unit", unit)?;
    let Some(contract) = program.contract(&Issuer::Merchant(merchant.clone()), unit, event.time) else {
        let reason = "so there is nothing that a block could pay; add a contract";
        return wrong(
            "data.unit",
            format!("no [[contract]] bills {merchant} for {unit} at this time, {reason}"),
        );
    };
    if contract.accrual.is_zero() {
        let reason =
            format!("the [[contract]] bills {merchant} nothing for {unit} at this time; it needs no block");
        return wrong("data.unit", reason);
    }
    if contract.currency != *currency {
        let reason = format!(
            "is {currency}, and {merchant} is billed for {unit} in {0}; write {0}",
            contract.currency
        );
        return wrong("data.currency", reason);
    }
    let day = program.day_of(event.time)?.0.number();
    Ok(Receipt { block: Some(bought.clone()), ..Receipt::new(active.digest.clone(), (None, 0), day) })
}
