//! Which purchases another program than a given one decided, so that they may be decided anew by that one.

use std::collections::BTreeMap;

use jifen_ledger::Ledger;
use jifen_loyalty::receipt::Key;
use jifen_loyalty::{Event, Receipt};

use crate::backtest::Scope;
use crate::error::HostError;
use crate::programs::Programs;

/// Entries that are read at once.
const CHUNK: usize = 2_000;

/// Purchases of a part of history, in the order of the log.
#[derive(Debug, Default)]
pub(crate) struct Purchases {
    /// Those that this build can read.
    pub(crate) found: Vec<Decided>,
    /// Entries that it cannot.
    pub(crate) unread: u64,
}

/// A purchase, and the program that decides it.
#[derive(Debug)]
pub(crate) struct Decided {
    /// Who sent it, and the sender's name for it.
    pub(crate) key: Key,
    /// The merchant's name for the order.
    pub(crate) order: String,
    /// The digest of the program, in hexadecimal: that of the receipt, or of the last correction.
    pub(crate) program: String,
    /// How often it was corrected.
    pub(crate) corrections: u64,
}

impl Purchases {
    /// Reads the log. `progress` hears how many entries were read.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read, or a program of it cannot be loaded.
    pub(crate) fn read(
        ledger: &dyn Ledger,
        programs: &Programs<'_>,
        scope: &Scope,
        progress: impl Fn(u64),
    ) -> Result<Self, HostError> {
        let mut purchases = Self::default();
        let mut places = BTreeMap::<Key, usize>::new();
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
                if let Some(correction) = event.correction() {
                    let of = inputs.refund.and_then(|refund| refund.of);
                    let place = of.and_then(|of| places.get(&of));
                    if let Some(decided) = place.and_then(|place| purchases.found.get_mut(*place)) {
                        decided.program.clone_from(&correction.program);
                        decided.corrections = decided.corrections.saturating_add(1);
                    }
                }
                let Some(order) = event.purchase().map(|purchase| purchase.order.clone()) else { continue };
                if scope.covers(&programs.get(&inputs.program)?.program, &event) {
                    let key = Key { source: event.source, id: event.id };
                    places.insert(key.clone(), purchases.found.len());
                    purchases.found.push(Decided { key, order, program: inputs.program, corrections: 0 });
                }
            }
            progress(u64::try_from(chunk.len()).unwrap_or(0));
        }
    }
}
