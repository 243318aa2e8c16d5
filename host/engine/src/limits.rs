//! Every bound on a policy, in one place: what an upload may be, what compiling it may take, what an evaluation may
//! use and what it may answer. Units end the names.

use std::time::Duration;

use jifen_loyalty::event::LINES_MAX;
use jifen_loyalty::points::Points;

// What an upload may be.

/// Bytes of a component. A rule in Rust has 20 to 200 KB; a script engine with 12 MB costs milliseconds a call and
/// needs a class of its own. Compiling takes about 5 µs a byte.
pub const COMPONENT_BYTES_MAX: usize = 1 << 20;
/// Bytes of a deployment's parameters. A price list of a thousand articles has 40 KB.
pub const PARAMETERS_BYTES_MAX: usize = 64 << 10;
/// Functions of all core modules together. A large Rust policy has 2,000.
pub const FUNCTIONS_MAX: u64 = 10_000;
/// Locals of one function, parameters not counted. Compilers seldom need 200.
pub const LOCALS_MAX: u64 = 2_000;
/// Data segments of all core modules together. A linker writes three; a snapshot writes one for each run of bytes that
/// are not zero.
pub const DATA_SEGMENTS_MAX: u64 = 1_000;
/// Types, imports, instances, aliases and exports of a component, together. A wit-bindgen guest has 60.
pub const DEFINITIONS_MAX: u64 = 2_000;
/// Core instances of a component: its module, and the shim and fix-up modules that imports with strings bring.
pub const CORE_INSTANCES_MAX: u32 = 8;
/// Bytes of a component's custom sections, together: names and the description.
pub const CUSTOM_BYTES_MAX: u64 = 256 << 10;
/// Bytes of what a component says of itself.
pub const DESCRIPTION_BYTES_MAX: u64 = 64 << 10;
/// Blocks within blocks of one function. Compilers seldom reach 50; Cranelift's passes recurse.
pub const NESTING_MAX: usize = 256;
/// Entries of one function's branch tables, together.
pub const BRANCH_TARGETS_MAX: u64 = 50_000;
/// Compiling a function costs about 1.2 ns times the square of what [`crate::refusal::Refusal::TooCostly`] counts, so
/// this is about one second.
pub const LOOP_COST_MAX: u64 = 1_000_000_000;

// What compiling it may take.

/// Wall clock of the compiling child. Far above its processor time: the machine may be busy.
pub const COMPILE_WALL_MAX: Duration = Duration::from_secs(30);
/// Processor seconds of the compiling child. The largest component of the ordinary kind takes 5.
pub const COMPILE_CPU_SECONDS_MAX: u64 = 10;
/// Bytes the compiling child may write to: its heap and stacks, and the guest's memory while it is configured.
pub const COMPILE_DATA_BYTES_MAX: u64 = 1 << 30;
/// Bytes of address space of the compiling child. A linear memory reserves 4 GiB of it without using them.
pub const COMPILE_ADDRESS_BYTES_MAX: u64 = 64 << 30;
/// Files the compiling child may have open: its three pipes.
pub const COMPILE_FILES_MAX: u64 = 3;
/// By how much the system's scheduler prefers others to the compiling child: where both want a core, they get nine parts in ten of it.
pub const COMPILE_NICE: i32 = 10;
/// Bytes of compiled code that the host takes from the child. Code is 3 to 10 times its component, and a snapshot
/// carries the guest's memory.
pub const COMPILED_BYTES_MAX: usize = 64 << 20;

// What configuring and evaluating may use.

/// Fuel of `configure`, about one unit an instruction. It parses JSON and may fill tables: a tenth of a second.
pub const CONFIGURE_FUEL_MAX: u64 = 100_000_000;
/// Fuel of one evaluation. The stock rule `spend` takes 4,100 on a basket of five lines and 432,000 on one of a thousand;
/// this is about ten milliseconds.
pub const EVALUATION_FUEL_MAX: u64 = 10_000_000;
/// The epoch's step.
pub const EPOCH_TICK: Duration = Duration::from_millis(50);
/// Epochs that an evaluation may last: one second, a hundred times what the fuel allows. Fuel decides, since the same
/// event must reach the same answer on a busy machine; this fence only frees the thread.
pub const EPOCHS_MAX: u64 = 20;
/// Bytes of all linear memories of an evaluation together.
pub const MEMORY_BYTES_MAX: usize = 16 << 20;
/// Elements of one table. A large Rust policy has 1,000.
pub const TABLE_ELEMENTS_MAX: usize = 2_500;
/// Tables of a component: one of the guest, one of the shim.
pub const TABLES_MAX: u32 = 4;
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

/// Bytes that one call may hand to the host: no more than the memory they come from. Lists whose elements share their
/// bytes count each. Less would make a long log line a fault, and the contract says that logging changes no answer.
pub const ANSWER_BYTES_MAX: usize = MEMORY_BYTES_MAX;
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
