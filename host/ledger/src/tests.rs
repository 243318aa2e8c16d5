//! One suite, every store.

mod concurrent;
mod crash;
pub(crate) mod fixture;
mod history;
mod opening;
mod script;
pub(crate) mod server;
mod suite;
