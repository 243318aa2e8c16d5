//! Decisions: what the host does with what the policies said.
//!
//! Lanes close one after the other. As a lane closes, its deployments are combined, then caps and budgets reduce
//! what each of them asked for, so that the next lane sees what was granted and never what was wished for. What was
//! asked stays beside what was granted, with the reason for the difference.

#[cfg(test)]
mod tests;

use chrono::NaiveDate;
use rules_guest::allocate::allocated;

use crate::clawback::Level;
use crate::event::{Happening, Occasion};
use crate::id::{DeploymentId, MemberId, UnitId};
use crate::lot::{Issuer, Lot, LotId};
use crate::member::Referral;
use crate::points::Points;
use crate::program::{
    Availability, Cap, Combine, Deployment, Lane, OverEvent, Program, Review, Situation, Unit,
};
use crate::proposal::{Action, Award, Fault, Proposal, Recipient};
use crate::term::{Awaited, Term};
use crate::time::{Instant, date_of, next_day};

/// What an event brings to members, and what it did not bring them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Awards in the order in which lanes closed and deployments stand in the program.
    pub awards: Vec<Granted>,
    /// Noes that the member may be told.
    pub declined: Vec<(DeploymentId, String)>,
    /// What a campaign sends the member.
    pub notices: Vec<Notice>,
    /// Deployments that failed to answer.
    pub faults: Vec<(DeploymentId, Fault)>,
    /// Deployments that asked for more than was left of their budget, whatever then became of what was left.
    pub short_of_budget: Vec<DeploymentId>,
}

/// Something that a campaign sends a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The campaign.
    pub deployment: DeploymentId,
    /// What: its code.
    pub code: String,
    /// Whether the campaign is in shadow, and nothing is sent.
    pub shadow: bool,
    /// What it tells of points that end, if the campaign is about those.
    pub expiring: Option<Expiring>,
}

/// Points of a member that end, and of whose end the member was not told before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiring {
    /// Of which unit.
    pub unit: UnitId,
    /// The last day on which one of them can be spent at the latest.
    pub through: NaiveDate,
    /// How many there are as the campaign runs.
    pub points: Points,
}

/// An award as it was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The deployment that asked.
    pub deployment: DeploymentId,
    /// The member it goes to; `None` if there is no such member.
    pub to: Option<MemberId>,
    /// Of which unit.
    pub unit: UnitId,
    /// Who owes for it.
    pub issuer: Issuer,
    /// What the policy asked for.
    pub asked: Points,
    /// What the member gets.
    pub granted: Points,
    /// Why the policy asked: its code.
    pub code: String,
    /// Why less was granted than asked, if less was.
    pub limit: Option<Limit>,
    /// When the points can be spent.
    pub term: Term,
    /// The line it is for.
    pub line: Option<u32>,
}

/// Why less was granted than asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Another deployment of the lane was preferred.
    Lane,
    /// The deployment is in shadow.
    Shadow,
    /// Nobody referred the member.
    NoReferrer,
    /// The member who referred is the same person.
    SamePerson,
    /// `cap.per_event`.
    PerEvent,
    /// `cap.per_member_per_day`.
    PerMemberPerDay,
    /// `cap.per_member_per_month`.
    PerMemberPerMonth,
    /// `cap.per_referrer_per_day`.
    PerReferrerPerDay,
    /// `cap.per_referrer_per_month`.
    PerReferrerPerMonth,
    /// `budget`.
    Budget,
}

impl Limit {
    /// All there are.
    pub const ALL: [Self; 10] = [
        Self::Lane,
        Self::Shadow,
        Self::NoReferrer,
        Self::SamePerson,
        Self::PerEvent,
        Self::PerMemberPerDay,
        Self::PerMemberPerMonth,
        Self::PerReferrerPerDay,
        Self::PerReferrerPerMonth,
        Self::Budget,
    ];

    /// Returns the code that stands on receipts.
    pub fn code(self) -> &'static str {
        match self {
            Self::Lane => "lane",
            Self::Shadow => "shadow",
            Self::NoReferrer => "no_referrer",
            Self::SamePerson => "same_person",
            Self::PerEvent => "tx_cap",
            Self::PerMemberPerDay => "day_cap",
            Self::PerMemberPerMonth => "month_cap",
            Self::PerReferrerPerDay => "referrer_day_cap",
            Self::PerReferrerPerMonth => "referrer_month_cap",
            Self::Budget => "budget",
        }
    }
}

impl Limit {
    /// Returns whether it is one that leaves less the more was granted: a cap or a budget.
    fn is_of_what_was_granted(self) -> bool {
        match self {
            Self::Lane | Self::Shadow | Self::NoReferrer | Self::SamePerson => false,
            Self::PerEvent
            | Self::PerMemberPerDay
            | Self::PerMemberPerMonth
            | Self::PerReferrerPerDay
            | Self::PerReferrerPerMonth
            | Self::Budget => true,
        }
    }
}

impl Granted {
    /// Returns the lot that it opens on a business day, at an instant.
    pub fn lot(&self, id: LotId, day: i32, at: Instant) -> Lot {
        Lot {
            id,
            unit: self.unit.clone(),
            issuer: self.issuer.clone(),
            deployment: self.deployment.clone(),
            day,
            earned_at: at,
            points: self.granted,
            remaining: self.granted,
            reversed: Points::ZERO,
            expired: Points::ZERO,
            term: self.term.clone(),
        }
    }

    /// Returns what it comes to for a member.
    pub fn level(&self, to: &MemberId, granted: Points) -> Level {
        let Self { deployment, unit, issuer, .. } = self.clone();
        Level { deployment, to: to.clone(), unit, issuer, granted }
    }

    /// Returns why the points are as many as they are: the limit if there was one, else the policy's code.
    pub fn reason(&self) -> &str {
        match self.limit {
            Some(limit) => limit.code(),
            None => &self.code,
        }
    }
}

/// What a deployment had granted before this event, as far as its caps and its budget count it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// To the member on the event's business day.
    pub day: Points,
    /// To the member in the event's civil month.
    pub month: Points,
    /// To the member's referrer on the event's business day.
    pub referrer_day: Points,
    /// To the member's referrer in the event's civil month.
    pub referrer_month: Points,
    /// In all.
    pub budget: Points,
}

/// A deployment's answer to an event.
#[derive(Debug)]
pub struct Answered<'p> {
    /// The deployment.
    pub deployment: &'p Deployment,
    /// What its policy said.
    pub outcome: Result<Proposal, Fault>,
    /// What it had granted before.
    pub usage: Usage,
}

/// For whom and under which terms a decision is made.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'p> {
    /// The program.
    pub program: &'p Program,
    /// What happened.
    pub happening: &'p Happening,
    /// The event in its place.
    pub situation: Situation<'p>,
    /// Who brought the member, if anyone did.
    pub referral: Option<&'p Referral>,
}

impl Decision {
    /// Returns what the member of the event was granted so far of a unit.
    pub fn points_so_far(&self, member: &MemberId, unit: &UnitId) -> Points {
        let to_member = |award: &&Granted| award.unit == *unit && award.to.as_ref() == Some(member);
        self.awards.iter().filter(to_member).map(|award| award.granted).sum()
    }

    /// Returns whether a deployment asked for points for a member, whatever was granted.
    pub fn asks_for(&self, deployment: &DeploymentId, member: &MemberId) -> bool {
        self.awards.iter().any(|it| it.deployment == *deployment && it.to.as_ref() == Some(member))
    }

    /// Returns what a deployment was granted of a unit.
    pub fn granted_to(&self, deployment: &DeploymentId, unit: &UnitId) -> Points {
        let is_it = |award: &&Granted| award.deployment == *deployment && award.unit == *unit;
        self.awards.iter().filter(is_it).map(|award| award.granted).sum()
    }

    /// Returns what the awards come to, by deployment and by who has them.
    pub fn levels(&self) -> Vec<Level> {
        let mut levels = Vec::<Level>::new();
        for award in self.awards.iter().filter(|award| !award.granted.is_zero()) {
            let Some(to) = &award.to else { continue };
            let level = award.level(to, award.granted);
            match levels.iter_mut().find(|other| other.is_of(&level)) {
                Some(other) => other.granted = other.granted.plus(award.granted),
                None => levels.push(level),
            }
        }
        levels
    }

    /// Returns whether the budget was a reason for granting a deployment less than it asked for.
    pub fn limited_by_budget(&self, deployment: &DeploymentId) -> bool {
        self.short_of_budget.contains(deployment)
    }

    /// Adds what a campaign does for its member, as the answer of a lane of its own. What it sends tells of points that end, if
    /// the campaign is about such; nothing is sent where there are awards and nothing is left of them.
    pub fn act(
        &mut self,
        terms: &Terms<'_>,
        deployment: &Deployment,
        actions: Result<Vec<Action>, Fault>,
        usage: Usage,
        expiring: Option<&Expiring>,
    ) {
        let mut notices = Vec::new();
        let shadow = !deployment.is_live_for(&terms.happening.member);
        let own = &terms.program.unit_of(deployment).id;
        let mut granted = Vec::new();
        let mut award = |action| match action {
            Action::Award(award) => match &award.unit {
                Some(unit) if unit != own => Err(Fault::UnitNotGranted { unit: unit.as_str().to_owned() }),
                Some(_) | None => Ok(Some(award)),
            },
            // A point of each, for no cap counts them.
            Action::Grant(unit) if unit != *own && granted.contains(&unit) => {
                Err(Fault::UnitNotGranted { unit: unit.as_str().to_owned() })
            }
            Action::Grant(unit) => {
                granted.push(unit.clone());
                Ok(Some(Award {
                    to: Recipient::Member,
                    points: Points::ONE,
                    reason: unit.as_str().to_owned(),
                    unit: Some(unit),
                    available_from: None,
                    valid_until: None,
                    line: None,
                }))
            }
            Action::Notice(code) => {
                let expiring = expiring.cloned();
                notices.push(Notice { deployment: deployment.id.clone(), code, shadow, expiring });
                Ok(None)
            }
        };
        let outcome = actions.and_then(|actions| {
            let awards = actions.into_iter().map(&mut award).filter_map(Result::transpose);
            awards.collect::<Result<_, _>>().map(Proposal::Awards)
        });
        let alone = Lane { id: deployment.id.as_str().into(), combine: Combine::All };
        self.close(&alone, terms, vec![Answered { deployment, outcome, usage }]);
        if self.faults.is_empty() && !self.is_used_up() {
            self.notices.extend(notices);
        }
    }

    /// Returns whether there are awards, and caps and budgets left nothing of them.
    pub fn is_used_up(&self) -> bool {
        let nothing = self.awards.iter().all(|award| award.granted.is_zero());
        nothing && self.awards.iter().any(|award| award.limit.is_some_and(Limit::is_of_what_was_granted))
    }

    /// Returns whether it comes to nothing that anybody is to know of.
    pub fn is_idle(&self) -> bool {
        let in_vain = |award: &Granted| matches!(award.limit, Some(Limit::NoReferrer | Limit::SamePerson));
        self.notices.is_empty() && (self.is_used_up() || self.awards.iter().all(in_vain))
    }

    /// Returns which notices are to be delivered.
    pub fn to_send(&self) -> Vec<u32> {
        (0..).zip(&self.notices).filter(|(_, notice)| !notice.shadow).map(|(n, _)| n).collect()
    }

    /// Closes a lane with the answers of its deployments.
    pub fn close(&mut self, lane: &Lane, terms: &Terms<'_>, answers: Vec<Answered<'_>>) {
        let mut asked = Vec::with_capacity(answers.len());
        for answer in answers {
            let Answered { deployment, outcome, usage } = answer;
            match outcome.and_then(|proposal| terms.grant(deployment, proposal, usage)) {
                Ok(Answer::Awards(awards)) => {
                    if awards.iter().any(|award| award.limit == Some(Limit::Budget)) {
                        self.short_of_budget.push(deployment.id.clone());
                    }
                    asked.push((deployment, awards));
                }
                Ok(Answer::Declined(reason)) => self.declined.push((deployment.id.clone(), reason)),
                Err(fault) => self.faults.push((deployment.id.clone(), fault)),
            }
        }
        let preferred = preferred(lane.combine, &asked, &terms.happening.member);
        for (index, (_, mut awards)) in asked.into_iter().enumerate() {
            if preferred.is_some_and(|preferred| preferred != index) {
                withhold(&mut awards, Limit::Lane);
            }
            self.awards.extend(awards);
        }
    }
}

/// Returns which deployment the lane prefers, if it must.
fn preferred(combine: Combine, asked: &[(&Deployment, Vec<Granted>)], member: &MemberId) -> Option<usize> {
    let live = |deployment: &Deployment| deployment.is_live_for(member);
    let candidates = || asked.iter().enumerate().filter(|(_, (deployment, _))| live(deployment));
    match combine {
        Combine::All => None,
        // `max_by_key` takes the last of equals, so the search runs backwards.
        Combine::Best => {
            let granted = |awards: &[Granted]| awards.iter().map(|award| award.granted).sum::<Points>();
            candidates().rev().max_by_key(|(_, (_, awards))| granted(awards))
        }
        Combine::First => {
            candidates().find(|(_, (_, awards))| awards.iter().any(|award| !award.asked.is_zero()))
        }
    }
    .map(|(index, _)| index)
}

fn granted_of(unit: &UnitId, awards: &[Granted]) -> Points {
    awards.iter().filter(|award| award.unit == *unit).map(|award| award.granted).sum()
}

enum Answer {
    Awards(Vec<Granted>),
    Declined(String),
}

impl Terms<'_> {
    /// Returns what the deployment would be granted if it were alone in its lane.
    fn grant(&self, deployment: &Deployment, proposal: Proposal, usage: Usage) -> Result<Answer, Fault> {
        let awards = match proposal {
            Proposal::Declined(reason) => return Ok(Answer::Declined(reason)),
            Proposal::Awards(awards) => awards,
        };
        let awards = awards.into_iter().map(|award| self.award(deployment, award));
        let mut awards = awards.collect::<Result<Vec<_>, _>>()?;
        if !deployment.is_live_for(&self.happening.member) {
            withhold(&mut awards, Limit::Shadow);
        }
        let unit = &self.program.unit_of(deployment).id;
        self.apply_cap(&deployment.cap, unit, usage, &mut awards);
        if let Some(budget) = deployment.budget {
            let left = budget.points.less(usage.budget);
            let whole = granted_of(unit, &awards) <= left;
            reduce(
                &mut awards,
                |award| award.unit == *unit,
                if whole || budget.partial { left } else { Points::ZERO },
                Limit::Budget,
            );
        }
        Ok(Answer::Awards(awards))
    }

    /// Applies a cap, which is on points of the deployment's own unit: what it grants beside them is counted by nobody.
    fn apply_cap(&self, cap: &Cap, unit: &UnitId, usage: Usage, awards: &mut [Granted]) {
        let counted = |award: &Granted| award.unit == *unit;
        if let Some(per_event) = cap.per_event {
            let over = granted_of(unit, awards) > per_event;
            let reject = over && cap.over_event == OverEvent::Reject;
            reduce(awards, counted, if reject { Points::ZERO } else { per_event }, Limit::PerEvent);
        }
        let to_member = |award: &Granted| counted(award) && award.to.as_ref() == Some(&self.happening.member);
        if let Some(per_day) = cap.per_member_per_day {
            reduce(awards, to_member, per_day.less(usage.day), Limit::PerMemberPerDay);
        }
        if let Some(per_month) = cap.per_member_per_month {
            reduce(awards, to_member, per_month.less(usage.month), Limit::PerMemberPerMonth);
        }
        let Some(Referral { by: referrer, .. }) = self.referral else { return };
        let to_referrer = |award: &Granted| counted(award) && award.to.as_ref() == Some(referrer);
        if let Some(per_day) = cap.per_referrer_per_day {
            reduce(awards, to_referrer, per_day.less(usage.referrer_day), Limit::PerReferrerPerDay);
        }
        if let Some(per_month) = cap.per_referrer_per_month {
            reduce(awards, to_referrer, per_month.less(usage.referrer_month), Limit::PerReferrerPerMonth);
        }
    }

    /// Checks what only the program and the event can tell, and works out to whom and for how long.
    fn award(&self, deployment: &Deployment, award: Award) -> Result<Granted, Fault> {
        let unit = self.unit(deployment, award.unit.as_ref())?;
        if let Some(line) = award.line {
            self.check_line(line)?;
        }
        let (to, limit) = match (award.to, self.referral) {
            (Recipient::Member, _) => (Some(&self.happening.member), None),
            (Recipient::Referrer, None) => (None, Some(Limit::NoReferrer)),
            (Recipient::Referrer, Some(Referral { by, same_person, .. })) => {
                (Some(by), same_person.then_some(Limit::SamePerson))
            }
        };
        let mut term = self.term((deployment, unit), award.available_from, award.valid_until)?;
        let today = self.situation.today.day.number();
        let asks = |review: Review| self.referral.is_some_and(|referral| review.asks(referral, today));
        if award.to == Recipient::Referrer && deployment.review.is_some_and(asks) {
            term.awaits = Some(awaited(Review::ACTION, unit, award.valid_until));
        }
        Ok(Granted {
            deployment: deployment.id.clone(),
            to: to.cloned(),
            unit: unit.id.clone(),
            issuer: deployment.issuer(&self.situation),
            asked: award.points,
            granted: if limit.is_some() { Points::ZERO } else { award.points },
            code: award.reason,
            limit,
            term,
            line: award.line,
        })
    }

    /// Returns the unit of an award: the deployment's own, or one that it may grant beside it.
    fn unit(&self, deployment: &Deployment, named: Option<&UnitId>) -> Result<&Unit, Fault> {
        let own = self.program.unit_of(deployment);
        let Some(named) = named else { return Ok(own) };
        let further = deployment.grants.iter().map(|place| self.program.unit(*place));
        let found = std::iter::once(own).chain(further).find(|unit| unit.id == *named);
        found.ok_or_else(|| Fault::UnitNotGranted { unit: named.as_str().to_owned() })
    }

    fn check_line(&self, line: u32) -> Result<(), Fault> {
        let lines = match &self.happening.occasion {
            Occasion::Purchase(purchase) => purchase.lines.len(),
            Occasion::Registration(_) | Occasion::Run(_) => 0,
        };
        let lines = u64::try_from(lines).unwrap_or(u64::MAX);
        if u64::from(line) < lines { Ok(()) } else { Err(Fault::NoSuchLine { line, lines }) }
    }

    /// Returns when points can be spent. An expiry that counts from somewhere counts from the day on which they become
    /// available; for those that wait for an action, from today until it is done.
    fn term(
        &self,
        (deployment, unit): (&Deployment, &Unit),
        from: Option<i32>,
        until: Option<i32>,
    ) -> Result<Term, Fault> {
        let zone = self.program.zone;
        let today = self.situation.today.day.number();
        let first = from.unwrap_or_else(|| deployment.available.first_day(today)).max(today);
        let impossible = Fault::NeverSpendable { from: first, until: until.unwrap_or(first) };
        let Some(first_date) = date_of(first) else { return Err(impossible) };
        let available_at = if first == today { self.happening.time } else { zone.start_of(first_date) };
        let term = match until {
            Some(until) if until < first => return Err(impossible),
            Some(until) => {
                unit.ends.at(available_at, zone.start_of(next_day(date_of(until).ok_or(impossible)?)))
            }
            None => unit.ends.counted(available_at, first_date, zone),
        };
        Ok(match &deployment.available {
            Availability::OnAction(action) if from.is_none() => {
                Term { awaits: Some(awaited(action, unit, until)), ..term }
            }
            Availability::AtOnce
            | Availability::AfterDays(_)
            | Availability::On(_)
            | Availability::OnAction(_) => term,
        })
    }
}

/// Returns what points of a unit wait for: where nothing says until when they can be spent, that is counted once it is done.
fn awaited(action: &str, unit: &Unit, until: Option<i32>) -> Awaited {
    let counts = Some(unit.ends).filter(|ends| until.is_none() && ends.are_counted());
    Awaited { action: action.to_owned(), counts }
}

fn withhold(awards: &mut [Granted], limit: Limit) {
    reduce(awards, |_| true, Points::ZERO, limit);
}

/// Reduces the chosen awards until they come to `most`, each by its share: largest remainder, ties to the first
/// (scenario C17).
fn reduce(awards: &mut [Granted], chosen: impl Fn(&Granted) -> bool, most: Points, limit: Limit) {
    let mut chosen: Vec<_> = awards.iter_mut().filter(|award| chosen(award)).collect();
    let granted: Vec<_> = chosen.iter().map(|award| award.granted.get()).collect();
    if chosen.iter().map(|award| award.granted).sum::<Points>() <= most {
        return;
    }
    let shares =
        allocated(most.get(), &granted).expect("there is more than `most` among them, so there are some");
    for (award, share) in chosen.iter_mut().zip(shares) {
        let share = Points::new(share).unwrap_or(Points::ZERO);
        if share < award.granted {
            award.granted = share;
            award.limit = Some(limit);
        }
    }
}
