//! Programs of then: those that a ledger's receipts name.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use jifen_engine::PolicyStore;
use jifen_ledger::{Ledger, LedgerError};
use jifen_loyalty::InvalidEvent;
use moka::sync::Cache;

use crate::active::Active;
use crate::error::{HostError, Undecided};
use crate::releases::Releases;

/// Programs that are held loaded, by digest.
pub(crate) type Held = Cache<String, Arc<Active>>;

/// Programs that a ledger's receipts name.
pub(crate) struct Programs<'a> {
    ledger: &'a dyn Ledger,
    releases: &'a Releases<'a>,
    store: &'a PolicyStore,
    load: Load,
    held: Held,
    /// Of those who want one of these at the same time, one loads it.
    turn: Mutex<()>,
    /// Those that are known to have been put to work.
    at_work: Mutex<BTreeSet<String>>,
}

/// Changes of the program that are read at once.
const CHANGES: usize = 1_000;

/// How a program is loaded.
type Load = fn(&str, &dyn Ledger, &Releases<'_>, &PolicyStore) -> Result<Active, HostError>;

impl<'a> Programs<'a> {
    /// Prepares to load what a ledger names, and to hold all of it.
    pub(crate) fn new(ledger: &'a dyn Ledger, releases: &'a Releases<'a>, store: &'a PolicyStore) -> Self {
        Self::holding(ledger, releases, store, Cache::builder().build())
    }

    /// Holds them where others do, as many as there is room for.
    pub(crate) fn holding(
        ledger: &'a dyn Ledger,
        releases: &'a Releases<'a>,
        store: &'a PolicyStore,
        held: Held,
    ) -> Self {
        let (turn, at_work) = (Mutex::default(), Mutex::default());
        Self { ledger, releases, store, load: Active::from_ledger, held, turn, at_work }
    }

    /// Loads them with the tables of this build, whichever decided then.
    pub(crate) fn with_our_tables(self) -> Self {
        Self { load: Active::with_our_tables, ..self }
    }

    /// Returns the ledger whose receipts they are.
    pub(crate) fn ledger(&self) -> &dyn Ledger {
        self.ledger
    }

    /// Returns whether a program was ever put to work.
    pub(crate) fn was_at_work(&self, digest: &str) -> Result<bool, LedgerError> {
        let mut at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        let mut after = 0;
        while !at_work.contains(digest) {
            let changes = self.ledger.program_changes(after, CHANGES)?;
            let Some(last) = changes.last() else { return Ok(false) };
            after = last.version;
            at_work.extend(changes.iter().map(|change| hex::encode(change.program)));
        }
        Ok(true)
    }

    /// Returns the program of a digest.
    pub(crate) fn get(&self, digest: &str) -> Result<Arc<Active>, HostError> {
        if let Some(active) = self.held.get(digest) {
            return Ok(active);
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(active) = self.held.get(digest) {
            return Ok(active);
        }
        let active = Arc::new((self.load)(digest, self.ledger, self.releases, self.store)?);
        self.held.insert(digest.to_owned(), Arc::clone(&active));
        Ok(active)
    }

    /// Returns the program of a digest that an event depends on. If this build cannot run it, the event is refused at a field, which says
    /// which program that is.
    pub(crate) fn pinned(&self, digest: &str, field: &str, which: &str) -> Result<Arc<Active>, Undecided> {
        self.get(digest).map_err(|error| {
            if error.is_trouble() {
                return error.into();
            }
            let reason = format!("{which} cannot run here: {error}");
            InvalidEvent { field: field.to_owned(), reason }.into()
        })
    }
}
