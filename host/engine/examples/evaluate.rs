//! Measures what an evaluation costs, with every bound on: a virgin instance each time, a purchase of five lines.
//!
//! ```text
//! cargo build --release -p jifen-compiler
//! cargo run --release -p jifen-engine --example evaluate -- COMPONENT.wasm [PARAMETERS] [LINES]
//! ```

use std::error::Error;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jifen_engine::{Evaluation, Policy, PolicyStore, Prepared};
use jifen_loyalty::day::{BusinessDay, Day};
use jifen_loyalty::event::{Line, Occasion, Purchase};
use jifen_loyalty::facts::{Facts, Known};
use jifen_loyalty::points::Points;

/// Evaluations of one round, over which the clock's own cost vanishes.
const ROUND: u32 = 2_000;
/// Rounds, of which the best and the median are told.
const ROUNDS: usize = 51;

#[expect(clippy::print_stdout, reason = "a benchmark tells what it measured")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let component = PathBuf::from(arguments.next().ok_or("which component?")?);
    let parameters = arguments.next().unwrap_or_else(|| "{}".to_owned());
    let lines = arguments.next().map_or(Ok(5), |lines| lines.parse())?;

    let compiler = std::env::current_exe()?.with_file_name("../jifen-compile");
    let cache = std::env::temp_dir().join("jifen-evaluate");
    let store = PolicyStore::open(cache, compiler)?;
    let policy = store.policy(&PolicyStore::read(&component)?, &parameters)?;

    let occasion = purchase(lines);
    let day = Day::from_civil(2017, 1, 1)?;
    let today = BusinessDay { day, market_day: true, second_of_day: 42_806 };
    let event = Prepared::new(&occasion, "supermarket", &today);
    let first = evaluate(&policy, &event);
    let (best, median) = measure(|| evaluate(&policy, &event));
    let (_, preparing) = measure(|| Prepared::new(&occasion, "supermarket", &today));
    println!("{}: {:?}", component.display(), first.outcome);
    println!(
        "  best {best} ns, median {median} ns, fuel {}, facts asked {}",
        first.fuel_used,
        first.asked.len()
    );
    println!("  preparing an event for all deployments: {preparing} ns");
    println!("  {:?}", policy.report());
    Ok(())
}

fn evaluate(policy: &Policy, event: &Prepared<'_>) -> Evaluation {
    let known = Known { today: 736_330, purchase_count: 3, ..Known::default() };
    policy.evaluate(event, Points::ZERO, Facts::Known(known))
}

/// Returns the best and the median round, in nanoseconds a call.
fn measure<T>(mut call: impl FnMut() -> T) -> (u128, u128) {
    let mut round = || {
        #[expect(clippy::disallowed_methods, reason = "this is the benchmark")]
        let start = Instant::now();
        for _ in 0..ROUND {
            black_box(call());
        }
        start.elapsed()
    };
    let mut rounds: Vec<Duration> = (0..ROUNDS).map(|_| round()).collect();
    rounds.sort();
    let of = |round: usize| rounds.get(round).map_or(0, |round| round.as_nanos().div_ceil(ROUND.into()));
    (of(0), of(ROUNDS.div_ceil(2)))
}

fn purchase(lines: usize) -> Occasion {
    let line = |n: usize| Line {
        sku: format!("1095{n:03}"),
        category: "pastry".to_owned(),
        quantity: 1,
        amount_minor: 1_220,
        tags: if n == 0 { vec!["eco".to_owned()] } else { Vec::new() },
    };
    Occasion::Purchase(Purchase {
        order: "31198570044".to_owned(),
        merchant: "store-330".into(),
        currency: "CNY".to_owned(),
        lines: (0..lines).map(line).collect(),
        freight_minor: 0,
        discount_minor: 0,
        tenders: Vec::new(),
    })
}
