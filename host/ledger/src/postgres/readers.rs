//! Readers: a connection and a transaction that only reads for each question.

use std::time::Duration;

use tokio_postgres::Error;

use super::failure::Stop;
use super::link::Link;
use super::server::Server;
use crate::LedgerError;
use crate::pool::Pool;

/// How long the server may say nothing to what reads: sums over a large ledger take a while.
const SILENCE_MAX: Duration = Duration::from_secs(300);

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

pub(super) struct Readers {
    server: Server,
    idle: Pool<Link>,
}

impl Readers {
    pub(super) fn new(server: Server) -> Self {
        Self { server, idle: Pool::default() }
    }

    /// Answers a question from one state of the ledger.
    pub(super) fn read<T>(&self, answer: impl FnOnce(&Link) -> Result<T, Stop>) -> Result<T, LedgerError> {
        let answered = self.begin().and_then(|link| {
            let answer = answer(&link)?;
            link.perform("COMMIT")?;
            // A connection on which something failed is not kept.
            self.idle.put_back(link);
            Ok(answer)
        });
        answered.map_err(|stop| stop.explain(self.server.place(), "read"))
    }

    /// Returns a connection in a new transaction. Where one was lost while nobody needed it, so may all be.
    fn begin(&self) -> Result<Link, Stop> {
        if let Some(link) = self.idle.take() {
            match begin(&link).map_err(Stop::from) {
                Ok(()) => return Ok(link),
                Err(stop) if stop.is_lost() || link.is_closed() => self.idle.clear(),
                Err(stop) => return Err(stop),
            }
        }
        let link = self.server.connect("read", SILENCE_MAX)?;
        begin(&link)?;
        Ok(link)
    }
}

fn begin(link: &Link) -> Result<(), Error> {
    link.age()?;
    link.perform(BEGIN)
}
