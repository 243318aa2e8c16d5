//! `jifen new`: a project of a new policy.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

#[derive(Args)]
pub(super) struct New {
    /// The policy's name, which is that of its folder, too
    name: String,
    /// The stock policy to begin with
    #[arg(long, value_name = "STOCK")]
    from: String,
    /// Where the folder is made
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    into: PathBuf,
}

impl New {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let Self { name, from, into } = self;
        let folder = into.join(&name);
        jifen_author::create(&folder, &name, &from)?;
        super::print(&format_args!(
            "{} is a project made from {from}; there, `cargo test` tests it and `jifen build` makes its component",
            folder.display()
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}
