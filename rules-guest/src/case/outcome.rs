//! What a policy answered, what it should have answered, and how the two differ.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::is_default;
use crate::date::Date;
use crate::fact::Fact;

/// What comes of a case, expected or got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Awards, in order. An empty list: the rule does not apply.
    Awards(Vec<Award>),
    /// The terms on which points can be used.
    Offered(Offer),
    /// What a campaign does for the member, in order. An empty list: nothing.
    Actions(Vec<Action>),
    /// A no, by its code.
    Declined(String),
    /// A bug, by the host's code: `trap`, `out-of-fuel` and so on.
    Fault(String),
    /// Parameters that the policy refused, by its message. An expected message is part of the one got.
    InvalidParameters(String),
}

/// Points proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Award {
    /// To whom.
    #[serde(default)]
    pub to: Recipient,
    /// How many.
    pub points: u64,
    /// Why: a code.
    pub reason: String,
    /// The unit, if it is not the deployment's own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unit: Option<String>,
    /// The first day on which they can be spent, if not at once.
    #[serde(default, skip_serializing_if = "is_default")]
    pub available_from: Option<Date>,
    /// The last day on which they can be spent, if not what the unit says.
    #[serde(default, skip_serializing_if = "is_default")]
    pub valid_until: Option<Date>,
    /// The index of the line they are for, if not the event as a whole.
    #[serde(default, skip_serializing_if = "is_default")]
    pub line: Option<u32>,
}

/// What a campaign does for a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Points.
    Award(Award),
    /// A notice: a code.
    Notice(String),
    /// A benefit: the unit of which it is one point.
    Grant(String),
}

/// What a member is offered for points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// What the member gives in points.
    pub points: u64,
    /// What the member pays beside them, in minor units.
    #[serde(default)]
    pub cash: u64,
    /// What the points are worth against the bill, in minor units.
    #[serde(default)]
    pub worth: u64,
    /// What the member gets: a code.
    pub benefit: String,
    /// What limits its use: codes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub restrictions: Vec<String>,
}

/// To whom an award goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recipient {
    /// The member of the event.
    #[default]
    Member,
    /// The member who referred the member of the event.
    Referrer,
}

impl Outcome {
    /// Compares what was got with this, the expected.
    ///
    /// # Errors
    ///
    /// With both, where they differ.
    pub fn compare(&self, got: Self) -> Result<(), Difference> {
        let same = match (self, &got) {
            (Self::InvalidParameters(part), Self::InvalidParameters(message)) => message.contains(part),
            (expected, got) => expected == got,
        };
        if same {
            return Ok(());
        }
        Err(Difference::Outcome { expected: Box::new(self.clone()), got: Box::new(got) })
    }

    fn rows(&self) -> Vec<String> {
        match self {
            Self::Awards(awards) if awards.is_empty() => vec!["no awards".to_owned()],
            Self::Awards(awards) => awards.iter().map(Award::to_string).collect(),
            Self::Offered(offer) => vec![offer.to_string()],
            Self::Actions(actions) if actions.is_empty() => vec!["no actions".to_owned()],
            Self::Actions(actions) => actions.iter().map(Action::to_string).collect(),
            Self::Declined(code) => vec![format!("declined: {code}")],
            Self::Fault(code) => vec![format!("fault: {code}")],
            Self::InvalidParameters(message) => vec![format!("invalid parameters: {message}")],
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rows().join("\n"))
    }
}

impl fmt::Display for Award {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = match self.to {
            Recipient::Member => "member",
            Recipient::Referrer => "referrer",
        };
        write!(f, "{} points to the {to}, {}", self.points, self.reason)?;
        optional(f, "of unit", self.unit.as_ref())?;
        optional(f, "available from", self.available_from)?;
        optional(f, "valid until", self.valid_until)?;
        optional(f, "for line", self.line)
    }
}

impl Action {
    /// Returns the award, if it is one.
    pub fn as_award(&self) -> Option<&Award> {
        match self {
            Self::Award(award) => Some(award),
            Self::Notice(_) | Self::Grant(_) => None,
        }
    }

    /// Returns the code for which the policy's description has words.
    pub fn code(&self) -> &str {
        match self {
            Self::Award(award) => &award.reason,
            Self::Notice(code) | Self::Grant(code) => code,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Award(award) => award.fmt(f),
            Self::Notice(code) => write!(f, "the notice {code}"),
            Self::Grant(unit) => write!(f, "the grant {unit}"),
        }
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { points, cash, worth, benefit, restrictions } = self;
        write!(f, "{points} points and {cash} in cash for {benefit}, worth {worth}")?;
        restrictions.iter().try_for_each(|restriction| write!(f, ", {restriction}"))
    }
}

fn optional(f: &mut fmt::Formatter<'_>, words: &str, value: Option<impl fmt::Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, ", {words} {value}"))
}

/// Why a case failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The policy answered something else.
    Outcome {
        /// What the case says.
        expected: Box<Outcome>,
        /// What the policy did.
        got: Box<Outcome>,
    },
    /// The policy asked what the case does not state.
    UnstatedFact(Fact),
    /// The fault shows only in the host, and the policy ran natively.
    OnlyInHost(String),
    /// Policies of this kind are not asked about such events.
    NotAsked(&'static str),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outcome { expected, got } => {
                f.write_str("expected (-) and got (+) differ:")?;
                rows(f, &expected.rows(), &got.rows())
            }
            Self::UnstatedFact(question) => {
                write!(f, "the policy asks {question}, which the case does not state; add it to `facts`")
            }
            Self::OnlyInHost(fault) => {
                write!(f, "the fault {fault} shows only in the host; run `jifen test`")
            }
            Self::NotAsked(kind) => write!(f, "event.type: no policy of this kind is asked about {kind}"),
        }
    }
}

impl std::error::Error for Difference {}

/// Writes both sides, one row a line. Rows that stand in the same place on both sides are written once.
fn rows(f: &mut fmt::Formatter<'_>, expected: &[String], got: &[String]) -> fmt::Result {
    for index in 0..expected.len().max(got.len()) {
        match (expected.get(index), got.get(index)) {
            (Some(one), Some(other)) if one == other => write!(f, "\n  {one}")?,
            (one, other) => {
                one.map_or(Ok(()), |row| write!(f, "\n- {row}"))?;
                other.map_or(Ok(()), |row| write!(f, "\n+ {row}"))?;
            }
        }
    }
    Ok(())
}
