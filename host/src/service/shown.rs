//! What is shown of a receipt. To a merchant what was decided on an event at the merchant, and nothing that the member has or did
//! elsewhere; to a member what concerns the member, and nothing of whoever referred the member.

use std::mem;

use indexmap::IndexMap;
use jifen_loyalty::lot::Issuer;
use jifen_loyalty::program::Scope;
use jifen_loyalty::{MerchantId, Program};
use serde_json::value::{RawValue, to_raw_value};

use super::access::Caller;
use super::events::aside;
use super::intake::Desk;
use crate::batch::{Outcome, Recorded};
use crate::extract::is_of;
use crate::keys::Role;

/// What is shown. Not the version, which counts what happened to the member anywhere; who brought the member; debts, lots that ended and
/// terms that changed, which are of points from elsewhere.
const SHOWN: [&str; 15] = [
    "source",
    "id",
    "member",
    "time",
    "day",
    "event",
    "program",
    "awards",
    "declined",
    "notices",
    "faults",
    "evaluations",
    "refund",
    "redemptions",
    "postings",
];
/// What a rule asked and knew of the member, what was counted for it, and its fuel, by which its own author could tell what it was answered.
const ASKED: [&str; 4] = ["facts", "known", "usage", "fuel"];
/// What is of somebody: the list, and what in it says of whom.
const OF_SOMEBODY: [(&str, &str); 5] =
    [("awards", "to"), ("first", "to"), ("levels", "to"), ("reversals", "to"), ("postings", "account")];
/// What of a reversal or a posting tells which points the member had, and was left with.
const OF_THE_REST: [&str; 4] = ["lot", "taken", "debt", "forgiven"];
/// The postings that are shown. Others pay what is owed elsewhere, end what was held elsewhere, or take what was left.
const POSTED: [&str; 2] = ["award", "redemption"];
/// The points that a use of points moves, of which is shown how many they are and not which.
const MOVED: [&str; 5] = ["held", "captured", "released", "cancelled", "returned"];

/// Who had referred the member, and what is known of that.
const OF_THE_REFERRER: [&str; 3] = ["referrer", "same_person", "same_payer"];
/// What a rule asked and could have asked, and how facts are called that are of who referred the member.
const ANSWERED: [&str; 2] = ["facts", "known"];
const OF_REFERRALS: &str = "referral.";
/// What caps and budgets had counted, of whoever referred the member and of everybody, too.
const COUNTED: &str = "usage";

/// The members of an object, as they stand in it.
type Object = IndexMap<String, Box<RawValue>>;

impl Caller {
    /// Returns a receipt as it may be seen: with a merchant's or a member's key, what is theirs of it. What rules asked is shown to a
    /// merchant of those that the program at work has for that merchant alone, if it is the one that decided.
    pub(super) fn shown(&self, desk: &Desk, receipt: Vec<u8>) -> Vec<u8> {
        let shown = match self.role() {
            Role::Operator | Role::Auditor => return receipt,
            Role::Member(_) => aside(receipt.len(), || to_member(&receipt)),
            Role::Merchant(merchant) => {
                let active = desk.active();
                aside(receipt.len(), || to_merchant(&receipt, merchant, (&active.digest, &active.program)))
            }
        };
        shown.expect("a receipt is an object of lists of objects")
    }

    /// Leaves what may be seen. The digest is of all of it, and so little is left out that it could be guessed by that.
    pub(super) fn show(&self, desk: &Desk, recorded: &mut Recorded) {
        if matches!(self.role(), Role::Merchant(_) | Role::Member(_)) {
            recorded.receipt = self.shown(desk, mem::take(&mut recorded.receipt));
            recorded.digest = None;
        }
    }

    /// Returns what became of an event as it may be seen.
    pub(super) fn shown_of(&self, desk: &Desk, mut outcome: Outcome) -> Outcome {
        if let Outcome::Applied { recorded, .. } | Outcome::Duplicate(recorded) = &mut outcome {
            self.show(desk, recorded);
        }
        outcome
    }
}

fn to_merchant(
    receipt: &[u8],
    merchant: &MerchantId,
    (digest, program): (&str, &Program),
) -> serde_json::Result<Vec<u8>> {
    let mut receipt: Object = serde_json::from_slice(receipt)?;
    receipt.retain(|name, _| SHOWN.contains(&&**name));
    let member = text(&receipt, "member")?;
    let at_work = text(&receipt, "program")? == digest;
    let is_own = |id: &str| {
        at_work && scope(program, id).is_some_and(|scope| scope.merchant.as_ref() == Some(merchant))
    };
    let accounts =
        [member.clone(), format!("member/{member}"), Issuer::Merchant(merchant.clone()).to_string()];
    in_both(&mut receipt, |object| only_own(object, &accounts, &is_own))?;
    each(&mut receipt, "redemptions", |redemption| {
        for list in MOVED {
            each(redemption, list, |part| {
                part.retain(|name, _| name == "points");
                Ok(true)
            })?;
        }
        // What was held elsewhere, and is over.
        Ok(text(redemption, "merchant")? == merchant.as_str())
    })?;
    serde_json::to_vec(&receipt)
}

fn to_member(receipt: &[u8]) -> serde_json::Result<Vec<u8>> {
    let mut receipt: Object = serde_json::from_slice(receipt)?;
    receipt.retain(|name, _| !OF_THE_REFERRER.contains(&&**name));
    let member = text(&receipt, "member")?;
    in_both(&mut receipt, |object| {
        for (list, of) in OF_SOMEBODY {
            each(object, list, |item| text(item, of).map(|whose| whose == member || is_of(&whose, &member)))?;
        }
        each(object, "evaluations", |evaluation| {
            evaluation.retain(|name, _| &**name != COUNTED);
            for list in ANSWERED {
                let Some(json) = evaluation.get_mut(list) else { continue };
                let mut facts: Vec<(String, Box<RawValue>)> = serde_json::from_str(json.get())?;
                facts.retain(|(fact, _)| !fact.starts_with(OF_REFERRALS));
                *json = to_raw_value(&facts)?;
            }
            Ok(true)
        })
    })?;
    serde_json::to_vec(&receipt)
}

/// Changes a receipt, and the refund in it, if there is one: both have lists of the same names.
fn in_both(
    receipt: &mut Object,
    change: impl Fn(&mut Object) -> serde_json::Result<()>,
) -> serde_json::Result<()> {
    change(receipt)?;
    let Some(json) = receipt.get_mut("refund") else { return Ok(()) };
    let mut refund: Object = serde_json::from_str(json.get())?;
    change(&mut refund)?;
    *json = to_raw_value(&refund)?;
    Ok(())
}

/// Leaves out what is somebody else's, what others' rules asked, and where points are from.
fn only_own(
    object: &mut Object,
    accounts: &[String],
    is_own: &impl Fn(&str) -> bool,
) -> serde_json::Result<()> {
    for (list, of) in OF_SOMEBODY {
        each(object, list, |item| {
            item.retain(|name, _| !OF_THE_REST.contains(&&**name));
            let told = list != "postings" || POSTED.contains(&&*text(item, "kind")?);
            Ok(told && accounts.contains(&text(item, of)?))
        })?;
    }
    each(object, "evaluations", |evaluation| {
        if !is_own(&text(evaluation, "deployment")?) {
            evaluation.retain(|name, _| !ASKED.contains(&&**name));
        }
        Ok(true)
    })
}

/// Changes the objects of a list, if it is there, and keeps those of which that is said.
fn each(
    object: &mut Object,
    list: &str,
    mut keep: impl FnMut(&mut Object) -> serde_json::Result<bool>,
) -> serde_json::Result<()> {
    let Some(json) = object.get_mut(list) else { return Ok(()) };
    let mut kept = Vec::new();
    for mut item in serde_json::from_str::<Vec<Object>>(json.get())? {
        if keep(&mut item)? {
            kept.push(item);
        }
    }
    *json = to_raw_value(&kept)?;
    Ok(())
}

/// Returns a text; nothing where there is none.
fn text(object: &Object, name: &str) -> serde_json::Result<String> {
    object.get(name).map_or(Ok(String::new()), |json| serde_json::from_str(json.get()))
}

/// Returns what a rule of a program is for, whether it is one of earning or of redemption.
fn scope<'p>(program: &'p Program, id: &str) -> Option<&'p Scope> {
    let earning = program.deployments.iter().map(|it| (&it.id, &it.scope));
    let mut all = earning.chain(program.redemptions.iter().map(|it| (&it.id, &it.scope)));
    all.find(|(of, _)| of.as_str() == id).map(|(_, scope)| scope)
}
