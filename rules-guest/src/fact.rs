//! Facts by name: what a policy may ask, as receipts, cases and permissions write it.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::date::Date;

/// A question that a policy may ask: a function of `wit/facts.wit`, with the day (a rata die number) if it takes one.
///
/// Written as interface and function, such as `purchases.count-since(2025-07-01)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// How many purchases there were before this event.
    PurchasesLifetimeCount,
    /// What they came to, in minor units.
    PurchasesLifetimeSpendMinor,
    /// How many of them fell on this day or later.
    PurchasesCountSince(i32),
    /// What those came to, in minor units.
    PurchasesSpendMinorSince(i32),
    /// The day of the latest, 0 for none.
    PurchasesLastDay,
    /// The points this deployment granted on this day or later.
    AwardsGrantedSince(i32),
    /// What can be spent now.
    BalanceAvailable,
    /// What is awarded but not yet available.
    BalancePending,
    /// The day of registration, 0 for never.
    MembershipRegisteredDay,
    /// 1 if another member referred this one, else 0.
    MembershipReferred,
    /// 1 if another member referred this one, by this event at the latest, else 0.
    ReferralPresent,
    /// 1 if that member is the same person, else 0.
    ReferralSamePerson,
    /// 1 if today is the civil birthday, else 0.
    BirthdayCivilToday,
    /// 1 if today lies in the civil month of birth, else 0.
    BirthdayCivilMonth,
    /// 1 if today is the lunar birthday, in the regular month, else 0.
    BirthdayLunarToday,
    /// 1 if today is the lunar birthday, in the very month of birth, else 0.
    BirthdayLeapLunarToday,
    /// 1 if today lies in the lunar month of birth, else 0.
    BirthdayLunarMonth,
    /// The points that can be spent and end on this day or before, of whose end the member was not told.
    ExpiringUntoldUntil(i32),
    /// The member's level.
    TierLevel,
    /// The points by which levels are reached that were granted on this day or later and still stand.
    TierEarnedSince(i32),
}

impl Fact {
    /// Returns the interface and function of the contract, such as `purchases.count-since`.
    pub fn name(self) -> &'static str {
        match self {
            Self::PurchasesLifetimeCount => "purchases.lifetime-count",
            Self::PurchasesLifetimeSpendMinor => "purchases.lifetime-spend-minor",
            Self::PurchasesCountSince(_) => "purchases.count-since",
            Self::PurchasesSpendMinorSince(_) => "purchases.spend-minor-since",
            Self::PurchasesLastDay => "purchases.last-day",
            Self::AwardsGrantedSince(_) => "awards.granted-since",
            Self::BalanceAvailable => "balance.available",
            Self::BalancePending => "balance.pending",
            Self::MembershipRegisteredDay => "membership.registered-day",
            Self::MembershipReferred => "membership.referred",
            Self::ReferralPresent => "referral.present",
            Self::ReferralSamePerson => "referral.same-person",
            Self::BirthdayCivilToday => "birthday.civil-today",
            Self::BirthdayCivilMonth => "birthday.civil-month",
            Self::BirthdayLunarToday => "birthday.lunar-today",
            Self::BirthdayLeapLunarToday => "birthday.leap-lunar-today",
            Self::BirthdayLunarMonth => "birthday.lunar-month",
            Self::ExpiringUntoldUntil(_) => "expiring.untold-until",
            Self::TierLevel => "tier.level",
            Self::TierEarnedSince(_) => "tier.earned-since",
        }
    }

    /// Returns the fact of that name, if it takes no day.
    pub fn scalar(name: &str) -> Option<Self> {
        Self::new(name, None)
    }

    /// Returns the day that it takes.
    pub fn day(self) -> Option<Date> {
        match self {
            Self::PurchasesCountSince(day)
            | Self::PurchasesSpendMinorSince(day)
            | Self::AwardsGrantedSince(day)
            | Self::ExpiringUntoldUntil(day)
            | Self::TierEarnedSince(day) => Some(Date::from_number(day)),
            Self::PurchasesLifetimeCount
            | Self::PurchasesLifetimeSpendMinor
            | Self::PurchasesLastDay
            | Self::BalanceAvailable
            | Self::BalancePending
            | Self::MembershipRegisteredDay
            | Self::MembershipReferred
            | Self::ReferralPresent
            | Self::ReferralSamePerson
            | Self::BirthdayCivilToday
            | Self::BirthdayCivilMonth
            | Self::BirthdayLunarToday
            | Self::BirthdayLeapLunarToday
            | Self::BirthdayLunarMonth
            | Self::TierLevel => None,
        }
    }

    fn new(name: &str, day: Option<Date>) -> Option<Self> {
        match (name, day) {
            ("purchases.lifetime-count", None) => Some(Self::PurchasesLifetimeCount),
            ("purchases.lifetime-spend-minor", None) => Some(Self::PurchasesLifetimeSpendMinor),
            ("purchases.count-since", Some(day)) => Some(Self::PurchasesCountSince(day.number())),
            ("purchases.spend-minor-since", Some(day)) => Some(Self::PurchasesSpendMinorSince(day.number())),
            ("purchases.last-day", None) => Some(Self::PurchasesLastDay),
            ("awards.granted-since", Some(day)) => Some(Self::AwardsGrantedSince(day.number())),
            ("balance.available", None) => Some(Self::BalanceAvailable),
            ("balance.pending", None) => Some(Self::BalancePending),
            ("membership.registered-day", None) => Some(Self::MembershipRegisteredDay),
            ("membership.referred", None) => Some(Self::MembershipReferred),
            ("referral.present", None) => Some(Self::ReferralPresent),
            ("referral.same-person", None) => Some(Self::ReferralSamePerson),
            ("birthday.civil-today", None) => Some(Self::BirthdayCivilToday),
            ("birthday.civil-month", None) => Some(Self::BirthdayCivilMonth),
            ("birthday.lunar-today", None) => Some(Self::BirthdayLunarToday),
            ("birthday.leap-lunar-today", None) => Some(Self::BirthdayLeapLunarToday),
            ("birthday.lunar-month", None) => Some(Self::BirthdayLunarMonth),
            ("expiring.untold-until", Some(day)) => Some(Self::ExpiringUntoldUntil(day.number())),
            ("tier.level", None) => Some(Self::TierLevel),
            ("tier.earned-since", Some(day)) => Some(Self::TierEarnedSince(day.number())),
            _ => None,
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.day() {
            Some(day) => write!(f, "{}({day})", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

impl FromStr for Fact {
    type Err = UnknownFact;

    fn from_str(text: &str) -> Result<Self, UnknownFact> {
        let unknown = || UnknownFact(text.to_owned());
        let (name, day) = match text.strip_suffix(')').and_then(|open| open.split_once('(')) {
            Some((name, day)) => (name, Some(day.parse().map_err(|_| unknown())?)),
            None => (text, None),
        };
        Self::new(name, day).ok_or_else(unknown)
    }
}

impl Serialize for Fact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A name that is no function of the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFact(pub String);

impl fmt::Display for UnknownFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = "write interface.function as in `wit/facts.wit`, with a day where it asks for one, \
                    such as purchases.count-since(2025-07-01)";
        write!(f, "unknown fact `{}`; {form}", self.0)
    }
}

impl std::error::Error for UnknownFact {}
