//! Terms: when points can be spent, and what changes that after they were awarded.
//!
//! Two things do. What the points wait for happens, and from then on they are there. Or the member is told of their end:
//! where the unit asks for that, points of whose end nobody told the member do not end (scenario A14).

use chrono::{Days, NaiveDate};

use crate::id::UnitId;
use crate::lot::{Lot, LotId};
use crate::program::Unit;
use crate::time::{Instant, Zone, date_of, next_day};

/// When points can be spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The first instant at which they can be; [`Instant::NEVER`] while they wait for an action.
    pub available_at: Instant,
    /// The action that they wait for.
    pub awaits: Option<String>,
    /// The first instant at which they no longer can; [`Instant::NEVER`] if they stay.
    pub expires_at: Instant,
    /// Whether the member must be told of that before.
    pub notice: Notice,
}

/// Whether points end only once the member was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notice {
    /// The member was told, or need not be.
    #[default]
    Given,
    /// The member is to be told.
    Needed,
    /// The member was not told in time: the day has come, and the points stay.
    Missing,
}

impl Notice {
    /// Every notice.
    pub const ALL: [Self; 3] = [Self::Given, Self::Needed, Self::Missing];

    /// Returns the word that stands on receipts and in the ledger.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Needed => "needed",
            Self::Missing => "notice_missing",
        }
    }

    /// Reads the word.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|notice| notice.code() == code)
    }
}

impl Term {
    /// Returns the term of points of whose end the member need not be told.
    pub const fn new(available_at: Instant, expires_at: Instant) -> Self {
        Self { available_at, awaits: None, expires_at, notice: Notice::Given }
    }

    /// Returns the first instant at which the points can no longer be spent, as far as is known now.
    pub const fn ends_at(&self) -> Instant {
        ends_at(self.expires_at, self.notice)
    }

    /// Returns the term once the member was told on a day, so many days of notice before the points may end; `None` if
    /// nobody need tell.
    #[must_use]
    pub fn told(&self, today: NaiveDate, days: u32, zone: Zone) -> Option<Self> {
        let last_day = today.checked_add_days(Days::new(days.into()));
        let earliest = last_day.map_or(Instant::NEVER, |last| zone.start_of(next_day(last)));
        let expires_at = self.expires_at.max(earliest);
        (self.notice != Notice::Given).then(|| Self { expires_at, notice: Notice::Given, ..self.clone() })
    }

    /// Returns the term of points earned on a day once an action is done; `None` if they do not wait for it. An end that
    /// was counted from the day of earning is counted from today, and the member is to be told of it anew.
    #[must_use]
    pub fn done(
        &self,
        action: &str,
        unit: &Unit,
        earned: i32,
        (today, at): (NaiveDate, Instant),
        zone: Zone,
    ) -> Option<Self> {
        let counted = date_of(earned).is_some_and(|day| unit.expires_at(day, zone) == self.expires_at);
        (self.awaits.as_deref() == Some(action)).then(|| {
            if counted {
                unit.term(at, unit.expires_at(today, zone))
            } else {
                Self { available_at: at, awaits: None, ..self.clone() }
            }
        })
    }

    /// Returns the term of points whose day has come by an instant without the member having been told; `None` if it has
    /// not, or that was said already.
    #[must_use]
    pub fn missed(&self, at: Instant) -> Option<Self> {
        (self.notice == Notice::Needed && self.expires_at <= at)
            .then(|| Self { notice: Notice::Missing, ..self.clone() })
    }
}

/// Returns the first instant at which points can no longer be spent that are to end at one.
pub(crate) const fn ends_at(expires_at: Instant, notice: Notice) -> Instant {
    match notice {
        Notice::Given => expires_at,
        Notice::Needed | Notice::Missing => Instant::NEVER,
    }
}

/// A lot whose term changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retermed {
    /// Which.
    pub lot: LotId,
    /// Of which unit.
    pub unit: UnitId,
    /// The business day it was earned on.
    pub day: i32,
    /// Its term before.
    pub was: Term,
    /// Its term from now on.
    pub now: Term,
}

impl Retermed {
    /// Returns a lot with the term that it gets, if it gets one.
    pub fn of(lot: &Lot, now: Option<Term>) -> Option<Self> {
        let Lot { id, unit, day, term, .. } = lot;
        Some(Self { lot: id.clone(), unit: unit.clone(), day: *day, was: term.clone(), now: now? })
    }
}
