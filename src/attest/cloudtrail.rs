//! CloudTrail digest files: AWS CloudTrail User Guide, "Custom implementations of CloudTrail log file
//! integrity validation". Each names the logs of an hour with their SHA-256, and the digest before it
//! with hash and signature. Its own signature lies in the metadata of the object; of all but the newest
//! the next one repeats it, and a file `<name>.sig` beside it may hold it too.

use std::collections::BTreeMap;

use serde_json::Value;

use super::key::unhex;
use super::{Content, Held, SourceKey, SourceProof, base, name_of, put};
use crate::store::CustodyFile;

const BY: &str = "cloudtrail_digest";

struct DigestFile {
    at: usize,
    value: Value,
    sha256: String,
    /// Signature as the next digest repeats it, or as it lies beside the file.
    signature: Option<String>,
}

impl DigestFile {
    fn text(&self, name: &str) -> &str {
        self.value
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// Checks digests, their chain, and the logs that they name.
pub(super) fn digests(
    found: &[(usize, &[u8])],
    files: &[CustodyFile],
    contents: &BTreeMap<usize, Content>,
    keys: &[SourceKey],
    proofs: &mut BTreeMap<usize, SourceProof>,
) {
    let mut all: Vec<DigestFile> = found
        .iter()
        .filter_map(|(at, bytes)| {
            Some(DigestFile {
                at: *at,
                value: serde_json::from_slice(bytes).ok()?,
                sha256: contents.get(at)?.sha256.to_string(),
                signature: beside(&files[*at]),
            })
        })
        .collect();
    all.sort_by(|a, b| a.text("digestEndTime").cmp(b.text("digestEndTime")));
    // What the next one says of the one before it.
    let said: Vec<(String, String, String)> = all
        .iter()
        .map(|digest| {
            let text = |name: &str| digest.text(name).to_owned();
            (
                text("previousDigestS3Object"),
                text("previousDigestHashValue"),
                text("previousDigestSignature"),
            )
        })
        .collect();
    for digest in &mut all {
        let own = digest.text("digestS3Object").to_owned();
        let next = said
            .iter()
            .find(|(object, ..)| !own.is_empty() && *object == own);
        let mut broken = None;
        if let Some((_, hash, signature)) = next {
            if !hash.eq_ignore_ascii_case(&digest.sha256) {
                broken = Some(format!(
                    "its SHA-256 is {}, the next digest says {hash}",
                    digest.sha256
                ));
            }
            if !signature.is_empty() {
                digest.signature.get_or_insert_with(|| signature.clone());
            }
        }
        let (held, detail) = match broken {
            Some(detail) => (Held::Broken, detail),
            None => signed(digest, keys),
        };
        logs(digest, held, files, contents, proofs);
        put(proofs, digest.at, SourceProof::new(held, BY, detail));
    }
}

/// The signature in a file beside the digest.
fn beside(file: &CustodyFile) -> Option<String> {
    if file.member.is_some() {
        return None;
    }
    let text = std::fs::read_to_string(format!("{}.sig", file.path)).ok()?;
    Some(text.trim().to_owned())
}

fn signed(digest: &DigestFile, keys: &[SourceKey]) -> (Held, String) {
    let Some(signature) = &digest.signature else {
        let detail = "its signature is not at hand: it lies in the object's metadata (x-amz-meta-signature), in the next digest, or in a file NAME.sig";
        return (Held::Unchecked, detail.to_owned());
    };
    if digest.text("digestSignatureAlgorithm") != "SHA256withRSA" {
        let detail = format!(
            "its algorithm `{}` is not known",
            digest.text("digestSignatureAlgorithm")
        );
        return (Held::Unchecked, detail);
    }
    let before = match digest.text("previousDigestSignature") {
        "" => "null",
        before => before,
    };
    let message = format!(
        "{}\n{}/{}\n{}\n{before}",
        digest.text("digestEndTime"),
        digest.text("digestS3Bucket"),
        digest.text("digestS3Object"),
        digest.sha256,
    );
    let fingerprint = digest.text("digestPublicKeyFingerprint");
    let Some(signature) = unhex(signature) else {
        return (Held::Broken, "its signature is not hexadecimal".to_owned());
    };
    if keys
        .iter()
        .any(|key| key.verifies(message.as_bytes(), &signature))
    {
        return (Held::Verified, format!("signed by key {fingerprint}"));
    }
    let named = keys
        .iter()
        .any(|key| key.id.as_deref() == Some(fingerprint));
    if named {
        let detail = format!("its signature is not of key {fingerprint}, which it names");
        return (Held::Broken, detail);
    }
    let detail = format!("key {fingerprint} was not given (--source-key)");
    (Held::Unchecked, detail)
}

/// Holds the logs that a digest names against their hashes.
fn logs(
    digest: &DigestFile,
    of_digest: Held,
    files: &[CustodyFile],
    contents: &BTreeMap<usize, Content>,
    proofs: &mut BTreeMap<usize, SourceProof>,
) {
    let list = digest.value.get("logFiles").and_then(Value::as_array);
    for log in list.into_iter().flatten() {
        let text = |name: &str| log.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = base(text("s3Object"));
        let plain = name.strip_suffix(".gz").unwrap_or(name);
        let there = files.iter().enumerate().filter(|(_, file)| {
            let own = name_of(file);
            !name.is_empty() && (own == name || own == plain)
        });
        for (at, _) in there {
            let Some(content) = contents.get(&at) else {
                continue;
            };
            let sha256 = content.sha256.to_string();
            let proof = if sha256.eq_ignore_ascii_case(text("hashValue")) {
                let detail = format!("as the digest of {} says", digest.text("digestEndTime"));
                SourceProof::new(of_digest, BY, detail)
            } else {
                let detail = format!(
                    "its SHA-256 is {sha256}, the digest of {} says {}",
                    digest.text("digestEndTime"),
                    text("hashValue")
                );
                SourceProof::new(Held::Broken, BY, detail)
            };
            put(proofs, at, proof);
        }
    }
}
