//! Terms: when points can be spent, and what changes that after they were awarded.
//!
//! Two things do. What the points wait for happens, and from then on they are there. Or the member is told of their end:
//! where the unit asks for that, points of whose end nobody told the member do not end (scenario A14).

use chrono::{Days, NaiveDate};

use crate::id::UnitId;
use crate::lot::{Lot, LotId};
use crate::program::Ends;
use crate::time::{Instant, Zone, next_day};

/// When points can be spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The first instant at which they can be, if they wait for nothing else.
    pub available_at: Instant,
    /// What they wait for.
    pub awaits: Option<Awaited>,
    /// The first instant at which they no longer can; [`Instant::NEVER`] if they stay.
    pub expires_at: Instant,
    /// Whether the member must be told of that before.
    pub notice: Notice,
}

/// An action that points wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// Which.
    pub action: String,
    /// How their end is counted from the day on which it is done, as the program said when they were awarded; `None` if
    /// it stays where it is.
    pub counts: Option<Ends>,
}

/// Whether points end only once the member was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notice {
    /// The member was told, or need not be.
    #[default]
    Given,
    /// The member is to be told.
    Needed {
        /// Days between telling and the last day.
        days: u32,
    },
    /// The member was not told in time: the day has come, and the points stay.
    Missing {
        /// Days between telling and the last day.
        days: u32,
    },
}

impl Notice {
    /// Returns the days that must lie between telling the member and the last day; `None` if nobody need tell.
    pub const fn days(self) -> Option<u32> {
        match self {
            Self::Given => None,
            Self::Needed { days } | Self::Missing { days } => Some(days),
        }
    }

    /// Returns whether the day has come without the member having been told.
    pub const fn is_missing(self) -> bool {
        matches!(self, Self::Missing { .. })
    }

    /// Returns the word that stands on receipts and statements; `None` if there is nothing to say.
    pub const fn code(self) -> Option<&'static str> {
        match self {
            Self::Given => None,
            Self::Needed { .. } => Some("needed"),
            Self::Missing { .. } => Some("notice_missing"),
        }
    }
}

impl Term {
    /// Returns the term of points of whose end the member need not be told.
    pub const fn new(available_at: Instant, expires_at: Instant) -> Self {
        Self { available_at, awaits: None, expires_at, notice: Notice::Given }
    }

    /// Returns whether the points can be spent at an instant, as far as they have not ended.
    pub fn has_begun(&self, at: Instant) -> bool {
        self.awaits.is_none() && self.available_at <= at
    }

    /// Returns the first instant at which the points can no longer be spent, as far as is known now.
    pub const fn ends_at(&self) -> Instant {
        ends_at(self.expires_at, self.notice)
    }

    /// Returns the term once the member was told on a day; `None` if nobody need tell.
    #[must_use]
    pub fn told(&self, today: NaiveDate, zone: Zone) -> Option<Self> {
        let days = self.notice.days()?;
        let last_day = today.checked_add_days(Days::new(days.into()));
        let earliest = last_day.map_or(Instant::NEVER, |last| zone.start_of(next_day(last)));
        Some(Self { expires_at: self.expires_at.max(earliest), notice: Notice::Given, ..self.clone() })
    }

    /// Returns the term once an action is done; `None` if the points do not wait for it. An end that is counted is
    /// counted from the day on which they can be spent, and the member is to be told of it anew.
    #[must_use]
    pub fn done(&self, action: &str, (today, at): (NaiveDate, Instant), zone: Zone) -> Option<Self> {
        let awaited = self.awaits.as_ref().filter(|awaited| awaited.action == action)?;
        let available_at = at.max(self.available_at);
        let first_day = if available_at == at { today } else { zone.local(available_at).date };
        Some(match awaited.counts {
            Some(ends) => ends.counted(available_at, first_day, zone),
            None => Self { available_at, awaits: None, ..self.clone() },
        })
    }

    /// Returns the term of points whose day has come by an instant without the member having been told; `None` if it has
    /// not, or that was said already.
    #[must_use]
    pub fn missed(&self, at: Instant) -> Option<Self> {
        match self.notice {
            Notice::Needed { days } if self.expires_at <= at => {
                Some(Self { notice: Notice::Missing { days }, ..self.clone() })
            }
            Notice::Given | Notice::Needed { .. } | Notice::Missing { .. } => None,
        }
    }
}

/// Returns the first instant at which points can no longer be spent that are to end at one.
pub(crate) const fn ends_at(expires_at: Instant, notice: Notice) -> Instant {
    match notice {
        Notice::Given => expires_at,
        Notice::Needed { .. } | Notice::Missing { .. } => Instant::NEVER,
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
