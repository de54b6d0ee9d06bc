//! `trail demo`

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use miette::{IntoDiagnostic, Result};

/// Run the four main commands on a made-up case, in a temporary folder
///
/// The case: an agent corrects invoice 4711, among other tasks and the work of people.
#[derive(clap::Args)]
#[command(after_long_help = "Examples:\n  trail demo\n  trail demo --keep")]
pub struct Args {
    /// Keep the folder and print where it is
    #[arg(long)]
    keep: bool,
}

macro_rules! case_files {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../fixtures/invoice-4711/", $name)))),+]
    };
}

/// The dumps of the case.
const FILES: &[(&str, &[u8])] = case_files!(
    "openai_chat.jsonl",
    "otel_spans.jsonl",
    "kong.jsonl",
    "salesforce_case_history.csv",
    "salesforce_approvals.csv",
    "sap_cdhdr.csv",
    "sap_cdpos.csv",
    "sap_security_audit.csv",
    "m365_audit.csv",
);

impl Args {
    pub(super) fn run(self) -> Result<ExitCode> {
        let folder = tempfile::Builder::new()
            .prefix("trail-demo-")
            .tempdir()
            .into_diagnostic()?;
        let dumps = folder.path().join("dumps");
        std::fs::create_dir(&dumps).into_diagnostic()?;
        for (name, bytes) in FILES {
            std::fs::write(dumps.join(name), bytes).into_diagnostic()?;
        }
        let store = folder.path().join(".trail");
        for line in [
            "ingest --quiet --tz sap=Europe/Berlin dumps",
            "timeline --invoice 4711",
            "verify",
            "report",
        ] {
            super::print(&format!("\n$ trail {line}\n"), None)?;
            step(line, &store, folder.path(), &dumps)?;
        }
        if self.keep {
            let kept = folder.keep();
            super::print(&format!("\nkept in {}\n", kept.display()), None)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Findings are what the demo is to show: only a command that could not be done ends it.
fn step(line: &str, store: &Path, folder: &Path, dumps: &Path) -> Result<()> {
    let store = store.display().to_string();
    let mut words: Vec<String> = vec!["trail".to_owned(), "--store".to_owned(), store];
    for word in line.split_whitespace() {
        words.push(if word == "dumps" {
            dumps.display().to_string()
        } else {
            word.to_owned()
        });
    }
    let _ = folder;
    let cli = super::Cli::try_parse_from(words).into_diagnostic()?;
    if cli.run() == ExitCode::from(2) {
        return Err(miette::miette!("the demo stopped at `trail {line}`"));
    }
    Ok(())
}
