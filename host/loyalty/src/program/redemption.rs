//! Redemption deployments: by which rules points are taken, and on which terms they come back.

use std::collections::BTreeMap;

use rules_guest::calendar::Calendar;

use super::{IssuerRule, PolicyRef, Scope, Situation};
use crate::event::{Cause, InvalidEvent, Line};
use crate::id::{DeploymentId, MerchantId};
use crate::lot::Issuer;
use crate::redemption::CancelTerms;
use crate::time::Instant;

/// A redemption policy with parameters, at work.
#[derive(Debug)]
pub struct RedemptionDeployment {
    /// Its name: no earning deployment has the same.
    pub id: DeploymentId,
    /// Which policy.
    pub policy: PolicyRef,
    /// The unit it takes, by place in [`super::Program::units`].
    pub unit: usize,
    /// Who owes for points that it gives for the trouble.
    pub issuer: IssuerRule,
    /// Where it applies.
    pub scope: Scope,
    /// The first instant of business time at which it applies.
    pub from: Instant,
    /// The first at which it no longer does.
    pub until: Instant,
    /// The business days on which it applies, if it does not on all.
    pub days: Option<Calendar>,
    /// Whose points are taken: those of others are neither counted nor taken. `None`: everybody's.
    pub accepts: Option<Vec<Issuer>>,
    /// How long points are held, in milliseconds.
    pub hold_ms: i64,
    /// What of a bill points pay for: they come back with it.
    pub covers: Covers,
    /// Items of which there are not any number.
    pub stock: BTreeMap<String, Stock>,
    /// What limits whoever pays in money: an offer may be limited by nothing else (scenario A22). Without it, by anything.
    pub parity: Option<Vec<String>>,
    /// What happens to used points that come back, by who caused it.
    pub cancel: BTreeMap<Cause, CancelTerms>,
    /// What it gives by itself at midnight to whoever can pay for it.
    pub at_close: Option<AtClose>,
    /// Its parameters, a JSON object with sorted keys.
    pub parameters: String,
    /// The line of the program file that names its policy.
    pub line: usize,
}

/// An item that is given by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtClose {
    /// Which.
    pub item: String,
    /// Where.
    pub merchant: MerchantId,
}

/// What of a bill points pay for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Covers {
    /// Goods and freight.
    #[default]
    Bill,
    /// Goods.
    Goods,
    /// Freight.
    Freight,
    /// Goods that the merchant marked with one of these.
    Tags(Vec<String>),
}

/// How many of an item there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// In all.
    pub total: Option<u64>,
    /// For each business day.
    pub per_day: Option<u64>,
}

impl Covers {
    /// Returns whether points pay for a line.
    pub fn line(&self, line: &Line) -> bool {
        match self {
            Self::Bill | Self::Goods => true,
            Self::Freight => false,
            Self::Tags(tags) => line.tags.iter().any(|tag| tags.contains(tag)),
        }
    }

    /// Returns whether points pay for the freight.
    pub const fn freight(&self) -> bool {
        match self {
            Self::Bill | Self::Freight => true,
            Self::Goods | Self::Tags(_) => false,
        }
    }
}

impl RedemptionDeployment {
    /// Returns whether the deployment applies to a request in its place.
    ///
    /// # Errors
    ///
    /// If that depends on a day that its calendar does not reach.
    pub fn applies(&self, time: Instant, situation: &Situation<'_>) -> Result<bool, InvalidEvent> {
        let here = self.from <= time && time < self.until && self.scope.covers(situation);
        if here { situation.is_on(self.days.as_ref()) } else { Ok(false) }
    }

    /// Returns the terms of a cancellation.
    pub fn terms(&self, cause: Cause) -> CancelTerms {
        self.cancel.get(&cause).copied().unwrap_or_default()
    }
}
