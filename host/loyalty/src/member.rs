//! Members: what the ledger keeps of one, and how an event changes it.

use std::collections::{BTreeMap, HashMap};

use crate::clawback::Debt;
use crate::entry::{Begins, DebtMove, Entry, RedemptionMove, StockKey};
use crate::event::{Occasion, Registration};
use crate::facts::DayTotal;
use crate::id::{DeploymentId, MemberId, RedemptionId, UnitId};
use crate::lot::{Lot, LotId};
use crate::points::Points;
use crate::time::Instant;

/// A member as of a version. The default is a member whom the ledger does not know yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Grows by one with every entry that touches the member. 0: unknown.
    pub version: u64,
    /// The lasting figures.
    pub profile: Profile,
    /// Purchases by business day, as far back as was asked for.
    pub purchases_by_day: BTreeMap<i32, DayTotal>,
    /// What was granted by business day, as far back as was asked for.
    pub granted_by_day: BTreeMap<(Grants, i32), DayGrant>,
    /// Lots with something left or held, if they were asked for, or the member owes anything or has points held.
    pub lots: Vec<Lot>,
    /// What the member owes, ordered by unit and issuer.
    pub debts: Vec<Debt>,
    /// What of the member's points is held, ordered by name.
    pub holds: Vec<Hold>,
}

/// Points set aside for a redemption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The redemption.
    pub name: RedemptionId,
    /// How many steps it has had.
    pub steps: u64,
    /// The first instant at which the points are free again.
    pub until: Instant,
    /// What it took from a stock.
    pub stock: Option<StockKey>,
    /// How many points of which lot, in the order in which they were taken; none of them zero.
    pub parts: Vec<(LotId, Points)>,
}

/// What of a member's points is counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grants {
    /// The deployment that granted them.
    pub deployment: DeploymentId,
    /// Of which unit.
    pub unit: UnitId,
    /// Whether they are for what another member did, such as one whom this one referred.
    pub for_other: bool,
}

impl Grants {
    /// Returns what a lot of a member is counted with.
    pub fn of(owner: &MemberId, lot: &Lot) -> Self {
        let (deployment, unit) = (lot.deployment.clone(), lot.unit.clone());
        Self { deployment, unit, for_other: lot.id.member != *owner }
    }
}

/// What of a kind was granted a member on one business day.
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

/// Accounts that are kept of a member: those from which was paid last.
const PAYERS_MAX: usize = 8;

/// Business days for which they are.
pub const PAYER_DAYS_MAX: u16 = 31;

/// The figures of a member that fit in one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The business day of registration, 0 for never.
    pub registered_day: i32,
    /// Who brought the member.
    pub referral: Option<Referral>,
    /// The key that is equal for one real person, if the registration gave one.
    pub person: Option<String>,
    /// The day of birth, 0 where it is not known.
    pub birth_day: i32,
    /// How many purchases were applied.
    pub purchase_count: u64,
    /// Their total in minor units.
    pub purchase_spend_minor: u64,
    /// The latest business day of a purchase, 0 for none.
    pub last_purchase_day: i32,
    /// Accounts from which the member paid lately, each with the latest business day.
    pub payers: BTreeMap<String, i32>,
    /// Whether the member owes points.
    pub indebted: bool,
    /// Whether points of the member are held.
    pub holding: bool,
}

/// How a member was brought to the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referral {
    /// By whom.
    pub by: MemberId,
    /// Whether that is the same person, by the keys of both registrations as far as they were known then: nobody is rewarded for
    /// bringing themself (scenario A3).
    pub same_person: bool,
    /// The latest business day on which the referrer paid from the account that a purchase is paid from; `None` if that is not known,
    /// and of everything else.
    pub same_payer_day: Option<i32>,
}

impl Referral {
    /// Returns how a member was brought, with nothing said of a purchase.
    pub const fn new(by: MemberId, same_person: bool) -> Self {
        Self { by, same_person, same_payer_day: None }
    }
}

impl Profile {
    /// Returns the profile with what a registration says of the member. `referrer` is the profile of whoever it names.
    #[must_use]
    pub fn joined(&self, registration: &Registration, referrer: Option<&Self>) -> Self {
        let mut joined = Self {
            person: registration.person.clone(),
            birth_day: registration.birthday.map_or(0, |day| day.number()),
            ..self.clone()
        };
        let same_person = referrer.is_some_and(|referrer| joined.is_same_person(referrer));
        joined.referral = registration.referrer.clone().map(|by| Referral::new(by, same_person));
        joined
    }

    /// Returns whether two members are known to be one person.
    pub fn is_same_person(&self, other: &Self) -> bool {
        self.person.is_some() && self.person == other.person
    }

    /// Returns the profile after something happened on a business day. What a registration says of the member is in it.
    #[must_use]
    pub fn after(&self, occasion: &Occasion, day: i32) -> Self {
        match occasion {
            Occasion::Registration(_) => Self { registered_day: day, ..self.clone() },
            Occasion::Run(_) => self.clone(),
            Occasion::Purchase(purchase) => Self {
                purchase_count: self.purchase_count.saturating_add(1),
                purchase_spend_minor: self.purchase_spend_minor.saturating_add(purchase.spend_minor()),
                last_purchase_day: self.last_purchase_day.max(day),
                payers: self.payers_after(purchase.payer.as_ref(), day),
                ..self.clone()
            },
        }
    }

    fn payers_after(&self, payer: Option<&String>, day: i32) -> BTreeMap<String, i32> {
        let mut payers = self.payers.clone();
        let Some(payer) = payer else { return payers };
        let latest = payers.entry(payer.clone()).or_insert(day);
        *latest = day.max(*latest);
        let last = payers.values().copied().max().unwrap_or(day);
        payers.retain(|_, day| *day >= last.saturating_sub(PAYER_DAYS_MAX.into()));
        while payers.len() > PAYERS_MAX {
            let oldest = payers.iter().min_by_key(|(other, day)| (**day, *other == payer));
            let oldest = oldest.map(|(payer, _)| payer.clone());
            oldest.and_then(|oldest| payers.remove(&oldest));
        }
        payers
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
        if entry.moved.iter().any(|change| change.member == moved.id) {
            self.change_lots(entry, &moved.id);
        }
        for new in entry.lots.iter().filter(|new| new.member == moved.id) {
            let grants = Grants::of(&new.member, &new.lot);
            self.granted_by_day.entry((grants, new.lot.day)).or_default().add(&new.lot);
            self.lots.push(new.lot.clone());
        }
        for debt in entry.debts.iter().filter(|debt| debt.member == moved.id) {
            self.owe(debt);
        }
        for step in entry.redemptions.iter().filter(|step| step.member == moved.id) {
            self.step(step);
        }
        self.profile.indebted = !self.debts.is_empty();
        self.profile.holding = !self.holds.is_empty();
    }

    fn change_lots(&mut self, entry: &Entry, id: &MemberId) {
        let places: HashMap<_, _> =
            self.lots.iter().enumerate().map(|(place, lot)| (lot.id.clone(), place)).collect();
        for change in entry.moved.iter().filter(|change| change.member == *id) {
            if let Some(lot) = places.get(&change.lot).and_then(|place| self.lots.get_mut(*place)) {
                lot.remaining = lot.remaining.moved(change.remaining);
                lot.reversed = lot.reversed.plus(change.reversed);
                lot.expired = lot.expired.moved(change.expired);
                lot.term = change.term.clone().unwrap_or_else(|| lot.term.clone());
            }
            let day = self.granted_by_day.entry((change.grants.clone(), change.day)).or_default();
            day.reversed = day.reversed.plus(change.reversed);
        }
    }

    /// Returns whether points of a lot are held.
    pub fn holds_of(&self, id: &LotId) -> bool {
        self.holds.iter().flat_map(|hold| &hold.parts).any(|(lot, _)| lot == id)
    }

    /// Returns the lot of that name, if it is among those that are known.
    pub fn lot(&self, id: &LotId) -> Option<&Lot> {
        self.lots.iter().find(|lot| lot.id == *id)
    }

    /// Moves a use of the member's points on by one step.
    pub fn step(&mut self, step: &RedemptionMove) {
        let place = self.holds.partition_point(|hold| hold.name < step.name);
        if let Some(Begins { until, stock }) = step.begins.clone() {
            self.holds
                .insert(place, Hold { name: step.name.clone(), steps: 0, until, stock, parts: Vec::new() });
        }
        let Some(hold) = self.holds.get_mut(place).filter(|hold| hold.name == step.name) else { return };
        hold.steps = hold.steps.saturating_add(1);
        if step.begins.is_some() {
            hold.parts.extend(step.parts.iter().map(|part| (part.lot.clone(), part.held)));
        }
        let out: HashMap<_, _> =
            step.parts.iter().map(|part| (&part.lot, part.released.plus(part.captured))).collect();
        for (lot, points) in &mut hold.parts {
            *points = points.less(out.get(lot).copied().unwrap_or_default());
        }
        hold.parts.retain(|(_, points)| !points.is_zero());
        self.holds.retain(|hold| !hold.parts.is_empty());
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
