//! `jifen run`: applies events to a ledger.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::iter;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;
use jifen_loyalty::posting::Kind;
use jifen_loyalty::{DeploymentId, Event, InvalidEvent, Points};
use serde::Serialize;

use super::output::{Receipts, RefusedLine, complain};
use super::progress;
use crate::active::Active;
use crate::batch::{Done, Moved, Outcome, Processor};
use crate::campaign::Tally;
use crate::input::{Line, Lines};
use crate::programs::Programs;
use crate::releases::Releases;
use crate::view::Names;

/// Events that are read from the ledger, decided and committed together, at most: of an input that comes slowly, those that
/// are there, so that none waits for the next.
const BATCH: usize = 2_000;

/// Events that are parsed ahead.
const AHEAD: usize = 2 * BATCH;

/// Refusals that are told one by one; of the rest, the number.
const REFUSALS_TOLD: u64 = 20;

#[derive(Args)]
pub(super) struct Run {
    /// The program file
    #[arg(long)]
    program: PathBuf,
    /// The folder of components, one <name>.wasm for each policy
    #[arg(long)]
    policies: PathBuf,
    /// The ledger: a file, begun if it does not exist, or a URL
    #[arg(long)]
    ledger: String,
    /// Write a line of JSON for each event, as soon as it is in the ledger; - for standard output, and then the summary goes
    /// to standard error
    #[arg(long, value_name = "OUT.jsonl")]
    receipts: Option<PathBuf>,
    /// Write refused lines here as they came, to be mended and sent again; - likewise
    #[arg(long, value_name = "OUT.jsonl")]
    rejects: Option<PathBuf>,
    /// Threads that evaluate [default: one for each core]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// End with one JSON object as the summary
    #[arg(long)]
    json: bool,
    /// Files of events, one JSON object a line, gzipped or not; - for standard input
    #[arg(required = true)]
    events: Vec<PathBuf>,
}

/// The object that a run ends with.
#[derive(Default, Serialize)]
struct Summary {
    events: u64,
    applied: u64,
    duplicate: u64,
    refused: u64,
    faults: u64,
    seconds: f64,
    events_per_second: u64,
    awarded: BTreeMap<String, u64>,
    by_deployment: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    redeemed: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    expired: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    campaigns: BTreeMap<String, Tally>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    faults_by_deployment: BTreeMap<String, u64>,
}

/// A line with what it was read as.
struct Parsed {
    line: Line,
    event: Result<Event, InvalidEvent>,
}

impl Run {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a run took is told to the operator and decides nothing"
    )]
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let text = std::fs::read_to_string(&self.program)
            .with_context(|| format!("read {}", self.program.display()))?;
        for file in self.events.iter().filter(|file| !is_stream(Some(file))) {
            File::open(file).with_context(|| format!("open {}", file.display()))?;
        }
        anyhow::ensure!(
            !(is_stream(self.receipts.as_deref()) && is_stream(self.rejects.as_deref())),
            "--receipts and --rejects cannot both be standard output; give one of them a file"
        );
        let store = super::policy_store()?;
        let ledger = jifen_ledger::open(&self.ledger)?;
        let releases = Releases::new(Some(&self.policies), Some(&*ledger));
        let active = super::load(self.program.display(), &text, &releases, &store)?;
        active.keep(&*ledger, &releases)?;

        let began = Instant::now();
        let mut report = Report::new(&self, &active)?;
        let programs = Programs::new(&*ledger, &releases, &store);
        let threads = super::threads(self.threads);
        let bar = progress::bar(total_bytes(&self.events), "bytes");
        let watch = |campaign: &DeploymentId, tally: &Tally| {
            bar.set_message(format!("{campaign}: {} of {} members", tally.acted, tally.members));
        };
        let processor = Processor { watch: &watch, ..Processor::new(&active, &programs, &*ledger, threads) };
        let summary = self.pump(&processor, &mut report, &bar)?;
        self.finish(summary, began)
    }

    /// Parses ahead on a thread of its own, and processes what there is, batch after batch.
    fn pump(
        &self,
        processor: &Processor<'_>,
        report: &mut Report,
        bar: &ProgressBar,
    ) -> anyhow::Result<Summary> {
        let read = Arc::new(AtomicU64::new(0));
        let (send, receive) = mpsc::sync_channel(AHEAD);
        let lines = Lines::new(self.events.clone(), Arc::clone(&read));
        let mut summary = Summary::default();
        let parser = thread::spawn(move || parse(lines, &send));
        while let Ok(first) = receive.recv() {
            let batch = iter::once(first).chain(receive.try_iter()).take(BATCH).collect::<io::Result<_>>()?;
            report.batch(batch, processor, &mut summary, bar)?;
            report.flush()?;
            bar.set_position(read.load(Ordering::Relaxed));
        }
        // Only now: after an error the parser may still wait for a line that never comes.
        parser.join().unwrap_or_else(|panic| resume_unwind(panic));
        bar.finish_and_clear();
        Ok(summary)
    }

    #[expect(
        clippy::float_arithmetic,
        clippy::as_conversions,
        reason = "a rate for people, far from points and money"
    )]
    fn finish(&self, mut summary: Summary, began: Instant) -> anyhow::Result<ExitCode> {
        summary.seconds = (began.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0;
        summary.events_per_second = (summary.events as f64 / summary.seconds.max(0.001)).round() as u64;
        let told = if self.json { serde_json::to_string(&summary)? } else { summary.words() };
        if is_stream(self.receipts.as_deref()) || is_stream(self.rejects.as_deref()) {
            writeln!(io::stderr(), "{told}").context("write the summary")?;
        } else {
            super::print(&told)?;
        }
        Ok(if summary.refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }
}

fn total_bytes(files: &[PathBuf]) -> u64 {
    files.iter().filter_map(|file| std::fs::metadata(file).ok()).map(|data| data.len()).sum()
}

/// Sends the lines, parsed, until their end or until nobody takes them.
fn parse(mut lines: Lines, send: &mpsc::SyncSender<io::Result<Parsed>>) {
    while lines.next().is_some_and(|line| send.send(line.map(Parsed::new)).is_ok()) {}
}

impl Parsed {
    fn new(line: Line) -> Self {
        let unreadable = |reason: &String| InvalidEvent { field: "line".to_owned(), reason: reason.clone() };
        let event = line.text.as_ref().map_err(unreadable).and_then(|text| Event::parse(text));
        Self { line, event }
    }
}

/// Where a run's results go.
struct Report {
    receipts: Option<Receipts>,
    rejects: Option<Box<dyn Write>>,
}

impl Report {
    fn new(run: &Run, active: &Active) -> anyhow::Result<Self> {
        let receipts = run.receipts.as_deref().map(create).transpose()?;
        Ok(Self {
            receipts: receipts.map(|out| Receipts::new(out, &active.document.pins)),
            rejects: run.rejects.as_deref().map(create).transpose()?,
        })
    }

    fn batch(
        &mut self,
        batch: Vec<Parsed>,
        processor: &Processor<'_>,
        summary: &mut Summary,
        bar: &ProgressBar,
    ) -> anyhow::Result<()> {
        let mut events = Vec::with_capacity(batch.len());
        let mut lines = Vec::with_capacity(batch.len());
        for Parsed { line, event } in batch {
            let refusal = event.map(|event| events.push(event)).err();
            lines.push((line, refusal));
        }
        let mut outcomes = processor.process(events)?.into_iter();
        for (line, refusal) in lines {
            let outcome = match refusal {
                Some(refusal) => Outcome::refused(refusal),
                None => outcomes.next().context("match every event with its outcome")?,
            };
            summary.count(&outcome);
            if let Outcome::Refused { refusal, .. } = &outcome
                && summary.refused <= REFUSALS_TOLD
            {
                let Line { file, number, .. } = &line;
                bar.suspend(|| complain(format_args!("{}, line {number}: {refusal}", file.display())));
            }
            self.write(&line, &outcome)?;
        }
        Ok(())
    }

    fn write(&mut self, line: &Line, outcome: &Outcome) -> anyhow::Result<()> {
        if let (Some(rejects), Outcome::Refused { .. }, Ok(text)) = (&mut self.rejects, outcome, &line.text) {
            rejects
                .write_all(text)
                .and_then(|()| rejects.write_all(b"\n"))
                .context("write a refused line")?;
        }
        let Some(receipts) = &mut self.receipts else { return Ok(()) };
        let written = match outcome {
            Outcome::Applied { recorded, .. } => receipts.applied("applied", recorded),
            Outcome::Duplicate(recorded) => receipts.applied("duplicate", recorded),
            Outcome::Refused { refusal, .. } => refused(receipts, line, refusal),
        };
        written.context("write a receipt")
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        self.receipts.as_mut().map_or(Ok(()), Receipts::flush).context("write the receipts")?;
        self.rejects.as_mut().map_or(Ok(()), |rejects| rejects.flush()).context("write the refused lines")
    }
}

/// Returns whether an argument means standard output, or standard input.
fn is_stream(path: Option<&Path>) -> bool {
    path == Some(Path::new("-"))
}

fn create(path: &Path) -> anyhow::Result<Box<dyn Write>> {
    let out: Box<dyn Write> = if is_stream(Some(path)) {
        Box::new(io::stdout())
    } else {
        Box::new(File::create(path).with_context(|| format!("create {}", path.display()))?)
    };
    Ok(Box::new(BufWriter::with_capacity(1 << 18, out)))
}

/// Writes the line of a refused event, with whatever names it has.
fn refused(receipts: &mut Receipts, line: &Line, refusal: &InvalidEvent) -> io::Result<()> {
    receipts.refused(&RefusedLine {
        names: line.text.as_ref().map(|text| Names::of(text)).unwrap_or_default(),
        outcome: "refused",
        file: &line.file.to_string_lossy(),
        line: line.number,
        refusal: refusal.name(),
        field: &refusal.field,
        reason: &refusal.reason,
        awards: [],
        faults: [],
    })
}

fn add(sums: &mut BTreeMap<String, u64>, key: &str, points: Points) {
    match sums.get_mut(key) {
        Some(sum) => *sum = sum.saturating_add(points.get()),
        None => drop(sums.insert(key.to_owned(), points.get())),
    }
}

impl Summary {
    fn count(&mut self, outcome: &Outcome) {
        let one = |count: &mut u64| *count = count.saturating_add(1);
        one(&mut self.events);
        match outcome {
            Outcome::Duplicate(_) => one(&mut self.duplicate),
            Outcome::Refused { .. } => one(&mut self.refused),
            Outcome::Applied { lots, moved, faults, closed, .. } => {
                one(&mut self.applied);
                for lot in lots {
                    add(&mut self.awarded, lot.lot.unit.as_str(), lot.lot.points);
                    add(&mut self.by_deployment, lot.lot.deployment.as_str(), lot.lot.points);
                }
                self.moved(moved);
                for (deployment, _) in faults {
                    self.faulty(deployment, 1);
                }
                if let Some(closed) = closed {
                    self.closed(closed);
                }
            }
        }
    }

    fn moved(&mut self, moved: &Moved) {
        for (kind, unit, points) in moved {
            let sums = if *kind == Kind::Expiry { &mut self.expired } else { &mut self.redeemed };
            add(sums, unit.as_str(), *points);
        }
    }

    fn faulty(&mut self, deployment: &DeploymentId, faults: u64) {
        self.faults = self.faults.saturating_add(faults);
        let by_deployment = self.faults_by_deployment.entry(deployment.as_str().to_owned()).or_default();
        *by_deployment = by_deployment.saturating_add(faults);
    }

    fn closed(&mut self, closed: &Done) {
        for ((deployment, unit), points) in &closed.awarded {
            add(&mut self.awarded, unit.as_str(), *points);
            add(&mut self.by_deployment, deployment.as_str(), *points);
        }
        self.moved(&closed.moved);
        for (deployment, faults) in &closed.faults {
            self.faulty(deployment, *faults);
        }
        for (campaign, tally) in &closed.campaigns {
            if tally.faults > 0 {
                self.faulty(campaign, tally.faults);
            }
            self.campaigns.entry(campaign.as_str().to_owned()).or_default().add(tally);
        }
    }

    fn words(&self) -> String {
        let Self { events, applied, duplicate, refused, faults, seconds, events_per_second, .. } = self;
        let mut words = format!(
            "{events} events in {seconds} s ({events_per_second}/s): {applied} applied, {duplicate} duplicate, {refused} refused"
        );
        for (unit, points) in &self.awarded {
            words.push_str(&format!("\n  {unit}: {points} awarded"));
        }
        for (deployment, points) in &self.by_deployment {
            words.push_str(&format!("\n    {deployment}: {points}"));
        }
        for (unit, points) in &self.redeemed {
            words.push_str(&format!("\n  {unit}: {points} used"));
        }
        for (unit, points) in &self.expired {
            words.push_str(&format!("\n  {unit}: {points} lapsed"));
        }
        for (campaign, Tally { members, acted, withheld, .. }) in &self.campaigns {
            words.push_str(&format!("\n  {campaign}: something was done for {acted} of {members} members"));
            if *withheld > 0 {
                words.push_str(&format!(", a cap or the budget left nothing for {withheld}"));
            }
        }
        if *faults > 0 {
            words.push_str(&format!("\n  {faults} faults:"));
        }
        for (deployment, faults) in &self.faults_by_deployment {
            words.push_str(&format!("\n    {deployment}: {faults}"));
        }
        words
    }
}
