//! Lists of derived files. A list says of a disk or a careless hand that a file is not as it was written;
//! whoever rewrites the list too is found by making the files anew.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::side_by_side;
pub use super::integrity::Damage;
use super::{StoreError, hash_file, write_atomically};

/// A derived file as it was written.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Below the store's folder.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// The files as they are.
///
/// # Errors
/// One cannot be read.
pub fn list(root: &Path, files: &[impl AsRef<str> + Sync]) -> Result<Vec<Listed>, StoreError> {
    side_by_side(files, |path| {
        let (size, sha256) = hash_file(&root.join(path.as_ref()))?;
        Ok(Listed {
            path: path.as_ref().to_owned(),
            size,
            sha256: sha256.to_string(),
        })
    })
}

/// What a list says; `None` if there is none, or it cannot be read.
#[must_use]
pub fn listed(root: &Path, name: &str) -> Option<Vec<Listed>> {
    serde_json::from_slice(&fs::read(root.join(name)).ok()?).ok()
}

/// Writes their list. Files of which `known` tells are as they were: they are not read again.
///
/// # Errors
/// A file cannot be read, or the list not be written.
pub fn write_list(
    root: &Path,
    name: &str,
    files: &[impl AsRef<str> + Sync],
    known: &[Listed],
) -> Result<(), StoreError> {
    let is_new = |path: &&str| !known.iter().any(|known| known.path == **path);
    let new: Vec<&str> = files.iter().map(AsRef::as_ref).filter(is_new).collect();
    let mut all = list(root, &new)?;
    all.extend_from_slice(known);
    all.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let text = serde_json::to_vec_pretty(&all).unwrap_or_default();
    write_atomically(&root.join(name), &text)
}

/// What stands in place of a list while its files are written.
const UNFINISHED: &[u8] = b"unfinished\n";

/// Says that the files of a list are about to be others, until their list is written: whoever is killed in between
/// leaves no damage behind, but files that are not used and made anew.
///
/// # Errors
/// It cannot be written.
pub fn begin(root: &Path, name: &str) -> Result<(), StoreError> {
    let path = root.join(name);
    let folder = path.parent().unwrap_or(root);
    fs::create_dir_all(folder).map_err(StoreError::io("creating", folder))?;
    write_atomically(&path, UNFINISHED)
}

/// Whether the files of a list are being written, or whoever wrote them was killed.
#[must_use]
pub fn is_unfinished(root: &Path, name: &str) -> bool {
    fs::read(root.join(name)).is_ok_and(|text| text == UNFINISHED)
}

/// The lists below a store's folder whose files are unfinished.
#[must_use]
pub fn unfinished(root: &Path) -> Vec<String> {
    let folders = fs::read_dir(root).into_iter().flatten().flatten();
    let lists = folders.map(|folder| format!("{}/_files.json", folder.file_name().display()));
    let mut lists: Vec<String> = lists.filter(|list| is_unfinished(root, list)).collect();
    lists.sort_unstable();
    lists
}

/// Whether a file of that name was being written aside when its writer was killed. Nothing reads it.
#[must_use]
pub fn is_aside(name: &str) -> bool {
    name.starts_with('_') && !name.contains('.')
}

/// Holds the files that there are against their list; without list there has to be none. Unfinished files are not
/// used, and nothing is said of them. `again` says how they are made anew.
#[must_use]
pub fn check(root: &Path, name: &str, files: &[impl AsRef<str>], again: &str) -> Vec<Damage> {
    let damage = |file: &str, reason: String| Damage {
        file: file.to_owned(),
        batch: String::new(),
        reason: format!("{reason}; {again}"),
    };
    let aside = |path: &str| path.rsplit('/').next().is_some_and(is_aside);
    let files = files.iter().map(AsRef::as_ref);
    let files: Vec<&str> = files.filter(|path| !aside(path)).collect();
    let text = match fs::read(root.join(name)) {
        Ok(text) if text == UNFINISHED => return Vec::new(),
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let there = files.iter().find(|path| root.join(path).exists());
            return there
                .map(|path| damage(path, format!("no list ({name}) names it")))
                .into_iter()
                .collect();
        }
        Err(error) => return vec![damage(name, format!("cannot be read: {error}"))],
    };
    let listed: Vec<Listed> = match serde_json::from_slice(&text) {
        Ok(listed) => listed,
        Err(error) => return vec![damage(name, format!("is damaged: {error}"))],
    };
    // Byte for byte: a list that was changed and still reads is no list of ours.
    if serde_json::to_vec_pretty(&listed).unwrap_or_default() != text {
        return vec![damage(name, "is not as it was written".to_owned())];
    }
    let mut damages: Vec<Damage> = listed
        .iter()
        .filter_map(|file| match hash_file(&root.join(&file.path)) {
            Ok((size, _)) if size != file.size => Some(damage(
                &file.path,
                format!("has {size} bytes, not {} as {name} says", file.size),
            )),
            Ok((_, sha256)) if sha256.to_string() != file.sha256 => Some(damage(
                &file.path,
                format!("has SHA-256 {sha256}, not {} as {name} says", file.sha256),
            )),
            Ok(_) => None,
            Err(error) => Some(damage(&file.path, format!("{error}, and {name} names it"))),
        })
        .collect();
    for file in files {
        if !listed.iter().any(|listed| listed.path == *file) {
            damages.push(damage(
                file,
                format!("is none of the derived files of {name}"),
            ));
        }
    }
    damages
}
