//! A file that is run while something goes wrong, held against what it comes to when nothing does.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::components::telling;
use crate::ledgers::on_postgres;
use crate::mixed;
use crate::town::{Done, Town, lines, text};

/// A town with a file of events of all kinds, and what they come to.
pub(crate) struct Trial {
    pub(crate) town: Town,
    /// The receipts, in the order of the log.
    pub(crate) whole: Vec<String>,
    balances: String,
}

const TOLD: [&str; 2] = ["--receipts", "-"];

/// A history that writes every table.
const SEED: u64 = 3;

impl Trial {
    /// Runs so many events once, undisturbed.
    pub(crate) fn new(events: u64) -> Self {
        let town = mixed::town();
        // A budget that ran out would leave too few points for debts.
        let program = town.read("program.toml").replace("budget = 900", "budget = 1000000");
        town.policy("telling", &telling());
        let campaign = "[[campaign]]\nid = 'hello'\npolicy = 'telling'\nunit = 'points'\nonce = 'ever'\n";
        town.write("program.toml", format!("{program}\n{campaign}"));
        let events = mixed::events(SEED, events);
        // What is refused may be taken when it is sent again, and then what follows comes to something else.
        let told = town.run("whole.db", &events, &TOLD).out;
        let refused = told.lines().map(|line| line.contains("\"outcome\":\"refused\""));
        let events = events.into_iter().zip(refused).filter(|(_, refused)| !refused);
        let events: Vec<_> = events.map(|(event, _)| event).collect();
        town.write("events.jsonl", lines(&events));
        let (whole, balances) = (decided(&town, "whole.db"), have(&town, "whole.db"));
        Self { town, whole, balances }
    }

    /// Runs the file, and holds what is there then against what was acknowledged.
    pub(crate) fn run(&self, ledger: &str) -> Done {
        let done = self.town.done(&Town::run_arguments(ledger, &TOLD));
        self.check(ledger, &done);
        done
    }

    /// Begins to run the file.
    pub(crate) fn start(&self, ledger: &str) -> Child {
        let mut run = self.town.jifen(&Town::run_arguments(ledger, &TOLD));
        run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("jifen starts")
    }

    /// Acknowledged ⊆ applied ⊆ attempted, and in the order of the file; and the sums are those of the log. Returns how many
    /// are applied.
    pub(crate) fn check(&self, ledger: &str, done: &Done) -> usize {
        let log = self.town.log(ledger);
        let decided = decided(&self.town, ledger);
        let same = decided.iter().zip(&self.whole).take_while(|(one, other)| one == other).count();
        let (now, undisturbed) = (decided.get(same), self.whole.get(same));
        assert!(now.is_none(), "receipt {same}:\n{now:?}\nand undisturbed\n{undisturbed:?}\n{}", done.err);
        let there: BTreeSet<_> = log.iter().map(String::as_str).collect();
        let receipts = done.out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        for receipt in receipts.filter(|receipt| receipt["outcome"] != "refused") {
            let digest = text(&receipt["digest"]);
            assert!(there.contains(digest), "{} was acknowledged and is not there: {done:?}", receipt["id"]);
        }
        let checked = self.town.done(&["audit", "check", "--ledger", ledger]);
        assert_eq!(checked.code, Some(0), "{checked:?} after {done:?}");
        log.len()
    }

    /// Runs the file once more, which must finish it.
    pub(crate) fn finish(&self, ledger: &str) {
        let done = self.run(ledger);
        assert_eq!(done.code, Some(0), "{done:?}");
        assert_eq!(decided(&self.town, ledger).len(), self.whole.len());
        assert_eq!(have(&self.town, ledger), self.balances);
    }
}

/// Returns the receipts of a ledger.
fn decided(town: &Town, ledger: &str) -> Vec<String> {
    let receipt = if on_postgres() { "convert_from(receipt, 'UTF8')" } else { "CAST(receipt AS TEXT)" };
    town.texts(ledger, &format!("SELECT {receipt} FROM transactions ORDER BY seq"))
}

/// Returns all that members have, hold and owe.
fn have(town: &Town, ledger: &str) -> String {
    town.done(&["balance", "--ledger", ledger, "--json"]).out
}
