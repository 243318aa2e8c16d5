//! What goes wrong while a file is run: a statement fails, the disk is full, a write is torn, the server or the connection
//! goes. What was acknowledged is there, nothing is there twice or by half, and the same file again comes to what it would
//! have.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, io, thread};

use rusqlite::types::Value as Cell;

use crate::ledgers::on_postgres;
use crate::mixed::seeds;
use crate::proxy::{Cut, Proxy};
use crate::server::Server;
use crate::town::{Done, Town};
use crate::trial::Trial;

/// Statements of a ledger that can be made to fail, each with its name and the trigger that counts its rows.
const ON_SQLITE: &str = "
    INSERT INTO faults VALUES ('NAME', 0, 1 << 60);
    CREATE TRIGGER NAME BEFORE ACT ON TABLE_ BEGIN
      UPDATE faults SET n = n + 1 WHERE name = 'NAME';
      SELECT RAISE(ABORT, 'fault: NAME') FROM faults WHERE name = 'NAME' AND n >= at;
    END;";
const ON_POSTGRES: &str = "
    INSERT INTO faults VALUES ('NAME', 0, 1::bigint << 60);
    CREATE SEQUENCE NAME;
    CREATE TRIGGER NAME BEFORE ACT ON TABLE_ FOR EACH ROW EXECUTE FUNCTION fault('NAME', 'P0001');";

/// PostgreSQL checks some things only at COMMIT, and may find there that its disk is full.
const AT_COMMIT: &str = "
    INSERT INTO faults VALUES ('commit_', 0, 1::bigint << 60);
    CREATE SEQUENCE commit_;
    CREATE CONSTRAINT TRIGGER commit_ AFTER INSERT ON transactions DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION fault('commit_', '53100');";

const FUNCTION: &str = "
    CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF nextval(TG_ARGV[0]) >= (SELECT at FROM faults WHERE name = TG_ARGV[0]) THEN
        RAISE EXCEPTION 'fault: %', TG_ARGV[0] USING ERRCODE = TG_ARGV[1];
      END IF;
      RETURN NEW;
    END $$;";

/// Begins a ledger that counts the rows of each statement that writes a table. Returns the statements' names.
fn begin_watched(town: &Town, ledger: &str) -> Vec<String> {
    town.begin(ledger);
    let tables = if on_postgres() {
        "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename != 'ledger_schema'"
    } else {
        "SELECT name FROM sqlite_schema WHERE type = 'table'"
    };
    // No event puts a program to work, announces one, or publishes a release.
    let others = ["changes", "announcements", "publications", "keys", "trail", "quotes", "signers"];
    let tables = town.texts(ledger, tables).into_iter().filter(|table| !others.contains(&table.as_str()));
    let tables: Vec<_> = tables.collect();
    town.change(ledger, "CREATE TABLE faults (name TEXT PRIMARY KEY, n BIGINT, at BIGINT)");
    let template = if on_postgres() { ON_POSTGRES } else { ON_SQLITE };
    let mut names = Vec::new();
    let mut sql = String::new();
    for (table, act) in tables.iter().flat_map(|table| [(table, "INSERT"), (table, "UPDATE")]) {
        let name = format!("{}_{table}", act.to_lowercase());
        sql += &template.replace("NAME", &name).replace("ACT", act).replace("TABLE_", table);
        names.push(name);
    }
    if on_postgres() {
        sql = FUNCTION.to_owned() + &sql + AT_COMMIT;
        names.push("commit_".to_owned());
    }
    town.change(ledger, &sql);
    names
}

/// Returns how many rows a statement has written.
fn rows(town: &Town, ledger: &str, name: &str) -> u64 {
    let sql = if on_postgres() {
        format!("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {name}")
    } else {
        format!("SELECT CAST(n AS TEXT) FROM faults WHERE name = '{name}'")
    };
    town.texts(ledger, &sql).concat().parse().expect("a count")
}

/// Lets a statement fail from a row on, counted from now.
fn fail(town: &Town, ledger: &str, name: &str, at: u64) {
    town.change(ledger, &format!("UPDATE faults SET n = 0, at = {at} WHERE name = '{name}'"));
    if on_postgres() {
        town.change(ledger, &format!("ALTER SEQUENCE {name} RESTART"));
    }
}

#[test]
fn a_statement_that_fails_leaves_nothing_and_the_next_run_goes_on() {
    let trial = Trial::new(120);
    let town = &trial.town;
    let names = begin_watched(town, "counted.db");
    trial.finish("counted.db");
    let rows: BTreeMap<_, _> = names.iter().map(|name| (name, rows(town, "counted.db", name))).collect();
    let unwritten: Vec<_> =
        rows.iter().filter(|(name, rows)| name.starts_with("insert") && **rows == 0).collect();
    assert!(unwritten.is_empty(), "the events write every table: {unwritten:?}");
    for (name, rows) in rows.into_iter().filter(|(_, rows)| *rows > 0) {
        begin_watched(town, "l.db");
        for at in [1, rows.div_ceil(2)] {
            fail(town, "l.db", name, at);
            let done = trial.run("l.db");
            assert_eq!(done.code, Some(2), "{name} {at}: {done:?}");
            let said = if name == "commit_" { "the disk of ledger" } else { "cannot write to ledger" };
            for words in [said, &format!("fault: {name}")] {
                assert!(done.err.contains(words), "{name} {at}: {done:?}");
            }
        }
        fail(town, "l.db", name, 1 << 60);
        trial.finish("l.db");
        town.forget("l.db");
    }
}

/// The disk is full for one process: a limit on how long its files may grow.
fn with_files_up_to(blocks: u64, run: &Command) -> Done {
    let script = "trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$@\"";
    let mut limited = Command::new("sh");
    limited.args(["-c", script, "sh", &blocks.to_string()]).arg(run.get_program()).args(run.get_args());
    limited.current_dir(run.get_current_dir().expect("it has one")).stdin(Stdio::null());
    limited.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.output().expect("sh starts").into()
}

#[test]
fn a_disk_that_is_full_is_an_error_and_the_next_run_goes_on() {
    // A full disk of a server is told at COMMIT, above.
    if on_postgres() {
        return;
    }
    let trial = Trial::new(120);
    let run = trial.town.jifen(&Town::run_arguments("l.db", &["--receipts", "-"]));
    let mut applied = Vec::new();
    trial.town.begin("l.db");
    for blocks in (3..).map(|power| 1 << power) {
        let done = with_files_up_to(blocks, &run);
        applied.push(trial.check("l.db", &done));
        if done.code == Some(0) {
            break;
        }
        assert_eq!(done.code, Some(2), "{blocks}: {done:?}");
        assert!(done.err.contains("ledger l.db"), "{blocks}: {done:?}");
    }
    let some = applied.iter().any(|applied| (1..trial.whole.len()).contains(applied));
    assert!(some, "no run stopped in the middle: {applied:?}");
    trial.finish("l.db");
}

/// A page, and what SQLite writes before it in the log.
const FRAME: usize = 24 + 4_096;
const LOG_HEADER: usize = 32;

/// Leaves a log as a host does that is killed when it has done all and folded nothing: returns file and log.
fn killed(trial: &Trial, ledger: &str) -> [Vec<u8>; 2] {
    let town = &trial.town;
    let arguments = Town::run_arguments(ledger, &[]);
    let mut run = town.jifen(&[&arguments[..], &["-"]].concat());
    run.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    town.begin(ledger);
    let mut run = run.spawn().expect("jifen starts");
    town.wait_for(ledger, trial.whole.len(), &mut run);
    run.kill().expect("it is our child");
    run.wait().expect("it ends");
    [ledger.to_owned(), format!("{ledger}-wal")].map(|file| fs::read(town.path(&file)).expect("it is there"))
}

/// Returns all rows of all tables.
fn dump(file: &Path) -> Vec<(String, Vec<Vec<Cell>>)> {
    let connection = rusqlite::Connection::open(file).expect("it can be opened");
    let mut tables =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").expect("it has tables");
    let tables = tables.query_map([], |row| row.get(0)).expect("it answers");
    let tables = tables.collect::<Result<Vec<String>, _>>().expect("names are text");
    let rows = |table: String| {
        let mut asked = connection.prepare(&format!("SELECT * FROM {table}")).expect("it is a table");
        let columns = asked.column_count();
        let rows = asked.query_map([], |row| (0..columns).map(|column| row.get(column)).collect());
        (table, rows.expect("it answers").collect::<Result<_, _>>().expect("rows can be read"))
    };
    tables.into_iter().map(rows).collect()
}

/// F13.
#[test]
#[expect(clippy::integer_division, reason = "half a frame")]
fn a_log_that_is_torn_anywhere_is_a_ledger_that_stopped_earlier() {
    if on_postgres() {
        return;
    }
    let trial = Trial::new(80);
    let town = &trial.town;
    let [file, log] = killed(&trial, "killed.db");
    let frames = (log.len() - LOG_HEADER) / FRAME;
    assert!(frames > 50, "{frames} frames");
    let tear = |end: usize, rest: usize| {
        town.forget("torn.db");
        town.write("torn.db", &file);
        town.write("torn.db-wal", [&log[..end], &vec![0; rest]].concat());
        town.path("torn.db")
    };
    // By how much is there, the whole of it, and a place at which the log ends then.
    let mut found = BTreeMap::new();
    for end in (0..=frames).map(|frame| LOG_HEADER + frame * FRAME) {
        let torn = [(end, 0), (end + 10, 0), (end + FRAME / 2, 0), (end + FRAME / 2, FRAME / 2)];
        for (end, rest) in torn.into_iter().filter(|(end, _)| *end <= log.len()) {
            let all = dump(&tear(end, rest));
            let entries =
                all.iter().find(|(table, _)| table == "transactions").map_or(0, |(_, rows)| rows.len());
            let begun = (all.len(), all.iter().map(|(_, rows)| rows.len()).sum::<usize>());
            let (same, _) = found.entry((entries, begun)).or_insert_with(|| (all.clone(), (end, rest)));
            assert!(*same == all, "{entries} entries with the log up to {end}, and otherwise as elsewhere");
        }
    }
    assert!(found.len() > 10, "{} states", found.len());
    let every = if seeds() > 2 { 1 } else { 6 };
    for (_, (end, rest)) in found.into_values().step_by(every) {
        tear(end, rest);
        let nothing = Done { code: None, out: String::new(), err: format!("torn at {end}") };
        trial.check("torn.db", &nothing);
        trial.finish("torn.db");
    }
}

/// How a server ends.
type End = fn(&Server);

#[test]
fn a_server_that_goes_in_the_middle_stops_the_run_and_the_next_one_goes_on() {
    if !on_postgres() {
        return;
    }
    let (trial, server) = (Trial::new(300), Server::start());
    let ends: [(&str, End); 2] = [("killed.db", Server::kill), ("stopped.db", Server::stop_at_once)];
    for (ledger, end) in ends {
        trial.town.put(ledger, server.new_schema());
        trial.town.begin(ledger);
        let mut run = trial.start(ledger);
        // Read as it comes: what is there already is told first, and a full pipe would hold what is new for ever.
        let out = run.stdout.take().expect("it is piped");
        let out = thread::spawn(move || io::read_to_string(out).expect("it is text"));
        trial.town.wait_for(ledger, 5, &mut run);
        end(&server);
        let done = Done::from(run.wait_with_output().expect("it ends"));
        let done = Done { out: out.join().expect("it is read"), ..done };
        server.go_on();
        trial.check(ledger, &done);
        assert_eq!(done.code, Some(2), "{done:?}");
        let said = ["cannot be reached", "may or may not be in ledger"];
        assert!(said.iter().any(|said| done.err.contains(said)), "{done:?}");
        trial.finish(ledger);
    }
}

#[test]
fn a_connection_that_is_cut_at_commit_leaves_a_question_that_the_next_run_answers() {
    if !on_postgres() {
        return;
    }
    let trial = Trial::new(60);
    for (n, (cut, first)) in
        [(Cut::BeforeCommit, 2), (Cut::AfterCommit, 2), (Cut::AfterCommit, 1)].into_iter().enumerate()
    {
        let (direct, through) = (format!("direct{n}"), format!("through{n}"));
        let url = trial.town.ledger(&direct);
        trial.town.begin(&direct);
        let (mut unheard, mut cuts) = (0, 0);
        for commit in first.. {
            let proxy = Proxy::start(&url, cut, commit);
            trial.town.put(&through, proxy.url());
            let before = trial.town.log(&direct).len();
            let done = trial.town.done(&Town::run_arguments(&through, &["--receipts", "-"]));
            let there = trial.check(&direct, &done);
            if done.code == Some(0) {
                break;
            }
            cuts += 1;
            assert_eq!(done.code, Some(2), "{done:?}");
            let said = if commit == 1 { "cannot be reached" } else { "may or may not be in ledger" };
            assert!(done.err.contains(said), "commit {commit}: {done:?}");
            let heard = done.out.matches("\"outcome\":\"applied\"").count();
            unheard += usize::from(there > before + heard);
        }
        assert!(cuts > 5, "{cuts} cuts");
        assert!(unheard > 0, "something was applied of which nobody heard");
        trial.finish(&direct);
    }
}

#[test]
fn a_connection_that_is_cut_before_commit_is_made_anew_and_nobody_notices() {
    if !on_postgres() {
        return;
    }
    let trial = Trial::new(60);
    for commit in 2.. {
        let (direct, through) = (format!("direct{commit}"), format!("through{commit}"));
        let proxy = Proxy::start(&trial.town.ledger(&direct), Cut::AtLock, commit);
        trial.town.put(&through, proxy.url());
        let done = trial.town.done(&Town::run_arguments(&through, &["--receipts", "-"]));
        assert!(done.code == Some(0), "transaction {commit}: {done:?}");
        trial.finish(&direct);
        if !proxy.has_cut() {
            assert!(commit > 5, "a file takes several transactions");
            break;
        }
    }
}
