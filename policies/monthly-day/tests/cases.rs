//! Every case in `cases/`, natively.

rules_guest::campaign_cases_main!(monthly_day::MonthlyDay);
