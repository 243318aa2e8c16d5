//! Notices: what campaigns send members, and that it came.
//!
//! The entry of a campaign that has notices puts them into the ledger's outbox, and the entry that says that one was delivered
//! takes it out again, so that none is lost between deciding and sending. That entry is the proof of notice: points of whose end
//! a delivered notice told may end (scenario A14).

use anyhow::Context;
use jifen_ledger::{Ledger, Logged};
use jifen_loyalty::decision::Notice;
use jifen_loyalty::event::{Sent, Told};
use jifen_loyalty::{Event, Instant, InvalidEvent, MemberId, NoticeId, Receipt};

use crate::error::{HostError, Undecided};

/// A notice that a member is to get.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) sent: Sent,
    pub(crate) notice: Notice,
    pub(crate) member: MemberId,
    /// When the campaign wrote it.
    pub(crate) time: Instant,
    /// The program that decided it, in hexadecimal.
    pub(crate) program: String,
}

impl Written {
    /// Reads a notice from the entry that has it; nothing where the entry has none of that number that anybody is to get.
    ///
    /// # Errors
    ///
    /// If the entry cannot be read.
    pub(crate) fn read(logged: &Logged, n: u32) -> Result<Option<Self>, HostError> {
        let notices = Receipt::notices(&logged.receipt).map_err(HostError::Receipt)?;
        let place = usize::try_from(n).unwrap_or(usize::MAX);
        let Some(notice) = notices.into_iter().nth(place).filter(|notice| !notice.shadow) else {
            return Ok(None);
        };
        let event = Event::parse(&logged.event).map_err(HostError::Event)?;
        let program = Receipt::inputs(&logged.receipt).map_err(HostError::Receipt)?.program;
        let Some(member) = event.member().cloned() else { return Ok(None) };
        let (sent, time) = (Sent { run: event.id, n }, event.time);
        Ok(Some(Self { sent, notice, member, time, program }))
    }

    /// Reads a notice that is in the outbox.
    ///
    /// # Errors
    ///
    /// If it is not in the log.
    pub(crate) fn undelivered(ledger: &dyn Ledger, id: NoticeId) -> anyhow::Result<Self> {
        let logged = ledger.log(id.seq.saturating_sub(1), 1)?.pop().filter(|logged| logged.seq == id.seq);
        let written = logged.map(|logged| Self::read(&logged, id.n)).transpose()?.flatten();
        written.with_context(|| {
            format!("find notice {id} in the log; `jifen audit check` says what else is wrong")
        })
    }

    /// Returns the event that it was delivered at an instant.
    pub(crate) fn delivered(&self, at: Instant) -> Result<Event, InvalidEvent> {
        let told = self.notice.expiring.as_ref().map(|expiring| Told {
            unit: expiring.unit.clone(),
            through: expiring.through,
            as_of: self.time,
        });
        Event::delivery_of(&self.sent, &self.member, told.as_ref(), at)
    }
}

/// Checks that a delivery is one of a notice that there is, and says of it what it says.
pub(crate) fn admit(ledger: &dyn Ledger, event: &Event) -> Result<(), Undecided> {
    let Some(sent) = event.delivers() else { return Ok(()) };
    let wrong = |field: &str, reason| Err(InvalidEvent { field: field.to_owned(), reason }.into());
    let logged = ledger.find(Event::CAMPAIGNS, &sent.run)?;
    let written = logged.map(|logged| Written::read(&logged, sent.n)).transpose()?.flatten();
    let Some(written) = written else {
        let (run, n) = (&sent.run, sent.n);
        return wrong("data.run", format!("unknown_notice: the ledger has no notice {n} of {run}"));
    };
    if event.time < written.time {
        return wrong("time", format!("the notice was written at {}; it came later", written.time));
    }
    let own = written.delivered(event.time)?;
    if event.digest == own.digest {
        return Ok(());
    }
    let own = String::from_utf8_lossy(&own.canonical);
    wrong("data", format!("is not that of notice {} of {}; send {own}", sent.n, sent.run))
}
