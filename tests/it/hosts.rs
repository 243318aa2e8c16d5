//! Several hosts at once on one ledger, each with a file that it shares a half of with another. One is killed and runs its file
//! again. What they come to is what one host comes to alone.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::components::redemption;
use crate::ledgers::on_postgres;
use crate::server::{Server, as_server, perform};
use crate::service::Host;
use crate::town::{Done, Town, lines, purchase, text, until};

const MEMBERS: usize = 24;

/// What a member does, one after the other. Nothing of it depends on what others do.
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of a test")]
fn life(member: usize) -> Vec<Value> {
    let name = format!("m{member:02}");
    let event = |n: usize, kind: &str, data: Value| {
        json!({"specversion": "1.0", "id": format!("{name}/{n}"), "source": "/merchants/shop", "type": format!("jifen.{kind}"),
            "time": format!("2025-07-{:02}T12:00:00+08:00", n + 1), "data": data})
    };
    let buy = |n: usize, amount: u64| {
        let time = format!("2025-07-{:02}T12:00:00+08:00", n + 1);
        purchase(&format!("{name}/{n}"), &name, &time, amount)
    };
    let ask = |n: usize| {
        let data =
            json!({"redemption": format!("{name}/{n}"), "member": name, "merchant": "shop", "item": "rice"});
        event(n, "redemption.requested", data)
    };
    let of = |n: usize| json!({"redemption": format!("{name}/{n}")});
    let lines = json!([{"sku": "rice", "quantity": 0, "amount": 3_000}]);
    let mut paid = buy(4, 5_000);
    paid["data"]["tenders"] = json!([{"kind": "points", "redemption": format!("{name}/1"), "amount": 500},
        {"kind": "cash", "amount": 4_500}]);
    vec![
        buy(0, 10_000),
        ask(1),
        event(2, "redemption.captured", of(1)),
        ask(3),
        paid,
        event(5, "redemption.voided", of(3)),
        event(6, "purchase.refunded", json!({"order": format!("{name}/0"), "lines": lines})),
        event(7, "purchase.refunded", json!({"order": format!("{name}/4")})),
        ask(8),
        event(9, "redemption.captured", of(8)),
        event(
            10,
            "redemption.cancelled",
            json!({"redemption": format!("{name}/8"), "points": 7, "cause": "member"}),
        ),
    ]
}

fn town() -> Town {
    let town = Town::new();
    town.policy("offer", &redemption(30, 0, 0));
    town.program(&[("spend", "spend", "base", "cap = { per_member_per_day = 90 }")]);
    let offer = "[[redemption]]\nid = 'offer'\npolicy = 'offer'\nunit = 'points'\nhold = { days = 20 }\n";
    town.write("program.toml", format!("{}\n{offer}", town.read("program.toml")));
    town
}

/// Starts a host with a file, and what comes behind it.
fn start(town: &Town, file: usize, more: Stdio) -> Child {
    let file = format!("{file}.jsonl");
    let run = ["run", "--program", "program.toml", "--policies", "policies", "--ledger", "l.db", "--json"];
    let mut run = town.jifen(&[&run[..], &[&file, "-"]].concat());
    run.stdin(more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("jifen starts")
}

/// A host that cannot reach the ledger decides nothing, and goes on when it can.
#[test]
fn a_host_without_its_ledger_refuses_until_it_has_it_again() {
    if !on_postgres() {
        return;
    }
    let (town, server) = (Town::new(), Server::start());
    town.put("l.db", server.new_schema());
    for (points, file) in [(1, "one.toml"), (2, "two.toml")] {
        town.program(&[("flat", "flat", "base", &format!("parameters = {{ points = {points} }}"))]);
        town.write(file, town.read("program.toml"));
    }
    assert_eq!(town.change_program("apply", "one.toml", &[]).code, Some(0));
    let host = town.host();
    let buy = |id: &str| host.events(&purchase(id, "ann", "2025-07-25T12:00:00+08:00", 100));
    assert_eq!(buy("1").json()["awards"][0]["granted"], 1);
    server.stop_at_once();
    for id in ["2", "1"] {
        let refused = buy(id);
        assert_eq!((refused.status, text(&refused.json()["code"])), (503, "unavailable"), "{refused:?}");
    }
    assert!(until(|| host.get("/readyz").status == 503), "it says that it is not ready");
    assert_eq!(host.get("/healthz").status, 200);
    server.go_on();
    assert!(until(|| host.get("/readyz").status == 200), "it is ready again");
    assert_eq!(buy("2").json()["awards"][0]["granted"], 1);
    assert_eq!(buy("1").json()["seq"], 1);
    // It hears of another program as before.
    assert_eq!(town.change_program("apply", "two.toml", &["--without-notice"]).code, Some(0));
    assert!(until(|| host.get("/v1/program").json()["version"] == 2), "the host follows");
    assert_eq!(buy("3").json()["awards"][0]["granted"], 2);
    assert_eq!(town.replay("l.db"), 3);
}

#[test]
#[expect(clippy::integer_division, reason = "parts of a test")]
fn several_hosts_come_to_what_one_does_though_one_is_killed() {
    let town = town();
    let lives: Vec<_> = (0..MEMBERS).map(life).collect();
    let done = town.run("alone.db", &lives.concat(), &["--json"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let alone: BTreeSet<_> = town.log("alone.db").into_iter().collect();
    assert_eq!(alone.len(), MEMBERS * lives[0].len());

    // Two thirds of the members each, so that two hosts have each member.
    for file in 0..3 {
        let theirs = lives.iter().enumerate().filter(|(member, _)| member % 3 != file);
        // Not in the same order: one begins where another ends.
        let mut theirs: Vec<_> = theirs.map(|(_, life)| life.clone()).collect();
        theirs.rotate_left(file * MEMBERS / 5);
        town.write(&format!("{file}.jsonl"), lines(&theirs.concat()));
    }
    town.begin("l.db");
    let [first, second] = [0, 1].map(|file| start(&town, file, Stdio::null()));
    // It does not end: more might come.
    let mut killed = start(&town, 2, Stdio::piped());
    town.wait_for("l.db", alone.len() / 6, &mut killed);
    killed.kill().expect("it is our child");
    let end = |run: Child| Done::from(run.wait_with_output().expect("it ends"));
    assert_eq!(end(killed).code, None, "it was killed in the middle");
    let again = start(&town, 2, Stdio::null());
    for done in [first, second, again].map(end) {
        assert_eq!(done.code, Some(0), "{done:?}");
        assert_eq!(done.json()["events"], lives.concat().len() * 2 / 3, "{done:?}");
    }
    let log = town.log("l.db");
    assert_eq!(log.len(), alone.len());
    assert!(log.into_iter().collect::<BTreeSet<_>>() == alone, "the receipts are those of one host");
    assert_eq!(town.balances("l.db"), town.balances("alone.db"));
    assert_eq!(town.replay("l.db"), u64::try_from(alone.len()).expect("a count"));
}

/// With `sslmode=require`, everything goes over TLS, to a server whose certificate is trusted and to no other.
#[test]
fn the_way_to_the_server_is_encrypted_where_the_url_says_so() {
    if !on_postgres() {
        return;
    }
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("there is a port").port();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let folder = std::env::temp_dir().join(format!("jifen-tls-{}-{port}", std::process::id()));
    // The key is of whoever runs the server.
    let keep = |name: &str, pem: &str| {
        let mut keep = as_server("sh");
        keep.args(["-c", "umask 077; mkdir -p \"$1\"; cat > \"$1/$2\"", "keep"]).arg(&folder).arg(name);
        let mut keep = keep.stdin(Stdio::piped()).spawn().expect("sh starts");
        let mut to = keep.stdin.take().expect("it is piped");
        to.write_all(pem.as_bytes()).expect("sh reads");
        drop(to);
        assert!(keep.wait().expect("it ends").success());
    };
    keep("c.pem", &made.cert.pem());
    keep("k.pem", &made.signing_key.serialize_pem());
    let files = folder.display();
    let settings = format!(
        "listen_addresses = '127.0.0.1'\nport = {port}\nssl = on\nssl_cert_file = '{files}/c.pem'\nssl_key_file = '{files}/k.pem'\n"
    );
    let _server = Server::with(settings.leak());
    let town = Town::new();
    town.write("ca.pem", made.cert.pem());
    town.program(&[("flat", "flat", "base", "parameters = { points = 1 }")]);
    town.put("l.db", format!("postgres://postgres@localhost:{port}/postgres?sslmode=require"));
    let jifen = |arguments: &[&str]| {
        let mut jifen = town.jifen(arguments);
        jifen.env("SSL_CERT_FILE", town.path("ca.pem"));
        jifen
    };
    let apply = [
        "apply",
        "--ledger",
        "l.db",
        "--program",
        "program.toml",
        "--policies",
        "policies",
        "--why",
        "a test",
    ];
    let stranger = town.done(&apply);
    assert!(stranger.code == Some(2) && stranger.err.contains("certificate"), "{stranger:?}");
    let applied = Done::from(jifen(&apply).output().expect("jifen starts"));
    assert_eq!(applied.code, Some(0), "{applied:?}");
    let host = Host::start(&mut jifen(&["serve", "--ledger", "l.db", "--listen", "127.0.0.1:0"]));
    assert_eq!(host.events(&purchase("1", "ann", "2025-07-25T12:00:00+08:00", 100)).status, 200);
    let plain = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let ours = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'jifen'";
    assert_eq!(perform(&plain, ours).trim(), "t");
    as_server("rm").arg("-rf").arg(&folder).status().expect("rm starts");
}
