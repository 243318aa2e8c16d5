//! Columns: from what a store keeps to what the domain means. What does not fit is an error of the store.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use jifen_loyalty::clawback::Debt;
use jifen_loyalty::entry::StockKey;
use jifen_loyalty::lot::{Issuer, LotId};
use jifen_loyalty::member::{DayGrant, Grants, Hold, Profile, Referral};
use jifen_loyalty::posting::{Kind, Posting, parse_debt, parse_held};
use jifen_loyalty::program::Ends;
use jifen_loyalty::term::{Awaited, Notice};
use jifen_loyalty::{DeploymentId, Instant, Lot, MemberId, Points, RedemptionId, Term, UnitId};

use crate::admission::Account;
use crate::{
    Announcement, ApiKey, Digest, HeldQuote, Known, Logged, ProgramChange, Publication, Signer, TrailStep,
};

/// A row that a store gave. Columns are counted from 0.
pub(crate) trait Row {
    /// What the store says when a column does not hold what it should.
    type Error;

    fn text(&self, column: usize) -> Result<&str, Self::Error>;
    fn text_or_null(&self, column: usize) -> Result<Option<&str>, Self::Error>;
    fn number(&self, column: usize) -> Result<i64, Self::Error>;
    fn number_or_null(&self, column: usize) -> Result<Option<i64>, Self::Error>;
    fn bytes(&self, column: usize) -> Result<&[u8], Self::Error>;

    /// Returns the error of a column that holds something else.
    fn misfit(column: usize, why: impl Into<Box<dyn Error + Send + Sync>>) -> Self::Error;
}

/// Reads an unsigned number, or a smaller one than columns can hold.
pub(crate) fn count<R: Row, T: TryFrom<i64>>(row: &R, column: usize) -> Result<T, R::Error> {
    narrow::<R, T>(column, row.number(column)?)
}

pub(crate) fn count_or_null<R: Row, T: TryFrom<i64>>(row: &R, column: usize) -> Result<Option<T>, R::Error> {
    row.number_or_null(column)?.map(|number| narrow::<R, T>(column, number)).transpose()
}

fn narrow<R: Row, T: TryFrom<i64>>(column: usize, number: i64) -> Result<T, R::Error> {
    T::try_from(number).map_err(|_| R::misfit(column, format!("{number} is out of range")))
}

pub(crate) fn flag<R: Row>(row: &R, column: usize) -> Result<bool, R::Error> {
    row.number(column).map(|number| number != 0)
}

/// Reads a name, such as a member's.
pub(crate) fn name<R: Row, T: for<'a> From<&'a str>>(row: &R, column: usize) -> Result<T, R::Error> {
    row.text(column).map(T::from)
}

/// Reads version, program, time, who and why of a change, and whether it was made without notice.
pub(crate) fn change<R: Row>(row: &R) -> Result<ProgramChange, R::Error> {
    Ok(ProgramChange {
        version: count(row, 0)?,
        program: digest(row, 1)?,
        made_at: Instant::from_millis(row.number(2)?),
        who: row.text(3)?.to_owned(),
        why: row.text(4)?.to_owned(),
        without_notice: flag(row, 5)?,
    })
}

/// Reads program, time, who and why of an announcement.
pub(crate) fn announcement<R: Row>(row: &R) -> Result<Announcement, R::Error> {
    Ok(Announcement {
        program: digest(row, 0)?,
        made_at: Instant::from_millis(row.number(1)?),
        who: row.text(2)?.to_owned(),
        why: row.text(3)?.to_owned(),
    })
}

/// Reads id, secret, role, scope, name, rate, time and end of a key.
pub(crate) fn key<R: Row>(row: &R) -> Result<ApiKey, R::Error> {
    Ok(ApiKey {
        id: row.text(0)?.to_owned(),
        secret: digest(row, 1)?,
        role: row.text(2)?.to_owned(),
        scope: row.text_or_null(3)?.map(str::to_owned),
        name: row.text(4)?.to_owned(),
        rate: count(row, 5)?,
        made_at: Instant::from_millis(row.number(6)?),
        revoked_at: row.number_or_null(7)?.map(Instant::from_millis),
    })
}

/// Reads id, owner, public key, name, time and end of a signer.
pub(crate) fn signer<R: Row>(row: &R) -> Result<Signer, R::Error> {
    Ok(Signer {
        id: row.text(0)?.to_owned(),
        owner: row.text_or_null(1)?.map(str::to_owned),
        public_key: digest(row, 2)?,
        name: row.text(3)?.to_owned(),
        made_at: instant(row, 4)?,
        revoked_at: row.number_or_null(5)?.map(Instant::from_millis),
    })
}

/// Reads token, program, event and end of a quote.
pub(crate) fn quote<R: Row>(row: &R) -> Result<HeldQuote, R::Error> {
    Ok(HeldQuote {
        token: digest(row, 0)?,
        program: digest(row, 1)?,
        event: digest(row, 2)?,
        until: instant(row, 3)?,
    })
}

/// Reads place, id, time, key, who, what was asked, and status of a step.
pub(crate) fn step<R: Row>(row: &R) -> Result<(u64, TrailStep), R::Error> {
    let step = TrailStep {
        id: row.text(1)?.to_owned(),
        made_at: Instant::from_millis(row.number(2)?),
        key: row.text_or_null(3)?.map(str::to_owned),
        who: row.text(4)?.to_owned(),
        asked: row.text(5)?.to_owned(),
        status: count_or_null(row, 6)?,
    };
    Ok((count(row, 0)?, step))
}

/// Reads policy, version, release, time, report and owner of a publication.
pub(crate) fn publication<R: Row>(row: &R) -> Result<Publication, R::Error> {
    Ok(Publication {
        policy: row.text(0)?.to_owned(),
        version: row.text(1)?.to_owned(),
        release: digest(row, 2)?,
        made_at: Instant::from_millis(row.number(3)?),
        report: row.bytes(4)?.to_vec(),
        owner: row.text_or_null(5)?.map(str::to_owned),
    })
}

pub(crate) fn points<R: Row>(row: &R, column: usize) -> Result<Points, R::Error> {
    let number = count(row, column)?;
    Points::new(number).ok_or_else(|| R::misfit(column, format!("{number} is out of range")))
}

pub(crate) fn instant<R: Row>(row: &R, column: usize) -> Result<Instant, R::Error> {
    row.number(column).map(Instant::from_millis)
}

pub(crate) fn digest<R: Row>(row: &R, column: usize) -> Result<Digest, R::Error> {
    row.bytes(column)?.try_into().map_err(|error| R::misfit(column, error))
}

/// The columns of a lot, for a SELECT from `lots`; `$origin` is the name of the member who is part of the lot's name.
macro_rules! lot_columns {
    ($origin:expr) => {
        $crate::column::lot_columns!($origin, version, award, unit, issuer, deployment, day, earned_ms, points, remaining, reversed,
            expired, available_ms, expires_ms, awaits, counts, notice, notice_days)
    };
    ($origin:expr $(, $column:ident)*) => {
        concat!($origin $(, ", lots.", stringify!($column))*)
    };
}
pub(crate) use lot_columns;

/// Reads lots. They share a few names of units and deployments, and each is made once.
#[derive(Default)]
pub(crate) struct Lots {
    origins: BTreeSet<MemberId>,
    units: BTreeSet<UnitId>,
    deployments: BTreeSet<DeploymentId>,
}

impl Lots {
    /// Reads the columns of [`lot_columns`].
    pub(crate) fn read<R: Row>(&mut self, row: &R, first: usize) -> Result<Lot, R::Error> {
        let [
            origin,
            version,
            award,
            unit,
            issuer,
            deployment,
            day,
            earned,
            points,
            remaining,
            reversed,
            expired,
            available,
            expires,
            awaits,
            counts,
            notice,
            notice_days,
        ] = std::array::from_fn(|n| first.saturating_add(n));
        Ok(Lot {
            id: LotId {
                member: once(&mut self.origins, row.text(origin)?),
                version: count(row, version)?,
                award: count(row, award)?,
            },
            unit: once(&mut self.units, row.text(unit)?),
            issuer: self::issuer(row, issuer)?,
            deployment: once(&mut self.deployments, row.text(deployment)?),
            day: count(row, day)?,
            earned_at: instant(row, earned)?,
            points: self::points(row, points)?,
            remaining: self::points(row, remaining)?,
            reversed: self::points(row, reversed)?,
            expired: self::points(row, expired)?,
            term: Term {
                available_at: instant(row, available)?,
                awaits: self::awaited(row, awaits, counts)?,
                expires_at: row.number_or_null(expires)?.map_or(Instant::NEVER, Instant::from_millis),
                notice: self::notice(row, notice, notice_days)?,
            },
        })
    }
}

/// Returns the columns of what points wait for: the action, and how their end is counted from it.
pub(crate) fn awaits(term: &Term) -> (Option<&str>, Option<String>) {
    let awaited = term.awaits.as_ref();
    let counts = awaited.and_then(|awaited| awaited.counts);
    (awaited.map(|awaited| &*awaited.action), counts.map(Ends::to_json))
}

fn awaited<R: Row>(row: &R, action: usize, counts: usize) -> Result<Option<Awaited>, R::Error> {
    let Some(text) = row.text_or_null(action)? else { return Ok(None) };
    let ends = row.text_or_null(counts)?.map(Ends::from_json).transpose();
    let counts = ends.map_err(|error| R::misfit(counts, error))?;
    Ok(Some(Awaited { action: text.to_owned(), counts }))
}

/// Returns the column of whether a member must be told of an end.
pub(crate) fn notice_number(notice: Notice) -> i32 {
    match notice {
        Notice::Given => 0,
        Notice::Needed { .. } => 1,
        Notice::Missing { .. } => 2,
    }
}

fn notice<R: Row>(row: &R, column: usize, days: usize) -> Result<Notice, R::Error> {
    let number = row.number(column)?;
    let days = row.number_or_null(days)?.and_then(|days| u32::try_from(days).ok());
    match (number, days) {
        (0, None) => Ok(Notice::Given),
        (1, Some(days)) => Ok(Notice::Needed { days }),
        (2, Some(days)) => Ok(Notice::Missing { days }),
        _ => Err(R::misfit(column, format!("{number} with {days:?} days is no notice"))),
    }
}

/// Adds what a lot granted: deployment, unit, whether for another member, day, points.
pub(crate) fn add_grant<R: Row>(
    row: &R,
    first: usize,
    granted_by_day: &mut BTreeMap<(Grants, i32), DayGrant>,
) -> Result<(), R::Error> {
    let [deployment, unit, for_other, day, points, reversed] =
        std::array::from_fn(|n| first.saturating_add(n));
    let (deployment, unit) = (name(row, deployment)?, name(row, unit)?);
    let grants = Grants { deployment, unit, for_other: flag(row, for_other)? };
    let of_day = granted_by_day.entry((grants, count(row, day)?)).or_default();
    of_day.granted = of_day.granted.plus(self::points(row, points)?);
    of_day.reversed = of_day.reversed.plus(self::points(row, reversed)?);
    Ok(())
}

/// Reads a lot's name: origin, version, award.
pub(crate) fn lot_id<R: Row>(row: &R, first: usize) -> Result<LotId, R::Error> {
    let [origin, version, award] = std::array::from_fn(|n| first.saturating_add(n));
    Ok(LotId { member: name(row, origin)?, version: count(row, version)?, award: count(row, award)? })
}

fn once<T: Borrow<str> + Clone + Ord + for<'a> From<&'a str>>(known: &mut BTreeSet<T>, name: &str) -> T {
    if let Some(name) = known.get(name) {
        return name.clone();
    }
    let name = T::from(name);
    known.insert(name.clone());
    name
}

/// Returns the column of an instant at which something ends: NULL for never.
pub(crate) fn end(instant: Instant) -> Option<i64> {
    (instant != Instant::NEVER).then_some(instant.millis())
}

/// Returns the parameters of a page: beyond what a column holds there is no entry, and no list is longer.
pub(crate) fn page(after: u64, limit: usize) -> (i64, i64) {
    (i64::try_from(after).unwrap_or(i64::MAX), i64::try_from(limit).unwrap_or(i64::MAX))
}

/// What a member's row is read from, by [`account`].
macro_rules! account_columns {
    () => {
        "version, registered_day, referrer, same_person, person, birth_day, purchase_count, purchase_spend_minor, \
         last_purchase_day, payers, indebted, holding"
    };
}
pub(crate) use account_columns;

/// Reads a member's row: [`account_columns`].
pub(crate) fn account<R: Row>(row: &R, first: usize) -> Result<Account, R::Error> {
    let [
        version,
        registered,
        referrer,
        same,
        person,
        birth,
        purchases,
        spend,
        last_purchase,
        payers,
        indebted,
        holding,
    ] = std::array::from_fn(|n| first.saturating_add(n));
    let same_person = flag(row, same)?;
    let referrer = row.text_or_null(referrer)?.map(MemberId::from);
    let profile = Profile {
        registered_day: count(row, registered)?,
        referral: referrer.map(|by| Referral::new(by, same_person)),
        person: row.text_or_null(person)?.map(str::to_owned),
        birth_day: count(row, birth)?,
        purchase_count: count(row, purchases)?,
        purchase_spend_minor: count(row, spend)?,
        last_purchase_day: count(row, last_purchase)?,
        payers: self::payers(row, payers)?,
        indebted: flag(row, indebted)?,
        holding: flag(row, holding)?,
    };
    Ok(Account { version: count(row, version)?, profile })
}

/// Returns the column of the accounts that a member paid from, as a JSON object; NULL: none.
pub(crate) fn payers_column(profile: &Profile) -> Option<String> {
    let payers = Some(&profile.payers).filter(|payers| !payers.is_empty());
    payers.map(|payers| serde_json::to_string(payers).expect("text and integers always serialize"))
}

fn payers<R: Row>(row: &R, column: usize) -> Result<BTreeMap<String, i32>, R::Error> {
    let Some(text) = row.text_or_null(column)? else { return Ok(BTreeMap::new()) };
    serde_json::from_str(text).map_err(|error| R::misfit(column, error))
}

/// Reads what is known of an event: seq, event_digest, receipt, receipt_digest.
pub(crate) fn known<R: Row>(row: &R, first: usize) -> Result<Known, R::Error> {
    let [seq, event_digest, receipt, receipt_digest] = std::array::from_fn(|n| first.saturating_add(n));
    Ok(Known {
        seq: count(row, seq)?,
        event_digest: digest(row, event_digest)?,
        receipt: row.bytes(receipt)?.to_vec(),
        receipt_digest: digest(row, receipt_digest)?,
    })
}

/// Reads an entry of the log without its postings: seq, event, event_digest, receipt, receipt_digest.
pub(crate) fn logged<R: Row>(row: &R, first: usize) -> Result<Logged, R::Error> {
    let [seq, event, event_digest, receipt, receipt_digest] =
        std::array::from_fn(|n| first.saturating_add(n));
    Ok(Logged {
        seq: count(row, seq)?,
        event: row.bytes(event)?.to_vec(),
        event_digest: digest(row, event_digest)?,
        receipt: row.bytes(receipt)?.to_vec(),
        receipt_digest: digest(row, receipt_digest)?,
        postings: Vec::new(),
    })
}

/// Reads what a member owes: unit, issuer, points.
pub(crate) fn debt<R: Row>(row: &R, first: usize) -> Result<Debt, R::Error> {
    let [unit, issuer, points] = std::array::from_fn(|n| first.saturating_add(n));
    Ok(Debt {
        unit: name(row, unit)?,
        issuer: self::issuer(row, issuer)?,
        points: self::points(row, points)?,
    })
}

/// Reads what an account says that a member owes: account, unit, points.
pub(crate) fn debt_account<R: Row>(row: &R) -> Result<(MemberId, Debt), R::Error> {
    let (issuer, debtor) = parsed(row, 0, "debt", parse_debt)?;
    Ok((debtor, Debt { unit: name(row, 1)?, issuer, points: points(row, 2)? }))
}

/// Reads the redemption of an account that holds points.
pub(crate) fn held_account<R: Row>(row: &R) -> Result<RedemptionId, R::Error> {
    parsed(row, 0, "hold", parse_held).map(|(redemption, _)| redemption)
}

/// Reads what a use of points took from a stock, if anything: deployment, item, day, quantity.
pub(crate) fn stock<R: Row>(row: &R, first: usize) -> Result<Option<StockKey>, R::Error> {
    let [deployment, item, day, quantity] = std::array::from_fn(|n| first.saturating_add(n));
    let Some(item) = row.text_or_null(item)?.map(str::to_owned) else { return Ok(None) };
    let (deployment, day) = (name(row, deployment)?, count(row, day)?);
    Ok(Some(StockKey { deployment, item, day, quantity: count(row, quantity)? }))
}

/// Reads a part of what is held, and adds it to the holds of a member: redemption, origin, version, award, points, steps,
/// until_ms, deployment, item, day, quantity. Rows come by redemption.
pub(crate) fn add_hold<R: Row>(row: &R, first: usize, holds: &mut Vec<Hold>) -> Result<(), R::Error> {
    let [redemption, lot, _, _, points, steps, until, stock] =
        std::array::from_fn(|n| first.saturating_add(n));
    let name: RedemptionId = name(row, redemption)?;
    let part = (lot_id(row, lot)?, self::points(row, points)?);
    if let Some(hold) = holds.last_mut().filter(|hold| hold.name == name) {
        hold.parts.push(part);
        return Ok(());
    }
    let (steps, until, stock) = (count(row, steps)?, instant(row, until)?, self::stock(row, stock)?);
    holds.push(Hold { name, steps, until, stock, parts: vec![part] });
    Ok(())
}

/// Reads a posting: kind, account, unit, points, lot.
pub(crate) fn posting<R: Row>(row: &R, first: usize) -> Result<Posting, R::Error> {
    let [kind, account, unit, points, lot] = std::array::from_fn(|n| first.saturating_add(n));
    let of_lot = row.text_or_null(lot)?.map(|_| parsed(row, lot, "lot", LotId::parse)).transpose()?;
    Ok(Posting {
        kind: parsed(row, kind, "kind", Kind::parse)?,
        account: row.text(account)?.to_owned(),
        unit: name(row, unit)?,
        points: row.number(points)?,
        lot: of_lot,
    })
}

pub(crate) fn issuer<R: Row>(row: &R, column: usize) -> Result<Issuer, R::Error> {
    parsed(row, column, "issuer", Issuer::parse)
}

fn parsed<R: Row, T>(
    row: &R,
    column: usize,
    what: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, R::Error> {
    let text = row.text(column)?;
    parse(text).ok_or_else(|| R::misfit(column, format!("{text:?} is no {what}")))
}
