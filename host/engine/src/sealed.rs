//! Compiled code under a seal. Loading machine code is trusting it, so the host loads none that its own compiler did
//! not seal: not from the network, not from a folder that someone else can write to.
//!
//! The host keeps one secret beside its cache. From it and a job (which component, which parameters, which code
//! version) follows the key of that job, and the child that compiles gets only this one and that of the component's
//! configurator, which the host never loads: it can seal its own work and nothing else, and an entry that is moved to another job's place does not open there.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::config::CODE_VERSION;
use crate::contract::World;
use crate::limits::Limits;

const MAGIC: &[u8] = b"jifen-policy-1\n";
const MAC_BYTES: usize = 32;
/// How the name of a file ends that is being written.
pub(crate) const FRESH: &str = "new";

/// What the compiler found out about a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The world it exports.
    pub world: World,
    /// The interfaces it imports, with their versions.
    pub imports: Vec<String>,
    /// The facts it can ask, such as `purchases.lifetime-count`, in alphabetical order.
    pub facts: Vec<String>,
    /// Whether it can write a log.
    pub logs: bool,
    /// What the component says of itself: the content of its section `jifen-policy`.
    pub description: Option<String>,
    /// Bytes of the component.
    pub component_bytes: u64,
    /// Functions in it.
    pub functions: u64,
    /// Bytes of memory it begins with, before it is configured.
    pub memory_bytes: u64,
    /// Milliseconds that compiling it is foreseen to take at most on a slow machine, by its bytes, loops and branches.
    #[serde(default)]
    pub foreseen_ms: u64,
    /// Fuel that `configure` took; 0 where code is compiled for all parameters.
    pub configure_fuel: u64,
    /// Whether evaluations start from the configured memory. Otherwise each is configured anew, which gives the same
    /// answers more slowly.
    pub snapshotted: bool,
    /// Bytes of compiled code.
    pub code_bytes: u64,
    /// Milliseconds that configuring and compiling took.
    pub compile_ms: u64,
}

/// A component with its parameters, or one for all of them: what is compiled once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Job([u8; 32]);

/// The host's secret.
pub struct Key([u8; 32]);

/// The part of the secret that seals one job.
#[derive(Clone, Copy)]
pub struct JobKey([u8; 32]);

/// Compiled code whose seal was verified.
#[derive(Debug)]
pub struct Compiled<'a> {
    report: Report,
    code: &'a [u8],
}

impl Job {
    /// Returns the job of compiling a component with its parameters.
    pub fn new(component: &[u8], parameters: &str) -> Self {
        let mut digest = Sha256::new();
        digest.update(Sha256::digest(component));
        digest.update(Sha256::digest(parameters));
        digest.update(CODE_VERSION);
        Self(digest.finalize().into())
    }

    /// Returns the job of compiling a component for all parameters.
    pub fn of_all(component: &[u8]) -> Self {
        // No parameters are empty.
        Self::new(component, "")
    }

    /// Returns the job of making a component's configurator.
    pub fn of_configuring(component: &[u8]) -> Self {
        // No parameters are that.
        Self::new(component, "configuring")
    }

    /// Returns its name in the cache.
    pub fn name(self) -> String {
        hex::encode(self.0)
    }
}

impl Key {
    /// Reads the secret of a cache folder, or makes one. Two processes that begin at once agree on one.
    pub(crate) fn of(cache: &Path) -> io::Result<Self> {
        let path = cache.join("key");
        if let Ok(key) = Self::read(&path) {
            return Ok(key);
        }
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        let fresh = temporary(cache)?;
        write_new(&fresh, &secret)?;
        // A link, unlike a rename, does not replace what another process put there.
        let linked = fs::hard_link(&fresh, &path);
        fs::remove_file(&fresh)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            Ok(()) | Err(_) => Self::read(&path),
        }
    }

    fn read(path: &Path) -> io::Result<Self> {
        let secret = <[u8; 32]>::try_from(fs::read(path)?);
        let damaged = |_| io::Error::other("the key is damaged; remove it, and policies are compiled anew");
        secret.map(Self).map_err(damaged)
    }

    /// Returns the key that seals one job.
    pub(crate) fn of_job(&self, job: Job) -> JobKey {
        let mut mac = hmac(&self.0);
        mac.update(&job.0);
        JobKey(mac.finalize().into_bytes().into())
    }
}

impl JobKey {
    /// Returns it as text, to be handed to the child.
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }

    /// Reads it from text.
    ///
    /// # Errors
    ///
    /// If this is no key.
    pub fn from_hex(text: &str) -> Result<Self, hex::FromHexError> {
        let mut key = [0; 32];
        hex::decode_to_slice(text, &mut key)?;
        Ok(Self(key))
    }

    /// Seals compiled code with its report.
    pub fn seal(self, report: &Report, code: &[u8]) -> Vec<u8> {
        let report = serde_json::to_vec(report).expect("a report is plain data");
        let report_bytes = u32::try_from(report.len()).expect("a report is bounded");
        let body = [&report_bytes.to_le_bytes(), report.as_slice(), code].concat();
        let mut mac = hmac(&self.0);
        mac.update(&body);
        [MAGIC, &mac.finalize().into_bytes(), &body].concat()
    }

    /// Verifies a seal. `None` if it is broken, of another key or of another job.
    pub fn open(self, sealed: &[u8]) -> Option<Compiled<'_>> {
        let (mac, body) = sealed.strip_prefix(MAGIC)?.split_at_checked(MAC_BYTES)?;
        let mut expected = hmac(&self.0);
        expected.update(body);
        expected.verify_slice(mac).ok()?;
        let (report_bytes, body) = body.split_first_chunk::<4>()?;
        let report_bytes = usize::try_from(u32::from_le_bytes(*report_bytes)).ok()?;
        let (report, code) = body.split_at_checked(report_bytes)?;
        Some(Compiled { report: serde_json::from_slice(report).ok()?, code })
    }
}

impl Report {
    /// Returns the limits of its class.
    pub fn limits(&self) -> &'static Limits {
        Limits::of(usize::try_from(self.component_bytes).unwrap_or(usize::MAX))
    }
}

impl Compiled<'_> {
    /// Returns the limits of its class.
    pub(crate) fn limits(&self) -> &'static Limits {
        self.report.limits()
    }

    /// Loads the code into an engine, and returns it with what was found out about it.
    ///
    /// # Errors
    ///
    /// If it was made by another version, for another processor or for an engine of another configuration.
    pub fn load(self, engine: &Engine) -> wasmtime::Result<(Component, Report)> {
        #[expect(unsafe_code, reason = "the one place that loads machine code")]
        // SAFETY: the bytes are what wasmtime made in our own compiler, unaltered: `JobKey::open` is the only way to a
        // `Compiled`, and it verified their MAC under a key that only this host and its children of that job had.
        let component = unsafe { Component::deserialize(engine, self.code) }?;
        Ok((component, self.report))
    }
}

/// Shows that there is a key, and nothing of it.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

fn hmac(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// Returns a path in the folder that no other process uses.
pub(crate) fn temporary(folder: &Path) -> io::Result<PathBuf> {
    let mut unique = [0; 16];
    getrandom::fill(&mut unique).map_err(io::Error::other)?;
    Ok(folder.join(format!(".{}.{FRESH}", hex::encode(unique))))
}

/// Writes a file that was not there, readable for its owner only.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
