//! Facts as a case states them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Date;

/// A question that a policy may ask. In a case file it is a key such as `purchases.count-since(2025-07-01)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Question {
    /// `purchases.lifetime-count`.
    PurchasesLifetimeCount,
    /// `purchases.lifetime-spend-minor`.
    PurchasesLifetimeSpendMinor,
    /// `purchases.count-since(DAY)`.
    PurchasesCountSince(Date),
    /// `purchases.spend-minor-since(DAY)`.
    PurchasesSpendMinorSince(Date),
    /// `purchases.last-day`.
    PurchasesLastDay,
    /// `awards.granted-since(DAY)`.
    AwardsGrantedSince(Date),
    /// `balance.available`.
    BalanceAvailable,
    /// `balance.pending`.
    BalancePending,
    /// `membership.registered-day`.
    MembershipRegisteredDay,
    /// `membership.referred`.
    MembershipReferred,
}

impl Question {
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
        }
    }

    /// Returns the day since which is asked.
    pub fn since(self) -> Option<Date> {
        match self {
            Self::PurchasesCountSince(day)
            | Self::PurchasesSpendMinorSince(day)
            | Self::AwardsGrantedSince(day) => Some(day),
            Self::PurchasesLifetimeCount
            | Self::PurchasesLifetimeSpendMinor
            | Self::PurchasesLastDay
            | Self::BalanceAvailable
            | Self::BalancePending
            | Self::MembershipRegisteredDay
            | Self::MembershipReferred => None,
        }
    }

    fn new(name: &str, since: Option<Date>) -> Option<Self> {
        match (name, since) {
            ("purchases.lifetime-count", None) => Some(Self::PurchasesLifetimeCount),
            ("purchases.lifetime-spend-minor", None) => Some(Self::PurchasesLifetimeSpendMinor),
            ("purchases.count-since", Some(day)) => Some(Self::PurchasesCountSince(day)),
            ("purchases.spend-minor-since", Some(day)) => Some(Self::PurchasesSpendMinorSince(day)),
            ("purchases.last-day", None) => Some(Self::PurchasesLastDay),
            ("awards.granted-since", Some(day)) => Some(Self::AwardsGrantedSince(day)),
            ("balance.available", None) => Some(Self::BalanceAvailable),
            ("balance.pending", None) => Some(Self::BalancePending),
            ("membership.registered-day", None) => Some(Self::MembershipRegisteredDay),
            ("membership.referred", None) => Some(Self::MembershipReferred),
            _ => None,
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.since() {
            Some(day) => write!(f, "{}({day})", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

impl FromStr for Question {
    type Err = UnknownFact;

    fn from_str(text: &str) -> Result<Self, UnknownFact> {
        let unknown = || UnknownFact(text.to_owned());
        let (name, since) = match text.strip_suffix(')').and_then(|open| open.split_once('(')) {
            Some((name, day)) => (name, Some(day.parse().map_err(|_| unknown())?)),
            None => (text, None),
        };
        Self::new(name, since).ok_or_else(unknown)
    }
}

impl TryFrom<String> for Question {
    type Error = UnknownFact;

    fn try_from(text: String) -> Result<Self, UnknownFact> {
        text.parse()
    }
}

impl From<Question> for String {
    fn from(question: Question) -> Self {
        question.to_string()
    }
}

/// A key that is no question of the contract.
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

/// An answer. `null` is for a day that there never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// A count, an amount in minor units, or points.
    Number(u64),
    /// Yes or no.
    Flag(bool),
    /// A day.
    Day(Option<Date>),
}

impl Answer {
    /// Returns the number that the contract's function returns: days are day numbers, none is 0, yes is 1.
    pub fn value(self) -> u64 {
        match self {
            Self::Number(number) => number,
            Self::Flag(yes) => yes.into(),
            Self::Day(day) => day.map_or(0, |day| u64::try_from(day.number()).unwrap_or(0)),
        }
    }
}
