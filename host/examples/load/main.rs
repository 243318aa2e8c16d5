//! Sends events to a service and measures how long it takes to answer; or is a service that does nothing but write what they
//! came to, to compare with. `cargo xtask bench service` runs it.
//!
//! ```text
//! load send ADDRESS CONNECTIONS BATCH EVENTS.jsonl…   prints {"events":…,"seconds":…,"p50_ms":…,"p99_ms":…,"worst_ms":…}
//! load bare LEDGER FRESH                              serves what the ledger says of each event, and says where on standard error
//! ```

#![expect(
    clippy::float_arithmetic,
    clippy::disallowed_methods,
    reason = "a measurement reads the clock, for people"
)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a measurement talks to who runs it")]

mod bare;
#[path = "../../ledger/examples/same_rows/rows.rs"]
mod rows;
mod send;

use anyhow::bail;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["send", address, connections, batch, ref files @ ..] => {
            send::run(address.parse()?, connections.parse()?, batch.parse()?, files)
        }
        ["bare", ledger, fresh] => bare::run(ledger, fresh),
        _ => bail!("usage: load send ADDRESS CONNECTIONS BATCH EVENTS.jsonl… | load bare LEDGER FRESH"),
    }
}
