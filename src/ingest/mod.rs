//! From dumps to a batch: drives reading, normalising and storing.
//!
//! One thread reads, hashes and cuts into chunks of records; workers map and encode them; one thread
//! puts the results back into the order of the dumps. The result does not depend on the number of
//! workers.

mod evidence;
mod mapped;
mod pipeline;
mod preview;
mod reader;
mod recognise;
mod work;
mod wrapper;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use preview::{Preview, head_of, preview};
pub use recognise::{Explanation, explain};

use crate::attest::{SourceKey, attest};
use crate::config::{DateOrders, KeyPatterns, Zones};
use crate::normalise::Format;
use crate::normalise::formats::Formats;
use crate::protect::{Access, AccessError, BatchKeys, Role, is_protected};
use crate::read::{Limits, ReadError};
use crate::seal::LogSealer;
use crate::store::{BatchWriter, Commit, Custody, CustodyFile, LeafCounts, Store, StoreError};

/// What is to be ingested.
pub struct IngestRequest {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// The store's folder; made if it is not there.
    pub store: PathBuf,
    /// Source to attribute everything to, else the format's family.
    pub source: Option<String>,
    /// Format to read everything in, else what detection says.
    pub format: Option<&'static dyn Format>,
    /// The formats that are known.
    pub formats: Formats,
    /// Take records of unknown formats as events of kind `other`.
    pub lenient: bool,
    /// Zones of times without one.
    pub zones: Zones,
    /// Whether the day or the month comes first in dates with slashes, by source.
    pub dates: DateOrders,
    /// How ids are written that the formats do not know by themselves.
    pub keys: KeyPatterns,
    /// Bounds.
    pub limits: Limits,
    /// Number of workers.
    pub workers: usize,
    /// Who signs the checkpoint of the log, if anybody does.
    pub signer: Option<signed_note::StandardSigner>,
    /// The roles of the store, and who ingests: needed where people stand as pseudonyms.
    pub roles: BTreeMap<String, Role>,
    /// Public keys of sources that sign what they log.
    pub source_keys: Vec<SourceKey>,
    /// File of the key of who ingests.
    pub identity: Option<PathBuf>,
}

/// Is told how far an ingest has come.
pub trait Progress: Sync {
    /// Total bytes on disk, known before reading begins.
    fn total(&self, bytes: u64);
    /// A dump is being read.
    fn dump(&self, path: &str);
    /// Bytes on disk read so far, and places that could not be read.
    fn at(&self, bytes: u64, rejects: u64);
    /// Another ingest got in between; reading begins anew.
    fn again(&self);
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn total(&self, _: u64) {}
    fn dump(&self, _: &str) {}
    fn at(&self, _: u64, _: u64) {}
    fn again(&self) {}
}

/// What an ingest did.
#[derive(Debug)]
pub struct IngestReport {
    /// The new batch, `None` if there was nothing new.
    pub batch: Option<String>,
    /// Every dump and member, also those that gave nothing.
    pub files: Vec<CustodyFile>,
    /// Dumps that could not be opened at all.
    pub unreadable: Vec<ReadError>,
}

impl IngestReport {
    /// Whether anything was left out.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unreadable.is_empty()
            && self
                .files
                .iter()
                .all(|file| file.rejects == 0 && file.problem.is_none())
    }
}

/// Why an ingest failed as a whole; the store is then as before.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store is protected, and who ingests cannot make pseudonyms.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Nothing was found to read.
    #[error("there is no file to read at {0}")]
    Nothing(String),
    /// A worker stopped without an answer.
    #[error("a worker thread stopped: {0}")]
    Worker(String),
}

/// Ingests dumps into a store, as one batch.
///
/// # Errors
/// The store cannot be written, or there is no file to read; nothing was added then. Dumps that
/// cannot be read are named in the report and do not stop the others.
pub fn ingest(
    request: &IngestRequest,
    progress: &dyn Progress,
) -> Result<IngestReport, IngestError> {
    let (dumps, unreadable) = crate::read::discover(&request.paths);
    if dumps.is_empty() && unreadable.is_empty() {
        let paths: Vec<String> = request
            .paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        return Err(IngestError::Nothing(paths.join(", ")));
    }
    progress.total(
        dumps
            .iter()
            .filter_map(|dump| dump.path.metadata().ok())
            .map(|meta| meta.len())
            .sum(),
    );
    let mut unreadable = unreadable;
    loop {
        let store = Store::open_or_create(&request.store)?;
        let (store, keys) = protection(request, store)?;
        let mut writer = BatchWriter::new(&store, keys)?;
        let outcome = pipeline::run(request, &store, &mut writer, &dumps, progress);
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                writer.discard();
                return Err(error);
            }
        };
        let mut files = outcome.files;
        attest(&dumps, &mut files, &request.source_keys, request.limits);
        let has_news = files
            .iter()
            .any(|file| file.events > 0 || (file.rejects > 0 && file.records > 0))
            || files
                .iter()
                .any(|file| file.problem.is_some() && !store_knows(&store, file));
        if !has_news {
            writer.discard();
            unreadable.extend(outcome.unreadable);
            return Ok(IngestReport {
                batch: None,
                files,
                unreadable,
            });
        }
        let custody = manifest(&files);
        let mut sealer = LogSealer::new(request.signer.clone());
        match writer.commit(&store, custody, outcome.seen, &mut sealer)? {
            Commit::Done(custody) => {
                unreadable.extend(outcome.unreadable);
                return Ok(IngestReport {
                    batch: Some(custody.batch),
                    files,
                    unreadable,
                });
            }
            Commit::Overlap => progress.again(),
        }
    }
}

/// The store as who ingests sees it, and the keys of the new batch where it is protected.
fn protection(
    request: &IngestRequest,
    store: Store,
) -> Result<(Store, Option<BatchKeys>), IngestError> {
    if !is_protected(&request.store) {
        return Ok((store, None));
    }
    let identity = request.identity.as_deref();
    let access = Access::with_key(&request.store, &request.roles, None, identity)?;
    access.need(crate::protect::Right::LookUp)?;
    let keys = BatchKeys::new(&request.roles)?;
    Ok((store.with_access(access)?, Some(keys)))
}

/// Whether a dump that cannot be read was named in an earlier batch already.
fn store_knows(store: &Store, file: &CustodyFile) -> bool {
    store
        .batches()
        .iter()
        .flat_map(|batch| &batch.files)
        .any(|known| {
            known.sha256 == file.sha256
                && known.member == file.member
                && known.problem == file.problem
        })
}

fn manifest(files: &[CustodyFile]) -> Custody {
    let mut identity = String::from("trail batch 1");
    for file in files {
        for text in [
            &file.sha256,
            &file.display_path(),
            &file.format,
            &file.source,
        ] {
            identity.push('\0');
            identity.push_str(text);
        }
    }
    Custody {
        batch: crate::model::Digest::of(identity.as_bytes()).short(16),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        operator: operator(),
        host: host(),
        ingested_at: crate::model::time::format_utc(jiff::Timestamp::now().as_microsecond()),
        files: files.to_vec(),
        tables: Vec::new(),
        others: Vec::new(),
        leaves: LeafCounts::default(),
    }
}

fn environment(names: &[&str]) -> Option<String> {
    let mut values = names.iter().filter_map(|name| std::env::var(name).ok());
    values.find(|value| !value.is_empty())
}

/// Who runs this, as the operating system says; `TRAIL_OPERATOR` says otherwise.
pub(crate) fn operator() -> String {
    environment(&["TRAIL_OPERATOR", "SUDO_USER", "USER", "LOGNAME"])
        .unwrap_or_else(|| "unknown".to_owned())
}

/// The machine this runs on.
pub(crate) fn host() -> String {
    let named = || {
        let name = std::fs::read_to_string("/etc/hostname").ok()?;
        Some(name.trim().to_owned())
    };
    environment(&["HOSTNAME"])
        .or_else(named)
        .unwrap_or_else(|| "unknown".to_owned())
}
