//! `trail verify`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use miette::{IntoDiagnostic, Result, miette};

use crate::check::{
    Level, Policy, Verdict, apply_exceptions, check_kept, judge_anew, known_findings,
    leave_out_known, sort_findings,
};
use crate::config::Config;
use crate::seal::{Depth, SealVerdict, check_seal};
use crate::stitch::{check_derived, remake_derived};
use crate::store::{Store, check_files, check_words, derived, remake_words};
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
    /// Use the version of the policy that was in force on this day
    #[arg(long, value_name = "YYYY-MM-DD", requires = "policy")]
    as_of: Option<String>,
    /// Report only what an earlier verdict (its JSON output) does not have
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Check every file against its manifest and every record against the log, and judge nothing
    #[arg(long, conflicts_with_all = ["policy", "baseline", "strict"])]
    integrity: bool,
    /// Make the derived tables (tasks, links) anew too, and compare
    #[arg(long, requires = "integrity")]
    derived: bool,
    /// Public key, or file of public keys, one of which has to have signed the log's checkpoint
    /// [default: `public_key` of [seal] in trail.toml]
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// A checkpoint that was kept elsewhere, from which the log has to have grown
    #[arg(long, value_name = "FILE")]
    pin: Vec<PathBuf>,
    /// Certificate (PEM) of a time-stamping authority whose answer lies beside a pin as FILE.tsr
    #[arg(long, value_name = "FILE")]
    tsa_cert: Vec<PathBuf>,
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

/// GitHub shows the file named by GITHUB_STEP_SUMMARY on the page of the run.
fn step_summary(verdict: &Verdict) -> Result<()> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY") else {
        return Ok(());
    };
    let mut file = std::fs::File::options()
        .append(true)
        .create(true)
        .open(&path)
        .into_diagnostic()?;
    file.write_all(tell::findings_summary(verdict).as_bytes())
        .into_diagnostic()
}

impl Args {
    /// Holds files against manifests, and manifests or every record against the log.
    fn check(&self, store: &Store, depth: Depth) -> Result<(usize, SealVerdict)> {
        let config = Config::load(&store.layout().config())?;
        let keys = super::trusted_keys(&config, &self.key, &store.layout().root)?;
        let pins = super::seal::read_pins(&self.pin, &self.tsa_cert)?;
        let (mut damages, files) = check_files(store).map_err(|error| miette!("{error}"))?;
        let mut verdict =
            check_seal(store, &keys, &pins, depth).map_err(|error| miette!("{error}"))?;
        damages.append(&mut verdict.damages);
        damages.extend(check_derived(store));
        damages.extend(check_words(store));
        damages.extend(check_kept(store));
        damages.extend(tell::check_kept_figures(store));
        if self.derived && damages.is_empty() {
            let remade = remake_derived(store, &config).map_err(|error| miette!("{error}"))?;
            damages.extend(remade);
            if let Some(index) = crate::stitch::current(store, &config) {
                let remade = tell::remake_figures(store, &index);
                damages.extend(remade.map_err(|error| miette!("{error}"))?);
            }
            if store.access().reads_contents() {
                damages.extend(remake_words(store).map_err(|error| miette!("{error}"))?);
            }
        }
        verdict.damages = damages;
        for list in derived::unfinished(&store.layout().root) {
            verdict.notes.push(format!(
                "{list}: whoever wrote these files is still at it or was stopped; they are not used, and made anew when asked for"
            ));
        }
        Ok((files, verdict))
    }

    fn check_integrity(&self, store: &super::Given) -> Result<ExitCode> {
        let store = super::open_store(store)?;
        let (files, verdict) = self.check(&store, Depth::Leaves)?;
        let text = if self.format == Form::Json {
            let mut found = serde_json::to_value(&verdict).into_diagnostic()?;
            found["files"] = files.into();
            serde_json::to_string_pretty(&found).into_diagnostic()? + "\n"
        } else {
            tell::integrity_text(&verdict, files)
        };
        super::print(&text, self.output.as_deref())?;
        Ok(if verdict.damages.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(2)
        })
    }

    fn policy(&self) -> Result<Policy> {
        let Some(day) = &self.as_of else {
            return super::policy(self.policy.as_deref());
        };
        if day.parse::<jiff::civil::Date>().is_err() {
            return Err(miette!("--as-of {day} is no day; write YYYY-MM-DD"));
        }
        let path = self.policy.as_deref().unwrap_or(Path::new("."));
        Ok(Policy::load_as_of(path, day)?)
    }

    pub(super) fn run(self, store: &super::Given) -> Result<ExitCode> {
        if self.integrity {
            return self.check_integrity(store);
        }
        let policy = self.policy()?;
        let (_, SealVerdict { damages, .. }) =
            self.check(&super::open_store(store)?, Depth::Files)?;
        if let Some(damage) = damages.first() {
            // What is damaged may not be readable, and what it says is worth nothing.
            return Err(miette!(
                help = "`trail verify --integrity` lists all",
                "{} places of the store are not as they were written; {}: {}",
                damages.len(),
                damage.file,
                damage.reason
            ));
        }
        let (store, index) = super::open(store)?;
        let (mut verdict, damage) =
            judge_anew(&store, &index, &policy).map_err(|error| miette!("{error}"))?;
        if let Some(damage) = damage {
            return Err(miette!(
                help = "reports made since it was kept may say what the records do not; `trail verify` judges again",
                "{} {}",
                damage.file,
                damage.reason
            ));
        }
        // An exception counts on the day that is judged: that of the policy, else today.
        let now = crate::model::time::format_utc(jiff::Timestamp::now().as_microsecond());
        let today = now.get(..10).unwrap_or_default().to_owned();
        let day = self.as_of.as_deref().unwrap_or(&today);
        apply_exceptions(&mut verdict, &policy.exceptions, day);
        if let Some(path) = &self.baseline {
            let text = std::fs::read_to_string(path)
                .map_err(|error| miette!("cannot read the baseline {}: {error}", path.display()))?;
            let known = known_findings(&text).map_err(|error| {
                miette!(
                    help = "it is the output of `trail verify --format json`",
                    "{} is no verdict: {error}",
                    path.display()
                )
            })?;
            verdict.known = leave_out_known(&mut verdict, &known);
        }
        sort_findings(&mut verdict.findings);
        let text = match self.format {
            Form::Table => tell::findings_table(&verdict, super::columns()),
            Form::Json => serde_json::to_string_pretty(&verdict).into_diagnostic()? + "\n",
            Form::Junit => tell::findings_junit(&verdict).map_err(|error| miette!("{error}"))?,
            Form::Sarif => format!("{:#}\n", tell::findings_sarif(&verdict)),
            Form::Github => tell::findings_github(&verdict),
            Form::Markdown => tell::findings_markdown(&verdict),
        };
        super::print(&text, self.output.as_deref())?;
        if self.format == Form::Github {
            step_summary(&verdict)?;
        }
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
