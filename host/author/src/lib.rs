//! What authors of policies need: a project to begin with, and a component of it.
//!
//! A project is a crate of its own, with the SDK and the contract beside it: it needs nothing of this repository, and is built
//! anywhere by whatever Rust compiles for WebAssembly there ([`Toolchain`]).

pub mod command;
mod component;
#[cfg(feature = "templates")]
mod project;
mod toolchain;

pub use component::{DESCRIPTION, component, described, module, package_name};
#[cfg(feature = "templates")]
pub use project::{create, stock};
pub use toolchain::{DEBIAN_LINKER, DEBIAN_PACKAGES, TARGET, Toolchain};
