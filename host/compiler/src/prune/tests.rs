use super::*;

const CONFIGURE: &str = "jifen:policy/configuration@0.1.0#configure";

/// Returns which functions of a module are left, by the number that each has in its body.
fn left(items: &str) -> Vec<i32> {
    let component = wat::parse_str(format!("(component (core module {items}))")).unwrap();
    let pruned = prune(&component).unwrap();
    wasmparser::validate(&pruned).unwrap();
    let mut left = Vec::new();
    for payload in Parser::new(0).parse_all(&pruned) {
        let Payload::CodeSectionEntry(body) = payload.unwrap() else { continue };
        let first = body.get_operators_reader().unwrap().read().unwrap();
        if let Operator::I32Const { value } = first {
            left.push(value);
        } else {
            assert_eq!(first, Operator::Unreachable);
        }
    }
    left
}

#[test]
fn what_only_configure_needs_is_left_out() {
    let configure = |body: &str| format!(r#"(func (export "{CONFIGURE}") i32.const 0 drop {body})"#);
    let post = |body: &str| format!(r#"(func (export "cabi_post_{CONFIGURE}") i32.const 0 drop {body})"#);
    let own = |id: &str, number: u32, body: &str| format!("(func ${id} i32.const {number} drop {body})");
    let other = |body: &str| format!(r#"(func (export "evaluate") i32.const 9 drop {body})"#);
    let [f, g] = [own("f", 1, ""), own("g", 2, "call $f")];
    for (name, items, expected) in [
        ("itself", vec![configure("")], vec![]),
        ("what is called after it", vec![post("call $f"), f.clone()], vec![]),
        ("whom it calls", vec![configure("call $g"), f.clone(), g.clone()], vec![]),
        (
            "not who is called from elsewhere",
            vec![configure("call $f"), f.clone(), other("call $f")],
            vec![1, 9],
        ),
        (
            "nor whom that calls",
            vec![configure("call $f"), f.clone(), g.clone(), other("call $g")],
            vec![1, 2, 9],
        ),
        (
            "nor what stands in a table",
            vec![configure("call $f"), f.clone(), "(table 1 funcref) (elem (i32.const 0) $f)".to_owned()],
            vec![1],
        ),
        (
            "nor in one with expressions",
            vec![f.clone(), "(table funcref (elem (ref.func $f)))".to_owned()],
            vec![1],
        ),
        ("nor in a global", vec![f.clone(), "(global funcref (ref.func $f))".to_owned()], vec![1]),
        (
            "nor what code takes a reference to",
            vec![f.clone(), "(elem declare func $f)".to_owned(), other("ref.func $f drop")],
            vec![1, 9],
        ),
        (
            "nor what has a second name",
            vec![configure(""), r#"(export "evaluate" (func 0))"#.to_owned()],
            vec![0],
        ),
        (
            "nor who is counted after imports",
            vec![r#"(import "a" "b" (func))"#.to_owned(), configure(""), f, other("call $f")],
            vec![1, 9],
        ),
        ("nobody calls it at all", vec![g.clone(), own("f", 1, "")], vec![]),
        ("what starts a module", vec![own("f", 1, ""), "(start $f)".to_owned()], vec![1]),
    ] {
        assert_eq!(left(&items.join("\n")), expected, "{name}");
    }
}

#[test]
fn all_else_stays_as_it_is() {
    let component = format!(
        r#"(component
            (core module $m
                (memory (export "memory") 1) (data (i32.const 8) "kept")
                (func (export "{CONFIGURE}"))
                (@custom "note" "kept"))
            (core instance $i (instantiate $m))
            (func (export "configure") (canon lift (core func $i "{CONFIGURE}")))
            (component (core module (func) (@custom "note" "whole")))
            (@custom "note" "kept"))"#
    );
    let component = wat::parse_str(component).unwrap();
    let once = prune(&component).unwrap();
    let ids = |bytes: &[u8]| sections(bytes).unwrap().into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(ids(&once), ids(&component));
    assert_eq!(prune(&once).unwrap(), once);
    for text in ["kept", "whole"] {
        let count = |bytes: &[u8]| bytes.windows(text.len()).filter(|at| *at == text.as_bytes()).count();
        assert_eq!(count(&once), count(&component), "{text}");
    }
}
