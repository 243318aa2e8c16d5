//! `jifen case`: a production event becomes a fixture.

use std::num::NonZeroUsize;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jifen_loyalty::receipt::Evaluation;
use jifen_loyalty::{Event, Receipt};
use rules_guest::case::{Case as Fixture, Outcome};
use serde_json::value::RawValue;

use crate::active;
use crate::cases::{Respondent, stated_facts};
use crate::releases::Releases;

#[derive(Args)]
pub(super) struct Case {
    #[command(flatten)]
    ledger: super::LedgerArg,
    /// The deployment whose policy the case is of; needed where several evaluated the event
    #[arg(long)]
    deployment: Option<String>,
    /// Who sent the event
    source: String,
    /// The sender's name for it
    id: String,
}

impl Case {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let ledger = self.ledger.open()?;
        let Self { source, id, .. } = &self;
        let logged = ledger
            .find(source, id)?
            .with_context(|| format!("find an event {id} of {source} in the ledger"))?;
        let receipt = Receipt::inputs(&logged.receipt)?;
        let evaluation = self.choose(&receipt.evaluations)?;
        let event = Event::parse(&logged.event)?;
        let (program, pins) = active::program_of(&*ledger, &logged)?;
        let happening = event
            .happening()
            .context("take a purchase or a registration; of a refund, the purchase that it returns")?;
        let situation = program.situate(happening)?;
        let deployed = program.deployments.iter().zip(&pins.policies);
        let (deployment, pin) = deployed
            .into_iter()
            .find(|(deployment, _)| deployment.id == evaluation.deployment)
            .context("find the deployment in the program")?;
        let release = Releases::new(None, Some(&*ledger)).find_digest(&pin.component)?;
        let mut case = Fixture {
            about: format!("Event {id} of {source}, as {} evaluated it.", deployment.id),
            parameters: RawValue::from_string(deployment.parameters.clone())?,
            event: in_zone(&logged.event, &program.zone.format(event.time))?,
            merchant_category: situation
                .merchant
                .map_or_else(String::new, |merchant| merchant.category.clone()),
            market_day: situation.today.market_day,
            points_so_far: evaluation.points_so_far.get(),
            facts: stated_facts(evaluation),
            expect: Outcome::Awards(Vec::new()),
        };
        let store = super::policy_store()?;
        (case.expect, _) = Respondent::new(&release.component, &store, NonZeroUsize::MIN).run(&case)?;
        super::print(&case.to_json().trim_end())?;
        Ok(ExitCode::SUCCESS)
    }

    fn choose<'a>(&self, evaluations: &'a [Evaluation]) -> anyhow::Result<&'a Evaluation> {
        let named = |evaluation: &&Evaluation| {
            self.deployment.as_deref().is_none_or(|name| evaluation.deployment.as_str() == name)
        };
        let mut found = evaluations.iter().filter(named);
        let (first, more) = (found.next(), found.next());
        let names: Vec<_> = evaluations.iter().map(|evaluation| evaluation.deployment.as_str()).collect();
        anyhow::ensure!(
            more.is_none(),
            "several deployments evaluated the event; choose one with --deployment: {}",
            names.join(", ")
        );
        first.with_context(|| {
            format!("find such a deployment; the event was evaluated by: {}", names.join(", "))
        })
    }
}

/// Returns a canonical event as a case has it, its time written in the program's zone: a case's day is the date that
/// it writes.
fn in_zone(canonical: &[u8], time: &str) -> anyhow::Result<rules_guest::case::Event> {
    let mut event: serde_json::Value = serde_json::from_slice(canonical)?;
    event["time"] = time.into();
    Ok(serde_json::from_value(event)?)
}
