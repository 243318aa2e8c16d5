//! What a host counts, as Prometheus reads it.

use std::collections::BTreeMap;

use serde_json::json;

use crate::components::Guest;
use crate::town::{Town, purchase};

const NOON: &str = "2025-07-25T12:00:00+08:00";

#[test]
fn a_host_counts_what_it_does() {
    let town = Town::new();
    town.policy("broken", &Guest::new().evaluate("unreachable").build());
    town.program(&[("spend", "spend", "base", ""), ("broken", "broken", "bonus", "")]);
    assert_eq!(town.change_program("apply", "program.toml", &[]).code, Some(0));
    let host = town.host();
    let wrong = json!({"specversion": "1.0"});
    let (first, second) = (purchase("1", "ann", NOON, 6_850), purchase("2", "bob", NOON, 10_000));
    for (events, status) in [(&first, 200), (&json!([first, second, wrong]), 200), (&wrong, 422)] {
        assert_eq!(host.events(events).status, status);
    }
    assert_eq!(host.get("/nowhere").status, 404);
    let made_up = host.raw("CONJURE /v1/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(made_up.starts_with("HTTP/1.1 405"), "{made_up}");
    let told = host.get("/metrics");
    assert_eq!(told.header("content-type"), "text/plain; version=0.0.4");
    let values: BTreeMap<_, _> = told
        .text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
        .collect();
    for (name, value) in [
        ("jifen_events_total{outcome=\"applied\"}", "2"),
        ("jifen_events_total{outcome=\"replayed\"}", "1"),
        ("jifen_points_awarded_total{deployment=\"spend\",unit=\"points\"}", "168"),
        ("jifen_evaluation_seconds_count{deployment=\"spend\"}", "2"),
        ("jifen_evaluation_fuel_count{deployment=\"broken\"}", "2"),
        ("jifen_evaluation_faults_total{deployment=\"broken\",fault=\"trap\"}", "2"),
        ("jifen_batch_seconds_count", "2"),
        ("jifen_queue_events", "0"),
        ("jifen_program_version", "1"),
        ("jifen_program_behind", "0"),
        ("jifen_http_request_seconds_count{method=\"POST\",path=\"/v1/events\",status=\"200\"}", "2"),
        ("jifen_http_request_seconds_count{method=\"POST\",path=\"/v1/events\",status=\"422\"}", "1"),
    ] {
        assert_eq!(values.get(name), Some(&value), "{name} in {}", told.text);
    }
    let made_up = ["nowhere", "CONJURE"].map(|word| told.text.contains(word));
    assert_eq!(made_up, [false, false], "whoever asks makes no labels: {}", told.text);
}
