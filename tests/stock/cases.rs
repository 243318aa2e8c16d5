//! Every case of every stock policy, in the component: a test of its own.

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::{components, jifen, root};

pub(crate) fn trials() -> Vec<Trial> {
    let mut test = jifen();
    test.args(["test", "--json", "--policies"]).arg(components()).arg(root().join("policies"));
    let output = test.output().expect("jifen starts");
    let results = String::from_utf8_lossy(&output.stdout);
    let mut trials: Vec<_> = results.lines().map(trial).collect();
    // A case that fails is a trial of its own; that not all of them could be run is one more.
    if !matches!(output.status.code(), Some(0 | 1)) {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        trials.push(Trial::test("case", move || Err(Failed::from(error))));
    }
    trials
}

fn trial(line: &str) -> Trial {
    let result: Value = serde_json::from_str(line).expect("a result is an object");
    let text = |key: &str| result[key].as_str().unwrap_or_default().to_owned();
    let name = format!("{}::{}{}", text("policy"), text("case"), text("claim"));
    let (passed, difference) = (result["passed"] == true, text("difference"));
    Trial::test(name, move || if passed { Ok(()) } else { Err(Failed::from(difference)) }).with_kind("case")
}
