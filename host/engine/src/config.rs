//! The one configuration of wasmtime. Host and compiler both start from it, so what one made the other loads.
//!
//! wasmtime's defaults depend on the Cargo features that happen to be compiled in, and Cargo unifies features within one
//! build. So nothing here is left to them: every proposal is switched off, and then those that a rule needs are
//! switched on. What only a compiler can be told stands in `jifen-compile`.

use wasmtime::wasmparser::WasmFeatures;
use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, ModuleVersionStrategy, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

use crate::limits::{self, ORDINARY};

/// What compiled code must have been made by. It stands in the code and in the name of its cache entry, so that a
/// patch release with a mended code generator compiles everything anew; wasmtime itself compares major versions only.
/// Raise the number after the dash when a change here or in the compiler changes code without a new wasmtime: its engines, what it
/// leaves out, and what wizer is told.
pub const CODE_VERSION: &str = "wasmtime-48.0.8-3";

/// What a guest may use of WebAssembly: what rustc 1.95 emits for `wasm32-unknown-unknown`, and components. No vectors,
/// threads, collected objects, exceptions or 64-bit memories: what is off can neither be attacked nor vary.
pub const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::COMPONENT_MODEL);

/// Returns the configuration that host and compiler share.
pub fn config() -> Config {
    let mut config = Config::new();
    config.wasm_features(WasmFeatures::all(), false);
    config.wasm_features(FEATURES, true);
    // Stores carry no machinery for concurrent calls, and the host never makes one.
    config.concurrency_support(false);
    // Fuel, not epochs, decides: the same event must reach the same answer on a busy machine. The epoch is a second
    // fence, set far behind the fuel.
    config.consume_fuel(true);
    config.epoch_interruption(true);
    config.max_wasm_stack(limits::STACK_BYTES_MAX);
    // A fault names the trap. A stack walk on each would let a failing policy cost more than a working one.
    config.wasm_backtrace_max_frames(None);
    // By default an environment variable decides, and child and parent may differ in it.
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    // Debuggers and profilers are not served: less to load, less to seal.
    config.generate_address_map(false);
    config.native_unwind_info(false);
    config.debug_symbols(false);
    // A virgin memory is a copy-on-write view of the snapshot: only pages that are written to are copied.
    config.memory_init_cow(true);
    config.memory_guaranteed_dense_image_size(16 << 20);
    // Guard pages stand for bounds checks; the memory must then stay where they are.
    config.memory_may_move(false);
    let version = ModuleVersionStrategy::Custom(CODE_VERSION.to_owned());
    config.module_version(version).expect("the version is shorter than 255 bytes");
    config
}

/// Returns the host's configuration for ordinary policies: the shared one, with slots for instances that are reserved once and
/// reset after each evaluation.
pub(crate) fn pooled() -> Config {
    let mut pool = PoolingAllocationConfig::new();
    let tables = limits::SLOTS_MAX.saturating_mul(ORDINARY.tables);
    let instances = limits::SLOTS_MAX.saturating_mul(ORDINARY.core_instances);
    pool.total_component_instances(limits::SLOTS_MAX)
        .total_core_instances(instances)
        .total_memories(limits::SLOTS_MAX)
        .total_tables(tables)
        .max_core_instances_per_component(ORDINARY.core_instances)
        .max_memories_per_component(1)
        .max_tables_per_component(ORDINARY.tables)
        .max_memory_size(ORDINARY.memory_bytes)
        .table_elements(ORDINARY.table_elements)
        // Reset by writing: no page is taken away, and none has to be got again.
        .linear_memory_keep_resident(limits::MEMORY_KEPT_BYTES)
        .table_keep_resident(limits::TABLE_KEPT_BYTES)
        // Where the system can tell which pages were touched, two or three of sixteen are written instead of all.
        .pagemap_scan(Enabled::Auto)
        // A slot remembers the image of its last policy; giving it another costs a system call.
        .max_unused_warm_slots(limits::SLOTS_MAX);
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
