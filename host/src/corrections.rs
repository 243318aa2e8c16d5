//! Which purchases another program than a given one decided, so that they may be decided anew by that one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jifen_ledger::Ledger;
use jifen_loyalty::receipt::Key;
use jifen_loyalty::{Event, Program, Receipt};

use crate::active::program_named;
use crate::backtest::Scope;
use crate::error::HostError;

/// Entries that are read at once.
const CHUNK: usize = 2_000;

/// Purchases of a part of history.
#[derive(Debug, Default)]
pub(crate) struct Purchases {
    /// Those that this build can read, each by what sent it.
    found: BTreeMap<Key, Decided>,
    /// Entries that it cannot.
    pub(crate) unread: u64,
}

/// A purchase, and the program that decides it.
#[derive(Debug)]
pub(crate) struct Decided {
    /// The merchant's name for the order.
    pub(crate) order: String,
    /// How often it was corrected.
    pub(crate) corrections: u64,
    /// The digest of the program, in hexadecimal: that of the receipt, or of the last correction.
    program: Arc<str>,
    /// Its place in the log.
    seq: u64,
}

/// Programs of the log, each with its digest, which purchases have in common.
#[derive(Default)]
struct Programs(HashMap<String, (Arc<str>, Arc<Program>)>);

impl Purchases {
    /// Reads the log. `progress` hears how many entries were read.
    ///
    /// # Errors
    ///
    /// If the ledger or a program of it cannot be read.
    pub(crate) fn read(
        ledger: &dyn Ledger,
        scope: &Scope,
        progress: impl Fn(u64),
    ) -> Result<Self, HostError> {
        let (mut purchases, mut programs) = (Self::default(), Programs::default());
        let mut after = 0;
        loop {
            let chunk = ledger.log(after, CHUNK)?;
            let Some(last) = chunk.last() else { return Ok(purchases) };
            after = last.seq;
            for logged in &chunk {
                let read = (Event::parse(&logged.event), Receipt::inputs(&logged.receipt));
                let (Ok(event), Ok(inputs)) = read else {
                    purchases.unread = purchases.unread.saturating_add(1);
                    continue;
                };
                let (digest, program) = programs.get(ledger, &inputs.program)?;
                if event.correction().is_some() {
                    let of = inputs.refund.and_then(|refund| refund.of);
                    if let Some(decided) = of.and_then(|of| purchases.found.get_mut(&of)) {
                        decided.program = digest;
                        decided.corrections = decided.corrections.saturating_add(1);
                    }
                    continue;
                }
                let Some(order) = event.purchase().map(|purchase| purchase.order.clone()) else { continue };
                if scope.covers(&program, &event) {
                    let decided = Decided { order, corrections: 0, program: digest, seq: logged.seq };
                    purchases.found.insert(Key { source: event.source, id: event.id }, decided);
                }
            }
            progress(u64::try_from(chunk.len()).unwrap_or(0));
        }
    }

    /// Returns those that another program decides, in the order of the log.
    pub(crate) fn but_by(&self, program: &str) -> Vec<(&Key, &Decided)> {
        let mut others: Vec<_> = self.found.iter().filter(|(_, it)| *it.program != *program).collect();
        others.sort_unstable_by_key(|(_, decided)| decided.seq);
        others
    }
}

impl Programs {
    fn get(&mut self, ledger: &dyn Ledger, digest: &str) -> Result<(Arc<str>, Arc<Program>), HostError> {
        if let Some(known) = self.0.get(digest) {
            return Ok(known.clone());
        }
        let known = (Arc::from(digest), Arc::new(program_named(ledger, digest)?.0));
        self.0.insert(digest.to_owned(), known.clone());
        Ok(known)
    }
}
