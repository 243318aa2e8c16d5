//! Terms, as receipts write them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::redemption::{day, end, end_out, lot};
use super::{InvalidReceipt, date_text};
use crate::program::Ends;
use crate::term::{Awaited, Notice, Retermed, Term};
use crate::time::{Instant, Zone};

#[derive(Serialize, Deserialize)]
pub(super) struct RetermedJson<'a> {
    lot: String,
    #[serde(borrow)]
    unit: Cow<'a, str>,
    earned: String,
    #[serde(borrow)]
    was: TermJson<'a>,
    #[serde(borrow)]
    now: TermJson<'a>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct TermJson<'a> {
    #[serde(borrow)]
    available: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    awaits: Option<Cow<'a, str>>,
    /// How the end is counted once what is awaited is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counts: Option<Ends>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    expires: Option<Cow<'a, str>>,
    #[serde(flatten)]
    notice: NoticeJson,
}

/// A notice that is not given; else nothing.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct NoticeJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notice: Option<NoticeWord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notice_days: Option<u32>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum NoticeWord {
    #[serde(rename = "needed")]
    Needed,
    #[serde(rename = "notice_missing")]
    Missing,
}

impl From<Notice> for NoticeJson {
    fn from(notice: Notice) -> Self {
        let word = match notice {
            Notice::Given => None,
            Notice::Needed { .. } => Some(NoticeWord::Needed),
            Notice::Missing { .. } => Some(NoticeWord::Missing),
        };
        Self { notice: word, notice_days: notice.days() }
    }
}

impl TryFrom<NoticeJson> for Notice {
    type Error = InvalidReceipt;

    fn try_from(NoticeJson { notice, notice_days }: NoticeJson) -> Result<Self, InvalidReceipt> {
        match (notice, notice_days) {
            (None, None) => Ok(Self::Given),
            (Some(NoticeWord::Needed), Some(days)) => Ok(Self::Needed { days }),
            (Some(NoticeWord::Missing), Some(days)) => Ok(Self::Missing { days }),
            (None, Some(_)) | (Some(_), None) => {
                Err(InvalidReceipt("`notice` and `notice_days` stand together".to_owned()))
            }
        }
    }
}

impl<'a> RetermedJson<'a> {
    pub(super) fn new(retermed: &'a Retermed, zone: Zone) -> Self {
        let Retermed { lot, unit, day, was, now } = retermed;
        Self {
            lot: lot.to_string(),
            unit: unit.as_str().into(),
            earned: date_text(*day),
            was: TermJson::new(was, zone),
            now: TermJson::new(now, zone),
        }
    }
}

impl TryFrom<RetermedJson<'_>> for Retermed {
    type Error = InvalidReceipt;

    fn try_from(json: RetermedJson<'_>) -> Result<Self, InvalidReceipt> {
        let (lot, day) = (lot(&json.lot)?, day(&json.earned)?);
        let (was, now) = (Term::try_from(json.was)?, Term::try_from(json.now)?);
        Ok(Self { lot, unit: json.unit.as_ref().into(), day, was, now })
    }
}

impl<'a> TermJson<'a> {
    pub(super) fn new(term: &'a Term, zone: Zone) -> Self {
        let Term { available_at, awaits, expires_at, notice } = term;
        Self {
            available: zone.format(*available_at).into(),
            awaits: awaits.as_ref().map(|awaited| awaited.action.as_str().into()),
            counts: awaits.as_ref().and_then(|awaited| awaited.counts),
            expires: (*expires_at != Instant::NEVER).then(|| end_out(*expires_at, zone)),
            notice: NoticeJson::from(*notice),
        }
    }
}

impl TryFrom<TermJson<'_>> for Term {
    type Error = InvalidReceipt;

    fn try_from(json: TermJson<'_>) -> Result<Self, InvalidReceipt> {
        let instant = |text: Option<Cow<'_, str>>| text.map_or(Ok(Instant::NEVER), |text| end(&text));
        Ok(Self {
            available_at: end(&json.available)?,
            awaits: json.awaits.map(|action| Awaited { action: action.into_owned(), counts: json.counts }),
            expires_at: instant(json.expires)?,
            notice: json.notice.try_into()?,
        })
    }
}
