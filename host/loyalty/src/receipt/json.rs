//! Receipts as they are written: the one place that knows their JSON.

mod clearing;
mod conversion;
mod redemption;
mod term;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use self::clearing::{BlockOut, SettledOut};
use self::conversion::ConversionJson;
use self::redemption::{ExpiredJson, RedeemedJson};
use self::term::{NoticeJson, RetermedJson};
use super::{Covered, Evaluation, Inputs, Key, Receipt, Refunded, Sealed};
use crate::clawback::{Debt, Level, Reach, Repayment, Reversal, Taken};
use crate::conversion::Conversion;
use crate::decision::{Expiring, Granted, Notice, Usage};
use crate::event::Event;
use crate::facts::{Answer, Fact};
use crate::id::{DeploymentId, MemberId, UnitId};
use crate::lot::{Issuer, LotId};
use crate::member::Referral;
use crate::points::Points;
use crate::posting::Posting;
use crate::program::Ends;
use crate::redemption::{Expired, Redeemed};
use crate::term::{Retermed, Term};
use crate::time::{Instant, Zone, date_of};

/// Why a receipt cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the receipt cannot be read: {0}")]
pub struct InvalidReceipt(String);

#[derive(Serialize)]
struct Canonical<'a> {
    source: &'a str,
    id: &'a str,
    member: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    version: u64,
    time: String,
    day: String,
    event: String,
    program: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    referrer: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    same_person: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    same_payer: Option<String>,
    awards: Vec<AwardOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    declined: Vec<DeclinedOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notices: Vec<NoticeOfCampaign<'a>>,
    faults: Vec<FaultOut<'a>>,
    evaluations: Vec<EvaluationJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund: Option<RefundJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    redemptions: Vec<RedeemedJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    expired: Vec<ExpiredJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    repayments: Vec<RepaymentJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    terms: Vec<RetermedJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversion: Option<ConversionJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settlement: Option<SettledOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<BlockOut<'a>>,
    postings: Vec<PostingOut<'a>>,
}

#[derive(Serialize)]
struct AwardOut<'a> {
    deployment: &'a str,
    to: &'a str,
    unit: &'a str,
    issuer: String,
    asked: u64,
    granted: u64,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    available: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    awaits: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<Ends>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(flatten)]
    notice: NoticeJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

#[derive(Serialize)]
struct DeclinedOut<'a> {
    deployment: &'a str,
    reason: &'a str,
}

#[derive(Serialize, Deserialize)]
struct NoticeOfCampaign<'a> {
    #[serde(borrow)]
    deployment: Cow<'a, str>,
    #[serde(borrow)]
    notice: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_false")]
    shadow: bool,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    expiring: Option<ExpiringJson<'a>>,
}

#[derive(Serialize, Deserialize)]
struct ExpiringJson<'a> {
    #[serde(borrow)]
    unit: Cow<'a, str>,
    #[serde(borrow)]
    through: Cow<'a, str>,
    points: u64,
}

#[derive(Deserialize)]
struct NoticesJson<'a> {
    #[serde(borrow, default)]
    notices: Vec<NoticeOfCampaign<'a>>,
}

#[derive(Serialize)]
struct FaultOut<'a> {
    deployment: &'a str,
    fault: &'static str,
    message: String,
}

#[derive(Serialize, Deserialize)]
struct EvaluationJson<'a> {
    #[serde(borrow)]
    deployment: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_zero")]
    points_so_far: u64,
    fuel: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    facts: Vec<(Fact, u64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    known: Vec<(Fact, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usage: Option<UsageJson>,
}

#[derive(Serialize, Deserialize)]
struct UsageJson {
    day: u64,
    month: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    referrer_day: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    referrer_month: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    budget: u64,
}

#[derive(Serialize)]
struct PostingOut<'a> {
    kind: &'static str,
    account: &'a str,
    unit: &'a str,
    points: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lot: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct KeyJson<'a> {
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct RefundJson<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    of: Option<KeyJson<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    waited: Vec<KeyJson<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    evaluations: Vec<EvaluationJson<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    first: Vec<LevelJson<'a>>,
    #[serde(borrow)]
    levels: Vec<LevelJson<'a>>,
    #[serde(borrow)]
    reversals: Vec<ReversalJson<'a>>,
}

/// Of an award, too, whose further fields are skipped.
#[derive(Serialize, Deserialize)]
struct LevelJson<'a> {
    #[serde(borrow)]
    deployment: Cow<'a, str>,
    #[serde(borrow)]
    to: Cow<'a, str>,
    #[serde(borrow)]
    unit: Cow<'a, str>,
    #[serde(borrow)]
    issuer: Cow<'a, str>,
    granted: u64,
}

#[derive(Serialize, Deserialize)]
struct ReversalJson<'a> {
    #[serde(borrow)]
    deployment: Cow<'a, str>,
    #[serde(borrow)]
    to: Cow<'a, str>,
    #[serde(borrow)]
    unit: Cow<'a, str>,
    #[serde(borrow)]
    issuer: Cow<'a, str>,
    reversed: u64,
    #[serde(borrow)]
    taken: Vec<TakenJson<'a>>,
    #[serde(default, skip_serializing_if = "is_zero")]
    debt: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    forgiven: u64,
}

#[derive(Serialize, Deserialize)]
struct TakenJson<'a> {
    lot: String,
    #[serde(borrow)]
    issuer: Cow<'a, str>,
    had: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    lapsed: u64,
    points: u64,
}

#[derive(Serialize, Deserialize)]
struct RepaymentJson<'a> {
    #[serde(borrow)]
    unit: Cow<'a, str>,
    #[serde(borrow)]
    to: Cow<'a, str>,
    owed: u64,
    #[serde(borrow)]
    from: TakenJson<'a>,
}

#[derive(Deserialize)]
struct InputsJson<'a> {
    #[serde(borrow)]
    program: Cow<'a, str>,
    #[serde(borrow, default)]
    member: Cow<'a, str>,
    #[serde(borrow, default)]
    referrer: Option<Cow<'a, str>>,
    #[serde(default)]
    same_person: bool,
    #[serde(borrow, default)]
    same_payer: Option<Cow<'a, str>>,
    #[serde(borrow)]
    evaluations: Vec<EvaluationJson<'a>>,
    #[serde(default)]
    version: u64,
    #[serde(borrow, default)]
    refund: Option<RefundJson<'a>>,
    #[serde(borrow, default)]
    redemptions: Vec<RedeemedJson<'a>>,
    #[serde(borrow, default)]
    expired: Vec<ExpiredJson<'a>>,
    #[serde(borrow, default)]
    repayments: Vec<RepaymentJson<'a>>,
    #[serde(borrow, default)]
    terms: Vec<RetermedJson<'a>>,
    #[serde(borrow, default)]
    conversion: Option<ConversionJson<'a>>,
}

#[derive(Deserialize)]
struct LevelsJson<'a> {
    #[serde(borrow, default)]
    refund: Option<RefundJson<'a>>,
    #[serde(borrow)]
    awards: Vec<LevelJson<'a>>,
}

impl Receipt {
    /// Writes the canonical form.
    pub fn seal(&self, event: &Event, zone: Zone, postings: &[Posting]) -> Sealed {
        let decision = &self.decision;
        let canonical = Canonical {
            source: &event.source,
            id: &event.id,
            member: self.member.as_ref().map_or("", |member| member.as_str()),
            version: self.version,
            time: zone.format(event.time),
            day: date_text(self.day),
            event: hex::encode(event.digest),
            program: &self.program,
            referrer: self.referral.as_ref().map(|referral| referral.by.as_str()),
            same_person: self.referral.as_ref().is_some_and(|referral| referral.same_person),
            same_payer: self.referral.as_ref().and_then(|referral| referral.same_payer_day).map(date_text),
            awards: decision.awards.iter().map(|award| award_out(award, event, zone)).collect(),
            declined: decision
                .declined
                .iter()
                .map(|(deployment, reason)| DeclinedOut { deployment: deployment.as_str(), reason })
                .collect(),
            notices: decision.notices.iter().map(NoticeOfCampaign::from).collect(),
            faults: decision
                .faults
                .iter()
                .map(|(deployment, fault)| FaultOut {
                    deployment: deployment.as_str(),
                    fault: fault.code(),
                    message: fault.to_string(),
                })
                .collect(),
            evaluations: self.evaluations.iter().map(EvaluationJson::from).collect(),
            refund: self.refund.as_ref().map(RefundJson::from),
            redemptions: self.redemptions.iter().map(|step| RedeemedJson::new(step, zone)).collect(),
            expired: self.expired.iter().map(|expired| ExpiredJson::new(expired, zone)).collect(),
            repayments: self.repayments.iter().map(RepaymentJson::from).collect(),
            terms: self.terms.iter().map(|retermed| RetermedJson::new(retermed, zone)).collect(),
            conversion: self.conversion.as_ref().map(|conversion| ConversionJson::new(conversion, zone)),
            settlement: self.settlement.as_ref().map(SettledOut::from),
            block: self.block.as_ref().map(BlockOut::from),
            postings: postings.iter().map(PostingOut::from).collect(),
        };
        Sealed::new(serde_json::to_vec(&canonical).expect("text and integers always serialize"))
    }

    /// Reads from a canonical form what went into the decision.
    ///
    /// # Errors
    ///
    /// If it is not a receipt of this release.
    pub fn inputs(json: &[u8]) -> Result<Inputs, InvalidReceipt> {
        let inputs: InputsJson<'_> =
            serde_json::from_slice(json).map_err(|error| InvalidReceipt(error.to_string()))?;
        let same_payer_day = inputs.same_payer.as_deref().map(redemption::day).transpose()?;
        Ok(Inputs {
            program: inputs.program.into_owned(),
            member: Some(&*inputs.member).filter(|member| !member.is_empty()).map(MemberId::from),
            referral: inputs.referrer.as_deref().map(|by| Referral {
                by: by.into(),
                same_person: inputs.same_person,
                same_payer_day,
            }),
            evaluations: inputs
                .evaluations
                .into_iter()
                .map(Evaluation::try_from)
                .collect::<Result<_, _>>()?,
            version: inputs.version,
            refund: inputs.refund.map(Refunded::try_from).transpose()?,
            redemptions: inputs.redemptions.into_iter().map(Redeemed::try_from).collect::<Result<_, _>>()?,
            expired: inputs.expired.into_iter().map(Expired::try_from).collect::<Result<_, _>>()?,
            repayments: inputs.repayments.into_iter().map(Repayment::try_from).collect::<Result<_, _>>()?,
            terms: inputs.terms.into_iter().map(Retermed::try_from).collect::<Result<_, _>>()?,
            conversion: inputs.conversion.map(Conversion::try_from).transpose()?,
        })
    }

    /// Reads from a canonical form what the order of its event came to after it.
    ///
    /// # Errors
    ///
    /// If it is not a receipt of this release.
    pub fn levels(json: &[u8]) -> Result<Vec<Level>, InvalidReceipt> {
        let read = LevelsJson::read(json)?;
        sums(read.refund.map_or(read.awards, |refund| refund.levels))
    }

    /// Reads from a canonical form what was granted, award by award.
    ///
    /// # Errors
    ///
    /// If it is not a receipt of this release.
    pub fn granted(json: &[u8]) -> Result<Vec<(DeploymentId, UnitId, Points)>, InvalidReceipt> {
        let awards = LevelsJson::read(json)?.awards.into_iter();
        let read = |award: LevelJson<'_>| {
            let (deployment, unit) = (award.deployment.as_ref().into(), award.unit.as_ref().into());
            Ok((deployment, unit, points(award.granted)?))
        };
        awards.map(read).collect()
    }

    /// Reads from a canonical form what a campaign sent its member.
    ///
    /// # Errors
    ///
    /// If it is not a receipt of this release.
    pub fn notices(json: &[u8]) -> Result<Vec<Notice>, InvalidReceipt> {
        let read: NoticesJson<'_> =
            serde_json::from_slice(json).map_err(|error| InvalidReceipt(error.to_string()))?;
        read.notices.into_iter().map(Notice::try_from).collect()
    }

    /// Reads from a canonical form of a settlement which lines blocks covered, and what it took of each block; nothing from
    /// any other.
    ///
    /// # Errors
    ///
    /// If it is not a receipt of this release.
    pub fn covered(json: &[u8]) -> Result<Covered, InvalidReceipt> {
        clearing::covered(json)
    }

    /// Reads from a canonical form what its awards come to, whatever refunds made of them.
    ///
    /// # Errors
    ///
    /// If it is not a receipt of this release.
    pub fn awarded(json: &[u8]) -> Result<Vec<Level>, InvalidReceipt> {
        sums(LevelsJson::read(json)?.awards)
    }
}

impl<'a> From<&'a Notice> for NoticeOfCampaign<'a> {
    fn from(notice: &'a Notice) -> Self {
        let Notice { deployment, code, shadow, expiring } = notice;
        let expiring = expiring.as_ref().map(|it| ExpiringJson {
            unit: it.unit.as_str().into(),
            through: it.through.to_string().into(),
            points: it.points.get(),
        });
        Self { deployment: deployment.as_str().into(), notice: code.into(), shadow: *shadow, expiring }
    }
}

impl TryFrom<NoticeOfCampaign<'_>> for Notice {
    type Error = InvalidReceipt;

    fn try_from(json: NoticeOfCampaign<'_>) -> Result<Self, InvalidReceipt> {
        let NoticeOfCampaign { deployment, notice, shadow, expiring } = json;
        let read = |it: ExpiringJson<'_>| {
            let through = it.through.parse().map_err(|_| InvalidReceipt(format!("no day {}", it.through)))?;
            Ok(Expiring { unit: it.unit.as_ref().into(), through, points: points(it.points)? })
        };
        let expiring = expiring.map(read).transpose()?;
        Ok(Self { deployment: deployment.as_ref().into(), code: notice.into_owned(), shadow, expiring })
    }
}

impl<'a> LevelsJson<'a> {
    fn read(json: &'a [u8]) -> Result<Self, InvalidReceipt> {
        serde_json::from_slice(json).map_err(|error| InvalidReceipt(error.to_string()))
    }
}

/// Returns levels by deployment and member, without those of nothing.
fn sums(levels: Vec<LevelJson<'_>>) -> Result<Vec<Level>, InvalidReceipt> {
    let mut sums = Vec::<Level>::new();
    for level in levels.into_iter().filter(|level| level.granted > 0).map(Level::try_from) {
        let level = level?;
        match sums.iter_mut().find(|sum| sum.is_of(&level)) {
            Some(sum) => sum.granted = sum.granted.plus(level.granted),
            None => sums.push(level),
        }
    }
    Ok(sums)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(points: &u64) -> bool {
    *points == 0
}

fn award_out<'a>(award: &'a Granted, event: &Event, zone: Zone) -> AwardOut<'a> {
    let Term { available_at, awaits, expires_at, notice } = &award.term;
    AwardOut {
        deployment: award.deployment.as_str(),
        to: award.to.as_ref().map_or("", |member| member.as_str()),
        unit: award.unit.as_str(),
        issuer: award.issuer.to_string(),
        asked: award.asked.get(),
        granted: award.granted.get(),
        reason: award.reason(),
        code: award.limit.is_some().then_some(&*award.code),
        available: (*available_at != event.time).then(|| zone.format(*available_at)),
        awaits: awaits.as_ref().map(|awaited| &*awaited.action),
        counts: awaits.as_ref().and_then(|awaited| awaited.counts),
        expires: (*expires_at != Instant::NEVER).then(|| zone.format(*expires_at)),
        notice: NoticeJson::from(*notice),
        line: award.line,
    }
}

impl<'a> From<&'a Posting> for PostingOut<'a> {
    fn from(posting: &'a Posting) -> Self {
        let Posting { kind, account, unit, points, lot } = posting;
        let lot = lot.as_ref().map(ToString::to_string);
        Self { kind: kind.code(), account, unit: unit.as_str(), points: *points, lot }
    }
}

impl<'a> From<&'a Evaluation> for EvaluationJson<'a> {
    fn from(evaluation: &'a Evaluation) -> Self {
        let usage = |usage: Usage| UsageJson {
            day: usage.day.get(),
            month: usage.month.get(),
            referrer_day: usage.referrer_day.get(),
            referrer_month: usage.referrer_month.get(),
            budget: usage.budget.get(),
        };
        Self {
            deployment: evaluation.deployment.as_str().into(),
            points_so_far: evaluation.points_so_far.get(),
            fuel: evaluation.fuel,
            facts: evaluation.facts.iter().map(|answer| (answer.fact, answer.value)).collect(),
            known: evaluation.known.iter().map(|answer| (answer.fact, answer.value)).collect(),
            usage: evaluation.usage.map(usage),
        }
    }
}

impl TryFrom<EvaluationJson<'_>> for Evaluation {
    type Error = InvalidReceipt;

    fn try_from(json: EvaluationJson<'_>) -> Result<Self, InvalidReceipt> {
        let usage = |usage: UsageJson| {
            Ok(Usage {
                day: points(usage.day)?,
                month: points(usage.month)?,
                referrer_day: points(usage.referrer_day)?,
                referrer_month: points(usage.referrer_month)?,
                budget: points(usage.budget)?,
            })
        };
        Ok(Self {
            deployment: json.deployment.as_ref().into(),
            points_so_far: points(json.points_so_far)?,
            fuel: json.fuel,
            facts: json.facts.into_iter().map(|(fact, value)| Answer { fact, value }).collect(),
            known: json.known.into_iter().map(|(fact, value)| Answer { fact, value }).collect(),
            usage: json.usage.map(usage).transpose()?,
        })
    }
}

fn points(points: u64) -> Result<Points, InvalidReceipt> {
    Points::new(points).ok_or_else(|| InvalidReceipt(format!("{points} points")))
}

fn issuer(account: &str) -> Result<Issuer, InvalidReceipt> {
    Issuer::parse(account).ok_or_else(|| InvalidReceipt(format!("{account:?} is no issuer")))
}

impl<'a> From<&'a Key> for KeyJson<'a> {
    fn from(key: &'a Key) -> Self {
        Self { source: (&*key.source).into(), id: (&*key.id).into() }
    }
}

impl From<KeyJson<'_>> for Key {
    fn from(json: KeyJson<'_>) -> Self {
        Self { source: json.source.into_owned(), id: json.id.into_owned() }
    }
}

impl<'a> From<&'a Refunded> for RefundJson<'a> {
    fn from(refund: &'a Refunded) -> Self {
        Self {
            of: refund.of.as_ref().map(KeyJson::from),
            waited: refund.waited.iter().map(KeyJson::from).collect(),
            evaluations: refund.evaluations.iter().map(EvaluationJson::from).collect(),
            first: refund.first.iter().map(LevelJson::from).collect(),
            levels: refund.levels.iter().map(LevelJson::from).collect(),
            reversals: refund.reversals.iter().map(ReversalJson::from).collect(),
        }
    }
}

impl TryFrom<RefundJson<'_>> for Refunded {
    type Error = InvalidReceipt;

    fn try_from(json: RefundJson<'_>) -> Result<Self, InvalidReceipt> {
        Ok(Self {
            of: json.of.map(Key::from),
            waited: json.waited.into_iter().map(Key::from).collect(),
            evaluations: json.evaluations.into_iter().map(Evaluation::try_from).collect::<Result<_, _>>()?,
            first: json.first.into_iter().map(Level::try_from).collect::<Result<_, _>>()?,
            levels: json.levels.into_iter().map(Level::try_from).collect::<Result<_, _>>()?,
            reversals: json.reversals.into_iter().map(Reversal::try_from).collect::<Result<_, _>>()?,
        })
    }
}

impl<'a> From<&'a Level> for LevelJson<'a> {
    fn from(level: &'a Level) -> Self {
        Self {
            deployment: level.deployment.as_str().into(),
            to: level.to.as_str().into(),
            unit: level.unit.as_str().into(),
            issuer: level.issuer.to_string().into(),
            granted: level.granted.get(),
        }
    }
}

impl TryFrom<LevelJson<'_>> for Level {
    type Error = InvalidReceipt;

    fn try_from(json: LevelJson<'_>) -> Result<Self, InvalidReceipt> {
        Ok(Self {
            deployment: json.deployment.as_ref().into(),
            to: json.to.as_ref().into(),
            unit: json.unit.as_ref().into(),
            issuer: issuer(&json.issuer)?,
            granted: points(json.granted)?,
        })
    }
}

impl<'a> From<&'a Reversal> for ReversalJson<'a> {
    fn from(reversal: &'a Reversal) -> Self {
        let LevelJson { deployment, to, unit, issuer, granted } = LevelJson::from(&reversal.of);
        Self {
            deployment,
            to,
            unit,
            issuer,
            reversed: granted,
            taken: reversal.taken.iter().map(TakenJson::from).collect(),
            debt: reversal.debt.get(),
            forgiven: reversal.forgiven.get(),
        }
    }
}

impl TryFrom<ReversalJson<'_>> for Reversal {
    type Error = InvalidReceipt;

    fn try_from(json: ReversalJson<'_>) -> Result<Self, InvalidReceipt> {
        let ReversalJson { deployment, to, unit, issuer, reversed: granted, taken, debt, forgiven } = json;
        let of = Level::try_from(LevelJson { deployment, to, unit, issuer, granted })?;
        let taken = taken.into_iter().map(|taken| taken.of_unit(&of.unit)).collect::<Result<_, _>>()?;
        Ok(Self { of, taken, debt: points(debt)?, forgiven: points(forgiven)? })
    }
}

impl<'a> From<&'a Taken> for TakenJson<'a> {
    fn from(taken: &'a Taken) -> Self {
        let Reach { lot, issuer, had, lapsed, .. } = &taken.from;
        let issuer = issuer.to_string().into();
        let (had, lapsed, points) = (had.get(), lapsed.get(), taken.points.get());
        Self { lot: lot.to_string(), issuer, had, lapsed, points }
    }
}

impl TakenJson<'_> {
    fn of_unit(self, unit: &UnitId) -> Result<Taken, InvalidReceipt> {
        let lot =
            LotId::parse(&self.lot).ok_or_else(|| InvalidReceipt(format!("{:?} is no lot", self.lot)))?;
        let (had, lapsed) = (points(self.had)?, points(self.lapsed)?);
        let from = Reach { lot, unit: unit.clone(), issuer: issuer(&self.issuer)?, had, lapsed };
        Ok(Taken { from, points: points(self.points)? })
    }
}

impl<'a> From<&'a Repayment> for RepaymentJson<'a> {
    fn from(repayment: &'a Repayment) -> Self {
        let Debt { unit, issuer, points } = &repayment.debt;
        Self {
            unit: unit.as_str().into(),
            to: issuer.to_string().into(),
            owed: points.get(),
            from: TakenJson::from(&repayment.taken),
        }
    }
}

impl TryFrom<RepaymentJson<'_>> for Repayment {
    type Error = InvalidReceipt;

    fn try_from(json: RepaymentJson<'_>) -> Result<Self, InvalidReceipt> {
        let unit = UnitId::from(&*json.unit);
        let taken = json.from.of_unit(&unit)?;
        Ok(Self { debt: Debt { unit, issuer: issuer(&json.to)?, points: points(json.owed)? }, taken })
    }
}

/// Returns a day as `YYYY-MM-DD`, or its number where chrono has no such day.
fn date_text(day: i32) -> String {
    date_of(day).map_or_else(|| day.to_string(), |date| date.to_string())
}
