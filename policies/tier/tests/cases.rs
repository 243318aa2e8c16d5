//! Every case in `cases/`, natively.

rules_guest::campaign_cases_main!(tier::Tier);
