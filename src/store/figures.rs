//! Files of figures: what was counted in a whole store, kept beside it.
//!
//! Such a file is a line of JSON that says what it was made from and the SHA-256 of what follows, and the
//! figures.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Damage, Store, StoreError, derived, write_atomically};
use crate::model::Digest;

/// Below the store's folder.
const FOLDER: &str = "figures";
/// Larger figures take as long to read as to make.
const MOST_BYTES: usize = 1 << 30;

/// First line of a file of figures.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    of: String,
    sha256: String,
}

/// Why a file of figures says nothing.
#[derive(Debug)]
pub enum Unusable {
    /// There is none.
    Missing,
    /// It is of other records, or of another version of this program.
    Other,
    /// It is not as it was written.
    Damaged(String),
}

fn path_of(store: &Store, name: &str) -> PathBuf {
    store.layout().root.join(FOLDER).join(name)
}

/// The figures of a file; `of` is what they have to be made from, if that matters.
///
/// # Errors
/// There are none that could be used.
pub fn read_figures(store: &Store, name: &str, of: Option<&str>) -> Result<Vec<u8>, Unusable> {
    let mut bytes = fs::read(path_of(store, name)).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Unusable::Missing,
        _ => Unusable::Damaged(format!("cannot be read: {error}")),
    })?;
    let damaged = || Unusable::Damaged("is not as it was written".to_owned());
    let end = memchr::memchr(b'\n', &bytes).ok_or_else(damaged)?;
    let head: Head = serde_json::from_slice(&bytes[..end]).map_err(|_| damaged())?;
    // Byte for byte: a line that was changed and still reads is none of ours.
    let same = serde_json::to_vec(&head).is_ok_and(|text| text == bytes[..end]);
    if !same || Digest::of(&bytes[end + 1..]).to_string() != head.sha256 {
        return Err(damaged());
    }
    if of.is_some_and(|of| of != head.of) {
        return Err(Unusable::Other);
    }
    bytes.drain(..=end);
    Ok(bytes)
}

/// Keeps figures. Where the store cannot be written they are made each time.
pub fn keep_figures(store: &Store, name: &str, of: &str, bytes: &[u8]) {
    let head = Head {
        of: of.to_owned(),
        sha256: Digest::of(bytes).to_string(),
    };
    let Ok(mut file) = serde_json::to_vec(&head) else {
        return;
    };
    file.push(b'\n');
    file.extend_from_slice(bytes);
    let folder = store.layout().root.join(FOLDER);
    if bytes.len() <= MOST_BYTES && fs::create_dir_all(folder).is_ok() {
        // Without it the next question counts again.
        let _ = write_atomically(&path_of(store, name), &file);
    }
}

/// Takes the kept figures away: what they name may have been destroyed on purpose.
///
/// # Errors
/// They cannot be removed.
pub fn forget_figures(store: &Store) -> Result<(), StoreError> {
    let folder = store.layout().root.join(FOLDER);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(StoreError::io("removing", folder)(error))
        }
        _ => Ok(()),
    }
}

/// Holds the kept figures against their first lines, and the folder against the names of all there can be.
#[must_use]
pub fn check_figures(store: &Store, known: &[&str]) -> Vec<Damage> {
    let entries = fs::read_dir(store.layout().root.join(FOLDER));
    let mut names: Vec<String> = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let damage = |name: &String, reason: &str| Damage {
        file: format!("{FOLDER}/{name}"),
        batch: String::new(),
        reason: format!("{reason}; where it is removed it is made anew"),
    };
    names.retain(|name| !derived::is_aside(name));
    let held = names.iter().filter_map(|name| {
        if !known.contains(&name.as_str()) {
            return Some(damage(name, "is no file of figures"));
        }
        match read_figures(store, name, None) {
            Err(Unusable::Damaged(reason)) => Some(damage(name, &reason)),
            _ => None,
        }
    });
    held.collect()
}

/// What is said of figures that the records do not give.
#[must_use]
pub fn other_figures(name: &str) -> Damage {
    Damage {
        file: format!("{FOLDER}/{name}"),
        batch: String::new(),
        reason: "was not what the records give; it was made anew".to_owned(),
    }
}
