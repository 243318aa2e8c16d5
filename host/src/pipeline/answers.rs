//! What policies answered, where several programs are asked about one event.

use std::cell::RefCell;
use std::sync::Arc;

use jifen_engine::Policy;
use jifen_loyalty::day::BusinessDay;
use jifen_loyalty::{Facts, Points};

/// What policies answered about one event until now. Several programs may decide it, and a policy that is asked the same by two
/// of them answers the same: it is pure.
#[derive(Default)]
pub(crate) struct Answers(RefCell<Vec<(Arc<Policy>, Asked, jifen_engine::Evaluation)>>);

/// All that a policy is asked about an event.
#[derive(PartialEq)]
pub(super) struct Asked {
    pub(super) merchant_category: String,
    pub(super) today: BusinessDay,
    pub(super) points_so_far: Points,
    pub(super) facts: Facts,
}

impl Answers {
    pub(super) fn or_ask(
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
