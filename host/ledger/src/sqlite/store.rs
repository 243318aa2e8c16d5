//! Programs and releases, by the digest of their bytes, and which program is at work.

use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::failure::Stop;
use crate::column;
use crate::{
    Announcement, ApiKey, Digest, HeldQuote, Instant, LedgerError, ProgramChange, Publication, Release,
    Signer, TrailStep,
};

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
        INSERT INTO publications (policy, version, release, made_ms, report, owner)
        SELECT ?1, ?2, ?3, ?4, ?5, ?6
        WHERE NOT EXISTS (SELECT 1 FROM publications WHERE policy = ?1 AND owner IS NOT ?6)
        ON CONFLICT (policy, version) DO NOTHING";
    let Publication { policy, version, release, made_at, report, owner } = publication;
    let values = params![policy, version, release, made_at.millis(), report, owner];
    connection.prepare_cached(sql)?.execute(values).map(|_| ())
}

pub(super) fn publication(
    connection: &Connection,
    policy: &str,
    version: &str,
) -> Result<Option<Publication>> {
    let sql = "
        SELECT policy, version, release, made_ms, report, owner
        FROM publications
        WHERE policy = ?1
          AND version = ?2";
    connection.prepare_cached(sql)?.query_one([policy, version], |row| column::publication(row)).optional()
}

pub(super) fn publications(
    connection: &Connection,
    owner: Option<&str>,
    after: (&str, &str),
    limit: usize,
) -> Result<Vec<Publication>> {
    let sql = "
        SELECT policy, version, release, made_ms, report, owner
        FROM publications
        WHERE (policy, version) > (?1, ?2)
          AND (?4 IS NULL OR owner = ?4)
        ORDER BY policy, version
        LIMIT ?3";
    let (_, limit) = column::page(0, limit);
    let page = params![after.0, after.1, limit, owner];
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

pub(super) fn put_key(connection: &Connection, key: &ApiKey) -> Result<()> {
    let sql = "
        INSERT INTO keys (id, secret, role, scope, name, rate, made_ms, revoked_ms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
        ON CONFLICT (id) DO NOTHING";
    let ApiKey { id, secret, role, scope, name, rate, made_at, revoked_at } = key;
    let values =
        params![id, secret, role, scope, name, rate, made_at.millis(), revoked_at.map(Instant::millis)];
    connection.prepare_cached(sql)?.execute(values).map(|_| ())
}

pub(super) fn key(connection: &Connection, id: &str) -> Result<Option<ApiKey>> {
    let sql = "SELECT id, secret, role, scope, name, rate, made_ms, revoked_ms FROM keys WHERE id = ?1";
    connection.prepare_cached(sql)?.query_one([id], |row| column::key(row)).optional()
}

pub(super) fn keys(connection: &Connection, after: &str, limit: usize) -> Result<Vec<ApiKey>> {
    let sql = "
        SELECT id, secret, role, scope, name, rate, made_ms, revoked_ms
        FROM keys
        WHERE id > ?1
        ORDER BY id
        LIMIT ?2";
    let (_, limit) = column::page(0, limit);
    connection.prepare_cached(sql)?.query_map(params![after, limit], |row| column::key(row))?.collect()
}

pub(super) fn revoke_key(connection: &Connection, id: &str, at: Instant) -> Result<()> {
    let sql = "UPDATE keys SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms IS NULL";
    connection.prepare_cached(sql)?.execute(params![id, at.millis()]).map(|_| ())
}

pub(super) fn hold_quote(connection: &Connection, quote: &HeldQuote, forget_before: Instant) -> Result<()> {
    let forget = "DELETE FROM quotes WHERE until_ms < ?1";
    connection.prepare_cached(forget)?.execute([forget_before.millis()])?;
    let sql = "
        INSERT INTO quotes (token, program, event, until_ms)
        VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (token) DO NOTHING";
    let HeldQuote { token, program, event, until } = quote;
    connection.prepare_cached(sql)?.execute(params![token, program, event, until.millis()]).map(|_| ())
}

pub(super) fn held_quote(connection: &Connection, token: &Digest) -> Result<Option<HeldQuote>> {
    let sql = "SELECT token, program, event, until_ms FROM quotes WHERE token = ?1";
    connection.prepare_cached(sql)?.query_one([token], |row| column::quote(row)).optional()
}

pub(super) fn put_signer(connection: &Connection, signer: &Signer) -> Result<()> {
    let sql = "
        INSERT INTO signers (id, owner, public_key, name, made_ms, revoked_ms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (id) DO NOTHING";
    let Signer { id, owner, public_key, name, made_at, revoked_at } = signer;
    let values = params![id, owner, public_key, name, made_at.millis(), revoked_at.map(Instant::millis)];
    connection.prepare_cached(sql)?.execute(values).map(|_| ())
}

pub(super) fn signer(connection: &Connection, id: &str) -> Result<Option<Signer>> {
    let sql = "SELECT id, owner, public_key, name, made_ms, revoked_ms FROM signers WHERE id = ?1";
    connection.prepare_cached(sql)?.query_one([id], |row| column::signer(row)).optional()
}

pub(super) fn signers(connection: &Connection, after: &str, limit: usize) -> Result<Vec<Signer>> {
    let sql = "
        SELECT id, owner, public_key, name, made_ms, revoked_ms
        FROM signers
        WHERE id > ?1
        ORDER BY id
        LIMIT ?2";
    let (_, limit) = column::page(0, limit);
    connection.prepare_cached(sql)?.query_map(params![after, limit], |row| column::signer(row))?.collect()
}

pub(super) fn signers_of(connection: &Connection, owner: Option<&str>) -> Result<Vec<Signer>> {
    let sql = "
        SELECT id, owner, public_key, name, made_ms, revoked_ms
        FROM signers
        WHERE owner IS ?1
        ORDER BY id";
    connection.prepare_cached(sql)?.query_map([owner], |row| column::signer(row))?.collect()
}

pub(super) fn revoke_signer(connection: &Connection, id: &str, at: Instant) -> Result<()> {
    let sql = "UPDATE signers SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms IS NULL";
    connection.prepare_cached(sql)?.execute(params![id, at.millis()]).map(|_| ())
}

pub(super) fn put_step(connection: &Connection, step: &TrailStep) -> Result<()> {
    let sql = "
        INSERT INTO trail (id, made_ms, key_id, who, asked, status)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (id) DO NOTHING";
    let TrailStep { id, made_at, key, who, asked, status } = step;
    let values = params![id, made_at.millis(), key, who, asked, status];
    connection.prepare_cached(sql)?.execute(values).map(|_| ())
}

pub(super) fn answer_step(connection: &Connection, id: &str, status: u16) -> Result<()> {
    let sql = "UPDATE trail SET status = ?2 WHERE id = ?1 AND status IS NULL";
    connection.prepare_cached(sql)?.execute(params![id, status]).map(|_| ())
}

pub(super) fn trail(connection: &Connection, after: u64, limit: usize) -> Result<Vec<(u64, TrailStep)>> {
    let sql = "
        SELECT seq, id, made_ms, key_id, who, asked, status
        FROM trail
        WHERE seq > ?1
        ORDER BY seq
        LIMIT ?2";
    let page = column::page(after, limit);
    connection.prepare_cached(sql)?.query_map(page, |row| column::step(row))?.collect()
}

pub(super) fn put_change(connection: &Connection, change: &ProgramChange) -> std::result::Result<(), Stop> {
    let last = last_change(connection)?.map_or(0, |last| last.version);
    if change.version != last.saturating_add(1) {
        return Err(LedgerError::Superseded { last }.into());
    }
    let sql = "
        INSERT INTO changes (version, program, made_ms, who, why, without_notice)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let ProgramChange { version, program, made_at, who, why, without_notice } = change;
    let values = params![version, program, made_at.millis(), who, why, without_notice];
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

pub(super) fn changes(connection: &Connection, after: u64, limit: usize) -> Result<Vec<ProgramChange>> {
    let sql = "
        SELECT version, program, made_ms, who, why, without_notice
        FROM changes
        WHERE version > ?1
        ORDER BY version
        LIMIT ?2";
    let page = column::page(after, limit);
    connection.prepare_cached(sql)?.query_map(page, |row| column::change(row))?.collect()
}

pub(super) fn last_change(connection: &Connection) -> Result<Option<ProgramChange>> {
    let sql = "
        SELECT version, program, made_ms, who, why, without_notice
        FROM changes
        ORDER BY version DESC
        LIMIT 1";
    connection.prepare_cached(sql)?.query_one([], |row| column::change(row)).optional()
}
