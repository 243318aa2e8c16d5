//! `jifen audit certificate`: whether a certificate says what the log does.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::output::complain;
use super::{LedgerArg, audit_head};
use crate::certificate::{Certificate, Of, Sums};

#[derive(Args)]
pub(super) struct Verify {
    /// The certificate
    file: PathBuf,
    /// The root of the head that the program has published
    #[arg(long, value_name = "HEX")]
    root: Option<String>,
    /// The ledger, which also says whether anything is left out: a file, or a URL
    #[arg(long, value_name = "LEDGER")]
    ledger: Option<String>,
    /// End with one JSON object on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Summary<'a> {
    #[serde(flatten)]
    of: Of,
    #[serde(flatten)]
    sums: Sums,
    entries: usize,
    /// Those that do not show their event.
    unseen: usize,
    faults: &'a [String],
}

impl Verify {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let text = fs::read_to_string(&self.file).with_context(|| format!("open {}", self.file.display()))?;
        let certificate: Certificate = serde_json::from_str(&text)
            .with_context(|| format!("{} is no certificate", self.file.display()))?;
        let mut faults = certificate.faults();
        if self.root.as_ref().is_some_and(|root| *root != certificate.head.root) {
            faults.push(format!("its head is {}, and not the one that was published", certificate.head.root));
        }
        if let Some(ledger) = &self.ledger {
            let ledger = LedgerArg { ledger: ledger.clone() }.open()?;
            faults.extend(certificate.faults_by(&*ledger)?);
        }
        for fault in &faults {
            complain(format_args!("{}: {fault}", self.file.display()));
        }
        self.tell(&certificate, &faults)?;
        Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn tell(&self, certificate: &Certificate, faults: &[String]) -> anyhow::Result<()> {
        let Certificate { head, entries, .. } = certificate;
        let (of, sums) = (certificate.of(), certificate.sums());
        if self.json {
            let summary = Summary { of, sums, entries: entries.len(), unseen: certificate.unseen(), faults };
            return super::print(&serde_json::to_string(&summary)?);
        }
        if !faults.is_empty() {
            return super::print(&format_args!("it does not hold: {} faults", faults.len()));
        }
        let unseen = match certificate.unseen() {
            0 => String::new(),
            unseen => format!("; {unseen} of them without the event"),
        };
        let Of { member, unit, from, through } = of;
        let Sums { earned, used } = sums;
        super::print(&format_args!(
            "{} earned {earned} {} and used {used} from {from} through {through}, by {} entries of {}{unseen}",
            member.escape_debug(),
            unit.escape_debug(),
            entries.len(),
            audit_head::words(head)
        ))
    }
}
