//! What a policy answered, checked before it means anything. The contract cannot say how many awards, points or bytes
//! are too many; here is where that is said.

use jifen_loyalty::day::Day;
use jifen_loyalty::id::UnitId;
use jifen_loyalty::points::Points;
use jifen_loyalty::proposal::{self, Fault};

use crate::bindings::{Award, Proposal};
use crate::fault::bytes;
use crate::limits;
use crate::words::clean;

/// What an answer is held against: the business day, and how many lines the purchase has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) today: i32,
    pub(crate) lines: usize,
}

impl Question {
    pub(crate) fn check(self, answer: Proposal) -> Result<proposal::Proposal, Fault> {
        match answer {
            Proposal::Awards(awards) if awards.len() > limits::AWARDS_MAX => {
                Err(Fault::TooManyAwards { awards: bytes(awards.len()), limit: bytes(limits::AWARDS_MAX) })
            }
            Proposal::Awards(awards) => {
                let awards = awards.into_iter().map(|award| self.check_award(award));
                Ok(proposal::Proposal::Awards(awards.collect::<Result<_, _>>()?))
            }
            Proposal::Declined(reason) => Ok(proposal::Proposal::Declined(check_reason(reason)?)),
        }
    }

    fn check_award(self, award: Award) -> Result<proposal::Award, Fault> {
        self.check_line(award.line)?;
        self.check_days(award.available_from, award.valid_until)?;
        Ok(proposal::Award {
            to: award.to.into(),
            points: check_points(award.points)?,
            unit: award.unit.map(check_unit).transpose()?,
            reason: check_reason(award.reason)?,
            available_from: award.available_from,
            valid_until: award.valid_until,
            line: award.line,
        })
    }

    fn check_line(self, line: Option<u32>) -> Result<(), Fault> {
        let Some(line) = line else { return Ok(()) };
        let known = usize::try_from(line).is_ok_and(|index| index < self.lines);
        if known { Ok(()) } else { Err(Fault::NoSuchLine { line, lines: bytes(self.lines) }) }
    }

    /// The points must be spendable on some day of the calendar that is not over.
    fn check_days(self, available_from: Option<i32>, valid_until: Option<i32>) -> Result<(), Fault> {
        let from = available_from.unwrap_or(self.today);
        let until = valid_until.unwrap_or(Day::LAST);
        let spendable = Day::FIRST <= from && from.max(self.today) <= until && until <= Day::LAST;
        if spendable { Ok(()) } else { Err(Fault::NeverSpendable { from, until }) }
    }
}

fn check_points(points: u64) -> Result<Points, Fault> {
    Points::new(points).ok_or(Fault::PointsOutOfRange { points, limit: limits::AWARD_POINTS_MAX })
}

fn check_unit(unit: String) -> Result<UnitId, Fault> {
    if unit.len() <= limits::CODE_BYTES_MAX {
        return Ok(UnitId::from(unit));
    }
    Err(Fault::UnitNotGranted { unit: clean(&unit, limits::CODE_BYTES_MAX) })
}

fn check_reason(reason: String) -> Result<String, Fault> {
    let limit_bytes = bytes(limits::CODE_BYTES_MAX);
    if is_code(&reason) { Ok(reason) } else { Err(Fault::BadReason { limit_bytes }) }
}

/// Whether this is a short code in kebab case, such as `market-day`.
fn is_code(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    text.len() <= limits::CODE_BYTES_MAX && text.split('-').all(is_word)
}

#[cfg(test)]
mod tests;
