//! Which decisions may no longer hold once those before them are committed.

use std::collections::HashSet;

use jifen_loyalty::event::Body;
use jifen_loyalty::{Entry, MemberId};

use super::Waiting;
use super::outcome::Decided;
use crate::redemption;

/// What decisions on one read may have made untrue behind them. An entry says what must still be true of it; a refusal cannot.
#[derive(Default)]
pub(super) struct Doubts {
    /// Who was given points by the event of somebody else.
    pub(super) moved: HashSet<MemberId>,
    /// Whether something was put back into a stock.
    pub(super) restocked: bool,
    /// Whether there was anything.
    pub(super) any: bool,
}

impl Doubts {
    /// Splits decisions before the first that something before it may have made untrue, and that does not say on what it depends.
    pub(super) fn split_off(&mut self, decided: &mut Vec<Decided>) -> Vec<Decided> {
        let unsure = decided.iter().position(|it| {
            let Decided { waiting: Waiting { event, .. }, owner, verdict, .. } = it;
            let unsure = match verdict {
                // Which gifts there were too few of is not in the entry.
                Ok(_) => self.restocked && matches!(event.body, Body::Close(_)),
                Err(refusal) => {
                    let moved = owner.as_ref().is_some_and(|owner| self.moved.contains(owner));
                    // It may be refused for what others have set aside.
                    let held = self.any && event.correction().is_some();
                    moved || held || self.restocked && redemption::is_out_of_stock(refusal)
                }
            };
            if let Ok((entry, _)) = verdict {
                self.any = true;
                self.moved.extend(given(entry, owner.as_ref()).cloned());
            }
            self.restocked |= it.restocks();
            unsure
        });
        decided.split_off(unsure.unwrap_or(decided.len()))
    }
}

/// Returns the others to whom an entry gives points, or whose it moves.
pub(super) fn given<'e>(entry: &'e Entry, owner: Option<&MemberId>) -> impl Iterator<Item = &'e MemberId> {
    let lots = entry.lots.iter().map(|new| &new.member);
    let theirs = lots.chain(entry.moved.iter().map(|moved| &moved.member));
    theirs.filter(move |member| Some(*member) != owner)
}
