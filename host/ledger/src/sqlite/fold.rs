//! Folding: what stands in the write-ahead log is copied into the file, beside the writer.
//!
//! SQLite does so in the commit that makes the log long, for which everybody waits. Here another connection copies most of it while
//! the writer goes on. The writer itself copies the little that came meanwhile: only once all is copied, and before anything more is
//! written, does the log begin anew.

use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{Builder, JoinHandle};

use rusqlite::hooks::Wal;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, DEFAULT_NAME};

/// Pages in the log from which on it is folded: 20 MB. A page that was rewritten many times by then is copied once, and the longer the
/// log, the longer the flush of what is copied is in the way of the writer's own.
pub(super) const PAGES: i32 = 5_000;

/// Pages that may come while others are copied and are few enough to be left to the writer.
const FEW: i32 = 1_000;

/// How often it is tried to leave only a few.
const PASSES: usize = 8;

/// The thread that folds, for as long as the writer's connection is open. Its own is closed after that: SQLite folds the rest where one
/// is closed with no other open, and of two that are closed at once neither is that.
pub(super) struct Folder(Option<JoinHandle<Connection>>);

impl Folder {
    /// Folds the log of a writer by another connection to the same file, from so many pages on.
    pub(super) fn start(writer: &mut Connection, other: Connection, from: i32) -> rusqlite::Result<Self> {
        let (ask, asked) = channel();
        let (tell, told) = channel();
        let thread = Builder::new().name("folder".to_owned()).spawn(move || work(other, &asked, &tell));
        let folder = Self(Some(thread.expect("the system has room for one thread")));
        let mut copying = false;
        writer.wal_hook(Some(move |log: &mut Wal, pages| {
            if copying && told.try_recv() == Err(TryRecvError::Empty) {
                return Ok(());
            }
            let copied = copying;
            copying = pages >= from && !copied && ask.send(()).is_ok();
            if pages >= from && !copying {
                // As where SQLite does so by itself: what could not be copied is copied another time.
                log.checkpoint().ok();
            }
            Ok(())
        }))?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A panic over there has been reported over there, and the writer folds by itself then.
        self.0.take().map(JoinHandle::join);
    }
}

fn work(connection: Connection, asked: &Receiver<()>, tell: &Sender<()>) -> Connection {
    while asked.recv().is_ok() {
        let mut before = 0;
        for _ in 0..PASSES {
            match connection.wal_checkpoint_v2(DEFAULT_NAME, CheckpointMode::PASSIVE) {
                Ok((pages, _)) if pages.saturating_sub(before) > FEW => before = pages,
                Ok(_) | Err(_) => break,
            }
        }
        if tell.send(()).is_err() {
            break;
        }
    }
    connection
}
