//! From a component and its parameters to machine code.

use std::time::Instant;

use jifen_engine::limits::CONFIGURATOR_BYTES_MAX;
use jifen_engine::sealed::{Compiled, JobKey};
use jifen_engine::{Refusal, Report, config};
use wasmtime::{Config, Engine, OptLevel};

use crate::inspect::inspect;
use crate::prune::prune;
use crate::snapshot::{Configurator, Configured};

/// A component's configurator, as it goes to and fro between the host and us.
pub(crate) struct Kept {
    /// Under which key.
    pub(crate) key: JobKey,
    /// What came, and then what goes, sealed; nothing where there is none, or it need not go.
    pub(crate) sealed: Vec<u8>,
}

/// Inspects, configures and compiles.
///
/// # Errors
///
/// With the first reason not to take the component or its parameters.
pub(crate) fn compile(
    component: &[u8],
    parameters: &str,
    kept: &mut Kept,
) -> Result<(Report, Vec<u8>), Refusal> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the report says how long compiling took; nothing is decided by it"
    )]
    let start = Instant::now();
    let report = inspect(component)?;
    let configured = match report.limits().script {
        true => Configured::default(),
        false => kept.configurator(component, &report)?.configure(&report, parameters)?,
    };
    let snapshot = configured.snapshot.map(|snapshot| prune(&snapshot)).transpose();
    let snapshot = snapshot.map_err(|error| Refusal::not_compiled(&error.into()))?;
    let runs = snapshot.as_deref().unwrap_or(component);
    let code = Engine::new(&config(OptLevel::Speed)).and_then(|engine| engine.precompile_component(runs));
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

impl Kept {
    /// Loads the configurator that came, or makes one, which goes then.
    fn configurator<'c>(
        &mut self,
        component: &'c [u8],
        report: &Report,
    ) -> Result<Configurator<'c>, Refusal> {
        let came = std::mem::take(&mut self.sealed);
        let came: Option<Compiled<'_>> = self.key.open(&came);
        let (configurator, new) = Configurator::new(component, came)?;
        let sealed = new.map(|code| self.key.seal(report, &code));
        self.sealed = sealed.filter(|sealed| sealed.len() <= CONFIGURATOR_BYTES_MAX).unwrap_or_default();
        Ok(configurator)
    }
}

/// The configuration of code that a policy runs: the shared one, and what only a compiler can be told.
pub(crate) fn config(level: OptLevel) -> Config {
    let mut config = config::config();
    config.cranelift_opt_level(level);
    // The bits of a NaN are the one thing that WebAssembly leaves to the machine.
    config.cranelift_nan_canonicalization(true);
    config
}

pub(crate) fn bytes(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
