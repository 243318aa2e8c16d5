//! From wasmtime's errors to the domain's faults.

use jifen_loyalty::proposal::Fault;
use wasmtime::{Error, Trap};

use crate::host::{AskedInConfigure, Refused, Unanswered};
use crate::limits;
use crate::words::clean;

/// Returns why a call failed. `fuel` is what the call was given.
pub fn fault(error: &Error, fuel: u64) -> Fault {
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return trapped(*trap, fuel);
    }
    if let Some(unanswered) = error.downcast_ref::<Unanswered>() {
        return Fault::NoAnswer { fact: unanswered.fact(), why: unanswered.to_string() };
    }
    if error.downcast_ref::<AskedInConfigure>().is_some() {
        let why = "asks in configure, which is for all members".to_owned();
        return Fault::NoAnswer { fact: None, why };
    }
    if let Some(Refused { limit_bytes }) = error.downcast_ref::<Refused>() {
        return Fault::OutOfMemory { limit_bytes: bytes(*limit_bytes) };
    }
    let why = error.root_cause().to_string();
    // Its type is private to wasmtime.
    if why.contains("fuel allocated for hostcalls") {
        return Fault::AnswerTooLarge { limit_bytes: bytes(limits::ANSWER_BYTES_MAX) };
    }
    Fault::AnswerUnreadable { why: clean(&why, limits::MESSAGE_BYTES_MAX) }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "every other trap keeps the name that WebAssembly gives it"
)]
fn trapped(trap: Trap, fuel: u64) -> Fault {
    match trap {
        Trap::OutOfFuel => Fault::OutOfFuel { limit: fuel },
        Trap::Interrupt => Fault::Deadline,
        Trap::StackOverflow => Fault::StackOverflow,
        other => Fault::Trap { trap: other.to_string().trim_start_matches("wasm trap: ").to_owned() },
    }
}

pub(crate) fn bytes(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
