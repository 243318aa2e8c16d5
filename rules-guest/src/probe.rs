//! Promises and fairness: what a policy says of itself and what is owed to every member, tried on made-up purchases and
//! requests.
//!
//! A policy's `policy.toml` states its promises, each in words for members and as circumstances with what is promised in
//! them ([`Promise`]). Fairness is owed without being stated ([`Probe`]); what a policy cannot keep of it, it declares
//! ([`Exception`]). Circumstances are drawn anew from the same start in every run, around the numbers and names that the
//! parameters have, and what fails is made as small as it can be and told in words ([`Counterexample`]).
//!
//! Some unfairness needs no probe, for the contract has no words for it: a policy sees neither who a member is nor what it
//! answered before, so that equal members get equal answers; it can reward nobody beyond the one who referred the member; it
//! can pay no money, sell no points and change none that were granted; what is paid in points alone earns nothing, and what is
//! returned whole is taken back whole, both without asking it.

mod basket;
mod fairness;
mod member;
mod promise;
#[cfg(test)]
mod tests;
mod words;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use serde::Deserialize;
use serde_json::value::RawValue;

use self::member::Member;
use crate::case::{Answer, Case, Outcome};
use crate::fact::Fact;

pub use self::fairness::Probe;
pub use self::promise::Promise;

/// How many circumstances a promise or a probe is tried in, for each set of parameters.
pub const TRIES: u32 = 256;
/// How often what failed is made smaller at most.
const SHRINKS: u32 = 2_000;
/// How many facts a policy is told in one case at most; more is a policy that never stops asking.
const FACTS_MAX: usize = 64;

/// What a policy is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What happened: the world `earning-policy`.
    Earning,
    /// Wishes to use points: the world `redemption-policy`.
    Redemption,
    /// Days: the world `campaign-policy`.
    Campaign,
}

/// Why a policy gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It asked what the case does not state.
    Unstated(Fact),
    /// It could not be asked.
    Failed(String),
    /// It may not be asked any more, for a reason.
    Spent(String),
}

/// A policy that answers cases, natively or in its component.
pub type Respond<'a> = dyn Fn(&Case) -> Result<Outcome, Unanswered> + 'a;

/// What a description claims.
#[derive(Debug, Default, Deserialize)]
pub struct Claims {
    #[serde(default)]
    promises: Vec<Promise>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

/// A declared gap: where a probe fails, and that is meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    probe: Probe,
    /// Parameters without which it is not so, by name; none: whatever they are.
    #[serde(default)]
    having: Vec<String>,
    zh: String,
    en: String,
}

/// A claim about a policy with some parameters, which is tried without the others.
#[derive(Debug)]
pub enum Trial<'a> {
    /// What a policy of some kind promises.
    Promise(&'a Promise, Kind),
    /// What is owed to every member.
    Owed(Probe, &'a RawValue),
}

/// What was tried, and what became of it.
#[derive(Debug)]
pub struct Tried {
    /// What was tried: `promise: …` in words, or `fairness: …` by its name.
    pub what: String,
    /// With how many sets of parameters, each in [`TRIES`] circumstances unless something came of one.
    pub sets: usize,
    /// With how many more it need not be so, by an exception.
    pub excused: usize,
    /// What shows that it is not so.
    pub counterexample: Option<Counterexample>,
    /// The words of an exception that is declared, and that no set of parameters needed.
    pub unneeded: Option<String>,
}

/// What shows that a claim is false, or why it was not tried to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    words: String,
    /// Whether it is shown. What was not tried to the end shows nothing, and needs no exception.
    shown: bool,
}

/// Why circumstances do not show that a claim is true.
enum Doubt {
    /// They show that it is false, in these words.
    Shown(String),
    /// The policy may not be asked any more, for a reason.
    Spent(String),
}

impl Counterexample {
    /// Returns whether it shows that something is not so. Otherwise it says why that was not tried to the end.
    pub fn is_shown(&self) -> bool {
        self.shown
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl Tried {
    /// Returns what its author must mend, if there is anything.
    pub fn to_mend(&self) -> Option<String> {
        let unneeded = |words| format!("declares an exception, and no case's parameters need it: {words}");
        let shown = self.counterexample.as_ref().map(ToString::to_string);
        shown.or_else(|| self.unneeded.as_ref().map(unneeded))
    }
}

impl Claims {
    /// Returns what a `policy.toml` claims.
    ///
    /// # Errors
    ///
    /// With the key that is missing, unknown or wrong.
    pub fn parse(description: &str) -> Result<Self, String> {
        let claims: Self = toml::from_str(description).map_err(|error| error.to_string())?;
        for (n, promise) in claims.promises.iter().enumerate() {
            promise.check().map_err(|reason| format!("promises[{n}].{reason}"))?;
        }
        let wordless = |exception: &Exception| exception.zh.is_empty() || exception.en.is_empty();
        match claims.exceptions.iter().position(wordless) {
            Some(n) => Err(format!("exceptions[{n}]: needs words in `zh` and `en`; members read them")),
            None => Ok(claims),
        }
    }

    /// Returns the parameters with which something is promised.
    pub fn promised_parameters(&self) -> Vec<Box<RawValue>> {
        self.promises.iter().map(Promise::parameters).collect()
    }

    /// Leaves the promises that are made for some parameters alone, and returns the words of the others.
    pub fn retain_made_for(&mut self, parameters: &RawValue) -> Vec<String> {
        let others = self.promises.extract_if(.., |promise| !promise.is_made_for(parameters));
        others.map(|promise| promise.words()).collect()
    }

    /// Tries every promise, and every probe with the parameters of the cases; without cases none.
    pub fn try_all(&self, kind: Kind, cases: &[Case], respond: &Respond<'_>) -> Vec<Tried> {
        self.try_by(kind, &parameters(cases), |trials| {
            trials.iter().map(|trial| trial.run(respond)).collect()
        })
    }

    /// Tries every promise, and every probe with sets of parameters, by a function that returns what each trial found, in their
    /// order. It may run them in any order, and several at a time.
    ///
    /// # Panics
    ///
    /// If it does not return as many as there are.
    pub fn try_by(
        &self,
        kind: Kind,
        parameters: &[&RawValue],
        run: impl FnOnce(&[Trial<'_>]) -> Vec<Option<Counterexample>>,
    ) -> Vec<Tried> {
        let probes = Probe::of(kind).iter().filter(|_| !parameters.is_empty());
        let promised = self.promises.iter().map(|promise| Trial::Promise(promise, kind));
        let owed = probes.clone().flat_map(|probe| parameters.iter().map(|set| Trial::Owed(*probe, set)));
        let trials: Vec<_> = promised.chain(owed).collect();
        let found = run(&trials);
        assert_eq!(found.len(), trials.len(), "each trial finds something or nothing");
        let mut found = found.into_iter();
        let promises = self.promises.iter().zip(found.by_ref()).map(|(promise, counterexample)| Tried {
            what: format!("promise: {}", promise.words()),
            sets: 1,
            excused: 0,
            counterexample,
            unneeded: None,
        });
        let mut tried: Vec<_> = promises.collect();
        tried.extend(probes.map(|probe| {
            let excused = parameters.iter().filter(|set| self.excuses(*probe, set)).count();
            let (counterexample, unneeded) =
                self.unfair(*probe, parameters.iter().copied().zip(found.by_ref()));
            Tried {
                what: format!("fairness: {}", probe.name()),
                sets: parameters.len().saturating_sub(excused),
                excused,
                counterexample,
                unneeded: unneeded.map(|exception| exception.en.clone()),
            }
        }));
        tried
    }

    /// Returns whether a probe may fail with a set of parameters.
    fn excuses(&self, probe: Probe, set: &RawValue) -> bool {
        self.exceptions.iter().any(|exception| exception.probe == probe && exception.covers(set))
    }

    /// Returns what shows that a probe fails where no exception says so, and an exception that is none, of what was found with
    /// sets of parameters.
    fn unfair<'p>(
        &self,
        probe: Probe,
        found: impl Iterator<Item = (&'p RawValue, Option<Counterexample>)>,
    ) -> (Option<Counterexample>, Option<&Exception>) {
        let exceptions = self.exceptions.iter().filter(|exception| exception.probe == probe);
        let mut unneeded: Vec<_> = exceptions.clone().collect();
        let mut unexcused = None;
        for (parameters, found) in found {
            let excused: Vec<_> =
                exceptions.clone().filter(|exception| exception.covers(parameters)).collect();
            match found {
                Some(found) if excused.is_empty() || !found.shown => unexcused = unexcused.or(Some(found)),
                Some(_) => unneeded
                    .retain(|exception| !excused.iter().any(|excused| std::ptr::eq(*excused, *exception))),
                None => {}
            }
        }
        (unexcused, unneeded.first().copied())
    }
}

impl Trial<'_> {
    /// Returns what shows that it is not so of a policy.
    pub fn run(&self, respond: &Respond<'_>) -> Option<Counterexample> {
        match self {
            Self::Promise(promise, kind) => promise.broken(*kind, respond),
            Self::Owed(probe, parameters) => probe.fails(&Asked { parameters, respond }),
        }
    }
}

impl Exception {
    fn covers(&self, parameters: &RawValue) -> bool {
        let parameters: serde_json::Value = serde_json::from_str(parameters.get()).unwrap_or_default();
        self.having.iter().all(|key| parameters.get(key).is_some())
    }
}

/// Returns the sets of parameters of cases, each once; not those that a policy refuses or fails with.
pub fn parameters(cases: &[Case]) -> Vec<&RawValue> {
    let mut sets: Vec<&RawValue> = Vec::new();
    let usable = |case: &&Case| !matches!(case.expect, Outcome::InvalidParameters(_) | Outcome::Fault(_));
    for case in cases.iter().filter(usable) {
        if sets.iter().all(|set| set.get() != case.parameters.get()) {
            sets.push(&case.parameters);
        }
    }
    sets
}

/// A policy with parameters, to be asked.
struct Asked<'a> {
    parameters: &'a RawValue,
    respond: &'a Respond<'a>,
}

impl Asked<'_> {
    /// Puts a case, and adds to it what the policy asks of the member.
    fn ask(&self, mut case: Case, member: &Member) -> Result<(Case, Outcome), Doubt> {
        loop {
            match (self.respond)(&case) {
                Ok(Outcome::Fault(code)) => {
                    return Err(self.shows(&[&words::case(&case, &format!("the policy fails: {code}"))]));
                }
                Ok(outcome) => return Ok((case, outcome)),
                Err(Unanswered::Unstated(fact)) if case.facts.len() < FACTS_MAX => {
                    case.facts.insert(fact, member.answer(fact, case.event.time.day().number()));
                }
                Err(Unanswered::Unstated(fact)) => {
                    return Err(self.shows(&[&words::case(&case, &format!("it asks on and on, now {fact}"))]));
                }
                Err(Unanswered::Failed(reason)) => return Err(self.shows(&[&words::case(&case, &reason)])),
                Err(Unanswered::Spent(reason)) => return Err(Doubt::Spent(reason)),
            }
        }
    }

    fn shows(&self, rows: &[&str]) -> Doubt {
        Doubt::Shown(format!("with {}\n  {}", self.parameters, rows.join("\n  ")))
    }
}

/// Looks for circumstances in which something does not hold, and returns the smallest that were found while the policy could be
/// asked.
fn search<S: Strategy>(
    circumstances: S,
    holds: impl Fn(&S::Value) -> Result<(), Doubt>,
) -> Option<Counterexample> {
    let config = Config {
        cases: TRIES,
        max_shrink_iters: SHRINKS,
        // A rejection ends the search. While what failed is made smaller it does not, and what was shown by then stays shown.
        max_global_rejects: 0,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let spent = Cell::new(None);
    let tried = runner.run(&circumstances, |tried| {
        holds(&tried).map_err(|doubt| match doubt {
            Doubt::Shown(words) => TestCaseError::fail(words),
            Doubt::Spent(reason) => {
                spent.set(Some(reason));
                TestCaseError::reject("spent")
            }
        })
    });
    match tried {
        Ok(()) => None,
        Err(TestError::Fail(smallest, _)) => {
            Some(Counterexample { words: smallest.message().to_owned(), shown: true })
        }
        Err(TestError::Abort(reason)) => {
            let words = spent.take().unwrap_or_else(|| reason.to_string());
            Some(Counterexample { words, shown: false })
        }
    }
}

/// The answers that are the same in all circumstances, by the fact's name without its day.
type Pinned = BTreeMap<String, Answer>;
