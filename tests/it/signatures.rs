//! Releases that are signed: by whom, of what, and until when.

use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::{Value, json};

use crate::access::key;
use crate::releases::{case, form, parts, path, rate};
use crate::service::{Answer, Host};
use crate::town::{Done, Town, text};

/// Makes a pair of keys, the private one in NAME.pem and the public one in NAME.pub.pem.
fn pair(town: &Town, name: &str) {
    let pair = KeyPair::generate_for(&PKCS_ED25519).expect("ring makes them");
    town.write(&format!("{name}.pem"), pair.serialize_pem());
    town.write(&format!("{name}.pub.pem"), pair.public_key_pem());
}

fn signers(town: &Town, arguments: &[&str]) -> Done {
    town.done(&[&["signers", arguments[0], "--ledger", "l.db"], &arguments[1..]].concat())
}

/// Writes a component, signs it, and returns both.
fn signed(town: &Town, component: Vec<u8>, more: &[&str]) -> (Vec<u8>, Vec<u8>) {
    town.write("rule.wasm", &component);
    let signed = town.done(&[&["sign", "rule.wasm"], more].concat());
    assert_eq!(signed.code, Some(0), "{signed:?}");
    (component, std::fs::read(town.path("rule.wasm.sig")).expect("it was written"))
}

fn publish(host: &Host, key: &str, release: &str, component: &[u8], signature: Option<&[u8]>) -> Answer {
    let cases = [case(68)];
    let mut parts = parts(component, &cases);
    parts.extend(signature.map(|signature| ("signature", "rule.wasm.sig", signature)));
    form(host.with(key, "put", &path(release)), &parts)
}

/// Returns what the gate of signatures says, and whether anything else was tried.
fn told(answer: &Answer) -> (bool, String, bool) {
    let json = answer.json();
    let findings = json.get("report").unwrap_or(&json)["findings"].as_array().cloned().expect("a report");
    let first = findings.first().expect("a finding");
    assert_eq!(first["gate"], "signature", "{answer:?}");
    (first["passed"] == true, text(&first["evidence"]).to_owned(), findings.len() > 1)
}

#[test]
fn a_merchant_who_has_signers_publishes_what_they_sign() {
    let town = Town::new();
    town.program(&[("flat", "flat", "base", "parameters = { points = 1 }")]);
    assert_eq!(town.change_program("apply", "program.toml", &[]).code, Some(0));
    let (operator, shop, stall) = (
        key(&town, "operator", &[]),
        key(&town, "merchant", &["--scope", "shop"]),
        key(&town, "merchant", &["--scope", "stall"]),
    );
    ["dev", "other"].iter().for_each(|name| pair(&town, name));
    let added = signers(&town, &["add", "--merchant", "shop", "--name", "钱进", "dev.pub.pem"]);
    let dev = added.json();
    assert_eq!((&dev["merchant"], &dev["name"]), (&json!("shop"), &json!("钱进")), "{added:?}");
    assert_eq!(signers(&town, &["list"]).json(), dev);
    let host = town.host();

    let sign = |version: &str, key: &str, more: &[&str]| {
        signed(&town, rate(version, 100, ""), &[&["--key", key], more].concat())
    };
    let (component, signature) = sign("1.0.0", "dev.pem", &["--merchant", "shop"]);
    let unsigned = publish(&host, &shop, "rate@1.0.0", &component, None);
    let (passed, why, tried) = told(&unsigned);
    assert_eq!((unsigned.status, passed, tried), (422, false, false), "{unsigned:?}");
    assert!(why.starts_with("what is published for shop is signed; "), "{why}");
    let published = publish(&host, &shop, "rate@1.0.0", &component, Some(&signature));
    let by = format!("by 钱进 ({})", text(&dev["id"]));
    assert_eq!((published.status, told(&published)), (201, (true, by, true)), "{published:?}");

    // Taken from one release, by one who may, for one merchant, a signature is none of another.
    let later = rate("1.1.0", 100, "");
    let wrong = [
        ("of another release", &shop, later.clone(), signature.clone()),
        ("by somebody else", &shop, later.clone(), sign("1.1.0", "other.pem", &["--merchant", "shop"]).1),
        ("for another merchant", &shop, later.clone(), sign("1.1.0", "dev.pem", &["--merchant", "stall"]).1),
        ("for the platform", &shop, later.clone(), sign("1.1.0", "dev.pem", &[]).1),
        ("of nobody's", &stall, later.clone(), sign("1.1.0", "dev.pem", &["--merchant", "stall"]).1),
    ];
    for (name, key, component, signature) in wrong {
        let policy = if *key == stall { "rate-of-stall@1.1.0" } else { "rate@1.1.0" };
        let answer = publish(&host, key, policy, &component, Some(&signature));
        let (passed, why, tried) = told(&answer);
        assert_eq!((answer.status, passed, tried), (422, false, false), "{name}: {answer:?}");
        assert!(why.starts_with("nobody who signs for "), "{name}: {why}");
    }
    for signature in [&signature[1..], &[]] {
        assert!(!told(&publish(&host, &shop, "rate@1.1.0", &later, Some(signature))).0);
    }
    // Whoever has no signers publishes as before.
    assert_eq!(
        publish(&host, &operator, "flat-rate@1.0.0", &rate("1.0.0", 100, ""), None).status,
        422,
        "misnamed"
    );
    let ours = crate::components::spend_guest(100).described("ours", "1.0.0", "").build();
    assert_eq!(publish(&host, &operator, "ours@1.0.0", &ours, None).status, 201);

    let ask = |method: &str, path: &str, body: Value| {
        let request = host.with(&operator, method, path).header("content-type", "application/json");
        Answer::to(request.body(body.to_string()))
    };
    let add = |merchant: Option<&str>, name: &str, public_key: &str| {
        ask("post", "/v1/signers", json!({"merchant": merchant, "name": name, "public_key": public_key}))
    };
    let (dev_key, other_key) = (town.read("dev.pub.pem"), town.read("other.pub.pem"));
    assert_eq!(add(Some("shop"), "钱进", &dev_key).json(), dev, "it is added already");
    for (merchant, name, public_key, status, why) in [
        (Some("stall"), "x", &*dev_key, 409, "signs for somebody else"),
        (None, "x", &dev_key, 409, "signs for somebody else"),
        (Some(""), "x", &other_key, 400, "the id of no merchant"),
        (None, " ", &other_key, 400, "say who signs"),
        (None, "x", "MCow", 400, "no public key of Ed25519"),
        (None, "x", &town.read("other.pem"), 400, "no public key of Ed25519"),
    ] {
        let refused = add(merchant, name, public_key);
        assert!(
            refused.status == status && text(&refused.json()["detail"]).contains(why),
            "{why}: {refused:?}"
        );
    }
    let id = text(&dev["id"]);
    let revoked = ask("delete", &format!("/v1/signers/{id}"), json!({}));
    assert!(revoked.status == 200 && revoked.json()["revoked"].is_string(), "{revoked:?}");
    assert_eq!(ask("delete", "/v1/signers/000000000000", json!({})).status, 404);
    let (_, signature) = sign("1.1.0", "dev.pem", &["--merchant", "shop"]);
    let late = publish(&host, &shop, "rate@1.1.0", &later, Some(&signature));
    assert_eq!((late.status, told(&late).0), (422, false), "{late:?}");
    assert_eq!(add(Some("shop"), "钱进", &dev_key).status, 409, "it was revoked");
    assert_eq!(publish(&host, &shop, "rate@1.0.0", &component, None).status, 200, "what was published stays");
    assert_eq!(host.with(&shop, "get", "/v1/signers").send().expect("it answers").status(), 403);
}

#[test]
fn a_host_may_ask_for_signatures_of_everything() {
    let town = Town::new();
    town.program(&[("flat", "flat", "base", "parameters = { points = 1 }")]);
    assert_eq!(town.change_program("apply", "program.toml", &[]).code, Some(0));
    pair(&town, "ours");
    let operator = key(&town, "operator", &[]);
    let serve = ["serve", "--ledger", "l.db", "--listen", "127.0.0.1:0", "--require-signatures"];
    let host = Host::start(&mut town.jifen(&serve));
    let (component, signature) = signed(&town, rate("1.0.0", 100, ""), &["--key", "ours.pem"]);
    let send = |signature| publish(&host, &operator, "rate@1.0.0", &component, signature);
    assert!(!told(&send(None)).0);
    assert!(!told(&send(Some(&signature))).0, "nobody signs yet");
    assert_eq!(signers(&town, &["add", "--name", "us", "ours.pub.pem"]).code, Some(0));
    assert_eq!(send(Some(&signature)).status, 201);
    let (component, key) = (
        town.done(&["sign", "none.wasm", "--key", "ours.pem"]),
        town.done(&["sign", "rule.wasm", "--key", "ours.pub.pem"]),
    );
    assert!(component.code == Some(2) && component.err.contains("read none.wasm"), "{component:?}");
    assert!(key.code == Some(2) && key.err.contains("no private key of Ed25519"), "{key:?}");
}
