//! A connection, and what is sent over it.
//!
//! Calls that do not need each other's answers go out together and cost one round trip. The server performs them one
//! after the other, each on what the ones before it left.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::stream::FuturesOrdered;
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};

use super::failure::Stop;

/// How long the server may say nothing to what takes no time but that of a lock or a flush.
const PROMPT: Duration = Duration::from_secs(30);

/// A statement with its values.
pub(super) struct Call<'a> {
    sql: &'static str,
    values: Vec<Box<dyn ToSql + Sync + 'a>>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Prepared once for a connection.
    Prepared,
    /// Sent as it is; its rows are not read.
    Plain,
    /// Not sent at all, because there is nothing to ask for.
    Idle,
}

impl<'a> Call<'a> {
    /// Returns a call whose values follow.
    pub(super) fn new(sql: &'static str) -> Self {
        Self { sql, values: Vec::new(), kind: Kind::Prepared }
    }

    /// Returns a call of commands without values that give no rows.
    pub(super) fn plain(sql: &'static str) -> Self {
        Self { sql, values: Vec::new(), kind: Kind::Plain }
    }

    /// Adds a value.
    pub(super) fn value(mut self, value: impl ToSql + Sync + 'a) -> Self {
        self.values.push(Box::new(value));
        self
    }

    /// Adds a column: one value for each row that is asked for or written. Without rows, the call is not made.
    pub(super) fn column<T: ToSql + Sync + 'a>(mut self, cells: impl IntoIterator<Item = T>) -> Self {
        let cells: Vec<T> = cells.into_iter().collect();
        if cells.is_empty() {
            self.kind = Kind::Idle;
        }
        self.values.push(Box::new(cells));
        self
    }

    /// Returns the statement to prepare, if it is one.
    fn statement(&self) -> Option<&'static str> {
        (self.kind == Kind::Prepared).then_some(self.sql)
    }

    fn parameters(&self) -> impl ExactSizeIterator<Item = &(dyn ToSql + Sync)> {
        self.values.iter().map(|value| -> &(dyn ToSql + Sync) { &**value })
    }
}

/// A statement that writes, and how many rows it must meet.
pub(super) struct Change<'a> {
    call: Call<'a>,
    rows: Option<u64>,
}

impl<'a> Change<'a> {
    /// Returns a change that may meet any number of rows.
    pub(super) fn any(call: Call<'a>) -> Self {
        Self { call, rows: None }
    }

    /// Returns a change that must meet as many rows as it names.
    pub(super) fn all(call: Call<'a>, rows: usize) -> Self {
        Self { call, rows: u64::try_from(rows).ok() }
    }
}

/// A connection to the server, for one thread at a time.
pub(super) struct Link {
    runtime: Runtime,
    client: Client,
    /// What drives the connection, which ends with it.
    driver: AbortHandle,
    /// How long the server may say nothing where it is asked.
    silence_max: Duration,
    statements: RefCell<HashMap<&'static str, Statement>>,
    /// How many transactions were begun.
    transactions: Cell<u64>,
}

impl Link {
    pub(super) fn new(runtime: Runtime, client: Client, driver: AbortHandle, silence_max: Duration) -> Self {
        let (statements, transactions) = (RefCell::default(), Cell::default());
        Self { runtime, client, driver, silence_max, statements, transactions }
    }

    /// Returns whether the server is gone, as far as the last answer told.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Grows older by one transaction. Each time there were twice as many, plans are made anew: those of a ledger that has
    /// just begun would read all of its tables, until the server looks at them again in a minute or two.
    pub(super) fn age(&self) -> Result<(), Error> {
        let transactions = self.transactions.get().saturating_add(1);
        self.transactions.set(transactions);
        if transactions.is_power_of_two() { self.perform("DISCARD PLANS") } else { Ok(()) }
    }

    /// Performs commands without values that take no time but that of a lock or a flush.
    pub(super) fn perform(&self, sql: &str) -> Result<(), Error> {
        self.runtime.block_on(self.within(PROMPT, self.client.batch_execute(sql)))
    }

    /// Performs commands without values that may take as long as the server may say nothing.
    pub(super) fn perform_at_length(&self, sql: &str) -> Result<(), Error> {
        self.runtime.block_on(self.answered(self.client.batch_execute(sql)))
    }

    /// Returns the rows of one call.
    pub(super) fn ask_one(&self, call: &Call<'_>) -> Result<Vec<Row>, Error> {
        self.runtime.block_on(async {
            self.prepare(call.statement().into_iter()).await?;
            self.answered(self.rows(call)).await
        })
    }

    /// Returns the rows of each call, for one round trip.
    pub(super) fn ask<const N: usize>(&self, calls: [Call<'_>; N]) -> Result<[Vec<Row>; N], Error> {
        let answers = self.runtime.block_on(async {
            self.prepare(calls.iter().filter_map(Call::statement)).await?;
            self.all(calls.iter().map(|call| self.rows(call))).await
        });
        Ok(answers?.try_into().expect("each call has an answer"))
    }

    /// Writes, for one round trip. A change that does not meet the rows that it must fails all of it.
    pub(super) fn write(&self, changes: &[Change<'_>]) -> Result<(), Stop> {
        let written = self.runtime.block_on(async {
            self.prepare(changes.iter().filter_map(|change| change.call.statement())).await?;
            self.all(changes.iter().map(|change| self.count(&change.call))).await
        })?;
        let missed =
            |(change, written): &(&Change<'_>, u64)| change.rows.is_some_and(|rows| rows != *written);
        match changes.iter().zip(written).find(missed) {
            Some((change, written)) => Err(Stop::Missed { sql: change.call.sql, rows: change.rows, written }),
            None => Ok(()),
        }
    }

    /// Hands over the rows of a call as they come, however many they are.
    pub(super) fn stream(
        &self,
        call: &Call<'_>,
        each: &mut dyn FnMut(&Row) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        if call.kind == Kind::Idle {
            return Ok(());
        }
        self.runtime.block_on(async {
            self.prepare(call.statement().into_iter()).await?;
            let statement = self.statement(call);
            let rows = self.answered(self.client.query_raw(&statement, call.parameters())).await?;
            let mut rows = pin!(rows);
            while let Some(row) = self.answered(rows.try_next()).await? {
                each(&row)?;
            }
            Ok(())
        })
    }

    /// Waits for the answers to calls that go out together.
    async fn all<T>(
        &self,
        calls: impl Iterator<Item = impl Future<Output = Result<T, Error>>>,
    ) -> Result<Vec<T>, Error> {
        let mut calls: FuturesOrdered<_> = calls.collect();
        let mut answers = Vec::new();
        while let Some(answer) = self.answered(calls.try_next()).await? {
            answers.push(answer);
        }
        Ok(answers)
    }

    async fn answered<T>(&self, answer: impl Future<Output = T>) -> T {
        self.within(self.silence_max, answer).await
    }

    /// Waits for an answer. If the server says nothing for too long, the connection ends, and whatever waits for it hears that.
    async fn within<T>(&self, silence_max: Duration, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        if let Ok(answered) = timeout(silence_max, &mut answer).await {
            return answered;
        }
        self.driver.abort();
        answer.await
    }

    /// Prepares what this connection has not seen yet.
    async fn prepare(&self, statements: impl Iterator<Item = &'static str>) -> Result<(), Error> {
        for sql in statements {
            if !self.statements.borrow().contains_key(sql) {
                let statement = self.within(PROMPT, self.client.prepare(sql)).await?;
                self.statements.borrow_mut().insert(sql, statement);
            }
        }
        Ok(())
    }

    fn statement(&self, call: &Call<'_>) -> Statement {
        self.statements.borrow().get(call.sql).cloned().expect("it was prepared")
    }

    async fn rows(&self, call: &Call<'_>) -> Result<Vec<Row>, Error> {
        match call.kind {
            Kind::Idle => Ok(Vec::new()),
            Kind::Plain => self.client.batch_execute(call.sql).await.map(|()| Vec::new()),
            Kind::Prepared => {
                let statement = self.statement(call);
                self.client.query_raw(&statement, call.parameters()).await?.try_collect().await
            }
        }
    }

    async fn count(&self, call: &Call<'_>) -> Result<u64, Error> {
        match call.kind {
            Kind::Idle => Ok(0),
            Kind::Plain => self.client.batch_execute(call.sql).await.map(|()| 0),
            Kind::Prepared => self.client.execute_raw(&self.statement(call), call.parameters()).await,
        }
    }
}
