//! Whatever crosses a crate: one binary, so that it is linked once.

mod authors;
mod components;
mod contract;
mod crash;
mod hostile;
mod refunds;
mod run;
mod support;
mod tidy;
mod town;
mod virgin;
