//! Rows: what the admitted entries of a group write, a statement a table.
//!
//! Where several entries move one row, it moves once, by their sum.

use std::collections::BTreeMap;

use jifen_loyalty::entry::{LotMove, NewLot};
use jifen_loyalty::lot::LotId;
use jifen_loyalty::term::Notice;
use jifen_loyalty::{DeploymentId, Entry, Instant, MemberId, Points, Posting, Term};

use super::column::Unsigned;
use super::link::{Call, Change};
use super::{outbox, redemption};
use crate::admission::{Account, Admission, ItemKey};
use crate::column::{awaits, end, notice_number, payers_column};
use crate::entry::spend_minor;

/// An entry with its place in the log.
pub(super) type Numbered<'a> = (u64, &'a Entry);

/// Returns all changes of what was admitted, in their order.
pub(super) fn changes<'a>(admitted: &[Admission<'a>]) -> Vec<Change<'a>> {
    let entries: Vec<Numbered<'a>> = admitted.iter().flat_map(Admission::numbered).collect();
    let latest = admitted.first().and_then(|admission| admission.head.latest);
    let mut changes = vec![
        Change::any(new_transactions(&entries, latest)),
        Change::any(new_postings(&entries)),
        Change::any(new_lots(&entries)),
        moved_lots(&entries),
        terms(&entries),
        Change::any(members(admitted)),
    ];
    changes.extend(debts(&entries));
    changes.extend(redemption::changes(&entries));
    changes.extend([Change::any(stock(admitted)), Change::any(budgets(admitted))]);
    changes.extend(outbox::changes(&entries));
    changes
}

fn new_transactions<'a>(entries: &[Numbered<'a>], mut latest: Option<Instant>) -> Call<'a> {
    let sql = "
        INSERT INTO transactions
          (seq, source, id, member, time_ms, latest_ms, day, spend_minor, order_number, event_digest, receipt_digest,
           event, receipt)
        SELECT *
        FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::integer[],
          $8::bigint[], $9::text[], $10::bytea[], $11::bytea[], $12::bytea[], $13::bytea[])";
    let latest = entries.iter().map(|(_, entry)| {
        latest = latest.max(Some(entry.event.time));
        latest.map(Instant::millis)
    });
    let latest: Vec<_> = latest.collect();
    let (seqs, entries) = (entries.iter().map(|(seq, _)| *seq), entries.iter().map(|(_, entry)| *entry));
    Call::new(sql)
        .column(seqs.map(Unsigned))
        .column(entries.clone().map(|entry| &*entry.event.source))
        .column(entries.clone().map(|entry| &*entry.event.id))
        .column(entries.clone().map(|entry| entry.member.as_ref().map(|moved| moved.id.as_str())))
        .column(entries.clone().map(|entry| entry.event.time.millis()))
        .column(latest)
        .column(entries.clone().map(|entry| entry.day))
        .column(entries.clone().map(|entry| spend_minor(entry).map(Unsigned)))
        .column(entries.clone().map(|entry| entry.event.order()))
        .column(entries.clone().map(|entry| &entry.event.digest[..]))
        .column(entries.clone().map(|entry| &entry.receipt_digest[..]))
        .column(entries.clone().map(|entry| &*entry.event.canonical))
        .column(entries.map(|entry| &*entry.receipt))
}

fn new_postings<'a>(entries: &[Numbered<'a>]) -> Call<'a> {
    let sql = "
        INSERT INTO postings
          (seq, n, kind, account, unit, points, lot)
        SELECT *
        FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[])";
    let numbered = |(seq, entry): Numbered<'a>| {
        (0_i32..).zip(&entry.postings).map(move |(n, posting)| (seq, n, posting))
    };
    let rows: Vec<(u64, i32, &Posting)> = entries.iter().copied().flat_map(numbered).collect();
    let postings = rows.iter().map(|(_, _, posting)| *posting);
    Call::new(sql)
        .column(rows.iter().map(|(seq, _, _)| Unsigned(*seq)))
        .column(rows.iter().map(|(_, n, _)| *n))
        .column(postings.clone().map(|posting| posting.kind.code()))
        .column(postings.clone().map(|posting| &*posting.account))
        .column(postings.clone().map(|posting| posting.unit.as_str()))
        .column(postings.clone().map(|posting| posting.points))
        .column(postings.map(|posting| posting.lot.as_ref().map(ToString::to_string)))
}

/// Writes lots in the order of their key, so that each page of the index is visited once.
fn new_lots<'a>(entries: &[Numbered<'a>]) -> Call<'a> {
    let sql = "
        INSERT INTO lots
          (member, day, origin, version, award, seq, earned_ms, unit, issuer, deployment, points, remaining, reversed,
           expired, available_ms, expires_ms, awaits, counts, notice, notice_days)
        SELECT *
        FROM unnest($1::text[], $2::integer[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
          $8::text[], $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[],
          $15::bigint[], $16::bigint[], $17::text[], $18::text[], $19::integer[], $20::bigint[])";
    let of_entry = |(seq, entry): Numbered<'a>| entry.lots.iter().map(move |new| (seq, new));
    let mut rows: Vec<(u64, &NewLot)> = entries.iter().copied().flat_map(of_entry).collect();
    rows.sort_by_key(|(_, new)| (&new.member, new.lot.day, &new.lot.id));
    let lots = rows.iter().map(|(_, new)| &new.lot);
    Call::new(sql)
        .column(rows.iter().map(|(_, new)| new.member.as_str()))
        .column(lots.clone().map(|lot| lot.day))
        .column(lots.clone().map(|lot| lot.id.member.as_str()))
        .column(lots.clone().map(|lot| Unsigned(lot.id.version)))
        .column(lots.clone().map(|lot| i64::from(lot.id.award)))
        .column(rows.iter().map(|(seq, _)| Unsigned(*seq)))
        .column(lots.clone().map(|lot| lot.earned_at.millis()))
        .column(lots.clone().map(|lot| lot.unit.as_str()))
        .column(lots.clone().map(|lot| lot.issuer.to_string()))
        .column(lots.clone().map(|lot| lot.deployment.as_str()))
        .column(lots.clone().map(|lot| Unsigned(lot.points.get())))
        .column(lots.clone().map(|lot| Unsigned(lot.remaining.get())))
        .column(lots.clone().map(|lot| Unsigned(lot.reversed.get())))
        .column(lots.clone().map(|lot| Unsigned(lot.expired.get())))
        .column(lots.clone().map(|lot| lot.term.available_at.millis()))
        .column(lots.clone().map(|lot| end(lot.term.expires_at)))
        .column(lots.clone().map(|lot| awaits(&lot.term).0))
        .column(lots.clone().map(|lot| awaits(&lot.term).1))
        .column(lots.clone().map(|lot| notice_number(lot.term.notice)))
        .column(lots.map(|lot| days(lot.term.notice)))
}

/// Returns the column of a notice's days.
fn days(notice: Notice) -> Option<i64> {
    notice.days().map(i64::from)
}

/// Writes when lots can be spent from now on.
fn terms<'a>(entries: &[Numbered<'a>]) -> Change<'a> {
    let sql = "
        UPDATE lots
        SET available_ms = changed.available_ms,
          expires_ms = changed.expires_ms,
          awaits = changed.awaits,
          counts = changed.counts,
          notice = changed.notice,
          notice_days = changed.notice_days
        FROM unnest($1::text[], $2::integer[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
          $8::text[], $9::text[], $10::integer[], $11::bigint[])
          AS changed (member, day, origin, version, award, available_ms, expires_ms, awaits, counts, notice, notice_days)
        WHERE lots.member = changed.member
          AND lots.day = changed.day
          AND lots.origin = changed.origin
          AND lots.version = changed.version
          AND lots.award = changed.award";
    let changes = entries.iter().flat_map(|(_, entry)| &entry.moved);
    let changes =
        changes.filter_map(|moved| Some(((&moved.member, moved.day, &moved.lot), moved.term.as_ref()?)));
    // Of a lot that changes twice, the last.
    let changes: BTreeMap<_, &Term> = changes.collect();
    let (lots, terms) = (changes.keys().map(|(_, _, lot)| *lot), changes.values());
    let call = Call::new(sql)
        .column(changes.keys().map(|(member, _, _)| member.as_str()))
        .column(changes.keys().map(|(_, day, _)| *day))
        .column(lots.clone().map(|lot| lot.member.as_str()))
        .column(lots.clone().map(|lot| Unsigned(lot.version)))
        .column(lots.map(|lot| i64::from(lot.award)))
        .column(terms.clone().map(|term| term.available_at.millis()))
        .column(terms.clone().map(|term| end(term.expires_at)))
        .column(terms.clone().map(|term| awaits(term).0))
        .column(terms.clone().map(|term| awaits(term).1))
        .column(terms.clone().map(|term| notice_number(term.notice)))
        .column(terms.map(|term| days(term.notice)));
    Change::all(call, changes.len())
}

/// Movements of lots, by their key.
type Movements<'a> = BTreeMap<(&'a MemberId, i32, &'a LotId), Movement>;

#[derive(Default)]
struct Movement {
    remaining: i64,
    reversed: Points,
    expired: i64,
}

/// Moves points out of lots and back into them. A lot that has not as much, or is not there, fails the group: it was
/// decided on a version that was asserted.
fn moved_lots<'a>(entries: &[Numbered<'a>]) -> Change<'a> {
    let sql = "
        UPDATE lots
        SET remaining = lots.remaining + moved.remaining,
          reversed = lots.reversed + moved.reversed,
          expired = lots.expired + moved.expired
        FROM unnest($1::text[], $2::integer[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
          $8::bigint[]) AS moved (member, day, origin, version, award, remaining, reversed, expired)
        WHERE lots.member = moved.member
          AND lots.day = moved.day
          AND lots.origin = moved.origin
          AND lots.version = moved.version
          AND lots.award = moved.award";
    let mut movements = Movements::new();
    for change in entries.iter().flat_map(|(_, entry)| &entry.moved) {
        let LotMove { member, day, lot, remaining, reversed, expired, .. } = change;
        let movement = movements.entry((member, *day, lot)).or_default();
        movement.remaining = movement.remaining.saturating_add(*remaining);
        movement.reversed = movement.reversed.plus(*reversed);
        movement.expired = movement.expired.saturating_add(*expired);
    }
    let lots = movements.keys().map(|(_, _, lot)| *lot);
    let call = Call::new(sql)
        .column(movements.keys().map(|(member, _, _)| member.as_str()))
        .column(movements.keys().map(|(_, day, _)| *day))
        .column(lots.clone().map(|lot| lot.member.as_str()))
        .column(lots.clone().map(|lot| Unsigned(lot.version)))
        .column(lots.map(|lot| i64::from(lot.award)))
        .column(movements.values().map(|moved| moved.remaining))
        .column(movements.values().map(|moved| Unsigned(moved.reversed.get())))
        .column(movements.values().map(|moved| moved.expired));
    Change::all(call, movements.len())
}

fn debts<'a>(entries: &[Numbered<'a>]) -> [Change<'a>; 4] {
    // An upsert would check the row that it does not insert.
    let begin = "
        INSERT INTO debts
          (member, unit, issuer, points)
        SELECT member, unit, issuer, 0
        FROM unnest($1::text[], $2::text[], $3::text[]) AS owed (member, unit, issuer)
        ON CONFLICT (member, unit, issuer) DO NOTHING";
    let change = "
        UPDATE debts
        SET points = debts.points + owed.points
        FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS owed (member, unit, issuer, points)
        WHERE debts.member = owed.member
          AND debts.unit = owed.unit
          AND debts.issuer = owed.issuer";
    let settled = "
        DELETE FROM debts
        WHERE member = ANY ($1::text[])
          AND points = 0";
    let flag = "
        UPDATE members
        SET indebted = EXISTS (SELECT 1 FROM debts WHERE debts.member = members.member)
        WHERE member = ANY ($1::text[])";
    let mut owed = BTreeMap::<(&str, &str, String), i64>::new();
    for moved in entries.iter().flat_map(|(_, entry)| &entry.debts) {
        let key = (moved.member.as_str(), moved.unit.as_str(), moved.issuer.to_string());
        let sum = owed.entry(key).or_default();
        *sum = sum.saturating_add(moved.points);
    }
    let rows = |sql| {
        Call::new(sql)
            .column(owed.keys().map(|(member, _, _)| *member))
            .column(owed.keys().map(|(_, unit, _)| *unit))
            .column(owed.keys().map(|(_, _, issuer)| issuer.clone()))
    };
    let mut debtors: Vec<_> = owed.keys().map(|(member, _, _)| *member).collect();
    debtors.dedup();
    [
        Change::any(rows(begin)),
        Change::all(rows(change).column(owed.values().copied()), owed.len()),
        Change::any(Call::new(settled).column(debtors.clone())),
        Change::any(Call::new(flag).column(debtors)),
    ]
}

fn members<'a>(admitted: &[Admission<'a>]) -> Call<'a> {
    let sql = "
        INSERT INTO members
          (member, version, registered_day, referrer, same_person, person, birth_day, purchase_count,
           purchase_spend_minor, last_purchase_day, payers, indebted, holding)
        SELECT *, false, false
        FROM unnest($1::text[], $2::bigint[], $3::integer[], $4::text[], $5::boolean[], $6::text[], $7::integer[],
          $8::bigint[], $9::bigint[], $10::integer[], $11::text[])
        ON CONFLICT (member) DO UPDATE SET
          version = excluded.version,
          registered_day = excluded.registered_day,
          referrer = excluded.referrer,
          same_person = excluded.same_person,
          person = excluded.person,
          birth_day = excluded.birth_day,
          purchase_count = excluded.purchase_count,
          purchase_spend_minor = excluded.purchase_spend_minor,
          last_purchase_day = excluded.last_purchase_day,
          payers = excluded.payers";
    // The last that a group says of a member is how the member is.
    let mut accounts = BTreeMap::<&MemberId, Account>::new();
    accounts.extend(admitted.iter().flat_map(|it| &it.members).map(|(id, account)| (*id, account.clone())));
    let profiles = accounts.values().map(|account| &account.profile);
    let referrals = profiles.clone().map(|profile| profile.referral.as_ref());
    Call::new(sql)
        .column(accounts.keys().map(|member| member.as_str()))
        .column(accounts.values().map(|account| Unsigned(account.version)))
        .column(profiles.clone().map(|profile| profile.registered_day))
        .column(referrals.clone().map(|it| it.map(|referral| referral.by.as_str().to_owned())))
        .column(referrals.map(|it| it.is_some_and(|referral| referral.same_person)))
        .column(profiles.clone().map(|profile| profile.person.clone()))
        .column(profiles.clone().map(|profile| profile.birth_day))
        .column(profiles.clone().map(|profile| Unsigned(profile.purchase_count)))
        .column(profiles.clone().map(|profile| Unsigned(profile.purchase_spend_minor)))
        .column(profiles.clone().map(|profile| profile.last_purchase_day))
        .column(profiles.map(payers_column))
}

fn stock<'a>(admitted: &[Admission<'a>]) -> Call<'a> {
    let sql = "
        INSERT INTO stock
          (deployment, item, day, taken)
        SELECT *
        FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[])
        ON CONFLICT (deployment, item, day) DO UPDATE SET
          taken = excluded.taken";
    let mut stock = BTreeMap::<ItemKey<'a>, u64>::new();
    stock.extend(admitted.iter().flat_map(|admission| &admission.stock));
    Call::new(sql)
        .column(stock.keys().map(|(deployment, _, _)| deployment.as_str()))
        .column(stock.keys().map(|(_, item, _)| *item))
        .column(stock.keys().map(|(_, _, day)| *day))
        .column(stock.values().copied().map(Unsigned))
}

fn budgets<'a>(admitted: &[Admission<'a>]) -> Call<'a> {
    let sql = "
        INSERT INTO budgets
          (deployment, granted)
        SELECT *
        FROM unnest($1::text[], $2::bigint[])
        ON CONFLICT (deployment) DO UPDATE SET
          granted = excluded.granted";
    let mut budgets = BTreeMap::<&'a DeploymentId, Points>::new();
    budgets.extend(admitted.iter().flat_map(|admission| &admission.budgets));
    Call::new(sql)
        .column(budgets.keys().map(|deployment| deployment.as_str()))
        .column(budgets.values().map(|granted| Unsigned(granted.get())))
}
