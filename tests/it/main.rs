//! Whatever crosses a crate: one binary, so that it is linked once.

mod access;
mod audit;
mod authors;
mod backtests;
mod backup;
mod campaigns;
mod canary;
mod certificates;
mod changes;
mod claims;
mod clearing;
mod cohorts;
mod components;
mod contract;
mod corrections;
mod crash;
#[path = "../dice.rs"]
mod dice;
mod documents;
#[path = "../endpoint.rs"]
mod endpoint;
mod events_over_http;
mod faults;
mod governor;
mod hostile;
mod hosts;
mod import;
#[path = "../ledgers.rs"]
mod ledgers;
mod lots;
mod metrics;
mod mixed;
mod notices;
mod proxy;
mod questions;
mod quotes;
mod races;
mod redemptions;
mod refunds;
mod releases;
mod run;
mod scripts;
#[expect(clippy::arithmetic_side_effects, reason = "in a test an overflow is a failure like any other")]
mod sequences;
#[path = "../../host/ledger/src/tests/server.rs"]
mod server;
#[path = "../service.rs"]
mod service;
mod signatures;
#[path = "../story.rs"]
mod story;
mod support;
mod telemetry;
mod terms;
mod tidy;
mod town;
mod trial;
mod virgin;
