//! A copy of a ledger, taken while hosts write it.
//!
//! All pages are copied in one read transaction, so the copy is the ledger as it was at one place of its log; beside a
//! write-ahead log, writers go on meanwhile. It grows under another name and gets its own once it is whole and flushed: a
//! copy that was cut off must not look like a ledger that is empty.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::failure::explain;
use super::file::File;
use crate::LedgerError;

/// Pages that are copied before progress is told.
const PAGES_PER_STEP: i32 = 1_000;

/// What SQLite keeps beside a file. Left by a file that is gone, it would be taken for the copy's.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Copies a ledger to a file that is not there yet. `copied` hears how many pages are copied, and of how many.
pub(super) fn back_up(from: &File, to: &Path, copied: &mut dyn FnMut(u64, u64)) -> Result<(), LedgerError> {
    let source = from.open_to_copy()?;
    let copy = File::new(to);
    if [""].iter().chain(&BESIDE).any(|end| beside(to, end).exists()) {
        return Err(LedgerError::Taken { place: copy.place() });
    }
    let partial = beside(to, ".partial");
    remove(&partial);
    let finished = copy_pages(&source, &partial, copied)
        .map_err(|error| explain(&copy, "copy into", error))
        .and_then(|()| publish(&partial, to).map_err(|error| unpublished(&copy, error)));
    if finished.is_err() {
        remove(&partial);
    }
    finished
}

fn copy_pages(source: &Connection, to: &Path, copied: &mut dyn FnMut(u64, u64)) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut copy = Connection::open_with_flags(to, flags)?;
    // Held from here on. Else whatever another process commits between two steps would begin the copy anew.
    let reading = source.unchecked_transaction()?;
    reading.query_one("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let backup = Backup::new(&reading, &mut copy)?;
    while backup.step(PAGES_PER_STEP)? != StepResult::Done {
        let progress = backup.progress();
        let (pages, left) = (progress.pagecount.unsigned_abs(), progress.remaining.unsigned_abs());
        copied(pages.saturating_sub(left).into(), pages.into());
    }
    Ok(())
}

/// Gives a copy its name, and makes that durable.
fn publish(partial: &Path, to: &Path) -> io::Result<()> {
    fs::rename(partial, to)?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}

fn unpublished(copy: &File, error: io::Error) -> LedgerError {
    LedgerError::Store { place: copy.place(), doing: "copy into", source: Arc::new(error) }
}

/// Removes what a copy that was cut off has left, if there is any.
fn remove(partial: &Path) {
    for end in ["", "-journal"] {
        fs::remove_file(beside(partial, end)).ok();
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}
