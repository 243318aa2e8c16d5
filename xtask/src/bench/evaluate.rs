//! One evaluation in a virgin instance: the reference policy of `tests/peers`, all bounds on, two facts asked.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use super::peers::{With, figures, whole};
use super::report::Report;

pub(crate) fn measure(root: &Path, report: &Report) -> Result<()> {
    let figures = figures(root, With::Nobody)?;
    let mut table = String::new();
    writeln!(
        table,
        "The reference policy of `tests/peers/policy` on {} random purchases of five",
        figures["transactions"]
    )?;
    writeln!(
        table,
        "lines: parameters snapshotted, two facts asked, fuel, epoch and limiter on, a virgin instance each.\n"
    )?;
    writeln!(table, "| | best batch | median batch |\n|---|---|---|")?;
    for peer in figures["peers"].as_array().context("read the figures")? {
        let name = peer["name"].as_str().context("read the figures")?;
        writeln!(table, "| {name}, ns | {} | {} |", whole(&peer["best_ns"])?, whole(&peer["median_ns"])?)?;
    }
    let threads = &figures["two_threads_per_second"];
    let (best, median) = (whole(&threads["best"])?, whole(&threads["median"])?);
    writeln!(table, "| Jifen, two threads and one engine, evaluations/s | {best} | {median} |")?;
    let fuel = &figures["fuel"];
    writeln!(table, "\nFuel per evaluation: {} to {}, median {}.", fuel["min"], fuel["max"], fuel["median"])?;
    report.write("evaluate", "cargo xtask bench evaluate", table.trim_end())
}
