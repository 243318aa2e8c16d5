//! Every stock policy: its size, and what its dearest case costs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::report::Report;
use crate::{demo, policies};

/// What the cases of a policy cost.
#[derive(Default)]
struct Costs {
    nanoseconds: Vec<u64>,
    fuel: Vec<u64>,
    pages: Vec<u64>,
}

pub(crate) fn measure(root: &Path, report: &Report) -> Result<()> {
    policies::build(root)?;
    demo::build(root)?;
    let mut jifen = Command::new(root.join("target/release/jifen"));
    jifen.current_dir(root).args(["test", "--measure", "--json", "policies"]);
    let output = jifen.output().context("start jifen")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut by_policy = BTreeMap::<String, Costs>::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let result: Value = serde_json::from_str(line)?;
        let (Some(policy), Some(nanoseconds), Some(fuel)) =
            (result["policy"].as_str(), result["nanoseconds"].as_u64(), result["fuel"].as_u64())
        else {
            continue;
        };
        let costs = by_policy.entry(policy.to_owned()).or_default();
        costs.nanoseconds.push(nanoseconds);
        costs.fuel.push(fuel);
        costs.pages.extend(result["touched_pages"].as_u64());
    }
    let mut table = String::from(
        "Each case in a virgin instance with every bound on; of the cases of a policy, the median and the dearest. Among\n\
         them are some that trap on purpose. Pages are the 4 KiB pages of its memory that an evaluation touches: page faults where\n\
         memory is reserved anew for each.\n\n\
         | policy | bytes | cases | µs, median | µs, dearest | fuel, median | fuel, dearest | pages, median | pages, most |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for (policy, costs) in &mut by_policy {
        let file = root.join("target/policies").join(policy).with_extension("wasm");
        let bytes = fs::metadata(&file).with_context(|| format!("find {}", file.display()))?.len();
        let cases = costs.fuel.len();
        let ((time, most_time), (fuel, most_fuel)) =
            (spread(&mut costs.nanoseconds), spread(&mut costs.fuel));
        let (time, most_time) = (micros(time), micros(most_time));
        let (pages, most_pages) = spread(&mut costs.pages);
        writeln!(
            table,
            "| `{policy}` | {bytes} | {cases} | {time} | {most_time} | {fuel} | {most_fuel} | {pages} | {most_pages} |"
        )?;
    }
    report.write("policies", "cargo xtask bench policies", table.trim_end())
}

/// Returns the median and the highest.
fn spread(values: &mut [u64]) -> (u64, u64) {
    values.sort_unstable();
    let at = |place: usize| values.get(place).copied().unwrap_or_default();
    (at(values.len() >> 1), at(values.len().saturating_sub(1)))
}

/// Returns nanoseconds as microseconds with a decimal.
fn micros(nanoseconds: u64) -> String {
    let tenths = nanoseconds.div_ceil(100);
    format!("{}.{}", tenths.div_euclid(10), tenths.rem_euclid(10))
}
