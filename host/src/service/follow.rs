//! Following: which program is at work is looked at in the ledger, so that all hosts on it change together.
//!
//! An event in flight finishes on the program that it began with, and its receipt names it. A host that learns of a program that it
//! cannot load decides nothing until it can, or until another one is at work.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use jifen_ledger::ProgramChange;

use super::intake::{Desk, Live};
use crate::active::Active;
use crate::error::HostError;

/// How long it takes at most until a host looks again.
const EVERY: Duration = Duration::from_millis(250);

/// Starts the thread that follows. It ends with the desk. `complain` hears what cannot be loaded, once.
pub(super) fn start(desk: &Arc<Desk>, complain: impl Fn(&str) + Send + 'static) {
    let desk = Arc::downgrade(desk);
    let follow = move || follow(&desk, &complain);
    thread::Builder::new()
        .name("follower".to_owned())
        .spawn(follow)
        .expect("the system has room for one thread");
}

fn follow(desk: &Weak<Desk>, complain: &dyn Fn(&str)) {
    let mut said = None;
    while let Some(desk) = desk.upgrade() {
        let failed = desk.follow().err().map(|error| format!("{:#}", anyhow::Error::from(error)));
        if let Some(failed) = failed.as_ref().filter(|failed| said.as_ref() != Some(*failed)) {
            complain(failed);
        }
        said = failed;
        drop(desk);
        thread::sleep(EVERY);
    }
}

impl Desk {
    /// Loads the program that is at work, if that is another one.
    fn follow(&self) -> Result<(), HostError> {
        let last = self.ledger.last_program_change()?;
        let Some(last) = last.filter(|last| last.version != self.live().change.version) else {
            return Ok(());
        };
        let loaded = self.load(last);
        // Where the ledger cannot be reached, nothing is decided anyway.
        let behind = loaded.as_ref().is_err_and(|error| !matches!(error, HostError::Ledger(_)));
        self.behind.store(behind, Ordering::Relaxed);
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = loaded?;
        Ok(())
    }

    fn load(&self, change: ProgramChange) -> Result<Live, HostError> {
        let live = self.live();
        if live.change.program == change.program {
            return Ok(Live { change, ..live });
        }
        let active = Active::at_work(&change, &*self.ledger, &self.store)?;
        Ok(Live { change, active: Arc::new(active) })
    }
}
