//! `jifen`, the points engine: see `README.md` for what it is, [`pipeline`] for the whole thing on one screen.

mod active;
mod audit;
mod backtest;
mod batch;
mod block;
mod campaign;
mod cases;
mod certificate;
mod change;
mod claims;
mod cli;
mod clock;
mod close;
mod compare;
mod conflict;
mod conversion;
mod corrections;
mod description;
mod error;
mod estimates;
mod extract;
mod facts;
mod gates;
mod governor;
mod head;
mod input;
mod keys;
mod merchant;
mod meter;
mod notice;
mod opening;
mod parallel;
mod pipeline;
mod programs;
mod reach;
mod redemption;
mod refund;
mod releases;
mod replay;
mod service;
mod settle;
mod signature;
mod term;
mod view;
mod webhook;
mod words;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
