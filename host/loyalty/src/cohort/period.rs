//! Periods: the years, quarters or months by which points are reported.

use std::fmt;

use chrono::{Datelike, NaiveDate};

/// How long periods are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Span {
    /// A calendar year: `2026`.
    Year,
    /// A quarter of one: `2026-Q1`.
    Quarter,
    /// A month: `2026-01`.
    Month,
}

/// A year, a quarter or a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    span: Span,
    year: i32,
    /// Its place in the year, from 1.
    place: u32,
}

impl Period {
    /// Returns the period in which a day lies.
    pub fn of(span: Span, day: NaiveDate) -> Self {
        let place = match span {
            Span::Year => 1,
            Span::Quarter => day.quarter(),
            Span::Month => day.month(),
        };
        Self { span, year: day.year(), place }
    }

    /// Reads a period.
    ///
    /// # Errors
    ///
    /// With what is wrong and what would be right.
    pub fn parse(span: Span, text: &str) -> Result<Self, String> {
        let (kind, example, places, mark) = match span {
            Span::Year => ("year", "2026", 1, ""),
            Span::Quarter => ("quarter", "2026-Q1", 4, "-Q"),
            Span::Month => ("month", "2026-01", 12, "-"),
        };
        let (year, place) =
            if span == Span::Year { (text, "1") } else { text.split_once(mark).unwrap_or_default() };
        let read = Self { span, year: year.parse().unwrap_or(0), place: place.parse().unwrap_or(0) };
        // What is not written as it would be told again is not meant so: `2026-1`, `26`.
        let plain = (1..=9_999).contains(&read.year) && (1..=places).contains(&read.place);
        if plain && read.to_string() == text {
            Ok(read)
        } else {
            Err(format!("{text:?} is not a {kind}; write it as {example}"))
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { span, year, place } = self;
        match span {
            Span::Year => write!(f, "{year:04}"),
            Span::Quarter => write!(f, "{year:04}-Q{place}"),
            Span::Month => write!(f, "{year:04}-{place:02}"),
        }
    }
}
