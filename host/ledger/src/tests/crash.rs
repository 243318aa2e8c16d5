//! A process that is killed: acknowledged ⊆ applied ⊆ attempted, and what is there is sound.
//!
//! The test runs itself again as a child, which commits without end and says what was acknowledged, and kills it
//! after so many lines.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::fixture::{Draft, SOURCE, View};
use crate::{Ledger, Sqlite};

/// Names the file, and makes a process the child.
const FILE: &str = "JIFEN_LEDGER_CRASH_FILE";
const BATCH: u64 = 3;
const PREFIX: &str = "acknowledged up to ";

#[test]
fn what_was_acknowledged_survives_a_kill() {
    if let Some(path) = std::env::var_os(FILE) {
        return commit_without_end(&PathBuf::from(path));
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.jifen");
    let mut there = 0;
    for acknowledgements in [1, 2, 5, 13, 34] {
        let acknowledged = killed_after(acknowledgements, &path);
        let ledger = Sqlite::open(&path).unwrap();
        let view = View::of(&ledger, &["ann"], &["spend"], &[10]);
        view.assert_sound();
        there = u64::try_from(view.log.len()).unwrap();
        assert!(there >= acknowledged, "{acknowledged} were acknowledged, {there} are there");
        assert_eq!(there % BATCH, 0, "a batch is there whole or not at all");
        let last = ledger.find(SOURCE, &format!("o{there}")).unwrap();
        assert_eq!(last.map(|logged| logged.seq), Some(there));
    }
    assert!(there > 0);
}

/// Runs the child until it has acknowledged so often, kills it, and returns the last place it acknowledged.
fn killed_after(acknowledgements: usize, path: &Path) -> u64 {
    let mut child = child(path);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let acknowledged = lines.filter_map(|line| Some(line.split_once(PREFIX)?.1.parse().unwrap()));
    let last = acknowledged.take(acknowledgements).last();
    child.kill().unwrap();
    child.wait().unwrap();
    last.expect("the child acknowledges")
}

fn child(path: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "tests::crash::what_was_acknowledged_survives_a_kill", "--nocapture"]);
    command.env(FILE, path).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

fn commit_without_end(path: &Path) {
    let ledger = Sqlite::open(path).unwrap();
    let mut there = u64::try_from(ledger.log(0, usize::MAX).unwrap().len()).unwrap();
    // The end is a closed pipe, should the parent die first.
    loop {
        let batch = (there..there + BATCH).map(|n| {
            Draft::purchase(&format!("o{}", n + 1), "ann", n, 10, 100).lot("ann", "spend", 1).entry()
        });
        let committed = ledger.commit(batch.collect()).unwrap();
        assert_eq!(committed.conflict, None);
        there += BATCH;
        if writeln!(std::io::stdout(), "{PREFIX}{there}").is_err() {
            return;
        }
    }
}
