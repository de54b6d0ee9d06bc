//! `trail export`

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use miette::{IntoDiagnostic, Result, miette};

use crate::tell::{
    EventForm, ExportError, export_causes, export_columns, export_events, export_tasks, ocel_sqlite,
};

/// Give tables to other programs
///
/// `events` are all events, or those of one task: for spreadsheets (csv), programs (jsonl), Timesketch
/// (timesketch, timesketch-jsonl), process mining (ocel and ocel-sqlite, OCEL 2.0), data frames (parquet, arrow) and tracing (otlp). `tasks` says which
/// record is in which task, `causes` which tool call caused which change; both are csv.
#[derive(clap::Args)]
#[command(
    after_long_help = "Examples:\n  trail export events --format ocel --output log.json\n  trail export tasks --format csv"
)]
pub struct Args {
    /// What
    #[arg(value_enum)]
    what: What,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Form::Csv)]
    format: Form,
    /// Only the events of this task (beginning of its id)
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Events,
    Tasks,
    Causes,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Csv,
    Jsonl,
    Timesketch,
    TimesketchJsonl,
    Ocel,
    OcelSqlite,
    Otlp,
    Parquet,
    Arrow,
}

impl From<Form> for EventForm {
    fn from(form: Form) -> Self {
        match form {
            Form::Csv => Self::Csv,
            Form::Jsonl => Self::Jsonl,
            Form::Timesketch => Self::TimesketchCsv,
            Form::TimesketchJsonl => Self::TimesketchJsonl,
            Form::Ocel | Form::OcelSqlite => Self::Ocel,
            Form::Otlp => Self::Otlp,
            // Written as columns, without a form of rows.
            Form::Parquet | Form::Arrow => Self::Jsonl,
        }
    }
}

impl Args {
    pub(super) fn run(self, given: &super::Given) -> Result<ExitCode> {
        if self.what != What::Events && (self.format != Form::Csv || self.task.is_some()) {
            return Err(miette!(
                "`tasks` and `causes` are csv, of the whole store; --format and --task are for `events`"
            ));
        }
        let (store, index) = super::open(given)?;
        match self.what {
            What::Events => self.events(&store, &index, &given.reason),
            What::Tasks => {
                self.write(|out| export_tasks(&store, &index, out))?;
                Ok(ExitCode::SUCCESS)
            }
            What::Causes => {
                let text = export_causes(&store, &index).map_err(|error| miette!("{error}"))?;
                self.write(|out| Ok(out.write_all(text.as_bytes())?))?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }

    /// Writes to the output, whatever it is.
    fn write<T>(&self, write: impl FnOnce(&mut dyn Write) -> Result<T, ExportError>) -> Result<T> {
        let mut out: BufWriter<Box<dyn Write>> = BufWriter::new(match &self.output {
            None => Box::new(std::io::stdout().lock()),
            Some(path) => Box::new(
                File::create(path)
                    .map_err(|error| miette!("cannot write {}: {error}", path.display()))?,
            ),
        });
        let done =
            write(&mut out).and_then(|done| out.flush().map(|()| done).map_err(ExportError::from));
        match done {
            Err(ExportError::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                Err(super::BrokenPipe.into())
            }
            other => other.map_err(|error| miette!("{error}")),
        }
    }

    fn events(
        &self,
        store: &crate::store::Store,
        index: &crate::stitch::TaskIndex,
        reason: &str,
    ) -> Result<ExitCode> {
        let task = match &self.task {
            None => None,
            Some(prefix) => Some(super::one_task(index, prefix)?),
        };
        let (what, events) = match task {
            None => ("all events".to_owned(), index.events()),
            Some(task) => (
                format!("task {}", index.id(task).short(12)),
                index.size(task),
            ),
        };
        super::access::record_look(store, "export", what, events, reason)?;
        if matches!(self.format, Form::Parquet | Form::Arrow | Form::OcelSqlite) {
            return self.file(store, index, task);
        }
        let form = self.format.into();
        told(self.write(|out| export_events(store, index, task, form, out))?)
    }

    /// Writes a form that is a file of its own kind, and no text.
    fn file(
        &self,
        store: &crate::store::Store,
        index: &crate::stitch::TaskIndex,
        task: Option<usize>,
    ) -> Result<ExitCode> {
        let Some(path) = &self.output else {
            return Err(miette!(
                help = "--output FILE says where",
                "this form is a file, and no text for a terminal or pipe"
            ));
        };
        let wrong =
            |error: &dyn std::fmt::Display| miette!("cannot write {}: {error}", path.display());
        // Beside its place first: what is cut off leaves nothing half done.
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(std::path::Path::new("."));
        let mut aside = tempfile::NamedTempFile::new_in(folder).map_err(|error| wrong(&error))?;
        let done = if self.format == Form::OcelSqlite {
            let sqlite = aside.path().to_owned();
            let mut json =
                tempfile::NamedTempFile::new_in(folder).map_err(|error| wrong(&error))?;
            let done = export_events(store, index, task, EventForm::Ocel, &mut json);
            let done = done.map_err(|error| wrong(&error))?;
            ocel_sqlite(json.path(), &sqlite).map_err(|error| wrong(&error))?;
            done
        } else {
            let parquet = self.format == Form::Parquet;
            let events = export_columns(store, index, task, parquet, aside.as_file_mut())
                .map_err(|error| wrong(&error))?;
            crate::tell::Exported {
                events,
                without_time: 0,
            }
        };
        aside.persist(path).map_err(|error| wrong(&error))?;
        told(done)
    }
}

/// Says what a form could not take.
fn told(done: crate::tell::Exported) -> Result<ExitCode> {
    if done.without_time > 0 {
        let left = format!(
            "{} events written; {} have no time, which this form needs, and were left out\n",
            done.events, done.without_time
        );
        std::io::stderr()
            .write_all(left.as_bytes())
            .into_diagnostic()?;
        return Ok(ExitCode::from(1));
    }
    Ok(ExitCode::SUCCESS)
}
