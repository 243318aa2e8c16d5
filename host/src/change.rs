//! The program at work: which one it is, how another one takes its place, and what differs between them.
//!
//! A ledger has a list of changes, each with who made it and why. The last one holds. A change is made on the one before it: of
//! two that are made at once, one is told that it is superseded.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;

use jifen_engine::PolicyStore;
use jifen_ledger::{Digest, Ledger, LedgerError, ProgramChange};
use jifen_loyalty::{DeploymentId, Program};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::active::{Active, Document, Pins};
use crate::clock;
use crate::error::HostError;
use crate::governor;
use crate::releases::{Releases, parse_digest};

/// The tables that run policies.
pub(crate) const RUNS: [&str; 3] = ["deployment", "campaign", "redemption"];

/// Who makes a change, and why.
#[derive(Clone, Debug)]
pub(crate) struct Reason {
    pub(crate) who: String,
    pub(crate) why: String,
    /// Whether the notice is waived that members have of awards that get less.
    pub(crate) without_notice: bool,
}

impl Reason {
    /// Takes who and why.
    ///
    /// # Errors
    ///
    /// If one of them says nothing, or more than a line.
    pub(crate) fn new(who: String, why: String) -> Result<Self, String> {
        const BYTES_MAX: usize = 1_000;
        for (what, text) in [("who", &who), ("why", &why)] {
            if text.trim().is_empty() {
                return Err(format!("{what} says nothing; write it for who asks later"));
            }
            if text.len() > BYTES_MAX || text.contains(char::is_control) {
                return Err(format!(
                    "{what} is more than a line of {BYTES_MAX} bytes; write the rest elsewhere"
                ));
            }
        }
        Ok(Self { who, why, without_notice: false })
    }
}

/// Puts a program to work after the version that it was made on, 0 where there is none.
pub(crate) fn put_to_work(
    ledger: &dyn Ledger,
    active: &Active,
    releases: &Releases<'_>,
    after: u64,
    reason: Reason,
) -> Result<ProgramChange, HostError> {
    active.keep(ledger, releases)?;
    append(ledger, active.key(), after, reason)
}

/// Puts the program of an earlier version to work once more, that before the last if none is named; only if `after` is at work, where
/// that is given, so that who asks twice does not go back twice. An earlier one than that before the last needs notice as any other,
/// which so many threads look into; `None`: it is without notice.
pub(crate) fn roll_back(
    ledger: &dyn Ledger,
    store: &PolicyStore,
    after: Option<u64>,
    to: Option<u64>,
    notice: Option<NonZeroUsize>,
    reason: Reason,
) -> Result<(ProgramChange, Active), HostError> {
    let last = ledger.last_program_change()?.ok_or(HostError::NoVersion { version: 1, last: 0 })?;
    if after.is_some_and(|after| after != last.version) {
        return Err(LedgerError::Superseded { last: last.version }.into());
    }
    let version = to.unwrap_or(last.version.saturating_sub(1));
    let found = of_version(ledger, version)?.ok_or(HostError::NoVersion { version, last: last.version })?;
    if found.program == last.program {
        return Err(HostError::SameProgram { version });
    }
    // It must be one that this build can run.
    let active = Active::at_work(&found, ledger, store)?;
    if let Some(threads) = notice.filter(|_| version.saturating_add(1) < last.version) {
        governor::admit(ledger, store, &last, &active, threads)?;
    }
    Ok((append(ledger, found.program, last.version, reason)?, active))
}

/// Returns the change that made a version.
pub(crate) fn of_version(ledger: &dyn Ledger, version: u64) -> Result<Option<ProgramChange>, LedgerError> {
    let found = ledger.program_changes(version.saturating_sub(1), 1)?;
    Ok(found.into_iter().find(|change| change.version == version))
}

/// Returns the digest of a program that is named by a version of the list of changes, or by its own digest; nothing where the ledger has
/// no such.
pub(crate) fn named(ledger: &dyn Ledger, name: &str) -> Result<Option<Digest>, LedgerError> {
    if let Ok(version) = name.parse() {
        return Ok(of_version(ledger, version)?.map(|change| change.program));
    }
    let Some(digest) = parse_digest(name) else { return Ok(None) };
    Ok(ledger.program(&digest)?.map(|_| digest))
}

fn append(
    ledger: &dyn Ledger,
    program: Digest,
    after: u64,
    Reason { who, why, without_notice }: Reason,
) -> Result<ProgramChange, HostError> {
    let (version, made_at) = (after.saturating_add(1), clock::now());
    let change = ProgramChange { version, program, made_at, who, why, without_notice };
    ledger.change_program(&change)?;
    Ok(change)
}

/// What a change would change.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Plan {
    /// The version that it is made on, 0 where there is none.
    pub(crate) after: u64,
    /// The SHA-256 of the program that would be at work.
    pub(crate) program: String,
    /// What differs, table by table; nothing where it is the same program.
    pub(crate) differences: Vec<Difference>,
}

/// One thing in which two programs differ.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Difference {
    /// `added`, `removed`, `changed` or `moved`.
    pub(crate) what: What,
    /// The table of the file, such as `deployment`.
    pub(crate) table: String,
    /// Which of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// What of it, such as `parameters.per`; `component` is what its policy runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<String>,
    /// What it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) was: Option<Value>,
    /// What it is then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) now: Option<Value>,
}

/// How two programs differ in something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum What {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another.
    Changed,
    /// It stands in another place among its like, which may matter.
    Moved,
}

impl Plan {
    /// Compares a program with the one at work.
    pub(crate) fn new(ledger: &dyn Ledger, active: &Active) -> Result<Self, HostError> {
        let last = ledger.last_program_change()?;
        let after = last.as_ref().map_or(0, |last| last.version);
        let was = last.map(|last| Document::of(&hex::encode(last.program), ledger)).transpose()?;
        let (was, now) = (was.unwrap_or_default(), &active.document);
        let mut differences = differences(&was, now);
        // A build brings its own.
        for (table, was, now) in [
            ("calendars", &was.pins.calendars, &now.pins.calendars),
            ("timezones", &was.pins.timezones, &now.pins.timezones),
        ] {
            if after > 0 && was != now {
                let (was, now) = (was.as_str().into(), now.as_str().into());
                fields(table, None, "version", Some(&was), Some(&now), &mut differences);
            }
        }
        if differences.is_empty() && was != *now {
            differences.push(Difference::of_layout());
        }
        Ok(Self { after, program: active.digest.clone(), differences })
    }
}

impl Difference {
    /// What is left where the digests differ and nothing else does: comments, spaces and the order of keys.
    fn of_layout() -> Self {
        let field = Some("layout".to_owned());
        Self { what: What::Changed, table: "text".to_owned(), id: None, field, was: None, now: None }
    }
}

/// Returns in what the files of two programs differ, and what their deployments run.
fn differences(was: &Document, now: &Document) -> Vec<Difference> {
    let (program, mut differences) = (Program::tables(&now.program), Vec::new());
    tables(&Program::tables(&was.program), &program, &mut differences);
    components(&was.pins, &now.pins, &program, &mut differences);
    differences
}

/// Returns whether two programs differ in one deployment and in nothing else.
pub(crate) fn differ_only_in(deployment: &DeploymentId, was: &Document, now: &Document) -> bool {
    let of_it = |it: &Difference| RUNS.contains(&&*it.table) && it.id.as_deref() == Some(deployment.as_str());
    differences(was, now).iter().all(of_it)
}

fn tables(was: &Map<String, Value>, now: &Map<String, Value>, out: &mut Vec<Difference>) {
    for table in union(was.keys(), now.keys()) {
        let (was, now) = (was.get(table), now.get(table));
        match (was.map_or(Some(&[][..]), listed), now.map_or(Some(&[][..]), listed)) {
            (Some(was), Some(now)) => lists(table, was, now, out),
            (_, _) => fields(table, None, "", was, now, out),
        }
    }
}

/// Returns the tables of an array of tables.
fn listed(value: &Value) -> Option<&[Value]> {
    value.as_array().filter(|tables| tables.iter().all(Value::is_object)).map(Vec::as_slice)
}

/// Compares tables that have names by their names, others by their places.
fn lists<'v>(table: &str, was: &'v [Value], now: &'v [Value], out: &mut Vec<Difference>) {
    let (old, new) = (with_names(was), with_names(now));
    for id in union(old.iter().map(|(id, _)| id), new.iter().map(|(id, _)| id)) {
        let of = |list: &[(String, &'v Value)]| list.iter().find(|(other, _)| other == id).map(|(_, it)| *it);
        fields(table, Some(id), "", of(&old), of(&new), out);
    }
    let common = |list: &[(String, &Value)], other: &[(String, &Value)]| {
        let there = |id: &String| other.iter().any(|(other, _)| other == id);
        list.iter().map(|(id, _)| id.clone()).filter(there).collect::<Vec<_>>()
    };
    let (before, after) = (common(&old, &new), common(&new, &old));
    if before != after {
        let (was, now) = (Some(before.into()), Some(after.into()));
        let (table, field) = (table.to_owned(), Some("order".to_owned()));
        out.push(Difference { what: What::Moved, table, id: None, field, was, now });
    }
}

/// Returns tables with their names; the place is the name of one that has none.
fn with_names(tables: &[Value]) -> Vec<(String, &Value)> {
    let name = |place: usize, table: &Value| {
        let id = table.get("id").and_then(Value::as_str);
        id.map_or_else(|| format!("#{}", place.saturating_add(1)), str::to_owned)
    };
    tables.iter().enumerate().map(|(place, table)| (name(place, table), table)).collect()
}

fn fields(
    table: &str,
    id: Option<&String>,
    path: &str,
    was: Option<&Value>,
    now: Option<&Value>,
    out: &mut Vec<Difference>,
) {
    if was == now {
        return;
    }
    if let (Some(Value::Object(was)), Some(Value::Object(now))) = (was, now) {
        for key in union(was.keys(), now.keys()) {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            fields(table, id, &path, was.get(key), now.get(key), out);
        }
        return;
    }
    let what = match (was, now) {
        (None, _) if path.is_empty() => What::Added,
        (_, None) if path.is_empty() => What::Removed,
        (_, _) => What::Changed,
    };
    out.push(Difference {
        what,
        table: table.to_owned(),
        id: id.cloned(),
        field: (!path.is_empty()).then(|| path.to_owned()),
        was: was.cloned(),
        now: now.cloned(),
    });
}

/// Compares what deployments run that are in both programs.
fn components(was: &Pins, now: &Pins, program: &Map<String, Value>, out: &mut Vec<Difference>) {
    let has = |table: &str, id: &str| {
        let tables = program.get(table).and_then(listed).unwrap_or_default();
        with_names(tables).iter().any(|(other, _)| other == id)
    };
    let old: BTreeMap<_, _> = was.policies.iter().map(|pin| (&pin.deployment, pin)).collect();
    for pin in &now.policies {
        let Some(was) = old.get(&pin.deployment).filter(|was| was.component != pin.component) else {
            continue;
        };
        out.push(Difference {
            what: What::Changed,
            table: RUNS.into_iter().find(|table| has(table, &pin.deployment)).unwrap_or_default().to_owned(),
            id: Some(pin.deployment.clone()),
            field: Some("component".to_owned()),
            was: Some(format!("{} {}", was.policy, was.component).into()),
            now: Some(format!("{} {}", pin.policy, pin.component).into()),
        });
    }
}

/// Returns all of both, each once, in the order of the first.
fn union<'a>(
    first: impl Iterator<Item = &'a String>,
    second: impl Iterator<Item = &'a String>,
) -> Vec<&'a String> {
    let mut all: Vec<_> = first.collect();
    for more in second {
        if !all.contains(&more) {
            all.push(more);
        }
    }
    all
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, table, id, field, was, now } = self;
        let mark = match what {
            What::Added => '+',
            What::Removed => '-',
            What::Changed | What::Moved => '~',
        };
        write!(f, "{mark} {table}")?;
        if let Some(id) = id {
            write!(f, " {id}")?;
        }
        if let Some(field) = field {
            write!(f, ": {field}")?;
        }
        let told =
            |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
        match what {
            What::Changed | What::Moved if was.is_some() || now.is_some() => {
                write!(f, " {} -> {}", told(was), told(now))
            }
            What::Added | What::Removed | What::Changed | What::Moved => Ok(()),
        }
    }
}
