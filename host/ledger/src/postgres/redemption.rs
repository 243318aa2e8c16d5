//! What admitted entries do to uses of points.

use std::collections::{BTreeMap, BTreeSet};

use jifen_loyalty::entry::{Begins, PartMove, RedemptionMove, StockKey};
use jifen_loyalty::lot::LotId;
use jifen_loyalty::{DeploymentId, Instant, MemberId, Points, RedemptionId};
use tokio_postgres::Row;

use super::column::Unsigned;
use super::failure::Stop;
use super::link::{Call, Change, Link};
use super::rows::Numbered;
use crate::column;

/// Returns the changes: uses of points that begin, their parts, those that go on, and whether members have any.
pub(super) fn changes<'a>(entries: &[Numbered<'a>]) -> [Change<'a>; 5] {
    let steps = || entries.iter().flat_map(|(seq, entry)| entry.redemptions.iter().map(|step| (*seq, step)));
    let begun: Vec<_> = steps().filter_map(|(seq, step)| Some((seq, step, step.begins.as_ref()?))).collect();
    let later: Vec<_> = steps().map(|(_, step)| step).filter(|step| step.begins.is_none()).collect();
    let holders: BTreeSet<_> = steps().map(|(_, step)| step.member.as_str()).collect();
    [
        Change::any(begin(&begun)),
        Change::any(new_parts(&begun)),
        go_on(&later),
        moved_parts(&later),
        Change::any(flag(holders)),
    ]
}

fn begin<'a>(begun: &[(u64, &'a RedemptionMove, &'a Begins)]) -> Call<'a> {
    let sql = "
        INSERT INTO redemptions
          (redemption, member, seq, until_ms, deployment, item, day, quantity, steps)
        SELECT *, 1
        FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::integer[],
          $8::bigint[])";
    let steps = begun.iter().map(|(_, step, _)| *step);
    let taken = begun.iter().map(|(_, _, begins)| begins.stock.as_ref());
    let item = |key: &'a StockKey| &*key.item;
    Call::new(sql)
        .column(steps.clone().map(|step| step.name.as_str()))
        .column(steps.map(|step| step.member.as_str()))
        .column(begun.iter().map(|(seq, _, _)| Unsigned(*seq)))
        .column(begun.iter().map(|(_, _, begins)| begins.until.millis()))
        .column(taken.clone().map(|key| key.map(|key| key.deployment.as_str())))
        .column(taken.clone().map(|key| key.map(item)))
        .column(taken.clone().map(|key| key.map(|key| key.day)))
        .column(taken.map(|key| key.map(|key| Unsigned(key.quantity))))
}

fn new_parts<'a>(begun: &[(u64, &'a RedemptionMove, &'a Begins)]) -> Call<'a> {
    let sql = "
        INSERT INTO redemption_lots
          (member, redemption, n, day, origin, version, award, held, released, captured, cancelled)
        SELECT *
        FROM unnest($1::text[], $2::text[], $3::integer[], $4::integer[], $5::text[], $6::bigint[], $7::bigint[],
          $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[])";
    let of_step = |step: &'a RedemptionMove| (0_i32..).zip(&step.parts).map(move |(n, part)| (step, n, part));
    let rows: Vec<(&RedemptionMove, i32, &PartMove)> =
        begun.iter().flat_map(|(_, step, _)| of_step(step)).collect();
    let parts = rows.iter().map(|(_, _, part)| *part);
    Call::new(sql)
        .column(rows.iter().map(|(step, _, _)| step.member.as_str()))
        .column(rows.iter().map(|(step, _, _)| step.name.as_str()))
        .column(rows.iter().map(|(_, n, _)| *n))
        .column(parts.clone().map(|part| part.day))
        .column(parts.clone().map(|part| part.lot.member.as_str()))
        .column(parts.clone().map(|part| Unsigned(part.lot.version)))
        .column(parts.clone().map(|part| i64::from(part.lot.award)))
        .column(parts.clone().map(|part| Unsigned(part.held.get())))
        .column(parts.clone().map(|part| Unsigned(part.released.get())))
        .column(parts.clone().map(|part| Unsigned(part.captured.get())))
        .column(parts.map(|part| Unsigned(part.cancelled.get())))
}

/// Moves uses of points on. One that is not there fails the group: it was decided on steps that were asserted.
fn go_on<'a>(later: &[&'a RedemptionMove]) -> Change<'a> {
    let sql = "
        UPDATE redemptions
        SET steps = redemptions.steps + moved.steps
        FROM unnest($1::text[], $2::bigint[]) AS moved (redemption, steps)
        WHERE redemptions.redemption = moved.redemption";
    let mut steps = BTreeMap::<&RedemptionId, i64>::new();
    for step in later {
        let count = steps.entry(&step.name).or_default();
        *count = count.saturating_add(1);
    }
    let call = Call::new(sql).column(steps.keys().map(|name| name.as_str())).column(steps.values().copied());
    Change::all(call, steps.len())
}

/// Movements of points in uses of points.
type Movements<'a> = BTreeMap<(&'a MemberId, &'a RedemptionId, &'a LotId), [Points; 3]>;

/// Moves points in uses of points: released, captured, cancelled.
fn moved_parts<'a>(later: &[&'a RedemptionMove]) -> Change<'a> {
    let sql = "
        UPDATE redemption_lots
        SET released = redemption_lots.released + moved.released,
          captured = redemption_lots.captured + moved.captured,
          cancelled = redemption_lots.cancelled + moved.cancelled
        FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
          $8::bigint[]) AS moved (member, redemption, origin, version, award, released, captured, cancelled)
        WHERE redemption_lots.member = moved.member
          AND redemption_lots.redemption = moved.redemption
          AND redemption_lots.origin = moved.origin
          AND redemption_lots.version = moved.version
          AND redemption_lots.award = moved.award";
    let mut movements = Movements::new();
    for (step, part) in later.iter().flat_map(|step| step.parts.iter().map(move |part| (step, part))) {
        let sums = movements.entry((&step.member, &step.name, &part.lot)).or_default();
        for (sum, more) in sums.iter_mut().zip([part.released, part.captured, part.cancelled]) {
            *sum = sum.plus(more);
        }
    }
    let lots = movements.keys().map(|(_, _, lot)| *lot);
    let sum = |n: usize| movements.values().map(move |sums| Unsigned(sums[n].get()));
    let call = Call::new(sql)
        .column(movements.keys().map(|(member, _, _)| member.as_str()))
        .column(movements.keys().map(|(_, name, _)| name.as_str()))
        .column(lots.clone().map(|lot| lot.member.as_str()))
        .column(lots.clone().map(|lot| Unsigned(lot.version)))
        .column(lots.map(|lot| i64::from(lot.award)))
        .column(sum(0))
        .column(sum(1))
        .column(sum(2));
    Change::all(call, movements.len())
}

fn flag<'a>(holders: BTreeSet<&'a str>) -> Call<'a> {
    let sql = "
        UPDATE members
        SET holding = EXISTS (
          SELECT 1
          FROM redemption_lots
          WHERE redemption_lots.member = members.member
            AND released + captured < held
        )
        WHERE member = ANY ($1::text[])";
    Call::new(sql).column(holders)
}

/// Returns uses of points that hold some of an item for too long, and since when. Reads all that is held: there is much
/// less of it than was ever taken of an item.
pub(super) fn lapsed(
    link: &Link,
    deployment: &DeploymentId,
    item: &str,
    at: Instant,
) -> Result<Vec<(RedemptionId, Instant)>, Stop> {
    let sql = "
        SELECT DISTINCT redemption, until_ms
        FROM redemption_lots
        JOIN redemptions USING (redemption)
        WHERE released + captured < held
          AND deployment = $1
          AND item = $2
          AND until_ms <= $3
        ORDER BY until_ms, redemption";
    let call = Call::new(sql).value(deployment.as_str()).value(item).value(at.millis());
    let over = |row: &Row| Ok((column::name(row, 0)?, column::instant(row, 1)?));
    link.ask_one(&call)?.iter().map(over).collect()
}
