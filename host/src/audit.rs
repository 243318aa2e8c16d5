//! An audit: everything that a ledger keeps, worked out again from its log.
//!
//! The log is walked once: each entry has its place, its digests, postings that sum to zero. What members, lots, holds, debts
//! and budgets come to by the postings and receipts is then held against what the store says they are. Replay asks whether
//! each entry was decided rightly; this asks whether the store has added them up.

use std::collections::{BTreeMap, BTreeSet};

use jifen_ledger::{Ledger, Logged, Stored};
use jifen_loyalty::clawback::Reversal;
use jifen_loyalty::event::{Body, Occasion, Sent};
use jifen_loyalty::lot::{Issuer, LotId};
use jifen_loyalty::member::{Profile, Referral};
use jifen_loyalty::posting::{Kind, Posting, balanced, parse_debt, parse_held};
use jifen_loyalty::receipt::Inputs;
use jifen_loyalty::{
    DeploymentId, Event, MemberId, NoticeId, Points, Program, Receipt, RedemptionId, UnitId,
};
use sha2::{Digest, Sha256};

use crate::active::program_named;
use crate::error::HostError;
use crate::pipeline::reviewed_payer;

/// Entries that are read at once.
const CHUNK: usize = 1_000;

/// What an audit found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) entries: u64,
    pub(crate) members: u64,
    pub(crate) lots: u64,
    /// What does not agree, in words.
    pub(crate) disagreements: Vec<String>,
}

/// Walks a ledger, and calls `progress` with how many entries were walked.
pub(crate) fn check(ledger: &dyn Ledger, progress: impl Fn(u64)) -> Result<Report, HostError> {
    let mut books = Books::default();
    loop {
        let chunk = ledger.log(books.report.entries, CHUNK)?;
        let Some(last) = chunk.last().map(|logged| logged.seq) else { break };
        for logged in &chunk {
            books.enter(ledger, logged)?;
        }
        progress(u64::try_from(chunk.len()).unwrap_or(0));
        if last != books.report.entries {
            books.disagree(format!("the log: receipt {last} stands in place {}", books.report.entries));
            break;
        }
    }
    ledger.stored(&mut |stored| books.compare(stored))?;
    Ok(books.close())
}

/// What the log comes to.
#[derive(Default)]
struct Books {
    report: Report,
    programs: BTreeMap<String, Program>,
    members: BTreeMap<MemberId, (u64, Profile)>,
    lots: BTreeMap<LotId, LotBook>,
    holds: BTreeMap<(MemberId, RedemptionId, LotId), i64>,
    debts: BTreeMap<(MemberId, UnitId, Issuer), i64>,
    budgets: BTreeMap<DeploymentId, i128>,
    undelivered: BTreeSet<NoticeId>,
}

/// What the postings say of a lot.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LotBook {
    member: MemberId,
    unit: UnitId,
    points: i64,
    remaining: i64,
    expired: i64,
}

impl Books {
    fn disagree(&mut self, what: String) {
        self.report.disagreements.push(what);
    }

    fn enter(&mut self, ledger: &dyn Ledger, logged: &Logged) -> Result<(), HostError> {
        let seq = logged.seq;
        self.report.entries = self.report.entries.saturating_add(1);
        if <[u8; 32]>::from(Sha256::digest(&logged.receipt)) != logged.receipt_digest {
            self.disagree(format!("receipt {seq}: it does not have its digest"));
        }
        if !balanced(&logged.postings) {
            self.disagree(format!("receipt {seq}: its postings do not sum to zero"));
        }
        let event = match Event::parse(&logged.event) {
            Ok(event) if event.digest == logged.event_digest => event,
            Ok(_) => {
                self.disagree(format!("receipt {seq}: its event does not have its digest"));
                return Ok(());
            }
            Err(error) => {
                self.disagree(format!("receipt {seq}: its event cannot be read: {error}"));
                return Ok(());
            }
        };
        let inputs = match Receipt::inputs(&logged.receipt) {
            Ok(inputs) => inputs,
            Err(error) => {
                self.disagree(format!("receipt {seq}: {error}"));
                return Ok(());
            }
        };
        if !self.programs.contains_key(&inputs.program) {
            let (program, _) = program_named(ledger, &inputs.program)?;
            self.programs.insert(inputs.program.clone(), program);
        }
        let mut touched: Vec<MemberId> = inputs.member.iter().cloned().collect();
        for posting in &logged.postings {
            touched.extend(self.post(posting));
        }
        touched.sort();
        touched.dedup();
        for member in touched {
            let (version, _) = self.members.entry(member).or_default();
            *version = version.saturating_add(1);
        }
        if let Some((said, own)) = self.paid_by_referrer(&event, &inputs) {
            self.agree(&format!("receipt {seq}: when the referrer paid from its account"), said, own);
        }
        let program = self.programs.get(&inputs.program).expect("it was put there");
        if let (Body::Happening(happening), Ok((day, _))) = (&event.body, program.day_of(event.time)) {
            let (_, mut profile) = self.members.get(&happening.member).cloned().unwrap_or_default();
            if let Occasion::Registration(registration) = &happening.occasion {
                let referrer = registration.referrer.as_ref().and_then(|id| self.members.get(id));
                profile = profile.joined(registration, referrer.map(|(_, profile)| profile));
            }
            self.members.entry(happening.member.clone()).or_default().1 =
                profile.after(&happening.occasion, day.number());
        }
        let notices = Receipt::notices(&logged.receipt).map_err(HostError::Receipt)?;
        let sent = (0..).zip(notices).filter(|(_, notice)| !notice.shadow);
        self.undelivered.extend(sent.map(|(n, _)| NoticeId { seq, n }));
        if let Some(Sent { run, n }) = event.delivers()
            && let Some(sent) = ledger.find(Event::CAMPAIGNS, run)?
        {
            self.undelivered.remove(&NoticeId { seq: sent.seq, n: *n });
        }
        let awarded = Receipt::granted(&logged.receipt).map_err(HostError::Receipt)?;
        let reversals = inputs.refund.iter().flat_map(|refund| &refund.reversals);
        let moves = budget_moves(program, &event, &awarded, reversals);
        for (deployment, points) in moves {
            let sum = self.budgets.entry(deployment).or_default();
            *sum = sum.saturating_add(points).max(0);
        }
        Ok(())
    }

    /// Returns on which day whoever referred the buyer had paid from the account of a purchase, by its receipt and by the log up to
    /// it, 0 for none; `None` where that is not looked at.
    fn paid_by_referrer(&self, event: &Event, inputs: &Inputs) -> Option<(i32, i32)> {
        let payer = reviewed_payer(self.programs.get(&inputs.program)?, &event.happening()?.occasion)?;
        let referral = inputs.referral.as_ref().filter(|_| !inputs.evaluations.is_empty())?;
        let referrer = self.members.get(&referral.by);
        let day = referrer.and_then(|(_, referrer)| referrer.payers.get(payer)).copied();
        Some((referral.same_payer_day.unwrap_or(0), day.unwrap_or(0)))
    }

    /// Adds a posting. Returns the member whose account it is.
    fn post(&mut self, posting: &Posting) -> Option<MemberId> {
        let Posting { kind, account, unit, points, lot } = posting;
        if let (Some(member), Some(lot)) = (account.strip_prefix("member/"), lot) {
            let member = MemberId::from(member);
            let new = LotBook {
                member: member.clone(),
                unit: unit.clone(),
                points: *points,
                remaining: 0,
                expired: 0,
            };
            let book = self.lots.entry(lot.clone()).or_insert(new);
            book.remaining = book.remaining.saturating_add(*points);
            if *kind == Kind::Expiry {
                book.expired = book.expired.saturating_sub(*points);
            }
            return Some(member);
        }
        if let (Some((redemption, member)), Some(lot)) = (parse_held(account), lot) {
            let sum = self.holds.entry((member.clone(), redemption, lot.clone())).or_default();
            *sum = sum.saturating_add(*points);
            return Some(member);
        }
        let (issuer, member) = parse_debt(account)?;
        let sum = self.debts.entry((member.clone(), unit.clone(), issuer)).or_default();
        *sum = sum.saturating_sub(*points);
        Some(member)
    }

    /// Holds what the store says against the books, and strikes it off.
    fn compare(&mut self, stored: Stored) {
        match stored {
            Stored::Member { id, version, profile } => {
                self.report.members = self.report.members.saturating_add(1);
                let (own_version, own) = self.members.remove(&id).unwrap_or_default();
                self.agree(&format!("member {id}: entries"), version, own_version);
                self.agree(&format!("member {id}: purchases"), profile.purchase_count, own.purchase_count);
                self.agree(
                    &format!("member {id}: spend"),
                    profile.purchase_spend_minor,
                    own.purchase_spend_minor,
                );
                self.agree(
                    &format!("member {id}: last purchase"),
                    profile.last_purchase_day,
                    own.last_purchase_day,
                );
                self.agree(&format!("member {id}: registered"), profile.registered_day, own.registered_day);
                self.agree(&format!("member {id}: born"), profile.birth_day, own.birth_day);
                let paid_from = |profile: &Profile| format!("{:?}", profile.payers);
                self.agree(&format!("member {id}: paid from"), paid_from(&profile), paid_from(&own));
                let person = |profile: &Profile| profile.person.clone().unwrap_or_default();
                self.agree(&format!("member {id}: person"), person(&profile), person(&own));
                self.agree(&format!("member {id}: referral"), referral(&profile), referral(&own));
            }
            Stored::Lot { member, lot } => {
                self.report.lots = self.report.lots.saturating_add(1);
                let stored = LotBook {
                    member,
                    unit: lot.unit,
                    points: lot.points.entry(),
                    remaining: lot.remaining.entry(),
                    expired: lot.expired.entry(),
                };
                let own = self.lots.remove(&lot.id);
                if own.as_ref() != Some(&stored) {
                    let own = own.map_or_else(|| "nothing".to_owned(), |own| own.words());
                    self.disagree(format!(
                        "lot {}: the store has {}, its postings {own}",
                        lot.id,
                        stored.words()
                    ));
                }
            }
            Stored::Hold { member, name, lot, points } => {
                let own = self.holds.remove(&(member, name.clone(), lot.clone())).unwrap_or(0);
                self.agree(&format!("redemption {name}: held of lot {lot}"), points.entry(), own);
            }
            Stored::Debt { member, debt } => {
                let key = (member.clone(), debt.unit.clone(), debt.issuer.clone());
                let own = self.debts.remove(&key).unwrap_or(0);
                self.agree(&format!("member {member}: owes {}", debt.issuer), debt.points.entry(), own);
            }
            Stored::Budget { deployment, granted } => {
                let own = self.budgets.remove(&deployment).unwrap_or(0);
                self.agree(&format!("budget {deployment}: granted"), i128::from(granted.get()), own);
            }
            Stored::Undelivered(id) => {
                if !self.undelivered.remove(&id) {
                    self.disagree(format!(
                        "notice {id}: it is in the outbox, and nothing is to be delivered"
                    ));
                }
            }
        }
    }

    fn agree<T: PartialEq + std::fmt::Display>(&mut self, what: &str, stored: T, own: T) {
        if stored != own {
            self.disagree(format!("{what}: the store has {stored}, the log comes to {own}"));
        }
    }

    /// Returns the report; what the store did not speak of is missing there.
    fn close(mut self) -> Report {
        let lots = self.lots.keys().map(|lot| format!("lot {lot}: the store does not have it"));
        let members =
            self.members.keys().map(|member| format!("member {member}: the store does not have them"));
        let holds = self.holds.iter().filter(|(_, points)| **points != 0);
        let holds = holds.map(|((_, name, lot), points)| {
            format!("redemption {name}: {points} of lot {lot} are held, and not in the store")
        });
        let debts = self.debts.iter().filter(|(_, points)| **points != 0);
        let debts = debts
            .map(|((member, ..), points)| format!("member {member}: owes {points}, and not in the store"));
        let budgets = self.budgets.iter().filter(|(_, points)| **points != 0);
        let budgets = budgets.map(|(deployment, points)| {
            format!("budget {deployment}: {points} are granted, and not in the store")
        });
        let undelivered = self.undelivered.iter().map(|id| format!("notice {id}: it is not in the outbox"));
        let rest = debts.chain(budgets).chain(undelivered);
        let missing: Vec<_> = lots.chain(members).chain(holds).chain(rest).collect();
        self.report.disagreements.extend(missing);
        self.report
    }
}

impl LotBook {
    fn words(&self) -> String {
        let Self { member, unit, points, remaining, expired } = self;
        format!("{remaining} left and {expired} lapsed of {points} {unit} of {member}")
    }
}

/// Tells who brought a member.
fn referral(profile: &Profile) -> String {
    match &profile.referral {
        None => "nobody".to_owned(),
        Some(Referral { by, same_person: false, .. }) => by.to_string(),
        Some(Referral { by, same_person: true, .. }) => format!("{by}, the same person"),
    }
}

/// Returns what an entry takes from budgets and gives back to them: points of the deployment's own unit.
fn budget_moves<'r>(
    program: &Program,
    event: &Event,
    awarded: &[(DeploymentId, UnitId, Points)],
    reversals: impl Iterator<Item = &'r Reversal>,
) -> Vec<(DeploymentId, i128)> {
    let budgeted = |id: &DeploymentId, unit: &UnitId| {
        let mut deployments = program.deployments.iter().filter(|it| it.id == *id && it.budget.is_some());
        deployments.find(|deployment| program.unit_of(deployment).id == *unit)
    };
    let is_refund = matches!(event.body, Body::Refund(_));
    // A refund draws on no budget: what it opens more of is of deployments without one.
    let drawn = awarded.iter().filter(|(id, unit, _)| !is_refund && budgeted(id, unit).is_some());
    let drawn = drawn.map(|(id, _, points)| (id.clone(), i128::from(points.get())));
    let returned = reversals.filter(|reversal| {
        budgeted(&reversal.of.deployment, &reversal.of.unit)
            .is_some_and(|deployment| deployment.is_open(event.time))
    });
    let returned =
        returned.map(|it| (it.of.deployment.clone(), i128::from(it.taken_back().get()).saturating_neg()));
    drawn.chain(returned).collect()
}
