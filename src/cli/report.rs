//! `trail report`

use std::path::PathBuf;
use std::process::ExitCode;

use miette::{Result, miette};

use crate::check::{Policy, Verdict, apply_exceptions, judge_once, judge_some, sort_findings};
use crate::config::Config;
use crate::model::KeyKind;
use crate::seal::{Depth, check_seal};
use crate::stitch::TaskIndex;
use crate::store::{Store, check_sizes};
use crate::tell::{
    CASE, EXECUTIVE, FRAMEWORK, Facts, Framework, Material, REPORT, Selector, Timeline,
    TimelineRequest, Values, case_values, executive_values, framework_values, frameworks, render,
    report_values, stats, timeline,
};

/// Write a Markdown report on the store
#[derive(clap::Args)]
#[command(
    after_long_help = "Examples:\n  trail report --output report.md\n  trail report --framework eu-ai-act\n  trail report --invoice 4711 --charts charts --output case.md\n  trail report --executive\n  trail report --framework sox --print-template"
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
    /// Put charts (SVG) into this folder; a report on a framework has none
    #[arg(long, value_name = "DIR")]
    charts: Option<PathBuf>,
    /// A template of your own (minijinja) in the place of the shipped one
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Print the shipped template of such a report, for yours to start from
    #[arg(long)]
    print_template: bool,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, store: &super::Given) -> Result<ExitCode> {
        if self.print_template {
            super::print(self.shipped(), self.output.as_deref())?;
            return Ok(ExitCode::SUCCESS);
        }
        // What was mistyped is said before the store is judged, which takes its time.
        let framework = self.framework.as_deref().map(framework).transpose()?;
        if framework.is_some() && self.charts.is_some() {
            return Err(miette!(
                help =
                    "--charts goes with the report on the store, on a case, and with --executive",
                "a report on a framework has no charts"
            ));
        }
        let policy = super::policy(self.policy.as_deref())?;
        let (store, index) = super::open(store)?;
        let of_case = self.invoice.is_some() || self.task.is_some();
        if of_case {
            return self.of_case(&store, &index, &policy);
        }
        let mut verdict =
            judge_once(&store, &index, &policy).map_err(|error| miette!("{error}"))?;
        excepted(&store, &policy, &mut verdict);
        self.templated(&store, &index, &verdict, None, framework.as_ref())
    }

    /// The template of the report that is asked for.
    fn shipped(&self) -> &'static str {
        if self.invoice.is_some() || self.task.is_some() {
            CASE
        } else if self.framework.is_some() {
            FRAMEWORK
        } else if self.executive {
            EXECUTIVE
        } else {
            REPORT
        }
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
        self.templated(store, index, &verdict, Some(&shown), None)
    }

    fn templated(
        &self,
        store: &Store,
        index: &TaskIndex,
        verdict: &Verdict,
        shown: Option<&Timeline>,
        framework: Option<&Framework>,
    ) -> Result<ExitCode> {
        let wrong = |error: &dyn std::fmt::Display| miette!("{error}");
        let config = Config::load(&store.layout().config())?;
        let keys = super::trusted_keys(&config, &[], &store.layout().root)?;
        let mut seal =
            check_seal(store, &keys, &[], Depth::Files).map_err(|error| wrong(&error))?;
        // A report that does not need them is made of what is left, and says so.
        let cut = check_sizes(store).map_err(|error| wrong(&error))?;
        seal.damages.extend(cut);
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
        let (values, charts) = match (shown, framework) {
            (Some(shown), _) => case_values(&material, shown).map_err(|error| wrong(&error))?,
            (None, Some(framework)) => (on_framework(framework, &material)?, Vec::new()),
            (None, None) if self.executive => {
                executive_values(&material).map_err(|error| wrong(&error))?
            }
            (None, None) => report_values(&material).map_err(|error| wrong(&error))?,
        };
        let own = self.template.as_ref().map(|path| {
            std::fs::read_to_string(path)
                .map_err(|error| miette!("cannot read {}: {error}", path.display()))
        });
        let own = own.transpose()?;
        let text = render(own.as_deref().unwrap_or(self.shipped()), &values, verdict);
        let text = text.map_err(|error| {
            miette!(
                help = "`trail report --print-template` prints the shipped one, which yours may start from",
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

fn framework(name: &str) -> Result<Framework> {
    let mut all = frameworks().map_err(|error| miette!("{error}"))?;
    match all.iter().position(|framework| framework.id == name) {
        Some(at) => Ok(all.swap_remove(at)),
        None => {
            let known: Vec<&str> = all.iter().map(|framework| framework.id.as_str()).collect();
            let meant = super::habits::meant(name, known.iter().copied());
            Err(miette!(
                help = format!("there are {}", known.join(", ")),
                "`{name}` is not known{meant}"
            ))
        }
    }
}

fn on_framework(framework: &Framework, material: &Material<'_>) -> Result<serde_json::Value> {
    let wrong = |error: crate::store::StoreError| miette!("{error}");
    let facts = Facts {
        stats: &stats(material.store, material.index).map_err(wrong)?,
        verdict: material.verdict,
        seal: material.seal,
        values: Values::of(material.store, material.index).map_err(wrong)?,
    };
    Ok(framework_values(framework, &facts))
}
