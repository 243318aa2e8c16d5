//! `recall`: tells members something, and gives them points or a benefit to come back for.
//!
//! Whom and how often is the program's: the campaign's `segment` and `once`.

use rules_guest::{Action, Award, CampaignPolicy, DayNumber, Facts, Points, Today, ensure, is_code};
use serde::Deserialize;

/// The longest time for which points are given, in days.
const VALID_DAYS_MAX: u16 = 3_660;

/// The parameters. What is left out or 0 is off.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recall {
    /// What the member is told.
    notice: Option<Notice>,
    /// Points.
    #[serde(default)]
    points: Points,
    /// For how many days they can be spent, with the day on which they are given. 0: as the unit says.
    #[serde(default)]
    valid_days: u16,
    /// A benefit: the unit of which the member gets a point.
    grant: Option<String>,
}

/// A notice, for which `policy.toml` has words.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Notice {
    ComeBack,
    PointsEndSoon,
    PointsAndCash,
}

rules_guest::campaign_policy!(Recall);

impl CampaignPolicy for Recall {
    fn check(&self) -> Result<(), String> {
        let something = self.notice.is_some() || self.points > 0 || self.grant.is_some();
        ensure(something, "notice: nothing is done; write notice, points or grant")?;
        ensure(self.valid_days == 0 || self.points > 0, "valid_days: needs points that it is for")?;
        ensure(self.valid_days <= VALID_DAYS_MAX, "valid_days: must be at most 3660")?;
        let unit = self.grant.as_deref().is_none_or(is_code);
        ensure(unit, "grant: must be the id of a unit in kebab case, such as \"come-back-coupon\"")
    }

    fn run(&self, today: &Today, _: &impl Facts) -> Vec<Action> {
        let notice = self.notice.map(|notice| Action::Notice(notice.code().to_owned()));
        let award = (self.points > 0).then(|| {
            let award = Award::to_member(self.points, "recall");
            match self.valid_days {
                0 => Action::Award(award),
                days => {
                    let last = today.number.saturating_add(DayNumber::from(days)).saturating_sub(1);
                    Action::Award(award.valid_until(last))
                }
            }
        });
        let grant = self.grant.clone().map(Action::Grant);
        notice.into_iter().chain(award).chain(grant).collect()
    }
}

impl Notice {
    fn code(self) -> &'static str {
        match self {
            Self::ComeBack => "come-back",
            Self::PointsEndSoon => "points-end-soon",
            Self::PointsAndCash => "points-and-cash",
        }
    }
}
