//! `jifen serve`: events in, and questions about what became of them.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::backtests::backtest;
use crate::mixed;
use crate::service::{Answer, Host};
use crate::town::{Town, objects, purchase, registration, text, until};

const NOON: &str = "2025-07-25T12:00:00+08:00";

/// One point per yuan.
fn town() -> Town {
    let town = Town::new();
    town.program(&[("spend", "spend", "base", "")]);
    town
}

/// Starts a host on the town's program and a ledger.
fn start(town: &Town, ledger: &str, more: &[&str]) -> Host {
    let program = ["serve", "--program", "program.toml", "--policies", "policies"];
    let place = ["--ledger", ledger, "--listen", "127.0.0.1:0"];
    Host::start(&mut town.jifen(&[&program, &place[..], more].concat()))
}

#[test]
fn an_event_is_answered_with_its_receipt_however_often_it_comes() {
    let town = town();
    let host = start(&town, "l.db", &[]);
    let event = purchase("1", "ann", NOON, 6_850);
    let first = host.events(&event);
    assert_eq!((first.status, first.header("content-type")), (200, "application/json"), "{first:?}");
    let receipt = first.json();
    assert_eq!((&receipt["outcome"], &receipt["seq"]), (&json!("applied"), &json!(1)));
    assert_eq!(receipt["awards"][0]["granted"], 68);
    let again = host.events(&event);
    assert_eq!((again.status, &again.text, again.header("idempotent-replayed")), (200, &first.text, "true"));
    assert_eq!(first.header("idempotent-replayed"), "");
    assert_eq!(host.get("/v1/events?source=/merchants/shop&id=1").text, first.text);
    let other = host.events(&purchase("1", "ann", NOON, 100));
    let problem = other.json();
    assert_eq!((other.status, &problem["code"]), (409, &json!("conflict")), "{other:?}");
    assert_eq!(problem["field"], "data.lines[0].amount");
    drop(host);
    // A host that starts later knows it, too.
    let host = start(&town, "l.db", &[]);
    assert_eq!(host.events(&event).text, first.text);
    assert_eq!(town.balances("l.db"), "ann 68");
}

#[test]
fn a_batch_is_answered_in_its_order_and_a_bad_event_keeps_nobody_back() {
    let town = town();
    let host = start(&town, "l.db", &[]);
    let mut wrong = purchase("3", "ann", NOON, 100);
    wrong["data"]["merchant"] = json!("nobody");
    let batch = json!([
        purchase("1", "ann", NOON, 6_850),
        {"id": "2"},
        wrong,
        purchase("1", "ann", NOON, 6_850),
        purchase("1", "ann", NOON, 1),
        "no event",
        registration("4", "bob", NOON),
    ]);
    let answer = host.events(&batch);
    assert_eq!(answer.status, 200, "{answer:?}");
    let told: Vec<_> = answer.json().as_array().expect("an array").iter().map(told).collect();
    assert_eq!(
        told,
        [
            "1 applied seq 1",
            "2 event-refused event",
            "3 event-refused data.merchant",
            "1 applied seq 1",
            "1 conflict data.lines[0].amount",
            "null event-refused event",
            "4 applied seq 2",
        ]
    );
    assert_eq!(host.events(&json!([])).text, "[]");
}

/// Returns what an answer of a batch says, in short.
fn told(answer: &Value) -> String {
    let id = answer["id"].as_str().unwrap_or("null");
    match text(&answer["outcome"]) {
        "refused" => format!("{id} {} {}", text(&answer["code"]), text(&answer["field"])),
        outcome => format!("{id} {outcome} seq {}", answer["seq"]),
    }
}

#[test]
fn an_event_may_have_its_attributes_in_headers() {
    let town = town();
    let host = start(&town, "l.db", &[]);
    let event = purchase("1 元", "ann", NOON, 6_850);
    let send = |media_type: &str, id: &str| {
        let request = host.request("/v1/events").header("content-type", media_type);
        let request = request.header("ce-specversion", "1.0").header("ce-id", id);
        let request = request.header("ce-source", "/merchants/shop").header("ce-time", NOON);
        Answer::to(request.header("ce-type", "jifen.purchase.completed").body(event["data"].to_string()))
    };
    let answer = send("application/json; charset=utf-8", "1%20%E5%85%83");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(host.events(&event).text, answer.text, "it is the same event");
    let structured = host.request("/v1/events").header("content-type", "application/cloudevents+json");
    let structured = Answer::to(structured.header("ce-id", "2").body(event.to_string()));
    assert_eq!(structured.text, answer.text, "headers only repeat what it says");
    let nameless = host.request("/v1/events").header("content-type", "application/json").header("ce-id", "2");
    let nameless = Answer::to(nameless.body("{}")).json();
    assert!(text(&nameless["detail"]).contains("specversion"), "{nameless}");
    assert_eq!(send("application/json", "%ff").json()["code"], "malformed");
    assert_eq!(send("application/json", "\"1 %E5%85%83\"").text, answer.text, "it may be quoted");
    // A proxy might have looked at the other one.
    let twice = host.request("/v1/events").header("content-type", "application/json").header("ce-id", "2");
    let twice = Answer::to(twice.header("ce-specversion", "1.0").header("ce-id", "3").body("{}")).json();
    assert!(text(&twice["detail"]).contains("ce-id stands there twice"), "{twice}");
}

#[test]
fn bad_requests_are_told_what_is_wrong() {
    let town = town();
    let host = start(&town, "l.db", &["--queue", "3"]);
    let event = |id: &str| purchase(id, "ann", NOON, 100).to_string();
    let many = format!("[{}]", vec!["1"; 1_001].join(","));
    let four = format!("[{}]", ["1", "2", "3", "4"].map(event).join(","));
    let mut negative = purchase("1", "ann", NOON, 100);
    negative["data"]["lines"][0]["quantity"] = json!(-1);
    for (body, status, code, detail) in [
        ("", 400, "malformed", "no JSON"),
        ("{", 400, "malformed", "no JSON"),
        ("{} {}", 400, "malformed", "no JSON"),
        ("1", 422, "event-refused", "object"),
        (&negative.to_string(), 422, "event-refused", "quantity"),
        (&many, 413, "too-large", "at most 1000 events"),
        (&four, 413, "too-large", "3 events"),
    ] {
        let answer = host.post("/v1/events", body);
        let problem = answer.json();
        let started: String = body.chars().take(40).collect();
        assert_eq!((answer.status, text(&problem["code"])), (status, code), "{started}: {problem}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(
            (&problem["status"], &problem["type"]),
            (&json!(status), &json!(format!("urn:jifen:problem:{code}")))
        );
        let said = format!("{} {}", problem["detail"], problem["field"]);
        assert!(said.contains(detail), "{started}: {problem}");
    }
    for (path, status, code, detail) in [
        ("/v1/event", 404, "not-found", "/docs"),
        ("/v1/events", 400, "malformed", "source"),
        ("/v1/events?source=/merchants/shop&id=7", 404, "not-found", "\"7\""),
        ("/v1/events?source=a&id=7&member=ann", 400, "malformed", "member"),
        ("/v1/members/ann/balances", 404, "not-found", "\"ann\""),
        ("/v1/members/ann/balances?at=noon", 400, "malformed", "at"),
        ("/v1/members/ann/lots", 404, "not-found", "\"ann\""),
        ("/v1/members/a%00n/lots", 404, "not-found", "a\\0n"),
        ("/v1/members/%ff/lots", 400, "malformed", "UTF-8"),
        ("/v1/members/ann/lots?at=2026-01-01T00:00:00Z", 400, "malformed", "at"),
        ("/v1/events?source=a%00&id=7", 404, "not-found", "a\\0"),
        ("/v1/members/ann/statement?limit=0", 400, "malformed", "1 to 500"),
        ("/v1/members/ann/statement?limit=x", 400, "malformed", "limit"),
    ] {
        let answer = host.get(path);
        let problem = answer.json();
        assert_eq!((answer.status, text(&problem["code"])), (status, code), "{path}: {problem}");
        assert!(text(&problem["detail"]).contains(detail), "{path}: {problem}");
    }
    assert_eq!(Answer::to(host.request("/v1/members/ann/lots").body("")).json()["code"], "method");
    let form = host.request("/v1/events").header("content-type", "text/plain").body(event("1"));
    assert_eq!(Answer::to(form).json()["code"], "media-type");
    // Who announces too much is told so before sending it.
    let announced = "POST /v1/events HTTP/1.1\r\nhost: jifen\r\ncontent-type: application/json\r\ncontent-length: 5242880\r\n\
                     connection: close\r\n\r\n";
    let answer = host.raw(announced);
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("\"too-large\""), "{answer}");
    assert_eq!(town.balances("l.db"), "", "nothing of it was applied");
}

/// What is described of events and receipts is what there is: all types that the document has, and every member of every receipt.
#[test]
fn events_and_receipts_are_described() {
    let town = mixed::town();
    let host = start(&town, "l.db", &[]);
    let api = host.get("/openapi.json").json();
    let schemas = &api["components"]["schemas"];
    let types = schemas["EventType"]["enum"].as_array().expect("types").iter().map(text);
    let document = crate::documents::read("docs/events.md");
    let rows = document.lines().filter(|line| line.starts_with("| `jifen."));
    let mut told = BTreeSet::new();
    for row in rows {
        let names = row.split('|').nth(1).expect("a cell").split(',');
        let mut last = String::new();
        for name in names.map(|name| name.trim().trim_matches('`')) {
            // `.voided` is of what stands before it.
            last = match name.strip_prefix('.') {
                Some(end) => format!("{}.{end}", last.rsplit_once('.').expect("a type").0),
                None => name.to_owned(),
            };
            told.insert(last.clone());
        }
    }
    assert_eq!(types.map(str::to_owned).collect::<BTreeSet<_>>(), told);
    let mut seen = BTreeSet::new();
    for batch in mixed::events(7, 400).chunks(40) {
        for receipt in host.events(&json!(batch)).json().as_array().expect("an array") {
            if receipt["outcome"] == "applied" {
                described(schemas, "Receipt", receipt, &mut seen);
            }
        }
    }
    assert!(seen.contains("Award.granted") && seen.contains("UseStep.offer"), "{seen:?}");
}

/// Sees that each member of an object is one of its schema, and so on within, and takes note of what there was.
fn described(schemas: &Value, name: &str, object: &Value, seen: &mut BTreeSet<String>) {
    let mut parts = vec![&schemas[name]];
    let mut properties = BTreeMap::new();
    while let Some(part) = parts.pop() {
        parts.extend(part["allOf"].as_array().into_iter().flatten());
        if let Some(reference) = part["$ref"].as_str() {
            parts.push(&schemas[reference.rsplit('/').next().expect("a name")]);
        }
        properties.extend(part["properties"].as_object().into_iter().flatten());
    }
    for (key, value) in object.as_object().expect("an object") {
        let schema = properties.get(key).unwrap_or_else(|| panic!("{name}.{key} is not described"));
        seen.insert(format!("{name}.{key}"));
        let within = schema["items"]["$ref"].as_str().or(schema["$ref"].as_str());
        let optional = schema["oneOf"].as_array().into_iter().flatten().find_map(|it| it["$ref"].as_str());
        let Some(within) = within.or(optional).and_then(|it| it.rsplit('/').next()) else { continue };
        for item in value.as_array().unwrap_or(&vec![value.clone()]) {
            if item.is_object() {
                described(schemas, within, item, seen);
            }
        }
    }
}

/// Nobody else's event waits for it, or is decided by itself for its sake.
#[test]
fn what_a_ledger_cannot_hold_is_refused_alone() {
    let town = Town::new();
    town.program(&[("flat", "flat", "base", "parameters = { points = 1 }")]);
    assert_eq!(town.change_program("apply", "program.toml", &[]).code, Some(0));
    let host = town.host();
    assert_eq!(host.events(&purchase("1", "ann", NOON, 100)).status, 200);
    town.change("l.db", "UPDATE members SET purchase_spend_minor = 9223372036854775000");
    let events =
        [purchase("2", "ann", NOON, 807), purchase("3", "ann", NOON, 1), purchase("4", "bob", NOON, 100)];
    let answers = host.events(&json!(events)).json();
    let outcomes: Vec<_> =
        answers.as_array().expect("an array").iter().map(|it| text(&it["outcome"])).collect();
    assert_eq!(outcomes, ["applied", "refused", "applied"], "{answers}");
    let reason = "overflow: the purchases of member ann would exceed what a ledger can hold";
    assert_eq!((&answers[1]["reason"], &answers[1]["refusal"]), (&json!(reason), &json!("overflow")));
}

#[test]
fn what_the_service_decides_is_what_run_decides() {
    let town = mixed::town();
    let events = mixed::events(7, 400);
    town.run("run.db", &events, &["--receipts", "r.jsonl"]);
    let decided = objects(&town.path("r.jsonl"));
    let host = start(&town, "http.db", &[]);
    let send = |batch: &[Value]| host.events(&json!(batch)).json().as_array().expect("an array").clone();
    let answers = events.chunks(37).flat_map(send);
    let short = |it: &Value| match text(&it["outcome"]) {
        "refused" => format!("{} {} {}", it["id"], it["field"], it["reason"]),
        _ => format!("{} {}", it["id"], it["digest"]),
    };
    let answers: Vec<_> = answers.map(|answer| short(&answer)).collect();
    assert_eq!(answers, decided.iter().map(short).collect::<Vec<_>>());
    assert_eq!(town.log("http.db"), town.log("run.db"));
}

#[test]
fn members_are_told_what_they_have_until_when_and_why() {
    let town = Town::new();
    town.program(&[("spend", "spend", "base", "")]);
    let program =
        town.read("program.toml").replace("id = \"points\"", "id = \"points\"\nexpires = { months = 1 }");
    town.write("program.toml", program);
    let host = start(&town, "l.db", &[]);
    let buy =
        |day: u32| purchase(&day.to_string(), "ann", &format!("2025-07-{day:02}T12:00:00+08:00"), 1_000);
    host.events(&json!([buy(3), buy(1), buy(4), buy(2), buy(5), registration("6", "bob", NOON)]));
    let balances = host.get("/v1/members/ann/balances").json();
    let points = |available: u64| json!([{"member": "ann", "unit": "points", "available": available, "pending": 0, "held": 0, "debt": 0}]);
    assert_eq!(balances, json!({"member": "ann", "balances": points(50)}));
    let then = host.get("/v1/members/ann/balances?at=2025-07-03T00:00:00%2B08:00").json();
    assert_eq!(then["balances"], points(20));
    assert_eq!(host.get("/v1/members/bob/balances").json(), json!({"member": "bob", "balances": []}));
    let lots = host.get("/v1/members/ann/lots").json();
    let ends =
        lots["lots"].as_array().expect("an array").iter().map(|lot| text(&lot["expires"])[..10].to_owned());
    assert_eq!(
        ends.collect::<Vec<_>>(),
        ["2025-08-02", "2025-08-03", "2025-08-04", "2025-08-05", "2025-08-06"]
    );
    let (mut pages, mut before) = (Vec::new(), String::new());
    loop {
        let page = host.get(&format!("/v1/members/ann/statement?limit=2{before}")).json();
        let ids = page["lines"].as_array().expect("an array").iter().map(|line| text(&line["id"]).to_owned());
        pages.push(ids.collect::<Vec<_>>().join(" "));
        let Some(next) = page["next"].as_u64() else { break };
        before = format!("&before={next}");
    }
    assert_eq!(pages, ["4 5", "2 3", "1"]);
}

/// A clock that is wrong somewhere makes nobody poorer.
#[test]
fn balances_do_not_follow_an_event_that_is_far_ahead() {
    let town = Town::new();
    town.program(&[("spend", "spend", "base", "")]);
    let host = start(&town, "l.db", &[]);
    host.events(&json!([
        purchase("1", "ann", NOON, 1_000),
        purchase("2", "ann", "2099-07-01T12:00:00+08:00", 1_000)
    ]));
    let available = |query: &str| {
        host.get(&format!("/v1/members/ann/balances{query}")).json()["balances"][0]["available"].clone()
    };
    assert_eq!((available(""), available("?at=2099-12-31T00:00:00Z")), (json!(10), json!(20)));
}

/// Each of four clients has arrays of the same three members' purchases, and one of a member alone between.
#[test]
fn events_of_the_same_members_from_many_clients_each_keep_their_order() {
    let town = town();
    let host = &start(&town, "l.db", &[]);
    let array = |client: u32, n: u32| {
        let buy = |place: usize| {
            let member = if n % 2 == 1 { "dan" } else { ["ann", "bob", "cat"][place % 3] };
            purchase(&format!("{client}-{n}-{place}"), member, NOON, 100)
        };
        json!((0..20).map(buy).collect::<Vec<_>>())
    };
    let seqs = move |client| {
        let seqs = |n| {
            let answer = host.events(&array(client, n)).json();
            let told = answer.as_array().expect("an array").iter();
            told.map(|it| it["seq"].as_u64().expect("it is applied")).collect::<Vec<_>>()
        };
        (0..10).flat_map(seqs).collect::<Vec<_>>()
    };
    let mut told: Vec<u64> = thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|client| scope.spawn(move || seqs(client))).collect();
        let told = clients.into_iter().map(|client| client.join().expect("it is answered"));
        told.inspect(|seqs| assert!(seqs.is_sorted(), "{seqs:?}")).flatten().collect()
    });
    told.sort_unstable();
    assert_eq!(told, (1..=800).collect::<Vec<_>>());
    // Of each array of the three, 7, 7 and 6 events.
    assert_eq!(town.balances("l.db"), "ann 140, bob 140, cat 120, dan 400");
    assert_eq!(town.replay("l.db"), 800);
}

/// Everything mixed, from six clients at once: what is decided while what precedes it is on its way into the ledger is what the log comes
/// to when it is decided again, event by event.
#[test]
fn what_many_clients_send_at_once_comes_out_again() {
    for seed in 0..mixed::seeds() {
        let town = mixed::town();
        let host = &start(&town, "l.db", &[]);
        let events = &mixed::events(seed, 900);
        let send = |client: usize| {
            for array in events.chunks(3).skip(client).step_by(6) {
                let answer = host.events(&json!(array));
                assert_eq!(answer.status, 200, "{answer:?}");
            }
        };
        thread::scope(|scope| (0..6).for_each(|client| drop(scope.spawn(move || send(client)))));
        let entries = town.log("l.db").len();
        assert!(entries > 300, "seed {seed}: {entries} entries");
        let report = backtest(&town, &[]);
        assert_eq!(report["differ"], 0, "seed {seed}: {report}");
        assert_eq!(u64::try_from(entries).ok(), Some(town.replay("l.db")), "seed {seed}");
    }
}

/// Somebody else writes for longer than a host would wait: what cannot wait is turned away, and nothing of it is lost.
#[test]
fn who_comes_when_too_much_waits_is_turned_away() {
    let town = town();
    let host = &start(&town, "sqlite:l.db", &["--queue", "4"]);
    let event = |n: usize| purchase(&n.to_string(), "ann", NOON, 100);
    host.events(&event(0));
    let other = Connection::open(town.path("l.db")).expect("the ledger is a file");
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody writes now");
    thread::scope(|scope| {
        let send = |n| (n, scope.spawn(move || host.events(&event(n))));
        let waiting: Vec<_> = (1..=4).map(send).collect();
        assert!(until(|| host.get("/readyz").status == 429), "four events fill the queue");
        assert_eq!(host.get("/readyz").header("retry-after"), "1");
        let answer = host.events(&event(5));
        assert_eq!((answer.status, answer.json()["code"].clone()), (429, json!("busy")));
        other.execute_batch("ROLLBACK").expect("it can be given up");
        for (n, waiting) in waiting {
            let answer = waiting.join().expect("it is answered");
            assert_eq!((answer.status, answer.json()["id"].clone()), (200, json!(n.to_string())));
        }
    });
    assert_eq!(host.get("/readyz").status, 200);
    assert_eq!(host.events(&event(5)).status, 200);
    assert_eq!(town.balances("sqlite:l.db"), "ann 6");
}

#[test]
fn a_host_that_is_told_to_stop_finishes_what_it_accepted() {
    let town = town();
    let host = start(&town, "l.db", &[]);
    let url = &host.url("/v1/events");
    let answered: u64 = thread::scope(|scope| {
        let clients: Vec<_> =
            (0..4).map(|client| scope.spawn(move || send_until_refused(url, client))).collect();
        assert!(until(|| host.get("/v1/members/m0/lots").status == 200), "something is accepted");
        host.tell_to_stop();
        clients.into_iter().map(|client| client.join().expect("it is answered")).sum()
    });
    assert_eq!(host.wait(), Some(0));
    assert!(answered > 0);
    assert_eq!(
        u64::try_from(town.log("l.db").len()).ok(),
        Some(answered),
        "all that was accepted is answered"
    );
    assert_eq!(town.replay("l.db"), answered);
}

/// Sends events until the host takes no more. Returns how many were answered.
fn send_until_refused(url: &str, client: u32) -> u64 {
    let http = reqwest::blocking::Client::new();
    let send = |n: &u64| {
        let event = purchase(&format!("{client}-{n}"), &format!("m{client}"), NOON, 100).to_string();
        let request = http.post(url).header("content-type", "application/json").body(event);
        // A connection that was idle may be closed under a request that nobody read.
        let status = request.send().ok().map(|response| response.status().as_u16());
        assert!(matches!(status, Some(200) | None), "{status:?}");
        status.is_some()
    };
    let answered = (0..).take_while(send).count();
    u64::try_from(answered).expect("it fits")
}

#[test]
fn the_api_describes_itself() {
    let town = town();
    let host = start(&town, "l.db", &[]);
    let api = host.get("/openapi.json").json();
    assert!(text(&api["openapi"]).starts_with("3.1"), "{}", api["openapi"]);
    let paths: Vec<_> = api["paths"].as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "/healthz",
            "/metrics",
            "/readyz",
            "/v1/events",
            "/v1/events/why",
            "/v1/keys",
            "/v1/keys/{id}",
            "/v1/members/{member}/balances",
            "/v1/members/{member}/lots",
            "/v1/members/{member}/statement",
            "/v1/merchants/{merchant}/statement",
            "/v1/policies",
            "/v1/policies/{policy}/releases/{version}",
            "/v1/program",
            "/v1/program/announcements",
            "/v1/program/backtest",
            "/v1/program/changes",
            "/v1/program/deployments/{deployment}/comparison",
            "/v1/program/plan",
            "/v1/program/rollback",
            "/v1/programs/{program}",
            "/v1/quotes",
            "/v1/redemptions",
            "/v1/redemptions/{redemption}",
            "/v1/redemptions/{redemption}/{step}",
            "/v1/signers",
            "/v1/signers/{id}",
            "/v1/trail",
        ]
    );
    // Two bodies of one name would be described as one.
    for (path, wanted) in [("/v1/keys", "role"), ("/v1/signers", "public_key")] {
        let body =
            &api["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"];
        let schema = api.pointer(text(body).trim_start_matches('#')).expect("it is described");
        assert!(schema["properties"][wanted].is_object(), "{path}: {schema}");
    }
    let answers = |operation: &str| {
        let (method, path) = operation.split_once(' ').expect("a method and a path");
        api["paths"][path][method]["responses"].clone()
    };
    for (operation, status, headers) in [
        ("get /v1/program", "200", vec!["ETag"]),
        ("get /v1/program", "401", vec!["WWW-Authenticate"]),
        ("get /v1/program", "503", vec!["Retry-After"]),
        ("get /v1/program", "500", vec![]),
        ("put /v1/program", "200", vec!["ETag", "X-Request-Id"]),
        ("put /v1/program", "408", vec!["X-Request-Id"]),
        ("put /v1/policies/{policy}/releases/{version}", "201", vec!["Location", "X-Request-Id"]),
        ("post /v1/events", "200", vec!["Idempotent-Replayed"]),
        ("post /v1/events", "413", vec![]),
        ("post /v1/events", "429", vec!["Retry-After"]),
    ] {
        let answer = &answers(operation)[status];
        let media_type = if status < "400" { "application/json" } else { "application/problem+json" };
        assert!(answer["content"][media_type].is_object(), "{operation} {status}: {answer}");
        let described = answer["headers"].as_object().map(|it| it.keys().collect::<Vec<_>>());
        assert_eq!(described.unwrap_or_default(), headers, "{operation} {status}");
    }
    assert!(answers("get /v1/program").get("413").is_none(), "it has no body");
    let page = host.get("/docs/");
    assert!(page.status == 200 && page.text.contains("swagger"), "{page:?}");
    assert_eq!(host.get("/healthz").status, 200);
}

#[test]
fn settings_come_from_flags_variables_and_a_file_the_strongest_first() {
    let town = town();
    town.write("host.toml", "ledger = 'file.db'\nlisten = '127.0.0.1:1'\nqueue = 7\n");
    let mut jifen =
        town.jifen(&["serve", "--config", "host.toml", "--listen", "127.0.0.1:3", "--print-config"]);
    let jifen =
        jifen.env("JIFEN_LISTEN", "127.0.0.1:2").env("JIFEN_PROGRAM", "p.toml").env("JIFEN_THREADS", "5");
    let printed = crate::town::Done::from(jifen.output().expect("jifen starts"));
    assert_eq!(
        printed.out,
        "ledger = \"file.db\"\nprogram = \"p.toml\"\nlisten = \"127.0.0.1:3\"\nthreads = 5\nqueue = 7\nlog = \"text\"\nlog_level = \"info\"\n",
        "{printed:?}"
    );
    let secret = "postgres://ann:secret@127.0.0.1/points";
    let printed = town.done(&["serve", "--listen", "127.0.0.1:3", "--print-config", "--ledger", secret]);
    assert!(
        printed.out.contains("postgres://ann@127.0.0.1:5432/points") && !printed.out.contains("secret"),
        "{printed:?}"
    );
    let help = town.jifen(&["serve", "--help"]).env("JIFEN_LEDGER", secret).output().expect("jifen starts");
    assert!(!String::from_utf8_lossy(&help.stdout).contains("secret"));
    // What is only looked at must not begin in a ledger that is kept.
    let demo = town.jifen(&["serve", "--demo"]).env("JIFEN_LEDGER", "l.db").output().expect("jifen starts");
    assert!(String::from_utf8_lossy(&demo.stderr).contains("cannot be used with"), "{demo:?}");
    for (file, arguments, told) in [
        ("ledger = 'l.db'", &["--demo"][..], "--demo has a program and a ledger of its own"),
        ("listen = 1", &[], "host.toml"),
        ("listen = '127.0.0.1:0'\nqueu = 1", &[], "unknown field `queu`"),
        ("", &["--ledger", "l.db"], "no program was ever put to work here; say --program"),
        ("queue = 0", &[], "nonzero"),
        (
            "listen = '0.0.0.0:0'",
            &["--ledger", "l.db", "--program", "program.toml", "--policies", "policies"],
            "reached from outside",
        ),
        (
            "listen = '127.0.0.1:0'",
            &["--ledger", "l.db", "--program", "none.toml", "--policies", "policies"],
            "none.toml",
        ),
    ] {
        town.write("host.toml", file);
        let done = town.done(&[&["serve", "--config", "host.toml"], arguments].concat());
        assert!(done.code == Some(2) && done.err.contains(told), "{file}: {done:?}");
    }
}
