//! The same policy in other rule engines: the package `tests/peers`, whose answers all agree before a clock starts.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::report::Report;
use crate::toolchain;
use crate::{cargo, policies};

const PACKAGE: &str = "tests/peers";
const TARGET_DIR: &str = "target/peers";

pub(crate) fn measure(root: &Path, report: &Report) -> Result<()> {
    let figures = figures(root, With::Others)?;
    let mut peers: Vec<&Value> = figures["peers"].as_array().context("read the figures")?.iter().collect();
    peers.sort_by(|one, other| best(one).total_cmp(&best(other)));

    let mut table = String::new();
    let transactions = &figures["transactions"];
    writeln!(
        table,
        "One policy, the same answers everywhere on {transactions} random purchases of five lines; ns per"
    )?;
    writeln!(
        table,
        "evaluation on one thread, from Rust values to Rust values. `tests/peers/README.md` says how, and"
    )?;
    writeln!(table, "what is unfair about it.\n")?;
    writeln!(table, "| | instance | best batch | median batch |\n|---|---|---|---|")?;
    for peer in peers {
        let (name, instance) = (text(peer, "name")?, text(peer, "instance")?);
        writeln!(
            table,
            "| {name} | {instance} | {} | {} |",
            whole(&peer["best_ns"])?,
            whole(&peer["median_ns"])?
        )?;
    }
    report.write("peers", "cargo xtask bench peers", table.trim_end())
}

/// Whom to measure beside Jifen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum With {
    /// Nobody: their engines are not compiled.
    Nobody,
    Others,
}

/// Builds what is measured, measures it, and returns the figures.
pub(super) fn figures(root: &Path, with: With) -> Result<Value> {
    let (package, target) = (root.join(PACKAGE), root.join(TARGET_DIR));
    fs::create_dir_all(&target).context("make the directory for the peers")?;
    let toolchain = toolchain::choose()?;
    let reference = target.join("reference.wasm");
    policies::build_one(root, &toolchain, &package.join("policy"), &reference)?;
    cargo(root, &["build", "--release", "--package", "jifen-compiler"])?;

    let manifest = format!("{PACKAGE}/Cargo.toml");
    // extism's wasmtime asks for a newer Rust than it needs.
    let build = ["build", "--release", "--ignore-rust-version", "--manifest-path", &manifest];
    let mut build = [&build[..], &["--target-dir", TARGET_DIR]].concat();
    let mut peers = Command::new(target.join("release/jifen-peers"));
    peers.arg("--json").arg(root.join("target/release/jifen-compile")).arg(&reference);
    match with {
        With::Nobody => build.push("--no-default-features"),
        With::Others => {
            peers.arg(policies::module(root, &toolchain, &package.join("plugin"), "plugin")?);
        }
    }
    cargo(root, &build)?;
    let output = peers.stderr(Stdio::inherit()).output().context("start jifen-peers")?;
    ensure!(output.status.success(), "jifen-peers failed");
    serde_json::from_slice(&output.stdout).context("read the figures")
}

/// Returns a figure as a whole number.
pub(super) fn whole(figure: &Value) -> Result<String> {
    Ok(format!("{:.0}", figure.as_f64().context("read the figures")?))
}

fn best(peer: &Value) -> f64 {
    peer["best_ns"].as_f64().unwrap_or(f64::INFINITY)
}

fn text<'v>(peer: &'v Value, key: &str) -> Result<&'v str> {
    peer[key].as_str().context("read the figures")
}
