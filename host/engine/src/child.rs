//! Runs the compiler: a child process that may be slow, grow, crash or be killed without harm to the host.

use std::io::{self, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::fault::bytes;
use crate::limits::{COMPILE_DATA_BYTES_MAX, Limits, MESSAGE_BYTES_MAX};
use crate::protocol::{self, Answer, Request, Response};
use crate::words::clean;

/// Why the compiler gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// It could not be started.
    #[error("cannot run the compiler {}; build it: cargo build --release -p jifen-compiler", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It ran past its deadline and was killed.
    #[error(
        "compiling took longer than {seconds} s and was stopped; simplify the policy, or try again where the machine has less to do"
    )]
    Deadline {
        /// The deadline.
        seconds: u64,
    },
    /// It used more processor time than it may.
    #[error("compiling used more than {seconds} s of processor time and was stopped; simplify the policy")]
    Processor {
        /// How much it may use.
        seconds: u64,
    },
    /// It needed more memory than it may have.
    #[error("compiling needed more than {limit_bytes} bytes and was stopped; simplify the policy")]
    OutOfMemory {
        /// How much it may have.
        limit_bytes: u64,
    },
    /// It ended without an answer.
    #[error("the compiler {how}")]
    Crashed {
        /// How it ended, with its last words.
        how: String,
    },
}

impl CompileError {
    /// Returns the stable code for scripts and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "compiler-missing",
            Self::Deadline { .. } => "compiler-deadline",
            Self::Processor { .. } => "compiler-processor",
            Self::OutOfMemory { .. } => "compiler-out-of-memory",
            Self::Crashed { .. } => "compiler-crashed",
        }
    }
}

/// An answer with what followed it.
pub(crate) struct Answered {
    pub(crate) response: Response,
    /// Sealed code.
    pub(crate) sealed: Vec<u8>,
    /// The component's configurator, sealed.
    pub(crate) configurator: Vec<u8>,
}

/// What the child left: an answer where there is one, its last words and its end.
struct Left {
    answer: io::Result<Answered>,
    words: String,
}

/// Sends a request and waits for the answer, at most until the deadline.
pub(crate) fn ask(
    compiler: &Path,
    deadline: Duration,
    request: &Request,
    component: &[u8],
    configurator: &[u8],
) -> Result<Answered, CompileError> {
    let mut child =
        spawn(compiler).map_err(|source| CompileError::Missing { path: compiler.to_owned(), source })?;
    let limits = request.task.limits(component.len());
    let left = talk(&mut child, deadline, request, [component, configurator], limits);
    let status = child.wait().map_err(|error| CompileError::Crashed { how: error.to_string() })?;
    match left {
        None => Err(CompileError::Deadline { seconds: deadline.as_secs() }),
        Some(Left { answer: Ok(answer), .. }) => Ok(answer),
        Some(Left { words, .. }) => Err(death(status, &words, limits)),
    }
}

/// Starts the child with three pipes, no arguments and no environment.
fn spawn(compiler: &Path) -> io::Result<Child> {
    let mut command = Command::new(compiler);
    command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn()
}

/// Writes the request and reads the answer, each on a thread of its own, so that no full pipe can hold us. `None` when
/// the deadline passes first.
fn talk(
    child: &mut Child,
    deadline: Duration,
    request: &Request,
    following: [&[u8]; 2],
    limits: &Limits,
) -> Option<Left> {
    let stdin = child.stdin.take().expect("the pipe was asked for");
    let stdout = child.stdout.take().expect("the pipe was asked for");
    let stderr = child.stderr.take().expect("the pipe was asked for");
    let (sender, left) = mpsc::channel();
    let compiled_bytes_max = bytes(limits.compiled_bytes);
    thread::spawn(move || drop(sender.send(listen(stdout, stderr, compiled_bytes_max))));
    thread::scope(|scope| {
        // A child that dies while we write closes the pipe; its end says why.
        scope.spawn(move || drop(protocol::write(stdin, request, following)));
        let left = left.recv_timeout(deadline).ok();
        // Whether it answered, hung or died, from here on it is no more; else one that does not read would hold us.
        drop(child.kill());
        left
    })
}

fn listen(stdout: ChildStdout, stderr: ChildStderr, compiled_bytes_max: u64) -> Left {
    let words = thread::spawn(move || {
        let mut words = Vec::new();
        drop(stderr.take(64 << 10).read_to_end(&mut words));
        String::from_utf8_lossy(&words).into_owned()
    });
    let answer = read_answer(BufReader::new(stdout), compiled_bytes_max);
    Left { answer, words: words.join().unwrap_or_default() }
}

fn read_answer(mut stdout: BufReader<ChildStdout>, compiled_bytes_max: u64) -> io::Result<Answered> {
    let Answer { response, sealed_bytes, configurator_bytes } = protocol::read_header(&mut stdout)?;
    if sealed_bytes.max(configurator_bytes) > compiled_bytes_max {
        return Err(io::Error::other("more code than is taken"));
    }
    let sealed = protocol::read_bytes(&mut stdout, sealed_bytes)?;
    Ok(Answered { response, sealed, configurator: protocol::read_bytes(stdout, configurator_bytes)? })
}

/// Tells from how the child ended why it did.
fn death(status: ExitStatus, words: &str, limits: &Limits) -> CompileError {
    let last = words.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("said nothing");
    let last = clean(last, MESSAGE_BYTES_MAX);
    if words.contains("memory allocation of") {
        return CompileError::OutOfMemory { limit_bytes: COMPILE_DATA_BYTES_MAX };
    }
    match status.signal() {
        Some(SIGXCPU) => CompileError::Processor { seconds: limits.compile_cpu_seconds },
        Some(signal) => CompileError::Crashed { how: format!("died of signal {signal} and {last}") },
        None => CompileError::Crashed { how: format!("gave no answer ({status}): {last}") },
    }
}

/// The signal of a process that used up its processor time.
const SIGXCPU: i32 = 24;
