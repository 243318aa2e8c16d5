//! What `docs/serving.md` shows is true: the demo is started and asked what it says to ask.

use libtest_mimic::{Failed, Trial};

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
    let text = std::fs::read_to_string(root().join(document))?;
    let commands: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("curl ")).collect();
    for command in &commands {
        let (_, rest) = command.split_once(SHOWN).ok_or("a command names the demo's address")?;
        let path = rest.trim_end_matches('\'');
        let answer: Answer = match command.strip_prefix("--json '").and_then(|rest| rest.split_once('\'')) {
            Some((body, _)) => host.post(path, body),
            None => host.get(path),
        };
        if answer.status != 200 {
            return Err(format!("{command}: {answer:?}").into());
        }
    }
    let balances = host.get("/v1/members/m900/balances").json();
    if commands.len() < 5 || balances["balances"][0]["available"] != 76 {
        return Err(format!("{} commands, {balances}", commands.len()).into());
    }
    Ok(())
}
