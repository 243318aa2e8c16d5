//! Every evaluation runs in an instance that never ran before: nothing leaks from one member to the next.

use std::thread;

use crate::components::{self, Guest};
use crate::support::{Room, evaluate, points};

/// A policy that counts its calls in a global, in its memory, and in each of 496 pages that it gets itself, and awards all counts.
fn remembering() -> Vec<u8> {
    Guest::new()
        .item("(global $calls (mut i64) (i64.const 0))")
        .item(
            "(func $remembered (result i64)
               (local $page i32) (local $sum i64)
               (local.set $page (i32.const 65536))
               (drop (memory.grow (i32.const 31)))
               (loop $next
                 (i64.store (local.get $page) (i64.add (i64.load (local.get $page)) (i64.const 100)))
                 (local.set $sum (i64.add (local.get $sum) (i64.load (local.get $page))))
                 (local.set $page (i32.add (local.get $page) (i32.const 4096)))
                 (br_if $next (i32.lt_u (local.get $page) (i32.const 2097152))))
               (local.get $sum))",
        )
        .evaluate(
            "(global.set $calls (i64.add (global.get $calls) (i64.const 1)))
             (i64.store (i32.const 4000) (i64.add (i64.load (i32.const 4000)) (i64.const 10)))
             (call $award
               (i64.add (call $remembered) (i64.add (global.get $calls) (i64.load (i32.const 4000)))))",
        )
        .build()
}

#[test]
fn the_policies_for_tests_answer_as_they_say() {
    let room = Room::new();
    for (name, component, expected) in [
        ("constant", components::constant(61), 61),
        ("counting", components::counting(), 3),
        ("doubling", components::doubling(), 7),
        ("spend", components::spend(), 61),
        ("asking", components::asking(), 61),
    ] {
        assert_eq!(points(&evaluate(&room.policy(&component))), expected, "{name}");
    }
    let configured = room.store.policy(&components::configurable(), r#"{"points": 42}"#).unwrap();
    assert_eq!(points(&evaluate(&configured)), 42);
}

#[test]
fn an_instance_is_always_on_its_first_call() {
    let room = Room::new();
    let policy = room.policy(&remembering());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    assert_eq!(points(&evaluate(&policy)), 49_611);
                }
            });
        }
    });
    assert_eq!(room.store.engine().slots_taken().unwrap_or(0), 0);
}
#[test]
fn a_policy_that_cannot_be_kept_configured_is_configured_each_time() {
    let room = Room::new();
    let parameters = r#"{"points": 42}"#;
    let kept = room.store.policy(&components::configurable(), parameters).unwrap();
    let expected = evaluate(&kept);
    assert!(kept.report().snapshotted);
    for (name, guest) in [
        ("a table that could change", components::configurable_guest().item(TABLE_SET)),
        ("a memory that cannot grow", components::configurable_guest().memory("1 1")),
    ] {
        let policy = room.store.policy(&guest.build(), parameters).unwrap();
        assert!(!policy.report().snapshotted, "{name}");
        assert_eq!(policy.report().configure_fuel, kept.report().configure_fuel, "{name}");
        for _ in 0..3 {
            assert_eq!(evaluate(&policy), expected, "{name}");
        }
    }
}

/// What a snapshot cannot hold.
const TABLE_SET: &str = "(table $t 1 funcref) (func (table.set $t (i32.const 0) (ref.null func)))";
