//! What the file has of what a batch names.

use rusqlite::{Connection, Result};

use super::{log, member, redemption};
use crate::admission::{Found, Named};

/// Looks up each thing that is named, once.
pub(super) fn of<'a>(connection: &Connection, named: &Named<'a>) -> Result<Found<'a>> {
    let mut found = Found::nothing_but(log::head(connection)?);
    for key in &named.keys {
        let place = log::place(connection, key.0, key.1)?;
        found.places.extend(place.map(|seq| (*key, seq)));
    }
    for member in &named.members {
        let account = member::account(connection, member)?;
        found.accounts.extend(account.map(|(_, account)| (*member, account)));
    }
    for number in &named.orders {
        found.orders.insert(number, log::entries_of_order(connection, number)?);
    }
    for name in &named.redemptions {
        found.steps.insert(name, redemption::steps(connection, name)?);
    }
    for item in &named.stock {
        let (deployment, name, day) = item;
        found.stock.insert(*item, redemption::taken(connection, deployment, name, *day)?);
    }
    for deployment in &named.budgets {
        found.budgets.insert(deployment, member::used(connection, deployment)?);
    }
    Ok(found)
}
