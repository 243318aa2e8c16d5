//! `monthly-day`: reminds members of a day, those who have points for it, and may give them something for it.
//!
//! Which days is the program's: the campaign's `days`.

use rules_guest::{Action, Award, CampaignPolicy, Facts, Points, Today, ensure, is_code};
use serde::Deserialize;

/// The parameters. What is left out or 0 is off.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonthlyDay {
    /// What day it is.
    notice: Notice,
    /// The fewest points that a member must have to be reminded.
    #[serde(default)]
    min_points: Points,
    /// Points for that day alone.
    #[serde(default)]
    points: Points,
    /// A benefit: the unit of which the member gets a point.
    grant: Option<String>,
}

/// A notice, for which `policy.toml` has words.
#[derive(Clone, Copy, Debug, Deserialize)]
enum Notice {
    #[serde(rename = "member-day")]
    Member,
    #[serde(rename = "redemption-day")]
    Redemption,
    #[serde(rename = "deduction-day")]
    Deduction,
}

rules_guest::campaign_policy!(MonthlyDay);

impl CampaignPolicy for MonthlyDay {
    fn check(&self) -> Result<(), String> {
        let unit = self.grant.as_deref().is_none_or(is_code);
        ensure(unit, "grant: must be the id of a unit in kebab case, such as \"member-day-coupon\"")
    }

    fn run(&self, today: &Today, facts: &impl Facts) -> Vec<Action> {
        if self.min_points > 0 && facts.balance_available() < self.min_points {
            return Vec::new();
        }
        let award = (self.points > 0)
            .then(|| Action::Award(Award::to_member(self.points, "day-gift").valid_until(today.number)));
        let grant = self.grant.clone().map(Action::Grant);
        let notice = Action::Notice(self.notice.code().to_owned());
        [notice].into_iter().chain(award).chain(grant).collect()
    }
}

impl Notice {
    fn code(self) -> &'static str {
        match self {
            Self::Member => "member-day",
            Self::Redemption => "redemption-day",
            Self::Deduction => "deduction-day",
        }
    }
}
