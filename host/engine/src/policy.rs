//! Policies, loaded and ready: each evaluation runs in an instance that never ran before and never will again.
//!
//! A [`Policy`] is compiled code whose imports are resolved and whose exports are checked. It is immutable and shared;
//! what an evaluation uses lives in a `Store` of its own, taken from a pool and given back. What is the same for all
//! deployments is converted once an event, in [`Prepared`] and [`PreparedRequest`].

use std::sync::Arc;
use std::{fmt, thread};

use jifen_loyalty::day::BusinessDay;
use jifen_loyalty::event;
use jifen_loyalty::facts::{Answer, Facts};
use jifen_loyalty::points::Points;
use jifen_loyalty::proposal::{Action, Fault, Proposal, Quote};
use wasmtime::component::{Component, ComponentNamedList, Instance, InstancePre, Lift, Linker, Lower};
use wasmtime::{PoolConcurrencyLimitError, Result, Store, Trap};

use crate::answer::{Question, Terms};
use crate::bindings::{Day, Occasion, Purpose};
use crate::config;
use crate::contract::World;
use crate::exports::Exports;
use crate::fault::fault;
use crate::host::{Host, Refused, linker};
use crate::limits::{self, Limits};
use crate::refusal::Refusal;
use crate::sealed::Report;

/// The engine that all policies of a host share.
#[derive(Clone)]
pub struct Engine {
    ordinary: Runtime,
    /// Of policies that bring an interpreter along, of which each instance is reserved for anew: slots for it would be large, and few.
    script: Runtime,
}

/// What policies of a class run on.
#[derive(Clone)]
struct Runtime {
    wasmtime: wasmtime::Engine,
    linker: Arc<Linker<Host>>,
}

/// A policy, configured and loaded.
pub struct Policy {
    code: Arc<Code>,
    /// Where no snapshot was taken: what each fresh instance is configured with, and the fuel that takes.
    configured: Option<(String, u64)>,
}

/// Compiled code, loaded.
pub(crate) struct Code {
    instance: InstancePre<Host>,
    exports: Exports,
    limits: &'static Limits,
    report: Report,
}

/// An event as the contract has it, for every deployment that it concerns.
pub struct Prepared<'e> {
    occasion: Option<Occasion<'e>>,
    today: Day,
    question: Question,
}

/// A wish to use points as the contract has it.
pub struct PreparedRequest<'e> {
    purpose: Purpose<'e>,
    today: Day,
    wanted: Option<u64>,
    terms: Terms,
}

/// What an evaluation left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation<T = Proposal> {
    /// The policy's answer, or how it failed to give one.
    pub outcome: Result<T, Fault>,
    /// The fuel it used, the same on every machine.
    pub fuel_used: u64,
    /// The questions it asked, in that order, each once, with what it was told.
    pub asked: Vec<Answer>,
    /// What it wrote for its author, without control characters.
    pub log: String,
}

impl Engine {
    /// Returns an engine with slots for instances; where their address space cannot be reserved, one that reserves for
    /// each instance anew, which is slower by a factor of seven and gives the same answers.
    ///
    /// # Errors
    ///
    /// Where wasmtime does not run at all, such as on a processor it does not know.
    pub fn new() -> Result<Self> {
        let pooled = wasmtime::Engine::new(&config::pooled());
        Self::of(pooled.or_else(|_| wasmtime::Engine::new(&config::config()))?)
    }

    /// Returns an engine that reserves for each instance anew, so that each page which an evaluation touches is a page fault.
    ///
    /// # Errors
    ///
    /// Those of [`Self::new`].
    pub fn unpooled() -> Result<Self> {
        Self::of(wasmtime::Engine::new(&config::config())?)
    }

    fn of(ordinary: wasmtime::Engine) -> Result<Self> {
        let script = wasmtime::Engine::new(&config::config())?;
        tick(&ordinary)?;
        tick(&script)?;
        Ok(Self { ordinary: Runtime::of(ordinary)?, script: Runtime::of(script)? })
    }

    /// Returns how many slots are taken now; `None` without a pool.
    pub fn slots_taken(&self) -> Option<u64> {
        self.ordinary.wasmtime.pooling_allocator_metrics().map(|metrics| metrics.component_instances())
    }

    fn runtime(&self, limits: &Limits) -> &Runtime {
        if limits.script { &self.script } else { &self.ordinary }
    }

    /// Returns the engine that runs policies of a class.
    pub(crate) fn wasmtime(&self, limits: &Limits) -> &wasmtime::Engine {
        &self.runtime(limits).wasmtime
    }
}

impl Runtime {
    fn of(wasmtime: wasmtime::Engine) -> Result<Self> {
        Ok(Self { linker: Arc::new(linker(&wasmtime)?), wasmtime })
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("slots_taken", &self.slots_taken()).finish_non_exhaustive()
    }
}

/// Starts the thread that advances the epoch. It ends with the engine.
fn tick(engine: &wasmtime::Engine) -> Result<()> {
    let engine = engine.weak();
    let ticking = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(limits::EPOCH_TICK);
        }
    };
    thread::Builder::new().name("epoch".to_owned()).spawn(ticking)?;
    Ok(())
}

impl Code {
    /// Resolves the imports and checks the exports of compiled code.
    ///
    /// # Errors
    ///
    /// If the component is not one of the contract.
    pub(crate) fn new(
        engine: &Engine,
        component: &Component,
        report: Report,
    ) -> std::result::Result<Self, Refusal> {
        let limits = report.limits();
        let linked = engine.runtime(limits).linker.instantiate_pre(component);
        let instance = linked.map_err(|error| Refusal::wrong_types(&error))?;
        let exports = Exports::find(component, report.world).map_err(|error| Refusal::wrong_types(&error))?;
        Ok(Self { instance, exports, limits, report })
    }

    fn store(&self) -> Store<Host> {
        let mut store = Store::new(self.instance.engine(), Host::configuring(self.limits));
        store.limiter(|host| host);
        store.set_epoch_deadline(self.limits.epochs);
        store.set_hostcall_fuel(limits::ANSWER_BYTES_MAX);
        store
    }

    /// Takes a slot. When all are taken, one is free again within microseconds: waiting is shorter than any queue.
    fn instantiate(&self, store: &mut Store<Host>) -> Result<Instance> {
        loop {
            match self.instance.instantiate(&mut *store) {
                Err(error) if error.is::<PoolConcurrencyLimitError>() => thread::yield_now(),
                instance => return instance,
            }
        }
    }

    /// Sees that a fresh instance takes parameters, and returns the fuel that this takes.
    fn try_parameters(&self, parameters: &str) -> std::result::Result<u64, Refusal> {
        let (mut store, fuel) = (self.store(), self.limits.configure_fuel);
        let instance = store.set_fuel(fuel).and_then(|()| self.instantiate(&mut store));
        let instance = instance.map_err(|error| Refusal::failed(&error, fuel))?;
        self.exports.start(&mut store, &instance, parameters, fuel)?;
        Ok(fuel.saturating_sub(store.get_fuel().unwrap_or(0)))
    }
}

impl Policy {
    /// Returns the policy that code is with parameters.
    ///
    /// # Errors
    ///
    /// If each instance is configured anew, and one does not take the parameters.
    pub(crate) fn new(code: Arc<Code>, parameters: &str) -> std::result::Result<Self, Refusal> {
        if code.report.snapshotted {
            return Ok(Self { code, configured: None });
        }
        let fuel = code.try_parameters(parameters)?;
        Ok(Self { code, configured: Some((parameters.to_owned(), fuel)) })
    }

    /// Returns what making an instance counts as, in fuel, which is not among what an evaluation uses: nothing where it begins
    /// configured.
    pub fn configure_fuel(&self) -> u64 {
        self.configured.as_ref().map_or(0, |(_, fuel)| *fuel)
    }

    /// Returns what it is asked: to evaluate events, to quote requests, or to run on a day.
    pub fn world(&self) -> World {
        self.code.report.world
    }

    /// Returns what the compiler found out about the policy.
    pub fn report(&self) -> &Report {
        &self.code.report
    }

    /// Returns which facts the policy can ask, such as `purchases.spend-minor-since`, in alphabetical order.
    pub fn facts(&self) -> &[String] {
        &self.code.report.facts
    }

    /// Evaluates one event in a fresh instance. `points_so_far` is what earlier lanes granted in the deployment's unit.
    ///
    /// Asked of a policy of another world than [`World::Earning`], or about a day of a campaign, this is
    /// [`Fault::AnswerUnreadable`].
    pub fn evaluate(&self, event: &Prepared<'_>, points_so_far: Points, facts: Facts) -> Evaluation {
        let Some(occasion) = &event.occasion else {
            let outcome =
                Err(Fault::AnswerUnreadable { why: "no earning policy is asked about it".to_owned() });
            return Evaluation { outcome, fuel_used: 0, asked: Vec::new(), log: String::new() };
        };
        let question = (occasion, event.today, points_so_far.get());
        self.ask(question, facts, |answer| event.question.check(answer))
    }

    /// Asks in a fresh instance what is done for a member on a day.
    ///
    /// Asked of a policy of another world than [`World::Campaign`], this is [`Fault::AnswerUnreadable`].
    pub fn run(&self, today: &BusinessDay, facts: Facts) -> Evaluation<Vec<Action>> {
        let question = Question { today: today.day.number(), lines: 0 };
        self.ask((Day::from(today),), facts, |answer| question.check_actions(answer))
    }

    /// Quotes one request in a fresh instance.
    ///
    /// Asked of a policy of another world than [`World::Redemption`], this is [`Fault::AnswerUnreadable`].
    pub fn quote(&self, request: &PreparedRequest<'_>, facts: Facts) -> Evaluation<Quote> {
        let question = (&request.purpose, request.today, request.wanted);
        self.ask(question, facts, |answer| request.terms.check(answer))
    }

    fn ask<Q, A, T>(
        &self,
        question: Q,
        facts: Facts,
        check: impl FnOnce(A) -> Result<T, Fault>,
    ) -> Evaluation<T>
    where
        Q: ComponentNamedList + Lower,
        A: Lift + 'static,
    {
        let (mut store, fuel) = (self.code.store(), self.code.limits.evaluation_fuel);
        let outcome = self.call(&mut store, question, facts);
        let fuel_used = fuel.saturating_sub(store.get_fuel().unwrap_or(0));
        let (asked, log) = store.into_data().into_asked_and_log();
        let outcome = match outcome {
            Ok(answer) => check(answer),
            Err(error) => Err(fault(&error, fuel)),
        };
        Evaluation { outcome, fuel_used, asked, log }
    }

    fn call<Q, A>(&self, store: &mut Store<Host>, question: Q, facts: Facts) -> Result<A>
    where
        Q: ComponentNamedList + Lower,
        A: Lift + 'static,
    {
        let Code { exports, limits, .. } = &*self.code;
        store.set_fuel(limits.evaluation_fuel)?;
        let instance = match self.code.instantiate(store) {
            // One was made when the policy was loaded. That this machine has no memory for another now is no answer of the policy's.
            Err(error) if limits.script && !error.is::<Trap>() && !error.is::<Refused>() => {
                panic!("no instance can be made: {error:#}")
            }
            instance => instance?,
        };
        if let Some((parameters, _)) = &self.configured {
            store.set_fuel(limits.configure_fuel)?;
            exports.configure(store, &instance, parameters)?.map_err(wasmtime::Error::msg)?;
            store.set_fuel(limits.evaluation_fuel)?;
        }
        store.data_mut().configured(facts);
        exports.ask(store, &instance, question)
    }
}

impl<'e> Prepared<'e> {
    /// Converts an event. `merchant_category` is the business of its merchant, empty where there is none.
    pub fn new(occasion: &'e event::Occasion, merchant_category: &'e str, today: &BusinessDay) -> Self {
        let lines = match occasion {
            event::Occasion::Registration(_) | event::Occasion::Run(_) => 0,
            event::Occasion::Purchase(purchase) => purchase.lines.len(),
        };
        let occasion = Occasion::new(occasion, merchant_category);
        Self { occasion, today: Day::from(today), question: Question { today: today.day.number(), lines } }
    }
}

impl<'e> PreparedRequest<'e> {
    /// Converts a request. `merchant_category` is the business of its merchant; `None` wants as many points as the rule
    /// allows.
    pub fn new(
        purpose: &'e event::Purpose,
        wanted: Option<Points>,
        merchant_category: &'e str,
        today: &BusinessDay,
    ) -> Self {
        let payable_minor = match purpose {
            event::Purpose::Item { .. } => 0,
            event::Purpose::Bill(bill) => bill.payable_minor(),
        };
        let purpose = Purpose::new(purpose, merchant_category);
        let wanted = wanted.map(Points::get);
        Self { purpose, today: Day::from(today), wanted, terms: Terms { payable_minor } }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("report", self.report()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Prepared<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("question", &self.question).finish_non_exhaustive()
    }
}

impl fmt::Debug for PreparedRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedRequest").field("terms", &self.terms).finish_non_exhaustive()
    }
}
