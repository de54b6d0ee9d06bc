//! `trail compare`

use std::path::PathBuf;
use std::process::ExitCode;

use miette::{IntoDiagnostic, Result, miette};

use super::Form;
use crate::check::judge_once;
use crate::config::zone_of;
use crate::tell::{Side, compare, comparison_text};

/// Hold two groups of tasks beside each other: periods, models, policies, configurations, agents
///
/// A side is a period (`2026-03-01..2026-03-08`, either end may be left out) of tasks that begin in it,
/// or `FIELD=VALUE` for tasks with such an event. Shown are differences that are clear after correction
/// for the number of comparisons, with 95 % intervals, what is new and gone, and a task to look at.
#[derive(clap::Args)]
#[command(
    after_long_help = "Examples:\n  trail compare --before ..2026-03-08 --after 2026-03-08..\n  trail compare --before model_served=gpt-4o --after model_served=gpt-5"
)]
pub struct Args {
    /// The one side
    #[arg(long, value_name = "SIDE")]
    before: String,
    /// The other
    #[arg(long, value_name = "SIDE")]
    after: String,
    /// Show differences that may be chance too
    #[arg(long)]
    all: bool,
    /// Folder or file of rules whose findings are compared [default: the shipped baseline]
    #[arg(long, value_name = "PATH")]
    policy: Option<PathBuf>,
    /// Zone of the periods
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    tz: String,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Args {
    fn side(&self, text: &str) -> Result<Side> {
        let zone = zone_of(&self.tz)?;
        if let Some((from, to)) = text.split_once("..") {
            let moment = |text: &str| super::moment(Some(text).filter(|t| !t.is_empty()), &zone);
            return Ok(Side::Period(moment(from)?, moment(to)?));
        }
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() && !value.is_empty() => {
                Ok(Side::Field(name.to_owned(), value.to_owned()))
            }
            _ => Err(miette!(
                help = "2026-03-01..2026-03-08, ..2026-03-08, or model_served=gpt-4o",
                "`{text}` is neither a period nor FIELD=VALUE"
            )),
        }
    }

    pub(super) fn run(self, store: &super::Given) -> Result<ExitCode> {
        let (before, after) = (self.side(&self.before)?, self.side(&self.after)?);
        let policy = super::policy(self.policy.as_deref())?;
        let (store, index) = super::open(store)?;
        let verdict = judge_once(&store, &index, &policy).map_err(|error| miette!("{error}"))?;
        let found = compare(&store, &index, &verdict, &before, &after)
            .map_err(|error| miette!("{error}"))?;
        let text = match self.format {
            Form::Table => comparison_text(&found, super::columns(), self.all),
            Form::Json => serde_json::to_string_pretty(&found).into_diagnostic()? + "\n",
        };
        super::print(&text, self.output.as_deref())?;
        Ok(ExitCode::from(u8::from(found.tasks.contains(&0))))
    }
}
