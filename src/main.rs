//! The `trail` command.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    trail::cli::Cli::parse().run()
}
