//! What is known of a member, for a decision.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jifen_ledger::Needs;
use jifen_loyalty::decision::Usage;
use jifen_loyalty::event::{Happening, Occasion};
use jifen_loyalty::lot::Purse;
use jifen_loyalty::member::{Grants, Profile, Referral};
use jifen_loyalty::program::Deployment;
use jifen_loyalty::receipt::Evaluation;
use jifen_loyalty::{Decision, DeploymentId, Fact, Facts, Instant, Member, MemberId, Points, Program};
use rules_guest::calendar::Day;

use super::{Answers, Known};
use crate::active::Active;

/// Where the facts of an evaluation come from.
pub(crate) trait Source {
    /// Returns where it is remembered what policies answered.
    fn answers(&self) -> Option<&Answers> {
        None
    }
    /// Returns who brought the member.
    fn referral(&self) -> Option<&Referral>;
    /// Returns what a deployment may know.
    fn facts(&self, deployment: &DeploymentId, purse: Purse<'_>, needs: Needs, today: &Day) -> Facts;
    /// Returns what a deployment's caps and budget have counted.
    fn usage(&self, deployment: &Deployment, today: &Day) -> Usage;
}

/// The ledger's view of a member, at one instant.
pub(crate) struct View<'a> {
    program: &'a Program,
    time: Instant,
    member: &'a Member,
    /// The profile with what the event says of the member.
    pub(super) said: Cow<'a, Profile>,
    /// Who brought the member, by what is known of both now.
    pub(super) referral: Option<Referral>,
    /// The member who referred this one, as far as it was read.
    referrer: Option<&'a Member>,
    budgets_used: &'a BTreeMap<DeploymentId, Points>,
    answers: Option<&'a Answers>,
}

impl<'a> View<'a> {
    /// Returns what is known of a member to whom something happens.
    pub(crate) fn new(happening: &'a Happening, known: &Known<'a>) -> Self {
        let profile = &known.member.profile;
        let read = |id| known.referrers.get(id);
        let (said, referrer) = match &happening.occasion {
            Occasion::Registration(registration) => {
                let referrer = registration.referrer.as_ref().and_then(read);
                let said = profile.joined(registration, referrer.map(|referrer| &referrer.profile));
                (Cow::Owned(said), referrer)
            }
            Occasion::Purchase(_) | Occasion::Run(_) => {
                let referral = profile.referral.as_ref();
                (Cow::Borrowed(profile), referral.and_then(|referral| read(&referral.by)))
            }
        };
        let Known { program, member, budgets_used, answers, .. } = *known;
        let mut referral = said.referral.clone();
        if let (Some(referral), Some(referrer)) = (&mut referral, referrer) {
            referral.same_person |= said.is_same_person(&referrer.profile);
            let payer = reviewed_payer(known.program, &happening.occasion);
            referral.same_payer_day = payer.and_then(|payer| referrer.profile.payers.get(payer)).copied();
        }
        Self { program, time: happening.time, member, said, referral, referrer, budgets_used, answers }
    }

    /// Returns what is known of a member who wants to use points.
    pub(crate) fn of(time: Instant, member: &'a Member, known: &Known<'a>) -> Self {
        let said = Cow::Borrowed(&member.profile);
        let referral = said.referral.clone();
        let Known { program, budgets_used, answers, .. } = *known;
        Self { program, time, member, said, referral, referrer: None, budgets_used, answers }
    }

    /// Returns whether a decision depends on whether the member and the referrer are one person, who may say who that is after the
    /// member did, or paid from one account.
    pub(super) fn compares(
        &self,
        happening: &Happening,
        decision: &Decision,
        evaluations: &[Evaluation],
    ) -> bool {
        let Some(referral) = &self.said.referral else { return false };
        let told = |evaluation: &Evaluation| {
            evaluation.answers().iter().any(|answer| answer.fact == Fact::ReferralSamePerson)
        };
        let asks = || decision.awards.iter().any(|award| award.to.as_ref() == Some(&referral.by));
        let matters = match happening.occasion {
            Occasion::Registration(_) => true,
            // What remains after a return may ask for more than all of it did.
            Occasion::Purchase(_) => !evaluations.is_empty(),
            Occasion::Run(_) => asks() || evaluations.iter().any(told),
        };
        matters && (is_comparable(&self.said) || reviewed_payer(self.program, &happening.occasion).is_some())
    }

    /// Returns the referrer with the version that a decision depends on: where it compares the persons, or counts what the
    /// referrer was granted.
    pub(super) fn relied_on(
        &self,
        active: &Active,
        compared: bool,
        decision: &Decision,
    ) -> Option<(MemberId, u64)> {
        let by = &self.said.referral.as_ref()?.by;
        let counts = |it: &&Deployment| it.cap.of_referrers() && decision.asks_for(&it.id, by);
        let counted = active.program.deployments.iter().find(counts).is_some();
        let version = self.referrer.map_or(0, |referrer| referrer.version);
        (compared || counted).then(|| (by.clone(), version))
    }
}

impl Source for View<'_> {
    fn answers(&self) -> Option<&Answers> {
        self.answers
    }

    fn referral(&self) -> Option<&Referral> {
        self.referral.as_ref()
    }

    fn facts(&self, deployment: &DeploymentId, purse: Purse<'_>, needs: Needs, today: &Day) -> Facts {
        let mut known =
            crate::facts::known(self.time, self.member, &self.said, deployment, purse, needs, today);
        known.referral.clone_from(&self.referral);
        if needs.lots {
            known.untold = crate::facts::untold(self.program.zone, self.time, self.member, purse);
        }
        if let Some((level, by)) = self.program.levels() {
            if needs.lots {
                known.level = crate::facts::available(self.time, self.member, Purse::of(&level.id));
            }
            if needs.granted_by_day {
                known.earned_by_day = crate::facts::earned(self.member, &by.id);
            }
        }
        Facts::Known(known)
    }

    fn usage(&self, deployment: &Deployment, today: &Day) -> Usage {
        if !counts(deployment) {
            return Usage::default();
        }
        let unit = &self.program.unit_of(deployment).id;
        let grants = |for_other| Grants { deployment: deployment.id.clone(), unit: unit.clone(), for_other };
        let granted = |to, days| crate::facts::granted(to, &grants(false), days);
        let for_others = |to, days| crate::facts::granted(to, &grants(true), days);
        let (day, month) = (today.number()..=today.number(), crate::facts::month_of(today));
        let referrer = self.referrer.filter(|_| deployment.cap.of_referrers());
        let member = Some(self.member).filter(|_| deployment.cap.over_periods());
        Usage {
            day: member.map_or(Points::ZERO, |member| granted(member, day.clone())),
            month: member.map_or(Points::ZERO, |member| granted(member, month.clone())),
            referrer_day: referrer.map_or(Points::ZERO, |referrer| for_others(referrer, day)),
            referrer_month: referrer.map_or(Points::ZERO, |referrer| for_others(referrer, month)),
            budget: self.budgets_used.get(&deployment.id).copied().unwrap_or_default(),
        }
    }
}

/// Returns whether something that was granted before counts against a deployment.
pub(crate) fn counts(deployment: &Deployment) -> bool {
    deployment.cap.over_periods() || deployment.cap.of_referrers() || deployment.budget.is_some()
}

/// Returns whether a member's referrer may turn out to be the same person.
pub(crate) fn is_comparable(profile: &Profile) -> bool {
    profile.person.is_some() && profile.referral.as_ref().is_some_and(|referral| !referral.same_person)
}

/// Returns the account from which something was paid, where a review may ask for whether the referrer paid from it.
pub(crate) fn reviewed_payer<'o>(program: &Program, occasion: &'o Occasion) -> Option<&'o str> {
    occasion.payer().filter(|_| program.reviews())
}
