//! `trail export`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use miette::{Result, miette};

use crate::tell::{export_causes, export_tasks};

/// Give tables to other programs
///
/// `tasks` says which record is in which task, `causes` which tool call caused which change.
#[derive(clap::Args)]
#[command(
    after_long_help = "Examples:\n  trail export tasks --format csv\n  trail export causes --format csv --output causes.csv"
)]
pub struct Args {
    /// What
    #[arg(value_enum)]
    what: What,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Form::Csv)]
    format: Form,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Tasks,
    Causes,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Csv,
}

impl Args {
    pub(super) fn run(self, store: Option<&Path>) -> Result<ExitCode> {
        let (store, index) = super::open(store)?;
        let Form::Csv = self.format;
        let text = match self.what {
            What::Tasks => export_tasks(&store, &index),
            What::Causes => export_causes(&store, &index),
        };
        let text = text.map_err(|error| miette!("{error}"))?;
        super::print(&text, self.output.as_deref())?;
        Ok(ExitCode::SUCCESS)
    }
}
