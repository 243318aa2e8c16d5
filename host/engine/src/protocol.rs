//! What the host and its compiler say to each other: one line of JSON, then bytes. Nothing travels in arguments or the
//! environment, which other users of the machine can read.

use std::io::{self, BufRead, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::limits::{Limits, SCHEMA};
use crate::refusal::Refusal;
use crate::sealed::Report;

/// Bytes of the line of JSON: a report with its description, or a description with parameters.
const HEADER_BYTES_MAX: u64 = 1 << 20;

/// What the child is asked to do. The component follows, and then its configurator. It cannot be printed, because of the keys.
#[derive(Serialize, Deserialize)]
pub struct Request {
    /// Bytes of the component; none where it is not needed.
    pub component_bytes: u64,
    /// What to do.
    pub task: Task,
}

/// What there is to do.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Look at the component: nothing of it runs.
    Inspect,
    /// Configure it and compile it.
    Compile {
        /// The deployment's parameters, a JSON object.
        parameters: String,
        /// The key to seal with.
        key: String,
        /// The key of the component's configurator: of the code that configures it with any parameters.
        configurator_key: String,
        /// Bytes of the configurator, sealed; none where it is not made yet.
        configurator_bytes: u64,
    },
    /// Hold parameters against the schema in a description.
    Validate {
        /// What a component says of itself.
        description: String,
        /// Sets of parameters, each a JSON object.
        parameters: Vec<String>,
    },
}

/// What the child answers. Sealed code follows, and then the component's configurator.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// What came of it.
    pub response: Response,
    /// Bytes of sealed code; none where it was not asked for.
    pub sealed_bytes: u64,
    /// Bytes of the configurator, sealed; none where it was there, or is not needed.
    pub configurator_bytes: u64,
}

/// What came of a task.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// It was done, and this was found out.
    Done(Box<Report>),
    /// All parameters are as the schema says, or there is none.
    Fit,
    /// Some parameters are not.
    Unfit {
        /// The place of their set.
        set: usize,
        /// What is wrong with it.
        refusal: Refusal,
    },
    /// The component, its parameters or its description are not taken.
    Refused(Refusal),
}

impl Task {
    /// Returns what may be taken for it, of a component of so many bytes.
    pub fn limits(&self, component_bytes: usize) -> &'static Limits {
        match self {
            Self::Inspect | Self::Compile { .. } => Limits::of(component_bytes),
            Self::Validate { .. } => &SCHEMA,
        }
    }
}

/// Writes one message: the line of JSON, and what follows it.
///
/// # Errors
///
/// Those of the writer.
pub fn write(mut to: impl Write, header: &impl Serialize, following: [&[u8]; 2]) -> io::Result<()> {
    let mut line = serde_json::to_vec(header)?;
    line.push(b'\n');
    to.write_all(&line)?;
    for bytes in following {
        to.write_all(bytes)?;
    }
    to.flush()
}

/// Reads the line of JSON of a message.
///
/// # Errors
///
/// Those of the reader, or if this is no such line.
pub fn read_header<T: DeserializeOwned>(from: impl BufRead) -> io::Result<T> {
    let mut line = Vec::new();
    from.take(HEADER_BYTES_MAX).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}

/// Reads exactly so many bytes.
///
/// # Errors
///
/// Those of the reader, or if there are fewer.
pub fn read_bytes(from: impl Read, bytes: u64) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    from.take(bytes).read_to_end(&mut all)?;
    let short = || io::Error::new(io::ErrorKind::UnexpectedEof, "the message ends too early");
    if crate::fault::bytes(all.len()) == bytes { Ok(all) } else { Err(short()) }
}
