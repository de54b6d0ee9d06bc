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
use signed_note::StandardVerifier;
use tlog_tiles::{
    Hash, TileHashReader, check_record, check_tree, prove_record, prove_tree, record_hash,
};

use super::leaf;
use super::log::{Log, manifest_bytes, parse_checkpoint};
use super::recompute::{REMOVED, reader_of, rows_of_record, salt_key, stored_digest};
use super::{Signatures, signatures};
use crate::model::{Digest, RecordHasher};
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

fn broken(reason: impl Into<String>) -> ProofError {
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

/// What a proof shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Leaves of the log at the checkpoint.
    pub size: u64,
    /// Its root, Base64.
    pub root: String,
    /// Known keys that signed it.
    pub signed_by: Vec<String>,
    /// Keys that signed it and are not known.
    pub unknown_keys: Vec<String>,
    /// Leaves of the earlier checkpoint, of a proof of growth.
    pub grown_from: Option<u64>,
    /// The records.
    pub records: Vec<ShownRecord>,
}

/// A record that was proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownRecord {
    /// The dump, as it was given.
    pub file: String,
    /// Its SHA-256.
    pub sha256: String,
    /// Record in it, from 1.
    pub record: i64,
    /// When its batch was committed, UTC, as the manifest says.
    pub ingested_at: String,
    /// Columns of its events.
    pub events: Vec<BTreeMap<String, String>>,
    /// The record itself, if it is in the proof.
    pub content: Option<String>,
}

/// Checks a proof with nothing but public keys.
///
/// # Errors
/// It is no proof, or does not hold: why.
pub fn check_proof(text: &str, keys: &[StandardVerifier]) -> Result<Shown, ProofError> {
    let proof: Proof =
        serde_json::from_str(text).map_err(|error| ProofError::Form(error.to_string()))?;
    match &proof {
        Proof::Consistency {
            old,
            new,
            consistency,
        } => {
            let mut shown = head(new, keys)?;
            let before = head(old, keys)?;
            let parsed_old = parse_checkpoint(old.as_bytes());
            let parsed_new = parse_checkpoint(new.as_bytes());
            let (Some(old), Some(new)) = (parsed_old, parsed_new) else {
                return Err(ProofError::Form("a checkpoint is none".to_owned()));
            };
            let hashes = decode_hashes(consistency)?;
            check_tree(&hashes, new.size(), *new.hash(), old.size(), *old.hash())
                .map_err(|_| broken("the later log has not grown from the earlier one"))?;
            shown.grown_from = Some(before.size);
            Ok(shown)
        }
        Proof::Records {
            checkpoint,
            batches,
            records,
        } => {
            let mut shown = head(checkpoint, keys)?;
            let parsed = parse_checkpoint(checkpoint.as_bytes())
                .ok_or_else(|| ProofError::Form("the checkpoint is none".to_owned()))?;
            let mut manifests: BTreeMap<&str, (u64, Custody)> = BTreeMap::new();
            for (name, proven) in batches {
                let bytes = included(proven, parsed.size(), *parsed.hash())?;
                let manifest = bytes
                    .strip_prefix(b"trail/batch/v1\n")
                    .ok_or_else(|| broken("a leaf that should be a manifest is none"))?;
                let custody: Custody = serde_json::from_slice(manifest)
                    .map_err(|error| broken(format!("a manifest is damaged: {error}")))?;
                manifests.insert(name, (proven.index, custody));
            }
            for record in records {
                let bytes = included(&record.leaf, parsed.size(), *parsed.hash())?;
                let (index, custody) = manifests.get(record.batch.as_str()).ok_or_else(|| {
                    broken(format!("the manifest of {} is not in it", record.batch))
                })?;
                shown
                    .records
                    .push(check_one(record, &bytes, *index, custody)?);
            }
            Ok(shown)
        }
    }
}

fn head(checkpoint: &str, keys: &[StandardVerifier]) -> Result<Shown, ProofError> {
    let parsed = parse_checkpoint(checkpoint.as_bytes())
        .ok_or_else(|| ProofError::Form("the checkpoint is none".to_owned()))?;
    let Signatures { good, unknown } = signatures(checkpoint.as_bytes(), keys).map_err(broken)?;
    if good.is_empty() && !keys.is_empty() {
        return Err(broken(
            "the checkpoint is not signed by any of the given keys",
        ));
    }
    Ok(Shown {
        size: parsed.size(),
        root: parsed.hash().to_string(),
        signed_by: good,
        unknown_keys: unknown,
        ..Shown::default()
    })
}

fn decode(text: &str) -> Result<Vec<u8>, ProofError> {
    BASE64
        .decode(text)
        .map_err(|error| ProofError::Form(format!("no Base64: {error}")))
}

fn decode_hashes(texts: &[String]) -> Result<Vec<Hash>, ProofError> {
    texts
        .iter()
        .map(|text| {
            let bytes: [u8; 32] = decode(text)?
                .try_into()
                .map_err(|_| ProofError::Form("a hash has not 32 bytes".to_owned()))?;
            Ok(Hash(bytes))
        })
        .collect()
}

/// The bytes of a leaf that is in the tree.
fn included(proven: &ProvenLeaf, size: u64, root: Hash) -> Result<Vec<u8>, ProofError> {
    let bytes = decode(&proven.leaf)?;
    let hashes = decode_hashes(&proven.inclusion)?;
    if proven.index >= size {
        return Err(broken(format!(
            "leaf {} is not in a tree of {size}",
            proven.index
        )));
    }
    check_record(&hashes, size, root, proven.index, record_hash(&bytes))
        .map_err(|_| broken(format!("leaf {} is not in the tree", proven.index)))?;
    Ok(bytes)
}

/// What a record's leaf says.
struct RecordLeaf {
    file: i32,
    ordinal: i64,
    content: [u8; 32],
    rows: Vec<[u8; 32]>,
}

impl RecordLeaf {
    fn read(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(b"trail/record/v1\n")?;
        let (file, rest) = rest.split_first_chunk::<4>()?;
        let (ordinal, rest) = rest.split_first_chunk::<8>()?;
        let (content, rest) = rest.split_first_chunk::<32>()?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        let (rows, []) = rest.as_chunks::<32>() else {
            return None;
        };
        (rows.len() as u64 == u64::from(u32::from_le_bytes(*count))).then(|| Self {
            file: i32::from_le_bytes(*file),
            ordinal: i64::from_le_bytes(*ordinal),
            content: *content,
            rows: rows.to_vec(),
        })
    }
}

fn check_one(
    record: &ProvenRecord,
    bytes: &[u8],
    manifest: u64,
    custody: &Custody,
) -> Result<ShownRecord, ProofError> {
    let leaf =
        RecordLeaf::read(bytes).ok_or_else(|| broken("a leaf that should be a record is none"))?;
    let counts = custody.leaves;
    let first = manifest.checked_sub(counts.rejects + counts.records);
    let place = first.and_then(|first| record.leaf.index.checked_sub(first));
    if custody.batch != record.batch || place.is_none_or(|place| place >= counts.records) {
        return Err(broken(format!(
            "leaf {} is not of batch {}",
            record.leaf.index, record.batch
        )));
    }
    let mut events = Vec::new();
    if record.rows.len() != leaf.rows.len() {
        return Err(broken("a record has another number of events"));
    }
    for (row, digest) in record.rows.iter().zip(&leaf.rows) {
        let row = decode(row)?;
        if Sha256::digest(&row)[..] != digest[..] {
            return Err(broken(format!(
                "an event of record {} was changed",
                leaf.ordinal
            )));
        }
        events.push(read_row(&row).ok_or_else(|| broken("a row of the events table is damaged"))?);
    }
    let content = match &record.content {
        None => None,
        Some(content) => {
            let salt: [u8; 16] = decode(&content.salt)?
                .try_into()
                .map_err(|_| ProofError::Form("a salt has not 16 bytes".to_owned()))?;
            let bytes = decode(&content.bytes)?;
            let record = RecordHasher::new(reader_of(custody, leaf.file), &bytes).record();
            if leaf::content(&salt, &record) != leaf.content {
                return Err(broken(format!(
                    "the text of record {} was changed",
                    leaf.ordinal
                )));
            }
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
    };
    let file = usize::try_from(leaf.file)
        .ok()
        .and_then(|file| custody.files.get(file))
        .ok_or_else(|| broken("the manifest does not name the dump"))?;
    Ok(ShownRecord {
        file: file.display_path(),
        sha256: file.sha256.clone(),
        record: leaf.ordinal,
        ingested_at: custody.ingested_at.clone(),
        events,
        content,
    })
}

/// The columns of a row; changes and attributes as lists of texts.
fn read_row(mut bytes: &[u8]) -> Option<BTreeMap<String, String>> {
    fn take<'b>(bytes: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        Some(taken)
    }
    fn length(bytes: &mut &[u8]) -> Option<usize> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        *bytes = rest;
        usize::try_from(u32::from_le_bytes(*length)).ok()
    }
    let mut row = BTreeMap::new();
    while !bytes.is_empty() {
        let name = usize::from(*take(&mut bytes, 1)?.first()?);
        let name = String::from_utf8_lossy(take(&mut bytes, name)?).into_owned();
        let size = length(&mut bytes)?;
        let value = take(&mut bytes, size)?;
        let text = match name.as_str() {
            "event_id" => Digest(value.try_into().ok()?).to_string(),
            "changes" | "attributes" => {
                let (mut rest, mut texts) = (value, Vec::new());
                while !rest.is_empty() {
                    if take(&mut rest, 1)? == [0] {
                        texts.push(None);
                        continue;
                    }
                    let size = length(&mut rest)?;
                    texts.push(Some(String::from_utf8_lossy(take(&mut rest, size)?)));
                }
                serde_json::to_string(&texts).ok()?
            }
            _ => String::from_utf8_lossy(value).into_owned(),
        };
        row.insert(name, text);
    }
    Some(row)
}
