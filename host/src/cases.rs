//! Cases in the component: what a policy answers to a fixture, through the engine that answers in production.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jifen_engine::limits::{Limits, PARAMETERS_BYTES_MAX};
use jifen_engine::{Policy, PolicyError, PolicyStore, Prepared, PreparedRequest, Refusal, World};
use jifen_loyalty::day::BusinessDay;
use jifen_loyalty::event::{Body, Happening, Occasion, Redemption, Step};
use jifen_loyalty::facts::{Answer, Fact};
use jifen_loyalty::proposal::{Action, Offer, Quote};
use jifen_loyalty::receipt::Evaluation;
use jifen_loyalty::{Event, Facts, Fault, InvalidEvent, Points, Proposal, Recipient};
use rules_guest::case::{self, Case, Data, Outcome};
use rules_guest::date::Date;
use rules_guest::probe::{self, Claims, Kind, Trial, Tried, Unanswered};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::parallel;

/// Why a case could not be run. That a policy answers otherwise is no error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CaseError {
    /// The case's event is none.
    #[error("event: {0}")]
    Event(InvalidEvent),
    /// The case states more points than there can be.
    #[error("points_so_far: {0} is more than there can be")]
    PointsSoFar(u64),
    /// The case's event is none that its policy is asked about.
    #[error("event.type: no {} is asked about {kind}", world.name())]
    NotAsked {
        /// What policies of the component's kind are asked.
        world: World,
        /// The type of the event.
        kind: &'static str,
    },
    /// The component cannot be used.
    #[error(transparent)]
    Policy(Arc<PolicyError>),
    /// The cases before came with as many as there may be.
    #[error(
        "was not tried: what came before has {0} sets of parameters, and a release is tried with no more"
    )]
    TooManySets(usize),
    /// It takes more than it may, with what was asked before.
    #[error("takes more than {0} fuel; send fewer sets of parameters, or make the rule cheaper")]
    Spent(u64),
}

/// Returns the files of a policy's cases, in order.
pub(crate) fn case_files(policy: &Path) -> std::io::Result<Vec<PathBuf>> {
    let files = policy.join("cases").read_dir()?.map(|entry| entry.map(|entry| entry.path()));
    let mut files = files.collect::<Result<Vec<_>, _>>()?;
    files.retain(|file| file.extension().is_some_and(|end| end == "json"));
    files.sort();
    Ok(files)
}

/// A component that answers cases, of people and made up, for several who ask at a time.
pub(crate) struct Respondent<'a> {
    pub(crate) component: &'a [u8],
    store: &'a PolicyStore,
    bounds: Bounds,
    threads: NonZeroUsize,
    cases: Fuel,
    seen: Mutex<Seen>,
}

/// The fuel of evaluations.
struct Fuel {
    /// What it may be in all.
    bound: u64,
    /// What it counts as until now.
    counted: AtomicU64,
}

/// What is known of sets of parameters.
#[derive(Default)]
struct Seen {
    /// Whether the component takes them, of those that it was compiled with.
    sets: BTreeMap<String, Result<(), Declined>>,
    /// Why there is no policy with any.
    none: Option<Declined>,
    /// A policy of which nothing is asked: as long as it is there, a script's code is loaded once for all sets.
    held: Option<Arc<Policy>>,
    /// The policies that were asked last, one for each thread: what a stranger's takes of memory is not held of all at a time.
    loaded: VecDeque<(String, Arc<Policy>)>,
}

type Configured = Result<Arc<Policy>, Declined>;

/// Why there is no policy with some parameters.
#[derive(Clone)]
enum Declined {
    /// It refuses them, in its words.
    Parameters(String),
    /// Something else.
    Other(Arc<PolicyError>),
}

impl From<PolicyError> for Declined {
    fn from(error: PolicyError) -> Self {
        if let PolicyError::Refused(Refusal::ParametersRefused { message }) = error {
            return Self::Parameters(message);
        }
        Self::Other(Arc::new(error))
    }
}

/// What answering cases may take in all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Fuel of evaluations.
    pub(crate) fuel: u64,
    /// Sets of parameters, with each of which the component is compiled.
    pub(crate) parameters: usize,
}

impl Bounds {
    const NONE: Self = Self { fuel: u64::MAX, parameters: usize::MAX };
}

impl<'a> Respondent<'a> {
    pub(crate) fn new(component: &'a [u8], store: &'a PolicyStore, threads: NonZeroUsize) -> Self {
        Self::within(Bounds::NONE, component, store, threads)
    }

    /// Answers until that is used up, and nothing from there on.
    pub(crate) fn within(
        bounds: Bounds,
        component: &'a [u8],
        store: &'a PolicyStore,
        threads: NonZeroUsize,
    ) -> Self {
        let cases = Fuel::within(bounds.fuel);
        Self { component, store, bounds, threads, cases, seen: Mutex::default() }
    }

    /// Compiles the component with sets of parameters.
    pub(crate) fn prepare<'p>(&self, parameters: impl Iterator<Item = &'p RawValue>) {
        let wanted: BTreeSet<_> = parameters.map(RawValue::get).collect();
        let new: Vec<_> = wanted.into_iter().filter(|it| !self.seen().sets.contains_key(*it)).collect();
        let room = self.bounds.parameters.saturating_sub(self.seen().sets.len());
        let new = &new[..room.min(new.len())];
        // Whether a script can be compiled at all shows with the first.
        let (first, others) = new.split_at(usize::from(self.is_script()).min(new.len()));
        for sets in [first, others] {
            let taken = parallel::map(sets, self.threads, |parameters| self.configure(parameters).map(drop));
            self.seen().sets.extend(sets.iter().map(|&parameters| parameters.to_owned()).zip(taken));
        }
    }

    /// Tries what a description promises, and whether the policy is fair with the parameters of cases.
    ///
    /// # Errors
    ///
    /// If its promises cannot be read.
    pub(crate) fn claims(&self, description: &str, cases: &[Case]) -> Result<Vec<Tried>, String> {
        // The cases were run, so the policy is of the kind that is asked about them.
        let kind = cases.first().map_or(Kind::Earning, |case| match case.event.data {
            Data::Registration(_) | Data::Purchase(_) => Kind::Earning,
            Data::Request(_) => Kind::Redemption,
            Data::Run(_) => Kind::Campaign,
        });
        Ok(self.claims_with(&Claims::parse(description)?, kind, &probe::parameters(cases)))
    }

    /// Tries what is promised, and whether the policy of a kind is fair with sets of parameters. Each trial has an equal share of the
    /// fuel that is left: what shows one claim to be false is not lost to another that takes too much.
    pub(crate) fn claims_with(&self, claims: &Claims, kind: Kind, parameters: &[&RawValue]) -> Vec<Tried> {
        self.prepare(claims.promised_parameters().iter().map(Box::as_ref));
        claims.try_by(kind, parameters, |trials| {
            let share = self.cases.left().checked_div(trials.len().try_into().unwrap_or(u64::MAX));
            parallel::map(trials, self.threads, |trial: &Trial<'_>| {
                let fuel = Fuel::within(share.unwrap_or_default());
                trial.run(&|case| self.answer(case, &fuel))
            })
        })
    }

    /// Returns which of the cases whose parameters the policy is to take has some that are not as its description's schema says, if one
    /// has.
    ///
    /// # Errors
    ///
    /// If what it has is no schema, or there is trouble with the compiler.
    pub(crate) fn unfit(&self, description: &str, cases: &[Case]) -> Result<Option<String>, PolicyError> {
        // What cannot be read is told elsewhere.
        let promised =
            Claims::parse(description).map(|claims| claims.promised_parameters()).unwrap_or_default();
        let taken = cases.iter().filter(|case| !matches!(case.expect, Outcome::InvalidParameters(_)));
        let taken = taken.map(|case| (case.parameters.get(), &*case.about));
        let taken = taken.chain(promised.iter().map(|set| (set.get(), "a promise")));
        // As many as are compiled, and none that is refused for its size.
        let sets: BTreeMap<_, _> = taken.filter(|(set, _)| set.len() <= PARAMETERS_BYTES_MAX).collect();
        let sets: Vec<_> = sets.into_iter().take(self.bounds.parameters).collect();
        let unfit = self.store.unfit(description, &sets.iter().map(|(set, _)| *set).collect::<Vec<_>>())?;
        let of = |set: usize| sets.get(set).map(|(_, of)| *of).unwrap_or_default();
        Ok(unfit.map(|(set, error)| format!("{:?}: {error} [{}]", of(set), error.code())))
    }

    /// Returns what the component answers to a case as it stands, with the fuel that it took.
    pub(crate) fn run(&self, case: &Case) -> Result<(Outcome, u64), CaseError> {
        Ok(match self.put(case, &self.cases)? {
            Ok((answer, fuel)) => (outcome(answer), fuel),
            Err(message) => (Outcome::InvalidParameters(message), 0),
        })
    }

    /// Returns what the component answers to a case that may ask for more.
    ///
    /// # Errors
    ///
    /// With what it asked and the case does not state, or why it could not be asked.
    fn answer(&self, case: &Case, fuel: &Fuel) -> Result<Outcome, Unanswered> {
        match self.put(case, fuel) {
            Ok(Ok((Err(Fault::NoAnswer { fact: Some(fact), .. }), _))) => Err(Unanswered::Unstated(fact)),
            Ok(Ok((answer, _))) => Ok(outcome(answer)),
            Ok(Err(message)) => Ok(Outcome::InvalidParameters(message)),
            Err(error @ CaseError::Spent(_)) => Err(Unanswered::Spent(error.to_string())),
            Err(error) => Err(Unanswered::Failed(error.to_string())),
        }
    }

    /// Puts a case to the policy, and returns its answer with the fuel that it took; the refusal of its parameters if they are
    /// refused.
    fn put(&self, case: &Case, fuel: &Fuel) -> Result<Result<Answered, String>, CaseError> {
        let event = event(case)?;
        let policy = match self.policy(case.parameters.get())? {
            Ok(policy) => policy,
            Err(Declined::Parameters(message)) => return Ok(Err(message)),
            Err(Declined::Other(error)) => return Err(CaseError::Policy(error)),
        };
        let asked = Asked::new(case, &event.body, &policy)?;
        if fuel.left() == 0 {
            return Err(CaseError::Spent(fuel.bound));
        }
        let (answer, used) = asked.answer();
        fuel.count(used.max(policy.report().limits().instance_fuel).saturating_add(policy.configure_fuel()));
        Ok(Ok((answer, used)))
    }

    /// Returns the policy with some parameters.
    fn policy(&self, parameters: &str) -> Result<Configured, CaseError> {
        let mut seen = self.seen();
        if let Some(policy) = seen.loaded(parameters) {
            return Ok(Ok(policy));
        }
        match seen.sets.get(parameters) {
            Some(Err(declined)) => return Ok(Err(declined.clone())),
            None if seen.sets.len() >= self.bounds.parameters => {
                return Err(CaseError::TooManySets(self.bounds.parameters));
            }
            Some(Ok(())) | None => {}
        }
        drop(seen);
        let configured = self.configure(parameters);
        let mut seen = self.seen();
        let taken = configured.as_ref().map(|_| ()).map_err(Clone::clone);
        seen.sets.insert(parameters.to_owned(), taken);
        if let Ok(policy) = &configured {
            seen.loaded.truncate(self.threads.get().saturating_sub(1));
            seen.loaded.push_front((parameters.to_owned(), Arc::clone(policy)));
        }
        Ok(configured)
    }

    fn configure(&self, parameters: &str) -> Configured {
        let seen = self.seen();
        let was_taken = matches!(seen.sets.get(parameters), Some(Ok(())));
        if let Some(declined) = seen.none.clone().filter(|_| !was_taken) {
            return Err(declined);
        }
        drop(seen);
        let configured = self.store.policy(self.component, parameters).map_err(Declined::from);
        match &configured {
            Ok(policy) if self.is_script() => self.seen().held = Some(Arc::clone(policy)),
            // It takes too long with these; with others it would as well.
            Err(Declined::Other(error)) if !error.is_of_parameters() => {
                self.seen().none = configured.as_ref().err().cloned();
            }
            Ok(_) | Err(_) => {}
        }
        configured
    }

    fn is_script(&self) -> bool {
        Limits::of(self.component.len()).script
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fuel {
    fn within(bound: u64) -> Self {
        Self { bound, counted: AtomicU64::new(0) }
    }

    fn left(&self) -> u64 {
        self.bound.saturating_sub(self.counted.load(Ordering::Relaxed))
    }

    fn count(&self, used: u64) {
        self.counted.fetch_add(used, Ordering::Relaxed);
    }
}

impl Seen {
    /// Returns a policy that was asked lately, and now is again.
    fn loaded(&mut self, parameters: &str) -> Option<Arc<Policy>> {
        let place = self.loaded.iter().position(|(of, _)| of == parameters)?;
        self.loaded.swap(0, place);
        self.loaded.front().map(|(_, policy)| Arc::clone(policy))
    }
}

/// Returns what an evaluation of a case costs; nothing if its parameters are refused, for then nothing is evaluated.
/// Its time is that on a store, and the pages that it touches are counted on one that is unpooled.
pub(crate) fn measure(
    case: &Case,
    component: &[u8],
    store: &PolicyStore,
    unpooled: &PolicyStore,
) -> Result<Option<Cost>, CaseError> {
    let Ok(cost) = ask(case, component, store, |asked| asked.cost())? else { return Ok(None) };
    let touched_pages = ask(case, component, unpooled, |asked| asked.touched_pages())?.ok().flatten();
    Ok(Some(Cost { touched_pages, ..cost }))
}

/// What an evaluation costs.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Cost {
    /// Fuel, the same on every machine.
    pub(crate) fuel: u64,
    /// Nanoseconds on this one, the median of rounds.
    pub(crate) nanoseconds: u64,
    /// Pages of 4 KiB that it touches; where the system counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) touched_pages: Option<u64>,
}

/// How often a case is put to a policy whose time runs out.
const PATIENCE: usize = 3;

/// Evaluations of one round, over which the clock's own cost vanishes.
const ROUND: u32 = 500;
/// Rounds, of which the median is told.
const ROUNDS: usize = 21;

/// Puts a case to its policy; returns the refusal of its parameters if they are refused.
fn ask<T>(
    case: &Case,
    component: &[u8],
    store: &PolicyStore,
    then: impl FnOnce(&Asked<'_>) -> T,
) -> Result<Result<T, String>, CaseError> {
    let event = event(case)?;
    match store.policy(component, case.parameters.get()) {
        Ok(policy) => Ok(Ok(then(&Asked::new(case, &event.body, &policy)?))),
        Err(PolicyError::Refused(Refusal::ParametersRefused { message })) => Ok(Err(message)),
        Err(error) => Err(CaseError::Policy(Arc::new(error))),
    }
}

fn event(case: &Case) -> Result<Event, CaseError> {
    let event = serde_json::to_vec(&case.event).expect("a case's event is text and integers");
    Event::parse(&event).map_err(CaseError::Event)
}

/// What an evaluation answered, with the fuel that it took.
type Answered = (Result<Outcome, Fault>, u64);

/// A case, put to a policy.
struct Asked<'a> {
    policy: &'a Policy,
    question: Question<'a>,
    facts: Facts,
}

enum Question<'a> {
    Event(Prepared<'a>, Points),
    Request(PreparedRequest<'a>),
    Day(BusinessDay),
}

impl<'a> Asked<'a> {
    fn new(case: &'a Case, body: &'a Body, policy: &'a Policy) -> Result<Self, CaseError> {
        let so_far = Points::new(case.points_so_far).ok_or(CaseError::PointsSoFar(case.points_so_far))?;
        let today = BusinessDay {
            day: case.event.time.day(),
            market_day: case.market_day,
            second_of_day: case.event.time.second_of_day(),
        };
        let facts = case.facts.iter().map(|(fact, answer)| Answer { fact: *fact, value: answer.value() });
        let facts = Facts::Recorded { today: today.day.number(), answers: facts.collect() };
        let question = match (policy.world(), body) {
            (World::Earning, Body::Happening(happening))
                if !matches!(happening.occasion, Occasion::Run(_)) =>
            {
                Question::Event(Prepared::new(&happening.occasion, &case.merchant_category, &today), so_far)
            }
            (World::Redemption, Body::Redemption(Redemption { step: Step::Requested(request), .. })) => {
                let (purpose, wanted) = (&request.purpose, request.wanted);
                Question::Request(PreparedRequest::new(purpose, wanted, &case.merchant_category, &today))
            }
            (World::Campaign, Body::Happening(Happening { occasion: Occasion::Run(_), .. })) => {
                Question::Day(today)
            }
            (world, _) => return Err(CaseError::NotAsked { world, kind: case.event.data.kind() }),
        };
        Ok(Self { policy, question, facts })
    }

    /// Evaluates, and returns what comes of it with the fuel that it took. Where the time ran out, it does so again: what gives way to events
    /// may have had none.
    fn answer(&self) -> Answered {
        let mut answered = self.once();
        for _ in 1..PATIENCE {
            if !matches!(answered, (Err(Fault::Deadline), _)) {
                break;
            }
            answered = self.once();
        }
        answered
    }

    fn once(&self) -> Answered {
        let facts = self.facts.clone();
        match &self.question {
            Question::Event(event, so_far) => of(self.policy.evaluate(event, *so_far, facts), proposed),
            Question::Request(request) => of(self.policy.quote(request, facts), quoted),
            Question::Day(today) => of(self.policy.run(today, facts), acted),
        }
    }

    /// Evaluates once more, and returns the fuel.
    fn fuel(&self) -> u64 {
        let facts = self.facts.clone();
        match &self.question {
            Question::Event(event, so_far) => self.policy.evaluate(event, *so_far, facts).fuel_used,
            Question::Request(request) => self.policy.quote(request, facts).fuel_used,
            Question::Day(today) => self.policy.run(today, facts).fuel_used,
        }
    }

    fn cost(&self) -> Cost {
        let mut rounds: Vec<u64> = (0..ROUNDS).map(|_| self.round()).collect();
        rounds.sort_unstable();
        let nanoseconds = rounds.get(ROUNDS >> 1).copied().unwrap_or_default();
        Cost { fuel: self.fuel(), nanoseconds, touched_pages: None }
    }

    /// Returns the page faults of an evaluation in memory that is reserved anew, over one round.
    fn touched_pages(&self) -> Option<u64> {
        self.round();
        let before = page_faults()?;
        for _ in 0..ROUND {
            black_box(self.fuel());
        }
        let faults = page_faults()?.saturating_sub(before);
        // What the reading itself touches is less than half a page for each.
        faults.saturating_add(u64::from(ROUND >> 1)).checked_div(ROUND.into())
    }

    /// Returns the nanoseconds of an evaluation, over one round.
    #[expect(clippy::disallowed_methods, reason = "this is what is asked for")]
    fn round(&self) -> u64 {
        let start = Instant::now();
        for _ in 0..ROUND {
            black_box(self.fuel());
        }
        let nanoseconds = start.elapsed().as_nanos().div_ceil(ROUND.into());
        u64::try_from(nanoseconds).unwrap_or(u64::MAX)
    }
}

/// Returns how many page faults this thread had that needed no disk (proc_pid_stat(5), `minflt`).
fn page_faults() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").ok()?;
    // The name of the program, in brackets, may have spaces in it.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(7)?.parse().ok()
}

/// Returns the facts of an evaluation as a case states them.
pub(crate) fn stated_facts(evaluation: &Evaluation) -> BTreeMap<Fact, case::Answer> {
    evaluation.facts.iter().map(|answer| (answer.fact, stated(*answer))).collect()
}

fn of<T>(evaluation: jifen_engine::Evaluation<T>, told: fn(T) -> Outcome) -> Answered {
    (evaluation.outcome.map(told), evaluation.fuel_used)
}

fn outcome(answer: Result<Outcome, Fault>) -> Outcome {
    answer.unwrap_or_else(|fault| Outcome::Fault(fault.code().to_owned()))
}

fn proposed(proposal: Proposal) -> Outcome {
    match proposal {
        Proposal::Awards(awards) => Outcome::Awards(awards.into_iter().map(award).collect()),
        Proposal::Declined(code) => Outcome::Declined(code),
    }
}

fn acted(actions: Vec<Action>) -> Outcome {
    let stated = |action| match action {
        Action::Award(it) => case::Action::Award(award(it)),
        Action::Notice(code) => case::Action::Notice(code),
        Action::Grant(unit) => case::Action::Grant(unit.as_str().to_owned()),
    };
    Outcome::Actions(actions.into_iter().map(stated).collect())
}

fn quoted(quote: Quote) -> Outcome {
    match quote {
        Quote::Offered(offer) => Outcome::Offered(self::offer(offer)),
        Quote::Declined(code) => Outcome::Declined(code),
    }
}

fn offer(offer: Offer) -> case::Offer {
    case::Offer {
        points: offer.points.get(),
        cash: offer.cash_minor,
        worth: offer.worth_minor,
        benefit: offer.benefit,
        restrictions: offer.restrictions,
    }
}

fn award(award: jifen_loyalty::Award) -> case::Award {
    case::Award {
        to: match award.to {
            Recipient::Member => case::Recipient::Member,
            Recipient::Referrer => case::Recipient::Referrer,
        },
        points: award.points.get(),
        reason: award.reason,
        unit: award.unit.map(|unit| unit.as_str().to_owned()),
        available_from: award.available_from.map(Date::from_number),
        valid_until: award.valid_until.map(Date::from_number),
        line: award.line,
    }
}

/// Returns an answer as people write it: days as dates, yes and no as such.
fn stated(answer: Answer) -> case::Answer {
    let day = || i32::try_from(answer.value).ok().filter(|day| *day != 0).map(Date::from_number);
    match answer.fact {
        Fact::PurchasesLastDay | Fact::MembershipRegisteredDay => case::Answer::Day(day()),
        Fact::MembershipReferred
        | Fact::ReferralPresent
        | Fact::ReferralSamePerson
        | Fact::BirthdayCivilToday
        | Fact::BirthdayCivilMonth
        | Fact::BirthdayLunarToday
        | Fact::BirthdayLeapLunarToday
        | Fact::BirthdayLunarMonth => case::Answer::Flag(answer.value != 0),
        Fact::PurchasesLifetimeCount
        | Fact::PurchasesLifetimeSpendMinor
        | Fact::PurchasesCountSince(_)
        | Fact::PurchasesSpendMinorSince(_)
        | Fact::AwardsGrantedSince(_)
        | Fact::ExpiringUntoldUntil(_)
        | Fact::TierLevel
        | Fact::TierEarnedSince(_)
        | Fact::BalanceAvailable
        | Fact::BalancePending => case::Answer::Number(answer.value),
    }
}
