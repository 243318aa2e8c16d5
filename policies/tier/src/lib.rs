//! `tier`: levels of membership.
//!
//! A level is a point of the program's unit of levels, and lasts for some time. Who reaches one has it on the next day; who does
//! not reach it again falls when its time is over. So the books say who had which level when, and why.

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
        let known = self.lasts_days.saturating_add(self.grace_days) <= Period::DAYS_MAX;
        ensure(
            known,
            "grace_days: must be at most 732 together with lasts_days, as far back as the ledger tells",
        )
    }

    fn run(&self, today: &Today, facts: &impl Facts) -> Vec<Action> {
        let term = self.lasts_days.saturating_add(self.grace_days);
        let now = facts.balance_available();
        let reached = self.reached(today, facts);
        let missing = reached.saturating_sub(now);
        let before = now.saturating_add(granted_ago(term, today, facts));
        let mut actions = Vec::new();
        if missing > 0 {
            let last = today.number.saturating_add(DayNumber::from(term)).saturating_sub(1);
            actions.push(Action::Award(Award::to_member(missing, "tier").valid_until(last)));
        }
        let at_risk = || self.grace_days > 0 && granted_ago(self.lasts_days, today, facts) > 0;
        let notice = match now.saturating_add(missing).cmp(&before) {
            std::cmp::Ordering::Greater => Some("tier-up"),
            std::cmp::Ordering::Less => Some("tier-down"),
            std::cmp::Ordering::Equal if reached < now && at_risk() => Some("tier-at-risk"),
            std::cmp::Ordering::Equal => None,
        };
        actions.extend(notice.map(|code| Action::Notice(code.to_owned())));
        actions
    }
}

impl Tier {
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

/// Returns the levels that were given on the day that lies so many days back.
fn granted_ago(days: u16, today: &Today, facts: &impl Facts) -> Points {
    let day = today.number.saturating_sub(DayNumber::from(days));
    let since = facts.awards_granted_since(day);
    since.saturating_sub(facts.awards_granted_since(day.saturating_add(1)))
}
