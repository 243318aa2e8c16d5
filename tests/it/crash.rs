//! SIGKILL in the middle of a run: run it again, and every event is applied exactly once.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::town::{Town, market};

/// How often the run is killed. The moments are spread over it by a fixed sequence, so a failure can be had again.
const KILLS: u32 = 50;

#[test]
fn a_run_that_was_killed_is_finished_by_running_it_again() {
    let town = Town::new();
    town.program(&[
        ("spend", "spend", "base", "cap = { per_member_per_day = 60 }"),
        ("count", "counting", "base", "budget = 5000"),
    ]);
    let events = market(6_000, 60);
    let whole = town.summary("whole.db", &events);
    let (balances, seconds) = (town.balances("whole.db"), whole["seconds"].as_f64().expect("a number"));

    let mut finished = 0;
    for kill in 0..KILLS {
        // The golden ratio spreads moments evenly, whatever their number. From before the first commit to the end.
        let moment = (f64::from(kill) * 0.618_034).fract() * (seconds + 0.15);
        let mut run = town.jifen(&Town::run_arguments("killed.db", &[]));
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("jifen starts");
        thread::sleep(Duration::from_secs_f64(moment));
        run.kill().expect("it is our child");
        finished += u32::from(run.wait().expect("it ends").success());
        // Every few kills from an empty ledger, so that the beginning is hit as often as the end.
        if kill % 5 == 4 {
            let again = town.done(&Town::run_arguments("killed.db", &["--json"]));
            assert_eq!(again.code, Some(0), "after kill {kill}: {again:?}");
            assert_eq!(town.balances("killed.db"), balances, "after kill {kill}");
            assert_eq!(town.replay("killed.db"), 6_000, "after kill {kill}");
            town.forget("killed.db");
        }
    }
    assert!(finished < KILLS, "no run was killed in the middle");
}
