//! `trail ingest`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use indicatif::ProgressBar;
use miette::{Result, miette};

use crate::attest::read_source_keys;
use crate::config::{Config, DateOrders, KeyPatterns, Zones};
use crate::ingest::{IngestReport, IngestRequest, Progress, explain, ingest};
use crate::normalise::formats::Formats;
use crate::normalise::mapping::Mapping;
use crate::read::Limits;
use crate::store::CustodyFile;
use crate::tell::safe::{count, cut_front, terminal};

/// Read exported logs into the store
///
/// Files, folders and archives (.gz, .zst, .zip, .tar) are read; the format of each is found by
/// looking into it. What cannot be read is kept and named. A batch lands whole or not at all, and
/// records that the store has already are not added again.
///
/// Exit code: 0 everything was read, 1 something was left out, 2 nothing was added.
#[derive(clap::Args)]
#[command(
    after_long_help = "Examples:\n  trail ingest dumps/\n  trail ingest --tz sap=Europe/Berlin cdhdr.csv cdpos.csv"
)]
pub struct Args {
    /// Files and folders
    #[arg(required = true, value_name = "DUMPS")]
    paths: Vec<PathBuf>,
    /// Attribute everything to this source, e.g. `sap:prod`
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Read everything in this format (see `trail sources`)
    #[arg(long, value_name = "FORMAT")]
    input_format: Option<String>,
    /// Public keys of sources that sign what they log (PEM, Base64, JWK); may be repeated
    #[arg(long, value_name = "FILE")]
    source_key: Vec<PathBuf>,
    /// A mapping file that describes a format of your own; may be repeated
    #[arg(long, value_name = "FILE")]
    mapping: Vec<PathBuf>,
    /// Take JSON, tables and key=value lines of unknown formats too, as events of kind `other`
    #[arg(long)]
    lenient: bool,
    /// Zone of times without one, for all or for a source or family; may be repeated
    #[arg(long, value_name = "ZONE|SOURCE=ZONE")]
    tz: Vec<String>,
    /// Whether the day or the month comes first in dates such as 2/6/19, for all or for a source or family;
    /// may be repeated. Without it, a file's own dates settle it or its records are left out
    #[arg(long, value_name = "dmy|mdy|SOURCE=…")]
    date_order: Vec<String>,
    /// Say why each file is taken for what it is, and ingest nothing
    #[arg(long)]
    explain: bool,
    /// Largest record in bytes
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().max_record)]
    max_record: usize,
    /// Worker threads [default: one a core]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Table,
    Json,
}

struct Bar(ProgressBar);

impl Progress for Bar {
    fn total(&self, bytes: u64) {
        self.0.set_length(bytes);
    }

    fn dump(&self, path: &str) {
        self.0.set_prefix(terminal(path));
    }

    fn at(&self, bytes: u64, rejects: u64) {
        self.0.set_position(bytes);
        if rejects > 0 {
            self.0.set_message(format!("{rejects} left out"));
        }
    }

    fn again(&self) {
        self.0
            .println("another ingest added some of the same records meanwhile; reading again");
    }
}

impl Args {
    pub(super) fn run(self, store: &super::Given) -> Result<ExitCode> {
        let limits = Limits {
            max_record: self.max_record,
            ..Limits::default()
        };
        let path = store.path();
        let config = Config::load(&path.join("trail.toml"))?;
        let mut formats = Formats::default();
        let configured = config.mappings.iter().map(|file| path.join(file));
        for file in configured.chain(self.mapping.clone()) {
            formats
                .add(Mapping::load(&file)?)
                .map_err(|reason| miette!("{}: {reason}", file.display()))?;
        }
        if self.explain {
            return self.explain(limits, &formats);
        }
        let format = match &self.input_format {
            Some(name) => Some(formats.by_name(name).ok_or_else(|| {
                let meant = super::habits::meant(name, formats.iter().map(|format| format.name()));
                miette!(
                    help = "`trail sources` lists the formats",
                    "`{name}` is no format{meant}"
                )
            })?),
            None => None,
        };
        let configured = config.source_keys.iter().map(|file| path.join(file));
        let mut source_keys = Vec::new();
        for file in configured.chain(self.source_key.clone()) {
            source_keys.extend(read_source_keys(&file).map_err(|reason| miette!("{reason}"))?);
        }
        let request = IngestRequest {
            paths: self.paths.clone(),
            store: path.clone(),
            source: self.source.clone(),
            format,
            formats,
            lenient: self.lenient,
            zones: Zones::new(&config, &self.tz)?,
            dates: DateOrders::new(&config, &self.date_order)?,
            keys: KeyPatterns::new(&config)?,
            limits,
            source_keys,
            signer: config.seal.signer(&path)?,
            roles: config.roles.clone(),
            identity: store.who().1.map(Path::to_owned),
            workers: self.jobs.unwrap_or_else(|| {
                std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
            }),
        };
        let bar = super::habits::bar(
            "{bytes}/{total_bytes} at {bytes_per_sec}, {eta} left {msg} {prefix:.dim}",
        );
        let report = ingest(&request, &Bar(bar.clone()));
        bar.finish_and_clear();
        let report = report.map_err(|error| {
            miette!(
                help = "nothing was added; the store is as it was before",
                "{error}"
            )
        })?;
        let text = match self.format {
            Form::Json => {
                let value = serde_json::json!({
                    "batch": report.batch,
                    "complete": report.is_complete(),
                    "files": report.files,
                    "unreadable": report.unreadable.iter().map(ToString::to_string).collect::<Vec<_>>(),
                });
                format!("{value:#}\n")
            }
            // Who wants quiet still hears of what was left out.
            Form::Table if super::habits::is_quiet() && report.is_complete() => String::new(),
            Form::Table => summary(&report),
        };
        super::print(&text, None)?;
        Ok(if report.is_complete() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(1)
        })
    }

    fn explain(&self, limits: Limits, formats: &Formats) -> Result<ExitCode> {
        let (explanations, errors) = explain(&self.paths, limits, formats);
        let mut text = String::new();
        let mut complete = errors.is_empty();
        for found in explanations {
            text.push_str(&terminal(&found.path));
            let format = found.format.unwrap_or("not read");
            complete &= found.format.is_some();
            text.push_str(&format!(
                "\n  {format}: {}\n  {}\n",
                terminal(&found.why),
                terminal(&found.layout)
            ));
            for (name, sure, why) in found.answers {
                text.push_str(&format!("    {sure:>3} % {name}: {}\n", terminal(&why)));
            }
        }
        for error in errors {
            text.push_str(&format!("{}\n", terminal(&error.to_string())));
        }
        super::print(&text, None)?;
        Ok(if complete {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(1)
        })
    }
}

fn state(file: &CustodyFile) -> String {
    match &file.problem {
        Some(problem) => problem.clone(),
        None if file.known > 0 && file.events == 0 => "in the store already".to_owned(),
        None if file.proof.is_some() => {
            let proof = file.proof.iter();
            proof
                .map(|proof| format!("{}: {}", proof.held.as_str(), proof.detail))
                .collect()
        }
        None if file.zone_origin == "default" => "no zone given, UTC assumed (--tz)".to_owned(),
        None => String::new(),
    }
}

/// On a terminal with fewer columns a file takes one line, and what is to be said of it stands below.
const WIDE: usize = 110;
/// Columns of a table's cell beside its text.
const PADDING: usize = 2;
/// Columns that the three numbers take.
const NUMBERS: usize = "recordseventsleft out".len() + 3 * PADDING;

fn summary(report: &IngestReport) -> String {
    let wide = super::columns() >= WIDE;
    let room = if wide {
        super::columns() / 3
    } else {
        let formats = report.files.iter().map(|file| file.format.len());
        let format = formats.max().unwrap_or(0).max("format".len()) + PADDING;
        super::columns().saturating_sub(format + NUMBERS + PADDING)
    }
    .max(24);
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    table.set_width(u16::try_from(super::columns()).unwrap_or(160));
    let mut header = vec!["file", "format", "records", "events", "left out"];
    if wide {
        header.insert(2, "source");
        header.push("");
    }
    table.set_header(header);
    for file in &report.files {
        let mut row = vec![
            cut_front(&terminal(&file.display_path()), room),
            file.format.clone(),
            file.records.to_string(),
            file.events.to_string(),
            file.rejects.to_string(),
        ];
        if wide {
            row.insert(2, terminal(&file.source));
            row.push(terminal(&state(file)));
        }
        table.add_row(row);
    }
    if let Some(file) = table.column_mut(0) {
        let longest = report.files.iter().map(|file| file.display_path().len());
        let width = room.min(longest.max().unwrap_or(0)).max("file".len()) + PADDING;
        file.set_constraint(comfy_table::ColumnConstraint::LowerBoundary(
            comfy_table::Width::Fixed(u16::try_from(width).unwrap_or(u16::MAX)),
        ));
    }
    let mut out: String = table
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    let told = report
        .files
        .iter()
        .filter(|file| !wide && !state(file).is_empty());
    for (at, file) in told.enumerate() {
        let gap = if at == 0 { "\n" } else { "" };
        let (path, state) = (terminal(&file.display_path()), terminal(&state(file)));
        out.push_str(&format!("{gap}{path}: {state}\n"));
    }
    for error in &report.unreadable {
        out.push_str(&format!("not read: {}\n", terminal(&error.to_string())));
    }
    let sum = |of: fn(&CustodyFile) -> u64| report.files.iter().map(of).sum::<u64>();
    out.push_str(&format!(
        "{}, {}, {} left out, {} known already; ",
        count(sum(|f| f.records), "record"),
        count(sum(|f| f.events), "event"),
        sum(|f| f.rejects),
        sum(|f| f.known)
    ));
    out.push_str(&match &report.batch {
        Some(batch) => format!("batch {batch}\n"),
        None => "nothing new was added\n".to_owned(),
    });
    if !report.is_complete() {
        out.push_str("something was left out: `trail rejects` says what and why\n");
    }
    out
}
