//! One test for each file in `cases/`.

rules_guest::redemption_cases_main!(interop::Interop);
