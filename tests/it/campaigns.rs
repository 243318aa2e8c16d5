//! Campaigns: something is done once for each member, whoever closes the day and whatever happens meanwhile.

use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::components::{campaign, campaign_for, campaign_of, consoling, redemption, topping_up};
use crate::town::{Done, Town, purchase, registration, text};

const MEMBERS: usize = 600;
const NOON: &str = "2026-03-01T12:00:00+08:00";

/// Returns a town with a campaign that gives everybody seven points.
fn town(lines: &str) -> Town {
    let town = Town::new();
    town.policy("gift", &campaign(7));
    town.policy("looping", &campaign_of("(loop $again (br $again)) (unreachable)"));
    town.program(&[("spend", "spend", "base", "")]);
    let gift = format!("[[campaign]]\nid = 'gift'\npolicy = 'gift'\nunit = 'points'\n{lines}\n");
    town.write("program.toml", format!("{}\n{gift}", town.read("program.toml")));
    town
}

fn purchases() -> Vec<Value> {
    purchases_of(MEMBERS)
}

fn purchases_of(members: usize) -> Vec<Value> {
    (0..members).map(|n| purchase(&n.to_string(), &format!("m{n:03}"), NOON, 100)).collect()
}

fn closing(id: &str, day: &str, time: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/jifen", "type": "jifen.day.closed", "time": time, "data": {"day": day}})
}

fn first_close(id: &str) -> Value {
    closing(id, "2026-03-01", "2026-03-02T00:00:00+08:00")
}

fn run_of(campaign: &str, once: &str, member: &str, time: &str) -> Value {
    json!({"specversion": "1.0", "id": format!("{campaign}/{once}/{member}"), "source": "/jifen/campaigns",
        "type": "jifen.campaign.ran", "time": time, "data": {"campaign": campaign, "member": member}})
}

/// Sees that everybody has a point of the purchase and those of the campaign.
fn everybody_has(town: &Town, ledger: &str, points: u64) {
    let expected: Vec<_> = (0..MEMBERS).map(|n| format!("m{n:03} {points}")).collect();
    assert_eq!(town.balances(ledger), expected.join(", "));
}

fn start(town: &Town, close: Value) -> Child {
    let file = format!("{}.jsonl", text(&close["id"]));
    town.write(&file, format!("{close}\n"));
    let run =
        ["run", "--program", "program.toml", "--policies", "policies", "--ledger", "l.db", "--json", &file];
    town.jifen(&run).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("jifen starts")
}

#[test]
fn the_result_does_not_depend_on_threads() {
    // More than are read together.
    let members = 4_100;
    for (lines, points, tally) in [
        ("", 28_700, json!({"members": members, "acted": members})),
        ("budget = 28500", 28_500, json!({"members": members, "acted": 4_072, "withheld": 28})),
    ] {
        let town = town(lines);
        let logs = ["1", "4"].map(|threads| {
            let ledger = format!("{threads}.db");
            town.summary(&ledger, &purchases_of(members));
            let done = town.run(&ledger, &[first_close("c")], &["--json", "--threads", threads]);
            assert_eq!(done.code, Some(0), "{done:?}");
            let told = (&done.json()["campaigns"]["gift"], &done.json()["events"]);
            assert_eq!(told, (&tally, &json!(1)), "{done:?}");
            assert_eq!(done.json()["by_deployment"]["gift"], json!(points), "{done:?}");
            town.log(&ledger)
        });
        assert_eq!(logs[0], logs[1]);
        town.replay("1.db");
    }
}

#[test]
fn two_who_close_the_same_day_do_it_once() {
    let town = town("");
    town.summary("l.db", &purchases());
    let runs = ["one", "other"].map(|id| start(&town, first_close(id)));
    for run in runs {
        let done = Done::from(run.wait_with_output().expect("it ends"));
        assert_eq!(done.code, Some(0), "{done:?}");
    }
    everybody_has(&town, "l.db", 8);
    assert_eq!(town.replay("l.db"), 2 * 600 + 2);
}

#[test]
fn a_close_that_was_killed_is_finished_by_sending_it_again() {
    let town = town("");
    town.summary("l.db", &purchases());
    let mut run = start(&town, first_close("c"));
    town.wait_for("l.db", MEMBERS + 1, &mut run);
    run.kill().expect("it is our child");
    drop(run.wait());
    let again = Done::from(start(&town, first_close("c")).wait_with_output().expect("it ends"));
    assert_eq!(again.code, Some(0), "{again:?}");
    everybody_has(&town, "l.db", 8);
    assert_eq!(town.replay("l.db"), 2 * 600 + 1);
}

/// The name is the month's, and the two events of a member are not the same.
#[test]
fn two_who_close_different_days_do_it_once_for_both() {
    let town = town("once = 'month'");
    town.summary("l.db", &purchases());
    let days = [("2026-03-01", "2026-03-02T00:00:00+08:00"), ("2026-03-02", "2026-03-03T00:00:00+08:00")];
    let runs = days.map(|(day, time)| start(&town, closing(day, day, time)));
    for run in runs {
        let done = Done::from(run.wait_with_output().expect("it ends"));
        assert_eq!(done.code, Some(0), "{done:?}");
    }
    everybody_has(&town, "l.db", 8);
    assert_eq!(town.replay("l.db"), 2 * 600 + 2);
}

/// What anybody may send, and what not.
#[test]
fn an_event_of_a_campaign_has_one_name_and_one_time() {
    let town = town("days = { dates = ['2026-03-02'] }\nuntil = '2026-04-01T00:00:00+08:00'");
    town.summary("l.db", &[purchase("1", "ann", NOON, 100)]);
    let with = |key: &str, value: Value| {
        let mut event = run_of("gift", "2026-03-02", "ann", "2026-03-02T00:00:00+08:00");
        event[key] = value;
        event
    };
    let rows = [
        (
            with("source", json!("/x")),
            "source: must be \"/jifen/campaigns\": closing a day makes such events",
        ),
        (
            with("id", json!("gift/2026-03-02")),
            "id: must be \"gift/2026-03-02/ann\", so that it is done once",
        ),
        (
            with("time", json!("2026-03-02T00:00:01+08:00")),
            "time: a campaign runs as its day begins, at 2026-03-02T00:00:00+08:00",
        ),
        (with("data", json!({"campaign": "gift"})), "data: missing field `member`"),
        (with("data", json!({"campaign": "", "member": "ann"})), "data.campaign: "),
        (
            run_of("gift", "2026-03-03", "ann", "2026-03-03T00:00:00+08:00"),
            "data.campaign: gift does not run on 2026-03-03",
        ),
        (
            run_of("spend", "2026-03-02", "ann", "2026-03-02T00:00:00+08:00"),
            "data.campaign: there is no [[campaign]] \"spend\"",
        ),
    ];
    for (event, expected) in rows {
        let refused = town.run("l.db", &[event], &[]);
        assert!(refused.code == Some(3) && refused.err.contains(expected), "{expected}: {refused:?}");
    }
    let good = run_of("gift", "2026-03-02", "ann", "2026-03-02T00:00:00+08:00");
    town.summary("l.db", &[good.clone(), good]);
    let closed = town.summary("l.db", &[first_close("c")]);
    assert_eq!(closed["campaigns"], json!({"gift": {"members": 1, "acted": 0}}), "it was done: {closed}");
    assert_eq!(town.balances("l.db"), "ann 8");
    assert_eq!(town.replay("l.db"), 3);
}

/// What referrers get has caps that count what others brought them, in a campaign as well.
#[test]
fn a_campaign_may_reward_who_referred_up_to_a_cap() {
    let town = town("cap = { per_referrer_per_day = 15 }");
    town.policy("gift", &campaign_for(1, 7));
    let joins = ["bob", "cat", "dan"].map(|member| {
        let mut join = registration(member, member, NOON);
        join["data"]["referrer"] = json!("ann");
        join
    });
    town.summary("l.db", &[&joins[..], &[purchase("1", "ann", NOON, 100)]].concat());
    let closed = town.summary("l.db", &[first_close("c")]);
    assert_eq!(closed["campaigns"]["gift"]["faults"], json!(null), "{closed}");
    assert_eq!(town.balances("l.db"), "ann 16");
    town.replay("l.db");
}

/// The name is for ever, and what was only looked at is not what was done.
#[test]
fn a_campaign_that_goes_live_does_what_it_did_in_shadow() {
    let town = town("once = 'ever'\nmode = 'shadow'");
    town.summary("l.db", &[purchase("1", "ann", NOON, 100)]);
    let days = [("2026-03-01", "2026-03-02"), ("2026-03-02", "2026-03-03"), ("2026-03-03", "2026-03-04")];
    let close = |n: usize| {
        let (day, next) = days[n];
        let closed = town.summary("l.db", &[closing(day, day, &format!("{next}T00:00:00+08:00"))]);
        format!("{} {}", closed["campaigns"]["gift"]["acted"], town.balances("l.db"))
    };
    assert_eq!(close(0), "1 ann 1");
    town.write("program.toml", town.read("program.toml").replace("mode = 'shadow'", ""));
    assert_eq!(close(1), "1 ann 8");
    assert_eq!(close(2), "0 ann 8");
    assert_eq!(town.replay("l.db"), 5 + 1);
}

#[test]
fn what_a_budget_leaves_nothing_of_is_done_when_there_is_more() {
    let town = town("once = 'ever'\nbudget = 10");
    town.summary("l.db", &["ann", "bob", "cat"].map(|member| purchase(member, member, NOON, 100)));
    let closed = town.summary("l.db", &[first_close("c")]);
    let tally = json!({"gift": {"members": 3, "acted": 2, "withheld": 1}});
    assert_eq!((&closed["campaigns"], town.balances("l.db")), (&tally, "ann 8, bob 4, cat 1".to_owned()));
    let closed = town.summary("l.db", &[closing("d", "2026-03-02", "2026-03-03T00:00:00+08:00")]);
    let tally = json!({"gift": {"members": 3, "acted": 0, "withheld": 1}});
    assert_eq!(closed["campaigns"], tally, "the others have had it");
    town.write("program.toml", town.read("program.toml").replace("budget = 10", "budget = 17"));
    let closed = town.summary("l.db", &[closing("e", "2026-03-03", "2026-03-04T00:00:00+08:00")]);
    let tally = json!({"gift": {"members": 3, "acted": 1}});
    assert_eq!((&closed["campaigns"], town.balances("l.db")), (&tally, "ann 8, bob 4, cat 8".to_owned()));
    town.replay("l.db");
}

#[test]
fn who_joined_later_is_left_out_of_a_day_that_is_closed_again() {
    let town = town("");
    town.summary("l.db", &[purchase("1", "ann", NOON, 100), first_close("c")]);
    let joins = [("bob", "2026-03-02T09:00:00+08:00"), ("cat", "2026-03-20T09:00:00+08:00")];
    town.summary("l.db", &joins.map(|(member, time)| registration(member, member, time)));
    let again = town.summary("l.db", &[first_close("again")]);
    assert_eq!(again["campaigns"], json!({"gift": {"members": 3, "acted": 1}}), "{again}");
    assert_eq!(town.balances("l.db"), "ann 8, bob 7");
    town.replay("l.db");
}

/// It gave something on a later day, of which nothing is left: from before, that cannot be seen.
#[test]
fn a_campaign_that_asks_what_there_is_does_nothing_for_a_day_before_one_on_which_it_gave() {
    let town = town("");
    town.policy("gift", &topping_up());
    town.policy("offer", &redemption(8, 0, 0));
    let offer = "[[redemption]]\nid = 'offer'\npolicy = 'offer'\nunit = 'points'\n";
    town.write("program.toml", format!("{}{offer}", town.read("program.toml")));
    let step = |kind: &str, data: Value| {
        json!({"specversion": "1.0", "id": kind, "source": "/app", "time": "2026-03-10T12:00:00+08:00",
            "type": format!("jifen.redemption.{kind}"), "data": data})
    };
    let wish = json!({"redemption": "r", "member": "ann", "merchant": "shop", "item": "rice"});
    town.summary(
        "l.db",
        &[
            purchase("1", "ann", NOON, 100),
            closing("c5", "2026-03-05", "2026-03-06T00:00:00+08:00"),
            step("requested", wish),
            step("captured", json!({"redemption": "r"})),
        ],
    );
    assert_eq!(town.balances("l.db"), "ann 0");
    let late = town.summary("l.db", &[closing("c4", "2026-03-04", "2026-03-11T00:00:00+08:00")]);
    assert_eq!(late["campaigns"], json!({"gift": {"members": 1, "acted": 0}}), "{late}");
    let refused =
        town.run("l.db", &[run_of("gift", "2026-03-05", "ann", "2026-03-05T00:00:00+08:00")], &["--json"]);
    assert!(refused.err.contains("gift does nothing for ann"), "{refused:?}");
    let next = town.summary("l.db", &[closing("c11", "2026-03-11", "2026-03-12T00:00:00+08:00")]);
    assert_eq!(next["campaigns"], json!({"gift": {"members": 1, "acted": 1}}), "{next}");
    assert_eq!(town.balances("l.db"), "ann 7");
    town.replay("l.db");
}

/// The one who referred says later who that is.
#[test]
fn a_campaign_knows_who_turned_out_to_be_the_same_person() {
    let town = town("");
    town.policy("gift", &consoling());
    let mut joins = ["bob", "cat", "ann"].map(|member| registration(member, member, NOON));
    for (join, (person, referrer)) in
        joins.iter_mut().zip([("k1", Some("ann")), ("k2", Some("ann")), ("k1", None)])
    {
        join["data"]["person"] = json!(person);
        join["data"]["referrer"] = json!(referrer);
    }
    town.summary("l.db", &joins);
    let closed = town.summary("l.db", &[first_close("c")]);
    assert_eq!(closed["campaigns"], json!({"gift": {"members": 3, "acted": 1}}), "{closed}");
    assert_eq!(town.balances("l.db"), "bob 7");
    town.replay("l.db");
}

#[test]
fn a_campaign_that_fails_does_nothing_and_is_counted() {
    let town = town("");
    let program = town.read("program.toml");
    let looping = "[[campaign]]\nid = 'looping'\npolicy = 'looping'\nunit = 'points'\n";
    town.write("program.toml", program.replace("[[campaign]]", &format!("{looping}\n[[campaign]]")));
    town.summary("l.db", &[purchase("1", "ann", NOON, 100), purchase("2", "bob", NOON, 100)]);
    let closed = town.summary("l.db", &[first_close("c")]);
    let tally =
        json!({"gift": {"members": 2, "acted": 2}, "looping": {"members": 2, "acted": 0, "faults": 2}});
    assert_eq!(
        (&closed["campaigns"], &closed["faults_by_deployment"]),
        (&tally, &json!({"looping": 2})),
        "{closed}"
    );
    assert_eq!(town.balances("l.db"), "ann 8, bob 8");
    assert_eq!(town.replay("l.db"), 5);
}

/// A policy of another world where a campaign is needed, and the other way round.
#[test]
fn a_campaign_needs_a_policy_of_its_world() {
    let town = town("");
    let program = town.read("program.toml");
    for (from, to, expected) in [
        (
            "policy = 'gift'",
            "policy = 'spend'",
            "deployment gift: its policy is of the world earning-policy, and stands where one of campaign-policy is needed; move it to a [[deployment]]",
        ),
        (
            "policy = 'spend'",
            "policy = 'gift'",
            "deployment spend: its policy is of the world campaign-policy, and stands where one of earning-policy is needed; move it to a [[campaign]]",
        ),
    ] {
        town.write("program.toml", program.replace(from, to));
        let refused = town.run("l.db", &[], &[]);
        assert!(refused.code == Some(2) && refused.err.contains(expected), "{refused:?}");
    }
}
