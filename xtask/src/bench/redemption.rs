//! Uses of points through `jifen run`: a member asks, gets a hold, and captures it; how long that takes from outside.

#![expect(clippy::float_arithmetic, reason = "times for people, far from points and money")]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::report::Report;
use super::{forget, server_of_its_own};
use crate::{demo, policies};

/// Members at a time, and how many uses of points are measured.
const LOADS: [(usize, usize); 2] = [(1, 1_000), (64, 12_800)];
const LOTS: usize = 20;
const TIME: &str = "2026-03-16T10:00:00+08:00";

const PROGRAM: &str = r#"
[program]
name = "bench"
timezone = "Asia/Shanghai"

[[unit]]
id = "points"

[[merchant]]
id = "store-1"

[[redemption]]
id = "deduction"
policy = "deduction"
unit = "points"
parameters = { points = 100, per = 100 }
"#;

pub(crate) fn measure(root: &Path, report: &Report) -> Result<()> {
    policies::build(root)?;
    demo::build(root)?;
    let folder = root.join("target/bench");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("redemption.toml"), PROGRAM)?;
    let server = server_of_its_own();
    let mut figures = format!(
        "From the request to the receipt of the capture: the policy `deduction` quotes, points are held on one of the member's {LOTS} \
         lots, and captured. Two events, each durable before it is answered, through the pipes of one `jifen run`. Each member waits \
         for an answer before sending the next.\n\n| store | members at a time | p50, ms | p99, ms | uses of points/s |\n|---|---|---|---|---|\n"
    );
    for store in ["SQLite", "PostgreSQL"] {
        for (members, uses) in LOADS {
            let ledger = if store == "SQLite" {
                let file = folder.join(format!("redemption-{members}.db"));
                forget(&file)?;
                file.display().to_string()
            } else {
                server.new_schema()
            };
            let (mut taken, all) = run(root, &folder, &ledger, members, uses)?;
            taken.sort_unstable();
            let [p50, p99] = [50, 99].map(|percent| millis(percentile(&taken, percent)));
            let rate = u128::try_from(uses)?.saturating_mul(1_000_000).checked_div(all.as_micros());
            writeln!(figures, "| {store} | {members} | {p50} | {p99} | {} |", rate.unwrap_or_default())?;
        }
    }
    report.write("redemption", "cargo xtask bench redemption", figures.trim_end())
}

/// Returns how long each use of points took, and all of them together.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures")]
fn run(
    root: &Path,
    folder: &Path,
    ledger: &str,
    members: usize,
    uses: usize,
) -> Result<(Vec<Duration>, Duration)> {
    let mut jifen = Command::new(root.join("target/release/jifen"));
    jifen.args(["run", "--program", "redemption.toml", "--ledger", ledger, "--receipts", "-", "--policies"]);
    jifen.arg(root.join("target/policies")).arg("-").current_dir(folder);
    let mut jifen = jifen.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("start jifen")?;
    let mut input = jifen.stdin.take().context("it is piped")?;
    let mut answers = BufReader::new(jifen.stdout.take().context("it is piped")?).lines();
    let mut answer = || -> Result<Value> {
        let line = answers.next().context("jifen ended")??;
        let answer: Value = serde_json::from_str(&line)?;
        ensure!(answer["outcome"] == "applied", "{line}");
        Ok(answer)
    };
    for (member, lot) in (0..members).flat_map(|member| (0..LOTS).map(move |lot| (member, lot))) {
        let id = format!("open {member} {lot}");
        let data = json!({"member": format!("m{member}"), "unit": "points", "points": 1_000_000, "issuer": "platform"});
        send(&mut input, &id, "balance.opened", &data)?;
        answer()?;
    }
    let (mut began, mut taken) = (vec![Instant::now(); members], Vec::with_capacity(uses));
    let all = Instant::now();
    for member in 0..members {
        ask(&mut input, member, member)?;
    }
    let mut asked = members;
    while taken.len() < uses {
        let answer = answer()?;
        let id = answer["id"].as_str().context("read a receipt")?;
        let [what, member, name] = id.split(' ').collect::<Vec<_>>()[..] else { continue };
        let member: usize = member.parse()?;
        if what == "ask" {
            let data = json!({"redemption": name});
            send(&mut input, &format!("take {member} {name}"), "redemption.captured", &data)?;
            continue;
        }
        taken.push(began[member].elapsed());
        if asked < uses {
            began[member] = Instant::now();
            ask(&mut input, member, asked)?;
            asked = asked.saturating_add(1);
        }
    }
    let all = all.elapsed();
    drop(input);
    ensure!(jifen.wait()?.success(), "jifen run failed");
    Ok((taken, all))
}

fn ask(input: &mut ChildStdin, member: usize, name: usize) -> Result<()> {
    let line = json!({"sku": "1001", "category": "staples", "quantity": 1, "amount": 3_150});
    let data = json!({
        "redemption": format!("r{name}"), "member": format!("m{member}"), "merchant": "store-1", "currency": "CNY", "lines": [line]
    });
    send(input, &format!("ask {member} r{name}"), "redemption.requested", &data)
}

fn send(input: &mut ChildStdin, id: &str, kind: &str, data: &Value) -> Result<()> {
    let kind = format!("jifen.{kind}");
    let event =
        json!({"specversion": "1.0", "id": id, "source": "/bench", "type": kind, "time": TIME, "data": data});
    Ok(input.write_all(format!("{event}\n").as_bytes())?)
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let place = sorted.len().saturating_mul(percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

fn millis(taken: Duration) -> String {
    format!("{:.2}", taken.as_secs_f64() * 1_000.0)
}
