//! One archive for somebody who has neither the store nor this tool: what happened, the records behind
//! it, and what proves them.

use std::collections::BTreeSet;
use std::io::{Cursor, Write};

use jiff::tz::TimeZone;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::findings::findings_markdown;
use super::outputs::{timeline_csv, timeline_markdown};
use super::timeline::Timeline;
use super::timeline_html;
use crate::check::Verdict;
use crate::model::Digest;
use crate::seal::{Log, Proof, ProofError, RecordPlace, prove_records};
use crate::store::{Store, StoreError, read_contents};

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The records cannot be proven.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// A page cannot be made, or the archive not be written.
    #[error("{0}")]
    Form(String),
}

/// What goes into a bundle.
pub struct BundleRequest<'b> {
    /// The store.
    pub store: &'b Store,
    /// What happened.
    pub timeline: &'b Timeline,
    /// What the policy says of it.
    pub verdict: &'b Verdict,
    /// Files of that policy: name and text.
    pub policy: &'b [(String, String)],
    /// The records behind it.
    pub records: &'b BTreeSet<RecordPlace>,
    /// Zone of the times.
    pub zone: &'b TimeZone,
}

/// A second implementation of the check of proofs, from the description alone.
const CHECKER: &str = include_str!("../../tests/tools/check_proof.py");

const README: &str = "WHAT THIS IS

report.md        what happened, in order, and which rules were broken
timeline.html    the same as a page; open it in any browser, it needs no network
timeline.csv     the same as a table
records/         the records behind it, byte for byte as they were exported
proof.json       proves that these records were in the log at the checkpoint
checkpoint       size and root of the log, signed if the store has a key
custody/         what was received: each dump with its SHA-256, when and by whom it was taken in
policy/          the rules by which it was judged
check_proof.py   checks proof.json, with Python 3 and nothing else
SHA256SUMS       digests of all files here

HOW TO CHECK IT, OFFLINE

1. `sha256sum -c SHA256SUMS` says whether this archive is whole.
2. Get the public key of the log from somebody you trust, not from this archive.
3. `trail prove --check proof.json --key KEY.pub`, or `python3 check_proof.py proof.json KEY.pub`.
   It says who signed, and names file, record and SHA-256 of the dump for each record.
4. Compare that SHA-256 with the export, if you have it: `sha256sum EXPORT`.

WHAT IT DOES NOT SHOW

That the exporting system logged everything, or the truth. That no record was left out of an export.
docs/evidence.md of trail has the whole table of what is and is not found.
";

/// The archive, a ZIP file. The same store gives the same bytes.
///
/// # Errors
/// A record is not sealed, the store cannot be read, or the archive cannot be written.
pub fn bundle(request: &BundleRequest<'_>) -> Result<Vec<u8>, BundleError> {
    let store = request.store;
    let form = |error: &dyn std::fmt::Display| BundleError::Form(error.to_string());
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |name: &str, bytes: Vec<u8>| files.push((name.to_owned(), bytes));
    add("README.txt", README.as_bytes().to_vec());
    let report = format!(
        "# What happened\n\n{}\n## Findings\n\n{}",
        timeline_markdown(request.timeline, request.zone),
        findings_markdown(request.verdict)
    );
    add("report.md", report.into_bytes());
    let page = timeline_html(request.timeline, request.zone).map_err(|error| form(&error))?;
    add("timeline.html", page.into_bytes());
    add("timeline.csv", timeline_csv(request.timeline).into_bytes());
    add("check_proof.py", CHECKER.as_bytes().to_vec());
    for (batch, file, ordinal) in request.records {
        let custody = &store.batches()[*batch];
        let dump = usize::try_from(*file)
            .ok()
            .and_then(|file| custody.files.get(file));
        let dump = dump.map(|dump| dump.display_path()).unwrap_or_default();
        let raw = if store.access().shows_originals() {
            read_contents(store, *batch, *file, *ordinal)?
        } else {
            Vec::new()
        };
        if let Some(raw) = raw.into_iter().find(|row| row.content == "raw") {
            let name = format!(
                "records/{}-{file:03}-{}-{ordinal}",
                custody.batch,
                plain(&dump)
            );
            add(&name, raw.value);
        }
    }
    let proof: Proof = prove_records(store, request.records, store.access().shows_originals())?;
    let text = serde_json::to_vec_pretty(&proof).map_err(|error| form(&error))?;
    add("proof.json", text);
    let log = Log::open(&store.layout().root)?;
    add("checkpoint", log.checkpoint);
    let batches: BTreeSet<usize> = request.records.iter().map(|(batch, ..)| *batch).collect();
    for batch in batches {
        let name = format!("{}.json", store.batches()[batch].batch);
        let path = store.layout().custody().join(&name);
        let bytes = std::fs::read(&path).map_err(StoreError::io("reading", &path))?;
        add(&format!("custody/{name}"), bytes);
    }
    for (name, text) in request.policy {
        add(
            &format!("policy/{}", plain(name)),
            text.clone().into_bytes(),
        );
    }
    let sums: String = files
        .iter()
        .map(|(name, bytes)| format!("{}  {name}\n", Digest::of(bytes)))
        .collect();
    files.push(("SHA256SUMS".to_owned(), sums.into_bytes()));
    archive(&files).map_err(|error| form(&error))
}

/// The last part of a path, with nothing in it that an archive or a shell could take for more.
fn plain(path: &str) -> String {
    let last = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let safe: String = last
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '_'
            }
        })
        .take(80)
        .collect();
    let safe = safe.trim_start_matches('.');
    if safe.is_empty() {
        "file".to_owned()
    } else {
        safe.to_owned()
    }
}

fn archive(files: &[(String, Vec<u8>)]) -> zip::result::ZipResult<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    // The time of a file in an archive is the beginning of its calendar: the same store, the same bytes.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o644);
    for (name, bytes) in files {
        writer.start_file(name.as_str(), options)?;
        writer.write_all(bytes)?;
    }
    Ok(writer.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_the_archive() {
        assert_eq!(plain("../../etc/passwd"), "passwd");
        assert_eq!(plain("a\\..\\.."), "file");
        assert_eq!(plain("exports.zip!x/rm -rf.csv"), "rm_-rf.csv");
    }
}
