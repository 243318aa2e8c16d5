//! The service under load, beside one that does nothing but write the same rows.

#![expect(clippy::float_arithmetic, reason = "rates for people, far from points and money")]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use super::report::{Report, median};
use super::{forget, mixed, run, server_of_its_own};
use crate::served::Served;
use crate::{cargo, demo, policies};

const ROUNDS: usize = 3;

/// How often the events are sent while programs are swapped, each time under other names: 100,000 events at the least.
const TIMES: usize = 3;

/// Connections, and events of a request.
const LOADS: [(u32, u32); 6] = [(1, 1), (16, 1), (64, 1), (2, 50), (4, 50), (16, 50)];

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
            ours.add(&bench.ours(&load)?)?;
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
    writeln!(figures, "\n| | |\n|---|---|")?;
    bench.mix(&mut figures)?;
    bench.operate(events, &mut figures)?;
    bench.govern(events, &mut figures)?;
    bench.follow(&mut figures)?;
    bench.take_in(&mut figures)?;
    bench.deploy_many(&mut figures)?;
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
        let service = Running::start(service)?;
        self.send(&service, load, &self.data)
    }

    /// Sends all events to a host on a fresh ledger, and ends it.
    fn ours(&self, load: &[String]) -> Result<Value> {
        forget(&self.folder.join("service.db"))?;
        let service = self.serve("service.toml", "service.db")?;
        self.send(&service, load, &self.data)
    }

    /// Writes all events several times, each time under other names and of other orders.
    fn repeat(&self) -> Result<PathBuf> {
        let file = self.folder.join("repeated.jsonl");
        let mut to = BufWriter::new(File::create(&file)?);
        let events = run::events(&self.data)?;
        for time in 0..TIMES {
            for event in &events {
                let mut event = event.clone();
                for name in ["/id", "/data/order"] {
                    let name = event.pointer_mut(name).context("an event has an id and an order")?;
                    *name = format!("{}-{time}", name.as_str().unwrap_or_default()).into();
                }
                writeln!(to, "{event}")?;
            }
        }
        to.flush()?;
        Ok(file)
    }

    fn send(&self, service: &Running, load: &[String], data: &[PathBuf]) -> Result<Value> {
        let mut client = self.program("examples/load");
        let output = client.arg("send").arg(&service.service.address).args(load).args(data).output()?;
        ensure!(output.status.success(), "the load failed: {}", String::from_utf8_lossy(&output.stderr));
        run::last_line(&output.stdout)
    }

    fn serve(&self, program: &str, ledger: &str) -> Result<Running> {
        let mut jifen = self.program("jifen");
        jifen.args([
            "serve",
            "--program",
            program,
            "--ledger",
            ledger,
            "--listen",
            "127.0.0.1:0",
            "--policies",
        ]);
        Running::start(jifen.arg(self.root.join("target/policies")))
    }

    /// Measures returns and uses of points among purchases, beside the purchases alone of members who have as much.
    fn mix(&self, figures: &mut String) -> Result<()> {
        let program = fs::read_to_string(self.folder.join("service.toml"))?;
        let mixed = mixed::write(&self.folder, &program, &self.data)?;
        let events = [mixed.events];
        for load in [["64", "1"], ["2", "50"]] {
            let load = load.map(str::to_owned);
            let (mut alone, mut among) = (Measured::default(), Measured::default());
            for _ in 0..ROUNDS {
                for (measured, events) in [(&mut alone, &self.data[..]), (&mut among, &events)] {
                    forget(&self.folder.join("service.db"))?;
                    let service = self.serve(mixed::PROGRAM, "service.db")?;
                    self.send(&service, &load, std::slice::from_ref(&mixed.openings))?;
                    measured.add(&self.send(&service, &load, events)?)?;
                }
            }
            let ([connections, batch], rate) = (load, median(among.rate));
            writeln!(
                figures,
                "| {connections} connections, {batch} a request: purchases, of which one of {} is returned, and with {} a use of points | {rate:.0} events/s, p99 {:.1} ms; without both {:.0}, {:.1} |",
                mixed::RETURNS,
                mixed::USES,
                median(among.p99),
                median(alone.rate),
                median(alone.p99)
            )?;
        }
        Ok(())
    }

    /// Measures what operators and merchants do: swaps under load, an upload until it is at work, a roll-back.
    fn operate(&self, events: u64, figures: &mut String) -> Result<()> {
        let load = ["64".to_owned(), "1".to_owned()];
        let (repeated, events) = ([self.repeat()?], events.saturating_mul(u64::try_from(TIMES)?));
        let text = fs::read_to_string(self.folder.join("service.toml"))?;
        let programs = [text.replace("multiplier = \"2\"", "multiplier = \"3\""), text];
        let (mut still, mut swapped, mut uploads, mut back) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut swaps = Vec::new();
        for _ in 0..ROUNDS {
            forget(&self.folder.join("service.db"))?;
            let service = self.serve("service.toml", "service.db")?;
            still.push(p99(&self.send(&service, &load, &repeated)?)?);
            drop(service);
            forget(&self.folder.join("service.db"))?;
            let service = self.serve("service.toml", "service.db")?;
            let done = AtomicBool::new(false);
            let (told, made) = thread::scope(|scope| {
                let swapping =
                    scope.spawn(|| swap(&service, &self.folder.join("swapped.toml"), &programs, &done));
                let told = self.send(&service, &load, &repeated);
                done.store(true, Ordering::Relaxed);
                (told, swapping.join())
            });
            swapped.push(p99(&told?)?);
            swaps.push(f64::from(made.map_err(|_| anyhow!("the swaps ended early"))??));
            let (upload, roll_back) = self.upload(&service)?;
            uploads.push(upload);
            back.push(roll_back);
            drop(service);
            let mut audit = self.program("jifen");
            let audit = audit.args(["audit", "replay", "--ledger", "service.db", "--json"]).output()?;
            let audit = run::last_line(&audit.stdout)?;
            ensure!(audit["receipts"] == events && audit["differ"] == 0, "after swaps the log is {audit}");
        }
        let (still, swapped) = (median(still), median(swapped));
        writeln!(
            figures,
            "| p99 of {events} single events at 64 connections, {:.0} swaps of the program meanwhile | {swapped:.1} ms, {:.2} × that without |",
            median(swaps),
            swapped / still
        )?;
        writeln!(
            figures,
            "| `market-day` sent with its cases, tried, published and put to work | {:.2} s |",
            median(uploads)
        )?;
        writeln!(figures, "| a roll-back, until the host is on it | {:.0} ms |", median(back) * 1_000.0)?;
        Ok(())
    }

    /// Measures how long a change takes of which it is looked whether members would have been awarded less on all events.
    fn govern(&self, events: u64, figures: &mut String) -> Result<()> {
        let service = self.serve("service.toml", "service-run.db")?;
        let text = fs::read_to_string(self.folder.join("service.toml"))?;
        let mut taken = Vec::new();
        for multiplier in 3..3_u32.saturating_add(u32::try_from(ROUNDS)?) {
            let better = text.replace("multiplier = \"2\"", &format!("multiplier = \"{multiplier}\""));
            fs::write(self.folder.join("better.toml"), better)?;
            taken.push(answer(&mut service.change(&self.folder.join("better.toml"), "")?)?.0);
        }
        let taken = median(taken);
        writeln!(
            figures,
            "| a change that leaves nobody with less, as {events} events show when they are decided again | {taken:.2} s |"
        )?;
        Ok(())
    }

    /// Measures how soon a roll-back is at work on another host of a ledger in PostgreSQL.
    #[expect(clippy::disallowed_methods, reason = "this is what is measured")]
    fn follow(&self, figures: &mut String) -> Result<()> {
        const CHANGES: usize = 20;
        let server = server_of_its_own();
        let ledger = server.new_schema();
        let hosts = [self.serve("service.toml", &ledger)?, self.serve("service.toml", &ledger)?];
        let text = fs::read_to_string(self.folder.join("service.toml"))?;
        fs::write(self.folder.join("more.toml"), text.replace("multiplier = \"2\"", "multiplier = \"3\""))?;
        let mut taken = Vec::new();
        for _ in 0..CHANGES {
            let (_, changed) = answer(&mut hosts[0].change(&self.folder.join("more.toml"), WITHOUT_NOTICE)?)?;
            let version = changed["version"].as_u64().context("read the version")?;
            hosts[1].waits_for(version)?;
            let began = Instant::now();
            hosts[0].roll_back(version)?;
            hosts[1].waits_for(version.saturating_add(1))?;
            taken.push(began.elapsed().as_secs_f64());
        }
        taken.sort_unstable_by(f64::total_cmp);
        let [middle, worst] = [CHANGES.div_euclid(2), CHANGES.saturating_sub(1)].map(|n| taken[n] * 1_000.0);
        writeln!(
            figures,
            "| a roll-back, until another host on PostgreSQL is on it | {middle:.0} ms, {worst:.0} ms the slowest of {CHANGES} |"
        )?;
        Ok(())
    }

    /// Measures what neighbours feel of strangers who upload one release after the other, each with its cases, none of them taken.
    fn take_in(&self, figures: &mut String) -> Result<()> {
        let load = ["16".to_owned(), "1".to_owned()];
        let (mut alone, mut beside, mut uploads) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            alone.push(p99(&self.ours(&load)?)?);
            forget(&self.folder.join("service.db"))?;
            let service = self.serve("service.toml", "service.db")?;
            let done = AtomicBool::new(false);
            let (told, made) = thread::scope(|scope| {
                let strangers = scope.spawn(|| {
                    let mut made = 0_u32;
                    // What begins before events come has the machine to itself.
                    thread::sleep(Duration::from_secs(2));
                    while !done.load(Ordering::Relaxed) {
                        // It says that it is another: everything is tried, and nothing is published.
                        let put = self
                            .put(&service, "market-day", "/v1/policies/stranger/releases/0.1.0")?
                            .output()?;
                        ensure!(!put.status.success(), "it is published");
                        made = made.saturating_add(1);
                    }
                    anyhow::Ok(made)
                });
                let told = self.send(&service, &load, &self.data);
                done.store(true, Ordering::Relaxed);
                (told, strangers.join())
            });
            beside.push(p99(&told?)?);
            uploads.push(f64::from(made.map_err(|_| anyhow!("the uploads ended early"))??));
        }
        let (alone, beside) = (median(alone), median(beside));
        writeln!(
            figures,
            "| p99 of single events at 16 connections, {:.0} uploads that are refused meanwhile | {beside:.1} ms, {:.2} × that without |",
            median(uploads),
            beside / alone
        )?;
        Ok(())
    }

    /// Returns what sends a stock policy with its cases.
    fn put(&self, service: &Running, name: &str, path: &str) -> Result<Command> {
        let component = self.root.join("target/policies").join(name).with_extension("wasm");
        let mut put = service.curl(path);
        put.args(["-X", "PUT", "-F"]).arg(format!("component=@{}", component.display()));
        for case in self.root.join("policies").join(name).join("cases").read_dir()? {
            put.arg("-F").arg(format!("case=@{}", case?.path().display()));
        }
        Ok(put)
    }

    /// Publishes a stock policy and puts it to work, then goes back. Returns the seconds of both.
    fn upload(&self, service: &Running) -> Result<(f64, f64)> {
        let (published, _) =
            answer(&mut self.put(service, "market-day", "/v1/policies/market-day/releases/0.1.0")?)?;
        let text = fs::read_to_string(self.folder.join("service.toml"))? + MORE;
        fs::write(self.folder.join("more.toml"), text)?;
        let (deployed, changed) =
            answer(&mut service.change(&self.folder.join("more.toml"), WITHOUT_NOTICE)?)?;
        let version = changed["version"].as_u64().context("read the version")?;
        Ok((published + deployed, service.roll_back(version)?))
    }

    /// Measures a program of a thousand deployments: how soon it is ready, and what it takes.
    fn deploy_many(&self, figures: &mut String) -> Result<()> {
        const MANY: u32 = 1_000;
        let head = run::program(&[])?;
        let head = head.split("[[deployment]]").next().context("it has a head")?;
        let many = |count: u32| {
            let tables = (0..count).map(|n| {
                format!(
                    "\n[[merchant]]\nid = \"m{n}\"\nregion = \"cn/town\"\n\n[[deployment]]\nid = \"d{n}\"\npolicy = \"spend\"\nlane = \"base\"\nunit = \
                     \"points\"\nissuer = \"merchant\"\nscope = {{ merchant = \"m{n}\" }}\nparameters = {{ points = \"1\", per = {} }}\n",
                    n.saturating_add(100)
                )
            });
            tables.fold(head.to_owned(), |text, table| text + &table)
        };
        let mut ready = Vec::new();
        let mut resident = Vec::new();
        for count in [1, MANY] {
            let (program, ledger) = (format!("many-{count}.toml"), format!("many-{count}.db"));
            fs::write(self.folder.join(&program), many(count))?;
            forget(&self.folder.join(&ledger))?;
            // Once to compile; then as after a restart.
            drop(self.serve(&program, &ledger)?);
            let service = self.serve(&program, &ledger)?;
            ready.push(service.ready);
            // What loading took for a moment is given back within a second.
            thread::sleep(Duration::from_secs(3));
            resident.push(service.resident_kib()?);
        }
        let [(_, one), (seconds, all)] = [0, 1].map(|n| (ready[n], resident[n]));
        let each = (all - one) / f64::from(MANY);
        writeln!(
            figures,
            "| {MANY} deployments of as many merchants, ready from the cache after | {seconds:.2} s |"
        )?;
        writeln!(figures, "| resident memory of each, three seconds later | {each:.0} KiB |")?;
        Ok(())
    }
}

/// Without looking whether members would be awarded less.
const WITHOUT_NOTICE: &str = "&without_notice=true";

/// A deployment of the release that is published.
const MORE: &str = r#"
[[deployment]]
id = "more"
policy = "market-day"
lane = "bonus"
unit = "points"
issuer = "platform"
parameters = { multiplier = "1.5" }
"#;

/// Puts programs to work in turn until all is sent, a hundred times at most, and returns how often.
fn swap(service: &Running, file: &Path, programs: &[String; 2], done: &AtomicBool) -> Result<u32> {
    const SWAPS: u32 = 100;
    let mut made = 0;
    for text in programs.iter().cycle() {
        if made == SWAPS || done.load(Ordering::Relaxed) {
            break;
        }
        fs::write(file, text)?;
        answer(&mut service.change(file, WITHOUT_NOTICE)?)?;
        made = made.saturating_add(1);
        thread::sleep(Duration::from_millis(25));
    }
    Ok(made)
}

/// Runs curl, and returns the seconds until the answer, and the answer.
fn answer(curl: &mut Command) -> Result<(f64, Value)> {
    let output = curl.output().context("start curl")?;
    let text = String::from_utf8(output.stdout)?;
    let (body, seconds) = text.trim_end().rsplit_once('\n').context("read what curl says")?;
    ensure!(output.status.success(), "the service answered {body}");
    Ok((seconds.parse()?, serde_json::from_str(body)?))
}

fn p99(told: &Value) -> Result<f64> {
    told["p99_ms"].as_f64().context("read p99_ms")
}

/// A service that ends with its round.
struct Running {
    service: Served,
    /// Seconds until it listened.
    ready: f64,
}

impl Running {
    #[expect(clippy::disallowed_methods, reason = "this is what is measured")]
    fn start(service: &mut Command) -> Result<Self> {
        let began = Instant::now();
        let service = Served::start(service, |_| {})?;
        Ok(Self { service, ready: began.elapsed().as_secs_f64() })
    }

    /// Asks for a path; behind the answer stands how long it took.
    fn curl(&self, path: &str) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail-with-body", "--write-out", "\n%{time_total}"]);
        curl.arg(format!("http://{}{path}", self.service.address));
        curl
    }

    /// Returns what puts a program to work on whatever is.
    fn change(&self, file: &Path, notice: &str) -> Result<Command> {
        let version = self.version()?;
        let mut put = self.curl(&format!("/v1/program?who=bench&why=measured{notice}"));
        put.args(["-X", "PUT", "-H"]).arg(format!("If-Match: \"{version}\"")).arg("--data-binary");
        put.arg(format!("@{}", file.display()));
        Ok(put)
    }

    /// Goes back from a version, and returns the seconds until that is answered.
    fn roll_back(&self, version: u64) -> Result<f64> {
        let mut back = self.curl("/v1/program/rollback?who=bench&why=measured");
        Ok(answer(back.args(["-X", "POST", "-H"]).arg(format!("If-Match: \"{version}\"")))?.0)
    }

    /// Returns the version by which it decides.
    fn version(&self) -> Result<u64> {
        let (_, program) = answer(&mut self.curl("/v1/program"))?;
        program["version"].as_u64().context("read the version")
    }

    /// Waits until it decides by a version.
    fn waits_for(&self, version: u64) -> Result<()> {
        while self.version()? != version {
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    fn resident_kib(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.service.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("it has a size")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}
