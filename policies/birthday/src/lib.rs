//! `birthday`: more points on the member's birthday, or in its month, by the civil or the lunar calendar.
//!
//! Put it into a lane after the one that earns. The birthday itself stays with the host.

use rules_guest::rate::{Rate, Rounding};
use rules_guest::{Award, EarningPolicy, Event, Facts, Minor, Points, Proposal, ensure};
use serde::Deserialize;

/// The parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Birthday {
    /// By which calendar.
    #[serde(default)]
    calendar: Calendar,
    /// On the day, or in the whole month.
    #[serde(default)]
    window: Window,
    /// In which month one born in a leap month has the lunar birthday.
    #[serde(default)]
    leap_month: LeapMonth,
    /// How many times what was earned so far the member gets in all, a decimal such as "2", at least 1.
    #[serde(default = "once")]
    multiplier: Rate,
    /// Points beside that for the first such purchase of the day.
    #[serde(default)]
    points: Points,
    /// The total from which it applies, in minor units: all lines less the discount on the basket.
    #[serde(default)]
    min_spend: Minor,
    /// What becomes of a fraction of a point.
    #[serde(default)]
    rounding: Rounding,
}

/// By which calendar a birthday is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Calendar {
    #[default]
    Civil,
    Lunar,
}

/// For how long it is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Window {
    #[default]
    Day,
    Month,
}

/// In which month one born in a leap month has the lunar birthday.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LeapMonth {
    /// In the regular month of that number: every year.
    #[default]
    Regular,
    /// In the leap month only, where a year has it.
    Own,
}

rules_guest::policy!(Birthday);

impl EarningPolicy for Birthday {
    fn check(&self) -> Result<(), String> {
        let adds = self.multiplier.less_one().is_ok();
        ensure(adds, "multiplier: must be at least 1; write \"2\" to double the points")?;
        let does = self.multiplier != Rate::ONE || self.points > 0;
        ensure(does, "multiplier: gives nothing by itself at 1; write \"2\", or points beside it")?;
        let lunar_day = self.calendar == Calendar::Lunar && self.window == Window::Day;
        ensure(
            lunar_day || self.leap_month == LeapMonth::Regular,
            "leap_month: is about the lunar day; leave it out with calendar = \"civil\" or window = \"month\"",
        )
    }

    fn evaluate(&self, event: &Event, facts: &impl Facts) -> Proposal {
        let enough = event.purchase().is_some_and(|purchase| purchase.total_minor() >= self.min_spend);
        if !enough || !self.is_on(facts) {
            return Proposal::nothing();
        }
        let bonus = self.multiplier.bonus_of(event.points_so_far, self.rounding);
        let bonus = bonus.expect("the points of one award fit in 64 bits");
        let first = self.points > 0 && facts.awards_granted_since(event.today.number) == 0;
        let gift = if first { self.points } else { 0 };
        [Award::to_member(bonus, "birthday"), Award::to_member(gift, "birthday-gift")].into_iter().collect()
    }
}

impl Birthday {
    fn is_on(&self, facts: &impl Facts) -> bool {
        match (self.window, self.calendar, self.leap_month) {
            (Window::Month, Calendar::Civil, _) => facts.birthday_civil_month(),
            (Window::Month, Calendar::Lunar, _) => facts.birthday_lunar_month(),
            (Window::Day, Calendar::Civil, _) => facts.birthday_civil_today(),
            (Window::Day, Calendar::Lunar, LeapMonth::Regular) => facts.birthday_lunar_today(),
            (Window::Day, Calendar::Lunar, LeapMonth::Own) => facts.birthday_leap_lunar_today(),
        }
    }
}

fn once() -> Rate {
    Rate::ONE
}
