//! Corrections: a purchase decided anew, as if another program had been at work (scenario F8).
//!
//! The whole purchase is put to the program that the correction names, on what was known then, and so is what remains of it, if
//! anything was returned; the difference to what the order came to so far is posted. From then on the order is one of that program:
//! what is returned later is decided by it. What caps had counted by then stays counted, and a budget gives nothing more.

use jifen_ledger::Needs;
use jifen_loyalty::clawback::{Clawback, Level, Reach};
use jifen_loyalty::decision::{Granted, Usage};
use jifen_loyalty::facts::{Answer, Fact};
use jifen_loyalty::lot::Purse;
use jifen_loyalty::member::{Grants, Referral};
use jifen_loyalty::program::Deployment;
use jifen_loyalty::refund::Remainder;
use jifen_loyalty::{Decision, DeploymentId, Facts, InvalidEvent, MemberId, Points, Program};
use rules_guest::calendar::Day;

use super::bought::Bought;
use super::{Settled, Then, clawback, differences, keep_to, levels, remaining};
use crate::active::Active;
use crate::pipeline::{Source, counts, evaluate};

/// Decides a purchase anew and works out the differences. `whole` and `rest` know what was known of it, and of what remains.
pub(super) fn correct(
    pinned: &Active,
    bought: &Bought,
    (remainder, denied): (&Remainder<'_>, Option<&MemberId>),
    (whole, rest): (&impl Source, &impl Source),
    reach: impl FnMut(&Level, Clawback, &[Granted]) -> Vec<Reach>,
) -> Result<Settled, InvalidEvent> {
    let happening = &bought.happening;
    let (of_whole, whole) = evaluate(pinned, happening, pinned.program.situate(happening)?, whole)?;
    answered(&of_whole)?;
    let first = of_whole.levels();
    let (mut decision, evaluations) = if bought.is_untouched()? {
        (of_whole.clone(), Vec::new())
    } else {
        remaining(pinned, happening, remainder, rest)?
    };
    answered(&decision)?;
    let mut levels = levels(pinned, remainder, &decision, denied, &first, &first);
    keep_to(&mut levels, pinned, denied, &bought.levels);
    // What is kept of a purchase that was returned is on the terms that the whole of it had.
    decision.awards.extend(of_whole.awards);
    // Nobody owes what somebody else did wrong.
    let mode = |of: &Level| match clawback(pinned, &of.unit) {
        Clawback::Debt | Clawback::WithinBalance => Clawback::WithinBalance,
        Clawback::OnlyPending => Clawback::OnlyPending,
    };
    let (decision, reversals) = differences(decision, &levels, &bought.levels, mode, reach);
    Ok(Settled { decision, evaluations, levels, reversals, whole: Some((whole, first)) })
}

/// Checks that nothing is wrong with what deployments answered: what is not known any more is not guessed.
fn answered(decision: &Decision) -> Result<(), InvalidEvent> {
    let Some((deployment, fault)) = decision.faults.first() else { return Ok(()) };
    let reason = format!(
        "cannot decide this purchase anew: {deployment} failed to answer on what is known of it: {fault}"
    );
    Err(InvalidEvent { field: "data.program".to_owned(), reason })
}

/// What was known when a purchase was evaluated, for a program that may ask something else.
pub(super) struct Anew<'a> {
    pub(super) then: Then<'a>,
    pub(super) program: &'a Program,
}

impl Source for Anew<'_> {
    fn referral(&self) -> Option<&Referral> {
        self.then.referral()
    }

    fn facts(&self, deployment: &DeploymentId, purse: Purse<'_>, needs: Needs, today: &Day) -> Facts {
        let facts = self.then.facts(deployment, purse, needs, today);
        let Facts::Pinned { mut recorded, history } = facts else { return facts };
        // What others were told of the member is so whoever asks.
        let told = self.then.evaluations.iter().flat_map(|evaluation| evaluation.answers());
        recorded.extend(told.filter(|Answer { fact, .. }| is_of_member(*fact)));
        Facts::Pinned { recorded, history }
    }

    fn usage(&self, deployment: &Deployment, today: &Day) -> Usage {
        let recorded = self.then.evaluation(&deployment.id).and_then(|evaluation| evaluation.usage);
        let (None, Some(before)) = (recorded, self.then.history) else {
            return recorded.unwrap_or_default();
        };
        if !counts(deployment) {
            return Usage::default();
        }
        let unit = self.program.unit_of(deployment).id.clone();
        let grants = Grants { deployment: deployment.id.clone(), unit, for_other: false };
        let granted = |days| crate::facts::granted(before, &grants, days);
        Usage {
            day: granted(today.number()..=today.number()),
            month: granted(crate::facts::month_of(today)),
            referrer_day: Points::ZERO,
            referrer_month: Points::ZERO,
            budget: Points::ZERO,
        }
    }
}

/// Returns whether a fact is the same whichever deployment asks.
fn is_of_member(fact: Fact) -> bool {
    match fact {
        Fact::AwardsGrantedSince(_)
        | Fact::BalanceAvailable
        | Fact::BalancePending
        | Fact::ExpiringUntoldUntil(_) => false,
        Fact::PurchasesLifetimeCount
        | Fact::PurchasesLifetimeSpendMinor
        | Fact::PurchasesCountSince(_)
        | Fact::PurchasesSpendMinorSince(_)
        | Fact::PurchasesLastDay
        | Fact::TierLevel
        | Fact::TierEarnedSince(_)
        | Fact::MembershipRegisteredDay
        | Fact::MembershipReferred
        | Fact::ReferralPresent
        | Fact::ReferralSamePerson
        | Fact::BirthdayCivilToday
        | Fact::BirthdayCivilMonth
        | Fact::BirthdayLunarToday
        | Fact::BirthdayLeapLunarToday
        | Fact::BirthdayLunarMonth => true,
    }
}
