//! Where figures go: a section of `docs/benchmarks.md` for each benchmark, replaced whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

pub(crate) struct Report {
    file: PathBuf,
}

impl Report {
    pub(crate) fn new(root: &Path) -> Self {
        Self { file: root.join("docs/benchmarks.md") }
    }

    /// Replaces a section: what was run on what machine under what load, and the figures as Markdown.
    pub(crate) fn write(&self, section: &str, command: &str, figures: &str) -> Result<()> {
        let (open, close) = (format!("<!-- {section} -->\n"), format!("<!-- /{section} -->"));
        let text = fs::read_to_string(&self.file).context("read docs/benchmarks.md")?;
        let (before, rest) =
            text.split_once(&open).with_context(|| format!("find {open}in docs/benchmarks.md"))?;
        let (_, after) =
            rest.split_once(&close).with_context(|| format!("find {close} in docs/benchmarks.md"))?;
        let machine = machine();
        let written = format!("{before}{open}`{command}`, {machine}.\n\n{figures}\n{close}{after}");
        fs::write(&self.file, written).context("write docs/benchmarks.md")?;
        say(&format!("{command}: {machine}\n{figures}"));
        Ok(())
    }
}

/// Returns processor, cores and the load that other work puts on them.
fn machine() -> String {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let processor = read("/proc/cpuinfo");
    let processor = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let processor = processor.map_or("unknown processor", |(_, name)| name).to_owned();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = read("/proc/loadavg").split(' ').next().unwrap_or("unknown").to_owned();
    let date = Command::new("date").arg("+%Y-%m-%d").output().map(|output| output.stdout).unwrap_or_default();
    let date = String::from_utf8_lossy(&date).trim().to_owned();
    format!("{date}, {processor}, {cores} cores, load {load} at the end")
}

#[expect(clippy::print_stdout, reason = "a task talks to the person at the terminal")]
fn say(words: &str) {
    println!("{words}");
}

/// Returns the median, the lower one of two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len().saturating_sub(1) >> 1;
    values.get(middle).copied().unwrap_or_default()
}
