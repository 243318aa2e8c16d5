//! A service that writes what events came to elsewhere, and does nothing else: no parsing but for the name, no evaluation, no
//! check. It takes all that wait into one commit, as the ledger does.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use rusqlite::Connection;
use serde::Deserialize;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::rows::{self, Batch};

/// Requests of one commit.
const WAITING_MAX: usize = 2_000;

/// What an event came to.
struct Known {
    rows: Batch,
    receipt: Vec<u8>,
}

struct Job {
    events: Vec<Arc<Known>>,
    written: oneshot::Sender<()>,
}

#[derive(Clone)]
struct Bare {
    known: Arc<HashMap<String, Arc<Known>>>,
    queue: Sender<Job>,
}

#[derive(Deserialize)]
struct Event {
    id: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Sent {
    One(Event),
    Many(Vec<Event>),
}

pub(crate) fn run(ledger: &str, fresh: &str) -> anyhow::Result<()> {
    let source = Connection::open(ledger)?;
    let target = rows::begin(&source, fresh)?;
    // Of the file that is read alone: the rows of an entry are looked up.
    source.execute_batch("CREATE INDEX IF NOT EXISTS lots_of_entry ON lots (seq)")?;
    let mut known = HashMap::new();
    let mut entries = source.prepare("SELECT seq, id, receipt FROM transactions")?;
    let entry = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?));
    for entry in entries.query_map([], entry)? {
        let (seq, id, receipt): (i64, String, Vec<u8>) = entry?;
        let rows = rows::batch(&source, [seq.saturating_sub(1), seq])?;
        known.insert(id, Arc::new(Known { rows, receipt }));
    }
    let (queue, jobs) = channel();
    thread::spawn(move || work(&target, &jobs));
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    listener.set_nonblocking(true)?;
    eprintln!("listens on http://{};", listener.local_addr()?);
    let router =
        Router::new().route("/v1/events", post(answer)).with_state(Bare { known: Arc::new(known), queue });
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async { axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await })?;
    Ok(())
}

fn work(target: &Connection, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let group: Vec<_> = std::iter::once(first).chain(jobs.try_iter().take(WAITING_MAX)).collect();
        let rows = group.iter().flat_map(|job| job.events.iter().map(|known| &known.rows));
        rows::write(target, rows).expect("the file is ours");
        for job in group {
            // A client who is gone does not need the answer.
            job.written.send(()).ok();
        }
    }
}

async fn answer(State(bare): State<Bare>, body: Bytes) -> Result<Vec<u8>, StatusCode> {
    let (many, events) = match serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)? {
        Sent::One(event) => (false, vec![event]),
        Sent::Many(events) => (true, events),
    };
    let known = events.iter().map(|event| bare.known.get(&event.id).cloned());
    let events = known.collect::<Option<Vec<_>>>().ok_or(StatusCode::NOT_FOUND)?;
    let receipts: Vec<_> = events.iter().map(|known| &*known.receipt).collect();
    let receipts = receipts.join(&b","[..]);
    let (written, done) = oneshot::channel();
    bare.queue.send(Job { events, written }).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    done.await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(if many { [b"[", &*receipts, b"]"].concat() } else { receipts })
}
