//! Replay: every receipt of a ledger derived again and compared, to the byte.
//!
//! The event, the recorded facts and the pinned program go through the same stages as they did then. A receipt
//! agrees if its digest and its postings come out the same.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use jifen_engine::PolicyStore;
use jifen_ledger::{Ledger, Logged};
use jifen_loyalty::{Event, Receipt};

use crate::active::Active;
use crate::conflict::difference;
use crate::error::HostError;
use crate::pipeline::evaluate;
use crate::releases::Releases;

/// Entries that are read at once.
const CHUNK: usize = 1_000;

/// What a replay found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Receipts that were derived again.
    pub(crate) receipts: u64,
    /// Those that came out otherwise, in the order of the log.
    pub(crate) differences: Vec<Difference>,
}

/// A receipt that came out otherwise.
#[derive(Debug)]
pub(crate) struct Difference {
    /// Its place in the log.
    pub(crate) seq: u64,
    /// What is not the same.
    pub(crate) what: String,
}

/// Derives receipts again.
pub(crate) struct Replay<'a> {
    ledger: &'a dyn Ledger,
    releases: &'a Releases<'a>,
    store: &'a PolicyStore,
    /// Programs by digest: a ledger has few.
    programs: Mutex<HashMap<String, Arc<Active>>>,
}

impl<'a> Replay<'a> {
    /// Prepares to replay a ledger.
    pub(crate) fn new(ledger: &'a dyn Ledger, releases: &'a Releases<'a>, store: &'a PolicyStore) -> Self {
        Self { ledger, releases, store, programs: Mutex::default() }
    }

    /// Derives every receipt again and calls `progress` with how many were done.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read, or a program of it cannot be loaded.
    pub(crate) fn all(
        &self,
        threads: NonZeroUsize,
        progress: impl Fn(u64) + Sync,
    ) -> Result<Report, HostError> {
        let (send, receive) = mpsc::sync_channel::<Vec<Logged>>(threads.get());
        let receive = Mutex::new(receive);
        let mut report = Report::default();
        thread::scope(|scope| {
            let work = || self.work(&receive, &progress);
            let workers: Vec<_> = (0..threads.get()).map(|_| scope.spawn(work)).collect();
            let read = self.feed(send);
            for worker in workers {
                report.add(worker.join().expect("a policy cannot panic the host")?);
            }
            read
        })?;
        report.differences.sort_unstable_by_key(|difference| difference.seq);
        Ok(report)
    }

    /// Reads the log for the workers, until its end or until they are gone.
    fn feed(&self, send: mpsc::SyncSender<Vec<Logged>>) -> Result<(), HostError> {
        let mut after = 0;
        loop {
            let chunk = self.ledger.log(after, CHUNK)?;
            let Some(last) = chunk.last() else { return Ok(()) };
            after = last.seq;
            if send.send(chunk).is_err() {
                return Ok(());
            }
        }
    }

    fn work(
        &self,
        chunks: &Mutex<mpsc::Receiver<Vec<Logged>>>,
        progress: &impl Fn(u64),
    ) -> Result<Report, HostError> {
        let mut report = Report::default();
        loop {
            let chunk = chunks.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(chunk) = chunk else { return Ok(report) };
            for logged in &chunk {
                report.receipts = report.receipts.saturating_add(1);
                report
                    .differences
                    .extend(self.compare(logged)?.map(|what| Difference { seq: logged.seq, what }));
            }
            progress(u64::try_from(chunk.len()).unwrap_or(0));
        }
    }

    /// Returns what is not the same when a receipt is derived again.
    fn compare(&self, logged: &Logged) -> Result<Option<String>, HostError> {
        let inputs = match Receipt::inputs(&logged.receipt) {
            Ok(inputs) => inputs,
            Err(error) => return Ok(Some(error.to_string())),
        };
        let event = match Event::parse(&logged.event) {
            Ok(event) if event.digest == logged.event_digest => event,
            Ok(_) => return Ok(Some("the event does not have its digest".to_owned())),
            Err(error) => return Ok(Some(format!("the event cannot be read: {error}"))),
        };
        let active = self.program(&inputs.program)?;
        let situation = match active.program.situate(&event) {
            Ok(situation) => situation,
            Err(error) => return Ok(Some(error.to_string())),
        };
        let again = evaluate(&active, &event, situation, &inputs);
        if again.sealed.json != logged.receipt {
            let read = |json: &[u8]| serde_json::from_slice(json).unwrap_or_default();
            let path = difference("", &read(&logged.receipt), &read(&again.sealed.json));
            return Ok(Some(format!("the receipt: {}", path.unwrap_or_else(|| "its form".to_owned()))));
        }
        if again.sealed.digest != logged.receipt_digest {
            return Ok(Some("the receipt does not have its digest".to_owned()));
        }
        Ok((again.postings != logged.postings).then(|| "the postings".to_owned()))
    }

    pub(crate) fn program(&self, digest: &str) -> Result<Arc<Active>, HostError> {
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(active) = programs.get(digest) {
            return Ok(Arc::clone(active));
        }
        let active = Arc::new(Active::from_ledger(digest, self.ledger, self.releases, self.store)?);
        programs.insert(digest.to_owned(), Arc::clone(&active));
        Ok(active)
    }
}

impl Report {
    fn add(&mut self, mut other: Self) {
        self.receipts = self.receipts.saturating_add(other.receipts);
        self.differences.append(&mut other.differences);
    }
}
