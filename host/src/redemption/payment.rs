//! Points that paid for a purchase: what is returned of it gives them back.

use std::sync::Arc;

use jifen_ledger::{RedeemedPart, Redemption as State};
use jifen_loyalty::decision::Granted;
use jifen_loyalty::entry::StockKey;
use jifen_loyalty::event::{Cause, Purchase};
use jifen_loyalty::program::Covers;
use jifen_loyalty::redemption::{Paid, Part, Redeemed};
use jifen_loyalty::refund::Remainder;
use jifen_loyalty::{Instant, InvalidEvent, Member, MemberId, Points, RedemptionId};

use super::{cancel, covers, is_undone, parts, pinned, requested};
use crate::active::Active;
use crate::error::Undecided;
use crate::programs::Programs;

/// Points that paid for a purchase, as they are before something of it is returned.
pub(crate) struct Payment {
    pinned: Arc<Active>,
    base: Redeemed,
    /// What is used still, in the order in which it was consumed.
    used: Vec<Part>,
    covers: Covers,
    state: Option<State>,
}

/// Returns the uses of points that a member's purchase was paid with, as far as the ledger has them.
pub(crate) fn payments<'s>(
    programs: &Programs<'_>,
    purchase: &Purchase,
    buyer: (&MemberId, &Member),
    state: impl Fn(&RedemptionId) -> Option<&'s State>,
) -> Result<Vec<Payment>, Undecided> {
    let mut payments = Vec::<Payment>::new();
    for name in purchase.tenders.iter().filter_map(|tender| tender.redemption.as_ref()) {
        let theirs = |state: &&State| state.owner.as_ref().is_some_and(|(owner, _)| owner == buyer.0);
        let Some(state) = state(name).filter(theirs) else { continue };
        if payments.iter().all(|payment| payment.base.name != *name) {
            payments.extend(Payment::of(programs, name, state, buyer.1)?);
        }
    }
    Ok(payments)
}

impl Payment {
    /// Returns what was paid; `None` where no points were used.
    fn of(
        programs: &Programs<'_>,
        name: &RedemptionId,
        state: &State,
        member: &Member,
    ) -> Result<Option<Self>, Undecided> {
        let paid = super::paid(state);
        if paid.captured.is_zero() {
            return Ok(None);
        }
        let request = requested(state)?;
        let pinned = pinned(programs, &request)?;
        let base = Redeemed {
            paid: Some(paid),
            ..Redeemed::new(name.clone(), state.steps, request.unit, request.acceptance)
        };
        let used = parts(state, member, RedeemedPart::used);
        let covers = covers(&pinned, base.acceptance.as_ref());
        Ok(Some(Self { pinned, base, used, covers, state: Some(state.clone()) }))
    }

    /// Returns what a receipt recorded of it.
    pub(crate) fn recorded(programs: &Programs<'_>, step: &Redeemed) -> Result<Option<Self>, Undecided> {
        let Some(paid) = step.paid else { return Ok(None) };
        let pinned = pinned(programs, step)?;
        let base = Redeemed {
            paid: Some(paid),
            ..Redeemed::new(step.name.clone(), step.steps, step.unit.clone(), step.acceptance.clone())
        };
        let used = step.cancelled.iter().rev().cloned().collect();
        let covers = covers(&pinned, base.acceptance.as_ref());
        Ok(Some(Self { pinned, base, used, covers, state: None }))
    }

    /// Tells a remainder what the payments paid for.
    pub(crate) fn tell(payments: &[Self], remainder: &mut Remainder<'_>) {
        let covers = |name: &RedemptionId| payments.iter().find(|payment| payment.base.name == *name);
        remainder.covered(|name| covers(name).map(|payment| payment.covers.clone()));
    }

    /// Gives back what goes with what is returned: as much as keeps the rest in proportion to what remains.
    pub(crate) fn give_back(
        self,
        remainder: &Remainder<'_>,
        cause: Cause,
        owner: &MemberId,
        at: Instant,
    ) -> Result<GivenBack, InvalidEvent> {
        let Self { pinned, base, used, covers, state } = self;
        let Paid { captured, cancelled } =
            base.paid.unwrap_or(Paid { captured: Points::ZERO, cancelled: Points::ZERO });
        let points = captured.less(remainder.points_left(captured, &covers)).less(cancelled);
        let points = points.min(used.iter().map(|part| part.had).sum());
        let (day, _) = pinned.program.day_of(at)?;
        let (step, compensation) = cancel(&pinned, base, used, (points, cause), owner, (day.number(), at))?;
        let undone = state.filter(|state| is_undone(state, &step));
        Ok(GivenBack { step, compensation, restocked: undone.and_then(|state| state.stock) })
    }
}

/// What came back of the points that paid for a purchase.
pub(crate) struct GivenBack {
    pub(crate) step: Redeemed,
    /// Points for the trouble.
    pub(crate) compensation: Option<Granted>,
    pub(crate) restocked: Option<StockKey>,
}
