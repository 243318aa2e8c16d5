//! What a merchant is shown of a receipt: what was decided on an event at the merchant, and nothing that is the member's with others.

use indexmap::IndexMap;
use jifen_loyalty::DeploymentId;
use serde_json::value::{RawValue, to_raw_value};

use super::access::Caller;
use super::intake::Desk;
use crate::batch::{Outcome, Recorded};

/// Who brought the member, and what is known of the two.
const PERSONAL: [&str; 3] = ["referrer", "same_person", "same_payer"];
/// What a rule asked and knew of the member, and what was counted for it.
const ASKED: [&str; 3] = ["facts", "known", "usage"];

/// The members of an object, as they stand in it.
type Members = IndexMap<String, Box<RawValue>>;

impl Caller {
    /// Returns a receipt as it may be seen. With a merchant's key, that is with what the merchant's own rules asked: others ask about
    /// purchases anywhere, and count what is the platform's.
    pub(super) fn shown(&self, desk: &Desk, receipt: Vec<u8>) -> Vec<u8> {
        let Some(merchant) = self.merchant() else { return receipt };
        let active = desk.active();
        let is_own = |deployment: &str| {
            let deployment = active.deployment(&DeploymentId::from(deployment));
            deployment.is_some_and(|deployment| deployment.scope.merchant.as_ref() == Some(merchant))
        };
        without_others(&receipt, &is_own).expect("a receipt is an object, and its evaluations are objects")
    }

    /// Returns what became of an event as it may be seen.
    pub(super) fn shown_of(&self, desk: &Desk, mut outcome: Outcome) -> Outcome {
        if let Outcome::Applied { recorded, .. } | Outcome::Duplicate(recorded) = &mut outcome {
            let Recorded { receipt, .. } = recorded;
            *receipt = self.shown(desk, std::mem::take(receipt));
        }
        outcome
    }
}

fn without_others(receipt: &[u8], is_own: &impl Fn(&str) -> bool) -> serde_json::Result<Vec<u8>> {
    let mut receipt: Members = serde_json::from_slice(receipt)?;
    receipt.retain(|name, _| !PERSONAL.contains(&&**name));
    without_asked(&mut receipt, is_own)?;
    if let Some(json) = receipt.get_mut("refund") {
        let mut refund: Members = serde_json::from_str(json.get())?;
        without_asked(&mut refund, is_own)?;
        *json = to_raw_value(&refund)?;
    }
    serde_json::to_vec(&receipt)
}

/// Leaves out what others' rules asked.
fn without_asked(members: &mut Members, is_own: &impl Fn(&str) -> bool) -> serde_json::Result<()> {
    let Some(json) = members.get_mut("evaluations") else { return Ok(()) };
    let mut evaluations: Vec<Members> = serde_json::from_str(json.get())?;
    for evaluation in &mut evaluations {
        let deployment = evaluation.get("deployment").map(|id| serde_json::from_str::<String>(id.get()));
        if !deployment.transpose()?.is_some_and(|id| is_own(&id)) {
            evaluation.retain(|name, _| !ASKED.contains(&&**name));
        }
    }
    *json = to_raw_value(&evaluations)?;
    Ok(())
}
