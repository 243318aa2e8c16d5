//! Points that become another member's, or points of another unit.
//!
//! They are taken as they would be spent, and keep their issuer (scenario D10). An exchange takes the fewest points that
//! come to as many of the other unit: what would buy a part of a point stays.

use std::sync::Arc;

use jifen_loyalty::clawback::{Repayment, spendable};
use jifen_loyalty::conversion::{Conversion, Converted};
use jifen_loyalty::event::{Conversion as Wanted, Goal};
use jifen_loyalty::lot::Purse;
use jifen_loyalty::posting::Kind;
use jifen_loyalty::program::{Exchange, Transfer, Unit};
use jifen_loyalty::receipt::Inputs;
use jifen_loyalty::redemption::{Part, take};
use jifen_loyalty::time::date_of;
use jifen_loyalty::{
    Entry, Event, Instant, InvalidEvent, MemberId, Points, Program, Receipt, Redeemed, Term,
};
use rules_guest::allocate::allocated;
use rules_guest::rate::Rounding;

use crate::active::Active;
use crate::error::Undecided;
use crate::pipeline::{Draft, Faults, Known};
use crate::redemption::{self, enough, less, there};

/// Processes a conversion.
///
/// # Errors
///
/// If the program does not allow it, or the member has not as many points.
pub(crate) fn process(
    active: &Active,
    event: &Arc<Event>,
    wanted: &Wanted,
    lapsed: Vec<Redeemed>,
    known: &Known<'_>,
) -> Result<(Entry, Faults), Undecided> {
    // What is owed comes first, so it is not there to be given.
    let repayments = Repayment::all(&known.member.debts, spendable(known.member.lots.iter(), event.time));
    let there = there(&less(known.member, &repayments), Purse::of(&wanted.unit), event.time);
    let restocked = redemption::restocked(&lapsed, known.member);
    let inputs = (known.member.version.saturating_add(1), lapsed, repayments);
    let receipt = receipt(active, event, wanted, there, inputs)?;
    let draft = Draft::of(event, receipt, &wanted.member, known.member);
    Ok(Draft { restocked, ..draft }.entry(active))
}

/// Derives the receipt of a conversion again.
pub(crate) fn derive(
    active: &Active,
    event: &Event,
    wanted: &Wanted,
    inputs: Inputs,
) -> Result<Receipt, Undecided> {
    let Inputs { version, redemptions, repayments, conversion, .. } = inputs;
    let parts = conversion.into_iter().flat_map(|conversion| conversion.parts);
    let there = parts.map(|part| part.from).collect();
    Ok(receipt(active, event, wanted, there, (version, redemptions, repayments))?)
}

fn receipt(
    active: &Active,
    event: &Event,
    wanted: &Wanted,
    there: Vec<Part>,
    (version, redemptions, repayments): (u64, Vec<Redeemed>, Vec<Repayment>),
) -> Result<Receipt, InvalidEvent> {
    let program = &active.program;
    let unit = program.known_unit("data.unit", &wanted.unit)?;
    let day = program.day_of(event.time)?.0.number();
    let conversion = match &wanted.goal {
        Goal::Member(to) => transfer(program, unit, (wanted, to), there, (day, event.time))?,
        Goal::Unit(into) => {
            let into = program.known_unit("data.into", into)?;
            exchange(program, (unit, into), wanted, there, (day, event.time))?
        }
    };
    Ok(Receipt {
        redemptions,
        repayments,
        conversion: Some(conversion),
        ..Receipt::new(active.digest.clone(), (Some(wanted.member.clone()), version), day)
    })
}

fn refused(field: &str, reason: String) -> InvalidEvent {
    InvalidEvent { field: field.to_owned(), reason }
}

fn transfer(
    program: &Program,
    unit: &Unit,
    (wanted, to): (&Wanted, &MemberId),
    there: Vec<Part>,
    (day, at): (i32, Instant),
) -> Result<Conversion, InvalidEvent> {
    if unit.transfer == Transfer::Forbidden {
        let reason = format!("not_transferable: the program does not let members give {}", unit.id);
        return Err(refused("data.unit", reason));
    }
    let taken = take(there, wanted.points);
    enough(&taken, wanted.points)?;
    let convert = |from: Part| {
        let term = term(program, unit, &from, unit.transfer == Transfer::Preserve, (day, at));
        Converted { points: from.points, term, from }
    };
    let parts = taken.into_iter().map(convert).collect();
    Ok(Conversion {
        kind: Kind::Transfer,
        unit: unit.id.clone(),
        to: to.clone(),
        into: unit.id.clone(),
        parts,
    })
}

fn exchange(
    program: &Program,
    (unit, into): (&Unit, &Unit),
    wanted: &Wanted,
    there: Vec<Part>,
    (day, at): (i32, Instant),
) -> Result<Conversion, InvalidEvent> {
    let Some(exchange) = program.exchange(&unit.id, &into.id, at) else {
        let reason = format!(
            "no [[exchange]] of the program from {} into {} is at work at this time",
            unit.id, into.id
        );
        return Err(refused("data.into", reason));
    };
    let (cost, gained) = worth(exchange, wanted.points).ok_or_else(|| {
        let reason = format!(
            "is {}, which comes to more {} at {} than anyone can have",
            wanted.points, into.id, exchange.rate
        );
        refused("data.points", reason)
    })?;
    if gained.is_zero() {
        let reason =
            format!("is {}, which comes to no whole {} at {}", wanted.points, into.id, exchange.rate);
        return Err(refused("data.points", reason));
    }
    let taken = take(there, cost);
    enough(&taken, cost)?;
    let weights: Vec<_> = taken.iter().map(|part| part.points.get()).collect();
    let shares = allocated(gained.get(), &weights).expect("points were taken");
    let convert = |(from, share): (Part, u64)| {
        let term = term(program, into, &from, exchange.preserve, (day, at));
        Converted { points: Points::new(share).expect("a share is no more than all of them"), term, from }
    };
    let parts = taken.into_iter().zip(shares).map(convert).collect();
    let to = wanted.member.clone();
    Ok(Conversion { kind: Kind::Exchange, unit: unit.id.clone(), to, into: into.id.clone(), parts })
}

/// Returns how many points are taken of those that are wanted to be exchanged, and what they come to; `None` if that is
/// too much.
fn worth(exchange: &Exchange, points: Points) -> Option<(Points, Points)> {
    let gained = exchange.rate.of(points.get(), 1, Rounding::Floor).ok()?;
    let cost = exchange.rate.least_for(gained).ok()?;
    Some((Points::new(cost)?, Points::new(gained)?))
}

/// Returns when points of a unit can be spent that come of a part of a lot on a business day.
fn term(program: &Program, unit: &Unit, from: &Part, preserve: bool, (day, at): (i32, Instant)) -> Term {
    if preserve {
        return Term { notice: from.notice, ..Term::new(at, from.expires_at) };
    }
    date_of(day).map_or(Term::new(at, Instant::NEVER), |today| unit.ends.counted(at, today, program.zone))
}
