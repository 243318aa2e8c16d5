use super::*;

/// Counts what is in a module.
fn counted(items: &str) -> Result<Counts, Refusal> {
    count(&wat::parse_str(format!("(component (core module {items}))")).unwrap())
}

#[test]
fn loops_cost_what_they_assign_once_a_loop() {
    let locals = "(local i32 i32 i32)";
    let set = |local: u32| format!("(local.set {local} (i32.const 1))");
    let all: String = (0..3).map(set).collect();
    for (name, body, expected) in [
        ("no loop", all.clone(), 0),
        ("an empty loop", "(loop)".to_owned(), 0),
        ("one loop", format!("(loop {all})"), 3),
        ("the same local twice", format!("(loop {} {})", set(1), set(1)), 1),
        ("a tee", "(loop (drop (local.tee 0 (i32.const 1))))".to_owned(), 1),
        ("two loops, one after the other", format!("(loop {all}) (loop {})", set(2)), 4),
        ("a loop in a loop", format!("(loop {} (loop {}))", set(0), set(1)), 3),
        ("the same local in both", format!("(loop {} (loop {}))", set(0), set(0)), 2),
        ("a block between", format!("(loop (block (loop {all})) (if (i32.const 0) (then {})))", set(2)), 6),
        ("after the loop", format!("(loop {}) {all}", set(0)), 1),
    ] {
        let counts = counted(&format!("(func {locals} {body})")).unwrap();
        assert_eq!(counts.costs.assigned(), expected, "{name}");
    }
}

#[test]
fn costs_add_up_over_functions() {
    let all: String = (0..1_000).map(|local| format!("(local.set {local} (i32.const 1))")).collect();
    let locals = "(local i32)".repeat(1_000);
    // 20 loops of 1,000 locals: 4 × 10^8 a function, of 10^9 that there may be.
    let function = format!("(func {locals} {} {all} {})", "loop ".repeat(20), "end ".repeat(20));
    assert!(counted(&function.repeat(2)).is_ok());
    let refused = counted(&function.repeat(3)).map(|_| ()).unwrap_err();
    assert_eq!(refused, Refusal::TooCostly { function: 0, assigned: 20_000 });
}

#[test]
fn the_last_that_is_taken_and_the_first_that_is_not() {
    for (name, taken, refused) in [
        (
            "locals",
            format!("(func {})", "(local i64)".repeat(2_000)),
            format!("(func {})", "(local i64)".repeat(2_001)),
        ),
        ("functions", "(func)".repeat(10_000), "(func)".repeat(10_001)),
        ("memory", "(memory 256)".to_owned(), "(memory 257)".to_owned()),
        ("memories", "(memory 1)".to_owned(), "(memory 1) (memory 1)".to_owned()),
        ("table elements", "(table 2500 funcref)".to_owned(), "(table 2501 funcref)".to_owned()),
        ("tables", "(table 1 funcref)".repeat(4), "(table 1 funcref)".repeat(5)),
        ("nesting", nested(255), nested(257)),
    ] {
        assert!(counted(&taken).is_ok(), "{name}");
        assert!(counted(&refused).is_err(), "{name}");
    }
}

fn nested(blocks: usize) -> String {
    format!("(func {} {})", "block ".repeat(blocks), "end ".repeat(blocks))
}

#[test]
fn the_description_is_found_wherever_it_stands() {
    let inner = counted(r#"(@custom "jifen-policy" "inner")"#).unwrap();
    assert_eq!(inner.description.as_deref(), Some("inner"));
    let outer = wat::parse_str(r#"(component (@custom "jifen-policy" "outer"))"#).unwrap();
    assert_eq!(count(&outer).unwrap().description.as_deref(), Some("outer"));
}

#[test]
fn locals_count_once_a_block() {
    for (name, body, expected) in [
        ("a straight line", "", 0),
        ("blocks", "(block) (loop) (if (i32.const 0) (then))", 9),
        ("branches", "(block (br_if 0 (i32.const 0)) (br_table 0 0 (i32.const 0)))", 9),
    ] {
        let function = format!("(func (local i32 i32 i32) {body})");
        let counts = counted(&function.repeat(2)).unwrap();
        assert_eq!(counts.costs.spread(), 2 * expected, "{name}");
    }
    // Parameters are locals as well, and an index counts what is imported, in each module anew.
    let types = format!("(type (func (param {}))) (import \"a\" \"b\" (func))", "i32 ".repeat(1_000));
    let counts = counted(&format!("{types} (func (type 0) (local i32) (block))")).unwrap();
    assert_eq!(counts.costs.spread(), 1_001);
    let nested = format!("{types} (func) (func (type 0) {})", "(br_if 0 (i32.const 0))".repeat(4_001));
    let module = |items: &str| format!("(core module {items})");
    let text = format!("(component {} {})", module("(func)"), module(&nested));
    let refused = count(&wat::parse_str(text).unwrap()).map(|_| ()).unwrap_err();
    assert_eq!(refused, Refusal::TooBranched { function: 2, locals: 1_000, blocks: 4_001 });
    let wide = |blocks: usize| format!("(func {} {})", "(local i32)".repeat(2_000), "(block)".repeat(blocks));
    assert!(counted(&wide(1_000).repeat(2)).is_ok());
    let refused = counted(&format!("(func) {}{}", wide(1_000), wide(1_001))).map(|_| ()).unwrap_err();
    assert_eq!(refused, Refusal::TooBranched { function: 2, locals: 2_000, blocks: 1_001 });
}
