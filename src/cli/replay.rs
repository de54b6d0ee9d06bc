//! `trail replay`

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use miette::{IntoDiagnostic, Result, miette};

use super::Form;
use crate::config::{Config, zone_of};
use crate::tell::{Replay, replay, replay_summary, step_text};

/// Step through a task: what was done, what the model saw, who had agreed, what policy says
///
/// At each step the state of the object that it touches, before and after, as far as the logs say it; for
/// a model call the texts that the task had said until then; and the rules that the task breaks with this
/// step, judged on what was known at that moment, as `trail gate` would have.
#[derive(clap::Args)]
#[command(
    after_long_help = "Examples:\n  trail replay --task b9d0c7 --diff\n  trail replay --task b9d0c7 --until 12 --policy policies/2027"
)]
pub struct Args {
    /// Beginning of the task's id
    #[arg(long, value_name = "ID")]
    task: String,
    /// Up to this step, or up to this time
    #[arg(long, value_name = "STEP|TIME")]
    until: Option<String>,
    /// Only what each step changed, and what was broken
    #[arg(long)]
    diff: bool,
    /// Judge by this folder or file of rules [default: the shipped baseline]
    #[arg(long, value_name = "PATH")]
    policy: Option<PathBuf>,
    /// Go step by step: Enter or `n` forward, `p` back, a number to go there, `q` to leave
    #[arg(long, short)]
    interactive: bool,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, given: &super::Given) -> Result<ExitCode> {
        let policy = super::policy(self.policy.as_deref())?;
        let (store, index) = super::open(given)?;
        let config = Config::load(&store.layout().config())?;
        let task = super::one_task(&index, &self.task)?;
        let mut shown =
            replay(&store, &index, &config, &policy, task).map_err(|error| miette!("{error}"))?;
        let until = self.end(&shown)?;
        shown.steps.truncate(until);
        if shown.texts > 0 {
            let what = format!("task {}", &shown.task[..12]);
            super::access::record_look(&store, "replay", what, shown.texts, &given.reason)?;
        }
        if self.interactive {
            return self.step(&shown);
        }
        let text = match self.format {
            Form::Json => serde_json::to_string_pretty(&shown).into_diagnostic()? + "\n",
            Form::Table => {
                let columns = super::columns();
                let steps =
                    (0..shown.steps.len()).map(|at| step_text(&shown, at, columns, self.diff));
                steps.collect::<String>() + &replay_summary(&shown, until)
            }
        };
        super::print(&text, self.output.as_deref())?;
        Ok(ExitCode::SUCCESS)
    }

    /// Number of steps to show.
    fn end(&self, shown: &Replay) -> Result<usize> {
        let Some(until) = &self.until else {
            return Ok(shown.steps.len());
        };
        if let Ok(step) = until.parse::<usize>() {
            return Ok(step.min(shown.steps.len()));
        }
        let end = super::moment(Some(until), &zone_of("UTC")?)?;
        let is_before = |time: &str| {
            super::moment(Some(time), &jiff::tz::TimeZone::UTC)
                .ok()
                .flatten()
                < end
        };
        let steps = shown.steps.iter();
        Ok(steps
            .take_while(|step| step.line.time.as_deref().is_none_or(is_before))
            .count())
    }

    fn step(&self, shown: &Replay) -> Result<ExitCode> {
        let columns = super::columns();
        let prompt = std::io::stdin().is_terminal();
        let mut at = 0;
        let mut lines = std::io::stdin().lock().lines();
        loop {
            let mut text = step_text(shown, at, columns, self.diff);
            if at + 1 == shown.steps.len() {
                text.push_str(&replay_summary(shown, shown.steps.len()));
            }
            if prompt {
                text.push_str("[Enter] next  [p] back  [number] go there  [q] leave > ");
            }
            super::say(&text)?;
            std::io::stdout().flush().into_diagnostic()?;
            let Some(answer) = lines.next() else {
                return Ok(ExitCode::SUCCESS);
            };
            let last = shown.steps.len().saturating_sub(1);
            match answer.into_diagnostic()?.trim() {
                "q" => return Ok(ExitCode::SUCCESS),
                "p" => at = at.saturating_sub(1),
                "" | "n" => at = (at + 1).min(last),
                other => match other.parse::<usize>() {
                    Ok(step) if (1..=last + 1).contains(&step) => at = step - 1,
                    _ => super::say(&format!("there are steps 1 to {}\n", last + 1))?,
                },
            }
        }
    }
}
