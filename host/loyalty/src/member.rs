//! Members: what the ledger keeps of one, and how an event changes it.

use std::collections::BTreeMap;

use crate::clawback::Debt;
use crate::entry::{DebtMove, Entry};
use crate::event::Occasion;
use crate::facts::DayTotal;
use crate::id::{DeploymentId, MemberId};
use crate::lot::Lot;
use crate::points::Points;

/// A member as of a version. The default is a member whom the ledger does not know yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Grows by one with every entry that touches the member. 0: unknown.
    pub version: u64,
    /// The lasting figures.
    pub profile: Profile,
    /// Purchases by business day, as far back as was asked for.
    pub purchases_by_day: BTreeMap<i32, DayTotal>,
    /// What each deployment granted by business day, as far back as was asked for.
    pub granted_by_day: BTreeMap<(DeploymentId, i32), DayGrant>,
    /// Lots with something left, if they were asked for or the member owes anything.
    pub lots: Vec<Lot>,
    /// What the member owes, ordered by unit and issuer.
    pub debts: Vec<Debt>,
}

/// What a deployment granted a member on one business day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayGrant {
    /// In all.
    pub granted: Points,
    /// What of it refunds took back since.
    pub reversed: Points,
}

impl DayGrant {
    /// Adds a lot.
    pub fn add(&mut self, lot: &Lot) {
        self.granted = self.granted.plus(lot.points);
        self.reversed = self.reversed.plus(lot.reversed);
    }

    /// Returns what still stands.
    pub const fn net(self) -> Points {
        self.granted.less(self.reversed)
    }
}

/// The figures of a member that fit in one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The business day of registration, 0 for never.
    pub registered_day: i32,
    /// Who brought the member.
    pub referrer: Option<MemberId>,
    /// How many purchases were applied.
    pub purchase_count: u64,
    /// Their total in minor units.
    pub purchase_spend_minor: u64,
    /// The latest business day of a purchase, 0 for none.
    pub last_purchase_day: i32,
    /// Whether the member owes points.
    pub indebted: bool,
}

impl Profile {
    /// Returns the profile after something happened on a business day.
    #[must_use]
    pub fn after(&self, occasion: &Occasion, day: i32) -> Self {
        match occasion {
            Occasion::Registration(registration) => {
                Self { registered_day: day, referrer: registration.referrer.clone(), ..self.clone() }
            }
            Occasion::Purchase(purchase) => Self {
                purchase_count: self.purchase_count.saturating_add(1),
                purchase_spend_minor: self.purchase_spend_minor.saturating_add(purchase.spend_minor()),
                last_purchase_day: self.last_purchase_day.max(day),
                ..self.clone()
            },
        }
    }
}

impl Member {
    /// Applies an entry of this member, as the ledger does when it commits the entry.
    pub fn apply(&mut self, entry: &Entry) {
        let Some(moved) = &entry.member else { return };
        self.version = self.version.saturating_add(1);
        self.profile.clone_from(&moved.profile);
        if let Some(purchase) = entry.event.purchase() {
            let total = self.purchases_by_day.entry(entry.day).or_default();
            total.count = total.count.saturating_add(1);
            total.spend_minor = total.spend_minor.saturating_add(purchase.spend_minor());
        }
        for taken in entry.taken.iter().filter(|taken| taken.member == moved.id) {
            let lot = self.lots.iter_mut().find(|lot| lot.id == taken.lot);
            lot.into_iter().for_each(|lot| lot.remaining = lot.remaining.less(taken.taken));
            let day = self.granted_by_day.entry((taken.deployment.clone(), taken.day)).or_default();
            day.reversed = day.reversed.plus(taken.reversed);
        }
        for new in entry.lots.iter().filter(|new| new.member == moved.id) {
            self.granted_by_day.entry((new.lot.deployment.clone(), new.lot.day)).or_default().add(&new.lot);
            self.lots.push(new.lot.clone());
        }
        for debt in entry.debts.iter().filter(|debt| debt.member == moved.id) {
            self.owe(debt);
        }
        self.profile.indebted = !self.debts.is_empty();
    }

    fn owe(&mut self, moved: &DebtMove) {
        let points = Points::new(moved.points.unsigned_abs()).unwrap_or_default();
        let same = |debt: &Debt| (&debt.unit, &debt.issuer).cmp(&(&moved.unit, &moved.issuer));
        match self.debts.binary_search_by(same) {
            Ok(place) => {
                let debt = self.debts.get_mut(place).expect("it was found");
                debt.points =
                    if moved.points > 0 { debt.points.plus(points) } else { debt.points.less(points) };
            }
            Err(place) => {
                let (unit, issuer) = (moved.unit.clone(), moved.issuer.clone());
                self.debts.insert(place, Debt { unit, issuer, points });
            }
        }
        self.debts.retain(|debt| !debt.points.is_zero());
    }
}
