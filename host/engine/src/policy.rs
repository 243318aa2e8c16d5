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
use wasmtime::{PoolConcurrencyLimitError, Result, Store};

use crate::answer::{Question, Terms};
use crate::bindings::{Day, Occasion, Purpose};
use crate::contract::World;
use crate::exports::Exports;
use crate::fault::fault;
use crate::host::{Host, linker};
use crate::sealed::Report;
use crate::{config, limits};

/// The engine that all policies of a host share.
#[derive(Clone)]
pub struct Engine {
    wasmtime: wasmtime::Engine,
    linker: Arc<Linker<Host>>,
}

/// A policy, configured and loaded.
pub struct Policy {
    instance: InstancePre<Host>,
    exports: Exports,
    /// Where no snapshot could be taken: what each fresh instance is configured with.
    parameters: Option<String>,
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

    fn of(wasmtime: wasmtime::Engine) -> Result<Self> {
        tick(&wasmtime)?;
        Ok(Self { linker: Arc::new(linker(&wasmtime)?), wasmtime })
    }

    /// Returns how many slots are taken now; `None` without a pool.
    pub fn slots_taken(&self) -> Option<u64> {
        self.wasmtime.pooling_allocator_metrics().map(|metrics| metrics.component_instances())
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
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

impl Policy {
    /// Resolves the imports and checks the exports of compiled code.
    ///
    /// # Errors
    ///
    /// If the component is not one of the contract.
    pub(crate) fn new(
        engine: &Engine,
        component: &Component,
        report: Report,
        parameters: &str,
    ) -> Result<Self> {
        let instance = engine.linker.instantiate_pre(component)?;
        let exports = Exports::find(component, report.world)?;
        let parameters = (!report.snapshotted).then(|| parameters.to_owned());
        Ok(Self { instance, exports, parameters, report })
    }

    /// Returns what it is asked: to evaluate events, to quote requests, or to run on a day.
    pub fn world(&self) -> World {
        self.report.world
    }

    /// Returns what the compiler found out about the policy.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Returns which facts the policy can ask, such as `purchases.spend-minor-since`, in alphabetical order.
    pub fn facts(&self) -> &[String] {
        &self.report.facts
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
        let mut store = self.store();
        let outcome = self.call(&mut store, question, facts);
        let fuel_used = limits::EVALUATION_FUEL_MAX.saturating_sub(store.get_fuel().unwrap_or(0));
        let (asked, log) = store.into_data().into_asked_and_log();
        let outcome = match outcome {
            Ok(answer) => check(answer),
            Err(error) => Err(fault(&error, limits::EVALUATION_FUEL_MAX)),
        };
        Evaluation { outcome, fuel_used, asked, log }
    }

    fn store(&self) -> Store<Host> {
        let mut store = Store::new(self.instance.engine(), Host::configuring());
        store.limiter(|host| host);
        store.set_epoch_deadline(limits::EPOCHS_MAX);
        store.set_hostcall_fuel(limits::ANSWER_BYTES_MAX);
        store
    }

    fn call<Q, A>(&self, store: &mut Store<Host>, question: Q, facts: Facts) -> Result<A>
    where
        Q: ComponentNamedList + Lower,
        A: Lift + 'static,
    {
        store.set_fuel(limits::EVALUATION_FUEL_MAX)?;
        let instance = self.instantiate(store)?;
        if let Some(parameters) = &self.parameters {
            self.configure(store, &instance, parameters)?;
            store.set_fuel(limits::EVALUATION_FUEL_MAX)?;
        }
        store.data_mut().configured(facts);
        self.exports.ask(store, &instance, question)
    }

    fn configure(&self, store: &mut Store<Host>, instance: &Instance, parameters: &str) -> Result<()> {
        store.set_fuel(limits::CONFIGURE_FUEL_MAX)?;
        let configured = self.exports.configure(store, instance, parameters)?;
        configured.map_err(wasmtime::Error::msg)
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
        f.debug_struct("Policy").field("report", &self.report).finish_non_exhaustive()
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
