//! What this process may use: what the larger class may, set before it reads a byte of the request, and what the component's class
//! may as soon as it knows how large that is.

use std::io;

use jifen_engine::limits::{self, Limits};
use rustix::process::{Resource, Rlimit, setpriority_process, setrlimit};

/// Sets the limits of a class. They cannot be lifted again.
pub(crate) fn set(class: &Limits) -> io::Result<()> {
    // Who waits for a policy waits longer than who pays at a till. Where the host itself gives way more, it stays at that.
    setpriority_process(None, limits::COMPILE_NICE).ok();
    for (resource, limit) in [
        // What can be written to: the true bound on memory. Then allocation fails, and the process aborts.
        (Resource::Data, class.compile_data_bytes),
        // Linear memories reserve much more than they use.
        (Resource::As, limits::COMPILE_ADDRESS_BYTES_MAX),
        // No image of a crash, since the key is in it.
        (Resource::Core, 0),
        // No files are written, nor opened: the three pipes are open already.
        (Resource::Fsize, 0),
        (Resource::Nofile, limits::COMPILE_FILES_MAX),
    ] {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    // Processor time: at the limit comes SIGXCPU, by which the host knows the reason. SIGKILL would come at the maximum.
    let seconds = class.compile_cpu_seconds;
    setrlimit(Resource::Cpu, Rlimit { current: Some(seconds), maximum: Some(seconds.saturating_add(1)) })
        .map_err(io::Error::from)
}
