//! Readers: connections that only read. Each question has one for itself, so it waits for nobody.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::failure::Stop;
use super::file::File;
use crate::LedgerError;

/// Connections that are kept open while nobody needs them.
const IDLE_MAX: usize = 8;

pub(super) struct Readers {
    file: File,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(file: File) -> Self {
        Self { file, idle: Mutex::default() }
    }

    /// Answers a question from one read transaction.
    pub(super) fn read<T>(
        &self,
        answer: impl FnOnce(&Connection) -> Result<T, Stop>,
    ) -> Result<T, LedgerError> {
        let mut connection = self.take()?;
        let answered = in_transaction(&mut connection, answer);
        self.put_back(connection);
        answered.map_err(|stop| stop.explain(&self.file, "read"))
    }

    fn take(&self) -> Result<Connection, LedgerError> {
        let idle = self.idle().pop();
        idle.map_or_else(|| self.file.open_reader(), Ok)
    }

    fn put_back(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_transaction<T>(
    connection: &mut Connection,
    answer: impl FnOnce(&Connection) -> Result<T, Stop>,
) -> Result<T, Stop> {
    let transaction = connection.transaction()?;
    let answer = answer(&transaction)?;
    transaction.commit()?;
    Ok(answer)
}
