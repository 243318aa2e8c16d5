//! Campaigns: what is done for members on a day that begins.
//!
//! Closing a day runs the campaigns of the next one, each over all members in the order of the file, so that a campaign sees what
//! those before it did. Members are asked about side by side, and the next of them while what is decided for these is written. Only for those
//! for whom something is to be done there is an event: `CAMPAIGN/ONCE/MEMBER` of `/jifen/campaigns`, at the midnight that begins the
//! day, with the day for `ONCE` or another time for which it is to be done once. That name is the event's for ever, so it is done
//! once, however often days are closed. What is done in shadow has a name of its own, `CAMPAIGN/shadow-ONCE/MEMBER`, and is done once
//! more when the campaign goes live; and where a cap or the budget leaves nothing of what it awards, nothing is done, so that it can
//! be done later.

use std::collections::{BTreeMap, HashMap};
use std::thread;

use jifen_ledger::{MemberQuery, Needs, Query, Snapshot};
use jifen_loyalty::decision::{Decision, Expiring, Terms};
use jifen_loyalty::event::{Close, Happening, Occasion, Run};
use jifen_loyalty::lot::Purse;
use jifen_loyalty::member::Grants;
use jifen_loyalty::program::{Deployment, Segment};
use jifen_loyalty::receipt::Evaluation;
use jifen_loyalty::time::{day_number, next_day};
use jifen_loyalty::{DeploymentId, Event, Fact, Instant, InvalidEvent, Member, MemberId, Points};

use crate::active::{Active, Loaded};
use crate::batch::{Ahead, Done, Outcome, Processor, Read};
use crate::error::Undecided;
use crate::facts::{first_day_needed, month_of};
use crate::pipeline::{Known, Source, Stock, View, answers_to, counts, forget_others};

/// How the refusal begins of a day of a campaign on which there is nothing to do for the member.
const NOTHING_TO_DO: &str = "nothing_to_do:";

/// How the refusal begins where caps and the budget leave nothing of what there would be to do.
const NOTHING_LEFT: &str = "nothing_left:";

/// How often members are asked about at most while others change them.
const TRIES: usize = 3;

/// Members who are read together.
const MEMBERS: usize = 4_000;

/// A campaign's day over all members.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Tally {
    /// Members who were looked at.
    pub(crate) members: u64,
    /// Those for whom something was done.
    pub(crate) acted: u64,
    /// Those for whom nothing was done, because a cap or the budget left nothing of what it would have awarded.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) withheld: u64,
    /// Those for whom the policy failed to say what is done.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) faults: u64,
}

impl Tally {
    /// Adds that of other members, or of another day.
    pub(crate) fn add(&mut self, other: &Self) {
        self.members = self.members.saturating_add(other.members);
        self.acted = self.acted.saturating_add(other.acted);
        self.withheld = self.withheld.saturating_add(other.withheld);
        self.faults = self.faults.saturating_add(other.faults);
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Checks that an event is the one that closing a day makes.
pub(crate) fn admit(
    active: &Active,
    event: &Event,
    happening: &Happening,
    run: &Run,
    member: &Member,
) -> Result<(), InvalidEvent> {
    let zone = active.program.zone;
    let midnight = zone.start_of(zone.local(event.time).date);
    let wrong = |field: &str, reason| Err(InvalidEvent { field: field.to_owned(), reason });
    if event.time != midnight {
        let at = zone.format(midnight);
        return wrong("time", format!("a campaign runs as its day begins, at {at}; write that"));
    }
    let own = active.campaign(run)?.event(active, &happening.member, member, midnight)?;
    match own {
        Some(own) if own.id == event.id => Ok(()),
        Some(own) => wrong("id", format!("must be {:?}, so that it is done once", own.id)),
        None => is_due(run, happening, &Decision::default()),
    }
}

/// Checks that there is something to be done for the member.
pub(crate) fn is_due(run: &Run, happening: &Happening, decision: &Decision) -> Result<(), InvalidEvent> {
    if !decision.is_idle() {
        return Ok(());
    }
    let (campaign, member) = (&run.campaign, &happening.member);
    let reason = if decision.is_used_up() {
        format!("{NOTHING_LEFT} a cap or the budget leaves nothing of what {campaign} awards {member}")
    } else {
        format!("{NOTHING_TO_DO} {campaign} does nothing for {member}")
    };
    Err(InvalidEvent { field: "data.campaign".to_owned(), reason })
}

/// Asks a campaign what it does for a member; nothing for one who is not in its segment.
///
/// # Errors
///
/// If there is no such campaign, or it does not run on that day.
pub(crate) fn run(
    active: &Active,
    run: &Run,
    terms: &Terms<'_>,
    source: &impl Source,
) -> Result<(Decision, Evaluation), InvalidEvent> {
    let campaign = active.campaign(run)?;
    let today = &terms.situation.today.day;
    if !campaign.deployment.applies(terms.happening.time, &terms.situation)? {
        let reason = format!("{} does not run on {today}", run.campaign);
        return Err(InvalidEvent { field: "data.campaign".to_owned(), reason });
    }
    Ok(campaign.ask(active, terms, source))
}

/// A campaign with its policy.
#[derive(Clone, Copy)]
pub(crate) struct Campaign<'a> {
    pub(crate) deployment: &'a Deployment,
    pub(crate) segment: &'a Segment,
    pub(crate) loaded: &'a Loaded,
}

impl Campaign<'_> {
    /// Returns what of a member's history it needs.
    pub(crate) fn needs(&self) -> Needs {
        let Needs { granted_by_day, lots, .. } = self.loaded.needs;
        let over_periods = self.deployment.cap.over_periods();
        Needs { granted_by_day: granted_by_day || over_periods || lots, ..self.loaded.needs }
    }

    /// Returns whether a day lies in the past of a member, and is not to be looked at: it may be closed again, or late. Nothing is
    /// done for who joined later, nor by a policy that asks what the member has for whom it did something on a later day already.
    fn is_past(&self, active: &Active, member: &Member, midnight: Instant) -> bool {
        let today = day_number(active.program.zone.local(midnight).date);
        let mut grants = member.granted_by_day.keys();
        let given_later = |(of, day): &(Grants, i32)| of.deployment == self.deployment.id && *day > today;
        member.profile.registered_day > today || self.loaded.needs.lots && grants.any(given_later)
    }

    /// Returns the event by which something is done for a member; nothing where it is not to be done once for anything.
    fn event(
        &self,
        active: &Active,
        id: &MemberId,
        member: &Member,
        midnight: Instant,
    ) -> Result<Option<Event>, InvalidEvent> {
        let today = active.program.zone.local(midnight).date;
        let once = self.segment.once.name(today, member.profile.last_purchase_day);
        let once = once.filter(|_| !self.is_past(active, member, midnight));
        let once = once.map(|once| match self.deployment.is_live_for(id) {
            true => once,
            false => format!("shadow-{once}"),
        });
        once.map(|once| Event::run_of(&self.deployment.id, &once, id, midnight)).transpose()
    }

    fn ask(&self, active: &Active, terms: &Terms<'_>, source: &impl Source) -> (Decision, Evaluation) {
        let Self { deployment, segment, loaded: Loaded { policy, needs, scalars, meter } } = *self;
        let today = &terms.situation.today;
        let usage = source.usage(deployment, &today.day);
        let unit = &active.program.unit_of(deployment).id;
        let facts = source.facts(&deployment.id, Purse::of(unit), *needs, &today.day);
        let day = today.day.number();
        let asked: Vec<Fact> = scalars.iter().copied().chain(segment.facts(day)).collect();
        let mut known = answers_to(&asked, &facts);
        let expiring = segment.expiring_through(day).and_then(|(through, fact)| {
            let points = Points::new(facts.answer(fact).ok()?)?;
            Some(Expiring { unit: unit.clone(), through, points })
        });
        let mut decision = Decision::default();
        let mut evaluation = Evaluation {
            deployment: deployment.id.clone(),
            points_so_far: Points::ZERO,
            fuel: 0,
            facts: Vec::new(),
            known: Vec::new(),
            usage: counts(deployment).then_some(usage),
        };
        if !segment.has(day, |fact| facts.answer(fact).ok()) {
            return (decision, evaluation);
        }
        let answer = meter.of(|| policy.run(today, facts));
        known.sort_unstable_by_key(|answer| answer.fact);
        known.dedup();
        known.retain(|known| !answer.asked.contains(known));
        decision.act(terms, deployment, answer.outcome, usage, expiring.as_ref());
        evaluation = Evaluation { fuel: answer.fuel_used, facts: answer.asked, known, ..evaluation };
        forget_others(&mut evaluation, &decision, source);
        (decision, evaluation)
    }
}

/// Runs the campaigns of the day that a close begins, and adds what they came to.
///
/// # Errors
///
/// If the ledger fails, or something cannot be done. What was done by then is done once, however often this is repeated.
pub(crate) fn run_all(processor: &Processor<'_>, close: &Close, done: &mut Done) -> Result<(), Undecided> {
    let Processor { active, ledger, watch, .. } = processor;
    let midnight = active.program.zone.start_of(next_day(close.day));
    for campaign in active.campaigns() {
        let id = &campaign.deployment.id;
        let pass = Pass { processor, campaign, midnight };
        if !pass.runs()? {
            continue;
        }
        let mut decided = pass.decide(pass.read(ledger.members(None, MEMBERS)?)?)?;
        while let Some(last) = decided.ids.last() {
            // What is read of the next members is what was true before these, whoever is faster.
            let next = pass.read(ledger.members(Some(last), MEMBERS)?)?;
            decided = thread::scope(|scope| {
                let ahead = scope.spawn(|| pass.decide(next));
                pass.act(decided, done)?;
                ahead.join().expect("a policy cannot panic the host")
            })?;
            watch(id, done.campaigns.entry(id.clone()).or_default());
        }
    }
    Ok(())
}

fn count(members: usize) -> u64 {
    u64::try_from(members).unwrap_or(u64::MAX)
}

/// Members, and what a campaign may ask of them.
struct Page {
    ids: Vec<MemberId>,
    members: Vec<Member>,
    referrers: HashMap<MemberId, Member>,
    budgets_used: BTreeMap<DeploymentId, Points>,
}

/// What a campaign does for some members, decided and not committed yet.
struct Decided {
    ids: Vec<MemberId>,
    events: Ahead,
    withheld: u64,
    faults: u64,
}

/// What a campaign does for some members.
#[derive(Default)]
struct Acting {
    /// Those that the ledger does not know.
    events: Vec<Event>,
    /// What it would have done, had a cap or the budget left something.
    withheld: Vec<Event>,
    /// For how many its policy failed to say what.
    faults: u64,
}

/// A campaign on its way through all members.
struct Pass<'a> {
    processor: &'a Processor<'a>,
    campaign: Campaign<'a>,
    midnight: Instant,
}

impl Pass<'_> {
    fn happening(&self, member: &MemberId) -> Happening {
        let run = Run { campaign: self.campaign.deployment.id.clone() };
        Happening { member: member.clone(), time: self.midnight, occasion: Occasion::Run(run) }
    }

    /// Returns whether the campaign runs on that day.
    fn runs(&self) -> Result<bool, InvalidEvent> {
        let nobody = self.happening(&"".into());
        let situation = self.processor.active.program.situate(&nobody)?;
        self.campaign.deployment.applies(self.midnight, &situation)
    }

    /// Does for some members what there is to do. What somebody else did to one of them meanwhile may make an event another one,
    /// and so a refusal counts only if it comes again on what is known then.
    fn act(&self, mut decided: Decided, done: &mut Done) -> Result<(), Undecided> {
        let mut tally = Tally { members: count(decided.ids.len()), ..Tally::default() };
        let mut tries = 0_usize;
        let refused = loop {
            let Decided { ids, events, withheld, faults } = decided;
            (tally.withheld, tally.faults) = (withheld, faults);
            let mut refused = None;
            for outcome in self.processor.finish(events)? {
                match outcome {
                    Outcome::Refused { refusal, .. } if refusal.reason.starts_with(NOTHING_TO_DO) => {}
                    Outcome::Refused { refusal, .. } if refusal.reason.starts_with(NOTHING_LEFT) => {
                        tally.withheld = tally.withheld.saturating_add(1);
                    }
                    Outcome::Refused { refusal, .. } => refused = Some(refusal),
                    Outcome::Applied { .. } | Outcome::Duplicate(_) => {
                        tally.acted = tally.acted.saturating_add(1);
                        done.add(outcome);
                    }
                }
            }
            tries = tries.saturating_add(1);
            if refused.is_none() || tries >= TRIES {
                break refused;
            }
            decided = self.decide(self.read(ids)?)?;
        };
        done.campaigns.entry(self.campaign.deployment.id.clone()).or_default().add(&tally);
        refused.map_or(Ok(()), |refusal| Err(refusal.into()))
    }

    /// Returns the events that the ledger does not know: the others were done before, for the same day or on another one.
    fn unknown(&self, events: Vec<Event>) -> Result<Vec<Event>, Undecided> {
        let keys: Vec<_> = events.iter().map(|event| (&*event.source, &*event.id)).collect();
        let known = self.processor.ledger.read(&Query { keys: &keys, ..Query::default() })?.known;
        Ok(events
            .into_iter()
            .zip(known)
            .filter(|(_, known)| known.is_none())
            .map(|(event, _)| event)
            .collect())
    }

    /// Reads what the campaign may ask of some members.
    fn read(&self, ids: Vec<MemberId>) -> Result<Page, Undecided> {
        let processor = self.processor;
        let Processor { active, ledger, .. } = processor;
        let needs = self.campaign.needs();
        let (day, _) = active.program.day_of(self.midnight)?;
        let first_day = first_day_needed(self.campaign.loaded.needs, &day);
        let asked: Vec<_> = ids.iter().map(|id| MemberQuery { id, first_day, lots: needs.lots }).collect();
        let query = Query { members: &asked, needs, budgets: &active.budgets, ..Query::default() };
        let Snapshot { members, budgets_used, .. } = ledger.read(&query)?;
        let month = *month_of(&day).start();
        let occasion = Occasion::Run(Run { campaign: self.campaign.deployment.id.clone() });
        let referrers =
            members.iter().filter_map(|member| processor.referrer_to_read(&member.profile, &occasion));
        let referrers = processor.read_referrers(referrers.map(|by| (by, month)).collect())?;
        Ok(Page { ids, members, referrers, budgets_used })
    }

    /// Decides what the campaign does for some members.
    fn decide(&self, page: Page) -> Result<Decided, Undecided> {
        let Acting { events, withheld, faults } = self.acting(&page)?;
        let Page { ids, members, referrers, budgets_used } = page;
        let members = ids.iter().cloned().zip(members).collect();
        let read = Read::of_members(members, referrers, budgets_used);
        let events = self.processor.decide_ahead(events, read)?;
        Ok(Decided { ids, events, withheld: count(withheld.len()), faults })
    }

    /// Returns what the campaign does for some members.
    fn acting(&self, page: &Page) -> Result<Acting, Undecided> {
        let Page { ids, members, .. } = page;
        let each = ids.len().div_ceil(self.processor.threads.get()).max(1);
        let parts = ids.chunks(each).zip(members.chunks(each));
        let look = |(ids, members): (&[MemberId], &[Member])| self.look(ids, members, page);
        let Acting { events, withheld, faults } = thread::scope(|scope| {
            let threads: Vec<_> = parts.map(|part| scope.spawn(move || look(part))).collect();
            let mut acting = Acting::default();
            for thread in threads {
                let more = thread.join().expect("a policy cannot panic the host")?;
                acting.events.extend(more.events);
                acting.withheld.extend(more.withheld);
                acting.faults = acting.faults.saturating_add(more.faults);
            }
            Ok::<_, Undecided>(acting)
        })?;
        Ok(Acting { events: self.unknown(events)?, withheld: self.unknown(withheld)?, faults })
    }

    fn look(&self, ids: &[MemberId], members: &[Member], page: &Page) -> Result<Acting, InvalidEvent> {
        let active = self.processor.active;
        let Page { referrers, budgets_used, .. } = page;
        let (redemptions, stock) = (HashMap::new(), Stock::new());
        let mut acting = Acting::default();
        let is_past = |member: &Member| self.campaign.is_past(active, member, self.midnight);
        for (id, member) in ids.iter().zip(members).filter(|(_, member)| !is_past(member)) {
            let happening = self.happening(id);
            let situation = active.program.situate(&happening)?;
            let known = Known {
                program: &active.program,
                member,
                order: None,
                referrers,
                redemptions: &redemptions,
                budgets_used,
                stock: &stock,
                answers: None,
            };
            let view = View::new(&happening, &known);
            let terms = Terms {
                program: &active.program,
                happening: &happening,
                situation,
                referral: view.referral(),
            };
            let (decision, _) = self.campaign.ask(active, &terms, &view);
            acting.faults = acting.faults.saturating_add(count(decision.faults.len()));
            let event = || self.campaign.event(active, id, member, self.midnight);
            if decision.is_used_up() {
                acting.withheld.extend(event()?);
            } else if !decision.is_idle() {
                acting.events.extend(event()?);
            }
        }
        Ok(acting)
    }
}
