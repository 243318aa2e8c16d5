//! What can lie at a path, and what is said about it.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;

use jifen_loyalty::Instant;
use rusqlite::Connection;

use super::fixture::{Draft, View, publish};
use crate::{Ledger, LedgerError, ProgramChange, Sqlite, open};

fn refusal(path: &Path) -> LedgerError {
    Sqlite::open(path).err().expect("it is no ledger")
}

fn view(ledger: &dyn Ledger) -> View {
    View::of(ledger, &["ann"], &["spend"], &[10])
}

#[test]
fn a_ledger_is_what_it_was_when_it_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.jifen");
    let ledger = Sqlite::open(&path).unwrap();
    ledger.commit(vec![Draft::purchase("o1", "ann", 0, 10, 100).lot("ann", "spend", 3).entry()]).unwrap();
    let before = view(&ledger);
    drop(ledger);
    assert_eq!(before, view(&Sqlite::open(&path).unwrap()));
    let url = format!("sqlite:{}", path.display());
    assert_eq!(before, view(&*open(&url).unwrap()));
    assert_eq!(before, view(&*open(path.to_str().unwrap()).unwrap()));
}

#[test]
fn closing_leaves_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Sqlite::open(&directory.path().join("ledger.jifen")).unwrap();
    ledger.commit(vec![Draft::purchase("o1", "ann", 0, 10, 100).entry()]).unwrap();
    drop(view(&ledger));
    drop(ledger);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn urls_pick_the_store_or_say_what_would_do() {
    assert!(open("memory:").is_ok());
    for (url, mend) in [
        ("", "name a file"),
        ("sqlite:", "name a file"),
        ("sqlite::memory:", "use memory:"),
        ("postgres:///jifen", "name a host"),
        ("postgres://db:port/jifen", "a URL is postgres://"),
        ("https://example.com/ledger", "use a path"),
    ] {
        let error = open(url).err().expect(url).to_string();
        assert!(error.contains(mend), "{error}");
    }
}

#[test]
fn an_earlier_schema_takes_the_steps_that_it_lacks() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.jifen");
    let ledger = Sqlite::open(&path).unwrap();
    ledger.commit(vec![Draft::purchase("o1", "ann", 0, 10, 100).entry()]).unwrap();
    let before = view(&ledger);
    drop(ledger);
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "DROP TABLE signers; DROP TABLE quotes; DROP TABLE keys; DROP TABLE trail; DROP TABLE announcements; DROP TABLE publications; DROP TABLE changes; PRAGMA user_version = 1",
        )
        .unwrap();
    for _ in 0..2 {
        let ledger = Sqlite::open(&path).unwrap();
        assert_eq!((&view(&ledger), ledger.last_program_change().unwrap()), (&before, None));
    }
}

/// What was published before policies had owners is the platform's.
#[test]
fn publications_of_an_earlier_schema_stay() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.jifen");
    let published = publish(&Sqlite::open(&path).unwrap());
    let change = {
        let ledger = Sqlite::open(&path).unwrap();
        ledger.put_program(&[7; 32], b"program").unwrap();
        let (who, why) = ("赵敏".to_owned(), "the first".to_owned());
        let made_at = Instant::from_millis(5);
        let change = ProgramChange { version: 1, program: [7; 32], made_at, who, why, without_notice: false };
        ledger.change_program(&change).unwrap();
        change
    };
    let earlier = "DROP TABLE signers; DROP TABLE quotes; DROP TABLE keys; DROP TABLE trail; ALTER TABLE publications DROP COLUMN owner; ALTER TABLE changes DROP COLUMN without_notice; PRAGMA user_version = 4";
    Connection::open(&path).unwrap().execute_batch(earlier).unwrap();
    let ledger = Sqlite::open(&path).unwrap();
    assert_eq!(ledger.publications(None, ("", ""), 9).unwrap(), [published]);
    assert_eq!(ledger.program_changes(0, 9).unwrap(), [change]);
    assert_eq!(ledger.keys("", 9).unwrap(), []);
}

#[test]
fn what_is_no_ledger_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("something");
    let check = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        assert!(matches!(refusal(&path), LedgerError::NotALedger { .. }), "{}", refusal(&path));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    };
    check(&b"Dear diary, today I began a ledger. ".repeat(40));
    check(&[0; 4096]);

    Connection::open(directory.path().join("other")).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    check(&fs::read(directory.path().join("other")).unwrap());

    let marked = directory.path().join("marked");
    Connection::open(&marked).unwrap().execute_batch("PRAGMA application_id = 7").unwrap();
    check(&fs::read(marked).unwrap());
}

#[test]
fn a_later_schema_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.jifen");
    drop(Sqlite::open(&path).unwrap());
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let bytes = fs::read(&path).unwrap();
    let error = refusal(&path);
    assert!(matches!(error, LedgerError::Newer { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("ledger.jifen"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn places_where_no_file_can_be_are_named_with_the_mend() {
    let directory = tempfile::tempdir().unwrap();
    for (path, mend) in [
        (directory.path().to_path_buf(), "it is a directory"),
        (directory.path().join("missing/ledger.jifen"), "its directory must exist"),
        (Path::new("/proc/ledger.jifen").to_path_buf(), "its directory must exist and be writable"),
    ] {
        let error = refusal(&path).to_string();
        assert!(error.contains(mend) && error.contains(path.to_str().unwrap()), "{error}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn an_empty_file_becomes_a_ledger() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.jifen");
    fs::write(&path, "").unwrap();
    assert!(Sqlite::open(&path).is_ok());
    assert!(Sqlite::open(&path).is_ok());
}

#[test]
fn several_may_begin_one_file_at_once() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..8 {
        let path = directory.path().join(format!("{round}.jifen"));
        let barrier = Barrier::new(4);
        let begin = || {
            barrier.wait();
            Sqlite::open(&path).map(|ledger| ledger.log(0, 1).unwrap())
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(begin)).collect();
            threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap().unwrap(), []));
        });
    }
}

#[test]
fn two_may_have_one_file_open() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.jifen");
    let ledgers = [Sqlite::open(&path).unwrap(), Sqlite::open(&path).unwrap()].map(Arc::new);
    for (n, ledger) in (0..).zip(ledgers.iter().cycle().take(6)) {
        let entry = Draft::purchase(&format!("o{n}"), "ann", n, 10, 100).entry();
        assert_eq!(ledger.commit(vec![entry]).unwrap().seqs, [n + 1]);
        assert_eq!(view(&*ledgers[0]), view(&*ledgers[1]));
    }
}
