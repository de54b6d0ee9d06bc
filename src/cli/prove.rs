//! `trail prove`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use miette::{IntoDiagnostic, Result, miette};

use super::Form;
use crate::seal::{
    Proof, ProofError, RecordPlace, Shown, check_proof, prove_consistency, prove_records,
    read_verifiers,
};
use crate::store::{EventRef, Store, read_events};
use crate::tell::find_events;
use crate::tell::safe::terminal;

/// Write a proof that records were in the log, or that the log has only grown; or check one
///
/// A proof is one JSON file. Whoever has it and the public key needs neither the store nor this tool:
/// docs/evidence.md says what is hashed how. Exit code of --check: 0 it holds and a known key signed it,
/// 1 it holds and the signature was not checked, 2 it does not hold.
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    after_long_help = "Examples:\n  trail prove event 3f9ac2d41b --output proof.json\n  trail prove --check proof.json --key trail.key.pub"
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Check this proof; no store is needed
    #[arg(long, value_name = "FILE", required = true)]
    check: Option<PathBuf>,
    /// Public key, or file of public keys, one of which has to have signed
    #[arg(long, value_name = "KEY", requires = "check")]
    key: Vec<String>,
    /// Form of the output of --check
    #[arg(long, value_enum, default_value_t = Form::Table, requires = "check")]
    format: Form,
}

#[derive(Subcommand)]
enum Command {
    /// Prove the record behind an event
    #[command(
        after_long_help = "Examples:\n  trail prove event 3f9ac2d41b\n  trail prove event sap_cdhdr.csv:17 --with-contents"
    )]
    Event {
        /// Beginning of an event id, or FILE:RECORD
        #[arg(value_name = "EVENT")]
        event: String,
        #[command(flatten)]
        how: How,
    },
    /// Prove the records of all events of a task
    #[command(
        after_long_help = "Examples:\n  trail prove task 9c1d22\n  trail prove task 9c1d22 --output task.json"
    )]
    Task {
        /// Beginning of a task id
        #[arg(value_name = "TASK")]
        task: String,
        #[command(flatten)]
        how: How,
    },
    /// Prove that the log has only grown since a checkpoint
    #[command(
        after_long_help = "Examples:\n  trail prove consistency --from 2026-10.checkpoint\n  trail prove consistency --from pinned --output grown.json"
    )]
    Consistency {
        /// The earlier checkpoint
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        /// Write to this file
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

#[derive(clap::Args)]
struct How {
    /// Put the records themselves into the proof
    #[arg(long)]
    with_contents: bool,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl How {
    /// A proof with contents is a look at them.
    fn record(&self, store: &Store, records: &BTreeSet<RecordPlace>, reason: &str) -> Result<()> {
        if !self.with_contents {
            return Ok(());
        }
        if !store.access().shows_originals() {
            return Err(miette!(
                help = "--reveal all --reason \"why\", in a role that may; without --with-contents the proof needs no such right",
                "records as they were logged name people, who are protected in this store"
            ));
        }
        let what = "records with their contents".to_owned();
        super::access::record_look(store, "prove", what, records.len(), reason)
    }
}

fn not_proven(error: ProofError) -> miette::Report {
    miette!("{error}")
}

/// The records behind events.
pub(super) fn records_of(store: &Store, places: &[EventRef]) -> Result<BTreeSet<RecordPlace>> {
    let set = read_events(store, places).map_err(|error| miette!("{error}"))?;
    let records = set
        .iter()
        .map(|view| (view.place().batch, view.file(), view.ordinal()));
    Ok(records.collect())
}

impl Args {
    pub(super) fn run(self, given: &super::Given) -> Result<ExitCode> {
        if let Some(path) = &self.check {
            return self.check(path);
        }
        let (proof, output) = match self.command {
            Some(Command::Event { event, how }) => {
                let store = super::open_store(given)?;
                let places = find_events(&store, &event).map_err(|error| miette!("{error}"))?;
                if places.is_empty() {
                    return Err(miette!(
                        help = "`trail timeline --format json` lists the ids of events, -v their files and records",
                        "no event `{event}`"
                    ));
                }
                let records = records_of(&store, &places)?;
                how.record(&store, &records, &given.reason)?;
                let proof =
                    prove_records(&store, &records, how.with_contents).map_err(not_proven)?;
                (proof, how.output)
            }
            Some(Command::Task { task, how }) => {
                let (store, index) = super::open(given)?;
                let found = super::one_task(&index, &task)?;
                let places = index.places(found);
                index.check().map_err(|error| miette!("{error}"))?;
                let records = records_of(&store, &places)?;
                how.record(&store, &records, &given.reason)?;
                let proof =
                    prove_records(&store, &records, how.with_contents).map_err(not_proven)?;
                (proof, how.output)
            }
            Some(Command::Consistency { from, output }) => {
                let store = super::open_store(given)?;
                let old = std::fs::read(&from)
                    .map_err(|error| miette!("cannot read {}: {error}", from.display()))?;
                (prove_consistency(&store, &old).map_err(not_proven)?, output)
            }
            None => return Err(miette!("give `event`, `task`, `consistency` or --check")),
        };
        write(&proof, output.as_deref())
    }

    fn check(&self, path: &Path) -> Result<ExitCode> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| miette!("cannot read {}: {error}", path.display()))?;
        let mut keys = Vec::new();
        for key in &self.key {
            keys.extend(read_verifiers(key)?);
        }
        let shown = check_proof(&text, &keys).map_err(not_proven)?;
        let text = match self.format {
            Form::Json => serde_json::to_string_pretty(&shown).into_diagnostic()? + "\n",
            Form::Table => describe(&shown),
        };
        super::print(&text, None)?;
        Ok(if shown.signed_by.is_empty() {
            ExitCode::from(1)
        } else {
            ExitCode::SUCCESS
        })
    }
}

fn write(proof: &Proof, output: Option<&Path>) -> Result<ExitCode> {
    let text = serde_json::to_string_pretty(proof).into_diagnostic()? + "\n";
    super::print(&text, output)?;
    Ok(ExitCode::SUCCESS)
}

fn describe(shown: &Shown) -> String {
    let mut lines = vec![format!(
        "The proof holds: {} leaves, root {}",
        shown.size, shown.root
    )];
    lines.push(match shown.signed_by.as_slice() {
        [] if shown.unknown_keys.is_empty() => {
            "Nobody signed the checkpoint: it vouches only for itself".to_owned()
        }
        [] => format!(
            "Signed by {}; NOT CHECKED, give the public key with --key",
            shown.unknown_keys.join(", ")
        ),
        names => format!("Signed by {}", names.join(", ")),
    });
    if let Some(before) = shown.grown_from {
        lines.push(format!("It has only grown since it had {before} leaves"));
    }
    for record in &shown.records {
        lines.push(format!(
            "record {} of {} (SHA-256 {}), in the store since {}",
            record.record, record.file, record.sha256, record.ingested_at
        ));
        for event in &record.events {
            let get = |name: &str| event.get(name).map_or("", String::as_str);
            lines.push(format!(
                "  event {} {} {} {} {}",
                get("event_id").get(..12).unwrap_or_default(),
                get("kind"),
                get("action"),
                get("object"),
                get("actor")
            ));
        }
        lines.extend(record.content.iter().map(|text| format!("  {text}")));
    }
    lines.iter().map(|line| terminal(line) + "\n").collect()
}
