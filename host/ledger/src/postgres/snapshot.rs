//! Snapshots: one state of the ledger, a statement a table for all that is asked.
//!
//! ```text
//! what is known of the events ──► their orders ──► uses of points ──► members: rows ──► days, lots, debts, holds
//! ```
//!
//! Each step asks for what the one before it named, for everything at once: a snapshot of a thousand events takes as many
//! round trips as one of a single event.

use std::collections::{BTreeMap, BTreeSet};

use jifen_loyalty::entry::StockTaken;
use jifen_loyalty::{DeploymentId, Lot, Member, MemberId, Points, RedemptionId};
use tokio_postgres::Row;

use super::column::{Unsigned, at, at_mut, place};
use super::failure::Stop;
use super::found::{ACCOUNTS, GRANTED};
use super::link::{Call, Link};
use super::log;
use crate::column::{self, Lots, Row as _, lot_columns};
use crate::snapshot::{RedemptionHead, add_lot, add_purchase, needs_whole_lots};
use crate::{
    Known, Needs, Order, OrderQuery, Purchased, Query, RedeemedPart, Redemption, RedemptionQuery, Snapshot,
};

/// Who is asked for, from which business day on, and what of them.
type Asked<'a> = (&'a MemberId, i32, Needs);

/// Answers a query, inside one read transaction.
pub(super) fn snapshot(link: &Link, query: &Query<'_>) -> Result<Snapshot, Stop> {
    let Figures { known, budgets_used, stock } = figures(link, query)?;
    let mut reader = Reader { link, lots: Lots::default() };
    let asked = query.members.iter().map(|asked| (asked.id, asked.first_day, asked.needs(query.needs)));
    let members = reader.members(&asked.collect::<Vec<_>>())?;
    let orders = reader.orders(&known, query.orders)?;
    let redemptions = reader.asked_redemptions(&known, query.redemptions)?;
    Ok(Snapshot { known, members, budgets_used, orders, redemptions, stock })
}

/// What a snapshot has that is about no member.
struct Figures {
    known: Vec<Option<Known>>,
    budgets_used: BTreeMap<DeploymentId, Points>,
    stock: Vec<StockTaken>,
}

fn figures(link: &Link, query: &Query<'_>) -> Result<Figures, Stop> {
    let items = || query.stock.iter();
    let [events, budgets, taken] = link.ask([
        Call::new(KNOWN)
            .column(query.keys.iter().map(|(source, _)| *source))
            .column(query.keys.iter().map(|(_, id)| *id)),
        Call::new(GRANTED).column(query.budgets.iter().map(DeploymentId::as_str)),
        Call::new(TAKEN)
            .column(items().map(|(deployment, _, _)| deployment.as_str()))
            .column(items().map(|(_, item, _)| *item))
            .column(items().map(|(_, _, day)| *day)),
    ])?;
    let mut known = vec![None; query.keys.len()];
    for row in &events {
        *at_mut(&mut known, row)? = Some(column::known(row, 1)?);
    }
    let unused = query.budgets.iter().map(|id| (id.clone(), Points::ZERO));
    let mut budgets_used: BTreeMap<_, _> = unused.collect();
    for row in &budgets {
        budgets_used.insert(at(query.budgets, row)?.clone(), column::points(row, 1)?);
    }
    let mut stock = vec![StockTaken::default(); query.stock.len()];
    for row in &taken {
        let taken = StockTaken { total: column::count(row, 1)?, on_day: column::count(row, 2)? };
        *at_mut(&mut stock, row)? = taken;
    }
    Ok(Figures { known, budgets_used, stock })
}

const KNOWN: &str = "
    SELECT place, seq, event_digest, receipt, receipt_digest
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (source, id, place)
    JOIN transactions USING (source, id)";

const TAKEN: &str = "
    SELECT place, coalesce(in_all.taken, 0), coalesce(on_day.taken, 0)
    FROM unnest($1::text[], $2::text[], $3::integer[]) WITH ORDINALITY AS asked (deployment, item, day, place)
    LEFT JOIN stock AS in_all
      ON in_all.deployment = asked.deployment AND in_all.item = asked.item AND in_all.day = 0
    LEFT JOIN stock AS on_day
      ON on_day.deployment = asked.deployment AND on_day.item = asked.item AND on_day.day = asked.day";

/// Reads for one snapshot.
struct Reader<'a> {
    link: &'a Link,
    lots: Lots,
}

impl Reader<'_> {
    /// Returns members, in the order in which they are asked for.
    fn members(&mut self, asked: &[Asked<'_>]) -> Result<Vec<Member>, Stop> {
        let accounts = Call::new(ACCOUNTS).column(asked.iter().map(|(member, _, _)| member.as_str()));
        let mut members = vec![Member::default(); asked.len()];
        for row in self.link.ask_one(&accounts)? {
            let account = column::account(&row, 1)?;
            let member = at_mut(&mut members, &row)?;
            (member.version, member.profile) = (account.version, account.profile);
        }
        self.add_details(asked, &mut members)?;
        Ok(members)
    }

    /// Adds days, debts, holds and lots of members, as far as each needs them.
    fn add_details(&mut self, asked: &[Asked<'_>], members: &mut [Member]) -> Result<(), Stop> {
        let there = || (1_i64..).zip(asked.iter().zip(&*members)).filter(|(_, (_, it))| it.version > 0);
        let buyers = there().filter(|(_, ((_, _, needs), _))| needs.purchases_by_day);
        let debtors = there().filter(|(_, (_, member))| member.profile.indebted);
        let holders = there().filter(|(_, (_, member))| member.profile.holding);
        let owners = there().filter_map(|(place, ((id, first_day, needs), member))| {
            let whole = needs_whole_lots(member, *needs);
            let first_day = if whole { i32::MIN } else { *first_day };
            (whole || needs.granted_by_day).then_some((place, *id, first_day))
        });
        let (buyers, owners): (Vec<_>, Vec<_>) = (buyers.collect(), owners.collect());
        let [purchases, debts, holds, lots] = self.link.ask([
            Call::new(PURCHASES)
                .column(buyers.iter().map(|(place, _)| *place))
                .column(buyers.iter().map(|(_, ((member, _, _), _))| member.as_str()))
                .column(buyers.iter().map(|(_, ((_, first_day, _), _))| *first_day))
                .column(buyers.iter().map(|_| i64::MAX)),
            of_members(DEBTS, debtors.map(|(place, ((member, _, _), _))| (place, *member))),
            of_members(HOLDS, holders.map(|(place, ((member, _, _), _))| (place, *member))),
            Call::new(LOTS)
                .column(owners.iter().map(|(place, _, _)| *place))
                .column(owners.iter().map(|(_, member, _)| member.as_str()))
                .column(owners.iter().map(|(_, _, first_day)| *first_day)),
        ])?;
        for row in &purchases {
            add_purchase_row(at_mut(members, row)?, row)?;
        }
        for row in &debts {
            at_mut(members, row)?.debts.push(column::debt(row, 1)?);
        }
        for row in &holds {
            column::add_hold(row, 1, &mut at_mut(members, row)?.holds)?;
        }
        for row in &lots {
            let (lot, (id, first_day, needs)) = (self.lots.read(row, 1)?, at(asked, row)?);
            add_lot((id, at_mut(members, row)?), lot, *needs, *first_day);
        }
        for member in members {
            // An issuer's place among others is that of its value, not of its text.
            member.debts.sort_by(|one, other| (&one.unit, &one.issuer).cmp(&(&other.unit, &other.issuer)));
        }
        Ok(())
    }

    /// Returns members with all their lots.
    fn owners(&mut self, owners: BTreeSet<MemberId>) -> Result<BTreeMap<MemberId, Member>, Stop> {
        let needs = Needs { lots: true, ..Needs::default() };
        let asked: Vec<_> = owners.iter().map(|owner| (owner, i32::MAX, needs)).collect();
        let members = self.members(&asked)?;
        Ok(owners.into_iter().zip(members).collect())
    }

    fn orders(&mut self, known: &[Option<Known>], asked: &[OrderQuery<'_>]) -> Result<Vec<Order>, Stop> {
        let mut orders = vec![Order::default(); asked.len()];
        let wanted = || (1_i64..).zip(asked).filter(|(_, asked)| !asked.is_idle(known));
        let whole = || wanted().filter(|(_, asked)| asked.whole);
        let [entries, lots] = self.link.ask([
            Call::new(ENTRIES_OF_ORDERS)
                .column(wanted().map(|(place, _)| place))
                .column(wanted().map(|(_, asked)| asked.number)),
            Call::new(LOTS_OF_ORDERS)
                .column(whole().map(|(place, _)| place))
                .column(whole().map(|(_, asked)| asked.number)),
        ])?;
        for row in &entries {
            let (order, asked) = (at_mut(&mut orders, row)?, at(asked, row)?);
            let logged = column::logged(row, 1)?;
            if let (true, Some(member), Some(_)) = (asked.whole, row.text_or_null(6)?, row.number_or_null(7)?)
            {
                let (seq, member, before) = (logged.seq, member.into(), Member::default());
                order.purchases.push(Purchased { seq, member, lots: Vec::new(), before });
            }
            order.entries.push(logged);
        }
        for row in &lots {
            let lot: (MemberId, Lot) = (column::name(row, 1)?, self.lots.read(row, 2)?);
            let purchases = &mut at_mut(&mut orders, row)?.purchases;
            purchases.iter_mut().for_each(|purchased| purchased.lots.push(lot.clone()));
        }
        log::add_postings(self.link, orders.iter_mut().flat_map(|order| &mut order.entries))?;
        self.add_before(&mut orders)?;
        self.add_tendered(&mut orders)?;
        self.add_owners(&mut orders)?;
        Ok(orders)
    }

    /// Adds the days of buyers as they were before their purchases.
    fn add_before(&self, orders: &mut [Order]) -> Result<(), Stop> {
        let mut purchases: Vec<_> = orders.iter_mut().flat_map(|order| &mut order.purchases).collect();
        let asked = || (1_i64..).zip(&purchases);
        let [bought, granted] = self.link.ask([
            Call::new(PURCHASES)
                .column(asked().map(|(place, _)| place))
                .column(asked().map(|(_, purchased)| purchased.member.as_str()))
                .column(asked().map(|_| i32::MIN))
                .column(asked().map(|(_, purchased)| Unsigned(purchased.seq))),
            Call::new(GRANTED_BEFORE)
                .column(asked().map(|(place, _)| place))
                .column(asked().map(|(_, purchased)| purchased.member.as_str()))
                .column(asked().map(|(_, purchased)| Unsigned(purchased.seq))),
        ])?;
        for row in &bought {
            add_purchase_row(&mut at_mut(&mut purchases, row)?.before, row)?;
        }
        for row in &granted {
            let before = &mut at_mut(&mut purchases, row)?.before;
            column::add_grant(row, 1, &mut before.granted_by_day)?;
        }
        Ok(())
    }

    /// Adds the uses of points that purchases were paid with.
    fn add_tendered(&mut self, orders: &mut [Order]) -> Result<(), Stop> {
        let tendered = |order: &Order| -> Vec<RedemptionId> {
            order.purchases.iter().flat_map(|purchased| order.tendered(purchased.seq)).collect()
        };
        let by_order: Vec<_> = orders.iter().map(tendered).collect();
        let names: BTreeSet<_> = by_order.iter().flatten().collect();
        let names: Vec<_> = names.into_iter().collect();
        let found = self.redemptions(&names)?;
        let found: BTreeMap<_, _> = names.into_iter().zip(found).collect();
        for (order, names) in orders.iter_mut().zip(&by_order) {
            let of_order = names.iter().filter_map(|name| Some((name.clone(), found.get(name)?.clone())));
            order.redemptions.extend(of_order);
        }
        Ok(())
    }

    fn add_owners(&mut self, orders: &mut [Order]) -> Result<(), Stop> {
        let of_order = |order: &Order| -> BTreeSet<MemberId> {
            let lots = order.purchases.iter().flat_map(|it| it.lots.iter().map(|(owner, _)| owner));
            lots.chain(order.purchases.iter().map(|purchased| &purchased.member)).cloned().collect()
        };
        let by_order: Vec<_> = orders.iter().map(of_order).collect();
        let owners = self.owners(by_order.iter().flatten().cloned().collect())?;
        for (order, names) in orders.iter_mut().zip(by_order) {
            let of_order =
                names.into_iter().filter_map(|name| owners.get(&name).cloned().map(|it| (name, it)));
            order.owners.extend(of_order);
        }
        Ok(())
    }

    fn asked_redemptions(
        &mut self,
        known: &[Option<Known>],
        asked: &[RedemptionQuery<'_>],
    ) -> Result<Vec<Redemption>, Stop> {
        let wanted = asked.iter().filter(|asked| !asked.is_idle(known)).map(|asked| asked.name);
        let names: Vec<_> = wanted.collect();
        let mut found = self.redemptions(&names)?.into_iter();
        let answer = |asked: &RedemptionQuery<'_>| {
            if asked.is_idle(known) { Redemption::default() } else { found.next().unwrap_or_default() }
        };
        Ok(asked.iter().map(answer).collect())
    }

    /// Returns uses of points, in the order in which they are asked for.
    fn redemptions(&mut self, names: &[&RedemptionId]) -> Result<Vec<Redemption>, Stop> {
        let [heads, parts] = self.link.ask([
            Call::new(HEADS).column(names.iter().map(|name| name.as_str())),
            Call::new(PARTS).column(names.iter().map(|name| name.as_str())),
        ])?;
        let mut redemptions = vec![Redemption::default(); names.len()];
        let mut begun = Vec::new();
        for row in &heads {
            let RedemptionHead { member, seq, redemption } = RedemptionHead::read(row, 1)?;
            *at_mut(&mut redemptions, row)? = redemption;
            begun.push((place(row)?, member, seq));
        }
        for row in &parts {
            let part = RedeemedPart::read(row, 1, &mut self.lots)?;
            at_mut(&mut redemptions, row)?.parts.push(part);
        }
        let requests = log::at_places(self.link, begun.iter().map(|(_, _, seq)| *seq))?;
        let owners = self.owners(begun.iter().map(|(_, member, _)| member.clone()).collect())?;
        for (place, member, seq) in begun {
            let Some(redemption) = redemptions.get_mut(place) else { continue };
            redemption.request = requests.get(&seq).cloned();
            redemption.owner = owners.get(&member).map(|owner| (member.clone(), owner.clone()));
        }
        Ok(redemptions)
    }
}

fn of_members<'a>(sql: &'static str, asked: impl Iterator<Item = (i64, &'a MemberId)>) -> Call<'a> {
    let (places, members): (Vec<_>, Vec<_>) = asked.unzip();
    Call::new(sql).column(places).column(members.into_iter().map(MemberId::as_str))
}

fn add_purchase_row(member: &mut Member, row: &Row) -> Result<(), Stop> {
    add_purchase(&mut member.purchases_by_day, column::count(row, 1)?, column::count(row, 2)?);
    Ok(())
}

/// Purchases of a business day or later that lie before a place in the log.
const PURCHASES: &str = "
    SELECT place, day, spend_minor
    FROM unnest($1::bigint[], $2::text[], $3::integer[], $4::bigint[]) AS asked (place, member, first_day, before)
    JOIN transactions USING (member)
    WHERE day >= first_day
      AND spend_minor IS NOT NULL
      AND seq < before";

const GRANTED_BEFORE: &str = "
    SELECT place, deployment, unit, (origin <> member)::integer, day, points, reversed
    FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS asked (place, member, before)
    JOIN lots USING (member)
    WHERE seq < before";

const DEBTS: &str = "
    SELECT place, unit, issuer, points
    FROM unnest($1::bigint[], $2::text[]) AS asked (place, member)
    JOIN debts USING (member)";

const HOLDS: &str = "
    SELECT place, redemption, origin, version, award, held - released - captured,
      steps, until_ms, deployment, item, redemptions.day, quantity
    FROM unnest($1::bigint[], $2::text[]) AS asked (place, member)
    JOIN redemption_lots USING (member)
    JOIN redemptions USING (redemption)
    WHERE released + captured < held
    ORDER BY place, redemption, n";

const LOTS: &str = concat!(
    "SELECT place, ",
    lot_columns!("lots.origin"),
    "
    FROM unnest($1::bigint[], $2::text[], $3::integer[]) AS asked (place, member, first_day)
    JOIN lots USING (member)
    WHERE day >= first_day
    ORDER BY place, day, origin, version, award"
);

const ENTRIES_OF_ORDERS: &str = "
    SELECT place, seq, event, event_digest, receipt, receipt_digest, member, spend_minor
    FROM unnest($1::bigint[], $2::text[]) AS asked (place, order_number)
    JOIN transactions USING (order_number)
    ORDER BY place, seq";

const LOTS_OF_ORDERS: &str = concat!(
    "SELECT place, lots.member, ",
    lot_columns!("lots.origin"),
    "
    FROM unnest($1::bigint[], $2::text[]) AS asked (place, order_number)
    JOIN transactions USING (order_number)
    JOIN postings USING (seq)
    JOIN lots
      ON lots.member = substr(postings.account, length('member/') + 1)
      AND lots.day = transactions.day
      AND postings.lot = lots.origin || '/' || lots.version || '/' || lots.award
    WHERE postings.kind = 'award'
    ORDER BY place, lots.seq, lots.award"
);

const HEADS: &str = "
    SELECT place, member, seq, steps, until_ms, deployment, item, day, quantity
    FROM unnest($1::text[]) WITH ORDINALITY AS asked (redemption, place)
    JOIN redemptions USING (redemption)";

const PARTS: &str = concat!(
    "SELECT place, held, released, captured, cancelled, ",
    lot_columns!("lots.origin"),
    "
    FROM unnest($1::text[]) WITH ORDINALITY AS asked (redemption, place)
    JOIN redemptions USING (redemption)
    JOIN redemption_lots USING (member, redemption)
    JOIN lots USING (member, origin, version, award)
    WHERE lots.day = redemption_lots.day
    ORDER BY place, n"
);
