//! Whether the derived tables are as they were written. Their list says so of a disk or a careless
//! hand; whoever rewrites the list too is found by making them anew.

use std::fs;
use std::io::ErrorKind;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::store::{Damage, Store, StoreError, hash_file, write_atomically};

/// The derived files, below the store's folder.
const FILES: [&str; 3] = [
    "tasks/tasks.parquet",
    "tasks/_index.bin",
    "links/links.parquet",
];
const LIST: &str = "tasks/_files.json";

#[derive(Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Listed {
    path: String,
    size: u64,
    sha256: String,
}

fn list(store: &Store) -> Result<Vec<Listed>, StoreError> {
    FILES
        .iter()
        .map(|path| {
            let (size, sha256) = hash_file(&store.layout().root.join(path))?;
            Ok(Listed {
                path: (*path).to_owned(),
                size,
                sha256: sha256.to_string(),
            })
        })
        .collect()
}

/// Writes the list of the derived files.
pub(super) fn write_list(store: &Store) -> Result<(), StoreError> {
    let text = serde_json::to_vec_pretty(&list(store)?).unwrap_or_default();
    write_atomically(&store.layout().root.join(LIST), &text)
}

fn damage(file: &str, reason: impl Into<String>) -> Damage {
    Damage {
        file: file.to_owned(),
        batch: String::new(),
        reason: format!("{}; `trail stitch` makes it anew", reason.into()),
    }
}

/// Holds the derived tables, if there are any, against their list.
#[must_use]
pub fn check_derived(store: &Store) -> Vec<Damage> {
    let root = &store.layout().root;
    let text = match fs::read(root.join(LIST)) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let there = FILES.iter().find(|path| root.join(path).exists());
            return there
                .map(|path| damage(path, format!("no list ({LIST}) names it")))
                .into_iter()
                .collect();
        }
        Err(error) => return vec![damage(LIST, format!("cannot be read: {error}"))],
    };
    let listed: Vec<Listed> = match serde_json::from_slice(&text) {
        Ok(listed) => listed,
        Err(error) => return vec![damage(LIST, format!("is damaged: {error}"))],
    };
    // Byte for byte: a list that was changed and still reads is no list of ours.
    let written = serde_json::to_vec_pretty(&listed).unwrap_or_default();
    if written != text || !listed.iter().map(|file| file.path.as_str()).eq(FILES) {
        return vec![damage(LIST, "is not as it was written")];
    }
    let mut damages: Vec<Damage> = listed
        .iter()
        .filter_map(|file| match hash_file(&root.join(&file.path)) {
            Ok((size, _)) if size != file.size => Some(damage(
                &file.path,
                format!("has {size} bytes, not {}", file.size),
            )),
            Ok((_, sha256)) if sha256.to_string() != file.sha256 => Some(damage(
                &file.path,
                format!("has SHA-256 {sha256}, not {}", file.sha256),
            )),
            Ok(_) => None,
            Err(error) => Some(damage(&file.path, error.to_string())),
        })
        .collect();
    for folder in ["tasks", "links"] {
        let entries = fs::read_dir(root.join(folder)).into_iter().flatten();
        for entry in entries.flatten() {
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if name != LIST && !FILES.contains(&name.as_str()) {
                damages.push(damage(&name, "is none of the derived files"));
            }
        }
    }
    damages
}

/// Makes the derived tables anew and names those that were not what the records give.
///
/// # Errors
/// The store cannot be read or written.
pub fn remake_derived(store: &Store, config: &Config) -> Result<Vec<Damage>, StoreError> {
    if super::current(store, config).is_none() {
        return Ok(Vec::new());
    }
    let before = list(store)?;
    super::stitch(store, config)?;
    let after = list(store)?;
    Ok(before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before != after)
        .map(|(before, _)| Damage {
            file: before.path.clone(),
            batch: String::new(),
            reason: "was not what the records give; it was made anew".to_owned(),
        })
        .collect())
}
