//! Rows: what an admitted batch writes.

use std::collections::HashMap;

use jifen_loyalty::entry::{LotMove, NewLot};
use jifen_loyalty::{Instant, MemberId, Posting};
use rusqlite::{Connection, Error, Params, Result, Statement, params};

use super::{member, outbox, redemption};
use crate::admission::Admission;
use crate::column::{awaits, end, notice_number, payers_column};
use crate::entry::spend_minor;

/// Writes an admitted batch into one transaction.
pub(super) struct Writer<'a> {
    pub(super) connection: &'a Connection,
    pub(super) admission: &'a Admission<'a>,
    numbers: Numbers<'a>,
}

/// Members' numbers, by which every table but theirs names them.
pub(super) type Numbers<'a> = HashMap<&'a MemberId, i64>;

/// Writes all of an admitted batch, table by table: members first, so that each has a number. The numbers are of those who were there.
pub(super) fn write<'a>(
    connection: &'a Connection,
    admission: &'a Admission<'a>,
    numbers: Numbers<'a>,
) -> Result<()> {
    let mut writer = Writer { connection, admission, numbers };
    writer.members()?;
    writer.transactions()?;
    writer.postings()?;
    writer.lots()?;
    writer.moves()?;
    writer.terms()?;
    writer.debts()?;
    redemption::write(&mut writer)?;
    writer.budgets()?;
    outbox::write(connection, admission)
}

/// Changes one row. If it is not there, the batch fails: it was decided on what was asserted. (`RETURNING` would say as much, and costs
/// a table of its own each time.)
pub(super) fn change_one(change: &mut Statement<'_>, to: impl Params) -> Result<()> {
    match change.execute(to)? {
        1 => Ok(()),
        rows => Err(Error::StatementChangedRows(rows)),
    }
}

impl<'a> Writer<'a> {
    /// Returns a member's number. A member who has none fails the batch: whoever is written about was written down.
    pub(super) fn number(&mut self, member: &'a MemberId) -> Result<i64> {
        if let Some(number) = self.numbers.get(member) {
            return Ok(*number);
        }
        let number = member::number(self.connection, member)?.ok_or(Error::QueryReturnedNoRows)?;
        self.numbers.insert(member, number);
        Ok(number)
    }

    fn members(&mut self) -> Result<()> {
        let begin = "
            INSERT INTO members
              (number, member, version, registered_day, referrer, same_person, person, birth_day, purchase_count,
               purchase_spend_minor, last_purchase_day, payers, indebted, holding)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, 0)";
        let change = "
            UPDATE members
            SET version = ?3, registered_day = ?4, referrer = ?5, same_person = ?6, person = ?7, birth_day = ?8,
                purchase_count = ?9, purchase_spend_minor = ?10, last_purchase_day = ?11, payers = ?12
            WHERE number = ?1
              AND member = ?2";
        let (mut begin, mut change) =
            (self.connection.prepare_cached(begin)?, self.connection.prepare_cached(change)?);
        for (member, account) in &self.admission.members {
            let profile = &account.profile;
            let number = self.numbers.get(member).copied();
            let row = params![
                number,
                member.as_str(),
                account.version,
                profile.registered_day,
                profile.referral.as_ref().map(|referral| referral.by.as_str()),
                profile.referral.as_ref().is_some_and(|referral| referral.same_person),
                profile.person,
                profile.birth_day,
                profile.purchase_count,
                profile.purchase_spend_minor,
                profile.last_purchase_day,
                payers_column(profile),
            ];
            if number.is_some() {
                change_one(&mut change, row)?;
            } else {
                self.numbers.insert(member, begin.insert(row)?);
            }
        }
        Ok(())
    }

    fn transactions(&mut self) -> Result<()> {
        let sql = "
            INSERT INTO transactions
              (seq, source, id, member, time_ms, latest_ms, day, spend_minor, order_number, event_digest, receipt_digest,
               event, receipt)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
        let mut insert = self.connection.prepare_cached(sql)?;
        let mut latest = self.admission.head.latest;
        for (seq, entry) in self.admission.numbered() {
            let event = &entry.event;
            latest = latest.max(Some(event.time));
            insert.execute(params![
                seq,
                event.source,
                event.id,
                entry.member.as_ref().map(|moved| self.number(&moved.id)).transpose()?,
                event.time.millis(),
                latest.map(Instant::millis),
                entry.day,
                spend_minor(entry),
                event.order(),
                event.digest,
                entry.receipt_digest,
                event.canonical,
                entry.receipt,
            ])?;
        }
        Ok(())
    }

    fn postings(&mut self) -> Result<()> {
        let sql = "
            INSERT INTO postings
              (seq, n, kind, account, unit, points, lot)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let mut insert = self.connection.prepare_cached(sql)?;
        for (seq, entry) in self.admission.numbered() {
            for (n, posting) in (0_u32..).zip(&entry.postings) {
                let Posting { kind, account, unit, points, lot } = posting;
                let lot = lot.as_ref().map(ToString::to_string);
                insert.execute(params![seq, n, kind.code(), account, unit.as_str(), points, lot])?;
            }
        }
        Ok(())
    }

    /// Writes the lots in the order in which they lie in the file, so that each page is visited once.
    fn lots(&mut self) -> Result<()> {
        let sql = "
            INSERT INTO lots
              (member, day, origin, version, award, seq, earned_ms, unit, issuer, deployment, points, remaining, reversed,
               expired, available_ms, expires_ms, awaits, counts, notice, notice_days)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)";
        let mut insert = self.connection.prepare_cached(sql)?;
        let mut lots = Vec::new();
        for (seq, entry) in self.admission.numbered() {
            for NewLot { member, lot } in &entry.lots {
                lots.push((self.number(member)?, lot.day, self.number(&lot.id.member)?, seq, lot));
            }
        }
        lots.sort_by_key(|(member, day, origin, _, lot)| {
            (*member, *day, *origin, lot.id.version, lot.id.award)
        });
        for (member, day, origin, seq, lot) in lots {
            let (awaits, counts) = awaits(&lot.term);
            insert.execute(params![
                member,
                day,
                origin,
                lot.id.version,
                lot.id.award,
                seq,
                lot.earned_at.millis(),
                lot.unit.as_str(),
                lot.issuer.to_string(),
                lot.deployment.as_str(),
                lot.points.get(),
                lot.remaining.get(),
                lot.reversed.get(),
                lot.expired.get(),
                lot.term.available_at.millis(),
                end(lot.term.expires_at),
                awaits,
                counts,
                notice_number(lot.term.notice),
                lot.term.notice.days(),
            ])?;
        }
        Ok(())
    }

    /// Moves points out of lots and back into them. A lot that has not as much fails the batch, too.
    fn moves(&mut self) -> Result<()> {
        let sql = "
            UPDATE lots
            SET remaining = remaining + ?6, reversed = reversed + ?7, expired = expired + ?8
            WHERE member = ?1
              AND day = ?2
              AND origin = ?3
              AND version = ?4
              AND award = ?5";
        let mut update = self.connection.prepare_cached(sql)?;
        for moved in self.admission.entries.iter().flat_map(|entry| &entry.moved) {
            let LotMove { member, day, lot, remaining, reversed, expired, .. } = moved;
            let (owner, origin) = (self.number(member)?, self.number(&lot.member)?);
            let change =
                params![owner, day, origin, lot.version, lot.award, remaining, reversed.get(), expired];
            change_one(&mut update, change)?;
        }
        Ok(())
    }

    /// Writes when lots can be spent from now on.
    fn terms(&mut self) -> Result<()> {
        let sql = "
            UPDATE lots
            SET available_ms = ?6, expires_ms = ?7, awaits = ?8, counts = ?9, notice = ?10, notice_days = ?11
            WHERE member = ?1
              AND day = ?2
              AND origin = ?3
              AND version = ?4
              AND award = ?5";
        let mut update = self.connection.prepare_cached(sql)?;
        for moved in self.admission.entries.iter().flat_map(|entry| &entry.moved) {
            let LotMove { member, day, lot, term: Some(term), .. } = moved else { continue };
            let (awaits, counts) = awaits(term);
            update.execute(params![
                self.number(member)?,
                day,
                self.number(&lot.member)?,
                lot.version,
                lot.award,
                term.available_at.millis(),
                end(term.expires_at),
                awaits,
                counts,
                notice_number(term.notice),
                term.notice.days(),
            ])?;
        }
        Ok(())
    }

    fn debts(&mut self) -> Result<()> {
        // An upsert would check the row that it does not insert.
        let begin = "
            INSERT INTO debts
              (member, unit, issuer, points)
            VALUES (?1, ?2, ?3, 0)
            ON CONFLICT (member, unit, issuer) DO NOTHING";
        let change = "
            UPDATE debts
            SET points = points + ?4
            WHERE member = ?1
              AND unit = ?2
              AND issuer = ?3";
        let (mut begin, mut change) =
            (self.connection.prepare_cached(begin)?, self.connection.prepare_cached(change)?);
        for moved in self.admission.entries.iter().flat_map(|entry| &entry.debts) {
            let (member, unit, issuer) =
                (self.number(&moved.member)?, moved.unit.as_str(), moved.issuer.to_string());
            begin.execute((member, unit, &issuer))?;
            change.execute((member, unit, &issuer, moved.points))?;
        }
        let settled = "
            DELETE FROM debts
            WHERE member = ?1
              AND points = 0";
        let flag = "
            UPDATE members
            SET indebted = EXISTS (SELECT 1 FROM debts WHERE debts.member = members.number)
            WHERE number = ?1";
        let (mut settled, mut flag) =
            (self.connection.prepare_cached(settled)?, self.connection.prepare_cached(flag)?);
        for moved in self.admission.entries.iter().flat_map(|entry| &entry.debts) {
            let member = self.number(&moved.member)?;
            settled.execute([member])?;
            flag.execute([member])?;
        }
        Ok(())
    }

    fn budgets(&mut self) -> Result<()> {
        let sql = "
            INSERT INTO budgets
              (deployment, granted)
            VALUES (?1, ?2)
            ON CONFLICT (deployment) DO UPDATE SET
              granted = excluded.granted";
        let mut upsert = self.connection.prepare_cached(sql)?;
        for (deployment, granted) in &self.admission.budgets {
            upsert.execute(params![deployment.as_str(), granted.get()])?;
        }
        Ok(())
    }
}
