//! `trail stitch`

use std::path::PathBuf;
use std::process::ExitCode;

use miette::{IntoDiagnostic, Result, miette};

use super::Form;
use crate::config::Config;
use crate::store::Store;
use crate::tell::{stitching, stitching_text};

/// Join records to tasks, and say by which rules, under which clocks, and what was left alone
///
/// Runs by itself when a question needs it; this command shows how it went. What a new batch has not touched is taken as it
/// was; where nothing is new, all of it is made again from the records.
#[derive(clap::Args)]
#[command(
    after_long_help = "Examples:\n  trail stitch\n  trail stitch --threshold 0.95 --format json"
)]
pub struct Args {
    /// How likely a cause must be to join its effect to its task, between 0.5 and 1; of this run only,
    /// the setting is in trail.toml
    #[arg(long, value_name = "P")]
    threshold: Option<f64>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, store: &super::Given) -> Result<ExitCode> {
        let store = super::open_store(store)?;
        let mut config = Config::load(&store.layout().config())?;
        if let Some(threshold) = self.threshold {
            if !(0.5..1.0).contains(&threshold) {
                return Err(miette!(
                    help = "0.9 joins what is nine times likelier than not; 0.99 joins less, and errs less",
                    "--threshold {threshold} is not between 0.5 and 1"
                ));
            }
            config.stitch.threshold = threshold;
        }
        let text = self.text(&store, &config)?;
        super::print(&text, self.output.as_deref())?;
        Ok(ExitCode::SUCCESS)
    }

    fn text(&self, store: &Store, config: &Config) -> Result<String> {
        let (index, run) =
            crate::stitch::stitch(store, config).map_err(|error| miette!("{error}"))?;
        let found = stitching(store, &index, run).map_err(|error| miette!("{error}"))?;
        Ok(match self.format {
            Form::Table => stitching_text(&found, super::columns()),
            Form::Json => serde_json::to_string_pretty(&found).into_diagnostic()? + "\n",
        })
    }
}
