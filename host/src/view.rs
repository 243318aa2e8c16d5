//! What answers look like in JSON, on the command line and over HTTP alike.

use std::io::{self, Write};

use jifen_ledger::{
    Announcement, ApiKey, Digest, Ledger, Move, ProgramChange, Signer, StatementLine, TrailStep,
};
use jifen_loyalty::time::Zone;
use jifen_loyalty::{Instant, Lot};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::active::{Document, Pins};
use crate::batch::Recorded;
use crate::error::HostError;
use crate::governor;

/// What a member has of a unit.
#[derive(Serialize, ToSchema)]
pub(crate) struct Balance {
    /// Whose.
    #[schema(example = "m900")]
    pub(crate) member: String,
    /// Of what.
    #[schema(example = "points")]
    pub(crate) unit: String,
    /// Points that can be spent.
    pub(crate) available: u64,
    /// Points that are awarded but not yet available.
    pub(crate) pending: u64,
    /// Points that are set aside for redemptions.
    pub(crate) held: u64,
    /// Points that are owed: they were spent before what earned them was returned.
    pub(crate) debt: u64,
}

/// What an event did to a member.
#[derive(Serialize, ToSchema)]
pub(crate) struct Line {
    /// The receipt's place in the log.
    pub(crate) seq: u64,
    /// Who sent the event.
    #[schema(example = "/merchants/store-330")]
    pub(crate) source: String,
    /// The sender's name for it.
    pub(crate) id: String,
    /// To whom it happened: the member of the statement, or one whom that member referred.
    pub(crate) member: String,
    /// When it happened.
    pub(crate) time: String,
    /// What was spent, in minor units; absent if it was not a purchase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) spend: Option<u64>,
    /// What the member got for it, as it stands now.
    pub(crate) lots: Vec<LotOfLine>,
    /// What it took from points that the member had before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) moves: Vec<MoveOfLine>,
}

/// What an event did to points that a member had.
#[derive(Serialize, ToSchema)]
pub(crate) struct MoveOfLine {
    /// What the movement is.
    #[schema(example = "expiry")]
    pub(crate) kind: &'static str,
    /// Of which unit.
    pub(crate) unit: String,
    /// Points that the member's lots gained; negative for what they lost.
    pub(crate) points: i64,
    /// What is held more; negative for less.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) held: i64,
    /// What the member owes more; negative for less.
    pub(crate) debt: i64,
}

/// The points of one award.
#[derive(Serialize, ToSchema)]
pub(crate) struct LotOfLine {
    /// The deployment that awarded them.
    pub(crate) deployment: String,
    /// Of which unit.
    pub(crate) unit: String,
    /// Who owes for them: `platform`, or a merchant.
    pub(crate) issuer: String,
    /// How many were awarded.
    pub(crate) points: u64,
    /// How many are left.
    pub(crate) remaining: u64,
    /// From when on they can be spent.
    pub(crate) available: String,
    /// The action that they wait for beside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) awaits: Option<String>,
    /// From when on they can be spent no longer; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<String>,
    /// Where the member must be told of that before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) notice: Option<&'static str>,
}

impl From<&jifen_ledger::Balance> for Balance {
    fn from(balance: &jifen_ledger::Balance) -> Self {
        Self {
            member: balance.member.as_str().to_owned(),
            unit: balance.unit.as_str().to_owned(),
            available: balance.available.get(),
            pending: balance.pending.get(),
            held: balance.held.get(),
            debt: balance.debt.get(),
        }
    }
}

impl Line {
    /// Times are told in a zone.
    pub(crate) fn new(line: &StatementLine, zone: Zone) -> Self {
        Self {
            seq: line.seq,
            source: line.source.clone(),
            id: line.id.clone(),
            member: line.member.as_str().to_owned(),
            time: zone.format(line.time),
            spend: line.spend_minor,
            lots: line.lots.iter().map(|lot| LotOfLine::new(lot, zone)).collect(),
            moves: line.moves.iter().map(MoveOfLine::from).collect(),
        }
    }
}

impl LotOfLine {
    /// Times are told in a zone.
    pub(crate) fn new(lot: &Lot, zone: Zone) -> Self {
        Self {
            deployment: lot.deployment.as_str().to_owned(),
            unit: lot.unit.as_str().to_owned(),
            issuer: lot.issuer.to_string(),
            points: lot.points.get(),
            remaining: lot.remaining.get(),
            available: zone.format(lot.term.available_at),
            awaits: lot.term.awaits.as_ref().map(|awaited| awaited.action.to_string()),
            expires: ends(lot).map(|end| zone.format(end)),
            notice: lot.term.notice.code(),
        }
    }
}

impl From<&Move> for MoveOfLine {
    fn from(moved: &Move) -> Self {
        let debt = moved.debt.saturating_neg();
        let Move { kind, unit, points, held, .. } = moved;
        Self { kind: kind.code(), unit: unit.as_str().to_owned(), points: *points, held: *held, debt }
    }
}

/// Returns the first instant at which a lot can be spent no longer, if there is one.
pub(crate) fn ends(lot: &Lot) -> Option<Instant> {
    (lot.term.expires_at != Instant::NEVER).then_some(lot.term.expires_at)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(points: &i64) -> bool {
    *points == 0
}

/// That a program was put to work.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ChangeLine {
    /// Counts the changes, from 1.
    pub(crate) version: u64,
    /// The SHA-256 of the program.
    pub(crate) program: String,
    /// When, by the clock of who did it.
    pub(crate) made: String,
    /// Who did it.
    pub(crate) who: String,
    /// Why.
    pub(crate) why: String,
    /// `true` where whoever made it waived the notice that members have of awards that get less.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(default = false)]
    pub(crate) without_notice: bool,
}

impl From<&ProgramChange> for ChangeLine {
    fn from(change: &ProgramChange) -> Self {
        let ProgramChange { version, program, made_at, who, why, without_notice } = change;
        let (program, made) = (hex::encode(program), made_at.to_string());
        let (who, why) = (who.clone(), why.clone());
        Self { version: *version, program, made, who, why, without_notice: *without_notice }
    }
}

/// A program, as the ledger keeps it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProgramText {
    /// Its SHA-256.
    pub(crate) program: String,
    /// The file.
    pub(crate) text: String,
    /// What it depends on beside: the components that its deployments run, and the tables of the build that loaded it.
    pub(crate) pins: Pins,
}

impl ProgramText {
    /// Returns the one of a digest.
    pub(crate) fn of(program: &Digest, ledger: &dyn Ledger) -> Result<Self, HostError> {
        let program = hex::encode(program);
        let Document { program: text, pins } = Document::of(&program, ledger)?;
        Ok(Self { program, text, pins })
    }
}

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyLine {
    /// What stands between `jifen_` and the secret.
    #[schema(example = "5f0c1d2e3a4b")]
    pub(crate) id: String,
    /// What its holder may do: `operator`, `auditor`, `merchant` or `member`.
    pub(crate) role: String,
    /// The merchant or the member whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,
    /// Who holds it.
    pub(crate) name: String,
    /// Requests a second; 0 for as many as come.
    pub(crate) rate: u32,
    /// When it was made.
    pub(crate) made: String,
    /// Since when it is of no use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revoked: Option<String>,
}

impl From<&ApiKey> for KeyLine {
    fn from(key: &ApiKey) -> Self {
        let ApiKey { id, role, scope, name, rate, made_at, revoked_at, secret: _ } = key;
        Self {
            id: id.clone(),
            role: role.clone(),
            scope: scope.clone(),
            name: name.clone(),
            rate: *rate,
            made: made_at.to_string(),
            revoked: revoked_at.map(|at| at.to_string()),
        }
    }
}

/// Who signs releases.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignerLine {
    /// The first digits of the public key's SHA-256.
    #[schema(example = "5f0c1d2e3a4b")]
    pub(crate) id: String,
    /// The merchant for whose releases; absent: for the platform's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) merchant: Option<String>,
    /// Who holds the private key.
    pub(crate) name: String,
    /// The public key, in hexadecimal.
    pub(crate) public_key: String,
    /// When it was added.
    pub(crate) made: String,
    /// Since when nothing more that it signs is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revoked: Option<String>,
}

impl From<&Signer> for SignerLine {
    fn from(signer: &Signer) -> Self {
        let Signer { id, owner, public_key, name, made_at, revoked_at } = signer;
        Self {
            id: id.clone(),
            merchant: owner.clone(),
            name: name.clone(),
            public_key: hex::encode(public_key),
            made: made_at.to_string(),
            revoked: revoked_at.map(|at| at.to_string()),
        }
    }
}

/// What a host was asked to change or to try.
#[derive(Serialize, ToSchema)]
pub(crate) struct StepLine {
    /// Its place in the trail.
    pub(crate) seq: u64,
    /// The request's name, which the answer had as `X-Request-Id`.
    pub(crate) id: String,
    /// When, by the clock of the host.
    pub(crate) made: String,
    /// The id of the key that was shown; absent where none was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// Who holds it.
    pub(crate) who: String,
    /// The method, and the path with its parameters.
    #[schema(example = "POST /v1/program/rollback?why=too+much")]
    pub(crate) asked: String,
    /// The status of the answer; absent if the host ended before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
}

impl From<&(u64, TrailStep)> for StepLine {
    fn from((seq, step): &(u64, TrailStep)) -> Self {
        let TrailStep { id, made_at, key, who, asked, status } = step;
        Self {
            seq: *seq,
            id: id.clone(),
            made: made_at.to_string(),
            key: key.clone(),
            who: who.clone(),
            asked: asked.clone(),
            status: *status,
        }
    }
}

/// The word that a program will be put to work.
#[derive(Serialize, ToSchema)]
pub(crate) struct AnnouncementLine {
    /// The SHA-256 of the program.
    pub(crate) program: String,
    /// Since when it is known.
    pub(crate) announced: String,
    /// From when on it can be put to work though members would be awarded less.
    pub(crate) earliest: String,
    /// Who said so first.
    pub(crate) who: String,
    /// Why.
    pub(crate) why: String,
}

impl From<&Announcement> for AnnouncementLine {
    fn from(announcement: &Announcement) -> Self {
        let Announcement { program, made_at, who, why } = announcement;
        let (program, announced) = (hex::encode(program), made_at.to_string());
        let earliest = governor::earliest(announcement).to_string();
        Self { program, announced, earliest, who: who.clone(), why: why.clone() }
    }
}

/// What names an event that was refused, as far as it has them.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct Names {
    /// Who sent it.
    pub(crate) source: Option<String>,
    /// The sender's name for it.
    pub(crate) id: Option<String>,
    /// To whom it happened.
    pub(crate) member: Option<String>,
    /// When.
    pub(crate) time: Option<String>,
}

impl Names {
    /// Reads them from what may be no event.
    pub(crate) fn of(event: &[u8]) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Any {
            source: Value,
            id: Value,
            time: Value,
            data: Value,
        }
        let Any { source, id, time, data } = serde_json::from_slice(event).unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let member = data.get("member").and_then(text);
        Self { source: text(&source), id: text(&id), member, time: text(&time) }
    }
}

/// Writes the receipt of an event that was applied, now or before: the canonical form, then `more` members of the
/// object, such as `"pins":{…},`, then what became of the event, its place and digest.
pub(crate) fn write_receipt(
    out: &mut impl Write,
    recorded: &Recorded,
    more: &[u8],
    outcome: &str,
) -> io::Result<()> {
    let Recorded { seq, receipt, digest } = recorded;
    let open = receipt.strip_suffix(b"}").unwrap_or(receipt);
    out.write_all(open)?;
    out.write_all(b",")?;
    out.write_all(more)?;
    write!(out, "\"outcome\":\"{outcome}\",\"seq\":{seq}")?;
    if let Some(digest) = digest {
        write!(out, ",\"digest\":\"{}\"", hex::encode(digest))?;
    }
    out.write_all(b"}")
}
