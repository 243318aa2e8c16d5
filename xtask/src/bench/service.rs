//! The service under load, beside one that does nothing but write the same rows.

#![expect(clippy::float_arithmetic, reason = "rates for people, far from points and money")]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::report::{Report, median};
use super::{forget, run};
use crate::{cargo, demo, policies};

const ROUNDS: usize = 3;

/// Connections, and events of a request.
const LOADS: [(u32, u32); 4] = [(1, 1), (16, 1), (64, 1), (16, 50)];

pub(crate) fn measure(root: &Path, report: &Report, data: &[PathBuf]) -> Result<()> {
    policies::build(root)?;
    demo::build(root)?;
    cargo(root, &["build", "--release", "--package", "jifen", "--example", "load"])?;
    let folder = root.join("target/bench");
    fs::create_dir_all(&folder)?;
    let data: Vec<_> = data.iter().map(|file| root.join(file)).collect();
    fs::write(folder.join("service.toml"), run::program(&data)?)?;
    let bench = Bench { root, folder, data };
    let events = bench.decide()?;
    let mut figures = format!(
        "{events} baskets, 3 deployments, SQLite with synchronous=FULL; client and service on one machine, medians of {ROUNDS} rounds. The \
         other service parses the name alone, evaluates nothing, checks nothing, and writes the rows that the events came to.\n\n\
         | connections | events a request | events/s | p50, ms | p99, ms | the other: events/s | p99, ms | beside it |\n|---|---|---|---|---|---|---|---|\n"
    );
    for (connections, batch) in LOADS {
        let load = [connections.to_string(), batch.to_string()];
        let (mut ours, mut bare) = (Measured::default(), Measured::default());
        for _ in 0..ROUNDS {
            forget(&bench.folder.join("service.db"))?;
            let mut jifen = bench.program("jifen");
            let policies = root.join("target/policies");
            jifen.args([
                "serve",
                "--program",
                "service.toml",
                "--ledger",
                "service.db",
                "--listen",
                "127.0.0.1:0",
            ]);
            ours.add(&bench.load(jifen.arg("--policies").arg(policies), &load)?)?;
            let mut other = bench.program("examples/load");
            bare.add(&bench.load(other.args(["bare", "service-run.db", "service-bare.db"]), &load)?)?;
        }
        let (Measured { rate, p50, p99 }, other) = (ours, bare);
        let (rate, other_rate) = (median(rate), median(other.rate));
        writeln!(
            figures,
            "| {connections} | {batch} | {rate:.0} | {:.1} | {:.1} | {other_rate:.0} | {:.1} | {:.2} |",
            median(p50),
            median(p99),
            median(other.p99),
            rate / other_rate
        )?;
    }
    report.write("service", "cargo xtask bench service --data FILES", figures.trim_end())
}

/// What rounds came to.
#[derive(Default)]
struct Measured {
    rate: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Measured {
    fn add(&mut self, told: &Value) -> Result<()> {
        let number = |name: &str| told[name].as_f64().with_context(|| format!("read {name}"));
        self.rate.push(number("events")? / number("seconds")?);
        self.p50.push(number("p50_ms")?);
        self.p99.push(number("p99_ms")?);
        Ok(())
    }
}

struct Bench<'a> {
    root: &'a Path,
    folder: PathBuf,
    data: Vec<PathBuf>,
}

impl Bench<'_> {
    fn program(&self, name: &str) -> Command {
        let mut program = Command::new(self.root.join("target/release").join(name));
        program.current_dir(&self.folder);
        program
    }

    /// Decides all events by `jifen run`, for the service that only writes. Returns how many there are.
    fn decide(&self) -> Result<u64> {
        forget(&self.folder.join("service-run.db"))?;
        let mut jifen = self.program("jifen");
        jifen.args([
            "run",
            "--json",
            "--program",
            "service.toml",
            "--ledger",
            "service-run.db",
            "--policies",
        ]);
        let output = jifen.arg(self.root.join("target/policies")).args(&self.data).output()?;
        ensure!(output.status.success(), "jifen run failed: {}", String::from_utf8_lossy(&output.stderr));
        run::last_line(&output.stdout)?["applied"].as_u64().context("read the summary")
    }

    /// Starts a service, sends it all events, and ends it.
    fn load(&self, service: &mut Command, load: &[String]) -> Result<Value> {
        let mut service = Running(service.stderr(Stdio::piped()).spawn().context("start the service")?);
        let mut told = BufReader::new(service.0.stderr.take().context("it is piped")?);
        let mut line = String::new();
        let address = loop {
            line.clear();
            ensure!(told.read_line(&mut line)? > 0, "the service does not listen");
            if let Some((_, rest)) = line.split_once("http://") {
                break rest.split(';').next().unwrap_or_default().to_owned();
            }
        };
        let mut client = self.program("examples/load");
        let output = client.arg("send").arg(address).args(load).args(&self.data).output()?;
        ensure!(output.status.success(), "the load failed: {}", String::from_utf8_lossy(&output.stderr));
        run::last_line(&output.stdout)
    }
}

/// A service that ends with its round.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
