//! What `docs/serving.md` shows is true: the demo is started, and every command that asks it something is run as written.

use std::process::Command;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::service::{Answer, Host};
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
    let mut key = None;
    for command in &commands {
        let mut shell = Command::new("sh");
        shell.current_dir(root()).env("CURL_HOME", settings.path()).env("HOME", settings.path());
        shell.envs(key.as_ref().map(|key| ("KEY", key)));
        let done = shell.arg("-c").arg(command.replace(SHOWN, &host.url(""))).output()?;
        let answer = String::from_utf8(done.stdout)?;
        let said = serde_json::from_str::<Value>(&answer);
        let (true, Ok(said)) = (done.status.success(), said) else {
            return Err(format!("{command}: {answer} {}", String::from_utf8_lossy(&done.stderr)).into());
        };
        key = key.or_else(|| Some(said["secret"].as_str()?.to_owned()));
    }
    let key = key.ok_or("no command makes a key")?;
    let ask = |path| Answer::to(host.with(&key, "get", path)).json();
    let balances = ask("/v1/members/m900/balances");
    let version = ask("/v1/program")["version"].clone();
    if commands.len() < 22 || balances["balances"][0]["available"] != 76 || version != 4 {
        return Err(format!("{} commands, {balances}, version {version}", commands.len()).into());
    }
    Ok(())
}
