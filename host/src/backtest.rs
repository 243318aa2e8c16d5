//! Back-tests: what another program would have awarded on real history.
//!
//! The log is decided once more on a ledger that is thrown away, each event by the program that decided it then, so that at each event
//! all is known that was known; and beside it by the candidate, whose decisions come to nothing. So the candidate is asked about
//! members as they were, not as it would have made them, and the ledger itself is only read.
//!
//! What was granted then is what caps and budgets have counted. A budget is used up by nothing that is only tried.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;

use jifen_engine::PolicyStore;
use jifen_ledger::{Ledger, Logged, Sqlite};
use jifen_loyalty::decision::Granted;
use jifen_loyalty::entry::NewLot;
use jifen_loyalty::event::Body;
use jifen_loyalty::lot::Issuer;
use jifen_loyalty::time::date_of;
use jifen_loyalty::{DeploymentId, Event, Instant, MemberId, Points, Program, UnitId};
use rules_guest::rate::{Rate, Rounding};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::active::Active;
use crate::batch::{Beside, Outcome, Processor};
use crate::error::HostError;
use crate::programs::Programs;
use crate::releases::Releases;

/// Entries that are read and decided at once.
const CHUNK: usize = 4_000;

/// Members who lose most that are named.
const NAMED: usize = 10;

/// What a candidate is held against.
#[derive(Clone, Copy)]
pub(crate) enum Against<'a> {
    /// What was awarded, by the programs of then.
    History,
    /// What another program would have awarded.
    Program(&'a Active),
}

/// Which events are looked at.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// Those that happened then or later.
    pub(crate) from: Option<Instant>,
    /// Those that happened before.
    pub(crate) until: Option<Instant>,
    /// Those in a region, by its path, and in all below.
    pub(crate) region: Option<String>,
    /// Those at a merchant.
    pub(crate) merchant: Option<String>,
}

/// What another program would have awarded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BacktestReport {
    /// The SHA-256 of the candidate.
    pub(crate) program: String,
    /// Events that were looked at.
    pub(crate) events: u64,
    /// Those of them that the candidate would not take.
    pub(crate) refused: u64,
    /// What deployments would have failed to answer.
    pub(crate) faults: u64,
    /// Receipts of history that this build does not derive again to the byte; then what was known is not quite what was known then.
    pub(crate) differ: u64,
    /// By unit.
    pub(crate) units: Vec<Row>,
    /// By deployment and unit.
    pub(crate) deployments: Vec<Row>,
    /// By merchant and unit; those of no merchant are left out.
    pub(crate) merchants: Vec<Row>,
    /// By region and unit, likewise.
    pub(crate) regions: Vec<Row>,
    /// By business day and unit.
    pub(crate) days: Vec<Row>,
    /// What issuers pay for it where a contract says so, by issuer.
    pub(crate) costs: Vec<Cost>,
    /// Members of a unit who would have been awarded more.
    pub(crate) gain: u64,
    /// Members of a unit who would have been awarded less.
    pub(crate) lose: u64,
    /// Those who lose most, each with the event at which they lose most.
    pub(crate) losers: Vec<Loser>,
}

/// What was and what would have been awarded.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Row {
    /// Of what, if of a part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) of: Option<String>,
    /// Of which unit.
    pub(crate) unit: String,
    #[serde(flatten)]
    pub(crate) points: Pair,
}

/// What was, and what would have been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Pair {
    /// What was awarded.
    pub(crate) was: u64,
    /// What would have been.
    pub(crate) would_be: u64,
}

/// What an issuer pays for points, in minor units.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Cost {
    /// Who.
    pub(crate) issuer: String,
    /// ISO 4217.
    pub(crate) currency: String,
    #[serde(flatten)]
    pub(crate) minor: Pair,
}

/// A member who would have been awarded less.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Loser {
    /// Who.
    pub(crate) member: String,
    /// Of which unit.
    pub(crate) unit: String,
    #[serde(flatten)]
    pub(crate) points: Pair,
    /// Who sent the event at which the member loses most.
    pub(crate) source: String,
    /// The sender's name for it.
    pub(crate) id: String,
}

/// Which of what was and what would be.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    /// What was.
    Was,
    /// What would be.
    WouldBe,
}

impl Pair {
    pub(crate) fn add(&mut self, side: Side, points: u64) {
        let sum = match side {
            Side::Was => &mut self.was,
            Side::WouldBe => &mut self.would_be,
        };
        *sum = sum.saturating_add(points);
    }

    fn loss(self) -> u64 {
        self.was.saturating_sub(self.would_be)
    }
}

/// Decides history again with a candidate beside, and returns what it would have awarded; nothing if it is stopped. `go_on` hears how many
/// entries were decided, and says whether to.
///
/// # Errors
///
/// If the ledger cannot be read, a program of it cannot be loaded, or there is no room to try.
pub(crate) fn backtest(
    ledger: &dyn Ledger,
    store: &PolicyStore,
    candidate: &Active,
    against: Against<'_>,
    scope: &Scope,
    threads: NonZeroUsize,
    go_on: impl Fn(u64) -> ControlFlow<()>,
) -> Result<Option<BacktestReport>, HostError> {
    let releases = Releases::new(None, Some(ledger));
    let programs = Programs::new(ledger, &releases, store).with_our_tables();
    let scratch = Sqlite::scratch()?;
    let mut tally = Tally::new(candidate, scope);
    let beside = match against {
        Against::History => vec![candidate],
        Against::Program(other) => vec![candidate, other],
    };
    let mut decide = |chunk: Chunk| {
        tally.differ = tally.differ.saturating_add(chunk.unread);
        for part in chunk.parts {
            let active = programs.get(&part.program)?;
            let processor = Processor {
                of_log: true,
                beside: &beside,
                ..Processor::new(&active, &programs, &scratch, threads)
            };
            let (events, logged): (Vec<_>, Vec<_>) = part.events.into_iter().unzip();
            let outcomes = processor.process(events.clone())?;
            for ((event, logged), outcome) in events.iter().zip(&logged).zip(&outcomes) {
                tally.add(against, &active.program, event, logged, outcome);
            }
        }
        Ok::<_, HostError>(go_on(chunk.entries))
    };
    let mut next = Chunk::read(ledger, 0)?;
    while let Some(chunk) = next {
        // The next is read while this one is decided.
        let (decided, ahead) = thread::scope(|scope| {
            let last = chunk.last;
            let ahead = scope.spawn(move || Chunk::read(ledger, last));
            let decided = decide(chunk)?;
            Ok::<_, HostError>((decided, ahead.join().expect("a log cannot panic the host")?))
        })?;
        if decided.is_break() {
            return Ok(None);
        }
        next = ahead;
    }
    Ok(Some(tally.report()))
}

/// Entries in a row.
struct Chunk {
    /// The last one's place in the log.
    last: u64,
    entries: u64,
    /// How many of them this host cannot read.
    unread: u64,
    parts: Vec<Part>,
}

/// Entries in a row that one program decided.
struct Part {
    program: String,
    events: Vec<(Arc<Event>, Logged)>,
}

impl Chunk {
    /// Reads what follows a place of the log, and splits it where the program changes; nothing at the end. Settlements are left out:
    /// nothing of a member changes by them.
    fn read(ledger: &dyn Ledger, after: u64) -> Result<Option<Self>, HostError> {
        #[derive(Deserialize)]
        struct Decided {
            program: String,
        }
        let chunk = ledger.log(after, CHUNK)?;
        let Some(last) = chunk.last().map(|last| last.seq) else { return Ok(None) };
        let entries = u64::try_from(chunk.len()).unwrap_or(0);
        let (mut parts, mut unread) = (Vec::<Part>::new(), 0_u64);
        for logged in chunk {
            let decided = serde_json::from_slice::<Decided>(&logged.receipt);
            let (Ok(Decided { program }), Ok(event)) = (decided, Event::parse(&logged.event)) else {
                unread = unread.saturating_add(1);
                continue;
            };
            if matches!(event.body, Body::Settlement(_)) {
                continue;
            }
            // Of what is returned or used on, the receipt names the program of before, and it is put to that whoever is at work.
            let follows = event.follows();
            let entry = (Arc::new(event), logged);
            match parts.last_mut().filter(|part| follows || part.program == program) {
                Some(part) => part.events.push(entry),
                None => parts.push(Part { program, events: vec![entry] }),
            }
        }
        Ok(Some(Self { last, entries, unread, parts }))
    }
}

/// What came out until now.
struct Tally<'a> {
    candidate: &'a Active,
    scope: &'a Scope,
    events: u64,
    refused: u64,
    faults: u64,
    differ: u64,
    units: Sums<UnitId>,
    deployments: Sums<(DeploymentId, UnitId)>,
    merchants: Sums<(String, UnitId)>,
    regions: Sums<(String, UnitId)>,
    days: Sums<(String, UnitId)>,
    costs: Sums<(String, String, Rate)>,
    members: Members,
}

/// What members were and would have been awarded, by unit.
#[derive(Default)]
pub(crate) struct Members(BTreeMap<(MemberId, UnitId), Of>);

type Sums<K> = BTreeMap<K, Pair>;

/// What a member was and would have been awarded.
#[derive(Default)]
struct Of {
    points: Pair,
    /// The event at which the member loses most, and how much.
    worst: Option<(u64, String, String)>,
}

/// Where and when something happened.
struct Place<'p> {
    merchant: &'p str,
    region: &'p str,
    day: String,
    time: Instant,
}

/// An award, of then or of the candidate.
struct Award<'a> {
    deployment: &'a DeploymentId,
    to: &'a MemberId,
    unit: &'a UnitId,
    issuer: &'a Issuer,
    points: Points,
}

impl<'a> Award<'a> {
    fn of_lot(NewLot { member: to, lot }: &'a NewLot) -> Self {
        Self { deployment: &lot.deployment, to, unit: &lot.unit, issuer: &lot.issuer, points: lot.points }
    }

    fn of_decision(it: &'a Granted) -> Option<Self> {
        let Granted { deployment, to, unit, issuer, granted: points, .. } = it;
        let award = Self { deployment, to: to.as_ref()?, unit, issuer, points: *points };
        (!points.is_zero()).then_some(award)
    }
}

/// Returns what a program would have awarded, nothing where it would not have taken the event.
fn granted(beside: &Beside) -> Vec<Award<'_>> {
    let awards = beside.iter().flat_map(|decision| &decision.awards);
    awards.filter_map(Award::of_decision).collect()
}

impl<'a> Tally<'a> {
    fn new(candidate: &'a Active, scope: &'a Scope) -> Self {
        Self {
            candidate,
            scope,
            events: 0,
            refused: 0,
            faults: 0,
            differ: 0,
            units: Sums::new(),
            deployments: Sums::new(),
            merchants: Sums::new(),
            regions: Sums::new(),
            days: Sums::new(),
            costs: Sums::new(),
            members: Members::default(),
        }
    }

    /// Adds what became of an entry.
    fn add(
        &mut self,
        against: Against<'_>,
        program: &Program,
        event: &Event,
        logged: &Logged,
        outcome: &Outcome,
    ) {
        let again = match outcome {
            Outcome::Applied { recorded, .. } | Outcome::Duplicate(recorded) => recorded.digest.as_ref(),
            Outcome::Refused { .. } => None,
        };
        if again != Some(&logged.receipt_digest) {
            self.differ = self.differ.saturating_add(1);
        }
        let Outcome::Applied { lots, beside, .. } = outcome else { return };
        let Some(would_be) = beside.first() else { return };
        let Some(place) = Place::of(program, event).filter(|place| self.scope.has(place)) else { return };
        self.events = self.events.saturating_add(1);
        let mut changed = BTreeMap::<(MemberId, UnitId), Pair>::new();
        let (program, was) = match (against, beside.get(1)) {
            (Against::Program(other), Some(was)) => (&other.program, granted(was)),
            (Against::History | Against::Program(_), _) => {
                (program, lots.iter().map(Award::of_lot).collect())
            }
        };
        match would_be {
            Err(_) => self.refused = self.refused.saturating_add(1),
            Ok(decision) => {
                let faults = u64::try_from(decision.faults.len()).unwrap_or(u64::MAX);
                self.faults = self.faults.saturating_add(faults);
            }
        }
        let would_be = granted(would_be);
        for (side, program, awards) in
            [(Side::Was, program, &was), (Side::WouldBe, &self.candidate.program, &would_be)]
        {
            for award in awards {
                self.award(side, program, &place, award);
                let whose = (award.to.clone(), award.unit.clone());
                changed.entry(whose).or_default().add(side, award.points.get());
            }
        }
        self.members.add(changed, event);
    }

    fn award(&mut self, side: Side, program: &Program, place: &Place<'_>, award: &Award<'_>) {
        let Award { deployment, unit, issuer, points, .. } = award;
        let points = points.get();
        let of = |what: &str| (what.to_owned(), (*unit).clone());
        self.units.entry((*unit).clone()).or_default().add(side, points);
        self.deployments.entry(((*deployment).clone(), (*unit).clone())).or_default().add(side, points);
        self.days.entry(of(&place.day)).or_default().add(side, points);
        if !place.merchant.is_empty() {
            self.merchants.entry(of(place.merchant)).or_default().add(side, points);
        }
        if !place.region.is_empty() {
            self.regions.entry(of(place.region)).or_default().add(side, points);
        }
        if let Some(contract) = program.contract(issuer, unit, place.time).filter(|it| !it.accrual.is_zero())
        {
            let key = (issuer.to_string(), contract.currency.clone(), contract.accrual);
            self.costs.entry(key).or_default().add(side, points);
        }
    }

    fn report(self) -> BacktestReport {
        let rows = |sums: Sums<(String, UnitId)>| {
            sums.into_iter().map(|((of, unit), points)| row(Some(of), &unit, points)).collect()
        };
        let mut costs = BTreeMap::<(String, String), Pair>::new();
        for ((issuer, currency, rate), points) in self.costs {
            let minor = costs.entry((issuer, currency)).or_default();
            for (side, points) in [(Side::Was, points.was), (Side::WouldBe, points.would_be)] {
                minor.add(side, rate.of(points, 1, Rounding::HalfUp).unwrap_or(u64::MAX));
            }
        }
        let costs = costs.into_iter().map(|((issuer, currency), minor)| Cost { issuer, currency, minor });
        let (gain, lose, losers) = self.members.told();
        let deployments = self.deployments.iter();
        BacktestReport {
            program: self.candidate.digest.clone(),
            events: self.events,
            refused: self.refused,
            faults: self.faults,
            differ: self.differ,
            units: self.units.iter().map(|(unit, points)| row(None, unit, *points)).collect(),
            deployments: deployments
                .map(|((id, unit), points)| row(Some(id.to_string()), unit, *points))
                .collect(),
            merchants: rows(self.merchants),
            regions: rows(self.regions),
            days: rows(self.days),
            costs: costs.collect(),
            gain,
            lose,
            losers,
        }
    }
}

pub(crate) fn row(of: Option<String>, unit: &UnitId, points: Pair) -> Row {
    Row { of, unit: unit.to_string(), points }
}

impl Members {
    /// Adds what changes for members at an event.
    pub(crate) fn add(&mut self, changed: BTreeMap<(MemberId, UnitId), Pair>, event: &Event) {
        for (whose, pair) in changed {
            let of = self.0.entry(whose).or_default();
            of.points.add(Side::Was, pair.was);
            of.points.add(Side::WouldBe, pair.would_be);
            let loss = pair.loss();
            if loss > of.worst.as_ref().map_or(0, |(worst, ..)| *worst) {
                of.worst = Some((loss, event.source.clone(), event.id.clone()));
            }
        }
    }

    /// Returns how many have more, how many less, and who least.
    pub(crate) fn told(&self) -> (u64, u64, Vec<Loser>) {
        let count = |is: fn(&Pair) -> bool| {
            let of = self.0.values().filter(|of| is(&of.points)).count();
            u64::try_from(of).unwrap_or(u64::MAX)
        };
        let (gain, lose) = (count(|it| it.would_be > it.was), count(|it| it.would_be < it.was));
        let mut losers: Vec<_> = self.0.iter().filter(|(_, of)| of.points.loss() > 0).collect();
        losers.sort_by_key(|(_, of)| std::cmp::Reverse(of.points.loss()));
        let losers = losers.into_iter().take(NAMED).filter_map(|((member, unit), of)| {
            let (_, source, id) = of.worst.clone()?;
            let (member, unit, points) = (member.to_string(), unit.to_string(), of.points);
            Some(Loser { member, unit, points, source, id })
        });
        (gain, lose, losers.collect())
    }
}

impl<'p> Place<'p> {
    fn of(program: &'p Program, event: &'p Event) -> Option<Self> {
        let situation = program.situate(event.happening()?).ok()?;
        let merchant = situation.merchant.map_or("", |merchant| merchant.id.as_str());
        let day = date_of(situation.today.day.number())?.to_string();
        Some(Self {
            merchant,
            region: if merchant.is_empty() { "" } else { situation.region },
            day,
            time: event.time,
        })
    }
}

impl Scope {
    /// Returns whether an event of a program lies in it.
    pub(crate) fn covers(&self, program: &Program, event: &Event) -> bool {
        Place::of(program, event).is_some_and(|place| self.has(&place))
    }

    fn has(&self, place: &Place<'_>) -> bool {
        let within = |region: &String| {
            place
                .region
                .strip_prefix(region.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.from.is_none_or(|from| place.time >= from)
            && self.until.is_none_or(|until| place.time < until)
            && self.region.as_ref().is_none_or(within)
            && self.merchant.as_ref().is_none_or(|merchant| merchant == place.merchant)
    }
}
