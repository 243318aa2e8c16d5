//! Words in Chinese and English for what stands on receipts and is no rule's own: what limited an award, and what rules ask.

use jifen_loyalty::Fact;
use jifen_loyalty::decision::Limit;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Words in Chinese and English.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub(crate) struct Words {
    /// Chinese.
    #[serde(default)]
    pub(crate) zh: String,
    /// English.
    #[serde(default)]
    pub(crate) en: String,
}

impl Words {
    fn of(en: &str, zh: &str) -> Self {
        Self { zh: zh.to_owned(), en: en.to_owned() }
    }

    /// Returns the words for what limited an award, by its code.
    pub(crate) fn of_limit(code: &str) -> Option<Self> {
        let limit = Limit::ALL.into_iter().find(|limit| limit.code() == code)?;
        let (en, zh) = match limit {
            Limit::Lane => ("another rule of the lane was preferred", "同一通道中另一条规则优先"),
            Limit::Shadow => ("the rule is only tried, and grants nothing", "规则仅在试行(影子),不给积分"),
            Limit::NoReferrer => ("nobody brought the member", "会员没有介绍人"),
            Limit::SamePerson => ("whoever brought the member is the same person", "介绍人与会员是同一人"),
            Limit::PerEvent => ("the most that one event is granted", "单个事件的上限"),
            Limit::PerMemberPerDay => ("the most that a member is granted in a day", "每位会员每日的上限"),
            Limit::PerMemberPerMonth => {
                ("the most that a member is granted in a month", "每位会员每月的上限")
            }
            Limit::PerReferrerPerDay => {
                ("the most that whoever brings members is granted in a day", "每位介绍人每日的上限")
            }
            Limit::PerReferrerPerMonth => {
                ("the most that whoever brings members is granted in a month", "每位介绍人每月的上限")
            }
            Limit::Budget => ("the rule's budget is used up", "规则的预算已用完"),
        };
        Some(Self::of(en, zh))
    }

    /// Returns the words for what a rule asked, as it stands on receipts: `purchases.count-since(2025-07-01)`.
    pub(crate) fn of_fact(fact: &str) -> Option<Self> {
        let (en, zh) = match fact.parse().ok()? {
            Fact::PurchasesLifetimeCount => ("purchases ever", "历来的消费次数"),
            Fact::PurchasesLifetimeSpendMinor => ("spent ever, in minor units", "历来的消费额(最小货币单位)"),
            Fact::PurchasesCountSince(_) => ("purchases since that day", "自该日起的消费次数"),
            Fact::PurchasesSpendMinorSince(_) => {
                ("spent since that day, in minor units", "自该日起的消费额(最小货币单位)")
            }
            Fact::PurchasesLastDay => ("the day of the last purchase", "最近一次消费的日期"),
            Fact::AwardsGrantedSince(_) => {
                ("points that the rule granted since that day", "该规则自该日起所给的积分")
            }
            Fact::BalanceAvailable => ("points that can be spent", "可用积分"),
            Fact::BalancePending => ("points that cannot be spent yet", "尚不可用的积分"),
            Fact::MembershipRegisteredDay => ("the day of the registration", "注册的日期"),
            Fact::MembershipReferred => ("whether somebody brought the member", "会员是否由他人介绍"),
            Fact::ReferralPresent => ("whether there is somebody who brought the member", "是否有介绍人"),
            Fact::ReferralSamePerson => {
                ("whether whoever brought the member is the same person", "介绍人与会员是否同一人")
            }
            Fact::BirthdayCivilToday => ("whether today is the birthday", "今天是否公历生日"),
            Fact::BirthdayCivilMonth => ("whether this is the month of birth", "本月是否公历生日月"),
            Fact::BirthdayLunarToday => ("whether today is the lunar birthday", "今天是否农历生日"),
            Fact::BirthdayLeapLunarToday => (
                "whether today is the lunar birthday, in the very month of birth",
                "今天是否农历生日(分闰月)",
            ),
            Fact::BirthdayLunarMonth => ("whether this is the lunar month of birth", "本月是否农历生日月"),
            Fact::ExpiringUntoldUntil(_) => (
                "points that end until that day, of which the member was not told",
                "该日前到期而未告知会员的积分",
            ),
            Fact::TierLevel => ("the member's level", "会员等级"),
            Fact::TierEarnedSince(_) => {
                ("points since that day that count for the level", "自该日起计入等级的积分")
            }
        };
        Some(Self::of(en, zh))
    }
}
