//! PostgreSQL's programs, from which tests start servers of their own: found, or installed.
//!
//! Where the package also starts a server, that one is left alone: tests speak to theirs over a socket of their own.

use std::path::Path;

use anyhow::{Result, bail};

use crate::command::{can_install, install_packages};

const PACKAGE: &str = "postgresql";
/// Where Debian puts the programs, a folder a version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Names the folder of the programs where they are elsewhere. The suites look there first, too.
const PROGRAMS: &str = "JIFEN_POSTGRES_BIN";

/// Sees that the programs are there, and installs them if they are not.
#[expect(clippy::print_stdout, reason = "a task talks to the person at the terminal")]
pub(crate) fn prepare() -> Result<()> {
    if is_there() {
        return Ok(());
    }
    if can_install() {
        println!("installing {PACKAGE}, on which the suites of the ledger run");
        install_packages([PACKAGE])?;
    }
    if !is_there() {
        bail!(
            "PostgreSQL is not installed, and the suites of the ledger run on it; run `apt-get install {PACKAGE}`, \
             or name the folder of initdb and pg_ctl in {PROGRAMS}"
        );
    }
    Ok(())
}

fn is_there() -> bool {
    std::env::var_os(PROGRAMS).is_some_and(|folder| has_programs(Path::new(&folder))) || is_installed()
}

fn is_installed() -> bool {
    let versions = Path::new(VERSIONS).read_dir().into_iter().flatten().flatten();
    versions.into_iter().any(|version| has_programs(&version.path().join("bin")))
}

fn has_programs(folder: &Path) -> bool {
    folder.join("initdb").exists() && folder.join("pg_ctl").exists()
}
