//! The words that a policy's `policy.toml` has for its codes.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::case::{Action, Case, Outcome};

/// What of a description is read here. The host reads it from the component.
#[derive(Deserialize)]
struct Description {
    summary: Words,
    #[serde(default)]
    reasons: BTreeMap<String, Words>,
}

/// Members read both.
#[derive(Deserialize)]
struct Words {
    zh: String,
    en: String,
}

impl Words {
    fn are_missing(&self) -> bool {
        self.zh.is_empty() || self.en.is_empty()
    }
}

/// Checks that the policy says what it does, and has words for every code that a case expects.
///
/// # Errors
///
/// With what is missing.
pub(super) fn check(description: &Path, cases: &[Case]) -> Result<(), String> {
    let text = std::fs::read_to_string(description).map_err(|error| error.to_string())?;
    let description: Description = toml::from_str(&text).map_err(|error| error.to_string())?;
    if description.summary.are_missing() {
        return Err("summary: needs words in `zh` and `en`".to_owned());
    }
    let mut codes = cases.iter().flat_map(|case| codes(&case.expect));
    match codes.find(|code| description.reasons.get(*code).is_none_or(Words::are_missing)) {
        Some(code) => Err(format!("reasons.{code}: needs words in `zh` and `en`; members read them")),
        None => Ok(()),
    }
}

fn codes(outcome: &Outcome) -> Vec<&str> {
    match outcome {
        Outcome::Awards(awards) => awards.iter().map(|award| award.reason.as_str()).collect(),
        Outcome::Offered(offer) => {
            [&offer.benefit].into_iter().chain(&offer.restrictions).map(String::as_str).collect()
        }
        Outcome::Actions(actions) => actions.iter().map(Action::code).collect(),
        Outcome::Declined(code) => vec![code],
        Outcome::Fault(_) | Outcome::InvalidParameters(_) => Vec::new(),
    }
}
