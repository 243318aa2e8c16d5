//! `tier`: levels of membership.
//!
//! A level is a point of the program's unit of levels, and lasts for some time. Who reaches one has it on the next day; who does
//! not reach it again falls when its time is over. So the books say who had which level when, and why.
//!
//! Whatever is given on a day ends together, a term later, and with it ends all that was there before: what stands is given on to
//! that day. So a level lasts for its time, however its points were reached one after the other.

use std::cmp::Ordering;

use rules_guest::{Action, Award, CampaignPolicy, DayNumber, Facts, Period, Points, Today, ensure};
use serde::Deserialize;

/// The parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// What takes a member to each level, from the first up: minor units or points.
    levels: Vec<u64>,
    /// What counts.
    #[serde(default)]
    by: By,
    /// Over which time it counts.
    #[serde(default)]
    period: Period,
    /// For how many days a level lasts, with the one on which the member gets it.
    lasts_days: u16,
    /// How many more there are in which to reach it again.
    #[serde(default)]
    grace_days: u16,
}

/// What takes a member to a level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum By {
    /// What was bought, in minor units, whatever came back of it.
    #[default]
    Spend,
    /// Points that were earned and still stand.
    Earning,
}

rules_guest::campaign_policy!(Tier);

impl CampaignPolicy for Tier {
    fn check(&self) -> Result<(), String> {
        let mend = "levels: must rise from 1 or more; write [100000, 1000000] for two";
        ensure(self.levels.first().is_some_and(|first| *first > 0), mend)?;
        ensure(self.levels.windows(2).all(|two| matches!(two, [low, high] if low < high)), mend)?;
        ensure(self.period.is_known(), "period: days must be 1 to 732, as far back as the ledger tells")?;
        let bounded = self.by == By::Spend || self.period != Period::Lifetime;
        ensure(
            bounded,
            "period: what is earned counts for a time; write \"year\", \"month\" or { days = 365 }",
        )?;
        ensure(self.lasts_days > 0, "lasts_days: must be at least 1")?;
        let known = self.lasts_days.saturating_add(self.grace_days) < Period::DAYS_MAX;
        ensure(
            known,
            "grace_days: must be at most 731 together with lasts_days, as far back as the ledger tells",
        )
    }

    fn run(&self, today: &Today, facts: &impl Facts) -> Vec<Action> {
        let now = facts.balance_available();
        let reached = self.reached(today, facts);
        let missing = reached.saturating_sub(now);
        let award = |points| Award::to_member(points, "tier").valid_until(self.last_day(today.number));
        let mut actions = Vec::new();
        if missing > 0 {
            actions.push(Action::Award(award(missing)));
        }
        let standing = if now == 0 || missing == 0 && self.is_safe(today, facts) {
            None
        } else {
            self.standing(today, facts)
        };
        if let Some(given) = standing {
            // What stands lasts as long as what is new, and what is reached again begins where it ends.
            let is_over = today.number >= given.saturating_add(self.lasts_days.into());
            let is_last = today.number == self.last_day(given);
            let again = missing > 0 || is_over && reached == now || is_last;
            let points = if again { now.min(reached) } else { 0 };
            if points > 0 {
                let behind = self.last_day(given).saturating_add(1);
                actions.push(Action::Award(award(points).available_from(behind)));
            }
        }
        let before = now.max(granted_on(today.number.saturating_sub(self.term()), facts));
        let begins = |given: DayNumber| today.number == given.saturating_add(self.lasts_days.into());
        let at_risk = reached < now && self.grace_days > 0 && standing.is_some_and(begins);
        let notice = match now.saturating_add(missing).cmp(&before) {
            Ordering::Greater => Some("tier-up"),
            Ordering::Less => Some("tier-down"),
            Ordering::Equal if at_risk => Some("tier-at-risk"),
            Ordering::Equal => None,
        };
        actions.extend(notice.map(|code| Action::Notice(code.to_owned())));
        actions
    }
}

impl Tier {
    /// Returns for how many days a level stands, with its grace.
    fn term(&self) -> DayNumber {
        self.lasts_days.saturating_add(self.grace_days).into()
    }

    /// Returns the last day of levels that are given on a day, whenever they begin.
    fn last_day(&self, given: DayNumber) -> DayNumber {
        given.saturating_add(self.term()).saturating_sub(1)
    }

    /// Returns whether levels were given so lately that nothing has to be reached again yet: their time goes on tomorrow, or
    /// with grace today.
    fn is_safe(&self, today: &Today, facts: &impl Facts) -> bool {
        let tomorrow = DayNumber::from(self.grace_days == 0);
        let first_day = today.number.saturating_sub(self.lasts_days.into()).saturating_add(1);
        facts.awards_granted_since(first_day.saturating_add(tomorrow)) > 0
    }

    /// Returns the latest day on which levels were given that still stand.
    fn standing(&self, today: &Today, facts: &impl Facts) -> Option<DayNumber> {
        let mut first = today.number.saturating_sub(self.term()).saturating_add(1);
        let mut last = today.number.saturating_sub(1);
        if first > last || facts.awards_granted_since(first) == 0 {
            return None;
        }
        while first < last {
            let middle = first.saturating_add(1).midpoint(last);
            if facts.awards_granted_since(middle) > 0 {
                first = middle;
            } else {
                last = middle.saturating_sub(1);
            }
        }
        Some(first)
    }

    /// Returns the level that the member comes to today.
    fn reached(&self, today: &Today, facts: &impl Facts) -> Points {
        let sum = match (self.by, self.period.first_day(today)) {
            (By::Spend, _) | (By::Earning, None) => self.period.spend_minor(today, facts),
            (By::Earning, Some(first_day)) => facts.tier_earned_since(first_day),
        };
        (1..)
            .zip(&self.levels)
            .take_while(|(_, from)| **from <= sum)
            .map(|(level, _)| level)
            .last()
            .unwrap_or(0)
    }
}

/// Returns the levels that were given on a day.
fn granted_on(day: DayNumber, facts: &impl Facts) -> Points {
    let since = facts.awards_granted_since(day);
    since.saturating_sub(facts.awards_granted_since(day.saturating_add(1)))
}
