//! One event, all the way: every stage, in order.
//!
//! ```text
//! event ──► facts ──► policies (wasm) ──► proposals ──► decision ──► postings ──► receipt
//! ```
//!
//! Nothing flows back up, and nothing here touches the ledger: [`process`] takes what the ledger knew and returns
//! what the ledger shall write. Replay takes the same way, with a receipt in the ledger's place; and so does a refund,
//! with what remains of the purchase in the purchase's place (`refund`).

mod answers;
mod draft;
mod view;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jifen_engine::Prepared;
use jifen_ledger::{Order, Redemption};
use jifen_loyalty::clawback::{Repayment, spendable};
use jifen_loyalty::decision::{Answered, Terms};
use jifen_loyalty::entry::{Moved, StockTaken};
use jifen_loyalty::event::{Body, Happening, Occasion};
use jifen_loyalty::facts::Answer;
use jifen_loyalty::lot::Purse;
use jifen_loyalty::program::Situation;
use jifen_loyalty::receipt::Evaluation;
use jifen_loyalty::{
    Decision, DeploymentId, Entry, Event, Fact, Facts, Fault, Instant, InvalidEvent, Member, MemberId,
    Points, Program, Receipt, Redeemed, RedemptionId,
};

use self::answers::Asked;
use self::draft::budget_draws;
use crate::active::{Active, Loaded};
use crate::error::Undecided;
use crate::programs::Programs;
use crate::{block, campaign, close, conversion, opening, redemption, refund, term};

pub(crate) use self::answers::Answers;
pub(crate) use self::draft::{Draft, Held, unclaimed};
pub(crate) use self::view::{Source, View, counts, is_comparable, reviewed_payer};

/// Deployments that failed to answer, and how.
pub(crate) type Faults = Vec<(DeploymentId, Fault)>;

/// What the ledger knew for one event.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    /// The program that decides.
    pub(crate) program: &'a Program,
    /// The event's member: for what is returned or moved on, the one who bought or asked.
    pub(crate) member: &'a Member,
    /// The order that the event completes or returns.
    pub(crate) order: Option<&'a Order>,
    /// Members who may have referred the event's.
    pub(crate) referrers: &'a HashMap<MemberId, Member>,
    /// Uses of points that the event moves on or pays with.
    pub(crate) redemptions: &'a HashMap<RedemptionId, Redemption>,
    /// What was granted from budgets.
    pub(crate) budgets_used: &'a BTreeMap<DeploymentId, Points>,
    /// How many were taken of items, by deployment, item and business day.
    pub(crate) stock: &'a Stock,
    /// What policies answered about the event, where several programs decide it.
    pub(crate) answers: Option<&'a Answers>,
}

/// How many were taken of items of limited stock.
pub(crate) type Stock = HashMap<(DeploymentId, String, i32), StockTaken>;

/// Processes an event on what the ledger knew. Returns what to write, and which deployments failed to answer.
///
/// # Errors
///
/// If the event cannot be applied at all, or a program that the ledger names cannot be loaded.
pub(crate) fn process(
    active: &Active,
    programs: &Programs<'_>,
    event: &Arc<Event>,
    known: &Known<'_>,
) -> Result<(Entry, Faults), Undecided> {
    let lapsed = redemption::lapsed(known.member, event);
    let member = after(known.member, &lapsed, event.time);
    let known = Known { member: &member, ..*known };
    match &event.body {
        Body::Happening(happening) => happened(active, programs, event, happening, lapsed, &known),
        Body::Refund(refund) => refund::process(active, programs, event, refund, lapsed, &known),
        Body::Redemption(step) => redemption::process(active, programs, event, step, lapsed, &known),
        Body::Close(close) => close::process(active, event, close, lapsed, &known),
        Body::Opening(opening) => opening::process(active, event, opening, lapsed, &known),
        Body::Conversion(wanted) => conversion::process(active, event, wanted, lapsed, &known),
        Body::TermChange(change) => term::process(active, event, change, lapsed, &known),
        Body::Block(bought) => block::process(active, event, bought, &known),
        Body::Settlement(_) => unreachable!("a settlement has no place in a batch"),
    }
}

fn happened(
    active: &Active,
    programs: &Programs<'_>,
    event: &Arc<Event>,
    happening: &Happening,
    lapsed: Vec<Redeemed>,
    known: &Known<'_>,
) -> Result<(Entry, Faults), Undecided> {
    let situation = active.program.situate(happening)?;
    admit(active, event, happening, known)?;
    let view = View::new(happening, known);
    let (decision, evaluations) = evaluate(active, happening, situation, &view)?;
    if let Occasion::Run(run) = &happening.occasion {
        campaign::is_due(run, happening, &decision)?;
    }
    let owner = (Some(happening.member.clone()), known.member.version.saturating_add(1));
    let compared = view.compares(happening, &decision, &evaluations);
    let referral = if compared { &view.referral } else { &view.said.referral };
    let mut receipt = Receipt {
        referral: referral.clone(),
        evaluations,
        decision,
        redemptions: lapsed,
        ..Receipt::new(active.digest.clone(), owner, situation.today.day.number())
    };
    let mut restocked = redemption::restocked(&receipt.redemptions, known.member);
    if let Some(order) = known.order.filter(|order| !order.entries.is_empty()) {
        restocked.extend(refund::waited(active, programs, event, happening, &mut receipt, order, known)?);
    }
    receipt.repayments = repayments(&receipt, &happening.member, happening.time, known.member);
    let profile = view.said.after(&happening.occasion, receipt.day);
    let others = view.relied_on(active, compared, &receipt.decision);
    let moved = Moved { id: happening.member.clone(), version: known.member.version, profile };
    let held = Held::of(&happening.member, known.member);
    let budgets = budget_draws(active, &receipt);
    let draft =
        Draft { event, receipt, moved, held, budgets, order: known.order, stock: Vec::new(), restocked };
    let (mut entry, faults) = draft.entry(active);
    entry.others.extend(others);
    Ok((entry, faults))
}

fn admit(
    active: &Active,
    event: &Event,
    happening: &Happening,
    known: &Known<'_>,
) -> Result<(), InvalidEvent> {
    let again = |field: &str, reason| Err(InvalidEvent { field: field.to_owned(), reason });
    match &happening.occasion {
        Occasion::Registration(_) if known.member.profile.registered_day != 0 => {
            again("data.member", format!("{:?} is registered already", happening.member.as_str()))
        }
        Occasion::Purchase(purchase) => {
            match known.order.and_then(|order| refund::same_purchase(order, event)) {
                Some(key) => again(
                    "data.order",
                    format!(
                        "{:?} was completed by event {} of {} already",
                        purchase.order, key.id, key.source
                    ),
                ),
                None => Ok(()),
            }
        }
        Occasion::Registration(_) => Ok(()),
        Occasion::Run(run) => campaign::admit(active, event, happening, run, known.member),
    }
}

/// Evaluates what happened on what a source knows.
///
/// # Errors
///
/// If the calendar of a deployment does not reach the day.
pub(crate) fn evaluate(
    active: &Active,
    happening: &Happening,
    situation: Situation<'_>,
    source: &impl Source,
) -> Result<(Decision, Vec<Evaluation>), InvalidEvent> {
    let program = &active.program;
    let today = &situation.today.day;
    let category = situation.merchant.map_or("", |merchant| merchant.category.as_str());
    let prepared = Prepared::new(&happening.occasion, category, &situation.today);
    let terms = Terms { program, happening, situation, referral: source.referral() };

    if let Occasion::Run(run) = &happening.occasion {
        let (decision, evaluation) = campaign::run(active, run, &terms, source)?;
        return Ok((decision, vec![evaluation]));
    }
    let mut evaluations = Vec::new();
    let mut decision = Decision::default();
    for (place, lane) in program.lanes.iter().enumerate() {
        let mut answers = Vec::new();
        for (deployment, Loaded { policy, needs, scalars, meter }) in active.lane(place) {
            if !happening.occasion.earns()
                || !deployment.applies(happening.time, &situation)?
                || active.is_replaced(deployment, happening, &situation)?
            {
                continue;
            }
            let unit = &program.unit_of(deployment).id;
            let points_so_far = decision.points_so_far(&happening.member, unit);
            let usage = source.usage(deployment, today);
            let facts = source.facts(&deployment.id, Purse::of(unit), *needs, today);
            let mut known = answers_to(scalars, &facts);
            let ask = |facts| meter.of(|| policy.evaluate(&prepared, points_so_far, facts));
            let evaluation = match source.answers() {
                None => ask(facts),
                Some(answers) => {
                    let (merchant_category, today) = (category.to_owned(), situation.today);
                    let asked = Asked { merchant_category, today, points_so_far, facts };
                    answers.or_ask(policy, asked, ask)
                }
            };
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
    evaluations.iter_mut().for_each(|evaluation| forget_others(evaluation, &decision, source));
    Ok((decision, evaluations))
}

/// Forgets what others had where it made no difference. It is another number whenever something else was decided at the same
/// time, so it is only asserted, and only recorded, where it did.
pub(crate) fn forget_others(evaluation: &mut Evaluation, decision: &Decision, source: &impl Source) {
    let Some(usage) = &mut evaluation.usage else { return };
    if !decision.limited_by_budget(&evaluation.deployment) {
        usage.budget = Points::ZERO;
    }
    if !source.referral().is_some_and(|it| decision.asks_for(&evaluation.deployment, &it.by)) {
        (usage.referrer_day, usage.referrer_month) = Default::default();
    }
}

pub(crate) fn answers_to(scalars: &[Fact], facts: &Facts) -> Vec<Answer> {
    let answer = |fact: &Fact| Some(Answer { fact: *fact, value: facts.answer(*fact).ok()? });
    scalars.iter().filter_map(answer).collect()
}

/// Returns what lots pay of what the member owes: those that were there, and those that this event opened.
pub(crate) fn repayments(receipt: &Receipt, id: &MemberId, at: Instant, member: &Member) -> Vec<Repayment> {
    if member.debts.is_empty() {
        return Vec::new();
    }
    let new = receipt.lots(at);
    let own = new.iter().filter(|new| new.member == *id).map(|new| &new.lot);
    Repayment::all(&member.debts, spendable(member.lots.iter().chain(own), at))
}

/// Returns a member after steps of uses of the member's points: with what they leave of lots.
pub(crate) fn after<'m>(member: &'m Member, steps: &[Redeemed], at: Instant) -> Cow<'m, Member> {
    if steps.is_empty() {
        return Cow::Borrowed(member);
    }
    let mut member = member.clone();
    let places: HashMap<_, _> =
        member.lots.iter().enumerate().map(|(place, lot)| (lot.id.clone(), place)).collect();
    for step in steps {
        step.change_lots(at, &mut |id, remaining, expired| {
            if let Some(lot) = places.get(id).and_then(|place| member.lots.get_mut(*place)) {
                lot.remaining = lot.remaining.moved(remaining);
                lot.expired = lot.expired.plus(expired);
            }
        });
    }
    Cow::Owned(member)
}

/// Returns what a program would decide about what happened to somebody, on what the ledger knew; nothing where no rule is asked.
pub(crate) fn would_decide(
    active: &Active,
    event: &Event,
    known: &Known<'_>,
) -> Option<Result<Decision, InvalidEvent>> {
    let happening = event.happening()?;
    let lapsed = redemption::lapsed(known.member, event);
    let member = after(known.member, &lapsed, event.time);
    let known = Known { program: &active.program, member: &member, ..*known };
    let decide = |situation| evaluate(active, happening, situation, &View::new(happening, &known));
    let decided = active.program.situate(happening).and_then(decide);
    Some(decided.map(|(decision, _)| decision))
}
