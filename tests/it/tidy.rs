//! What no compiler checks: the arrows between crates, the top level, paths in documents, licences.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lies in the workspace")
}

/// Returns what cargo knows of the packages that are built on this machine; those of other platforms were never
/// downloaded.
fn metadata() -> Value {
    let platform = printed(Command::new("rustc").args(["--print", "host-tuple"]));
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--offline", "--filter-platform", platform.trim()]);
    serde_json::from_str(&printed(cargo.current_dir(root()))).expect("metadata is JSON")
}

fn printed(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints text")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Returns what a package of ours depends on among ours, when it is built for use.
fn depends_on(metadata: &Value, package: &str) -> BTreeSet<String> {
    let packages = metadata["packages"].as_array().expect("packages");
    let package = packages.iter().find(|other| other["name"] == package).expect("it is in the workspace");
    let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
    let ours =
        dependencies.filter(|dependency| dependency["path"].is_string() && dependency["kind"].is_null());
    ours.map(|dependency| text(&dependency["name"]).to_owned()).collect()
}

#[test]
fn dependencies_point_one_way() {
    let metadata = metadata();
    let rows: [(&str, &[&str]); 7] = [
        ("rules-guest", &[]),
        ("jifen-loyalty", &["rules-guest"]),
        ("jifen-engine", &["jifen-loyalty"]),
        ("jifen-ledger", &["jifen-loyalty"]),
        ("jifen-compiler", &["jifen-engine"]),
        ("jifen-author", &[]),
        ("jifen", &["jifen-author", "jifen-engine", "jifen-ledger", "jifen-loyalty", "rules-guest"]),
    ];
    let policies = fs::read_dir(root().join("policies")).expect("there are policies");
    let policies = policies.map(|entry| entry.expect("a folder can be read").file_name());
    let policies: Vec<_> = policies.map(|name| name.into_string().expect("a name is text")).collect();
    let policies = policies.iter().map(|policy| (policy.as_str(), ["rules-guest"].as_slice()));
    for (package, expected) in rows.into_iter().chain(policies) {
        let got = depends_on(&metadata, package);
        assert!(got.iter().all(|name| expected.contains(&name.as_str())), "{package} depends on {got:?}");
    }
}

#[test]
fn the_host_built_by_itself_has_no_code_generator() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["tree", "--offline", "--package", "jifen", "--edges", "normal", "--prefix", "none"])
        .current_dir(root());
    let tree = String::from_utf8(cargo.output().expect("cargo starts").stdout).expect("a tree is text");
    assert!(tree.contains("wasmtime v48"), "{tree}");
    assert!(!tree.contains("cranelift-codegen "), "jifen depends on a code generator");
}

#[test]
fn licences_are_those_we_can_live_with() {
    const TAKEN: [&str; 13] = [
        "0BSD",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD-1-Clause",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC0-1.0",
        "ISC",
        "MIT",
        "MIT-0",
        "Unicode-3.0",
        "Zlib",
    ];
    // An alternative is enough; of a conjunction every part is needed.
    let taken = |licence: &str| {
        let licence = licence.replace(['(', ')'], " ").replace('/', " OR ");
        licence.split(" AND ").all(|part| {
            part.split(" OR ").any(|name| TAKEN.contains(&name.trim()) || name.trim() == "Unlicense")
        })
    };
    for package in metadata()["packages"].as_array().expect("packages") {
        assert!(
            taken(text(&package["license"])),
            "{} has the licence {}",
            package["name"],
            package["license"]
        );
    }
}

#[test]
fn the_top_level_is_what_it_should_be() {
    const KNOWN: [&str; 14] = [
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "README.zh-CN.md",
        "docs",
        "host",
        "policies",
        "rules-guest",
        "target",
        "tests",
        "wit",
        "xtask",
    ];
    for entry in fs::read_dir(root()).expect("the workspace is a folder") {
        let name = entry.expect("it can be read").file_name().to_string_lossy().into_owned();
        assert!(
            name.starts_with('.') || KNOWN.contains(&name.as_str()),
            "{name} has no place at the top level"
        );
    }
}

/// Returns the files below a folder that end so, without what is built.
fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).expect("it is a folder").map(|entry| entry.expect("it can be read").path());
    let hidden = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name == "target" || name.starts_with('.')
    };
    entries
        .filter(|path| !hidden(path))
        .flat_map(|path| if path.is_dir() { files(&path, end) } else { vec![path] })
        .filter(|path| path.to_string_lossy().ends_with(end))
        .collect()
}

#[test]
fn every_path_that_a_document_names_exists() {
    let looks_like_a_path = |word: &str| {
        let top = ["docs/", "host/", "policies/", "rules-guest/", "tests/", "wit/", "xtask/"];
        top.iter().any(|top| word.starts_with(top)) && !word.contains(['<', '*', '…', ' '])
    };
    for document in files(root(), ".md") {
        let content = fs::read_to_string(&document).expect("a document is text");
        let folder = document.parent().expect("a file lies in a folder");
        for word in content.split('`').skip(1).step_by(2).filter(|word| looks_like_a_path(word)) {
            assert!(root().join(word).exists(), "{}: there is no {word}", document.display());
        }
        for link in content.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let link = link.split('#').next().unwrap_or_default();
            let local = !link.is_empty() && !link.contains("://");
            assert!(!local || folder.join(link).exists(), "{}: there is no {link}", document.display());
        }
    }
}

#[test]
fn every_test_file_is_part_of_a_binary() {
    for folder in ["tests/it", "tests/stock"] {
        let main = fs::read_to_string(root().join(folder).join("main.rs")).expect("a binary has a main.rs");
        for file in fs::read_dir(root().join(folder)).expect("it is a folder") {
            let file = file.expect("it can be read").path();
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let part = name == "main" || main.contains(&format!("mod {name};"));
            assert!(part || file.is_dir(), "{} is in no binary", file.display());
        }
    }
}

#[test]
fn what_was_for_the_moment_has_not_stayed() {
    // Written in two parts, or this file would find itself.
    let marks = [concat!("FIX", "ME"), concat!("TO", "DO"), concat!("XX", "X:"), concat!("#[ig", "nore")];
    for file in files(root(), ".rs") {
        let content = fs::read_to_string(&file).expect("code is text");
        for mark in marks {
            assert!(!content.contains(mark), "{} has {mark}", file.display());
        }
    }
}
