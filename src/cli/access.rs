//! `trail access`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use comfy_table::{Table, presets};
use miette::{IntoDiagnostic, Result, miette};

use super::Form;
use crate::access::{Look, looks, record};
use crate::store::Store;
use crate::tell::safe::{cut, terminal};

/// List who has looked at what was logged, and who has taken it out
///
/// Searches in texts, exports, bundles and proofs with contents are written down before anything is
/// shown, and sealed with the next ingest or `trail seal checkpoint`.
#[derive(clap::Args)]
#[command(after_long_help = "Examples:\n  trail access\n  trail access --format json")]
pub struct Args {
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Why somebody looks at what was logged.
#[derive(clap::Args)]
pub(super) struct Reason {
    /// Why you look at this; it is written down with the look (`trail access`)
    #[arg(long, value_name = "TEXT", env = "TRAIL_REASON", default_value = "")]
    reason: String,
}

impl Reason {
    /// Writes down a look before anything of it is shown.
    pub(super) fn record(
        &self,
        store: &Store,
        command: &str,
        what: String,
        seen: usize,
    ) -> Result<()> {
        let now = jiff::Timestamp::now().as_microsecond();
        record(store, command, what, seen as u64, &self.reason, now).map_err(|error| {
            miette!(
                help = "looks at contents are written down in the store, which has to be writable; nothing was shown",
                "{error}"
            )
        })
    }
}

impl Args {
    pub(super) fn run(self, store: Option<&Path>) -> Result<ExitCode> {
        let store = super::open_store(store)?;
        let found = looks(&store).map_err(|error| miette!("{error}"))?;
        let text = match self.format {
            Form::Table => table(&found, super::columns()),
            Form::Json => serde_json::to_string_pretty(&found).into_diagnostic()? + "\n",
        };
        super::print(&text, self.output.as_deref())?;
        Ok(ExitCode::SUCCESS)
    }
}

fn table(looks: &[Look], columns: usize) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["time", "who", "command", "seen", "what", "reason"]);
    let room = columns.saturating_sub(64).max(24) / 2;
    for look in looks {
        table.add_row([
            look.time.chars().take(19).collect(),
            cut(&terminal(&look.operator), 16),
            terminal(&look.command),
            look.seen.to_string(),
            cut(&terminal(&look.what), room),
            cut(&terminal(&look.reason), room),
        ]);
    }
    format!("{table}\n{} looks\n", looks.len())
}
