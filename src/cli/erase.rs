//! `trail erase` and `trail retain`

use std::process::ExitCode;

use miette::{IntoDiagnostic, Result, miette};

use super::Form;
use crate::access::{Expired, erase, retain};
use crate::config::Config;
use crate::tell::safe::terminal;

/// Destroy what a protected store knows of a person
///
/// Their pseudonyms stay in every table, and every proof still holds; what they stand for is gone, for
/// everybody and for good. The act is written down, and sealed with the next ingest or `trail seal
/// checkpoint`. Needs the rights to look up and to reveal.
#[derive(clap::Args)]
#[command(
    after_long_help = "Examples:\n  trail erase --subject anna.meier@example.org --reason \"request 17 of 2 March\" --dry-run\n  trail erase --subject anna.meier@example.org --reason \"request 17 of 2 March\""
)]
pub struct Args {
    /// The person: an e-mail address, user name, number or name, as it was logged
    #[arg(long, value_name = "VALUE")]
    subject: String,
    /// Say what would be destroyed, and destroy nothing
    #[arg(long)]
    dry_run: bool,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
}

/// Destroy texts that are past the time that trail.toml says
///
/// Rules stand in trail.toml as [[retain]], with source, kind and days. Of a record past its time events,
/// links and the commitment to it stay; the record itself and its texts are gone. A [[hold]] beats every
/// rule.
#[derive(clap::Args)]
#[command(after_long_help = "Examples:\n  trail retain --dry-run\n  trail retain --format json")]
pub struct RetainArgs {
    /// Say what would be destroyed, and destroy nothing
    #[arg(long)]
    dry_run: bool,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
}

pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

impl Args {
    pub(super) fn run(self, given: &super::Given) -> Result<ExitCode> {
        if given.reason.trim().is_empty() {
            return Err(miette!(
                help = "--reason \"why\" is written down with the act",
                "to erase a person needs a reason"
            ));
        }
        let store = super::open_store(given)?;
        let config = Config::load(&store.layout().config())?;
        let erased = erase(
            &store,
            &config.roles,
            &config.hold,
            &self.subject,
            &given.reason,
            now(),
            self.dry_run,
        )?;
        let text = match self.format {
            Form::Json => serde_json::to_string_pretty(&erased).into_diagnostic()? + "\n",
            Form::Table => {
                let done = if self.dry_run { "would be" } else { "was" };
                let mut lines: Vec<String> = erased.pseudonyms.clone();
                lines.push(format!(
                    "what these stand for {done} destroyed, in {} of {} batches",
                    erased.batches.len(),
                    store.batches().len()
                ));
                lines.iter().map(|line| terminal(line) + "\n").collect()
            }
        };
        super::print(&text, None)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl RetainArgs {
    pub(super) fn run(self, given: &super::Given) -> Result<ExitCode> {
        let store = super::open_store(given)?;
        let config = Config::load(&store.layout().config())?;
        if config.retain.is_empty() {
            return Err(miette!(
                help = "[[retain]]\nsource = \"kong\"\ndays = 400",
                "trail.toml of the store has no rule on how long texts are kept"
            ));
        }
        let expired = retain(&store, &config.retain, &config.hold, now(), self.dry_run)?;
        let text = match self.format {
            Form::Json => serde_json::to_string_pretty(&expired).into_diagnostic()? + "\n",
            Form::Table => self.describe(&expired, &config),
        };
        super::print(&text, None)?;
        Ok(ExitCode::SUCCESS)
    }

    fn describe(&self, expired: &Expired, config: &Config) -> String {
        let done = if self.dry_run { "would be" } else { "were" };
        let mut out = String::new();
        for (number, rule) in (1..).zip(&config.retain) {
            let count = expired.by_rule.get(&number).copied().unwrap_or(0);
            out.push_str(&format!(
                "rule {number} ({}, {}, {} days): {count} records\n",
                rule.source
                    .as_deref()
                    .map_or("all sources".to_owned(), terminal),
                rule.kind.map_or("all kinds", |kind| kind.as_str()),
                rule.days
            ));
        }
        out.push_str(&format!(
            "the texts of {} records {done} destroyed, {} more are held\n",
            expired.records, expired.held
        ));
        out
    }
}
