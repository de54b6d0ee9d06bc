//! Whether the derived tables are as they were written. Their list says so of a disk or a careless
//! hand; whoever rewrites the list too is found by making them anew.

use std::fs;
use std::path::PathBuf;

use crate::config::Config;
use crate::store::derived::Listed;
use crate::store::{Damage, Store, StoreError, derived};

/// What was told of each cell of time.
pub(super) const CELLS: &str = "tasks/_cells.bin";
/// The head of the tasks in a form that questions can use at once.
pub(super) const INDEX: &str = "tasks/_index.bin";
const LIST: &str = "tasks/_files.json";

/// What the list says of the derived files.
pub(super) fn listed(store: &Store) -> Vec<Listed> {
    derived::listed(&store.layout().root, LIST).unwrap_or_default()
}

/// The files of the table `tasks` or `links`, in the order of the times at which the tasks in them begin.
#[must_use]
pub fn derived_tables(store: &Store, table: &str) -> Vec<PathBuf> {
    let prefix = format!("{table}/{table}");
    let files = listed(store).into_iter().map(|file| file.path);
    let mut files: Vec<String> = files.filter(|path| path.starts_with(&prefix)).collect();
    files.sort_unstable();
    let root = &store.layout().root;
    files.into_iter().map(|path| root.join(path)).collect()
}

/// The derived files there are, below the store's folder, those apart that are being written.
fn files(store: &Store) -> Vec<String> {
    let mut files = Vec::new();
    for folder in ["tasks", "links"] {
        let entries = fs::read_dir(store.layout().root.join(folder));
        for entry in entries.into_iter().flatten().flatten() {
            let name = entry.file_name().display().to_string();
            let path = format!("{folder}/{name}");
            if path != LIST && !derived::is_aside(&name) {
                files.push(path);
            }
        }
    }
    files.sort_unstable();
    files
}

/// Writes the list of the derived files. `known` tells of those that are as they were. Other files that are not `wanted` were of
/// tables before, and go.
pub(super) fn write_list(
    store: &Store,
    wanted: &[String],
    known: &[Listed],
) -> Result<(), StoreError> {
    let root = &store.layout().root;
    for file in files(store) {
        if !wanted.contains(&file) {
            let path = root.join(file);
            fs::remove_file(&path).map_err(StoreError::io("removing", path))?;
        }
    }
    derived::write_list(root, LIST, wanted, known)
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
    is_as_it_was(store, &listed(store), file)
}

/// The same, where the list was read.
pub(super) fn is_as_it_was(store: &Store, listed: &[Listed], file: &str) -> bool {
    let as_it_is = derived::list(&store.layout().root, &[file]);
    as_it_is.is_ok_and(|as_it_is| as_it_is.iter().all(|file| listed.contains(file)))
}

/// Holds the derived tables, if there are any, against their list.
#[must_use]
pub fn check_derived(store: &Store) -> Vec<Damage> {
    let root = &store.layout().root;
    derived::check(root, LIST, &files(store), "`trail stitch` makes it anew")
}

/// Makes the derived tables anew and names those that were not what the records give.
///
/// # Errors
/// The store cannot be read or written.
pub fn remake_derived(store: &Store, config: &Config) -> Result<Vec<Damage>, StoreError> {
    if super::current(store, config).is_none() {
        return Ok(Vec::new());
    }
    let list = || derived::list(&store.layout().root, &files(store));
    let before = list()?;
    super::stitch(store, config)?;
    let after = list()?;
    let damage = |path: &str, reason: &str| Damage {
        file: path.to_owned(),
        batch: String::new(),
        reason: reason.to_owned(),
    };
    let others = before.iter().filter(|file| !after.contains(file));
    let mut damages: Vec<Damage> = others
        .map(|file| {
            damage(
                &file.path,
                "was not what the records give; it was made anew",
            )
        })
        .collect();
    let is_new = |file: &&Listed| before.iter().all(|before| before.path != file.path);
    for file in after.iter().filter(is_new) {
        damages.push(damage(&file.path, "was missing; it was made anew"));
    }
    Ok(damages)
}
