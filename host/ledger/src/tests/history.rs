//! Random histories: SQLite says what the model says, after every step.

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use jifen_loyalty::entry::BudgetDraw;
use jifen_loyalty::{Entry, Points};

use super::fixture::{Draft, EVERYTHING, View, member, stores, used};
use crate::{Committed, Ledger, Memory};

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
}

fn plan() -> impl Strategy<Value = Plan> {
    let what = (0..40_u8, 0..3_usize, 0..3_usize, 0..2_usize, 0..4_usize, prop::bool::weighted(0.2));
    let points = prop_oneof![Just(0), 1..9_u64, Just(BUDGET), Just(BUDGET + 1)];
    let wrong = prop_oneof![9 => Just(0), 1 => 1..3_u8];
    (what, points, wrong, prop::bool::weighted(0.3), prop::bool::weighted(0.1)).prop_map(
        |((id, member, to, deployment, day, registers), points, off_by, limited, misread)| Plan {
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
        },
    )
}

/// Makes entries as an evaluation would, each on top of those before it, except where the plan is to be wrong.
fn entries(ledger: &dyn Ledger, plans: &[Plan]) -> Vec<Entry> {
    let mut made: Vec<Entry> = Vec::new();
    for plan in plans {
        let entry = entry(ledger, &made, plan);
        made.push(entry);
    }
    made
}

fn entry(ledger: &dyn Ledger, before: &[Entry], plan: &Plan) -> Entry {
    let (name, deployment) = (MEMBERS[plan.member], DEPLOYMENTS[plan.deployment]);
    let member = member(ledger, name, 0, EVERYTHING);
    let moved = before.iter().filter(|entry| crate::entry::touched(entry).contains(&&name.into())).count();
    let version = member.version + u64::try_from(moved).unwrap();
    let own = before.iter().rfind(|entry| entry.event.member.as_str() == name);
    let mut draft =
        Draft::purchase(&format!("o{}", plan.id), name, version, DAYS[plan.day], plan.points * 100);
    draft.profile = own.map_or(member.profile, |entry| entry.profile.clone());
    draft.version = [version, version.saturating_sub(1), version + 1][usize::from(plan.off_by)];
    draft.spend_minor = draft.spend_minor.filter(|_| !plan.registers);
    let drawn =
        before.iter().flat_map(|entry| &entry.budgets).filter(|draw| draw.deployment.as_str() == deployment);
    let used = used(ledger, deployment).plus(drawn.map(|draw| draw.granted).sum());
    let draw = draw(deployment, used, plan);
    if !draw.granted.is_zero() {
        draft = draft.lot(MEMBERS[plan.to], deployment, draw.granted.get());
    }
    draft.draws.push(draw);
    draft.entry()
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
        cases: 64,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("src/tests/history.regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_store_says_what_the_model_says(
        batches in prop::collection::vec(prop::collection::vec(plan(), 0..8), 0..12),
    ) {
        let [model, sqlite] = stores();
        let single = Memory::default();
        let mut before = view(&*model.ledger);
        for plans in batches {
            let entries = entries(&*model.ledger, &plans);
            let expected = model.ledger.commit(entries.clone()).unwrap();
            prop_assert_eq!(&expected, &sqlite.ledger.commit(entries.clone()).unwrap());
            prop_assert_eq!(&expected, &one_at_a_time(&single, &entries));
            let after = view(&*model.ledger);
            after.assert_sound();
            prop_assert_eq!(&after, &view(&*sqlite.ledger));
            prop_assert_eq!(&after, &view(&single));
            prop_assert_eq!(expected.seqs.is_empty(), before == after);
            prop_assert!(after.log.starts_with(&before.log), "the log is only appended to");
            before = after;
        }
    }
}
