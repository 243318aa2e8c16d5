//! What this process may use: what either class may, set before it reads a byte of the request, and the processor time of the
//! component's class as soon as it knows how large that is.

use std::io;

use jifen_engine::limits::{self, Limits};
use rustix::process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit};

/// Sets the limits of all classes. They cannot be lifted again.
pub(crate) fn set() -> io::Result<()> {
    // Who waits for a policy waits longer than who pays at a till. Where the host itself gives way more, it stays at that.
    setpriority_process(None, limits::COMPILE_NICE).ok();
    for (resource, limit) in [
        // What can be written to: the true bound on memory. Then allocation fails, and the process aborts.
        (Resource::Data, limits::COMPILE_DATA_BYTES_MAX),
        // Linear memories reserve much more than they use.
        (Resource::As, limits::COMPILE_ADDRESS_BYTES_MAX),
        // No image of a crash, since the key is in it.
        (Resource::Core, 0),
        // No files are written, nor opened: the three pipes are open already.
        (Resource::Fsize, 0),
        (Resource::Nofile, limits::COMPILE_FILES_MAX),
    ] {
        lower(resource, limit, limit)?;
    }
    set_time(&limits::SCRIPT)
}

/// Sets the processor time of a class. At the limit comes SIGXCPU, by which the host knows the reason; SIGKILL would come at the
/// maximum.
pub(crate) fn set_time(class: &Limits) -> io::Result<()> {
    let seconds = class.compile_cpu_seconds;
    lower(Resource::Cpu, seconds, seconds.saturating_add(1))
}

/// Sets a limit, or leaves what is lower already: nobody may raise it again.
fn lower(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    let present = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let limit = Rlimit { current: Some(current.min(present)), maximum: Some(maximum.min(present)) };
    setrlimit(resource, limit).map_err(io::Error::from)
}
