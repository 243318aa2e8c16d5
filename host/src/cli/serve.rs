//! `jifen serve`: the service.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jifen_ledger::{Ledger, LedgerError, ProgramChange};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::active::Active;
use crate::change::{Reason, put_to_work};
use crate::error::HostError;
use crate::releases::Releases;
use crate::service::{self, LogFormat, LogLevel, Metrics, Start, Telemetry, Tls};

/// The program of a host that is looked at.
const DEMO: &str = include_str!("../../../tests/data/demo.toml");

#[derive(Args)]
pub(super) struct Serve {
    #[command(flatten)]
    flags: Settings,
    /// A file of settings in TOML, under the names of the flags; a flag or a variable is stronger
    #[arg(long, env = "JIFEN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Serve a program of four towns on a ledger that is not kept, to look around
    #[arg(long, conflicts_with_all = ["program", "ledger"])]
    demo: bool,
    /// Print the settings that hold, without the password of a ledger, and end
    #[arg(long)]
    print_config: bool,
}

#[derive(Args, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The ledger: a file, begun if it does not exist, or a URL
    // Help must not show a password.
    #[arg(long, env = "JIFEN_LEDGER", hide_env_values = true, value_name = "LEDGER")]
    ledger: Option<String>,
    /// The program file
    #[arg(long, env = "JIFEN_PROGRAM", value_name = "FILE")]
    program: Option<PathBuf>,
    /// The folder of components, one <name>.wasm for each policy
    #[arg(long, env = "JIFEN_POLICIES", value_name = "FOLDER")]
    policies: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, env = "JIFEN_LISTEN", value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The certificate for TLS, with those that vouch for it, in PEM
    #[arg(long, env = "JIFEN_TLS_CERTIFICATE", value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's private key, in PEM
    #[arg(long, env = "JIFEN_TLS_KEY", value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Threads that evaluate [default: one for each core]
    #[arg(long, env = "JIFEN_THREADS")]
    threads: Option<NonZeroUsize>,
    /// Events that may wait; more are turned away [default: 10000]
    #[arg(long, env = "JIFEN_QUEUE", value_name = "EVENTS")]
    queue: Option<NonZeroUsize>,
    /// Take no release that is not signed, whoever publishes it [default: those of merchants who have signers are]
    #[arg(long, env = "JIFEN_REQUIRE_SIGNATURES", num_args = 0..=1, default_missing_value = "true")]
    require_signatures: Option<bool>,
    /// How lines on standard error are written [default: text]
    #[arg(long, env = "JIFEN_LOG", value_name = "FORMAT")]
    log: Option<LogFormat>,
    /// Which of them are [default: info]
    #[arg(long, env = "JIFEN_LOG_LEVEL", value_name = "LEVEL")]
    log_level: Option<LogLevel>,
    /// Where a collector takes traces by OTLP over HTTP, such as http://127.0.0.1:4318
    #[arg(long, env = "JIFEN_OTLP", value_name = "URL")]
    otlp: Option<String>,
}

impl Settings {
    /// Returns these, and what they do not say from others.
    fn or(self, other: Self) -> Self {
        Self {
            ledger: self.ledger.or(other.ledger),
            program: self.program.or(other.program),
            policies: self.policies.or(other.policies),
            listen: self.listen.or(other.listen),
            tls_certificate: self.tls_certificate.or(other.tls_certificate),
            tls_key: self.tls_key.or(other.tls_key),
            threads: self.threads.or(other.threads),
            queue: self.queue.or(other.queue),
            require_signatures: self.require_signatures.or(other.require_signatures),
            log: self.log.or(other.log),
            log_level: self.log_level.or(other.log_level),
            otlp: self.otlp.or(other.otlp),
        }
    }

    fn read(file: &Path) -> anyhow::Result<Self> {
        let named = || format!("read {}", file.display());
        let text = std::fs::read_to_string(file).with_context(named)?;
        toml::from_str(&text).with_context(named)
    }

    /// What holds for a host that is looked at, where nothing is said.
    fn demo() -> Self {
        let (ledger, policies) = ("memory:".to_owned(), PathBuf::from("target/policies"));
        Self { ledger: Some(ledger), policies: Some(policies), ..Self::default() }
    }

    /// What holds where nothing is said.
    fn defaults() -> Self {
        Self {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 8080))),
            threads: Some(super::threads(None)),
            queue: NonZeroUsize::new(10_000),
            log: Some(LogFormat::Text),
            log_level: Some(LogLevel::Info),
            ..Self::default()
        }
    }
}

impl Serve {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let file = self.config.as_deref().map(Settings::read).transpose()?.unwrap_or_default();
        anyhow::ensure!(
            !self.demo || file.program.is_none() && file.ledger.is_none(),
            "--demo has a program and a ledger of its own; leave it away, or program and ledger out of the file of settings"
        );
        let demo = self.demo.then(Settings::demo).unwrap_or_default();
        let settings = self.flags.or(file).or(demo).or(Settings::defaults());
        if self.print_config {
            let ledger = settings.ledger.as_deref().map(jifen_ledger::without_password).transpose()?;
            super::print(&toml::to_string(&Settings { ledger, ..settings })?.trim_end())?;
            return Ok(ExitCode::SUCCESS);
        }
        let missing =
            |name| format!("say --{name}, set it in the file of settings, or see `jifen serve --help`");
        let Settings {
            ledger,
            program,
            policies,
            listen,
            tls_certificate,
            tls_key,
            threads,
            queue,
            log,
            log_level,
            otlp,
            require_signatures,
        } = settings;
        let by_default = "there is a default";
        let (log, log_level) = (log.expect(by_default), log_level.expect(by_default));
        let _telemetry = Telemetry::start(log, log_level, otlp.as_deref())?;
        let tls = match (tls_certificate, tls_key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some(Tls { certificate, key }),
            (Some(_), None) => anyhow::bail!(missing("tls-key")),
            (None, Some(_)) => anyhow::bail!(missing("tls-certificate")),
        };
        let ledger = ledger.with_context(|| missing("ledger"))?;
        let (listen, threads) = (listen.expect(by_default), threads.expect(by_default));
        let queue = queue.expect(by_default).get();
        let file = match (self.demo, program) {
            (true, _) => Some(("the demo's program".to_owned(), DEMO.to_owned())),
            (false, None) => None,
            (false, Some(file)) => {
                let named = file.display().to_string();
                let text = std::fs::read_to_string(&file).with_context(|| format!("read {named}"))?;
                Some((named, text))
            }
        };
        // Before a program is loaded, so that its evaluations are counted.
        let metrics = Metrics::start()?;
        let store = super::policy_store()?;
        let ledger = jifen_ledger::open(&ledger)?;
        if !listen.ip().is_loopback() {
            anyhow::ensure!(
                !ledger.keys("", 1)?.is_empty(),
                "{listen} can be reached from outside, and without keys nobody is asked who they are; make the first by `jifen keys \
                 make --role operator`, or listen on 127.0.0.1"
            );
            if tls.is_none() {
                warn!(
                    "keys that are shown to {listen} can be read on the way, unless a proxy encrypts it; see --tls-certificate"
                );
            }
        }
        let (active, change) = match file {
            None => {
                let last = ledger.last_program_change()?;
                let last = last.with_context(|| {
                    format!("no program was ever put to work here; {}", missing("program"))
                })?;
                (Active::at_work(&last, &*ledger, &store)?, last)
            }
            Some((named, text)) => {
                let releases = Releases::new(policies.as_deref(), Some(&*ledger));
                let active = super::load(&named, &text, &releases, &store)?;
                let change = begin(&*ledger, &active, &releases).with_context(|| named)?;
                (active, change)
            }
        };
        let must_sign = require_signatures.unwrap_or(false);
        let start = Start { ledger, store, active, change, threads, queue, must_sign, tls, metrics };
        service::serve(start, listen)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns what put a program to work. Of hosts that begin on one ledger at once, one does.
fn begin(ledger: &dyn Ledger, active: &Active, releases: &Releases<'_>) -> anyhow::Result<ProgramChange> {
    loop {
        match ledger.last_program_change()? {
            Some(last) if hex::encode(last.program) == active.digest => return Ok(last),
            Some(last) => anyhow::bail!(
                "version {} is at work, and this is another program; `jifen plan` shows how they differ, `jifen apply` puts it to \
                 work; without --program the host serves what is at work",
                last.version
            ),
            None => {
                let (who, why) = ("jifen serve".to_owned(), "the first program".to_owned());
                match put_to_work(ledger, active, releases, 0, Reason { who, why, without_notice: false }) {
                    Err(HostError::Ledger(LedgerError::Superseded { .. })) => {}
                    change => return Ok(change?),
                }
            }
        }
    }
}
