//! What only SQLite can do wrong: failures in the middle, and what its codes mean.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jifen_loyalty::entry::BudgetDraw;
use jifen_loyalty::{Entry, Points};
use rusqlite::{Connection, Error, ffi};

use super::Sqlite;
use super::failure::{explain, explain_commit};
use super::file::File;
use super::fold::Folder;
use crate::tests::fixture::{Draft, EVERYTHING, SOURCE, View, digest};
use crate::{Conflict, Ledger, LedgerError, MemberQuery, OrderQuery, Page, Query, RedemptionQuery, Release};

/// More steps than any transaction of these tests takes.
const STEPS_MAX: u64 = 100_000;

/// Steps of SQLite's machine that are still allowed to the writer; what goes beyond is interrupted, be it a rollback.
#[derive(Clone)]
struct Allowance(Arc<AtomicU64>);

impl Allowance {
    fn unlimited() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }

    fn set(&self, steps: u64) {
        self.0.store(steps, Ordering::SeqCst);
    }

    /// Takes one step; returns whether it is one too many.
    fn is_spent(&self) -> bool {
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err()
    }
}

fn open_with(allowance: &Allowance, path: &Path) -> Sqlite {
    let file = File::new(path);
    let mut connection = file.open_or_begin().unwrap();
    let allowance = allowance.clone();
    connection.progress_handler(1, Some(move || allowance.is_spent())).unwrap();
    let folding = file.open_to_fold().unwrap();
    Sqlite::on(file, connection, folding).unwrap()
}

fn view(ledger: &dyn Ledger) -> View {
    View::of(ledger, &["ann", "bob"], &["spend"], &[10])
}

/// A batch of two on top of a ledger of one, which touches every table.
fn batch() -> Vec<Entry> {
    let first = Draft::purchase("o1", "ann", 1, 10, 100).lot("bob", "spend", 2).entry();
    let mut second = Draft::purchase("o2", "bob", 1, 10, 100).lot("bob", "spend", 3);
    second.draws.push(BudgetDraw {
        deployment: "spend".into(),
        budget: Points::MAX,
        used_before: Points::ZERO,
        granted: Points::new(3).unwrap(),
        limited: false,
    });
    vec![first, second.entry()]
}

#[test]
fn a_failure_at_any_step_leaves_all_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let allowance = Allowance::unlimited();
    let ledger = open_with(&allowance, &directory.path().join("ledger.jifen"));
    ledger.commit(vec![Draft::purchase("o0", "ann", 0, 10, 100).lot("ann", "spend", 1).entry()]).unwrap();
    let before = view(&ledger);
    for steps in 0..STEPS_MAX {
        allowance.set(steps);
        let committed = ledger.commit(batch());
        allowance.set(u64::MAX);
        let now = view(&ledger);
        now.assert_sound();
        match committed {
            Err(LedgerError::Store { .. }) => assert!(now == before, "something is there at step {steps}"),
            // COMMIT itself was interrupted: all of it is there, or nothing. Sending it again tells which.
            Err(LedgerError::Uncertain { .. }) if now == before => (),
            Err(LedgerError::Uncertain { .. }) => {
                assert_eq!(ledger.commit(batch()).unwrap().conflict, Some(Conflict::Duplicate { seq: 2 }));
                assert!(steps > 100, "failures came inside the transaction too");
                return assert_eq!(now.log.len(), 3);
            }
            other => panic!("{other:?} at step {steps}"),
        }
    }
    panic!("it never gets through");
}

#[test]
fn a_failure_while_a_release_is_kept_leaves_none() {
    let directory = tempfile::tempdir().unwrap();
    let allowance = Allowance::unlimited();
    let ledger = open_with(&allowance, &directory.path().join("ledger.jifen"));
    let (digest, component) = (digest("release"), vec![7; 100_000]);
    let release = Release { digest, name: "spend".to_owned(), version: "0.1.0".to_owned(), component };
    for steps in 0..STEPS_MAX {
        allowance.set(steps);
        let kept = ledger.put_release(&release);
        allowance.set(u64::MAX);
        match (kept, ledger.release(&digest).unwrap()) {
            (Err(LedgerError::Store { .. } | LedgerError::Uncertain { .. }), None) => (),
            (Ok(()) | Err(LedgerError::Uncertain { .. }), Some(found)) => return assert_eq!(found, release),
            (kept, found) => panic!("{kept:?} and {} at step {steps}", found.is_some()),
        }
    }
    panic!("it never gets through");
}

/// What is read of a member is found, not searched for: it takes as many steps however many others there are.
#[test]
fn a_snapshot_takes_no_more_steps_when_there_are_more_others() {
    let directory = tempfile::tempdir().unwrap();
    let steps = [3, 300].map(|others: u64| {
        let path = directory.path().join(format!("{others}.jifen"));
        let ledger = Sqlite::open(&path).unwrap();
        let others = (0..others).map(|n| Draft::purchase(&format!("p{n}"), &format!("a{n}"), 0, 10, 1));
        let own = (0..3).map(|n| Draft::purchase(&format!("o{n}"), "ann", n, 10, 1));
        let drafts = others.chain(own).map(|draft| draft.clone().lot(&draft.member, "spend", 1));
        ledger.commit(drafts.map(Draft::entry).collect()).unwrap();
        steps_of_snapshot(&path)
    });
    assert_eq!(steps[0], steps[1]);
}

fn steps_of_snapshot(path: &Path) -> u64 {
    let steps = Arc::new(AtomicU64::new(0));
    let mut connection = File::new(path).open_reader().unwrap();
    let counter = Arc::clone(&steps);
    let count = move || counter.fetch_add(1, Ordering::SeqCst) == u64::MAX;
    connection.progress_handler(1, Some(count)).unwrap();
    let (ann, bob) = ("ann".into(), "bob".into());
    let (gifts, use_of_points) = ("spend".into(), "r0".into());
    let query = Query {
        keys: &[(SOURCE, "o1"), (SOURCE, "new")],
        members: &[&ann, &bob].map(|id| MemberQuery { id, first_day: 10, lots: false }),
        needs: EVERYTHING,
        budgets: &["spend".into()],
        orders: &[
            OrderQuery { number: "o1", whole: true, key: None },
            OrderQuery { number: "new", whole: true, key: None },
            OrderQuery { number: "o2", whole: false, key: None },
        ],
        redemptions: &[RedemptionQuery { name: &use_of_points, key: 1 }],
        stock: &[(&gifts, "gift", 10)],
    };
    super::member::snapshot(&connection, &query).unwrap();
    steps.load(Ordering::SeqCst)
}

/// Another process is another connection here: it takes the lock and keeps it.
#[test]
fn a_locked_ledger_says_so_and_goes_on_when_it_is_free() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.jifen");
    let file = File::new(&path);
    let connection = file.open_or_begin().unwrap();
    connection.busy_timeout(std::time::Duration::ZERO).unwrap();
    let folding = file.open_to_fold().unwrap();
    let ledger = Sqlite::on(file, connection, folding).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let entry = || vec![Draft::purchase("o1", "ann", 0, 10, 100).entry()];
    let error = ledger.commit(entry()).unwrap_err();
    assert!(matches!(error, LedgerError::Busy { .. }) && error.retryable(), "{error}");
    assert_eq!(view(&ledger).log, [], "readers do not wait");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(ledger.commit(entry()).unwrap().seqs, [1]);
}

#[test]
fn a_column_that_does_not_hold_what_it_should_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.jifen");
    let ledger = Sqlite::open(&path).unwrap();
    ledger.commit(vec![Draft::purchase("o1", "ann", 0, 10, 100).lot("ann", "spend", 1).entry()]).unwrap();
    for damage in [
        "UPDATE lots SET issuer = 'nobody'",
        "UPDATE lots SET issuer = 'platform', points = 1 << 60",
        "UPDATE lots SET points = 1, awaits = 'confirmed', counts = '{'",
        "UPDATE transactions SET day = 1 << 40",
    ] {
        Connection::open(&path).unwrap().execute_batch(damage).unwrap();
        let error = ledger.statement(&"ann".into(), Page::default()).unwrap_err();
        assert!(matches!(error, LedgerError::Damaged { .. }), "{damage}: {error}");
    }
}

#[test]
fn constraints_stand_behind_the_checks() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.jifen");
    let ledger = Sqlite::open(&path).unwrap();
    ledger.commit(vec![Draft::purchase("o1", "ann", 0, 10, 100).lot("ann", "spend", 1).entry()]).unwrap();
    let connection = Connection::open(&path).unwrap();
    for (sql, constraint) in [
        ("UPDATE lots SET remaining = -1", "lots_remaining_nonnegative"),
        ("UPDATE lots SET remaining = points + 1", "lots_remaining_of_points"),
        ("UPDATE members SET version = 0", "members_version_positive"),
        ("UPDATE transactions SET latest_ms = time_ms - 1", "transactions_latest_is_latest"),
        ("INSERT INTO budgets VALUES ('spend', -1)", "budgets_granted_nonnegative"),
    ] {
        let error = connection.execute_batch(sql).unwrap_err().to_string();
        assert!(error.contains(constraint), "{sql}: {error}");
    }
}

#[test]
fn codes_become_errors_that_say_what_to_do() {
    let file = File::new(Path::new("/somewhere/ledger.jifen"));
    let failure = |code| Error::SqliteFailure(ffi::Error::new(code), None);
    for (code, words, retryable) in [
        (ffi::SQLITE_BUSY, "locked by another process", true),
        (ffi::SQLITE_BUSY_SNAPSHOT, "locked by another process", true),
        (ffi::SQLITE_FULL, "make room", true),
        (ffi::SQLITE_READONLY_DIRECTORY, "read-only", false),
        (ffi::SQLITE_PERM, "read-only", false),
        (ffi::SQLITE_NOTADB, "not a Jifen ledger", false),
        (ffi::SQLITE_CORRUPT_INDEX, "damaged", false),
        (ffi::SQLITE_CANTOPEN_ISDIR, "directory must exist", false),
        (ffi::SQLITE_IOERR_WRITE, "cannot write to ledger", false),
        (ffi::SQLITE_INTERRUPT, "cannot write to ledger", false),
    ] {
        let error = explain(&file, "write to", failure(code));
        let told = error.to_string();
        assert!(told.contains(words) && told.contains("/somewhere/ledger.jifen"), "{told}");
        assert_eq!(error.retryable(), retryable, "{told}");
    }
}

#[test]
fn an_error_of_commit_is_uncertain_unless_there_was_no_way_to_write() {
    let file = File::new(Path::new("/somewhere/ledger.jifen"));
    for (code, uncertain) in [
        (ffi::SQLITE_IOERR_FSYNC, true),
        (ffi::SQLITE_INTERRUPT, true),
        (ffi::SQLITE_FULL, false),
        (ffi::SQLITE_BUSY, false),
        (ffi::SQLITE_READONLY_DBMOVED, false),
    ] {
        let error = explain_commit(&file, Error::SqliteFailure(ffi::Error::new(code), None));
        assert_eq!(matches!(error, LedgerError::Uncertain { .. }), uncertain, "{error}");
        assert!(error.retryable() || !uncertain);
    }
}

/// The log begins anew beside a writer that never pauses, and while others read; nothing of what was written is missing.
#[test]
fn a_log_begins_anew_while_it_is_written() {
    const PAGES: u64 = 100;
    const ROWS: u64 = 100_000;
    let folder = tempfile::tempdir().unwrap();
    let file = File::new(&folder.path().join("ledger.db"));
    let mut writer = file.open_or_begin().unwrap();
    writer
        .execute_batch("PRAGMA synchronous = OFF; CREATE TABLE lines (line INTEGER PRIMARY KEY, text)")
        .unwrap();
    let folding =
        Folder::start(&mut writer, file.open_to_fold().unwrap(), PAGES.try_into().unwrap()).unwrap();
    let log = folder.path().join("ledger.db-wal");
    let reader = file.open_reader().unwrap();
    let count = |connection: &Connection| {
        connection.query_one("SELECT count(*) FROM lines", [], |row| row.get::<_, u64>(0)).unwrap()
    };
    let mut frames = 0;
    let begun_anew = (1..=ROWS).find(|row| {
        writer.execute("INSERT INTO lines (text) VALUES (zeroblob(4096))", []).unwrap();
        assert_eq!(count(&reader), *row);
        // Each row is a page at least: a log that never begins anew is longer than that.
        frames = std::fs::metadata(&log).unwrap().len().div_euclid(4096);
        *row > PAGES && *row > 2 * frames
    });
    assert!(begun_anew.is_some(), "after {ROWS} rows the log has {frames} pages");
    let written = count(&reader);
    drop((reader, writer, folding));
    assert!(!log.exists(), "the last to close folds the rest");
    assert_eq!(count(&Connection::open(folder.path().join("ledger.db")).unwrap()), written);
}
