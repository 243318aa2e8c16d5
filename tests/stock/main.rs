//! The stock policies, as components, through the command line: every case of theirs as a test of its own, scenarios of
//! the specification, the examples of their READMEs, projects that are made of them, and real baskets beside an independent
//! calculation.
//!
//! This is the one suite that needs the guests built (`cargo xtask policies`); without them it fails and says so.

mod baskets;
mod cases;
#[path = "../dice.rs"]
mod dice;
#[path = "../endpoint.rs"]
#[expect(dead_code, reason = "other suites look at what came")]
mod endpoint;
#[path = "../ledgers.rs"]
mod ledgers;
mod loops;
mod projects;
mod readmes;
mod scenarios;
#[path = "../../host/ledger/src/tests/server.rs"]
#[expect(dead_code, reason = "other suites stop and kill their servers")]
mod server;
#[path = "../service.rs"]
#[expect(dead_code, reason = "other suites stop their hosts and look at headers")]
mod service;
mod serving;
#[path = "../story.rs"]
mod story;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Trial};

use self::ledgers::on_postgres;
use self::server::server;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = [
        projects::trials(),
        cases::trials(),
        scenarios::trials(),
        loops::trials(),
        readmes::trials(),
        serving::trials(),
        baskets::trials(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect::<Vec<Trial>>()).exit_code()
}

/// Returns the workspace's folder.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lies in the workspace")
}

/// Returns the folder of the stock policies' components.
fn components() -> PathBuf {
    let components = root().join("target/policies");
    assert!(
        components.join("spend.wasm").is_file(),
        "the stock policies are not built; run `cargo xtask policies`"
    );
    components
}

/// Returns where a test keeps its ledger: in a file of its folder, or in a schema if the suite runs on PostgreSQL.
fn new_ledger() -> String {
    if on_postgres() { server().new_schema() } else { "l.db".to_owned() }
}

/// Returns `jifen`, beside this test where `cargo build` puts it, with a cache that all tests share.
fn jifen() -> Command {
    let test = std::env::current_exe().expect("a test is a file");
    let folder = test.parent().and_then(Path::parent).expect("a test lies in target/<profile>/deps");
    let binary = folder.join("jifen");
    assert!(binary.is_file(), "{} is missing; build it first: cargo xtask test", binary.display());
    let mut jifen = Command::new(binary);
    jifen.env("JIFEN_CACHE", folder.join("test-cache")).stdin(Stdio::null());
    jifen
}

/// Returns `jifen` with arguments, in a folder.
fn jifen_in(folder: &Path, arguments: &[&str]) -> Command {
    let mut jifen = jifen();
    jifen.args(arguments).current_dir(folder);
    jifen
}

/// Runs `jifen` and returns what it printed; it must succeed.
fn run(command: &mut Command) -> String {
    let output = command.output().expect("jifen starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}\n{err}");
    out.into_owned()
}
