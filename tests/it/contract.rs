//! The contract: what was released goes on working. `tests/released/<version>/` holds what that version was, and a
//! policy that was built against it; `wit/` must stay compatible with the one, and the host must run the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jifen_engine::{World, config, contract};
use jifen_loyalty::Answer;
use jifen_loyalty::facts::Fact::{
    AwardsGrantedSince, BalanceAvailable, BalancePending, MembershipReferred, MembershipRegisteredDay,
    PurchasesCountSince, PurchasesLastDay, PurchasesLifetimeCount, PurchasesLifetimeSpendMinor,
    PurchasesSpendMinorSince,
};
use jifen_loyalty::facts::{DayTotal, Facts, Known};
use jifen_loyalty::points::Points;
use jifen_loyalty::proposal::{Award, Proposal, Recipient};
use wit_component::semver_check;
use wit_parser::{PackageId, Resolve, SourceMap, WorldItem};

use crate::support::{Room, purchase, today};

/// The files of a contract, each with its text.
type Wit = Vec<(PathBuf, String)>;

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> Wit {
    let files = fs::read_dir(folder(path))
        .expect("the folder is there")
        .map(|file| file.expect("it can be listed").path());
    let mut files: Wit =
        files.map(|path| (path.clone(), fs::read_to_string(path).expect("it is text"))).collect();
    files.sort();
    files
}

fn push(resolve: &mut Resolve, wit: &Wit) -> PackageId {
    let mut sources = SourceMap::new();
    for (path, text) in wit {
        sources.push(path, text);
    }
    let group = sources.parse().unwrap_or_else(|(sources, error)| panic!("{}", error.render(&sources)));
    resolve.push_group(group).unwrap_or_else(|error| panic!("{error:?}"))
}

/// Compares every world that was released with what it is now. The same version cannot stand twice in one tree, so
/// what is now pretends to be a later one; versions themselves are not compared.
fn is_compatible(released: &Wit, now: &Wit) -> Result<(), String> {
    let now: Wit =
        now.iter().map(|(path, text)| (path.clone(), text.replace("@0.1.0;", "@0.1.999;"))).collect();
    let mut resolve = Resolve::default();
    let (released, now) = (push(&mut resolve, released), push(&mut resolve, &now));
    for (name, previous) in resolve.packages[released].worlds.clone() {
        let new = resolve.packages[now].worlds.get(&name).ok_or(format!("the world {name} is gone"))?;
        semver_check(resolve.clone(), previous, *new).map_err(|error| format!("{name}: {error:?}"))?;
    }
    Ok(())
}

#[test]
fn the_contract_is_compatible_with_what_was_released() {
    is_compatible(&read("released/0.1.0/wit"), &read("../wit")).unwrap();
}

#[test]
fn an_incompatible_change_is_noticed() {
    let released = read("released/0.1.0/wit");
    for (compatible, change, from, to) in [
        (false, "a field more", "freight-minor: minor,", "freight-minor: minor,\n    channel: string,"),
        (false, "a field less", "    discount-minor: minor,\n", ""),
        (
            false,
            "a field of another type",
            "points: points,\n    /// The unit",
            "points: s64,\n    /// The unit",
        ),
        (false, "a case more", "gift-card,", "gift-card,\n    voucher,"),
        (false, "a parameter renamed", "count-since: func(first-day", "count-since: func(from-day"),
        (false, "a parameter more", "points-so-far: points)", "points-so-far: points, dry: bool)"),
        (false, "a fact less", "last-day: func() -> day-number;", ""),
        (false, "an answer more", "-> proposal;", "-> proposal;\n  explain: func() -> string;"),
        (false, "an import less", "  import balance;\n", ""),
        (
            true,
            "a fact more",
            "last-day: func() -> day-number;",
            "last-day: func() -> day-number;\n  first-day: func() -> day-number;",
        ),
        (true, "other words", "Returns how many purchases there are.", "Returns the number of purchases."),
    ] {
        let mut changed = released.clone();
        changed.iter_mut().for_each(|(_, text)| *text = text.replace(from, to));
        assert_ne!(changed, released, "{change}: there is nothing to change");
        assert_eq!(is_compatible(&released, &changed).is_ok(), compatible, "{change}");
    }
}

#[test]
fn the_host_knows_the_contract_by_its_names() {
    let mut resolve = Resolve::default();
    let package = push(&mut resolve, &read("../wit"));
    let functions = |item: &WorldItem| {
        let WorldItem::Interface { id, .. } = item else { panic!("the contract has interfaces only") };
        let interface = &resolve.interfaces[*id];
        let functions: BTreeSet<String> = interface.functions.keys().cloned().collect();
        (interface.name.clone().unwrap(), functions)
    };
    for known in World::ALL {
        let world = &resolve.worlds[resolve.select_world(&[package], Some(known.name())).unwrap()];
        for (name, expected) in world.imports.values().map(functions) {
            let offered = contract::offered(&name).unwrap_or_else(|| panic!("{name} is not offered"));
            let offered = offered.iter().map(|function| (*function).to_owned());
            assert_eq!(offered.collect::<BTreeSet<_>>(), expected, "{name}");
        }
        let exports: BTreeMap<String, BTreeSet<String>> = world.exports.values().map(functions).collect();
        let expected = [contract::CONFIGURATION, known.answers()];
        let expected =
            expected.map(|(interface, function)| (interface.to_owned(), [function.to_owned()].into()));
        assert_eq!(exports, expected.into(), "{}", known.name());
    }
    assert_eq!(
        resolve.packages[package].name.to_string(),
        format!("{}@{}", contract::PACKAGE, contract::VERSION)
    );
}

#[test]
fn the_contract_has_integers_only() {
    for (path, text) in read("../wit") {
        let code = text.lines().map(|line| line.split("//").next().unwrap_or(line));
        assert!(!code.clone().any(|line| line.contains("f32") || line.contains("f64")), "{}", path.display());
    }
}

/// The golden policy asks every fact and fills every field, so that all of the contract is in use.
#[test]
fn a_policy_of_the_first_release_goes_on_running() {
    let room = Room::new();
    let component = fs::read(folder("released/0.1.0/golden.wasm")).unwrap();
    let policy = room.store.policy(&component, r#"{"points": 1000000}"#).unwrap();
    let occasion = purchase(5);
    let today = today();
    let day = today.day.number();
    let known = Known {
        today: day,
        purchase_count: 1,
        purchase_spend_minor: 20,
        last_purchase_day: 300,
        purchases_by_day: [(day, DayTotal { count: 4_000, spend_minor: 50_000 })].into(),
        granted_by_day: [(day, Points::new(7).unwrap())].into(),
        available: Points::new(11).unwrap(),
        pending: Points::new(13).unwrap(),
        registered_day: 17,
        referred: true,
        ..Known::default()
    };
    let event = jifen_engine::Prepared::new(&occasion, "supermarket", &today);
    let evaluation = policy.evaluate(&event, Points::new(19).unwrap(), Facts::Known(known));

    // What it was configured with, what it was told, the five lines, and the points so far.
    let points = 1_000_000 + (1 + 20 + 4_000 + 50_000 + 300 + 7 + 11 + 13 + 17 + 1) + 6_100 + 19;
    let award = Award {
        to: Recipient::Referrer,
        points: Points::new(points).unwrap(),
        unit: Some("green".into()),
        reason: "golden".to_owned(),
        available_from: Some(day),
        valid_until: Some(day),
        line: Some(4),
    };
    assert_eq!(evaluation.outcome, Ok(Proposal::Awards(vec![award])));
    let asked = [
        (PurchasesLifetimeCount, 1),
        (PurchasesLifetimeSpendMinor, 20),
        (PurchasesCountSince(day), 4_000),
        (PurchasesSpendMinorSince(day), 50_000),
        (PurchasesLastDay, 300),
        (AwardsGrantedSince(day), 7),
        (BalanceAvailable, 11),
        (BalancePending, 13),
        (MembershipRegisteredDay, 17),
        (MembershipReferred, 1),
    ];
    assert_eq!(evaluation.asked, asked.map(|(fact, value)| Answer { fact, value }));
    assert_eq!(evaluation.log, "golden\n");
    assert_eq!(policy.facts().len(), asked.len());
}

/// Compiled code is cached under this name. A new wasmtime with an old name would go on running old code.
#[test]
fn the_code_version_names_the_wasmtime_in_use() {
    let lock = fs::read_to_string(folder("../Cargo.lock")).unwrap();
    let (_, wasmtime) = lock.split_once("name = \"wasmtime\"\nversion = \"").expect("wasmtime is locked");
    let version = wasmtime.split('"').next().unwrap_or_default();
    assert!(config::CODE_VERSION.starts_with(&format!("wasmtime-{version}-")), "wasmtime is now {version}");
}
