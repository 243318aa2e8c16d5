//! What work that can wait gets of the machine: uploads, back-tests, statements of merchants.
//!
//! Where two threads want a core, whoever runs keeps it for some milliseconds, however little it should get in the long run. So a
//! tenth of two cores nearly doubles the slowest answers to events. The scheduler's class for what is idle yields at once; and a core
//! that is left alone answers as fast as ever.

use rustix::io;
use rustix::process::nice;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

/// By how much the system's scheduler prefers others to what gives way: where both want a core, they get nine parts in ten of it.
const GIVES_WAY: i32 = 10;

/// Lets everything else go before this thread, and all threads and processes that it starts. While `events` wait, they get what is left of one
/// core; else all of them, and where others come to want them, a tenth. Where something of that is forbidden, it goes on without.
pub(super) fn give_way(events: bool) {
    if events {
        keep_to_one_core().ok();
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle).ok();
    }
    nice(GIVES_WAY).ok();
}

fn keep_to_one_core() -> io::Result<()> {
    let allowed = sched_getaffinity(None)?;
    let Some(last) = (0..CpuSet::MAX_CPU).rev().find(|cpu| allowed.is_set(*cpu)) else { return Ok(()) };
    let mut one = CpuSet::new();
    one.set(last);
    sched_setaffinity(None, &one)
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::thread;

    use super::*;

    /// Linux's number of the class for what is idle (sched(7)).
    const SCHED_IDLE: &str = "5";

    /// Returns the niceness and the scheduling class of the process that asks (proc_pid_stat(5)), and how many cores it may run on.
    fn of_a_child() -> (String, String, usize) {
        let child = "cat /proc/self/stat; nproc";
        let output = Command::new("sh").args(["-c", child]).output().expect("there is a shell");
        let told = String::from_utf8(output.stdout).expect("it is text");
        let (stat, cores) = told.trim_end().split_once('\n').expect("two lines");
        let fields: Vec<_> = stat.rsplit(") ").next().expect("what follows its name").split(' ').collect();
        (fields[16].to_owned(), fields[38].to_owned(), cores.parse().expect("a number"))
    }

    #[test]
    fn what_gives_way_takes_along_what_it_starts() {
        let told = |events| {
            thread::spawn(move || {
                give_way(events);
                of_a_child()
            })
            .join()
            .expect("it says so")
        };
        let (_, _, cores) = of_a_child();
        let (nice, class, quiet) = told(false);
        assert_eq!((nice.as_str(), quiet), ("10", cores));
        assert_ne!(class, SCHED_IDLE);
        let (_, class, busy) = told(true);
        assert_eq!((class.as_str(), busy), (SCHED_IDLE, 1));
    }
}
