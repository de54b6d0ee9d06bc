//! `trail report`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use miette::{Result, miette};

use crate::check::judge;
use crate::tell::report::report;

/// Write a Markdown report on the store
#[derive(clap::Args)]
#[command(after_long_help = "Examples:\n  trail report\n  trail report --output report.md")]
pub struct Args {
    /// Folder or file of rules [default: the shipped baseline]
    #[arg(long, value_name = "PATH")]
    policy: Option<PathBuf>,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, store: Option<&Path>) -> Result<ExitCode> {
        let policy = super::policy(self.policy.as_deref())?;
        let (store, index) = super::open(store)?;
        let verdict = judge(&store, &index, &policy).map_err(|error| miette!("{error}"))?;
        let text = report(&store, &index, &verdict).map_err(|error| miette!("{error}"))?;
        super::print(&text, self.output.as_deref())?;
        Ok(ExitCode::SUCCESS)
    }
}
