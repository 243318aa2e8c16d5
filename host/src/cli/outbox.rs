//! `jifen outbox`: notices that are not delivered yet.

use std::process::ExitCode;

use clap::Args;
use jifen_ledger::{Ledger, Undelivered};
use jifen_loyalty::NoticeId;
use serde::Serialize;

use crate::clock;
use crate::notice::Written;

/// Notices that are read together.
const PAGE: usize = 1_000;

#[derive(Args)]
pub(super) struct Outbox {
    #[command(flatten)]
    ledger: super::LedgerArg,
    /// Only those that were given up
    #[arg(long)]
    given_up: bool,
    /// Have these tried again, from the beginning of their pauses; if none is named, all that were given up
    #[arg(long, value_name = "NOTICE", num_args = 0..)]
    retry: Option<Vec<String>>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line {
    notice: String,
    member: String,
    code: String,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    given_up: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl Outbox {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let ledger = self.ledger.open()?;
        if let Some(names) = &self.retry {
            return retry(&*ledger, names);
        }
        each(&*ledger, &mut |notice| {
            if self.given_up && notice.due.is_some() {
                return Ok(());
            }
            let line = Line::new(Written::undelivered(&*ledger, notice.id)?, notice);
            if self.json { super::print(&serde_json::to_string(&line)?) } else { super::print(&line.words()) }
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Calls `each` with all notices in the outbox.
fn each(ledger: &dyn Ledger, each: &mut dyn FnMut(Undelivered) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut after = NoticeId::default();
    loop {
        let page = ledger.undelivered(None, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id;
        page.into_iter().try_for_each(&mut *each)?;
    }
}

/// Has notices of some names, or all that were given up, tried again at once.
fn retry(ledger: &dyn Ledger, names: &[String]) -> anyhow::Result<ExitCode> {
    let mut missing = names.to_vec();
    let mut again = Vec::new();
    let due = Some(clock::now());
    each(ledger, &mut |notice| {
        let meant = if names.is_empty() {
            notice.due.is_none()
        } else {
            let name = Written::undelivered(ledger, notice.id)?.sent.name();
            missing.retain(|missing| *missing != name);
            names.contains(&name)
        };
        if meant {
            again.push(Undelivered { attempts: 0, due, ..notice });
        }
        Ok(())
    })?;
    anyhow::ensure!(
        missing.is_empty(),
        "{} is not in the outbox; nothing is tried again",
        missing.join(", ")
    );
    let number = again.len();
    ledger.keep_attempts(again)?;
    super::print(&format_args!("{number} to be tried again"))?;
    Ok(ExitCode::SUCCESS)
}

impl Line {
    fn new(written: Written, notice: Undelivered) -> Self {
        let Undelivered { attempts, due, problem, .. } = notice;
        Self {
            notice: written.sent.name(),
            member: written.member.to_string(),
            code: written.notice.code,
            attempts,
            given_up: due.is_none(),
            due: due.map(|due| due.to_string()),
            problem,
        }
    }

    fn words(&self) -> String {
        let Self { notice, member, code, attempts, due, problem, .. } = self;
        let when = due.as_ref().map_or("given up".to_owned(), |due| format!("due {due}"));
        let problem = problem.as_ref().map(|problem| format!(": {problem}")).unwrap_or_default();
        format!("{notice}: {code} to {member}, {when}, tried {attempts} times{problem}")
    }
}
