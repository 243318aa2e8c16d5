//! A copy of a ledger, taken while hosts write it.
//!
//! All pages are copied in one read transaction, so the copy is the ledger as it was at one place of its log; beside a
//! write-ahead log, writers go on meanwhile. It grows under a name that nobody else has and gets its own once it is whole and
//! flushed: a copy that was cut off must not look like a ledger that is empty.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempPath;

use super::failure::{cannot_open, explain};
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
    let partial = partial(to).map_err(|error| cannot_open(copy.place(), Arc::new(error)))?;
    copy_pages(&source, &partial, copied).map_err(|error| explain(&copy, "copy into", error))?;
    partial.persist_noclobber(to).map_err(|error| {
        let taken = error.error.kind() == io::ErrorKind::AlreadyExists;
        if taken { LedgerError::Taken { place: copy.place() } } else { failed(&copy, error.error) }
    })?;
    fs::File::open(folder(to)).and_then(|folder| folder.sync_all()).map_err(|error| failed(&copy, error))
}

/// Returns a file of its own for a copy that is not whole yet, which is gone unless the copy gets its name.
fn partial(to: &Path) -> io::Result<TempPath> {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".");
    let file = tempfile::Builder::new().prefix(&name).suffix(".partial").tempfile_in(folder(to))?;
    Ok(file.into_temp_path())
}

fn copy_pages(source: &Connection, to: &Path, copied: &mut dyn FnMut(u64, u64)) -> rusqlite::Result<()> {
    let mut copy = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
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

fn folder(of: &Path) -> &Path {
    of.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn failed(copy: &File, error: io::Error) -> LedgerError {
    LedgerError::Store { place: copy.place(), doing: "copy into", source: Arc::new(error) }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}
