//! Extracts: what a receipt says of the member whose event it is, and nothing of anybody else.
//!
//! A receipt names whoever referred the member and what that one got, and tells what caps and budgets had counted. The head of the
//! log is over extracts, so that a member can show what the log says without showing that.

use chrono::NaiveDate;
use jifen_loyalty::posting::{parse_debt, parse_held};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::HostError;

/// What a receipt says of its member. Written, it is JSON without spaces, with the fields in this order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Extract {
    /// The digest of the whole receipt, in hexadecimal digits.
    #[serde(default)]
    receipt: String,
    /// That of the event.
    pub(crate) event: String,
    /// Whose event it is; empty for what is nobody's.
    pub(crate) member: String,
    pub(crate) day: NaiveDate,
    /// What the member was awarded, and for what: the evidence.
    pub(crate) awards: Vec<Award>,
    /// What moved in the member's own accounts.
    pub(crate) postings: Vec<Own>,
}

/// An award to the member.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Award {
    pub(crate) deployment: String,
    to: String,
    pub(crate) unit: String,
    pub(crate) granted: i64,
    reason: String,
    /// The line of the purchase.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

/// A posting to an account of the member's.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Own {
    pub(crate) kind: String,
    account: String,
    pub(crate) unit: String,
    pub(crate) points: i64,
}

impl Extract {
    /// Reads what a receipt says of its member, as text.
    ///
    /// # Errors
    ///
    /// If it is not a receipt.
    pub(crate) fn of(receipt: &[u8]) -> Result<String, HostError> {
        let mut extract: Self = serde_json::from_slice(receipt).map_err(HostError::Unreadable)?;
        let Self { receipt: digest, member, awards, postings, .. } = &mut extract;
        *digest = hex::encode(Sha256::digest(receipt));
        awards.retain(|award| award.to == *member);
        postings.retain(|posting| is_of(&posting.account, member));
        Ok(serde_json::to_string(&extract).expect("text and integers always serialize"))
    }
}

/// Returns whether an account has points of a member, or what the member owes.
pub(crate) fn is_of(account: &str, member: &str) -> bool {
    account.strip_prefix("member/") == Some(member)
        || parse_held(account).is_some_and(|(_, holder)| holder.as_str() == member)
        || parse_debt(account).is_some_and(|(_, debtor)| debtor.as_str() == member)
}
