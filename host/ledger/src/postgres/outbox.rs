//! The outbox: notices that are not delivered yet.

use jifen_loyalty::{Event, Instant, NoticeId};
use tokio_postgres::Row;

use super::column::Unsigned;
use super::failure::Stop;
use super::link::{Call, Change, Link};
use super::rows::Numbered;
use crate::Undelivered;

/// Returns what entries put there and take out.
pub(super) fn changes<'a>(entries: &[Numbered<'a>]) -> [Change<'a>; 2] {
    let insert = "
        INSERT INTO outbox
          (seq, n, attempts, due_ms, problem)
        SELECT *
        FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[])";
    let delete = "
        DELETE FROM outbox
        USING unnest($1::text[], $2::text[], $3::bigint[]) AS delivered (source, id, n)
        JOIN transactions USING (source, id)
        WHERE outbox.seq = transactions.seq
          AND outbox.n = delivered.n";
    let new: Vec<_> = entries.iter().flat_map(|(seq, entry)| Undelivered::of(*seq, entry)).collect();
    let delivered: Vec<_> = entries.iter().filter_map(|(_, entry)| entry.event.delivers()).collect();
    [
        Change::any(rows(insert, &new)),
        Change::any(
            Call::new(delete)
                .column(delivered.iter().map(|_| Event::CAMPAIGNS))
                .column(delivered.iter().map(|sent| &*sent.run))
                .column(delivered.iter().map(|sent| i64::from(sent.n))),
        ),
    ]
}

/// Returns what keeps what became of attempts.
pub(super) fn keep(tried: &[Undelivered]) -> Call<'static> {
    let sql = "
        UPDATE outbox
        SET attempts = tried.attempts,
          due_ms = tried.due_ms,
          problem = tried.problem
        FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[])
          AS tried (seq, n, attempts, due_ms, problem)
        WHERE outbox.seq = tried.seq
          AND outbox.n = tried.n";
    rows(sql, tried)
}

fn rows(sql: &'static str, notices: &[Undelivered]) -> Call<'static> {
    Call::new(sql)
        .column(notices.iter().map(|it| Unsigned(it.id.seq)))
        .column(notices.iter().map(|it| i64::from(it.id.n)))
        .column(notices.iter().map(|it| i64::from(it.attempts)))
        .column(notices.iter().map(|it| it.due.map(Instant::millis)))
        .column(notices.iter().map(|it| it.problem.clone()))
}

/// Returns notices behind one; with an instant, those that are to be tried by then.
pub(super) fn page(
    link: &Link,
    due: Option<Instant>,
    after: NoticeId,
    limit: usize,
) -> Result<Vec<Undelivered>, Stop> {
    let sql = "
        SELECT seq, n, attempts, due_ms, problem
        FROM outbox
        WHERE (seq, n) > ($1, $2)
          AND ($3::bigint IS NULL OR due_ms <= $3)
        ORDER BY seq, n
        LIMIT $4";
    let call = Call::new(sql)
        .value(Unsigned(after.seq))
        .value(i64::from(after.n))
        .value(due.map(Instant::millis))
        .value(i64::try_from(limit).unwrap_or(i64::MAX));
    let rows: Vec<Row> = link.ask_one(&call)?;
    Ok(rows.iter().map(Undelivered::read).collect::<Result<_, _>>()?)
}
