//! Cohorts: what became of the points that an issuer awarded in a period, and what that comes to as revenue.
//!
//! Points that give a right are a performance obligation of their own (IFRS 15, B39–B43): of what the customer paid, a part
//! is allocated to them and is revenue only as they are redeemed, in proportion to those that are expected to be. So points
//! that nobody will redeem are revenue with those that are, never before. A revised expectation counts for all that was
//! redeemed until then: the difference is revenue of the period in which it was revised (scenario G1).
//!
//! Points stay in the cohort in which they were awarded, whoever has them: what a cancellation gives back, what is given to
//! another member, and what is exchanged for another unit.

mod period;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use rules_guest::rate::{Rounding, proportion};

pub use self::period::{Period, Span};
use crate::id::UnitId;
use crate::lot::{Issuer, Lot, LotId};
use crate::posting::{Kind, Posting};
use crate::receipt::Inputs;
use crate::time::{Instant, date_of};

/// The points that an issuer awarded in a period.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cohort {
    /// Who owes for them.
    pub issuer: Issuer,
    /// Of which unit.
    pub unit: UnitId,
    /// When they were awarded.
    pub period: Period,
}

/// What became of the points of a cohort.
///
/// `issued + restored + exchanged − redeemed − expired − clawed_back = outstanding + held`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Awarded, or brought along from another system.
    pub issued: i64,
    /// Used, whether or not they came back.
    pub redeemed: i64,
    /// Used, and given back since.
    pub restored: i64,
    /// Lapsed, as far as that is posted.
    pub expired: i64,
    /// Taken back from lots: because what earned them was returned, or to pay what a member owed.
    pub clawed_back: i64,
    /// Got for points of another unit; negative for points that became others.
    pub exchanged: i64,
    /// Set aside for redemptions.
    pub held: i64,
    /// Left, beside those that are held.
    pub outstanding: i64,
    /// Of those that are left, how many cannot be spent yet.
    pub pending: i64,
    /// Used less given back, by the period in which they were.
    pub used: BTreeMap<Period, i64>,
}

/// What became of points by cohort: a fold over the log.
#[derive(Debug)]
pub struct Cohorts {
    span: Span,
    at: Instant,
    lots: HashMap<LotId, Known>,
    figures: BTreeMap<Cohort, Figures>,
}

/// What is known of a lot.
#[derive(Debug)]
struct Known {
    issuer: Issuer,
    unit: UnitId,
    /// When its points were awarded, once that is known.
    period: Option<Period>,
    pending: bool,
}

impl Cohorts {
    /// Returns none yet. `at` is the instant as of which points are pending.
    pub fn new(span: Span, at: Instant) -> Self {
        Self { span, at, lots: HashMap::new(), figures: BTreeMap::new() }
    }

    /// Makes a lot known, whose movements may follow.
    pub fn know(&mut self, lot: &Lot) {
        let Lot { issuer, unit, term, .. } = lot;
        let (issuer, unit, pending) = (issuer.clone(), unit.clone(), !term.has_begun(self.at));
        self.lots.insert(lot.id.clone(), Known { issuer, unit, period: None, pending });
    }

    /// Adds an entry's movements on a business day. Entries come in the order of the log; where one happened `later` than
    /// the figures are for, only the cohorts of its lots are learnt.
    pub fn add(&mut self, postings: &[Posting], inputs: &Inputs, day: i32, later: bool) {
        let Some(period) = date_of(day).map(|date| Period::of(self.span, date)) else { return };
        let mut sources = Sources::of(inputs);
        for (posting, lot) in postings.iter().filter_map(|posting| Some((posting, posting.lot.as_ref()?))) {
            if let Some(source) = sources.take(posting) {
                self.inherit(lot, source);
            }
            let Some(known) = self.lots.get_mut(lot) else { continue };
            let awarded = *known.period.get_or_insert(period);
            let Known { issuer, unit, pending, .. } = known;
            let cohort = Cohort { issuer: issuer.clone(), unit: unit.clone(), period: awarded };
            let figures = self.figures.entry(cohort).or_default();
            if !later {
                figures.add(posting, *pending, period);
            }
        }
    }

    /// Puts a lot into the cohort of the one that its points came from.
    fn inherit(&mut self, lot: &LotId, source: &LotId) {
        let period = self.lots.get(source).and_then(|source| source.period);
        if let Some(known) = self.lots.get_mut(lot).filter(|known| known.period.is_none()) {
            known.period = period;
        }
    }

    /// Returns the figures, in the order of the cohorts; of cohorts that are later, there is nothing.
    pub fn into_figures(self) -> BTreeMap<Cohort, Figures> {
        self.figures
    }
}

/// Where points that lots gain came from, in the order of the postings.
struct Sources<'a> {
    returned: Box<dyn Iterator<Item = &'a LotId> + 'a>,
    converted: Box<dyn Iterator<Item = &'a LotId> + 'a>,
}

impl<'a> Sources<'a> {
    fn of(inputs: &'a Inputs) -> Self {
        let returned = inputs.redemptions.iter().flat_map(|step| &step.returned);
        let gained = inputs.conversion.iter().flat_map(|conversion| conversion.gained());
        Self {
            returned: Box::new(returned.map(|returned| &returned.lot)),
            converted: Box::new(gained.map(|part| &part.from.lot)),
        }
    }

    /// Returns the lot that the points of a posting came from, if they came from one.
    fn take(&mut self, posting: &Posting) -> Option<&'a LotId> {
        match posting.kind {
            Kind::Return => self.returned.next(),
            Kind::Transfer | Kind::Exchange if posting.points > 0 => self.converted.next(),
            Kind::Award
            | Kind::Clawback
            | Kind::Repayment
            | Kind::Hold
            | Kind::Release
            | Kind::Redemption
            | Kind::Expiry
            | Kind::Transfer
            | Kind::Exchange
            | Kind::Settlement => None,
        }
    }
}

impl Figures {
    /// Adds a movement of a lot, or of what is held of it.
    fn add(&mut self, posting: &Posting, pending: bool, period: Period) {
        let points = posting.points;
        let is_held = posting.account.starts_with("held/");
        add(if is_held { &mut self.held } else { &mut self.outstanding }, points);
        if pending && !is_held {
            add(&mut self.pending, points);
        }
        match posting.kind {
            Kind::Award => add(&mut self.issued, points),
            Kind::Clawback | Kind::Repayment => add(&mut self.clawed_back, points.saturating_neg()),
            Kind::Expiry => add(&mut self.expired, points.saturating_neg()),
            Kind::Exchange => add(&mut self.exchanged, points),
            Kind::Redemption => {
                add(&mut self.redeemed, points.saturating_neg());
                add(self.used.entry(period).or_default(), points.saturating_neg());
            }
            Kind::Return => {
                add(&mut self.restored, points);
                add(self.used.entry(period).or_default(), points.saturating_neg());
            }
            Kind::Hold | Kind::Release | Kind::Transfer | Kind::Settlement => {}
        }
    }
}

fn add(sum: &mut i64, points: i64) {
    *sum = sum.saturating_add(points);
}

/// What of the price of what was bought is for a cohort's points, and how many of them are expected to be redeemed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// ISO 4217.
    pub currency: String,
    /// Minor units.
    pub allocated_minor: u64,
    /// How many points are expected to be redeemed in all, by the period from which that is expected.
    pub expected: BTreeMap<Period, u64>,
}

/// What is revenue of a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revenue {
    /// The period.
    pub period: Period,
    /// How many points were redeemed up to its end, less those that came back.
    pub redeemed: i64,
    /// How many were expected to be, as of its end.
    pub expected: u64,
    /// What was revenue up to its end, in minor units, rounded once, halves up.
    pub cumulative_minor: u64,
    /// What of it is the period's own: the difference to what was revenue before it. Negative where too much was.
    pub revenue_minor: i64,
}

impl Allocation {
    /// Returns the revenue of each period in which points were used or came back, or the expectation was revised: none before
    /// the first expectation, and never more in all than was allocated.
    pub fn revenue(&self, used: &BTreeMap<Period, i64>) -> Vec<Revenue> {
        let mut periods: Vec<_> = used.keys().chain(self.expected.keys()).copied().collect();
        periods.sort_unstable();
        periods.dedup();
        let (mut redeemed, mut before) = (0_i64, 0_u64);
        let mut revenue = Vec::new();
        for period in periods {
            add(&mut redeemed, used.get(&period).copied().unwrap_or(0));
            let Some((_, expected)) = self.expected.range(..=period).next_back() else { continue };
            let cumulative_minor = self.earned(redeemed, *expected);
            let revenue_minor = cumulative_minor.cast_signed().saturating_sub(before.cast_signed());
            before = cumulative_minor;
            revenue.push(Revenue { period, redeemed, expected: *expected, cumulative_minor, revenue_minor });
        }
        revenue
    }

    /// Returns what is revenue once so many points are redeemed of so many that will be.
    fn earned(&self, redeemed: i64, expected: u64) -> u64 {
        let redeemed = u64::try_from(redeemed).unwrap_or(0);
        if redeemed >= expected {
            return self.allocated_minor;
        }
        // A part of the allocation is not more than it, so it fits.
        proportion(self.allocated_minor, redeemed, expected, Rounding::HalfUp).unwrap_or(self.allocated_minor)
    }
}
