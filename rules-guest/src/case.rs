//! Cases: what a policy answers to one event, written down.
//!
//! A case is a JSON file in a policy's `cases/` directory. The same files are run natively by `cargo test`, in the
//! component by `jifen test`, and at every upload.
//!
//! ```json
//! {
//!   "about": "A market day doubles what the purchase earned.",
//!   "parameters": {"multiplier": "2", "min_spend": 5000},
//!   "event": {"specversion": "1.0", "id": "1", "source": "/merchants/m1", "type": "jifen.purchase.completed",
//!     "time": "2025-07-25T00:00:00+08:00", "data": {"order": "1", "member": "ann", "merchant": "m1",
//!     "currency": "CNY", "lines": [{"sku": "1", "category": "staples", "quantity": 1, "amount": 6850}]}},
//!   "market_day": true,
//!   "points_so_far": 68,
//!   "facts": {"purchases.lifetime-count": 0, "purchases.spend-minor-since(2025-07-01)": 12300},
//!   "expect": {"awards": [{"to": "member", "points": 68, "reason": "market-day"}]}
//! }
//! ```
//!
//! A redemption policy is asked about an event of the type `jifen.redemption.requested`, and expects
//! `{"offered": {"points": 800, "cash": 990, "worth": 0, "benefit": "lipstick", "restrictions": []}}` or
//! `{"declined": "no-such-item"}`. A campaign policy is asked about one of the type `jifen.campaign.ran`, and expects
//! `{"actions": [{"notice": "come-back"}, {"award": {"points": 50, "reason": "recall"}}, {"grant": "coupon"}]}`.
//!
//! The business day of a case is the date as `event.time` writes it: write the time in the program's zone. A fact that
//! the policy asks and the case does not state fails the case. Unknown keys are errors.

mod answer;
mod event;
mod outcome;
#[cfg(test)]
mod tests;
mod time;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::fact::Fact;
use crate::json;

pub use answer::Answer;
pub use event::{Data, Event, Line, Purchase, Registration, Request, Run, Tender, TenderKind};
pub use outcome::{Action, Award, Difference, Offer, Outcome, Recipient};
pub use time::{InvalidTime, LocalTime};

/// One case.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What the case shows, in a sentence.
    pub about: String,
    /// The deployment's parameters, as their author wrote them.
    pub parameters: Box<RawValue>,
    /// The event, whole.
    pub event: Event,
    /// The business of the merchant; absent means `retail`.
    #[serde(default = "retail", skip_serializing_if = "is_retail")]
    pub merchant_category: String,
    /// Whether the calendar of the event's region calls the day a market day.
    #[serde(default, skip_serializing_if = "is_default")]
    pub market_day: bool,
    /// What earlier lanes granted the member for this event.
    #[serde(default, skip_serializing_if = "is_default")]
    pub points_so_far: u64,
    /// What the policy may ask, and the answers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub facts: BTreeMap<Fact, Answer>,
    /// What the policy must answer.
    pub expect: Outcome,
}

impl Case {
    /// Returns the case that `json` describes.
    ///
    /// # Errors
    ///
    /// With the key that is missing, unknown or wrong.
    pub fn parse(json: &str) -> Result<Self, InvalidCase> {
        json::parse(json).map_err(|fault| InvalidCase::new(&fault.path, fault.reason()))
    }

    /// Returns the case in a file.
    ///
    /// # Errors
    ///
    /// With the file and the key that is missing, unknown or wrong.
    pub fn read(file: &Path) -> Result<Self, InvalidCase> {
        let json = std::fs::read_to_string(file).map_err(|error| InvalidCase::new("", error.to_string()));
        json.and_then(|json| Self::parse(&json)).map_err(|error| error.in_file(file))
    }

    /// Returns the JSON of the case: keys in the order of this struct, two spaces, a final newline.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self).expect("text, integers and raw JSON always serialize");
        json + "\n"
    }
}

impl FromStr for Case {
    type Err = InvalidCase;

    fn from_str(json: &str) -> Result<Self, InvalidCase> {
        Self::parse(json)
    }
}

/// Why a case cannot be run: the file, the key, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidCase {
    /// The file, if the case came from one.
    pub file: Option<PathBuf>,
    /// The path of the key, such as `event.time`; empty where it is the case as a whole.
    pub key: String,
    /// What is wrong.
    pub reason: String,
}

impl InvalidCase {
    fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { file: None, key: key.into(), reason: reason.into() }
    }

    fn in_file(self, file: &Path) -> Self {
        Self { file: Some(file.to_owned()), ..self }
    }
}

impl fmt::Display for InvalidCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for InvalidCase {}

fn retail() -> String {
    "retail".to_owned()
}

fn is_retail(category: &str) -> bool {
    category == "retail"
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
