//! `trail report`

use std::path::PathBuf;
use std::process::ExitCode;

use miette::{Result, miette};

use crate::check::{Policy, Verdict, apply_exceptions, judge, judge_some, sort_findings};
use crate::config::Config;
use crate::model::KeyKind;
use crate::seal::{Depth, check_seal};
use crate::stitch::TaskIndex;
use crate::store::Store;
use crate::tell::report::report;
use crate::tell::{
    CASE, EXECUTIVE, Facts, Material, Selector, Timeline, TimelineRequest, Values, case_values,
    executive_values, framework_report, frameworks, render, stats, timeline,
};

/// Write a Markdown report on the store
#[derive(clap::Args)]
#[command(
    after_long_help = "Examples:\n  trail report --output report.md\n  trail report --framework eu-ai-act\n  trail report --invoice 4711 --charts charts --output case.md\n  trail report --executive"
)]
pub struct Args {
    /// Folder or file of rules [default: the shipped baseline]
    #[arg(long, value_name = "PATH")]
    policy: Option<PathBuf>,
    /// Say what the store shows for and against a regulation or standard instead
    #[arg(long, value_name = "NAME", group = "of")]
    framework: Option<String>,
    /// A report on the tasks about this invoice
    #[arg(long, value_name = "NUMBER", group = "of")]
    invoice: Option<String>,
    /// A report on this task (beginning of its id)
    #[arg(long, value_name = "ID", group = "of")]
    task: Option<String>,
    /// One page for those who decide
    #[arg(long, group = "of")]
    executive: bool,
    /// Put charts (SVG) into this folder; for a case and the executive page
    #[arg(long, value_name = "DIR")]
    charts: Option<PathBuf>,
    /// A template of your own (minijinja), for a case or the executive page
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, store: &super::Given) -> Result<ExitCode> {
        let policy = super::policy(self.policy.as_deref())?;
        let (store, index) = super::open(store)?;
        let of_case = self.invoice.is_some() || self.task.is_some();
        if of_case {
            return self.of_case(&store, &index, &policy);
        }
        let mut verdict = judge(&store, &index, &policy).map_err(|error| miette!("{error}"))?;
        excepted(&store, &policy, &mut verdict);
        if self.executive {
            return self.templated(&store, &index, &verdict, None);
        }
        if self.charts.is_some() || self.template.is_some() {
            return Err(miette!(
                "--charts and --template are for a case (--invoice, --task) or --executive"
            ));
        }
        let text = match &self.framework {
            None => report(&store, &index, &verdict).map_err(|error| miette!("{error}"))?,
            Some(name) => on_framework(name, &store, &index, &verdict)?,
        };
        super::print(&text, self.output.as_deref())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Takes out what exceptions allow. The day is that of the last event, not today: the same store gives the
/// same report.
fn excepted(store: &Store, policy: &Policy, verdict: &mut Verdict) {
    let files = store.batches().iter().flat_map(|batch| &batch.files);
    let last = files.filter_map(|file| file.last_time.as_deref()).max();
    let day = last.and_then(|time| time.get(..10)).unwrap_or_default();
    apply_exceptions(verdict, &policy.exceptions, day);
    sort_findings(&mut verdict.findings);
}

impl Args {
    fn of_case(&self, store: &Store, index: &TaskIndex, policy: &Policy) -> Result<ExitCode> {
        let wrong = |error: &dyn std::fmt::Display| miette!("{error}");
        let selector = match (&self.invoice, &self.task) {
            (Some(invoice), _) => Selector::Key(KeyKind::Invoice, invoice.clone()),
            (None, task) => Selector::Task(task.clone().unwrap_or_default()),
        };
        let request = TimelineRequest {
            selectors: vec![selector],
            limit: Some(5000),
            ..TimelineRequest::default()
        };
        let mut shown = timeline(store, index, policy, &request).map_err(|error| wrong(&error))?;
        if shown.tasks.is_empty() {
            return Err(miette!(
                help = "`trail timeline` lists what there is",
                "no task matches"
            ));
        }
        if let Some(task) = &self.task {
            for matched in &mut shown.matched {
                matched.asked = format!("task {task}");
            }
        }
        let ids = shown
            .tasks
            .iter()
            .flat_map(|task| index.by_prefix(&task.id));
        let tasks: Vec<usize> = ids.collect();
        let mut verdict =
            judge_some(store, index, policy, &tasks).map_err(|error| wrong(&error))?;
        excepted(store, policy, &mut verdict);
        self.templated(store, index, &verdict, Some(&shown))
    }

    fn templated(
        &self,
        store: &Store,
        index: &TaskIndex,
        verdict: &Verdict,
        shown: Option<&Timeline>,
    ) -> Result<ExitCode> {
        let wrong = |error: &dyn std::fmt::Display| miette!("{error}");
        let config = Config::load(&store.layout().config())?;
        let keys = super::trusted_keys(&config, &[], &store.layout().root)?;
        let seal = check_seal(store, &keys, &[], Depth::Files).map_err(|error| wrong(&error))?;
        // Links are relative to the report where that is possible.
        let base = self.charts.as_ref().map(|folder| {
            let from = self.output.as_ref().and_then(|path| path.parent());
            let below = from
                .and_then(|from| folder.strip_prefix(from).ok())
                .unwrap_or(folder);
            format!("{}/", below.display())
        });
        let material = Material {
            store,
            index,
            verdict,
            seal: &seal,
            charts: base.as_deref(),
        };
        let (values, charts) = match shown {
            Some(shown) => case_values(&material, shown).map_err(|error| wrong(&error))?,
            None => executive_values(&material).map_err(|error| wrong(&error))?,
        };
        let own = self.template.as_ref().map(|path| {
            std::fs::read_to_string(path)
                .map_err(|error| miette!("cannot read {}: {error}", path.display()))
        });
        let own = own.transpose()?;
        let shipped = if self.executive { EXECUTIVE } else { CASE };
        let text = render(own.as_deref().unwrap_or(shipped), &values).map_err(|error| {
            miette!(
                help = "templates/case.md and templates/executive.md of the source are the shipped ones",
                "the template: {error:#}"
            )
        })?;
        if let Some(folder) = &self.charts {
            std::fs::create_dir_all(folder)
                .map_err(|error| miette!("cannot make {}: {error}", folder.display()))?;
            for chart in &charts {
                super::print(&chart.svg, Some(&folder.join(chart.file)))?;
            }
        }
        super::print(&text, self.output.as_deref())?;
        Ok(ExitCode::SUCCESS)
    }
}

fn on_framework(name: &str, store: &Store, index: &TaskIndex, verdict: &Verdict) -> Result<String> {
    let all = frameworks().map_err(|error| miette!("{error}"))?;
    let Some(framework) = all.iter().find(|framework| framework.id == name) else {
        let known: Vec<&str> = all.iter().map(|framework| framework.id.as_str()).collect();
        let meant = super::habits::meant(name, known.iter().copied());
        return Err(miette!(
            help = format!("there are {}", known.join(", ")),
            "`{name}` is not known{meant}"
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
