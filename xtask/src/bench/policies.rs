//! Every stock policy: its size, and what its dearest case costs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::report::Report;
use crate::{demo, policies};

/// Times that all cases are measured, a minute apart: what else a shared machine does lasts longer than one case, and
/// shorter than all.
const PASSES: usize = 5;

/// What a case costs.
#[derive(Default)]
struct Cost {
    /// One for each pass.
    nanoseconds: Vec<u64>,
    fuel: u64,
    pages: Option<u64>,
}

/// What the cases of a policy cost.
#[derive(Default)]
struct Costs {
    nanoseconds: Vec<u64>,
    /// Each case in the quietest of the passes.
    quietest: Vec<u64>,
    fuel: Vec<u64>,
    pages: Vec<u64>,
}

pub(crate) fn measure(root: &Path, report: &Report) -> Result<()> {
    policies::build(root)?;
    demo::build(root)?;
    let mut cases = BTreeMap::<(String, String), Cost>::new();
    for _ in 0..PASSES {
        pass(root, &mut cases)?;
    }
    let mut by_policy = BTreeMap::<String, Costs>::new();
    for ((policy, _), mut cost) in cases {
        let costs = by_policy.entry(policy).or_default();
        costs.nanoseconds.push(spread(&mut cost.nanoseconds).0);
        costs.quietest.extend(cost.nanoseconds.first());
        costs.fuel.push(cost.fuel);
        costs.pages.extend(cost.pages);
    }
    let mut table = format!(
        "Each case in a virgin instance with every bound on, the median of {PASSES} passes over all; of the cases of a\n\
         policy, the median and the dearest. Beside them, each case's quietest pass, the median of a policy's: what others do on\n\
         a shared machine only adds. Some trap on purpose. Pages are the 4 KiB pages of its\n\
         memory that an evaluation touches: page faults where memory is reserved anew for each. Those are\n\
         written anew after each; all 64 KiB of it would take {} µs on this machine now.\n\n\
         | policy | bytes | cases | µs, median | µs, quietest | µs, dearest | fuel, median | fuel, dearest | pages, median | pages, most |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
        micros(written_anew()),
    );
    for (policy, costs) in &mut by_policy {
        let file = root.join("target/policies").join(policy).with_extension("wasm");
        let bytes = fs::metadata(&file).with_context(|| format!("find {}", file.display()))?.len();
        let cases = costs.fuel.len();
        let ((time, most_time), (fuel, most_fuel)) =
            (spread(&mut costs.nanoseconds), spread(&mut costs.fuel));
        let (time, most_time) = (micros(time), micros(most_time));
        let quietest = micros(spread(&mut costs.quietest).0);
        let (pages, most_pages) = spread(&mut costs.pages);
        writeln!(
            table,
            "| `{policy}` | {bytes} | {cases} | {time} | {quietest} | {most_time} | {fuel} | {most_fuel} | {pages} | {most_pages} |"
        )?;
    }
    report.write("policies", "cargo xtask bench policies", table.trim_end())
}

/// Returns nanoseconds that it takes to write as much as an instance's memory has: what machines differ in, whatever is
/// evaluated.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures")]
fn written_anew() -> u64 {
    const TIMES: u32 = 1_000;
    let mut memory = vec![0_u8; 64 << 10];
    let mut rounds: Vec<u64> = (0..u8::MAX)
        .map(|round| {
            let began = Instant::now();
            for _ in 0..TIMES {
                black_box(&mut memory[..]).fill(round);
            }
            u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX).div_euclid(u64::from(TIMES))
        })
        .collect();
    spread(&mut rounds).0
}

/// Measures every case once more.
fn pass(root: &Path, cases: &mut BTreeMap<(String, String), Cost>) -> Result<()> {
    let mut jifen = Command::new(root.join("target/release/jifen"));
    jifen.current_dir(root).args(["test", "--measure", "--json", "policies"]);
    let output = jifen.output().context("start jifen")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for line in String::from_utf8(output.stdout)?.lines() {
        let result: Value = serde_json::from_str(line)?;
        let (Some(policy), Some(case), Some(nanoseconds), Some(fuel)) = (
            result["policy"].as_str(),
            result["case"].as_str(),
            result["nanoseconds"].as_u64(),
            result["fuel"].as_u64(),
        ) else {
            continue;
        };
        let cost = cases.entry((policy.to_owned(), case.to_owned())).or_default();
        cost.nanoseconds.push(nanoseconds);
        cost.fuel = fuel;
        cost.pages = result["touched_pages"].as_u64();
    }
    Ok(())
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
