//! Other programs: how they are run, and how Debian's packages are installed.

use std::ffi::OsStr;
use std::iter;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What `cargo xtask` inherits and another toolchain must not hear, and flags that would replace those of
/// `.cargo/config.toml`. `RUSTUP_TOOLCHAIN` stays: it names the active toolchain.
const NOT_INHERITED: [&str; 8] = [
    "CARGO",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "LD_LIBRARY_PATH",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTDOC",
    "RUSTFLAGS",
];

/// Returns whether packages can be installed here without asking anybody.
pub(crate) fn can_install() -> bool {
    is_root() && Path::new("/usr/bin/apt-get").exists()
}

/// Installs Debian's packages.
pub(crate) fn install_packages<'a>(packages: impl IntoIterator<Item = &'a str>) -> Result<()> {
    succeed(apt_get().arg("update"))?;
    succeed(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages))
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

/// Returns a command that inherits nothing of the cargo that runs us.
pub(crate) fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    for variable in NOT_INHERITED {
        command.env_remove(variable);
    }
    command
}

/// Returns what a command prints.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("run {}", name(command)))?;
    ensure!(output.status.success(), "{} failed", name(command));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Runs a command that must succeed.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("run {}", name(command)))?;
    ensure!(status.success(), "{} failed", name(command));
    Ok(())
}

fn name(command: &Command) -> String {
    let arguments = command.get_args().map(OsStr::to_string_lossy);
    let words = iter::once(command.get_program().to_string_lossy()).chain(arguments);
    words.collect::<Vec<_>>().join(" ")
}
