//! How many entries a second the ledger takes, beside a bare program that writes the same rows.
//!
//! ```text
//! cargo run --release -p jifen-ledger --example postings -- [ENTRIES [DIRECTORY]]
//! cargo run --release -p jifen-ledger --example postings -- --postgres URL [ENTRIES]
//! ```
//!
//! Each entry is a purchase: an event of about 900 bytes, a receipt of about 700, two lots, three postings, one of
//! 2,500 members (of each caller), in the order of business time. `read + commit` takes the snapshot of each batch first, as whoever
//! evaluates it must. Every figure is of a durable ledger, which is flushed before a batch counts; in SQLite on a fresh file, in
//! PostgreSQL for members of its own in one ledger, with one host and with two at once.

#[path = "postings/bare.rs"]
mod bare;
#[path = "postings/synthetic.rs"]
mod synthetic;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jifen_ledger::{Ledger, MemberQuery, Needs, OrderQuery, Postgres, Query, Sqlite};
use jifen_loyalty::{Entry, facts::first_day_of_window};

use self::synthetic::Purchases;

const ENTRIES: usize = 60_000;
/// One at a time each entry pays for its own flush, so there are fewer: one in so many.
const ONE_AT_A_TIME: usize = 10;
const BATCHES: [usize; 4] = [1, 100, 1_000, 4_000];
const CALLERS: usize = 16;
const ENTRIES_PER_CALLER: usize = 1_500;

fn main() -> Measured<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    let url = arguments.next_if(|first| first == "--postgres").and_then(|_| arguments.next());
    let entries = arguments.next().map_or(Ok(ENTRIES), |text| text.parse())?;
    match url {
        Some(url) => postgres(&url, entries),
        None => sqlite(&arguments.next().map_or_else(std::env::temp_dir, PathBuf::from), entries),
    }
}

type Measured<T> = Result<T, Box<dyn std::error::Error>>;

fn sqlite(directory: &Path, entries: usize) -> Measured<()> {
    let mut out = io::stdout();
    writeln!(out, "entries/s     batch      bare    commit  read + commit")?;
    for batch in BATCHES {
        let entries = entries_in_batches_of(batch, entries);
        let run = |path: &Path, reads| run(&Sqlite::open(path)?, 0, entries, batch, reads);
        let bare = in_new_file(directory, |path| bare::run(path, entries, batch))?;
        let commit = in_new_file(directory, |path| run(path, false))?;
        let both = in_new_file(directory, |path| run(path, true))?;
        let rates = [bare, commit, both].map(|taken| per_second(entries, taken));
        writeln!(out, "{batch:>19} {:>9} {:>9} {:>14}", rates[0], rates[1], rates[2])?;
    }
    let together = in_new_file(directory, |path| Ok(run_callers(&[Sqlite::open(path)?], 0)))?;
    let entries = ENTRIES_PER_CALLER.saturating_mul(CALLERS);
    writeln!(out, "{CALLERS} callers at once, one entry at a time each: {}", per_second(entries, together))?;
    Ok(())
}

fn postgres(url: &str, entries: usize) -> Measured<()> {
    let hosts = [Postgres::open(url)?, Postgres::open(url)?];
    let mut out = io::stdout();
    // So that an earlier measurement in the same ledger has other members and events.
    let mut caller = usize::try_from(hosts[0].length()?)?.saturating_mul(1_000);
    let mut next = |callers: usize| {
        let first = caller;
        caller = first.saturating_add(callers);
        first
    };
    writeln!(out, "entries/s     batch    commit  read + commit  of two hosts")?;
    for batch in BATCHES {
        let entries = entries_in_batches_of(batch, entries);
        let commit = run(&hosts[0], next(1), entries, batch, false)?;
        let both = run(&hosts[0], next(1), entries, batch, true)?;
        let of_two = run_hosts(&hosts, next(2), entries, batch);
        let rates = [commit, both].map(|taken| per_second(entries, taken));
        let of_two = per_second(entries.saturating_mul(2), of_two);
        writeln!(out, "{batch:>19} {:>9} {:>14} {of_two:>13}", rates[0], rates[1])?;
    }
    let entries = ENTRIES_PER_CALLER.saturating_mul(CALLERS);
    for hosts in [&hosts[..1], &hosts] {
        let rate = per_second(entries, run_callers(hosts, next(CALLERS)));
        let count = hosts.len();
        writeln!(out, "{CALLERS} callers at once on {count} hosts, one entry at a time each: {rate}")?;
    }
    Ok(())
}

fn entries_in_batches_of(batch: usize, entries: usize) -> usize {
    if batch == 1 { entries.div_ceil(ONE_AT_A_TIME) } else { entries }
}

fn run(ledger: &dyn Ledger, caller: usize, entries: usize, batch: usize, reads: bool) -> Measured<Duration> {
    let mut purchases = purchases_of(caller);
    let mut taken = Duration::ZERO;
    for _ in (0..entries).step_by(batch) {
        let entries = purchases.next_batch(batch);
        let watch = Watch::start();
        if reads {
            read(ledger, &entries)?;
        }
        let committed = ledger.commit(entries)?;
        taken = taken.saturating_add(watch.elapsed());
        assert_eq!((committed.seqs.len(), committed.conflict), (batch, None));
    }
    Ok(taken)
}

/// Hosts with a run each, at the same time.
fn run_hosts(hosts: &[Postgres], first: usize, entries: usize, batch: usize) -> Duration {
    let watch = Watch::start();
    std::thread::scope(|scope| {
        for (caller, ledger) in (first..).zip(hosts) {
            scope.spawn(move || run(ledger, caller, entries, batch, true).expect("the server stays"));
        }
    });
    watch.elapsed()
}

/// Many callers with an entry each: what the writers make of those who wait.
fn run_callers<L: Ledger>(hosts: &[L], first: usize) -> Duration {
    let watch = Watch::start();
    std::thread::scope(|scope| {
        for (caller, ledger) in (first..).zip(hosts.iter().cycle()).take(CALLERS) {
            scope.spawn(move || commit_one_at_a_time(ledger, caller));
        }
    });
    watch.elapsed()
}

fn purchases_of(caller: usize) -> Purchases {
    Purchases::of(u64::try_from(caller).expect("callers are few"))
}

fn commit_one_at_a_time(ledger: &dyn Ledger, caller: usize) {
    let mut purchases = purchases_of(caller);
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
fn in_new_file(directory: &Path, measure: impl FnOnce(&Path) -> Measured<Duration>) -> Measured<Duration> {
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
