//! What the ledger has of what a group of batches names, a statement a table.

use super::column::at;
use super::failure::Stop;
use super::link::{Call, Link};
use super::server::BEGIN_WRITING;
use crate::admission::{Found, Head, Named};
use crate::column::{self, account_columns};

/// Takes the end of the log and looks up all that is named. Each statement sees what was committed before the lock was
/// had, because each sees what was committed before itself.
pub(super) fn under_lock<'a>(link: &Link, named: &Named<'a>) -> Result<Found<'a>, Stop> {
    let keys: Vec<_> = named.keys.iter().collect();
    let members: Vec<_> = named.members.iter().collect();
    let orders: Vec<_> = named.orders.iter().collect();
    let redemptions: Vec<_> = named.redemptions.iter().collect();
    let items: Vec<_> = named.stock.iter().collect();
    let budgets: Vec<_> = named.budgets.iter().collect();
    let [_, heads, places, accounts, counts, steps, taken, granted] = link.ask([
        Call::plain(BEGIN_WRITING),
        head(),
        Call::new(PLACES)
            .column(keys.iter().map(|(source, _)| *source))
            .column(keys.iter().map(|(_, id)| *id)),
        Call::new(ACCOUNTS).column(members.iter().map(|member| member.as_str())),
        Call::new(ORDERS).column(orders.iter().map(|number| **number)),
        Call::new(STEPS).column(redemptions.iter().map(|name| name.as_str())),
        Call::new(TAKEN)
            .column(items.iter().map(|(deployment, _, _)| deployment.as_str()))
            .column(items.iter().map(|(_, item, _)| *item))
            .column(items.iter().map(|(_, _, day)| *day)),
        Call::new(GRANTED).column(budgets.iter().map(|deployment| deployment.as_str())),
    ])?;
    let mut found = Found::nothing_but(read_head(&heads)?);
    for row in &places {
        found.places.insert(**at(&keys, row)?, column::count(row, 1)?);
    }
    for row in &accounts {
        found.accounts.insert(**at(&members, row)?, column::account(row, 1)?);
    }
    for row in &counts {
        found.orders.insert(**at(&orders, row)?, column::count(row, 1)?);
    }
    for row in &steps {
        found.steps.insert(**at(&redemptions, row)?, column::count(row, 1)?);
    }
    for row in &taken {
        found.stock.insert(**at(&items, row)?, column::count(row, 1)?);
    }
    for row in &granted {
        found.budgets.insert(**at(&budgets, row)?, column::points(row, 1)?);
    }
    Ok(found)
}

/// Asks for the end of the log.
pub(super) fn head() -> Call<'static> {
    Call::new(
        "
        SELECT seq, latest_ms
        FROM transactions
        ORDER BY seq DESC
        LIMIT 1",
    )
}

pub(super) fn read_head(rows: &[tokio_postgres::Row]) -> Result<Head, Stop> {
    let Some(row) = rows.first() else { return Ok(Head::default()) };
    Ok(Head { seq: column::count(row, 0)?, latest: Some(column::instant(row, 1)?) })
}

const PLACES: &str = "
    SELECT place, seq
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS named (source, id, place)
    JOIN transactions USING (source, id)";

/// The rows of members.
pub(super) const ACCOUNTS: &str = concat!(
    "SELECT place, ",
    account_columns!(),
    "
    FROM unnest($1::text[]) WITH ORDINALITY AS named (member, place)
    JOIN members USING (member)"
);

const ORDERS: &str = "
    SELECT place, count(*)
    FROM unnest($1::text[]) WITH ORDINALITY AS named (order_number, place)
    JOIN transactions USING (order_number)
    GROUP BY place";

const STEPS: &str = "
    SELECT place, steps
    FROM unnest($1::text[]) WITH ORDINALITY AS named (redemption, place)
    JOIN redemptions USING (redemption)";

const TAKEN: &str = "
    SELECT place, taken
    FROM unnest($1::text[], $2::text[], $3::integer[]) WITH ORDINALITY AS named (deployment, item, day, place)
    JOIN stock USING (deployment, item, day)";

/// What was granted from budgets.
pub(super) const GRANTED: &str = "
    SELECT place, granted
    FROM unnest($1::text[]) WITH ORDINALITY AS named (deployment, place)
    JOIN budgets USING (deployment)";
