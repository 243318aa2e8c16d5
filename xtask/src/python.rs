//! Tools in Python, to the version, each set in an environment of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use jifen_author::command::{clean, output, succeed};

use crate::command::provide;

const REQUIREMENTS: &str = "requirements.txt";

/// Sees that the tools which settings name are in a folder, and returns where their programs lie.
pub(crate) fn tools(folder: &Path, settings: &Path) -> Result<PathBuf> {
    provide("python3-venv", "tools in Python run in an environment of their own", "", has_venv)?;
    let wanted = settings.join(REQUIREMENTS);
    let (tools, installed) = (folder.join("tools"), folder.join(REQUIREMENTS));
    let wanted_text = fs::read_to_string(&wanted).with_context(|| format!("read {}", wanted.display()))?;
    if fs::read_to_string(&installed).ok().as_ref() != Some(&wanted_text) {
        succeed(clean("python3").args(["-m", "venv", "--clear"]).arg(&tools))?;
        let mut pip = Command::new(tools.join("bin/pip"));
        succeed(pip.args(["install", "--quiet", "--requirement"]).arg(&wanted))?;
        fs::write(&installed, wanted_text).with_context(|| format!("write {}", installed.display()))?;
    }
    Ok(tools.join("bin"))
}

fn has_venv() -> bool {
    output(clean("python3").args(["-c", "import venv, ensurepip"])).is_ok()
}
