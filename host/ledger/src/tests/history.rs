//! Random histories: every store says what the model says, after every step.

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use jifen_loyalty::clawback::{Clawback, Level, Reach, Repayment, Reversal, Taken};
use jifen_loyalty::entry::{
    Begins, BudgetDraw, DebtMove, LotMove, Moved, OrderClaim, RedemptionMove, StockDraw, StockKey,
};
use jifen_loyalty::event::{Body, Cause, Event, Redemption, Refund, Revision, Step};
use jifen_loyalty::member::Grants;
use jifen_loyalty::posting::{Postings, gain, loss};
use jifen_loyalty::program::{Ends, Expiry, Period};
use jifen_loyalty::redemption::{Acceptance, Part, Redeemed, Return, Returned, capture, take, void};
use jifen_loyalty::term::{Awaited, Notice};
use jifen_loyalty::{Entry, Instant, Member, Points, Term};

use super::fixture::{DAY_MS, Draft, EVERYTHING, ITEM, USES, View, member, redemption, stores, used};
use crate::{Committed, Ledger, Memory, OrderQuery, Query, RedeemedPart};

const MEMBERS: [&str; 3] = ["ann", "bob", "cyd"];
const DEPLOYMENTS: [&str; 2] = ["eco", "spend"];
const DAYS: [i32; 4] = [10, 11, 40, 41];
const BUDGET: u64 = 100;

/// An entry to be, before it is known what the ledger holds.
#[derive(Clone, Debug)]
struct Plan {
    /// Few, so that some come twice.
    id: u8,
    member: usize,
    to: usize,
    deployment: usize,
    day: usize,
    registers: bool,
    points: u64,
    /// 1: decided on the version before; 2: on the one after.
    off_by: u8,
    limited: bool,
    /// Whether what was used has been misread.
    misread: bool,
    /// The purchase that it returns, if it is a refund.
    refunds: Option<u8>,
    /// The use of points that it begins or moves on, if it is one.
    uses: Option<usize>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let what = (0..24_u8, 0..3_usize, 0..3_usize, 0..2_usize, 0..4_usize, prop::bool::weighted(0.2));
    let points = prop_oneof![Just(0), 1..9_u64, Just(BUDGET), Just(BUDGET + 1)];
    let wrong = prop_oneof![9 => Just(0), 1 => 1..3_u8];
    let refunds = prop::option::weighted(0.3, 0..16_u8);
    let uses = prop::option::weighted(0.6, 0..USES.len());
    (what, points, wrong, prop::bool::weighted(0.3), prop::bool::weighted(0.1), refunds, uses).prop_map(
        |((id, member, to, deployment, day, registers), points, off_by, limited, misread, refunds, uses)| {
            Plan {
                id,
                member,
                to,
                deployment,
                day,
                registers,
                points,
                off_by,
                limited,
                misread,
                refunds,
                uses,
            }
        },
    )
}

/// Makes entries as an evaluation would, each on top of those before it, except where the plan is to be wrong.
fn entries(ledger: &dyn Ledger, plans: &[Plan]) -> Vec<Entry> {
    let mut made: Vec<Entry> = Vec::new();
    for plan in plans {
        let entry = match (plan.refunds, plan.uses) {
            (Some(of), _) => refund(ledger, &made, plan, of),
            (None, Some(name)) => use_points(ledger, &made, plan, USES[name]),
            (None, None) => Some(entry(ledger, &made, plan)),
        };
        made.extend(entry);
    }
    made
}

fn entry(ledger: &dyn Ledger, before: &[Entry], plan: &Plan) -> Entry {
    let (name, deployment) = (MEMBERS[plan.member], DEPLOYMENTS[plan.deployment]);
    let member = member(ledger, name, 0, EVERYTHING);
    let moved = before.iter().filter(|entry| crate::entry::touched(entry).contains(&&name.into())).count();
    let version = member.version + u64::try_from(moved).unwrap();
    let own =
        before.iter().filter_map(|entry| entry.member.as_ref()).rfind(|moved| moved.id.as_str() == name);
    let mut draft =
        Draft::purchase(&format!("o{}", plan.id), name, version, DAYS[plan.day], plan.points * 100);
    draft.profile = own.map_or_else(|| member.profile.clone(), |moved| moved.profile.clone());
    draft.version = [version, version.saturating_sub(1), version + 1][usize::from(plan.off_by)];
    draft.spend_minor = draft.spend_minor.filter(|_| !plan.registers);
    let drawn =
        before.iter().flat_map(|entry| &entry.budgets).filter(|draw| draw.deployment.as_str() == deployment);
    let used = used(ledger, deployment).plus(drawn.map(|draw| draw.granted).sum());
    let draw = draw(deployment, used, plan);
    if !draw.granted.is_zero() {
        draft = draft.lot(MEMBERS[plan.to], deployment, draw.granted.get());
        let term = &mut draft.lots[0].lot.term;
        if plan.to != plan.member {
            let expires = Expiry::After { months: 2, days: 7, end_of: Some((Period::Year, 1)) };
            let counts = Some(Ends { expires, notice_days: None }).filter(|_| !plan.points.is_multiple_of(5));
            let awaits = Some(Awaited { action: "confirmed".to_owned(), counts });
            *term = Term { available_at: Instant::NEVER, awaits, ..term.clone() };
        }
        term.notice = if plan.points % 2 == 1 { Notice::Needed { days: 30 } } else { Notice::Given };
    }
    draft.draws.push(draw);
    let mut entry = draft.entry();
    if moved == 0 {
        repay(&mut entry, &member);
    }
    entry
}

/// Lets what is left of a member's first lot pay the first debt.
fn repay(entry: &mut Entry, member: &Member) {
    let (Some(debt), Some(lot)) = (member.debts.first(), member.lots.first()) else { return };
    let id = entry.member.as_ref().unwrap().id.clone();
    let from = Reach::from(lot);
    let taken = Taken { points: from.had.min(debt.points), from };
    let paid = Repayment { debt: debt.clone(), taken };
    let mut postings = Postings::default();
    paid.post(&id, &mut postings);
    entry.postings.extend(postings.into_vec());
    let points = paid.taken.points;
    let (unit, issuer) = (debt.unit.clone(), debt.issuer.clone());
    entry.debts.push(DebtMove { member: id.clone(), unit, issuer, points: -points.entry() });
    let remaining = loss(points);
    entry.moved.push(LotMove {
        day: lot.day,
        grants: Grants::of(&id, lot),
        lot: lot.id.clone(),
        member: id,
        remaining,
        reversed: Points::ZERO,
        expired: 0,
        term: None,
    });
}

/// Returns the next term that a lot can get at an instant, if there is one.
fn next(term: &Term, at: Instant) -> Option<Term> {
    let later = term.expires_at.max(Instant::from_millis(at.millis() + DAY_MS));
    match (&term.awaits, term.notice) {
        _ if term.ends_at() <= at => None,
        (Some(_), _) => Some(Term { available_at: at, awaits: None, expires_at: later, ..term.clone() }),
        (None, Notice::Needed { days }) => Some(Term { notice: Notice::Missing { days }, ..term.clone() }),
        (None, Notice::Missing { .. }) => {
            Some(Term { notice: Notice::Given, expires_at: later, ..term.clone() })
        }
        (None, Notice::Given) => None,
    }
}

/// Makes an entry that returns a purchase of the ledger: of each of its lots it takes `points` back, or lets them be
/// owed. `None` where there is no such purchase, or the batch moves those whom it concerns.
fn refund(ledger: &dyn Ledger, before: &[Entry], plan: &Plan, of: u8) -> Option<Entry> {
    let number = format!("o{of}");
    let asked = OrderQuery { number: &number, whole: true, key: None };
    let order = ledger.read(&Query { orders: &[asked], ..Query::default() }).unwrap().orders.remove(0);
    let bought = order.purchases.first()?;
    let concerns = |entry: &Entry| {
        let moves = |owner| crate::entry::touched(entry).contains(&owner);
        order.owners.keys().any(moves) || entry.event.order() == Some(&number)
    };
    if before.iter().any(concerns) {
        return None;
    }
    let buyer = &order.owners[&bought.member];
    let draft =
        Draft::purchase(&format!("o{}", plan.id), bought.member.as_str(), buyer.version, DAYS[plan.day], 0);
    let mut entry = Draft { profile: buyer.profile.clone(), ..draft }.entry();
    let refund = Refund {
        order: number.clone(),
        lines: None,
        freight_minor: None,
        cause: Cause::Member,
        revision: Revision::Returned,
    };
    entry.event = Event { body: Body::Refund(refund), ..(*entry.event).clone() }.into();
    entry.member = Some(Moved { profile: buyer.profile.clone(), ..entry.member? });
    let off = u64::from(plan.off_by > 0);
    entry.order = Some(OrderClaim { number, entries: u64::try_from(order.entries.len()).unwrap() + off });
    let mut postings = Postings::default();
    for (owner, lot) in &bought.lots {
        let asked = Points::new(plan.points).unwrap().min(lot.points.less(lot.reversed));
        let level = Level {
            deployment: lot.deployment.clone(),
            to: owner.clone(),
            unit: lot.unit.clone(),
            issuer: lot.issuer.clone(),
            granted: asked,
        };
        // As if something else had a hold on the lot: then it is owed.
        let reach = Some(Reach::from(lot)).filter(|_| !plan.limited);
        let reversal = Reversal::new(level, Clawback::Debt, reach);
        reversal.post(&mut postings);
        let (lapsed, left) = reversal.taken.first().map(|it| (it.lapsed(), it.left())).unwrap_or_default();
        let (remaining, expired) = (loss(left), loss(lapsed));
        entry.moved.push(LotMove {
            member: owner.clone(),
            day: lot.day,
            grants: Grants::of(owner, lot),
            lot: lot.id.clone(),
            remaining,
            reversed: asked,
            expired,
            term: next(&lot.term, entry.event.time),
        });
        if !reversal.debt.is_zero() {
            let (unit, issuer) = (lot.unit.clone(), lot.issuer.clone());
            entry.debts.push(DebtMove { member: owner.clone(), unit, issuer, points: reversal.debt.entry() });
        }
        entry.returned.push((lot.deployment.clone(), asked));
        if *owner != bought.member {
            entry.others.push((owner.clone(), order.owners[owner].version));
        }
    }
    entry.postings = postings.into_vec();
    Some(entry)
}

/// Makes an entry that begins a use of points, or moves it on. `None` where the batch moves those whom it concerns, or
/// there is nothing to move.
fn use_points(ledger: &dyn Ledger, before: &[Entry], plan: &Plan, name: &str) -> Option<Entry> {
    let known = redemption(ledger, name);
    let owner = known.owner.as_ref().map_or(MEMBERS[plan.member], |(owner, _)| owner.as_str()).to_owned();
    if before.iter().any(|entry| crate::entry::touched(entry).contains(&&owner.as_str().into())) {
        return None;
    }
    let member = member(ledger, &owner, 0, EVERYTHING);
    let draft = Draft::purchase(&format!("o{}", plan.id), &owner, member.version, DAYS[plan.day], 0);
    let mut entry = Draft { profile: member.profile.clone(), ..draft }.entry();
    let step = step(&known, &member, plan, name);
    let parts = step.parts();
    if parts.is_empty() {
        return None;
    }
    let key = StockKey {
        deployment: DEPLOYMENTS[plan.deployment].into(),
        item: ITEM.to_owned(),
        day: DAYS[plan.day],
        quantity: 1 + plan.points % 3,
    };
    let begins = (known.steps == 0).then(|| Begins {
        until: Instant::from_millis(entry.event.time.millis() + DAY_MS * i64::from(plan.off_by)),
        stock: Some(key.clone()),
    });
    match &begins {
        Some(_) => {
            entry.stock.push(StockDraw { key, total: Some(5), per_day: Some(3).filter(|_| plan.limited) });
        }
        None => entry.restocked.extend(known.stock.filter(|_| !step.released.is_empty())),
    }
    let mut postings = Postings::default();
    step.post(&owner.as_str().into(), entry.event.time, &mut std::iter::empty(), &mut postings);
    let at = entry.event.time;
    let lots: Vec<_> = member.lots.iter().chain(known.parts.iter().map(|part| &part.lot)).collect();
    step.change_lots(at, &mut |id, remaining, expired| {
        let lot = lots.iter().find(|lot| lot.id == *id).unwrap();
        entry.moved.push(LotMove {
            member: owner.as_str().into(),
            day: lot.day,
            grants: Grants::of(&owner.as_str().into(), lot),
            lot: id.clone(),
            remaining,
            reversed: Points::ZERO,
            expired: gain(expired),
            term: None,
        });
    });
    let asked = Redemption { name: name.into(), step: Step::Captured(None) };
    entry.event = Event { body: Body::Redemption(asked), ..(*entry.event).clone() }.into();
    entry.member = Some(Moved { profile: member.profile, ..entry.member? });
    let steps = step.steps + u64::from(plan.off_by > 1 && begins.is_none());
    entry.redemptions =
        vec![RedemptionMove { name: name.into(), member: owner.as_str().into(), steps, begins, parts }];
    entry.postings = postings.into_vec();
    Some(entry)
}

/// Holds points of a member, or uses, frees or gives back those that are held or used.
fn step(known: &crate::Redemption, member: &Member, plan: &Plan, name: &str) -> Redeemed {
    let points = Points::new(plan.points).unwrap();
    let by = Acceptance { deployment: "gifts".into(), merchant: "shop".into(), program: String::new() };
    let none = Redeemed::new(name.into(), known.steps, "points".into(), Some(by));
    let parts = |of: fn(&RedeemedPart) -> Points| -> Vec<Part> {
        known.parts.iter().map(|part| Part::of(&part.lot, of(part))).collect()
    };
    if known.steps == 0 {
        let there = member.lots.iter().map(|lot| Part::of(lot, lot.remaining));
        return Redeemed { held: take(there, points), ..none };
    }
    let (open, used) = (parts(RedeemedPart::open), parts(RedeemedPart::used));
    let is_open = open.iter().any(|part| !part.had.is_zero());
    match plan.to {
        0 if is_open => Redeemed { released: void(open, points), ..none },
        _ if is_open => {
            let (captured, released) = capture(open, points);
            Redeemed { captured, released, ..none }
        }
        _ => {
            let cancelled = take(used, points);
            let back = |(n, part): (usize, &Part)| Returned {
                lot: part.lot.clone(),
                issuer: part.issuer.clone(),
                points: part.points,
                to: if n == 0 && plan.limited { Return::Lapsed } else { Return::Lot },
            };
            let returned = cancelled.iter().enumerate().map(back).collect();
            Redeemed { cancelled, returned, ..none }
        }
    }
}

fn draw(deployment: &str, used_before: Points, plan: &Plan) -> BudgetDraw {
    let points = |points| Points::new(points).unwrap();
    let (budget, asked) = (points(BUDGET), points(plan.points));
    let left = budget.less(used_before);
    let (granted, limited) = if asked > left && plan.limited { (left, true) } else { (asked, false) };
    let used_before = if plan.misread { used_before.plus(points(1)) } else { used_before };
    BudgetDraw { deployment: deployment.into(), budget, used_before, granted, limited }
}

fn view(ledger: &dyn Ledger) -> View {
    View::of(ledger, &MEMBERS, &DEPLOYMENTS, &DAYS)
}

fn one_at_a_time(ledger: &dyn Ledger, entries: &[Entry]) -> Committed {
    let mut all = Committed::default();
    for entry in entries {
        let one = ledger.commit(vec![entry.clone()]).unwrap();
        all.seqs.extend(one.seqs);
        all.conflict = one.conflict;
        if all.conflict.is_some() {
            break;
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("src/tests/history.regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_store_says_what_the_model_says(
        batches in prop::collection::vec(prop::collection::vec(plan(), 0..8), 0..12),
    ) {
        let [model, others @ ..] = stores();
        let single = Memory::default();
        let mut before = view(&*model.ledger);
        for plans in batches {
            let entries = entries(&*model.ledger, &plans);
            let expected = model.ledger.commit(entries.clone()).unwrap();
            for store in &others {
                prop_assert_eq!(&expected, &store.ledger.commit(entries.clone()).unwrap(), "{}", store.name);
            }
            prop_assert_eq!(&expected, &one_at_a_time(&single, &entries));
            let after = view(&*model.ledger);
            after.assert_sound();
            for store in &others {
                prop_assert_eq!(&after, &view(&*store.ledger), "{}", store.name);
            }
            prop_assert_eq!(&after, &view(&single));
            prop_assert_eq!(expected.seqs.is_empty(), before == after);
            prop_assert!(after.log.starts_with(&before.log), "the log is only appended to");
            before = after;
        }
    }
}
