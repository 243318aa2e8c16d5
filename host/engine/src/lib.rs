//! The engine: evaluates policies, each time in a virgin WebAssembly instance.
//!
//! ```text
//! component, parameters ──► PolicyStore ──► jifen-compile (a child) ──► sealed code ──► Policy ──► Evaluation
//!                               └────────────── cache on disk ──────────────┘
//! ```
//!
//! Run time only: there is no code generator in this process. Components are inspected, configured and compiled in a
//! child under limits, because compiling is where an upload can hurt; what the child made is sealed, cached and loaded.
//!
//! **Invariants:** an instance evaluates one event · a guest reaches nothing but facts and a log · fuel decides, never
//! the clock · code that is not sealed is not loaded · whatever a policy does, [`Policy::evaluate`] and
//! [`Policy::quote`] return.

pub mod config;
pub mod contract;
pub mod exports;
pub mod fault;
pub mod host;
pub mod limits;
pub mod protocol;
pub mod refusal;
pub mod sealed;
pub mod words;

mod answer;
mod bindings;
mod child;
mod policy;
mod store;

pub use child::CompileError;
pub use contract::World;
pub use policy::{Engine, Evaluation, Policy, Prepared, PreparedRequest};
pub use refusal::Refusal;
pub use sealed::Report;
pub use store::{PolicyError, PolicyStore};
