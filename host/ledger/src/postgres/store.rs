//! Programs and releases, by the digest of their bytes, and which program is at work.

use super::column::Unsigned;
use super::failure::Stop;
use super::link::{Call, Link};
use crate::column::{self, Row as _};
use crate::{
    Announcement, ApiKey, Digest, HeldQuote, Instant, ProgramChange, Publication, Release, Signer, TrailStep,
};

pub(super) fn put_program<'a>(digest: &'a Digest, body: &'a [u8]) -> Call<'a> {
    let sql = "
        INSERT INTO programs (digest, body)
        VALUES ($1, $2)
        ON CONFLICT (digest) DO NOTHING";
    Call::new(sql).value(&digest[..]).value(body)
}

pub(super) fn program(link: &Link, digest: &Digest) -> Result<Option<Vec<u8>>, Stop> {
    let call = Call::new("SELECT body FROM programs WHERE digest = $1").value(&digest[..]);
    let rows = link.ask_one(&call)?;
    Ok(rows.first().map(|row| row.bytes(0).map(<[u8]>::to_vec)).transpose()?)
}

pub(super) fn put_release(release: &Release) -> Call<'_> {
    let sql = "
        INSERT INTO releases (digest, name, version, component)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (digest) DO NOTHING";
    let Release { digest, name, version, component } = release;
    Call::new(sql).value(&digest[..]).value(&**name).value(&**version).value(&**component)
}

pub(super) fn release(link: &Link, digest: &Digest) -> Result<Option<Release>, Stop> {
    let sql = "SELECT name, version, component FROM releases WHERE digest = $1";
    let rows = link.ask_one(&Call::new(sql).value(&digest[..]))?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (name, version) = (row.text(0)?.to_owned(), row.text(1)?.to_owned());
    Ok(Some(Release { digest: *digest, name, version, component: row.bytes(2)?.to_vec() }))
}

pub(super) fn publish(publication: &Publication) -> Call<'_> {
    let sql = "
        INSERT INTO publications (policy, version, release, made_ms, report, owner)
        SELECT $1, $2, $3, $4, $5, $6
        WHERE NOT EXISTS (SELECT 1 FROM publications WHERE policy = $1 AND owner IS DISTINCT FROM $6)
        ON CONFLICT (policy, version) DO NOTHING";
    let Publication { policy, version, release, made_at, report, owner } = publication;
    let call = Call::new(sql).value(&**policy).value(&**version).value(&release[..]);
    call.value(made_at.millis()).value(&**report).value(owner.as_deref())
}

pub(super) fn publication(link: &Link, policy: &str, version: &str) -> Result<Option<Publication>, Stop> {
    let sql = "
        SELECT policy, version, release, made_ms, report, owner
        FROM publications
        WHERE policy = $1
          AND version = $2";
    let rows = link.ask_one(&Call::new(sql).value(policy).value(version))?;
    Ok(rows.first().map(column::publication).transpose()?)
}

pub(super) fn publications(
    link: &Link,
    owner: Option<&str>,
    after: (&str, &str),
    limit: usize,
) -> Result<Vec<Publication>, Stop> {
    let sql = "
        SELECT policy, version, release, made_ms, report, owner
        FROM publications
        WHERE (policy, version) > ($1, $2)
          AND ($4::text IS NULL OR owner = $4)
        ORDER BY policy, version
        LIMIT $3";
    let (_, limit) = column::page(0, limit);
    let rows = link.ask_one(&Call::new(sql).value(after.0).value(after.1).value(limit).value(owner))?;
    Ok(rows.iter().map(column::publication).collect::<Result<_, _>>()?)
}

pub(super) fn announce(announcement: &Announcement) -> Call<'_> {
    let sql = "
        INSERT INTO announcements (program, made_ms, who, why)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (program) DO NOTHING";
    let Announcement { program, made_at, who, why } = announcement;
    Call::new(sql).value(&program[..]).value(made_at.millis()).value(&**who).value(&**why)
}

pub(super) fn announcement(link: &Link, program: &Digest) -> Result<Option<Announcement>, Stop> {
    let sql = "SELECT program, made_ms, who, why FROM announcements WHERE program = $1";
    let rows = link.ask_one(&Call::new(sql).value(&program[..]))?;
    Ok(rows.first().map(column::announcement).transpose()?)
}

pub(super) fn announcements(link: &Link, limit: usize) -> Result<Vec<Announcement>, Stop> {
    let sql = "SELECT program, made_ms, who, why FROM announcements ORDER BY made_ms DESC, program LIMIT $1";
    let (_, limit) = column::page(0, limit);
    let rows = link.ask_one(&Call::new(sql).value(limit))?;
    Ok(rows.iter().map(column::announcement).collect::<Result<_, _>>()?)
}

pub(super) fn put_key(key: &ApiKey) -> Call<'_> {
    let sql = "
        INSERT INTO keys (id, secret, role, scope, name, rate, made_ms, revoked_ms)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (id) DO NOTHING";
    let ApiKey { id, secret, role, scope, name, rate, made_at, revoked_at } = key;
    let call = Call::new(sql).value(&**id).value(&secret[..]).value(&**role).value(scope.as_deref());
    let call = call.value(&**name).value(i64::from(*rate)).value(made_at.millis());
    call.value(revoked_at.map(Instant::millis))
}

pub(super) fn key(link: &Link, id: &str) -> Result<Option<ApiKey>, Stop> {
    let sql = "SELECT id, secret, role, scope, name, rate, made_ms, revoked_ms FROM keys WHERE id = $1";
    let rows = link.ask_one(&Call::new(sql).value(id))?;
    Ok(rows.first().map(column::key).transpose()?)
}

pub(super) fn keys(link: &Link, after: &str, limit: usize) -> Result<Vec<ApiKey>, Stop> {
    let sql = "
        SELECT id, secret, role, scope, name, rate, made_ms, revoked_ms
        FROM keys
        WHERE id > $1
        ORDER BY id
        LIMIT $2";
    let (_, limit) = column::page(0, limit);
    let rows = link.ask_one(&Call::new(sql).value(after).value(limit))?;
    Ok(rows.iter().map(column::key).collect::<Result<_, _>>()?)
}

pub(super) fn revoke_key(id: &str, at: Instant) -> Call<'_> {
    let sql = "UPDATE keys SET revoked_ms = $2 WHERE id = $1 AND revoked_ms IS NULL";
    Call::new(sql).value(id).value(at.millis())
}

pub(super) fn hold_quote(quote: &HeldQuote, forget_before: Instant) -> [Call<'_>; 2] {
    let forget = "DELETE FROM quotes WHERE until_ms < $1";
    let sql = "
        INSERT INTO quotes (token, program, event, until_ms)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (token) DO NOTHING";
    let HeldQuote { token, program, event, until } = quote;
    let call = Call::new(sql).value(&token[..]).value(&program[..]).value(&event[..]);
    [Call::new(forget).value(forget_before.millis()), call.value(until.millis())]
}

pub(super) fn held_quote(link: &Link, token: &Digest) -> Result<Option<HeldQuote>, Stop> {
    let sql = "SELECT token, program, event, until_ms FROM quotes WHERE token = $1";
    let rows = link.ask_one(&Call::new(sql).value(&token[..]))?;
    Ok(rows.first().map(column::quote).transpose()?)
}

pub(super) fn put_signer(signer: &Signer) -> Call<'_> {
    let sql = "
        INSERT INTO signers (id, owner, public_key, name, made_ms, revoked_ms)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (id) DO NOTHING";
    let Signer { id, owner, public_key, name, made_at, revoked_at } = signer;
    let call = Call::new(sql).value(&**id).value(owner.as_deref()).value(&public_key[..]).value(&**name);
    call.value(made_at.millis()).value(revoked_at.map(Instant::millis))
}

pub(super) fn signer(link: &Link, id: &str) -> Result<Option<Signer>, Stop> {
    let sql = "SELECT id, owner, public_key, name, made_ms, revoked_ms FROM signers WHERE id = $1";
    let rows = link.ask_one(&Call::new(sql).value(id))?;
    Ok(rows.first().map(column::signer).transpose()?)
}

pub(super) fn signers(link: &Link, after: &str, limit: usize) -> Result<Vec<Signer>, Stop> {
    let sql = "
        SELECT id, owner, public_key, name, made_ms, revoked_ms
        FROM signers
        WHERE id > $1
        ORDER BY id
        LIMIT $2";
    let (_, limit) = column::page(0, limit);
    let rows = link.ask_one(&Call::new(sql).value(after).value(limit))?;
    Ok(rows.iter().map(column::signer).collect::<Result<_, _>>()?)
}

pub(super) fn signers_of(link: &Link, owner: Option<&str>) -> Result<Vec<Signer>, Stop> {
    let sql = "
        SELECT id, owner, public_key, name, made_ms, revoked_ms
        FROM signers
        WHERE owner IS NOT DISTINCT FROM $1
        ORDER BY id";
    let rows = link.ask_one(&Call::new(sql).value(owner))?;
    Ok(rows.iter().map(column::signer).collect::<Result<_, _>>()?)
}

pub(super) fn revoke_signer(id: &str, at: Instant) -> Call<'_> {
    let sql = "UPDATE signers SET revoked_ms = $2 WHERE id = $1 AND revoked_ms IS NULL";
    Call::new(sql).value(id).value(at.millis())
}

pub(super) fn put_step(step: &TrailStep) -> Call<'_> {
    let sql = "
        INSERT INTO trail (id, made_ms, key_id, who, asked, status)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (id) DO NOTHING";
    let TrailStep { id, made_at, key, who, asked, status } = step;
    let call = Call::new(sql).value(&**id).value(made_at.millis()).value(key.as_deref());
    call.value(&**who).value(&**asked).value(status.map(i64::from))
}

pub(super) fn answer_step(id: &str, status: u16) -> Call<'_> {
    let sql = "UPDATE trail SET status = $2 WHERE id = $1 AND status IS NULL";
    Call::new(sql).value(id).value(i64::from(status))
}

pub(super) fn trail(link: &Link, after: u64, limit: usize) -> Result<Vec<(u64, TrailStep)>, Stop> {
    let sql = "
        SELECT seq, id, made_ms, key_id, who, asked, status
        FROM trail
        WHERE seq > $1
        ORDER BY seq
        LIMIT $2";
    let (after, limit) = column::page(after, limit);
    let rows = link.ask_one(&Call::new(sql).value(after).value(limit))?;
    Ok(rows.iter().map(column::step).collect::<Result<_, _>>()?)
}

pub(super) fn put_change(change: &ProgramChange) -> Call<'_> {
    let sql = "
        INSERT INTO changes (version, program, made_ms, who, why, without_notice)
        VALUES ($1, $2, $3, $4, $5, $6)";
    let ProgramChange { version, program, made_at, who, why, without_notice } = change;
    let call = Call::new(sql).value(Unsigned(*version)).value(&program[..]).value(made_at.millis());
    call.value(&**who).value(&**why).value(i64::from(*without_notice))
}

pub(super) fn changes(link: &Link, after: u64, limit: usize) -> Result<Vec<ProgramChange>, Stop> {
    let sql = "
        SELECT version, program, made_ms, who, why, without_notice
        FROM changes
        WHERE version > $1
        ORDER BY version
        LIMIT $2";
    let (after, limit) = column::page(after, limit);
    let rows = link.ask_one(&Call::new(sql).value(after).value(limit))?;
    Ok(rows.iter().map(column::change).collect::<Result<_, _>>()?)
}

pub(super) fn last_change(link: &Link) -> Result<Option<ProgramChange>, Stop> {
    let sql = "
        SELECT version, program, made_ms, who, why, without_notice
        FROM changes
        ORDER BY version DESC
        LIMIT 1";
    let rows = link.ask_one(&Call::new(sql))?;
    Ok(rows.first().map(column::change).transpose()?)
}
