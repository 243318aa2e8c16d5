//! Uploads and policies that mean harm, or are merely broken. Each is told what it did, and nobody else notices: after
//! every one of them, an honest policy on the same engine answers as before, and every slot is free again.

mod over_http;
pub(crate) mod uploads;

use jifen_engine::{Evaluation, Policy, limits};
use jifen_loyalty::proposal::Fault;

use crate::components::{Guest, constant};
use crate::support::{Room, evaluate, points};

/// An evaluation that must fault with this code and these words.
struct Case {
    name: &'static str,
    guest: Guest,
    code: &'static str,
    words: &'static str,
}

fn case(name: &'static str, guest: Guest, code: &'static str, words: &'static str) -> Case {
    Case { name, guest, code, words }
}

/// A policy whose `evaluate` does this.
fn does(body: &str) -> Guest {
    Guest::new().evaluate(body)
}

/// A policy that proposes one award with this reason, in bytes from 2048 on.
fn reason(bytes: &str, length: u32) -> Guest {
    let guest = does(&format!(
        "(drop (call $award (i64.const 1)))
         (call $reason (i32.const 2048) (i32.const {length}))
         (call $awards (i32.const 640) (i32.const 1))"
    ));
    guest.item(&format!("(data (i32.const 2048) \"{bytes}\")"))
}

/// A policy that is configured well, and whose `cabi_realloc` then does this.
fn armed(body: &str) -> Guest {
    let guest = Guest::new().item("(global $armed (mut i32) (i32.const 0))");
    guest
        .configure("(global.set $armed (i32.const 1)) (call $ok)")
        .before_realloc(&format!("(if (global.get $armed) (then {body}))"))
}

/// Grows the memory to 13 MB, all zero.
const GROW: &str = "(drop (memory.grow (i32.const 200)))";

fn cases() -> Vec<Case> {
    vec![
        case(
            "an infinite loop",
            does("(loop $l (br $l)) unreachable"),
            "out-of-fuel",
            "ran out of fuel at 10000000 units",
        ),
        case("a loop in cabi_realloc", armed("(loop $l (br $l))"), "out-of-fuel", "a loop that does not end"),
        case(
            "a realloc that returns nowhere",
            armed("(return (i32.const -64))"),
            "answer-unreadable",
            "realloc return: beyond end of memory",
        ),
        case(
            "a realloc that is misaligned",
            armed("(return (i32.const 8193))"),
            "answer-unreadable",
            "align",
        ),
        case(
            "a storm of memory.grow",
            does("(loop $l (drop (memory.grow (i32.const 1))) (br $l)) unreachable"),
            "out-of-memory",
            "asked for more than 16777216 bytes of memory",
        ),
        case(
            "a storm of table.grow",
            does("(loop $l (drop (table.grow $t (ref.null func) (i32.const 100))) (br $l)) unreachable")
                .item("(table $t 1 funcref)"),
            "out-of-memory",
            "asked for more",
        ),
        case(
            "recursion without end",
            does("(call $down)").item("(func $down (result i32) (i32.add (call $down) (call $down)))"),
            "stack-overflow",
            "recursion that does not end",
        ),
        case("unreachable", does("unreachable"), "trap", "unreachable"),
        case(
            "a load beyond the memory",
            does("(i32.load (i32.const -8))"),
            "trap",
            "out of bounds memory access",
        ),
        case("a division by zero", does("(i32.div_u (i32.const 1) (i32.const 0))"), "trap", "divide by zero"),
        case(
            "10^18 points",
            does("(call $award (i64.const 1000000000000000000))"),
            "points-out-of-range",
            "proposed 1000000000000000000 points; at most 1000000000000000 are allowed",
        ),
        case(
            "negative points",
            does("(call $award (i64.const -1))"),
            "points-out-of-range",
            "proposed 18446744073709551615 points",
        ),
        case(
            "a thousand awards and one",
            does("(call $awards (i32.const 65536) (i32.const 1001))").memory("3"),
            "too-many-awards",
            "proposed 1001 awards; at most 1000 are allowed",
        ),
        case(
            "a million awards",
            does("(call $awards (i32.const 65536) (i32.const 1000000))").memory("3"),
            "answer-unreadable",
            "out of bounds of memory",
        ),
        case(
            "two hundred thousand awards",
            does(&format!("{GROW} (call $awards (i32.const 65536) (i32.const 200000))")),
            "answer-too-large",
            "answered with more than 16777216 bytes",
        ),
        case(
            "a reason of 10 MB",
            does(&format!(
                "{GROW}
                 (drop (call $award (i64.const 1)))
                 (call $reason (i32.const 65536) (i32.const 10000000))
                 (call $awards (i32.const 640) (i32.const 1))"
            )),
            "bad-reason",
            "a code of at most 64 bytes",
        ),
        case("a reason with an escape", reason("\\1b[31m", 5), "bad-reason", "kebab case"),
        case("a reason that is no UTF-8", reason("\\ff\\fe\\fd", 3), "answer-unreadable", "utf-8"),
        case(
            "a reason beyond the memory",
            reason("x", u32::MAX),
            "answer-unreadable",
            "out of bounds of memory",
        ),
        case(
            "a no that is no code",
            does("(call $declined (i32.const 2048) (i32.const 4))"),
            "bad-reason",
            "kebab",
        ),
        case(
            "a discriminant of no case",
            does("(i32.store8 (i32.const 600) (i32.const 7)) (i32.const 600)"),
            "answer-unreadable",
            "discriminant",
        ),
        case("a recipient of no case", does(RECIPIENT), "answer-unreadable", "discriminant"),
        case(
            "a proposal beyond the memory",
            does("(i32.const -4)"),
            "answer-unreadable",
            "out of bounds of memory",
        ),
        case("a proposal that is misaligned", does("(i32.const 601)"), "answer-unreadable", "not aligned"),
        case(
            "a list beyond the memory",
            does("(call $awards (i32.const 65528) (i32.const 1))"),
            "answer-unreadable",
            "out of bounds of memory",
        ),
        case("reasons that share their bytes", does(ALIASING), "answer-too-large", "answered with more than"),
        case(
            "a day before the window",
            does("(call $award (call $since (i32.const 1)))").import(
                "purchases",
                "spend-minor-since",
                "(func $since (param i32) (result i64))",
            ),
            "no-answer",
            "asked what has no answer: it asks for days before",
        ),
        case(
            "more questions than a receipt takes",
            does(
                "(local $day i32)
                 (local.set $day (i32.load offset=56 (local.get $arguments)))
                 (loop $next
                   (drop (call $since (local.get $day)))
                   (local.set $day (i32.sub (local.get $day) (i32.const 1)))
                   (br $next))
                 unreachable",
            )
            .import("purchases", "spend-minor-since", "(func $since (param i32) (result i64))"),
            "no-answer",
            "it asks more than 100 different questions",
        ),
        case(
            "a line that is not there",
            with_award(
                "(i32.store8 (i32.const 692) (i32.const 1)) (i32.store (i32.const 696) (i32.const 5))",
            ),
            "no-such-line",
            "line 5; the purchase has 5 lines",
        ),
        case(
            "points that were over yesterday",
            with_award(
                "(i32.store8 (i32.const 684) (i32.const 1)) (i32.store (i32.const 688) (i32.const 700000))",
            ),
            "never-spendable",
            "valid until day 700000",
        ),
    ]
}

/// A policy that proposes one award after this was done to it.
fn with_award(change: &str) -> Guest {
    does(&format!("(drop (call $award (i64.const 1))) {change} (call $awards (i32.const 640) (i32.const 1))"))
}

/// The recipient is the award's first byte.
const RECIPIENT: &str = "
    (drop (call $award (i64.const 1)))
    (i32.store8 (i32.const 640) (i32.const 9))
    (call $awards (i32.const 640) (i32.const 1))";

/// A thousand awards whose reasons are the same 100,000 bytes.
const ALIASING: &str = "
    (local $at i32)
    (drop (memory.grow (i32.const 200)))
    (memory.fill (i32.const 1048576) (i32.const 97) (i32.const 100000))
    (local.set $at (i32.const 65536))
    (loop $next
      (i32.store offset=28 (local.get $at) (i32.const 1048576))
      (i32.store offset=32 (local.get $at) (i32.const 100000))
      (local.set $at (i32.add (local.get $at) (i32.const 64)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 129536))))
    (call $awards (i32.const 65536) (i32.const 1000))";

#[test]
fn a_hostile_policy_faults_by_name_and_harms_nobody() {
    let room = Room::new();
    let honest = room.policy(&constant(61));
    let before = evaluate(&honest);
    for Case { name, guest, code, words } in cases() {
        let policy = room.policy(&guest.build());
        let fault = fault(&policy, name);
        assert_eq!(fault.code(), code, "{name}: {fault}");
        assert!(fault.to_string().contains(words), "{name}: {fault}");
        assert_eq!(evaluate(&honest), before, "after {name}");
        assert_eq!(room.store.engine().slots_taken().unwrap_or(0), 0, "after {name}");
    }
}

/// Evaluates twice and returns the fault, which must be the same, after the same fuel.
fn fault(policy: &Policy, name: &str) -> Fault {
    let Evaluation { outcome, fuel_used, .. } = evaluate(policy);
    let again = evaluate(policy);
    assert_eq!((&outcome, fuel_used), (&again.outcome, again.fuel_used), "{name}: again");
    outcome.expect_err(name)
}

#[test]
fn a_policy_that_runs_out_of_fuel_used_all_of_it() {
    let room = Room::new();
    let policy = room.policy(&does("(loop $l (br $l)) unreachable").build());
    let evaluation = evaluate(&policy);
    assert_eq!(evaluation.outcome, Err(Fault::OutOfFuel { limit: limits::ORDINARY.evaluation_fuel }));
    assert_eq!(evaluation.fuel_used, limits::ORDINARY.evaluation_fuel);
}

#[test]
fn a_log_is_cut_and_plain_and_changes_no_answer() {
    let room = Room::new();
    let log = |body: &str| {
        let guest = Guest::new().import("log", "write", "(func $log (param i32 i32))");
        guest.item("(data (i32.const 2048) \"\\1b[31mred\\1b[0m\\n\")").evaluate(body).build()
    };
    let lines = "(call $log (i32.const 2048) (i32.const 13)) (call $log (i32.const 2048) (i32.const 13))";
    let flood = format!(
        "{GROW}
         (memory.fill (i32.const 65536) (i32.const 27) (i32.const 10))
         (memory.fill (i32.const 65546) (i32.const 97) (i32.const 2000))
         (call $log (i32.const 65536) (i32.const 10000000))
         (call $log (i32.const 65536) (i32.const 10000000))"
    );
    for (name, body, expected) in [
        ("two lines", lines, "[31mred[0m\n[31mred[0m\n".to_owned()),
        ("10 MB, twice", &flood, format!("{}\n{}\n", "a".repeat(989), "a".repeat(9))),
    ] {
        let evaluation = evaluate(&room.policy(&log(&format!("{body} (call $award (i64.const 61))"))));
        assert_eq!(points(&evaluation), 61, "{name}");
        assert_eq!(evaluation.log, expected, "{name}");
    }
}

#[test]
fn a_flood_of_empty_log_lines_is_not_looked_at_for_ever() {
    let room = Room::new();
    let guest = Guest::new().import("log", "write", "(func $log (param i32 i32))");
    let body = format!(
        "(local $n i32) {GROW}
         (loop $next
           (call $log (i32.const 65536) (i32.const 10000000))
           (local.set $n (i32.add (local.get $n) (i32.const 1)))
           (br_if $next (i32.lt_u (local.get $n) (i32.const 10000))))
         (call $award (i64.const 61))"
    );
    let evaluation = evaluate(&room.policy(&guest.evaluate(&body).build()));
    assert_eq!(points(&evaluation), 61);
    assert_eq!(evaluation.log, "\n".repeat(limits::LOG_LINES_MAX));
}

#[test]
fn a_question_is_recorded_once() {
    let room = Room::new();
    let guest = Guest::new().import("purchases", "lifetime-count", "(func $count (result i64))");
    let body = "(call $award (i64.add (call $count) (i64.add (call $count) (call $count))))";
    let evaluation = evaluate(&room.policy(&guest.evaluate(body).build()));
    assert_eq!(points(&evaluation), 9);
    let asked = [jifen_loyalty::Answer { fact: jifen_loyalty::Fact::PurchasesLifetimeCount, value: 3 }];
    assert_eq!(evaluation.asked, asked);
}
