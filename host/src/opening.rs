//! Opening balances: points that members bring along from a system before this one.

use std::sync::Arc;

use jifen_loyalty::decision::{Decision, Granted};
use jifen_loyalty::event::Opening;
use jifen_loyalty::lot::Issuer;
use jifen_loyalty::program::OPENING;
use jifen_loyalty::receipt::Inputs;
use jifen_loyalty::time::next_day;
use jifen_loyalty::{Entry, Event, Instant, InvalidEvent, Receipt, Redeemed};

use crate::active::Active;
use crate::error::Undecided;
use crate::pipeline::{Draft, Faults, Known};
use crate::redemption;

/// Processes an opening balance.
///
/// # Errors
///
/// If the program does not know the unit or the issuer, or the points have ended already.
pub(crate) fn process(
    active: &Active,
    event: &Arc<Event>,
    opening: &Opening,
    lapsed: Vec<Redeemed>,
    known: &Known<'_>,
) -> Result<(Entry, Faults), Undecided> {
    let restocked = redemption::restocked(&lapsed, known.member);
    let version = known.member.version;
    let receipt = receipt(active, event, opening, version.saturating_add(1), lapsed)?;
    let draft = Draft::of(event, receipt, &opening.member, known.member);
    Ok(Draft { restocked, ..draft }.entry(active))
}

/// Derives the receipt of an opening balance again.
pub(crate) fn derive(
    active: &Active,
    event: &Event,
    opening: &Opening,
    inputs: Inputs,
) -> Result<Receipt, Undecided> {
    Ok(receipt(active, event, opening, inputs.version, inputs.redemptions)?)
}

fn receipt(
    active: &Active,
    event: &Event,
    opening: &Opening,
    version: u64,
    redemptions: Vec<Redeemed>,
) -> Result<Receipt, InvalidEvent> {
    let program = &active.program;
    let wrong = |field: &str, reason: String| Err(InvalidEvent { field: field.to_owned(), reason });
    let unit = program.known_unit("data.unit", &opening.unit)?;
    if let Issuer::Merchant(merchant) = &opening.issuer
        && program.merchant(merchant.as_str()).is_none()
    {
        return wrong(
            "data.issuer",
            format!("{merchant:?} is neither platform nor a merchant of the program"),
        );
    }
    let expires_at = opening.expires.map_or(Instant::NEVER, |last| program.zone.start_of(next_day(last)));
    if expires_at <= event.time {
        let time = program.zone.format(event.time);
        return wrong("data.expires", format!("the points had ended at {time}; leave them out"));
    }
    let granted = Granted {
        deployment: OPENING.into(),
        to: Some(opening.member.clone()),
        unit: opening.unit.clone(),
        issuer: opening.issuer.clone(),
        asked: opening.points,
        granted: opening.points,
        code: "opening_balance".to_owned(),
        limit: None,
        term: unit.ends.at(event.time, expires_at),
        line: None,
    };
    let day = program.day_of(event.time)?.0.number();
    Ok(Receipt {
        decision: Decision { awards: vec![granted], ..Decision::default() },
        redemptions,
        ..Receipt::new(active.digest.clone(), (Some(opening.member.clone()), version), day)
    })
}
