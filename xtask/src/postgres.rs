//! PostgreSQL's programs, from which tests start servers of their own: found, or installed.
//!
//! Where the package also starts a server, that one is left alone: tests speak to theirs over a socket of their own.

use std::path::Path;

use anyhow::Result;

use crate::command::provide;

/// Where Debian puts the programs, a folder a version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Names the folder of the programs where they are elsewhere. The suites look there first, too.
const PROGRAMS: &str = "JIFEN_POSTGRES_BIN";

/// Sees that the programs are there, and installs them if they are not.
pub(crate) fn prepare() -> Result<()> {
    let else_how = format!(", or name the folder of initdb and pg_ctl in {PROGRAMS}");
    provide("postgresql", "the suites of the ledger run on it", &else_how, is_there)
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
