//! Components for tests, written by hand in WebAssembly text, so that host tests need no guest toolchain.
//!
//! A [`Guest`] is a core module of the contract's shape with holes for what a test is about; `wit-component` makes a
//! component of it, as it does for real guests. The layouts in memory follow from `wit/` by the canonical ABI: the
//! arguments of `evaluate` are one record (`points-so-far` at 88, the lines' list at 24), a proposal has 12 bytes, an
//! award 64.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve};

/// A core module to be.
#[derive(Clone)]
pub(crate) struct Guest {
    imports: String,
    memory: String,
    items: String,
    configure: String,
    evaluate: String,
    realloc: String,
}

/// Returns a policy that awards so many points for every event.
pub(crate) fn constant(points: u64) -> Vec<u8> {
    Guest::new().evaluate(&format!("(call $award (i64.const {points}))")).build()
}

/// Returns a policy that awards as many points as its parameters say, such as `{"points": 7}`, and refuses parameters
/// without a number.
pub(crate) fn configurable() -> Vec<u8> {
    configurable_guest().build()
}

/// Returns the guest of [`configurable`], to be changed.
pub(crate) fn configurable_guest() -> Guest {
    Guest::new()
        .item("(global $points (mut i64) (i64.const -1))")
        .item(r#"(data (i32.const 2048) "points: is missing; write {\"points\": 10}")"#)
        .item(READ_NUMBER)
        .configure(
            "(global.set $points (call $read_number (local.get $text) (local.get $length)))
             (if (result i32) (i64.lt_s (global.get $points) (i64.const 0))
               (then (call $refuse (i32.const 2048) (i32.const 40)))
               (else (call $ok)))",
        )
        .evaluate("(call $award (global.get $points))")
}

/// Returns a policy that awards so many points for every purchase to the one who referred the member.
pub(crate) fn referring(points: u64) -> Vec<u8> {
    Guest::new()
        .evaluate(&format!(
            "(i32.store8 (i32.const 640) (i32.const 1))
             (call $award (i64.mul (i64.const {points}) (i64.extend_i32_u (i32.load8_u (local.get $arguments)))))"
        ))
        .build()
}

/// Returns a policy that awards as many points as the member has purchases.
pub(crate) fn counting() -> Vec<u8> {
    Guest::new()
        .import("purchases", "lifetime-count", "(func $count (result i64))")
        .evaluate("(call $award (call $count))")
        .build()
}

/// Returns a policy that awards what earlier lanes granted, once more.
pub(crate) fn doubling() -> Vec<u8> {
    Guest::new().evaluate("(call $award (i64.load offset=88 (local.get $arguments)))").build()
}

/// Returns a policy that awards one point for every 100 minor units of the basket.
pub(crate) fn spend() -> Vec<u8> {
    spend_guest(100).build()
}

/// Returns the guest of a policy that awards one point for every so many minor units, to be changed.
pub(crate) fn spend_guest(per: u64) -> Guest {
    let award = format!("(call $award (i64.div_u (call $sum (local.get $arguments)) (i64.const {per})))");
    Guest::new().item(SUM).evaluate(&award)
}

/// Returns a policy that does as [`spend`] and asks two facts, as a stock rule does.
pub(crate) fn asking() -> Vec<u8> {
    Guest::new()
        .import("purchases", "lifetime-count", "(func $count (result i64))")
        .import("awards", "granted-since", "(func $granted (param i32) (result i64))")
        .item(SUM)
        .evaluate(
            "(drop (call $count))
             (drop (call $granted (i32.load offset=56 (local.get $arguments))))
             (call $award (i64.div_u (call $sum (local.get $arguments)) (i64.const 100)))",
        )
        .build()
}

/// Returns a redemption policy that offers these terms for every request, with the benefit `test`. An answer has 48
/// bytes, with the offer at 8.
pub(crate) fn redemption(points: u64, cash_minor: u64, worth_minor: u64) -> Vec<u8> {
    let module = format!(
        r#"(module
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 8192))
  (data (i32.const 1024) "test")
  (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32) (local $at i32)
    {BUMP})
  (func (export "jifen:policy/configuration@0.1.0#configure") (param i32 i32) (result i32) (i32.const 512))
  (func (export "jifen:policy/redemption@0.1.0#quote") (param i32) (result i32)
    (i64.store (i32.const 608) (i64.const {points}))
    (i64.store (i32.const 616) (i64.const {cash_minor}))
    (i64.store (i32.const 624) (i64.const {worth_minor}))
    (i32.store (i32.const 632) (i32.const 1024))
    (i32.store (i32.const 636) (i32.const 4))
    (i32.const 600)))"#
    );
    component(&core(&module), "redemption-policy")
}

/// Returns a campaign policy that gives every member so many points, for the reason `test`. An action has 72 bytes, with the
/// award at 8.
pub(crate) fn campaign(points: u64) -> Vec<u8> {
    campaign_for(0, points)
}

/// Returns a campaign policy that gives every member so many points, or with 1 for `to` the one who referred the member.
pub(crate) fn campaign_for(to: u8, points: u64) -> Vec<u8> {
    campaign_of(&gift(to, points))
}

fn gift(to: u8, points: u64) -> String {
    format!(
        "(i32.store8 (i32.const 648) (i32.const {to}))
    (i64.store (i32.const 656) (i64.const {points}))
    (i32.store (i32.const 676) (i32.const 1024))
    (i32.store (i32.const 680) (i32.const 4))
    (i32.store (i32.const 600) (i32.const 640))
    (i32.store (i32.const 604) (i32.const 1))
    (i32.const 600)"
    )
}

/// Returns a campaign policy that sends every member the notice `test`, which lies in the action's third word.
pub(crate) fn telling() -> Vec<u8> {
    campaign_of(
        "(i32.store8 (i32.const 640) (i32.const 1))
    (i32.store (i32.const 648) (i32.const 1024))
    (i32.store (i32.const 652) (i32.const 4))
    (i32.store (i32.const 600) (i32.const 640))
    (i32.store (i32.const 604) (i32.const 1))
    (i32.const 600)",
    )
}

/// Returns a campaign policy that does what a body says, which returns the place of a list of actions.
pub(crate) fn campaign_of(body: &str) -> Vec<u8> {
    campaign_asking("", body)
}

/// Returns a campaign policy that gives every member seven points who has fewer than five.
pub(crate) fn topping_up() -> Vec<u8> {
    campaign_asking(
        r#"(import "jifen:policy/balance@0.1.0" "available" (func $available (result i64)))"#,
        &format!(
            "(if (i64.ge_u (call $available) (i64.const 5)) (then (return (i32.const 512)))) {}",
            gift(0, 7)
        ),
    )
}

/// Returns a campaign policy that gives seven points to every member who is the same person as the one who referred the member.
pub(crate) fn consoling() -> Vec<u8> {
    campaign_asking(
        r#"(import "jifen:policy/referral@0.1.0" "same-person" (func $same (result i32)))"#,
        &format!("(if (i32.eqz (call $same)) (then (return (i32.const 512)))) {}", gift(0, 7)),
    )
}

fn campaign_asking(imports: &str, body: &str) -> Vec<u8> {
    // The fourteen numbers of a day.
    let day = "i32 ".repeat(14);
    let module = format!(
        r#"(module {imports}
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 8192))
  (data (i32.const 1024) "test")
  (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32) (local $at i32)
    {BUMP})
  (func (export "jifen:policy/configuration@0.1.0#configure") (param i32 i32) (result i32) (i32.const 512))
  (func (export "jifen:policy/campaign@0.1.0#run") (param {day}) (result i32)
    {body}))"#
    );
    component(&core(&module), "campaign-policy")
}

/// Sums the amounts of a purchase's lines, each of 40 bytes with its amount at 24.
pub(crate) const SUM: &str = "
  (func $sum (param $arguments i32) (result i64) (local $line i32) (local $end i32) (local $sum i64)
    (if (i32.eqz (i32.load8_u (local.get $arguments))) (then (return (i64.const 0))))
    (local.set $line (i32.load offset=24 (local.get $arguments)))
    (local.set $end (i32.add (local.get $line)
      (i32.mul (i32.load offset=28 (local.get $arguments)) (i32.const 40))))
    (loop $next
      (if (i32.lt_u (local.get $line) (local.get $end)) (then
        (local.set $sum (i64.add (local.get $sum) (i64.load offset=24 (local.get $line))))
        (local.set $line (i32.add (local.get $line) (i32.const 40)))
        (br $next))))
    (local.get $sum))";

/// Reads the digits of a text as one number; −1 without any.
const READ_NUMBER: &str = "
  (func $read_number (param $at i32) (param $length i32) (result i64)
    (local $end i32) (local $digit i32) (local $number i64)
    (local.set $number (i64.const -1))
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (loop $next
      (if (i32.lt_u (local.get $at) (local.get $end)) (then
        (local.set $digit (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))
        (if (i32.lt_u (local.get $digit) (i32.const 10)) (then
          (if (i64.lt_s (local.get $number) (i64.const 0)) (then (local.set $number (i64.const 0))))
          (local.set $number (i64.add (i64.mul (local.get $number) (i64.const 10))
            (i64.extend_i32_u (local.get $digit))))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next))))
    (local.get $number))";

/// Hands out the rest of the memory and grows it when there is no more.
const BUMP: &str = "
    (local.set $at (i32.and (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (global.set $next (i32.add (local.get $at) (local.get $size)))
    (loop $more
      (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))) (then
        (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
        (br $more))))
    (local.get $at)";

impl Guest {
    /// Returns a guest that takes any parameters and proposes nothing.
    pub(crate) fn new() -> Self {
        Self {
            imports: String::new(),
            memory: "1".to_owned(),
            items: String::new(),
            configure: "(call $ok)".to_owned(),
            evaluate: "(call $awards (i32.const 0) (i32.const 0))".to_owned(),
            realloc: BUMP.to_owned(),
        }
    }

    /// Adds an import of the contract, such as `("purchases", "lifetime-count", "(func $count (result i64))")`.
    pub(crate) fn import(mut self, interface: &str, function: &str, declaration: &str) -> Self {
        self.imports +=
            &format!("(import \"jifen:policy/{interface}@0.1.0\" \"{function}\" {declaration})\n");
        self
    }

    /// Adds an item of a core module.
    pub(crate) fn item(mut self, item: &str) -> Self {
        self.items += item;
        self.items += "\n";
        self
    }

    /// Has the component say what it is: its name and version, and further lines of a `policy.toml`.
    pub(crate) fn described(self, name: &str, version: &str, lines: &str) -> Self {
        let text = format!("name = '{name}'\nversion = '{version}'\n{lines}");
        self.item(&format!("(@custom \"jifen-policy\" {text:?})"))
    }

    /// Sets the limits of the memory, such as `"1 4"`.
    pub(crate) fn memory(mut self, limits: &str) -> Self {
        limits.clone_into(&mut self.memory);
        self
    }

    /// Sets the body of `configure`, with `$text` and `$length` of the parameters, which returns [`$ok`] or `$refuse`.
    ///
    /// [`$ok`]: Self::wat
    pub(crate) fn configure(mut self, body: &str) -> Self {
        body.clone_into(&mut self.configure);
        self
    }

    /// Sets the body of `evaluate`, with `$arguments`, which returns a proposal: see `$award`, `$awards`, `$declined`.
    pub(crate) fn evaluate(mut self, body: &str) -> Self {
        body.clone_into(&mut self.evaluate);
        self
    }

    /// Adds something that `cabi_realloc` does before it hands out memory.
    pub(crate) fn before_realloc(mut self, body: &str) -> Self {
        self.realloc.insert_str(0, body);
        self
    }

    /// Returns the core module as text.
    ///
    /// `$ok` and `$refuse` make what `configure` returns, at 512. `$award` makes a proposal of one award for the reason
    /// `test`, `$awards` one of a list, `$declined` a no with a reason; the proposal is at 600, the award at 640.
    pub(crate) fn wat(&self) -> String {
        let Self { imports, memory, items, configure, evaluate, realloc } = self;
        format!(
            r#"(module
  {imports}
  (memory (export "memory") {memory})
  (global $next (mut i32) (i32.const 8192))
  (data (i32.const 1024) "test")
  (func $ok (result i32) (i32.const 512))
  (func $refuse (param $text i32) (param $length i32) (result i32)
    (i32.store8 (i32.const 512) (i32.const 1))
    (i32.store (i32.const 516) (local.get $text))
    (i32.store (i32.const 520) (local.get $length))
    (i32.const 512))
  (func $awards (param $at i32) (param $count i32) (result i32)
    (i32.store (i32.const 604) (local.get $at))
    (i32.store (i32.const 608) (local.get $count))
    (i32.const 600))
  (func $declined (param $text i32) (param $length i32) (result i32)
    (i32.store8 (i32.const 600) (i32.const 1))
    (call $awards (local.get $text) (local.get $length)))
  (func $reason (param $text i32) (param $length i32)
    (i32.store (i32.const 668) (local.get $text))
    (i32.store (i32.const 672) (local.get $length)))
  (func $award (param $points i64) (result i32)
    (i64.store (i32.const 648) (local.get $points))
    (call $reason (i32.const 1024) (i32.const 4))
    (call $awards (i32.const 640) (i32.const 1)))
  {items}
  (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32) (local $at i32)
    {realloc})
  (func (export "jifen:policy/configuration@0.1.0#configure") (param $text i32) (param $length i32) (result i32)
    {configure})
  (func (export "jifen:policy/earning@0.1.0#evaluate") (param $arguments i32) (result i32)
    {evaluate}))"#
        )
    }

    /// Returns the component.
    pub(crate) fn build(&self) -> Vec<u8> {
        component(&core(&self.wat()), "earning-policy")
    }
}

/// Returns a binary of WebAssembly text, whichever it is.
pub(crate) fn core(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// Makes a component of a core module, for a world of `wit/`.
pub(crate) fn component(module: &[u8], world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let (package, _) = resolve.push_dir(wit).expect("wit/ parses");
    component_of(&resolve, package, module, world)
}

/// Makes a component of a core module, for a world of another contract.
pub(crate) fn component_of(resolve: &Resolve, package: PackageId, module: &[u8], world: &str) -> Vec<u8> {
    let world = resolve.select_world(&[package], Some(world)).expect("the world is there");
    let mut module = module.to_vec();
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8).expect("the module is one");
    let encoder = ComponentEncoder::default().module(&module).expect("the module is of that world");
    encoder.validate(true).encode().expect("a component can be made of it")
}
