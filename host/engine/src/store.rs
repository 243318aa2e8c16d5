//! Where policies come from: the disk cache, or else the compiler.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, futimens};
use wasmtime::component::Component;

use crate::child::{self, Answered, CompileError};
use crate::fault::bytes;
use crate::limits::{self, CONFIGURATOR_BYTES_MAX, Limits, SCRIPT};
use crate::policy::{Code, Engine, Policy};
use crate::protocol::{Request, Response, Task};
use crate::refusal::Refusal;
use crate::sealed::{Compiled, FRESH, Job, Key, Report, temporary, write_new};
use crate::words::clean;

/// Why there is no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The component or its parameters are not taken.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The parameters are not a JSON object within bounds.
    #[error("parameters: {why}")]
    Parameters {
        /// What is wrong, and where.
        why: String,
    },
    /// The compiler gave no answer.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The component cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The cache folder cannot be used.
    #[error("cannot use the cache folder {}", path.display())]
    Cache {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The host cannot run what its compiler made.
    #[error("the host and {} do not fit together; build both from the same tree", compiler.display())]
    Mismatch {
        /// The compiler.
        compiler: PathBuf,
        /// What wasmtime says.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// There is no engine.
    #[error("wasmtime does not run on this machine")]
    NoEngine(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl PolicyError {
    /// Returns whether the component or its parameters are at fault, and not this machine.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Parameters { .. } => true,
            // A busy machine passes a deadline, too.
            Self::Compile(error) => {
                !matches!(error, CompileError::Missing { .. } | CompileError::Deadline { .. })
            }
            Self::Unreadable { .. } | Self::Cache { .. } | Self::Mismatch { .. } | Self::NoEngine(_) => false,
        }
    }

    /// Returns whether this is about the parameters, so that others may be taken.
    pub fn is_of_parameters(&self) -> bool {
        match self {
            Self::Parameters { .. } => true,
            Self::Refused(refusal) => matches!(
                refusal,
                Refusal::ParametersRefused { .. }
                    | Refusal::ParametersUnfit { .. }
                    | Refusal::ConfigureFailed { .. }
                    | Refusal::FactsInConfigure
            ),
            Self::Compile(_)
            | Self::Unreadable { .. }
            | Self::Cache { .. }
            | Self::Mismatch { .. }
            | Self::NoEngine(_) => false,
        }
    }

    /// Returns the stable code for scripts and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Parameters { .. } => "parameters",
            Self::Compile(error) => error.code(),
            Self::Unreadable { .. } => "unreadable",
            Self::Cache { .. } => "cache",
            Self::Mismatch { .. } => "compiler-mismatch",
            Self::NoEngine(_) => "no-engine",
        }
    }
}

/// How the name of a compiled policy's file ends.
const ENTRY: &str = "policy";

/// How the name of a configurator's file ends: of the code that configures a component with any parameters.
const CONFIGURATOR: &str = "configurator";

/// Bytes of parameters that the compiler is sent at a time, so that they fit into a message.
const PARAMETERS_AT_A_TIME: usize = 256 << 10;

/// The times of a file that was asked for.
const ASKED_NOW: Timestamps = Timestamps {
    last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
    last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
};

/// Policies by component and parameters, compiled once and kept, and shared by all programs that run them.
#[derive(Debug)]
pub struct PolicyStore {
    engine: Engine,
    shared: Mutex<Shared>,
    /// Somebody has done a job, or failed.
    ended: Condvar,
    cache: PathBuf,
    key: Key,
    compiler: PathBuf,
    /// Held while a script is compiled.
    script: Mutex<()>,
    cache_bytes_max: u64,
    /// How long the compiler may take, if not as long as a component of the class may.
    compile_wall_max: Option<Duration>,
}

/// What all who ask have in common.
#[derive(Debug, Default)]
struct Shared {
    /// Policies that somebody runs.
    loaded: BTreeMap<Job, Weak<Policy>>,
    /// Code that somebody runs.
    code: BTreeMap<Job, Weak<Code>>,
    /// Jobs that somebody is at: whoever else wants the same waits for it.
    under_way: BTreeSet<Job>,
}

/// A job that nobody else is at.
struct Turn<'a> {
    store: &'a PolicyStore,
    job: Job,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.store.shared().under_way.remove(&self.job);
        self.store.ended.notify_all();
    }
}

impl PolicyStore {
    /// Opens a store on a cache folder, which is made if it is not there, and the path of `jifen-compile`. The compiler
    /// runs only when the cache does not have what is asked for.
    ///
    /// # Errors
    ///
    /// If the folder cannot be used, or wasmtime does not run here.
    pub fn open(cache: impl Into<PathBuf>, compiler: impl Into<PathBuf>) -> Result<Self, PolicyError> {
        let cache = cache.into();
        let unusable = |source| PolicyError::Cache { path: cache.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&cache).map_err(unusable)?;
        let key = Key::of(&cache).map_err(unusable)?;
        let engine = Engine::new().map_err(|error| PolicyError::NoEngine(error.into()))?;
        let (shared, ended, compiler) = (Mutex::default(), Condvar::new(), compiler.into());
        let (script, cache_bytes_max) = (Mutex::default(), limits::CACHE_BYTES_MAX);
        let compile_wall_max = None;
        Ok(Self { engine, shared, ended, cache, key, compiler, script, cache_bytes_max, compile_wall_max })
    }

    /// Sets an engine that reserves for each instance anew: see [`Engine::unpooled`].
    ///
    /// # Errors
    ///
    /// If wasmtime does not run here.
    pub fn unpooled(self) -> Result<Self, PolicyError> {
        let engine = Engine::unpooled().map_err(|error| PolicyError::NoEngine(error.into()))?;
        Ok(Self { engine, shared: Mutex::default(), ..self })
    }

    /// Opens a store with the same compiler on another cache folder, with an engine of its own.
    ///
    /// # Errors
    ///
    /// If the folder cannot be used, or wasmtime does not run here.
    pub fn elsewhere(&self, cache: impl Into<PathBuf>) -> Result<Self, PolicyError> {
        Self::open(cache, &self.compiler)
    }

    /// Sets how long the compiler may take, in wall-clock time.
    #[must_use]
    pub fn with_compile_wall_max(mut self, compile_wall_max: Duration) -> Self {
        self.compile_wall_max = Some(compile_wall_max);
        self
    }

    /// Sets how many bytes of compiled policies are kept.
    #[must_use]
    pub fn with_cache_bytes_max(mut self, cache_bytes_max: u64) -> Self {
        self.cache_bytes_max = cache_bytes_max;
        self
    }

    /// Returns the engine on which the policies run.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Reads a component from a file, at most as far as it may be large.
    ///
    /// # Errors
    ///
    /// If it is too large, or cannot be read.
    pub fn read(path: &Path) -> Result<Vec<u8>, PolicyError> {
        let unreadable = |source| PolicyError::Unreadable { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let mut component = Vec::new();
        let limit = bytes(SCRIPT.component_bytes);
        file.take(limit.saturating_add(1)).read_to_end(&mut component).map_err(unreadable)?;
        if bytes(component.len()) > limit { Err(Refusal::too_large(length).into()) } else { Ok(component) }
    }

    /// Returns the policy of a component with its parameters, a JSON object.
    ///
    /// # Errors
    ///
    /// If the component or the parameters are refused, or there is trouble with compiler or cache.
    pub fn policy(&self, component: &[u8], parameters: &str) -> Result<Arc<Policy>, PolicyError> {
        check_size(component)?;
        check_parameters(parameters)?;
        let wanted = Job::new(component, parameters);
        if let Some(policy) = self.shared().loaded.get(&wanted).and_then(Weak::upgrade) {
            return Ok(policy);
        }
        let script = Limits::of(component.len()).script;
        let code = self.code(if script { Job::of_all(component) } else { wanted }, component, parameters)?;
        let policy = Arc::new(Policy::new(code, parameters)?);
        let mut shared = self.shared();
        // Of two that were made at the same time, one is kept.
        if let Some(policy) = shared.loaded.get(&wanted).and_then(Weak::upgrade) {
            return Ok(policy);
        }
        shared.loaded.retain(|_, policy| policy.strong_count() > 0);
        shared.loaded.insert(wanted, Arc::downgrade(&policy));
        Ok(policy)
    }

    /// Returns the code of a job: what somebody runs, what an earlier run left, or what the compiler makes.
    fn code(&self, job: Job, component: &[u8], parameters: &str) -> Result<Arc<Code>, PolicyError> {
        let _turn = match self.turn(job) {
            Ok(turn) => turn,
            Err(code) => return Ok(code),
        };
        let (loaded, report) = match self.cached(job) {
            Some(loaded) => loaded,
            None => self.compiled(job, component, parameters)?,
        };
        let code = Arc::new(Code::new(&self.engine, &loaded, report)?);
        let mut shared = self.shared();
        shared.code.retain(|_, code| code.strong_count() > 0);
        shared.code.insert(job, Arc::downgrade(&code));
        Ok(code)
    }

    /// Waits until nobody is at a job; returns its code if somebody runs it by then.
    fn turn(&self, job: Job) -> Result<Turn<'_>, Arc<Code>> {
        let mut shared = self.shared();
        loop {
            if let Some(code) = shared.code.get(&job).and_then(Weak::upgrade) {
                return Err(code);
            }
            if shared.under_way.insert(job) {
                return Ok(Turn { store: self, job });
            }
            shared = self.ended.wait(shared).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Compiles, and keeps what came of it.
    fn compiled(
        &self,
        job: Job,
        component: &[u8],
        parameters: &str,
    ) -> Result<(Component, Report), PolicyError> {
        let key = self.key.of_job(job);
        // The configurator that an earlier run left is that of any parameters. The child sees whether it is under its seal.
        let configuring = Job::of_configuring(component);
        let path = self.entry(configuring, CONFIGURATOR);
        let configurator = read_asked(&path, CONFIGURATOR_BYTES_MAX).unwrap_or_default();
        let task = Task::Compile {
            parameters: parameters.to_owned(),
            key: key.to_hex(),
            configurator_key: self.key.of_job(configuring).to_hex(),
            configurator_bytes: bytes(configurator.len()),
        };
        let answered = self.ask(component, &configurator, task)?;
        if !answered.configurator.is_empty() {
            // Where it cannot be kept, it is made again.
            self.keep(&path, &answered.configurator).ok();
        }
        self.done(answered.response)?;
        let compiled = key.open(&answered.sealed).ok_or_else(|| self.mismatch(None))?;
        let loaded = self.load(compiled).map_err(|error| self.mismatch(Some(error)))?;
        self.keep(&self.entry(job, ENTRY), &answered.sealed)?;
        Ok(loaded)
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Inspects a component without running any of it.
    ///
    /// # Errors
    ///
    /// If it is refused, or there is trouble with the compiler.
    pub fn inspect(&self, component: &[u8]) -> Result<Report, PolicyError> {
        check_size(component)?;
        self.done(self.ask(component, &[], Task::Inspect)?.response)
    }

    /// Returns the first of some sets of parameters that is not as the schema in a component's description says, by its place.
    ///
    /// # Errors
    ///
    /// If what is there is no schema, or there is trouble with the compiler.
    pub fn unfit(
        &self,
        description: &str,
        parameters: &[&str],
    ) -> Result<Option<(usize, PolicyError)>, PolicyError> {
        let mut before = 0_usize;
        let mut left = parameters;
        // Once at least: whether it is a schema is asked, too.
        loop {
            let (sets, rest) = at_a_time(left);
            let parameters = sets.iter().map(|set| (*set).to_owned()).collect();
            let task = Task::Validate { description: description.to_owned(), parameters };
            match self.ask(&[], &[], task)?.response {
                Response::Fit => {}
                Response::Unfit { set, refusal } => {
                    return Ok(Some((before.saturating_add(set), refusal.into())));
                }
                Response::Refused(refusal) => return Err(refusal.into()),
                Response::Done(_) => return Err(self.mismatch(None)),
            }
            (before, left) = (before.saturating_add(sets.len()), rest);
            if left.is_empty() {
                return Ok(None);
            }
        }
    }

    /// Returns what was found out about a component.
    fn done(&self, response: Response) -> Result<Report, PolicyError> {
        match response {
            Response::Done(report) => Ok(*report),
            Response::Refused(refusal) => Err(refusal.into()),
            Response::Fit | Response::Unfit { .. } => Err(self.mismatch(None)),
        }
    }

    fn ask(&self, component: &[u8], configurator: &[u8], task: Task) -> Result<Answered, PolicyError> {
        let request = Request { component_bytes: bytes(component.len()), task };
        let limits = request.task.limits(component.len());
        let deadline = self.compile_wall_max.unwrap_or(limits.compile_wall);
        // Each takes long, and much memory.
        let _alone = limits.script.then(|| self.script.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(child::ask(&self.compiler, deadline, &request, component, configurator)?)
    }

    /// Loads what an earlier run left. Whatever is wrong with it, the compiler can make it anew.
    fn cached(&self, job: Job) -> Option<(Component, Report)> {
        let sealed = read_asked(&self.entry(job, ENTRY), SCRIPT.compiled_bytes).ok()?;
        self.load(self.key.of_job(job).open(&sealed)?).ok()
    }

    fn load(&self, compiled: Compiled<'_>) -> wasmtime::Result<(Component, Report)> {
        let engine = self.engine.wasmtime(compiled.limits());
        compiled.load(engine)
    }

    /// Keeps what the compiler made. The rename is atomic, so a reader sees the old entry or the new one.
    fn keep(&self, path: &Path, sealed: &[u8]) -> Result<(), PolicyError> {
        let kept = temporary(&self.cache).and_then(|fresh| {
            write_new(&fresh, sealed)?;
            fs::rename(&fresh, path)
        });
        kept.map_err(|source| PolicyError::Cache { path: self.cache.clone(), source })?;
        // There is more than should be until that succeeds.
        self.trim().ok();
        Ok(())
    }

    /// Removes what was asked for longest ago and nobody here runs, as far as there is more than may be.
    fn trim(&self) -> io::Result<()> {
        let shared = self.shared();
        let run = shared.code.iter().filter(|(_, code)| code.strong_count() > 0);
        let run: BTreeSet<_> = run.map(|(job, _)| self.entry(*job, ENTRY)).collect();
        drop(shared);
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.cache)? {
            let path = entry?.path();
            // What a process left that was killed while it wrote is nobody's.
            let is_entry =
                path.extension().is_some_and(|end| [ENTRY, CONFIGURATOR, FRESH].iter().any(|it| end == *it));
            if !is_entry || run.contains(&path) {
                continue;
            }
            // Another process may have removed it meanwhile.
            let Ok(metadata) = path.metadata() else { continue };
            entries.push((metadata.modified()?, metadata.len(), path));
        }
        let mut all = entries.iter().fold(0_u64, |all, (_, bytes, _)| all.saturating_add(*bytes));
        entries.sort_unstable();
        for (_, bytes, path) in entries {
            if all <= self.cache_bytes_max {
                break;
            }
            fs::remove_file(path).ok();
            all = all.saturating_sub(bytes);
        }
        Ok(())
    }

    fn entry(&self, job: Job, end: &str) -> PathBuf {
        self.cache.join(format!("{}.{end}", job.name()))
    }

    fn mismatch(&self, error: Option<wasmtime::Error>) -> PolicyError {
        PolicyError::Mismatch { compiler: self.compiler.clone(), source: error.map(Into::into) }
    }
}

/// Reads a file of the cache as far as it may be large, and says that it was asked for.
fn read_asked(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut sealed = Vec::new();
    (&file).take(bytes(bytes_max)).read_to_end(&mut sealed)?;
    // Where that cannot be said, it goes sooner.
    futimens(&file, &ASKED_NOW).ok();
    Ok(sealed)
}

fn check_size(component: &[u8]) -> Result<(), Refusal> {
    match component.len() {
        0 => Err(Refusal::Empty),
        length if length > SCRIPT.component_bytes => Err(Refusal::too_large(bytes(length))),
        _ => Ok(()),
    }
}

/// Splits off the sets of parameters that the compiler is sent at a time, one at least.
fn at_a_time<'a, 'p>(sets: &'a [&'p str]) -> (&'a [&'p str], &'a [&'p str]) {
    let mut length = 0_usize;
    let fit = sets.iter().take_while(|set| {
        length = length.saturating_add(set.len());
        length <= PARAMETERS_AT_A_TIME
    });
    sets.split_at(fit.count().max(1).min(sets.len()))
}

fn check_parameters(parameters: &str) -> Result<(), PolicyError> {
    if parameters.len() > limits::PARAMETERS_BYTES_MAX {
        let why =
            format!("have {} bytes; at most {} are taken", parameters.len(), limits::PARAMETERS_BYTES_MAX);
        return Err(PolicyError::Parameters { why });
    }
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(parameters) {
        Ok(_) => Ok(()),
        Err(error) => {
            let why = clean(&error.to_string(), limits::MESSAGE_BYTES_MAX);
            Err(PolicyError::Parameters { why: format!("must be a JSON object: {why}") })
        }
    }
}
