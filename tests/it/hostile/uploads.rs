//! Uploads that are refused, each for its own reason.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jifen_engine::{PolicyError, PolicyStore, World};
use wit_parser::Resolve;

use crate::components::{Guest, component_of, configurable, constant, core};
use crate::support::{Room, compiler, evaluate, points};

/// An upload that must be refused with this code and these words.
pub(super) struct Upload {
    pub(super) name: &'static str,
    pub(super) component: Vec<u8>,
    pub(super) code: &'static str,
    pub(super) words: &'static str,
}

fn upload(
    name: &'static str,
    component: impl Into<Vec<u8>>,
    code: &'static str,
    words: &'static str,
) -> Upload {
    Upload { name, component: component.into(), code, words }
}

/// A component that imports an instance with one function.
fn imports(instance: &str, function: &str) -> Vec<u8> {
    core(&format!(r#"(component (import "{instance}" (instance (export "{function}" (func)))))"#))
}

fn not_components() -> Vec<Upload> {
    let good = constant(1);
    let half = good.len().div_ceil(2);
    vec![
        upload("nothing", [], "empty", "the component is empty"),
        upload("garbage", "积分 is not wasm", "not-web-assembly", "does not begin with \\0asm"),
        upload("a shell script", "#!/bin/sh\nrm -rf /\n", "not-web-assembly", "this is not WebAssembly"),
        upload("a core module", core(&Guest::new().wat()), "core-module", "wasm-tools component new"),
        upload("half a component", &good[..half], "invalid", "the component is not valid: unexpected end"),
        upload("a component and more", [good, vec![0x7f]].concat(), "invalid", "not valid"),
        upload(
            "100 MB",
            vec![0; 100_000_000],
            "too-large",
            "has 100000000 bytes; at most 33554432 are taken",
        ),
        upload("compiled code", compiled_code(), "precompiled", "upload the component it was compiled from"),
    ]
}

fn foreign() -> Vec<Upload> {
    let exports = |exports: &str| format!("(component (instance $nothing) {exports})");
    vec![
        upload(
            "WASI",
            imports("wasi:cli/stdout@0.2.0", "get-stdout"),
            "foreign-import",
            "imports wasi:cli/stdout@0.2.0, which Jifen does not offer; Rust: build for wasm32-unknown-unknown instead \
             of wasm32-wasip2; JavaScript: jco componentize --disable all; Python: componentize-py componentize \
             --stub-wasi",
        ),
        upload(
            "a database",
            imports("acme:db/query@1.0.0", "run"),
            "foreign-import",
            "a policy may import awards",
        ),
        upload(
            "a function",
            core(r#"(component (import "now" (func)))"#),
            "foreign-import",
            "imports now, which",
        ),
        upload(
            "secrets",
            imports("jifen:policy/secrets@0.1.0", "all"),
            "foreign-import",
            "jifen:policy/secrets@0.1.0",
        ),
        upload(
            "A21: another merchant's purchases",
            imports("jifen:policy/purchases@0.1.0", "at-merchant"),
            "foreign-import",
            "imports purchases.at-merchant, which Jifen does not offer; this host has version 0.1.0",
        ),
        upload(
            "a later contract",
            imports("jifen:policy/purchases@0.2.0", "lifetime-count"),
            "wrong-version",
            "is built for jifen:policy/purchases@0.2.0; this host speaks jifen:policy/purchases@0.1.0",
        ),
        upload(
            "a draft of the contract",
            imports("jifen:policy/purchases@0.1.0-draft", "lifetime-count"),
            "wrong-version",
            "0.1.0-draft",
        ),
        upload("no policy", core("(component)"), "no-world", "(exported are: nothing)"),
        upload(
            "half a policy",
            core(&exports(r#"(export "jifen:policy/configuration@0.1.0" (instance $nothing))"#)),
            "no-world",
            "export jifen:policy/configuration@0.1.0 and jifen:policy/earning@0.1.0 or jifen:policy/redemption@0.1.0 or jifen:policy/campaign@0.1.0 (ex",
        ),
        upload(
            "two policies",
            core(&exports(
                r#"(export "jifen:policy/configuration@0.1.0" (instance $nothing))
                   (export "jifen:policy/earning@0.1.0" (instance $nothing))
                   (export "jifen:policy/redemption@0.1.0" (instance $nothing))"#,
            )),
            "several-worlds",
            "jifen:policy/redemption@0.1.0; a component is one policy",
        ),
        upload("other types", other_types(""), "wrong-types", "does not keep the contract"),
    ]
}

fn oversized() -> Vec<Upload> {
    let guest = Guest::new;
    let data = "(data (i32.const 3000) \"x\")".repeat(2_000);
    let functions = "(func)".repeat(10_001);
    let blocks = format!("(func {} {})", "block ".repeat(300), "end ".repeat(300));
    vec![
        upload(
            "19 MB of memory",
            guest().memory("300").build(),
            "memory-too-large",
            "declares 19660800 bytes of memory",
        ),
        upload(
            "two memories",
            guest().item("(memory 1)").build(),
            "too-many",
            "has 2 memories; at most 1 are taken",
        ),
        upload(
            "a large table",
            guest().item("(table 9999 funcref)").build(),
            "too-many",
            "elements in a table",
        ),
        upload(
            "many data segments",
            guest().item(&data).build(),
            "too-many",
            "has 2001 data segments; at most 1000",
        ),
        upload(
            "many functions",
            guest().item(&functions).build(),
            "too-many",
            "functions; at most 10000 are taken",
        ),
        upload(
            "deep nesting",
            guest().item(&blocks).build(),
            "too-many",
            "has 300 blocks within each other in function 6; at most 256",
        ),
        upload(
            "many locals",
            guest().item(&format!("(func {})", "(local i64)".repeat(2_001))).build(),
            "too-many",
            "has 2001 locals in function 6",
        ),
        upload(
            "a name longer than any may be",
            core(&format!("(component (core module (func (export {:?}))))", "a".repeat(100_001))),
            "invalid",
            "string size out of bounds",
        ),
        upload(
            "huge names of sections that nobody reads",
            guest().item(&format!("(@custom {:?} \"\")", "名".repeat(30_000)).repeat(4)).build(),
            "too-many",
            "bytes in custom sections",
        ),
        upload(
            "data beyond the memory",
            guest().item("(data (i32.const 65533) \"jifen\")").build(),
            "configure-failed",
            "it trapped: out of bounds memory access",
        ),
        upload(
            "two descriptions",
            guest().described("honest", "1.0.0", "").described("another", "1.0.0", "").build(),
            "too-many",
            "has 2 descriptions of itself; at most 1",
        ),
        upload(
            "instances that need each other",
            core(
                r#"(component
                    (core module $m (import "a" "f" (func)) (export "f" (func 0)))
                    (core instance $first (instantiate $m (with "a" (instance $second))))
                    (core instance $second (instantiate $m (with "a" (instance $first)))))"#,
            ),
            "invalid",
            "unknown core instance 1: instance index out of bounds",
        ),
        upload(
            "a loop bomb of 9 kB",
            guest().item(&bomb(200, 1_900)).build(),
            "too-costly",
            "function 6 assigns 380000",
        ),
        upload(
            "many small loop bombs",
            guest().item(&bomb(10, 1_000).repeat(20)).build(),
            "too-costly",
            "assigns 10000 locals in loops",
        ),
        upload(
            "a bomb of branches",
            guest().item(&branches(5_000, 1_990)).build(),
            "too-costly",
            "function 6 has 1991 locals and 5000 blocks",
        ),
        upload(
            "vectors",
            guest().item("(func (drop (v128.const i32x4 0 0 0 0)))").build(),
            "invalid",
            "SIMD",
        ),
        upload("tail calls", guest().item("(func $f (return_call $f))").build(), "invalid", "tail calls"),
        upload(
            "a start function",
            guest().item("(func $s) (start $s)").build(),
            "start-function",
            "in `configure`",
        ),
        upload(
            "a component's start function",
            core(r#"(component (import "f" (func $f)) (start $f))"#),
            "start-function",
            "do its work in `configure`",
        ),
        upload(
            "a nested component",
            core("(component (component (core module)))"),
            "nested-component",
            "one core module",
        ),
        upload(
            "a nested component of modules that it is given",
            core(r#"(component (component (import "m" (core module $m)) (core instance (instantiate $m))))"#),
            "nested-component",
            "one core module",
        ),
    ]
}

fn misconfigured() -> Vec<Upload> {
    let guest = |body: &str| Guest::new().configure(body);
    let count = ("purchases", "lifetime-count", "(func $count (result i64))");
    vec![
        upload(
            "a loop in configure",
            guest("(loop $l (br $l)) unreachable").build(),
            "configure-failed",
            "failed in configure: it ran out of fuel at 100000000 units",
        ),
        upload("unreachable in configure", guest("unreachable").build(), "configure-failed", "it trapped: "),
        upload(
            "a storm of memory.grow in configure",
            guest("(loop $l (drop (memory.grow (i32.const 1))) (br $l)) unreachable").build(),
            "configure-failed",
            "it asked for more than 16777216 bytes of memory",
        ),
        upload(
            "facts in configure",
            guest("(drop (call $count)) (call $ok)").import(count.0, count.1, count.2).build(),
            "facts-in-configure",
            "asks for facts in configure, which is for all members; ask in evaluate",
        ),
        upload(
            "words with an escape",
            guest("(call $refuse (i32.const 2048) (i32.const 9))")
                .item("(data (i32.const 2048) \"\\1b[31mred\\07\")")
                .build(),
            "parameters-refused",
            "the policy refuses its parameters: [31mred",
        ),
    ]
}

/// All of them.
pub(super) fn all() -> Vec<Upload> {
    [not_components(), foreign(), oversized(), misconfigured()].into_iter().flatten().collect()
}

/// A function with so many loops within each other, and so many locals assigned in the innermost.
fn bomb(loops: usize, locals: u32) -> String {
    let assigned: String = (0..locals).map(|local| format!("(local.set {local} (i32.const 1))")).collect();
    let locals = "(local i32)".repeat(usize::try_from(locals).expect("it is small"));
    format!("(func {locals} {} {assigned} {})", "loop ".repeat(loops), "end ".repeat(loops))
}

/// A component that exports the right interfaces with other types.
/// A component whose functions have other types than those of the contract, with further items in its module.
pub(crate) fn other_types(items: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let wit = "package jifen:policy@0.1.0;
        interface configuration { configure: func(parameters: string) -> result<_, string>; }
        interface earning { evaluate: func() -> u64; }
        world earning-policy { export configuration; export earning; }";
    let package = resolve.push_str("other.wit", wit).expect("it parses");
    let module = core(&format!(
        r#"(module (memory (export "memory") 1)
             (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64))
             (func (export "jifen:policy/configuration@0.1.0#configure") (param i32 i32) (result i32) (i32.const 0))
             (func (export "jifen:policy/earning@0.1.0#evaluate") (result i64) (i64.const 7)) {items})"#
    ));
    component_of(&resolve, package, &module, "earning-policy")
}

/// The code of a cache entry, without its seal.
fn compiled_code() -> Vec<u8> {
    let room = Room::new();
    room.policy(&constant(1));
    let entry = fs::read(only_entry(room.cache.path())).expect("it can be read");
    let elf = entry.windows(4).position(|bytes| bytes == b"\x7fELF").expect("code is an ELF file");
    entry[elf..].to_vec()
}

/// Returns the one entry of a cache.
fn only_entry(cache: &Path) -> PathBuf {
    only(cache, "policy")
}

/// Returns the one file of a cache whose name ends so.
fn only(cache: &Path, end: &str) -> PathBuf {
    let entries =
        fs::read_dir(cache).expect("it is there").map(|entry| entry.expect("it can be listed").path());
    let mut entries = entries.filter(|path| path.extension().is_some_and(|extension| extension == end));
    entries.next().expect("there is an entry")
}

#[test]
fn an_upload_is_refused_by_name_with_the_mend() {
    let room = Room::new();
    for Upload { name, component, code, words } in all() {
        let error =
            room.store.policy(&component, "{}").map(|policy| policy.report().clone()).expect_err(name);
        assert_eq!(error.code(), code, "{name}: {error}");
        assert!(error.to_string().contains(words), "{name}: {error}");
    }
    assert_eq!(points(&evaluate(&room.policy(&constant(61)))), 61);
}

#[test]
fn parameters_are_refused_by_us_or_in_the_guests_words() {
    let room = Room::new();
    let large = format!("{{\"points\": \"{}\"}}", "1".repeat(64 << 10));
    for (parameters, code, words) in [
        ("", "parameters", "parameters: must be a JSON object: EOF while parsing"),
        ("{", "parameters", "EOF while parsing an object at line 1 column 1"),
        ("[]", "parameters", "must be a JSON object: invalid type: sequence"),
        ("7", "parameters", "must be a JSON object"),
        ("null", "parameters", "must be a JSON object"),
        (large.as_str(), "parameters", "have 65550 bytes; at most 65536 are taken"),
        (
            "{}",
            "parameters-refused",
            "the policy refuses its parameters: points: is missing; write {\"points\": 10}",
        ),
    ] {
        let error = room.store.policy(&configurable(), parameters).expect_err(parameters);
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_file_is_not_read_beyond_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.wasm");
    fs::File::create(&path).unwrap().set_len(100_000_000).unwrap();
    let error = PolicyStore::read(&path).unwrap_err();
    assert_eq!(error.code(), "too-large");
    assert!(error.to_string().contains("has 100000000 bytes"), "{error}");
    assert_eq!(PolicyStore::read(&folder.path().join("none.wasm")).unwrap_err().code(), "unreadable");
}

#[test]
fn a_cache_entry_that_is_not_ours_is_compiled_anew() {
    let room = Room::new();
    let component = constant(61);
    room.policy(&component);
    let entry = only_entry(room.cache.path());
    let whole = fs::read(&entry).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    for (name, damaged) in [
        ("the magic", flipped(0)),
        ("the seal", flipped(20)),
        ("the report's length", flipped(47)),
        ("the report", flipped(60)),
        ("the code", flipped(whole.len() - 100)),
        ("the last byte", flipped(whole.len() - 1)),
        ("a cut", whole[..whole.len() - 1].to_vec()),
        ("nothing left", Vec::new()),
        ("bare code", compiled_code()),
        ("its configurator", fs::read(only(room.cache.path(), "configurator")).unwrap()),
    ] {
        fs::write(&entry, damaged).unwrap();
        assert_eq!(only_cached(&room).code(), "compiler-missing", "{name}");
        assert_eq!(points(&evaluate(&room.policy(&component))), 61, "{name}");
        assert!(uncompiled(&room).policy(&component, "{}").is_ok(), "{name}: it is whole again");
    }
}

/// Most of the time that a small policy takes goes into what configures it, which is the same for all parameters.
#[test]
fn what_configures_a_component_is_made_once() {
    let room = Room::new();
    room.policy(&constant(1));
    let of_another = only(room.cache.path(), "configurator");
    let moved = fs::read(&of_another).unwrap();
    fs::remove_file(of_another).unwrap();
    let (component, mut asked) = (configurable(), 0);
    let mut ask = || {
        asked += 1;
        let policy = room.store.policy(&component, &format!("{{\"points\": {asked}}}")).unwrap();
        assert_eq!(points(&evaluate(&policy)), asked);
    };
    // What is refused leaves it, too.
    room.store.policy(&component, "{}").map(drop).unwrap_err();
    let file = only(room.cache.path(), "configurator");
    let which = || fs::metadata(&file).unwrap().ino();
    let (first, whole) = (which(), fs::read(&file).unwrap());
    ask();
    ask();
    assert_eq!(which(), first, "nobody made it again");
    let mut flipped = whole.clone();
    flipped[whole.len() - 100] ^= 1;
    for (name, damaged) in [
        ("a bit", flipped),
        ("a cut", whole[..whole.len() - 1].to_vec()),
        ("nothing left", Vec::new()),
        ("that of another component", moved),
        ("endless zeros", vec![0; 33 << 20]),
        ("a policy", fs::read(only_entry(room.cache.path())).unwrap()),
    ] {
        fs::write(&file, damaged).unwrap();
        let before = which();
        ask();
        assert_ne!(which(), before, "{name}: it is made again");
        let again = which();
        ask();
        assert_eq!(which(), again, "{name}: it is whole again");
    }
}

#[test]
fn a_seal_holds_for_one_job_and_one_key() {
    let room = Room::new();
    room.policy(&constant(61));
    let of_61 = only_entry(room.cache.path());
    let sealed = fs::read(&of_61).unwrap();
    fs::remove_file(&of_61).unwrap();
    room.policy(&constant(7));
    let of_7 = only_entry(room.cache.path());
    fs::write(&of_7, &sealed).unwrap();
    assert_eq!(points(&evaluate(&room.policy(&constant(7)))), 7, "an entry moved to another job's place");

    fs::write(&of_61, &sealed).unwrap();
    assert!(uncompiled(&room).policy(&constant(61), "{}").is_ok());
    fs::write(room.cache.path().join("key"), [7; 32]).unwrap();
    assert_eq!(only_cached(&room).code(), "compiler-missing", "another host's key");

    fs::write(room.cache.path().join("key"), [7; 31]).unwrap();
    let error = PolicyStore::open(room.cache.path(), compiler()).expect_err("a damaged key");
    assert_eq!(error.code(), "cache");
}

/// Returns a store on the same cache that cannot compile.
fn uncompiled(room: &Room) -> PolicyStore {
    PolicyStore::open(room.cache.path(), "/nonexistent/jifen-compile").expect("the folder can be used")
}

/// Asks for the policy of 61 points where it cannot be compiled, which must fail.
fn only_cached(room: &Room) -> PolicyError {
    uncompiled(room).policy(&constant(61), "{}").map(|_| ()).expect_err("the entry must not be taken")
}

#[test]
fn a_compiler_that_hangs_dies_or_talks_nonsense_is_an_error() {
    let cache = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, script, code, words) in [
        ("hangs", "exec sleep 60", "compiler-deadline", "took longer than 0 s"),
        ("dies", "echo 'out of luck' >&2; exit 3", "compiler-crashed", "out of luck"),
        ("is killed", "kill -9 $$", "compiler-crashed", "died of signal 9"),
        ("uses its time up", "kill -XCPU $$", "compiler-processor", "more than 10 s of processor time"),
        (
            "has no memory",
            "echo 'memory allocation of 9 bytes failed' >&2; kill -ABRT $$",
            "compiler-out-of-memory",
            "1073741824",
        ),
        ("talks nonsense", "echo '{\"well\": 1}'", "compiler-crashed", "gave no answer"),
        (
            "seals nothing",
            "echo '{\"response\": \"fit\", \"sealed_bytes\": 99999999999, \"configurator_bytes\": 0}'; exec yes",
            "compiler-crashed",
            "died of signal",
        ),
        (
            "configures nothing",
            "echo '{\"response\": \"fit\", \"sealed_bytes\": 0, \"configurator_bytes\": 99999999999}'; exec yes",
            "compiler-crashed",
            "died of signal",
        ),
        ("floods", "exec yes", "compiler-crashed", ""),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let store = PolicyStore::open(cache.path(), &path).unwrap();
        let store = store.with_compile_wall_max(Duration::from_millis(900));
        let error = store.policy(&constant(1), "{}").map(|_| ()).expect_err(name);
        assert_eq!(error.code(), code, "{name}: {error}");
        assert!(error.to_string().contains(words), "{name}: {error}");
    }
}

/// What takes longer than it should, because the machine is busy or we foresaw too little, ends with the process.
#[test]
fn compiling_ends_at_the_deadline() {
    let room = Room::new();
    let store = PolicyStore::open(room.cache.path(), compiler()).unwrap();
    let store = store.with_compile_wall_max(Duration::from_millis(100));
    let component = Guest::new().item(&branches(1_900, 1_990)).build();
    let error = store.policy(&component, "{}").map(|_| ()).expect_err("it takes seconds");
    assert_eq!(error.code(), "compiler-deadline", "{error}");
    assert!(error.to_string().contains("and was stopped"), "{error}");
    assert_eq!(points(&evaluate(&room.policy(&constant(61)))), 61);
}

/// A function of so many branches that each assign a few of so many locals, all of which are used in the end.
fn branches(branches: usize, locals: usize) -> String {
    let mut next = (1..=locals).cycle();
    let mut assign =
        || next.next().map(|local| format!("(local.set {local} (local.get 0))")).unwrap_or_default();
    let mut branch = || format!("(if (local.get 0) (then {}))", assign() + &assign() + &assign() + &assign());
    let branches: String = (0..branches).map(|_| branch()).collect();
    let sum: String = (2..=locals).map(|local| format!("(local.get {local}) i32.add ")).collect();
    format!("(func (param i32) {} {branches} (local.get 1) {sum} drop)", "(local i32)".repeat(locals))
}

#[test]
fn what_several_ask_for_at_once_is_compiled_once_and_shared() {
    let room = Room::new();
    let folder = tempfile::tempdir().unwrap();
    let (counted, count) = (folder.path().join("counted"), folder.path().join("count"));
    let script = format!("#!/bin/sh\necho one >> '{}'\nexec '{}'\n", count.display(), compiler().display());
    fs::write(&counted, script).unwrap();
    fs::set_permissions(&counted, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let store = PolicyStore::open(room.cache.path(), &counted).unwrap();
    let component = configurable();
    let ask = || store.policy(&component, r#"{"points": 5}"#).unwrap();
    let policies: Vec<_> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert!(policies.iter().all(|policy| Arc::ptr_eq(policy, &policies[0])));
    assert_eq!(fs::read_to_string(&count).unwrap(), "one\n");
    // What is refused is refused for each: nobody waits for ever for who failed.
    std::thread::scope(|scope| {
        let ask = || store.policy(&component, r#"{"points": "none"}"#).map(drop).unwrap_err().code();
        let asking = [scope.spawn(ask), scope.spawn(ask)];
        assert_eq!(asking.map(|asked| asked.join().unwrap()), ["parameters-refused"; 2]);
    });
}

#[test]
fn what_was_asked_for_longest_ago_leaves_the_cache_first() {
    let room = Room::new();
    let entry = |points: u64| format!(r#"{{"points": {points}}}"#);
    let component = configurable();
    let kept = || {
        let uncompiled = uncompiled(&room);
        [1, 2, 3].map(|points| uncompiled.policy(&component, &entry(points)).is_ok())
    };
    let ask = |store: &PolicyStore, points| drop(store.policy(&component, &entry(points)).unwrap());
    for points in [1, 2] {
        ask(&room.store, points);
    }
    let files = fs::read_dir(room.cache.path()).unwrap().map(|it| it.unwrap().metadata().unwrap().len());
    let bytes: u64 = files.sum();
    let store = PolicyStore::open(room.cache.path(), compiler()).unwrap().with_cache_bytes_max(bytes);
    ask(&store, 1);
    ask(&store, 3);
    assert_eq!(kept(), [true, false, true]);
}

#[test]
fn what_only_configure_needs_takes_no_room() {
    let square = "(local.set 0 (i32.mul (local.get 0) (local.get 0)))".repeat(10_000);
    let big = || Guest::new().item(&format!("(func $big (param i32) (result i32) {square} (local.get 0))"));
    let call = "(drop (call $big (i32.const 3)))";
    let bytes = |guest: Guest| {
        let room = Room::new();
        assert_eq!(points(&evaluate(&room.policy(&guest.build()))), 1);
        fs::metadata(only_entry(room.cache.path())).unwrap().len()
    };
    let award = "(call $award (i64.const 1))";
    let [configuring, evaluating] = [
        big().configure(&format!("{call} (call $ok)")).evaluate(award),
        big().evaluate(&format!("{call} {award}")),
    ]
    .map(bytes);
    assert!(evaluating > configuring + 30_000, "{evaluating} and {configuring}");
}

#[test]
fn two_stores_on_one_cache_agree() {
    let room = Room::new();
    let other = PolicyStore::open(room.cache.path(), compiler()).unwrap();
    let component = configurable();
    std::thread::scope(|scope| {
        for store in [&room.store, &other, &room.store, &other] {
            scope.spawn(|| {
                let policy = store.policy(&component, r#"{"points": 5}"#).unwrap();
                assert_eq!(points(&evaluate(&policy)), 5);
            });
        }
    });
    assert!(uncompiled(&room).policy(&component, r#"{"points": 5}"#).is_ok());
    let temporary = fs::read_dir(room.cache.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(temporary.count(), 3, "the key, one entry and what configures it");
}

#[test]
fn inspecting_tells_what_a_component_is_and_runs_none_of_it() {
    let room = Room::new();
    let guest = Guest::new()
        .import("purchases", "spend-minor-since", "(func (param i32) (result i64))")
        .import("purchases", "last-day", "(func (result i32))")
        .import("balance", "available", "(func (result i64))")
        .import("log", "write", "(func (param i32 i32))")
        .configure("(loop $l (br $l)) unreachable")
        .item(r#"(@custom "jifen-policy" "{\"name\": \"test\"}")"#);
    let report = room.store.inspect(&guest.build()).unwrap();
    assert_eq!(report.world, World::Earning);
    assert_eq!(report.facts, ["balance.available", "purchases.last-day", "purchases.spend-minor-since"]);
    assert!(report.logs);
    assert_eq!(report.description.as_deref(), Some(r#"{"name": "test"}"#));
    assert_eq!(report.memory_bytes, 65_536);
}
