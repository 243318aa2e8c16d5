//! A host or a server that is killed: acknowledged ⊆ applied ⊆ attempted, and what is there is sound.
//!
//! For a host the test runs itself again as a child, which commits without end and says what was acknowledged, and kills
//! it after so many lines.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use jifen_loyalty::Entry;

use super::fixture::{Draft, SOURCE, View, durable};
use super::server::Server;
use crate::{Committed, Conflict, Ledger, open};

/// Names the ledger, and makes a process the child.
const URL: &str = "JIFEN_LEDGER_CRASH_URL";
const BATCH: u64 = 3;
const PREFIX: &str = "acknowledged up to ";

#[test]
fn what_was_acknowledged_survives_a_kill() {
    if let Ok(url) = std::env::var(URL) {
        return commit_without_end(&url);
    }
    for durable in durable() {
        let mut there = 0;
        for acknowledgements in [1, 2, 5, 13, 34] {
            let acknowledged = killed_after(acknowledgements, &durable.url);
            let ledger = durable.open();
            let view = View::of(&*ledger, &["ann"], &["spend"], &[10]);
            view.assert_sound();
            there = u64::try_from(view.log.len()).unwrap();
            assert!(there >= acknowledged, "{}: {acknowledged} acknowledged, {there} there", durable.name);
            assert_eq!(there % BATCH, 0, "a batch is there whole or not at all");
            let last = ledger.find(SOURCE, &format!("o{there}")).unwrap();
            assert_eq!(last.map(|logged| logged.seq), Some(there));
        }
        assert!(there > 0);
    }
}

/// Runs the child until it has acknowledged so often, kills it, and returns the last place it acknowledged.
fn killed_after(acknowledgements: usize, url: &str) -> u64 {
    let mut child = child(url);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let acknowledged = lines.filter_map(|line| Some(line.split_once(PREFIX)?.1.parse().unwrap()));
    let last = acknowledged.take(acknowledgements).last();
    child.kill().unwrap();
    child.wait().unwrap();
    last.expect("the child acknowledges")
}

fn child(url: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "tests::crash::what_was_acknowledged_survives_a_kill", "--nocapture"]);
    command.env(URL, url).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

fn commit_without_end(url: &str) {
    let ledger = open(url).unwrap();
    let mut there = ledger.length().unwrap();
    // The end is a closed pipe, should the parent die first.
    loop {
        let committed = ledger.commit(batch(there)).unwrap();
        assert_eq!(committed.conflict, None);
        there += BATCH;
        if writeln!(std::io::stdout(), "{PREFIX}{there}").is_err() {
            return;
        }
    }
}

/// Returns the batch behind so many entries.
fn batch(there: u64) -> Vec<Entry> {
    let purchase = |n: u64| Draft::purchase(&format!("o{}", n + 1), "ann", n, 10, 100);
    (there..there + BATCH).map(|n| purchase(n).lot("ann", "spend", 1).entry()).collect()
}

#[test]
fn what_was_acknowledged_survives_a_crash_of_the_server() {
    let server = Server::start();
    let ledger = open(&server.new_schema()).unwrap();
    let (over, (acknowledge, acknowledged)) = (AtomicBool::new(false), channel());
    let attempted = thread::scope(|scope| {
        let (ledger, until) = (&*ledger, &over);
        // The channel goes along: should the host fail, nobody waits for what it does not say.
        let host = scope.spawn(move || commit_until(until, ledger, &acknowledge));
        for (acknowledgements, kill) in [(1, false), (5, true), (13, false), (5, true)] {
            assert_eq!(acknowledged.iter().take(acknowledgements).count(), acknowledgements);
            if kill {
                server.kill();
            } else {
                server.stop_at_once();
            }
            server.go_on();
        }
        // The first behind the crash.
        acknowledged.recv().unwrap();
        over.store(true, Ordering::SeqCst);
        host.join().unwrap()
    });
    let view = View::of(&*ledger, &["ann"], &["spend"], &[10]);
    view.assert_sound();
    assert_eq!(u64::try_from(view.log.len()).unwrap(), attempted, "each was sent until it was there, once");
}

/// Commits batch after batch, each until it is there, and returns how many entries were sent.
fn commit_until(over: &AtomicBool, ledger: &dyn Ledger, acknowledge: &Sender<u64>) -> u64 {
    let mut there = 0;
    while !over.load(Ordering::SeqCst) {
        commit_stubbornly(ledger, there);
        there += BATCH;
        acknowledge.send(there).unwrap();
    }
    there
}

fn commit_stubbornly(ledger: &dyn Ledger, there: u64) {
    loop {
        match ledger.commit(batch(there)) {
            Ok(Committed { conflict: None, .. }) => return,
            // It was there when nobody knew.
            Ok(Committed { conflict, .. }) => {
                return assert_eq!(conflict, Some(Conflict::Duplicate { seq: there + 1 }));
            }
            Err(error) => assert!(error.retryable(), "{error:?}"),
        }
        thread::sleep(Duration::from_millis(5));
    }
}
