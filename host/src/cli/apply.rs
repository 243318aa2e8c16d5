//! `jifen plan`, `apply`, `rollback`, `changes` and `program`: which program is at work.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jifen_engine::PolicyStore;
use jifen_ledger::{LedgerError, ProgramChange};

use super::output::complain;
use crate::active::Active;
use crate::change::{self, Plan, Reason, put_to_work, roll_back};
use crate::governor::{self, Evidence};
use crate::releases::Releases;
use crate::view::{AnnouncementLine, ChangeLine, ProgramText};

/// A program in a file.
#[derive(Args)]
pub(super) struct Candidate {
    /// The program file
    #[arg(long, visible_alias = "candidate")]
    program: PathBuf,
    /// The folder of components, one <name>.wasm for each policy [default: what was published in the ledger]
    #[arg(long)]
    pub(super) policies: Option<PathBuf>,
}

#[derive(Args)]
struct Because {
    /// Why, for whoever reads the list of changes
    #[arg(long)]
    why: String,
    /// Who makes the change
    #[arg(long, env = "USER", default_value = "operator")]
    who: String,
}

impl Because {
    fn reason(self) -> anyhow::Result<Reason> {
        Reason::new(self.who, self.why).map_err(|wrong| anyhow::anyhow!("--{wrong}"))
    }
}

#[derive(Args)]
pub(super) struct Show {
    #[command(flatten)]
    ledger: super::LedgerArg,
    #[command(flatten)]
    candidate: Candidate,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Apply {
    /// The ledger: a file, begun if it does not exist, or a URL
    #[arg(long)]
    ledger: String,
    #[command(flatten)]
    candidate: Candidate,
    #[command(flatten)]
    because: Because,
    /// Only if this version is at work, such as that of a plan
    #[arg(long, value_name = "VERSION")]
    after: Option<u64>,
    /// At once, though members would be awarded less than before; --why says why that must be
    #[arg(long)]
    without_notice: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Announce {
    #[command(flatten)]
    ledger: super::LedgerArg,
    #[command(flatten)]
    candidate: Candidate,
    #[command(flatten)]
    because: Because,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Rollback {
    #[command(flatten)]
    ledger: super::LedgerArg,
    /// The version to go back from, which must be at work: what was before it is put to work again
    #[arg(long, value_name = "VERSION", required_unless_present = "to")]
    after: Option<u64>,
    /// The version whose program is put to work again [default: that before the last]
    #[arg(long, value_name = "VERSION")]
    to: Option<u64>,
    #[command(flatten)]
    because: Because,
    /// At once, though members would be awarded less: to the version before that is so anyway
    #[arg(long)]
    without_notice: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Changes {
    #[command(flatten)]
    ledger: super::LedgerArg,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Print {
    /// A version of the list of changes, or the digest of a program, such as an announced one [default: the one at work]
    program: Option<String>,
    #[command(flatten)]
    ledger: super::LedgerArg,
    /// Print a JSON object, with what the program depends on beside its file
    #[arg(long)]
    json: bool,
}

impl Candidate {
    pub(super) fn load(&self, releases: &Releases<'_>, store: &PolicyStore) -> anyhow::Result<Active> {
        let named = self.program.display();
        let text = std::fs::read_to_string(&self.program).with_context(|| format!("read {named}"))?;
        super::load(named, &text, releases, store)
    }
}

impl Show {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let ledger = self.ledger.open()?;
        let releases = Releases::new(self.candidate.policies.as_deref(), Some(&*ledger));
        let active = self.candidate.load(&releases, &super::policy_store()?)?;
        let plan = Plan::new(&*ledger, &active)?;
        if self.json {
            super::print(&serde_json::to_string(&plan)?)?;
        } else {
            super::print(&words(&plan))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Apply {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let reason = Reason { without_notice: self.without_notice, ..self.because.reason()? };
        let ledger = jifen_ledger::open(&self.ledger)?;
        let releases = Releases::new(self.candidate.policies.as_deref(), Some(&*ledger));
        let store = super::policy_store()?;
        let active = self.candidate.load(&releases, &store)?;
        let plan = Plan::new(&*ledger, &active)?;
        if self.after.is_some_and(|after| after != plan.after) {
            return Err(LedgerError::Superseded { last: plan.after }.into());
        }
        if plan.differences.is_empty() {
            complain(format_args!("{}", words(&plan)));
            return Ok(ExitCode::SUCCESS);
        }
        if !self.json {
            super::print(&words(&plan))?;
        }
        if let Some(last) = ledger.last_program_change()?.filter(|_| !reason.without_notice) {
            let shown = governor::admit(&*ledger, &store, &last, &active, super::threads(None))?;
            if let Some(Evidence { events, gain, .. }) = shown.filter(|_| !self.json) {
                super::print(&format_args!(
                    "on {events} events nobody would have been awarded less, and {gain} members more"
                ))?;
            }
        }
        told(&put_to_work(&*ledger, &active, &releases, plan.after, reason)?, self.json)
    }
}

impl Announce {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let reason = self.because.reason()?;
        let ledger = self.ledger.open()?;
        let releases = Releases::new(self.candidate.policies.as_deref(), Some(&*ledger));
        let active = self.candidate.load(&releases, &super::policy_store()?)?;
        let line = AnnouncementLine::from(&governor::announce(&*ledger, &active, &releases, reason)?);
        if self.json {
            super::print(&serde_json::to_string(&line)?)?;
        } else {
            let AnnouncementLine { program, announced, earliest, .. } = line;
            super::print(&format_args!(
                "program {program} is announced since {announced} and can be put to work from {earliest} on"
            ))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Rollback {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let reason = Reason { without_notice: self.without_notice, ..self.because.reason()? };
        let ledger = self.ledger.open()?;
        let notice = (!self.without_notice).then(|| super::threads(None));
        let (change, _) = roll_back(&*ledger, &super::policy_store()?, self.after, self.to, notice, reason)?;
        told(&change, self.json)
    }
}

impl Changes {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        const PAGE: usize = 1_000;
        let ledger = self.ledger.open()?;
        let find = |after: &u64| ledger.program_changes(*after, PAGE);
        let line = |change: &ProgramChange| {
            let line = ChangeLine::from(change);
            if self.json {
                return serde_json::to_string(&line);
            }
            let ChangeLine { version, program, made, who, why, without_notice } = line;
            let short = program.get(..12).unwrap_or(&program);
            let unannounced = if without_notice { " (without notice)" } else { "" };
            Ok(format!("{version:>4}  {made}  {short}  {who}: {why}{unannounced}"))
        };
        super::print_pages(find, |change| change.version, line)
    }
}

impl Print {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let ledger = self.ledger.open()?;
        let digest = match &self.program {
            None => ledger.last_program_change()?.map(|last| last.program),
            Some(name) => change::named(&*ledger, name)?,
        };
        let digest = digest.with_context(|| match self.program {
            None => "no program was ever put to work here".to_owned(),
            Some(name) => format!("the ledger has no version or program {name:?}"),
        })?;
        let program = ProgramText::of(&digest, &*ledger)?;
        if self.json {
            super::print(&serde_json::to_string(&program)?)?;
        } else {
            // As it was read: it can be put to work as the same.
            std::io::stdout().write_all(program.text.as_bytes()).context("write to standard output")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn words(plan: &Plan) -> String {
    if plan.differences.is_empty() {
        return format!("nothing changes: it is the program of version {}", plan.after);
    }
    let lines = plan.differences.iter().map(|difference| format!("\n{difference}"));
    let from = match plan.after {
        0 => "the first program of this ledger".to_owned(),
        after => format!("from version {after}"),
    };
    lines.fold(from, |words, line| words + &line)
}

fn told(change: &ProgramChange, json: bool) -> anyhow::Result<ExitCode> {
    let line = ChangeLine::from(change);
    if json {
        super::print(&serde_json::to_string(&line)?)?;
    } else {
        super::print(&format_args!("version {} is at work: program {}", line.version, line.program))?;
    }
    Ok(ExitCode::SUCCESS)
}
