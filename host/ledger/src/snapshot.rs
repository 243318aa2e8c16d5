//! Snapshots: what the evaluation of a batch of events asks of the ledger, in one read.

use std::collections::BTreeMap;

use jifen_loyalty::entry::{StockKey, StockTaken};
use jifen_loyalty::facts::DayTotal;
use jifen_loyalty::member::Grants;
use jifen_loyalty::{DeploymentId, Event, Instant, Lot, Member, MemberId, Points, RedemptionId};

use crate::column::{self, Lots, Row};
use crate::{Digest, Logged};

/// What a snapshot should hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<'a> {
    /// The `(source, id)` of events that may be in the ledger already.
    pub keys: &'a [(&'a str, &'a str)],
    /// Members.
    pub members: &'a [MemberQuery<'a>],
    /// What is needed of each member.
    pub needs: Needs,
    /// Deployments whose budget may be drawn on.
    pub budgets: &'a [DeploymentId],
    /// Orders that events complete or return.
    pub orders: &'a [OrderQuery<'a>],
    /// Uses of points that events begin, move on or pay with.
    pub redemptions: &'a [RedemptionQuery<'a>],
    /// Items of limited stock, each with its deployment and a business day.
    pub stock: &'a [(&'a DeploymentId, &'a str, i32)],
}

/// What is asked of a member.
#[derive(Clone, Copy, Debug)]
pub struct MemberQuery<'a> {
    /// Who.
    pub id: &'a MemberId,
    /// The first business day that is needed.
    pub first_day: i32,
    /// Whether the lots are needed, even if [`Query::needs`] does not say so.
    pub lots: bool,
}

/// What is asked of a use of points.
#[derive(Clone, Copy, Debug)]
pub struct RedemptionQuery<'a> {
    /// Its name.
    pub name: &'a RedemptionId,
    /// The place among [`Query::keys`] of the event that names it: of an event that the ledger knows, nothing is read.
    pub key: usize,
}

/// What is asked of an order.
#[derive(Clone, Copy, Debug)]
pub struct OrderQuery<'a> {
    /// Its number.
    pub number: &'a str,
    /// Whether all of it is needed, or only its entries.
    pub whole: bool,
    /// The place among [`Query::keys`] of the event that names it: of an event that the ledger knows, nothing is read.
    pub key: Option<usize>,
}

impl OrderQuery<'_> {
    /// Returns whether the event that asks is known, so that nobody needs the answer.
    pub(crate) fn is_idle(&self, known: &[Option<Known>]) -> bool {
        self.key.is_some_and(|key| is_known(known, key))
    }
}

impl RedemptionQuery<'_> {
    /// Returns whether the event that asks is known, so that nobody needs the answer.
    pub(crate) fn is_idle(&self, known: &[Option<Known>]) -> bool {
        is_known(known, self.key)
    }
}

fn is_known(known: &[Option<Known>], key: usize) -> bool {
    known.get(key).is_some_and(Option::is_some)
}

/// What is needed of members beyond their version and profile. What is not asked for is left empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Purchases by business day.
    pub purchases_by_day: bool,
    /// Points granted by deployment and business day.
    pub granted_by_day: bool,
    /// Lots with something left, of whatever day.
    pub lots: bool,
}

impl Needs {
    /// Returns what either of them asks for.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            purchases_by_day: self.purchases_by_day || other.purchases_by_day,
            granted_by_day: self.granted_by_day || other.granted_by_day,
            lots: self.lots || other.lots,
        }
    }
}

/// The answer to a [`Query`], all of it as of one instant of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// For each key the entry that the ledger has, in the order of the query.
    pub known: Vec<Option<Known>>,
    /// The members, in the order of the query. Their lots are ordered by business day, then as they were earned.
    pub members: Vec<Member>,
    /// What has been granted from each budget that was asked for.
    pub budgets_used: BTreeMap<DeploymentId, Points>,
    /// What the ledger has of each order, in the order of the query.
    pub orders: Vec<Order>,
    /// What the ledger has of each use of points, in the order of the query.
    pub redemptions: Vec<Redemption>,
    /// How many are taken of each item, in the order of the query.
    pub stock: Vec<StockTaken>,
}

/// What the ledger has of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Every entry that names it, in their order: its purchase, and its refunds.
    pub entries: Vec<Logged>,
    /// Purchases of that number, if all was asked for; two merchants may use the same one.
    pub purchases: Vec<Purchased>,
    /// Whoever has a lot of it, and whoever bought it, with all their lots, as of now; if all was asked for.
    pub owners: BTreeMap<MemberId, Member>,
    /// Uses of points that its purchases were paid with, if all was asked for.
    pub redemptions: BTreeMap<RedemptionId, Redemption>,
}

impl Order {
    /// Returns the uses of points that a purchase was paid with.
    pub(crate) fn tendered(&self, seq: u64) -> Vec<RedemptionId> {
        let purchase = self.entries.iter().find(|logged| logged.seq == seq);
        let event = purchase.and_then(|logged| Event::parse(&logged.event).ok());
        let tenders = event.iter().filter_map(Event::purchase).flat_map(|purchase| &purchase.tenders);
        tenders.filter_map(|tender| tender.redemption.clone()).collect()
    }
}

/// What the ledger has of a use of points. The default is one that it does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redemption {
    /// How many steps it has had.
    pub steps: u64,
    /// The entry that began it.
    pub request: Option<Logged>,
    /// The first instant at which what it holds is free again.
    pub until: Option<Instant>,
    /// What it took from a stock.
    pub stock: Option<StockKey>,
    /// The points, by lot, in the order in which they were taken.
    pub parts: Vec<RedeemedPart>,
    /// Whose points they are, with all their lots.
    pub owner: Option<(MemberId, Member)>,
}

/// The row of a use of points: whose it is, the place of the entry that began it, and what the row has of the rest.
pub(crate) struct RedemptionHead {
    pub(crate) member: MemberId,
    pub(crate) seq: u64,
    pub(crate) redemption: Redemption,
}

impl RedemptionHead {
    /// Reads member, seq, steps, until_ms, deployment, item, day, quantity.
    pub(crate) fn read<R: Row>(row: &R, first: usize) -> Result<Self, R::Error> {
        let [member, seq, steps, until, stock] = std::array::from_fn(|n| first.saturating_add(n));
        let (steps, until) = (column::count(row, steps)?, Some(column::instant(row, until)?));
        let redemption =
            Redemption { steps, until, stock: column::stock(row, stock)?, ..Redemption::default() };
        Ok(Self { member: column::name(row, member)?, seq: column::count(row, seq)?, redemption })
    }
}

/// Points of one lot in a use of points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedeemedPart {
    /// The lot, as it is now.
    pub lot: Lot,
    /// How many were set aside.
    pub held: Points,
    /// How many of those are free again.
    pub released: Points,
    /// How many of those are used.
    pub captured: Points,
    /// How many of those are no longer, whether they came back or not.
    pub cancelled: Points,
}

impl RedeemedPart {
    /// Reads held, released, captured, cancelled and a lot.
    pub(crate) fn read<R: Row>(row: &R, first: usize, lots: &mut Lots) -> Result<Self, R::Error> {
        let [held, released, captured, cancelled, lot] = std::array::from_fn(|n| first.saturating_add(n));
        Ok(Self {
            held: column::points(row, held)?,
            released: column::points(row, released)?,
            captured: column::points(row, captured)?,
            cancelled: column::points(row, cancelled)?,
            lot: lots.read(row, lot)?,
        })
    }

    /// Returns how many are set aside still.
    pub const fn open(&self) -> Points {
        self.held.less(self.released).less(self.captured)
    }

    /// Returns how many are used still.
    pub const fn used(&self) -> Points {
        self.captured.less(self.cancelled)
    }
}

/// A purchase in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchased {
    /// Its place in the log.
    pub seq: u64,
    /// Who bought.
    pub member: MemberId,
    /// The lots that entries of this number opened, each with its owner, whatever is left of them.
    pub lots: Vec<(MemberId, Lot)>,
    /// The member's days as they were before it, with what was taken back by now of what was granted: only these are filled.
    pub before: Member,
}

/// What the ledger has of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its place in the log.
    pub seq: u64,
    /// The digest of the event. The same key with another digest is another event under a used name.
    pub event_digest: Digest,
    /// The receipt, as it was committed.
    pub receipt: Vec<u8>,
    /// Its digest.
    pub receipt_digest: Digest,
}

impl MemberQuery<'_> {
    /// Returns what is needed of the member, of a query that needs so much of all.
    pub(crate) fn needs(&self, of_all: Needs) -> Needs {
        Needs { lots: of_all.lots || self.lots, ..of_all }
    }
}

/// Adds a lot to what a snapshot has of its owner, as far as that is needed from a business day on.
pub(crate) fn add_lot((id, member): (&MemberId, &mut Member), lot: Lot, needs: Needs, first_day: i32) {
    if needs.granted_by_day && lot.day >= first_day {
        member.granted_by_day.entry((Grants::of(id, &lot), lot.day)).or_default().add(&lot);
    }
    if needs_whole_lots(member, needs) && (!lot.remaining.is_zero() || member.holds_of(&lot.id)) {
        member.lots.push(lot);
    }
}

/// Returns whether lots of whatever day are needed.
pub(crate) fn needs_whole_lots(member: &Member, needs: Needs) -> bool {
    needs.lots || member.profile.indebted || member.profile.holding
}

/// Adds a purchase to a member's days.
pub(crate) fn add_purchase(by_day: &mut BTreeMap<i32, DayTotal>, day: i32, spend_minor: u64) {
    let total = by_day.entry(day).or_default();
    total.count = total.count.saturating_add(1);
    total.spend_minor = total.spend_minor.saturating_add(spend_minor);
}
