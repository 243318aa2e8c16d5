//! The same policy in Jifen and elsewhere: whether all answer alike, and then what each takes.
//!
//! ```text
//! jifen-peers JIFEN_COMPILE REFERENCE.wasm PLUGIN.wasm [--json]
//! ```
//!
//! Without the feature `others` there is no plugin, and only Jifen and the native function are measured.

mod jifen;
mod measure;
mod native;
#[cfg(feature = "others")]
mod others;
mod peer;
mod transactions;

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use self::measure::Figures;
use self::peer::Peer;
use self::transactions::Sample;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SEED: u64 = 20_260_217;
const TRANSACTIONS: usize = 1_000;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--json").collect();
    let file = |place: usize, what: &str| {
        arguments.get(place).map(PathBuf::from).with_context(|| format!("which {what}?"))
    };
    let samples = transactions::random(SEED, TRANSACTIONS);
    let policy = jifen::policy(&file(0, "jifen-compile")?, &file(1, "reference.wasm")?)?;

    let mut peers = vec![native::peer(&samples)];
    peers.extend(jifen::peers(&policy, &samples));
    #[cfg(feature = "others")]
    peers.extend(others::peers(&samples, &file(2, "plugin.wasm")?)?);
    for peer in &mut peers {
        check(peer, &samples)?;
    }
    let fuel = jifen::fuel(&policy, &samples);
    let figures = measure::interleaved(&mut peers, &policy, &samples)?;
    print(&peers, &figures, &fuel);
    Ok(())
}

/// Compares every answer with the native function's.
fn check(peer: &mut Peer<'_>, samples: &[Sample]) -> Result<()> {
    for (index, sample) in samples.iter().enumerate() {
        let answer = (peer.evaluate)(index)
            .with_context(|| format!("{} fails on {:#?}", peer.name, sample.transaction))?;
        ensure!(
            answer == sample.expected,
            "{} answers {answer:?} instead of {:?} on transaction {index} of seed {SEED}:\n{:#?}",
            peer.name,
            sample.expected,
            sample.transaction,
        );
    }
    Ok(())
}

fn print(peers: &[Peer<'_>], figures: &Figures, fuel: &jifen::Fuel) {
    let rows = peers.iter().zip(&figures.peers);
    if env::args().any(|argument| argument == "--json") {
        let rows: Vec<Value> = rows
            .map(|(peer, times)| json!({"name": peer.name, "instance": peer.instance, "best_ns": times.best, "median_ns": times.median}))
            .collect();
        let fuel = json!({"min": fuel.min, "median": fuel.median, "max": fuel.max});
        let threads = json!({"best": figures.two_threads.best, "median": figures.two_threads.median});
        println!(
            "{}",
            json!({"transactions": TRANSACTIONS, "peers": rows, "fuel": fuel, "two_threads_per_second": threads})
        );
        return;
    }
    println!("{:<74} {:<10} {:>9} {:>9}", "ns per evaluation, one thread", "instance", "best", "median");
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by(|(_, one), (_, other)| one.best.total_cmp(&other.best));
    for (peer, times) in rows {
        println!("{:<74} {:<10} {:>9.0} {:>9.0}", peer.name, peer.instance, times.best, times.median);
    }
    println!("Jifen, fuel per evaluation: {} to {}, median {}", fuel.min, fuel.max, fuel.median);
    let threads = &figures.two_threads;
    println!(
        "Jifen, two threads and one engine: {:.0} evaluations/s, median {:.0}",
        threads.best, threads.median
    );
}
