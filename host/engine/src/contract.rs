//! The names of the contract, as components spell them. A test holds them against `wit/`.

/// The package of the contract.
pub const PACKAGE: &str = "jifen:policy";
/// Its version.
pub const VERSION: &str = "0.1.0";

/// The interfaces whose functions are facts, with those functions.
pub const FACTS: [(&str, &[&str]); 4] = [
    ("awards", &["granted-since"]),
    ("balance", &["available", "pending"]),
    ("membership", &["referred", "registered-day"]),
    (
        "purchases",
        &["count-since", "last-day", "lifetime-count", "lifetime-spend-minor", "spend-minor-since"],
    ),
];
/// The interface of the log, with its function.
pub const LOG: (&str, &[&str]) = ("log", &["write"]);
/// The interface that has types only, and needs no answer.
pub const TYPES: &str = "types";

/// The world of policies that this host evaluates, and the interfaces it exports.
pub const WORLD: &str = "earning-policy";
/// See [`WORLD`].
pub const EXPORTS: [&str; 2] = ["configuration", "earning"];

/// Returns the functions that an interface offers; `None` if it is none of the surroundings.
pub fn offered(interface: &str) -> Option<&'static [&'static str]> {
    let facts = FACTS.iter().chain([&LOG]);
    let functions = facts.copied().find(|(name, _)| *name == interface).map(|(_, functions)| functions);
    functions.or((interface == TYPES).then_some(&[]))
}

/// Returns an interface's full name, such as `jifen:policy/earning@0.1.0`.
pub fn full_name(interface: &str) -> String {
    format!("{PACKAGE}/{interface}@{VERSION}")
}
