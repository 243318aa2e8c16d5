//! Configures a policy once, and writes the configured memory back as a component.
//!
//! Every evaluation then starts from that memory, and parameters are parsed once instead of each time. Wizer makes a
//! component that also exports what is inside (memory and globals); we instantiate it, call `configure`, and hand what
//! we read back to wizer, which writes it into the original. What wizer cannot take (several instances of a module,
//! tables that change) is configured in each fresh instance instead.

use std::any::Any;
use std::future::{self, Future};
use std::panic::{self, AssertUnwindSafe};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use jifen_engine::exports::Exports;
use jifen_engine::host::{Host, linker};
use jifen_engine::limits::{self, Limits};
use jifen_engine::sealed::Compiled;
use jifen_engine::{Refusal, Report, World};
use wasmtime::component::{Component, Instance, Lift, WasmList};
use wasmtime::{Engine, Error, OptLevel, Result, Store};
use wasmtime_wizer::{ComponentContext, ComponentInstanceState, Wizer};

use crate::compile::config;

/// Fuel to read the memory out with, in a few calls of a few instructions.
const READ_FUEL: u64 = 100_000_000;

/// A policy that took its parameters, or was not asked whether it does.
#[derive(Default)]
pub(crate) struct Configured {
    /// The component with its memory as `configure` left it; `None` where no snapshot could be taken.
    pub(crate) snapshot: Option<Vec<u8>>,
    /// What `configure` used.
    pub(crate) fuel: u64,
}

/// The code that configures a component, with any parameters. Compiling it is most of what a small policy takes.
pub(crate) struct Configurator<'c> {
    engine: Engine,
    wizer: Wizer,
    /// The component as wizer knows it, if it can add exports to it.
    context: Option<ComponentContext<'c>>,
    code: Component,
}

impl<'c> Configurator<'c> {
    /// Loads what came; compiles it where nothing did, and returns the code, too.
    ///
    /// # Errors
    ///
    /// If it cannot be compiled.
    pub(crate) fn new(
        component: &'c [u8],
        came: Option<Compiled<'_>>,
    ) -> std::result::Result<(Self, Option<Vec<u8>>), Refusal> {
        let not_compiled = |error| Refusal::not_compiled(&error);
        let (engine, wizer) = (engine().map_err(not_compiled)?, wizer());
        let (context, instrumented) = quietly(|| wizer.instrument_component(component)).unzip();
        // That of another processor is made anew.
        let (code, new) = match came.and_then(|came| came.load(&engine).ok()) {
            Some((code, _)) => (code, None),
            None => {
                let runs = instrumented.as_deref().unwrap_or(component);
                let code = Component::new(&engine, runs).map_err(not_compiled)?;
                let new = code.serialize().ok();
                (code, new)
            }
        };
        Ok((Self { engine, wizer, context, code }, new))
    }

    /// Runs `configure`, and takes a snapshot if that is possible.
    ///
    /// # Errors
    ///
    /// If the component does not keep the contract, or refuses its parameters, or fails in `configure`.
    pub(crate) fn configure(
        &self,
        report: &Report,
        parameters: &str,
    ) -> std::result::Result<Configured, Refusal> {
        let mut running =
            Running::start(&self.engine, &self.code, report.world, parameters, report.limits())?;
        let context = self.context.as_ref();
        let snapshot = context.and_then(|context| quietly(|| running.read_out(&self.wizer, context)));
        Ok(Configured { snapshot, fuel: running.fuel })
    }
}

/// The engine of what configures: it runs once for each set of parameters.
fn engine() -> Result<Engine> {
    let mut config = config(OptLevel::None);
    // A copy-on-write image would be a file in memory, and this process may write none.
    config.memory_init_cow(false);
    Engine::new(&config)
}

fn wizer() -> Wizer {
    let mut wizer = Wizer::new();
    wizer.keep_init_func(true);
    wizer
}

/// Runs a step of wizer, which gives up by an error or by a panic. Either way there is no snapshot.
fn quietly<T>(step: impl FnOnce() -> Result<T>) -> Option<T> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let done: std::result::Result<Result<T>, Box<dyn Any + Send>> =
        panic::catch_unwind(AssertUnwindSafe(step));
    panic::set_hook(hook);
    done.ok()?.ok()
}

/// An instance that was configured.
struct Running {
    store: Store<Host>,
    instance: Instance,
    fuel: u64,
}

impl Running {
    fn start(
        engine: &Engine,
        component: &Component,
        world: World,
        parameters: &str,
        limits: &'static Limits,
    ) -> std::result::Result<Self, Refusal> {
        let linked = linker(engine).and_then(|linker| linker.instantiate_pre(component));
        let linked = linked.map_err(|error| Refusal::wrong_types(&error))?;
        let (mut store, fuel) = (store(engine, limits), limits.configure_fuel);
        let instance = linked.instantiate(&mut store).map_err(|error| Refusal::failed(&error, fuel))?;
        let exports = Exports::find(component, world).map_err(|error| Refusal::wrong_types(&error))?;
        exports.start(&mut store, &instance, parameters, fuel)?;
        Ok(Self { fuel: fuel.saturating_sub(store.get_fuel().unwrap_or(0)), store, instance })
    }

    /// Reads the state out and returns the component with it.
    fn read_out(&mut self, wizer: &Wizer, context: &ComponentContext<'_>) -> Result<Vec<u8>> {
        self.store.set_fuel(READ_FUEL)?;
        // The memory is handed over through a page that is added to it.
        self.store.data_mut().grant_memory();
        let mut reader = Reader { store: &mut self.store, instance: self.instance, failure: None };
        let snapshot = at_once(wizer.snapshot_component(context, &mut reader))?;
        reader.failure.map_or(snapshot, Err)
    }
}

fn store(engine: &Engine, limits: &'static Limits) -> Store<Host> {
    let mut store = Store::new(engine, Host::configuring(limits));
    store.limiter(|host| host);
    store.set_hostcall_fuel(limits::ANSWER_BYTES_MAX.saturating_mul(2));
    store.set_fuel(limits.configure_fuel).expect("the configuration has fuel");
    // Nothing advances the epoch here: the process has its own limit on time.
    store.set_epoch_deadline(1);
    store
}

/// Reads state through the functions that wizer added.
struct Reader<'a> {
    store: &'a mut Store<Host>,
    instance: Instance,
    failure: Option<Error>,
}

impl Reader<'_> {
    fn call<R: Lift + 'static>(&mut self, instance: &str, function: &str) -> Result<R> {
        let missing = || Error::msg("wizer's export is missing");
        let instance_index =
            self.instance.get_export_index(&mut *self.store, None, instance).ok_or_else(missing)?;
        let function = self.instance.get_export_index(&mut *self.store, Some(&instance_index), function);
        let function = function.ok_or_else(missing)?;
        let function = self.instance.get_typed_func::<(), (R,)>(&mut *self.store, function)?;
        Ok(function.call(&mut *self.store, ())?.0)
    }

    fn read<R: Lift + Default + 'static>(&mut self, instance: &str, function: &str) -> R {
        self.call(instance, function).unwrap_or_else(|error| {
            self.failure = Some(error);
            R::default()
        })
    }
}

impl ComponentInstanceState for Reader<'_> {
    fn call_func_ret_list_u8(
        &mut self,
        instance: &str,
        func: &str,
        contents: impl FnOnce(&[u8]) + Send,
    ) -> impl Future<Output = ()> + Send {
        match self.call::<WasmList<u8>>(instance, func) {
            Ok(list) => contents(list.as_le_slice(&*self.store)),
            Err(error) => self.failure = Some(error),
        }
        future::ready(())
    }

    fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> impl Future<Output = i32> + Send {
        future::ready(self.read(instance, func))
    }

    fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> impl Future<Output = i64> + Send {
        future::ready(self.read(instance, func))
    }

    fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> impl Future<Output = u32> + Send {
        future::ready(self.read::<f32>(instance, func).to_bits())
    }

    fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> impl Future<Output = u64> + Send {
        future::ready(self.read::<f64>(instance, func).to_bits())
    }
}

/// Runs a future that waits for nothing: wizer is written for asynchronous hosts, and ours answers at once.
fn at_once<T>(future: impl Future<Output = T>) -> Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err(Error::msg("the snapshot waits for something")),
    }
}
