//! Between a host and its server: passes on what is said over the socket, and cuts one connection at a chosen moment.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use tempfile::TempDir;

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Where a transaction begins that writes.
    AtLock,
    /// When its COMMIT was sent, before the server hears it.
    BeforeCommit,
    /// When the server has committed, before the host hears it.
    AfterCommit,
}

/// What begins a transaction that writes, and what ends it.
const LOCK: &[u8] = b"pg_advisory_xact_lock";
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
/// The end of every answer: the server is ready.
const READY: &[u8] = b"Z\0\0\0\x05I";

/// A socket in a folder of its own. Dropping it lets connections go on that there are.
pub(crate) struct Proxy {
    folder: TempDir,
    server: String,
    plan: Arc<Plan>,
}

struct Plan {
    cut: Cut,
    /// The transaction that is cut, counted from 1 over all connections.
    at: u64,
    seen: AtomicU64,
    done: AtomicBool,
}

/// Returns the folder that a URL names.
pub(crate) fn host(url: &str) -> &str {
    let rest = url.split_once("host=").expect("it names a folder").1;
    rest.split('&').next().expect("a split has a first part")
}

impl Proxy {
    /// Listens for a ledger's server, and cuts the `at`th transaction that writes.
    pub(crate) fn start(url: &str, cut: Cut, at: u64) -> Self {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let plan = Plan { cut, at, seen: AtomicU64::new(0), done: AtomicBool::new(false) };
        let proxy = Self { folder, server: url.to_owned(), plan: Arc::new(plan) };
        let listener =
            UnixListener::bind(proxy.folder.path().join(SOCKET)).expect("the folder can be written");
        let (plan, server) = (Arc::clone(&proxy.plan), PathBuf::from(host(url)).join(SOCKET));
        thread::spawn(move || {
            for host in listener.incoming().map_while(Result::ok) {
                let server = UnixStream::connect(&server).expect("the server listens");
                pass(&plan, &host, &server);
            }
        });
        proxy
    }

    /// Returns the ledger's URL by this way.
    pub(crate) fn url(&self) -> String {
        let folder = self.folder.path().to_str().expect("it is text");
        self.server.replace(host(&self.server), folder)
    }

    pub(crate) fn has_cut(&self) -> bool {
        self.plan.done.load(Ordering::SeqCst)
    }
}

const SOCKET: &str = ".s.PGSQL.5432";

/// Passes on what both sides say, on threads that end with the connection.
fn pass(plan: &Arc<Plan>, host: &UnixStream, server: &UnixStream) {
    let again = |stream: &UnixStream| stream.try_clone().expect("there is room for a descriptor");
    let last = Arc::new(AtomicBool::new(false));
    let (asking, answering) = ([again(host), again(server)], [again(server), again(host)]);
    let (plan, silent) = (Arc::clone(plan), Arc::clone(&last));
    thread::spawn(move || ask(&plan, &asking, &silent));
    thread::spawn(move || answer(&answering, &last));
}

/// Passes on what the host says, up to the cut.
fn ask(plan: &Plan, [host, server]: &[UnixStream; 2], last: &AtomicBool) {
    let mut writes = false;
    while let Some(said) = heard(host) {
        let begins = said.windows(LOCK.len()).any(|part| part == LOCK);
        let commits = writes && said.ends_with(COMMIT);
        writes = (writes || begins) && !commits;
        let counts = if plan.cut == Cut::AtLock { begins } else { commits };
        if counts && plan.seen.fetch_add(1, Ordering::SeqCst).saturating_add(1) == plan.at {
            plan.done.store(true, Ordering::SeqCst);
            if plan.cut != Cut::AfterCommit {
                break;
            }
            last.store(true, Ordering::SeqCst);
        }
        if (&*server).write_all(&said).is_err() {
            break;
        }
    }
    cut([host, server]);
}

/// Passes on what the server says; of the last answer, nothing.
fn answer([server, host]: &[UnixStream; 2], last: &AtomicBool) {
    while let Some(said) = heard(server) {
        if last.load(Ordering::SeqCst) {
            if said.ends_with(READY) {
                break;
            }
        } else if (&*host).write_all(&said).is_err() {
            break;
        }
    }
    cut([server, host]);
}

fn heard(mut from: &UnixStream) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 1 << 16];
    let length = from.read(&mut buffer).ok().filter(|length| *length > 0)?;
    buffer.truncate(length);
    Some(buffer)
}

/// One of the two may be gone already.
fn cut(streams: [&UnixStream; 2]) {
    for stream in streams {
        stream.shutdown(Shutdown::Both).ok();
    }
}
