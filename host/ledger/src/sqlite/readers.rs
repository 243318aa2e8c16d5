//! Readers: a connection and a read transaction for each question.

use rusqlite::Connection;

use super::failure::Stop;
use super::file::File;
use crate::LedgerError;
use crate::pool::Pool;

pub(super) struct Readers {
    file: File,
    idle: Pool<Connection>,
}

impl Readers {
    pub(super) fn new(file: File) -> Self {
        Self { file, idle: Pool::default() }
    }

    /// Answers a question from one read transaction.
    pub(super) fn read<T>(
        &self,
        answer: impl FnOnce(&Connection) -> Result<T, Stop>,
    ) -> Result<T, LedgerError> {
        let mut connection = self.idle.take().map_or_else(|| self.file.open_reader(), Ok)?;
        let answered = in_transaction(&mut connection, answer);
        self.idle.put_back(connection);
        answered.map_err(|stop| stop.explain(&self.file, "read"))
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
