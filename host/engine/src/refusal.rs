//! Why a component is refused. Each reason names the place and the mend, for an author who has only this sentence.

use serde::{Deserialize, Serialize};

use wasmtime::Error;

use crate::fault::{bytes, fault};
use crate::host::AskedInConfigure;
use crate::limits::{MESSAGE_BYTES_MAX, SCRIPT};
use crate::words::clean;

/// Why the compiler does not take a component, or the component its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum Refusal {
    /// Nothing was uploaded.
    #[error("the component is empty")]
    Empty,
    /// More bytes than a component may have.
    #[error("the component has {bytes} bytes; at most {limit_bytes} are taken")]
    TooLarge {
        /// How many it has.
        bytes: u64,
        /// How many it may have.
        limit_bytes: u64,
    },
    /// Not WebAssembly at all.
    #[error("this is not WebAssembly: it does not begin with \\0asm")]
    NotWebAssembly,
    /// Machine code, which the host only takes from its own compiler.
    #[error("this is compiled code (.cwasm); upload the component it was compiled from")]
    Precompiled,
    /// A core module.
    #[error(
        "this is a core module, not a component; build it with `cargo xtask policies` or pass it through \
         `wasm-tools component new`"
    )]
    CoreModule,
    /// Not valid under the features that are on.
    #[error("the component is not valid: {why}")]
    Invalid {
        /// The validator's words.
        why: String,
    },
    /// An import that the host does not offer.
    #[error("imports {import}, which Jifen does not offer; {mend}")]
    ForeignImport {
        /// Its name.
        import: String,
        /// What to do about it.
        mend: String,
    },
    /// An interface of the contract in a version that the host does not speak.
    #[error("is built for {found}; this host speaks {offered}: build it against the host's wit/")]
    WrongVersion {
        /// What the component names.
        found: String,
        /// What the host has.
        offered: String,
    },
    /// No world of the contract.
    #[error("exports no policy; export {expected} (exported are: {found})")]
    NoWorld {
        /// What a policy exports.
        expected: String,
        /// What this component exports.
        found: String,
    },
    /// Several worlds of the contract.
    #[error(
        "exports {found}; a component is one policy: export one of them, and build another for the other"
    )]
    SeveralWorlds {
        /// What this component exports of them.
        found: String,
    },
    /// The right names, with other types.
    #[error("does not keep the contract: {why}; build it against the host's wit/")]
    WrongTypes {
        /// Where they differ.
        why: String,
    },
    /// Code that runs before anything was called.
    #[error("has a start function; do its work in `configure`")]
    StartFunction,
    /// Modules within nested components.
    #[error("contains a component with code of its own; link the parts into one core module")]
    NestedComponent,
    /// More memory than a policy may begin with.
    #[error("declares {bytes} bytes of memory; at most {limit_bytes} are given")]
    MemoryTooLarge {
        /// What it declares.
        bytes: u64,
        /// What it may.
        limit_bytes: u64,
    },
    /// More of something than is taken.
    #[error("has {count} {what}; at most {limit} are taken")]
    TooMany {
        /// Of what.
        what: String,
        /// How many.
        count: u64,
        /// How many there may be.
        limit: u64,
    },
    /// Loops that would take the compiler too long.
    #[error(
        "would take too long to compile: function {function} assigns {assigned} locals in loops, counting each once a \
         loop; split it"
    )]
    TooCostly {
        /// Its index within its module.
        function: u64,
        /// The sum over its loops of the different locals assigned inside.
        assigned: u64,
    },
    /// Blocks over which so many locals may live that the compiler would take too long.
    #[error(
        "would take too long to compile: function {function} has {locals} locals and {blocks} blocks, and each may live over each; split \
         it"
    )]
    TooBranched {
        /// Its index within its module.
        function: u64,
        /// Its locals, with its parameters.
        locals: u64,
        /// Its blocks, loops and branches.
        blocks: u64,
    },
    /// The policy does not take its parameters: its own words.
    #[error("the policy refuses its parameters: {message}")]
    ParametersRefused {
        /// What it says.
        message: String,
    },
    /// The policy takes parameters that its own schema does not.
    #[error("the parameters are not as the policy's schema says: {why}")]
    ParametersUnfit {
        /// Where, and what the schema says of it.
        why: String,
    },
    /// What should be a schema of the parameters is none.
    #[error("[parameters] in the policy's description is no JSON Schema: {why}")]
    InvalidSchema {
        /// What is wrong with it.
        why: String,
    },
    /// Facts belong to a member, and there is none yet.
    #[error("asks for facts in configure, which is for all members; ask in evaluate or quote")]
    FactsInConfigure,
    /// It failed to take its parameters.
    #[error("failed in configure: it {fault}")]
    ConfigureFailed {
        /// How.
        fault: String,
    },
    /// The compiler gave up.
    #[error("cannot be compiled: {why}")]
    NotCompiled {
        /// Its words.
        why: String,
    },
}

impl Refusal {
    /// Returns the refusal of so many bytes.
    pub fn too_large(bytes: u64) -> Self {
        Self::TooLarge { bytes, limit_bytes: self::bytes(SCRIPT.component_bytes) }
    }

    /// Returns the refusal of what is not of the contract's types.
    pub fn wrong_types(error: &Error) -> Self {
        Self::WrongTypes { why: chain(error) }
    }

    /// Returns the refusal of what cannot be compiled.
    pub fn not_compiled(error: &Error) -> Self {
        Self::NotCompiled { why: chain(error) }
    }

    /// Returns the refusal of what failed to take its parameters with so much fuel.
    pub fn failed(error: &Error, fuel: u64) -> Self {
        if error.downcast_ref::<AskedInConfigure>().is_some() {
            return Self::FactsInConfigure;
        }
        Self::ConfigureFailed { fault: fault(error, fuel).to_string() }
    }

    /// Returns the refusal in a policy's own words.
    pub(crate) fn of_parameters(message: &str) -> Self {
        Self::ParametersRefused { message: clean(message, MESSAGE_BYTES_MAX) }
    }

    /// Returns the stable code for scripts and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge { .. } => "too-large",
            Self::NotWebAssembly => "not-web-assembly",
            Self::Precompiled => "precompiled",
            Self::CoreModule => "core-module",
            Self::Invalid { .. } => "invalid",
            Self::ForeignImport { .. } => "foreign-import",
            Self::WrongVersion { .. } => "wrong-version",
            Self::NoWorld { .. } => "no-world",
            Self::SeveralWorlds { .. } => "several-worlds",
            Self::WrongTypes { .. } => "wrong-types",
            Self::StartFunction => "start-function",
            Self::NestedComponent => "nested-component",
            Self::MemoryTooLarge { .. } => "memory-too-large",
            Self::TooMany { .. } => "too-many",
            Self::TooCostly { .. } | Self::TooBranched { .. } => "too-costly",
            Self::ParametersRefused { .. } => "parameters-refused",
            Self::ParametersUnfit { .. } => "parameters-unfit",
            Self::InvalidSchema { .. } => "invalid-schema",
            Self::FactsInConfigure => "facts-in-configure",
            Self::ConfigureFailed { .. } => "configure-failed",
            Self::NotCompiled { .. } => "not-compiled",
        }
    }
}

/// Returns an error with its causes, in one line.
fn chain(error: &Error) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    clean(&causes.join(": "), MESSAGE_BYTES_MAX)
}
