//! The service, fuzzed by its own description: [Schemathesis](https://schemathesis.readthedocs.io) makes up requests that fit it and
//! requests that do not, and holds every answer against it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use jifen_author::command::{output, succeed};

use crate::bench::forget;
use crate::served::Served;
use crate::{cargo, jifen, policies, python};

/// Where the tool lies, and what it found.
const FOLDER: &str = "target/fuzz";
/// What it is, to the version, and what it is told.
const SETTINGS: &str = "tests/fuzz";

/// Builds the host, and fuzzes it for up to so many examples of each operation.
pub(crate) fn run(root: &Path, examples: u32) -> Result<()> {
    policies::build(root)?;
    // As for the tests: alone it would be built with other features of the same crates.
    cargo(root, &["build", "--workspace", "--bins", "--tests"])?;
    built(root, examples)
}

/// Fuzzes a host that is built.
pub(crate) fn built(root: &Path, examples: u32) -> Result<()> {
    let folder = root.join(FOLDER);
    let tools = python::tools(&folder, &root.join(SETTINGS))?;
    let ledger = folder.join("ledger.db");
    forget(&ledger)?;
    let mut apply = jifen(root);
    apply.args([
        "apply",
        "--program",
        "tests/data/demo.toml",
        "--policies",
        "target/policies",
        "--why",
        "fuzz",
    ]);
    succeed(apply.arg("--ledger").arg(&ledger))?;
    // Behind a key, or the first one that it makes up would close the ledger to itself.
    let mut make = jifen(root);
    make.args(["keys", "make", "--role", "operator", "--name", "fuzz", "--ledger"]).arg(&ledger);
    let key = output(&mut make)?;
    let mut serve = jifen(root);
    serve.args(["serve", "--listen", "127.0.0.1:0", "--ledger"]).arg(&ledger);
    let mut host = Served::start(&mut serve, complain)?;
    let mut fuzz = Command::new(tools.join("schemathesis"));
    fuzz.current_dir(&folder).env("PYTHONPATH", root.join(SETTINGS));
    fuzz.env("JIFEN_FUZZ_KEY", key.split('_').nth(1).context("a key has an id")?);
    fuzz.arg("--config-file").arg(root.join(SETTINGS).join("schemathesis.toml"));
    fuzz.args(["run", "--seed", "1", "--max-examples", &examples.to_string()]);
    fuzz.arg("--header").arg(format!("Authorization: Bearer {key}"));
    let fuzzed = succeed(fuzz.arg(format!("http://{}/openapi.json", host.address)));
    ensure!(host.process.try_wait()?.is_none(), "the host has ended");
    fuzzed
}

#[expect(clippy::print_stderr, reason = "a task talks to the person at the terminal")]
fn complain(words: &str) {
    eprintln!("{words}");
}
