//! Notices: what campaigns send members comes at least once, under one name, and that it came is in the ledger.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::components::telling;
use crate::endpoint::{Endpoint, Got, SECRET};
use crate::town::{Done, Town, objects, purchase, text};

const NOON: &str = "2026-03-01T12:00:00+08:00";
const MIDNIGHT: &str = "2026-03-02T00:00:00+08:00";

/// Returns a town in which so many members bought something and are told of it once, at places behind their purchases.
fn town(members: u64) -> Town {
    let town = Town::new();
    town.policy("telling", &telling());
    town.program(&[("spend", "spend", "base", "")]);
    let campaign = "[[campaign]]\nid = 'hello'\npolicy = 'telling'\nunit = 'points'\nonce = 'ever'\n";
    town.write("program.toml", format!("{}\n{campaign}", town.read("program.toml")));
    town.write("secret", SECRET);
    let bought = (0..members).map(|n| purchase(&n.to_string(), &format!("m{n}"), NOON, 100));
    town.summary("l.db", &bought.chain([close()]).collect::<Vec<_>>());
    town
}

fn close() -> Value {
    json!({"specversion": "1.0", "id": "c", "source": "/jifen", "type": "jifen.day.closed", "time": MIDNIGHT,
        "data": {"day": "2026-03-01"}})
}

fn delivered(run: &str, n: u32, member: &str) -> Value {
    json!({"specversion": "1.0", "id": format!("{run}/{n}"), "source": "/jifen/notices",
        "type": "jifen.notice.delivered", "time": "2026-03-02T09:00:00+08:00",
        "data": {"member": member, "run": run, "notice": n}})
}

fn notifying<'a>(url: &'a str, at: &'a str) -> Vec<&'a str> {
    let command =
        ["notify", "--program", "program.toml", "--policies", "policies", "--ledger", "l.db", "--json"];
    command.into_iter().chain(["--secret-file", "secret", "--endpoint", url, "--at", at]).collect()
}

/// Delivers what is due at a time of the day after the purchases. Returns how many were delivered, failed and given up.
fn notify(town: &Town, url: &str, clock: &str) -> (Option<i32>, Value) {
    let done = town.done(&notifying(url, &format!("2026-03-{clock}+08:00")));
    let summary = done.json();
    (done.code, json!([summary["delivered"], summary["failed"], summary["given_up"]]))
}

fn outbox(town: &Town, more: &[&str]) -> Vec<Value> {
    let listed = town.done(&[&["outbox", "--ledger", "l.db", "--json"], more].concat());
    assert_eq!(listed.code, Some(0), "{listed:?}");
    listed.out.lines().map(|line| serde_json::from_str(line).expect("a line is an object")).collect()
}

/// Returns what came, by the name of the notice; whatever comes under one name of a message is the same notice.
fn names(got: &[Got]) -> Vec<&str> {
    let mut by_id = BTreeMap::new();
    for Got { id, body } in got {
        assert_eq!(by_id.entry(id).or_insert(body), &body);
        assert!(id.starts_with("msg_") && id.len() == 36, "{id}");
    }
    let mut names: Vec<_> = got.iter().map(|got| text(&got.body["data"]["notice"])).collect();
    names.sort_unstable();
    names
}

/// A14: that it came is the proof.
#[test]
fn a_notice_comes_once_and_the_ledger_says_so() {
    let town = town(3);
    let endpoint = Endpoint::answering(|_| 204);
    assert_eq!(
        notify(&town, &endpoint.url(), "01T23:59:59"),
        (Some(0), json!([0, 0, 0])),
        "its day has not begun"
    );
    assert_eq!(outbox(&town, &[]).len(), 3);
    // Who checks with the older of two secrets is served as well.
    town.write("secret", format!("whsec_{}\n\n{SECRET}\n", "QUFB".repeat(11)));
    assert_eq!(notify(&town, &endpoint.url(), "02T09:00:00"), (Some(0), json!([3, 0, 0])));
    let got = endpoint.got();
    assert_eq!(names(&got), ["hello/ever/m0/0", "hello/ever/m1/0", "hello/ever/m2/0"]);
    let data = json!({"notice": "hello/ever/m0/0", "member": "m0", "campaign": "hello", "code": "test"});
    let body = json!({"type": "jifen.notice", "timestamp": "2026-03-01T16:00:00Z", "data": data});
    assert!(got.iter().any(|got| got.body == body), "{got:?}");
    assert_eq!(outbox(&town, &[]), Vec::<Value>::new());
    assert_eq!(notify(&town, &endpoint.url(), "02T09:00:00"), (Some(0), json!([0, 0, 0])));
    let why = town.done(&["why", "--ledger", "l.db", "/jifen/notices", "hello/ever/m0/0"]).out;
    assert!(why.contains("happened   2026-03-02T09:00:00+08:00: got the notice hello/ever/m0/0\n"), "{why}");
    assert_eq!(town.replay("l.db"), 3 + 3 + 1 + 3);
    // Closed again, the day sends nothing again.
    town.summary(
        "l.db",
        &[json!({"id": "again"}).as_object().into_iter().fold(close(), |mut close, id| {
            close["id"] = id["id"].clone();
            close
        })],
    );
    assert_eq!(outbox(&town, &[]), Vec::<Value>::new());
}

#[test]
fn a_notice_that_fails_is_tried_again_until_it_is_given_up() {
    let town = town(2);
    let url = Endpoint::answering(|_| 204).url();
    let fails = Endpoint::answering(|got| if got.body["data"]["member"] == "m0" { 500 } else { 302 });
    // Nobody listens at the first; then the pauses grow.
    let clocks = [
        ("02T09:00:00", &*url),
        ("02T09:00:05", &fails.url()),
        ("02T09:05:05", &fails.url()),
        ("02T09:35:05", &fails.url()),
        ("02T11:35:05", &fails.url()),
        ("02T16:35:05", &fails.url()),
        ("03T02:35:05", &fails.url()),
        ("03T16:35:05", &fails.url()),
    ];
    for (n, (clock, url)) in (1..).zip(clocks) {
        assert_eq!(notify(&town, url, clock), (Some(3), json!([0, 2, 0])), "{clock}");
        assert_eq!(notify(&town, url, clock), (Some(0), json!([0, 0, 0])), "{clock}: too early");
        let waiting = outbox(&town, &[]);
        assert!(waiting.iter().all(|line| line["attempts"] == n && line["given_up"] == false), "{waiting:?}");
    }
    let problems = outbox(&town, &[]).iter().map(|line| line["problem"].to_string()).collect::<Vec<_>>();
    let expected =
        ["500 Internal Server Error", "302 Found"].map(|it| format!("\"the endpoint answered {it}\""));
    assert_eq!(problems, expected);
    assert_eq!(outbox(&town, &["--given-up"]), Vec::<Value>::new());
    assert_eq!(notify(&town, &fails.url(), "04T12:35:05"), (Some(3), json!([0, 0, 2])));
    assert_eq!(
        notify(&town, &fails.url(), "31T00:00:00"),
        (Some(0), json!([0, 0, 0])),
        "given up is given up"
    );
    assert_eq!(outbox(&town, &["--given-up"]).len(), 2);
    let listed = town.done(&["outbox", "--ledger", "l.db"]).out;
    assert!(
        listed.starts_with("hello/ever/m0/0: test to m0, given up, tried 9 times: the endpoint answered 500"),
        "{listed}"
    );

    let retried = town.done(&["outbox", "--ledger", "l.db", "--retry", "hello/ever/m1/0"]);
    assert_eq!((retried.code, &*retried.out), (Some(0), "1 to be tried again\n"), "{retried:?}");
    let endpoint = Endpoint::answering(|_| 200);
    let now = town.done(&notifying(&endpoint.url(), "2100-01-01T00:00:00Z"));
    assert_eq!((now.code, &now.json()["delivered"]), (Some(0), &json!(1)), "{now:?}");
    assert_eq!(names(&endpoint.got()), ["hello/ever/m1/0"], "under the name that it had");
    let all = town.done(&["outbox", "--ledger", "l.db", "--retry"]);
    assert_eq!(&*all.out, "1 to be tried again\n", "{all:?}");
    let missing =
        town.done(&["outbox", "--ledger", "l.db", "--retry", "hello/ever/m0/0", "hello/ever/m1/0", "x"]);
    assert!(
        missing.code == Some(2) && missing.err.contains("hello/ever/m1/0, x is not in the outbox"),
        "{missing:?}"
    );
    town.replay("l.db");
}

/// At least once: it is sent again, under the same name, if the one who sent it died before it was written down.
#[test]
fn a_sender_that_was_killed_sends_again() {
    let town = town(1);
    let (came, comes) = mpsc::channel();
    let (go, goes) = mpsc::channel::<()>();
    let (came, goes) = (Mutex::new(came), Mutex::new(goes));
    let endpoint = Endpoint::answering(move |_| {
        came.lock().expect("one at a time").send(()).ok();
        // Only the first is waited for: then nobody is left to say go.
        goes.lock().expect("one at a time").recv().ok();
        204
    });
    let mut sender = town.jifen(&notifying(&endpoint.url(), "2026-03-02T09:00:00+08:00"));
    let mut sender = sender.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("jifen starts");
    comes.recv().expect("it is sent");
    sender.kill().expect("it is our child");
    drop(sender.wait());
    drop(go);
    assert_eq!(outbox(&town, &[]).len(), 1);
    assert_eq!(notify(&town, &endpoint.url(), "02T09:00:00"), (Some(0), json!([1, 0, 0])));
    assert_eq!(names(&endpoint.got()), ["hello/ever/m0/0", "hello/ever/m0/0"]);
    assert_eq!(town.replay("l.db"), 4);
}

#[test]
fn two_senders_at_once_write_down_each_delivery_once() {
    let town = town(300);
    let endpoint = Endpoint::answering(|_| 204);
    let url = endpoint.url();
    let senders = ["2026-03-02T09:00:00+08:00", "2026-03-02T09:00:01+08:00"].map(|at| {
        let mut sender = town.jifen(&notifying(&url, at));
        sender.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("jifen starts")
    });
    for sender in senders {
        let done = Done::from(sender.wait_with_output().expect("it ends"));
        assert!(matches!(done.code, Some(0 | 3)), "{done:?}");
    }
    assert_eq!(outbox(&town, &[]), Vec::<Value>::new());
    let got = endpoint.got();
    let mut names = names(&got);
    names.dedup();
    assert_eq!(names.len(), 300);
    assert_eq!(town.replay("l.db"), 300 + 300 + 1 + 300);
}

/// What is said to be delivered must have been sent, wherever it stands in a batch.
#[test]
fn a_delivery_is_one_of_a_notice_that_there_is() {
    let town = town(2);
    let with = |path: &str, value: Value| {
        let mut event = delivered("hello/ever/m0", 0, "m0");
        *event.pointer_mut(path).expect("it is there") = value;
        event
    };
    let expiring = json!({"member": "m0", "run": "hello/ever/m0", "notice": 0,
        "expiring": {"unit": "points", "through": "2026-04-01", "as_of": MIDNIGHT}});
    let rows = [
        (
            delivered("hello/ever/m9", 0, "m0"),
            "data.run: unknown_notice: the ledger has no notice 0 of hello/ever/m9",
        ),
        (
            delivered("hello/ever/m0", 1, "m0"),
            "data.run: unknown_notice: the ledger has no notice 1 of hello/ever/m0",
        ),
        (with("/data/run", json!("0")), "data.run: unknown_notice: the ledger has no notice 0 of 0"),
        (with("/data/run", json!("")), "data.run: "),
        (with("/data/notice", json!(-1)), "data.notice: "),
        (
            with("/source", json!("/x")),
            "source: must be \"/jifen/notices\": `jifen notify` makes such events",
        ),
        (with("/id", json!("mine")), "data: is not that of notice 0 of hello/ever/m0; send {"),
        (with("/data/member", json!("m1")), "data: is not that of notice 0 of hello/ever/m0; send {"),
        (with("/data", expiring), "data: is not that of notice 0 of hello/ever/m0; send {"),
        (with("/time", json!(NOON)), "time: the notice was written at 2026-03-01T16:00:00Z; it came later"),
    ];
    for (event, expected) in rows {
        let refused = town.run("l.db", &[event], &[]);
        assert!(refused.code == Some(3) && refused.err.contains(expected), "{expected}: {refused:?}");
    }
    town.summary(
        "l.db",
        &[
            delivered("hello/ever/m0", 0, "m0"),
            delivered("hello/ever/m0", 0, "m0"),
            delivered("hello/ever/m1", 0, "m1"),
        ],
    );
    assert_eq!(outbox(&town, &[]), Vec::<Value>::new());
    assert_eq!(town.replay("l.db"), 7);

    let together = [
        purchase("0", "m0", NOON, 100),
        close(),
        delivered("hello/ever/m0", 0, "m0"),
        purchase("1", "m0", NOON, 100),
    ];
    let summary = town.summary("other.db", &together);
    assert_eq!(summary["applied"], 4, "{summary}");
    assert_eq!(town.replay("other.db"), 5);
}

/// A ledger that is made anew from what was sent to another need not tell anybody again.
#[test]
fn deliveries_can_be_kept_with_the_other_events() {
    let town = town(2);
    let endpoint = Endpoint::answering(|_| 204);
    let (url, at) = (endpoint.url(), "2026-03-02T09:00:00+08:00");
    let done = town.done(&[&notifying(&url, at)[..], &["--events", "deliveries.jsonl"]].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    let deliveries = objects(&town.path("deliveries.jsonl"));
    assert_eq!(deliveries.len(), 2);
    let before =
        [purchase("x", "m1", NOON, 1), purchase("0", "m0", NOON, 100), purchase("1", "m1", NOON, 100)];
    town.summary("anew.db", &[&before[..], &[close()], &deliveries].concat());
    let waiting = town.done(&["outbox", "--ledger", "anew.db"]);
    assert_eq!((waiting.code, &*waiting.out), (Some(0), ""), "{waiting:?}");
    assert_eq!(town.replay("anew.db"), 3 + 2 + 1 + 2);
}

#[test]
fn what_cannot_be_sent_with_is_said() {
    let town = town(1);
    let free = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let url = format!("http://{}", free.local_addr().expect("it listens"));
    let rows = [
        ("", &*url, "there is no secret; write one a line"),
        (
            "whsec_c2hvcnQ=",
            &url,
            "line 1 of the secrets: has 8 characters; write whsec_ and 24 to 64 bytes in base64",
        ),
        ("whsec_!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!", &url, "line 1 of the secrets: invalid secret"),
        (SECRET, "example", "read the endpoint \"example\""),
        (SECRET, "ftp://example.com/", "the endpoint ftp://example.com/ is not one of HTTP"),
    ];
    for (secret, url, expected) in rows {
        town.write("secret", secret);
        let done = town.done(&notifying(url, NOON));
        assert!(done.code == Some(2) && done.err.contains(expected), "{expected}: {done:?}");
    }
    assert_eq!(outbox(&town, &[]).len(), 1);
    town.change("l.db", "DELETE FROM outbox");
    let checked = town.done(&["audit", "check", "--ledger", "l.db"]);
    let words = "notice 2-0: it is not in the outbox";
    assert!(
        checked.code == Some(1) && (checked.out + &checked.err).contains(words),
        "what is lost is noticed"
    );
}
