//! Programs of then: those that a ledger's receipts name.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jifen_engine::PolicyStore;
use jifen_ledger::{Ledger, LedgerError};

use crate::active::Active;
use crate::error::HostError;
use crate::releases::Releases;

/// Programs that a ledger's receipts name, by digest: a ledger has few.
pub(crate) struct Programs<'a> {
    ledger: &'a dyn Ledger,
    releases: &'a Releases<'a>,
    store: &'a PolicyStore,
    load: Load,
    loaded: Mutex<HashMap<String, Arc<Active>>>,
    /// Those that are known to have been put to work.
    at_work: Mutex<BTreeSet<String>>,
}

/// Changes of the program that are read at once.
const CHANGES: usize = 1_000;

/// How a program is loaded.
type Load = fn(&str, &dyn Ledger, &Releases<'_>, &PolicyStore) -> Result<Active, HostError>;

impl<'a> Programs<'a> {
    /// Prepares to load what a ledger names.
    pub(crate) fn new(ledger: &'a dyn Ledger, releases: &'a Releases<'a>, store: &'a PolicyStore) -> Self {
        Self {
            ledger,
            releases,
            store,
            load: Active::from_ledger,
            loaded: Mutex::default(),
            at_work: Mutex::default(),
        }
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
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(active) = loaded.get(digest) {
            return Ok(Arc::clone(active));
        }
        let active = Arc::new((self.load)(digest, self.ledger, self.releases, self.store)?);
        loaded.insert(digest.to_owned(), Arc::clone(&active));
        Ok(active)
    }
}
