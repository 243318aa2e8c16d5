//! The midnight work of a business day.
//!
//! A close is everybody's: it becomes a close for each member for whom time did something, dated to the midnight at which it
//! did, however late the close is sent. In this order (scenario D7): what was held for long enough is free again, what becomes
//! available is there, what a program gives by itself is given, and what is left of lots that end lapses; where the member
//! should have been told of that and was not, it stays, and the books say so (scenario A14). Nothing here decides
//! what can be spent: a lot that has ended is not spent whether or not its day was closed (scenario D9). The close says so
//! in the books.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::NaiveDate;
use jifen_ledger::{Ledger, MemberQuery, Query};
use jifen_loyalty::clawback::{Reach, Repayment};
use jifen_loyalty::decision::Decision;
use jifen_loyalty::entry::StockDraw;
use jifen_loyalty::event::{Close, Purpose, Request};
use jifen_loyalty::lot::Purse;
use jifen_loyalty::program::{AtClose, RedemptionDeployment};
use jifen_loyalty::receipt::{Evaluation, Inputs};
use jifen_loyalty::redemption::{Expired, Part, Redeemed, take};
use jifen_loyalty::term::Retermed;
use jifen_loyalty::time::{Zone, next_day};
use jifen_loyalty::{Entry, Event, Instant, InvalidEvent, Lot, Member, MemberId, Receipt, RedemptionId};

use crate::active::Active;
use crate::error::{HostError, Undecided};
use crate::pipeline::{Draft, Faults, Known, Source, View, after, unclaimed};
use crate::redemption::{self, Quotation, draw, enough, held_by, in_stock, quote};
use crate::refund::Then;

/// How the refusal begins of a close that has nothing to do.
const NOTHING_DUE: &str = "nothing_due:";

/// Returns whether a close was refused because there was nothing to do.
pub(crate) fn is_nothing_due(refusal: &InvalidEvent) -> bool {
    refusal.reason.starts_with(NOTHING_DUE)
}

/// Members who are looked up together.
const MEMBERS: usize = 1_000;

/// Returns the members for whom something may be due at the end of a day, in the order of their names.
pub(crate) fn candidates(
    ledger: &dyn Ledger,
    active: &Active,
    close: &Close,
) -> Result<Vec<MemberId>, HostError> {
    let midnight = active.program.zone.start_of(next_day(close.day));
    let mut members = BTreeSet::new();
    loop {
        let due = ledger.due(midnight, members.last(), MEMBERS)?;
        if due.is_empty() {
            break;
        }
        members.extend(due);
    }
    let units: BTreeSet<_> =
        gifts(active).map(|deployment| &active.program.unit(deployment.unit).id).collect();
    if !units.is_empty() {
        // What becomes available then can be given for, and what ends then still can.
        for at in [midnight, before(midnight)] {
            ledger.balances(Some(at), None, &mut |balance| {
                if units.contains(&balance.unit) && !balance.available.is_zero() {
                    members.insert(balance.member);
                }
            })?;
        }
    }
    Ok(members.into_iter().collect())
}

/// Returns the closes of some members.
pub(crate) fn closes(
    ledger: &dyn Ledger,
    active: &Active,
    event: &Event,
    close: &Close,
    ids: &[MemberId],
) -> Result<Vec<Event>, HostError> {
    let zone = active.program.zone;
    let midnight = zone.start_of(next_day(close.day));
    let asked: Vec<_> = ids.iter().map(|id| MemberQuery { id, first_day: i32::MAX, lots: true }).collect();
    let members = ledger.read(&Query { members: &asked, ..Query::default() })?.members;
    let gives = gifts(active).next().is_some();
    let mut closes = Vec::with_capacity(members.len());
    for (id, member) in ids.iter().zip(members) {
        let mut days = days(&member, zone, midnight);
        days.extend(gives.then_some(close.day));
        for day in days {
            let close = event.close_for(id, day, zone.start_of(next_day(day)));
            closes.push(close.expect("it is made of a close and a member that were taken"));
        }
    }
    Ok(closes)
}

/// Returns the days up to a midnight on which points of a member lapsed, or were held no longer.
fn days(member: &Member, zone: Zone, midnight: Instant) -> BTreeSet<NaiveDate> {
    let said = |lot: &&Lot| lot.remaining.is_zero() || lot.term.notice.is_missing();
    let lots = member.lots.iter().filter(|lot| !said(lot)).map(|lot| lot.term.expires_at);
    let ends = lots.chain(member.holds.iter().map(|hold| hold.until));
    ends.filter(|end| *end <= midnight).map(|end| zone.last_day_before(end)).collect()
}

/// Returns the deployments that give something by themselves.
fn gifts(active: &Active) -> impl Iterator<Item = &RedemptionDeployment> {
    active.program.redemptions.iter().filter(|deployment| deployment.at_close.is_some())
}

/// Returns the names of what a close may give.
pub(crate) fn gift_names(active: &Active, close: &Close) -> Vec<RedemptionId> {
    let Some(member) = &close.member else { return Vec::new() };
    gifts(active).map(|deployment| gift_name(deployment, close, member)).collect()
}

fn gift_name(deployment: &RedemptionDeployment, close: &Close, member: &MemberId) -> RedemptionId {
    let deployment = deployment.id.as_str().replace('%', "%25").replace('/', "%2F");
    format!("{}{deployment}/{}/{member}", RedemptionId::AT_CLOSE, close.day).into()
}

/// Returns the last instant of the day that ends at a midnight.
fn before(midnight: Instant) -> Instant {
    Instant::from_millis(midnight.millis().saturating_sub(1))
}

/// Checks that a day is over; what is one member's happens at its midnight.
pub(crate) fn admit(zone: Zone, event: &Event, close: &Close) -> Result<(), InvalidEvent> {
    let midnight = zone.start_of(next_day(close.day));
    let refuse = |reason| Err(InvalidEvent { field: "time".to_owned(), reason });
    let at = zone.format(midnight);
    if event.time < midnight {
        return refuse(format!("{} is not over before {at}; send it then or later", close.day));
    }
    if close.member.is_some() && event.time > midnight {
        return refuse(format!("the close of one member happens at {at}; write that, whenever you send it"));
    }
    Ok(())
}

/// Processes a close: of one member, or what remains to be said once everybody's work is done.
///
/// # Errors
///
/// If the day is not over, or there is nothing to be done for the member.
pub(crate) fn process(
    active: &Active,
    event: &Arc<Event>,
    close: &Close,
    lapsed: Vec<Redeemed>,
    known: &Known<'_>,
) -> Result<(Entry, Faults), Undecided> {
    let zone = active.program.zone;
    admit(zone, event, close)?;
    let (day, _) = active.program.day_of(event.time)?;
    let Some(id) = &close.member else {
        let receipt = receipt(active.digest.clone(), None, (0, day.number()), Work::default());
        return Ok((unclaimed(zone, event, &receipt, None), Vec::new()));
    };
    let midnight = zone.start_of(next_day(close.day));
    let restocked = redemption::restocked(&lapsed, known.member);
    let mut work = Work { redemptions: lapsed, ..Work::default() };
    let mut stock = Vec::new();
    let paying = usable(known.member, midnight, |_| true);
    work.repayments = Repayment::all(&known.member.debts, paying.into_iter().map(Reach::from).collect());
    let mut member = redemption::less(known.member, &work.repayments);
    for deployment in gifts(active).filter(|_| !close.late) {
        let view = View::of(midnight, &member, known);
        let there = there(&member, active.program.purse_of(deployment), midnight);
        let gift = give(active, (deployment, close, id), midnight, &view, there, &mut work)?;
        let name = gift_name(deployment, close, id);
        let new = known.redemptions.get(&name).is_none_or(|known| known.steps == 0);
        let Some((step, taken)) = gift.filter(|(_, taken)| new && in_stock(taken, &restocked, known).is_ok())
        else {
            continue;
        };
        member = after(&member, std::slice::from_ref(&step), midnight).into_owned();
        work.redemptions.push(step);
        stock.extend(taken);
    }
    work.expired = expired(&member, midnight);
    work.terms = untold(&member, midnight);
    let Work { redemptions, expired, repayments, terms, .. } = &work;
    if redemptions.is_empty() && expired.is_empty() && repayments.is_empty() && terms.is_empty() {
        let reason = format!("{NOTHING_DUE} the end of {} did nothing to {id}", close.day);
        return Err(InvalidEvent { field: "data.member".to_owned(), reason }.into());
    }
    let version = known.member.version;
    let receipt =
        receipt(active.digest.clone(), Some(id.clone()), (version.saturating_add(1), day.number()), work);
    Ok(Draft { stock, restocked, ..Draft::of(event, receipt, id, known.member) }.entry(active))
}

/// What a midnight did to a member.
#[derive(Default)]
struct Work {
    redemptions: Vec<Redeemed>,
    expired: Vec<Expired>,
    decision: Decision,
    evaluations: Vec<Evaluation>,
    repayments: Vec<Repayment>,
    /// Points that would have lapsed, had the member been told.
    terms: Vec<Retermed>,
}

/// A use of points that happens by itself, with what it takes from a stock.
type Gift = (Redeemed, Vec<StockDraw>);

/// Asks a deployment what it gives, and takes it from the points that are there.
fn give(
    active: &Active,
    (deployment, close, id): (&RedemptionDeployment, &Close, &MemberId),
    midnight: Instant,
    source: &impl Source,
    there: Vec<Part>,
    work: &mut Work,
) -> Result<Option<Gift>, InvalidEvent> {
    let Some(AtClose { item, merchant }) = deployment.at_close.clone() else { return Ok(None) };
    let purpose = Purpose::Item { item, quantity: 1 };
    let request = Request { member: id.clone(), merchant, purpose, wanted: None };
    let at = before(midnight);
    let situation = active.program.situate_request(&request, at)?;
    let only = |other: &RedemptionDeployment| other.id == deployment.id;
    let Quotation { offered, decision, evaluations } = quote(active, at, &request, situation, only, source)?;
    work.evaluations.extend(evaluations);
    work.decision.declined.extend(decision.declined);
    work.decision.faults.extend(decision.faults);
    let Some((deployment, offer)) = offered else { return Ok(None) };
    let held = take(there, offer.points);
    if enough(&held, offer.points).is_err() {
        return Ok(None);
    }
    let taken = draw(deployment, &request, situation.today.day.number());
    let name = gift_name(deployment, close, id);
    let step = held_by(active, &name, &request, (deployment, offer), held.clone(), midnight);
    Ok(Some((Redeemed { captured: held, ..step }, taken)))
}

/// Returns the points of a purse that can be spent at a midnight before what ends then lapses.
fn there(member: &Member, purse: Purse<'_>, midnight: Instant) -> Vec<Part> {
    let lots = usable(member, midnight, |lot| purse.has(lot));
    lots.into_iter().map(|lot| Part::of(lot, lot.remaining)).collect()
}

/// Returns lots in the order in which they are spent at a midnight: those that become available then, and those that end.
fn usable(member: &Member, midnight: Instant, of: impl Fn(&Lot) -> bool) -> Vec<&Lot> {
    let usable = |lot: &&Lot| of(lot) && lot.term.has_begun(midnight) && lot.term.ends_at() >= midnight;
    let mut lots: Vec<_> = member.lots.iter().filter(usable).collect();
    lots.sort_by_key(|lot| lot.spending_order());
    lots
}

/// Returns what is left of lots that can no longer be spent.
fn expired(member: &Member, midnight: Instant) -> Vec<Expired> {
    let over = member.lots.iter().filter(|lot| lot.term.ends_at() <= midnight && !lot.remaining.is_zero());
    over.map(|lot| Expired { unit: lot.unit.clone(), part: Part::of(lot, lot.remaining) }).collect()
}

/// Returns lots that would have ended, had the member been told.
fn untold(member: &Member, midnight: Instant) -> Vec<Retermed> {
    let left = member.lots.iter().filter(|lot| !lot.remaining.is_zero());
    left.filter_map(|lot| Retermed::of(lot, lot.term.missed(midnight))).collect()
}

fn receipt(program: String, member: Option<MemberId>, (version, day): (u64, i32), work: Work) -> Receipt {
    let Work { redemptions, expired, decision, evaluations, repayments, terms } = work;
    let own = Receipt::new(program, (member, version), day);
    Receipt { evaluations, decision, redemptions, expired, repayments, terms, ..own }
}

/// Derives the receipt of a close again.
pub(crate) fn derive(
    active: &Active,
    event: &Event,
    close: &Close,
    inputs: Inputs,
) -> Result<Receipt, Undecided> {
    let zone = active.program.zone;
    admit(zone, event, close)?;
    let (day, _) = active.program.day_of(event.time)?;
    let midnight = zone.start_of(next_day(close.day));
    let Inputs { program, version, redemptions, mut expired, evaluations, repayments, terms, .. } = inputs;
    expired.retain(|expired| expired.part.has_lapsed(midnight));
    let missed = |it: Retermed| Some(Retermed { now: it.was.missed(midnight)?, ..it });
    let terms = terms.into_iter().filter_map(missed).collect();
    let mut work = Work { expired, repayments, terms, ..Work::default() };
    let (given, lapsed): (Vec<_>, Vec<_>) = redemptions.into_iter().partition(|step| step.quoted.is_some());
    work.redemptions = lapsed;
    if let Some(id) = &close.member {
        let source = Then { evaluations: &evaluations, referral: None, history: None };
        for deployment in gifts(active).filter(|_| !close.late) {
            let name = gift_name(deployment, close, id);
            let recorded = given.iter().find(|step| step.name == name);
            let there = recorded.map(|step| step.held.clone()).unwrap_or_default();
            let gift = give(active, (deployment, close, id), midnight, &source, there, &mut work)?;
            work.redemptions.extend(gift.filter(|_| recorded.is_some()).map(|(step, _)| step));
        }
    }
    Ok(receipt(program, close.member.clone(), (version, day.number()), work))
}
