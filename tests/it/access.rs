//! Who may ask a host for what, and the trail of what was asked.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::components::{redemption, referring, spend_guest};
use crate::releases::{case, publish_with, rate};
use crate::service::{Answer, Host};
use crate::town::{Town, objects, purchase, registration, text, until};

const NOON: &str = "2025-07-25T12:00:00+08:00";

/// What each role may ask for. Whatever is not here is not in the API.
const ALLOWED: [(&str, &str); 34] = [
    ("post /v1/events", "operator merchant"),
    ("get /v1/events", "operator auditor merchant"),
    ("get /v1/events/why", "operator auditor merchant"),
    ("post /v1/quotes", "operator auditor merchant member"),
    ("post /v1/redemptions", "operator merchant"),
    ("get /v1/redemptions/{redemption}", "operator auditor merchant member"),
    ("post /v1/redemptions/{redemption}/{step}", "operator merchant"),
    ("get /v1/merchants/{merchant}/statement", "operator auditor merchant"),
    ("get /v1/members/{member}/balances", "operator auditor member"),
    ("get /v1/members/{member}/lots", "operator auditor member"),
    ("get /v1/members/{member}/statement", "operator auditor member"),
    ("put /v1/policies/{policy}/releases/{version}", "operator merchant"),
    ("get /v1/policies/{policy}/releases/{version}", "operator auditor merchant"),
    ("get /v1/policies", "operator auditor merchant"),
    ("get /v1/program", "operator auditor"),
    ("put /v1/program", "operator"),
    ("get /v1/programs/{program}", "operator auditor"),
    ("post /v1/program/plan", "operator auditor"),
    ("post /v1/program/backtest", "operator auditor"),
    ("post /v1/program/announcements", "operator"),
    ("get /v1/program/announcements", "operator auditor"),
    ("post /v1/program/rollback", "operator"),
    ("get /v1/program/changes", "operator auditor"),
    ("get /v1/program/deployments/{deployment}/comparison", "operator auditor"),
    ("post /v1/keys", "operator"),
    ("get /v1/keys", "operator auditor"),
    ("delete /v1/keys/{id}", "operator"),
    ("get /v1/trail", "operator auditor"),
    ("get /v1/signers", "operator auditor"),
    ("post /v1/signers", "operator"),
    ("delete /v1/signers/{id}", "operator"),
    ("get /metrics", "operator auditor"),
    ("get /healthz", "everybody"),
    ("get /readyz", "everybody"),
];

/// A town of two merchants, with one point for a yuan and a mug for 60 points.
fn town() -> Town {
    let town = Town::new();
    town.policy("mug", &redemption(60, 0, 0));
    let program = town.program(&[("spend", "spend", "base", "")]).read("program.toml");
    town.write(
        "program.toml",
        program
            + "\n[[merchant]]\nid = 'stall'\nregion = 'cn'\n\n[[redemption]]\nid = 'mug'\npolicy = 'mug'\nunit = 'points'\n\n\
               [[redemption]]\nid = 'gift'\npolicy = 'mug'\nunit = 'points'\nat_close = { item = 'voucher', merchant = 'shop' }\n",
    );
    assert_eq!(town.change_program("apply", "program.toml", &[]).code, Some(0));
    town
}

/// Makes a key by the command line.
pub(crate) fn key(town: &Town, role: &str, more: &[&str]) -> String {
    let arguments = ["keys", "make", "--ledger", "l.db", "--role", role, "--name", role];
    let made = town.done(&[&arguments, more].concat());
    assert_eq!(made.code, Some(0), "{made:?}");
    made.out.trim().to_owned()
}

/// The keys of an operator, an auditor, the shop, the stall, and ann.
struct Keys {
    operator: String,
    auditor: String,
    shop: String,
    stall: String,
    ann: String,
}

fn keys(town: &Town) -> Keys {
    Keys {
        operator: key(town, "operator", &[]),
        auditor: key(town, "auditor", &[]),
        shop: key(town, "merchant", &["--scope", "shop"]),
        stall: key(town, "merchant", &["--scope", "stall"]),
        ann: key(town, "member", &["--scope", "ann", "--rate", "0"]),
    }
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, text(&answer.json()["code"]).to_owned())
}

#[test]
fn each_role_may_what_it_may_and_nothing_else() {
    let town = town();
    let Keys { operator, auditor, shop, ann, .. } = keys(&town);
    let revoked = key(&town, "operator", &["--rate", "5"]);
    let id = revoked.split('_').nth(1).expect("the id is the second part");
    assert_eq!(town.done(&["keys", "revoke", "--ledger", "l.db", id]).code, Some(0));
    let host = town.host();
    let api = host.get("/openapi.json").json();
    let mut operations = Vec::new();
    for (path, methods) in api["paths"].as_object().expect("an object") {
        operations.extend(methods.as_object().expect("an object").keys().map(|it| format!("{it} {path}")));
    }
    let allowed = BTreeMap::from(ALLOWED);
    operations.sort_unstable();
    let mut known: Vec<_> = allowed.keys().copied().collect();
    known.sort_unstable();
    assert_eq!(operations, known);
    let holders = [("operator", &operator), ("auditor", &auditor), ("merchant", &shop), ("member", &ann)];
    let nobody = format!("jifen_{}_{}", "0".repeat(12), "0".repeat(64));
    let wrong = format!("{}{}", &operator[..operator.len() - 1], if operator.ends_with('0') { 1 } else { 0 });
    for (operation, roles) in allowed {
        let (method, path) = operation.split_once(' ').expect("a method and a path");
        let path = path.replace("{member}", "ann").replace("{policy}", "mine").replace("{version}", "1.0.0");
        let path = match operation {
            "get /v1/events" | "get /v1/events/why" => path + "?source=/merchants/shop&id=1",
            _ => path.replace("{id}", "0").replace("{merchant}", "shop"),
        };
        for (role, key) in &holders {
            let answer = Answer::to(host.with(key, method, &path));
            let may = roles == "everybody" || roles.split(' ').any(|it| it == *role);
            assert_eq!(answer.status != 403, may, "{role} {operation}: {answer:?}");
            assert_ne!(answer.status, 401, "{role} {operation}");
        }
        for key in [&nobody, &wrong, &revoked, "jifen_", "Basic"] {
            let answer = Answer::to(host.with(key, method, &path));
            assert_eq!(answer.status == 401, roles != "everybody", "{key} {operation}: {answer:?}");
        }
    }
    let others = Answer::to(host.with(&shop, "get", "/v1/merchants/stall/statement"));
    assert_eq!(code(&others), (403, "forbidden".to_owned()));
    let stranger = host.get("/v1/program");
    assert_eq!(code(&stranger), (401, "unauthorized".to_owned()));
    assert_eq!(stranger.header("www-authenticate"), "Bearer realm=\"jifen\"");
    let changed = Answer::to(host.with(&auditor, "post", "/v1/keys"));
    assert_eq!(code(&changed), (403, "forbidden".to_owned()));
}

/// A page of another origin learns nothing: no answer says that it may read it.
#[test]
fn pages_of_other_origins_are_not_let_in() {
    let town = town();
    let host = town.host();
    let preflight =
        host.with("none", "options", "/v1/events").header("access-control-request-method", "POST");
    for request in [host.request("/v1/quotes"), host.with("none", "get", "/healthz"), preflight] {
        let answer = Answer::to(request.header("origin", "https://example.org"));
        let lets = answer.headers.keys().any(|name| name.as_str().starts_with("access-control"));
        assert!(!lets, "{answer:?}");
    }
}

/// What a rule asks of a member is of purchases anywhere, and so are the names of lots: a merchant is shown what is decided for the member
/// on its own events, and what its own rules asked.
#[test]
fn a_merchant_is_shown_what_is_its_own_of_a_receipt() {
    let town = Town::new();
    town.policy("refer", &referring(5));
    town.policy("mug", &redemption(1, 0, 0));
    let capped = "cap = { per_member_per_day = 1000 }";
    let program = town.program(&[
        ("ours", "counting", "base", "scope = { merchant = 'shop' }"),
        ("theirs", "counting", "base", capped),
        ("refer", "refer", "bonus", ""),
    ]);
    let more = "\n[[merchant]]\nid = 'stall'\nregion = 'cn'\n\n[[redemption]]\nid = 'mug'\npolicy = 'mug'\nunit = 'points'\n";
    let program = program.read("program.toml") + more;
    town.write("program.toml", program);
    let applied = town.change_program("apply", "program.toml", &[]);
    assert_eq!(applied.code, Some(0), "{applied:?}");
    let Keys { operator, shop, stall, ann, .. } = keys(&town);
    let host = town.host();
    let joined = of("jifen.member.registered", "0", json!({"member": "ann", "referrer": "bob"}));
    assert_eq!(host.events_with(&operator, &joined).status, 200);
    let asked = |receipt: &Value| {
        let evaluations = receipt["evaluations"].as_array().expect("a list");
        let one = |it: &Value| format!("{} {} {}", text(&it["deployment"]), it["facts"], it["usage"]);
        evaluations.iter().map(one).collect::<Vec<_>>()
    };
    let own = ["ours [[\"purchases.lifetime-count\",0]] null", "theirs null null", "refer null null"];
    let bought = purchase("1", "ann", NOON, 100);
    let quoted = host.post_with(&shop, "/v1/quotes", &bought).json();
    let sent = host.events_with(&shop, &bought).json();
    let again = host.events_with(&shop, &json!([bought])).json()[0].clone();
    let key = "source=/merchants/shop&id=1";
    let get = |key: &str, path: &str| Answer::to(host.with(key, "get", path)).json();
    let found = get(&shop, &format!("/v1/events?{key}"));
    let explained = get(&shop, &format!("/v1/events/why?{key}"))["receipt"].clone();
    for shown in [&quoted, &sent, &again, &found, &explained] {
        assert_eq!(asked(shown), own, "{shown}");
        let told = shown.to_string();
        let hidden = ["bob", "version", "digest", "\"lot\""].map(|it| told.contains(it));
        assert_eq!(hidden, [false; 4], "{shown}");
    }
    // The member itself is shown what rules asked, and nothing of who brought the member.
    let own = host.post_with(&ann, "/v1/quotes", &purchase("q", "ann", NOON, 100)).json();
    assert_eq!(own["awards"].as_array().map(Vec::len), Some(2), "{own}");
    let [ours, theirs, _] = &asked(&own)[..] else { panic!("{own}") };
    assert!([ours, theirs].iter().all(|it| it.contains("lifetime-count") && it.ends_with("null")), "{own}");
    assert!(!own.to_string().contains("bob"), "{own}");
    let whole = get(&operator, &format!("/v1/events?{key}"));
    assert_eq!(
        [&whole, &found].map(|it| it["awards"].as_array().map(Vec::len)),
        [Some(3), Some(2)],
        "{whole}"
    );
    assert!(asked(&whole)[1].contains("lifetime-count") && asked(&whole)[1].contains("\"day\":0"), "{whole}");
    let elsewhere = host.events_with(&stall, &at_stall(purchase("2", "ann", NOON, 100))).json();
    assert_eq!(asked(&elsewhere), ["theirs null null", "refer null null"], "{elsewhere}");
    assert_eq!(elsewhere["awards"][0]["granted"], 1, "what the member gets is shown: {elsewhere}");
    let posted: Vec<_> =
        elsewhere["postings"].as_array().expect("a list").iter().map(|it| &it["account"]).collect();
    assert_eq!(posted, ["member/ann"], "{elsewhere}");
    let wish = json!({"redemption": "r", "member": "ann", "merchant": "shop", "item": "mug"});
    let held = host.post_with(&shop, "/v1/redemptions", &wish).json();
    assert_eq!(held["redemptions"][0]["held"], json!([{"points": 1}]), "{held}");
    // A return before its purchase: the purchase's receipt has what was asked of all of it, and of what remains.
    let half = json!([{"sku": "rice", "quantity": 0, "amount": 50}]);
    let returned = of("jifen.purchase.refunded", "3", json!({"order": "4", "lines": half}));
    assert_eq!(host.events_with(&operator, &returned).json()["outcome"], "applied");
    let bought = host.events_with(&shop, &purchase("4", "ann", NOON, 100)).json();
    for receipt in [&bought, &bought["refund"]] {
        let told: Vec<_> = asked(receipt).iter().map(|it| it.contains("lifetime-count")).collect();
        assert_eq!(told, [true, false, false], "{bought}");
    }
    assert!(!bought.to_string().contains("bob"), "{bought}");
    // What was held at the stall, and is over by then, stands on the receipt of what the member does next.
    let elsewhere = json!({"redemption": "over there", "member": "ann", "merchant": "stall", "item": "mug"});
    let elsewhere = at_stall(of("jifen.redemption.requested", "5", elsewhere));
    let asked = host.events_with(&operator, &elsewhere).json();
    assert_eq!(asked["outcome"], "applied", "{asked}");
    let later = purchase("6", "ann", "2025-07-29T12:00:00+08:00", 100);
    let shown = host.events_with(&shop, &later).json().to_string();
    let whole = get(&operator, "/v1/events?source=/merchants/shop&id=6").to_string();
    let told = |receipt: &str| ["over there", "\"release\"", "released"].map(|it| receipt.contains(it));
    assert_eq!((told(&shown), told(&whole)), ([false; 3], [true; 3]), "{shown}\n{whole}");
}

/// Returns an event of the stall's counter.
fn at_stall(mut event: Value) -> Value {
    event["source"] = json!("/merchants/stall");
    if event["data"]["merchant"] == "shop" {
        event["data"]["merchant"] = json!("stall");
    }
    event
}

fn of(kind: &str, id: &str, data: Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/merchants/shop", "type": kind, "time": NOON, "data": data})
}

/// Returns what an answer says, in short.
fn outcome(answer: &Value) -> String {
    match answer["outcome"].as_str() {
        Some(outcome) => outcome.to_owned(),
        None => format!("{} {}", text(&answer["code"]), text(&answer["field"])),
    }
}

/// The shop has an order and a use of points; the stall tries what it can reach of them.
#[test]
fn a_merchants_key_reaches_what_happens_at_its_own_counters() {
    let town = town();
    let Keys { operator, shop, stall, .. } = keys(&town);
    let host = town.host();
    let joined = |id: &str| of("jifen.member.registered", id, json!({"member": id}));
    let wish = |id: &str| {
        let data = json!({"redemption": id, "member": "ann", "merchant": "shop", "item": "mug"});
        of("jifen.redemption.requested", id, data)
    };
    let step = |kind: &str, id: &str| {
        let mut event =
            of(&format!("jifen.redemption.{kind}"), &format!("{kind}-{id}"), json!({"redemption": id}));
        if kind == "cancelled" {
            event["data"]["cause"] = json!("merchant");
        }
        event
    };
    let refund = |id: &str, order: &str| of("jifen.purchase.refunded", id, json!({"order": order}));
    let paid_with = |id: &str, redemption: &str| {
        let mut event = purchase(id, "ann", NOON, 500);
        event["data"]["tenders"] = json!([{"kind": "points", "redemption": redemption, "amount": 500}]);
        event
    };
    let close = |day: &str| of("jifen.day.closed", day, json!({"day": day}));
    let rejected = |id: &str| of("jifen.referral.rejected", id, json!({"order": "1"}));
    let foreign = |mut event: Value| {
        event["source"] = json!("/merchants/stall");
        event
    };
    let ahead = |mut event: Value| {
        event["time"] = json!("2099-12-31T00:00:00+08:00");
        event
    };
    let cases = [
        (&shop, joined("eve"), "applied"),
        (&shop, purchase("1", "ann", NOON, 20_000), "applied"),
        (&shop, foreign(purchase("2", "ann", NOON, 100)), "event-refused source"),
        (&shop, registration("3", "ann", NOON), "event-refused source"),
        (&shop, wish("r1"), "applied"),
        (&shop, wish("r2"), "applied"),
        (&shop, step("captured", "r1"), "applied"),
        (&shop, close("2025-07-24"), "event-refused type"),
        (&shop, step("lapsed", "r2"), "event-refused type"),
        (&shop, rejected("4"), "event-refused type"),
        (&stall, foreign(purchase("5", "ann", NOON, 100)), "event-refused data.merchant"),
        (&stall, foreign(wish("r3")), "event-refused data.merchant"),
        (&stall, at_stall(purchase("6", "ann", NOON, 6_100)), "applied"),
        (&stall, ahead(at_stall(purchase("21", "ann", NOON, 6_100))), "event-refused time"),
        (&stall, foreign(refund("7", "1")), "event-refused data.order"),
        (&stall, foreign(refund("8", "nowhere")), "event-refused data.order"),
        (&stall, foreign(step("voided", "r2")), "event-refused data.redemption"),
        (&stall, foreign(step("cancelled", "r1")), "event-refused data.redemption"),
        (&stall, foreign(step("captured", "r9")), "event-refused data.redemption"),
        (&stall, at_stall(paid_with("9", "r1")), "event-refused data.redemption"),
        (&stall, foreign(refund("10", "6")), "applied"),
        // Named before anybody requested it: what the shop holds then does not come back with the stall's order.
        (&stall, at_stall(paid_with("18", "r77")), "applied"),
        (&shop, wish("r77"), "applied"),
        (&shop, step("captured", "r77"), "applied"),
        (&stall, foreign(refund("19", "18")), "event-refused data.order"),
        (&shop, paid_with("11", "r1"), "applied"),
        (&shop, step("voided", "r2"), "applied"),
        (&shop, refund("12", "1"), "applied"),
        // Whoever keeps the books may send what any of them did.
        (&operator, registration("13", "cat", NOON), "applied"),
        (&operator, refund("14", "nowhere"), "applied"),
    ];
    let mut applied = 0;
    for (key, event, expected) in &cases {
        let answer = host.events_with(key, event).json();
        let told = outcome(&answer);
        assert_eq!(told, *expected, "{event}: {answer}");
        applied += u64::from(*expected == "applied");
    }
    assert_eq!(town.replay("l.db"), applied);
    let gift = "close/gift/2025-07-25/cat";
    let mut rich = purchase("20", "cat", NOON, 10_000);
    rich["source"] = json!("/merchants/shop");
    let mut closed = close("2025-07-25");
    closed["time"] = json!("2025-07-26T00:00:00+08:00");
    let later = |mut event: Value| {
        event["time"] = json!("2025-07-26T12:00:00+08:00");
        event
    };
    let given = [
        (&operator, rich, "applied"),
        (&operator, closed, "applied"),
        // What the day gave is the shop's, too.
        (&stall, later(foreign(step("cancelled", gift))), "event-refused data.redemption"),
        (&shop, later(step("cancelled", gift)), "applied"),
    ];
    for (key, event, expected) in &given {
        assert_eq!(outcome(&host.events_with(key, event).json()), *expected, "{event}");
    }
    // Without an envelope it is the merchant's event, too.
    let wanted = |name: &str| json!({"redemption": name, "member": "cat", "merchant": "shop", "item": "mug"});
    for (key, path, body, expected) in [
        (&shop, "", wanted("r20"), "200 /merchants/shop"),
        (&stall, "", wanted("r21"), "422 event-refused merchant"),
        (&stall, "/r20/capture", json!({}), "422 event-refused redemption"),
        (&shop, "/r20/capture", json!({}), "200 /merchants/shop"),
        (&stall, "/r20/cancel", json!({"cause": "merchant"}), "422 event-refused redemption"),
        // The operator's is another event, and the points are used already.
        (&operator, "/r20/capture", json!({}), "422 event-refused redemption"),
        (&operator, "/r20/cancel", json!({"cause": "merchant"}), "200 /jifen/redemptions"),
    ] {
        let answer = host.post_with(key, &format!("/v1/redemptions{path}"), &body);
        let told = match answer.json()["source"].as_str() {
            Some(source) => source.to_owned(),
            None => outcome(&answer.json()),
        };
        assert_eq!(format!("{} {told}", answer.status), expected, "{path}: {answer:?}");
    }
    for (key, expected) in [(&shop, 200), (&stall, 403)] {
        assert_eq!(Answer::to(host.with(key, "get", "/v1/redemptions/r20")).status, expected);
    }
    // An order that is not there yet comes with its return, in one array.
    let both = json!([
        at_stall(purchase("15", "ann", NOON, 100)),
        foreign(refund("16", "15")),
        purchase("17", "ann", NOON, 1)
    ]);
    let answers = host.events_with(&stall, &both).json();
    let outcomes: Vec<_> =
        answers.as_array().expect("an array").iter().map(|it| text(&it["outcome"])).collect();
    assert_eq!(outcomes, ["applied", "applied", "refused"], "{answers}");
}

#[test]
fn each_sees_its_own() {
    let town = town();
    let Keys { operator, shop, stall, ann, .. } = keys(&town);
    let host = town.host();
    host.events_with(&operator, &json!([purchase("1", "ann", NOON, 6_850), registration("2", "bob", NOON)]));
    let quote = |key: &str, event: &Value| {
        let request = host.with(key, "post", "/v1/quotes").header("content-type", "application/json");
        Answer::to(request.body(event.to_string())).status
    };
    let get = |key: &str, path: &str| Answer::to(host.with(key, "get", path)).status;
    let event = "/v1/events?source=/merchants/shop&id=1";
    let why = "/v1/events/why?source=/merchants/shop&id=1";
    for (key, path, expected) in [
        (&ann, "/v1/members/ann/balances", 200),
        (&ann, "/v1/members/ann/lots", 200),
        (&ann, "/v1/members/ann/statement", 200),
        (&ann, "/v1/members/bob/balances", 403),
        (&ann, "/v1/members/bob/lots", 403),
        (&ann, "/v1/members/bob/statement", 403),
        (&ann, "/v1/members/nobody/lots", 403),
        (&shop, event, 200),
        (&shop, why, 200),
        (&stall, event, 403),
        (&stall, why, 403),
        (&operator, event, 200),
    ] {
        assert_eq!(get(key, path), expected, "{path}");
    }
    assert_eq!(quote(&ann, &purchase("q", "ann", NOON, 100)), 200);
    assert_eq!(quote(&ann, &purchase("q", "bob", NOON, 100)), 422);
    assert_eq!(quote(&shop, &purchase("q", "bob", NOON, 100)), 200);
    assert_eq!(quote(&stall, &purchase("q", "bob", NOON, 100)), 422);
    let other_program = |key: &str| {
        let request =
            host.with(key, "post", "/v1/quotes?program=1").header("content-type", "application/json");
        Answer::to(request.body(purchase("q", "ann", NOON, 100).to_string())).status
    };
    assert_eq!([&operator, &shop, &ann].map(|key| other_program(key)), [200, 403, 403]);
    // What others sent is not to be found out by trying.
    let request = host.with(&ann, "post", "/v1/quotes").header("content-type", "application/json");
    let probed = Answer::to(request.body(purchase("1", "ann", NOON, 1).to_string()));
    assert_eq!((probed.status, &probed.json()["field"]), (409, &Value::Null), "{probed:?}");
    let refund = of("jifen.purchase.refunded", "q", json!({"order": "1"}));
    assert_eq!(quote(&shop, &refund), 200);
    assert_eq!(quote(&stall, &at_stall(refund)), 422);
}

/// A policy is whose first release it was, and nobody else publishes one of that name, or sees what was tried.
#[test]
fn a_policy_is_whose_first_release_it_was() {
    let town = town();
    let Keys { operator, auditor, shop, stall, .. } = keys(&town);
    let host = town.host();
    let publish = |key: &str, version: &str, per: u64| {
        let lines = "";
        publish_with(
            &host,
            key,
            &format!("rate@{version}"),
            &rate(version, per, lines),
            &[case(6_850_u64.div_euclid(per))],
        )
    };
    assert_eq!(publish(&shop, "1.0.0", 100).status, 201);
    for (key, version, per, expected) in [
        (&stall, "1.0.0", 100, 403),
        (&stall, "1.0.1", 50, 403),
        (&operator, "1.0.1", 50, 403),
        (&shop, "1.0.0", 100, 200),
        (&shop, "1.0.0", 50, 409),
        (&shop, "1.0.1", 50, 201),
    ] {
        let answer = publish(key, version, per);
        assert_eq!(answer.status, expected, "{version} {per}: {answer:?}");
    }
    // What the program at work runs is somebody's, though nobody published it.
    let component = spend_guest(100).described("spend", "9.0.0", "").build();
    let taken = publish_with(&host, &shop, "spend@9.0.0", &component, &[case(68)]);
    assert_eq!(code(&taken), (403, "forbidden".to_owned()), "{taken:?}");
    // A merchant's release gets into a program by its version alone.
    let program =
        |policy: &str| town.read("program.toml").replace("policy = 'spend'", &format!("policy = '{policy}'"));
    let plan = |policy: &str| {
        Answer::to(host.with(&operator, "post", "/v1/program/plan").body(program(policy))).status
    };
    assert_eq!([plan("rate"), plan("rate@1.0.0")], [422, 200]);
    let listed = |key: &str| {
        let answer = Answer::to(host.with(key, "get", "/v1/policies")).json();
        answer["releases"].as_array().expect("a list").len()
    };
    assert_eq!([&operator, &auditor, &shop, &stall].map(|key| listed(key)), [2, 2, 2, 0]);
    let seen = |key: &str| Answer::to(host.with(key, "get", "/v1/policies/rate/releases/1.0.0")).status;
    assert_eq!([&operator, &auditor, &shop, &stall].map(|key| seen(key)), [200, 200, 200, 404]);
}

#[test]
fn a_key_is_used_as_often_as_it_may() {
    let town = town();
    key(&town, "operator", &[]);
    let slow = key(&town, "auditor", &["--rate", "2"]);
    let host = town.host();
    let answers: Vec<_> = (0..20).map(|_| Answer::to(host.with(&slow, "get", "/v1/program"))).collect();
    let turned_away =
        answers.iter().find(|answer| answer.status != 200).expect("twenty at once are more than two");
    assert_eq!(code(turned_away), (429, "too-often".to_owned()));
    assert_eq!(turned_away.header("retry-after"), "1");
    assert_eq!(answers[0].status, 200);
    thread::sleep(Duration::from_millis(1_100));
    assert_eq!(Answer::to(host.with(&slow, "get", "/v1/program")).status, 200);
}

/// Keys over HTTP: the first closes the ledger, each is told once, and a revoked one is of no use on any host.
#[test]
fn keys_are_made_listed_and_revoked_over_http() {
    let town = town();
    let (host, other) = (town.host(), town.host());
    let make = |key: &str, body: Value| {
        let request = host.with(key, "post", "/v1/keys").header("content-type", "application/json");
        Answer::to(request.body(body.to_string()))
    };
    let operator = json!({"role": "operator", "name": "赵敏"});
    let alone = host.post("/v1/keys", json!({"role": "auditor", "name": "钱进"}).to_string());
    assert_eq!(code(&alone), (400, "malformed".to_owned()), "{alone:?}");
    assert_eq!(other.get("/v1/program").status, 200);
    let made = host.post("/v1/keys", operator.to_string());
    assert_eq!(made.status, 201, "{made:?}");
    let secret = text(&made.json()["secret"]).to_owned();
    assert_eq!(host.get("/v1/program").status, 401);
    thread::sleep(Duration::from_millis(1_100));
    assert_eq!(other.get("/v1/program").status, 401);
    for (body, field) in [
        (json!({"role": "king", "name": "x"}), "role"),
        (json!({"role": "merchant", "name": "x"}), "scope"),
        (json!({"role": "operator", "scope": "shop", "name": "x"}), "scope"),
        (json!({"role": "member", "scope": "", "name": "x"}), "scope"),
        (json!({"role": "auditor", "name": " "}), "name"),
        (json!({"role": "auditor"}), "name"),
        (json!({"role": "auditor", "name": "x", "rate": -1}), "rate"),
        (json!({"role": "auditor", "name": "x", "more": 1}), "more"),
    ] {
        let answer = make(&secret, body.clone());
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert!(text(&answer.json()["detail"]).contains(field), "{body}: {answer:?}");
    }
    let made = make(&secret, json!({"role": "merchant", "scope": "shop", "name": "柜台", "rate": 5})).json();
    let (id, shop) = (text(&made["id"]), text(&made["secret"]));
    assert_eq!(Answer::to(other.with(shop, "get", "/v1/policies")).status, 200);
    let listed = Answer::to(host.with(&secret, "get", "/v1/keys"));
    assert!(!listed.text.contains(shop.rsplit('_').next().expect("a secret")), "{listed:?}");
    let roles: Vec<_> =
        listed.json()["keys"].as_array().expect("a list").iter().map(|it| it["role"].clone()).collect();
    assert_eq!(roles.len(), 2, "{listed:?}");
    // Asked twice under one name, one is made.
    let again = || {
        let request = host.with(&secret, "post", "/v1/keys").header("content-type", "application/json");
        let request = request.header("idempotency-key", "counter 2");
        Answer::to(request.body(json!({"role": "merchant", "scope": "shop", "name": "柜台"}).to_string()))
    };
    assert_eq!((again().status, code(&again())), (201, (409, "repeated".to_owned())));
    assert_eq!(
        Answer::to(host.with(&secret, "get", "/v1/keys")).json()["keys"].as_array().map(Vec::len),
        Some(3)
    );
    let revoke = |id: &str| Answer::to(host.with(&secret, "delete", &format!("/v1/keys/{id}")));
    // Whoever writes the whole key means it, and its secret goes nowhere.
    let revoked = revoke(shop);
    let trail = Answer::to(host.with(&secret, "get", "/v1/trail")).text;
    assert!(trail.contains(&format!("jifen_{id}_...")) && !trail.contains(shop), "{trail}");
    assert_eq!((revoked.status, &revoked.json()["name"]), (200, &json!("柜台")));
    assert_eq!(revoke(id).json()["revoked"], revoked.json()["revoked"]);
    assert_eq!(code(&revoke("none")), (404, "not-found".to_owned()));
    assert_eq!(Answer::to(host.with(shop, "get", "/v1/policies")).status, 401);
    thread::sleep(Duration::from_millis(1_100));
    assert_eq!(Answer::to(other.with(shop, "get", "/v1/policies")).status, 401);
}

/// What was asked to be changed or tried stands in the trail, with whose key it was and what came of it.
#[test]
fn the_trail_says_who_asked_for_what_and_how_it_was_answered() {
    let town = town();
    let Keys { operator, auditor, .. } = keys(&town);
    let host = town.host();
    let program = town.read("program.toml").replace("小镇", "新镇");
    let put = |key: &str, query: &str| {
        let request = host.with(key, "put", &format!("/v1/program?{query}")).header("if-match", "\"1\"");
        Answer::to(request.body(program.clone()))
    };
    assert_eq!(put(&auditor, "why=mine").status, 403);
    let changed = put(&operator, "why=a%20test&who=%E8%B5%B5%E6%95%8F");
    assert_eq!((changed.status, &changed.json()["who"]), (200, &json!("赵敏 (operator)")), "{changed:?}");
    let plan = Answer::to(host.with(&auditor, "post", "/v1/program/plan").body(program.clone()));
    assert_eq!(plan.status, 200);
    assert_eq!(Answer::to(host.with(&operator, "get", "/v1/program")).status, 200);
    let back =
        Answer::to(host.with(&operator, "post", "/v1/program/rollback?why=back").header("if-match", "\"2\""));
    assert_eq!((back.status, &back.json()["who"]), (200, &json!("operator")), "{back:?}");
    let trail = Answer::to(host.with(&auditor, "get", "/v1/trail")).json();
    let told = |step: &Value| format!("{} {} {}", text(&step["who"]), text(&step["asked"]), step["status"]);
    let steps: Vec<_> = trail["steps"].as_array().expect("a list").iter().map(told).collect();
    // Made by the command line.
    let (keys, steps) = steps.split_at(5);
    assert!(
        keys.iter().all(|step| step.contains(" jifen keys make --role ") && step.ends_with(" 200")),
        "{keys:?}"
    );
    let trail = json!({"steps": trail["steps"].as_array().expect("a list")[5..]});
    assert_eq!(
        steps,
        [
            "auditor PUT /v1/program?why=mine 403",
            "operator PUT /v1/program?why=a%20test&who=%E8%B5%B5%E6%95%8F 200",
            "auditor POST /v1/program/plan 200",
            "operator POST /v1/program/rollback?why=back 200",
        ]
    );
    assert_eq!(trail["steps"][3]["id"], back.header("x-request-id"));
    assert_eq!(trail["steps"][3]["key"], operator.split('_').nth(1).expect("an id"));
    let second = trail["steps"][1]["seq"].clone();
    let rest = Answer::to(host.with(&auditor, "get", &format!("/v1/trail?after={second}"))).json();
    assert_eq!(rest["steps"], json!([trail["steps"][2], trail["steps"][3]]));
    let printed = town.done(&["audit", "trail", "--ledger", "l.db"]);
    town.write("trail.jsonl", printed.out);
    assert_eq!(json!(objects(&town.path("trail.jsonl"))[5..]), trail["steps"]);
    // What is not done stands there, too.
    let before = objects(&town.path("trail.jsonl")).len();
    assert_eq!(town.done(&["signers", "revoke", "--ledger", "l.db", "none", "--who", "赵敏"]).code, Some(2));
    let printed = town.done(&["audit", "trail", "--ledger", "l.db"]);
    town.write("trail.jsonl", printed.out);
    let steps = objects(&town.path("trail.jsonl"));
    assert_eq!(
        (told(&steps[before]), steps.len()),
        ("赵敏 jifen signers revoke none 400".to_owned(), before + 1)
    );
}

/// Whoever can be reached from outside asks for keys, and encrypts what is said if it has a certificate.
#[test]
fn a_host_that_can_be_reached_from_outside_asks_for_keys() {
    // The first key may be there before anything else is.
    key(&Town::new(), "operator", &[]);
    let town = town();
    let outside = ["serve", "--ledger", "l.db", "--listen", "0.0.0.0:0"];
    let refused = town.done(&outside);
    assert!(refused.code == Some(2) && refused.err.contains("jifen keys make"), "{refused:?}");
    let operator = key(&town, "operator", &[]);
    let host = Host::start(&mut town.jifen(&outside));
    assert_eq!(host.get("/v1/program").status, 401);
    assert_eq!(Answer::to(host.with(&operator, "get", "/v1/program")).status, 200);
    drop(host);
    let half = town.done(&["serve", "--ledger", "l.db", "--tls-certificate", "c.pem"]);
    assert!(half.code == Some(2) && half.err.contains("tls-key"), "{half:?}");
    let both = [
        "serve",
        "--ledger",
        "l.db",
        "--listen",
        "127.0.0.1:0",
        "--tls-certificate",
        "c.pem",
        "--tls-key",
        "k.pem",
    ];
    let none = town.done(&both);
    assert!(none.code == Some(2) && none.err.contains("c.pem"), "{none:?}");
    let renew = || {
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        town.write("c.pem", certified.cert.pem());
        town.write("k.pem", certified.signing_key.serialize_pem());
        certified.cert.pem()
    };
    let first = renew();
    let mut host = Host::start(&mut town.jifen(&both));
    assert!(host.url("/").starts_with("https://"));
    host.trust(&first);
    let ask =
        |host: &Host| Answer::try_to(host.with(&operator, "get", "/v1/program")).map(|answer| answer.status);
    assert_eq!(ask(&host), Ok(200));
    // What cannot be read changes nothing.
    town.write("c.pem", "no certificate");
    host.tell("-HUP");
    thread::sleep(Duration::from_millis(200));
    host.trust(&first);
    assert_eq!(ask(&host), Ok(200));
    let second = renew();
    host.tell("-HUP");
    let renewed = until(|| {
        host.trust(&second);
        ask(&host) == Ok(200)
    });
    assert!(renewed);
    host.trust(&first);
    assert!(ask(&host).is_err(), "the first certificate is gone");
}

/// A quote that holds is a write: a member has few of them.
#[test]
fn a_member_has_few_quotes_that_hold() {
    let town = town();
    key(&town, "operator", &[]);
    let ann = key(&town, "member", &["--scope", "ann", "--rate", "0"]);
    let auditor = key(&town, "auditor", &[]);
    let host = town.host();
    let quote = |key: &str, query: &str| {
        let request = host.with(key, "post", &format!("/v1/quotes{query}"));
        let request = request.header("content-type", "application/json");
        Answer::to(request.body(purchase("1", "ann", NOON, 100).to_string()))
    };
    for _ in 0..60 {
        assert!(quote(&ann, "?hold=60").json()["token"].is_string());
    }
    let refused = quote(&ann, "?hold=60");
    assert_eq!((code(&refused), refused.header("retry-after")), ((429, "too-often".to_owned()), "60"));
    assert_eq!(quote(&ann, "").status, 200, "what does not hold is no write");
    assert_eq!(["?hold=60", ""].map(|query| quote(&auditor, query).status), [403, 200]);
}
