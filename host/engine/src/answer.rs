//! What a policy answered, checked before it means anything. The contract cannot say how many awards, points or bytes
//! are too many, or what points can be worth; here is where that is said.

use jifen_loyalty::day::Day;
use jifen_loyalty::event::AMOUNT_MINOR_MAX;
use jifen_loyalty::id::UnitId;
use jifen_loyalty::points::Points;
use jifen_loyalty::proposal::{self, Fault, Quote};

use crate::bindings::{Action, Answer, Award, Offer, Proposal};
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

    /// Checks what a campaign does.
    pub(crate) fn check_actions(self, actions: Vec<Action>) -> Result<Vec<proposal::Action>, Fault> {
        if actions.len() > limits::AWARDS_MAX {
            let awards = bytes(actions.len());
            return Err(Fault::TooManyAwards { awards, limit: bytes(limits::AWARDS_MAX) });
        }
        let check = |action| {
            Ok(match action {
                Action::Award(award) => proposal::Action::Award(self.check_award(award)?),
                Action::Notice(code) => proposal::Action::Notice(check_reason(code)?),
                Action::Grant(unit) => proposal::Action::Grant(check_unit(unit)?),
            })
        };
        actions.into_iter().map(check).collect()
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

/// What an offer is held against: what there is to pay, 0 for an item.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) payable_minor: u64,
}

impl Terms {
    pub(crate) fn check(self, answer: Answer) -> Result<Quote, Fault> {
        match answer {
            Answer::Offered(offer) => self.check_offer(offer).map(Quote::Offered),
            Answer::Declined(reason) => check_reason(reason).map(Quote::Declined),
        }
    }

    /// No points at all are allowed here: that nothing is taken is for the host to see.
    fn check_offer(self, offer: Offer) -> Result<proposal::Offer, Fault> {
        Ok(proposal::Offer {
            points: check_points(offer.points)?,
            cash_minor: check_cash(offer.cash_minor)?,
            worth_minor: self.check_worth(offer.worth_minor)?,
            benefit: check_reason(offer.benefit)?,
            restrictions: check_restrictions(offer.restrictions)?,
        })
    }

    fn check_worth(self, worth_minor: u64) -> Result<u64, Fault> {
        let Self { payable_minor } = self;
        if worth_minor <= payable_minor {
            Ok(worth_minor)
        } else {
            Err(Fault::WorthOutOfRange { worth_minor, payable_minor })
        }
    }
}

fn check_cash(cash_minor: u64) -> Result<u64, Fault> {
    if cash_minor <= AMOUNT_MINOR_MAX {
        return Ok(cash_minor);
    }
    let why = format!("cash-minor is {cash_minor}; at most {AMOUNT_MINOR_MAX} is allowed");
    Err(Fault::AnswerUnreadable { why })
}

fn check_restrictions(restrictions: Vec<String>) -> Result<Vec<String>, Fault> {
    if restrictions.len() <= limits::RESTRICTIONS_MAX {
        return restrictions.into_iter().map(check_reason).collect();
    }
    let limit = bytes(limits::RESTRICTIONS_MAX);
    Err(Fault::TooManyRestrictions { restrictions: bytes(restrictions.len()), limit })
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
