//! `trail verify`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use miette::{IntoDiagnostic, Result, miette};

use crate::check::{Level, judge};
use crate::tell;

/// Hold the store against a policy
///
/// Exit code: 0 no finding at or above --fail-on, 1 findings, 2 could not be judged.
#[derive(clap::Args)]
#[command(
    after_long_help = "Examples:\n  trail verify\n  trail verify --policy rules/ --format sarif --output trail.sarif"
)]
pub struct Args {
    /// Folder or file of rules [default: the shipped baseline]
    #[arg(long, value_name = "PATH")]
    policy: Option<PathBuf>,
    /// Least level that makes the exit code 1
    #[arg(long, value_enum, default_value_t = LevelArg::Low)]
    fail_on: LevelArg,
    /// A rule that cannot be judged makes the exit code 2
    #[arg(long)]
    strict: bool,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LevelArg {
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

impl From<LevelArg> for Level {
    fn from(level: LevelArg) -> Self {
        match level {
            LevelArg::Informational => Self::Informational,
            LevelArg::Low => Self::Low,
            LevelArg::Medium => Self::Medium,
            LevelArg::High => Self::High,
            LevelArg::Critical => Self::Critical,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Table,
    Json,
    Junit,
    Sarif,
    Github,
    Markdown,
}

impl Args {
    pub(super) fn run(self, store: Option<&Path>) -> Result<ExitCode> {
        let policy = super::policy(self.policy.as_deref())?;
        let (store, index) = super::open(store)?;
        let verdict = judge(&store, &index, &policy).map_err(|error| miette!("{error}"))?;
        let text = match self.format {
            Form::Table => tell::findings_table(&verdict, super::columns()),
            Form::Json => serde_json::to_string_pretty(&verdict).into_diagnostic()? + "\n",
            Form::Junit => tell::findings_junit(&verdict).map_err(|error| miette!("{error}"))?,
            Form::Sarif => format!("{:#}\n", tell::findings_sarif(&verdict)),
            Form::Github => tell::findings_github(&verdict),
            Form::Markdown => tell::findings_markdown(&verdict),
        };
        super::print(&text, self.output.as_deref())?;
        let worst = verdict.findings.iter().map(|finding| finding.level).max();
        Ok(if self.strict && !verdict.not_evaluable.is_empty() {
            ExitCode::from(2)
        } else if worst.is_some_and(|worst| worst >= self.fail_on.into()) {
            ExitCode::from(1)
        } else {
            ExitCode::SUCCESS
        })
    }
}
