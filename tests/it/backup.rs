//! A ledger is copied while a host writes it: the copy is the ledger at one place of its log, and goes on from there.

use std::env;
use std::fs;
use std::process::{Child, Command, Stdio};

use crate::documents::{blocks, read};
use crate::ledgers::on_postgres;
use crate::proxy::host;
use crate::server::{programs, server};
use crate::support::beside;
use crate::town::{Done, Town, cache, lines, market};

/// Enough for several batches, so that there is something in the ledger long before the run ends.
const EVENTS: u64 = 12_000;

fn town() -> Town {
    let town = Town::new();
    town.program(&[
        ("spend", "spend", "base", "cap = { per_member_per_day = 60 }"),
        ("count", "counting", "base", ""),
    ]);
    town.write("events.jsonl", lines(&market(EVENTS, 60)));
    town
}

/// Begins to run the file, and waits until some of it is there.
fn under_way(town: &Town) -> Child {
    town.begin("l.db");
    let mut run = town.jifen(&Town::run_arguments("l.db", &[]));
    let mut run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("jifen starts");
    town.wait_for("l.db", 1, &mut run);
    run
}

/// The copy is sound, is the ledger as it once was, and comes to the same by the same file.
fn check(town: &Town, writer: Child, copy: &str) {
    let copied = town.replay(copy);
    assert!((1..EVENTS).contains(&copied), "{copied} of {EVENTS}: it is of the middle");
    let done = Done::from(writer.wait_with_output().expect("it ends"));
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(town.log("l.db").starts_with(&town.log(copy)));
    let again = town.done(&Town::run_arguments(copy, &["--json"]));
    assert_eq!((again.code, &again.json()["duplicate"]), (Some(0), &copied.into()), "{again:?}");
    assert_eq!(town.log(copy), town.log("l.db"));
    assert_eq!(town.balances(copy), town.balances("l.db"));
    assert_eq!(town.replay(copy), EVENTS);
}

#[test]
fn a_file_is_copied_while_it_is_written() {
    if on_postgres() {
        return;
    }
    let town = town();
    let mut writer = under_way(&town);
    let done = town.done(&["backup", "--ledger", "l.db", "copy.db"]);
    assert_eq!((done.code, writer.try_wait().expect("it is our child")), (Some(0), None), "{done:?}");
    let left: Vec<_> =
        fs::read_dir(town.path("")).expect("it is a folder").flatten().map(|it| it.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("partial")), "{left:?}");
    check(&town, writer, "copy.db");
}

#[test]
fn a_copy_takes_nobodys_place_and_is_of_a_ledger() {
    if on_postgres() {
        return;
    }
    let town = town();
    town.begin("l.db");
    town.write("other.db", "SQLite has a longer header than this");
    town.write("gone.db-wal", "of a file that is no longer there");
    for (from, to, complaint) in [
        ("l.db", "other.db", "other.db is there"),
        ("l.db", "gone.db", "gone.db is there, or what belongs to a file of that name"),
        ("l.db", "nowhere/copy.db", "its directory must exist"),
        ("other.db", "copy.db", "other.db is not a Jifen ledger"),
        ("nothing.db", "copy.db", "there is no ledger nothing.db"),
        ("memory:", "copy.db", "pg_dump"),
        ("postgres://me:s3cret@localhost/jifen", "copy.db", "pg_dump"),
    ] {
        let done = town.done(&["backup", "--ledger", from, to]);
        assert_eq!(done.code, Some(2), "{from} to {to}: {done:?}");
        assert!(done.err.contains(complaint) && !done.err.contains("s3cret"), "{from} to {to}: {done:?}");
        let left = fs::read_dir(town.path("")).expect("it is a folder").flatten();
        let left: Vec<_> = left.map(|it| it.file_name().to_string_lossy().into_owned()).collect();
        assert!(!left.iter().any(|name| name.starts_with("copy.db")), "{from} to {to}: {left:?}");
    }
    assert_eq!(town.read("gone.db-wal"), "of a file that is no longer there");
    // A copy that was cut off is in nobody's way.
    town.write("copy.db.x.partial", "half a page");
    assert_eq!(town.done(&["backup", "--ledger", "l.db", "copy.db"]).code, Some(0));
    assert_eq!(town.replay("copy.db"), 0);
}

#[test]
fn a_schema_is_dumped_while_it_is_written() {
    if !on_postgres() {
        return;
    }
    let town = town();
    let writer = under_way(&town);
    let url = town.ledger("l.db");
    let schema = url.rsplit_once("%3D").expect("it names a schema").1;
    let dump = format!("--schema={schema}");
    let dumped = program("pg_dump").args(["--dbname", &url, &dump]).output().expect("pg_dump starts");
    assert!(dumped.status.success(), "{dumped:?}");
    town.write("dump.sql", dumped.stdout);
    let copy = format!("copy_of_{schema}");
    server().perform(&format!("CREATE DATABASE {copy}"));
    town.put("copy.db", url.replace("///postgres?", &format!("///{copy}?")));
    let mut restore = program("psql");
    restore
        .args(["--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--file"])
        .arg(town.path("dump.sql"));
    let restored = restore.args(["--dbname", &town.ledger("copy.db")]).output().expect("psql starts");
    assert!(restored.status.success(), "{restored:?}");
    check(&town, writer, "copy.db");
}

fn program(name: &str) -> Command {
    Command::new(programs().expect("a server runs").join(name))
}

/// The commands of the document for operators, as they stand there.
#[test]
fn the_commands_for_operators_do_what_the_document_says() {
    if !on_postgres() {
        return;
    }
    let [english, chinese] = ["docs/operating.md", "docs/operating.zh-CN.md"].map(read);
    let commands = blocks(&english, "sh");
    let bare = |block: &&str| -> Vec<String> {
        block.lines().map(|line| line.split(" #").next().unwrap_or(line).trim_end().to_owned()).collect()
    };
    let same = commands.iter().map(bare).eq(blocks(&chinese, "sh").iter().map(bare));
    assert!(same, "both languages have the same commands");
    let town = town();
    town.write("events.jsonl", lines(&market(300, 10)));
    town.write("P.toml", town.read("program.toml"));
    assert_eq!(town.done(&Town::run_arguments("sqlite:l.db", &[])).code, Some(0));
    let (url, jifen) = (server().url("public"), beside("jifen"));
    let path =
        [jifen.parent().expect("a binary lies in a folder").to_owned(), programs().expect("a server runs")];
    let own = env::var_os("PATH").expect("there is one");
    let path = path.into_iter().chain(env::split_paths(&own));
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", &commands.concat().replace("/var/run/postgresql", host(&url))]);
    shell.current_dir(town.path("")).stdin(Stdio::null()).env("JIFEN_CACHE", cache());
    shell.env("PATH", env::join_paths(path.collect::<Vec<_>>()).expect("folders without a colon"));
    let done =
        Done::from(shell.env("PGHOST", host(&url)).env("PGUSER", "postgres").output().expect("sh starts"));
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(done.out.matches(": 0 disagree").count(), 4, "{done:?}");
}
