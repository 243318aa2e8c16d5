//! What a host is asked beforehand, and afterwards: quotes, and why.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::components::{redemption, spend_guest};
use crate::service::{Answer, Host};
use crate::town::{Town, purchase, text};

const NOON: &str = "2025-07-25T12:00:00+08:00";

const REASONS: &str = "summary = { zh = '每元一分', en = 'A point a yuan' }\n[reasons.test]\nzh = '消费得分'\nen = 'For what was bought'\n";

/// A host on a program that has one point a yuan, and a mug for 60 points.
fn town() -> (Town, Host) {
    let town = Town::new();
    town.policy("rate", &spend_guest(100).described("rate", "1.0.0", REASONS).build());
    town.policy("mug", &redemption(60, 0, 0));
    let text = town.program(&[("rate", "rate", "base", "")]).read("program.toml");
    town.write(
        "program.toml",
        format!("{text}\n[[redemption]]\nid = 'mug'\npolicy = 'mug'\nunit = 'points'\n"),
    );
    apply(&town);
    let host = town.host();
    (town, host)
}

fn apply(town: &Town) {
    assert_eq!(town.change_program("apply", "program.toml", &[]).code, Some(0));
}

fn quote(host: &Host, query: &str, event: &Value) -> Answer {
    host.post(&format!("/v1/quotes{query}"), event.to_string())
}

fn wish(id: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/app", "type": "jifen.redemption.requested", "time": NOON,
        "data": {"redemption": id, "member": "ann", "merchant": "shop", "item": "mug"},
    })
}

#[test]
fn a_quote_says_what_would_come_and_leaves_nothing() {
    let (town, host) = town();
    let event = purchase("1", "ann", NOON, 6_850);
    let quoted = quote(&host, "", &event);
    let receipt = quoted.json();
    assert_eq!((quoted.status, &receipt["outcome"]), (200, &json!("quoted")), "{quoted:?}");
    assert_eq!((&receipt["awards"][0]["granted"], &receipt["seq"]), (&json!(68), &Value::Null));
    assert_eq!(town.log("l.db").len(), 0);
    assert_eq!(host.get("/v1/members/ann/balances").status, 404);
    let applied = host.events(&event);
    assert_eq!(applied.json()["awards"], receipt["awards"]);
    // Of what happened there is nothing to quote.
    assert_eq!(quote(&host, "", &event).text, applied.text);
    assert_eq!(quote(&host, "", &purchase("1", "ann", NOON, 1)).status, 409);

    let wished = quote(&host, "", &wish("r1")).json();
    assert_eq!(wished["redemptions"][0]["offer"]["points"], 60, "{wished}");
    assert_eq!(host.get("/v1/members/ann/balances").json()["balances"][0]["held"], 0);
    assert_eq!(host.events(&wish("r1")).status, 200);
    let second = quote(&host, "", &wish("r2"));
    assert_eq!((second.status, &second.json()["field"]), (422, &json!("data.points")), "{second:?}");
    assert_eq!(town.log("l.db").len(), 2);
}

#[test]
fn a_quote_is_by_the_program_that_is_named() {
    let (town, host) = town();
    town.program(&[("rate", "flat", "base", "parameters = { points = 900 }")]);
    let announced = town.change_program("announce", "program.toml", &["--json"]).json();
    let event = purchase("1", "ann", NOON, 6_850);
    let by = |program: &str| quote(&host, &format!("?program={program}"), &event);
    assert_eq!(by(text(&announced["program"])).json()["awards"][0]["granted"], 900);
    apply(&town);
    assert_eq!(by("1").json()["awards"][0]["granted"], 68);
    assert_eq!(by("2").json()["awards"][0]["granted"], 900);
    for unknown in ["3", "0", "spend", &"ab".repeat(32)] {
        assert_eq!(by(unknown).status, 404, "{unknown}");
    }
    let close = json!({
        "specversion": "1.0", "id": "c", "source": "/clock", "type": "jifen.day.closed", "time": "2025-07-26T00:00:00+08:00",
        "data": {"day": "2025-07-25"},
    });
    let mut wrong = event.clone();
    wrong["data"]["merchant"] = json!("nobody");
    for (event, status) in [(json!([event]), 400), (close, 422), (wrong, 422), (json!({}), 422)] {
        assert_eq!(quote(&host, "", &event).status, status, "{event}");
    }
}

/// F6: as long as a quote holds, its event is decided by the program that was quoted by, whichever is at work.
#[test]
fn a_quote_holds_as_long_as_it_says() {
    let (town, host) = town();
    let buy = |id: &str| purchase(id, "ann", NOON, 10_000);
    let hold = |id: &str, seconds: u32| {
        let quoted = quote(&host, &format!("?hold={seconds}"), &buy(id)).json();
        assert_eq!(quoted["awards"][0]["granted"], 100, "{quoted}");
        (text(&quoted["token"]).to_owned(), text(&quoted["program"]).to_owned())
    };
    let ((kept, first), (elsewhere, _), (ended, _)) = (hold("1", 600), hold("2", 600), hold("3", 1));
    town.program(&[("rate", "flat", "base", "parameters = { points = 200 }")]);
    apply(&town);
    while host.get("/v1/program").header("etag") != "\"2\"" {
        thread::sleep(Duration::from_millis(10));
    }
    let commit = |host: &Host, token: &str, events: &Value| {
        let request = host.request("/v1/events").header("content-type", "application/json");
        Answer::to(request.header("jifen-quote", token).body(events.to_string()))
    };
    let other = town.host();
    for (host, token, id) in [(&host, &kept, "1"), (&other, &elsewhere, "2")] {
        let decided = commit(host, token, &buy(id));
        let receipt = decided.json();
        assert_eq!((&receipt["awards"][0]["granted"], &receipt["program"]), (&json!(100), &json!(first)));
        assert_eq!((decided.status, receipt.get("requoted")), (200, None));
        assert_eq!(commit(host, token, &buy(id)).text, decided.text, "it is sent again");
    }
    // It is over for sure a second after it was given.
    thread::sleep(Duration::from_millis(1_001));
    let answer = commit(&host, &ended, &buy("3"));
    let late = answer.json();
    assert_eq!(commit(&host, &ended, &buy("3")).text, answer.text, "it is sent again");
    assert_eq!((&late["awards"][0]["granted"], &late["requoted"]), (&json!(200), &json!(true)), "{late}");

    for (token, events, status, code) in [
        ("jq_00", buy("4"), 422, "quote-unknown"),
        ("", buy("4"), 422, "quote-unknown"),
        (&*kept, buy("4"), 422, "quote-unknown"),
        (&kept, json!([buy("1")]), 400, "malformed"),
    ] {
        let refused = commit(&host, token, &events);
        assert_eq!((refused.status, &refused.json()["code"]), (status, &json!(code)), "{token}: {refused:?}");
    }
    for query in ["?hold=0", "?hold=3601", "?hold=-1", "?hold=soon", "?hold=9&program=1"] {
        assert_eq!(quote(&host, query, &buy("4")).status, 400, "{query}");
    }
    assert_eq!(town.replay("l.db"), 3);
}

#[test]
fn a_use_of_points_says_how_far_it_is() {
    let (_town, host) = town();
    let find = |name: &str| host.get(&format!("/v1/redemptions/{name}"));
    assert_eq!(host.events(&json!([purchase("1", "ann", NOON, 20_000), wish("r1"), wish("r2")])).status, 200);
    let step = |name: &str, kind: &str, data: Value| {
        let mut event = wish(&format!("{name}-{kind}"));
        event["type"] = json!(format!("jifen.redemption.{kind}"));
        event["data"] = data;
        event["data"]["redemption"] = json!(name);
        assert_eq!(host.events(&event).status, 200, "{event}");
    };
    let far = |name: &str| {
        let told = find(name).json();
        assert_eq!(
            (&told["member"], &told["unit"], &told["id"]),
            (&json!("ann"), &json!("points"), &json!(name))
        );
        ["points", "held", "used", "cancelled", "steps"].map(|field| told[field].as_u64().expect("a number"))
    };
    assert_eq!((far("r1"), find("r1").json()["until"].is_string()), ([60, 60, 0, 0, 1], true));
    step("r1", "captured", json!({}));
    assert_eq!(far("r1"), [60, 0, 60, 0, 2]);
    step("r1", "cancelled", json!({"points": 20, "cause": "member"}));
    assert_eq!(far("r1"), [60, 0, 40, 20, 3]);
    step("r2", "voided", json!({}));
    assert_eq!(far("r2"), [60, 0, 0, 0, 2]);
    for unknown in ["r3", "%00", "r1-captured"] {
        assert_eq!(find(unknown).status, 404, "{unknown}");
    }
}

#[test]
fn points_are_asked_for_and_moved_on_without_an_envelope() {
    let (town, host) = town();
    assert_eq!(host.events(&purchase("1", "ann", NOON, 20_000)).status, 200);
    let post = |path: &str, body: &str| host.post(&format!("/v1/redemptions{path}"), body);
    let wanted = |name: &str| {
        json!({"redemption": name, "member": "ann", "merchant": "shop", "item": "mug"}).to_string()
    };
    let held = post("", &wanted("r1"));
    let step = &held.json()["redemptions"][0];
    assert_eq!(
        (held.status, &step["offer"]["points"], step["until"].is_string()),
        (200, &json!(60), true),
        "{held:?}"
    );
    assert_eq!(text(&held.json()["source"]), "/jifen/redemptions");
    let again = post("", &wanted("r1"));
    assert_eq!((&again.text, again.header("idempotent-replayed")), (&held.text, "true"), "it is sent again");
    for name in ["r2", "r3"] {
        assert_eq!(post("", &wanted(name)).status, 200);
    }
    let far = |name: &str| {
        let told = host.get(&format!("/v1/redemptions/{name}")).json();
        ["held", "used", "cancelled"].map(|field| told[field].as_u64().expect("a number"))
    };
    for (path, body, left) in [
        ("/r1/capture", "{}", [0, 60, 0]),
        ("/r1/capture", "{}", [0, 60, 0]),
        ("/r1/cancel", r#"{"points": 20, "cause": "member"}"#, [0, 40, 20]),
        ("/r2/void", "{}", [0, 0, 0]),
        ("/r3/capture", r#"{"points": 10}"#, [0, 10, 0]),
    ] {
        let moved = post(path, body);
        assert_eq!((moved.status, far(&path[1..3])), (200, left), "{path} {body}: {moved:?}");
    }
    // What says nothing of its form is not taken for nothing.
    let formless = Answer::to(host.request("/v1/redemptions/r2/void").body(r#"{"points": 1}"#.to_owned()));
    assert_eq!((formless.status, text(&formless.json()["code"])), (415, "media-type"), "{formless:?}");
    // A till whose clock is ahead asked, and the step is no earlier than that.
    let mut ahead = wish("r/5");
    ahead["time"] = json!("2100-01-01T00:00:00Z");
    assert_eq!(host.events(&ahead).status, 200);
    let moved = post("/r%2F5/capture", "");
    assert_eq!(
        (moved.status, &moved.json()["id"], &moved.json()["time"]),
        (200, &json!("r%2F5/captured"), &json!("2100-01-01T08:00:00+08:00")),
        "{moved:?}"
    );
    assert_eq!(post("/r%2F5/capture", "").text, moved.text);
    // Nothing need be said of a step that is about all.
    assert_eq!(Answer::to(host.request("/v1/redemptions/r2/void").body(String::new())).status, 200);
    // A second step of the kind needs a name.
    let second = host.request("/v1/redemptions/r1/cancel").header("idempotency-key", "b");
    let second = second
        .header("content-type", "application/json")
        .body(r#"{"points": 40, "cause": "merchant"}"#.to_owned());
    let again = second.try_clone().expect("the body is text");
    let (second, again) = (Answer::to(second), Answer::to(again));
    assert_eq!((second.status, far("r1")), (200, [0, 0, 60]));
    assert_eq!((&again.text, again.header("idempotent-replayed")), (&second.text, "true"));
    for (path, body, status, field) in [
        ("", "[]".to_owned(), 400, Value::Null),
        ("", "{".to_owned(), 400, Value::Null),
        ("", "{}".to_owned(), 422, json!("body")),
        ("", wanted("r1").replace("mug", "cup"), 409, json!("item")),
        ("", wanted("r9").replace("ann", ""), 422, json!("member")),
        ("/r1/cancel", r#"{"points": 1}"#.to_owned(), 422, json!("body")),
        ("/r1/capture", r#"{"points": 5}"#.to_owned(), 409, json!("points")),
        ("/r2/capture", "{}".to_owned(), 422, json!("redemption")),
        ("/r9/void", "{}".to_owned(), 422, json!("redemption")),
        ("/r1/voided", "{}".to_owned(), 404, Value::Null),
        ("/r1/void", r#"{"redemption": "r1"}"#.to_owned(), 400, Value::Null),
        ("/r1/void", r#"{"points": 1, "points": 2}"#.to_owned(), 400, Value::Null),
        ("", wanted("r9").replace("{", r#"{"member": "ben", "#), 422, json!("body")),
    ] {
        let refused = post(path, &body);
        assert_eq!(
            (refused.status, &refused.json()["field"]),
            (status, &field),
            "{path} {body}: {refused:?}"
        );
    }
    assert_eq!(town.replay("l.db"), 11);
}

#[test]
fn who_asks_twice_at_once_is_told_the_same() {
    let (town, host) = town();
    assert_eq!(host.events(&purchase("1", "ann", NOON, 20_000)).status, 200);
    let at_once = |path: &str, body: &str| {
        let ask = || host.post(&format!("/v1/redemptions{path}"), body);
        let answers = thread::scope(|scope| {
            let asking: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            asking.into_iter().map(|asked| asked.join().expect("it is answered")).collect::<Vec<_>>()
        });
        assert!(answers.iter().all(|it| (it.status, &it.text) == (200, &answers[0].text)), "{answers:?}");
    };
    for name in ["r1", "r2", "r3"] {
        let wanted = json!({"redemption": name, "member": "ann", "merchant": "shop", "item": "mug"});
        at_once("", &wanted.to_string());
        at_once(&format!("/{name}/capture"), "{}");
    }
    assert_eq!(town.replay("l.db"), 7);
}

/// What limited an award and what a rule asked are Jifen's own words.
#[test]
fn why_has_words_for_what_is_no_rules_own() {
    let town = Town::new();
    let capped = "parameters = { points = 9 }\ncap = { per_member_per_day = 12 }";
    town.program(&[("flat", "flat", "base", capped), ("counting", "counting", "bonus", "")]);
    assert_eq!(town.change_program("apply", "program.toml", &[]).code, Some(0));
    let host = town.host();
    for id in ["1", "2"] {
        assert_eq!(host.events(&purchase(id, "ann", NOON, 100)).status, 200);
    }
    let why = host.get("/v1/events/why?source=/merchants/shop&id=2").json();
    assert_eq!(why["policies"][0]["cap"], json!({"per_member_per_day": 12}), "{why}");
    assert_eq!((&why["policies"][0]["lane"], &why["policies"][1]["lane"]), (&json!("base"), &json!("bonus")));
    let words = json!({
        "day_cap": {"zh": "每位会员每日的上限", "en": "the most that a member is granted in a day"},
        "purchases.lifetime-count": {"zh": "历来的消费次数", "en": "purchases ever"},
    });
    assert_eq!(why["words"], words);
    let told = town.done(&["why", "--ledger", "l.db", "/merchants/shop", "2"]).out;
    assert!(
        told.contains("limited by day_cap (the most that a member is granted in a day / 每位会员每日的上限)"),
        "{told}"
    );
}

#[test]
fn why_has_the_words_of_the_rules_and_both_calendars() {
    let (_town, host) = town();
    let receipt = host.events(&purchase("1", "ann", NOON, 6_850)).json();
    let why = host.get("/v1/events/why?source=/merchants/shop&id=1").json();
    assert_eq!(why["receipt"], receipt);
    let day = json!({"date": "2025-07-25", "lunar_month": 6, "lunar_leap": true, "lunar_day": 1, "market_day": true});
    assert_eq!(why["day"], day);
    let policies = why["policies"].as_array().expect("a list");
    assert_eq!(policies.len(), 1, "the mug was not asked: {why}");
    assert_eq!((&policies[0]["deployment"], &policies[0]["policy"]), (&json!("rate"), &json!("rate@1.0.0")));
    assert_eq!(policies[0]["summary"]["zh"], "每元一分");
    assert_eq!(policies[0]["reasons"]["test"], json!({"zh": "消费得分", "en": "For what was bought"}));
    assert_eq!(
        (&policies[0]["lane"], &policies[0]["cap"], &why["words"]),
        (&json!("base"), &Value::Null, &json!({}))
    );
    host.events(&wish("r1"));
    let why = host.get("/v1/events/why?source=/app&id=r1").json();
    assert_eq!(
        (&why["policies"][0]["deployment"], &why["policies"][0]["lane"]),
        (&json!("mug"), &Value::Null),
        "{why}"
    );
    assert_eq!(host.get("/v1/events/why?source=/app&id=r2").status, 404);
}
