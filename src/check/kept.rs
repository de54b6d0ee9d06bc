//! The verdict on a whole store, kept beside it: reports and comparisons of an unchanged store under an
//! unchanged policy need not judge it again. `trail verify` always judges, and holds what was kept against
//! it.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Finding, Policy, Verdict, judge};
use crate::model::Digest;
use crate::stitch::TaskIndex;
use crate::store::{Damage, Store, StoreError, check_sizes, derived, side_by_side};

/// The verdict, below the store's folder: JSON lines under zstd, the first one of all but the findings, then one a finding.
const FILE: &str = "verdict/verdict.jsonl.zst";
/// Its SHA-256.
const LIST: &str = "verdict/_files.json";
/// Of more findings no verdict is kept.
const MOST_FINDINGS: usize = 4_000_000;
/// Findings of one frame of zstd: frames are written and read side by side.
const FRAME: usize = 4096;
/// Bytes of the text of a frame, at most: a finding takes a kilobyte, mostly. A verdict with a longer one is not kept.
const LONGEST: u64 = 256 << 20;

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    /// What it was made from: records, settings of the stitching, policy, and this program.
    of: String,
    /// Without its findings.
    verdict: Verdict,
}

/// What one frame holds.
enum Lines<'v> {
    Head(&'v Head),
    Findings(&'v [Finding]),
}

impl Lines<'_> {
    fn of<'v>(head: &'v Head, verdict: &'v Verdict) -> Vec<Lines<'v>> {
        let findings = verdict.findings.chunks(FRAME).map(Lines::Findings);
        std::iter::once(Lines::Head(head)).chain(findings).collect()
    }

    fn text(&self) -> serde_json::Result<Vec<u8>> {
        let mut text = Vec::new();
        match self {
            Self::Head(head) => serde_json::to_writer(&mut text, head)?,
            Self::Findings(findings) => {
                for finding in *findings {
                    if !text.is_empty() {
                        text.push(b'\n');
                    }
                    serde_json::to_writer(&mut text, finding)?;
                }
            }
        }
        text.push(b'\n');
        Ok(text)
    }

    fn frame(&self) -> io::Result<Vec<u8>> {
        let text = self.text()?;
        if text.len() as u64 > LONGEST {
            return Err(ErrorKind::FileTooLarge.into());
        }
        zstd::encode_all(&text[..], 1)
    }
}

impl Head {
    fn new(index: &TaskIndex, policy: &Policy, verdict: &Verdict) -> Self {
        Self {
            of: made_of(index, policy),
            verdict: Verdict {
                policy: verdict.policy.clone(),
                policy_version: verdict.policy_version.clone(),
                policy_digest: verdict.policy_digest.clone(),
                findings: Vec::new(),
                not_evaluable: verdict.not_evaluable.clone(),
                excepted: verdict.excepted.clone(),
                ..*verdict
            },
        }
    }
}

/// The text of a frame. What is longer than any of ours is none.
fn text_of(frame: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let frame = zstd::Decoder::new(frame).ok()?;
    let read = frame.take(LONGEST + 1).read_to_end(&mut text).ok()?;
    (read as u64 <= LONGEST).then_some(text)
}

/// The frames of a file; `None` if it has others in it.
fn frames(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let size = zstd::zstd_safe::find_frame_compressed_size(bytes).ok()?;
        let (frame, rest) = bytes.split_at_checked(size)?;
        frames.push(frame);
        bytes = rest;
    }
    Some(frames)
}

/// What a verdict depends on.
fn made_of(index: &TaskIndex, policy: &Policy) -> String {
    let text = format!(
        "trail verdict 2 {}\0{}\0{}\0{}\0{}",
        env!("CARGO_PKG_VERSION"),
        index.state(),
        policy.name,
        policy.version,
        policy.digest
    );
    Digest::of(text.as_bytes()).to_string()
}

/// Judges, unless the verdict on the same records under the same policy was kept, and their files are not cut since.
///
/// # Errors
/// The store cannot be read.
pub fn judge_once(
    store: &Store,
    index: &TaskIndex,
    policy: &Policy,
) -> Result<Verdict, StoreError> {
    if !check_sizes(store)?.is_empty() {
        return judge(store, index, policy);
    }
    if let Some(kept) = read(store, index, policy) {
        return Ok(kept);
    }
    let verdict = judge(store, index, policy)?;
    keep(store, &Head::new(index, policy, &verdict), &verdict);
    Ok(verdict)
}

/// Judges, and names the kept verdict if it is not what the records give.
///
/// # Errors
/// The store cannot be read.
pub fn judge_anew(
    store: &Store,
    index: &TaskIndex,
    policy: &Policy,
) -> Result<(Verdict, Option<Damage>), StoreError> {
    let verdict = judge(store, index, policy)?;
    let head = Head::new(index, policy, &verdict);
    let bytes = kept_bytes(store);
    let known = bytes.as_deref().and_then(frames);
    let known = known.filter(|frames| head_of(frames).is_some_and(|known| known.of == head.of));
    let differs = known.as_ref().is_some_and(|known| {
        let lines = Lines::of(&head, &verdict);
        let pairs: Vec<_> = known.iter().zip(&lines).collect();
        let same = side_by_side(&pairs, |(frame, lines)| {
            let text = lines.text().map_err(|_| ())?;
            match text_of(frame) {
                Some(known) if known == text => Ok(()),
                _ => Err(()),
            }
        });
        same.is_err() || known.len() != lines.len()
    });
    if known.is_none() || differs {
        keep(store, &head, &verdict);
    }
    let damage = differs.then(|| Damage {
        file: FILE.to_owned(),
        batch: String::new(),
        reason: "was not what the records give; it was made anew".to_owned(),
    });
    Ok((verdict, damage))
}

/// The file, if it is as it was written.
fn kept_bytes(store: &Store) -> Option<Vec<u8>> {
    let unfinished = derived::is_unfinished(&store.layout().root, LIST);
    if store.access().is_protected() || unfinished || !check_kept(store).is_empty() {
        return None;
    }
    fs::read(store.layout().root.join(FILE)).ok()
}

fn head_of(frames: &[&[u8]]) -> Option<Head> {
    let text = text_of(frames.first()?)?;
    let line = text.split(|byte| *byte == b'\n').next()?;
    serde_json::from_slice(line).ok()
}

/// The kept verdict, if it is of these records and this policy, and as it was written.
fn read(store: &Store, index: &TaskIndex, policy: &Policy) -> Option<Verdict> {
    let bytes = kept_bytes(store)?;
    let frames = frames(&bytes)?;
    let head = head_of(&frames).filter(|head| head.of == made_of(index, policy))?;
    let findings = side_by_side(&frames[1..], |frame| {
        let text = text_of(frame).ok_or(())?;
        let lines = text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        let findings = lines.map(|line| serde_json::from_slice(line).map_err(|_| ()));
        findings.collect::<Result<Vec<Finding>, ()>>()
    });
    Some(Verdict {
        findings: findings.ok()?.into_iter().flatten().collect(),
        ..head.verdict
    })
}

/// Keeps a verdict. Of a protected store none is kept: what it says depends on who asks. A store that
/// cannot be written is judged each time.
fn keep(store: &Store, head: &Head, verdict: &Verdict) {
    if store.access().is_protected() || verdict.findings.len() > MOST_FINDINGS {
        return;
    }
    let write = || -> Result<(), StoreError> {
        let path = store.layout().root.join(FILE);
        let frames = side_by_side(&Lines::of(head, verdict), Lines::frame);
        let frames = frames.map_err(StoreError::io("writing", &path))?;
        let _lock = store.lock()?;
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(StoreError::io("creating", folder))?;
        derived::begin(&store.layout().root, LIST)?;
        crate::store::write_atomically(&path, &frames.concat())?;
        derived::write_list(&store.layout().root, LIST, &[FILE], &[])
    };
    if write().is_err() {
        // Half a write must not look like damage.
        let _ = forget_verdict(store);
    }
}

/// Takes the kept verdict away: what it quotes may have been destroyed on purpose.
///
/// # Errors
/// It cannot be removed.
pub fn forget_verdict(store: &Store) -> Result<(), StoreError> {
    // The list last: a verdict without it would be a damage.
    for name in [FILE, LIST] {
        let path = store.layout().root.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(StoreError::io("removing", path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Holds the kept verdict, if there is one, against its list.
#[must_use]
pub fn check_kept(store: &Store) -> Vec<Damage> {
    let root = &store.layout().root;
    derived::check(root, LIST, &[FILE], "`trail report` makes it anew")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_apart_and_what_is_torn_or_too_long_is_none() {
        let texts = ["one\n", "two\nthree\n"];
        let frame = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
        let mut bytes = texts.map(frame).concat();
        let read: Vec<Vec<u8>> = frames(&bytes)
            .unwrap()
            .into_iter()
            .map(|frame| text_of(frame).unwrap())
            .collect();
        assert_eq!(read, texts.map(|text| text.as_bytes().to_vec()));
        assert_eq!(frames(&[]).unwrap().len(), 0);
        bytes.pop();
        assert!(frames(&bytes).is_none());
        assert!(frames(b"no zstd").is_none());
        // Zeros: 256 MB and one more of them are a few kilobytes.
        let zeros = zstd::encode_all(io::repeat(0).take(LONGEST + 1), 1).unwrap();
        assert!(text_of(&zeros).is_none());
    }
}
