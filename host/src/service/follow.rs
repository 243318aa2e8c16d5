//! Following: which program is at work is looked at in the ledger, so that all hosts on it change together: when the ledger's server
//! tells of a change, and now and then.
//!
//! An event in flight finishes on the program that it began with, and its receipt names it. A host that learns of a program that it
//! cannot load decides nothing until it can, or until another one is at work.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use jifen_ledger::{ProgramChange, ProgramWatch};

use tracing::warn;

use super::intake::{Desk, Live};

/// How long it takes at most until a host looks again.
const EVERY: Duration = Duration::from_millis(250);

/// Looks after which a program that could not be loaded is tried again at the latest.
const PAUSE_MAX: u32 = 256;

/// A program that could not be loaded. Another try may take seconds of both cores, so that tries become rarer.
struct Failed {
    version: u64,
    /// Looks between the last try and the next.
    pause: u32,
    /// How many of them are left.
    left: u32,
}

/// Starts the thread that follows. It ends with the desk.
pub(super) fn start(desk: &Arc<Desk>) {
    let (watch, desk) = (desk.ledger.program_watch(), Arc::downgrade(desk));
    let follow = move || follow(&desk, watch);
    thread::Builder::new()
        .name("follower".to_owned())
        .spawn(follow)
        .expect("the system has room for one thread");
}

fn follow(desk: &Weak<Desk>, mut watch: Box<dyn ProgramWatch>) {
    let (mut said, mut failed) = (None, None);
    while let Some(desk) = desk.upgrade() {
        let error = desk.follow(&mut failed).err();
        if let Some(error) = error.as_ref().filter(|error| said.as_ref() != Some(*error)) {
            warn!("{error}");
        }
        if error.is_some() || failed.is_none() {
            said = error;
        }
        drop(desk);
        // Told or not: a word may be lost.
        watch.wait(EVERY);
    }
}

impl Desk {
    /// Loads the program that is at work, if that is another one and it is time to try.
    fn follow(&self, failed: &mut Option<Failed>) -> Result<(), String> {
        let told = |error| format!("{:#}", anyhow::Error::new(error));
        let last = self.ledger.last_program_change().map_err(told)?;
        let Some(last) = last.filter(|last| last.version > self.live().change.version) else {
            self.behind.store(false, Ordering::Release);
            return Ok(());
        };
        let version = last.version;
        let before = failed.as_mut().filter(|failed| failed.version == version);
        let pause = match before {
            Some(failed) if failed.left > 0 => {
                failed.left = failed.left.saturating_sub(1);
                return Ok(());
            }
            Some(failed) => failed.pause.saturating_mul(2).min(PAUSE_MAX),
            None => 1,
        };
        match self.load(last) {
            Ok(live) => {
                *failed = None;
                // While it was loaded it may have been withdrawn: then the next look loads what took its place.
                let last = self.ledger.last_program_change().map_err(told)?;
                if last.is_none_or(|last| last.version == version) {
                    self.take(live);
                }
                Ok(())
            }
            Err(error) => {
                *failed = Some(Failed { version, pause, left: pause });
                self.behind.store(true, Ordering::Release);
                Err(error)
            }
        }
    }

    fn load(&self, change: ProgramChange) -> Result<Live, String> {
        let version = change.version;
        let active = catch_unwind(AssertUnwindSafe(|| self.loaded(&change.program)));
        let active = active.map_err(|_| format!("version {version} is more than this build can load"))?;
        let active = active.map_err(|error| {
            format!("version {version} is at work and cannot be loaded: {:#}", anyhow::Error::new(error))
        })?;
        Ok(Live { change, active })
    }
}
