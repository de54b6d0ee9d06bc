//! `trail stats`

use std::path::PathBuf;
use std::process::ExitCode;

use miette::{IntoDiagnostic, Result, miette};

use super::Form;
use crate::tell::{stats, stats_text};

/// Say what the store holds: sources, kinds, days, gaps in time, clocks, what was not read
#[derive(clap::Args)]
#[command(after_long_help = "Examples:\n  trail stats\n  trail stats --format json")]
pub struct Args {
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, store: &super::Given) -> Result<ExitCode> {
        let (store, index) = super::open(store)?;
        let found = stats(&store, &index).map_err(|error| miette!("{error}"))?;
        let text = match self.format {
            Form::Table => stats_text(&found, super::columns()),
            Form::Json => serde_json::to_string_pretty(&found).into_diagnostic()? + "\n",
        };
        super::print(&text, self.output.as_deref())?;
        Ok(ExitCode::SUCCESS)
    }
}
