//! Replay: every receipt of a ledger derived again and compared, to the byte.
//!
//! The event, the recorded facts and the pinned program go through the same stages as they did then. A receipt
//! agrees if its digest and its postings come out the same.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use jifen_engine::PolicyStore;
use jifen_ledger::{Ledger, Logged};
use jifen_loyalty::event::{Body, Happening};
use jifen_loyalty::receipt::Inputs;
use jifen_loyalty::{Event, Receipt};

use crate::conflict::difference;
use crate::error::{HostError, Undecided};
use crate::pipeline::evaluate;
use crate::programs::Programs;
use crate::refund::{self, Then};
use crate::releases::Releases;
use crate::{block, close, conversion, opening, redemption, settle, term};

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
    programs: Programs<'a>,
}

impl<'a> Replay<'a> {
    /// Prepares to replay a ledger.
    pub(crate) fn new(ledger: &'a dyn Ledger, releases: &'a Releases<'a>, store: &'a PolicyStore) -> Self {
        Self { ledger, programs: Programs::new(ledger, releases, store) }
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
        let receipt = match self.derive(logged, &event, inputs) {
            Ok(receipt) => receipt,
            Err(Undecided::Refused(refusal) | Undecided::Declined(refusal, _)) => {
                return Ok(Some(refusal.to_string()));
            }
            Err(Undecided::Failed(error)) => return Err(error),
        };
        let postings = receipt.postings(&receipt.lots(event.time), event.time);
        let zone = self.programs.get(&receipt.program)?.program.zone;
        let again = receipt.seal(&event, zone, &postings);
        if again.json != logged.receipt {
            let read = |json: &[u8]| serde_json::from_slice(json).unwrap_or_default();
            let path = difference("", &read(&logged.receipt), &read(&again.json));
            return Ok(Some(format!("the receipt: {}", path.unwrap_or_else(|| "its form".to_owned()))));
        }
        if again.digest != logged.receipt_digest {
            return Ok(Some("the receipt does not have its digest".to_owned()));
        }
        Ok((postings != logged.postings).then(|| "the postings".to_owned()))
    }

    /// Derives a receipt from what went into it.
    fn derive(&self, logged: &Logged, event: &Event, inputs: Inputs) -> Result<Receipt, Undecided> {
        match &event.body {
            Body::Happening(happening) => self.derive_happening(logged, event, happening, inputs),
            Body::Refund(refund) => {
                let earlier = self.earlier(logged, event)?;
                refund::derive(&self.programs, event, refund, &inputs, &earlier)
            }
            Body::Redemption(step) => redemption::derive(&self.programs, event, step, inputs),
            Body::Settlement(settlement) => settle::derive(self.ledger, logged, event, settlement),
            Body::Opening(opening) => {
                opening::derive(&*self.programs.get(&inputs.program)?, event, opening, inputs)
            }
            Body::Conversion(wanted) => {
                conversion::derive(&*self.programs.get(&inputs.program)?, event, wanted, inputs)
            }
            Body::TermChange(change) => {
                term::derive(&*self.programs.get(&inputs.program)?, event, change, inputs)
            }
            Body::Block(bought) => block::derive(&*self.programs.get(&inputs.program)?, event, bought),
            Body::Close(close) => close::derive(&*self.programs.get(&inputs.program)?, event, close, inputs),
        }
    }

    fn derive_happening(
        &self,
        logged: &Logged,
        event: &Event,
        happening: &Happening,
        inputs: Inputs,
    ) -> Result<Receipt, Undecided> {
        let active = self.programs.get(&inputs.program)?;
        let situation = active.program.situate(happening)?;
        let Inputs { program, referral, evaluations, version, refund, redemptions, repayments, .. } = inputs;
        let then = Then { evaluations: &evaluations, referral: referral.as_ref(), history: None };
        let (decision, evaluations) = evaluate(&active, happening, situation, &then)?;
        let owner = (Some(happening.member.clone()), version);
        let mut receipt = Receipt {
            referral,
            evaluations,
            decision,
            redemptions,
            repayments,
            ..Receipt::new(program, owner, situation.today.day.number())
        };
        if let Some(recorded) = refund {
            let earlier = self.earlier(logged, event)?;
            refund::derive_waited(&active, &self.programs, event, &mut receipt, &recorded, &earlier)?;
        }
        Ok(receipt)
    }

    /// Returns the entries of an event's order before its own.
    fn earlier(&self, logged: &Logged, event: &Event) -> Result<Vec<Logged>, HostError> {
        let mut entries = event.order().map_or(Ok(Vec::new()), |number| self.ledger.order(number))?;
        entries.retain(|earlier| earlier.seq < logged.seq);
        Ok(entries)
    }
}

impl Report {
    fn add(&mut self, mut other: Self) {
        self.receipts = self.receipts.saturating_add(other.receipts);
        self.differences.append(&mut other.differences);
    }
}
