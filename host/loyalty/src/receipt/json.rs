//! Receipts as they are written: the one place that knows their JSON.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Evaluation, Inputs, Receipt, Sealed};
use crate::decision::{Granted, Usage};
use crate::event::Event;
use crate::facts::{Answer, Fact};
use crate::id::MemberId;
use crate::points::Points;
use crate::posting::Posting;
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
    time: String,
    day: String,
    event: String,
    program: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    referrer: Option<&'a str>,
    awards: Vec<AwardOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    declined: Vec<DeclinedOut<'a>>,
    faults: Vec<FaultOut<'a>>,
    evaluations: Vec<EvaluationJson<'a>>,
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
    expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

#[derive(Serialize)]
struct DeclinedOut<'a> {
    deployment: &'a str,
    reason: &'a str,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usage: Option<UsageJson>,
}

#[derive(Serialize, Deserialize)]
struct UsageJson {
    day: u64,
    month: u64,
    budget: u64,
}

#[derive(Serialize)]
struct PostingOut<'a> {
    account: &'a str,
    unit: &'a str,
    points: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    award: Option<u32>,
}

#[derive(Deserialize)]
struct InputsJson<'a> {
    #[serde(borrow)]
    program: Cow<'a, str>,
    #[serde(borrow, default)]
    referrer: Option<Cow<'a, str>>,
    #[serde(borrow)]
    evaluations: Vec<EvaluationJson<'a>>,
}

impl Receipt {
    /// Writes the canonical form.
    pub fn seal(&self, event: &Event, zone: Zone, postings: &[Posting]) -> Sealed {
        let decision = &self.decision;
        let canonical = Canonical {
            source: &event.source,
            id: &event.id,
            member: event.member.as_str(),
            time: zone.format(event.time),
            day: date_text(self.day),
            event: hex::encode(event.digest),
            program: &self.program,
            referrer: self.referrer.as_ref().map(|member| member.as_str()),
            awards: decision.awards.iter().map(|award| award_out(award, event, zone)).collect(),
            declined: decision
                .declined
                .iter()
                .map(|(deployment, reason)| DeclinedOut { deployment: deployment.as_str(), reason })
                .collect(),
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
        Ok(Inputs {
            program: inputs.program.into_owned(),
            referrer: inputs.referrer.as_deref().map(MemberId::from),
            evaluations: inputs
                .evaluations
                .into_iter()
                .map(Evaluation::try_from)
                .collect::<Result<_, _>>()?,
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(points: &u64) -> bool {
    *points == 0
}

fn award_out<'a>(award: &'a Granted, event: &Event, zone: Zone) -> AwardOut<'a> {
    AwardOut {
        deployment: award.deployment.as_str(),
        to: award.to.as_ref().map_or("", |member| member.as_str()),
        unit: award.unit.as_str(),
        issuer: award.issuer.to_string(),
        asked: award.asked.get(),
        granted: award.granted.get(),
        reason: award.reason(),
        code: award.limit.is_some().then_some(&*award.code),
        available: (award.available_at != event.time).then(|| zone.format(award.available_at)),
        expires: (award.expires_at != Instant::NEVER).then(|| zone.format(award.expires_at)),
        line: award.line,
    }
}

impl<'a> From<&'a Posting> for PostingOut<'a> {
    fn from(posting: &'a Posting) -> Self {
        let Posting { account, unit, points, award } = posting;
        Self { account, unit: unit.as_str(), points: *points, award: *award }
    }
}

impl<'a> From<&'a Evaluation> for EvaluationJson<'a> {
    fn from(evaluation: &'a Evaluation) -> Self {
        let usage = |usage: Usage| UsageJson {
            day: usage.day.get(),
            month: usage.month.get(),
            budget: usage.budget.get(),
        };
        Self {
            deployment: evaluation.deployment.as_str().into(),
            points_so_far: evaluation.points_so_far.get(),
            fuel: evaluation.fuel,
            facts: evaluation.facts.iter().map(|answer| (answer.fact, answer.value)).collect(),
            usage: evaluation.usage.map(usage),
        }
    }
}

impl TryFrom<EvaluationJson<'_>> for Evaluation {
    type Error = InvalidReceipt;

    fn try_from(json: EvaluationJson<'_>) -> Result<Self, InvalidReceipt> {
        let points = |points| Points::new(points).ok_or_else(|| InvalidReceipt(format!("{points} points")));
        let usage = |usage: UsageJson| {
            let (day, month, budget) = (points(usage.day)?, points(usage.month)?, points(usage.budget)?);
            Ok(Usage { day, month, budget })
        };
        Ok(Self {
            deployment: json.deployment.as_ref().into(),
            points_so_far: points(json.points_so_far)?,
            fuel: json.fuel,
            facts: json.facts.into_iter().map(|(fact, value)| Answer { fact, value }).collect(),
            usage: json.usage.map(usage).transpose()?,
        })
    }
}

/// Returns a day as `YYYY-MM-DD`, or its number where chrono has no such day.
fn date_text(day: i32) -> String {
    date_of(day).map_or_else(|| day.to_string(), |date| date.to_string())
}
