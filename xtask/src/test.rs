//! Everything that CI runs, cheap to dear.

use std::path::Path;

use anyhow::Result;

use crate::{cargo, policies};

/// Runs format, lints, builds, and every suite.
pub(crate) fn run(root: &Path) -> Result<()> {
    cargo(root, &["fmt", "--all", "--check"])?;
    cargo(root, &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])?;
    policies::build(root)?;
    // The suites start the binaries as a person does. Tests are named along, or Cargo would build the dependencies a
    // second time with other features.
    cargo(root, &["build", "--workspace", "--bins", "--tests"])?;
    cargo(root, &["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"])?;
    cargo(root, &["test", "--package", "rules-guest", "--doc"])
}
