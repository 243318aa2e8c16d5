//! What a guest can call: facts, and a log. Nothing here does I/O, waits, or reads a clock.

use std::mem;

use jifen_loyalty::facts::{Answer, Fact, Facts, NoAnswer};
use wasmtime::component::{HasSelf, Linker, WasmStr};
use wasmtime::{Engine, Error, ResourceLimiter, Result, StoreContextMut};

use crate::bindings::{awards, balance, birthday, expiring, membership, purchases, referral, tier};
use crate::limits::{self, Limits};
use crate::words::push_clean;

/// The host's side of one instance.
pub struct Host {
    /// What may be asked; `None` while the policy is being configured.
    facts: Option<Facts>,
    /// What was asked, in that order, each question once.
    asked: Vec<Answer>,
    log: Log,
    limits: &'static Limits,
    memory_bytes: usize,
}

/// What a guest wrote for its author.
#[derive(Default)]
struct Log {
    text: String,
    lines: usize,
}

/// A question during `configure`.
#[derive(Debug, thiserror::Error)]
#[error("facts cannot be asked in configure")]
pub struct AskedInConfigure;

/// A question that has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    /// The ledger or the receipt has none.
    #[error(transparent)]
    No(NoAnswer),
    /// There were too many before it.
    #[error("asks more than {} different questions", limits::QUESTIONS_MAX)]
    TooMany,
}

impl Unanswered {
    /// Returns the question, if the record lacks it.
    pub(crate) fn fact(&self) -> Option<Fact> {
        match self {
            Self::No(NoAnswer::NotRecorded { fact }) => Some(*fact),
            Self::No(NoAnswer::BeforeWindow { .. }) | Self::TooMany => None,
        }
    }
}

/// More memory or a larger table than an evaluation may have.
#[derive(Debug, thiserror::Error)]
#[error("asked for more than {limit_bytes} bytes of memory")]
pub struct Refused {
    /// Bytes of memory that it may have.
    pub(crate) limit_bytes: usize,
}

impl Host {
    /// Returns the host's side of an instance that is about to be configured.
    pub fn configuring(limits: &'static Limits) -> Self {
        Self { facts: None, asked: Vec::new(), log: Log::default(), limits, memory_bytes: 0 }
    }

    /// Lets the memory grow once more by as much as it may have: what reads it out needs a page of its own.
    pub fn grant_memory(&mut self) {
        self.memory_bytes = 0;
    }

    /// Ends the configuring: from here on, facts are answered and the log is the evaluation's.
    pub(crate) fn configured(&mut self, facts: Facts) {
        self.facts = Some(facts);
        self.log = Log::default();
    }

    pub(crate) fn into_asked_and_log(self) -> (Vec<Answer>, String) {
        (self.asked, self.log.text)
    }

    fn refused(&self) -> Error {
        Refused { limit_bytes: self.limits.memory_bytes }.into()
    }

    fn answer(&mut self, fact: Fact) -> Result<u64> {
        if let Some(asked) = self.asked.iter().find(|asked| asked.fact == fact) {
            return Ok(asked.value);
        }
        let facts = self.facts.as_ref().ok_or(AskedInConfigure)?;
        if self.asked.len() >= limits::QUESTIONS_MAX {
            return Err(Unanswered::TooMany.into());
        }
        let value = facts.answer(fact).map_err(Unanswered::No)?;
        self.asked.push(Answer { fact, value });
        Ok(value)
    }

    fn answer_flag(&mut self, fact: Fact) -> Result<bool> {
        Ok(self.answer(fact)? != 0)
    }

    fn answer_day(&mut self, fact: Fact) -> Result<i32> {
        Ok(i32::try_from(self.answer(fact)?)?)
    }
}

impl purchases::Host for Host {
    fn lifetime_count(&mut self) -> Result<u64> {
        self.answer(Fact::PurchasesLifetimeCount)
    }

    fn lifetime_spend_minor(&mut self) -> Result<u64> {
        self.answer(Fact::PurchasesLifetimeSpendMinor)
    }

    fn count_since(&mut self, first_day: i32) -> Result<u64> {
        self.answer(Fact::PurchasesCountSince(first_day))
    }

    fn spend_minor_since(&mut self, first_day: i32) -> Result<u64> {
        self.answer(Fact::PurchasesSpendMinorSince(first_day))
    }

    fn last_day(&mut self) -> Result<i32> {
        self.answer_day(Fact::PurchasesLastDay)
    }
}

impl awards::Host for Host {
    fn granted_since(&mut self, first_day: i32) -> Result<u64> {
        self.answer(Fact::AwardsGrantedSince(first_day))
    }
}

impl balance::Host for Host {
    fn available(&mut self) -> Result<u64> {
        self.answer(Fact::BalanceAvailable)
    }

    fn pending(&mut self) -> Result<u64> {
        self.answer(Fact::BalancePending)
    }
}

impl membership::Host for Host {
    fn registered_day(&mut self) -> Result<i32> {
        self.answer_day(Fact::MembershipRegisteredDay)
    }

    fn referred(&mut self) -> Result<bool> {
        self.answer_flag(Fact::MembershipReferred)
    }
}

impl referral::Host for Host {
    fn present(&mut self) -> Result<bool> {
        self.answer_flag(Fact::ReferralPresent)
    }

    fn same_person(&mut self) -> Result<bool> {
        self.answer_flag(Fact::ReferralSamePerson)
    }
}

impl birthday::Host for Host {
    fn civil_today(&mut self) -> Result<bool> {
        self.answer_flag(Fact::BirthdayCivilToday)
    }

    fn civil_month(&mut self) -> Result<bool> {
        self.answer_flag(Fact::BirthdayCivilMonth)
    }

    fn lunar_today(&mut self) -> Result<bool> {
        self.answer_flag(Fact::BirthdayLunarToday)
    }

    fn leap_lunar_today(&mut self) -> Result<bool> {
        self.answer_flag(Fact::BirthdayLeapLunarToday)
    }

    fn lunar_month(&mut self) -> Result<bool> {
        self.answer_flag(Fact::BirthdayLunarMonth)
    }
}

impl expiring::Host for Host {
    fn untold_until(&mut self, last_day: i32) -> Result<u64> {
        self.answer(Fact::ExpiringUntoldUntil(last_day))
    }
}

impl tier::Host for Host {
    fn level(&mut self) -> Result<u64> {
        self.answer(Fact::TierLevel)
    }

    fn earned_since(&mut self, first_day: i32) -> Result<u64> {
        self.answer(Fact::TierEarnedSince(first_day))
    }
}

/// Writes a line of the log. The text is looked at in the guest's memory, and not at all once the log is full: a guest
/// that logs without end costs the host no more than its own fuel.
fn write(mut store: StoreContextMut<'_, Host>, message: &WasmStr) -> Result<()> {
    let mut log = mem::take(&mut store.data_mut().log);
    if !log.is_full() {
        log.push(&message.to_str(&store)?);
    }
    store.data_mut().log = log;
    Ok(())
}

impl Log {
    fn is_full(&self) -> bool {
        self.text.len() >= limits::LOG_BYTES_MAX || self.lines >= limits::LOG_LINES_MAX
    }

    fn push(&mut self, line: &str) {
        push_clean(&mut self.text, line, limits::LOG_BYTES_MAX.saturating_sub(1));
        self.text.push('\n');
        self.lines = self.lines.saturating_add(1);
    }
}

/// Sums over all memories, so that several do not add up to more than one may have. A refusal traps: a guest that is
/// told −1 would go on to some trap that explains less.
impl ResourceLimiter for Host {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let grown = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        if grown > self.limits.memory_bytes {
            return Err(self.refused());
        }
        self.memory_bytes = grown;
        Ok(true)
    }

    fn instances(&self) -> usize {
        usize::try_from(self.limits.core_instances).unwrap_or(usize::MAX)
    }

    fn tables(&self) -> usize {
        usize::try_from(self.limits.tables).unwrap_or(usize::MAX)
    }

    fn memories(&self) -> usize {
        1
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        if desired > self.limits.table_elements { Err(self.refused()) } else { Ok(true) }
    }
}

/// Returns a linker that offers the surroundings of `wit/worlds.wit`, and nothing else.
///
/// # Errors
///
/// None in practice: each name is defined once.
pub fn linker(engine: &Engine) -> Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    purchases::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?;
    awards::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?;
    balance::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?;
    membership::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?;
    referral::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?;
    birthday::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?;
    expiring::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?;
    tier::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host)?;
    // Generated bindings would copy a message before the log could say that it is full.
    let mut log = linker.instance("jifen:policy/log@0.1.0")?;
    log.func_wrap("write", |store, (message,): (WasmStr,)| write(store, &message))?;
    Ok(linker)
}
