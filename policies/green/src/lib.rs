//! `green`: green points for goods and services that spare the environment.
//!
//! Each line that bears a tag of a kind earns by itself, so that the receipt says for which goods the points are: it is the
//! evidence that a certificate of green purchases rests on.

use rules_guest::rate::{Rate, Rounding};
use rules_guest::{Award, EarningPolicy, Event, Facts, Line, Minor, Points, Proposal, ensure};
use serde::Deserialize;

/// The parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Green {
    /// The kinds of goods and services. A line counts as the first whose tag it bears.
    kinds: Vec<Kind>,
}

/// A kind of goods or services, and what it earns: so much a piece, or so much for what was paid.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    /// The merchant's mark.
    tag: String,
    /// What it is, for the certificate.
    #[serde(default)]
    of: Of,
    /// Points for each piece.
    per_unit: Option<Rate>,
    /// Points for each yuan that was paid.
    per_yuan: Option<Rate>,
}

/// What is green.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Of {
    /// Goods.
    #[default]
    Goods,
    /// A service, such as a repair or a ride.
    Service,
}

rules_guest::policy!(Green);

impl EarningPolicy for Green {
    fn check(&self) -> Result<(), String> {
        ensure(!self.kinds.is_empty(), "kinds: is empty, so nothing would ever be green; name a tag")?;
        let tagged = self.kinds.iter().all(|kind| !kind.tag.is_empty());
        ensure(tagged, "kinds: a tag is empty; write the tag of the lines that count")?;
        let one = self.kinds.iter().all(|kind| kind.per_unit.is_some() != kind.per_yuan.is_some());
        ensure(one, "kinds: each has either per_unit or per_yuan")
    }

    fn evaluate(&self, event: &Event, _: &impl Facts) -> Proposal {
        let Some(purchase) = event.purchase() else { return Proposal::nothing() };
        let numbered = (0_u32..).zip(purchase.paid_lines());
        numbered.filter_map(|(number, (line, paid))| Some(self.award(line, paid)?.for_line(number))).collect()
    }
}

impl Green {
    fn award(&self, line: &Line, paid: Minor) -> Option<Award> {
        let kind = self.kinds.iter().find(|kind| line.has_tag(&kind.tag))?;
        Some(Award::to_member(kind.points_for(line, paid), kind.of.reason()))
    }
}

impl Kind {
    fn points_for(&self, line: &Line, paid: Minor) -> Points {
        let per_unit = self.per_unit.map(|rate| rate.of(line.quantity, 1, Rounding::Floor));
        let per_yuan = self.per_yuan.map(|rate| rate.of(paid, 100, Rounding::Floor));
        per_unit.or(per_yuan).map_or(0, |points| points.expect("the points of one award fit in 64 bits"))
    }
}

impl Of {
    const fn reason(self) -> &'static str {
        match self {
            Self::Goods => "green-goods",
            Self::Service => "green-service",
        }
    }
}
