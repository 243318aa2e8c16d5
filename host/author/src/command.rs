//! Other programs.

use std::ffi::OsStr;
use std::iter;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What a program that cargo runs inherits and another toolchain must not hear, and flags that would replace those of
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

/// Returns a command that inherits nothing of the cargo that may run us.
pub fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    for variable in NOT_INHERITED {
        command.env_remove(variable);
    }
    command
}

/// Returns what a command prints.
///
/// # Errors
///
/// If it cannot be run or fails.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("run {}", name(command)))?;
    ensure!(output.status.success(), "{} failed", name(command));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Runs a command that must succeed.
///
/// # Errors
///
/// If it cannot be run or fails.
pub fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("run {}", name(command)))?;
    ensure!(status.success(), "{} failed", name(command));
    Ok(())
}

fn name(command: &Command) -> String {
    let arguments = command.get_args().map(OsStr::to_string_lossy);
    let words = iter::once(command.get_program().to_string_lossy()).chain(arguments);
    words.collect::<Vec<_>>().join(" ")
}
