//! What `docs/serving.md` shows is true: the demo is started, and every command that asks it something is run as written.

use std::process::Command;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::service::Host;
use crate::{components, jifen, root};

/// Where the documents say that the demo listens.
const SHOWN: &str = "http://127.0.0.1:8080";

pub(crate) fn trials() -> Vec<Trial> {
    let documents = ["docs/serving.md", "docs/serving.zh-CN.md"];
    documents.map(|document| Trial::test(document, move || shown(document))).into()
}

fn shown(document: &str) -> Result<(), Failed> {
    components();
    let mut demo = jifen();
    let host = Host::start(demo.current_dir(root()).args(["serve", "--demo", "--listen", "127.0.0.1:0"]));
    // What is not taken is an error.
    let settings = tempfile::tempdir()?;
    std::fs::write(settings.path().join(".curlrc"), "fail-with-body\nsilent\nshow-error\n")?;
    let text = std::fs::read_to_string(root().join(document))?;
    let commands: Vec<_> =
        text.lines().filter(|line| line.contains(SHOWN) && line.contains("curl ")).collect();
    for command in &commands {
        let mut shell = Command::new("sh");
        shell.current_dir(root()).env("CURL_HOME", settings.path()).env("HOME", settings.path());
        let done = shell.arg("-c").arg(command.replace(SHOWN, &host.url(""))).output()?;
        let answer = String::from_utf8(done.stdout)?;
        if !done.status.success() || serde_json::from_str::<Value>(&answer).is_err() {
            return Err(format!("{command}: {answer} {}", String::from_utf8_lossy(&done.stderr)).into());
        }
    }
    let balances = host.get("/v1/members/m900/balances").json();
    let version = host.get("/v1/program").json()["version"].clone();
    if commands.len() < 16 || balances["balances"][0]["available"] != 76 || version != 3 {
        return Err(format!("{} commands, {balances}, version {version}", commands.len()).into());
    }
    Ok(())
}
