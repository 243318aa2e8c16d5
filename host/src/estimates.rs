//! Estimates: how many points of a cohort are expected to be redeemed, and what of the price is for them, from a file.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use csv::{Position, StringRecord};
use jifen_loyalty::Points;
use jifen_loyalty::cohort::{Allocation, Cohort, Period, Span};
use jifen_loyalty::event::AMOUNT_MINOR_MAX;
use jifen_loyalty::lot::Issuer;
use serde::Deserialize;

/// What is allocated to cohorts, each with the line that said so first.
pub(crate) type Estimates = BTreeMap<Cohort, (u64, Allocation)>;

/// A row as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    merchant: String,
    unit: String,
    cohort: String,
    period: String,
    currency: String,
    allocated: u64,
    expected: u64,
}

/// Why a row cannot be taken: the column, what is wrong there, and what would be right.
type Wrong = (&'static str, String);

/// Reads a file of estimates: one row for each cohort, and one more for each period in which its expectation was revised.
///
/// # Errors
///
/// If the file cannot be read; with the first line and column that is wrong.
pub(crate) fn read(file: &Path, span: Span) -> anyhow::Result<Estimates> {
    let named = || format!("read {}", file.display());
    let mut rows = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(file).with_context(named)?;
    let header = rows.headers().with_context(named)?.clone();
    let mut estimates = Estimates::new();
    for record in rows.records() {
        let record =
            record.map_err(|error| anyhow::anyhow!("{}, {}", file.display(), told(&error, &header)))?;
        let line = record.position().map_or(0, Position::line);
        let row: Row = record
            .deserialize(Some(&header))
            .map_err(|error| anyhow::anyhow!("{}, line {line}, {}", file.display(), told(&error, &header)))?;
        row.enter(span, line, &mut estimates).map_err(|(column, reason)| {
            anyhow::anyhow!("{}, line {line}, column {column}: {reason}", file.display())
        })?;
    }
    Ok(estimates)
}

/// Returns what is wrong with a record, with its column where it is one field.
fn told(error: &csv::Error, header: &StringRecord) -> String {
    let csv::ErrorKind::Deserialize { err, .. } = error.kind() else { return error.to_string() };
    let column = err.field().and_then(|field| header.get(usize::try_from(field).ok()?));
    match column {
        Some(column) => format!("column {column}: {}; write a whole number", err.kind()),
        None => err.kind().to_string(),
    }
}

impl Row {
    fn enter(self, span: Span, line: u64, estimates: &mut Estimates) -> Result<(), Wrong> {
        let Self { merchant, unit, cohort, period, currency, allocated, expected } = self;
        if merchant.is_empty() {
            return Err(("merchant", "is empty; write a merchant, or platform".to_owned()));
        }
        let issuer = Issuer::named(&merchant);
        let awarded = Period::parse(span, &cohort).map_err(|reason| ("cohort", reason))?;
        let period = Period::parse(span, &period).map_err(|reason| ("period", reason))?;
        if period < awarded {
            return Err((
                "period",
                format!("is {period}, before the points were awarded; write {awarded} or later"),
            ));
        }
        if currency.len() != 3 || !currency.bytes().all(|letter| letter.is_ascii_uppercase()) {
            let reason = format!("{currency:?} is no currency; write three capital letters, such as CNY");
            return Err(("currency", reason));
        }
        within("allocated", allocated, AMOUNT_MINOR_MAX)?;
        within("expected", expected, Points::MAX.get())?;
        let key = Cohort { issuer, unit: unit.as_str().into(), period: awarded };
        let new = || {
            (
                line,
                Allocation {
                    currency: currency.clone(),
                    allocated_minor: allocated,
                    expected: BTreeMap::new(),
                },
            )
        };
        let (first, allocation) = estimates.entry(key).or_insert_with(new);
        if allocation.currency != currency {
            return Err(("currency", differs(&currency, &allocation.currency, *first)));
        }
        if allocation.allocated_minor != allocated {
            return Err(("allocated", differs(allocated, allocation.allocated_minor, *first)));
        }
        match allocation.expected.insert(period, expected) {
            None => Ok(()),
            Some(_) => Err(("period", format!("{period} has an estimate already; keep one"))),
        }
    }
}

fn within(column: &'static str, number: u64, most: u64) -> Result<(), Wrong> {
    if number > most { Err((column, format!("is {number}; at most {most} is allowed"))) } else { Ok(()) }
}

/// Only what is expected can be revised.
fn differs(found: impl std::fmt::Display, first: impl std::fmt::Display, line: u64) -> String {
    format!("is {found}, and {first} in line {line} for the same cohort; only what is expected can change")
}
