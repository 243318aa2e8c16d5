//! Members: what the ledger keeps of one, and how an event changes it.

use std::collections::BTreeMap;

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
    pub granted_by_day: BTreeMap<(DeploymentId, i32), Points>,
    /// Lots with something left, if they were asked for.
    pub lots: Vec<Lot>,
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
    pub fn apply(&mut self, occasion: &Occasion, day: i32, lots: impl IntoIterator<Item = Lot>) {
        self.version = self.version.saturating_add(1);
        self.profile = self.profile.after(occasion, day);
        if let Occasion::Purchase(purchase) = occasion {
            let total = self.purchases_by_day.entry(day).or_default();
            total.count = total.count.saturating_add(1);
            total.spend_minor = total.spend_minor.saturating_add(purchase.spend_minor());
        }
        for lot in lots {
            let granted = self.granted_by_day.entry((lot.deployment.clone(), day)).or_default();
            *granted = granted.plus(lot.points);
            self.lots.push(lot);
        }
    }
}
