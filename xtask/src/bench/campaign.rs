//! Campaigns over very many members: how long the close of a day takes that runs one.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::report::Report;
use super::{forget, server_of_its_own};
use crate::{demo, policies};

/// Of so many members one bought nothing for long.
const DORMANT_ONE_IN: u64 = 50;

const PROGRAM: &str = r#"
[program]
name = "bench"
timezone = "Asia/Shanghai"

[[unit]]
id = "points"

[[merchant]]
id = "store-1"

[[lane]]
id = "base"

[[deployment]]
id = "spend"
policy = "spend"
lane = "base"
unit = "points"
issuer = "platform"
parameters = { points = "1", per = 100 }
"#;

/// What is measured: in words, and what the program has for it.
const CAMPAIGNS: [(&str, &str); 4] = [
    ("no campaign", ""),
    (
        "`recall`: one in 50 is dormant and asked about, all of those get points",
        "[[campaign]]\nid = 'recall'\npolicy = 'recall'\nunit = 'points'\nsegment = { dormant = { days = 90 } }\n\
         parameters = { notice = 'come-back', points = 50 }\n",
    ),
    (
        "`monthly-day`: everybody is asked about, one in 50 has points enough and is told",
        "[[campaign]]\nid = 'day'\npolicy = 'monthly-day'\nunit = 'points'\n\
         parameters = { notice = 'member-day', min_points = 1000 }\n",
    ),
    (
        "`recall`: everybody is asked about and gets points",
        "[[campaign]]\nid = 'all'\npolicy = 'recall'\nunit = 'points'\nparameters = { points = 5 }\n",
    ),
];

pub(crate) fn measure(root: &Path, report: &Report, members: u64) -> Result<()> {
    policies::build(root)?;
    demo::build(root)?;
    let folder = root.join("target/bench");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("campaign.toml"), PROGRAM)?;
    purchases(&folder.join("campaign.jsonl"), members)?;
    let server = server_of_its_own();
    let mut figures = format!(
        "The close of a day of {members} members, each with one purchase, through `jifen run`: who has something due is looked for, \
         and the campaign of the next day runs. What is done for a member is an entry of its own, durable with its receipt. \
         PostgreSQL is set up as `docs/operating.md` says.\n\n\
         | store | campaign | members acted for | seconds | members/s | memory at most, MB |\n|---|---|---|---|---|---|\n"
    );
    for store in ["SQLite", "PostgreSQL"] {
        let ledger = if store == "SQLite" {
            let file = folder.join("campaign.db");
            forget(&file)?;
            file.display().to_string()
        } else {
            server.new_schema()
        };
        let fill = jifen(root, &folder, &ledger, "campaign.toml")
            .arg("campaign.jsonl")
            .stdout(Stdio::null())
            .status();
        ensure!(fill.context("start jifen")?.success(), "jifen run failed");
        for (day, (words, campaign)) in (1_u64..).zip(CAMPAIGNS) {
            fs::write(folder.join("campaign-day.toml"), format!("{PROGRAM}\n{campaign}"))?;
            let Closed { acted, taken, memory } = close(root, &folder, &ledger, day)?;
            let seconds = taken.as_secs_f64();
            let rate =
                u128::from(members).saturating_mul(1_000).checked_div(taken.as_millis()).unwrap_or_default();
            writeln!(figures, "| {store} | {words} | {acted} | {seconds:.1} | {rate} | {memory} |")?;
        }
    }
    report.write("campaign", "cargo xtask bench campaign", figures.trim_end())
}

/// Writes a purchase of each member: one in so many bought long ago, and much.
fn purchases(file: &Path, members: u64) -> Result<()> {
    let mut out = BufWriter::new(fs::File::create(file)?);
    for member in 0..members {
        let dormant = member.is_multiple_of(DORMANT_ONE_IN);
        let (day, amount) = if dormant { ("2026-01-15", 100_000) } else { ("2026-06-01", 5_000) };
        let line = json!({"sku": "1001", "category": "staples", "quantity": 1, "amount": amount});
        let data = json!({
            "order": member.to_string(), "member": format!("m{member:07}"), "merchant": "store-1", "currency": "CNY",
            "lines": [line],
        });
        let event = json!({
            "specversion": "1.0", "id": member.to_string(), "source": "/bench", "type": "jifen.purchase.completed",
            "time": format!("{day}T12:00:00+08:00"), "data": data,
        });
        writeln!(out, "{event}")?;
    }
    Ok(out.flush()?)
}

fn jifen(root: &Path, folder: &Path, ledger: &str, program: &str) -> Command {
    let mut jifen = Command::new(root.join("target/release/jifen"));
    jifen.args(["run", "--program", program, "--ledger", ledger, "--policies"]);
    jifen.arg(root.join("target/policies")).current_dir(folder);
    jifen
}

/// What the close of a day came to.
struct Closed {
    acted: u64,
    taken: Duration,
    /// Megabytes.
    memory: u64,
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures")]
fn close(root: &Path, folder: &Path, ledger: &str, day: u64) -> Result<Closed> {
    let mut jifen = jifen(root, folder, ledger, "campaign-day.toml");
    jifen
        .args(["--json", "--receipts", "-", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut jifen = jifen.spawn().context("start jifen")?;
    let mut input = jifen.stdin.take().context("it is piped")?;
    let mut answers = BufReader::new(jifen.stdout.take().context("it is piped")?).lines();
    let event = json!({
        "specversion": "1.0", "id": format!("close {day}"), "source": "/bench", "type": "jifen.day.closed",
        "time": format!("2026-07-{:02}T00:00:00+08:00", day.saturating_add(1)), "data": {"day": format!("2026-07-{day:02}")},
    });
    let began = Instant::now();
    writeln!(input, "{event}")?;
    let receipt = answers.next().context("jifen ended")??;
    let taken = began.elapsed();
    ensure!(serde_json::from_str::<Value>(&receipt)?["outcome"] == "applied", "{receipt}");
    let memory = peak(jifen.id())?;
    drop(input);
    let output = jifen.wait_with_output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    let summary: Value = serde_json::from_str(told.lines().last().context("read the summary")?)?;
    let tallies = summary["campaigns"].as_object().into_iter().flatten();
    let acted = tallies.filter_map(|(_, tally)| tally["acted"].as_u64()).sum();
    Ok(Closed { acted, taken, memory })
}

/// Returns the most memory that a process had, in megabytes.
fn peak(process: u32) -> Result<u64> {
    let status =
        fs::read_to_string(format!("/proc/{process}/status")).context("read the process's status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("find VmHWM")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes.div_ceil(1_024))
}
