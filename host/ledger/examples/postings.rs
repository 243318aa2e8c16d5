//! What the ledger takes and answers, beside bare programs that write the same rows. `cargo xtask bench ledger` runs it.
//!
//! ```text
//! postings sqlite FOLDER          entries a second, by batch, in fresh files
//! postings postgres URL           the same, with one host and with two
//! postings growth LEDGER ENTRIES  entries a second as the ledger grows to that many
//! postings statements LEDGER      how long a member's statement takes
//! ```
//!
//! Each entry is a purchase: an event of about 900 bytes, a receipt of about 700, two lots, three postings, one of
//! the caller's members, in the order of business time. Every figure is of a durable ledger, which is flushed before a batch
//! counts. Members are read first, as whoever evaluates must, except where a row says otherwise.

#[path = "postings/bare.rs"]
mod bare;
#[path = "postings/same_rows.rs"]
mod same_rows;
#[path = "postings/synthetic.rs"]
mod synthetic;
#[path = "postings/watch.rs"]
mod watch;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jifen_ledger::{Ledger, MemberQuery, Needs, OrderQuery, Page, Query};
use jifen_loyalty::{Entry, facts::first_day_of_window};

use self::synthetic::Purchases;
use self::watch::{Measured, Watch, median, per_second};

const ROUNDS: usize = 3;
const BATCHES: [usize; 3] = [1, 100, 1_000];
const ENTRIES: usize = 40_000;
/// One at a time each entry pays for its own flush, so there are fewer: one in so many.
const ONE_AT_A_TIME: usize = 10;
const MEMBERS: usize = 2_500;
const PURCHASES_EACH: usize = 40;
const CALLERS: usize = 16;
const ENTRIES_PER_CALLER: usize = 1_000;

/// How large a growing ledger is when it is looked at; each figure is of the entries that come next.
const SIZES: [usize; 5] = [100_000, 300_000, 1_000_000, 3_000_000, 10_000_000];
const LOOKED_AT: usize = 50_000;

/// Entries of the members whose statement is asked for, and how often.
const STATEMENTS: [usize; 2] = [10, 10_000];
const ASKED: usize = 101;
/// Lines of a page.
const PAGE: u32 = 100;

fn main() -> Measured<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["sqlite", folder] => sqlite(Path::new(folder)),
        ["postgres", url] => postgres(url),
        ["growth", url, entries] => growth(url, entries.parse()?),
        ["statements", url] => statements(url),
        _ => {
            Err("usage: postings sqlite FOLDER | postgres URL | growth LEDGER ENTRIES | statements LEDGER"
                .into())
        }
    }
}

fn sqlite(folder: &Path) -> Measured<()> {
    let mut out = io::stdout();
    writeln!(out, "| entries in a commit | bare program | commit | read and commit |\n|---|---|---|---|")?;
    for batch in BATCHES {
        let entries = entries_in_batches_of(batch);
        let run = |path: &Path, reads| run(&*opened(path)?, 0, entries, batch, reads);
        let bare = rounds(|| in_new_file(folder, |path| bare::run(path, entries, batch)))?;
        let commit = rounds(|| in_new_file(folder, |path| run(path, false)))?;
        let both = rounds(|| in_new_file(folder, |path| run(path, true)))?;
        let [bare, commit, both] = [bare, commit, both].map(|taken| per_second(entries, taken));
        writeln!(out, "| {batch} | {bare} | {commit} | {both} |")?;
    }
    let together = rounds(|| in_new_file(folder, |path| Ok(run_callers(&[opened(path)?], 0))))?;
    let together = per_second(ENTRIES_PER_CALLER.saturating_mul(CALLERS), together);
    writeln!(out, "| 1, {CALLERS} callers at once | | {together} | |")?;
    Ok(())
}

fn postgres(url: &str) -> Measured<()> {
    let hosts = [jifen_ledger::open(url)?, jifen_ledger::open(url)?];
    let mut out = io::stdout();
    let mut caller = 0_usize;
    let mut next = |callers: usize| {
        let first = caller;
        caller = first.saturating_add(callers);
        first
    };
    writeln!(
        out,
        "| entries in a commit | bare program | commit | read and commit | two hosts, read and commit |\n|---|---|---|---|---|"
    )?;
    for batch in BATCHES {
        let entries = entries_in_batches_of(batch);
        let after = hosts[0].length()?;
        let commit = rounds(|| run(&*hosts[0], next(1), entries, batch, false))?;
        let bare = rounds(|| same_rows::run(url, after, entries, batch))?;
        let both = rounds(|| run(&*hosts[0], next(1), entries, batch, true))?;
        let of_two = rounds(|| Ok(run_hosts(&hosts, next(2), entries, batch)))?;
        let [bare, commit, both] = [bare, commit, both].map(|taken| per_second(entries, taken));
        let of_two = per_second(entries.saturating_mul(hosts.len()), of_two);
        writeln!(out, "| {batch} | {bare} | {commit} | {both} | {of_two} |")?;
    }
    let together = |hosts: &[Arc<dyn Ledger>], first| Ok(run_callers(hosts, first));
    let of_one = rounds(|| together(&hosts[..1], next(CALLERS)))?;
    let of_two = rounds(|| together(&hosts, next(CALLERS)))?;
    let [of_one, of_two] =
        [of_one, of_two].map(|taken| per_second(ENTRIES_PER_CALLER.saturating_mul(CALLERS), taken));
    writeln!(out, "| 1, {CALLERS} callers at once | | {of_one} | | {of_two} (commit only) |")?;
    Ok(())
}

fn growth(url: &str, entries: usize) -> Measured<()> {
    let ledger = jifen_ledger::open(url)?;
    let mut purchases = purchases_of(0);
    let mut out = io::stdout();
    writeln!(out, "| entries in the ledger | read and commit, 1,000 entries each |\n|---|---|")?;
    for size in SIZES.into_iter().filter(|size| *size <= entries) {
        let there = usize::try_from(ledger.length()?)?;
        commit_all(&*ledger, &mut purchases, size.saturating_sub(there), 1_000, true)?;
        let taken = commit_all(&*ledger, &mut purchases, LOOKED_AT, 1_000, true)?;
        writeln!(out, "| {size} | {} |", per_second(LOOKED_AT, taken))?;
    }
    Ok(())
}

fn statements(url: &str) -> Measured<()> {
    let ledger = jifen_ledger::open(url)?;
    let mut out = io::stdout();
    writeln!(out, "| entries of the member | statement, last {PAGE} lines, ms | whole, ms |\n|---|---|---|")?;
    for (caller, entries) in (0..).zip(STATEMENTS) {
        let mut purchases = Purchases::of(caller, 1, entries.saturating_mul(2));
        commit_all(&*ledger, &mut purchases, entries, entries.min(1_000), false)?;
        let member = purchases.members().next().expect("one member");
        let ask = |last: Option<u32>| {
            let watch = Watch::start();
            let lines = ledger.statement(member, Page { before: None, last })?.len();
            let taken = watch.elapsed();
            assert_eq!(lines, last.map_or(Ok(entries), usize::try_from)?.min(entries));
            Ok(taken)
        };
        let millis = |last| {
            let micros = median((0..ASKED).map(|_| ask(last)).collect::<Measured<Vec<_>>>()?).as_micros();
            let parts = (micros.checked_div(1_000), micros.checked_rem(1_000));
            Measured::Ok(format!("{}.{:03}", parts.0.unwrap_or(0), parts.1.unwrap_or(0)))
        };
        writeln!(out, "| {entries} | {} | {} |", millis(Some(PAGE))?, millis(None)?)?;
    }
    Ok(())
}

fn rounds(mut measure: impl FnMut() -> Measured<Duration>) -> Measured<Duration> {
    Ok(median((0..ROUNDS).map(|_| measure()).collect::<Measured<_>>()?))
}

fn opened(path: &Path) -> Measured<Arc<dyn Ledger>> {
    Ok(jifen_ledger::open(&path.display().to_string())?)
}

const fn entries_in_batches_of(batch: usize) -> usize {
    if batch == 1 { ENTRIES.div_ceil(ONE_AT_A_TIME) } else { ENTRIES }
}

fn run(ledger: &dyn Ledger, caller: usize, entries: usize, batch: usize, reads: bool) -> Measured<Duration> {
    commit_all(ledger, &mut purchases_of(caller), entries, batch, reads)
}

fn commit_all(
    ledger: &dyn Ledger,
    purchases: &mut Purchases,
    entries: usize,
    batch: usize,
    reads: bool,
) -> Measured<Duration> {
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
fn run_hosts(hosts: &[Arc<dyn Ledger>], first: usize, entries: usize, batch: usize) -> Duration {
    let watch = Watch::start();
    std::thread::scope(|scope| {
        for (caller, ledger) in (first..).zip(hosts) {
            scope.spawn(move || run(&**ledger, caller, entries, batch, true).expect("the server stays"));
        }
    });
    watch.elapsed()
}

/// Many callers with an entry each: what the writers make of those who wait.
fn run_callers(hosts: &[Arc<dyn Ledger>], first: usize) -> Duration {
    let watch = Watch::start();
    std::thread::scope(|scope| {
        for (caller, ledger) in (first..).zip(hosts.iter().cycle()).take(CALLERS) {
            scope.spawn(move || {
                run(&**ledger, caller, ENTRIES_PER_CALLER, 1, false).expect("the store stays");
            });
        }
    });
    watch.elapsed()
}

fn purchases_of(caller: usize) -> Purchases {
    Purchases::of(u64::try_from(caller).expect("callers are few"), MEMBERS, PURCHASES_EACH)
}

fn read(ledger: &dyn Ledger, entries: &[Entry]) -> Measured<()> {
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
fn in_new_file(folder: &Path, measure: impl FnOnce(&Path) -> Measured<Duration>) -> Measured<Duration> {
    let path: PathBuf = folder.join(format!("postings-{}.jifen", std::process::id()));
    let measured = measure(&path);
    std::fs::remove_file(&path)?;
    measured
}
