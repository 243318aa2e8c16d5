//! The command line.
//!
//! Answers go to standard output, everything else to standard error. Exit codes: 0 done; 1 an answer of no (a test
//! failed, a receipt differs); 2 the command could not be done; 3 done, and some events were refused or notices not
//! delivered.

mod apply;
mod audit_certificate;
mod audit_check;
mod audit_claims;
mod audit_head;
mod backtest;
mod backup;
mod balance;
mod build;
mod case;
mod certificate;
mod check;
mod cohorts;
mod compare;
mod corrections;
mod import;
mod keys;
mod new;
mod notify;
mod outbox;
mod output;
mod progress;
mod replay;
mod run;
mod serve;
mod settle;
mod signers;
mod statement;
mod test;
mod trail;
mod why;

use std::fmt::Display;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use jifen_engine::PolicyStore;
use jifen_ledger::{Ledger, LedgerError};

use crate::active::Active;
use crate::parallel;
use crate::releases::Releases;

/// Runs consumption-points programs: rules are wasm components, every posting can be derived again.
#[derive(Parser)]
#[command(name = "jifen", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Apply events to a ledger.
    Run(run::Run),
    /// Take events and answer questions over HTTP.
    Serve(serve::Serve),
    /// Show what a program file would change of the program at work.
    Plan(apply::Show),
    /// Put a program to work.
    Apply(apply::Apply),
    /// Say that a program will be put to work, so that it may though members would be awarded less
    Announce(apply::Announce),
    /// Tell what another program would have awarded on real history
    Backtest(backtest::Backtest),
    /// Print the events that decide purchases of then anew by another version of the program.
    Corrections(corrections::Corrections),
    /// Tell what a deployment that is tried asked for, beside the one in whose place it is
    Compare(compare::Compare),
    /// Put the program of an earlier version to work again.
    Rollback(apply::Rollback),
    /// Print which programs were put to work, when, by whom and why.
    Changes(apply::Changes),
    /// Print the file of the program at work, or of another that the ledger keeps.
    Program(apply::Print),
    /// Say who signs releases.
    #[command(subcommand)]
    Signers(signers::Signers),
    /// Sign a component that is to be published.
    Sign(signers::Sign),
    /// Make, list and revoke the keys that hosts ask for.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Turn opening balances of an old system into events.
    Import(import::Import),
    /// Print what members have.
    Balance(balance::Balance),
    /// Print what happened to a member.
    Statement(statement::Statement),
    /// Certify what a member earned and used, with the proof that the log says so.
    Certificate(certificate::Issue),
    /// Settle what issuers, acceptors and the program owe each other in money.
    Settle(settle::Settle),
    /// Print what became of points by the period in which they were awarded, and what of it is revenue.
    Cohorts(cohorts::ByCohort),
    /// Explain the receipt of an event.
    Why(why::Why),
    /// Deliver what campaigns send members.
    Notify(notify::Notify),
    /// Print which notices are not delivered yet.
    Outbox(outbox::Outbox),
    /// Check a ledger.
    #[command(subcommand)]
    Audit(Audit),
    /// Copy a ledger in a file while hosts write it.
    Backup(backup::Backup),
    /// Make a project of a new policy from a stock one.
    New(new::New),
    /// Build the component of a policy's project.
    Build(build::Build),
    /// Run a policy's cases in its component.
    Test(test::Test),
    /// Check a component without running it, and print what it may ask.
    Check(check::Check),
    /// Print a receipt as a case of its policy.
    Case(case::Case),
}

#[derive(Subcommand)]
enum Audit {
    /// Derive every receipt again and compare.
    Replay(replay::Replay),
    /// Add up the log again and compare with what the store keeps.
    Check(audit_check::Check),
    /// Try once more what the rules at work promise, and whether they are fair.
    Claims(audit_claims::Claims),
    /// Print the head of the log: one hash over all receipts.
    Head(audit_head::Head),
    /// See whether a certificate says what the log does.
    Certificate(audit_certificate::Verify),
    /// Print what hosts were asked to change or to try, by whom, and how they answered.
    Trail(trail::Trail),
}

/// A ledger that exists.
#[derive(Args)]
struct LedgerArg {
    /// The ledger: a file, or a URL
    #[arg(long, value_name = "LEDGER")]
    ledger: String,
}

impl LedgerArg {
    fn open(&self) -> anyhow::Result<Arc<dyn Ledger>> {
        self.file()?;
        self.open_or_begin()
    }

    fn open_or_begin(&self) -> anyhow::Result<Arc<dyn Ledger>> {
        Ok(jifen_ledger::open(&self.ledger)?)
    }

    /// Returns the file that the ledger lies in, which must exist; `None` if it lies in none.
    fn file(&self) -> anyhow::Result<Option<&Path>> {
        let file = self.ledger.strip_prefix("sqlite:").unwrap_or(&self.ledger);
        if file.contains("://") || file == "memory:" {
            return Ok(None);
        }
        anyhow::ensure!(Path::new(file).exists(), "there is no ledger {file}; `jifen run` makes one");
        Ok(Some(Path::new(file)))
    }
}

/// Runs the command that the arguments name.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Run(run) => run.execute(),
        Command::Serve(serve) => serve.execute(),
        Command::Plan(plan) => plan.execute(),
        Command::Apply(apply) => apply.execute(),
        Command::Announce(announce) => announce.execute(),
        Command::Backtest(backtest) => backtest.execute(),
        Command::Corrections(corrections) => corrections.execute(),
        Command::Compare(compare) => compare.execute(),
        Command::Rollback(rollback) => rollback.execute(),
        Command::Changes(changes) => changes.execute(),
        Command::Program(program) => program.execute(),
        Command::Keys(keys) => keys.execute(),
        Command::Signers(signers) => signers.execute(),
        Command::Sign(sign) => sign.execute(),
        Command::Import(import) => import.execute(),
        Command::Balance(balance) => balance.execute(),
        Command::Statement(statement) => statement.execute(),
        Command::Certificate(certificate) => certificate.execute(),
        Command::Settle(settle) => settle.execute(),
        Command::Cohorts(cohorts) => cohorts.execute(),
        Command::Why(why) => why.execute(),
        Command::Notify(notify) => notify.execute(),
        Command::Outbox(outbox) => outbox.execute(),
        Command::Audit(Audit::Replay(replay)) => replay.execute(),
        Command::Audit(Audit::Check(check)) => check.execute(),
        Command::Audit(Audit::Claims(claims)) => claims.execute(),
        Command::Audit(Audit::Head(head)) => head.execute(),
        Command::Audit(Audit::Certificate(certificate)) => certificate.execute(),
        Command::Audit(Audit::Trail(trail)) => trail.execute(),
        Command::Backup(backup) => backup.execute(),
        Command::New(new) => new.execute(),
        Command::Build(build) => build.execute(),
        Command::Test(test) => test.execute(),
        Command::Check(check) => check.execute(),
        Command::Case(case) => case.execute(),
    };
    match done {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(format_args!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Whoever reads our output may stop reading; that is no failure of ours.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Prints all that is found page by page, a line each; `place` says behind what the next page begins.
fn print_pages<T, A: Default>(
    find: impl Fn(&A) -> Result<Vec<T>, LedgerError>,
    place: impl Fn(&T) -> A,
    line: impl Fn(&T) -> serde_json::Result<String>,
) -> anyhow::Result<ExitCode> {
    let mut after = A::default();
    loop {
        let found = find(&after)?;
        for one in &found {
            print(&line(one)?)?;
        }
        let Some(last) = found.last() else { return Ok(ExitCode::SUCCESS) };
        after = place(last);
    }
}

/// Opens the store of compiled policies: `JIFEN_CACHE`, or the user's cache directory.
fn policy_store() -> anyhow::Result<PolicyStore> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || variable("HOME").map(|home| home.join(".cache"));
    let cache = variable("JIFEN_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").or_else(home).map(|cache| cache.join("jifen")))
        .context("find a place for compiled policies; set JIFEN_CACHE to a directory")?;
    let own = std::env::current_exe().context("find this program's own path")?;
    let compiler = variable("JIFEN_COMPILE").unwrap_or_else(|| own.with_file_name("jifen-compile"));
    Ok(PolicyStore::open(&cache, &compiler)?)
}

/// Loads the program of a file, and says what its author should see to.
fn load(
    file: impl Display,
    text: &str,
    releases: &Releases<'_>,
    store: &PolicyStore,
) -> anyhow::Result<Active> {
    let active = Active::from_file(text, releases, store).with_context(|| file.to_string())?;
    let warnings = active.program.warnings.iter();
    warnings.for_each(|warning| output::complain(format_args!("{file}: {warning}")));
    Ok(active)
}

/// Returns how many threads evaluate.
fn threads(wanted: Option<NonZeroUsize>) -> NonZeroUsize {
    wanted.unwrap_or_else(parallel::cores)
}

fn print(text: &impl Display) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}").context("write to standard output")
}
