//! Projects of new policies: made of every stock policy, and one of them built, tested and checked outside the repository as
//! its README says.

use std::fs;
use std::path::Path;

use jifen_author::command::clean;
use libtest_mimic::{Failed, Trial};
use toml::Table;

use crate::{jifen_in, root, run};

pub(crate) fn trials() -> Vec<Trial> {
    let folders = root().join("policies").read_dir().expect("there are policies");
    let names =
        folders.map(|entry| entry.expect("a folder can be read").file_name().to_string_lossy().into_owned());
    let made = names.map(|stock| {
        let name = format!("from {stock}");
        Trial::test(name, move || is_made(&stock)).with_kind("project")
    });
    let built = Trial::test("is built, tested and checked as its README says", is_built).with_kind("project");
    made.chain([built]).collect()
}

/// Sees that a project is a workspace of its own, with the stock policy's code, cases and promises.
fn is_made(stock: &str) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    run(&mut jifen_in(folder.path(), &["new", "our-own", "--from", stock]));
    let (project, of_stock) = (folder.path().join("our-own"), root().join("policies").join(stock));
    let read = |file: &str| fs::read_to_string(project.join(file));
    for manifest in ["Cargo.toml", "sdk/rules-guest/Cargo.toml"] {
        let text = read(manifest)?;
        let parsed: Table = text.parse()?;
        if text.contains("workspace = true") || !parsed.contains_key("dependencies") {
            return Err(format!("{manifest} is none of its own:\n{text}").into());
        }
    }
    let described: Table = read("policy.toml")?.parse()?;
    assert_eq!(described["name"].as_str(), Some("our-own"));
    assert!(read("tests/cases.rs")?.contains("cases_main!(our_own::"), "the cases are of the new crate");
    assert!(read("README.md")?.contains("policy = \"our-own\""), "the README deploys it");
    assert_eq!(read("src/lib.rs")?, fs::read_to_string(of_stock.join("src/lib.rs"))?);
    assert_eq!(files(&project.join("cases"))?, files(&of_stock.join("cases"))?);
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<(String, String)>, Failed> {
    let read = |entry: fs::DirEntry| {
        Ok((entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path())?))
    };
    let mut files = folder.read_dir()?.map(|entry| read(entry?)).collect::<Result<Vec<_>, Failed>>()?;
    files.sort();
    Ok(files)
}

/// Runs what the README of a new project says, with a target directory that the next run finds again.
fn is_built() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    run(&mut jifen_in(folder.path(), &["new", "dawn-market", "--from", "market-day"]));
    let project = folder.path().join("dawn-market");
    let readme = fs::read_to_string(project.join("README.md"))?;
    let commands = readme.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next());
    let commands =
        commands.ok_or("it says how to build")?.lines().map(|line| line.split('#').next().unwrap_or(line));
    for command in commands {
        let words: Vec<_> = command.split_whitespace().collect();
        let mut command = match words.as_slice() {
            ["cargo", arguments @ ..] => {
                let mut cargo = clean("cargo");
                cargo.args(arguments).current_dir(&project);
                cargo
            }
            ["jifen", arguments @ ..] => jifen_in(&project, arguments),
            other => return Err(format!("who runs {other:?}?").into()),
        };
        run(command.env("CARGO_TARGET_DIR", root().join("target/project")));
    }
    Ok(())
}
