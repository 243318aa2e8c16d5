//! What the ledger takes and answers, on both stores, beside bare programs and `pgbench` on the same server.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use jifen_author::command::output;

use super::report::Report;
use super::server::{Server, as_server, programs};
use super::{forget, server_of_its_own};
use crate::cargo;

const CLIENTS: [u32; 2] = [1, 16];

/// Measures commits and statements.
pub(crate) fn measure(root: &Path, report: &Report) -> Result<()> {
    let bench = Bench::new(root)?;
    let mut figures = "Purchases with two lots and three postings each, 2,500 members at a time; entries a second, medians of 3 rounds. \
        `commit` writes what was decided; `read and commit` reads first what deciding needs. The bare programs write the same rows \
        and check nothing: into SQLite by prepared statements, into PostgreSQL by `COPY`.\n\n### SQLite, synchronous=FULL\n\n"
        .to_owned();
    figures.push_str(&bench.postings(&["sqlite", &bench.folder])?);
    figures.push_str(&bench.postings(&["statements", &bench.fresh_file("statements.db")?])?);
    let server = server_of_its_own();
    let (url, statements) = (server.new_schema(), server.new_schema());
    let version = server.perform("SHOW server_version");
    let version = version.split_whitespace().next().unwrap_or_default();
    writeln!(figures, "### PostgreSQL {version}, fsync and synchronous_commit on\n")?;
    figures.push_str(&bench.postings(&["postgres", &url])?);
    figures.push_str(&bench.postings(&["statements", &statements])?);
    writeln!(figures, "`pgbench`, TPC-B at scale 10 on the same server: {}.", pgbench(&server)?)?;
    report.write("ledger", "cargo xtask bench ledger", figures.trim_end())
}

/// Measures commits as the ledger grows.
pub(crate) fn growth(root: &Path, report: &Report, entries: u64) -> Result<()> {
    let bench = Bench::new(root)?;
    let entries = entries.to_string();
    let mut figures = "Entries a second of the next 50,000 purchases. 2,500 members at a time buy, who come and go, so that each has as \
        many purchases in a large ledger as in a small one.\n\n### SQLite\n\n"
        .to_owned();
    let file = bench.fresh_file("growth.db")?;
    figures.push_str(&bench.postings(&["growth", &file, &entries])?);
    bench.fresh_file("growth.db")?;
    let server = server_of_its_own();
    figures.push_str("### PostgreSQL\n\n");
    figures.push_str(&bench.postings(&["growth", &server.new_schema(), &entries])?);
    let command = format!("cargo xtask bench growth --entries {entries}");
    report.write("growth", &command, figures.trim_end())
}

struct Bench<'a> {
    root: &'a Path,
    folder: String,
}

impl<'a> Bench<'a> {
    fn new(root: &'a Path) -> Result<Self> {
        cargo(root, &["build", "--release", "--package", "jifen-ledger", "--example", "postings"])?;
        let folder = root.join("target/bench");
        fs::create_dir_all(&folder)?;
        Ok(Self { root, folder: folder.display().to_string() })
    }

    /// Returns the name of a file that is not there.
    fn fresh_file(&self, name: &str) -> Result<String> {
        let file = format!("{}/{name}", self.folder);
        forget(Path::new(&file))?;
        Ok(file)
    }

    /// Returns the table that the example prints.
    fn postings(&self, arguments: &[&str]) -> Result<String> {
        let table = output(Command::new(self.root.join("target/release/examples/postings")).args(arguments))?;
        Ok(format!("{table}\n\n"))
    }
}

fn pgbench(server: &Server) -> Result<String> {
    let program = programs().context("find PostgreSQL")?.join("pgbench");
    let url = server.url("public");
    output(as_server(&program).args(["--initialize", "--quiet", "--scale=10", &url]))?;
    let mut words = Vec::new();
    for clients in CLIENTS {
        let client = format!("--client={clients}");
        let said = output(as_server(&program).args(["--no-vacuum", "--time=10", "--jobs=2", &client, &url]))?;
        let tps = said.lines().find_map(|line| line.strip_prefix("tps = ")).context("read pgbench")?;
        let tps = tps.split(['.', ' ']).next().unwrap_or_default();
        words
            .push(format!("{tps} transactions/s of {clients} client{}", if clients == 1 { "" } else { "s" }));
    }
    Ok(words.join(", "))
}
