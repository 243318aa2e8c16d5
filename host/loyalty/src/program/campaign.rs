//! Campaigns: which members a deployment that runs on a schedule is asked about, and how often something is done for one.

use chrono::{Days, Months, NaiveDate};

use crate::facts::Fact;
use crate::time::{date_of, day_number};

/// Whom a campaign is about, and how often. Every condition that is there must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Who bought nothing for so long. Who never bought anything is not among them.
    pub dormant: Option<Span>,
    /// Who has points of the campaign's unit that end within so many days, and was not told of that.
    pub expiring: Option<u32>,
    /// What it does something once for.
    pub once: Once,
}

/// What a campaign does something once for, for each member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Once {
    /// Each of its days.
    #[default]
    Day,
    /// The time since the latest purchase.
    Dormancy,
    /// The civil month.
    Month,
    /// The civil year.
    Year,
    /// All time.
    Ever,
}

impl Once {
    /// Returns its name for a member on a day; nothing where there is no such time.
    pub fn name(self, today: NaiveDate, last_purchase_day: i32) -> Option<String> {
        match self {
            Self::Day => Some(today.to_string()),
            Self::Dormancy if last_purchase_day == 0 => None,
            Self::Dormancy => Some(format!("since-{}", date_of(last_purchase_day)?)),
            Self::Month => Some(today.format("%Y-%m").to_string()),
            Self::Year => Some(today.format("%Y").to_string()),
            Self::Ever => Some("ever".to_owned()),
        }
    }
}

/// Some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Days.
    Days(u32),
    /// Months; the 31st becomes the last of a shorter one.
    Months(u32),
}

impl Span {
    /// Returns the day so long after another; nothing behind the last that there is.
    fn after(self, day: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Days(days) => day.checked_add_days(Days::new(days.into())),
            Self::Months(months) => day.checked_add_months(Months::new(months)),
        }
    }
}

impl Segment {
    /// Returns what must be known of a member to say whether the member is in it on a day.
    pub fn facts(&self, today: i32) -> Vec<Fact> {
        let dormant = self.dormant.map(|_| Fact::PurchasesLastDay);
        dormant.into_iter().chain(self.expiring_until(today)).collect()
    }

    /// Returns the day up to which points end of which it tells on a day, and what says how many they are.
    pub fn expiring_through(&self, today: i32) -> Option<(NaiveDate, Fact)> {
        let days = i32::try_from(self.expiring?).unwrap_or(i32::MAX);
        let through = date_of(today.saturating_add(days)).unwrap_or(NaiveDate::MAX);
        Some((through, Fact::ExpiringUntoldUntil(day_number(through))))
    }

    fn expiring_until(&self, today: i32) -> Option<Fact> {
        self.expiring_through(today).map(|(_, fact)| fact)
    }

    /// Returns whether a member is in it on a day; not, if something that must be known is not.
    pub fn has(&self, today: i32, answer: impl Fn(Fact) -> Option<u64>) -> bool {
        let last_day = |_| {
            let last = answer(Fact::PurchasesLastDay).and_then(|day| i32::try_from(day).ok());
            last.filter(|day| *day != 0).and_then(date_of)
        };
        let is_dormant = |span: Span| {
            let since = last_day(span).and_then(|last| span.after(last));
            since.is_some_and(|since| day_number(since) <= today)
        };
        let expiring = self.expiring_until(today);
        self.dormant.is_none_or(is_dormant)
            && expiring.is_none_or(|fact| answer(fact).is_some_and(|points| points > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> i32 {
        day_number(text.parse().expect("it is a date"))
    }

    /// A12, and what never was.
    #[test]
    fn dormancy_begins_so_long_after_the_last_purchase() {
        let rows = [
            (Span::Months(3), "2026-01-31", "2026-04-29", false),
            (Span::Months(3), "2026-01-31", "2026-04-30", true),
            (Span::Months(3), "2025-11-30", "2026-02-27", false),
            (Span::Months(3), "2025-11-30", "2026-02-28", true),
            (Span::Days(90), "2026-01-01", "2026-03-31", false),
            (Span::Days(90), "2026-01-01", "2026-04-01", true),
        ];
        for (span, last, today, expected) in rows {
            let segment = Segment { dormant: Some(span), ..Segment::default() };
            let last = u64::try_from(day(last)).expect("it lies in our era");
            assert_eq!(segment.has(day(today), |_| Some(last)), expected, "{span:?} {today}");
            assert!(!segment.has(day(today), |_| Some(0)), "who never bought is not dormant");
            assert!(!segment.has(day(today), |_| None));
        }
    }

    #[test]
    fn something_is_done_once_for_what_has_a_name() {
        let today = "2026-04-30".parse().expect("it is a date");
        let last = day("2026-01-31");
        for (once, expected) in [
            (Once::Day, "2026-04-30"),
            (Once::Dormancy, "since-2026-01-31"),
            (Once::Month, "2026-04"),
            (Once::Year, "2026"),
            (Once::Ever, "ever"),
        ] {
            assert_eq!(once.name(today, last).as_deref(), Some(expected));
        }
        assert_eq!(Once::Dormancy.name(today, 0), None);
    }

    #[test]
    fn every_condition_must_hold() {
        let segment = Segment { dormant: Some(Span::Days(30)), expiring: Some(30), ..Segment::default() };
        let today = day("2026-04-15");
        let until = Fact::ExpiringUntoldUntil(day("2026-05-15"));
        assert_eq!(segment.facts(today), [Fact::PurchasesLastDay, until]);
        for (last, points, expected) in
            [("2026-01-01", 1, true), ("2026-01-01", 0, false), ("2026-04-01", 1, false)]
        {
            let known = [(Fact::PurchasesLastDay, u64::try_from(day(last)).unwrap_or(0)), (until, points)];
            let answer = |fact| known.iter().find(|(it, _)| *it == fact).map(|(_, value)| *value);
            assert_eq!(segment.has(today, answer), expected, "{last} {points}");
        }
        assert!(Segment::default().has(today, |_| None), "everybody is in a segment without conditions");
    }
}
