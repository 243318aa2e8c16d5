//! Facts: what a policy may ask, and what it was told.

mod birthday;

use std::collections::BTreeMap;

use rules_guest::calendar::Day;
pub use rules_guest::fact::Fact;

use crate::member::Referral;
use crate::points::Points;

/// How far back a question with a day may reach, in days before the event's day. The snapshot must be bounded; two
/// years answer every window that rules of the trade use.
pub const WINDOW_DAYS_MAX: i32 = 732;

/// A question and what was answered: an entry of the receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The question.
    pub fact: Fact,
    /// The answer. Days are day numbers, yes is 1.
    pub value: u64,
}

/// A question that has no answer, which traps the policy that asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The day lies too far back.
    #[error("asks for days before {first_day}, the earliest that is kept for this event")]
    BeforeWindow {
        /// The earliest day that can be asked.
        first_day: i32,
    },
    /// The receipt has no such answer: the policy asks something else than it did then.
    #[error("asks {fact}, which it did not ask then")]
    NotRecorded {
        /// The question.
        fact: Fact,
    },
}

/// What a member bought on one business day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayTotal {
    /// How many purchases.
    pub count: u64,
    /// Their total in minor units.
    pub spend_minor: u64,
}

/// What one deployment may know of one member before one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Facts {
    /// As the ledger knew it when the event was evaluated.
    Known(Known),
    /// As a receipt recorded it: replay answers what was answered then, and nothing else.
    Recorded {
        /// The event's business day.
        today: i32,
        /// What was answered.
        answers: Vec<Answer>,
    },
    /// As a receipt recorded it, and what was not asked then of days as the ledger's history has it: what remains of a
    /// purchase may lead a rule to ask something else than it did.
    Pinned {
        /// What the receipt recorded.
        recorded: Vec<Answer>,
        /// The history up to the purchase; only its days are looked at.
        history: Known,
    },
}

/// Facts from the ledger's snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The event's business day.
    pub today: i32,
    /// Purchases before this one.
    pub purchase_count: u64,
    /// Their total in minor units.
    pub purchase_spend_minor: u64,
    /// The day of the latest, 0 for none.
    pub last_purchase_day: i32,
    /// Purchases by day, within the window.
    pub purchases_by_day: BTreeMap<i32, DayTotal>,
    /// What this deployment granted by day, within the window.
    pub granted_by_day: BTreeMap<i32, Points>,
    /// What can be spent of the deployment's unit.
    pub available: Points,
    /// What is awarded of the deployment's unit but not yet available.
    pub pending: Points,
    /// What can be spent of the deployment's unit and ends untold, by the last day.
    pub untold: BTreeMap<i32, Points>,
    /// The member's level.
    pub level: Points,
    /// What was granted of the points by which levels are reached and still stands, by day, within the window.
    pub earned_by_day: BTreeMap<i32, Points>,
    /// The day of registration, 0 for never.
    pub registered_day: i32,
    /// Whether another member referred this one before this event.
    pub referred: bool,
    /// Who referred this one, by this event at the latest.
    pub referral: Option<Referral>,
    /// The day of birth, 0 where it is not known.
    pub birth_day: i32,
}

impl Facts {
    /// Returns the answer.
    ///
    /// # Errors
    ///
    /// Where there is none: a day outside the window, or a question that the receipt does not have.
    pub fn answer(&self, fact: Fact) -> Result<u64, NoAnswer> {
        match self {
            Self::Known(known) => known.answer(fact),
            Self::Recorded { today, answers } => {
                recorded(answers, fact).ok_or_else(|| no_record(fact, *today))
            }
            Self::Pinned { recorded: answers, history } => match recorded(answers, fact) {
                Some(value) => Ok(value),
                None if is_of_days(fact) => history.answer(fact),
                None => Err(NoAnswer::NotRecorded { fact }),
            },
        }
    }
}

/// Returns why a receipt has no answer. What lay before the window had none then, either.
fn no_record(fact: Fact, today: i32) -> NoAnswer {
    let first_day = first_day_of_window(today);
    match fact.day() {
        Some(day) if is_of_days(fact) && day.number() < first_day => NoAnswer::BeforeWindow { first_day },
        Some(_) | None => NoAnswer::NotRecorded { fact },
    }
}

/// Returns whether a fact is of the days of the history, which stay as they were: what refunds take back is not among them.
fn is_of_days(fact: Fact) -> bool {
    fact.day().is_some() && !matches!(fact, Fact::ExpiringUntoldUntil(_) | Fact::TierEarnedSince(_))
}

fn recorded(answers: &[Answer], fact: Fact) -> Option<u64> {
    answers.iter().find(|answer| answer.fact == fact).map(|answer| answer.value)
}

impl Known {
    fn answer(&self, fact: Fact) -> Result<u64, NoAnswer> {
        Ok(match fact {
            Fact::PurchasesLifetimeCount => self.purchase_count,
            Fact::PurchasesLifetimeSpendMinor => self.purchase_spend_minor,
            Fact::PurchasesCountSince(day) => self.since(day, &self.purchases_by_day, |total| total.count)?,
            Fact::PurchasesSpendMinorSince(day) => {
                self.since(day, &self.purchases_by_day, |total| total.spend_minor)?
            }
            Fact::PurchasesLastDay => day_value(self.last_purchase_day),
            Fact::AwardsGrantedSince(day) => self.since(day, &self.granted_by_day, |points| points.get())?,
            Fact::BalanceAvailable => self.available.get(),
            Fact::BalancePending => self.pending.get(),
            Fact::ExpiringUntoldUntil(day) => {
                self.untold.range(..=day).map(|(_, points)| points.get()).fold(0, u64::saturating_add)
            }
            Fact::TierLevel => self.level.get(),
            Fact::TierEarnedSince(day) => self.since(day, &self.earned_by_day, |points| points.get())?,
            Fact::MembershipRegisteredDay => day_value(self.registered_day),
            Fact::MembershipReferred => u64::from(self.referred),
            Fact::ReferralPresent => u64::from(self.referral.is_some()),
            Fact::ReferralSamePerson => {
                u64::from(self.referral.as_ref().is_some_and(|referral| referral.same_person))
            }
            Fact::BirthdayCivilToday => self.birthday(birthday::is_civil),
            Fact::BirthdayCivilMonth => self.birthday(|birth, today| birth.month() == today.month()),
            Fact::BirthdayLunarToday => self.birthday(|birth, today| birthday::is_lunar(birth, today, false)),
            Fact::BirthdayLeapLunarToday => {
                self.birthday(|birth, today| birthday::is_lunar(birth, today, birth.lunar().leap))
            }
            Fact::BirthdayLunarMonth => self.birthday(birthday::is_lunar_month),
        })
    }

    /// Returns whether something is so of the day of birth and today; no, where either is not known.
    fn birthday(&self, is: impl Fn(&Day, &Day) -> bool) -> u64 {
        let day = |number| Day::from_number(number).ok();
        let known = (self.birth_day != 0).then(|| Some((day(self.birth_day)?, day(self.today)?))).flatten();
        u64::from(known.is_some_and(|(birth, today)| is(&birth, &today)))
    }

    /// Returns the sum over the days from `first_day` to the event's. The ledger may have applied events of later
    /// days already, so the upper end is part of the question.
    fn since<T>(
        &self,
        first_day: i32,
        by_day: &BTreeMap<i32, T>,
        of: fn(&T) -> u64,
    ) -> Result<u64, NoAnswer> {
        let earliest = first_day_of_window(self.today);
        if first_day < earliest {
            return Err(NoAnswer::BeforeWindow { first_day: earliest });
        }
        let days = by_day.range(..=self.today).rev().take_while(|(day, _)| **day >= first_day);
        Ok(days.map(|(_, total)| of(total)).fold(0, u64::saturating_add))
    }
}

/// Returns the earliest day that can be asked on `today`.
pub fn first_day_of_window(today: i32) -> i32 {
    today.saturating_sub(WINDOW_DAYS_MAX)
}

fn day_value(day: i32) -> u64 {
    u64::try_from(day).unwrap_or(0)
}
