//! Events of all kinds: real baskets with returns and uses of points among them.

use std::collections::{BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::run;

/// Of so many baskets one is returned.
pub(super) const RETURNS: usize = 10;
/// With so many baskets comes one use of points.
pub(super) const USES: usize = 20;
/// How many baskets later a basket is returned, or its member uses points: what is in flight is over by then.
const LATER: usize = 1_000;
/// How many baskets later the points that are held are captured.
const CAPTURED: usize = 200;

const DEDUCTION: &str = "\n[[redemption]]\nid = \"deduction\"\npolicy = \"deduction\"\nunit = \"points\"\n\
    hold = { days = 30 }\nparameters = { points = 100, per = 100 }\n";

/// Where it was written.
pub(super) struct Mixed {
    /// Balances that all members have at first.
    pub(super) openings: PathBuf,
    /// The events.
    pub(super) events: PathBuf,
}

/// The name of the program that decides them.
pub(super) const PROGRAM: &str = "mixed.toml";

/// Writes the events, and a program like another one with which points pay for a part of a bill.
pub(super) fn write(folder: &Path, program: &str, data: &[PathBuf]) -> Result<Mixed> {
    fs::write(folder.join(PROGRAM), program.to_owned() + DEDUCTION)?;
    let baskets = run::events(data)?;
    let mixed = Mixed { openings: folder.join("openings.jsonl"), events: folder.join("mixed.jsonl") };
    open(&mixed.openings, &baskets)?;
    mix(&mixed.events, &baskets)?;
    Ok(mixed)
}

fn open(file: &Path, baskets: &[Value]) -> Result<()> {
    let mut to = BufWriter::new(File::create(file)?);
    let first = baskets.first().context("there are baskets")?;
    let members: BTreeSet<_> =
        baskets.iter().filter_map(|basket| basket["data"]["member"].as_str()).collect();
    for member in members {
        let data = json!({"member": member, "unit": "points", "points": 1_000_000, "issuer": "platform"});
        writeln!(to, "{}", event("balance.opened", format!("open {member}"), &first["time"], data))?;
    }
    Ok(to.flush()?)
}

fn mix(file: &Path, baskets: &[Value]) -> Result<()> {
    let mut to = BufWriter::new(File::create(file)?);
    let mut held = VecDeque::new();
    for (n, basket) in baskets.iter().enumerate() {
        writeln!(to, "{basket}")?;
        let time = &basket["time"];
        if let Some(earlier) = n.checked_sub(LATER).and_then(|n| baskets.get(n)) {
            let (source, order) = (&earlier["source"], &earlier["data"]["order"]);
            if n.is_multiple_of(RETURNS) {
                let mut returned =
                    event("purchase.refunded", format!("back {n}"), time, json!({ "order": order }));
                returned["source"] = source.clone();
                writeln!(to, "{returned}")?;
            }
            if n.is_multiple_of(USES) {
                let (member, merchant) = (&earlier["data"]["member"], &earlier["data"]["merchant"]);
                let lines = json!([{"sku": "1", "category": "staples", "quantity": 1, "amount": 3_150}]);
                let data = json!({
                    "redemption": format!("r{n}"), "member": member, "merchant": merchant, "currency": "CNY",
                    "lines": lines,
                });
                writeln!(to, "{}", event("redemption.requested", format!("ask {n}"), time, data))?;
                held.push_back(n);
            }
        }
        if let Some(asked) = held.pop_front_if(|asked| asked.saturating_add(CAPTURED) <= n) {
            let data = json!({ "redemption": format!("r{asked}") });
            writeln!(to, "{}", event("redemption.captured", format!("take {asked}"), time, data))?;
        }
    }
    Ok(to.flush()?)
}

fn event(kind: &str, id: String, time: &Value, data: Value) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/bench", "type": format!("jifen.{kind}"), "time": time, "data": data,
    })
}
