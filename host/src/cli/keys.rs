//! `jifen keys`: who may ask a host.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};

use super::LedgerArg;
use super::output::complain;
use super::trail::By;
use crate::clock;
use crate::keys::{self, ROLES, Role};
use crate::view::KeyLine;

/// Keys that are read at a time.
const PAGE: usize = 100;

#[derive(Subcommand)]
pub(super) enum Keys {
    /// Make a key, and print it. From the first one on, everybody is asked for one.
    Make(Make),
    /// Print which keys there are, without their secrets.
    List(List),
    /// Revoke a key.
    Revoke(Revoke),
}

#[derive(Args)]
pub(super) struct Make {
    #[command(flatten)]
    ledger: LedgerArg,
    /// What its holder may do
    #[arg(long, value_parser = ROLES)]
    role: String,
    /// The merchant or the member whose it is
    #[arg(long, value_name = "ID")]
    scope: Option<String>,
    /// Who holds it, for people
    #[arg(long)]
    name: String,
    /// Requests a second, 0 for as many as come [default: 10 for a member, 100 for an auditor, 1000 for a merchant, any for an operator]
    #[arg(long)]
    rate: Option<u32>,
    #[command(flatten)]
    by: By,
}

#[derive(Args)]
pub(super) struct List {
    #[command(flatten)]
    ledger: LedgerArg,
}

#[derive(Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    ledger: LedgerArg,
    /// The key's id: what stands between `jifen_` and the secret
    id: String,
    #[command(flatten)]
    by: By,
}

impl Keys {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Make(make) => make.execute(),
            Self::List(list) => list.execute(),
            Self::Revoke(revoke) => revoke.execute(),
        }
    }
}

impl Make {
    fn execute(self) -> anyhow::Result<ExitCode> {
        let role = Role::new(&self.role, self.scope.as_deref())?;
        // Before anybody can reach a host there is a key, and before that there may be nothing.
        let ledger =
            if role == Role::Operator { self.ledger.open_or_begin()? } else { self.ledger.open()? };
        anyhow::ensure!(
            role == Role::Operator || !ledger.keys("", 1)?.is_empty(),
            "role: the first key is an operator's, or nobody could make another over HTTP"
        );
        let mut asked = format!("jifen keys make --role {} --name {:?}", self.role, self.name);
        self.scope.iter().for_each(|scope| asked.push_str(&format!(" --scope {scope:?}")));
        let make = || Ok(keys::make(&*ledger, &role, &self.name, self.rate, None)??);
        let (key, secret) = self.by.record(&*ledger, asked, make)?;
        complain(format_args!("this is told once; `jifen keys revoke {}` ends it", key.id));
        super::print(&secret)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl List {
    fn execute(self) -> anyhow::Result<ExitCode> {
        let ledger = self.ledger.open()?;
        let find = |after: &String| ledger.keys(after, PAGE);
        super::print_pages(find, |key| key.id.clone(), |key| serde_json::to_string(&KeyLine::from(key)))
    }
}

impl Revoke {
    fn execute(self) -> anyhow::Result<ExitCode> {
        let ledger = self.ledger.open()?;
        let id = keys::id_of(&self.id);
        let unknown = || format!("there is no key {id:?}; `jifen keys list` shows which there are");
        ledger.key(id)?.with_context(unknown)?;
        self.by.record(&*ledger, format!("jifen keys revoke {id}"), || {
            Ok(ledger.revoke_key(id, clock::now())?)
        })?;
        let key = ledger.key(id)?.with_context(unknown)?;
        super::print(&serde_json::to_string(&KeyLine::from(&key))?)?;
        Ok(ExitCode::SUCCESS)
    }
}
