//! Keys: what somebody shows a host to be let in.
//!
//! A key is `jifen_`, an id, and a secret of 32 random bytes. The ledger keeps the SHA-256 of the secret, so nobody can be told it
//! again; nothing slower is needed for a secret that nobody can guess.

use jifen_ledger::{ApiKey, Digest, Ledger, LedgerError};
use jifen_loyalty::{MemberId, MerchantId};
use sha2::{Digest as _, Sha256};

use crate::clock;

/// What every key begins with, so that whoever finds one in the wrong place knows what it is.
const PREFIX: &str = "jifen_";

/// Digits of an id, and of a secret: two for each random byte.
const ID: usize = 12;
const SECRET: usize = 64;

/// Bytes that the name of a holder may have.
const NAME_BYTES_MAX: usize = 200;

/// What the holder of a key may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything.
    Operator,
    /// See everything, and try what changes nothing.
    Auditor,
    /// Send what happens at the merchant's counters, see that again, and publish policies of the merchant's own.
    Merchant(MerchantId),
    /// See what the member has, and ask what something would come to.
    Member(MemberId),
}

/// The roles by name.
pub(crate) const ROLES: [&str; 4] = ["operator", "auditor", "merchant", "member"];

/// Why there can be no such key.
#[derive(Debug, thiserror::Error)]
#[error("{field}: {why}")]
pub(crate) struct BadKey {
    field: &'static str,
    why: String,
}

impl Role {
    /// Returns the role of that name, of a merchant or a member where it is one's.
    pub(crate) fn new(role: &str, scope: Option<&str>) -> Result<Self, BadKey> {
        let bad = |field, why: String| Err(BadKey { field, why });
        match (role, scope) {
            ("operator", None) => Ok(Self::Operator),
            ("auditor", None) => Ok(Self::Auditor),
            ("operator" | "auditor", Some(_)) => {
                bad("scope", format!("the key of an {role} is nobody's in particular; leave it away"))
            }
            ("merchant" | "member", None) => bad("scope", format!("say whose key it is: the {role}'s id")),
            ("merchant" | "member", Some(id)) if !may_be_named(id) => {
                bad("scope", format!("{id:?} is the id of no {role}"))
            }
            ("merchant", Some(id)) => Ok(Self::Merchant(MerchantId::from(id))),
            ("member", Some(id)) => Ok(Self::Member(MemberId::from(id))),
            _ => bad("role", format!("{role:?} is none of {}", ROLES.join(", "))),
        }
    }

    /// Returns its name.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Merchant(_) => "merchant",
            Self::Member(_) => "member",
        }
    }

    /// Returns whose it is.
    pub(crate) fn scope(&self) -> Option<&str> {
        match self {
            Self::Operator | Self::Auditor => None,
            Self::Merchant(merchant) => Some(merchant.as_str()),
            Self::Member(member) => Some(member.as_str()),
        }
    }

    /// Returns requests a second where nothing else is said; 0 for as many as come.
    fn usual_rate(&self) -> u32 {
        match self {
            Self::Operator => 0,
            Self::Auditor => 100,
            Self::Merchant(_) => 1_000,
            Self::Member(_) => 10,
        }
    }
}

/// Makes a key, under an id if one is named that is not taken, and returns it with its text, which nobody can have again.
///
/// # Errors
///
/// The inner one, if its name cannot be.
pub(crate) fn make(
    ledger: &dyn Ledger,
    role: &Role,
    name: &str,
    rate: Option<u32>,
    id: Option<String>,
) -> Result<Result<(ApiKey, String), BadKey>, LedgerError> {
    let name = match person(name, "holds it") {
        Ok(name) => name,
        Err(why) => return Ok(Err(BadKey { field: "name", why })),
    };
    let (id, secret) = (id.unwrap_or_else(|| hex::encode(random::<6>())), hex::encode(random::<32>()));
    let key = ApiKey {
        id,
        secret: Sha256::digest(&secret).into(),
        role: role.name().to_owned(),
        scope: role.scope().map(str::to_owned),
        name: name.to_owned(),
        rate: rate.unwrap_or_else(|| role.usual_rate()),
        made_at: clock::now(),
        revoked_at: None,
    };
    ledger.put_key(&key)?;
    let text = format!("{PREFIX}{}_{secret}", key.id);
    Ok(Ok((key, text)))
}

/// Returns the name of a person who does something, or how to say it.
pub(crate) fn person<'n>(name: &'n str, does: &str) -> Result<&'n str, String> {
    let name = name.trim();
    if may_be_named(name) && name.len() <= NAME_BYTES_MAX {
        return Ok(name);
    }
    Err(format!("say who {does}, in at most {NAME_BYTES_MAX} bytes without control characters"))
}

/// Returns whether somebody may have that name.
pub(crate) fn may_be_named(name: &str) -> bool {
    !name.is_empty() && !name.contains(char::is_control)
}

/// Returns the id of a key and the digest of its secret; `None` for what is no key.
pub(crate) fn parse(text: &str) -> Option<(&str, Digest)> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    (is_hex(id, ID) && is_hex(secret, SECRET)).then(|| (id, Sha256::digest(secret).into()))
}

/// Returns an id that follows from something.
pub(crate) fn id_for(from: impl AsRef<[u8]>) -> String {
    let digest = hex::encode(Sha256::digest(from));
    digest.chars().take(ID).collect()
}

/// Returns whether a text may be the id of a key.
pub(crate) fn is_id(text: &str) -> bool {
    is_hex(text, ID)
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns a text without the secrets of keys that were written into it by mistake.
pub(crate) fn without_secrets(text: String) -> String {
    let mut parts = text.split(PREFIX);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |told, part| {
        let key = part.split_once('_').filter(|(id, _)| is_hex(id, ID));
        let secret = key.map(|(id, rest)| (id, rest.trim_start_matches(|it: char| it.is_ascii_hexdigit())));
        match secret {
            Some((id, rest)) => told + PREFIX + id + "_..." + rest,
            None => told + PREFIX + part,
        }
    })
}

/// Returns the id of a key that is named by its id, or written in full.
pub(crate) fn id_of(text: &str) -> &str {
    parse(text).map_or(text, |(id, _)| id)
}

/// Returns bytes that nobody can guess.
pub(crate) fn random<const BYTES: usize>() -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}
