//! Signed statements beside a file: DSSE envelopes (protocol 1.0) with in-toto statements, as Sigstore
//! bundles hold them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::key::signature_bytes;
use super::{Content, Held, SourceKey, SourceProof, put};
use crate::store::CustodyFile;

const BY: &str = "dsse_envelope";

/// Checks envelopes of one file, and the files that their statements name by digest.
pub(super) fn envelopes(
    at: usize,
    values: &[Value],
    files: &[CustodyFile],
    contents: &BTreeMap<usize, Content>,
    keys: &[SourceKey],
    found: &mut BTreeMap<usize, SourceProof>,
) {
    for value in values {
        // A Sigstore bundle holds the envelope in a member.
        let envelope = value.get("dsseEnvelope").unwrap_or(value);
        let (held, detail, payload) = envelope_of(envelope, keys);
        put(found, at, SourceProof::new(held, BY, detail.clone()));
        let statement: Value = serde_json::from_slice(&payload).unwrap_or_default();
        let subjects = statement.get("subject").and_then(Value::as_array);
        for subject in subjects.into_iter().flatten() {
            let sha256 = subject.pointer("/digest/sha256").and_then(Value::as_str);
            let name = subject
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let Some(sha256) = sha256 else { continue };
            for (other, file) in files.iter().enumerate().filter(|(other, _)| *other != at) {
                let inner = contents
                    .get(&other)
                    .map(|content| content.sha256.to_string());
                let is_it = file.sha256.eq_ignore_ascii_case(sha256)
                    || inner.is_some_and(|inner| inner.eq_ignore_ascii_case(sha256));
                if is_it {
                    let detail = format!("named by a statement: {detail}");
                    put(found, other, SourceProof::new(held, BY, detail));
                } else if !name.is_empty() && super::name_of(file) == super::base(name) {
                    let detail =
                        format!("its SHA-256 is {}, a statement says {sha256}", file.sha256);
                    put(found, other, SourceProof::new(Held::Broken, BY, detail));
                }
            }
        }
    }
}

fn envelope_of(envelope: &Value, keys: &[SourceKey]) -> (Held, String, Vec<u8>) {
    let text = |name: &str| {
        envelope
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let Ok(payload) = STANDARD.decode(text("payload")) else {
        return (
            Held::Broken,
            "its payload is not Base64".to_owned(),
            Vec::new(),
        );
    };
    let kind = text("payloadType");
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    message.extend_from_slice(&payload);
    let list = envelope.get("signatures").and_then(Value::as_array);
    let signatures: Vec<(&str, Option<Vec<u8>>)> = list
        .into_iter()
        .flatten()
        .map(|one| {
            let text = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
            (text("keyid"), signature_bytes(text("sig")))
        })
        .collect();
    if signatures.is_empty() {
        return (
            Held::Unsigned,
            "the statement has no signature".to_owned(),
            payload,
        );
    }
    let mut broken = None;
    for (id, signature) in &signatures {
        let good = |key: &&SourceKey| {
            signature
                .as_ref()
                .is_some_and(|signature| key.verifies(&message, signature))
        };
        if keys.iter().any(|key| good(&key)) {
            return (Held::Verified, format!("signed by key `{id}`"), payload);
        }
        if keys.iter().any(|key| !id.is_empty() && key.is_called(id)) {
            broken = Some(format!(
                "its signature is not of key `{id}`, which it names"
            ));
        }
    }
    match broken {
        Some(detail) => (Held::Broken, detail, payload),
        None => {
            let detail = "who signed was not checked: the key was not given (--source-key)";
            (Held::Unchecked, detail.to_owned(), payload)
        }
    }
}
