//! One event, all the way: every stage, in order, on one screen.
//!
//! ```text
//! event ──► facts ──► policies (wasm) ──► proposals ──► decision ──► postings ──► receipt
//! ```
//!
//! Nothing flows back up, and nothing here touches the ledger: [`process`] takes what the ledger knew and returns
//! what the ledger shall write. Replay takes the same way, with a receipt in the ledger's place; and so does a refund,
//! with what remains of the purchase in the purchase's place (`refund`).

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jifen_engine::{Policy, Prepared};
use jifen_ledger::{Needs, Order, Redemption};
use jifen_loyalty::clawback::{Level, Repayment, spendable};
use jifen_loyalty::day::BusinessDay;
use jifen_loyalty::decision::{Answered, Terms, Usage};
use jifen_loyalty::entry::{
    Begins, BudgetDraw, DebtMove, LotMove, Moved, NewLot, OrderClaim, RedemptionMove, StockDraw, StockKey,
    StockTaken,
};
use jifen_loyalty::event::{Body, Happening, Occasion};
use jifen_loyalty::facts::Answer;
use jifen_loyalty::lot::{LotId, Purse};
use jifen_loyalty::member::{Grants, Profile, Referral};
use jifen_loyalty::posting::{gain, loss};
use jifen_loyalty::program::{Deployment, Situation};
use jifen_loyalty::receipt::Evaluation;
use jifen_loyalty::redemption::Expired;
use jifen_loyalty::time::Zone;
use jifen_loyalty::{
    Decision, DeploymentId, Entry, Event, Fact, Facts, Fault, Instant, InvalidEvent, Lot, Member, MemberId,
    Points, Program, Receipt, Redeemed, RedemptionId,
};
use rules_guest::calendar::Day;

use crate::active::{Active, Loaded};
use crate::error::Undecided;
use crate::programs::Programs;
use crate::{block, campaign, close, conversion, opening, redemption, refund, term};

/// Deployments that failed to answer, and how.
pub(crate) type Faults = Vec<(DeploymentId, Fault)>;

/// What policies answered about one event until now. Several programs may decide it, and a policy that is asked the same by two
/// of them answers the same: it is pure.
#[derive(Default)]
pub(crate) struct Answers(RefCell<Vec<(Arc<Policy>, Asked, jifen_engine::Evaluation)>>);

/// All that a policy is asked about an event.
#[derive(PartialEq)]
struct Asked {
    merchant_category: String,
    today: BusinessDay,
    points_so_far: Points,
    facts: Facts,
}

impl Answers {
    fn or_ask(
        &self,
        policy: &Arc<Policy>,
        asked: Asked,
        ask: impl FnOnce(Facts) -> jifen_engine::Evaluation,
    ) -> jifen_engine::Evaluation {
        let mut given = self.0.borrow_mut();
        let same = |(of, before, _): &&(Arc<Policy>, Asked, _)| Arc::ptr_eq(of, policy) && *before == asked;
        if let Some((.., evaluation)) = given.iter().find(same) {
            return evaluation.clone();
        }
        let evaluation = ask(asked.facts.clone());
        given.push((Arc::clone(policy), asked, evaluation.clone()));
        evaluation
    }
}

/// Where the facts of an evaluation come from.
pub(crate) trait Source {
    /// Returns where it is remembered what policies answered.
    fn answers(&self) -> Option<&Answers> {
        None
    }
    /// Returns who brought the member.
    fn referral(&self) -> Option<&Referral>;
    /// Returns what a deployment may know.
    fn facts(&self, deployment: &DeploymentId, purse: Purse<'_>, needs: Needs, today: &Day) -> Facts;
    /// Returns what a deployment's caps and budget have counted.
    fn usage(&self, deployment: &Deployment, today: &Day) -> Usage;
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
        Occasion::Run(run) => campaign::admit(active, event, happening, run, known.member),
    }
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

/// An entry in the making.
pub(crate) struct Draft<'a> {
    pub(crate) event: &'a Arc<Event>,
    pub(crate) receipt: Receipt,
    pub(crate) moved: Moved,
    /// Lots that were there, among which are all that the receipt moves.
    pub(crate) held: Vec<Held<'a>>,
    pub(crate) budgets: Vec<BudgetDraw>,
    pub(crate) order: Option<&'a Order>,
    /// What a use of points that begins takes from a stock.
    pub(crate) stock: Vec<StockDraw>,
    pub(crate) restocked: Vec<StockKey>,
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

impl<'a> Held<'a> {
    /// Returns all lots of a member, none of which the event's order opened.
    pub(crate) fn of(id: &'a MemberId, member: &'a Member) -> Vec<Self> {
        member.lots.iter().map(|lot| Self { member: id, lot, of_order: false }).collect()
    }

    /// Returns whether it is what an award of the order opened.
    pub(crate) fn is_own(&self, of: &Level) -> bool {
        self.of_order && of.is_of_lot(self.member, self.lot)
    }
}

impl<'a> Draft<'a> {
    /// Returns the draft of what happened to a member whose figures stay, without budgets, stocks and an order.
    pub(crate) fn of(event: &'a Arc<Event>, receipt: Receipt, id: &'a MemberId, member: &'a Member) -> Self {
        let moved = Moved { id: id.clone(), version: member.version, profile: member.profile.clone() };
        let held = Held::of(id, member);
        let (budgets, stock, restocked) = (Vec::new(), Vec::new(), Vec::new());
        Self { event, receipt, moved, held, budgets, order: None, stock, restocked }
    }

    /// Seals the receipt and works out the rows.
    pub(crate) fn entry(self, active: &Active) -> (Entry, Faults) {
        let Self { event, receipt, moved, held, budgets, order, stock, restocked } = self;
        let lots = receipt.lots(event.time);
        let postings = receipt.postings(&lots, event.time);
        let sealed = receipt.seal(event, active.program.zone, &postings);
        let entry = Entry {
            event: Arc::clone(event),
            day: receipt.day,
            others: Vec::new(),
            order: claim(event, order),
            moved: lot_moves(&receipt, &lots, &held, event.time),
            redemptions: redemption_moves(&receipt, &moved.id, &stock),
            debts: debts(&receipt, &moved.id),
            member: Some(moved),
            lots,
            budgets,
            stock,
            restocked,
            returned: refund::returned(active, &receipt, event),
            notices: receipt.decision.to_send(),
            postings,
            receipt: sealed.json,
            receipt_digest: sealed.digest,
        };
        (entry, receipt.decision.faults)
    }
}

/// Returns the entry of an event that is nobody's, and moves no lot.
pub(crate) fn unclaimed(zone: Zone, event: &Arc<Event>, receipt: &Receipt, order: Option<&Order>) -> Entry {
    let postings = receipt.postings(&[], event.time);
    let sealed = receipt.seal(event, zone, &postings);
    Entry {
        event: Arc::clone(event),
        day: receipt.day,
        member: None,
        others: Vec::new(),
        order: claim(event, order),
        lots: Vec::new(),
        moved: Vec::new(),
        redemptions: Vec::new(),
        stock: Vec::new(),
        restocked: Vec::new(),
        debts: Vec::new(),
        budgets: Vec::new(),
        returned: Vec::new(),
        notices: Vec::new(),
        postings,
        receipt: sealed.json,
        receipt_digest: sealed.digest,
    }
}

fn redemption_moves(receipt: &Receipt, member: &MemberId, stock: &[StockDraw]) -> Vec<RedemptionMove> {
    let begins = |step: &Redeemed| {
        let until = step.quoted.as_ref()?.until;
        let by = &step.acceptance.as_ref()?.deployment;
        let draw = stock.iter().find(|draw| draw.key.deployment == *by);
        Some(Begins { until, stock: draw.map(|draw| draw.key.clone()) })
    };
    let moves = receipt.redemptions.iter().map(|step| RedemptionMove {
        name: step.name.clone(),
        member: member.clone(),
        steps: step.steps,
        begins: begins(step),
        parts: step.parts(),
    });
    moves.filter(|moved| moved.begins.is_some() || !moved.parts.is_empty()).collect()
}

/// Returns what must still be true of the order that an event completes or returns.
fn claim(event: &Event, order: Option<&Order>) -> Option<OrderClaim> {
    let entries = order.map_or(0, |order| u64::try_from(order.entries.len()).unwrap_or(u64::MAX));
    event.order().map(|number| OrderClaim { number: number.to_owned(), entries })
}

/// Returns what comes out of lots that were there before, and what goes back into them.
fn lot_moves(receipt: &Receipt, new: &[NewLot], held: &[Held<'_>], at: Instant) -> Vec<LotMove> {
    let mut moves = Vec::<LotMove>::new();
    let mut places = HashMap::<LotId, usize>::new();
    let new: HashSet<_> = new.iter().map(|new| &new.lot.id).collect();
    let by_name: HashMap<_, _> = held.iter().map(|held| (&held.lot.id, held)).collect();
    let mut change = |lot: &LotId, remaining: i64, reversed: Points, expired: i64| {
        if new.contains(lot) {
            return;
        }
        if let Some(moved) = places.get(lot).and_then(|place| moves.get_mut(*place)) {
            moved.remaining = moved.remaining.saturating_add(remaining);
            moved.reversed = moved.reversed.plus(reversed);
            moved.expired = moved.expired.saturating_add(expired);
        } else {
            let Held { member, lot, .. } = by_name.get(lot).expect("a receipt moves lots that were read");
            places.insert(lot.id.clone(), moves.len());
            moves.push(LotMove {
                member: (*member).clone(),
                day: lot.day,
                grants: Grants::of(member, lot),
                lot: lot.id.clone(),
                remaining,
                reversed,
                expired,
                term: None,
            });
        }
    };
    for step in &receipt.redemptions {
        step.change_lots(at, &mut |lot, remaining, expired| {
            change(lot, remaining, Points::ZERO, gain(expired));
        });
    }
    for Expired { part, .. } in &receipt.expired {
        change(&part.lot, loss(part.points), Points::ZERO, gain(part.points));
    }
    for reversal in receipt.reversals() {
        for taken in &reversal.taken {
            change(&taken.from.lot, loss(taken.left()), Points::ZERO, loss(taken.lapsed()));
        }
        let mut left = reversal.taken_back();
        for Held { lot, .. } in held.iter().filter(|held| held.is_own(&reversal.of)) {
            let reversed = left.min(lot.points.less(lot.reversed));
            left = left.less(reversed);
            if !reversed.is_zero() {
                change(&lot.id, 0, reversed, 0);
            }
        }
    }
    for taken in receipt.repayments.iter().map(|repayment| &repayment.taken) {
        change(&taken.from.lot, loss(taken.points), Points::ZERO, 0);
    }
    for part in receipt.conversion.iter().flat_map(|conversion| &conversion.parts) {
        change(&part.from.lot, loss(part.from.points), Points::ZERO, 0);
    }
    for retermed in &receipt.terms {
        change(&retermed.lot, 0, Points::ZERO, 0);
    }
    let terms: HashMap<_, _> = receipt.terms.iter().map(|retermed| (&retermed.lot, &retermed.now)).collect();
    for moved in &mut moves {
        moved.term = terms.get(&moved.lot).map(|now| (*now).clone());
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
pub(crate) fn counts(deployment: &Deployment) -> bool {
    deployment.cap.over_periods() || deployment.cap.of_referrers() || deployment.budget.is_some()
}

fn budget_draws(active: &Active, receipt: &Receipt) -> Vec<BudgetDraw> {
    let draw = |evaluation: &Evaluation| {
        let budget = active.deployment(&evaluation.deployment)?.budget?;
        let unit = &active.program.unit_of(active.deployment(&evaluation.deployment)?).id;
        let granted = receipt.decision.granted_to(&evaluation.deployment, unit);
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

/// Returns whether a member's referrer may turn out to be the same person.
pub(crate) fn is_comparable(profile: &Profile) -> bool {
    profile.person.is_some() && profile.referral.as_ref().is_some_and(|referral| !referral.same_person)
}

/// Returns the account from which something was paid, where a review may ask for whether the referrer paid from it.
pub(crate) fn reviewed_payer<'o>(program: &Program, occasion: &'o Occasion) -> Option<&'o str> {
    occasion.payer().filter(|_| program.reviews())
}

/// The ledger's view of a member, at one instant.
pub(crate) struct View<'a> {
    program: &'a Program,
    time: Instant,
    member: &'a Member,
    /// The profile with what the event says of the member.
    said: Cow<'a, Profile>,
    /// Who brought the member, by what is known of both now.
    referral: Option<Referral>,
    /// The member who referred this one, as far as it was read.
    referrer: Option<&'a Member>,
    budgets_used: &'a BTreeMap<DeploymentId, Points>,
    answers: Option<&'a Answers>,
}

impl<'a> View<'a> {
    /// Returns what is known of a member to whom something happens.
    pub(crate) fn new(happening: &'a Happening, known: &Known<'a>) -> Self {
        let profile = &known.member.profile;
        let read = |id| known.referrers.get(id);
        let (said, referrer) = match &happening.occasion {
            Occasion::Registration(registration) => {
                let referrer = registration.referrer.as_ref().and_then(read);
                let said = profile.joined(registration, referrer.map(|referrer| &referrer.profile));
                (Cow::Owned(said), referrer)
            }
            Occasion::Purchase(_) | Occasion::Run(_) => {
                let referral = profile.referral.as_ref();
                (Cow::Borrowed(profile), referral.and_then(|referral| read(&referral.by)))
            }
        };
        let Known { program, member, budgets_used, answers, .. } = *known;
        let mut referral = said.referral.clone();
        if let (Some(referral), Some(referrer)) = (&mut referral, referrer) {
            referral.same_person |= said.is_same_person(&referrer.profile);
            let payer = reviewed_payer(known.program, &happening.occasion);
            referral.same_payer_day = payer.and_then(|payer| referrer.profile.payers.get(payer)).copied();
        }
        Self { program, time: happening.time, member, said, referral, referrer, budgets_used, answers }
    }

    /// Returns what is known of a member who wants to use points.
    pub(crate) fn of(time: Instant, member: &'a Member, known: &Known<'a>) -> Self {
        let said = Cow::Borrowed(&member.profile);
        let referral = said.referral.clone();
        let Known { program, budgets_used, answers, .. } = *known;
        Self { program, time, member, said, referral, referrer: None, budgets_used, answers }
    }

    /// Returns whether a decision depends on whether the member and the referrer are one person, who may say who that is after the
    /// member did, or paid from one account.
    fn compares(&self, happening: &Happening, decision: &Decision, evaluations: &[Evaluation]) -> bool {
        let Some(referral) = &self.said.referral else { return false };
        let told = |evaluation: &Evaluation| {
            evaluation.answers().iter().any(|answer| answer.fact == Fact::ReferralSamePerson)
        };
        let asks = || decision.awards.iter().any(|award| award.to.as_ref() == Some(&referral.by));
        let matters = match happening.occasion {
            Occasion::Registration(_) => true,
            // What remains after a return may ask for more than all of it did.
            Occasion::Purchase(_) => !evaluations.is_empty(),
            Occasion::Run(_) => asks() || evaluations.iter().any(told),
        };
        matters && (is_comparable(&self.said) || reviewed_payer(self.program, &happening.occasion).is_some())
    }

    /// Returns the referrer with the version that a decision depends on: where it compares the persons, or counts what the
    /// referrer was granted.
    fn relied_on(&self, active: &Active, compared: bool, decision: &Decision) -> Option<(MemberId, u64)> {
        let by = &self.said.referral.as_ref()?.by;
        let counts = |it: &&Deployment| it.cap.of_referrers() && decision.asks_for(&it.id, by);
        let counted = active.program.deployments.iter().find(counts).is_some();
        let version = self.referrer.map_or(0, |referrer| referrer.version);
        (compared || counted).then(|| (by.clone(), version))
    }
}

impl Source for View<'_> {
    fn answers(&self) -> Option<&Answers> {
        self.answers
    }

    fn referral(&self) -> Option<&Referral> {
        self.referral.as_ref()
    }

    fn facts(&self, deployment: &DeploymentId, purse: Purse<'_>, needs: Needs, today: &Day) -> Facts {
        let mut known =
            crate::facts::known(self.time, self.member, &self.said, deployment, purse, needs, today);
        known.referral.clone_from(&self.referral);
        if needs.lots {
            known.untold = crate::facts::untold(self.program.zone, self.time, self.member, purse);
        }
        if let Some((level, by)) = self.program.levels() {
            if needs.lots {
                known.level = crate::facts::available(self.time, self.member, Purse::of(&level.id));
            }
            if needs.granted_by_day {
                known.earned_by_day = crate::facts::earned(self.member, &by.id);
            }
        }
        Facts::Known(known)
    }

    fn usage(&self, deployment: &Deployment, today: &Day) -> Usage {
        if !counts(deployment) {
            return Usage::default();
        }
        let unit = &self.program.unit_of(deployment).id;
        let grants = |for_other| Grants { deployment: deployment.id.clone(), unit: unit.clone(), for_other };
        let granted = |to, days| crate::facts::granted(to, &grants(false), days);
        let for_others = |to, days| crate::facts::granted(to, &grants(true), days);
        let (day, month) = (today.number()..=today.number(), crate::facts::month_of(today));
        let referrer = self.referrer.filter(|_| deployment.cap.of_referrers());
        let member = Some(self.member).filter(|_| deployment.cap.over_periods());
        Usage {
            day: member.map_or(Points::ZERO, |member| granted(member, day.clone())),
            month: member.map_or(Points::ZERO, |member| granted(member, month.clone())),
            referrer_day: referrer.map_or(Points::ZERO, |referrer| for_others(referrer, day)),
            referrer_month: referrer.map_or(Points::ZERO, |referrer| for_others(referrer, month)),
            budget: self.budgets_used.get(&deployment.id).copied().unwrap_or_default(),
        }
    }
}
