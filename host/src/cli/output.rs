//! What commands say on standard error, and receipts as lines.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

use crate::active::Pins;
use crate::batch::Recorded;
use crate::view::{self, Names};

/// Says something on standard error. If even that cannot be written, there is nobody to tell.
pub(super) fn complain(words: fmt::Arguments<'_>) {
    drop(writeln!(io::stderr().lock(), "jifen: {words}"));
}

/// Writes receipts as lines of JSON: the canonical form, what it pins, what became of the event, its place and digest.
pub(super) struct Receipts {
    out: Box<dyn Write>,
    pins: Vec<u8>,
}

/// The line of an event that was refused.
#[derive(Serialize)]
pub(super) struct RefusedLine<'a> {
    #[serde(flatten)]
    pub(super) names: Names,
    pub(super) outcome: &'static str,
    pub(super) file: &'a str,
    pub(super) line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<&'a str>,
    pub(super) field: &'a str,
    pub(super) reason: &'a str,
    pub(super) awards: [(); 0],
    pub(super) faults: [(); 0],
}

impl Receipts {
    pub(super) fn new(out: Box<dyn Write>, pins: &Pins) -> Self {
        let pins = serde_json::to_string(pins).expect("text always serializes");
        Self { out, pins: format!("\"pins\":{pins},").into_bytes() }
    }

    /// Writes the receipt of an event that was applied, now or before.
    pub(super) fn applied(&mut self, outcome: &str, recorded: &Recorded) -> io::Result<()> {
        view::write_receipt(&mut self.out, recorded, &self.pins, outcome)?;
        self.out.write_all(b"\n")
    }

    /// Writes the line of an event that was refused.
    pub(super) fn refused(&mut self, line: &RefusedLine<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
