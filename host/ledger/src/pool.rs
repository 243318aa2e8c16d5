//! Connections that only read, kept while nobody needs them. Each question has one for itself, so it waits for nobody.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Connections that are kept open while nobody needs them.
const IDLE_MAX: usize = 8;

pub(crate) struct Pool<C>(Mutex<Vec<C>>);

impl<C> Default for Pool<C> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<C> Pool<C> {
    pub(crate) fn take(&self) -> Option<C> {
        self.idle().pop()
    }

    /// Closes all of them.
    pub(crate) fn clear(&self) {
        self.idle().clear();
    }

    pub(crate) fn put_back(&self, connection: C) {
        let mut idle = self.idle();
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<C>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
