//! Claw-back: where points come from that were awarded for what was returned, and what pays them later.
//!
//! In this order (scenarios E1, E2): the order's own lots that are not yet available, its other lots, the member's other
//! lots as they would be spent, and then debt, which the member's next points pay. The unit says how far this goes.

#[cfg(test)]
mod tests;

use crate::id::{DeploymentId, MemberId, UnitId};
use crate::lot::{Issuer, Lot, LotId, Standing};
use crate::points::Points;
use crate::posting::{Kind, Postings, gain, loss};
use crate::time::Instant;

/// How far a claw-back goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clawback {
    /// Only the order's points that are not yet available.
    OnlyPending,
    /// What the member has; the rest is forgiven.
    WithinBalance,
    /// All of it: what the member does not have is owed.
    #[default]
    Debt,
}

/// What an award comes to: by deployment and by who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// The deployment.
    pub deployment: DeploymentId,
    /// The member who has it.
    pub to: MemberId,
    /// Of which unit.
    pub unit: UnitId,
    /// Who owes for it.
    pub issuer: Issuer,
    /// How many points.
    pub granted: Points,
}

impl Level {
    /// Returns whether both are of the same deployment, for the same member.
    pub fn is_of(&self, other: &Self) -> bool {
        (&self.deployment, &self.to, &self.unit) == (&other.deployment, &other.to, &other.unit)
    }

    /// Returns whether a member's lot is of this deployment, for this member.
    pub fn is_of_lot(&self, member: &MemberId, lot: &Lot) -> bool {
        (&self.deployment, &self.to, &self.unit) == (&lot.deployment, member, &lot.unit)
    }
}

/// How the points of a deployment for an order went down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reversal {
    /// What it is of; `granted` is by how much it went down.
    pub of: Level,
    /// From which lots the points came, in that order.
    pub taken: Vec<Taken>,
    /// What the member owes now.
    pub debt: Points,
    /// What was let go.
    pub forgiven: Points,
}

/// A lot that points can come out of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The lot.
    pub lot: LotId,
    /// Of which unit.
    pub unit: UnitId,
    /// Who owes for it.
    pub issuer: Issuer,
    /// What is left of it.
    pub had: Points,
    /// What of it has lapsed. Nobody has spent that, so it counts as there where its own award goes down.
    pub lapsed: Points,
}

impl From<&Lot> for Reach {
    fn from(lot: &Lot) -> Self {
        let Lot { id, unit, issuer, remaining, .. } = lot;
        let (lot, unit, issuer) = (id.clone(), unit.clone(), issuer.clone());
        Self { lot, unit, issuer, had: *remaining, lapsed: Points::ZERO }
    }
}

impl Reach {
    /// Returns a lot of the very award that goes down.
    fn own(lot: &Lot) -> Self {
        Self { lapsed: lot.expired, ..Self::from(lot) }
    }
}

/// Points that came out of a lot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The lot, as it was before.
    pub from: Reach,
    /// How many came out.
    pub points: Points,
}

impl Taken {
    /// Takes from a lot what it can give of what is wanted.
    pub fn of(from: &Reach, wanted: Points) -> Self {
        Self { from: from.clone(), points: from.had.plus(from.lapsed).min(wanted) }
    }

    /// Returns how many came out of what had lapsed.
    pub fn lapsed(&self) -> Points {
        self.points.less(self.from.had)
    }

    /// Returns how many came out of what was left.
    pub fn left(&self) -> Points {
        self.points.min(self.from.had)
    }
}

/// Returns the lots that a claw-back may take from, in the order in which it does. `own` are the lots of the order and
/// its deployment, `all` those of the member. An own lot counts though it has lapsed: what was never used was not spent.
pub fn within_reach<'l>(
    mode: Clawback,
    own: impl Iterator<Item = &'l Lot>,
    all: impl Iterator<Item = &'l Lot>,
    unit: &UnitId,
    at: Instant,
) -> Vec<Reach> {
    let (mut pending, mut others): (Vec<_>, Vec<_>) =
        own.partition(|lot| lot.standing(at) == Standing::Pending);
    pending.sort_by_key(|lot| lot.spending_order());
    if mode == Clawback::OnlyPending {
        return pending.into_iter().map(Reach::own).collect();
    }
    others.sort_by_key(|lot| lot.spending_order());
    pending.append(&mut others);
    let is_other = |lot: &&Lot| !pending.iter().any(|own| own.id == lot.id);
    let usable = |lot: &&Lot| lot.unit == *unit && lot.standing(at) == Standing::Available;
    let mut rest: Vec<_> = all.filter(usable).filter(is_other).collect();
    rest.sort_by_key(|lot| lot.spending_order());
    pending.into_iter().map(Reach::own).chain(rest.into_iter().map(Reach::from)).collect()
}

impl Reversal {
    /// Takes what an award went down by from lots, one after the other.
    pub fn new(of: Level, mode: Clawback, reach: impl IntoIterator<Item = Reach>) -> Self {
        let mut wanted = of.granted;
        let mut taken = Vec::new();
        for from in reach {
            let part = Taken::of(&from, wanted);
            wanted = wanted.less(part.points);
            if !part.points.is_zero() {
                taken.push(part);
            }
        }
        let (debt, forgiven) =
            if mode == Clawback::Debt { (wanted, Points::ZERO) } else { (Points::ZERO, wanted) };
        Self { of, taken, debt, forgiven }
    }

    /// Returns what was taken back or is owed: all but what was let go.
    pub fn taken_back(&self) -> Points {
        self.of.granted.less(self.forgiven)
    }

    /// Writes the postings: lots lose and their issuers owe less; what is owed stands against the award's issuer.
    pub fn post(&self, postings: &mut Postings) {
        let Level { to, unit, issuer, .. } = &self.of;
        for taken in &self.taken {
            // What had lapsed is taken back instead.
            postings.lot(Kind::Expiry, to, unit, &taken.from.lot, gain(taken.lapsed()));
            postings.issuer(Kind::Expiry, &taken.from.issuer, unit, loss(taken.lapsed()));
            postings.lot(Kind::Clawback, to, unit, &taken.from.lot, loss(taken.points));
            postings.issuer(Kind::Clawback, &taken.from.issuer, unit, gain(taken.points));
        }
        postings.debt(Kind::Clawback, to, issuer, unit, loss(self.debt));
        postings.issuer(Kind::Clawback, issuer, unit, gain(self.debt));
    }
}

/// Returns the lots that pay what is owed, as they would be spent.
pub fn spendable<'l>(lots: impl Iterator<Item = &'l Lot>, at: Instant) -> Vec<Reach> {
    let mut lots: Vec<_> = lots.filter(|lot| lot.standing(at) == Standing::Available).collect();
    lots.sort_by_key(|lot| lot.spending_order());
    lots.into_iter().map(Reach::from).collect()
}

/// What a member owes an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debt {
    /// Of which unit.
    pub unit: UnitId,
    /// Whom.
    pub issuer: Issuer,
    /// How much.
    pub points: Points,
}

/// What a lot paid of a debt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repayment {
    /// The debt, before any of an entry's repayments of it.
    pub debt: Debt,
    /// What came out of which lot.
    pub taken: Taken,
}

impl Repayment {
    /// Returns how lots pay debts, debts and lots in the order in which they come.
    pub fn all(debts: &[Debt], mut reach: Vec<Reach>) -> Vec<Self> {
        let mut repayments = Vec::new();
        for debt in debts {
            let mut owed = debt.points;
            for from in reach.iter_mut().filter(|from| from.unit == debt.unit) {
                let taken = Taken::of(from, owed);
                if !taken.points.is_zero() {
                    owed = owed.less(taken.points);
                    from.had = from.had.less(taken.points);
                    repayments.push(Self { debt: debt.clone(), taken });
                }
            }
        }
        repayments
    }

    /// Writes the postings: the lot's issuer owes the member less, and the member owes the debt's issuer less.
    pub fn post(&self, member: &MemberId, postings: &mut Postings) {
        let Self { debt: Debt { unit, issuer, .. }, taken } = self;
        postings.lot(Kind::Repayment, member, unit, &taken.from.lot, loss(taken.points));
        postings.issuer(Kind::Repayment, &taken.from.issuer, unit, gain(taken.points));
        postings.debt(Kind::Repayment, member, issuer, unit, gain(taken.points));
        postings.issuer(Kind::Repayment, issuer, unit, loss(taken.points));
    }
}
