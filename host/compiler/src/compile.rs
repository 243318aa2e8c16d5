//! From a component and its parameters to machine code.

use std::time::Instant;

use jifen_engine::{Refusal, Report, config};
use wasmtime::{Engine, OptLevel, Result};

use crate::inspect::inspect;
use crate::prune::prune;
use crate::snapshot::{Configured, configure};

/// Inspects, configures and compiles.
///
/// # Errors
///
/// With the first reason not to take the component or its parameters.
pub(crate) fn compile(component: &[u8], parameters: &str) -> std::result::Result<(Report, Vec<u8>), Refusal> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the report says how long compiling took; nothing is decided by it"
    )]
    let start = Instant::now();
    let report = inspect(component)?;
    let configured = match report.limits().script {
        true => Configured::default(),
        false => configure(component, &report, parameters)?,
    };
    let snapshot = configured.snapshot.map(|snapshot| prune(&snapshot)).transpose();
    let snapshot = snapshot.map_err(|error| Refusal::not_compiled(&error.into()))?;
    let runs = snapshot.as_deref().unwrap_or(component);
    let code = engine().and_then(|engine| engine.precompile_component(runs));
    let code = code.map_err(|error| Refusal::not_compiled(&error))?;
    let report = Report {
        configure_fuel: configured.fuel,
        snapshotted: snapshot.is_some(),
        code_bytes: bytes(code.len()),
        compile_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        ..report
    };
    Ok((report, code))
}

/// The engine whose code the host loads: the shared configuration, and what only a compiler can be told.
fn engine() -> Result<Engine> {
    let mut config = config::config();
    config.cranelift_opt_level(OptLevel::Speed);
    // The bits of a NaN are the one thing that WebAssembly leaves to the machine.
    config.cranelift_nan_canonicalization(true);
    Engine::new(&config)
}

pub(crate) fn bytes(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
