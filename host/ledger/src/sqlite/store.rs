//! Programs and releases, by the digest of their bytes, and which program is at work.

use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::failure::Stop;
use crate::column;
use crate::{Announcement, Digest, LedgerError, ProgramChange, Publication, Release};

pub(super) fn put_program(connection: &Connection, digest: &Digest, body: &[u8]) -> Result<()> {
    let sql = "
        INSERT INTO programs (digest, body)
        VALUES (?1, ?2)
        ON CONFLICT (digest) DO NOTHING";
    connection.prepare_cached(sql)?.execute(params![digest, body]).map(|_| ())
}

pub(super) fn program(connection: &Connection, digest: &Digest) -> Result<Option<Vec<u8>>> {
    let sql = "SELECT body FROM programs WHERE digest = ?1";
    connection.prepare_cached(sql)?.query_one([digest], |row| row.get(0)).optional()
}

pub(super) fn put_release(connection: &Connection, release: &Release) -> Result<()> {
    let sql = "
        INSERT INTO releases (digest, name, version, component)
        VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (digest) DO NOTHING";
    let Release { digest, name, version, component } = release;
    connection.prepare_cached(sql)?.execute(params![digest, name, version, component]).map(|_| ())
}

pub(super) fn release(connection: &Connection, digest: &Digest) -> Result<Option<Release>> {
    let sql = "SELECT name, version, component FROM releases WHERE digest = ?1";
    let release = |row: &Row<'_>| {
        Ok(Release { digest: *digest, name: row.get(0)?, version: row.get(1)?, component: row.get(2)? })
    };
    connection.prepare_cached(sql)?.query_one([digest], release).optional()
}

pub(super) fn publish(connection: &Connection, publication: &Publication) -> Result<()> {
    let sql = "
        INSERT INTO publications (policy, version, release, made_ms, report)
        VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (policy, version) DO NOTHING";
    let Publication { policy, version, release, made_at, report } = publication;
    let values = params![policy, version, release, made_at.millis(), report];
    connection.prepare_cached(sql)?.execute(values).map(|_| ())
}

pub(super) fn publication(
    connection: &Connection,
    policy: &str,
    version: &str,
) -> Result<Option<Publication>> {
    let sql = "
        SELECT policy, version, release, made_ms, report
        FROM publications
        WHERE policy = ?1
          AND version = ?2";
    connection.prepare_cached(sql)?.query_one([policy, version], |row| column::publication(row)).optional()
}

pub(super) fn publications(
    connection: &Connection,
    after: (&str, &str),
    limit: usize,
) -> Result<Vec<Publication>> {
    let sql = "
        SELECT policy, version, release, made_ms, report
        FROM publications
        WHERE (policy, version) > (?1, ?2)
        ORDER BY policy, version
        LIMIT ?3";
    let (_, limit) = column::page(0, limit);
    let page = params![after.0, after.1, limit];
    connection.prepare_cached(sql)?.query_map(page, |row| column::publication(row))?.collect()
}

pub(super) fn announce(connection: &Connection, announcement: &Announcement) -> Result<()> {
    let sql = "
        INSERT INTO announcements (program, made_ms, who, why)
        VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (program) DO NOTHING";
    let Announcement { program, made_at, who, why } = announcement;
    connection.prepare_cached(sql)?.execute(params![program, made_at.millis(), who, why]).map(|_| ())
}

pub(super) fn announcement(connection: &Connection, program: &Digest) -> Result<Option<Announcement>> {
    let sql = "SELECT program, made_ms, who, why FROM announcements WHERE program = ?1";
    connection.prepare_cached(sql)?.query_one([program], |row| column::announcement(row)).optional()
}

pub(super) fn announcements(connection: &Connection, limit: usize) -> Result<Vec<Announcement>> {
    let sql = "SELECT program, made_ms, who, why FROM announcements ORDER BY made_ms DESC, program LIMIT ?1";
    let (_, limit) = column::page(0, limit);
    connection.prepare_cached(sql)?.query_map([limit], |row| column::announcement(row))?.collect()
}

pub(super) fn put_change(connection: &Connection, change: &ProgramChange) -> std::result::Result<(), Stop> {
    let last = last_change(connection)?.map_or(0, |last| last.version);
    if change.version != last.saturating_add(1) {
        return Err(LedgerError::Superseded { last }.into());
    }
    let sql = "
        INSERT INTO changes (version, program, made_ms, who, why)
        VALUES (?1, ?2, ?3, ?4, ?5)";
    let ProgramChange { version, program, made_at, who, why } = change;
    connection.prepare_cached(sql)?.execute(params![version, program, made_at.millis(), who, why])?;
    Ok(())
}

pub(super) fn changes(connection: &Connection, after: u64, limit: usize) -> Result<Vec<ProgramChange>> {
    let sql = "
        SELECT version, program, made_ms, who, why
        FROM changes
        WHERE version > ?1
        ORDER BY version
        LIMIT ?2";
    let page = column::page(after, limit);
    connection.prepare_cached(sql)?.query_map(page, |row| column::change(row))?.collect()
}

pub(super) fn last_change(connection: &Connection) -> Result<Option<ProgramChange>> {
    let sql = "
        SELECT version, program, made_ms, who, why
        FROM changes
        ORDER BY version DESC
        LIMIT 1";
    connection.prepare_cached(sql)?.query_one([], |row| column::change(row)).optional()
}
