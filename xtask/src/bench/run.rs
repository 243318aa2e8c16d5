//! `jifen run` and `jifen audit replay` over files of events: rates, memory, and the bare cost of the rows.

#![expect(clippy::float_arithmetic, reason = "rates for people, far from points and money")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use flate2::read::MultiGzDecoder;
use serde_json::Value;

use super::forget;
use super::report::{Report, median};
use crate::{cargo, demo, policies};

const ROUNDS: usize = 3;

/// Three deployments and a calendar; merchants are those of the data.
const PROGRAM: &str = r#"
[program]
name = "bench"
timezone = "Asia/Shanghai"

[[unit]]
id = "points"

[[calendar]]
id = "town"
any = [{ lunar_digits = [1, 4, 7] }]

[[region]]
id = "cn/town"
calendar = "town"

[[lane]]
id = "base"

[[lane]]
id = "bonus"

[[deployment]]
id = "spend"
policy = "spend"
lane = "base"
unit = "points"
issuer = "merchant"
parameters = { points = "1", per = 100 }

[[deployment]]
id = "welcome"
policy = "welcome"
lane = "base"
unit = "points"
issuer = "platform"
parameters = { first_order_min = 2000, first_order_bonus = 20 }

[[deployment]]
id = "market-day"
policy = "market-day"
lane = "bonus"
unit = "points"
issuer = "merchant"
parameters = { multiplier = "2", min_spend = 3000 }
"#;

pub(crate) fn measure(root: &Path, report: &Report, data: &[PathBuf]) -> Result<()> {
    policies::build(root)?;
    demo::build(root)?;
    cargo(root, &["build", "--release", "--package", "jifen-ledger", "--example", "same_rows"])?;
    let folder = root.join("target/bench");
    fs::create_dir_all(&folder)?;
    let bench = Bench { root, folder, data: data.iter().map(|file| root.join(file)).collect() };
    fs::write(bench.folder.join("program.toml"), program(&bench.data)?)?;

    let candidate = program(&bench.data)?.replace("multiplier = \"2\"", "multiplier = \"3\"");
    fs::write(bench.folder.join("candidate.toml"), candidate)?;
    let (mut run, mut replay, mut bare, mut memory) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut backtest = Vec::new();
    for _ in 0..ROUNDS {
        let (summary, peak) = bench.run(&bench.data)?;
        run.push(rate(&summary, "events")?);
        memory.push(peak);
        replay.push(rate(&bench.json(&["audit", "replay", "--ledger", "ledger.db", "--json"])?, "receipts")?);
        backtest.push(bench.backtest()?);
        bare.push(bench.bare()?);
    }
    let four_times: Vec<_> = (0..4).flat_map(|_| bench.data.clone()).collect();
    let (summary, peak) = bench.run(&four_times)?;
    let (run, replay, bare) = (median(run), median(replay), median(bare));
    let events = summary["applied"].as_u64().context("read the summary")?;
    let mut figures = format!(
        "{events} baskets, 3 deployments, SQLite with synchronous=FULL; medians of {ROUNDS} rounds.\n\n"
    );
    writeln!(figures, "| | |\n|---|---|")?;
    writeln!(figures, "| `jifen run`, receipts written | {run:.0} events/s |")?;
    writeln!(
        figures,
        "| a bare program that writes the same rows in the same batches | {bare:.0} events/s |"
    )?;
    writeln!(figures, "| `jifen run` beside it | {:.2} |", run / bare)?;
    writeln!(figures, "| `jifen audit replay` | {replay:.0} receipts/s |")?;
    let backtest = median(backtest);
    writeln!(figures, "| `jifen backtest` of all of it, another multiplier beside | {backtest:.2} s |")?;
    writeln!(figures, "| peak memory of `run` | {:.0} MiB |", median(memory))?;
    writeln!(figures, "| peak memory of `run`, the same files four times over | {peak:.0} MiB |")?;
    report.write("run", "cargo xtask bench run --data FILES", figures.trim_end())
}

/// Returns the program of three deployments, with the merchants of files of events.
pub(super) fn program(data: &[PathBuf]) -> Result<String> {
    let events = events(data)?;
    let merchants: BTreeSet<_> =
        events.iter().filter_map(|event| event["data"]["merchant"].as_str()).collect();
    let tables = merchants.iter().map(|id| format!("\n[[merchant]]\nid = {id:?}\nregion = \"cn/town\"\n"));
    Ok(tables.fold(PROGRAM.to_owned(), |program, table| program + &table))
}

/// Returns the events of files.
pub(super) fn events(files: &[PathBuf]) -> Result<Vec<Value>> {
    let mut events = Vec::new();
    for file in files {
        for line in lines(file)? {
            events.push(serde_json::from_str(&line?)?);
        }
    }
    Ok(events)
}

/// Returns the lines of a file, gzipped or not.
fn lines(file: &Path) -> Result<impl Iterator<Item = io::Result<String>>> {
    let opened = File::open(file).with_context(|| format!("open {}", file.display()))?;
    let mut reader = BufReader::new(opened);
    let gzipped = reader.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let reader: Box<dyn Read> =
        if gzipped { Box::new(MultiGzDecoder::new(reader)) } else { Box::new(reader) };
    Ok(BufReader::new(reader).lines())
}

struct Bench<'a> {
    root: &'a Path,
    folder: PathBuf,
    data: Vec<PathBuf>,
}

impl Bench<'_> {
    fn jifen(&self, arguments: &[&str]) -> Command {
        let mut jifen = Command::new(self.root.join("target/release/jifen"));
        jifen.args(arguments).current_dir(&self.folder).stdout(Stdio::piped());
        jifen
    }

    fn json(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.jifen(arguments).output().context("start jifen")?;
        last_line(&output.stdout)
    }

    /// Returns the seconds that a back-test of the ledger takes.
    #[expect(clippy::disallowed_methods, reason = "this is what is measured")]
    fn backtest(&self) -> Result<f64> {
        let policies = self.root.join("target/policies");
        let began = Instant::now();
        let mut jifen =
            self.jifen(&["backtest", "--json", "--program", "candidate.toml", "--ledger", "ledger.db"]);
        let output = jifen.arg("--policies").arg(policies).output().context("start jifen")?;
        let seconds = began.elapsed().as_secs_f64();
        let report = last_line(&output.stdout)?;
        ensure!(report["differ"] == 0 && report["gain"] != 0, "the back-test came to {report}");
        Ok(seconds)
    }

    /// Runs events on a fresh ledger. Returns the summary and the peak of memory in MiB.
    fn run(&self, data: &[PathBuf]) -> Result<(Value, f64)> {
        forget(&self.folder.join("ledger.db"))?;
        let policies = self.root.join("target/policies");
        let mut jifen = self.jifen(&["run", "--json", "--program", "program.toml", "--ledger", "ledger.db"]);
        jifen.args(["--receipts", "receipts.jsonl", "--policies"]).arg(policies).args(data);
        let mut child = jifen.spawn().context("start jifen")?;
        let status = format!("/proc/{}/status", child.id());
        let mut peak_kib = 0.0_f64;
        while child.try_wait()?.is_none() {
            peak_kib = peak_kib.max(peak(&fs::read_to_string(&status).unwrap_or_default()));
            thread::sleep(Duration::from_millis(20));
        }
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "jifen run failed");
        Ok((last_line(&output.stdout)?, peak_kib / 1024.0))
    }

    /// Writes the rows of the ledger into a fresh file, without anything of ours but the schema.
    fn bare(&self) -> Result<f64> {
        let program = self.root.join("target/release/examples/same_rows");
        let output =
            Command::new(program).arg("ledger.db").arg("bare.db").current_dir(&self.folder).output()?;
        ensure!(output.status.success(), "same_rows failed: {}", String::from_utf8_lossy(&output.stderr));
        rate(&last_line(&output.stdout)?, "events")
    }
}

pub(super) fn last_line(output: &[u8]) -> Result<Value> {
    let text = std::str::from_utf8(output)?;
    Ok(serde_json::from_str(text.lines().last().context("read the summary")?)?)
}

fn rate(summary: &Value, what: &str) -> Result<f64> {
    let (count, seconds) = (summary[what].as_f64(), summary["seconds"].as_f64());
    Ok(count.context("read the summary")? / seconds.context("read the summary")?)
}

/// Returns the peak of resident memory in KiB.
fn peak(status: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
