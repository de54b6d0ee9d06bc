//! `trail explain`

use std::path::PathBuf;
use std::process::ExitCode;

use miette::{IntoDiagnostic, Result, miette};

use super::Form;
use crate::tell::{explain, explanation_text};

/// Say why an event is in its task: each link up to the first event, with its evidence
///
/// For a link by evidence: what agrees, what each agreement gives in bits, and the cause in another
/// task that it was preferred to. For an event that was joined to nothing: what came nearest.
#[derive(clap::Args)]
#[command(
    after_long_help = "Examples:\n  trail explain 3f9ac2d41b\n  trail explain sap_cdhdr.csv:17 --format json"
)]
pub struct Args {
    /// Beginning of an event id, or FILE:RECORD
    #[arg(value_name = "EVENT")]
    event: String,
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
        let found = explain(&store, &index, &self.event).map_err(|error| {
            miette!(
                help = "`trail timeline --format json` lists the ids of events, -v their files and records",
                "{error}"
            )
        })?;
        let text = match self.format {
            Form::Table => explanation_text(&found, super::columns()),
            Form::Json => serde_json::to_string_pretty(&found).into_diagnostic()? + "\n",
        };
        super::print(&text, self.output.as_deref())?;
        Ok(ExitCode::SUCCESS)
    }
}
