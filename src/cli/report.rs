//! `trail report`

use std::path::PathBuf;
use std::process::ExitCode;

use miette::{Result, miette};

use crate::check::{Verdict, apply_exceptions, judge, sort_findings};
use crate::config::Config;
use crate::seal::{Depth, check_seal};
use crate::stitch::TaskIndex;
use crate::store::Store;
use crate::tell::report::report;
use crate::tell::{Facts, Values, framework_report, frameworks, stats};

/// Write a Markdown report on the store
#[derive(clap::Args)]
#[command(
    after_long_help = "Examples:\n  trail report --output report.md\n  trail report --framework eu-ai-act"
)]
pub struct Args {
    /// Folder or file of rules [default: the shipped baseline]
    #[arg(long, value_name = "PATH")]
    policy: Option<PathBuf>,
    /// Say what the store shows for and against a regulation or standard instead
    #[arg(long, value_name = "NAME")]
    framework: Option<String>,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, store: &super::Given) -> Result<ExitCode> {
        let policy = super::policy(self.policy.as_deref())?;
        let (store, index) = super::open(store)?;
        let mut verdict = judge(&store, &index, &policy).map_err(|error| miette!("{error}"))?;
        // The day of the last event, not today: the same store gives the same report.
        let files = store.batches().iter().flat_map(|batch| &batch.files);
        let last = files.filter_map(|file| file.last_time.as_deref()).max();
        let day = last.and_then(|time| time.get(..10)).unwrap_or_default();
        apply_exceptions(&mut verdict, &policy.exceptions, day);
        sort_findings(&mut verdict.findings);
        let text = match &self.framework {
            None => report(&store, &index, &verdict).map_err(|error| miette!("{error}"))?,
            Some(name) => on_framework(name, &store, &index, &verdict)?,
        };
        super::print(&text, self.output.as_deref())?;
        Ok(ExitCode::SUCCESS)
    }
}

fn on_framework(name: &str, store: &Store, index: &TaskIndex, verdict: &Verdict) -> Result<String> {
    let all = frameworks().map_err(|error| miette!("{error}"))?;
    let Some(framework) = all.iter().find(|framework| framework.id == name) else {
        let known: Vec<&str> = all.iter().map(|framework| framework.id.as_str()).collect();
        return Err(miette!(
            "`{name}` is not known; there are {}",
            known.join(", ")
        ));
    };
    let wrong = |error: crate::store::StoreError| miette!("{error}");
    let config = Config::load(&store.layout().config())?;
    let keys = super::trusted_keys(&config, &[], &store.layout().root)?;
    let facts = Facts {
        stats: &stats(store, index).map_err(wrong)?,
        verdict,
        seal: &check_seal(store, &keys, &[], Depth::Files).map_err(wrong)?,
        values: Values::of(store).map_err(wrong)?,
    };
    Ok(framework_report(framework, &facts))
}
