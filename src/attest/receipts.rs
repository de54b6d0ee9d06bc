//! Signed agent logs and receipts: the Agent Audit Trail draft (draft-sharif-agent-audit-trail-04,
//! section 6), AER-1 workflow receipts (draft-zambo-aer1, section 8.1) and Acta decision receipts
//! (draft-farley-acta-signed-receipts).

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::canonical::canonical;
use super::key::{signature_bytes, unhex};
use super::{Held, SourceKey, SourceProof};
use crate::model::Digest;

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A value without some members.
fn without(value: &Value, names: &[&str]) -> Value {
    let members = value.as_object().cloned().unwrap_or_default();
    let kept: Map<String, Value> = members
        .into_iter()
        .filter(|(name, _)| !names.contains(&name.as_str()))
        .collect();
    Value::Object(kept)
}

/// What was found of several records: the worst counts.
struct Sum {
    by: &'static str,
    signed: usize,
    verified: usize,
    unknown: usize,
    broken: Option<String>,
    notes: Vec<String>,
}

impl Sum {
    fn new(by: &'static str) -> Self {
        Self {
            by,
            signed: 0,
            verified: 0,
            unknown: 0,
            broken: None,
            notes: Vec::new(),
        }
    }

    fn broke(&mut self, detail: String) {
        self.broken.get_or_insert(detail);
    }

    /// A signature over a message by a named key.
    fn signature(
        &mut self,
        number: usize,
        id: &str,
        message: &[u8],
        signature: &str,
        keys: &[SourceKey],
    ) {
        self.signed += 1;
        let named: Vec<&SourceKey> = keys.iter().filter(|key| key.is_called(id)).collect();
        let bytes = signature_bytes(signature);
        let good = |key: &&SourceKey| {
            bytes
                .as_ref()
                .is_some_and(|bytes| key.verifies(message, bytes))
        };
        // Without an id any key may be meant.
        let candidates: Vec<&SourceKey> = if id.is_empty() {
            keys.iter().collect()
        } else {
            named
        };
        if candidates.iter().any(good) {
            self.verified += 1;
        } else if candidates.is_empty() {
            self.unknown += 1;
        } else {
            self.broke(format!(
                "the signature of record {number} is not of key `{id}`"
            ));
        }
    }

    fn into_proof(self, what: &str) -> SourceProof {
        let notes = if self.notes.is_empty() {
            String::new()
        } else {
            format!("; {}", self.notes.join("; "))
        };
        let (held, detail) = match self.broken {
            Some(detail) => (Held::Broken, detail),
            None if self.signed == 0 => (Held::Unsigned, format!("{what}, nobody signed")),
            None if self.unknown > 0 || self.verified < self.signed => (
                Held::Unchecked,
                format!(
                    "{what}, {} of {} signatures not checked: the key was not given (--source-key)",
                    self.signed - self.verified,
                    self.signed
                ),
            ),
            None => (
                Held::Verified,
                format!("{what}, {} signatures are good", self.verified),
            ),
        };
        SourceProof::new(held, self.by, detail + &notes)
    }
}

/// A trail of records, each with the SHA-256 of the canonical form of the one before it.
pub(super) fn audit_trail(records: &[Value], keys: &[SourceKey]) -> SourceProof {
    let mut sum = Sum::new("agent_audit_trail");
    let mut before: Option<String> = None;
    let mut last = "";
    let first_key = records
        .first()
        .map_or("", |record| text(record, "signer_kid"));
    for (number, record) in (1..).zip(records) {
        let said = record.get("prev_hash").and_then(Value::as_str);
        if said != before.as_deref() {
            sum.broke(format!(
                "record {number} does not follow the one before it: prev_hash is {}, not {}",
                said.unwrap_or("null"),
                before.as_deref().unwrap_or("null")
            ));
        }
        let Some(chained) = canonical(&without(record, &["batch"])) else {
            sum.notes.push(format!(
                "record {number} has a number that cannot be put into canonical form"
            ));
            before = None;
            continue;
        };
        before = Some(Digest::of(chained.as_bytes()).to_string());
        let time = text(record, "timestamp");
        if time < last {
            sum.broke(format!("record {number} is earlier than the one before it"));
        }
        last = time;
        if let Some(signature) = record.get("signature").and_then(Value::as_str) {
            let core = without(record, &["signature", "signature_classical", "batch"]);
            let core = canonical(&core).unwrap_or_default();
            let id = text(record, "signer_kid");
            match record.get("sig_alg").and_then(Value::as_str) {
                None | Some("ES256") => {
                    sum.signature(number, id, core.as_bytes(), signature, keys);
                    let trust = record
                        .get("trust_level")
                        .and_then(Value::as_i64)
                        .unwrap_or(0);
                    if trust >= 2 && id == first_key {
                        sum.broke(format!(
                            "record {number} (trust level {trust}) is signed by the agent itself, not by an independent recorder"
                        ));
                    }
                }
                Some(other) => {
                    sum.signed += 1;
                    sum.unknown += 1;
                    sum.notes
                        .push(format!("record {number}: {other} is not checked"));
                }
            }
        }
        if let Some(batch) = record.get("batch").filter(|batch| batch.is_object())
            && !is_included(batch, &chained)
        {
            sum.broke(format!(
                "record {number} is not in the tree that its batch names"
            ));
        }
    }
    sum.into_proof(&format!("the chain of {} records holds", records.len()))
}

/// RFC 6962: leaf `H(0x00 ‖ record)`, node `H(0x01 ‖ left ‖ right)`.
fn is_included(batch: &Value, record: &str) -> bool {
    let mut hash: [u8; 32] = Sha256::new_with_prefix([0])
        .chain_update(record)
        .finalize()
        .into();
    let steps = batch.get("inclusion_proof").and_then(Value::as_array);
    for step in steps.into_iter().flatten().take(64) {
        let Some(other) = unhex(text(step, "hash")).filter(|other| other.len() == 32) else {
            return false;
        };
        let (left, right): (&[u8], &[u8]) = match text(step, "side") {
            "left" => (&other, &hash),
            "right" => (&hash, &other),
            _ => return false,
        };
        hash = Sha256::new_with_prefix([1])
            .chain_update(left)
            .chain_update(right)
            .finalize()
            .into();
    }
    Digest(hash).to_string() == text(batch, "merkle_root")
}

/// Workflow receipts: steps in order, and a root over their ids. Nobody signs them.
pub(super) fn aer1(receipts: &[Value]) -> SourceProof {
    let mut sum = Sum::new("aer1_receipt");
    for receipt in receipts {
        let steps: Vec<&Value> = receipt
            .get("steps")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .collect();
        let ids: Vec<&str> = steps.iter().map(|step| text(step, "receipt_id")).collect();
        let in_order = (1i64..)
            .zip(&steps)
            .all(|(seq, step)| step.get("seq").and_then(Value::as_i64) == Some(seq));
        if !in_order {
            sum.broke("its steps are not numbered from 1 without a gap".to_owned());
        }
        let mut distinct = ids.clone();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() != ids.len() {
            sum.broke("two of its steps have the same receipt_id".to_owned());
        }
        let root = aer1_root(&ids).to_string();
        if root != text(receipt, "merkle_root") {
            sum.broke(format!(
                "the root over its steps is {root}, it says {}",
                text(receipt, "merkle_root")
            ));
        }
    }
    sum.into_proof(&format!(
        "the root of each receipt holds ({})",
        receipts.len()
    ))
}

/// Section 8.1: leaf `H(receipt_id)`, node `H(left ‖ right)`, an odd last one is doubled.
fn aer1_root(ids: &[&str]) -> Digest {
    let mut level: Vec<[u8; 32]> = ids.iter().map(|id| Sha256::digest(id).into()).collect();
    if level.is_empty() {
        return Digest::of(b"");
    }
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| {
                let right = pair.get(1).unwrap_or(&pair[0]);
                Sha256::new_with_prefix(pair[0])
                    .chain_update(right)
                    .finalize()
                    .into()
            })
            .collect();
    }
    Digest(level[0])
}

/// Decision receipts: Ed25519 over the canonical payload; a payload may name the receipt before it.
pub(super) fn acta(receipts: &[Value], keys: &[SourceKey]) -> SourceProof {
    let mut sum = Sum::new("acta_receipt");
    let mut before: Option<String> = None;
    for (number, receipt) in (1..).zip(receipts) {
        let payload = receipt.get("payload").unwrap_or(&Value::Null);
        let said = ["previousReceiptHash", "previous_receipt_hash"]
            .iter()
            .find_map(|name| payload.get(name).and_then(Value::as_str));
        if let (Some(said), Some(before)) = (said, &before)
            && said.trim_start_matches("sha256:") != before
        {
            sum.broke(format!(
                "receipt {number} does not follow the one before it: it names {said}, not sha256:{before}"
            ));
        }
        before = canonical(receipt).map(|text| Digest::of(text.as_bytes()).to_string());
        let signature = receipt.get("signature").unwrap_or(&Value::Null);
        let Some(message) = canonical(payload) else {
            sum.signed += 1;
            sum.unknown += 1;
            sum.notes.push(format!(
                "receipt {number} has a number that cannot be put into canonical form"
            ));
            continue;
        };
        match (text(signature, "alg"), text(signature, "sig")) {
            (_, "") => {}
            ("EdDSA" | "Ed25519" | "", sig) => {
                sum.signature(
                    number,
                    text(signature, "kid"),
                    message.as_bytes(),
                    sig,
                    keys,
                );
            }
            (other, _) => {
                sum.signed += 1;
                sum.unknown += 1;
                sum.notes
                    .push(format!("receipt {number}: {other} is not checked"));
            }
        }
    }
    sum.into_proof(&format!("{} receipts follow each other", receipts.len()))
}
