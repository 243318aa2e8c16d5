//! Signatures of releases: Ed25519, over a text that says what is published as what, and for whom.
//!
//! So a signature is of one name, one version, one component and one owner: taken from one release it is none of another.

use jifen_ledger::{Digest, Ledger, LedgerError, Signer};
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};

use crate::{clock, keys};

/// What stands before the 32 bytes of an Ed25519 public key, as RFC 8410 writes it.
const ED25519_INFO: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why something cannot sign, or be signed by.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadSigner {
    /// It is none.
    #[error("{0}")]
    Unfit(String),
    /// It is somebody else's, or of no use any longer.
    #[error("the public key {0} {1}; make another")]
    Taken(String, &'static str),
}

/// Returns the text that is signed.
pub(crate) fn text(owner: Option<&str>, policy: &str, version: &str, component: &Digest) -> String {
    let owner = owner.map_or_else(|| "platform".to_owned(), |merchant| format!("merchant {merchant}"));
    format!("jifen release 1\n{owner}\n{policy}@{version}\n{}\n", hex::encode(component))
}

/// Signs a text with a private key in PEM.
///
/// # Errors
///
/// If it is no Ed25519 key.
pub(crate) fn sign(key: &str, text: &str) -> Result<Vec<u8>, BadSigner> {
    let bad = || {
        let mend = "make one by `openssl genpkey -algorithm ed25519 -out key.pem`";
        BadSigner::Unfit(format!("that is no private key of Ed25519 in PEM; {mend}"))
    };
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| bad())?;
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.secret_der()).map_err(|_| bad())?;
    Ok(pair.sign(text.as_bytes()).as_ref().to_vec())
}

/// Returns who of some signed a text. What is revoked signs nothing any longer.
pub(crate) fn signed_by<'s>(signers: &'s [Signer], text: &str, signature: &[u8]) -> Option<&'s Signer> {
    let mut able = signers.iter().filter(|signer| signer.revoked_at.is_none());
    able.find(|signer| {
        UnparsedPublicKey::new(&ED25519, &signer.public_key).verify(text.as_bytes(), signature).is_ok()
    })
}

/// Adds who signs, by a public key in PEM, for a merchant or for the platform.
///
/// # Errors
///
/// The inner one, if there can be no such signer, or the key signs for somebody else already, or was revoked.
pub(crate) fn add(
    ledger: &dyn Ledger,
    owner: Option<&str>,
    name: &str,
    public_key: &str,
) -> Result<Result<Signer, BadSigner>, LedgerError> {
    let signer = match signer(owner, name, public_key) {
        Ok(signer) => signer,
        Err(bad) => return Ok(Err(bad)),
    };
    ledger.put_signer(&signer)?;
    let taken = |why| Err(BadSigner::Taken(signer.id.clone(), why));
    Ok(match ledger.signer(&signer.id)? {
        Some(kept) if kept.owner != signer.owner => taken("signs for somebody else"),
        Some(kept) if kept.revoked_at.is_some() => taken("was revoked"),
        kept => Ok(kept.unwrap_or_else(|| signer.clone())),
    })
}

/// Revokes who signs, and returns it; nothing where nobody has that id.
pub(crate) fn revoke(ledger: &dyn Ledger, id: &str) -> Result<Option<Signer>, LedgerError> {
    if !keys::is_id(id) {
        return Ok(None);
    }
    ledger.revoke_signer(id, clock::now())?;
    ledger.signer(id)
}

fn signer(owner: Option<&str>, name: &str, public_key: &str) -> Result<Signer, BadSigner> {
    let name = keys::person(name, "signs").map_err(|why| BadSigner::Unfit(format!("name: {why}")))?;
    if let Some(owner) = owner.filter(|owner| !keys::may_be_named(owner)) {
        return Err(BadSigner::Unfit(format!("merchant: {owner:?} is the id of no merchant")));
    }
    let info = SubjectPublicKeyInfoDer::from_pem_slice(public_key.as_bytes()).ok();
    let bytes = info.as_deref().and_then(|info| info.strip_prefix(&ED25519_INFO)?.try_into().ok());
    let public_key: [u8; 32] = bytes.ok_or_else(|| {
        let mend = "`openssl pkey -in key.pem -pubout` writes one";
        BadSigner::Unfit(format!("public_key: that is no public key of Ed25519 in PEM; {mend}"))
    })?;
    let id = keys::id_for(public_key);
    let (owner, name) = (owner.map(str::to_owned), name.to_owned());
    Ok(Signer { id, owner, public_key, name, made_at: clock::now(), revoked_at: None })
}
