//! Programs: what is deployed where, as data.
//!
//! A program file is TOML. [`Program::parse`] checks everything that can be known without a policy's binary; what it
//! refuses it refuses with line, field and mend. A parsed program never changes: a change builds the next one.

mod campaign;
mod contract;
mod exchange;
mod expiry;
mod raw;
mod redemption;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;

use chrono::NaiveDate;
use rules_guest::calendar::{Calendar, CalendarRange, Day};
use sha2::{Digest as _, Sha256};

pub use self::campaign::{Once, Segment, Span};
pub use self::contract::Contract;
pub use self::exchange::Exchange;
pub use self::expiry::{Ends, Expiry, Period};
pub use self::redemption::{AtClose, Covers, RedemptionDeployment, Stock};
use crate::clawback::Clawback;
use crate::day::BusinessDay;
use crate::event::{Happening, InvalidEvent, Occasion, Request};
use crate::id::{DeploymentId, LaneId, MemberId, MerchantId, UnitId};
use crate::lot::{Issuer, Purse};
use crate::member::Referral;
use crate::points::Points;
use crate::posting::Kind;
use crate::time::{Instant, Zone, day_number};

/// The name under which opening balances stand, as a deployment's would.
pub const OPENING: &str = "opening";

/// The names under which points stand that nothing deployed awarded.
const RESERVED: [&str; 4] = [OPENING, Kind::Transfer.code(), Kind::Exchange.code(), Kind::Return.code()];

/// Returns whether points that stand under a name were awarded, by whatever program: not brought along, given, exchanged or given
/// back.
pub fn is_award(name: &DeploymentId) -> bool {
    !RESERVED.contains(&name.as_str())
}

/// What is deployed where.
#[derive(Debug)]
pub struct Program {
    /// What members call it.
    pub name: String,
    /// The zone whose midnight begins a business day.
    pub zone: Zone,
    /// The units of points.
    pub units: Vec<Unit>,
    /// The lanes, in the order in which they apply.
    pub lanes: Vec<Lane>,
    /// The deployments, in the order of the file, and behind them the campaigns, in theirs.
    pub deployments: Vec<Deployment>,
    /// The redemption deployments, in the order of the file: the first that offers something is taken.
    pub redemptions: Vec<RedemptionDeployment>,
    /// What points cost, in the order of the file.
    pub contracts: Vec<Contract>,
    /// What points of one unit are worth in another, in the order of the file.
    pub exchanges: Vec<Exchange>,
    /// What is odd without being wrong, for the operator.
    pub warnings: Vec<String>,
    merchants: HashMap<MerchantId, Merchant>,
    calendars: Vec<Calendar>,
    /// Which calendar each declared region has, if it has one of its own.
    regions: HashMap<String, Option<usize>>,
}

/// A unit of points.
#[derive(Debug)]
pub struct Unit {
    /// Its name.
    pub id: UnitId,
    /// When points of it end.
    pub ends: Ends,
    /// How far a refund goes to take points back.
    pub clawback: Clawback,
    /// Whether members can give points to each other, and what becomes of their end.
    pub transfer: Transfer,
    /// If its points are levels of membership: the unit by whose points they are reached, by place in [`Program::units`].
    pub level_by: Option<usize>,
}

/// What becomes of points that a member gives to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transfer {
    /// They end when they would have.
    #[default]
    Preserve,
    /// They end as if they were awarded on that day.
    Reset,
    /// They cannot be given.
    Forbidden,
}

/// A merchant of the program.
#[derive(Debug)]
pub struct Merchant {
    /// Its name.
    pub id: MerchantId,
    /// Where it is, as a region's path.
    pub region: String,
    /// Its business.
    pub category: String,
    calendar: Option<usize>,
}

/// How the deployments of a lane exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// They do not.
    All,
    /// The one that grants the member most; the earlier one in the file if two grant the same.
    Best,
    /// The first in the file that asks for anything.
    First,
}

/// A stage of the decision: deployments inside it do not see each other, later lanes see what it granted.
#[derive(Debug)]
pub struct Lane {
    /// Its name.
    pub id: LaneId,
    /// How its deployments exclude each other.
    pub combine: Combine,
}

/// A policy with parameters, at work.
#[derive(Debug)]
pub struct Deployment {
    /// Its name: what receipts, caps and budgets know it by.
    pub id: DeploymentId,
    /// Which policy.
    pub policy: PolicyRef,
    /// Its lane, by place in [`Program::lanes`]; behind the last of them for a campaign, which no other event reaches.
    pub lane: usize,
    /// Whom it is asked about on its days, if it is a campaign; otherwise it is asked about what happens.
    pub campaign: Option<Segment>,
    /// Further units of which it may grant a point, by place in [`Program::units`].
    pub grants: Vec<usize>,
    /// Its unit, by place in [`Program::units`].
    pub unit: usize,
    /// Who owes for its points.
    pub issuer: IssuerRule,
    /// Where it applies.
    pub scope: Scope,
    /// The first instant of business time at which it applies.
    pub from: Instant,
    /// The first at which it no longer does.
    pub until: Instant,
    /// The business days on which it applies, if it does not on all.
    pub days: Option<Calendar>,
    /// Whether its points count.
    pub mode: Mode,
    /// The deployment in whose place it is tried.
    pub replaces: Option<DeploymentId>,
    /// Which one is tried in its place, by place in [`Program::deployments`].
    pub replaced_by: Option<usize>,
    /// What it grants at most, by event and member.
    pub cap: Cap,
    /// What it grants at most in all.
    pub budget: Option<Budget>,
    /// What a refund does to what it granted.
    pub on_refund: OnRefund,
    /// When its points can be spent, where the policy does not say.
    pub available: Availability,
    /// When a person is to look at what a member gets by having referred another.
    pub review: Option<Review>,
    /// Its parameters, a JSON object with sorted keys.
    pub parameters: String,
    /// The line of the program file that names its policy.
    pub line: usize,
}

/// Which policy a deployment means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyRef {
    /// By name, and by version if there is one.
    Named {
        /// The name.
        name: String,
        /// The version.
        version: Option<String>,
    },
    /// By the SHA-256 of the component, in hexadecimal.
    Digest(String),
}

impl fmt::Display for PolicyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { name, version: None } => f.write_str(name),
            Self::Named { name, version: Some(version) } => write!(f, "{name}@{version}"),
            Self::Digest(digest) => write!(f, "sha256:{digest}"),
        }
    }
}

/// Who owes for a deployment's points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerRule {
    /// The program.
    Platform,
    /// The merchant of the event. Without one, the deployment does not apply.
    MerchantOfEvent,
}

/// Whether a deployment's points count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They do.
    Live,
    /// It is evaluated and recorded, and grants nothing.
    Shadow,
    /// They do for so many of a hundred members, always the same ones; for the others it is in shadow.
    Canary {
        /// How many.
        percent: u8,
    },
}

/// When points can first be spent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Availability {
    /// At once.
    #[default]
    AtOnce,
    /// So many business days later, from midnight: time to return what earned them.
    AfterDays(u32),
    /// From the midnight that begins a day; at once after it.
    On(NaiveDate),
    /// Once the member has done something.
    OnAction(String),
}

impl Availability {
    /// Returns the first business day on which points can be spent that are earned on a day, if they wait for nothing else.
    pub fn first_day(&self, today: i32) -> i32 {
        match self {
            Self::AtOnce | Self::OnAction(_) => today,
            Self::AfterDays(days) => today.saturating_add(i32::try_from(*days).unwrap_or(i32::MAX)),
            Self::On(date) => day_number(*date).max(today),
        }
    }
}

/// When a person is to look at what a member gets by having referred another, before it can be spent (scenario A4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Review {
    /// If the one who referred paid from the account of a purchase, so many business days before it at most.
    pub same_payer_days: u16,
}

impl Review {
    /// The action that points wait for which a person is to look at.
    pub const ACTION: &str = "reviewed";

    /// Returns whether it asks for that on a day.
    pub fn asks(&self, referral: &Referral, today: i32) -> bool {
        let first_day = today.saturating_sub(self.same_payer_days.into());
        referral.same_payer_day.is_some_and(|day| day >= first_day)
    }
}

/// What a refund of a purchase does to what a deployment granted for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRefund {
    /// It comes to what the purchase of what remains would have earned.
    #[default]
    Reevaluate,
    /// It goes down in proportion to the goods.
    Proportional,
    /// It stays: a side effect such as a reward for joining.
    Keep,
}

/// Where a deployment applies. Every condition that is there must hold.
#[derive(Debug, Default)]
pub struct Scope {
    /// A region's path, with everything below it.
    pub region: Option<String>,
    /// One merchant.
    pub merchant: Option<MerchantId>,
    /// Merchants of one business.
    pub category: Option<String>,
}

/// What happens to an event that asks for more than `per_event`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverEvent {
    /// The deployment grants nothing for it (scenario C16).
    #[default]
    Reject,
    /// The deployment grants the cap.
    Reduce,
}

/// What a deployment grants at most. Caps over a period reduce what is granted; they never reject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cap {
    /// For one event, over all its awards.
    pub per_event: Option<Points>,
    /// What happens above that.
    pub over_event: OverEvent,
    /// To the member of the event, on one business day.
    pub per_member_per_day: Option<Points>,
    /// To the member of the event, in one civil month.
    pub per_member_per_month: Option<Points>,
    /// To the one who referred that member, on one business day, for all whom the referrer brought.
    pub per_referrer_per_day: Option<Points>,
    /// To the one who referred that member, in one civil month.
    pub per_referrer_per_month: Option<Points>,
}

impl Cap {
    /// Returns whether the cap counts what the member was granted before.
    pub fn over_periods(&self) -> bool {
        self.per_member_per_day.is_some() || self.per_member_per_month.is_some()
    }

    /// Returns whether the cap counts what the member's referrer was granted before.
    pub fn of_referrers(&self) -> bool {
        self.per_referrer_per_day.is_some() || self.per_referrer_per_month.is_some()
    }
}

/// What a deployment grants at most in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How much.
    pub points: Points,
    /// Whether the last award may be granted in part; otherwise it is not granted at all.
    pub partial: bool,
}

/// Why a program file cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {field}: {reason}")]
pub struct InvalidProgram {
    /// The line of the file, counted from 1.
    pub line: usize,
    /// The path of the field, such as `deployment[2].lane`.
    pub field: String,
    /// What is wrong and what would be right.
    pub reason: String,
}

/// An event in its place: what the program knows about where and when it happened.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'p> {
    /// The business day.
    pub today: BusinessDay,
    /// The merchant, if the event has one.
    pub merchant: Option<&'p Merchant>,
    /// The region's path; empty if the event has none.
    pub region: &'p str,
}

impl Program {
    /// Parses a program file.
    ///
    /// # Errors
    ///
    /// With the line, the field and the mend of the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidProgram> {
        raw::parse(text)
    }

    /// Returns the tables of a program file as JSON, to be compared or shown; an empty object if it is no program.
    pub fn tables(text: &str) -> serde_json::Map<String, serde_json::Value> {
        match raw::tables(text) {
            Ok(serde_json::Value::Object(tables)) => tables,
            Ok(_) | Err(_) => serde_json::Map::new(),
        }
    }

    /// Returns the merchant of that name.
    pub fn merchant(&self, id: &str) -> Option<&Merchant> {
        self.merchants.get(id)
    }

    /// Returns the merchant of that name that an event names.
    ///
    /// # Errors
    ///
    /// If the program does not know it.
    pub fn known_merchant(&self, id: &MerchantId) -> Result<&Merchant, InvalidEvent> {
        self.merchants.get(id).ok_or_else(|| unknown_merchant(id))
    }

    /// Puts an event in its place.
    ///
    /// # Errors
    ///
    /// If the program does not know the merchant, or the calendar does not reach the day.
    pub fn situate<'p>(&'p self, happening: &'p Happening) -> Result<Situation<'p>, InvalidEvent> {
        match &happening.occasion {
            Occasion::Purchase(purchase) => self.situate_at(&purchase.merchant, happening.time),
            Occasion::Registration(registration) => {
                let region = registration.region.as_deref().unwrap_or_default();
                self.situate_in(None, region, self.calendar_of(region), happening.time)
            }
            Occasion::Run(_) => self.situate_in(None, "", None, happening.time),
        }
    }

    /// Puts a wish to use points in its place.
    ///
    /// # Errors
    ///
    /// If the program does not know the merchant, or the calendar does not reach the day.
    pub fn situate_request(&self, request: &Request, time: Instant) -> Result<Situation<'_>, InvalidEvent> {
        self.situate_at(&request.merchant, time)
    }

    fn situate_at(&self, merchant: &MerchantId, time: Instant) -> Result<Situation<'_>, InvalidEvent> {
        let merchant = self.known_merchant(merchant)?;
        self.situate_in(Some(merchant), &merchant.region, merchant.calendar, time)
    }

    fn situate_in<'p>(
        &'p self,
        merchant: Option<&'p Merchant>,
        region: &'p str,
        calendar: Option<usize>,
        time: Instant,
    ) -> Result<Situation<'p>, InvalidEvent> {
        let (day, second_of_day) = self.day_of(time)?;
        let market_days = calendar.and_then(|index| self.calendars.get(index));
        let market_day = market_days.map_or(Ok(false), |days| has(days, &day))?;
        Ok(Situation { today: BusinessDay { day, market_day, second_of_day }, merchant, region })
    }

    /// Returns the business day of an instant, and the seconds since its midnight.
    ///
    /// # Errors
    ///
    /// If the calendar does not reach the day.
    pub fn day_of(&self, time: Instant) -> Result<(Day, u32), InvalidEvent> {
        let local = self.zone.local(time);
        let day = Day::from_number(day_number(local.date)).map_err(|error| out_of_range(&error))?;
        Ok((day, local.second_of_day))
    }

    /// Returns the calendar of the nearest declared region at or above a path.
    fn calendar_of(&self, region: &str) -> Option<usize> {
        ancestors(region).find_map(|path| self.regions.get(path).copied().flatten())
    }

    /// Returns the unit whose points are levels of membership, if there is one, and that by whose points they are reached.
    pub fn levels(&self) -> Option<(&Unit, &Unit)> {
        self.units.iter().find_map(|unit| Some((unit, self.unit(unit.level_by?))))
    }

    /// Returns whether it matters from which account something is paid.
    pub fn reviews(&self) -> bool {
        self.deployments.iter().any(|deployment| deployment.review.is_some())
    }

    /// Returns the unit of a deployment.
    pub fn unit_of(&self, deployment: &Deployment) -> &Unit {
        self.unit(deployment.unit)
    }

    /// Returns which lots a redemption deployment takes from.
    pub fn purse_of<'p>(&'p self, deployment: &'p RedemptionDeployment) -> Purse<'p> {
        Purse { unit: &self.unit(deployment.unit).id, issuers: deployment.accepts.as_deref() }
    }

    /// Returns the unit in a place of [`Program::units`] that the parsed program names.
    pub fn unit(&self, place: usize) -> &Unit {
        self.units.get(place).expect("parse resolved it")
    }

    /// Returns the contract of an issuer that holds at an instant for points of a unit: the first in the file.
    pub fn contract(&self, issuer: &Issuer, unit: &UnitId, time: Instant) -> Option<&Contract> {
        let holds = |contract: &&Contract| {
            contract.issuer == *issuer
                && self.unit(contract.unit).id == *unit
                && (contract.from..contract.until).contains(&time)
        };
        self.contracts.iter().find(holds)
    }

    /// Returns the exchange from one unit into another that holds at an instant: the first in the file.
    pub fn exchange(&self, unit: &UnitId, into: &UnitId, time: Instant) -> Option<&Exchange> {
        let holds = |exchange: &&Exchange| {
            (&self.unit(exchange.unit).id, &self.unit(exchange.into).id) == (unit, into)
                && (exchange.from..exchange.until).contains(&time)
        };
        self.exchanges.iter().find(holds)
    }

    /// Returns a unit that a field of an event names.
    ///
    /// # Errors
    ///
    /// If the program does not know it.
    pub fn known_unit(&self, field: &str, id: &UnitId) -> Result<&Unit, InvalidEvent> {
        let unknown = || InvalidEvent {
            field: field.to_owned(),
            reason: format!("{id:?} is not a unit of the program"),
        };
        self.units.iter().find(|unit| unit.id == *id).ok_or_else(unknown)
    }

    /// Returns the redemption deployment of that name.
    pub fn redemption(&self, id: &DeploymentId) -> Option<&RedemptionDeployment> {
        self.redemptions.iter().find(|deployment| deployment.id == *id)
    }
}

fn unknown_merchant(merchant: &MerchantId) -> InvalidEvent {
    let reason =
        format!("\"{merchant}\" is not a merchant of the program; add a [[merchant]] or mend the name");
    InvalidEvent { field: "data.merchant".to_owned(), reason }
}

/// Returns whether a calendar has the day of an event.
fn has(calendar: &Calendar, day: &Day) -> Result<bool, InvalidEvent> {
    calendar.contains(day).map_err(|error| out_of_range(&error))
}

fn out_of_range(error: &CalendarRange) -> InvalidEvent {
    InvalidEvent { field: "time".to_owned(), reason: format!("calendar_range: {error}") }
}

/// Returns a path and everything above it: `a/b/c`, `a/b`, `a`.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rsplit_once('/').map(|(above, _)| above))
}

impl Deployment {
    /// Returns whether the deployment applies to an event in its place.
    ///
    /// # Errors
    ///
    /// If that depends on a day that its calendar does not reach.
    pub fn applies(&self, time: Instant, situation: &Situation<'_>) -> Result<bool, InvalidEvent> {
        let issuer = self.issuer != IssuerRule::MerchantOfEvent || situation.merchant.is_some();
        let here = self.is_open(time) && issuer && self.scope.covers(situation);
        if here { situation.is_on(self.days.as_ref()) } else { Ok(false) }
    }

    /// Returns whether its points count for a member.
    pub fn is_live_for(&self, member: &MemberId) -> bool {
        match self.mode {
            Mode::Live => true,
            Mode::Shadow => false,
            Mode::Canary { percent } => self.hundredth(member) < percent,
        }
    }

    /// Returns in which hundredth of all members one is, as far as this deployment goes: always in the same one, whoever asks.
    fn hundredth(&self, member: &MemberId) -> u8 {
        let digest =
            Sha256::new().chain_update(self.id.as_str()).chain_update("\n").chain_update(member.as_str());
        let mut first = [0; 8];
        first.copy_from_slice(digest.finalize().get(..8).unwrap_or_default());
        u8::try_from(u64::from_be_bytes(first) % 100).unwrap_or(0)
    }

    /// Returns whether the deployment is at work at an instant.
    pub fn is_open(&self, time: Instant) -> bool {
        self.from <= time && time < self.until
    }

    /// Returns who owes for what it grants in a situation in which it applies.
    pub fn issuer(&self, situation: &Situation<'_>) -> Issuer {
        self.issuer.at(situation.merchant.map(|merchant| &merchant.id))
    }
}

impl IssuerRule {
    /// Returns who owes for what is granted at a merchant.
    pub fn at(self, merchant: Option<&MerchantId>) -> Issuer {
        match (self, merchant) {
            (Self::MerchantOfEvent, Some(merchant)) => Issuer::Merchant(merchant.clone()),
            (Self::MerchantOfEvent, None) | (Self::Platform, _) => Issuer::Platform,
        }
    }
}

impl Situation<'_> {
    /// Returns whether a deployment's days have its day. Without a calendar, every day counts.
    fn is_on(&self, days: Option<&Calendar>) -> Result<bool, InvalidEvent> {
        days.map_or(Ok(true), |days| has(days, &self.today.day))
    }
}

impl Scope {
    fn covers(&self, situation: &Situation<'_>) -> bool {
        let merchant = |test: &dyn Fn(&Merchant) -> bool| situation.merchant.is_some_and(test);
        self.region.as_deref().is_none_or(|region| ancestors(situation.region).any(|path| path == region))
            && self.merchant.as_ref().is_none_or(|id| merchant(&|merchant| merchant.id == *id))
            && self
                .category
                .as_ref()
                .is_none_or(|category| merchant(&|merchant| merchant.category == *category))
    }
}
