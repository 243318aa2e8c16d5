//! Which store a suite keeps its ledgers in.

/// Returns whether the suite runs on PostgreSQL: `cargo xtask test` runs it twice.
pub(crate) fn on_postgres() -> bool {
    match std::env::var("JIFEN_TEST_LEDGER").as_deref() {
        Ok("postgres") => true,
        Ok("sqlite") | Err(_) => false,
        Ok(other) => panic!("JIFEN_TEST_LEDGER is {other}; write sqlite or postgres"),
    }
}
