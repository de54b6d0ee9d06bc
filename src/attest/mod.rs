//! The source's own proof: signatures and hash chains that a dump carries, checked when it is ingested.
//!
//! What is found is kept in the manifest of the batch, which the log seals: that a chain held, that it
//! was broken, that nobody signed, or that nobody could check because no key was given.

mod canonical;
mod cloudtrail;
pub(crate) mod der;
mod dsse;
mod key;
mod receipts;

pub(crate) use key::pem_blocks;
pub use key::{SourceKey, read_source_keys};

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::Digest;
use crate::read::{Dump, Limits, Visit, visit_members};
use crate::store::CustodyFile;

/// How a source's proof came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Held {
    /// Hashes and signatures hold, by a key that was given.
    Verified,
    /// Hashes hold; who signed was not checked, because the key was not given.
    Unchecked,
    /// Hashes hold; nobody signed.
    Unsigned,
    /// It does not hold.
    Broken,
}

impl Held {
    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Unchecked => "unchecked",
            Self::Unsigned => "unsigned",
            Self::Broken => "broken",
        }
    }
}

/// What a dump itself, or one beside it, proves of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceProof {
    /// How it came out.
    pub held: Held,
    /// By which kind of proof: the format that carries it.
    pub by: String,
    /// In a sentence.
    pub detail: String,
}

impl SourceProof {
    fn new(held: Held, by: &str, detail: impl Into<String>) -> Self {
        Self {
            held,
            by: by.to_owned(),
            detail: detail.into(),
        }
    }
}

/// A carrier of proofs is read whole; a longer one is none.
const MOST_BYTES: u64 = 256 << 20;

/// What is needed of a file of an ingest.
struct Content {
    /// SHA-256 of what it holds, decompressed.
    sha256: Digest,
    /// Its bytes, if it carries a proof.
    bytes: Option<Vec<u8>>,
}

fn carries(format: &str) -> bool {
    matches!(
        format,
        "cloudtrail_digest"
            | "agent_audit_trail"
            | "aer1_receipt"
            | "acta_receipt"
            | "dsse_envelope"
    )
}

/// Checks the proofs that files of an ingest carry, and puts what came out beside each file that they
/// speak of.
pub fn attest(dumps: &[Dump], files: &mut [CustodyFile], keys: &[SourceKey], limits: Limits) {
    if !files.iter().any(|file| carries(&file.format)) {
        return;
    }
    let contents = contents(dumps, files, limits);
    let mut found: BTreeMap<usize, SourceProof> = BTreeMap::new();
    let mut digests = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let Some(bytes) = contents.get(&at).and_then(|content| content.bytes.as_ref()) else {
            continue;
        };
        match file.format.as_str() {
            "cloudtrail_digest" => digests.push((at, bytes.as_slice())),
            "agent_audit_trail" => {
                found.insert(at, receipts::audit_trail(&values(bytes), keys));
            }
            "aer1_receipt" => {
                found.insert(at, receipts::aer1(&values(bytes)));
            }
            "acta_receipt" => {
                found.insert(at, receipts::acta(&values(bytes), keys));
            }
            "dsse_envelope" => {
                dsse::envelopes(at, &values(bytes), files, &contents, keys, &mut found)
            }
            _ => {}
        }
    }
    cloudtrail::digests(&digests, files, &contents, keys, &mut found);
    for (at, proof) in found {
        files[at].proof = Some(proof);
    }
}

/// The worse of two proofs of one file.
fn put(found: &mut BTreeMap<usize, SourceProof>, at: usize, proof: SourceProof) {
    match found.get(&at) {
        Some(known) if known.held >= proof.held => {}
        _ => {
            found.insert(at, proof);
        }
    }
}

/// JSON values that stand one after the other, or one array of them.
fn values(bytes: &[u8]) -> Vec<Value> {
    let stream = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    let values: Vec<Value> = stream.map_while(Result::ok).collect();
    match <[Value; 1]>::try_from(values) {
        Ok([Value::Array(all)]) => all,
        Ok([one]) => vec![one],
        Err(values) => values,
    }
}

fn contents(dumps: &[Dump], files: &[CustodyFile], limits: Limits) -> BTreeMap<usize, Content> {
    use sha2::{Digest as _, Sha256};
    let mut contents = BTreeMap::new();
    for dump in dumps {
        let path = dump.path.display().to_string();
        // What cannot be read was named when it was ingested.
        let _ = visit_members(dump, limits, &mut |visit| {
            let Visit::Member(member) = visit else { return };
            let at = files
                .iter()
                .position(|file| file.path == path && file.member == member.name);
            let Some(at) = at else { return };
            let keep = carries(&files[at].format);
            let mut state = Sha256::new();
            let mut kept = keep.then(Vec::new);
            let mut buffer = vec![0; 1 << 18];
            let mut length = 0;
            loop {
                match member.reader.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(read) => {
                        state.update(&buffer[..read]);
                        length += read as u64;
                        match &mut kept {
                            Some(bytes) if length <= MOST_BYTES => {
                                bytes.extend_from_slice(&buffer[..read]);
                            }
                            _ => kept = None,
                        }
                    }
                    Err(_) => return,
                }
            }
            let content = Content {
                sha256: Digest(state.finalize().into()),
                bytes: kept,
            };
            contents.insert(at, content);
        });
    }
    contents
}

/// Last part of a path, as object stores and archives write them.
fn base(path: &str) -> &str {
    Path::new(path)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or(path)
}

/// The name of a file as its source gave it.
fn name_of(file: &CustodyFile) -> &str {
    base(file.member.as_deref().unwrap_or(&file.path))
}
