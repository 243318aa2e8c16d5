//! How Debian's packages are installed.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use jifen_author::command::{clean, output, succeed};

/// Returns whether packages can be installed here without asking anybody.
pub(crate) fn can_install() -> bool {
    is_root() && Path::new("/usr/bin/apt-get").exists()
}

/// Installs Debian's packages.
pub(crate) fn install_packages<'a>(packages: impl IntoIterator<Item = &'a str>) -> Result<()> {
    succeed(apt_get().arg("update"))?;
    succeed(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

/// Sees that a package's programs are there, which `why` says what is done with, and installs it if they are not; `else_how` is a
/// further way to have them.
#[expect(clippy::print_stdout, reason = "a task talks to the person at the terminal")]
pub(crate) fn provide(package: &str, why: &str, else_how: &str, is_there: fn() -> bool) -> Result<()> {
    if is_there() {
        return Ok(());
    }
    if can_install() {
        println!("installing {package}: {why}");
        install_packages([package])?;
    }
    if !is_there() {
        bail!("{package} is not installed, and {why}; run `apt-get install {package}`{else_how}");
    }
    Ok(())
}

fn apt_get() -> Command {
    let mut apt_get = clean("apt-get");
    apt_get.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet");
    // A package that brings a service must not start it: nobody here asked for it.
    apt_get.env("RUNLEVEL", "1");
    apt_get
}

fn is_root() -> bool {
    output(clean("id").arg("--user")).is_ok_and(|id| id == "0")
}
