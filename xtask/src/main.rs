//! What cargo alone cannot say: `cargo xtask policies | demo | test | fuzz | bench`.

mod bench;
mod command;
mod demo;
mod fuzz;
mod policies;
mod postgres;
mod python;
mod script;
mod served;
mod test;
mod toolchain;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds every stock policy into `target/policies/<name>.wasm`.
    Policies,
    /// Builds everything, runs the sample of real baskets into `target/demo/`, and shows what came of it.
    Demo,
    /// Runs everything that CI runs.
    Test,
    /// Sends the service what its own description allows and what it does not, and holds the answers against it.
    Fuzz {
        /// Requests of each operation at most, in each phase.
        #[arg(long, default_value_t = 100)]
        examples: u32,
    },
    /// Measures, and writes the figures into `docs/benchmarks.md`.
    Bench(bench::Bench),
}

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace");
    match Arguments::parse().task {
        Task::Policies => policies::build(root),
        Task::Demo => demo::run(root),
        Task::Test => test::run(root),
        Task::Fuzz { examples } => fuzz::run(root, examples),
        Task::Bench(bench) => bench::run(root, &bench),
    }
}

/// Runs the cargo that runs us.
fn cargo(root: &Path, arguments: &[&str]) -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    let status = cargo.args(arguments).current_dir(root).status().context("start cargo")?;
    ensure!(status.success(), "cargo {} failed", arguments.join(" "));
    Ok(())
}

/// Returns the host that is built for tests, to be run in the root.
fn jifen(root: &Path) -> Command {
    let mut jifen = Command::new(root.join("target/debug/jifen"));
    jifen.current_dir(root);
    jifen
}
