//! Members that are made up, and what is so of them.

use proptest::prelude::{Strategy, any};
use proptest::{collection, option, prop_oneof};

use super::Pinned;
use super::basket::Hints;
use crate::case::Answer;
use crate::date::Date;
use crate::fact::Fact;

/// How many days ago purchases are at most: as far back as the ledger tells.
pub(super) const DAYS_AGO: u16 = 700;

/// A member: what came before, each so many days ago.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Joining.
    registered: Option<u16>,
    /// Purchases, and what they came to in minor units.
    purchases: Vec<(u16, u64)>,
    /// What the deployment granted.
    granted: Vec<(u16, u64)>,
    /// What can be spent.
    pub(super) available: u64,
    /// What is not yet available.
    pending: u64,
    /// How far the member has come.
    level: u64,
    /// Whether another member referred this one.
    referred: bool,
    /// Whether that was the same person.
    same_person: bool,
    /// How near the birthday is.
    birthday: Birthday,
    /// What is so in any case.
    pinned: Pinned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Birthday {
    Far,
    ThisMonth,
    Today,
}

/// Returns members of whom some things are so in any case, and others around the numbers of the parameters.
pub(super) fn members(pinned: Pinned, hints: &Hints) -> impl Strategy<Value = Member> + use<> {
    let before = |days, amount| collection::vec((0..days, prop_oneof![1..amount, hints.near()]), 0..5);
    let birthday = proptest::sample::select(&[Birthday::Far, Birthday::ThisMonth, Birthday::Today][..]);
    let points = (prop_oneof![0_u64..20_000, hints.near()], 0_u64..2_000, 0_u64..5);
    let history = (option::of(0_u16..2_000), before(DAYS_AGO, 300_000_u64), before(60_u16, 500_u64));
    (history, points, any::<bool>(), any::<bool>(), birthday).prop_map(
        move |((registered, purchases, granted), (available, pending, level), referred, same, birthday)| {
            Member {
                registered,
                purchases,
                granted,
                available,
                pending,
                level,
                referred,
                same_person: referred && same,
                birthday,
                pinned: pinned.clone(),
            }
        },
    )
}

impl Member {
    /// Returns the member after a purchase today, and what was granted for it.
    pub(super) fn after(&self, spend_minor: u64, granted: u64) -> Self {
        let mut member = self.with_purchase(0, spend_minor);
        member.granted.push((0, granted));
        member
    }

    /// Returns the member with one more purchase, so many days ago.
    pub(super) fn with_purchase(&self, days_ago: u16, spend_minor: u64) -> Self {
        let mut member = self.clone();
        member.purchases.push((days_ago, spend_minor));
        member
    }

    /// Returns what is so of the member.
    pub(super) fn answer(&self, fact: Fact, today: i32) -> Answer {
        if let Some(answer) = self.pinned.get(fact.name()) {
            return *answer;
        }
        let ago = |days: u16| today.saturating_sub(i32::from(days));
        let sum = |all: &[(u16, u64)], first_day: i32, of: fn(u64) -> u64| {
            let since = all.iter().filter(|(days, _)| ago(*days) >= first_day);
            Answer::Number(since.map(|(_, amount)| of(*amount)).fold(0, u64::saturating_add))
        };
        let is = |at_least| Answer::Flag(self.birthday >= at_least);
        match fact {
            Fact::PurchasesLifetimeCount => sum(&self.purchases, i32::MIN, |_| 1),
            Fact::PurchasesLifetimeSpendMinor => sum(&self.purchases, i32::MIN, |spend| spend),
            Fact::PurchasesCountSince(day) => sum(&self.purchases, day, |_| 1),
            Fact::PurchasesSpendMinorSince(day) => sum(&self.purchases, day, |spend| spend),
            Fact::PurchasesLastDay => {
                let latest = self.purchases.iter().map(|(days, _)| *days).min();
                Answer::Day(latest.map(|days| Date::from_number(ago(days))))
            }
            // Half of what there is ends in a month, for want of lots.
            Fact::ExpiringUntoldUntil(day) => {
                let soon = day >= today.saturating_add(30);
                Answer::Number(if soon { self.available.checked_div(2).unwrap_or(0) } else { 0 })
            }
            // A point for each yuan.
            Fact::TierEarnedSince(day) => {
                sum(&self.purchases, day, |spend| spend.checked_div(100).unwrap_or(0))
            }
            Fact::TierLevel => Answer::Number(self.level),
            Fact::AwardsGrantedSince(day) => sum(&self.granted, day, |points| points),
            Fact::BalanceAvailable => Answer::Number(self.available),
            Fact::BalancePending => Answer::Number(self.pending),
            Fact::MembershipRegisteredDay => {
                Answer::Day(self.registered.map(|days| Date::from_number(ago(days))))
            }
            Fact::MembershipReferred | Fact::ReferralPresent => Answer::Flag(self.referred),
            Fact::ReferralSamePerson => Answer::Flag(self.same_person),
            Fact::BirthdayCivilToday | Fact::BirthdayLunarToday | Fact::BirthdayLeapLunarToday => {
                is(Birthday::Today)
            }
            Fact::BirthdayCivilMonth | Fact::BirthdayLunarMonth => is(Birthday::ThisMonth),
        }
    }
}
