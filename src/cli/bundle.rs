//! `trail bundle`

use std::path::PathBuf;
use std::process::ExitCode;

use super::access::record_look;
use miette::{Result, miette};

use crate::check::{Policy, apply_exceptions, judge_some};
use crate::config::zone_of;
use crate::tell::{BundleRequest, Selector, TimelineRequest, bundle, timeline};

/// Write one archive on a task, for a lawyer or an auditor
///
/// Report, timeline (HTML, CSV), the records byte for byte, the proof that they were in the log, the
/// checkpoint, custody, the policy that judged, and how to check all of it offline.
#[derive(clap::Args)]
#[command(
    after_long_help = "Examples:\n  trail bundle --task 9c1d22\n  trail bundle --task 9c1d22 --output invoice-4711.zip"
)]
pub struct Args {
    /// Beginning of the task's id
    #[arg(long, value_name = "ID")]
    task: String,
    /// Folder or file of rules [default: the shipped baseline]
    #[arg(long, value_name = "PATH")]
    policy: Option<PathBuf>,
    /// Zone to show times in
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    tz: String,
    /// Write to this file [default: trail-TASK.zip]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, given: &super::Given) -> Result<ExitCode> {
        let zone = zone_of(&self.tz)?;
        let policy = super::policy(self.policy.as_deref())?;
        let policy_files = Policy::files(self.policy.as_deref())?;
        let (store, index) = super::open(given)?;
        let task = super::one_task(&index, &self.task)?;
        let id = index.id(task).to_string();
        let wrong = |error: &dyn std::fmt::Display| miette!("{error}");
        let request = TimelineRequest {
            selectors: vec![Selector::Task(id.clone())],
            ..TimelineRequest::default()
        };
        let shown = timeline(&store, &index, &policy, &request).map_err(|error| wrong(&error))?;
        let mut verdict =
            judge_some(&store, &index, &policy, &[task]).map_err(|error| wrong(&error))?;
        let day = shown.tasks.iter().flat_map(|block| &block.lines);
        let day = day.filter_map(|line| line.time.as_deref()).max();
        let day = day
            .and_then(|time| time.get(..10))
            .unwrap_or_default()
            .to_owned();
        apply_exceptions(&mut verdict, &policy.exceptions, &day);
        verdict.findings.retain(|finding| finding.task == id);
        let places = index.places(task);
        index.check().map_err(|error| wrong(&error))?;
        let records = super::prove::records_of(&store, &places)?;
        let what = format!("task {}", &id[..12]);
        record_look(&store, "bundle", what, records.len(), &given.reason)?;
        let bytes = bundle(&BundleRequest {
            store: &store,
            timeline: &shown,
            verdict: &verdict,
            policy: &policy_files,
            records: &records,
            zone: &zone,
        })
        .map_err(|error| wrong(&error))?;
        let path = self
            .output
            .unwrap_or_else(|| PathBuf::from(format!("trail-{}.zip", &id[..12])));
        std::fs::write(&path, &bytes)
            .map_err(|error| miette!("cannot write {}: {error}", path.display()))?;
        let told = format!(
            "{}: {} records, SHA-256 {}\n",
            path.display(),
            records.len(),
            crate::model::Digest::of(&bytes)
        );
        super::print(&told, None)?;
        Ok(ExitCode::SUCCESS)
    }
}
