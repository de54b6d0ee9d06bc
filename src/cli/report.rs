//! `trail report`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use miette::{Result, miette};

use crate::check::{apply_exceptions, judge, sort_findings};
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
        let mut verdict = judge(&store, &index, &policy).map_err(|error| miette!("{error}"))?;
        // The day of the last event, not today: the same store gives the same report.
        let files = store.batches().iter().flat_map(|batch| &batch.files);
        let last = files.filter_map(|file| file.last_time.as_deref()).max();
        let day = last.and_then(|time| time.get(..10)).unwrap_or_default();
        apply_exceptions(&mut verdict, &policy.exceptions, day);
        sort_findings(&mut verdict.findings);
        let text = report(&store, &index, &verdict).map_err(|error| miette!("{error}"))?;
        super::print(&text, self.output.as_deref())?;
        Ok(ExitCode::SUCCESS)
    }
}
