//! Benchmarks: measured, and written into `docs/benchmarks.md` with machine, load and command.

mod evaluate;
mod peers;
mod report;
mod run;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};

use self::report::Report;

#[derive(Args)]
pub(crate) struct Bench {
    /// What to measure
    #[arg(value_enum, default_values_t = [What::Evaluate, What::Run, What::Peers])]
    what: Vec<What>,
    /// Files of events for `run`
    #[arg(long, num_args = 1.., default_value = "tests/data/journey-sample.jsonl.gz")]
    data: Vec<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// One evaluation in a virgin instance
    Evaluate,
    /// `jifen run` and `jifen audit replay` over files of events, beside a bare SQLite program
    Run,
    /// The same policy in other rule engines
    Peers,
}

/// Measures, and writes the figures down.
pub(crate) fn run(root: &Path, bench: &Bench) -> Result<()> {
    let report = Report::new(root);
    for what in &bench.what {
        match what {
            What::Evaluate => evaluate::measure(root, &report)?,
            What::Run => run::measure(root, &report, &bench.data)?,
            What::Peers => peers::measure(root, &report)?,
        }
    }
    Ok(())
}
