//! The names of the contract, as components spell them. A test holds them against `wit/`.

use serde::{Deserialize, Serialize};

/// The package of the contract.
pub const PACKAGE: &str = "jifen:policy";
/// Its version.
pub const VERSION: &str = "0.1.0";

/// The interfaces whose functions are facts, with those functions.
pub const FACTS: [(&str, &[&str]); 8] = [
    ("awards", &["granted-since"]),
    ("balance", &["available", "pending"]),
    ("birthday", &["civil-month", "civil-today", "leap-lunar-today", "lunar-month", "lunar-today"]),
    ("expiring", &["untold-until"]),
    ("membership", &["referred", "registered-day"]),
    (
        "purchases",
        &["count-since", "last-day", "lifetime-count", "lifetime-spend-minor", "spend-minor-since"],
    ),
    ("referral", &["present", "same-person"]),
    ("tier", &["earned-since", "level"]),
];
/// The interface of the log, with its function.
pub const LOG: (&str, &[&str]) = ("log", &["write"]);
/// The interface that has types only, and needs no answer.
pub const TYPES: &str = "types";

/// The interface through which every policy takes its parameters, with its function.
pub const CONFIGURATION: (&str, &str) = ("configuration", "configure");

/// A world of policies that this host runs: what a policy is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum World {
    /// Which points something that happened earns.
    #[serde(rename = "earning-policy")]
    Earning,
    /// What points buy.
    #[serde(rename = "redemption-policy")]
    Redemption,
    /// What is done for a member on a day.
    #[serde(rename = "campaign-policy")]
    Campaign,
}

impl World {
    /// Every world.
    pub const ALL: [Self; 3] = [Self::Earning, Self::Redemption, Self::Campaign];

    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Earning => "earning-policy",
            Self::Redemption => "redemption-policy",
            Self::Campaign => "campaign-policy",
        }
    }

    /// Returns the interface in which a policy of it answers, with its function. No other world exports it.
    pub const fn answers(self) -> (&'static str, &'static str) {
        match self {
            Self::Earning => ("earning", "evaluate"),
            Self::Redemption => ("redemption", "quote"),
            Self::Campaign => ("campaign", "run"),
        }
    }

    /// Returns the interfaces that a policy of it exports.
    pub const fn exports(self) -> [&'static str; 2] {
        [CONFIGURATION.0, self.answers().0]
    }
}

/// Returns the functions that an interface offers; `None` if it is none of the surroundings.
pub fn offered(interface: &str) -> Option<&'static [&'static str]> {
    let facts = FACTS.iter().chain([&LOG]);
    let functions = facts.copied().find(|(name, _)| *name == interface).map(|(_, functions)| functions);
    functions.or((interface == TYPES).then_some(&[]))
}

/// Returns an interface's full name, such as `jifen:policy/earning@0.1.0`.
pub fn full_name(interface: &str) -> String {
    format!("{PACKAGE}/{interface}@{VERSION}")
}
