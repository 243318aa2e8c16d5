//! What the policies' READMEs deploy: the example of each, loaded as it stands.

use std::fs;
use std::path::PathBuf;

use libtest_mimic::Trial;

use crate::{root, scenarios};

pub(crate) fn trials() -> Vec<Trial> {
    let folders = root().join("policies").read_dir().expect("there are policies");
    let folders = folders.map(|entry| entry.expect("a folder can be read").path());
    let trial = |folder: PathBuf| {
        let policy = folder.file_name().expect("a folder has a name").to_string_lossy().into_owned();
        Trial::test(policy.clone(), move || {
            let readme = fs::read_to_string(folder.join("README.md"))?;
            let example = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
            let example = example.ok_or("it deploys nothing")?;
            if !example.contains(&format!("policy = {policy:?}")) {
                return Err(format!("it does not deploy {policy}").into());
            }
            scenarios::loads(example)
        })
        .with_kind("readme")
    };
    folders.map(trial).collect()
}
