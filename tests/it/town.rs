//! A small town to test the command line in: a folder with a program, policies from text, events, and ledgers.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::components;
use crate::ledgers::on_postgres;
use crate::server::{perform, server};
use crate::service::Host;
use crate::support::beside;

/// The zone and merchants that every program of the town has.
const HEAD: &str = r#"
[program]
name = "小镇"
timezone = "Asia/Shanghai"

[[unit]]
id = "points"

[[calendar]]
id = "town"
any = [{ lunar_digits = [1, 4, 7] }]

[[region]]
id = "cn/town"
calendar = "town"

[[merchant]]
id = "shop"
region = "cn/town"
category = "retail"

[[lane]]
id = "base"

[[lane]]
id = "bonus"
"#;

/// A folder that goes away with the test.
pub(crate) struct Town {
    folder: TempDir,
    /// Where the suite runs on PostgreSQL: a schema for each name of a ledger.
    schemas: Mutex<BTreeMap<String, String>>,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Town {
    /// Returns a town with the policies `spend` (1 point per 100), `flat` (as many points as its parameters say),
    /// `counting` (as many as there were purchases), `doubling` (points so far once more) and `looping` (never ends).
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let town = Self { folder, schemas: Mutex::default() };
        town.policy("spend", &components::spend());
        town.policy("flat", &components::configurable());
        town.policy("counting", &components::counting());
        town.policy("doubling", &components::doubling());
        town.policy(
            "looping",
            &components::Guest::new().evaluate("(loop $again (br $again)) (unreachable)").build(),
        );
        town
    }

    /// Puts a component where programs find it.
    pub(crate) fn policy(&self, name: &str, component: &[u8]) {
        self.write(&format!("policies/{name}.wasm"), component);
    }

    /// Writes the program: the head, and a deployment for each `(id, policy, lane, further lines)`.
    pub(crate) fn program(&self, deployments: &[(&str, &str, &str, &str)]) -> &Self {
        let mut text = HEAD.to_owned();
        for (id, policy, lane, lines) in deployments {
            write!(
                text,
                "\n[[deployment]]\nid = '{id}'\npolicy = '{policy}'\nlane = '{lane}'\nunit = 'points'\nissuer = 'platform'\n{lines}\n"
            )
            .expect("text grows");
        }
        self.write("program.toml", text);
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and the folders on the way to it.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let file = self.path(name);
        fs::create_dir_all(file.parent().expect("a file lies in a folder"))
            .expect("the folder can be written");
        fs::write(file, content).expect("the folder can be written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("read {name}: {error}"))
    }

    /// Returns the ledger of that name: a file of the folder, or a schema of the server if the suite runs on PostgreSQL. A
    /// name with `sqlite:` before it is a file in any case.
    pub(crate) fn ledger(&self, name: &str) -> String {
        if name.contains(':') || !on_postgres() {
            return name.to_owned();
        }
        let mut schemas = self.schemas.lock().expect("no test panics while it names a schema");
        schemas.entry(name.to_owned()).or_insert_with(|| server().new_schema()).clone()
    }

    /// Says where the ledger of that name is.
    pub(crate) fn put(&self, name: &str, url: String) {
        let mut schemas = self.schemas.lock().expect("no test panics while it names a schema");
        schemas.insert(name.to_owned(), url);
    }

    /// Runs a command about the program of a file on the ledger `l.db`, such as `apply`, by reason of a test.
    pub(crate) fn change_program(&self, command: &str, file: &str, more: &[&str]) -> Done {
        let program = ["--ledger", "l.db", "--program", file, "--policies", "policies", "--why", "a test"];
        self.done(&[&[command], &program[..], more].concat())
    }

    /// Starts a host on the program at work in the ledger `l.db`.
    pub(crate) fn host(&self) -> Host {
        Host::start(&mut self.jifen(&["serve", "--ledger", "l.db", "--listen", "127.0.0.1:0"]))
    }

    /// Begins a ledger in which nothing is.
    pub(crate) fn begin(&self, ledger: &str) {
        if !on_postgres() {
            self.write(ledger, "");
        }
        assert_eq!(self.balances(ledger), "");
    }

    /// Changes a ledger behind its back.
    pub(crate) fn change(&self, ledger: &str, sql: &str) {
        let url = self.ledger(ledger);
        if url.contains("://") {
            perform(&url, sql);
        } else {
            let connection = rusqlite::Connection::open(self.path(&url)).expect("it is a ledger");
            connection.execute_batch(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
        }
    }

    /// Returns a column of texts of a ledger.
    pub(crate) fn texts(&self, ledger: &str, sql: &str) -> Vec<String> {
        let url = self.ledger(ledger);
        if url.contains("://") {
            return perform(&url, sql).lines().map(str::to_owned).collect();
        }
        let connection = rusqlite::Connection::open(self.path(&url)).expect("it is a ledger");
        let mut asked = connection.prepare(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
        let texts = asked.query_map([], |row| row.get(0)).expect("it answers");
        texts.collect::<Result<_, _>>().expect("it is a text")
    }

    /// Returns the digests of a ledger's receipts, in the order of its log.
    pub(crate) fn log(&self, ledger: &str) -> Vec<String> {
        let digest =
            if on_postgres() { "encode(receipt_digest, 'hex')" } else { "lower(hex(receipt_digest))" };
        self.texts(ledger, &format!("SELECT {digest} FROM transactions ORDER BY seq"))
    }

    /// Waits until a ledger has so many entries, while a process writes them.
    pub(crate) fn wait_for(&self, ledger: &str, entries: usize, writer: &mut Child) {
        loop {
            // Asked first: what it wrote before it ended is seen then.
            let ended = writer.try_wait().expect("it is our child");
            if self.log(ledger).len() >= entries {
                return;
            }
            assert_eq!(ended, None, "it ended before {entries} entries");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Forgets a ledger: its name is free for another.
    pub(crate) fn forget(&self, ledger: &str) {
        drop(self.schemas.lock().expect("no test panics while it names a schema").remove(ledger));
        for file in ["", "-wal", "-shm"] {
            drop(fs::remove_file(self.path(&format!("{ledger}{file}"))));
        }
    }

    /// Returns `jifen` with arguments, in the town's folder, with the tests' cache. What follows `--ledger` is the name of
    /// a ledger of the town.
    pub(crate) fn jifen(&self, arguments: &[&str]) -> Command {
        let mut jifen = Command::new(beside("jifen"));
        let named = [""].into_iter().chain(arguments.iter().copied()).zip(arguments);
        let arguments = named.map(|(before, argument)| match before {
            "--ledger" => self.ledger(argument),
            _ => (*argument).to_owned(),
        });
        jifen
            .args(arguments)
            .current_dir(self.folder.path())
            .env("JIFEN_CACHE", cache())
            .stdin(Stdio::null());
        jifen
    }

    /// Runs `jifen` to its end.
    pub(crate) fn done(&self, arguments: &[&str]) -> Done {
        self.jifen(arguments).output().expect("jifen starts").into()
    }

    /// Returns the arguments of a run of `events.jsonl` on a ledger, with further ones.
    pub(crate) fn run_arguments<'a>(ledger: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let run = ["run", "--program", "program.toml", "--policies", "policies", "--ledger", ledger];
        run.iter().chain(more).copied().chain(["events.jsonl"]).collect()
    }

    /// Runs events on a ledger.
    pub(crate) fn run(&self, ledger: &str, events: &[Value], more: &[&str]) -> Done {
        self.write("events.jsonl", lines(events));
        self.done(&Self::run_arguments(ledger, more))
    }

    /// Runs events and returns the summary; none may be refused.
    pub(crate) fn summary(&self, ledger: &str, events: &[Value]) -> Value {
        let done = self.run(ledger, events, &["--json"]);
        assert_eq!(done.code, Some(0), "{done:?}");
        done.json()
    }

    /// Returns what members have, as `ann 120, bob 3`.
    pub(crate) fn balances(&self, ledger: &str) -> String {
        let done = self.done(&["balance", "--ledger", ledger, "--json"]);
        assert_eq!(done.code, Some(0), "{done:?}");
        let lines =
            done.out.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is an object"));
        lines
            .map(|line| format!("{} {}", text(&line["member"]), line["available"]))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Replays a ledger and checks its sums, which must agree, and returns how many receipts there were.
    pub(crate) fn replay(&self, ledger: &str) -> u64 {
        let done = self.done(&["audit", "replay", "--ledger", ledger, "--json"]);
        assert_eq!((done.code, &done.json()["differ"]), (Some(0), &json!(0)), "{done:?}");
        let receipts = done.json()["receipts"].as_u64().expect("a count");
        let checked = self.done(&["audit", "check", "--ledger", ledger, "--json"]);
        assert_eq!((checked.code, &checked.json()["entries"]), (Some(0), &json!(receipts)), "{checked:?}");
        receipts
    }
}

impl Done {
    /// Returns the object on the last line of standard output.
    pub(crate) fn json(&self) -> Value {
        let last = self.out.lines().last().unwrap_or_else(|| panic!("nothing was printed: {self:?}"));
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// One cache for all tests, so that a policy is compiled once. It lies beside the binaries.
pub(crate) fn cache() -> PathBuf {
    beside("jifen").parent().expect("a binary lies in a folder").join("test-cache")
}

/// Returns a purchase of one line.
pub(crate) fn purchase(id: &str, member: &str, time: &str, amount: u64) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/merchants/shop", "type": "jifen.purchase.completed", "time": time,
        "data": {
            "order": id, "member": member, "merchant": "shop", "currency": "CNY",
            "lines": [{"sku": "rice", "category": "staples", "quantity": 1, "amount": amount}],
        },
    })
}

/// Returns a registration.
pub(crate) fn registration(id: &str, member: &str, time: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/app", "type": "jifen.member.registered", "time": time,
        "data": {"member": member},
    })
}

/// Returns purchases of several members over several days, in a fixed disorder.
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of a test")]
pub(crate) fn market(events: u64, members: u64) -> Vec<Value> {
    let event = |n: u64| {
        let (member, day, amount) = (n * 7 % members, 1 + n * 5 % 28, 100 + n * 37 % 9_000);
        let time = format!("2025-07-{day:02}T{:02}:00:00+08:00", n % 24);
        purchase(&format!("e{n}"), &format!("m{member:03}"), &time, amount)
    };
    (0..events).map(event).collect()
}

/// Returns events as lines.
pub(crate) fn lines(events: &[Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

/// Returns whether something comes true before long.
pub(crate) fn until(mut holds: impl FnMut() -> bool) -> bool {
    (0..1_500).any(|_| {
        thread::sleep(Duration::from_millis(20));
        holds()
    })
}

/// Returns the text of a JSON string.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not text: {value}"))
}

/// Returns a file's lines as objects.
pub(crate) fn objects(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("read {}: {error}", file.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("a line is an object")).collect()
}
