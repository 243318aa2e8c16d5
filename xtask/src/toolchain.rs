//! A Rust that compiles for WebAssembly: found, or installed.

use anyhow::{Result, bail};
use jifen_author::command::{clean, succeed};
use jifen_author::{DEBIAN_LINKER, DEBIAN_PACKAGES, TARGET, Toolchain};

use crate::command::{can_install, install_packages};

/// Returns the first toolchain that is there, and installs one if none is.
pub(crate) fn choose() -> Result<Toolchain> {
    if let Some(found) = Toolchain::find() {
        return Ok(found);
    }
    let installed = install();
    match Toolchain::find() {
        Some(found) => Ok(found),
        None => bail!(advice(installed)),
    }
}

/// Installs what is missing: the active toolchain's own target if it can be had, else Debian's packages.
#[expect(clippy::print_stdout, reason = "a task talks to the person at the terminal")]
fn install() -> Result<()> {
    println!("no {TARGET} here yet: adding it to the active toolchain");
    let added = succeed(clean("rustup").args(["target", "add", TARGET]));
    if added.is_ok() || !can_install() {
        return added;
    }
    println!("installing Debian's Rust, because the active one cannot have {TARGET}");
    let linker = if Toolchain::linker().is_some() { "" } else { DEBIAN_LINKER };
    install_packages(DEBIAN_PACKAGES.into_iter().chain([linker]).filter(|package| !package.is_empty()))
}

fn advice(installed: Result<()>) -> String {
    let tried = installed.err().map(|error| format!(" ({error:#})")).unwrap_or_default();
    format!("no Rust here compiles for {TARGET}{tried}; {}", Toolchain::advice())
}
