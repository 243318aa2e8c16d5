//! What the policies' READMEs deploy: the example of each, loaded as it stands.

use std::fs;

use libtest_mimic::Trial;

use crate::{root, scenarios};

pub(crate) fn trials() -> Vec<Trial> {
    let folders = root().join("policies").read_dir().expect("there are policies");
    let folders = folders.map(|entry| entry.expect("a folder can be read").path());
    let trial = |policy: std::path::PathBuf| {
        let name = policy.file_name().expect("a folder has a name").to_string_lossy().into_owned();
        Trial::test(name, move || {
            let readme = fs::read_to_string(policy.join("README.md"))?;
            let example = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
            scenarios::loads(example.ok_or("it deploys nothing")?)
        })
        .with_kind("readme")
    };
    folders.map(trial).collect()
}
