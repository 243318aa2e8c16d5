//! Policies that bring an interpreter along: the larger class, and a rule in Python.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jifen_engine::PolicyStore;
use serde_json::json;

use crate::components::{Guest, configurable_guest};
use crate::hostile::uploads::other_types;
use crate::releases::{case, form, parts, path};
use crate::support::{Room, compiler, evaluate, points};
use crate::town::{Town, purchase, text};

/// A guest with so much to carry that it is of the larger class.
fn large(guest: Guest) -> Vec<u8> {
    guest.item(&ballast()).build()
}

fn ballast() -> String {
    format!("(@custom \"ballast\" \"{}\")", "x".repeat(1 << 20))
}

#[test]
fn what_is_large_is_compiled_for_all_parameters_and_configured_each_time() {
    let room = Room::new();
    let (small, large) = (configurable_guest().build(), large(configurable_guest()));
    for count in [5, 7] {
        let parameters = format!(r#"{{"points": {count}}}"#);
        let [small, large] = [&small, &large].map(|it| room.store.policy(it, &parameters).unwrap());
        let [quick, slow] = [&small, &large].map(|policy| evaluate(policy));
        assert_eq!((points(&quick), points(&slow)), (count, count));
        assert_eq!(quick.fuel_used, slow.fuel_used, "the fuel of an answer is without its configuring");
        assert_eq!((small.report().snapshotted, large.report().snapshotted), (true, false));
    }
    // The key, two of the small one with what configures it, one of the large one.
    assert_eq!(fs::read_dir(room.cache.path()).unwrap().count(), 5);
    let ask = |parameters: &str| room.store.policy(&large, parameters);
    let refused = ask(r#"{"points": "none"}"#).unwrap_err();
    assert_eq!(refused.code(), "parameters-refused", "{refused}");
    assert!(refused.to_string().contains("points: is missing"), "{refused}");
    // Whoever finds it compiled already is told the same.
    let other = PolicyStore::open(room.cache.path(), compiler()).unwrap();
    let again = other.policy(&large, r#"{"points": "none"}"#).unwrap_err();
    assert_eq!(again.to_string(), refused.to_string());
    // Whoever runs it shares it.
    let (one, same, another) = (
        ask(r#"{"points": 5}"#).unwrap(),
        ask(r#"{"points": 5}"#).unwrap(),
        ask(r#"{"points": 6}"#).unwrap(),
    );
    assert!(Arc::ptr_eq(&one, &same));
    assert_eq!((points(&evaluate(&one)), points(&evaluate(&another))), (5, 6));
}

/// A NaN that is kept from `configure` is the same bits on every machine, and wherever it is configured.
#[test]
fn a_nan_has_the_same_bits_whoever_configures() {
    let nan = "(f64.div (f64.const 0) (f64.convert_i32_u (i32.mul (local.get 0) (i32.const 0))))";
    let guest = Guest::new()
        .item("(global $bits (mut i64) (i64.const 0))")
        .configure(&format!("(global.set $bits (i64.reinterpret_f64 {nan})) (call $ok)"))
        .evaluate("(call $award (i64.shr_u (global.get $bits) (i64.const 51)))");
    let room = Room::new();
    for (name, component) in [("small", guest.build()), ("large", large(guest))] {
        let policy = room.policy(&component);
        assert_eq!(policy.report().snapshotted, name == "small");
        assert_eq!(points(&evaluate(&policy)), 0x7ff8_0000_0000_0000 >> 51, "{name}");
    }
}

#[test]
fn what_is_large_has_bounds_too() {
    let room = Room::new();
    let call = "(call $award (i64.const 1))";
    for (name, guest, code) in [
        ("memory", Guest::new().memory("1025"), "memory-too-large"),
        ("functions", Guest::new().item(&"(func)".repeat(50_001)), "too-many"),
        ("a question in configure", asks_in_configure(), "facts-in-configure"),
        (
            "configure without end",
            Guest::new().configure("(loop $l (br $l)) unreachable"),
            "configure-failed",
        ),
    ] {
        let error = room.store.policy(&large(guest.evaluate(call)), "{}").map(drop).expect_err(name);
        assert_eq!(error.code(), code, "{name}: {error}");
    }
    for (name, guest, code) in [
        ("a loop", Guest::new().evaluate("(loop $l (br $l)) unreachable"), "out-of-fuel"),
        (
            "memory",
            Guest::new().evaluate(&format!("(drop (memory.grow (i32.const 1024))) {call}")),
            "out-of-memory",
        ),
    ] {
        let evaluation = evaluate(&room.policy(&large(guest)));
        assert_eq!(evaluation.outcome.expect_err(name).code(), code, "{name}");
    }
}

#[test]
fn a_component_of_another_tool_is_told_what_it_is() {
    let town = Town::new();
    town.write("bare.wasm", Guest::new().build());
    town.write("told.wasm", configurable_guest().described("told", "0.1.0", "").build());
    let description = |name: &str| format!("name = '{name}'\nversion = '0.1.0'\n");
    for (name, folder, description, component, words) in [
        ("no description", "none", None, "bare.wasm", "open none/policy.toml"),
        ("one that is none", "odd", Some("version = 1".to_owned()), "bare.wasm", "read odd/policy.toml"),
        ("no name", "other", Some(description("../other")), "bare.wasm", "is no name of a policy"),
        ("two points", "points", Some(description("a.b")), "bare.wasm", "is no name of a policy"),
        ("no component", "fine", Some(description("fine")), "missing.wasm", "cannot read missing.wasm"),
        ("told already", "fine", Some(description("fine")), "told.wasm", "says already what it is"),
    ] {
        let file = format!("{folder}/policy.toml");
        description.iter().for_each(|text| town.write(&file, text));
        let done = town.done(&["build", folder, "--from", component]);
        assert_eq!(done.code, Some(2), "{name}: {done:?}");
        assert!(done.err.contains(words), "{name}: {done:?}");
    }
    let done = town.done(&["build", "fine", "--from", "bare.wasm"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let checked = town.done(&["check", "fine/target/policies/fine.wasm"]);
    assert!(checked.out.contains("it is      fine 0.1.0"), "{checked:?}");
}

fn asks_in_configure() -> Guest {
    let guest = Guest::new().import("purchases", "lifetime-count", "(func $count (result i64))");
    guest.configure("(drop (call $count)) (call $ok)")
}

#[test]
fn what_no_parameters_mend_is_told_of_each_case_at_once() {
    let room = Room::new();
    let component = other_types(&ballast());
    let error = room.store.policy(&component, "{}").map(drop).expect_err("it does not keep the contract");
    assert_eq!(error.code(), "wrong-types", "{error}");
    let town = Town::new();
    town.program(&[("flat", "flat", "base", "parameters = { points = 1 }")]);
    assert_eq!(town.change_program("apply", "program.toml", &[]).code, Some(0));
    let host = town.host();
    let with = |n: u64| case(1).replace(r#""parameters":{}"#, &format!(r#""parameters":{{"n":{n}}}"#));
    let cases: Vec<_> = (0..20).map(with).collect();
    let refused = form(host.put(&path("yuan@0.1.0")), &parts(&component, &cases));
    let report = refused.json()["report"].clone();
    let findings = report["findings"].as_array().expect("a list");
    let told = findings.iter().filter(|it| text(&it["evidence"]).contains("does not keep the contract"));
    assert_eq!((refused.status, told.count() >= 20), (422, true), "{report:#}");
}

/// Returns the component of `tests/yuan`.
fn yuan() -> Vec<u8> {
    let file = root().join("target/yuan/target/policies/yuan.wasm");
    fs::read(&file)
        .unwrap_or_else(|_| panic!("{} is missing; build it first: cargo xtask test", file.display()))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the workspace").to_owned()
}

#[test]
fn a_rule_in_python_is_published_deployed_and_replayed() {
    let town = Town::new();
    town.program(&[("flat", "flat", "base", "parameters = { points = 1 }")]);
    assert_eq!(town.change_program("apply", "program.toml", &[]).code, Some(0));
    let host = town.host();
    let cases = fs::read_dir(root().join("tests/yuan/cases")).unwrap();
    let cases: Vec<_> = cases.map(|it| fs::read_to_string(it.unwrap().path()).unwrap()).collect();
    let published = form(host.put(&path("yuan@0.1.0")), &parts(&yuan(), &cases));
    let report = published.json();
    assert_eq!((published.status, &report["accepted"]), (201, &json!(true)), "{report:#}");
    let findings = report["findings"].as_array().expect("a list");
    let told: BTreeSet<_> = findings.iter().map(|it| text(&it["what"])).collect();
    for expected in ["bounds", "promise: Two points for every yuan / 每消费1元得2分", "fairness: splitting"]
    {
        assert!(told.contains(expected), "{expected}: {told:?}");
    }
    let bounds = findings.iter().find(|it| it["what"] == "bounds").expect("it is tried");
    assert!(text(&bounds["evidence"]).starts_with("an interpreter with its rule"), "{bounds}");
    town.program(&[
        ("two", "yuan@0.1.0", "base", "parameters = { per_yuan = 2 }"),
        ("one", "yuan@0.1.0", "bonus", "parameters = { per_yuan = 1 }"),
    ]);
    assert_eq!(town.change_program("apply", "program.toml", &[]).code, Some(0));
    let host = town.host();
    let receipt = host.events(&purchase("1", "ann", "2025-07-25T12:00:00+08:00", 9_899)).json();
    let granted: Vec<_> =
        receipt["awards"].as_array().expect("a list").iter().map(|it| &it["granted"]).collect();
    assert_eq!(granted, [197, 98], "{receipt}");
    assert_eq!(town.replay("l.db"), 1);
}
