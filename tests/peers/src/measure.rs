//! Measuring: rounds in which everybody has a turn, so that a noisy minute is noisy for all.

#![expect(clippy::disallowed_methods, reason = "this is the benchmark")]

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use jifen_engine::Policy;

use crate::jifen;
use crate::peer::Peer;
use crate::transactions::Sample;

const ROUNDS: usize = 25;
/// How long a turn lasts: at least one batch, which is every transaction once.
const TURN: Duration = Duration::from_millis(30);
/// Batches of each thread in a turn of two.
const BATCHES: usize = 8;

/// What was measured, in the order of the peers.
pub(crate) struct Figures {
    /// Nanoseconds an evaluation.
    pub(crate) peers: Vec<Times>,
    /// Evaluations a second.
    pub(crate) two_threads: Times,
}

/// The best batch and the median one.
pub(crate) struct Times {
    pub(crate) best: f64,
    pub(crate) median: f64,
}

/// Measures the peers by turns, and Jifen once more on two threads.
pub(crate) fn interleaved(peers: &mut [Peer<'_>], policy: &Policy, samples: &[Sample]) -> Result<Figures> {
    let mut batches = vec![Vec::new(); peers.len()];
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        for (peer, batches) in peers.iter_mut().zip(&mut batches) {
            // Warms the caches, which the others have filled with their own.
            batch(peer, samples.len())?;
            let turn = Instant::now();
            while turn.elapsed() < TURN {
                batches.push(batch(peer, samples.len())? / per(samples.len()));
            }
        }
        rates.push(rate_of_two(policy, samples));
    }
    let peers = batches.into_iter().map(|mut batches| {
        batches.sort_by(f64::total_cmp);
        Times { best: batches[0], median: batches[batches.len() / 2] }
    });
    rates.sort_by(f64::total_cmp);
    let two_threads = Times { best: rates[rates.len() - 1], median: rates[rates.len() / 2] };
    Ok(Figures { peers: peers.collect(), two_threads })
}

/// Returns the nanoseconds of every transaction once.
fn batch(peer: &mut Peer<'_>, transactions: usize) -> Result<f64> {
    let start = Instant::now();
    for index in 0..transactions {
        black_box((peer.evaluate)(black_box(index))?);
    }
    Ok(start.elapsed().as_secs_f64() * 1e9)
}

/// Returns the evaluations a second of two threads that share the engine, the policy and its slots.
fn rate_of_two(policy: &Policy, samples: &[Sample]) -> f64 {
    let prepared = jifen::prepared(samples);
    let together = Barrier::new(3);
    let work = || {
        together.wait();
        for _ in 0..BATCHES {
            for (event, sample) in prepared.iter().zip(samples) {
                black_box(jifen::evaluate(policy, event, sample).outcome.is_ok());
            }
        }
    };
    let seconds = thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        together.wait();
        let start = Instant::now();
        for thread in threads {
            thread.join().expect("evaluations do not panic");
        }
        start.elapsed().as_secs_f64()
    });
    per(2 * BATCHES * samples.len()) / seconds
}

fn per(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("a few thousand"))
}
