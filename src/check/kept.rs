//! The verdict on a whole store, kept beside it: reports and comparisons of an unchanged store under an
//! unchanged policy need not judge it again. `trail verify` always judges, and holds what was kept against
//! it.

use std::fs;
use std::io::{BufReader, ErrorKind};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Policy, Verdict, judge};
use crate::model::Digest;
use crate::stitch::TaskIndex;
use crate::store::{Damage, Store, StoreError, derived};

/// The verdict, below the store's folder.
const FILE: &str = "verdict/verdict.json";
/// Its SHA-256.
const LIST: &str = "verdict/_files.json";
/// A longer verdict takes as long to read as to make.
const MOST_FINDINGS: usize = 100_000;

#[derive(Serialize, Deserialize)]
struct Kept<V> {
    /// What it was made from: records, settings of the stitching, policy, and this program.
    of: String,
    verdict: V,
}

/// What a verdict depends on.
fn made_of(index: &TaskIndex, policy: &Policy) -> String {
    let text = format!(
        "trail verdict 1 {}\0{}\0{}\0{}\0{}",
        env!("CARGO_PKG_VERSION"),
        index.state(),
        policy.name,
        policy.version,
        policy.digest
    );
    Digest::of(text.as_bytes()).to_string()
}

/// Judges, unless the verdict on the same records under the same policy was kept.
///
/// # Errors
/// The store cannot be read.
pub fn judge_once(
    store: &Store,
    index: &TaskIndex,
    policy: &Policy,
) -> Result<Verdict, StoreError> {
    if let Some(kept) = read(store, index, policy) {
        return Ok(kept);
    }
    let verdict = judge(store, index, policy)?;
    keep(store, index, policy, &verdict);
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
    let text = |verdict: &Verdict| serde_json::to_vec(verdict).unwrap_or_default();
    let kept = read(store, index, policy);
    let differs = kept
        .as_ref()
        .is_some_and(|kept| text(kept) != text(&verdict));
    if kept.is_none() || differs {
        keep(store, index, policy, &verdict);
    }
    let damage = differs.then(|| Damage {
        file: FILE.to_owned(),
        batch: String::new(),
        reason: "was not what the records give; it was made anew".to_owned(),
    });
    Ok((verdict, damage))
}

/// The kept verdict, if it is of these records and this policy, and as it was written.
fn read(store: &Store, index: &TaskIndex, policy: &Policy) -> Option<Verdict> {
    let unfinished = derived::is_unfinished(&store.layout().root, LIST);
    if store.access().is_protected() || unfinished || !check_kept(store).is_empty() {
        return None;
    }
    let file = fs::File::open(store.layout().root.join(FILE)).ok()?;
    let kept: Kept<Verdict> = serde_json::from_reader(BufReader::new(file)).ok()?;
    (kept.of == made_of(index, policy)).then_some(kept.verdict)
}

/// Keeps a verdict. Of a protected store none is kept: what it says depends on who asks. A store that
/// cannot be written is judged each time.
fn keep(store: &Store, index: &TaskIndex, policy: &Policy, verdict: &Verdict) {
    if store.access().is_protected() || verdict.findings.len() > MOST_FINDINGS {
        return;
    }
    let kept = Kept {
        of: made_of(index, policy),
        verdict,
    };
    let write = || -> Result<(), StoreError> {
        let _lock = store.lock()?;
        let path = store.layout().root.join(FILE);
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(StoreError::io("creating", folder))?;
        derived::begin(&store.layout().root, LIST)?;
        let text = serde_json::to_vec(&kept).unwrap_or_default();
        crate::store::write_atomically(&path, &text)?;
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
