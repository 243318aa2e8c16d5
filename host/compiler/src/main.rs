//! `jifen-compile`: inspects, configures and compiles one policy, and exits.
//!
//! Run by the host for each upload, because this is where an upload can hurt: a few kilobytes can keep a compiler busy
//! for minutes, and configuring runs what a stranger wrote. So it happens in a process that holds nothing of value, may
//! use little, and is killed when it takes too long. Whatever goes wrong in here costs one upload.
//!
//! It reads one request from standard input, answers on standard output (see [`jifen_engine::protocol`]), and uses no
//! arguments, environment, files or network.

mod compile;
mod inspect;
mod limits;
mod prune;
mod schema;
mod snapshot;

use std::io::{self, BufReader, Read};
use std::process::ExitCode;

use jifen_engine::limits::SCRIPT;
use jifen_engine::protocol::{self, Answer, Request, Response, Task};
use jifen_engine::sealed::JobKey;
use jifen_engine::{Refusal, Report};

use crate::compile::{Kept, bytes};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the host shows the last line to whoever uploaded")]
            {
                eprintln!("cannot serve: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    limits::set()?;
    let mut stdin = BufReader::new(io::stdin().lock());
    let request: Request = protocol::read_header(&mut stdin)?;
    let component_bytes = usize::try_from(request.component_bytes).unwrap_or(usize::MAX);
    limits::set_time(request.task.limits(component_bytes))?;
    let component = read_component(&mut stdin, request.component_bytes)?;
    let done = serve(request.task, &component, stdin)?;
    let (sealed_bytes, configurator_bytes) = (bytes(done.sealed.len()), bytes(done.configurator.len()));
    let answer = Answer { response: done.response, sealed_bytes, configurator_bytes };
    protocol::write(io::stdout().lock(), &answer, [&done.sealed, &done.configurator])
}

/// An answer with what follows it.
struct Done {
    response: Response,
    sealed: Vec<u8>,
    configurator: Vec<u8>,
}

impl Done {
    /// A refusal is an answer, not a failure.
    fn of(outcome: Result<Report, Refusal>) -> Self {
        let response = outcome.map_or_else(Response::Refused, |report| Response::Done(Box::new(report)));
        response.into()
    }
}

impl From<Response> for Done {
    fn from(response: Response) -> Self {
        Self { response, sealed: Vec::new(), configurator: Vec::new() }
    }
}

/// Reads the component, unless it is too large to be looked at.
fn read_component(from: impl Read, component_bytes: u64) -> io::Result<Vec<u8>> {
    if component_bytes <= bytes(SCRIPT.component_bytes) {
        protocol::read_bytes(from, component_bytes)
    } else {
        Err(io::Error::other("the component is too large"))
    }
}

/// Does what was asked for; the configurator is read from where it comes.
fn serve(task: Task, component: &[u8], from: impl Read) -> io::Result<Done> {
    Ok(match task {
        Task::Inspect => Done::of(inspect::inspect(component)),
        Task::Compile { parameters, key, configurator_key, configurator_bytes } => {
            let key = JobKey::from_hex(&key).map_err(io::Error::other)?;
            let mut kept = Kept {
                key: JobKey::from_hex(&configurator_key).map_err(io::Error::other)?,
                sealed: protocol::read_bytes(from, configurator_bytes)?,
            };
            let outcome = compile::compile(component, &parameters, &mut kept);
            let sealed = outcome.as_ref().map(|(report, code)| key.seal(report, code)).unwrap_or_default();
            let done = Done::of(outcome.map(|(report, _)| report));
            Done { sealed, configurator: kept.sealed, ..done }
        }
        Task::Validate { description, parameters } => schema::validate(&description, &parameters).into(),
    })
}
