//! The service: events in and questions answered, over HTTP.
//!
//! ```text
//! request ──► handler ──► intake ──► deciders, batch after batch ──► receipt ──► answer
//!                    └──► question ──► ledger ──► answer
//! ```
//!
//! Asynchronous at this edge only: what waits for the ledger has threads of its own, and of everything that waits there is a
//! bound. An answer comes when what it says is durable; who sends the same again gets the same again.

mod access;
mod api;
mod behind;
mod body;
mod deprecated;
mod events;
mod extract;
mod follow;
mod intake;
mod keys;
mod members;
mod merchants;
mod metrics;
mod problem;
mod program;
mod queue;
mod quotes;
mod redemptions;
mod releases;
mod schema;
mod shown;
mod signers;
mod telemetry;
mod watch;
mod why;

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::pin::pin;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum_server::tls_rustls::RustlsConfig;
use axum_server::{Handle, Server};
use futures_util::future::select;
use jifen_engine::PolicyStore;
use jifen_ledger::{Ledger, ProgramChange};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use tracing::{info, warn};
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use self::body::{BODY_BYTES_MAX, Bodies, RELEASE_BYTES_MAX};
use self::intake::{Desk, Intake, Live, Unanswered};
pub(crate) use self::metrics::Metrics;
use self::problem::Problem;
pub(crate) use self::telemetry::{LogFormat, LogLevel, Telemetry};
use self::watch::Watch;
use crate::active::Active;

/// Events of a request.
const EVENTS_MAX: usize = 1_000;
/// Questions that are answered at the same time: each may have a connection to the ledger's server.
const QUESTIONS_MAX: usize = 8;
/// Keys that are looked up at the same time. Whoever guesses at keys keeps no question waiting.
const LOOKUPS_MAX: usize = 2;
/// Programs that are held loaded: what is returned or used on is decided by that of then.
const PROGRAMS_HELD: u64 = 16;
/// How long a question may wait until it is one of them.
const QUESTION_WAIT: Duration = Duration::from_secs(5);
/// Changes that are worked on at the same time: they compile.
const WORKS_MAX: usize = 2;
/// Back-tests at the same time, uploads, uploads of scripts, roll-backs, and writes of the trail: none of these waits for the others.
const OF_A_KIND_MAX: usize = 1;
/// How long one of them may wait until it is worked on.
const WORK_WAIT: Duration = Duration::from_secs(30);
/// How long a client may take to send the head of a request.
const HEAD_WAIT: Duration = Duration::from_secs(10);
/// How long requests may take that were begun before the host is told to stop.
const STOP_WAIT: Duration = Duration::from_secs(30);

/// What a service is started with.
pub(crate) struct Start {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) store: PolicyStore,
    pub(crate) active: Active,
    /// What put it to work.
    pub(crate) change: ProgramChange,
    pub(crate) threads: NonZeroUsize,
    /// Events that may wait.
    pub(crate) queue: usize,
    /// Whether every release is signed, whoever publishes it.
    pub(crate) must_sign: bool,
    /// With what it encrypts what it is sent and answers.
    pub(crate) tls: Option<Tls>,
    pub(crate) metrics: Metrics,
}

/// A certificate and its key, each a file in PEM.
pub(crate) struct Tls {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Tls {
    /// Reads both.
    fn read(&self) -> anyhow::Result<Arc<ServerConfig>> {
        let Self { certificate, key } = self;
        let read = || -> anyhow::Result<_> {
            let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
            anyhow::ensure!(!chain.is_empty(), "{} has no certificate", certificate.display());
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let server =
                ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
            let mut server =
                server.with_no_client_auth().with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
            server.alpn_protocols = vec![b"http/1.1".to_vec()];
            Ok(Arc::new(server))
        };
        read().with_context(|| format!("take {} and {} for TLS", certificate.display(), key.display()))
    }
}

/// What handlers share.
struct Service {
    desk: Arc<Desk>,
    intake: Intake,
    keys: access::Keys,
    /// What a host has to know of keys.
    lookups: Room,
    questions: Room,
    /// What may take seconds, and keeps no question waiting.
    works: Room,
    /// Releases that are tried, which keep no operator waiting.
    uploads: Room,
    /// The same of what brings an interpreter along: nobody waits for its half minute who does not.
    scripts: Room,
    /// Writes of the trail, whatever else is asked.
    trails: Room,
    /// Answers from history, which may take minutes.
    backtests: Room,
    /// Statements of merchants, which read the whole log.
    statements: Room,
    /// Ways back, whatever else is worked on.
    roll_backs: Room,
    bodies: Bodies,
    /// The same of releases.
    releases: Bodies,
    metrics: Metrics,
}

/// How much of a kind is worked on at the same time, how long more may wait until it is, and whether it gives way to whoever waits for
/// an event.
struct Room {
    permits: Arc<Semaphore>,
    wait: Duration,
    gives_way: bool,
}

type Shared = Arc<Service>;

/// Serves until the process is told to stop, and finishes what was accepted.
///
/// # Errors
///
/// If the host cannot listen there.
pub(crate) fn serve(start: Start, listen: SocketAddr) -> anyhow::Result<()> {
    let Start { ledger, store, active, change, threads, queue, must_sign, tls, metrics } = start;
    let upkeep = metrics.clone();
    let tls = tls.map(|tls| anyhow::Ok((RustlsConfig::from_config(tls.read()?), tls))).transpose()?;
    let active = Arc::new(active);
    let live = RwLock::new(Live { change, active: Arc::clone(&active) });
    let (behind, failing) = (AtomicBool::new(false), AtomicBool::new(false));
    let watch = Watch::default();
    let held = Cache::builder().max_capacity(PROGRAMS_HELD).eviction_policy(EvictionPolicy::lru()).build();
    held.insert(active.digest.clone(), Arc::clone(&active));
    let desk = Arc::new(Desk { ledger, store, live, held, behind, threads, failing, must_sign, watch });
    follow::start(&desk);
    let (intake, deciders) = Intake::start(&desk, queue);
    let room = |permits, wait| Room { permits: Arc::new(Semaphore::new(permits)), wait, gives_way: false };
    let behind = |permits, wait| Room { gives_way: true, ..room(permits, wait) };
    let service = Arc::new(Service {
        desk: Arc::clone(&desk),
        intake,
        keys: access::Keys::default(),
        lookups: room(LOOKUPS_MAX, QUESTION_WAIT),
        questions: room(QUESTIONS_MAX, QUESTION_WAIT),
        works: room(WORKS_MAX, WORK_WAIT),
        uploads: behind(OF_A_KIND_MAX, WORK_WAIT),
        scripts: behind(OF_A_KIND_MAX, WORK_WAIT),
        trails: room(OF_A_KIND_MAX, WORK_WAIT),
        backtests: behind(OF_A_KIND_MAX, WORK_WAIT),
        statements: behind(OF_A_KIND_MAX, WORK_WAIT),
        roll_backs: room(OF_A_KIND_MAX, WORK_WAIT),
        bodies: Bodies::of_requests(),
        releases: Bodies::of_releases(),
        metrics,
    });
    let runtime = Builder::new_multi_thread().worker_threads(threads.get()).enable_all().build();
    let runtime = runtime.context("start the service")?;
    let listener = TcpListener::bind(listen).with_context(|| format!("listen on {listen}"))?;
    let address = listener.local_addr().context("listen")?;
    // The desk outlives the runtime: a ledger on a server has one of its own, which cannot end within another.
    let served = runtime.block_on(async move {
        let handle = Handle::new();
        let told = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
        // Also where there is no certificate to read again: it would end the process.
        let renew = signal(SignalKind::hangup())?;
        tokio::spawn(stop_when_told(handle.clone(), told));
        tokio::spawn(upkeep.keep_up());
        let service = router(service).into_make_service();
        match tls {
            None => {
                let server = bounded(axum_server::from_tcp(listener)?, handle);
                info!("listens on http://{address}; http://{address}/docs shows what it takes");
                server.serve(service).await?;
            }
            Some((config, tls)) => {
                tokio::spawn(renew_when_told(tls, config.clone(), renew));
                let server = bounded(axum_server::from_tcp_rustls(listener, config)?, handle);
                info!("listens on https://{address}; https://{address}/docs shows what it takes");
                server.serve(service).await?;
            }
        }
        tokio::task::spawn_blocking(|| deciders.finish()).await?;
        Ok(())
    });
    // What nobody waits for any longer, such as a back-test, does not keep the process.
    runtime.shutdown_background();
    drop(desk);
    served
}

/// Gives a server its bounds in time.
fn bounded<A>(server: Server<SocketAddr, A>, handle: Handle<SocketAddr>) -> Server<SocketAddr, A> {
    let mut server = server.handle(handle).http1_only().first_request_timeout(HEAD_WAIT);
    let timer = hyper_util::rt::TokioTimer::new();
    server.http_builder().http1().timer(timer).header_read_timeout(HEAD_WAIT);
    server
}

/// Reads the certificate again whenever the process is told to (`SIGHUP`). One that cannot be read leaves the last at work.
async fn renew_when_told(tls: Tls, config: RustlsConfig, mut told: Signal) {
    while told.recv().await.is_some() {
        match tls.read() {
            Ok(server) => config.reload_from_config(server),
            Err(error) => warn!("{error:#}; the certificate from before stays"),
        }
    }
}

/// Waits until the process is told to stop, and lets the requests finish that were begun; told twice, it does not wait for them.
async fn stop_when_told(handle: Handle<SocketAddr>, [mut terminate, mut interrupt]: [Signal; 2]) {
    select(pin!(terminate.recv()), pin!(interrupt.recv())).await;
    info!("was told to stop, and finishes what it accepted; told again, it stops at once");
    handle.graceful_shutdown(Some(STOP_WAIT));
    select(pin!(terminate.recv()), pin!(interrupt.recv())).await;
    process::exit(1);
}

/// Routes for whoever has one of these roles.
fn of(roles: &'static [&'static str], routes: OpenApiRouter<Shared>) -> OpenApiRouter<Shared> {
    routes.route_layer(from_fn_with_state(roles, access::allow))
}

/// What goes on all day: events, and questions about them.
fn asked() -> OpenApiRouter<Shared> {
    let sent = OpenApiRouter::new()
        .routes(routes!(events::post))
        .routes(routes!(redemptions::request))
        .routes(routes!(redemptions::step));
    let events = OpenApiRouter::new().routes(routes!(events::find)).routes(routes!(why::why));
    let everybodys = OpenApiRouter::new().routes(routes!(quotes::quote)).routes(routes!(redemptions::find));
    let merchants = OpenApiRouter::new().routes(routes!(merchants::statement));
    let members = OpenApiRouter::new()
        .routes(routes!(members::balances))
        .routes(routes!(members::lots))
        .routes(routes!(members::statement));
    OpenApiRouter::new()
        .merge(of(&["operator", "merchant"], sent))
        .merge(of(&["operator", "auditor", "merchant"], events))
        .merge(of(&["operator", "auditor", "merchant"], merchants))
        .merge(of(&["operator", "auditor", "merchant", "member"], everybodys))
        .merge(of(&["operator", "auditor", "member"], members))
}

/// What changes how events are decided, or shows that.
fn managed() -> OpenApiRouter<Shared> {
    let releases = OpenApiRouter::new().routes(routes!(releases::find)).routes(routes!(releases::all));
    let looked_at = OpenApiRouter::new()
        .routes(routes!(program::at_work))
        .routes(routes!(program::find))
        .routes(routes!(program::plan))
        .routes(routes!(program::announced))
        .routes(routes!(program::backtest))
        .routes(routes!(program::changes))
        .routes(routes!(program::comparison))
        .routes(routes!(keys::all))
        .routes(routes!(keys::trail))
        .routes(routes!(signers::all))
        .routes(routes!(metrics::metrics));
    let changed = OpenApiRouter::new()
        .routes(routes!(program::put))
        .routes(routes!(program::announce))
        .routes(routes!(program::roll_back))
        .routes(routes!(keys::make))
        .routes(routes!(keys::revoke))
        .routes(routes!(signers::add))
        .routes(routes!(signers::revoke));
    OpenApiRouter::new()
        .merge(of(&["operator", "auditor", "merchant"], releases))
        .merge(of(&["operator", "auditor"], looked_at))
        .merge(of(&["operator"], changed))
}

/// Releases that come in, which are larger than anything else.
fn published() -> OpenApiRouter<Shared> {
    let put = OpenApiRouter::new().routes(routes!(releases::put));
    of(&["operator", "merchant"], put).route_layer(DefaultBodyLimit::max(RELEASE_BYTES_MAX))
}

fn router(service: Shared) -> Router {
    let identify = from_fn_with_state(Arc::clone(&service), access::identify);
    let recorded = |mut routes: OpenApiRouter<Shared>| {
        api::name_steps(routes.get_openapi_mut());
        routes.route_layer(from_fn_with_state(Arc::clone(&service), access::record))
    };
    let limited = |bodies: &Bodies, routes: OpenApiRouter<Shared>| {
        routes.route_layer(from_fn_with_state(bodies.clone(), body::limit))
    };
    let (router, mut api) = OpenApiRouter::with_openapi(api::Api::openapi())
        .merge(limited(&service.bodies, recorded(managed()).merge(asked())))
        .merge(limited(&service.releases, recorded(published())))
        .route_layer(identify)
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .split_for_parts();
    api::complete(&mut api);
    deprecated::describe(deprecated::PATHS, &mut api);
    router
        .merge(SwaggerUi::new("/docs").url("/openapi.json", api))
        .fallback(async || Problem::not_found("there is no such path; /docs shows which there are"))
        .method_not_allowed_fallback(async || Problem::method())
        .layer(from_fn_with_state(deprecated::PATHS, deprecated::say))
        .layer(from_fn(metrics::count_request))
        .layer(from_fn(telemetry::within_span))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(service)
}

/// Say that the process is there.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, description = "It is there")))]
async fn healthz() -> StatusCode {
    StatusCode::OK
}

/// Say whether the host can answer now: the ledger can be read and, where that failed last, written, and there is room for events.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    responses(
        (status = 200, description = "It can"),
        (status = 429, description = "Too much waits", body = Problem),
        (status = 503, description = "The ledger cannot be reached", body = Problem),
    )
)]
async fn readyz(State(service): State<Shared>) -> Result<StatusCode, Problem> {
    let written = |desk: &Desk| match desk.failing.load(Ordering::Relaxed) {
        true => desk.active().keep_again(&*desk.ledger),
        false => desk.ledger.latest_time().map(drop),
    };
    service.ask(move |desk| Ok(written(desk)?)).await?;
    service.desk.failing.store(false, Ordering::Relaxed);
    if service.desk.behind.load(Ordering::Relaxed) {
        return Err(Unanswered::Behind.into());
    }
    if service.intake.room() == 0 { Err(Problem::busy()) } else { Ok(StatusCode::OK) }
}

/// Returns whether anything may have that name: no event has another one, and not every store takes the question.
fn is_name(text: &str) -> bool {
    !text.contains(char::is_control)
}

impl Service {
    /// Answers a question, on a thread that may wait for the ledger.
    async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&Desk) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        self.one_of(&self.questions, question).await
    }

    /// Does work in its turn, on a thread that may wait for the ledger.
    async fn one_of<T: Send + 'static>(
        &self,
        room: &Room,
        work: impl FnOnce(&Desk) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let permit = timeout(room.wait, Arc::clone(&room.permits).acquire_owned()).await;
        let permit = permit.map_err(|_| Problem::busy())?.map_err(|_| Problem::broken())?;
        let desk = Arc::clone(&self.desk);
        let work = move || {
            // Held until it is done, whoever has gone.
            let _permit = permit;
            work(&desk)
        };
        if !room.gives_way {
            return tokio::task::spawn_blocking(work).await.map_err(|_| Problem::broken())?;
        }
        let (tell, told) = oneshot::channel();
        let events_wait = self.intake.room() < self.intake.size();
        let behind = move || {
            behind::give_way(events_wait);
            tell.send(work()).ok();
        };
        let started = thread::Builder::new().name("behind".to_owned()).spawn(behind);
        started.map_err(|error| Problem::failed(&error.into()))?;
        told.await.map_err(|_| Problem::broken())?
    }
}
