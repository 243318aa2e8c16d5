//! The demo: real baskets, four market calendars, one receipt explained, everything replayed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{cargo, policies};

/// A basket of the sample on a market day, whose receipt is explained.
const SOURCE: &str = "/merchants/store-406";
const ID: &str = "31316932388";
const MEMBER: &str = "m1228";

/// Builds everything and runs the sample into `target/demo/`.
pub(crate) fn run(root: &Path) -> Result<()> {
    policies::build(root)?;
    build(root)?;
    let demo = Demo::prepare(root)?;
    demo.show("Real baskets, four town calendars, four deployments", &demo.run_arguments())?;
    demo.show("What a member has", &["balance", "--ledger", "target/demo/ledger.db", MEMBER])?;
    demo.show("A member's statement", &["statement", "--ledger", "target/demo/ledger.db", MEMBER])?;
    demo.show("One receipt, explained", &["why", "--ledger", "target/demo/ledger.db", SOURCE, ID])?;
    demo.show("Every receipt, derived again", &["audit", "replay", "--ledger", "target/demo/ledger.db"])?;
    say("\nTry next (target/release/jifen is the host):");
    for next in [
        "target/release/jifen balance --ledger target/demo/ledger.db",
        "target/release/jifen test policies",
        "target/release/jifen check target/policies/market-day.wasm",
        &format!(
            "target/release/jifen case --ledger target/demo/ledger.db --deployment market-day {SOURCE} {ID}"
        ),
        "edit tests/data/demo.toml, and run `cargo xtask demo` again",
    ] {
        say(&format!("  {next}"));
    }
    Ok(())
}

/// Builds host and compiler, each by itself: together, Cargo would unify wasmtime's features, and the host would carry
/// a code generator.
pub(crate) fn build(root: &Path) -> Result<()> {
    for package in ["jifen", "jifen-compiler"] {
        cargo(root, &["build", "--release", "--package", package])?;
    }
    Ok(())
}

struct Demo<'a> {
    root: &'a Path,
    jifen: PathBuf,
}

impl<'a> Demo<'a> {
    /// Empties `target/demo/`, so that the demo shows the same each time.
    fn prepare(root: &'a Path) -> Result<Self> {
        let folder = root.join("target/demo");
        if folder.exists() {
            fs::remove_dir_all(&folder).context("empty target/demo")?;
        }
        fs::create_dir_all(&folder).context("make target/demo")?;
        Ok(Self { root, jifen: root.join("target/release/jifen") })
    }

    fn run_arguments(&self) -> Vec<&'static str> {
        vec![
            "run",
            "--program",
            "tests/data/demo.toml",
            "--policies",
            "target/policies",
            "--ledger",
            "target/demo/ledger.db",
            "--receipts",
            "target/demo/receipts.jsonl",
            "tests/data/journey-sample.jsonl.gz",
        ]
    }

    fn show(&self, title: &str, arguments: &[&str]) -> Result<()> {
        say(&format!("\n── {title}\n$ jifen {}", arguments.join(" ")));
        let mut jifen = Command::new(&self.jifen);
        let status = jifen.args(arguments).current_dir(self.root).status().context("start jifen")?;
        ensure!(status.success(), "jifen {} failed", arguments.join(" "));
        Ok(())
    }
}

#[expect(clippy::print_stdout, reason = "a task talks to the person at the terminal")]
fn say(words: &str) {
    println!("{words}");
}
