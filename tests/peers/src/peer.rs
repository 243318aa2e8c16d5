//! A way to evaluate the policy.

use anyhow::Result;
use rule::Award;

pub(crate) struct Peer<'s> {
    /// What it is, with its version.
    pub(crate) name: String,
    /// What an evaluation finds of the ones before it.
    pub(crate) instance: &'static str,
    /// Evaluates one of the transactions.
    pub(crate) evaluate: Box<dyn FnMut(usize) -> Result<Vec<Award>> + 's>,
}

impl<'s> Peer<'s> {
    /// Returns a peer whose evaluations share what they run in.
    pub(crate) fn shared(
        name: impl Into<String>,
        evaluate: impl FnMut(usize) -> Result<Vec<Award>> + 's,
    ) -> Self {
        Self { name: name.into(), instance: "shared", evaluate: Box::new(evaluate) }
    }

    /// Returns a peer whose evaluations each run in an instance that never ran before.
    pub(crate) fn virgin(
        name: impl Into<String>,
        evaluate: impl FnMut(usize) -> Result<Vec<Award>> + 's,
    ) -> Self {
        Self { name: name.into(), instance: "virgin", evaluate: Box::new(evaluate) }
    }
}

/// Returns a package with its version in the lock file, so that a figure never bears the wrong one.
#[cfg(feature = "others")]
pub(crate) fn versioned(package: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let entry = lock.split_once(&format!("name = \"{package}\"\nversion = \"")).map(|(_, rest)| rest);
    let version = entry.and_then(|entry| entry.split('"').next()).expect("every peer is in the lock file");
    format!("{package} {version}")
}
