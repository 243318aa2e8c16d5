//! Programs and releases, by the digest of their bytes.

use super::failure::Stop;
use super::link::{Call, Link};
use crate::column::Row as _;
use crate::{Digest, Release};

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
