//! Whether the files of a store are those that its manifests name.
//!
//! This finds what a disk, a copy or a careless hand has done: a changed, missing, cut or added file. It
//! does not find a change by somebody who rewrites the manifest too: nothing outside of the store
//! vouches for it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::files::TABLES;
use super::{Erasures, Store, StoreError, hash_file};

/// A file that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The file, below the store's folder.
    pub file: String,
    /// The batch that it belongs to.
    pub batch: String,
    /// What is wrong.
    pub reason: String,
}

/// A file as it should be: the batch that it belongs to, its path below the store, its size in bytes and its SHA-256.
type Named<'n> = (&'n str, &'n String, u64, &'n String);

/// The files of all batches.
fn named<'n>(store: &'n Store, erasures: &'n Erasures) -> impl Iterator<Item = Named<'n>> {
    store.batches().iter().flat_map(|batch| {
        let files = batch.tables.iter().chain(&batch.others);
        files.map(|table| {
            // A file that was written anew on purpose is as the act says.
            match erasures.newest(&table.path) {
                Some((name, file)) => (batch.batch.as_str(), name, file.size, &file.sha256),
                None => (batch.batch.as_str(), &table.path, table.size, &table.sha256),
            }
        })
    })
}

/// The files of batches that have another size than they should have: what a look at them costs nothing to find. Of a store with such,
/// nothing is told that was kept of it before.
///
/// # Errors
/// The journal of erasures cannot be read.
pub fn check_sizes(store: &Store) -> Result<Vec<Damage>, StoreError> {
    let erasures = Erasures::of(store)?;
    let damage = |(batch, name, size_then, _): Named<'_>| {
        let found = fs::metadata(store.layout().root.join(name));
        let reason = match found {
            Err(error) => format!("cannot be read: {error}"),
            Ok(found) if found.len() != size_then => other_size(found.len(), size_then),
            Ok(_) => return None,
        };
        Some(Damage {
            file: name.clone(),
            batch: batch.to_owned(),
            reason,
        })
    };
    Ok(named(store, &erasures).filter_map(damage).collect())
}

fn other_size(size: u64, then: u64) -> String {
    format!("has {size} bytes, not {then}")
}

/// Holds every file of the batches against size and SHA-256 in its manifest, and looks for files that no
/// manifest names. Gives the damages and the number of files.
///
/// # Errors
/// A folder cannot be listed.
pub fn check_files(store: &Store) -> Result<(Vec<Damage>, usize), StoreError> {
    let erasures = Erasures::of(store)?;
    // Of no batch: acts name it only.
    let look_up = erasures.files.get_key_value(crate::protect::LOOK_UP);
    let look_up = look_up.map(|(name, file)| ("", name, file.size, &file.sha256));
    let files: Vec<_> = named(store, &erasures).chain(look_up).collect();
    let found = super::side_by_side(&files, |(batch, name, size_then, sha256_then)| {
        let path = store.layout().root.join(name);
        let mut damages = Vec::new();
        let mut damaged = |file: String, reason: String| {
            damages.push(Damage {
                file,
                batch: (*batch).to_owned(),
                reason,
            });
        };
        match hash_file(&path) {
            Err(StoreError::Io { error, .. }) => {
                damaged((*name).clone(), format!("cannot be read: {error}"));
            }
            Err(error) => return Err(error),
            Ok((size, _)) if size != *size_then => {
                damaged((*name).clone(), other_size(size, *size_then));
            }
            Ok((_, sha256)) if sha256.to_string() != **sha256_then => {
                let reason = format!("has SHA-256 {sha256}, not {sha256_then}");
                damaged((*name).clone(), reason);
            }
            Ok(_) => {}
        }
        Ok::<_, StoreError>(damages)
    })?;
    let mut damages: Vec<Damage> = found.into_iter().flatten().collect();
    damages.extend(strangers(store)?);
    damages.sort_by(|a, b| a.file.cmp(&b.file));
    Ok((damages, files.len()))
}

fn below(store: &Store, path: &Path) -> String {
    let root = &store.layout().root;
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}

/// Table files and batch folders that no manifest names.
fn strangers(store: &Store) -> Result<Vec<Damage>, StoreError> {
    let known: BTreeSet<PathBuf> = store
        .batches()
        .iter()
        .flat_map(|batch| batch.tables.iter().chain(&batch.others))
        .map(|table| store.layout().root.join(&table.path))
        .collect();
    let mut damages = Vec::new();
    for table in TABLES {
        let folder = store.layout().root.join(table);
        if !folder.is_dir() {
            continue;
        }
        for entry in walkdir::WalkDir::new(&folder).sort_by_file_name() {
            let entry = entry.map_err(|error| StoreError::Io {
                action: "listing",
                path: folder.clone(),
                error: error
                    .into_io_error()
                    .unwrap_or_else(|| std::io::Error::other("a loop of links")),
            })?;
            if entry.file_type().is_file() && !known.contains(entry.path()) {
                let batch = entry.path().parent().and_then(Path::file_name);
                damages.push(Damage {
                    file: below(store, entry.path()),
                    batch: batch
                        .map(|name| name.to_string_lossy().into_owned())
                        .unwrap_or_default()
                        .trim_start_matches("batch=")
                        .to_owned(),
                    reason: "no manifest names it".to_owned(),
                });
            }
        }
    }
    Ok(damages)
}
