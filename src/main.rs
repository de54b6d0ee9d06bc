//! The `trail` command.

use std::process::ExitCode;

use clap::Parser;

/// An ingest allocates many small texts on many threads; this allocator took a tenth off its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    trail::cli::Cli::parse().run()
}
