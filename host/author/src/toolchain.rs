//! A Rust that compiles for WebAssembly.
//!
//! rustup's toolchain is enough where it has the standard library for the target. Where that library cannot be
//! downloaded, Debian's packages bring its source, and cargo builds it along.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{clean, output};

/// No WASI: a policy has no ambient authority.
pub const TARGET: &str = "wasm32-unknown-unknown";

const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// What Debian calls its Rust for WebAssembly.
pub const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
/// What Debian calls its linker, which is needed where rustup's toolchain does not bring one.
pub const DEBIAN_LINKER: &str = "lld-22";

/// How policies are compiled.
pub enum Toolchain {
    /// The active toolchain, which has the target's standard library.
    Active,
    /// Debian's, which builds the target's standard library from source and borrows a linker.
    Debian {
        /// The linker.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// Returns the first toolchain that is there.
    pub fn find() -> Option<Self> {
        if active_has_target() {
            return Some(Self::Active);
        }
        debian_has_source().then(Self::linker).flatten().map(|linker| Self::Debian { linker })
    }

    /// Returns the linker that rustup ships beside rustc, or LLVM's own.
    pub fn linker() -> Option<PathBuf> {
        let installed = ["/usr/bin/wasm-ld-22", "/usr/bin/wasm-ld"].map(PathBuf::from);
        shipped_linker().into_iter().chain(installed).find(|linker| linker.exists())
    }

    /// Returns how a toolchain is installed.
    pub fn advice() -> String {
        let packages = DEBIAN_PACKAGES.join(" ");
        format!("run `rustup target add {TARGET}`, or on Debian `apt-get install {packages} {DEBIAN_LINKER}`")
    }

    /// Returns the cargo to build with, with everything but the task set.
    pub(crate) fn cargo(&self) -> Command {
        match self {
            Self::Active => clean("cargo"),
            Self::Debian { linker } => {
                let mut cargo = clean(DEBIAN_CARGO);
                cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
                cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                cargo.arg("-Zbuild-std=std,panic_abort");
                cargo
            }
        }
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active => write!(f, "the active toolchain and its {TARGET}"),
            Self::Debian { linker } => {
                write!(f, "{DEBIAN_CARGO}, the standard library from source and {}", linker.display())
            }
        }
    }
}

/// The targets of a toolchain each have a directory; that of a missing one does not exist.
fn active_has_target() -> bool {
    let directory = output(clean("rustc").args(["--print", "target-libdir", "--target", TARGET]));
    directory.is_ok_and(|directory| holds(Path::new(&directory), "libstd-"))
}

fn debian_has_source() -> bool {
    let sysroot = output(clean(DEBIAN_RUSTC).args(["--print", "sysroot"]));
    let source =
        sysroot.map(|sysroot| Path::new(&sysroot).join("lib/rustlib/src/rust/library/std/Cargo.toml"));
    Path::new(DEBIAN_CARGO).exists() && source.is_ok_and(|source| source.exists())
}

fn shipped_linker() -> Option<PathBuf> {
    let sysroot = output(clean("rustc").args(["--print", "sysroot"])).ok()?;
    let host = output(clean("rustc").args(["--print", "host-tuple"])).ok()?;
    Some(Path::new(&sysroot).join("lib/rustlib").join(host).join("bin/rust-lld"))
}

/// Returns whether a directory holds a file whose name begins so.
fn holds(directory: &Path, prefix: &str) -> bool {
    let entries = directory.read_dir().into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
}
