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
use jifen_engine::protocol::{self, Request, Response, Task};
use jifen_engine::sealed::JobKey;

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
    let component = read_component(stdin, request.component_bytes)?;
    let (response, sealed) = serve(request.task, &component)?;
    protocol::write(io::stdout().lock(), &response, &sealed)
}

/// Reads the component, unless it is too large to be looked at.
fn read_component(from: impl Read, component_bytes: u64) -> io::Result<Vec<u8>> {
    if component_bytes <= compile::bytes(SCRIPT.component_bytes) {
        protocol::read_bytes(from, component_bytes)
    } else {
        Err(io::Error::other("the component is too large"))
    }
}

/// Does what was asked for. A refusal is an answer, not a failure.
fn serve(task: Task, component: &[u8]) -> io::Result<(Response, Vec<u8>)> {
    let done = match task {
        Task::Inspect => inspect::inspect(component).map(|report| (report, Vec::new())),
        Task::Compile { parameters, key } => {
            let key = JobKey::from_hex(&key).map_err(io::Error::other)?;
            compile::compile(component, &parameters).map(|(report, code)| {
                let sealed = key.seal(&report, &code);
                (report, sealed)
            })
        }
        Task::Validate { description, parameters } => {
            return Ok((schema::validate(&description, &parameters), Vec::new()));
        }
    };
    Ok(match done {
        Ok((report, sealed)) => {
            let sealed_bytes = compile::bytes(sealed.len());
            (Response::Done { report: Box::new(report), sealed_bytes }, sealed)
        }
        Err(refusal) => (Response::Refused(refusal), Vec::new()),
    })
}
