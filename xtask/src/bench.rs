//! Benchmarks: measured, and written into `docs/benchmarks.md` with machine, load and command.

mod campaign;
mod evaluate;
mod ledger;
mod mixed;
mod peers;
mod policies;
mod redemption;
mod report;
mod run;
#[path = "../../host/ledger/src/tests/server.rs"]
#[expect(dead_code, reason = "tests do more with a server")]
mod server;
mod service;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use self::report::Report;
use self::server::Server;

#[derive(Args)]
pub(crate) struct Bench {
    /// What to measure
    #[arg(value_enum, default_values_t = [What::Evaluate, What::Policies, What::Run, What::Ledger, What::Redemption, What::Campaign, What::Service, What::Peers])]
    what: Vec<What>,
    /// Files of events for `run` and `service`
    #[arg(long, num_args = 1.., default_value = "tests/data/journey-sample.jsonl.gz")]
    data: Vec<PathBuf>,
    /// How far the ledger of `growth` grows
    #[arg(long, default_value_t = 10_000_000)]
    entries: u64,
    /// How many members `campaign` has
    #[arg(long, default_value_t = 1_000_000)]
    members: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// One evaluation in a virgin instance
    Evaluate,
    /// Every stock policy: size, time and fuel
    Policies,
    /// `jifen run` and `jifen audit replay` over files of events, beside a bare SQLite program
    Run,
    /// Commits and statements on both stores, beside bare programs and pgbench
    Ledger,
    /// Commits as the ledger grows; takes long, and 60 GB
    Growth,
    /// Uses of points, from the request to the receipt of the capture, on both stores
    Redemption,
    /// The close of a day of very many members that runs a campaign, on both stores
    Campaign,
    /// The service under load, beside one that only writes
    Service,
    /// The same policy in other rule engines
    Peers,
}

/// How PostgreSQL is set up, as an operator would set one up on a machine like this.
const SETTINGS: &str = "listen_addresses = ''
shared_buffers = 1GB
max_wal_size = 8GB
checkpoint_timeout = 15min
max_connections = 200
log_min_messages = fatal
";

/// Starts a PostgreSQL server for a benchmark.
fn server_of_its_own() -> Server {
    Server::with(SETTINGS)
}

/// Sees that a ledger in a file is not there.
pub(crate) fn forget(file: &Path) -> Result<()> {
    for file in ["", "-wal", "-shm"].map(|end| format!("{}{end}", file.display())) {
        if Path::new(&file).exists() {
            fs::remove_file(&file).with_context(|| format!("remove {file}"))?;
        }
    }
    Ok(())
}

/// Measures, and writes the figures down.
pub(crate) fn run(root: &Path, bench: &Bench) -> Result<()> {
    let report = Report::new(root);
    for what in &bench.what {
        match what {
            What::Evaluate => evaluate::measure(root, &report)?,
            What::Policies => policies::measure(root, &report)?,
            What::Run => run::measure(root, &report, &bench.data)?,
            What::Ledger => ledger::measure(root, &report)?,
            What::Growth => ledger::growth(root, &report, bench.entries)?,
            What::Redemption => redemption::measure(root, &report)?,
            What::Service => service::measure(root, &report, &bench.data)?,
            What::Campaign => campaign::measure(root, &report, bench.members)?,
            What::Peers => peers::measure(root, &report)?,
        }
    }
    Ok(())
}
