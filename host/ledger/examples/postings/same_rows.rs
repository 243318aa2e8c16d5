//! The same rows in PostgreSQL, copied by a program that checks nothing and knows no ledger.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, TryStreamExt as _};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls};

use crate::watch::{Measured, Watch};

/// The tables of an entry, and the order in which their rows are written.
const TABLES: [(&str, &str); 3] =
    [("transactions", "seq"), ("postings", "seq, n"), ("lots", "member, day, origin, version, award")];

/// Empty tables beside those of the ledger, with the same constraints and indexes.
const BARE: &str = "
    DROP SCHEMA IF EXISTS bare CASCADE;
    CREATE SCHEMA bare;
    CREATE TABLE bare.transactions (LIKE transactions INCLUDING ALL);
    CREATE TABLE bare.postings (LIKE postings INCLUDING ALL);
    CREATE TABLE bare.lots (LIKE lots INCLUDING ALL);
    CREATE TABLE bare.members (LIKE members INCLUDING ALL) WITH (fillfactor = 50);
    CREATE TEMPORARY TABLE moved (LIKE members) ON COMMIT DELETE ROWS;";

const MEMBERS: &str = "
    INSERT INTO bare.members
    SELECT * FROM moved
    ON CONFLICT (member) DO UPDATE SET version = excluded.version";

/// Copies the entries behind a place in the log as they are, so many in a transaction. Returns how long the writing took.
pub(crate) fn run(url: &str, after: u64, entries: usize, batch: usize) -> Measured<Duration> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let client = connect(&runtime, url)?;
    runtime.block_on(async {
        client.batch_execute(BARE).await?;
        let mut taken = Duration::ZERO;
        let after = usize::try_from(after)?;
        for first in (0..entries).step_by(batch) {
            let from = after.saturating_add(first);
            let rows = read(&client, from, from.saturating_add(batch)).await?;
            let watch = Watch::start();
            write(&client, rows).await?;
            taken = taken.saturating_add(watch.elapsed());
        }
        Ok(taken)
    })
}

fn connect(runtime: &Runtime, url: &str) -> Measured<Client> {
    let (client, connection) = runtime.block_on(tokio_postgres::connect(url, NoTls))?;
    runtime.spawn(connection);
    Ok(client)
}

/// Returns the rows of some entries: where each goes, and what.
async fn read(client: &Client, after: usize, through: usize) -> Measured<Vec<(String, Vec<Bytes>)>> {
    let mut rows = Vec::new();
    for (table, order) in TABLES {
        let these =
            format!("SELECT * FROM {table} WHERE seq > {after} AND seq <= {through} ORDER BY {order}");
        rows.push((format!("bare.{table}"), copied(client, &these).await?));
    }
    let these = format!(
        "SELECT DISTINCT m.* FROM transactions t JOIN members m USING (member)
         WHERE t.seq > {after} AND t.seq <= {through} ORDER BY m.member"
    );
    rows.push(("moved".to_owned(), copied(client, &these).await?));
    Ok(rows)
}

async fn copied(client: &Client, select: &str) -> Measured<Vec<Bytes>> {
    let stream = client.copy_out(&format!("COPY ({select}) TO STDOUT (FORMAT binary)")).await?;
    Ok(stream.try_collect().await?)
}

async fn write(client: &Client, rows: Vec<(String, Vec<Bytes>)>) -> Measured<()> {
    client.batch_execute("BEGIN").await?;
    for (table, rows) in rows {
        let mut sink = pin!(client.copy_in(&format!("COPY {table} FROM STDIN (FORMAT binary)")).await?);
        for bytes in rows {
            sink.feed(bytes).await?;
        }
        sink.close().await?;
    }
    client.batch_execute(MEMBERS).await?;
    client.batch_execute("COMMIT").await?;
    Ok(())
}
