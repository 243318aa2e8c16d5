//! Releases over HTTP: what comes in, what is tried of it, and how it gets to work.

use std::iter;

use reqwest::blocking::RequestBuilder;
use serde_json::{Value, json};

use crate::components::{Guest, configurable_guest, core, spend_guest};
use crate::service::{Answer, Host};
use crate::town::{Town, purchase, text};

const NOON: &str = "2025-07-25T12:00:00+08:00";
const BECAUSE: &str = "who=%E8%B5%B5%E6%95%8F&why=a%20test";

/// Starts a host on a ledger where a program is at work that awards one point for each purchase.
fn start(town: &Town) -> Host {
    town.program(&[("flat", "flat", "base", "parameters = { points = 1 }")]);
    assert_eq!(town.change_program("apply", "program.toml", &[]).code, Some(0));
    town.host()
}

/// A rule that awards one point for so much.
pub(crate) fn rate(version: &str, per: u64, lines: &str) -> Vec<u8> {
    spend_guest(per).described("rate", version, lines).build()
}

/// What is awarded for 68.50.
pub(crate) fn case(points: u64) -> String {
    let awards = json!([{"to": "member", "points": points, "reason": "test"}]);
    let event = purchase("o", "ann", NOON, 6_850);
    json!({"about": "a purchase", "parameters": {}, "event": event, "expect": {"awards": awards}}).to_string()
}

/// Sends a form of parts: name, name of the file, content.
pub(crate) fn form(request: RequestBuilder, parts: &[(&str, &str, &[u8])]) -> Answer {
    let mut body = Vec::new();
    for (name, file, content) in parts {
        let head =
            format!("--part\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\n\r\n");
        body.extend([head.as_bytes(), content, b"\r\n"].concat());
    }
    body.extend(b"--part--\r\n");
    Answer::to(request.header("content-type", "multipart/form-data; boundary=part").body(body))
}

fn publish(host: &Host, release: &str, component: &[u8], cases: &[String]) -> Answer {
    form(host.put(&path(release)), &parts(component, cases))
}

/// Publishes a release with a key.
pub(crate) fn publish_with(
    host: &Host,
    key: &str,
    release: &str,
    component: &[u8],
    cases: &[String],
) -> Answer {
    form(host.with(key, "put", &path(release)), &parts(component, cases))
}

pub(crate) fn path(release: &str) -> String {
    let (policy, version) = release.split_once('@').expect("a name and a version");
    format!("/v1/policies/{policy}/releases/{version}")
}

pub(crate) fn parts<'p>(
    component: &'p [u8],
    cases: &'p [String],
) -> Vec<(&'static str, &'static str, &'p [u8])> {
    let cases = cases.iter().map(|case| ("case", "dir/a-purchase.json", case.as_bytes()));
    iter::once(("component", "rate.wasm", component)).chain(cases).collect()
}

/// Puts a program to work that awards by a policy.
fn deploy(town: &Town, host: &Host, policy: &str, after: &str) -> Answer {
    let path = format!("/v1/program?{BECAUSE}");
    Answer::to(host.put(&path).header("if-match", after).body(program(town, policy)))
}

fn program(town: &Town, policy: &str) -> String {
    town.program(&[("award", policy, "base", "")]).read("program.toml")
}

fn problem(answer: &Answer) -> (u16, String) {
    (answer.status, text(&answer.json()["code"]).to_owned())
}

fn awarded(host: &Host, id: &str) -> Value {
    host.events(&purchase(id, "ann", NOON, 6_850)).json()["awards"][0]["granted"].clone()
}

#[test]
fn a_release_is_published_deployed_and_rolled_back() {
    let town = Town::new();
    let host = start(&town);
    let first = publish(&host, "rate@1.0.0", &rate("1.0.0", 100, ""), &[case(68)]);
    let report = first.json();
    assert_eq!((first.status, &report["accepted"]), (201, &json!(true)), "{first:?}");
    assert_eq!(first.header("location"), "/v1/policies/rate/releases/1.0.0");
    let findings = report["findings"].as_array().expect("a list");
    let told: Vec<_> =
        findings.iter().map(|it| format!("{} {}", text(&it["gate"]), text(&it["what"]))).collect();
    for (expected, evidence) in [
        ("component contract", "a component of the world earning-policy"),
        ("component imports", "it may ask nothing"),
        ("component bounds", " functions, 65536 bytes of memory"),
        ("description name and version", "rate 1.0.0: "),
        ("case a-purchase", " fuel"),
        ("claim fairness: splitting", "holds in 256 circumstances with each of 1 sets of parameters"),
    ] {
        let place = told.iter().position(|told| told == expected);
        let finding = &findings[place.unwrap_or_else(|| panic!("{expected}: {told:?}"))];
        assert!(text(&finding["evidence"]).contains(evidence), "{finding}");
    }
    // The same again is what was published; the name is never another component's.
    let again = publish(&host, "rate@1.0.0", &rate("1.0.0", 100, ""), &[]);
    assert_eq!((again.status, &again.text), (200, &first.text));
    let other = publish(&host, "rate@1.0.0", &rate("1.0.0", 50, ""), &[case(137)]);
    assert_eq!(problem(&other), (409, "release-taken".to_owned()));
    assert_eq!(host.get("/v1/policies/rate/releases/1.0.0").text, first.text);
    assert_eq!(host.get("/v1/policies/rate/releases/1.0.1").status, 404);

    assert_eq!(awarded(&host, "1"), 1);
    let deployed = deploy(&town, &host, "rate", "\"1\"");
    assert_eq!((deployed.status, deployed.header("etag")), (200, "\"2\""), "{deployed:?}");
    assert_eq!(deployed.json()["who"], "赵敏");
    assert_eq!(awarded(&host, "2"), 68);
    // Without a version it is the latest, which no earlier one and no pre-release is.
    for (version, per, points) in [("1.10.0", 50, 137), ("1.9.0", 10, 685), ("2.0.0-rc.1", 1, 6_850)] {
        let published = publish(&host, &format!("rate@{version}"), &rate(version, per, ""), &[case(points)]);
        assert_eq!(published.status, 201, "{published:?}");
    }
    let names = |path: &str| {
        let page = host.get(path).json();
        let releases = page["releases"].as_array().expect("a list").clone();
        releases.iter().map(|it| text(&it["version"]).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("/v1/policies"), ["1.0.0", "1.10.0", "1.9.0", "2.0.0-rc.1"]);
    assert_eq!(names("/v1/policies?after=rate@1.10.0"), ["1.9.0", "2.0.0-rc.1"]);
    let plan = |policy: &str| {
        let request = host.request("/v1/program/plan").body(program(&town, policy));
        Answer::to(request).json()["differences"].clone()
    };
    let difference = plan("rate")[0].clone();
    assert!(text(&difference["now"]).starts_with("rate@1.10.0 "), "{difference}");
    assert_eq!(plan("rate@1.9.0")[0]["field"], "policy");
    assert_eq!(deploy(&town, &host, "rate", "\"2\"").json()["version"], 3);
    assert_eq!(awarded(&host, "3"), 137);
    let by_hand = town.done(&["plan", "--ledger", "l.db", "--program", "program.toml"]);
    assert_eq!(by_hand.out, "nothing changes: it is the program of version 3\n", "{by_hand:?}");
    // A host that has no folder of components has them from the ledger.
    let other = town.host();
    assert_eq!(awarded(&other, "4"), 137);
    let back = host.request(&format!("/v1/program/rollback?{BECAUSE}")).header("if-match", "\"3\"");
    let back = Answer::to(back);
    assert_eq!(
        (back.status, back.header("etag"), &back.json()["version"]),
        (200, "\"4\"", &json!(4)),
        "{back:?}"
    );
    assert_eq!(awarded(&host, "5"), 68);
    assert_eq!(town.replay("l.db"), 5);
}

#[test]
fn what_does_not_pass_is_told_why_and_leaves_nothing() {
    let town = Town::new();
    let host = start(&town);
    let good = rate("1.0.0", 100, "");
    let promise = "[[promises]]\nzh = '满50元双倍'\nen = 'Twice from 50 on'\nparameters = {}\nwhen = { spend_from = 5000 }\n\
        then = { times = '2' }\n";
    let forever = Guest::new().evaluate("(loop $again (br $again)) (unreachable)");
    let refused = [
        ("nothing", "rate@1.0.0", Vec::new(), vec![case(68)], "the component is empty [empty]"),
        ("no component", "rate@1.0.0", core("(module)"), vec![case(68)], "[core-module]"),
        ("another name", "late@1.0.0", good.clone(), vec![case(68)], "it says that it is rate 1.0.0"),
        ("another version", "rate@1.0.1", good.clone(), vec![case(68)], "it says that it is rate 1.0.0"),
        ("no name", "rate@1.0.0", spend_guest(100).build(), vec![case(68)], "it does not say what it is"),
        ("a case that fails", "rate@1.0.0", good.clone(), vec![case(67)], "a-purchase: "),
        ("no case", "rate@1.0.0", good.clone(), vec![], "no case came with it"),
        ("a case that is none", "rate@1.0.0", good.clone(), vec!["{}".to_owned()], "a-purchase: "),
        ("a broken promise", "rate@1.0.0", rate("1.0.0", 100, promise), vec![case(68)], "满50元双倍"),
    ];
    for (what, release, component, cases, words) in refused {
        let answer = publish(&host, release, &component, &cases);
        let problem = answer.json();
        assert_eq!((answer.status, text(&problem["code"])), (422, "release-refused"), "{what}: {answer:?}");
        assert!(text(&problem["detail"]).contains(words), "{what}: {problem}");
        assert_eq!(problem["report"]["accepted"], false, "{what}");
    }
    // The larger a component, the fewer sets of parameters it is compiled with.
    let large = format!("(data (i32.const 65536) {:?})", "x".repeat(800_000));
    let large = spend_guest(100).memory("16").item(&large).described("rate", "1.0.0", "").build();
    let sets = |n: usize| case(68).replace(r#""parameters":{}"#, &format!(r#""parameters":{{"n":{n}}}"#));
    let many: Vec<_> = (0..=20).map(sets).collect();
    let answer = publish(&host, "rate@1.0.0", &large, &many);
    assert_eq!(answer.status, 422);
    assert!(answer.text.contains("what came before has 11 sets of parameters"), "{}", answer.text);
    // Parameters that are refused are refused once, however often a promise is tried with them.
    let promise = "[[promises]]\nzh = 'x'\nen = 'x'\nparameters = { points = 'none' }\nwhen = { spend_from = 5000 }\nthen = { times = '2' }\n";
    let refusing = configurable_guest().described("rate", "1.0.0", &promise.repeat(40)).build();
    let answer = publish(&host, "rate@1.0.0", &refusing, &[case(1)]);
    assert_eq!((answer.status, text(&answer.json()["code"])), (422, "release-refused"), "{answer:?}");
    // What never ends takes as much as there is, and no more.
    let endless =
        publish(&host, "rate@1.0.0", &forever.described("rate", "1.0.0", "").build(), &vec![case(1); 200]);
    assert_eq!(endless.status, 422, "{endless:?}");
    // So does what takes its time for each of all that fairness is tried with; what was found by then is told.
    let wait = "(func $wait (local $n i32) (local.set $n (i32.const 1500000))
        (loop $again (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))";
    let slow = Guest::new().item(wait).evaluate("(call $wait) (call $award (i64.const 68))");
    let cases = [case(68), case(68).replace(r#""parameters":{}"#, r#""parameters":{"more":1}"#)];
    let slow = publish(&host, "rate@1.0.0", &slow.described("rate", "1.0.0", "").build(), &cases);
    let findings = slow.json()["report"]["findings"].as_array().expect("a list").clone();
    let failed: Vec<_> = findings.iter().filter(|it| it["passed"] == false).collect();
    assert_eq!((slow.status, failed.len()), (422, 3), "{failed:?}");
    // A sixth of what there is, for three probes with two sets of parameters each, less what the cases took.
    let words = ["takes more than 16", "who splits an order earns more", "takes more than 16"];
    for (claim, words) in failed.iter().zip(words) {
        assert_eq!(text(&claim["gate"]), "claim", "{claim}");
        assert!(text(&claim["evidence"]).contains(words), "{claim}");
    }
    let page = host.get("/v1/policies").json();
    assert_eq!(page["releases"], json!([]));
    assert_eq!(awarded(&host, "1"), 1);
}

/// What a policy does not know it may ignore: its schema says what it knows.
#[test]
fn parameters_are_held_against_the_schema_of_the_policy() {
    const SCHEMA: &str = "[parameters]\ntype = 'object'\nadditionalProperties = false\nrequired = ['per']\n\
        properties = { per = { type = 'integer', minimum = 1 }, only = { type = 'array', items = { pattern = '^[a-z]+$' } } }\n";
    let town = Town::new();
    let host = start(&town);
    let with =
        |parameters: &str| case(68).replace(r#""parameters":{}"#, &format!(r#""parameters":{parameters}"#));
    let fit = with(r#"{"per": 100}"#);
    for (what, schema, case, words) in [
        (
            "a name that is none",
            SCHEMA,
            r#"{"per": 100, "pre": 1}"#,
            "\"a purchase\": the parameters are not as the policy's schema says: they: ",
        ),
        ("too little", SCHEMA, r#"{"per": 0}"#, "/per: "),
        ("no number", SCHEMA, r#"{"per": "100"}"#, "/per: "),
        ("within a list", SCHEMA, r#"{"per": 1, "only": ["a", "B"]}"#, "/only/1: "),
        ("a schema that is none", "[parameters]\ntype = 'none'\n", r#"{"per": 100}"#, "[invalid-schema]"),
        (
            "a schema elsewhere",
            "[parameters]\n'$ref' = 'file:///etc/hostname'\n",
            r#"{"per": 100}"#,
            "a schema stands by itself",
        ),
        ("a schema without end", "[parameters]\n'$ref' = '#'\n", r#"{"per": 100}"#, "reference cycle"),
        (
            "a deep one",
            "[parameters]\n'$ref' = '#/allOf/0'\nallOf = [{ '$ref' = '#' }]\n",
            r#"{"per": 100}"#,
            "reference cycle",
        ),
    ] {
        let answer = publish(&host, "rate@1.0.0", &rate("1.0.0", 100, schema), &[with(case)]);
        let problem = answer.json();
        assert_eq!((answer.status, text(&problem["code"])), (422, "release-refused"), "{what}: {answer:?}");
        assert!(text(&problem["detail"]).contains(words), "{what}: {problem}");
    }
    // Also where no case's parameters are to be taken, and of what is promised.
    let promise = "[[promises]]\nzh = 'x'\nen = 'x'\nparameters = { per = 0 }\nthen = { per_yuan = '1' }\n";
    for (schema, words) in [
        ("[parameters]\ntype = 'none'\n", "[invalid-schema]"),
        (&*format!("{promise}{SCHEMA}"), "\"a promise\": "),
    ] {
        let mut refusing: Value = serde_json::from_str(&case(68)).expect("it is JSON");
        refusing["expect"] = json!({"invalid_parameters": "none"});
        let answer = publish(&host, "rate@1.0.0", &rate("1.0.0", 100, schema), &[refusing.to_string()]);
        assert!(answer.status == 422 && answer.text.contains(&words.replace('"', "\\\"")), "{answer:?}");
    }
    let published = publish(&host, "rate@1.0.0", &rate("1.0.0", 100, SCHEMA), &[fit]);
    assert_eq!(published.status, 201, "{published:?}");
    let findings = published.json()["findings"].clone();
    let told = json!({"gate": "description", "what": "parameters", "passed": true, "evidence": "those of all cases are as the schema says"});
    assert!(findings.as_array().expect("a list").contains(&told), "{findings}");
    let deployed = |parameters: &str| {
        let text = town
            .program(&[("award", "rate", "base", &format!("parameters = {parameters}"))])
            .read("program.toml");
        Answer::to(host.put(&format!("/v1/program?{BECAUSE}")).header("if-match", "\"1\"").body(text))
    };
    let unfit = deployed("{ per = 100, pre = 1 }");
    assert_eq!(problem(&unfit), (422, "program-refused".to_owned()));
    assert!(text(&unfit.json()["detail"]).contains("'pre'"), "{unfit:?}");
    assert_eq!(deployed("{ per = 100 }").status, 200);
    assert_eq!(awarded(&host, "1"), 68);
    town.policy("rate", &rate("1.0.0", 100, SCHEMA));
    let refused = town.done(&["check", "policies/rate.wasm", "--parameters", "{\"pre\": 1}", "--json"]);
    assert_eq!((refused.code, text(&refused.json()["code"])), (Some(1), "parameters-unfit"), "{refused:?}");
    town.program(&[("award", "rate", "base", "parameters = { pre = 1 }")]);
    let run = town.run("other.db", &[purchase("1", "ann", NOON, 6_850)], &[]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.err.contains("program.toml:") && run.err.contains("schema says"), "{run:?}");
}

#[test]
fn what_cannot_be_read_is_told_how_to_be_sent() {
    let town = Town::new();
    let host = start(&town);
    let path = "/v1/policies/rate/releases/1.0.0";
    let plain = Answer::to(host.put(path).header("content-type", "application/wasm").body("wasm"));
    assert_eq!(problem(&plain), (415, "media-type".to_owned()));
    assert!(text(&plain.json()["detail"]).contains("-F component=@"), "{plain:?}");
    let component = ("component", "a.wasm", &b"wasm"[..]);
    let too_many = vec![("case", "a.json", &b"{}"[..]); 201];
    let mebibyte = vec![b' '; 1 << 20];
    let too_long = vec![("case", "a.json", &*mebibyte); 5];
    for (path, parts, told) in [
        ("/v1/policies/Rate/releases/1.0.0", &[component][..], (400, "is no name of a policy")),
        ("/v1/policies/ra--te/releases/1.0.0", &[component], (400, "is no name of a policy")),
        ("/v1/policies/rate/releases/1.0", &[component], (400, "is no version")),
        (
            &format!("/v1/policies/rate/releases/1.0.0-{}", "a".repeat(100)),
            &[component],
            (400, "at most 64 bytes"),
        ),
        (path, &[component, component], (400, "two parts are named so")),
        (path, &[("other", "a", b"")], (400, "the parts are `component`, `signature` and `case`")),
        (path, &[component, ("case", "a.json", b"\xff")], (400, "case a is not UTF-8")),
        (path, &too_many, (413, "at most 200 cases")),
        (path, &too_long, (413, "cases have at most 4194304 bytes together")),
    ] {
        let answer = form(host.put(path), parts);
        assert_eq!(answer.status, told.0, "{answer:?}");
        assert!(text(&answer.json()["detail"]).contains(told.1), "{answer:?}");
    }
    // Who announces too much is told so before sending it.
    let head =
        format!("PUT {path} HTTP/1.1\r\nhost: jifen\r\ncontent-type: multipart/form-data; boundary=part\r\n");
    let announced = host.raw(&format!("{head}content-length: 40000000\r\nconnection: close\r\n\r\n"));
    assert!(announced.starts_with("HTTP/1.1 413") && announced.contains("37748736 bytes"), "{announced}");
    for after in ["rate", "rate%00@1.0.0"] {
        assert_eq!(host.get(&format!("/v1/policies?after={after}")).status, 400);
    }
}

#[test]
fn a_program_is_changed_on_the_version_that_was_looked_at() {
    let town = Town::new();
    let host = start(&town);
    let put = |because: &str, after: Option<&str>, body: &str| {
        let request = host.put(&format!("/v1/program?{because}")).body(body.to_owned());
        Answer::to(after.into_iter().fold(request, |request, after| request.header("if-match", after)))
    };
    let good = program(&town, "flat").replace("issuer", "parameters = { points = 2 }\nissuer");
    for (because, after, body, told) in [
        (BECAUSE, None, &*good, (428, "precondition-required", "If-Match")),
        (BECAUSE, Some("1"), &good, (400, "malformed", "as in \"1\"")),
        (BECAUSE, Some("*"), &good, (400, "malformed", "as in \"1\"")),
        (BECAUSE, Some("\"01\""), &good, (400, "malformed", "as in \"1\"")),
        (BECAUSE, Some("\"7\""), &good, (412, "superseded", "version 1 is at work")),
        ("who=x", Some("\"1\""), &good, (400, "malformed", "why")),
        ("who=&why=y", Some("\"1\""), &good, (400, "malformed", "who says nothing")),
        ("who=x&why=%20", Some("\"1\""), &good, (400, "malformed", "why says nothing")),
        ("who=x%00&why=y", Some("\"1\""), &good, (400, "malformed", "who is more than a line")),
        (BECAUSE, Some("\"1\""), "[program]", (422, "program-refused", "name")),
        (
            BECAUSE,
            Some("\"1\""),
            &good.replace("'flat'\nlane", "'none'\nlane"),
            (422, "program-refused", "the ledger has no policy none"),
        ),
        (
            BECAUSE,
            Some("\"1\""),
            &good.replace("points = 2", ""),
            (422, "program-refused", "points: is missing"),
        ),
    ] {
        let answer = put(because, after, body);
        assert_eq!(problem(&answer), (told.0, told.1.to_owned()), "{answer:?}");
        assert!(text(&answer.json()["detail"]).contains(told.2), "{answer:?}");
    }
    let done = put(BECAUSE, Some("\"1\""), &good).json();
    assert_eq!(
        (&done["version"], done["differences"].as_array().map(Vec::len)),
        (&json!(2), Some(2)),
        "{done}"
    );
    // The same once more changes nothing, and is no version.
    let same = put(BECAUSE, Some("\"2\""), &good).json();
    assert_eq!((&same["version"], &same["differences"]), (&json!(2), &json!([])));
    let back = |query: &str, after: &str| {
        Answer::to(host.request(&format!("/v1/program/rollback?{BECAUSE}{query}")).header("if-match", after))
    };
    assert_eq!(problem(&back("", "\"1\"")), (412, "superseded".to_owned()));
    assert_eq!(problem(&back("&to=9", "\"2\"")), (404, "not-found".to_owned()));
    assert_eq!(problem(&back("&to=2", "\"2\"")), (422, "program-refused".to_owned()));
    assert_eq!(back("&to=1", "\"2\"").status, 200);
    assert_eq!(problem(&back("", "\"2\"")), (412, "superseded".to_owned()));
    assert_eq!(host.get("/v1/program/changes").json()["changes"].as_array().map(Vec::len), Some(3));
}

/// What is announced and does not come takes no room.
#[test]
fn who_stalls_keeps_nobody_out() {
    let town = Town::new();
    town.begin("l.db");
    let host = start(&town);
    let head = "PUT /v1/policies/slow/releases/1.0.0 HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=part\r\nContent-Length: 35000000\r\n";
    let many = "POST /v1/events HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 4194304\r\n";
    let stalled: Vec<_> = [head; 3].iter().chain(&[many; 20]).map(|head| host.stall(head)).collect();
    let nothing = host.events(&json!([]));
    assert_eq!(nothing.status, 200, "{nothing:?}");
    let ordinary = publish(&host, "rate@1.0.0", &rate("1.0.0", 100, ""), &[case(68)]);
    assert_eq!(ordinary.status, 201, "{ordinary:?}");
    drop(stalled);
}
