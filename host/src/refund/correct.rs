//! Corrections: a purchase decided anew, as if another program had been at work (scenario F8).
//!
//! The whole purchase is put to the program that the correction names, on what was known then, and so is what remains of it, if
//! anything was returned; the difference to what the order came to so far is posted. From then on the order is one of that program:
//! what is returned later is decided by it.
//!
//! What cannot be told any more, or would come out at somebody's cost who has no part in it, is refused ([`Corrected::admit`]).

use std::sync::Arc;

use jifen_ledger::Needs;
use jifen_loyalty::clawback::{Clawback, Level, Reach};
use jifen_loyalty::decision::{Granted, Usage};
use jifen_loyalty::event::Correction;
use jifen_loyalty::facts::{Answer, Fact};
use jifen_loyalty::lot::{Issuer, Purse};
use jifen_loyalty::member::{Grants, Referral};
use jifen_loyalty::program::Deployment;
use jifen_loyalty::refund::Remainder;
use jifen_loyalty::{Decision, DeploymentId, Facts, Instant, InvalidEvent, MemberId, Points, UnitId};
use rules_guest::calendar::Day;

use super::bought::Bought;
use super::{Settled, Then, Whole, granted, keep_to, levels, program_of, remaining, reversals};
use crate::active::Active;
use crate::error::Undecided;
use crate::pipeline::{Source, counts, evaluate};
use crate::programs::Programs;

/// Decides a purchase anew and works out the differences. `whole` and `rest` know what was known of it, and of what remains.
pub(super) fn correct(
    pinned: &Active,
    bought: &Bought,
    (remainder, denied): (&Remainder<'_>, Option<&MemberId>),
    (whole, rest): (&impl Source, &impl Source),
    reach: impl FnMut(&Level, Clawback, &[Granted]) -> Vec<Reach>,
) -> Result<Settled, InvalidEvent> {
    let happening = &bought.happening;
    let situation = pinned.program.situate(happening).map_err(|wrong| refused(&wrong.to_string()))?;
    let (of_whole, whole) = evaluate(pinned, happening, situation, whole)?;
    answered(pinned, &of_whole, &happening.member)?;
    let mut first = of_whole.levels();
    keep_to(&mut first, pinned, None, &bought.first);
    let (mut decision, evaluations) = if bought.is_untouched()? {
        (of_whole.clone(), Vec::new())
    } else {
        remaining(pinned, happening, remainder, rest)?
    };
    answered(pinned, &decision, &happening.member)?;
    let mut levels = levels(pinned, remainder, &decision, denied, &first, &first);
    keep_to(&mut levels, pinned, denied, &bought.levels);
    is_replaced(pinned, &of_whole, &levels, &bought.levels)?;
    let awards = levels.iter().flat_map(|level| {
        let before = granted(&bought.levels, level);
        let of_rest = more(&decision.awards, level, before);
        // What is kept of a purchase that was returned is on the terms that the whole of it had.
        if of_rest.is_empty() { more(&of_whole.awards, level, before) } else { of_rest }
    });
    decision.awards = awards.collect();
    // Nobody owes what somebody else did wrong, whatever the unit says of returns.
    let mode = |_: &Level| Clawback::WithinBalance;
    let reversals = reversals(&levels, &bought.levels, &decision.awards, mode, reach);
    let whole = Some(Whole { evaluations: whole, levels: first });
    Ok(Settled { decision, evaluations, levels, reversals, whole })
}

/// Checks that what goes down for a member is not what a budget keeps from coming in its place.
fn is_replaced(
    pinned: &Active,
    decision: &Decision,
    levels: &[Level],
    before: &[Level],
) -> Result<(), InvalidEvent> {
    let goes_down = |of: &Level| {
        let mut same = before.iter().filter(|old| (&old.to, &old.unit) == (&of.to, &of.unit));
        same.any(|old| granted(levels, old) < old.granted)
    };
    let budgeted = |of: &&Level| pinned.deployment(&of.deployment).is_some_and(|it| it.budget.is_some());
    let kept = |of: &&Level| granted(levels, of).is_zero() && granted(before, of).is_zero();
    let new = decision.levels();
    match new.iter().filter(budgeted).filter(kept).find(|of| goes_down(of)) {
        None => Ok(()),
        Some(Level { deployment, to, .. }) => Err(refused(&format!(
            "{to} would lose points, and {deployment}, which would have given some, has a budget that gives nothing for then"
        ))),
    }
}

/// Returns the awards of what a level went up by, if it is among those: each as it was decided where there was nothing before, else
/// one on the terms of the first.
fn more(awards: &[Granted], level: &Level, before: Points) -> Vec<Granted> {
    let is_of = |award: &&Granted| {
        award.to.as_ref().is_some_and(|to| level.is_of(&award.level(to, award.granted)))
            && !award.granted.is_zero()
    };
    let awards: Vec<_> = awards.iter().filter(is_of).collect();
    let points = level.granted.less(before);
    let all = awards.iter().map(|award| award.granted).sum::<Points>();
    if points == all {
        return awards.into_iter().cloned().collect();
    }
    let first = awards.into_iter().next().filter(|_| !points.is_zero());
    let of = |award: &Granted| Granted {
        asked: points,
        granted: points,
        limit: None,
        line: None,
        ..award.clone()
    };
    first.map(of).into_iter().collect()
}

/// Checks that whoever has a say answered: what is not known any more is not guessed.
fn answered(pinned: &Active, decision: &Decision, member: &MemberId) -> Result<(), InvalidEvent> {
    let has_a_say = |id: &DeploymentId| pinned.deployment(id).is_some_and(|it| it.is_live_for(member));
    match decision.faults.iter().find(|(id, _)| has_a_say(id)) {
        None => Ok(()),
        Some((id, fault)) => Err(refused(&format!("{id} failed to answer on what is known of it: {fault}"))),
    }
}

fn refused(why: &str) -> InvalidEvent {
    let reason = format!("cannot decide this purchase anew: {why}");
    InvalidEvent { field: "data.program".to_owned(), reason }
}

/// Returns the program that a correction names. Members were told of it: it was at work.
pub(super) fn program(programs: &Programs<'_>, correction: &Correction) -> Result<Arc<Active>, Undecided> {
    let (digest, field) = (&correction.program, "data.program");
    if programs.was_at_work(digest)? {
        return programs.pinned(digest, field, "this program");
    }
    let reason = "was never at work here; `jifen changes --json` prints those that were".to_owned();
    Err(InvalidEvent { field: field.to_owned(), reason }.into())
}

/// What a correction is of, with the programs that have to do with it.
pub(super) struct Corrected<'a> {
    bought: &'a Bought,
    pinned: &'a Active,
    /// What decided the purchase as it came.
    original: Arc<Active>,
    /// What decides it until now.
    before: Arc<Active>,
}

impl<'a> Corrected<'a> {
    /// Loads the programs.
    ///
    /// # Errors
    ///
    /// If one of them cannot run here.
    pub(super) fn read(
        programs: &Programs<'_>,
        bought: &'a Bought,
        pinned: &'a Active,
    ) -> Result<Self, Undecided> {
        let original = program_of(programs, &bought.inputs.program)?;
        let before = program_of(programs, &bought.program)?;
        Ok(Self { bought, pinned, original, before })
    }

    /// Checks that what a correction comes to can be told, and concerns nobody but the member and whoever owes for the points.
    /// `holds` says whether points of a member are set aside.
    ///
    /// # Errors
    ///
    /// If not: in words.
    pub(super) fn admit(
        &self,
        settled: &Settled,
        at: Instant,
        holds: impl Fn(&MemberId) -> bool,
    ) -> Result<(), InvalidEvent> {
        let awarded = |of: &Level| {
            let awards = settled.decision.awards.iter();
            awards.map(|award| (award.to.as_ref(), &award.unit)).any(|it| it == (Some(&of.to), &of.unit))
        };
        if self.bought.let_go.iter().any(awarded) {
            return Err(refused(
                "points of it that were spent were let go already, and would be awarded once more",
            ));
        }
        for level in &settled.levels {
            self.is_due(level)?;
        }
        for level in &self.bought.levels {
            self.is_same(level, &settled.levels, at)?;
        }
        let taken = settled.reversals.iter().flat_map(|reversal| &reversal.taken);
        for from in taken.map(|taken| &taken.from) {
            self.has_its_price(&from.issuer, &from.unit, at)?;
        }
        for reversal in settled.reversals.iter().filter(|reversal| !reversal.forgiven.is_zero()) {
            let to = &reversal.of.to;
            if holds(to) {
                let why = format!("{to} has points set aside; send it again once they are used or free");
                return Err(refused(&why));
            }
        }
        Ok(())
    }

    /// Checks what somebody else than the buyer gets: whoever brought the buyer has caps of a day and a review of that time.
    fn is_due(&self, level: &Level) -> Result<(), InvalidEvent> {
        let Level { deployment, to, .. } = level;
        if *to == self.bought.happening.member {
            return Ok(());
        }
        if level.granted > granted(&self.bought.levels, level) {
            let why = format!(
                "{to} would get more for having brought the buyer, and whether that was due is not known any more"
            );
            return Err(refused(&why));
        }
        let capped = |active: &Active| active.deployment(deployment).is_some_and(|it| it.cap.of_referrers());
        let asked = self.bought.originally.iter().any(|old| old.is_of(level));
        if capped(self.pinned) && !(capped(&self.original) && asked) {
            return Err(refused(&format!(
                "what the cap of {deployment} had counted of {to} is not known any more"
            )));
        }
        Ok(())
    }

    /// Checks that what was awarded is owed, paid and counted by the same as what is awarded in its place.
    fn is_same(&self, old: &Level, now: &[Level], at: Instant) -> Result<(), InvalidEvent> {
        let Level { deployment, unit, issuer, .. } = old;
        let differs = |what: &str| {
            Err(refused(&format!("{what}, so what {deployment} awarded cannot be counted by it")))
        };
        if now.iter().any(|new| new.is_of(old) && new.issuer != *issuer) {
            return differs("another issuer would owe for the points");
        }
        self.has_its_price(issuer, unit, at)?;
        let budget = |active: &Active| active.deployment(deployment).map(|it| it.budget.is_some());
        match (budget(&self.before), budget(self.pinned)) {
            (Some(before), Some(now)) if before != now => {
                differs("only one of both programs has a budget for it")
            }
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }

    /// Checks that points are paid for alike by both programs.
    fn has_its_price(&self, issuer: &Issuer, unit: &UnitId, at: Instant) -> Result<(), InvalidEvent> {
        let price = |active: &Active| {
            let contract = active.program.contract(issuer, unit, at);
            contract.map(|contract| (contract.currency.clone(), contract.accrual))
        };
        if price(self.pinned) == price(&self.before) {
            return Ok(());
        }
        Err(refused(&format!(
            "{issuer} pays another price for {unit} by this program, and has paid for what is taken back"
        )))
    }
}

/// What was known when a purchase was evaluated, for a program that may ask something else.
pub(super) struct Anew<'a> {
    pub(super) then: Then<'a>,
    pub(super) of: &'a Corrected<'a>,
}

impl Source for Anew<'_> {
    fn referral(&self) -> Option<&Referral> {
        self.then.referral()
    }

    fn facts(&self, deployment: &DeploymentId, purse: Purse<'_>, needs: Needs, today: &Day) -> Facts {
        let facts = self.then.facts(deployment, purse, needs, today);
        let Facts::Pinned { history, .. } = facts else { return facts };
        let original = &self.of.original;
        // In another unit, there was another balance.
        let same_unit = original
            .deployment(deployment)
            .is_none_or(|then| original.program.unit_of(then).id == *purse.unit);
        let told = self.then.evaluations.iter().flat_map(|evaluation| {
            let own = same_unit && evaluation.deployment == *deployment;
            // What others were told of the member is so whoever asks.
            let is_known = move |answer: &Answer| own || is_of_member(answer.fact);
            evaluation.answers().into_iter().filter(is_known)
        });
        Facts::Pinned { recorded: told.collect(), history }
    }

    /// Returns what had been counted, and where nothing was, what is left of what was granted before the purchase.
    fn usage(&self, deployment: &Deployment, today: &Day) -> Usage {
        if !counts(deployment) {
            return Usage::default();
        }
        let evaluations = &self.of.bought.inputs.evaluations;
        let recorded = evaluations.iter().find(|it| it.deployment == deployment.id).and_then(|it| it.usage);
        let then = self.of.original.deployment(&deployment.id);
        let counted = then.is_some_and(|then| then.cap.over_periods());
        let usage = recorded.unwrap_or_default();
        let (None, Some(before)) = (recorded.filter(|_| counted), self.then.history) else { return usage };
        let unit = self.of.pinned.program.unit_of(deployment).id.clone();
        let grants = Grants { deployment: deployment.id.clone(), unit, for_other: false };
        let granted = |days| crate::facts::granted(before, &grants, days);
        let (day, month) = (today.number()..=today.number(), crate::facts::month_of(today));
        Usage { day: granted(day), month: granted(month), ..usage }
    }
}

/// Returns whether a fact is the same whichever deployment asks, and by whichever program.
fn is_of_member(fact: Fact) -> bool {
    match fact {
        Fact::AwardsGrantedSince(_)
        | Fact::BalanceAvailable
        | Fact::BalancePending
        | Fact::ExpiringUntoldUntil(_)
        | Fact::TierLevel
        | Fact::TierEarnedSince(_) => false,
        Fact::PurchasesLifetimeCount
        | Fact::PurchasesLifetimeSpendMinor
        | Fact::PurchasesCountSince(_)
        | Fact::PurchasesSpendMinorSince(_)
        | Fact::PurchasesLastDay
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
