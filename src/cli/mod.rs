//! The command line: one file a subcommand, no logic in them.

mod access;
mod bundle;
mod compare;
mod demo;
mod erase;
mod explain;
mod export;
mod gate;
mod given;
mod habits;
mod ingest;
mod prepare;
mod prove;
mod rejects;
mod replay;
mod report;
mod rules;
mod seal;
mod search;
mod sources;
mod sql;
mod stats;
mod stitch;
mod timeline;
mod tui;
mod verify;

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use miette::{IntoDiagnostic, Result, miette};

use crate::check::Policy;
use crate::config::Config;
use crate::model::Kind;
use crate::model::time::{Time, Zoneless};
use crate::stitch::TaskIndex;
use crate::store::Store;

/// From the exported logs of everything an AI agent touched to one sourced timeline, a verdict and a
/// report.
#[derive(Parser)]
#[command(name = "trail", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    habits: habits::Habits,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Ingest(ingest::Args),
    Search(search::Args),
    Timeline(timeline::Args),
    Tui(tui::Args),
    Verify(verify::Args),
    Gate(gate::Args),
    Rules(rules::Args),
    Report(report::Args),
    Rejects(rejects::Args),
    Sources(sources::Args),
    Stats(stats::Args),
    Sql(sql::Args),
    Compare(compare::Args),
    Prepare(prepare::Args),
    Stitch(stitch::Args),
    Explain(explain::Args),
    Replay(replay::Args),
    Export(export::Args),
    Bundle(bundle::Args),
    Seal(seal::Args),
    Prove(prove::Args),
    Access(access::Args),
    Erase(erase::Args),
    Retain(erase::RetainArgs),
    Demo(demo::Args),
}

impl Cli {
    /// Does what was asked. Exit codes: 0 done and nothing to say against it, 1 done with findings or
    /// something left out, 2 not done.
    #[must_use]
    pub fn run(self) -> ExitCode {
        self.habits.set();
        let store = &self.given;
        let result = match self.command {
            Command::Ingest(args) => args.run(store),
            Command::Search(args) => args.run(store),
            Command::Timeline(args) => args.run(store),
            Command::Tui(args) => args.run(store),
            Command::Verify(args) => args.run(store),
            Command::Gate(args) => args.run(store),
            Command::Rules(args) => args.run(store),
            Command::Report(args) => args.run(store),
            Command::Rejects(args) => args.run(store),
            Command::Sources(args) => args.run(),
            Command::Compare(args) => args.run(store),
            Command::Stats(args) => args.run(store),
            Command::Sql(args) => args.run(store),
            Command::Prepare(args) => args.run(store),
            Command::Stitch(args) => args.run(store),
            Command::Explain(args) => args.run(store),
            Command::Replay(args) => args.run(store),
            Command::Export(args) => args.run(store),
            Command::Bundle(args) => args.run(store),
            Command::Seal(args) => args.run(store),
            Command::Access(args) => args.run(store),
            Command::Erase(args) => args.run(store),
            Command::Retain(args) => args.run(store),
            Command::Prove(args) => args.run(store),
            Command::Demo(args) => args.run(),
        };
        match result {
            Ok(code) => code,
            Err(report) => {
                if report.downcast_ref::<BrokenPipe>().is_some() {
                    return ExitCode::SUCCESS;
                }
                let _ = writeln!(std::io::stderr(), "{report:?}");
                ExitCode::from(2)
            }
        }
    }
}

/// The forms of answers that are a table for people and JSON for programs.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    Table,
    Json,
}

/// The reader of our output has gone: no failure (`trail … | head`).
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("nobody reads the output any more")]
struct BrokenPipe;

/// Prints, or writes to a file.
fn print(text: &str, output: Option<&Path>) -> Result<()> {
    if let Some(path) = output {
        return std::fs::write(path, text).map_err(|error| {
            miette!(
                help = "choose another --output",
                "cannot write {}: {error}",
                path.display()
            )
        });
    }
    if habits::paged(text) {
        return Ok(());
    }
    say(text)
}

/// Prints as it is, without a pager.
fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(BrokenPipe.into()),
        other => other.into_diagnostic(),
    }
}

/// Opens the store.
fn open_store(given: &Given) -> Result<Store> {
    given.open()
}

/// Opens the store with its settings and tasks.
fn open(given: &Given) -> Result<(Store, TaskIndex)> {
    let store = open_store(given)?;
    let config = Config::load(&store.layout().config())?;
    let index = crate::stitch::tasks(&store, &config).map_err(|error| {
        miette!(
            help = "the store must be writable once after each ingest",
            "{error}"
        )
    })?;
    Ok((store, index))
}

use given::Given;
use seal::trusted as trusted_keys;

/// The one task whose id begins so.
fn one_task(index: &TaskIndex, prefix: &str) -> Result<usize> {
    match index.by_prefix(prefix)[..] {
        [task] => Ok(task),
        ref found => Err(miette!(
            help = "`trail timeline` shows the ids of tasks",
            "{} tasks have an id that begins with `{prefix}`",
            found.len()
        )),
    }
}

/// The policy at that path, else the shipped baseline.
fn policy(given: Option<&Path>) -> Result<Policy> {
    Ok(match given {
        Some(path) => Policy::load(path)?,
        None => Policy::baseline()?,
    })
}

/// A time as it is typed, in microseconds UTC.
fn moment(text: Option<&str>, zone: &jiff::tz::TimeZone) -> Result<Option<i64>> {
    text.map(|text| {
        Time::parse(text, Zoneless::In(zone))
            .map(|time| time.us)
            .map_err(|error| miette!(help = "write 2026-03-02 or 2026-03-02T07:00:00Z", "{error}"))
    })
    .transpose()
}

/// Kinds of events by their names.
fn kinds(names: &[String]) -> Result<Vec<Kind>> {
    names
        .iter()
        .map(|name| {
            Kind::from_name(name).ok_or_else(|| {
                let all: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
                let meant = habits::meant(name, all.iter().copied());
                miette!(
                    help = format!("kinds are {}", all.join(", ")),
                    "`{name}` is no kind of event{meant}"
                )
            })
        })
        .collect()
}

/// Columns of the terminal; 160 in a pipe, where nothing wraps.
fn columns() -> usize {
    let from_environment = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok());
    let from_terminal = std::io::stdout()
        .is_terminal()
        .then(|| {
            comfy_table::Table::new()
                .set_content_arrangement(comfy_table::ContentArrangement::Dynamic)
                .width()
        })
        .flatten()
        .map(usize::from);
    from_environment
        .or(from_terminal)
        .unwrap_or(160)
        .clamp(60, 400)
}

/// Writes shell completions to `completions/` and man pages to `man/` below a folder, from the
/// definition of the command line.
///
/// # Errors
/// The folder cannot be written.
pub fn write_completions_and_man(folder: &Path) -> std::io::Result<()> {
    use clap::CommandFactory;
    use clap_complete::Shell;
    let completions = folder.join("completions");
    std::fs::create_dir_all(&completions)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut Cli::command(), "trail", &completions)?;
    }
    let man = folder.join("man");
    std::fs::create_dir_all(&man)?;
    clap_mangen::generate_to(Cli::command(), man)
}
