//! The one place where these programs look at the clock.

use std::time::{Duration, Instant};

pub(crate) type Measured<T> = Result<T, Box<dyn std::error::Error>>;

pub(crate) struct Watch(Instant);

impl Watch {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Returns the one in the middle, the shorter of two.
pub(crate) fn median(mut taken: Vec<Duration>) -> Duration {
    taken.sort_unstable();
    taken.get(taken.len().saturating_sub(1) >> 1).copied().unwrap_or_default()
}

pub(crate) fn per_second(entries: usize, taken: Duration) -> u128 {
    let entries = u128::try_from(entries).unwrap_or(u128::MAX);
    entries.saturating_mul(1_000_000).checked_div(taken.as_micros()).unwrap_or(0)
}
