//! How many entries a second the ledger takes, beside a bare program that writes the same rows.
//!
//! ```text
//! cargo run --release -p jifen-ledger --example postings -- [ENTRIES [DIRECTORY]]
//! ```
//!
//! Each entry is a purchase: an event of about 900 bytes, a receipt of about 700, two lots, three postings, one of
//! 2,500 members (of each caller), in the order of business time. `read + commit` takes the snapshot of each batch first, as whoever
//! evaluates it must. Every figure is of a durable ledger on a fresh file, which is flushed before a batch counts.

#[path = "postings/bare.rs"]
mod bare;
#[path = "postings/synthetic.rs"]
mod synthetic;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jifen_ledger::{Ledger, MemberQuery, Needs, OrderQuery, Query, Sqlite};
use jifen_loyalty::{Entry, facts::first_day_of_window};

use self::synthetic::Purchases;

const ENTRIES: usize = 60_000;
/// One at a time each entry pays for its own flush.
const ENTRIES_ONE_AT_A_TIME: usize = 6_000;
const BATCHES: [usize; 4] = [1, 100, 1_000, 4_000];
const CALLERS: usize = 16;
const ENTRIES_PER_CALLER: usize = 1_500;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let entries = arguments.next().map_or(Ok(ENTRIES), |text| text.parse())?;
    let directory = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let mut out = io::stdout();
    writeln!(out, "entries/s     batch      bare    commit  read + commit")?;
    for batch in BATCHES {
        let entries = if batch == 1 { entries.min(ENTRIES_ONE_AT_A_TIME) } else { entries };
        let bare = in_new_file(&directory, |path| bare::run(path, entries, batch))?;
        let commit = in_new_file(&directory, |path| run(path, entries, batch, false))?;
        let both = in_new_file(&directory, |path| run(path, entries, batch, true))?;
        let rates = [bare, commit, both].map(|taken| per_second(entries, taken));
        writeln!(out, "{batch:>19} {:>9} {:>9} {:>14}", rates[0], rates[1], rates[2])?;
    }
    let together = in_new_file(&directory, run_callers)?;
    let entries = ENTRIES_PER_CALLER.saturating_mul(CALLERS);
    writeln!(out, "{CALLERS} callers at once, one entry at a time each: {}", per_second(entries, together))?;
    Ok(())
}

type Measured = Result<Duration, Box<dyn std::error::Error>>;

fn run(path: &Path, entries: usize, batch: usize, reads: bool) -> Measured {
    let ledger = Sqlite::open(path)?;
    let mut purchases = Purchases::of(0);
    let mut taken = Duration::ZERO;
    for _ in (0..entries).step_by(batch) {
        let entries = purchases.next_batch(batch);
        let watch = Watch::start();
        if reads {
            read(&ledger, &entries)?;
        }
        let committed = ledger.commit(entries)?;
        taken = taken.saturating_add(watch.elapsed());
        assert_eq!((committed.seqs.len(), committed.conflict), (batch, None));
    }
    Ok(taken)
}

/// Many callers with an entry each: what the writer makes of those who wait.
fn run_callers(path: &Path) -> Measured {
    let ledger = Sqlite::open(path)?;
    let watch = Watch::start();
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let ledger = &ledger;
            scope.spawn(move || commit_one_at_a_time(ledger, caller));
        }
    });
    Ok(watch.elapsed())
}

fn commit_one_at_a_time(ledger: &dyn Ledger, caller: usize) {
    let mut purchases = Purchases::of(u64::try_from(caller).expect("callers are few"));
    for _ in 0..ENTRIES_PER_CALLER {
        let committed = ledger.commit(purchases.next_batch(1)).expect("the disk has room");
        assert_eq!(committed.conflict, None);
    }
}

fn read(ledger: &dyn Ledger, entries: &[Entry]) -> Result<(), Box<dyn std::error::Error>> {
    let keys: Vec<_> = entries.iter().map(|entry| (&*entry.event.source, &*entry.event.id)).collect();
    let mut members: Vec<MemberQuery<'_>> = entries
        .iter()
        .filter_map(|entry| {
            let (id, first_day) = (&entry.member.as_ref()?.id, first_day_of_window(entry.day));
            Some(MemberQuery { id, first_day, lots: false })
        })
        .collect();
    members.sort_by_key(|asked| (asked.id, asked.first_day));
    members.dedup_by_key(|asked| asked.id);
    let needs = Needs { purchases_by_day: true, granted_by_day: true, lots: true };
    let orders: Vec<_> = entries
        .iter()
        .filter_map(|entry| Some(OrderQuery { number: entry.event.order()?, whole: false, key: None }))
        .collect();
    let snapshot =
        ledger.read(&Query { keys: &keys, members: &members, needs, orders: &orders, ..Query::default() })?;
    assert!(snapshot.known.iter().all(Option::is_none));
    Ok(())
}

/// Measures in a file that is not there before and not there after.
fn in_new_file(directory: &Path, measure: impl FnOnce(&Path) -> Measured) -> Measured {
    let path = directory.join(format!("postings-{}.jifen", std::process::id()));
    let measured = measure(&path);
    std::fs::remove_file(&path)?;
    measured
}

fn per_second(entries: usize, taken: Duration) -> u128 {
    let entries = u128::try_from(entries).unwrap_or(u128::MAX);
    entries.saturating_mul(1_000_000).checked_div(taken.as_micros()).unwrap_or(0)
}

/// The one place where this program looks at the clock.
struct Watch(std::time::Instant);

impl Watch {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures")]
    fn start() -> Self {
        Self(std::time::Instant::now())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
