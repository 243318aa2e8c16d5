//! The clock: for what happens outside, as a notice is delivered. Nothing that is decided on events reads it.

use std::time::SystemTime;

use jifen_loyalty::Instant;

/// Returns the time now.
#[expect(clippy::disallowed_methods, reason = "this is the one place that has the time from a clock")]
pub(crate) fn now() -> Instant {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Instant::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
