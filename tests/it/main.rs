//! Whatever crosses a crate: one binary, so that it is linked once.

mod audit;
mod authors;
mod clearing;
mod cohorts;
mod components;
mod contract;
mod crash;
mod documents;
mod hostile;
mod import;
mod mixed;
mod quotes;
mod races;
mod redemptions;
mod refunds;
mod run;
#[expect(dead_code, reason = "the ledger's own tests do more with a server")]
#[path = "../../host/ledger/src/tests/server.rs"]
mod server;
#[path = "../story.rs"]
mod story;
mod support;
mod terms;
mod tidy;
mod town;
mod virgin;
