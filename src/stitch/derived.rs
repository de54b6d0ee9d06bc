//! Whether the derived tables are as they were written. Their list says so of a disk or a careless
//! hand; whoever rewrites the list too is found by making them anew.

use std::fs;

use crate::config::Config;
use crate::store::{Damage, Store, StoreError, derived};

/// The derived files, below the store's folder.
const FILES: [&str; 4] = ["tasks/tasks.parquet", INDEX, CELLS, "links/links.parquet"];
/// What was told of each cell of time.
pub(super) const CELLS: &str = "tasks/_cells.bin";
/// The tasks in a form that questions can use at once.
pub(super) const INDEX: &str = "tasks/_index.bin";
const LIST: &str = "tasks/_files.json";

/// Writes the list of the derived files.
pub(super) fn write_list(store: &Store) -> Result<(), StoreError> {
    derived::write_list(&store.layout().root, LIST, &FILES)
}

/// Says that the derived files are about to be others. What somebody who was killed has left beside them is removed.
pub(super) fn begin(store: &Store) -> Result<(), StoreError> {
    let root = &store.layout().root;
    derived::begin(root, LIST)?;
    for folder in ["tasks", "links"] {
        let entries = fs::read_dir(root.join(folder)).into_iter().flatten();
        for entry in entries.flatten() {
            if derived::is_aside(&entry.file_name().to_string_lossy()) {
                let path = entry.path();
                fs::remove_file(&path).map_err(StoreError::io("removing", path))?;
            }
        }
    }
    Ok(())
}

/// Whether the derived files were not written to their end.
pub(super) fn is_unfinished(store: &Store) -> bool {
    derived::is_unfinished(&store.layout().root, LIST)
}

/// Whether one of the derived files is as the list says.
pub(super) fn is_as_listed(store: &Store, file: &str) -> bool {
    derived::is_as_listed(&store.layout().root, LIST, file)
}

/// Holds the derived tables, if there are any, against their list.
#[must_use]
pub fn check_derived(store: &Store) -> Vec<Damage> {
    let root = &store.layout().root;
    let mut there: Vec<String> = FILES.iter().map(|path| (*path).to_owned()).collect();
    for folder in ["tasks", "links"] {
        let entries = fs::read_dir(root.join(folder)).into_iter().flatten();
        for entry in entries.flatten() {
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if name != LIST && !there.contains(&name) {
                there.push(name);
            }
        }
    }
    derived::check(root, LIST, &there, "`trail stitch` makes it anew")
}

/// Makes the derived tables anew and names those that were not what the records give.
///
/// # Errors
/// The store cannot be read or written.
pub fn remake_derived(store: &Store, config: &Config) -> Result<Vec<Damage>, StoreError> {
    if super::current(store, config).is_none() {
        return Ok(Vec::new());
    }
    let list = || derived::list(&store.layout().root, &FILES);
    let before = list()?;
    super::stitch(store, config)?;
    let after = list()?;
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
