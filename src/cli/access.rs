//! `trail access`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use comfy_table::{Table, presets};
use miette::{IntoDiagnostic, Result, miette};

use super::Form;
use crate::access::{Look, looks, record, rewrap};
use crate::config::Config;
use crate::normalise::Personal;
use crate::protect::{Protector, Right, new_identity};
use crate::store::Store;
use crate::tell::safe::{count, cut, terminal};

/// List who has looked at what was logged, and set up who may
///
/// Searches in texts, exports, bundles, proofs with contents and revealed values are written down before
/// anything is shown, and sealed with the next ingest or `trail seal checkpoint`.
///
/// In a protected store people stand as pseudonyms, and records and texts are encrypted for the roles of
/// trail.toml (docs/access.md).
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_long_help = "Examples:\n  trail access\n  trail access key --output ~/trail.key\n  trail access protect"
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Make a key of one's own, as age-keygen does; the public one is printed
    #[command(
        after_long_help = "Examples:\n  trail access key --output ~/trail.key\n  trail access key --output /safe/officer.key"
    )]
    Key {
        /// File of the secret key; readable for its owner only
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
    /// Protect a new store for the roles of its trail.toml
    #[command(
        after_long_help = "Examples:\n  trail access protect\n  trail access protect --store /evidence/case-17"
    )]
    Protect,
    /// Wrap the store's keys again, for those who have the roles now
    #[command(
        after_long_help = "Examples:\n  trail access rewrap --identity ~/trail.key\n  trail access rewrap --as officer --identity /safe/officer.key"
    )]
    Rewrap,
    /// Print the key of a batch's texts, with which other tools read them (docs/access.md)
    #[command(
        after_long_help = "Examples:\n  trail access data-key 8987a1da752d475a --identity ~/trail.key\n  trail access data-key 8987a1da752d475a --as auditor --identity ~/trail.key"
    )]
    DataKey {
        /// The batch
        batch: String,
    },
    /// Show who asks, in which role, and what that may
    #[command(
        after_long_help = "Examples:\n  trail access whoami --identity ~/trail.key\n  trail access whoami --as investigator"
    )]
    Whoami,
}

/// Writes down a look before anything of it is shown. In a protected store people who are named in it
/// stand as pseudonyms.
pub(super) fn record_look(
    store: &Store,
    command: &str,
    what: String,
    seen: usize,
    reason: &str,
) -> Result<()> {
    write_look(store, command, without_people(store, &what), seen, reason)
}

/// A text for the journals of the store. In a protected store people stand as pseudonyms in it.
fn without_people(store: &Store, text: &str) -> String {
    match store.access().names() {
        Some(names) => Protector::new(names).text(text).into_owned(),
        None => text.to_owned(),
    }
}

fn write_look(store: &Store, command: &str, what: String, seen: usize, reason: &str) -> Result<()> {
    let now = jiff::Timestamp::now().as_microsecond();
    let reason = without_people(store, reason);
    record(store, command, what, seen as u64, &reason, now).map_err(|error| {
        miette!(
            help = "looks at contents are written down in the store, which has to be writable; nothing was shown",
            "{error}"
        )
    })
}

/// Writes down a search in texts. In a protected store the words stand as pseudonyms: they may be names.
pub(super) fn record_words(
    store: &Store,
    words: Vec<String>,
    seen: usize,
    reason: &str,
) -> Result<()> {
    let what = match store.access().names() {
        Some(names) => {
            let names = words.iter().map(|word| names.of(Personal::Text, word));
            names.collect::<Vec<_>>().join(" ")
        }
        None if store.access().is_protected() => format!("{} words", words.len()),
        None => words.join(" "),
    };
    write_look(store, "search", what, seen, reason)
}

impl Args {
    pub(super) fn run(self, given: &super::Given) -> Result<ExitCode> {
        let text = match &self.command {
            None => self.list(given)?,
            Some(Command::Key { output }) => make_key(output)?,
            Some(Command::Protect) => protect(given)?,
            Some(Command::Rewrap) => {
                let store = super::open_store(given)?;
                let config = Config::load(&store.layout().config())?;
                let reason = without_people(&store, &given.reason);
                let keys = rewrap(&store, &config.roles, &reason, super::erase::now())?;
                format!("{keys} keys are wrapped for those who have the roles now\n")
            }
            Some(Command::DataKey { batch }) => {
                let store = super::open_store(given)?;
                if !store.batches().iter().any(|known| known.batch == *batch) {
                    return Err(miette!("there is no batch `{batch}`"));
                }
                let key = store
                    .access()
                    .contents_key(batch)
                    .map_err(|error| miette!("{error}"))?
                    .ok_or_else(|| miette!("this store is not protected: its texts need no key"))?;
                let what = format!("key of batch {batch}");
                record_look(&store, "data-key", what, 0, &given.reason)?;
                let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
                hex + "\n"
            }
            Some(Command::Whoami) => whoami(&super::open_store(given)?),
        };
        super::print(&text, self.output.as_deref())?;
        Ok(ExitCode::SUCCESS)
    }

    fn list(&self, given: &super::Given) -> Result<String> {
        let store = super::open_store(given)?;
        let found = looks(&store).map_err(|error| miette!("{error}"))?;
        Ok(match self.format {
            Form::Table => table(&found, super::columns()),
            Form::Json => serde_json::to_string_pretty(&found).into_diagnostic()? + "\n",
        })
    }
}

fn make_key(path: &Path) -> Result<String> {
    use std::io::Write;
    let (text, public) = new_identity();
    let mut options = std::fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| miette!("cannot write {}: {error}", path.display()))?;
    Ok(format!(
        "{public}\nThis public key goes into trail.toml, as a recipient of a role; who loses {} loses what it opens.\n",
        terminal(&path.display().to_string())
    ))
}

fn protect(given: &super::Given) -> Result<String> {
    let path = given.path();
    let config = Config::load(&path.join("trail.toml"))?;
    let store = Store::open_or_create(&path).map_err(|error| miette!("{error}"))?;
    if store.access().is_protected() {
        return Err(miette!(
            help = "`trail access rewrap` wraps its keys for others",
            "the store is protected already"
        ));
    }
    crate::access::protect(&store, &config.roles, super::erase::now())?;
    Ok(format!(
        "{}: people will stand as pseudonyms in it, and texts be encrypted for {} roles\n",
        terminal(&path.display().to_string()),
        config.roles.len()
    ))
}

fn whoami(store: &Store) -> String {
    let access = store.access();
    let mut lines = vec![access.who()];
    if !access.is_protected() {
        lines.push(
            "nothing in this store is protected: who can read its files sees everything".to_owned(),
        );
    }
    for right in Right::ALL.iter().filter(|_| access.is_protected()) {
        let may = if access.need(*right).is_ok() {
            "may"
        } else {
            "may not"
        };
        lines.push(format!("{may} {right}"));
    }
    if !access.hidden().is_empty() {
        lines.push(format!("is not shown {}", access.hidden().join(", ")));
    }
    lines.iter().map(|line| terminal(line) + "\n").collect()
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
    format!("{table}\n{}\n", count(looks.len() as u64, "look"))
}
