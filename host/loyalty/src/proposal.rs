//! Proposals: what a policy asked for, or why it could not answer.

use crate::facts::Fact;
use crate::id::UnitId;
use crate::points::Points;

/// To whom an award goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recipient {
    /// The member of the event.
    Member,
    /// The member who referred the member of the event.
    Referrer,
}

/// Points that a policy asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Award {
    /// To whom.
    pub to: Recipient,
    /// How many.
    pub points: Points,
    /// Of which unit; `None` is the deployment's own.
    pub unit: Option<UnitId>,
    /// Why: a code in kebab case.
    pub reason: String,
    /// The first day on which they can be spent; `None` is at once.
    pub available_from: Option<i32>,
    /// The last day on which they can be spent; `None` is what the unit says.
    pub valid_until: Option<i32>,
    /// The line they are for; `None` is the event as a whole.
    pub line: Option<u32>,
}

/// A policy's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proposal {
    /// Awards; none where the rule does not apply.
    Awards(Vec<Award>),
    /// A no that the member may be told: a code in kebab case.
    Declined(String),
}

/// What a campaign does for a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It awards points.
    Award(Award),
    /// It sends a notice: a code in kebab case.
    Notice(String),
    /// It grants a benefit: one point of a unit.
    Grant(UnitId),
}

/// What a member is offered for points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What the member gives in points: at least one.
    pub points: Points,
    /// What the member pays beside them, in minor units.
    pub cash_minor: u64,
    /// What the points are worth against the bill, in minor units; 0 for an item.
    pub worth_minor: u64,
    /// What the member gets: a code in kebab case.
    pub benefit: String,
    /// What limits its use, as codes in kebab case. Empty: the same rights as for money.
    pub restrictions: Vec<String>,
}

/// What a policy answers to whoever wants to use points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quote {
    /// The terms.
    Offered(Offer),
    /// A no that the member may be told: a code in kebab case.
    Declined(String),
}

/// How a policy failed to answer. It costs that policy its proposal, and nobody else anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It used all its fuel. The same event runs out at the same instruction on every machine.
    #[error("ran out of fuel at {limit} units; look for a loop that does not end")]
    OutOfFuel {
        /// The fuel of one evaluation.
        limit: u64,
    },
    /// It ran past the wall-clock fence, which lies far behind the fuel.
    #[error("ran past the wall-clock fence")]
    Deadline,
    /// It asked for more memory or larger tables than an evaluation may have.
    #[error("asked for more than {limit_bytes} bytes of memory")]
    OutOfMemory {
        /// Bytes that all memories of an evaluation may have together.
        limit_bytes: u64,
    },
    /// Its calls nested too deep.
    #[error("exhausted its stack; look for recursion that does not end")]
    StackOverflow,
    /// It stopped itself or broke a rule of WebAssembly.
    #[error("trapped: {trap}")]
    Trap {
        /// WebAssembly's name for it.
        trap: String,
    },
    /// Its answer is larger than the host takes.
    #[error("answered with more than {limit_bytes} bytes")]
    AnswerTooLarge {
        /// Bytes that one answer may have.
        limit_bytes: u64,
    },
    /// Its answer cannot be read as the contract says.
    #[error("answered with something the contract does not allow: {why}")]
    AnswerUnreadable {
        /// What is wrong with it.
        why: String,
    },
    /// More awards than one proposal may have.
    #[error("proposed {awards} awards; at most {limit} are allowed")]
    TooManyAwards {
        /// How many there were.
        awards: u64,
        /// How many there may be.
        limit: u64,
    },
    /// More points than an award may have. A negative number of points shows up here, too.
    #[error("proposed {points} points; at most {limit} are allowed")]
    PointsOutOfRange {
        /// How many were proposed.
        points: u64,
        /// How many may be.
        limit: u64,
    },
    /// A reason that is not a short code in kebab case.
    #[error("gave a reason that is not a code of at most {limit_bytes} bytes in kebab case")]
    BadReason {
        /// Bytes that a reason may have.
        limit_bytes: u64,
    },
    /// A unit that the deployment may not issue.
    #[error("proposed points of the unit {unit}, which the deployment may not issue")]
    UnitNotGranted {
        /// The unit.
        unit: String,
    },
    /// A line that the purchase does not have.
    #[error("proposed points for line {line}; the purchase has {lines} lines")]
    NoSuchLine {
        /// The index.
        line: u32,
        /// How many lines there are.
        lines: u64,
    },
    /// A validity that ends before it begins, or a day outside the calendar.
    #[error("proposed points that can never be spent: available from day {from}, valid until day {until}")]
    NeverSpendable {
        /// The first day.
        from: i32,
        /// The last day.
        until: i32,
    },
    /// Points that are worth more than the bill.
    #[error("proposed points worth {worth_minor} minor units against a bill of {payable_minor}")]
    WorthOutOfRange {
        /// What the policy said they are worth.
        worth_minor: u64,
        /// What the bill comes to.
        payable_minor: u64,
    },
    /// More restrictions than one offer may have.
    #[error("proposed {restrictions} restrictions; at most {limit} are allowed")]
    TooManyRestrictions {
        /// How many there were.
        restrictions: u64,
        /// How many there may be.
        limit: u64,
    },
    /// An offer whose use is limited by what does not limit who pays money (scenario A22).
    #[error(
        "offers less for points than there is for money: {restriction} limits whoever pays in points alone"
    )]
    ParityViolation {
        /// What limits it.
        restriction: String,
    },
    /// A question that has no answer.
    #[error("asked what has no answer: it {why}")]
    NoAnswer {
        /// The question, if it was one that could have had an answer.
        fact: Option<Fact>,
        /// What was wrong with the question.
        why: String,
    },
}

impl Fault {
    /// Returns the stable code that stands on receipts, in cases and in metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OutOfFuel { .. } => "out-of-fuel",
            Self::Deadline => "deadline",
            Self::OutOfMemory { .. } => "out-of-memory",
            Self::StackOverflow => "stack-overflow",
            Self::Trap { .. } => "trap",
            Self::AnswerTooLarge { .. } => "answer-too-large",
            Self::AnswerUnreadable { .. } => "answer-unreadable",
            Self::TooManyAwards { .. } => "too-many-awards",
            Self::PointsOutOfRange { .. } => "points-out-of-range",
            Self::BadReason { .. } => "bad-reason",
            Self::UnitNotGranted { .. } => "unit-not-granted",
            Self::NoSuchLine { .. } => "no-such-line",
            Self::NeverSpendable { .. } => "never-spendable",
            Self::WorthOutOfRange { .. } => "worth-out-of-range",
            Self::TooManyRestrictions { .. } => "too-many-restrictions",
            Self::ParityViolation { .. } => "parity-violation",
            Self::NoAnswer { .. } => "no-answer",
        }
    }
}
