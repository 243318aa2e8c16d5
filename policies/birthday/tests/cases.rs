//! One test for each file in `cases/`.

rules_guest::cases_main!(birthday::Birthday);
