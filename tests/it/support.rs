//! What several tests use: a store on a fresh cache, events, and days.

use std::path::PathBuf;
use std::sync::Arc;

use jifen_engine::{Evaluation, Policy, PolicyStore, Prepared};
use jifen_loyalty::day::BusinessDay;
use jifen_loyalty::event::{Line, Occasion, Purchase};
use jifen_loyalty::facts::{Facts, Known};
use jifen_loyalty::points::Points;
use jifen_loyalty::proposal::Proposal;
use rules_guest::calendar::Day;
use tempfile::TempDir;

/// A store and the folder it caches in, which goes with it.
pub(crate) struct Room {
    pub(crate) store: PolicyStore,
    pub(crate) cache: TempDir,
}

impl Room {
    pub(crate) fn new() -> Self {
        let cache = tempfile::tempdir().expect("there is a folder for temporary files");
        let store = PolicyStore::open(cache.path(), compiler()).expect("the folder can be used");
        Self { store, cache }
    }

    /// Returns a policy without parameters, which must be taken.
    pub(crate) fn policy(&self, component: &[u8]) -> Arc<Policy> {
        self.store.policy(component, "{}").unwrap_or_else(|error| panic!("{}: {error}", error.code()))
    }
}

/// Returns a binary beside this test, where `cargo build` puts it.
pub(crate) fn beside(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test is a file");
    let folder = test.parent().and_then(|deps| deps.parent()).expect("a test lies in target/<profile>/deps");
    let binary = folder.join(name);
    assert!(binary.is_file(), "{} is missing; build it first: cargo xtask test", binary.display());
    binary
}

/// Returns the compiler.
pub(crate) fn compiler() -> PathBuf {
    beside("jifen-compile")
}

/// Returns 2017-01-01, a market day, just before noon.
pub(crate) fn today() -> BusinessDay {
    let day = Day::from_civil(2017, 1, 1).expect("it is in the table");
    BusinessDay { day, market_day: true, second_of_day: 42_806 }
}

/// Returns a purchase of so many lines of 12.20 each.
pub(crate) fn purchase(lines: usize) -> Occasion {
    let line = |n: usize| Line {
        sku: format!("1095{n:03}"),
        category: "pastry".to_owned(),
        quantity: 1,
        amount_minor: 1_220,
        tags: if n == 0 { vec!["eco".to_owned()] } else { Vec::new() },
    };
    Occasion::Purchase(Purchase {
        order: "31198570044".to_owned(),
        merchant: "store-330".into(),
        currency: "CNY".to_owned(),
        lines: (0..lines).map(line).collect(),
        freight_minor: 0,
        discount_minor: 0,
        tenders: Vec::new(),
        payer: None,
    })
}

/// Returns what is known of a member with 3 purchases.
pub(crate) fn facts() -> Facts {
    let today = today().day.number();
    Facts::Known(Known { today, purchase_count: 3, purchase_spend_minor: 9_900, ..Known::default() })
}

/// Evaluates a purchase of five lines, with 7 points so far.
pub(crate) fn evaluate(policy: &Policy) -> Evaluation {
    let occasion = purchase(5);
    let points_so_far = Points::new(7).expect("it is in range");
    policy.evaluate(&Prepared::new(&occasion, "supermarket", &today()), points_so_far, facts())
}

/// Returns the points of the first award, which must be there.
pub(crate) fn points(evaluation: &Evaluation) -> u64 {
    match &evaluation.outcome {
        Ok(Proposal::Awards(awards)) => awards.first().expect("there is an award").points.get(),
        other => panic!("expected an award: {other:?}"),
    }
}
