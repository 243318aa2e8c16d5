//! `jifen notify`: delivers what campaigns send members.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use chrono::TimeDelta;
use clap::Args;
use indicatif::ProgressBar;
use jifen_ledger::{Ledger, Undelivered};
use jifen_loyalty::{Event, Instant, NoticeId};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::progress;
use crate::active::{self, Active, Pins};
use crate::batch::{Outcome, Processor};
use crate::clock;
use crate::notice::Written;
use crate::programs::Programs;
use crate::releases::Releases;
use crate::webhook::{Endpoint, Message};
use crate::words::Words;

/// Notices that are read, sent and marked together.
const PAGE: usize = 256;

/// How long after each attempt the next one comes, in seconds: over two days in all. After the last, it is given up.
const PAUSES: [i64; 8] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000];

#[derive(Args)]
pub(super) struct Notify {
    /// The program file
    #[arg(long)]
    program: PathBuf,
    /// The folder of components, one <name>.wasm for each policy
    #[arg(long)]
    policies: PathBuf,
    #[command(flatten)]
    ledger: super::LedgerArg,
    /// Where notices go: a URL that takes POST
    #[arg(long, value_name = "URL")]
    endpoint: String,
    /// The file of the secret that they are signed with; with two lines, by both
    #[arg(long, value_name = "FILE")]
    secret_file: PathBuf,
    /// Append the deliveries to a file of events, to be kept with the others
    #[arg(long, value_name = "OUT.jsonl")]
    events: Option<PathBuf>,
    /// Do as if it was this time, such as 2026-03-07T10:00:00+08:00 [default: now]
    #[arg(long, value_name = "TIME", value_parser = Instant::parse)]
    at: Option<Instant>,
    /// End with one JSON object as the summary
    #[arg(long)]
    json: bool,
}

/// What a pass came to.
#[derive(Default, Serialize)]
struct Summary {
    delivered: u64,
    /// Failed, and to be tried again.
    failed: u64,
    /// Failed for the last time.
    given_up: u64,
}

/// What is sent.
#[derive(Serialize)]
struct Payload<'a> {
    r#type: &'static str,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    notice: &'a str,
    member: &'a str,
    campaign: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<&'a Words>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiring: Option<ExpiringOut<'a>>,
}

#[derive(Serialize)]
struct ExpiringOut<'a> {
    unit: &'a str,
    through: String,
    points: u64,
}

impl Notify {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let read =
            |file: &Path| std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()));
        let text = read(&self.program)?;
        let endpoint = Endpoint::new(&self.endpoint, &read(&self.secret_file)?)?;
        let store = super::policy_store()?;
        let ledger = self.ledger.open()?;
        let releases = Releases::new(Some(&self.policies), Some(&*ledger));
        let active = Active::from_file(&text, &releases, &store)
            .with_context(|| self.program.display().to_string())?;
        active.keep(&*ledger, &releases)?;
        let programs = Programs::new(&*ledger, &releases, &store);
        let processor = Processor::new(&active, &programs, &*ledger, super::threads(None));
        let open = |file: &PathBuf| File::options().create(true).append(true).open(file);
        let events =
            self.events.as_ref().map(|file| open(file).with_context(|| format!("open {}", file.display())));
        let mut pass =
            Pass { processor: &processor, endpoint: &endpoint, at: self.at, events: events.transpose()? };
        let bar = progress::bar(0, "notices");
        let summary = pass.all(&mut Texts::new(&*ledger), &bar)?;
        bar.finish_and_clear();
        let told = if self.json { serde_json::to_string(&summary)? } else { summary.words() };
        super::print(&told)?;
        Ok(if summary.failed == 0 && summary.given_up == 0 { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }
}

/// One way through the outbox.
struct Pass<'a> {
    processor: &'a Processor<'a>,
    endpoint: &'a Endpoint,
    at: Option<Instant>,
    /// Where deliveries are kept, too.
    events: Option<File>,
}

impl Pass<'_> {
    fn now(&self) -> Instant {
        self.at.unwrap_or_else(clock::now)
    }

    fn all(&mut self, texts: &mut Texts<'_>, bar: &ProgressBar) -> anyhow::Result<Summary> {
        let (mut summary, mut after) = (Summary::default(), NoticeId::default());
        loop {
            let due = self.processor.ledger.undelivered(Some(self.now()), after, PAGE)?;
            let Some(last) = due.last() else { break };
            after = last.id;
            bar.inc_length(u64::try_from(due.len()).unwrap_or(0));
            self.page(&due, texts, &mut summary)?;
            bar.inc(u64::try_from(due.len()).unwrap_or(0));
        }
        Ok(summary)
    }

    fn page(
        &mut self,
        due: &[Undelivered],
        texts: &mut Texts<'_>,
        summary: &mut Summary,
    ) -> anyhow::Result<()> {
        let written = self.written(due)?;
        let messages = written.iter().map(|it| texts.message(it)).collect::<anyhow::Result<Vec<_>>>()?;
        let sent = self.endpoint.send(&messages);
        let now = self.now();
        let (mut delivered, mut tried) = (Vec::new(), Vec::new());
        for ((due, written), sent) in due.iter().zip(&written).zip(sent) {
            match sent {
                Ok(()) => delivered.push((due, written.delivered(now)?)),
                Err(problem) => tried.push(failed(due, now, problem)),
            }
        }
        tried.extend(self.record(delivered, now, summary)?);
        for tried in &tried {
            let count = if tried.due.is_some() { &mut summary.failed } else { &mut summary.given_up };
            *count = count.saturating_add(1);
        }
        self.processor.ledger.keep_attempts(tried)?;
        Ok(())
    }

    fn written(&self, due: &[Undelivered]) -> anyhow::Result<Vec<Written>> {
        due.iter().map(|due| Written::undelivered(self.processor.ledger, due.id)).collect()
    }

    /// Writes down what was delivered. Returns what came, and the ledger would not have it.
    fn record(
        &mut self,
        delivered: Vec<(&Undelivered, Event)>,
        now: Instant,
        summary: &mut Summary,
    ) -> anyhow::Result<Vec<Undelivered>> {
        let (due, events): (Vec<_>, Vec<_>) = delivered.into_iter().unzip();
        let lines: Vec<_> = events.iter().map(|event| event.canonical.clone()).collect();
        let mut tried = Vec::new();
        for ((due, line), outcome) in due.into_iter().zip(lines).zip(self.processor.process(events)?) {
            match outcome {
                Outcome::Refused { refusal, .. } => {
                    tried.push(failed(
                        due,
                        now,
                        format!("it was delivered, and the ledger refuses that: {refusal}"),
                    ));
                }
                Outcome::Applied { .. } | Outcome::Duplicate(_) => {
                    if let Some(file) = &mut self.events {
                        file.write_all(&[&line[..], b"\n"].concat()).context("write a delivery")?;
                    }
                    summary.delivered = summary.delivered.saturating_add(1);
                }
            }
        }
        Ok(tried)
    }
}

/// Returns a notice after one more attempt that failed.
fn failed(due: &Undelivered, now: Instant, problem: String) -> Undelivered {
    let pause = usize::try_from(due.attempts).ok().and_then(|attempts| PAUSES.get(attempts));
    let next = pause.map(|seconds| TimeDelta::seconds(*seconds).num_milliseconds());
    Undelivered {
        id: due.id,
        attempts: due.attempts.saturating_add(1),
        due: next.map(|pause| Instant::from_millis(now.millis().saturating_add(pause))),
        problem: Some(problem),
    }
}

/// Returns the name of a message, which is a header and so must be ASCII, whatever members are called.
fn message_id(notice: &str) -> String {
    let digest = hex::encode(Sha256::digest(notice));
    format!("msg_{}", digest.get(..32).unwrap_or(&digest))
}

/// What policies say in words, by the program that decided, the deployment and the code.
struct Texts<'a> {
    ledger: &'a dyn Ledger,
    releases: Releases<'a>,
    pins: BTreeMap<String, Pins>,
    words: BTreeMap<(String, String, String), Option<Words>>,
}

impl<'a> Texts<'a> {
    fn new(ledger: &'a dyn Ledger) -> Self {
        let releases = Releases::new(None, Some(ledger));
        Self { ledger, releases, pins: BTreeMap::new(), words: BTreeMap::new() }
    }

    fn message(&mut self, written: &Written) -> anyhow::Result<Message> {
        let Written { sent, notice, member, time, program } = written;
        let name = sent.name();
        let expiring = notice.expiring.as_ref().map(|it| ExpiringOut {
            unit: it.unit.as_str(),
            through: it.through.to_string(),
            points: it.points.get(),
        });
        let data = Data {
            notice: &name,
            member: member.as_str(),
            campaign: notice.deployment.as_str(),
            code: &notice.code,
            words: self.words(program, notice.deployment.as_str(), &notice.code)?,
            expiring,
        };
        let payload = Payload { r#type: "jifen.notice", timestamp: time.to_string(), data };
        Ok(Message { id: message_id(&name), body: serde_json::to_vec(&payload)? })
    }

    fn words(&mut self, program: &str, deployment: &str, code: &str) -> anyhow::Result<Option<&Words>> {
        let key = (program.to_owned(), deployment.to_owned(), code.to_owned());
        if !self.words.contains_key(&key) {
            let words = self.find(program, deployment, code)?;
            self.words.insert(key.clone(), words);
        }
        Ok(self.words.get(&key).and_then(Option::as_ref))
    }

    fn find(&mut self, program: &str, deployment: &str, code: &str) -> anyhow::Result<Option<Words>> {
        if !self.pins.contains_key(program) {
            let (_, pins) = active::program_named(self.ledger, program)?;
            self.pins.insert(program.to_owned(), pins);
        }
        let pins = self.pins.get(program);
        let pin = pins.and_then(|pins| pins.policies.iter().find(|pin| pin.deployment == deployment));
        let release = pin.and_then(|pin| self.releases.find_digest(&pin.component).ok());
        Ok(release.and_then(|release| release.description.as_ref()?.words(code).cloned()))
    }
}

impl Summary {
    fn words(&self) -> String {
        let Self { delivered, failed, given_up } = self;
        let mut words = format!("{delivered} delivered");
        if *failed > 0 {
            words.push_str(&format!(", {failed} failed and to be tried again"));
        }
        if *given_up > 0 {
            words.push_str(&format!(", {given_up} given up; `jifen outbox` lists them"));
        }
        words
    }
}
