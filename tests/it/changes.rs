//! Which program is at work: `jifen plan`, `apply`, `rollback`, `changes`, and hosts that follow (F7).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::components::{redemption, spend_guest};
use crate::ledgers::on_postgres;
use crate::service::{Answer, Host};
use crate::support::beside;
use crate::town::{Done, Town, purchase, text, until};

const NOON: &str = "2025-07-25T12:00:00+08:00";

/// Writes a program that awards so many points for each purchase.
fn program(town: &Town, file: &str, points: u64) {
    town.program(&[("flat", "flat", "base", &format!("parameters = {{ points = {points} }}"))]);
    town.write(file, town.read("program.toml"));
}

fn done(town: &Town, command: &str, more: &[&str]) -> Done {
    town.done(&[&[command, "--ledger", "l.db"], more].concat())
}

fn apply(town: &Town, file: &str, more: &[&str]) -> Done {
    let by = ["--without-notice", "--who", "赵敏"];
    town.change_program("apply", file, &[&by, more].concat())
}

fn plan(town: &Town, file: &str) -> Done {
    done(town, "plan", &["--program", file, "--policies", "policies"])
}

#[test]
fn programs_are_planned_applied_and_rolled_back() {
    let town = Town::new();
    town.begin("l.db");
    program(&town, "one.toml", 1);
    program(&town, "two.toml", 2);
    let planned = plan(&town, "one.toml").out;
    assert!(
        planned.starts_with("the first program of this ledger\n+ calendar town\n+ deployment flat\n"),
        "{planned}"
    );
    let first = apply(&town, "one.toml", &[]);
    assert!(first.code == Some(0) && first.out.contains("version 1 is at work"), "{first:?}");
    let again = apply(&town, "one.toml", &[]);
    assert!(
        again.code == Some(0) && again.err.contains("nothing changes: it is the program of version 1"),
        "{again:?}"
    );
    let planned = plan(&town, "two.toml");
    assert_eq!(planned.out, "from version 1\n~ deployment flat: parameters.points 1 -> 2\n");
    let stale = apply(&town, "two.toml", &["--after", "7"]);
    assert!(stale.code == Some(2) && stale.err.contains("the last version is 1"), "{stale:?}");
    assert_eq!(apply(&town, "two.toml", &["--after", "1", "--json"]).json()["version"], 2);
    for (more, told) in [
        (&["--after", "2", "--why", " "][..], "--why says nothing"),
        (&["--why", "x"], "--after <VERSION>"),
        (&["--why", "x", "--after", "1"], "the last version is 2"),
        (&["--why", "x", "--to", "9"], "there is no version 9; the last is 2"),
        (&["--why", "x", "--to", "2"], "version 2 has the program that is at work"),
    ] {
        let refused = done(&town, "rollback", more);
        assert!(refused.code == Some(2) && refused.err.contains(told), "{refused:?}");
    }
    let back = done(&town, "rollback", &["--after", "2", "--who", "钱进", "--why", "两倍太多"]);
    assert!(back.code == Some(0) && back.out.contains("version 3 is at work"), "{back:?}");
    let changes = done(&town, "changes", &["--json"]);
    let changes: Vec<Value> =
        changes.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told =
        changes.iter().map(|it| format!("{} {} {}", it["version"], text(&it["who"]), text(&it["why"])));
    assert_eq!(told.collect::<Vec<_>>(), ["1 赵敏 a test", "2 赵敏 a test", "3 钱进 两倍太多"]);
    assert_eq!(changes[0]["program"], changes[2]["program"]);
    assert_eq!(done(&town, "changes", &[]).out.lines().count(), 3);
}

#[test]
fn a_plan_says_what_differs() {
    let town = Town::new();
    town.begin("l.db");
    town.program(&[("spend", "spend", "base", ""), ("flat", "flat", "base", "parameters = { points = 1 }")]);
    apply(&town, "program.toml", &[]);
    town.program(&[
        ("flat", "flat", "base", "parameters = { points = 1 }\nbudget = 900"),
        ("spend", "spend", "bonus", ""),
        ("double", "doubling", "bonus", ""),
    ]);
    town.write("program.toml", town.read("program.toml").replace("小镇", "大镇"));
    let planned = plan(&town, "program.toml");
    assert_eq!(
        planned.out,
        "from version 1\n\
         ~ deployment spend: lane \"base\" -> \"bonus\"\n\
         ~ deployment flat: budget nothing -> 900\n\
         + deployment double\n\
         ~ deployment: order [\"spend\",\"flat\"] -> [\"flat\",\"spend\"]\n\
         ~ program: name \"小镇\" -> \"大镇\"\n"
    );
    // What is no table of the file.
    apply(&town, "program.toml", &[]);
    town.write("program.toml", format!("# Of the big town.\n{}", town.read("program.toml")));
    let planned = plan(&town, "program.toml");
    assert_eq!(planned.out, "from version 2\n~ text: layout\n");
    // Another component under the same name.
    apply(&town, "program.toml", &[]);
    town.policy("spend", &crate::components::counting());
    let planned = plan(&town, "program.toml").out;
    assert!(planned.starts_with("from version 3\n~ deployment spend: component \"spend "), "{planned}");
}

#[test]
fn a_host_serves_what_is_at_work_and_nothing_else() {
    let town = Town::new();
    program(&town, "one.toml", 1);
    program(&town, "two.toml", 2);
    let serve = |more: &[&str]| done(&town, "serve", &[&["--listen", "127.0.0.1:0"], more].concat());
    let nothing = serve(&[]);
    assert!(
        nothing.code == Some(2) && nothing.err.contains("no program was ever put to work here"),
        "{nothing:?}"
    );
    apply(&town, "one.toml", &[]);
    let other = serve(&["--program", "two.toml", "--policies", "policies"]);
    assert!(other.code == Some(2) && other.err.contains("`jifen apply` puts it to work"), "{other:?}");
    let host = town.host();
    assert_eq!(granted(&host.events(&purchase("1", "ann", NOON, 100)).json()), 1);
    let answer = host.get("/v1/program");
    let program = answer.json();
    assert_eq!((answer.header("etag"), &program["version"]), ("\"1\"", &json!(1)));
    assert!(
        text(&program["text"]).contains("points = 1") && program["pins"]["policies"][0]["policy"] == "flat"
    );
    // As text it is the file, by whatever it is named.
    let digest = text(&program["program"]);
    for name in ["1", digest] {
        let found = host.get(&format!("/v1/programs/{name}")).json();
        let same = ["program", "text", "pins"].iter().all(|key| found[*key] == program[*key]);
        assert!(same, "{found}");
        assert_eq!(done(&town, "program", &[name]).out, town.read("one.toml"));
        assert_eq!(done(&town, "program", &[name, "--json"]).json(), found);
    }
    assert_eq!(done(&town, "program", &[]).out, town.read("one.toml"));
    for name in ["2", "latest", &"ab".repeat(32)] {
        assert_eq!(host.get(&format!("/v1/programs/{name}")).status, 404, "{name}");
        let unknown = done(&town, "program", &[name]);
        assert!(unknown.code == Some(2) && unknown.err.contains("has no version or program"), "{unknown:?}");
    }
    let changes = host.get("/v1/program/changes").json();
    assert_eq!((&changes["changes"][0]["who"], &changes["next"]), (&json!("赵敏"), &Value::Null));
    assert_eq!(host.get("/v1/program/changes?after=1").json(), json!({"changes": []}));
}

fn granted(receipt: &Value) -> u64 {
    receipt["awards"][0]["granted"].as_u64().unwrap_or_else(|| panic!("nothing was granted: {receipt}"))
}

/// What this machine lacks is no fault of the event's: the same may be sent again, to another host or later.
#[test]
fn what_a_host_cannot_compile_now_is_not_refused() {
    let town = Town::new();
    program(&town, "one.toml", 1);
    apply(&town, "one.toml", &[]);
    assert_eq!(town.host().events(&purchase("1", "ann", NOON, 100)).status, 200);
    program(&town, "two.toml", 2);
    apply(&town, "two.toml", &[]);
    // A compiler that is taken away, and a host that has compiled what is at work and nothing of before.
    let compiler = town.path("jifen-compile");
    let take_away = || std::fs::remove_file(&compiler).expect("it is there");
    let bring = || std::os::unix::fs::symlink(beside("jifen-compile"), &compiler).expect("there is room");
    bring();
    let mut serve = town.jifen(&["serve", "--ledger", "l.db", "--listen", "127.0.0.1:0"]);
    let host = Host::start(serve.env("JIFEN_CACHE", town.path("cache")).env("JIFEN_COMPILE", &compiler));
    take_away();
    let returned = json!({
        "specversion": "1.0", "id": "r", "source": "/merchants/shop", "type": "jifen.purchase.refunded", "time": NOON,
        "data": {"order": "1"},
    });
    let answer = host.events(&returned);
    assert_eq!((answer.status, text(&answer.json()["code"])), (503, "unavailable"), "{answer:?}");
    // Others are decided.
    assert_eq!(host.events(&purchase("2", "ann", NOON, 100)).status, 200);
    bring();
    assert_eq!(host.events(&returned).status, 200);
}

/// By the old program it would decide what other hosts would not.
#[test]
fn a_host_that_cannot_load_what_is_at_work_decides_nothing() {
    let town = Town::new();
    program(&town, "one.toml", 1);
    apply(&town, "one.toml", &[]);
    let host = town.host();
    let buy = |id: &str| host.events(&purchase(id, "ann", NOON, 100));
    assert_eq!(buy("1").status, 200);
    // Of a build that writes its programs in another way.
    let bytes =
        |hex: &str| if on_postgres() { format!("decode('{hex}', 'hex')") } else { format!("x'{hex}'") };
    let (digest, body) = (bytes(&"ab".repeat(32)), bytes("7b7d"));
    let at_work = format!(
        "INSERT INTO programs (digest, body) VALUES ({digest}, {body});
         INSERT INTO changes (version, program, made_ms, who, why) VALUES (2, {digest}, 0, 'a later build', 'a test')"
    );
    town.change("l.db", &at_work);
    assert!(until(|| host.get("/readyz").status == 503), "the host learns of it");
    let refused = buy("2");
    assert_eq!((refused.status, refused.json()["code"].clone()), (503, json!("unavailable")));
    let back = done(&town, "rollback", &["--to", "1", "--why", "a test"]);
    assert!(back.out.contains("version 3 is at work"), "{back:?}");
    assert!(until(|| host.get("/readyz").status == 200), "the host follows");
    assert_eq!(buy("2").status, 200);
    assert_eq!(town.balances("l.db"), "ann 2");
}

/// F10: what failed three times in a row is put back to what was before it, if that was something else.
#[test]
fn a_release_that_fails_three_times_in_a_row_is_put_back() {
    let town = Town::new();
    // It fails on more than 100 yuan.
    let fragile = spend_guest(100).evaluate(
        "(if (i64.gt_u (call $sum (local.get $arguments)) (i64.const 10000)) (then unreachable))
         (call $award (i64.const 7))",
    );
    town.policy("fragile", &fragile.build());
    let flat = ("flat", "flat", "base", "parameters = { points = 1 }");
    let program = |file: &str, deployments: &[(&str, &str, &str, &str)]| {
        town.write(file, town.program(deployments).read("program.toml"));
    };
    program("one.toml", &[flat]);
    program("two.toml", &[flat, ("more", "fragile", "bonus", "")]);
    let twice = ("flat", "flat", "base", "parameters = { points = 2 }");
    program("three.toml", &[twice, ("more", "fragile", "bonus", "")]);
    program("four.toml", &[twice]);
    let thrice = ("flat", "flat", "base", "parameters = { points = 3 }");
    program("five.toml", &[thrice, ("more", "fragile", "bonus", "")]);
    apply(&town, "one.toml", &[]);
    let host = town.host();
    let version = || host.get("/v1/program").json()["version"].clone();
    let put = |file: &str, now: u64| {
        apply(&town, file, &[]);
        assert!(until(|| version() == now), "the host follows");
    };
    put("two.toml", 2);
    let buy = |id: &str, fen: u64| host.events(&purchase(id, "ann", NOON, fen)).json();
    for (id, fen) in [("1", 20_000), ("2", 20_000), ("3", 5_000), ("4", 20_000), ("5", 20_000)] {
        assert_eq!(buy(id, fen)["awards"][0]["granted"], 1, "who buys gets what is sure");
    }
    assert_eq!(version(), 2);
    buy("6", 20_000);
    assert!(until(|| version() == 3), "the program is put back");
    let changes = host.get("/v1/program/changes").json()["changes"].clone();
    let (first, last) = (&changes[0], &changes[2]);
    assert_eq!((&first["program"], &last["who"]), (&last["program"], &json!("jifen")));
    assert!(text(&last["why"]).starts_with("more failed 3 times in a row; the last time it "), "{last}");
    assert_eq!(buy("7", 20_000)["faults"], json!([]));
    // What is returned is put to the program by which it was bought, whatever is at work.
    for (n, order) in ["1", "2", "4", "5"].iter().enumerate() {
        let line = json!({"sku": "rice", "quantity": 0, "amount": 100});
        let returned = json!({
            "specversion": "1.0", "id": format!("r{n}"), "source": "/merchants/shop", "type": "jifen.purchase.refunded",
            "time": NOON, "data": {"order": order, "lines": [line]},
        });
        assert_eq!(host.events(&returned).status, 200);
    }
    assert_eq!(version(), 3);
    let fail = |ids: [&str; 3]| ids.into_iter().for_each(|id| drop(buy(id, 20_000)));
    // What others changed since is not undone with it.
    put("two.toml", 4);
    put("three.toml", 5);
    fail(["8", "9", "10"]);
    assert!(until(|| stays(&host)), "it stays");
    assert_eq!(version(), 5);
    // What came with it is.
    put("four.toml", 6);
    put("five.toml", 7);
    fail(["11", "12", "13"]);
    assert!(until(|| version() == 8), "the program is put back");
    // Once more by a person, it is put back once more.
    put("five.toml", 9);
    fail(["14", "15", "16"]);
    assert!(until(|| version() == 10), "the program is put back");
    let changes = host.get("/v1/program/changes").json()["changes"].clone();
    assert!([7, 9].iter().all(|place| changes[*place]["program"] == changes[5]["program"]), "{changes}");
}

fn stays(host: &Host) -> bool {
    host.get("/metrics").text.contains("jifen_rules_failing_total{outcome=\"stays\"} 1")
}

#[test]
fn what_a_person_withdrew_is_not_put_to_work_again() {
    let town = Town::new();
    program(&town, "generous.toml", 10);
    town.policy("broken", &spend_guest(100).evaluate("unreachable").build());
    let failing = town.program(&[("flat", "broken", "base", "")]).read("program.toml");
    town.write("failing.toml", failing);
    apply(&town, "failing.toml", &[]);
    apply(&town, "generous.toml", &[]);
    let back = done(&town, "rollback", &["--after", "2", "--why", "that was a mistake"]);
    assert_eq!(back.code, Some(0), "{back:?}");
    let host = town.host();
    for id in ["1", "2", "3"] {
        assert_eq!(host.events(&purchase(id, "ann", NOON, 100)).json()["awards"], json!([]));
    }
    assert!(until(|| stays(&host)), "it stays");
    assert_eq!(host.get("/v1/program").json()["version"], 3);
}

/// F10 of a rule that members ask for what they can use.
#[test]
fn a_redemption_rule_that_fails_three_times_in_a_row_is_put_back() {
    let town = Town::new();
    town.policy("mug", &redemption(60, 0, 0));
    // More points than there can be.
    town.policy("broken", &redemption(u64::MAX, 0, 0));
    let flat = ("flat", "flat", "base", "parameters = { points = 100 }");
    for policy in ["mug", "broken"] {
        let head = town.program(&[flat]).read("program.toml");
        let text = format!("{head}\n[[redemption]]\nid = 'mug'\npolicy = '{policy}'\nunit = 'points'\n");
        town.write(&format!("{policy}.toml"), text);
        apply(&town, &format!("{policy}.toml"), &[]);
    }
    let host = town.host();
    let version = || host.get("/v1/program").json()["version"].clone();
    assert_eq!(host.events(&purchase("1", "ann", NOON, 100)).status, 200);
    let ask = |name: &str, item: &str| {
        let wanted = json!({"redemption": name, "member": "ann", "merchant": "shop", "item": item});
        host.post("/v1/redemptions", wanted.to_string())
    };
    // The same once more is no other.
    for name in ["r1", "r2", "r1", "r2"] {
        let refused = ask(name, "mug");
        assert_eq!(refused.status, 422, "{refused:?}");
        assert!(text(&refused.json()["detail"]).contains("mug failed ("), "{refused:?}");
    }
    assert_eq!(version(), 2);
    assert_eq!(ask("r3", "mug").status, 422);
    assert!(until(|| version() == 3), "the program is put back");
    let taken = ask("r3", "mug");
    assert_eq!(taken.status, 200, "{taken:?}");
    let counted = host.get("/metrics").text;
    assert!(counted.contains("jifen_rules_failing_total{outcome=\"put-back\"} 1"), "{counted}");
    host.tell_to_stop();
    let (_, told) = host.end();
    let alert = "version 2: mug failed 3 times in a row; the last time it ";
    assert!(
        told.contains(alert) && told.contains("what was at work before is at work as version 3"),
        "{told}"
    );
}

#[test]
fn two_bad_releases_do_not_take_turns() {
    let town = Town::new();
    let bad = |points: u64| {
        spend_guest(100).evaluate(&format!("(drop (i64.const {points})) (unreachable)")).build()
    };
    town.policy("one", &bad(1));
    town.policy("two", &bad(2));
    for file in ["one", "two"] {
        let text = town.program(&[("rate", file, "base", "")]).read("program.toml");
        town.write(&format!("{file}.toml"), text);
        apply(&town, &format!("{file}.toml"), &[]);
    }
    let host = town.host();
    let buy = |from: u32| {
        (from..from + 6).for_each(|id| drop(host.events(&purchase(&id.to_string(), "ann", NOON, 100))));
    };
    let changes = || host.get("/v1/program/changes").json()["changes"].as_array().map(Vec::len);
    buy(0);
    // Back to the first once, and no further.
    assert!(until(|| changes() == Some(3)), "the program is put back");
    buy(6);
    thread::sleep(Duration::from_millis(500));
    assert_eq!(changes(), Some(3));
}

/// Of changes that are made on one version at once, one is made.
#[test]
fn one_of_several_changes_is_made() {
    let town = Town::new();
    program(&town, "0.toml", 1);
    apply(&town, "0.toml", &[]);
    let files: Vec<String> = (1..5).map(|n| format!("{n}.toml")).collect();
    files.iter().zip(2..).for_each(|(file, points)| program(&town, file, points));
    let made: Vec<Done> = thread::scope(|scope| {
        let racing: Vec<_> =
            files.iter().map(|file| scope.spawn(|| apply(&town, file, &["--after", "1"]))).collect();
        racing.into_iter().map(|one| one.join().expect("it ends")).collect()
    });
    let (won, lost): (Vec<_>, Vec<_>) = made.iter().partition(|done| done.code == Some(0));
    assert_eq!(won.len(), 1, "{made:?}");
    let superseded = "the program was changed meanwhile, the last version is 2";
    lost.iter().for_each(|done| assert!(done.code == Some(2) && done.err.contains(superseded), "{done:?}"));
    assert_eq!(done(&town, "changes", &[]).out.lines().count(), 2);
}

/// Two hosts decide while the program changes, again and again: no event is lost or done twice, each is decided by one program whole,
/// and both follow.
#[test]
fn swaps_under_load_lose_nothing() {
    const PROGRAMS: usize = 20;
    const EVENTS: usize = 10_000;
    const CLIENTS: usize = 4;
    const BATCH: usize = 20;
    let town = Town::new();
    program(&town, "one.toml", 1);
    program(&town, "two.toml", 2);
    apply(&town, "one.toml", &[]);
    let hosts = [town.host(), town.host()];
    let done = AtomicBool::new(false);
    let receipts: Vec<Value> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (host, done) = (&hosts[client % 2], &done);
                let buy = move |n| purchase(&format!("{client}-{n}"), &format!("m{client}"), NOON, 100);
                let decided = move |batch: usize| {
                    let events: Vec<_> = (batch * BATCH..(batch + 1) * BATCH).map(buy).collect();
                    host.events(&json!(events)).json().as_array().expect("an array").clone()
                };
                let goes_on =
                    move |batch: &usize| !done.load(Ordering::Relaxed) || batch * BATCH * CLIENTS < EVENTS;
                scope.spawn(move || (0..).take_while(goes_on).flat_map(decided).collect::<Vec<_>>())
            })
            .collect();
        for (n, file) in ["two.toml", "one.toml"].into_iter().cycle().take(PROGRAMS).enumerate() {
            assert_eq!(apply(&town, file, &[]).code, Some(0));
            for host in &hosts {
                assert!(until(|| host.get("/v1/program").json()["version"] == n + 2), "a host follows");
            }
        }
        done.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().expect("it is answered")).collect()
    });
    let decided: BTreeSet<_> =
        receipts.iter().map(|receipt| (text(&receipt["program"]), granted(receipt))).collect();
    assert_eq!(decided.len(), 2, "each program has its points: {decided:?}");
    assert!(receipts.len() >= EVENTS);
    assert_eq!(town.log("l.db").len(), receipts.len());
    assert_eq!(u64::try_from(receipts.len()), Ok(town.replay("l.db")));
    assert_eq!(apply(&town, "two.toml", &[]).code, Some(0));
    for (n, host) in hosts.iter().enumerate() {
        assert!(until(|| host.get("/v1/program").json()["version"] == PROGRAMS + 2), "a host follows");
        assert_eq!(granted(&host.events(&purchase(&format!("last-{n}"), "ann", NOON, 100)).json()), 2);
    }
}

/// A host is killed while it changes the program and decides, again and again: what it acknowledged is there, what it did not can be
/// sent to another, and that one follows.
#[test]
fn a_host_that_is_killed_in_mid_swap_loses_nothing() {
    const ROUNDS: u64 = 5;
    let town = Town::new();
    program(&town, "one.toml", 1);
    program(&town, "two.toml", 2);
    apply(&town, "one.toml", &[]);
    let survivor = town.host();
    let version = || survivor.get("/v1/program").json()["version"].as_u64().expect("a number");
    let mut events = 0;
    for round in 0..ROUNDS {
        let (killed, before) = (town.host(), version());
        let swap = |version: u64| {
            let file = if version % 2 == 1 { "two.toml" } else { "one.toml" };
            let put = killed.put("/v1/program?who=%E8%B5%B5%E6%95%8F&why=a+test&without_notice=true");
            let put = put.header("if-match", format!("\"{version}\"")).body(town.read(file));
            Answer::try_to(put).map(|answer| assert_eq!(answer.status, 200, "{answer:?}"))
        };
        let send = |event: &Value| {
            let request = killed.request("/v1/events").header("content-type", "application/json");
            Answer::try_to(request.body(event.to_string())).map(|answer| answer.json())
        };
        let sent: Vec<(Value, Option<Value>)> = thread::scope(|scope| {
            let buyers: Vec<_> = (0..3)
                .map(|buyer| {
                    let buy =
                        move |n| purchase(&format!("{round}-{buyer}-{n}"), &format!("m{buyer}"), NOON, 100);
                    scope.spawn(move || {
                        let mut sent = Vec::new();
                        for event in (0..).map(buy) {
                            let answer = send(&event).ok();
                            let gone = answer.is_none();
                            sent.push((event, answer));
                            if gone {
                                break;
                            }
                        }
                        sent
                    })
                })
                .collect();
            let swapper = scope.spawn(|| (before..).map(swap).take_while(Result::is_ok).count());
            assert!(until(|| version() >= before + 2), "the program is swapped");
            killed.tell("-KILL");
            // The answer to the last may die with the host.
            assert!(swapper.join().expect("it is refused nothing") >= 1);
            buyers.into_iter().flat_map(|buyer| buyer.join().expect("it is answered")).collect()
        });
        for (event, answer) in &sent {
            let again = survivor.events(event);
            let receipt = again.json();
            match answer {
                Some(acknowledged) => {
                    assert_eq!((again.header("idempotent-replayed"), &receipt), ("true", acknowledged));
                }
                None => assert_eq!((again.status, &receipt["outcome"]), (200, &json!("applied"))),
            }
        }
        events += u64::try_from(sent.len()).expect("a count");
        let changes =
            || survivor.get(&format!("/v1/program/changes?after={before}")).json()["changes"].clone();
        let last = || changes().as_array().and_then(|all| all.last()?["version"].as_u64());
        assert!(until(|| last() == Some(version())), "the survivor follows");
    }
    assert_eq!(town.replay("l.db"), events);
}
