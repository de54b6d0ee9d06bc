//! `trail seal`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use miette::{IntoDiagnostic, Result, miette};
use signed_note::{Note, Signer};

use super::Form;
use crate::config::Config;
use crate::seal::{Depth, Log, Pin, check_seal, checkpoint, make_key, read_signer, read_verifiers};
use crate::tell::safe::terminal;

/// The log over all records of a store: its key, its checkpoint, and copies of that elsewhere
///
/// Every ingest seals what it adds. A checkpoint that is signed and kept where the store's operator
/// cannot write proves later that nothing before it was changed; docs/evidence.md says against whom.
#[derive(clap::Args)]
#[command(
    after_long_help = "Examples:\n  trail seal status\n  trail seal pin /mnt/audit/2026-11.checkpoint"
)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a key: the secret half in FILE, the public half in FILE.pub
    ///
    /// Keep FILE where nobody can write or read who can write to the store, and name it in trail.toml
    /// ([seal] key) or in TRAIL_SEAL_KEY. Give FILE.pub to whoever shall check.
    #[command(
        after_long_help = "Examples:\n  trail seal key /safe/trail.key --name audit.example.com/trail\n  trail seal key witness.key --name witness.example.org"
    )]
    Key {
        /// File of the secret half; must not exist
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Name of the key, shown with each signature
        #[arg(long, default_value = "trail")]
        name: String,
    },
    /// Say how far the log has come and who signed it
    #[command(
        after_long_help = "Examples:\n  trail seal status\n  trail seal status --format json"
    )]
    Status {
        /// Form of the output
        #[arg(long, value_enum, default_value_t = Form::Table)]
        format: Form,
    },
    /// Seal what is not sealed yet (the gate's decisions, looks at contents) and sign the checkpoint
    #[command(
        after_long_help = "Examples:\n  trail seal checkpoint\n  TRAIL_SEAL_KEY=/safe/trail.key trail seal checkpoint"
    )]
    Checkpoint,
    /// Check the store in full, then add one's own signature to its checkpoint
    #[command(
        after_long_help = "Examples:\n  trail seal witness --key witness.key\n  trail seal witness --key witness.key --pin last-month.checkpoint"
    )]
    Witness {
        /// Secret key of the witness
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// A checkpoint that the witness has seen before
        #[arg(long, value_name = "FILE")]
        pin: Vec<PathBuf>,
    },
    /// Write the checkpoint to a file, to be kept elsewhere; with FILE.tsq, a request for a time stamp
    ///
    /// FILE.tsq is an RFC 3161 request over the checkpoint: give it to a time-stamping authority and keep
    /// its answer beside the checkpoint (`openssl ts -verify` checks it).
    #[command(
        after_long_help = "Examples:\n  trail seal pin /mnt/audit/2026-11.checkpoint\n  trail seal pin pinned --tsa"
    )]
    Pin {
        /// Where to
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Write FILE.tsq too
        #[arg(long)]
        tsa: bool,
    },
}

impl Args {
    pub(super) fn run(self, store: &super::Given) -> Result<ExitCode> {
        match self.command {
            Command::Key { file, name } => key(&file, &name),
            Command::Status { format } => status(store, format),
            Command::Checkpoint => {
                let store = super::open_store(store)?;
                let config = Config::load(&store.layout().config())?;
                let signer = config.seal.signer(&store.layout().root)?;
                let signer = signer.as_ref().map(|signer| signer as &dyn Signer);
                let log = checkpoint(&store, signer).map_err(|error| miette!("{error}"))?;
                super::print(&String::from_utf8_lossy(&log.checkpoint), None)?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Witness { key, pin } => witness(store, &key, &pin),
            Command::Pin { file, tsa } => pin(store, &file, tsa),
        }
    }
}

fn key(file: &Path, name: &str) -> Result<ExitCode> {
    let public = make_key(file, name)?;
    let text = format!(
        "{public}\n\nThe secret half is in {}, the public half in {}.pub.\nName the first in trail.toml ([seal] key) or TRAIL_SEAL_KEY; give the second to whoever shall check.\n",
        file.display(),
        file.display()
    );
    super::print(&text, None)?;
    Ok(ExitCode::SUCCESS)
}

fn open_log(store: &super::Given) -> Result<(crate::store::Store, Log)> {
    let store = super::open_store(store)?;
    let log = Log::open(&store.layout().root).map_err(|error| miette!("{error}"))?;
    if log.checkpoint.is_empty() {
        return Err(miette!(
            help = "`trail ingest` and `trail seal checkpoint` seal",
            "nothing is sealed yet"
        ));
    }
    Ok((store, log))
}

fn status(store: &super::Given, format: Form) -> Result<ExitCode> {
    let (store, log) = open_log(store)?;
    let config = Config::load(&store.layout().config())?;
    let keys = super::trusted_keys(&config, &[], &store.layout().root)?;
    let verdict =
        check_seal(&store, &keys, &[], Depth::Files).map_err(|error| miette!("{error}"))?;
    let text = match format {
        Form::Json => serde_json::to_string_pretty(&verdict).into_diagnostic()? + "\n",
        Form::Table => {
            let batches = log.entries.iter().filter(|entry| entry.batch.is_some());
            let mut out = format!(
                "batches sealed: {}; leaves: {}; root {}\n",
                batches.count(),
                log.size,
                verdict.root
            );
            if !verdict.signed_by.is_empty() {
                out += &format!("signed by {}\n", verdict.signed_by.join(", "));
            }
            for note in &verdict.notes {
                out += &format!("note: {note}\n");
            }
            for damage in &verdict.damages {
                out += &format!("{} {}\n", damage.file, damage.reason);
            }
            out.lines().map(|line| terminal(line) + "\n").collect()
        }
    };
    super::print(&text, None)?;
    Ok(if verdict.damages.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    })
}

/// Reads checkpoints that were kept elsewhere, and the answers of time-stamping authorities beside them.
pub(super) fn read_pins(paths: &[PathBuf], certificates: &[PathBuf]) -> Result<Vec<Pin>> {
    let mut believed = String::new();
    for path in certificates {
        let text = std::fs::read_to_string(path)
            .map_err(|error| miette!("cannot read {}: {error}", path.display()))?;
        if crate::attest::pem_blocks(&text).is_empty() {
            return Err(miette!(
                help = "give the authority's own certificate, as PEM",
                "{} holds no certificate",
                path.display()
            ));
        }
        believed.push_str(&text);
    }
    paths
        .iter()
        .map(|path| {
            let bytes = std::fs::read(path)
                .map_err(|error| miette!("cannot read {}: {error}", path.display()))?;
            let mut beside = path.as_os_str().to_owned();
            beside.push(".tsr");
            let answer = std::fs::read(Path::new(&beside)).ok();
            Ok(Pin {
                name: path.display().to_string(),
                bytes,
                stamp: answer.map(|answer| (answer, believed.clone())),
            })
        })
        .collect()
}

fn witness(given: &super::Given, key: &Path, pins: &[PathBuf]) -> Result<ExitCode> {
    let signer = read_signer(key)?;
    let (store, _) = open_log(given)?;
    let lock = store.lock().map_err(|error| miette!("{error}"))?;
    let (store, log) = open_log(given)?;
    let (damages, _) = crate::store::check_files(&store).map_err(|error| miette!("{error}"))?;
    let verdict = check_seal(&store, &[], &read_pins(pins, &[])?, Depth::Leaves)
        .map_err(|error| miette!("{error}"))?;
    if let Some(damage) = damages.iter().chain(&verdict.damages).next() {
        return Err(miette!(
            help = "`trail verify --integrity` lists all",
            "not signed: {} {}",
            damage.file,
            damage.reason
        ));
    }
    let note = if log.checkpoint.ends_with(b"\n\n") {
        Note::new(&log.checkpoint[..log.checkpoint.len() - 1], &[])
    } else {
        Note::from_bytes(&log.checkpoint)
    };
    let mut note = note.into_diagnostic()?;
    note.add_sigs(&[&signer]).into_diagnostic()?;
    let text = note.to_bytes();
    crate::store::write_atomically(&log.folder().join("checkpoint"), &text)
        .map_err(|error| miette!("{error}"))?;
    drop(lock);
    super::print(&String::from_utf8_lossy(&text), None)?;
    Ok(ExitCode::SUCCESS)
}

fn pin(store: &super::Given, file: &Path, tsa: bool) -> Result<ExitCode> {
    let (_, log) = open_log(store)?;
    let write = |path: &Path, bytes: &[u8]| {
        std::fs::write(path, bytes)
            .map_err(|error| miette!("cannot write {}: {error}", path.display()))
    };
    write(file, &log.checkpoint)?;
    if tsa {
        let mut beside = file.as_os_str().to_owned();
        beside.push(".tsq");
        write(Path::new(&beside), &time_stamp_request(&log.checkpoint))?;
    }
    super::print(&String::from_utf8_lossy(&log.checkpoint), None)?;
    Ok(ExitCode::SUCCESS)
}

/// A request for a time stamp over some bytes: TimeStampReq of RFC 3161 (section 2.4.1) in DER, with
/// SHA-256, without nonce, asking for the authority's certificate.
fn time_stamp_request(bytes: &[u8]) -> Vec<u8> {
    const HEAD: [u8; 24] = [
        0x30, 0x39, 0x02, 0x01, 0x01, 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
        0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
    ];
    const CERT_REQ: [u8; 3] = [0x01, 0x01, 0xff];
    [&HEAD[..], &crate::model::Digest::of(bytes).0, &CERT_REQ].concat()
}

/// Public keys that are believed: those given, else those of the settings.
pub(super) fn trusted(
    config: &Config,
    given: &[String],
    store: &Path,
) -> Result<Vec<signed_note::StandardVerifier>> {
    let mut keys = Vec::new();
    for key in given {
        keys.extend(read_verifiers(key)?);
    }
    if given.is_empty()
        && let Some(key) = &config.seal.public_key
    {
        let beside = store.join(key);
        let path = if beside.is_file() {
            beside.display().to_string()
        } else {
            key.clone()
        };
        keys.extend(read_verifiers(&path)?);
    }
    Ok(keys)
}
