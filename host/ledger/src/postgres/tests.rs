//! What only PostgreSQL can do wrong: connections that go, schemas that are others', and what its codes mean.

use std::net::TcpListener;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use jifen_loyalty::entry::LotMove;
use jifen_loyalty::lot::{Issuer, LotId};
use jifen_loyalty::member::Grants;
use jifen_loyalty::posting::{Kind, Postings, gain, loss};
use jifen_loyalty::{Entry, Instant, Points};

use super::Postgres;
use super::server::SILENCE_MAX;
use super::watch::Watch;
use crate::tests::fixture::{Draft, SOURCE, View, digest, publish};
use crate::tests::server::{Server, server};
use crate::{Ledger, LedgerError, Page, ProgramChange, ProgramWatch as _};

fn view(ledger: &dyn Ledger) -> View {
    View::of(ledger, &["ann", "bob"], &["spend"], &[10])
}

fn purchase(n: u64) -> Vec<Entry> {
    vec![Draft::purchase(&format!("o{n}"), "ann", n, 10, 100).lot("ann", "spend", 1).entry()]
}

fn refusal(url: &str) -> LedgerError {
    Postgres::open(url).err().expect("it cannot be opened")
}

/// Returns the schema of a URL of a server.
fn schema(url: &str) -> &str {
    url.rsplit_once("%3D").expect("it names a schema").1
}

#[test]
fn connections_that_were_lost_are_made_anew() {
    let server = Server::start();
    let ledger = Postgres::open(&server.new_schema()).unwrap();
    for n in 0..3 {
        assert_eq!(ledger.commit(purchase(n)).unwrap().seqs, [n + 1]);
        assert_eq!(ledger.length().unwrap(), n + 1);
        let ended =
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'jifen'";
        assert_eq!(server.perform(ended), "t\nt\n", "the writer and a reader");
    }
    view(&ledger).assert_sound();
}

#[test]
fn a_server_that_is_gone_is_an_error_that_says_so() {
    let server = Server::start();
    let url = server.new_schema();
    let ledger = Postgres::open(&url).unwrap();
    ledger.commit(purchase(0)).unwrap();
    server.stop_at_once();
    for error in [
        ledger.commit(purchase(1)).unwrap_err(),
        ledger.commit(purchase(1)).unwrap_err(),
        ledger.length().unwrap_err(),
        refusal(&url),
    ] {
        assert!(matches!(error, LedgerError::Unreachable { .. }) && error.retryable(), "{error:?}");
    }
    server.go_on();
    assert_eq!(ledger.commit(purchase(1)).unwrap().seqs, [2]);
    assert_eq!(ledger.length().unwrap(), 2);
}

/// An entry that moves a lot which is not there, as no evaluation makes it.
fn of_no_lot() -> Entry {
    let mut entry = Draft::purchase("o9", "bob", 0, 10, 100).entry();
    let (lot, points) = (LotId { member: "bob".into(), version: 7, award: 0 }, Points::new(5).unwrap());
    let mut postings = Postings::default();
    postings.lot(Kind::Clawback, &"bob".into(), &"points".into(), &lot, loss(points));
    postings.issuer(Kind::Clawback, &Issuer::Platform, &"points".into(), gain(points));
    entry.postings = postings.into_vec();
    let grants = Grants { deployment: "spend".into(), unit: "points".into(), for_other: false };
    let (member, remaining, reversed) = ("bob".into(), loss(points), Points::ZERO);
    entry.moved = vec![LotMove { member, day: 10, grants, lot, remaining, reversed, expired: 0, term: None }];
    entry
}

#[test]
fn a_failure_in_the_middle_leaves_all_as_it_was() {
    let ledger = Postgres::open(&server().new_schema()).unwrap();
    ledger.commit(purchase(0)).unwrap();
    let before = view(&ledger);
    let error = ledger.commit([purchase(1), vec![of_no_lot()]].concat()).unwrap_err();
    assert!(matches!(error, LedgerError::Store { doing: "write to", .. }), "{error:?}");
    assert!(view(&ledger) == before);
    assert_eq!(ledger.commit(purchase(1)).unwrap().seqs, [2], "the ledger goes on");
}

#[test]
fn text_that_has_no_place_is_an_error_and_not_there() {
    let ledger = Postgres::open(&server().new_schema()).unwrap();
    let entry = Draft::purchase("a\0b", "ann", 0, 10, 100).entry();
    let error = ledger.commit(vec![entry]).unwrap_err();
    assert!(matches!(error, LedgerError::Store { .. }), "{error:?}");
    assert_eq!(ledger.find(SOURCE, "o0").unwrap(), None);
    assert_eq!(ledger.commit(purchase(0)).unwrap().seqs, [1]);
}

#[test]
fn constraints_stand_behind_the_checks() {
    let url = server().new_schema();
    let ledger = Postgres::open(&url).unwrap();
    ledger.commit(purchase(0)).unwrap();
    for (sql, constraint) in [
        ("UPDATE lots SET remaining = -1", "lots_remaining_nonnegative"),
        ("UPDATE lots SET remaining = points + 1", "lots_remaining_of_points"),
        ("UPDATE members SET version = 0", "members_version_positive"),
        ("UPDATE transactions SET latest_ms = time_ms - 1", "transactions_latest_is_latest"),
        ("INSERT INTO budgets VALUES ('spend', -1)", "budgets_granted_nonnegative"),
        ("INSERT INTO ledger_schema VALUES (2, false)", "ledger_schema_one"),
    ] {
        let link = super::server::Server::new(&url).unwrap().connect("open", SILENCE_MAX).unwrap();
        let error = link.perform(sql).unwrap_err();
        let said = error.as_db_error().and_then(|said| said.constraint());
        assert_eq!(said, Some(constraint), "{sql}: {error}");
    }
}

#[test]
fn a_column_that_does_not_hold_what_it_should_is_damage() {
    let url = server().new_schema();
    let ledger = Postgres::open(&url).unwrap();
    ledger.commit(purchase(0)).unwrap();
    let schema = schema(&url);
    for damage in ["issuer = 'nobody'", "issuer = 'platform', points = 1::bigint << 60"] {
        server().perform(&format!("UPDATE {schema}.lots SET {damage}"));
        let error = ledger.statement(&"ann".into(), Page::default()).unwrap_err();
        assert!(matches!(error, LedgerError::Damaged { .. }), "{damage}: {error:?}");
    }
}

#[test]
fn a_server_that_says_nothing_is_lost() {
    let url = server().new_schema();
    let server = super::server::Server::new(&url).unwrap();
    let link = server.connect("open", Duration::from_millis(200)).unwrap();
    let error = link.perform_at_length("SELECT pg_sleep(3)").unwrap_err();
    assert!(error.is_closed() && link.is_closed(), "{error:?}");
    // One that takes a connection, and says nothing from the beginning.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("postgres://ann@127.0.0.1:{port}/points?connect_timeout=1");
    let error = Postgres::open(&url).err().unwrap();
    assert!(matches!(error, LedgerError::Unreachable { .. }), "{error:?}");
}

#[test]
fn several_may_begin_one_ledger_at_once() {
    for _ in 0..3 {
        let (url, barrier) = (server().new_schema(), Barrier::new(4));
        let begin = || {
            barrier.wait();
            Postgres::open(&url).map(|ledger| ledger.log(0, 1).unwrap())
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(begin)).collect();
            threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap().unwrap(), []));
        });
    }
}

#[test]
fn a_later_schema_is_left_alone() {
    let url = server().new_schema();
    drop(Postgres::open(&url).unwrap());
    server().perform(&format!("UPDATE {}.ledger_schema SET version = 99", schema(&url)));
    let error = refusal(&url);
    assert!(matches!(error, LedgerError::Newer { found: 99, .. }), "{error}");
    assert!(error.to_string().contains(schema(&url)), "{error}");
}

#[test]
fn an_earlier_schema_takes_the_steps_that_it_lacks() {
    let url = server().new_schema();
    let ledger = Postgres::open(&url).unwrap();
    ledger.commit(purchase(0)).unwrap();
    drop(ledger);
    let schema = schema(&url);
    server().perform(&format!(
        "DROP TABLE {schema}.signers, {schema}.quotes, {schema}.keys, {schema}.trail, {schema}.announcements, {schema}.publications, {schema}.changes; UPDATE {schema}.ledger_schema SET version = 1"
    ));
    for _ in 0..2 {
        let ledger = Postgres::open(&url).unwrap();
        assert_eq!((ledger.log(0, 9).unwrap().len(), ledger.last_program_change().unwrap()), (1, None));
    }
}

/// What was published before policies had owners is the platform's.
#[test]
fn publications_of_an_earlier_schema_stay() {
    let url = server().new_schema();
    let published = publish(&Postgres::open(&url).unwrap());
    let schema = schema(&url);
    server().perform(&format!(
        "DROP TABLE {schema}.signers, {schema}.quotes, {schema}.keys, {schema}.trail; ALTER TABLE {schema}.publications DROP COLUMN owner; ALTER TABLE {schema}.changes DROP COLUMN without_notice; UPDATE {schema}.ledger_schema SET version = 4"
    ));
    let ledger = Postgres::open(&url).unwrap();
    assert_eq!(ledger.publications(None, ("", ""), 9).unwrap(), [published]);
    assert_eq!(ledger.keys("", 9).unwrap(), []);
}

#[test]
fn what_is_no_ledger_is_left_alone() {
    let url = server().new_schema();
    let schema = schema(&url);
    server().perform(&format!("CREATE TABLE {schema}.postings (x INTEGER)"));
    assert!(matches!(refusal(&url), LedgerError::NotALedger { .. }), "{}", refusal(&url));
    let tables = format!("SELECT tablename FROM pg_tables WHERE schemaname = '{schema}'");
    assert_eq!(server().perform(&tables), "postings\n");
}

#[test]
fn what_is_not_there_is_named_with_the_mend_and_without_the_password() {
    let url = server().url("nowhere").replace("user=postgres", "user=postgres&password=s3cret");
    for (url, mend) in [
        (url.clone(), "create the schema"),
        (url.replace("///postgres", "///nothing"), "create the database"),
        (url.replace("user=postgres", "user=nobody"), "let it in"),
        ("postgres://me:s3cret@localhost:1/jifen".to_owned(), "see that the server runs"),
        ("postgres://me:s3cret@localhost:port/jifen".to_owned(), "a URL is postgres://"),
    ] {
        let error = refusal(&url);
        assert!(error.to_string().contains(mend), "{error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
}

/// Hosts hear of a change as soon as it is committed, on a connection that is made anew when it is lost.
#[test]
fn changes_of_the_program_are_told() {
    // A server of its own: whoever listens hears of every ledger in the database.
    let server = Server::start();
    let url = server.new_schema();
    let ledger = Postgres::open(&url).unwrap();
    let mut watch = Watch::new(super::server::Server::new(&url).unwrap());
    let program = digest("one");
    ledger.put_program(&program, b"one").unwrap();
    let change = |version| {
        let (made_at, who, why) = (Instant::from_millis(0), "赵敏".to_owned(), "a test".to_owned());
        ledger
            .change_program(&ProgramChange { version, program, made_at, who, why, without_notice: false })
            .unwrap();
    };
    assert!(!watch.wait(Duration::from_millis(1)), "nothing was changed");
    change(1);
    assert!(watch.wait(Duration::from_secs(60)));
    let listening =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN jifen_program'";
    server.perform(listening);
    let told = |version| {
        change(version);
        watch.wait(Duration::from_millis(200))
    };
    assert!((2..100).any(told), "it listens again");
}
