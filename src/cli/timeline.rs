//! `trail timeline`

use std::cell::LazyCell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::ValueEnum;
use miette::{IntoDiagnostic, Result, miette};

use crate::check::Policy;
use crate::config::zone_of;
use crate::model::KeyKind;
use crate::tell::{
    Selector, TimelineRequest, timeline_before, timeline_csv, timeline_html, timeline_markdown,
    timeline_table,
};

/// Show what happened, in order, task by task
///
/// `4711`, `0000004711` and `INV-4711` find the same invoice. Several selectors must all hold.
#[derive(clap::Args)]
#[command(
    after_long_help = "Examples:\n  trail timeline --invoice 4711\n  trail timeline --case 5005j00000AbcdEAAR --format html --output case.html"
)]
pub struct Args {
    /// Tasks that touch this invoice
    #[arg(long, value_name = "NUMBER")]
    invoice: Option<String>,
    /// Tasks that touch this order
    #[arg(long, value_name = "NUMBER")]
    order: Option<String>,
    /// Tasks that touch this customer or vendor
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// Tasks that touch this case
    #[arg(long, value_name = "ID")]
    case: Option<String>,
    /// Tasks that touch this account
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Tasks that touch this document
    #[arg(long, value_name = "NUMBER")]
    document: Option<String>,
    /// Tasks whose id begins with this
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// Tasks with this trace id
    #[arg(long, value_name = "ID")]
    trace: Option<String>,
    /// Tasks in which this user acts
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Tasks with this key, e.g. `tool_call=call_9x`; may be repeated
    #[arg(long, value_name = "KIND=VALUE")]
    key: Vec<String>,
    /// From this time on
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only events of this source; may be repeated
    #[arg(long, value_name = "NAME")]
    source: Vec<String>,
    /// Only events of this kind; may be repeated
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
    /// At most about that many events
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
    /// Zone to show times in
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    tz: String,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Say why each event is in its task, and where its record lies
    #[arg(long, short)]
    verbose: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Table,
    Json,
    Csv,
    Markdown,
    Html,
}

impl Args {
    fn request(&self) -> Result<TimelineRequest> {
        let mut selectors: Vec<Selector> = [
            (KeyKind::Invoice, &self.invoice),
            (KeyKind::Order, &self.order),
            (KeyKind::Customer, &self.customer),
            (KeyKind::Case, &self.case),
            (KeyKind::Account, &self.account),
            (KeyKind::Document, &self.document),
            (KeyKind::Trace, &self.trace),
            (KeyKind::User, &self.user),
        ]
        .into_iter()
        .filter_map(|(kind, value)| Some(Selector::Key(kind, value.clone()?)))
        .collect();
        selectors.extend(self.task.clone().map(Selector::Task));
        for key in &self.key {
            let kinds = || {
                KeyKind::ALL
                    .iter()
                    .map(|kind| kind.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let parsed = key
                .split_once('=')
                .and_then(|(kind, value)| Some((KeyKind::from_name(kind)?, value)));
            let (kind, value) = parsed.ok_or_else(|| {
                miette!(
                    "`{key}` is not of the form KIND=VALUE; kinds are {}",
                    kinds()
                )
            })?;
            selectors.push(Selector::Key(kind, value.to_owned()));
        }
        let zone = zone_of(&self.tz)?;
        Ok(TimelineRequest {
            selectors,
            since: super::moment(self.since.as_deref(), &zone)?,
            until: super::moment(self.until.as_deref(), &zone)?,
            sources: self.source.clone(),
            kinds: super::kinds(&self.kind)?,
            limit: Some(self.limit),
        })
    }

    pub(super) fn run(self, store: &super::Given) -> Result<ExitCode> {
        let request = self.request()?;
        let zone = zone_of(&self.tz)?;
        // The rules are compiled while the tasks are looked for and read.
        let found = std::thread::scope(|scope| {
            let compiling = scope.spawn(|| Policy::load_to_judge(None).map_err(Arc::new));
            let compiled = LazyCell::new(|| match compiling.join() {
                Ok(policy) => policy,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            let policy = || compiled.as_ref().map_err(Arc::clone);
            let (store, index) = super::open(store)?;
            timeline_before(&store, &index, &policy, &request).map_err(|error| miette!("{error}"))
        })?;
        let text = match self.format {
            Form::Table => timeline_table(&found, &zone, super::columns(), self.verbose),
            Form::Json => serde_json::to_string_pretty(&found).into_diagnostic()? + "\n",
            Form::Csv => timeline_csv(&found),
            Form::Markdown => timeline_markdown(&found, &zone),
            Form::Html => timeline_html(&found, &zone).into_diagnostic()?,
        };
        super::print(&text, self.output.as_deref())?;
        Ok(if found.tasks.is_empty() {
            ExitCode::from(1)
        } else {
            ExitCode::SUCCESS
        })
    }
}
