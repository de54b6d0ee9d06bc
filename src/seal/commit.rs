//! Putting batches into the log: each ingest does so while it commits.

use std::io::Read;
use std::path::Path;

use signed_note::{Signer, StandardSigner};
use tlog_tiles::{Hash, record_hash};

use super::leaf;
use super::log::{Appender, Log, manifest_bytes};
use super::recompute::batch_leaves;
use crate::store::{Custody, LeafCounts, Sealer, Store, StoreError};

/// Adds the batch that is committed to the log, and what earlier crashes have left out of it.
#[derive(Default)]
pub struct LogSealer {
    /// Who signs the checkpoint, if anybody does.
    pub signer: Option<StandardSigner>,
    appender: Option<Appender>,
}

impl LogSealer {
    /// Seals with that key.
    #[must_use]
    pub fn new(signer: Option<StandardSigner>) -> Self {
        Self {
            signer,
            appender: None,
        }
    }

    fn signer(&self) -> Option<&dyn Signer> {
        self.signer.as_ref().map(|signer| signer as &dyn Signer)
    }
}

impl Sealer for LogSealer {
    fn add_records(&mut self, store: &Store, leaves: [&Path; 2]) -> Result<(), StoreError> {
        let mut appender = Log::open(&store.layout().root)?.appender()?;
        add_missing(store, &mut appender)?;
        for path in leaves {
            push_file(&mut appender, path)?;
        }
        self.appender = Some(appender);
        Ok(())
    }

    fn add_manifest(
        &mut self,
        store: &Store,
        batch: &str,
        manifest: &[u8],
    ) -> Result<(), StoreError> {
        let Some(appender) = &mut self.appender else {
            return Ok(());
        };
        appender.push(record_hash(&leaf::batch(manifest)))?;
        appender.end_batch(batch);
        appender.push_journals(&store.layout().root)?;
        appender.sync()
    }

    fn publish(&mut self) -> Result<(), StoreError> {
        match self.appender.take() {
            Some(appender) => appender.publish(self.signer()).map(|_| ()),
            None => Ok(()),
        }
    }
}

fn push_file(appender: &mut Appender, path: &Path) -> Result<(), StoreError> {
    let file = std::fs::File::open(path).map_err(StoreError::io("opening", path))?;
    let mut reader = std::io::BufReader::with_capacity(1 << 20, file);
    let mut hash = [0; 32];
    loop {
        match reader.read_exact(&mut hash) {
            Ok(()) => appender.push(Hash(hash))?,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(StoreError::io("reading", path)(error)),
        }
    }
}

/// Batches that the log does not have, in the order in which they were ingested.
#[must_use]
pub fn unsealed<'s>(store: &'s Store, log: &Log) -> Vec<(usize, &'s Custody)> {
    let batches = store.batches().iter().enumerate();
    let mut missing: Vec<(usize, &Custody)> = batches
        .filter(|(_, batch)| log.entry_of(&batch.batch).is_none())
        .collect();
    missing.sort_by(|(_, a), (_, b)| (&a.ingested_at, &a.batch).cmp(&(&b.ingested_at, &b.batch)));
    missing
}

fn add_missing(store: &Store, appender: &mut Appender) -> Result<(), StoreError> {
    let missing: Vec<(usize, String)> = unsealed(store, appender.log())
        .into_iter()
        .map(|(at, batch)| (at, batch.batch.clone()))
        .collect();
    for (at, batch) in missing {
        let counts = batch_leaves(store, at, |_, hash| appender.push(hash))?;
        let said = store.batches()[at].leaves;
        if said
            != (LeafCounts {
                records: counts.records,
                rejects: counts.rejects,
            })
        {
            return Err(StoreError::Damaged {
                path: store.layout().custody().join(format!("{batch}.json")),
                reason: format!(
                    "names {} records and {} rejects, the tables have {} and {}",
                    said.records, said.rejects, counts.records, counts.rejects
                ),
            });
        }
        let manifest = manifest_bytes(store, &batch)?;
        appender.push(record_hash(&leaf::batch(&manifest)))?;
        appender.end_batch(&batch);
    }
    Ok(())
}

/// Seals what the log does not have yet (batches that a crash left out, journals that have gone on) and
/// signs the checkpoint anew.
///
/// # Errors
/// The store cannot be read or written, or the log is damaged.
pub fn checkpoint(store: &Store, signer: Option<&dyn Signer>) -> Result<Log, StoreError> {
    let _lock = store.lock()?;
    let store = Store::open(&store.layout().root)?;
    let mut appender = Log::open(&store.layout().root)?.appender()?;
    add_missing(&store, &mut appender)?;
    appender.push_journals(&store.layout().root)?;
    if appender.size() == 0 {
        return Err(StoreError::Damaged {
            path: store.layout().root.clone(),
            reason: "there is nothing to seal yet".to_owned(),
        });
    }
    appender.sync()?;
    appender.publish(signer)
}
