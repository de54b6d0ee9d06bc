//! `trail sources`

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use miette::{IntoDiagnostic, Result, miette};

use crate::config::zone_of;
use crate::ingest::{Preview, head_of, preview};
use crate::model::Event;
use crate::model::time::format_utc;
use crate::normalise::formats::Formats;
use crate::normalise::mapping::{Mapping, draft};
use crate::normalise::{Format, ZoneRule};
use crate::read::Limits;
use crate::tell::safe::terminal;

/// List the formats that can be read, and describe formats of your own
#[derive(clap::Args)]
#[command(
    after_long_help = "Examples:\n  trail sources\n  trail sources new audit.csv\n  trail sources test pricing.toml audit.csv"
)]
pub struct Args {
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Draft a mapping file from a log of an unknown format
    #[command(
        after_long_help = "Examples:\n  trail sources new audit.csv\n  trail sources new --name pricing audit.jsonl"
    )]
    New {
        /// A sample of the log
        file: PathBuf,
        /// Name of the format
        #[arg(long, default_value = "my_format")]
        name: String,
    },
    /// Show what a mapping file makes of a log, record by record
    #[command(
        after_long_help = "Examples:\n  trail sources test pricing.toml audit.csv\n  trail sources test --limit 3 pricing.toml audit.csv"
    )]
    Test {
        /// The mapping file
        mapping: PathBuf,
        /// A sample of the log
        file: PathBuf,
        /// At most that many records
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
        /// Zone of times without one
        #[arg(long, value_name = "ZONE", default_value = "UTC")]
        tz: String,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Table,
    Json,
}

fn zone(format: &dyn Format) -> &'static str {
    match format.zone_rule() {
        ZoneRule::Utc => "UTC or an offset",
        ZoneRule::Local => "local time: --tz",
    }
}

impl Args {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self.command {
            Some(Command::New { file, name }) => return new(file, &name),
            Some(Command::Test {
                mapping,
                file,
                limit,
                tz,
            }) => return test(&mapping, file, limit, &tz),
            None => {}
        }
        let text = match self.format {
            Form::Json => {
                let list: Vec<serde_json::Value> = Formats::default()
                    .iter()
                    .map(|format| {
                        serde_json::json!({
                            "format": format.name(), "title": format.title(),
                            "family": format.family(), "times": zone(format),
                        })
                    })
                    .collect();
                format!("{:#}\n", serde_json::Value::from(list))
            }
            Form::Table => {
                let formats = Formats::default();
                let width = |of: fn(&'static dyn Format) -> &'static str| {
                    formats.iter().map(|format| of(format).len()).max()
                };
                let name = width(|format| format.name()).unwrap_or(0);
                let title = width(|format| format.title()).unwrap_or(0);
                let family = width(|format| format.family()).unwrap_or(0);
                let row = |cells: [&str; 4]| {
                    let [a, b, c, d] = cells;
                    format!("{a:<name$}  {b:<title$}  {c:<family$}  {d}\n")
                };
                let mut out = row(["format", "what it is", "source", "times"]);
                for format in formats.iter() {
                    out.push_str(&row([
                        format.name(),
                        format.title(),
                        format.family(),
                        zone(format),
                    ]));
                }
                out
            }
        };
        super::print(&text, None)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn new(file: PathBuf, name: &str) -> Result<ExitCode> {
    let mut drafted = None;
    head_of(file, Limits::default(), &mut |sample| {
        drafted = Some(draft(name, sample));
    })
    .into_diagnostic()?;
    let text = drafted
        .ok_or_else(|| miette!("nothing could be read"))?
        .map_err(|reason| miette!("{reason}"))?;
    super::print(&text, None)?;
    Ok(ExitCode::SUCCESS)
}

fn test(mapping: &std::path::Path, file: PathBuf, limit: usize, tz: &str) -> Result<ExitCode> {
    let zone = zone_of(tz)?;
    // It lives as long as the program, as every format does.
    let format: &'static Mapping = Box::leak(Box::new(Mapping::load(mapping)?));
    let mut recognised = None;
    head_of(file.clone(), Limits::default(), &mut |sample| {
        recognised = format.detect(sample);
    })
    .into_diagnostic()?;
    let mut out = match recognised {
        Some(detection) => format!("recognised: {} % sure, {}\n", detection.sure, detection.why),
        None => {
            "not recognised by its [detect]: it would be read with --input-format only\n".to_owned()
        }
    };
    let mut rejected = 0;
    preview(
        file,
        format,
        &zone,
        Limits::default(),
        limit,
        &mut |record| {
            rejected += usize::from(record.events.is_err());
            out.push_str(&show(&record));
        },
    )
    .into_diagnostic()?;
    super::print(&out, None)?;
    Ok(if rejected > 0 {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
}

fn show(record: &Preview<'_, '_>) -> String {
    let head: String = record.text.chars().take(100).collect();
    let mut out = format!("\nrecord {}  {}\n", record.ordinal, terminal(&head));
    match &record.events {
        Err(reason) => {
            let _ = writeln!(out, "  left out: {}", terminal(reason));
        }
        Ok([]) => out.push_str("  no event\n"),
        Ok(events) => events.iter().for_each(|event| show_event(&mut out, event)),
    }
    out
}

fn show_event(out: &mut String, event: &Event<'_>) {
    let time = event
        .time
        .map(|time| format!("{} ({})", format_utc(time.us), time.origin.as_str()));
    let amount = event.amount.map(|amount| amount.to_string());
    let rows: [(&str, Option<&str>); 19] = [
        ("time", time.as_deref()),
        ("kind", Some(event.kind.as_str())),
        ("action", event.action.as_deref()),
        ("actor", event.actor.id.as_deref()),
        ("actor type", event.actor.kind.map(|kind| kind.as_str())),
        ("on behalf of", event.actor.on_behalf_of.as_deref()),
        ("object type", event.object.kind.as_deref()),
        ("object", event.object.id.as_deref()),
        ("outcome", event.outcome.map(|outcome| outcome.as_str())),
        ("error", event.error.as_deref()),
        ("amount", amount.as_deref()),
        ("currency", event.currency.as_deref()),
        (
            "model",
            event
                .model_served
                .as_deref()
                .or(event.model_requested.as_deref()),
        ),
        ("tool", event.tool.as_deref()),
        ("policy", event.policy_id.as_deref()),
        ("policy version", event.policy_version.as_deref()),
        ("knowledge", event.knowledge_source.as_deref()),
        ("conversation", event.conversation.as_deref()),
        ("trace", event.trace.as_deref()),
    ];
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "  {name:<16}{}", terminal(value));
    };
    for (name, value) in rows {
        if let Some(value) = value {
            line(name, value);
        }
    }
    for change in &event.changes {
        let side = |side: &Option<std::borrow::Cow<'_, str>>| {
            side.as_deref().unwrap_or("(not logged)").to_owned()
        };
        let text = format!(
            "{}: {} -> {}",
            change.field,
            side(&change.before),
            side(&change.after)
        );
        line("change", &text);
    }
    for (kind, value) in &event.keys {
        line("key", &format!("{kind}={value}"));
    }
    for (part, text) in &event.contents {
        let head: String = text.chars().take(80).collect();
        line("content", &format!("{part}: {head}"));
    }
    for (name, value) in &event.attributes {
        line("attribute", &format!("{name}={value}"));
    }
    for note in &event.notes {
        line("note", note);
    }
    out.push('\n');
}
