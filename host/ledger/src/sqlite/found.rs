//! What the file has of what a batch names.

use rusqlite::{Connection, Result};

use super::rows::Numbers;
use super::{log, member, redemption};
use crate::admission::{Found, Named};

/// Looks up each thing that is named, once; and the members' numbers.
pub(super) fn of<'a>(connection: &Connection, named: &Named<'a>) -> Result<(Found<'a>, Numbers<'a>)> {
    let mut found = Found::nothing_but(log::head(connection)?);
    let mut numbers = Numbers::with_capacity(named.members.len());
    for key in &named.keys {
        let place = log::place(connection, key.0, key.1)?;
        found.places.extend(place.map(|seq| (*key, seq)));
    }
    for member in &named.members {
        let Some((number, account)) = member::account(connection, member)? else { continue };
        numbers.insert(*member, number);
        found.accounts.insert(*member, account);
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
    Ok((found, numbers))
}
