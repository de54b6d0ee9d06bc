//! Proofs that a third party checks with nothing but the public key.
//!
//! A proof is one JSON object. It carries a signed checkpoint; for each record its leaf with the hashes
//! that lead from it to the root (RFC 9162, section 2.1.3), the rows of its events, and if wanted the
//! record itself with its salt; and the manifest of its batch as a leaf of its own, which names the dump
//! and its SHA-256. docs/evidence.md has the form in words.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tlog_tiles::{TileHashReader, check_record, check_tree, prove_record, prove_tree, record_hash};

use super::leaf;
use super::log::{Log, manifest_bytes, parse_checkpoint};
use super::recompute::{REMOVED, reader_of, rows_of_record, salt_key, stored_digest};
use crate::model::RecordHasher;
use crate::store::{
    Custody, Store, StoreError, count_records_before, read_original_contents, side_by_side,
};

/// Why there is no proof, or a proof does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log does not have it.
    #[error("batch {0} is not in the log; `trail seal checkpoint` seals it")]
    Unsealed(String),
    /// The tiles do not fit.
    #[error("the log is damaged ({0}); `trail verify --integrity` says where")]
    Log(String),
    /// The text is no proof.
    #[error("this is no proof: {0}")]
    Form(String),
    /// Something in the proof does not fit together.
    #[error("the proof does not hold: {0}")]
    Broken(String),
}

/// A leaf and the way from it to the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenLeaf {
    /// Its index.
    pub index: u64,
    /// The leaf, Base64.
    pub leaf: String,
    /// Hashes beside the way to the root, from the leaf up, Base64.
    pub inclusion: Vec<String>,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenRecord {
    /// Which of the batches it belongs to.
    pub batch: String,
    /// Its leaf.
    pub leaf: ProvenLeaf,
    /// The rows of its events, in the form that the leaf commits to, Base64.
    pub rows: Vec<String>,
    /// The record itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub content: Option<Content>,
}

/// A record, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Its salt, Base64.
    pub salt: String,
    /// Its bytes, Base64.
    pub bytes: String,
}

/// A proof of records, or of growth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "trail_proof")]
pub enum Proof {
    /// Records were in the log at a checkpoint.
    #[serde(rename = "records/v1")]
    Records {
        /// The signed checkpoint.
        checkpoint: String,
        /// Manifests of the records' batches, by batch.
        batches: BTreeMap<String, ProvenLeaf>,
        /// The records.
        records: Vec<ProvenRecord>,
    },
    /// A log has only grown between two checkpoints.
    #[serde(rename = "consistency/v1")]
    Consistency {
        /// The earlier checkpoint.
        old: String,
        /// The later one.
        new: String,
        /// The hashes of RFC 9162, section 2.1.4, Base64.
        consistency: Vec<String>,
    },
}

/// A record that is to be proven: batch in the order of the store, file, record in the file.
pub type RecordPlace = (usize, i32, i64);

pub(super) fn broken(reason: impl Into<String>) -> ProofError {
    ProofError::Broken(reason.into())
}

fn log_error(error: &tlog_tiles::Error) -> ProofError {
    ProofError::Log(error.to_string())
}

/// Proves records; with their bytes if `contents`.
///
/// # Errors
/// A record is not sealed, or the store or log cannot be read.
pub fn prove_records(
    store: &Store,
    places: &BTreeSet<RecordPlace>,
    contents: bool,
) -> Result<Proof, ProofError> {
    let log = Log::open(&store.layout().root)?;
    let indexes = record_indexes(store, places)?;
    let mut batches = BTreeMap::new();
    let mut records = Vec::new();
    for (batch, file, ordinal) in places {
        let custody = &store.batches()[*batch];
        let entry = log
            .entry_of(&custody.batch)
            .ok_or_else(|| ProofError::Unsealed(custody.batch.clone()))?;
        if !batches.contains_key(&custody.batch) {
            let manifest = leaf::batch(&manifest_bytes(store, &custody.batch)?);
            let index = entry.first + entry.leaves - 1;
            let proven = prove_leaf(&log, index, &manifest)?;
            batches.insert(custody.batch.clone(), proven);
        }
        let index = entry.first + indexes[&(*batch, *file, *ordinal)];
        records.push(prove_one(
            store,
            &log,
            custody,
            *batch,
            index,
            (*file, *ordinal),
            contents,
        )?);
    }
    Ok(Proof::Records {
        checkpoint: String::from_utf8_lossy(&log.checkpoint).into_owned(),
        batches,
        records,
    })
}

fn prove_one(
    store: &Store,
    log: &Log,
    custody: &Custody,
    batch: usize,
    index: u64,
    (file, ordinal): (i32, i64),
    contents: bool,
) -> Result<ProvenRecord, ProofError> {
    let rows = rows_of_record(store, custody, file, ordinal)?;
    let missing = || {
        ProofError::Log(format!(
            "the bytes of record {ordinal} are not in the store"
        ))
    };
    let digests: Vec<[u8; 32]> = rows.iter().map(|row| Sha256::digest(row).into()).collect();
    let proven = |content: &[u8; 32], shown: Option<Content>| {
        let bytes = leaf::record(file, ordinal, content, &digests);
        Ok(ProvenRecord {
            batch: custody.batch.clone(),
            leaf: prove_leaf(log, index, &bytes)?,
            rows: rows.iter().map(|row| BASE64.encode(row)).collect(),
            content: shown,
        })
    };
    if !contents && store.access().is_protected() {
        // The commitment to the record is enough, and needs no right to read it.
        let (_, content) = stored_digest(store, custody, file, ordinal)?.ok_or_else(missing)?;
        return proven(&content, None);
    }
    let found = read_original_contents(store, batch, file, ordinal)?;
    let removed = found.iter().find(|row| row.content == REMOVED);
    if let Some(row) = removed.filter(|_| !contents) {
        let content = row.value.as_slice().try_into().unwrap_or_default();
        return proven(&content, None);
    }
    let raw = found
        .into_iter()
        .find(|row| row.content == "raw")
        .ok_or_else(missing)?;
    let salt = leaf::salt(&salt_key(store, &custody.batch)?, file, ordinal);
    let record = RecordHasher::new(reader_of(custody, file), &raw.value).record();
    let shown = contents.then(|| Content {
        salt: BASE64.encode(salt),
        bytes: BASE64.encode(&raw.value),
    });
    proven(&leaf::content(&salt, &record), shown)
}

fn prove_leaf(log: &Log, index: u64, leaf: &[u8]) -> Result<ProvenLeaf, ProofError> {
    let reader = TileHashReader::new(log.size, log.root, log);
    let proof = prove_record(log.size, index, &reader).map_err(|error| log_error(&error))?;
    check_record(&proof, log.size, log.root, index, record_hash(leaf))
        .map_err(|_| ProofError::Log(format!("leaf {index} is not as it was sealed")))?;
    Ok(ProvenLeaf {
        index,
        leaf: BASE64.encode(leaf),
        inclusion: proof.iter().map(|hash| BASE64.encode(hash.0)).collect(),
    })
}

/// How many records of the batch stand before that one.
/// The places of records among the leaves of their batches.
fn record_indexes(
    store: &Store,
    places: &BTreeSet<RecordPlace>,
) -> Result<BTreeMap<RecordPlace, u64>, ProofError> {
    let mut all = BTreeMap::new();
    for (batch, custody) in store.batches().iter().enumerate() {
        let of_batch = places.iter().filter(|place| place.0 == batch);
        let mut open: BTreeSet<(i32, i64)> = of_batch.map(|place| (place.1, place.2)).collect();
        if store.access().is_protected() {
            for (file, ordinal) in &open {
                if let Some((before, _)) = stored_digest(store, custody, *file, *ordinal)? {
                    all.insert((batch, *file, *ordinal), before);
                }
            }
            open.retain(|(file, ordinal)| !all.contains_key(&(batch, *file, *ordinal)));
        }
        if open.is_empty() {
            continue;
        }
        let parts = store.parts("contents", custody);
        let counted = side_by_side(&parts, |path| count_records_before(store, path, &open))?;
        let mut before = 0;
        for (records, found) in counted {
            for ((file, ordinal), at) in found {
                all.entry((batch, file, ordinal)).or_insert(before + at);
            }
            before += records;
        }
    }
    match places.iter().find(|place| !all.contains_key(place)) {
        None => Ok(all),
        Some((_, _, ordinal)) => Err(ProofError::Log(format!(
            "record {ordinal} is not in the contents table"
        ))),
    }
}

/// Proves that the log has grown from an earlier checkpoint.
///
/// # Errors
/// The earlier one is none or of a longer log, or the log cannot be read.
pub fn prove_consistency(store: &Store, old: &[u8]) -> Result<Proof, ProofError> {
    let log = Log::open(&store.layout().root)?;
    let parsed = parse_checkpoint(old)
        .ok_or_else(|| ProofError::Form("the checkpoint is none".to_owned()))?;
    if parsed.size() > log.size || parsed.size() == 0 {
        return Err(broken(format!(
            "the earlier checkpoint has {} leaves, the log {}",
            parsed.size(),
            log.size
        )));
    }
    let reader = TileHashReader::new(log.size, log.root, &log);
    let proof = prove_tree(log.size, parsed.size(), &reader).map_err(|error| log_error(&error))?;
    check_tree(&proof, log.size, log.root, parsed.size(), *parsed.hash()).map_err(|_| {
        broken("the log has not grown from that checkpoint: its past was rewritten")
    })?;
    Ok(Proof::Consistency {
        old: String::from_utf8_lossy(old).into_owned(),
        new: String::from_utf8_lossy(&log.checkpoint).into_owned(),
        consistency: proof.iter().map(|hash| BASE64.encode(hash.0)).collect(),
    })
}
