//! The server: how it is reached, what must be in its schema before we touch it, and how a ledger is begun.

use std::io;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, Connection, Error, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::encryption::{self, Stream};
use super::failure::{Stop, explain};
use super::link::{Call, Link};
use crate::column::{self, Row as _};
use crate::{LedgerError, Place, StoreError};

/// How long a connection may take to come about.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// After which the system gives up a connection whose other end does not answer it: a network that drops what it carries says nothing.
const UNANSWERED_MAX: Duration = Duration::from_secs(20);

/// How long a connection may be idle until the system looks whether the other end is there, where the URL says nothing else, and how long
/// that is else.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const SYSTEMS_KEEPALIVE_IDLE: Duration = Duration::from_secs(2 * 60 * 60);

/// How long it waits until it looks again.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// How long the server may say nothing while it writes: longer than it waits for a lock, and than a large component takes.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(60);

/// The same of a step of the schema, which may go through all that is there.
const STEP_MAX: Duration = Duration::from_secs(60 * 60);

/// The schema, step by step. A ledger has taken as many steps as its `ledger_schema` says; steps are only ever added.
const STEPS: [&str; 8] = [
    include_str!("schema.sql"),
    include_str!("changes.sql"),
    include_str!("publications.sql"),
    include_str!("announcements.sql"),
    include_str!("keys.sql"),
    include_str!("quotes.sql"),
    include_str!("signers.sql"),
    include_str!("overrides.sql"),
];

// Plans do not depend on what is bound and are made once in a while (`Link::age`): by the index, wherever there is one,
// and at the price that pages have on a disk that does not seek. Compiling them would cost more than it saves. Who waits
// for another host gives up as with SQLite after ten seconds; who stalls in the middle of a commit, or is gone, is not waited for.
const SESSION: &str = "
    SET plan_cache_mode = force_generic_plan;
    SET enable_seqscan = off;
    SET random_page_cost = 1.1;
    SET jit = off;
    SET synchronous_commit = on;
    SET lock_timeout = '10s';
    SET idle_in_transaction_session_timeout = '60s';
    SET client_min_messages = warning;
    SELECT set_config('client_connection_check_interval', '5s', false)
    WHERE current_setting('server_version_num')::int >= 140000;
";

/// Begins what writes. Whoever has the lock has the end of the log, and of the schema, until it commits. The number is
/// "Jife" in ASCII.
pub(super) const BEGIN_WRITING: &str = "
    BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
    SELECT pg_advisory_xact_lock(1248421477, hashtext(current_schema()))";

/// A database, and the place in it where a ledger is.
#[derive(Clone)]
pub(super) struct Server(Arc<Inner>);

struct Inner {
    config: Config,
    tls: MakeRustlsConnect,
    place: Place,
}

/// Returns what drives one connection.
pub(super) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

impl Server {
    /// Reads a URL.
    pub(super) fn new(url: &str) -> Result<Self, LedgerError> {
        // Without the words of the parser, which may hold a password.
        let refused = |mend| LedgerError::Url { url: "postgres://…".to_owned(), mend };
        let mut config = Config::from_str(url)
            .map_err(|_| refused("a URL is postgres://USER:PASSWORD@HOST:PORT/DATABASE?options=…"))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(refused("name a host, or the folder of a socket"));
        }
        let tls = if config.get_ssl_mode() == SslMode::Require {
            encryption::trusted().ok_or_else(|| {
                refused("this machine trusts no certificates; install some, or name a file of them in SSL_CERT_FILE")
            })?
        } else {
            // To try it, and to go on without, is no more than to go without.
            config.ssl_mode(SslMode::Disable);
            encryption::none()
        };
        config.application_name("jifen");
        config.connect_timeout(config.get_connect_timeout().copied().unwrap_or(CONNECT_WAIT));
        config.tcp_user_timeout(config.get_tcp_user_timeout().copied().unwrap_or(UNANSWERED_MAX));
        if config.get_keepalives_idle() == SYSTEMS_KEEPALIVE_IDLE {
            config.keepalives_idle(KEEPALIVE_IDLE);
        }
        config.keepalives_interval(config.get_keepalives_interval().unwrap_or(KEEPALIVE_INTERVAL));
        let place = Place::Database(without_password(&config));
        Ok(Self(Arc::new(Inner { config, tls, place })))
    }

    pub(super) fn place(&self) -> &Place {
        &self.0.place
    }

    /// Opens a connection that writes, and begins the ledger or brings it up to date.
    pub(super) fn open_or_begin(&self) -> Result<Link, LedgerError> {
        self.migrate(&self.connect("open", STEP_MAX)?)?;
        self.connect("open", SILENCE_MAX)
    }

    /// Opens a connection to do something, on which the server may say nothing for so long.
    pub(super) fn connect(&self, doing: &'static str, silence_max: Duration) -> Result<Link, LedgerError> {
        let failed = |error| explain(self.place(), doing, error);
        let runtime = runtime().map_err(|error| self.unreachable(Arc::new(error)))?;
        let config = &self.0.config;
        let hosts = config.get_hosts().len().max(config.get_hostaddrs().len()).max(1);
        let wait = config.get_connect_timeout().copied().unwrap_or(CONNECT_WAIT);
        // Each host has that long, and a name may have two addresses.
        let wait = wait.saturating_mul(u32::try_from(hosts).unwrap_or(u32::MAX).saturating_mul(2));
        let connected = runtime.block_on(async { timeout(wait, self.connection()).await });
        let connected = connected.map_err(|silent| self.unreachable(Arc::new(silent)))?;
        let (client, connection) = connected.map_err(failed)?;
        // What becomes of the connection is what the next call hears.
        let driver = runtime.spawn(async { connection.await.ok() });
        let link = Link::new(runtime, client, driver.abort_handle(), silence_max);
        link.perform(SESSION).map_err(failed)?;
        Ok(link)
    }

    fn unreachable(&self, source: StoreError) -> LedgerError {
        LedgerError::Unreachable { place: self.place().clone(), source }
    }

    /// Opens a connection that somebody else drives.
    pub(super) async fn connection(&self) -> Result<(Client, Connection<Socket, Stream>), Error> {
        let Inner { config, tls, .. } = &*self.0;
        config.connect(tls.clone()).await
    }

    /// Takes the steps that the ledger has not taken yet, all of them or none.
    fn migrate(&self, link: &Link) -> Result<(), LedgerError> {
        let migrated = self.take_steps(link);
        if migrated.is_err() {
            // If that fails too, the connection goes, and the transaction with it.
            link.perform("ROLLBACK").ok();
        }
        migrated.map_err(|stop| stop.explain(self.place(), "open"))
    }

    fn take_steps(&self, link: &Link) -> Result<(), Stop> {
        link.perform(BEGIN_WRITING)?;
        for step in STEPS.iter().skip(self.steps_taken(link)?) {
            link.perform_at_length(step)?;
        }
        Ok(link.perform("COMMIT")?)
    }

    /// Looks at what is there and writes nothing.
    fn steps_taken(&self, link: &Link) -> Result<usize, Stop> {
        // Not by the search path: the tables of another schema behind ours on it are not ours.
        let there = Call::new(
            "
            SELECT current_schema(), EXISTS (
              SELECT 1
              FROM pg_tables
              WHERE schemaname = current_schema()
                AND tablename = 'ledger_schema'
            )",
        );
        let row = link.ask_one(&there)?.pop().ok_or_else(|| self.nowhere())?;
        row.text_or_null(0)?.ok_or_else(|| self.nowhere())?;
        if !column::flag(&row, 1)? {
            return Ok(0);
        }
        let version = link.ask_one(&Call::new("SELECT version FROM ledger_schema"))?;
        let found = version.first().map(|row| column::count(row, 0)).transpose()?;
        let known = u32::try_from(STEPS.len()).expect("there are few steps");
        match found {
            None => Err(LedgerError::NotALedger { place: self.place().clone() }.into()),
            Some(found) if found > known => {
                Err(LedgerError::Newer { place: self.place().clone(), found, known }.into())
            }
            Some(found) => Ok(usize::try_from(found).unwrap_or(usize::MAX)),
        }
    }

    fn nowhere(&self) -> LedgerError {
        let mend = "create the schema that search_path names";
        LedgerError::CannotOpen { place: self.place().clone(), mend, source: None }
    }
}

/// Returns a URL that says which server, database and schema, and who asks.
fn without_password(config: &Config) -> String {
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string().replace('/', "%2F"),
    });
    let addresses = config.get_hostaddrs().iter().map(ToString::to_string);
    let hosts = hosts.chain(addresses).collect::<Vec<_>>().join(",");
    let ports: Vec<_> = config.get_ports().iter().map(|port| format!(":{port}")).collect();
    let user = config.get_user().map(|user| format!("{user}@")).unwrap_or_default();
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    let options = config.get_options().map(|options| options.replace(' ', "%20").replace('=', "%3D"));
    let options = options.map(|options| format!("?options={options}")).unwrap_or_default();
    format!("postgres://{user}{hosts}{}/{database}{options}", ports.join(","))
}
