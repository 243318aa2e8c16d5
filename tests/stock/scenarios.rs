//! Scenarios of the specification in which stock policies show: the files of `tests/scenarios`, each story a test.
//!
//! A file has the scenario's `id`, what it is `about`, and stories; beside them the keys of a program file, of which a story
//! may have its own. What is not said is: a merchant `shop` in a `town` whose market days `market_days` lists (absent: every
//! day); a unit `points`; one point for each yuan, if nothing is deployed; of a deployment the policy's name as its `id`, the
//! first lane, `points`, the platform as issuer; lanes in the order in which deployments name them.
//!
//! Whatever the story, each event is sent twice at once and all of them once more at the end, which changes nothing; every
//! receipt is derived again; the store is held against the log; and what was issued is what was redeemed, expired, taken back
//! and is still there.

use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};
use serde::Deserialize;
use serde_json::Value;
use toml::{Table, toml};

use crate::endpoint::{Endpoint, SECRET};
use crate::story::{Stage, tell};
use crate::{components, jifen_in, new_ledger, root, run};

/// A file.
#[derive(Deserialize)]
struct Scenario {
    id: String,
    #[serde(rename = "about")]
    _about: String,
    story: Vec<Story>,
    /// Keys of a program file.
    #[serde(flatten)]
    program: Table,
}

/// What happens.
#[derive(Clone, Deserialize)]
struct Story {
    about: String,
    /// See `story.rs`.
    rows: String,
    /// Keys of a program file, in place of the scenario's.
    #[serde(flatten)]
    program: Table,
}

pub(crate) fn trials() -> Vec<Trial> {
    let folder = root().join("tests/scenarios").read_dir().expect("there are scenarios");
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.expect("a folder can be read").path()).collect();
    files.sort();
    files.iter().flat_map(|file| stories(file)).collect()
}

fn stories(file: &Path) -> Vec<Trial> {
    let text = fs::read_to_string(file).expect("a file can be read");
    let scenario: Scenario =
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let Scenario { id, story, program, .. } = scenario;
    assert_eq!(
        file.file_stem().and_then(|stem| stem.to_str()),
        Some(&*id),
        "a file is named by its scenario"
    );
    let trial = |mut story: Story| {
        let mut whole = program.clone();
        whole.extend(std::mem::take(&mut story.program));
        let name = format!("{id} {}", story.about);
        story.program = completed(whole);
        Trial::test(name, move || play(&story)).with_kind("scenario")
    };
    story.into_iter().map(trial).collect()
}

/// Sees that what a program's text deploys can be loaded.
pub(crate) fn loads(program: &str) -> Result<(), Failed> {
    let program = completed(toml::from_str(program)?);
    play(&Story { about: "it loads".to_owned(), rows: "join ann 2026-03-01".to_owned(), program })
}

/// Returns a program with what a file does not say.
fn completed(mut program: Table) -> Table {
    let town = toml! {
        [program]
        name = "s"
        timezone = "Asia/Shanghai"
        [[region]]
        id = "town"
        calendar = "town"
    };
    program.extend(town);
    let days = program.remove("market_days").unwrap_or_else(|| vec!["every_day"].into());
    let calendar = Table::from_iter([("id".to_owned(), "town".into()), ("any".to_owned(), days)]);
    program.insert("calendar".to_owned(), vec![calendar].into());
    or_insert(&mut program, "merchant", toml! { id = "shop" region = "town" });
    or_insert(&mut program, "unit", toml! { id = "points" });
    or_insert(
        &mut program,
        "deployment",
        toml! { policy = "spend" parameters = { points = "1", per = 100 } },
    );
    let mut lanes = Vec::<toml::Value>::new();
    for kind in ["deployment", "redemption", "campaign"] {
        for deployment in tables(&mut program, kind) {
            let policy = deployment["policy"].clone();
            deployment.entry("id").or_insert(policy);
            deployment.entry("unit").or_insert("points".into());
            if kind == "deployment" {
                deployment.entry("issuer").or_insert("platform".into());
                let lane = deployment.entry("lane").or_insert("base".into()).clone();
                if !lanes.contains(&lane) {
                    lanes.push(lane);
                }
            }
        }
    }
    let lanes = lanes.into_iter().map(|id| Table::from_iter([("id".to_owned(), id)]));
    program.entry("lane").or_insert_with(|| lanes.collect::<Vec<_>>().into());
    program
}

fn or_insert(program: &mut Table, kind: &str, only: Table) {
    program.entry(kind).or_insert_with(|| vec![only].into());
}

fn tables<'a>(program: &'a mut Table, kind: &str) -> impl Iterator<Item = &'a mut Table> {
    let all = program.get_mut(kind).and_then(toml::Value::as_array_mut);
    all.into_iter().flatten().map(|one| one.as_table_mut().expect("a table is one"))
}

fn play(story: &Story) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let stage = InFolder { folder: folder.path(), ledger: new_ledger(), story };
    stage.write_program(&story.program);
    let rows: Vec<_> = story.rows.lines().collect();
    let events = tell(&story.about, &rows, &stage);
    let balances = stage.balances();
    stage.run(&events);
    if stage.balances() != balances {
        return Err(format!("sent again, the events came to {}", stage.balances()).into());
    }
    stage.jifen(&["audit", "replay"]);
    stage.jifen(&["audit", "check"]);
    for cohort in stage.jifen(&["cohorts", "--json"]).lines() {
        let figures: Value = serde_json::from_str(cohort)?;
        let sum = |names: &[&str]| names.iter().filter_map(|name| figures[name].as_i64()).sum::<i64>();
        let issued = sum(&["issued", "restored", "exchanged"]);
        if issued != sum(&["redeemed", "expired", "clawed_back", "outstanding", "held"]) {
            return Err(format!("does not add up: {cohort}").into());
        }
    }
    Ok(())
}

struct InFolder<'a> {
    folder: &'a Path,
    ledger: String,
    story: &'a Story,
}

impl InFolder<'_> {
    fn write_program(&self, program: &Table) {
        fs::write(self.folder.join("program.toml"), program.to_string()).expect("the folder can be written");
    }

    /// Runs events, and returns the exit code and what was complained about.
    fn run(&self, events: &[Value]) -> (Option<i32>, String) {
        let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
        fs::write(self.folder.join("events.jsonl"), lines).expect("the folder can be written");
        let arguments = ["run", "--ledger", &self.ledger, "--program", "program.toml", "--policies"];
        let mut jifen = jifen_in(self.folder, &arguments);
        let output = jifen.arg(components()).arg("events.jsonl").output().expect("jifen starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Asks the ledger.
    fn jifen(&self, arguments: &[&str]) -> String {
        run(jifen_in(self.folder, arguments).args(["--ledger", &self.ledger]))
    }
}

impl Stage for InFolder<'_> {
    fn until(&self, day: &str) {
        let mut program = self.story.program.clone();
        let expires = Table::from_iter([("date".to_owned(), day.into())]);
        for unit in tables(&mut program, "unit") {
            unit.insert("expires".to_owned(), expires.clone().into());
        }
        self.write_program(&program);
    }

    fn apply(&self, event: &Value) -> (Option<i32>, String) {
        self.run(&[event.clone(), event.clone()])
    }

    fn notify(&self, at: &str, status: u16) {
        let endpoint = Endpoint::answering(move |_| status);
        fs::write(self.folder.join("secret"), SECRET).expect("the folder can be written");
        let arguments = ["notify", "--ledger", &self.ledger, "--program", "program.toml", "--policies"];
        let mut jifen = jifen_in(self.folder, &arguments);
        let jifen = jifen.arg(components()).args(["--secret-file", "secret", "--at", at]);
        let output = jifen.args(["--endpoint", &endpoint.url()]).output().expect("jifen starts");
        let expected = if status == 204 { Some(0) } else { Some(3) };
        assert_eq!(output.status.code(), expected, "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn settle(&self) -> String {
        self.jifen(&["settle", "--json"])
    }

    fn balances(&self) -> String {
        self.jifen(&["balance", "--json"])
    }
}
