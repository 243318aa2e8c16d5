//! Redemptions: points that are set aside, used, and given back.
//!
//! ```text
//! requested ──► held ──► captured ──► cancelled: back into the very lots, last consumed first
//!                 │
//!                 └────► voided, or lapsed: free again
//! ```
//!
//! Whatever happens in between, the points stay those of their lots: they keep their issuer and their last day. What was
//! free to be spent when it was held stays usable by the hold (scenario F4); what comes back after its last day lapses in
//! the open, unless the terms of the cancellation say otherwise (scenarios E7, A23–A25).

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use chrono::{Days, Months, NaiveDate};
use rules_guest::rate::{Rate, Rounding};

use crate::entry::PartMove;
use crate::id::{DeploymentId, MemberId, MerchantId, RedemptionId, UnitId};
use crate::lot::{Issuer, Lot, LotId};
use crate::points::Points;
use crate::posting::{Kind, Postings, gain, loss};
use crate::proposal::Offer;
use crate::term::{Notice, Term, ends_at};
use crate::time::{Instant, Zone, next_day};

/// What an event did to a use of points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redeemed {
    /// Which.
    pub name: RedemptionId,
    /// The steps that it had before.
    pub steps: u64,
    /// Of which unit.
    pub unit: UnitId,
    /// By which deployment and at which merchant; `None` where only time went by.
    pub acceptance: Option<Acceptance>,
    /// The terms, where it was requested.
    pub quoted: Option<Quoted>,
    /// Points that were set aside.
    pub held: Vec<Part>,
    /// Points that were set aside and are used.
    pub captured: Vec<Part>,
    /// Points that were set aside and are free again.
    pub released: Vec<Part>,
    /// Points that were used and are no longer.
    pub cancelled: Vec<Part>,
    /// What of those came back.
    pub returned: Vec<Returned>,
    /// Where used points come back: how many had been used in all, and how many of them no longer were.
    pub paid: Option<Paid>,
}

/// What a purchase was paid with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paid {
    /// How many points were used.
    pub captured: Points,
    /// How many of them no longer are, before the return.
    pub cancelled: Points,
}

/// Who takes points, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The deployment that quoted.
    pub deployment: DeploymentId,
    /// The merchant who takes the points, and has a claim on their issuers from then on.
    pub merchant: MerchantId,
    /// The digest of the program whose terms hold, in hexadecimal.
    pub program: String,
}

/// Terms on which points are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// What was offered.
    pub offer: Offer,
    /// The first instant at which the points are free again.
    pub until: Instant,
}

/// Points of one lot on their way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The lot.
    pub lot: LotId,
    /// Who owes for it.
    pub issuer: Issuer,
    /// The business day it was earned on.
    pub day: i32,
    /// The first instant at which its points can no longer be spent.
    pub expires_at: Instant,
    /// Whether they end only once the member was told.
    pub notice: Notice,
    /// How many points there were.
    pub had: Points,
    /// How many of them go.
    pub points: Points,
}

/// Points that lapse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Of which unit.
    pub unit: UnitId,
    /// What of which lot.
    pub part: Part,
}

/// Used points that come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// The lot that they came from.
    pub lot: LotId,
    /// Who owes for it.
    pub issuer: Issuer,
    /// How many points.
    pub points: Points,
    /// Where to.
    pub to: Return,
}

/// Where points come back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// Their lot.
    Lot,
    /// Their lot, which has lapsed, so that they lapse at once.
    Lapsed,
    /// A lot of their own, that can be spent for longer.
    New {
        /// The first instant at which it no longer can.
        expires_at: Instant,
        /// Whether it ends only once the member was told.
        notice: Notice,
    },
}

/// What happens to used points that come back, by who caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelTerms {
    /// The part that does not come back, rounded down. It is taken from what lapses soonest.
    pub fee: Rate,
    /// Days for which points can be spent again that had lapsed; 0 lets them lapse.
    pub grace_days: u32,
    /// By how much all of them can be spent for longer.
    pub extend: Option<Extension>,
    /// Points for the trouble, as a part of those that are cancelled, rounded down.
    pub compensation: Rate,
}

impl Default for CancelTerms {
    fn default() -> Self {
        Self { fee: Rate::ZERO, grace_days: 0, extend: None, compensation: Rate::ZERO }
    }
}

/// By how much points can be spent for longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Months, the 31st becoming the last of a shorter month.
    pub months: u32,
    /// And days.
    pub days: u32,
    /// Counted from when.
    pub from: ExtendFrom,
}

/// Where an extension counts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExtendFrom {
    /// The last day on which the points could be spent.
    #[default]
    Expiry,
    /// The day of the cancellation. Points that could be spent for longer anyway still can.
    Cancellation,
}

/// What a cancellation comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancellation {
    /// What is no longer used, last consumed first.
    pub cancelled: Vec<Part>,
    /// What of it comes back.
    pub returned: Vec<Returned>,
    /// Points for the trouble.
    pub compensation: Points,
}

impl Part {
    /// Returns so many points of a lot, of which there are `had`.
    pub fn of(lot: &Lot, had: Points) -> Self {
        let Lot { id, issuer, day, term: Term { expires_at, notice, .. }, .. } = lot;
        let (lot, issuer) = (id.clone(), issuer.clone());
        Self { lot, issuer, day: *day, expires_at: *expires_at, notice: *notice, had, points: had }
    }

    /// Returns whether its lot has lapsed at an instant.
    pub fn has_lapsed(&self, at: Instant) -> bool {
        ends_at(self.expires_at, self.notice) <= at
    }
}

/// Takes so many points from what there is, in that order. What is not there is not taken.
pub fn take(there: impl IntoIterator<Item = Part>, points: Points) -> Vec<Part> {
    let mut wanted = points;
    let mut taken = Vec::new();
    for part in there {
        let points = part.had.min(wanted);
        wanted = wanted.less(points);
        if !points.is_zero() {
            taken.push(Part { points, ..part });
        }
    }
    taken
}

/// Uses so many of the points that are set aside, in the order in which they were taken. Returns what is used, and what of
/// the rest is free again: all of it.
pub fn capture(open: Vec<Part>, points: Points) -> (Vec<Part>, Vec<Part>) {
    let captured = take(open.clone(), points);
    let used: HashMap<_, _> = captured.iter().map(|part| (&part.lot, part.points)).collect();
    let rest = open.into_iter().map(|part| {
        let used = used.get(&part.lot).copied().unwrap_or_default();
        Part { points: part.had.less(used), ..part }
    });
    let released = rest.filter(|part| !part.points.is_zero()).collect();
    (captured, released)
}

/// Frees so many of the points that are set aside, what was taken last first.
pub fn void(open: Vec<Part>, points: Points) -> Vec<Part> {
    take(open.into_iter().rev(), points)
}

/// Returns how many points parts come to.
pub fn total<'p>(parts: impl IntoIterator<Item = &'p Part>) -> Points {
    parts.into_iter().map(|part| part.points).sum()
}

impl CancelTerms {
    /// Cancels so many of the points that are used still, which are given in the order in which they were consumed, after
    /// `before` that are no longer: parts come to what the whole would have. `today` is the business day of the instant `at`,
    /// and `notice` says whether the member must be told of the end of what can be spent for longer.
    pub fn cancel(
        &self,
        used: Vec<Part>,
        (before, points): (Points, Points),
        (today, at): (NaiveDate, Instant),
        zone: Zone,
        notice: Notice,
    ) -> Cancellation {
        let cancelled = take(used.into_iter().rev(), points);
        let points = total(&cancelled);
        let mut fee = more(self.fee, before, points);
        let mut returned = Vec::new();
        // What was consumed first lapses soonest.
        for part in cancelled.iter().rev() {
            let kept = fee.min(part.points);
            fee = fee.less(kept);
            let points = part.points.less(kept);
            if !points.is_zero() {
                let to = self.destination(part, (today, at), zone, notice);
                returned.push(Returned { lot: part.lot.clone(), issuer: part.issuer.clone(), points, to });
            }
        }
        returned.reverse();
        Cancellation { compensation: more(self.compensation, before, points), cancelled, returned }
    }

    fn destination(
        &self,
        part: &Part,
        (today, at): (NaiveDate, Instant),
        zone: Zone,
        notice: Notice,
    ) -> Return {
        let lapsed = part.has_lapsed(at);
        let expires_at = self
            .last_day(part, today, zone, lapsed)
            .map_or(Instant::NEVER, |day| zone.start_of(next_day(day)));
        if expires_at > part.expires_at && expires_at > at {
            Return::New { expires_at, notice }
        } else if lapsed {
            Return::Lapsed
        } else {
            Return::Lot
        }
    }

    /// Returns the last day on which a part can be spent once it is back; `None` if it stays.
    fn last_day(&self, part: &Part, today: NaiveDate, zone: Zone, lapsed: bool) -> Option<NaiveDate> {
        if part.expires_at == Instant::NEVER {
            return None;
        }
        let own = zone.last_day_before(part.expires_at);
        let extended = self.extend.and_then(|Extension { months, days, from }| {
            let from = if from == ExtendFrom::Expiry { own } else { today };
            from.checked_add_months(Months::new(months))?.checked_add_days(Days::new(days.into()))
        });
        let grace = (lapsed && self.grace_days > 0)
            .then(|| today.checked_add_days(Days::new(self.grace_days.into())));
        Some([Some(own), extended, grace.flatten()].into_iter().flatten().max().unwrap_or(own))
    }
}

/// Returns by how much a part of points that is rounded down grows.
fn more(rate: Rate, before: Points, points: Points) -> Points {
    part_of(rate, before.plus(points)).less(part_of(rate, before))
}

fn part_of(rate: Rate, points: Points) -> Points {
    let part = rate.of(points.get(), 1, Rounding::Floor).ok().and_then(Points::new);
    part.unwrap_or(Points::MAX)
}

impl Redeemed {
    /// Returns what merely going by of time did: what was held is free again.
    pub fn lapsed(name: &RedemptionId, steps: u64, unit: UnitId, released: Vec<Part>) -> Self {
        Self { released, ..Self::new(name.clone(), steps, unit, None) }
    }

    /// Returns a step that does nothing yet.
    pub fn new(name: RedemptionId, steps: u64, unit: UnitId, acceptance: Option<Acceptance>) -> Self {
        Self {
            name,
            steps,
            unit,
            acceptance,
            quoted: None,
            held: Vec::new(),
            captured: Vec::new(),
            released: Vec::new(),
            cancelled: Vec::new(),
            returned: Vec::new(),
            paid: None,
        }
    }

    /// Returns what comes back at an instant into lots of its own, each with when it can be spent.
    pub fn new_lots(&self, at: Instant) -> impl Iterator<Item = (&Returned, Term)> {
        self.returned.iter().filter_map(move |returned| match returned.to {
            Return::New { expires_at, notice } => {
                Some((returned, Term { notice, ..Term::new(at, expires_at) }))
            }
            Return::Lot | Return::Lapsed => None,
        })
    }

    /// Calls `each` with what is left more of lots that were there before, and with how much more of them has lapsed.
    pub fn change_lots(&self, at: Instant, each: &mut dyn FnMut(&LotId, i64, Points)) {
        for part in &self.held {
            each(&part.lot, loss(part.points), Points::ZERO);
        }
        for part in &self.released {
            back(&part.lot, part.points, part.has_lapsed(at), each);
        }
        for Returned { lot, points, to, .. } in &self.returned {
            match to {
                Return::Lot => back(lot, *points, false, each),
                Return::Lapsed => back(lot, *points, true, each),
                Return::New { .. } => {}
            }
        }
    }

    /// Returns what the step does, by lot.
    pub fn parts(&self) -> Vec<PartMove> {
        let mut moves = Vec::<PartMove>::new();
        let mut places = HashMap::<LotId, usize>::new();
        let mut add = |parts: &[Part], of: fn(&mut PartMove) -> &mut Points| {
            for part in parts {
                let place = *places.entry(part.lot.clone()).or_insert_with(|| {
                    moves.push(PartMove::none(part.lot.clone(), part.day));
                    moves.len().saturating_sub(1)
                });
                if let Some(moved) = moves.get_mut(place) {
                    *of(moved) = of(moved).plus(part.points);
                }
            }
        };
        add(&self.held, |moved| &mut moved.held);
        add(&self.captured, |moved| &mut moved.captured);
        add(&self.released, |moved| &mut moved.released);
        add(&self.cancelled, |moved| &mut moved.cancelled);
        moves
    }

    /// Writes the postings. `new` names the lots of [`Self::new_lots`], in their order.
    pub fn post(
        &self,
        member: &MemberId,
        at: Instant,
        new: &mut dyn Iterator<Item = LotId>,
        postings: &mut Postings,
    ) {
        let holder = (&self.name, member);
        for Part { lot, points, .. } in &self.held {
            postings.lot(Kind::Hold, member, &self.unit, lot, loss(*points));
            postings.held(Kind::Hold, holder, &self.unit, lot, gain(*points));
        }
        for Part { lot, issuer, points, .. } in &self.captured {
            postings.held(Kind::Redemption, holder, &self.unit, lot, loss(*points));
            self.claim(Kind::Redemption, issuer, gain(*points), postings);
        }
        for part in &self.released {
            postings.held(Kind::Release, holder, &self.unit, &part.lot, loss(part.points));
            postings.lot(Kind::Release, member, &self.unit, &part.lot, gain(part.points));
            if part.has_lapsed(at) {
                postings.lapse(member, &part.issuer, &self.unit, &part.lot, part.points);
            }
        }
        for Returned { lot, issuer, points, to } in &self.returned {
            self.claim(Kind::Return, issuer, loss(*points), postings);
            let own = match to {
                Return::New { .. } => new.next().unwrap_or_else(|| lot.clone()),
                Return::Lot | Return::Lapsed => lot.clone(),
            };
            postings.lot(Kind::Return, member, &self.unit, &own, gain(*points));
            if *to == Return::Lapsed {
                postings.lapse(member, issuer, &self.unit, lot, *points);
            }
        }
    }

    fn claim(&self, kind: Kind, issuer: &Issuer, points: i64, postings: &mut Postings) {
        if let Some(Acceptance { merchant, .. }) = &self.acceptance {
            postings.claim(kind, issuer, merchant, &self.unit, points);
        }
    }
}

fn back(lot: &LotId, points: Points, lapsed: bool, each: &mut dyn FnMut(&LotId, i64, Points)) {
    if lapsed { each(lot, 0, points) } else { each(lot, gain(points), Points::ZERO) }
}
