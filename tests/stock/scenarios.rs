//! Scenarios of the specification in which stock policies show, each with its id: a program, events, and what the
//! members have then. Each is run twice, which must change nothing, and replayed.

use std::fs;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::story::told;
use crate::{components, jifen_in, new_ledger, run};

/// A scenario.
struct Scenario {
    id: &'static str,
    /// `[[calendar]]` rule of the town.
    calendar: &'static str,
    /// `[[lane]]` and `[[deployment]]` tables.
    program: &'static str,
    /// Rows, the first of which is number 0. `member time amount…` is a purchase with a line for each amount, in fen,
    /// and an article for each line, as `2x500` of several articles and `500#eco` with a tag; `member time` a
    /// registration, `member time by referrer` a referred one. `refund N time a0:amount…` returns of row N its first
    /// line and so on; without lines, all that remains.
    events: &'static [&'static str],
    /// What members have, as `ann 136, bob 3`; `ann 20 +30 pending -5 owed` where there is more to say.
    balances: &'static str,
}

const SPEND: &str = "[[lane]]\nid = 'base'\n\
    [[deployment]]\nid = 'spend'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { points = '1', per = 100 }\n";

const MARKET: &str = "[[lane]]\nid = 'base'\n[[lane]]\nid = 'bonus'\n\
    [[deployment]]\nid = 'spend'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { points = '1', per = 100 }\n\
    [[deployment]]\nid = 'market-day'\npolicy = 'market-day'\nlane = 'bonus'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { multiplier = '2', min_spend = 5000 }\n";

const WELCOME: &str = "[[lane]]\nid = 'base'\n\
    [[deployment]]\nid = 'spend'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { points = '1', per = 100 }\n\
    [[deployment]]\nid = 'welcome'\npolicy = 'welcome'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { registration = 100, first_order_min = 9900, first_order_bonus = 200 }\n";

const STACKED: &str = "[[lane]]\nid = 'base'\n\
    [[deployment]]\nid = 'one'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { points = '1', per = 100 }\n\
    [[deployment]]\nid = 'half'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { points = '1', per = 200 }\n";

const ALONE: &str = "[[lane]]\nid = 'base'\ncombine = 'first'\n\
    [[deployment]]\nid = 'fixed'\npolicy = 'welcome'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { first_order_bonus = 100 }\n\
    [[deployment]]\nid = 'one'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { points = '1', per = 100 }\n";

const FIRST_OF_TWO: &str = "[[lane]]\nid = 'base'\ncombine = 'first'\n\
    [[deployment]]\nid = 'priority-20'\npolicy = 'welcome'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { first_order_bonus = 200 }\n\
    [[deployment]]\nid = 'priority-5'\npolicy = 'welcome'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { first_order_bonus = 50 }\n";

const TWO_A_YUAN_AND_50_FOR_AN_ARTICLE: &str = "[[lane]]\nid = 'base'\n\
    [[deployment]]\nid = 'spend'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { points = '2', per = 100 }\n\
    [[deployment]]\nid = 'article'\npolicy = 'eco'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { tag = 'b', per_unit = 50 }\n";

const HUNDRED_A_YUAN_AND_HUNDRED_FOR_AN_ARTICLE: &str = "[[lane]]\nid = 'base'\n\
    [[deployment]]\nid = 'spend'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { points = '100', per = 100, scope = 'line' }\n\
    [[deployment]]\nid = 'article'\npolicy = 'eco'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { tag = 'b', per_unit = '33.34' }\n";

const A_YEAR_TO_THE_MONTH_S_END: &str = "[[lane]]\nid = 'base'\n\
    [[deployment]]\nid = 'spend'\npolicy = 'spend'\nlane = 'base'\nunit = 'year'\nissuer = 'platform'\n\
    parameters = { points = '1', per = 1000 }\n\
    [[unit]]\nid = 'year'\nexpires = { months = 12, end_of = 'month' }\n";

const CAPPED_MONTH: &str = "[[lane]]\nid = 'base'\n\
    [[deployment]]\nid = 'spend'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    cap = { per_member_per_month = 500 }\nparameters = { points = '1', per = 100 }\n";

const CAPPED_EVENT: &str = "[[lane]]\nid = 'base'\n\
    [[deployment]]\nid = 'spend'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    cap = { per_event = 80 }\nparameters = { points = '1', per = 100 }\n";

const BY_LINE: &str = "[[lane]]\nid = 'base'\n\
    [[deployment]]\nid = 'spend'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { points = '1', per = 100, scope = 'line' }\n";

const CAPPED_DAY_BY_LINE: &str = "[[lane]]\nid = 'base'\n\
    [[deployment]]\nid = 'spend'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    cap = { per_member_per_day = 100 }\nparameters = { points = '1', per = 100, scope = 'line' }\n";

const TWICE_THEN_FIFTY: &str = "[[lane]]\nid = 'base'\n[[lane]]\nid = 'first'\n[[lane]]\nid = 'second'\n\
    [[deployment]]\nid = 'spend'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { points = '1', per = 100 }\n\
    [[deployment]]\nid = 'double'\npolicy = 'market-day'\nlane = 'first'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { multiplier = '2', min_spend = 0 }\n\
    [[deployment]]\nid = 'fifty'\npolicy = 'welcome'\nlane = 'second'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { first_order_bonus = 50 }\n";

const FIFTY_THEN_TWICE: &str = "[[lane]]\nid = 'base'\n[[lane]]\nid = 'first'\n[[lane]]\nid = 'second'\n\
    [[deployment]]\nid = 'spend'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { points = '1', per = 100 }\n\
    [[deployment]]\nid = 'double'\npolicy = 'market-day'\nlane = 'second'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { multiplier = '2', min_spend = 0 }\n\
    [[deployment]]\nid = 'fifty'\npolicy = 'welcome'\nlane = 'first'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { first_order_bonus = 50 }\n";

const FIFTY_OVER_100: &str = "[[lane]]\nid = 'base'\n\
    [[deployment]]\nid = 'spend'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { points = '1', per = 100 }\n\
    [[deployment]]\nid = 'fifty'\npolicy = 'welcome'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { first_order_min = 10000, first_order_bonus = 50 }\n";

const CAPPED_DAY_30: &str = "[[lane]]\nid = 'base'\n\
    [[deployment]]\nid = 'spend'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    cap = { per_member_per_day = 30 }\nparameters = { points = '1', per = 100 }\n";

const CAPPED_DAY_30_PROPORTIONAL: &str = "[[lane]]\nid = 'base'\n\
    [[deployment]]\nid = 'spend'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    cap = { per_member_per_day = 30 }\non_refund = 'proportional'\nparameters = { points = '1', per = 100 }\n";

const WELCOME_KEPT: &str = "[[lane]]\nid = 'base'\n\
    [[deployment]]\nid = 'welcome'\npolicy = 'welcome'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    on_refund = 'keep'\nparameters = { registration = 100, first_order_min = 9900, first_order_bonus = 200 }\n";

const PENDING_14: &str = "[[lane]]\nid = 'base'\n\
    [[deployment]]\nid = 'spend'\npolicy = 'spend'\nlane = 'base'\nunit = 'brief'\nissuer = 'platform'\n\
    available = { days = 14 }\nparameters = { points = '1', per = 100 }\n\
    [[unit]]\nid = 'brief'\nexpires = { days = 30 }\n";

const BUDGET_60: &str = "[[lane]]\nid = 'base'\n\
    [[deployment]]\nid = 'spend'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    budget = 60\nparameters = { points = '1', per = 100 }\n";

/// On ¥110 the bonus of 150 is best; on ¥90, of which it is not given, one point for each yuan.
const BEST_OF_TWO: &str = "[[lane]]\nid = 'base'\ncombine = 'best'\n\
    [[deployment]]\nid = 'spend'\npolicy = 'spend'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { points = '1', per = 100 }\n\
    [[deployment]]\nid = 'bonus'\npolicy = 'welcome'\nlane = 'base'\nunit = 'points'\nissuer = 'platform'\n\
    parameters = { first_order_min = 10000, first_order_bonus = 150 }\n";

const EVERY_DAY: &str = "any = ['every_day']";
const DIGITS_147: &str = "any = [{ lunar_digits = [1, 4, 7] }]";

/// One basket of ¥50 for each of these days, which doubles on market days.
macro_rules! days {
    ($($day:literal),+ $(,)?) => { &[$(concat!("ann ", $day, "T12:00:00+08:00 5000")),+] };
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        id: "A2 registration only",
        calendar: EVERY_DAY,
        program: WELCOME,
        events: &["bob 2026-03-01T09:00:00+08:00"],
        balances: "bob 100",
    },
    Scenario {
        id: "A8 one fen short, and not the first order",
        calendar: EVERY_DAY,
        program: WELCOME,
        events: &["ann 2026-03-01T09:00:00+08:00 9899", "ann 2026-03-02T09:00:00+08:00 15000"],
        balances: "ann 248",
    },
    Scenario {
        id: "A8 exactly",
        calendar: EVERY_DAY,
        program: WELCOME,
        events: &["ann 2026-03-01T09:00:00+08:00 9900"],
        balances: "ann 299",
    },
    Scenario {
        id: "A26 market day of a leap month",
        calendar: DIGITS_147,
        program: MARKET,
        events: &[
            "ann 2025-07-25T00:00:00+08:00 6850",
            "bob 2025-07-24T23:59:59.999+08:00 6850",
            "cai 2025-07-25T12:00:00+08:00 4999",
        ],
        balances: "ann 136, bob 68, cai 49",
    },
    Scenario {
        id: "B1 skip",
        calendar: "any = [{ lunar_digits = [5, 10] }]",
        program: MARKET,
        events: days!["2025-08-22", "2025-08-23"],
        balances: "ann 100",
    },
    Scenario {
        id: "B1 last_day",
        calendar: "any = [{ lunar_digits = [5, 10], on_missing_day = 'last_day' }]",
        program: MARKET,
        events: days!["2025-08-22", "2025-08-23"],
        balances: "ann 150",
    },
    Scenario {
        id: "B1 first_of_next",
        calendar: "any = [{ lunar_digits = [5, 10], on_missing_day = 'first_of_next' }]",
        program: MARKET,
        events: days!["2025-08-22", "2025-08-23"],
        balances: "ann 150",
    },
    Scenario {
        id: "B2 the thirtieth of the third month",
        calendar: "any = [{ lunar_digits = [5, 10] }]",
        program: MARKET,
        events: days!["2025-04-27"],
        balances: "ann 100",
    },
    Scenario {
        id: "B3 leap same",
        calendar: "any = [{ lunar_digits = [1, 6], leap = 'same' }]",
        program: MARKET,
        events: days!["2025-07-25"],
        balances: "ann 100",
    },
    Scenario {
        id: "B3 leap skip",
        calendar: "any = [{ lunar_digits = [1, 6], leap = 'skip' }]",
        program: MARKET,
        events: days!["2025-07-25"],
        balances: "ann 50",
    },
    Scenario {
        id: "B4 short month",
        calendar: DIGITS_147,
        program: MARKET,
        events: days![
            "2026-02-13",
            "2026-02-14",
            "2026-02-15",
            "2026-02-16",
            "2026-02-17",
            "2026-02-18",
            "2026-02-19",
            "2026-02-20"
        ],
        balances: "ann 550",
    },
    Scenario {
        id: "B5 chen and xu",
        calendar: "any = [{ branches = ['chen', 'xu'] }]",
        program: MARKET,
        events: days!["2024-02-10", "2024-02-13", "2024-02-16", "2024-03-11"],
        balances: "ann 350",
    },
    Scenario {
        id: "B6 every fourth day",
        calendar: "any = [{ branches = ['丑', '巳', '酉'] }]",
        program: MARKET,
        events: days!["2026-03-04", "2026-03-06", "2026-03-08", "2026-03-12"],
        balances: "ann 350",
    },
    Scenario {
        id: "B7 gregorian",
        calendar: "any = [{ gregorian_digits = [1, 6] }]",
        program: MARKET,
        events: days!["2026-03-31", "2026-04-01", "2026-04-30"],
        balances: "ann 250",
    },
    Scenario {
        id: "B9 odd days",
        calendar: "any = [{ lunar_parity = 'odd' }]",
        program: MARKET,
        events: days!["2026-02-16", "2026-02-17"],
        balances: "ann 200",
    },
    Scenario {
        id: "B10 legi",
        calendar: "any = [{ cycle = { days = 5, anchor = '1945-08-17' } }]",
        program: MARKET,
        events: days!["2025-08-17", "2025-08-22", "2026-11-22"],
        balances: "ann 250",
    },
    Scenario {
        id: "C1 order",
        calendar: EVERY_DAY,
        program: SPEND,
        events: &["ann 2026-03-01T09:00:00+08:00 50 50 50"],
        balances: "ann 1",
    },
    Scenario {
        id: "C1 line",
        calendar: EVERY_DAY,
        program: BY_LINE,
        events: &["ann 2026-03-01T09:00:00+08:00 50 50 50"],
        balances: "",
    },
    Scenario {
        id: "C2 rates add up",
        calendar: EVERY_DAY,
        program: STACKED,
        events: &["ann 2026-03-01T09:00:00+08:00 1999"],
        balances: "ann 28",
    },
    Scenario {
        id: "C2 what does not stack stands alone",
        calendar: EVERY_DAY,
        program: ALONE,
        events: &["ann 2026-03-01T09:00:00+08:00 1999", "ann 2026-03-02T09:00:00+08:00 1999"],
        balances: "ann 119",
    },
    Scenario {
        id: "C2 of two that do not stack, the first",
        calendar: EVERY_DAY,
        program: FIRST_OF_TWO,
        events: &["ann 2026-03-01T09:00:00+08:00 1999"],
        balances: "ann 200",
    },
    Scenario {
        id: "C3 double, then fifty",
        calendar: EVERY_DAY,
        program: TWICE_THEN_FIFTY,
        events: &["ann 2026-03-01T09:00:00+08:00 10000"],
        balances: "ann 250",
    },
    Scenario {
        id: "C3 fifty, then double",
        calendar: EVERY_DAY,
        program: FIFTY_THEN_TWICE,
        events: &["ann 2026-03-01T09:00:00+08:00 10000"],
        balances: "ann 300",
    },
    Scenario {
        id: "C4 a general rate and a bonus for an article",
        calendar: EVERY_DAY,
        program: TWO_A_YUAN_AND_50_FOR_AN_ARTICLE,
        events: &["ann 2026-03-01T09:00:00+08:00 3x12000 6000#b"],
        balances: "ann 410",
    },
    Scenario {
        id: "C11 lines and a bonus for an article",
        calendar: EVERY_DAY,
        program: HUNDRED_A_YUAN_AND_HUNDRED_FOR_AN_ARTICLE,
        events: &["ann 2026-03-01T09:00:00+08:00 2x200 3x150#b"],
        balances: "ann 450",
    },
    Scenario {
        id: "C12 the last day of the month a year on",
        calendar: EVERY_DAY,
        program: A_YEAR_TO_THE_MONTH_S_END,
        events: &["ann 2020-07-06T09:00:00+08:00 10500", "cai 2021-07-31T23:59:59+08:00"],
        balances: "ann 10 year",
    },
    Scenario {
        id: "C12 the day after",
        calendar: EVERY_DAY,
        program: A_YEAR_TO_THE_MONTH_S_END,
        events: &["ann 2020-07-06T09:00:00+08:00 10500", "cai 2021-08-01T00:00:00+08:00"],
        balances: "ann 0 year",
    },
    Scenario {
        id: "C16 month",
        calendar: EVERY_DAY,
        program: CAPPED_MONTH,
        events: &[
            "ann 2026-03-01T09:00:00+08:00 45000",
            "ann 2026-03-31T09:00:00+08:00 10000",
            "ann 2026-04-01T00:00:00+08:00 10000",
        ],
        balances: "ann 600",
    },
    Scenario {
        id: "C16 transaction",
        calendar: EVERY_DAY,
        program: CAPPED_EVENT,
        events: &["ann 2026-03-01T09:00:00+08:00 10000", "bob 2026-03-01T09:00:00+08:00 8000"],
        balances: "bob 80",
    },
    Scenario {
        id: "C17 day",
        calendar: EVERY_DAY,
        program: CAPPED_DAY_BY_LINE,
        events: &[
            "ann 2026-03-01T09:00:00+08:00 4000 4000 4000",
            "ann 2026-03-01T23:59:59+08:00 4000",
            "bob 2026-03-02T00:00:00+08:00 4000",
        ],
        balances: "ann 100, bob 40",
    },
    Scenario {
        id: "A9 threshold, then a partial refund",
        calendar: EVERY_DAY,
        program: WELCOME,
        events: &["ann 2026-03-01T09:00:00+08:00 6000 6000", "refund 0 2026-03-02T09:00:00+08:00 a1:6000"],
        balances: "ann 60",
    },
    Scenario {
        id: "A9 the first order stays the first",
        calendar: EVERY_DAY,
        program: WELCOME,
        events: &[
            "ann 2026-03-01T09:00:00+08:00 12000",
            "refund 0 2026-03-02T09:00:00+08:00",
            "ann 2026-03-03T09:00:00+08:00 12000",
        ],
        balances: "ann 120",
    },
    Scenario {
        id: "E3 one by one",
        calendar: EVERY_DAY,
        program: SPEND,
        events: &[
            "ann 2026-03-01T09:00:00+08:00 350 350 350",
            "refund 0 2026-03-02T09:00:00+08:00 a0:350",
            "bob 2026-03-01T09:00:00+08:00 350 350 350",
            "refund 2 2026-03-02T09:00:00+08:00 a0:350",
            "refund 2 2026-03-02T10:00:00+08:00 a2:350",
            "cai 2026-03-01T09:00:00+08:00 3x1050",
            "refund 5 2026-03-02T09:00:00+08:00 a0:1x350",
            "refund 5 2026-03-02T10:00:00+08:00 a0:350",
            "refund 5 2026-03-02T11:00:00+08:00",
        ],
        balances: "ann 7, bob 3, cai 0",
    },
    Scenario {
        id: "E4 below the threshold",
        calendar: EVERY_DAY,
        program: FIFTY_OVER_100,
        events: &["ann 2026-03-01T09:00:00+08:00 9000 3000", "refund 0 2026-03-02T09:00:00+08:00 a1:3000"],
        balances: "ann 90",
    },
    Scenario {
        id: "E5 a capped award stays where the cap would have left it",
        calendar: EVERY_DAY,
        program: CAPPED_DAY_30,
        events: &["ann 2026-03-01T09:00:00+08:00 5000 5000", "refund 0 2026-03-02T09:00:00+08:00 a0:5000"],
        balances: "ann 30",
    },
    Scenario {
        id: "E5 proportional",
        calendar: EVERY_DAY,
        program: CAPPED_DAY_30_PROPORTIONAL,
        events: &["ann 2026-03-01T09:00:00+08:00 5000 5000", "refund 0 2026-03-02T09:00:00+08:00 a0:5000"],
        balances: "ann 15",
    },
    Scenario {
        id: "E5 the cap of the day has room again",
        calendar: EVERY_DAY,
        program: CAPPED_DAY_30,
        events: &[
            "ann 2026-03-01T09:00:00+08:00 5000",
            "refund 0 2026-03-01T10:00:00+08:00",
            "ann 2026-03-01T11:00:00+08:00 2000",
        ],
        balances: "ann 20",
    },
    Scenario {
        id: "E9 the refund comes first",
        calendar: EVERY_DAY,
        program: SPEND,
        events: &["refund 1 2026-03-02T09:00:00+08:00", "ann 2026-03-01T09:00:00+08:00 10000"],
        balances: "ann 0",
    },
    Scenario {
        id: "E9 a part of it comes first, the rest after",
        calendar: EVERY_DAY,
        program: SPEND,
        events: &[
            "refund 2 2026-03-02T09:00:00+08:00 a0:1000",
            "refund 2 2026-03-02T09:30:00+08:00 a1:9999",
            "ann 2026-03-01T09:00:00+08:00 1000 2000 3000",
            "refund 2 2026-03-03T09:00:00+08:00 a2:3000",
        ],
        balances: "ann 20",
    },
    Scenario {
        id: "E9 within a lane, another deployment is best on what remains",
        calendar: EVERY_DAY,
        program: BEST_OF_TWO,
        events: &[
            "refund 1 2026-03-02T09:00:00+08:00 a1:2000",
            "ann 2026-03-01T09:00:00+08:00 9000 2000",
            "refund 1 2026-03-03T09:00:00+08:00 a0:5000",
        ],
        balances: "ann 40",
    },
    Scenario {
        id: "E9 proportional, and the rest after",
        calendar: EVERY_DAY,
        program: CAPPED_DAY_30_PROPORTIONAL,
        events: &[
            "refund 1 2026-03-02T09:00:00+08:00 a0:5000",
            "ann 2026-03-01T09:00:00+08:00 5000 5000",
            "refund 1 2026-03-03T09:00:00+08:00 a1:2500",
        ],
        balances: "ann 7",
    },
    Scenario {
        id: "E9 a budget is not drawn on for what comes back at once",
        calendar: EVERY_DAY,
        program: BUDGET_60,
        events: &[
            "refund 1 2026-03-02T09:00:00+08:00",
            "ann 2026-03-01T09:00:00+08:00 5000",
            "bob 2026-03-01T10:00:00+08:00 9000",
        ],
        balances: "ann 0, bob 60",
    },
    Scenario {
        id: "D8 pending, then there, and still there on the last day",
        calendar: EVERY_DAY,
        program: PENDING_14,
        events: &[
            "ann 2026-01-10T12:00:00+08:00 2000",
            "bob 2026-01-23T12:00:00+08:00 500",
            "cai 2026-02-23T23:59:59+08:00",
        ],
        balances: "ann 20 brief, bob 5 brief",
    },
    Scenario {
        id: "D8 the day after the last",
        calendar: EVERY_DAY,
        program: PENDING_14,
        events: &["ann 2026-01-10T12:00:00+08:00 2000", "cai 2026-02-24T00:00:00+08:00"],
        balances: "ann 0 brief",
    },
    Scenario {
        id: "E12 what is pending goes first and nothing is owed",
        calendar: EVERY_DAY,
        program: PENDING_14,
        events: &[
            "ann 2026-01-10T12:00:00+08:00 2000",
            "ann 2026-01-12T12:00:00+08:00 700",
            "refund 0 2026-01-20T12:00:00+08:00",
        ],
        balances: "ann 0 brief +7 pending",
    },
    Scenario {
        id: "the market day of the purchase counts, not that of the refund",
        calendar: DIGITS_147,
        program: MARKET,
        events: &[
            "ann 2025-07-25T00:00:00+08:00 6850 1000",
            "refund 0 2025-07-26T00:00:00+08:00 a1:1000",
            "bob 2025-07-24T00:00:00+08:00 6850 1000",
            "refund 2 2025-07-25T00:00:00+08:00 a1:1000",
            "cai 2025-07-25T00:00:00+08:00 4000 1000",
            "refund 4 2025-07-25T09:00:00+08:00 a1:1000",
        ],
        balances: "ann 136, bob 68, cai 40",
    },
    Scenario {
        id: "a reward for joining that is kept",
        calendar: EVERY_DAY,
        program: WELCOME_KEPT,
        events: &[
            "ann 2026-03-01T09:00:00+08:00",
            "ann 2026-03-01T10:00:00+08:00 12000",
            "refund 1 2026-03-02T09:00:00+08:00",
        ],
        balances: "ann 300",
    },
    Scenario {
        id: "F2 a refund gives back to the budget",
        calendar: EVERY_DAY,
        program: BUDGET_60,
        events: &[
            "ann 2026-03-01T09:00:00+08:00 5000",
            "bob 2026-03-01T10:00:00+08:00 5000",
            "refund 0 2026-03-01T11:00:00+08:00",
            "cai 2026-03-01T12:00:00+08:00 9000",
        ],
        balances: "ann 0, bob 10, cai 50",
    },
    Scenario {
        id: "within a lane, another deployment is best on what remains",
        calendar: EVERY_DAY,
        program: BEST_OF_TWO,
        events: &["ann 2026-03-01T09:00:00+08:00 9000 2000", "refund 0 2026-03-02T09:00:00+08:00 a1:2000"],
        balances: "ann 90",
    },
];

pub(crate) fn trials() -> Vec<Trial> {
    SCENARIOS
        .iter()
        .map(|scenario| Trial::test(scenario.id, || play(scenario)).with_kind("scenario"))
        .collect()
}

fn play(scenario: &Scenario) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    let Scenario { calendar, program, .. } = scenario;
    fs::write(
        path("program.toml"),
        format!(
            "[program]\nname = 's'\ntimezone = 'Asia/Shanghai'\n[[unit]]\nid = 'points'\n[[calendar]]\nid = 'c'\n{calendar}\n\
             [[region]]\nid = 'r'\ncalendar = 'c'\n[[merchant]]\nid = 'shop'\nregion = 'r'\n{program}"
        ),
    )?;
    let events = scenario.events.iter().enumerate().map(|(n, row)| format!("{}\n", event(n, row)));
    fs::write(path("events.jsonl"), events.collect::<String>())?;
    let ledger = new_ledger();
    let jifen = |arguments: &[&str]| {
        let mut jifen = jifen_in(folder.path(), arguments);
        jifen.args(["--ledger", &ledger]);
        jifen
    };
    for _ in 0..2 {
        let mut again = jifen(&["run", "--program", "program.toml"]);
        run(again.arg("--policies").arg(components()).arg("events.jsonl"));
        let got = told(&run(&mut jifen(&["balance", "--json"])));
        if got != scenario.balances {
            return Err(format!("expected {}, got {got}", scenario.balances).into());
        }
    }
    run(&mut jifen(&["audit", "replay"]));
    run(&mut jifen(&["audit", "check"]));
    Ok(())
}

fn event(n: usize, row: &str) -> Value {
    let words: Vec<_> = row.split(' ').collect();
    let (kind, time, data) = match words.as_slice() {
        ["refund", order, time] => ("jifen.purchase.refunded", time, json!({"order": order})),
        ["refund", order, time, amounts @ ..] => {
            let lines: Vec<Value> = amounts.iter().map(|line| returned(line)).collect();
            ("jifen.purchase.refunded", time, json!({"order": order, "lines": lines}))
        }
        [member, time] => ("jifen.member.registered", time, json!({"member": member})),
        [member, time, "by", referrer] => {
            ("jifen.member.registered", time, json!({"member": member, "referrer": referrer}))
        }
        [member, time, amounts @ ..] => {
            let lines: Vec<Value> = (0..).zip(amounts).map(|(place, amount)| bought(place, amount)).collect();
            let data = json!({"order": n.to_string(), "member": member, "merchant": "shop", "currency": "CNY",
                "lines": lines});
            ("jifen.purchase.completed", time, data)
        }
        _ => panic!("no such row: {row}"),
    };
    json!({"specversion": "1.0", "id": n.to_string(), "source": "/shop", "type": kind, "time": time, "data": data})
}

/// A line of a purchase: one article, or `2x500`, two of them for 500 fen together; `500#eco` has a tag.
fn bought(place: usize, line: &str) -> Value {
    let (line, tags) = line.split_once('#').map_or((line, vec![]), |(line, tag)| (line, vec![tag]));
    let (quantity, amount) = quantity_and_amount(line);
    json!({"sku": format!("a{place}"), "category": "staples", "quantity": quantity, "amount": amount, "tags": tags})
}

/// A line of a refund: `a1:500`, or `a1:2x500`.
fn returned(line: &str) -> Value {
    let (sku, amount) = line.split_once(':').expect("a returned line names its article");
    let (quantity, amount) = quantity_and_amount(amount);
    json!({"sku": sku, "quantity": quantity, "amount": amount})
}

fn quantity_and_amount(text: &str) -> (u64, u64) {
    let (quantity, amount) = text.split_once('x').unwrap_or(("1", text));
    (quantity.parse().expect("a quantity is a number"), amount.parse().expect("an amount is a number of fen"))
}
