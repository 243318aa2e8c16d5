//! The rule in Python, which shows what the larger class of policies is for: `tests/yuan`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use jifen_author::command::succeed;

use crate::{jifen, python};

const SOURCE: &str = "tests/yuan";
/// Where the tool lies, and what it makes: `target/policies/yuan.wasm` in there.
const FOLDER: &str = "target/yuan";

/// Builds its component, by the host that is built.
pub(crate) fn build(root: &Path) -> Result<()> {
    let (source, folder) = (root.join(SOURCE), root.join(FOLDER));
    fs::create_dir_all(&folder).context("make the folder of scripts")?;
    let tools = python::tools(&folder, &source)?;
    for file in ["app.py", "policy.toml"] {
        fs::copy(source.join(file), folder.join(file)).with_context(|| format!("copy {file}"))?;
    }
    let mut componentize = Command::new(tools.join("componentize-py"));
    componentize.current_dir(&folder).arg("-d").arg(root.join("wit")).args(["-w", "earning-policy"]);
    succeed(componentize.args(["componentize", "--stub-wasi", "app", "-o", "app.wasm"]))?;
    succeed(jifen(root).current_dir(&folder).args(["build", "--from", "app.wasm"]))
}
