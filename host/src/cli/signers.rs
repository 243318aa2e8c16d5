//! `jifen signers` and `jifen sign`: who signs releases, and the signature of one.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use jifen_ledger::Signer;
use sha2::{Digest as _, Sha256};

use super::LedgerArg;
use super::trail::By;
use crate::description::Description;
use crate::signature;
use crate::view::SignerLine;

/// Signers that are read at a time.
const PAGE: usize = 100;

#[derive(Subcommand)]
pub(super) enum Signers {
    /// Say who signs releases for a merchant, or for the platform. From the first one on, these are signed.
    Add(Add),
    /// Print who signs.
    List(List),
    /// Revoke a signer.
    Revoke(Revoke),
}

#[derive(Args)]
pub(super) struct Add {
    #[command(flatten)]
    ledger: LedgerArg,
    /// The merchant for whose releases [default: for the platform's]
    #[arg(long, value_name = "ID")]
    merchant: Option<String>,
    /// Who holds the private key, for people
    #[arg(long)]
    name: String,
    /// The public key, of Ed25519, in PEM, as `openssl pkey -pubout` writes it
    public_key: PathBuf,
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
    /// The signer's id
    id: String,
    #[command(flatten)]
    by: By,
}

#[derive(Args)]
pub(super) struct Sign {
    /// The component, whose signature is written beside it, as FILE.sig
    component: PathBuf,
    /// The private key, of Ed25519, in PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The merchant who publishes it [default: the platform]
    #[arg(long, value_name = "ID")]
    merchant: Option<String>,
}

impl Signers {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Add(add) => add.execute(),
            Self::List(list) => list.execute(),
            Self::Revoke(revoke) => revoke.execute(),
        }
    }
}

impl Add {
    fn execute(self) -> anyhow::Result<ExitCode> {
        let Self { ledger, merchant, name, public_key, by } = self;
        let named = || format!("read {}", public_key.display());
        let text = std::fs::read_to_string(&public_key).with_context(named)?;
        let ledger = ledger.open()?;
        let mut asked = format!("jifen signers add --name {name:?}");
        merchant.iter().for_each(|merchant| asked.push_str(&format!(" --merchant {merchant:?}")));
        let add = || Ok(signature::add(&*ledger, merchant.as_deref(), &name, &text)??);
        let signer = by.record(&*ledger, asked, add)?;
        super::print(&serde_json::to_string(&SignerLine::from(&signer))?)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl List {
    fn execute(self) -> anyhow::Result<ExitCode> {
        let ledger = self.ledger.open()?;
        let find = |after: &String| ledger.signers(after, PAGE);
        let line = |signer: &Signer| serde_json::to_string(&SignerLine::from(signer));
        super::print_pages(find, |signer| signer.id.clone(), line)
    }
}

impl Revoke {
    fn execute(self) -> anyhow::Result<ExitCode> {
        let ledger = self.ledger.open()?;
        let Self { id, by, .. } = self;
        let unknown = || format!("there is no signer {id:?}; `jifen signers list` shows which there are");
        let revoke = || signature::revoke(&*ledger, &id)?.with_context(unknown);
        let signer = by.record(&*ledger, format!("jifen signers revoke {id}"), revoke)?;
        super::print(&serde_json::to_string(&SignerLine::from(&signer))?)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Sign {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let Self { component, key, merchant } = self;
        let bytes = std::fs::read(&component).with_context(|| format!("read {}", component.display()))?;
        let description = Description::of(&bytes).with_context(|| {
            format!("{} does not say what it is; build it with a policy.toml", component.display())
        })?;
        let Description { name, version, .. } = description;
        let named = || format!("sign with {}", key.display());
        let pem = std::fs::read_to_string(&key).with_context(named)?;
        let digest = Sha256::digest(&bytes).into();
        let text = signature::text(merchant.as_deref(), &name, &version, &digest);
        let signature = signature::sign(&pem, &text).with_context(named)?;
        let mut file = component.into_os_string();
        file.push(".sig");
        let file = PathBuf::from(file);
        std::fs::write(&file, signature).with_context(|| format!("write {}", file.display()))?;
        super::print(&format!("{name}@{version} is signed in {}", file.display()))?;
        Ok(ExitCode::SUCCESS)
    }
}
