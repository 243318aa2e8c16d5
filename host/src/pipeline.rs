//! One event, all the way: every stage, in order, on one screen.
//!
//! ```text
//! event ──► facts ──► policies (wasm) ──► proposals ──► decision ──► postings ──► receipt
//! ```
//!
//! Nothing flows back up, and nothing here touches the ledger: [`process`] takes what the ledger knew and returns
//! what the ledger shall write. Replay takes the same way, with a receipt in the ledger's place.

use std::collections::BTreeMap;
use std::sync::Arc;

use jifen_engine::Prepared;
use jifen_ledger::Needs;
use jifen_loyalty::decision::{Answered, Terms, Usage};
use jifen_loyalty::entry::BudgetDraw;
use jifen_loyalty::event::Occasion;
use jifen_loyalty::program::{Deployment, Situation};
use jifen_loyalty::receipt::{Evaluation, Inputs, Sealed};
use jifen_loyalty::{
    Decision, DeploymentId, Entry, Event, Facts, Fault, InvalidEvent, Member, MemberId, Points, Posting,
    Receipt, UnitId,
};
use rules_guest::calendar::Day;

use crate::active::{Active, Deployed};

/// Deployments that failed to answer, and how.
pub(crate) type Faults = Vec<(DeploymentId, Fault)>;

/// Where the facts of an evaluation come from.
pub(crate) trait Source {
    /// Returns who brought the member.
    fn referrer(&self) -> Option<&MemberId>;
    /// Returns what a deployment may know.
    fn facts(&self, deployment: &Deployment, unit: &UnitId, needs: Needs, today: &Day) -> Facts;
    /// Returns what a deployment's caps and budget have counted.
    fn usage(&self, deployment: &Deployment, today: &Day) -> Usage;
}

/// What an event comes to.
pub(crate) struct Processed {
    /// The receipt.
    pub(crate) receipt: Receipt,
    /// Its canonical form.
    pub(crate) sealed: Sealed,
    /// The lots that open.
    pub(crate) lots: Vec<jifen_loyalty::entry::NewLot>,
    /// Both sides of every movement.
    pub(crate) postings: Vec<Posting>,
}

/// Evaluates an event on what a source knows.
pub(crate) fn evaluate(
    active: &Active,
    event: &Event,
    situation: Situation<'_>,
    source: &impl Source,
) -> Processed {
    let program = &active.program;
    let today = &situation.today.day;
    let category = situation.merchant.map_or("", |merchant| merchant.category.as_str());
    let prepared = Prepared::new(&event.occasion, category, &situation.today);
    let terms = Terms { program, event, situation, referrer: source.referrer() };

    let mut evaluations = Vec::new();
    let mut decision = Decision::default();
    for (place, lane) in program.lanes.iter().enumerate() {
        let mut answers = Vec::new();
        for Deployed { deployment, policy, needs } in active.lane(place) {
            if !deployment.applies(event, &situation) {
                continue;
            }
            let unit = &program.unit_of(deployment).id;
            let points_so_far = decision.points_so_far(event, unit);
            let usage = source.usage(deployment, today);
            let facts = source.facts(deployment, unit, needs, today);
            let evaluation = policy.evaluate(&prepared, points_so_far, facts);
            evaluations.push(Evaluation {
                deployment: deployment.id.clone(),
                points_so_far,
                fuel: evaluation.fuel_used,
                facts: evaluation.asked,
                usage: counts(deployment).then_some(usage),
            });
            answers.push(Answered { deployment, outcome: evaluation.outcome, usage });
        }
        decision.close(lane, &terms, answers);
    }

    let receipt = Receipt {
        program: active.digest.clone(),
        day: today.number(),
        referrer: source.referrer().cloned(),
        evaluations,
        decision,
    };
    let lots = receipt.lots();
    let postings = Receipt::postings(&lots);
    let sealed = receipt.seal(event, program.zone, &postings);
    Processed { receipt, sealed, lots, postings }
}

/// Processes an event of a member whom the ledger knows so well. Returns what to write, and which deployments failed
/// to answer.
///
/// # Errors
///
/// If the event cannot be applied to this member at all.
pub(crate) fn process(
    active: &Active,
    event: &Arc<Event>,
    member: &Member,
    budgets_used: &BTreeMap<DeploymentId, Points>,
) -> Result<(Entry, Faults), InvalidEvent> {
    let situation = active.program.situate(event)?;
    admit(event, member)?;
    let view = View { event, member, budgets_used };
    let Processed { receipt, sealed, lots, postings } = evaluate(active, event, situation, &view);
    let entry = Entry {
        event: Arc::clone(event),
        day: receipt.day,
        member_version: member.version,
        profile: member.profile.after(&event.occasion, receipt.day),
        budgets: budget_draws(active, &receipt),
        lots,
        postings,
        receipt: sealed.json,
        receipt_digest: sealed.digest,
    };
    Ok((entry, receipt.decision.faults))
}

fn admit(event: &Event, member: &Member) -> Result<(), InvalidEvent> {
    if matches!(event.occasion, Occasion::Registration(_)) && member.profile.registered_day != 0 {
        let reason = format!("{} is registered already", event.member);
        return Err(InvalidEvent { field: "data.member".to_owned(), reason });
    }
    Ok(())
}

/// Returns whether something that was granted before counts against a deployment.
fn counts(deployment: &Deployment) -> bool {
    deployment.cap.over_periods() || deployment.budget.is_some()
}

fn budget_draws(active: &Active, receipt: &Receipt) -> Vec<BudgetDraw> {
    let draw = |evaluation: &Evaluation| {
        let budget = active.deployment(&evaluation.deployment)?.budget?;
        let granted = receipt.decision.granted_to(&evaluation.deployment);
        let limited = receipt.decision.limited_by_budget(&evaluation.deployment);
        (limited || !granted.is_zero()).then(|| BudgetDraw {
            deployment: evaluation.deployment.clone(),
            budget: budget.points,
            used_before: evaluation.usage.unwrap_or_default().budget,
            granted,
            limited,
        })
    };
    receipt.evaluations.iter().filter_map(draw).collect()
}

/// The ledger's view of a member, for one event.
struct View<'a> {
    event: &'a Event,
    member: &'a Member,
    budgets_used: &'a BTreeMap<DeploymentId, Points>,
}

impl Source for View<'_> {
    fn referrer(&self) -> Option<&MemberId> {
        match &self.event.occasion {
            Occasion::Registration(registration) => registration.referrer.as_ref(),
            Occasion::Purchase(_) => self.member.profile.referrer.as_ref(),
        }
    }

    fn facts(&self, deployment: &Deployment, unit: &UnitId, needs: Needs, today: &Day) -> Facts {
        crate::facts::known(self.event, self.member, deployment, unit, needs, today)
    }

    fn usage(&self, deployment: &Deployment, today: &Day) -> Usage {
        if !counts(deployment) {
            return Usage::default();
        }
        let granted = |days| crate::facts::granted(self.member, &deployment.id, days);
        Usage {
            day: granted(today.number()..=today.number()),
            month: granted(crate::facts::month_of(today)),
            budget: self.budgets_used.get(&deployment.id).copied().unwrap_or_default(),
        }
    }
}

/// A receipt's view: what was asked and counted then.
impl Source for Inputs {
    fn referrer(&self) -> Option<&MemberId> {
        self.referrer.as_ref()
    }

    fn facts(&self, deployment: &Deployment, _: &UnitId, _: Needs, _: &Day) -> Facts {
        let evaluation = self.evaluations.iter().find(|evaluation| evaluation.deployment == deployment.id);
        Facts::Recorded(evaluation.map(|evaluation| evaluation.facts.clone()).unwrap_or_default())
    }

    fn usage(&self, deployment: &Deployment, _: &Day) -> Usage {
        let evaluation = self.evaluations.iter().find(|evaluation| evaluation.deployment == deployment.id);
        evaluation.and_then(|evaluation| evaluation.usage).unwrap_or_default()
    }
}
