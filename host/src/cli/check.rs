//! `jifen check`: whether a component keeps the contract and the bounds, and what it may ask.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use jifen_engine::{PolicyError, PolicyStore, Report};
use serde::Serialize;

use super::output::complain;
use crate::description::{Description, has_schema};

#[derive(Args)]
pub(super) struct Check {
    /// The component
    component: PathBuf,
    /// Configure it with these parameters too, a JSON object
    #[arg(long, value_name = "JSON")]
    parameters: Option<String>,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// A component that is not taken, for scripts.
#[derive(Serialize)]
struct Refused<'a> {
    ok: bool,
    code: &'a str,
    message: String,
}

impl Check {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let store = super::policy_store()?;
        match self.check(&store) {
            Ok((component, report)) => self.tell(&component, &report),
            Err(error) => self.refuse(error),
        }
    }

    fn check(&self, store: &PolicyStore) -> Result<(Vec<u8>, Report), PolicyError> {
        let component = PolicyStore::read(&self.component)?;
        let report = match &self.parameters {
            None => store.inspect(&component)?,
            Some(parameters) => store.policy(&component, parameters)?.report().clone(),
        };
        let description = report.description.as_deref().filter(|text| has_schema(text));
        let parameters: Vec<_> = self.parameters.iter().map(String::as_str).collect();
        match description.map(|text| store.unfit(text, &parameters)).transpose()?.flatten() {
            Some((_, unfit)) => Err(unfit),
            None => Ok((component, report)),
        }
    }

    fn refuse(&self, error: PolicyError) -> anyhow::Result<ExitCode> {
        let code = error.code();
        let error = anyhow::Error::from(error);
        if self.json {
            let refused = Refused { ok: false, code, message: format!("{error:#}") };
            super::print(&serde_json::to_string(&refused)?)?;
        } else {
            complain(format_args!("{}: {error:#} [{code}]", self.component.display()));
        }
        Ok(ExitCode::FAILURE)
    }

    fn tell(&self, component: &[u8], report: &Report) -> anyhow::Result<ExitCode> {
        if self.json {
            super::print(&serde_json::to_string(report)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut words =
            format!("{} is a component of the world {}\n", self.component.display(), report.world.name());
        if let Some(description) = Description::of(component) {
            let Description { name, version, summary, .. } = description;
            words.push_str(&format!("  it is      {name} {version}: {} / {}\n", summary.en, summary.zh));
        }
        let asks = if report.facts.is_empty() { "nothing".to_owned() } else { report.facts.join(", ") };
        words.push_str(&format!("  it may ask {asks}\n"));
        words.push_str(&format!(
            "  it has     {} bytes, {} functions, {} bytes of memory",
            report.component_bytes, report.functions, report.memory_bytes
        ));
        super::print(&words)?;
        Ok(ExitCode::SUCCESS)
    }
}
