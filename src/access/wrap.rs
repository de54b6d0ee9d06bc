//! Protecting a store, and wrapping its keys for others.

use std::collections::BTreeMap;
use std::path::Path;

use super::erase::act;
use crate::model::Digest;
use crate::protect::{AccessError, Role};
use crate::store::{Erasure, Replaced, Store, StoreError, hash_file, write_atomically};

/// A file that takes the place of another, by its path below the store.
pub(super) fn replaced(store: &Store, path: &Path) -> Result<(String, Replaced), StoreError> {
    let (size, sha256) = hash_file(path)?;
    let sha256 = sha256.to_string();
    Ok((below(store, path), Replaced { size, sha256 }))
}

fn below(store: &Store, path: &Path) -> String {
    let root = &store.layout().root;
    let below = path.strip_prefix(root).unwrap_or(path);
    below.display().to_string()
}

/// From now on people stand as pseudonyms in a store, which has no records yet.
///
/// # Errors
/// Roles are not usable, a right is nobody's, the store has records, or it cannot be written.
pub fn protect(
    store: &Store,
    roles: &BTreeMap<String, Role>,
    now_us: i64,
) -> Result<(), AccessError> {
    let _lock = store.lock()?;
    let root = &store.layout().root;
    let key = crate::protect::set_up(root, roles, !store.batches().is_empty())?;
    Erasure {
        act: "protect".to_owned(),
        files: BTreeMap::from([replaced(store, &key)?]),
        ..act("people stand as pseudonyms from now on", now_us)
    }
    .record(store)?;
    Ok(())
}

/// Wraps the keys of a store again for those who have the rights now. Needs somebody who has all of them.
/// Gives the number of keys.
///
/// # Errors
/// A right is missing or nobody's, or a file cannot be written.
pub fn rewrap(
    store: &Store,
    roles: &BTreeMap<String, Role>,
    reason: &str,
    now_us: i64,
) -> Result<usize, AccessError> {
    let _lock = store.lock()?;
    let batches: Vec<String> = store.batches().iter().map(|b| b.batch.clone()).collect();
    let wrapped = store.access().wrapped_again(roles, &batches)?;
    let files = wrapped.iter().map(|(path, bytes)| {
        let file = Replaced {
            size: bytes.len() as u64,
            sha256: Digest::of(bytes).to_string(),
        };
        (below(store, path), file)
    });
    // First said, then done: one that is cut off is found as such, and can be repeated.
    Erasure {
        act: "rewrap".to_owned(),
        files: files.collect(),
        ..act(reason, now_us)
    }
    .record(store)?;
    for (path, bytes) in &wrapped {
        write_atomically(path, bytes)?;
    }
    Ok(wrapped.len())
}
