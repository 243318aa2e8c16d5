//! Terms, as receipts write them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::redemption::{day, end, end_out, lot};
use super::{InvalidReceipt, date_text};
use crate::term::{Notice, Retermed, Term};
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
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    available: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    awaits: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    expires: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notice: Option<NoticeJson>,
}

/// Only what is not given stands on receipts.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum NoticeJson {
    Needed,
    #[serde(rename = "notice_missing")]
    Missing,
}

impl NoticeJson {
    pub(super) fn out(notice: Notice) -> Option<Self> {
        match notice {
            Notice::Given => None,
            Notice::Needed => Some(Self::Needed),
            Notice::Missing => Some(Self::Missing),
        }
    }

    pub(super) fn read(json: Option<Self>) -> Notice {
        match json {
            None => Notice::Given,
            Some(Self::Needed) => Notice::Needed,
            Some(Self::Missing) => Notice::Missing,
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
            available: awaits.is_none().then(|| zone.format(*available_at).into()),
            awaits: awaits.as_deref().map(Cow::from),
            expires: (*expires_at != Instant::NEVER).then(|| end_out(*expires_at, zone)),
            notice: NoticeJson::out(*notice),
        }
    }
}

impl TryFrom<TermJson<'_>> for Term {
    type Error = InvalidReceipt;

    fn try_from(json: TermJson<'_>) -> Result<Self, InvalidReceipt> {
        let instant = |text: Option<Cow<'_, str>>| text.map_or(Ok(Instant::NEVER), |text| end(&text));
        Ok(Self {
            available_at: instant(json.available)?,
            awaits: json.awaits.map(Cow::into_owned),
            expires_at: instant(json.expires)?,
            notice: NoticeJson::read(json.notice),
        })
    }
}
