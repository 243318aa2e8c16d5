//! What documents show is true.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jifen_loyalty::Program;

pub(crate) fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lies in the workspace");
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("read {path}: {error}"))
}

/// Returns the code of one kind in a document.
pub(crate) fn blocks<'a>(text: &'a str, kind: &str) -> Vec<&'a str> {
    let fence = format!("```{kind}\n");
    let opened = text.split(&fence).skip(1);
    opened.map(|rest| rest.split("```").next().expect("a split has a first part")).collect()
}

#[test]
fn programs_in_documents_are_taken() {
    let [english, chinese] = ["docs/program.md", "docs/program.zh-CN.md"].map(read);
    let programs = blocks(&english, "toml");
    assert_eq!(programs, blocks(&chinese, "toml"), "both languages show the same program");
    assert!(!programs.is_empty());
    for program in programs {
        let parsed = Program::parse(program).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((parsed.deployments.len(), parsed.redemptions.len()), (2, 3));
    }
}

/// Whoever looks a scenario up finds it where it is said to be.
#[test]
fn scenarios_are_shown_where_the_table_says() {
    let text = read("docs/scenarios.md");
    let rows: Vec<Vec<_>> = text.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
    let shown = rows.iter().flat_map(|cells| match &cells[..] {
        ["", id, _, files, ""] => files.split('`').skip(1).step_by(2).map(|file| (*id, file)).collect(),
        _ => Vec::new(),
    });
    let shown: Vec<_> = shown.collect();
    assert!(!shown.is_empty());
    for (id, file) in shown {
        let found = read(file);
        let mut words = found.split(|letter: char| !letter.is_alphanumeric());
        assert!(words.any(|word| word.eq_ignore_ascii_case(id)), "{id} is not in {file}");
    }
    assert!(text.contains("| F13 |"), "the table has rows");
}

/// Every key of the example stands in the tables, which are the same in both languages.
#[test]
fn every_key_of_a_program_is_told_in_both_languages() {
    let tables = ["docs/program.md", "docs/program.zh-CN.md"].map(|path| {
        let text = read(path);
        let rows = text.lines().filter(|line| line.starts_with("| `")).map(|row| {
            let first = row.split('|').nth(1).expect("a row has cells").to_owned();
            first.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
        });
        rows.flatten().collect::<Vec<_>>()
    });
    assert_eq!(tables[0], tables[1]);
    let text = read("docs/program.md");
    let example = blocks(&text, "toml").concat();
    let keys = example.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key.trim());
    for key in keys.map(|key| key.split('.').next().expect("a key has a name")) {
        assert!(tables[0].iter().any(|told| told == key), "{key} is not told");
    }
}

/// What runs hosts elsewhere sets variables that there are, and probes paths that there are; every setting and every metric is told in
/// both languages.
#[test]
fn settings_and_metrics_of_hosts_are_told() {
    let words = |text: &str, start: &str| -> BTreeSet<String> {
        let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
        words.filter(|word| word.starts_with(start)).map(str::to_owned).collect()
    };
    let [serve, cli, meter, metrics, service] =
        ["cli/serve.rs", "cli.rs", "meter.rs", "service/metrics.rs", "service.rs"]
            .map(|file| read(&format!("host/src/{file}")));
    let mut variables = words(&serve, "JIFEN_");
    variables.extend(words(&cli, "JIFEN_"));
    variables.remove("JIFEN_CONFIG");
    let counted: BTreeSet<_> = words(&meter, "jifen_").into_iter().chain(words(&metrics, "jifen_")).collect();
    let counted: BTreeSet<_> =
        counted.into_iter().filter(|name| name != "jifen_loyalty" && name != "jifen_engine").collect();
    for guide in ["docs/running-hosts.md", "docs/running-hosts.zh-CN.md"].map(read) {
        assert_eq!(words(&guide, "JIFEN_"), variables);
        let told = guide.lines().filter(|line| line.starts_with("| `jifen_")).collect::<String>();
        assert_eq!(words(&told, "jifen_"), counted);
    }
    for file in ["jifen.service", "Containerfile", "kubernetes.yaml"] {
        let text = read(&format!("docs/deploy/{file}"));
        let set = words(&text, "JIFEN_");
        assert!(!set.is_empty() && set.is_subset(&variables), "{file}: {set:?}");
        for path in text.split("path: ").skip(1).filter_map(|rest| rest.split(',').next()) {
            assert!(service.contains(&format!("path = \"{path}\"")), "{file}: {path}");
        }
    }
}
