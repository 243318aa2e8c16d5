//! The same uploads by a stranger over HTTP, and some that a generator makes up: each is told what is wrong with it, nothing is published,
//! and the neighbour's events are decided as before.

use arbitrary::{Arbitrary as _, Unstructured};
use serde_json::Value;
use wasm_smith::{Component, Config, Module};

use super::uploads::{self, Upload};
use crate::components::{Guest, component, core};
use crate::releases::{case, form, parts, path};
use crate::service::{Answer, Host};
use crate::town::{Town, purchase, text};

/// Bytes of a request.
const BODY_BYTES_MAX: usize = 4 << 20;

/// A host, and who buys there.
struct Neighbour {
    host: Host,
    bought: u32,
}

impl Neighbour {
    fn new(town: &Town) -> Self {
        town.program(&[("flat", "flat", "base", "parameters = { points = 61 }")]);
        assert_eq!(town.change_program("apply", "program.toml", &[]).code, Some(0));
        Self { host: town.host(), bought: 0 }
    }

    /// Returns what the host says of an upload, and sees that it decides as before.
    fn upload(&mut self, name: &str, component: &[u8]) -> Answer {
        let cases = [case(68)];
        let answer = form(self.host.put(&path("stranger@1.0.0")), &parts(component, &cases));
        self.bought = self.bought.saturating_add(1);
        let event = purchase(&self.bought.to_string(), "ann", "2025-07-25T12:00:00+08:00", 100);
        let receipt = self.host.events(&event).json();
        assert_eq!(receipt["awards"][0]["granted"], 61, "after {name}: {receipt}");
        answer
    }

    /// Returns what the host says of something made up, which is no release.
    fn refused(&mut self, seed: u32, made_up: &[u8]) -> Answer {
        let answer = self.upload(&format!("seed {seed}"), made_up);
        assert_eq!(
            (answer.status, text(&answer.json()["code"])),
            (422, "release-refused"),
            "seed {seed}: {answer:?}"
        );
        answer
    }
}

#[test]
fn a_stranger_is_told_what_is_wrong() {
    let town = Town::new();
    let mut neighbour = Neighbour::new(&town);
    for Upload { name, component, code, words } in uploads::all() {
        if component.len() > BODY_BYTES_MAX {
            // It is refused before it is read, and whoever goes on sending may not hear why.
            continue;
        }
        let answer = neighbour.upload(name, &component);
        let json = answer.json();
        assert_eq!(
            (answer.status, &json["code"]),
            (422, &Value::from("release-refused")),
            "{name}: {answer:?}"
        );
        let findings = json["report"]["findings"].as_array().expect("a list");
        let mut told = findings.iter().filter(|it| it["passed"] == false).map(|it| text(&it["evidence"]));
        // A case is told in the guest's words alone.
        let own = words.rsplit(": ").find(|part| !part.is_empty()).unwrap_or(words);
        assert!(told.any(|told| told.contains(own)), "{name}: {answer:?}");
        // What is wrong with it before any of it runs has a code.
        let first = findings.first().expect("something is tried");
        assert!(first["passed"] == true || text(&first["evidence"]).contains(code), "{name}: {answer:?}");
    }
    assert_eq!(neighbour.host.get("/v1/policies").json()["releases"], Value::Array(Vec::new()));
}

/// Returns bytes for a generator, the same for a seed each time.
fn bytes(seed: u32) -> Vec<u8> {
    // A xorshift.
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..4_096).map(|_| next()).collect()
}

#[test]
fn what_a_generator_makes_up_is_no_policy() {
    let town = Town::new();
    let mut neighbour = Neighbour::new(&town);
    let mut refused = 0;
    for seed in 0..24_u32 {
        let bytes = bytes(seed);
        let module = Module::arbitrary(&mut Unstructured::new(&bytes)).map(|it| it.to_bytes());
        let component = Component::arbitrary(&mut Unstructured::new(&bytes)).map(|it| it.to_bytes());
        for made_up in [module, component].into_iter().flatten() {
            neighbour.refused(seed, &made_up);
            refused = u32::saturating_add(refused, 1);
        }
    }
    assert!(refused >= 24, "the generator makes something up: {refused}");
}

/// Components that keep the contract, whose functions a generator made up: they are configured, and asked.
#[test]
fn what_a_generator_makes_of_a_policy_answers_no_case() {
    let town = Town::new();
    let mut neighbour = Neighbour::new(&town);
    let config = Config {
        exports: Some(core(&Guest::new().wat())),
        max_imports: 0,
        // That which is exported comes besides.
        max_memories: 0,
        max_tables: 1,
        max_table_elements: 100,
        max_memory32_bytes: 1 << 20,
        memory_max_size_required: true,
        allow_start_export: false,
        allow_invalid_funcs: false,
        bulk_memory_enabled: false,
        reference_types_enabled: false,
        simd_enabled: false,
        relaxed_simd_enabled: false,
        threads_enabled: false,
        exceptions_enabled: false,
        gc_enabled: false,
        tail_call_enabled: false,
        memory64_enabled: false,
        multi_value_enabled: false,
        ..Config::default()
    };
    let mut tried = 0;
    for seed in 0..24_u32 {
        let bytes = bytes(seed);
        let module =
            Module::new(config.clone(), &mut Unstructured::new(&bytes)).expect("it exports what it is to");
        let answer = neighbour.refused(seed, &component(&module.to_bytes(), "earning-policy"));
        let findings = answer.json()["report"]["findings"].clone();
        let findings = findings.as_array().expect("a list").iter();
        tried += u32::from(findings.filter(|finding| finding["gate"] == "case").count() == 1);
    }
    assert!(tried >= 12, "the generator makes policies: {tried}");
}
