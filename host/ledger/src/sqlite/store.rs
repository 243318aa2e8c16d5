//! Programs and releases, by the digest of their bytes.

use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use crate::{Digest, Release};

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
