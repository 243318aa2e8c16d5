//! The clock: for what happens outside, as a notice is delivered or a use of points is asked for without a time, for whether another
//! clock is wrong, and for what things cost. Nothing that is decided on events reads it.

use std::time::{self, Duration, SystemTime};

use jifen_loyalty::Instant;

/// Returns the time now.
#[expect(clippy::disallowed_methods, reason = "this is the one place that has the time from a clock")]
pub(crate) fn now() -> Instant {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Instant::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// How far a clock elsewhere may be ahead of this one: one that takes its own time zone for another is hours off.
const AHEAD_MS: i64 = 86_400_000;

/// Returns whether something that happened did so more than a day from now, by a clock that is wrong.
pub(crate) fn is_ahead(time: Instant) -> bool {
    time.millis() > now().millis().saturating_add(AHEAD_MS)
}

/// Tells how long something takes.
pub(crate) struct Stopwatch(time::Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "as above")]
    pub(crate) fn start() -> Self {
        Self(time::Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
