//! Checking a proof, with nothing but public keys: of the store that it is of nothing is read.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use signed_note::StandardVerifier;
use tlog_tiles::{Hash, check_record, check_tree, record_hash};

use super::leaf;
use super::log::parse_checkpoint;
use super::proof::{Proof, ProofError, ProvenLeaf, ProvenRecord, broken};
use super::recompute::reader_of;
use super::{Signatures, signatures};
use crate::model::{Digest, RecordHasher};
use crate::store::Custody;

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
