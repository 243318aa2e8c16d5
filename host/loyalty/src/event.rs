//! Events: what happened outside, parsed once.
//!
//! An event is a CloudEvents 1.0 object. [`Event::parse`] is the only way to one, so whoever holds an [`Event`] holds
//! the proof that every field is there, known, an integer where it counts, and within bounds.

mod raw;
#[cfg(test)]
mod tests;

use chrono::NaiveDate;
use rules_guest::calendar::Day;

use crate::id::{DeploymentId, MemberId, MerchantId, RedemptionId, UnitId};
use crate::lot::Issuer;
use crate::points::Points;
use crate::time::Instant;

/// Bytes that one event may have.
pub const EVENT_BYTES_MAX: usize = 1 << 20;
/// Lines that one purchase may have.
pub const LINES_MAX: usize = 1_000;
/// Minor units that one amount may have, 10^15: sums of them stay within a signed 64-bit column.
pub const AMOUNT_MINOR_MAX: u64 = 1_000_000_000_000_000;
/// Bytes that a name (of a member, an order, an article) may have.
pub const NAME_BYTES_MAX: usize = 256;

/// A fact from outside.
#[derive(Clone, Debug)]
pub struct Event {
    /// Who sent it. With `id` its key, for ever.
    pub source: String,
    /// The sender's name for it.
    pub id: String,
    /// When it happened: business time.
    pub time: Instant,
    /// What happened.
    pub body: Body,
    /// The event in its canonical form: known fields in a fixed order, absent where they say nothing.
    pub canonical: Vec<u8>,
    /// The SHA-256 of the canonical form. The same `(source, id)` with another digest is a conflict.
    pub digest: [u8; 32],
}

/// What happened, by what is done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Something that rules award points for.
    Happening(Happening),
    /// What an order comes to is worked out anew, because something of it is returned or was decided wrongly.
    Refund(Refund),
    /// Points are used, step by step.
    Redemption(Redemption),
    /// A business day is over.
    Close(Close),
    /// What parties owe each other is settled.
    Settlement(Settlement),
    /// A member brings points along from elsewhere.
    Opening(Opening),
    /// Points of a member become another member's, or points of another unit.
    Conversion(Conversion),
    /// Something happened by which points can be spent at another time.
    TermChange(TermChange),
    /// A merchant buys points of the program's pool in advance.
    Block(Block),
}

/// Something that happened to a member, for which rules award points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// The member.
    pub member: MemberId,
    /// When: the event's business time.
    pub time: Instant,
    /// What.
    pub occasion: Occasion,
}

/// What rules award points for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The member joined the program.
    Registration(Registration),
    /// The member bought something.
    Purchase(Purchase),
    /// A day of a campaign began.
    Run(Run),
}

/// A day of a campaign, for the member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The deployment.
    pub campaign: DeploymentId,
}

/// A member who joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Where the member lives, as a region's path.
    pub region: Option<String>,
    /// Who brought the member.
    pub referrer: Option<MemberId>,
    /// A key that is equal for one real person, whatever member that person is.
    pub person: Option<String>,
    /// When the member was born.
    pub birthday: Option<Day>,
}

/// A completed purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// The merchant's name for the order.
    pub order: String,
    /// Where it was bought.
    pub merchant: MerchantId,
    /// ISO 4217.
    pub currency: String,
    /// What was bought.
    pub lines: Vec<Line>,
    /// What delivery cost, in minor units.
    pub freight_minor: u64,
    /// A discount on the whole basket, in minor units.
    pub discount_minor: u64,
    /// How it was paid. Empty: all of it in money.
    pub tenders: Vec<Tender>,
    /// A key that is equal for one account from which money was paid, whoever paid.
    pub payer: Option<String>,
}

impl Purchase {
    /// Returns what the goods cost after every discount, in minor units: neither freight nor how it was paid counts.
    pub fn spend_minor(&self) -> u64 {
        let lines = self.lines.iter().fold(0, |sum: u64, line| sum.saturating_add(line.amount_minor));
        lines.saturating_sub(self.discount_minor)
    }

    /// Returns what there was to pay, in minor units: the goods after every discount, and the freight.
    pub fn payable_minor(&self) -> u64 {
        self.spend_minor().saturating_add(self.freight_minor)
    }

    fn is_paid_in_points(&self) -> bool {
        let points = self.tenders.iter().filter(|tender| tender.kind == TenderKind::Points);
        let points = points.fold(0, |sum: u64, tender| sum.saturating_add(tender.amount_minor));
        points > 0 && points >= self.payable_minor()
    }
}

impl Occasion {
    /// Returns whether it can earn points. What is paid in points alone cannot, or points would breed points (scenario C18).
    pub fn earns(&self) -> bool {
        match self {
            Self::Registration(_) | Self::Run(_) => true,
            Self::Purchase(purchase) => !purchase.is_paid_in_points(),
        }
    }

    /// Returns the account from which something was paid.
    pub fn payer(&self) -> Option<&str> {
        match self {
            Self::Registration(_) | Self::Run(_) => None,
            Self::Purchase(purchase) => purchase.payer.as_deref(),
        }
    }
}

/// One line of a basket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The merchant's article number.
    pub sku: String,
    /// The merchant's category.
    pub category: String,
    /// How many.
    pub quantity: u64,
    /// The line's total after its own discounts, in minor units.
    pub amount_minor: u64,
    /// The merchant's marks.
    pub tags: Vec<String>,
}

/// What comes back of an order, or by what it is decided anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// The merchant's name for the order.
    pub order: String,
    /// What comes back; `None` for all that remains.
    pub lines: Option<Vec<RefundLine>>,
    /// What of the freight is given back, in minor units; `None` for all that remains of it if all lines come back, and
    /// for nothing of it otherwise.
    pub freight_minor: Option<u64>,
    /// Who caused it: terms of what was paid in points may differ by it.
    pub cause: Cause,
    /// Why the order is looked at again.
    pub revision: Revision,
}

/// Why what an order comes to is worked out anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revision {
    /// Something of it is returned.
    Returned,
    /// A review came to it that nobody is to be rewarded for having brought the buyer; nothing comes back.
    ReferralRejected,
    /// Another program is to have decided it; nothing comes back.
    Corrected(Correction),
}

/// A purchase that is decided anew by another program than the one that was at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// Who sent the purchase.
    pub source: String,
    /// The sender's name for it.
    pub id: String,
    /// The digest of the program, in hexadecimal.
    pub program: String,
    /// Why, for whoever asks later.
    pub why: String,
    /// Who proposed it, as whoever sends it says.
    pub proposed_by: String,
    /// Who approved it: somebody else.
    pub approved_by: String,
}

impl Refund {
    /// Returns whether nobody is to be rewarded for having brought the buyer.
    pub fn rejects_referral(&self) -> bool {
        self.revision == Revision::ReferralRejected
    }

    /// Returns by what the purchase is decided anew, if it is.
    pub const fn correction(&self) -> Option<&Correction> {
        match &self.revision {
            Revision::Corrected(correction) => Some(correction),
            Revision::Returned | Revision::ReferralRejected => None,
        }
    }
}

/// What comes back of the lines of an article.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundLine {
    /// The article number.
    pub sku: String,
    /// How many.
    pub quantity: u64,
    /// What of the lines' total is given back, in minor units: in their own terms, before any discount on the basket.
    pub amount_minor: u64,
}

/// How a part was paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenderKind {
    /// Money, in any form.
    Cash,
    /// A redemption of points.
    Points,
    /// A gift card.
    GiftCard,
}

/// A part of the payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tender {
    /// How.
    pub kind: TenderKind,
    /// The use of points, where it was one and has a name.
    pub redemption: Option<RedemptionId>,
    /// How much, in minor units.
    pub amount_minor: u64,
}

/// A step of a use of points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redemption {
    /// Its name, the same in every step.
    pub name: RedemptionId,
    /// The step.
    pub step: Step,
}

/// A step of a use of points. Where it names no points, it is for all there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The member wants to use points: they are quoted and held.
    Requested(Request),
    /// Held points are used; what is not used is let go.
    Captured(Option<Points>),
    /// Held points are let go.
    Voided(Option<Points>),
    /// Points that were held for as long as they could be are free again, and so is the stock that they were for.
    Lapsed,
    /// Used points come back.
    Cancelled(Option<Points>, Cause),
}

/// Points that a member had before the program kept the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Who.
    pub member: MemberId,
    /// Of which unit.
    pub unit: UnitId,
    /// How many: at least one.
    pub points: Points,
    /// Who owes for them.
    pub issuer: Issuer,
    /// The last day on which they can be spent; `None` if they stay.
    pub expires: Option<NaiveDate>,
}

/// Points that are to become others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// Whose they are.
    pub member: MemberId,
    /// Of which unit.
    pub unit: UnitId,
    /// How many: at least one.
    pub points: Points,
    /// What they are to become.
    pub goal: Goal,
}

/// What points are to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Another member's.
    Member(MemberId),
    /// Points of another unit.
    Unit(UnitId),
}

/// Something by which points of a member can be spent at another time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TermChange {
    /// Whose points.
    pub member: MemberId,
    /// What happened.
    pub cause: TermCause,
}

/// By what points can be spent at another time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TermCause {
    /// The member was told which points end up to a day.
    Notified {
        /// Of which unit; `None` for all.
        unit: Option<UnitId>,
        /// The last day of which the member was told.
        through: NaiveDate,
    },
    /// A notice of a campaign was delivered to the member.
    Delivered {
        /// Which.
        notice: Sent,
        /// What it said of points that end, if anything.
        told: Option<Told>,
    },
    /// The member did what points wait for.
    Done {
        /// The program's name for it.
        action: String,
        /// For which order; `None` for all points that wait for it.
        order: Option<String>,
    },
}

/// A notice, by the event of the campaign that sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The name of the event, of [`Event::CAMPAIGNS`].
    pub run: String,
    /// Which of its notices, from 0.
    pub n: u32,
}

impl Sent {
    /// Returns the notice's name for ever: that of the event that it was delivered.
    pub fn name(&self) -> String {
        raw::short(format!("{}/{}", self.run, self.n))
    }
}

/// What a notice said of points that end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Of which unit.
    pub unit: UnitId,
    /// The last day of which it told.
    pub through: NaiveDate,
    /// When it was written: of points that were earned later, it said nothing.
    pub as_of: Instant,
}

/// Points that a merchant buys of the program's pool in advance, at a price for all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Who buys, to award them.
    pub merchant: MerchantId,
    /// Of which unit.
    pub unit: UnitId,
    /// How many: at least one.
    pub points: Points,
    /// ISO 4217.
    pub currency: String,
    /// What the merchant pays the pool for all of them, in minor units.
    pub amount_minor: u64,
}

/// A settlement of all that no earlier one settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The place in the log up to which it settles.
    pub through: u64,
}

/// A business day that is over: its midnight work is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The day.
    pub day: NaiveDate,
    /// Whose work; `None` for everybody's.
    pub member: Option<MemberId>,
    /// Whether it only catches up: then nothing is given by itself.
    pub late: bool,
}

/// What a member wants to use points for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who.
    pub member: MemberId,
    /// Where.
    pub merchant: MerchantId,
    /// What for.
    pub purpose: Purpose,
    /// How many points the member wants to use; `None` leaves it to the rule.
    pub wanted: Option<Points>,
}

/// What points are used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// An item of the merchant's catalogue.
    Item {
        /// Which.
        item: String,
        /// How many.
        quantity: u64,
    },
    /// Part of a bill, which has no order yet and is not paid.
    Bill(Purchase),
}

/// Who caused that something comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The member changed their mind.
    #[default]
    Member,
    /// The merchant could not deliver.
    Merchant,
    /// The carrier did not carry.
    Carrier,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 3] = [Self::Member, Self::Merchant, Self::Carrier];

    /// Returns the word for it in events and program files.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Merchant => "merchant",
            Self::Carrier => "carrier",
        }
    }
}

/// Why an event cannot be taken: the field, what is wrong there, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidEvent {
    /// The path of the field, such as `data.lines[2].amount`; `event` where it is no event at all.
    pub field: String,
    /// What is wrong and what would be right.
    pub reason: String,
}

impl InvalidEvent {
    fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }

    /// Returns the name of the reason, where it has one by which programs can tell it: `insufficient: 10 points are needed …` begins with it.
    pub fn name(&self) -> Option<&str> {
        let (name, _) = self.reason.split_once(": ")?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        is_name.then_some(name)
    }
}

impl Event {
    /// Returns what happened to a member, if rules award points for such a thing.
    pub fn happening(&self) -> Option<&Happening> {
        if let Body::Happening(happening) = &self.body { Some(happening) } else { None }
    }

    /// Returns the purchase, if it is one.
    pub fn purchase(&self) -> Option<&Purchase> {
        match &self.happening()?.occasion {
            Occasion::Purchase(purchase) => Some(purchase),
            Occasion::Registration(_) | Occasion::Run(_) => None,
        }
    }

    /// Who sends what decides purchases anew.
    pub const CORRECTIONS: &str = "/jifen/corrections";

    /// Who sends what campaigns do.
    pub const CAMPAIGNS: &str = "/jifen/campaigns";

    /// Returns an id that an event may have, the same for the same text: a longer one is told by its SHA-256.
    pub fn short_id(id: String) -> String {
        raw::short(id)
    }

    /// What settlements have in place of an order's number: no order has this name.
    pub const SETTLEMENTS: &str = "\u{1}settlements";
    /// What purchases of blocks have in place of an order's number: no order has this name either.
    pub const BLOCKS: &str = "\u{1}blocks";

    /// Returns the number of the order that it completes, returns or is done for: what entries have in common that must not
    /// miss each other. Settlements have [`Self::SETTLEMENTS`], and purchases of blocks
    /// [`Self::BLOCKS`].
    pub fn order(&self) -> Option<&str> {
        match &self.body {
            Body::Refund(refund) => Some(&refund.order),
            Body::Settlement(_) => Some(Self::SETTLEMENTS),
            Body::Block(_) => Some(Self::BLOCKS),
            Body::TermChange(TermChange { cause: TermCause::Done { order, .. }, .. }) => order.as_deref(),
            Body::Happening(_)
            | Body::Redemption(_)
            | Body::Close(_)
            | Body::Opening(_)
            | Body::Conversion(_)
            | Body::TermChange(_) => self.purchase().map(|purchase| &*purchase.order),
        }
    }

    /// Returns the use of points of which it is a step.
    pub fn redemption(&self) -> Option<&Redemption> {
        if let Body::Redemption(redemption) = &self.body { Some(redemption) } else { None }
    }

    /// Returns whether it moves on what another event began, by whose program it is decided.
    pub fn follows(&self) -> bool {
        let moves_on = self.redemption().is_some_and(|it| !matches!(it.step, Step::Requested(_)));
        moves_on || matches!(self.body, Body::Refund(_))
    }

    /// Returns whose event it says it is: only what begins something says so.
    pub fn member(&self) -> Option<&MemberId> {
        match &self.body {
            Body::Happening(happening) => Some(&happening.member),
            Body::Redemption(Redemption { step: Step::Requested(request), .. }) => Some(&request.member),
            Body::Close(close) => close.member.as_ref(),
            Body::Opening(opening) => Some(&opening.member),
            Body::Conversion(conversion) => Some(&conversion.member),
            Body::TermChange(change) => Some(&change.member),
            Body::Redemption(_) | Body::Refund(_) | Body::Settlement(_) | Body::Block(_) => None,
        }
    }

    /// Returns the part of this close that is one member's, as far as a day is concerned that ended at `midnight`: it
    /// happens then, whenever the close was sent. Of a day before its own, it only catches up.
    ///
    /// # Errors
    ///
    /// If this is no close.
    pub fn close_for(
        &self,
        member: &MemberId,
        day: NaiveDate,
        midnight: Instant,
    ) -> Result<Self, InvalidEvent> {
        raw::close_for(self, member, day, midnight)
    }

    /// Returns the notice of whose delivery it says, if it does.
    pub fn delivers(&self) -> Option<&Sent> {
        match &self.body {
            Body::TermChange(TermChange { cause: TermCause::Delivered { notice, .. }, .. }) => Some(notice),
            Body::TermChange(_)
            | Body::Happening(_)
            | Body::Refund(_)
            | Body::Redemption(_)
            | Body::Close(_)
            | Body::Settlement(_)
            | Body::Opening(_)
            | Body::Conversion(_)
            | Body::Block(_) => None,
        }
    }

    /// Returns the event that a notice was delivered to a member at an instant. What it told of points that end is in it.
    ///
    /// # Errors
    ///
    /// If the instant is none that an event can have.
    pub fn delivery_of(
        notice: &Sent,
        member: &MemberId,
        told: Option<&Told>,
        at: Instant,
    ) -> Result<Self, InvalidEvent> {
        raw::delivery_of(notice, member, told, at)
    }

    /// Returns the campaign whose day it is, if it is one.
    pub fn campaign(&self) -> Option<&DeploymentId> {
        match &self.happening()?.occasion {
            Occasion::Run(run) => Some(&run.campaign),
            Occasion::Registration(_) | Occasion::Purchase(_) => None,
        }
    }

    /// Returns the event of a campaign that does something for a member, at the midnight that begins a day. `once` names what it
    /// is done once for, such as the day.
    ///
    /// # Errors
    ///
    /// If a name is none that an event can have.
    pub fn run_of(
        campaign: &DeploymentId,
        once: &str,
        member: &MemberId,
        midnight: Instant,
    ) -> Result<Self, InvalidEvent> {
        raw::run_of(campaign, once, member, midnight)
    }

    /// Returns by what it decides a purchase anew, if it does.
    pub fn correction(&self) -> Option<&Correction> {
        if let Body::Refund(refund) = &self.body { refund.correction() } else { None }
    }

    /// Returns the event that decides an order anew at an instant. `nth` counts the order's corrections, from 1: the same correction
    /// has the same name, however often it is proposed.
    ///
    /// # Errors
    ///
    /// If a name is none that an event can have, or the one who proposes it approves it.
    pub fn correction_of(
        order: &str,
        correction: &Correction,
        nth: u64,
        at: Instant,
    ) -> Result<Self, InvalidEvent> {
        raw::correction_of(order, correction, nth, at)
    }

    /// Parses one JSON object.
    ///
    /// # Errors
    ///
    /// With the first field that is missing, unknown, of the wrong kind or out of bounds.
    pub fn parse(json: &[u8]) -> Result<Self, InvalidEvent> {
        if json.len() > EVENT_BYTES_MAX {
            let reason = format!("is larger than {EVENT_BYTES_MAX} bytes; send one event a line");
            return Err(InvalidEvent::new("event", reason));
        }
        raw::parse(json)
    }
}
