//! Every bound on a policy, in one place: what an upload may be, what compiling it may take, what an evaluation may
//! use and what it may answer. Units end the names.
//!
//! There are two classes of size. A rule that is compiled to WebAssembly is [`ORDINARY`]; one in a language that brings its
//! interpreter along is a [`SCRIPT`], whatever the rule: a component of ten to twenty megabytes that takes half a minute to compile
//! and milliseconds to ask.

use std::time::Duration;

use jifen_loyalty::event::LINES_MAX;
use jifen_loyalty::points::Points;

/// What a policy of a class may be, and take.
#[derive(Debug)]
pub struct Limits {
    /// Bytes of a component. A rule in Rust has 20 to 200 KB, one in Python 18 MB. Compiling takes up to 5 µs a byte of code.
    pub component_bytes: usize,
    /// Functions of all core modules together. A large Rust policy has 2,000.
    pub functions: u64,
    /// Locals of one function, parameters not counted. Compilers seldom need 200.
    pub locals: u64,
    /// Data segments of all core modules together. A linker writes three; a snapshot writes one for each run of bytes that
    /// are not zero.
    pub data_segments: u64,
    /// Types, imports, instances, aliases and exports of a component, together. A wit-bindgen guest has 60.
    pub definitions: u64,
    /// Core instances of a component: its module, and the shim and fix-up modules that imports with strings bring. Python links
    /// its libraries as it starts.
    pub core_instances: u32,
    /// Bytes of a component's custom sections, together: names and the description.
    pub custom_bytes: u64,
    /// Blocks within blocks of one function. Compilers seldom reach 50, Python's loop has 800; Cranelift's passes recurse.
    pub nesting: usize,
    /// Entries of one function's branch tables, together.
    pub branch_targets: u64,
    /// Compiling a function costs about 1.2 ns times the square of what [`crate::refusal::Refusal::TooCostly`] counts, so
    /// a thousand million are about one second.
    pub loop_cost: u64,
    /// Compiling functions costs about 0.5 µs for each of their locals and blocks, what [`crate::refusal::Refusal::TooBranched`]
    /// multiplies: four million are two seconds. The stock policies have up to 30,000, Python 1.5 million.
    pub block_cost: u64,
    /// Wall clock of the compiling child. Far above its processor time: the machine may be busy.
    pub compile_wall: Duration,
    /// Processor seconds of the compiling child.
    pub compile_cpu_seconds: u64,
    /// Bytes of compiled code that the host takes from the child. Code is up to 10 times its component, and a snapshot carries the
    /// guest's memory.
    pub compiled_bytes: usize,
    /// Whether code is compiled once for all parameters, and each fresh instance is configured. Otherwise the memory that `configure`
    /// left is written back into the component before it is compiled.
    pub script: bool,
    /// Fuel of `configure`, about one unit an instruction. It parses JSON and may fill tables.
    pub configure_fuel: u64,
    /// Fuel of one evaluation. The stock rule `spend` takes 4,100 on a basket of five lines and 432,000 on one of a thousand.
    pub evaluation_fuel: u64,
    /// Epochs that an evaluation may last. Fuel decides, since the same event must reach the same answer on a busy machine; this
    /// fence only frees the thread.
    pub epochs: u64,
    /// Bytes of all linear memories of an evaluation together.
    pub memory_bytes: usize,
    /// Elements of one table. A large Rust policy has 1,000.
    pub table_elements: usize,
    /// Tables of a component: one of the guest, one of the shim.
    pub tables: u32,
    /// What an evaluation counts as at least, in fuel, where many are tried: an instance must be made. What it is configured with
    /// counts besides.
    pub instance_fuel: u64,
    /// Fuel that trying a release may take in all.
    pub trial_fuel: u64,
}

/// The class of what is compiled to WebAssembly.
pub static ORDINARY: Limits = OF_ORDINARY;

/// What looking at a schema may take: parameters are a page of text.
pub static SCHEMA: Limits =
    Limits { compile_wall: Duration::from_secs(10), compile_cpu_seconds: 1, ..OF_ORDINARY };

const OF_ORDINARY: Limits = Limits {
    component_bytes: 1 << 20,
    functions: 10_000,
    locals: 2_000,
    data_segments: 1_000,
    definitions: 2_000,
    core_instances: 8,
    custom_bytes: 256 << 10,
    nesting: 256,
    branch_targets: 50_000,
    loop_cost: 1_000_000_000,
    block_cost: 4_000_000,
    compile_wall: Duration::from_secs(30),
    // The largest component takes 5.
    compile_cpu_seconds: 10,
    compiled_bytes: 64 << 20,
    script: false,
    // A tenth of a second.
    configure_fuel: 100_000_000,
    // About ten milliseconds.
    evaluation_fuel: 10_000_000,
    // One second, a hundred times what the fuel allows.
    epochs: 20,
    memory_bytes: 16 << 20,
    table_elements: 2_500,
    tables: 4,
    instance_fuel: 10_000,
    // Some ten seconds.
    trial_fuel: 10_000_000_000,
};

/// The class of what brings an interpreter along. Whoever deploys one decides that it is worth that.
pub static SCRIPT: Limits = Limits {
    component_bytes: 32 << 20,
    functions: 50_000,
    locals: 20_000,
    data_segments: 10_000,
    definitions: 20_000,
    core_instances: 200,
    custom_bytes: 4 << 20,
    nesting: 2_000,
    branch_targets: 200_000,
    loop_cost: 20_000_000_000,
    block_cost: 40_000_000,
    compile_wall: Duration::from_secs(300),
    compile_cpu_seconds: 150,
    compiled_bytes: 256 << 20,
    script: true,
    configure_fuel: 100_000_000,
    // A fresh instance of Python answers with 200,000, after it was configured.
    evaluation_fuel: 30_000_000,
    epochs: 100,
    memory_bytes: 64 << 20,
    table_elements: 20_000,
    tables: 8,
    instance_fuel: 2_000_000,
    // Some minutes.
    trial_fuel: 300_000_000_000,
};

impl Limits {
    /// Returns the class of a component of so many bytes.
    pub fn of(component_bytes: usize) -> &'static Self {
        if component_bytes <= ORDINARY.component_bytes { &ORDINARY } else { &SCRIPT }
    }
}

// What an upload may be, whatever its class.

/// Bytes of a deployment's parameters. A price list of a thousand articles has 40 KB.
pub const PARAMETERS_BYTES_MAX: usize = 64 << 10;
/// Bytes of what a component says of itself.
pub const DESCRIPTION_BYTES_MAX: u64 = 64 << 10;

// What compiling it may take.

/// Bytes the compiling child may write to: its heap and stacks, and the guest's memory while it is configured. A rule in Python takes
/// a third of it.
pub const COMPILE_DATA_BYTES_MAX: u64 = 1 << 30;
/// Bytes of address space of the compiling child. A linear memory reserves 4 GiB of it without using them.
pub const COMPILE_ADDRESS_BYTES_MAX: u64 = 64 << 30;
/// Files the compiling child may have open: its three pipes.
pub const COMPILE_FILES_MAX: u64 = 3;
/// By how much the system's scheduler prefers others to the compiling child: where both want a core, they get nine parts in ten of it.
pub const COMPILE_NICE: i32 = 10;

/// Bytes of sealed code that configures a component, where it is kept. What is larger is compiled for each set of parameters.
pub const CONFIGURATOR_BYTES_MAX: usize = 32 << 20;

/// Bytes that a host keeps on disk: compiled policies and what configures them. What was asked for longest ago goes first; it can be
/// compiled again.
pub const CACHE_BYTES_MAX: u64 = 8 << 30;

// What configuring and evaluating may use.

/// The epoch's step.
pub const EPOCH_TICK: Duration = Duration::from_millis(50);
/// Bytes of a guest's calls on the host's stack. Threads that evaluate need 2 MiB, which is Rust's default: wasmtime
/// takes this much, the host's own functions the rest.
pub const STACK_BYTES_MAX: usize = 512 << 10;
/// Evaluations at the same time, times policies that stay warm. A slot costs 4 GiB of address space, and what its
/// guest last touched in memory.
pub const SLOTS_MAX: u32 = 1_000;
/// Bytes of a memory that are reset by writing zeros rather than by a system call. A lean guest has 64 KiB; it is all
/// or nothing, so this is far above.
pub const MEMORY_KEPT_BYTES: usize = 1 << 20;
/// The same for a table.
pub const TABLE_KEPT_BYTES: usize = 64 << 10;

/// Different questions of one evaluation. Each stands on the receipt, and is looked up among the earlier ones.
pub const QUESTIONS_MAX: usize = 100;

// What an evaluation may answer.

/// Bytes that one call may hand to the host: no more than the memory of an ordinary policy. Lists whose elements share their
/// bytes count each. Less would make a long log line a fault, and the contract says that logging changes no answer.
pub const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Awards of one proposal: one for each line of the largest basket.
pub const AWARDS_MAX: usize = LINES_MAX;
/// Points of one award or offer.
pub const AWARD_POINTS_MAX: u64 = Points::MAX.get();
/// Restrictions of one offer. A member has to read them.
pub const RESTRICTIONS_MAX: usize = 16;
/// Bytes of a reason, a benefit, a restriction or a unit: a code that names words elsewhere.
pub const CODE_BYTES_MAX: usize = 64;
/// Bytes of log text that an evaluation leaves. What follows is dropped.
pub const LOG_BYTES_MAX: usize = 1_000;
/// Lines of it. Each may have megabytes to look through, of which nothing stays.
pub const LOG_LINES_MAX: usize = 100;
/// Bytes of a message that a policy or its component gets into an error.
pub const MESSAGE_BYTES_MAX: usize = 500;
