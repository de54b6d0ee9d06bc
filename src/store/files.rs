//! Where things lie in a store, and which batches it has.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{Custody, SeenIndex, StoreError};
use crate::protect::Access;

/// Paths below a store's root.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The store's folder.
    pub root: PathBuf,
}

impl Layout {
    /// Settings.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.root.join("trail.toml")
    }

    /// Manifests.
    #[must_use]
    pub fn custody(&self) -> PathBuf {
        self.root.join("custody")
    }

    /// Folder of a batch's part files of one table.
    #[must_use]
    pub fn table(&self, table: &str, batch: &str) -> PathBuf {
        self.root.join(table).join(format!("batch={batch}"))
    }

    /// Where batches are built.
    #[must_use]
    pub fn staging(&self) -> PathBuf {
        self.root.join("_staging")
    }
}

/// Tables that a batch has files of.
pub(super) const TABLES: [&str; 4] = ["events", "keys", "contents", "rejects"];

/// A store and the batches it had when it was opened, in the order of their ids.
pub struct Store {
    layout: Layout,
    batches: Vec<Custody>,
    access: Access,
}

impl Store {
    /// Opens an existing store.
    ///
    /// # Errors
    /// There is none, or a manifest cannot be read.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let layout = Layout {
            root: root.to_owned(),
        };
        if !layout.custody().is_dir() {
            return Err(StoreError::Missing {
                path: root.to_owned(),
            });
        }
        let batches = read_manifests(&layout.custody())?;
        let access = Access::without_key(root);
        Ok(Self {
            layout,
            batches,
            access,
        })
    }

    /// The same store, as seen by somebody. If that reveals values, they are read here.
    ///
    /// # Errors
    /// What pseudonyms stand for cannot be read.
    pub fn with_access(mut self, access: Access) -> Result<Self, StoreError> {
        self.access = access;
        if self.access.reveals() {
            self.load_vault()?;
        }
        Ok(self)
    }

    /// What may be seen of the store.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Reads what pseudonyms stand for, so that texts can be given as they were logged. Says whether
    /// this role may.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn load_vault(&self) -> Result<bool, StoreError> {
        if !self.access.is_protected() {
            return Ok(true);
        }
        let batches: Vec<String> = self.batches.iter().map(|b| b.batch.clone()).collect();
        match self.access.vault(&batches) {
            Ok(_) => Ok(true),
            Err(StoreError::Protected { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens a store, or makes an empty one.
    ///
    /// # Errors
    /// The folder cannot be made, or holds something else.
    pub fn open_or_create(root: &Path) -> Result<Self, StoreError> {
        let layout = Layout {
            root: root.to_owned(),
        };
        if !layout.custody().is_dir() {
            let occupied = fs::read_dir(root).is_ok_and(|mut entries| {
                entries.any(|entry| {
                    entry.is_ok_and(|entry| {
                        entry.file_name() != "trail.toml"
                            && entry.file_name() != "_staging"
                            && entry.file_name() != ".lock"
                    })
                })
            });
            if occupied {
                return Err(StoreError::Damaged {
                    path: root.to_owned(),
                    reason: "the folder exists, is not empty and is no store".to_owned(),
                });
            }
            fs::create_dir_all(layout.custody()).map_err(StoreError::io("creating", root))?;
        }
        Self::open(root)
    }

    /// Paths.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The batches, in the order of their ids.
    #[must_use]
    pub fn batches(&self) -> &[Custody] {
        &self.batches
    }

    /// Part files of a table of a batch, in their order.
    #[must_use]
    pub fn parts(&self, table: &str, batch: &Custody) -> Vec<PathBuf> {
        let prefix = format!("{table}/");
        batch
            .tables
            .iter()
            .filter(|file| file.path.starts_with(&prefix))
            .map(|file| self.layout.root.join(&file.path))
            .collect()
    }

    /// Part files of a table of all batches, each with the number of its batch.
    #[must_use]
    pub fn all_parts(&self, table: &str) -> Vec<(usize, PathBuf)> {
        let batches = self.batches.iter().enumerate();
        batches
            .flat_map(|(number, batch)| {
                let parts = self.parts(table, batch).into_iter();
                parts.map(move |path| (number, path))
            })
            .collect()
    }

    /// The indexes of known records of all batches.
    ///
    /// # Errors
    /// An index is missing or damaged.
    pub fn seen(&self) -> Result<Vec<SeenIndex>, StoreError> {
        self.batches
            .iter()
            .map(|batch| self.seen_of(&batch.batch))
            .collect()
    }

    /// The index of one batch.
    ///
    /// # Errors
    /// It is missing or damaged.
    pub fn seen_of(&self, batch: &str) -> Result<SeenIndex, StoreError> {
        SeenIndex::open(&self.layout.table("events", batch).join("_seen.idx"))
    }

    /// Takes the store's lock; it is given back when the file is dropped.
    ///
    /// # Errors
    /// The lock file cannot be made.
    pub fn lock(&self) -> Result<File, StoreError> {
        self.lock_file(".lock")
    }

    /// Takes the lock under which staging folders are made and cleared away; it is held for a moment only.
    ///
    /// # Errors
    /// The lock file cannot be made.
    pub(super) fn lock_staging(&self) -> Result<File, StoreError> {
        self.lock_file(".staging.lock")
    }

    fn lock_file(&self, name: &str) -> Result<File, StoreError> {
        let path = self.layout.root.join(name);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(StoreError::io("opening", &path))?;
        file.lock().map_err(StoreError::io("locking", &path))?;
        Ok(file)
    }
}

/// Number of cores. Linux looks into several files to tell; once is enough.
pub(crate) fn cores() -> usize {
    static CORES: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Calls `read` for all items, on all cores, and gives the results in the order of the items. Part
/// files are read so: each is a file of its own, and some take much longer than others, so that each core
/// takes the next one when it is done.
///
/// # Errors
/// The first that `read` gives, in the order of the items as far as they were read.
pub(crate) fn side_by_side<I: Sync, T: Send, E: Send>(
    items: &[I],
    read: impl Fn(&I) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let work = || {
        let mut done: Vec<(usize, Result<T, E>)> = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { break };
            let result = read(item);
            if result.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            done.push((at, result));
        }
        done
    };
    let workers = cores().min(items.len());
    let mut results = std::thread::scope(|scope| {
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
        let mut results = work();
        for other in others {
            match other.join() {
                Ok(more) => results.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

fn read_manifests(folder: &Path) -> Result<Vec<Custody>, StoreError> {
    let mut batches: Vec<Custody> = Vec::new();
    for entry in fs::read_dir(folder).map_err(StoreError::io("listing", folder))? {
        let path = entry.map_err(StoreError::io("listing", folder))?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.starts_with(['_', '.']) || !name.ends_with(".json") {
            continue;
        }
        let text = fs::read(&path).map_err(StoreError::io("reading", &path))?;
        let manifest = serde_json::from_slice(&text).map_err(|error| StoreError::Damaged {
            path: path.clone(),
            reason: format!("the custody manifest is damaged: {error}"),
        })?;
        batches.push(manifest);
    }
    batches.sort_by(|a, b| a.batch.cmp(&b.batch));
    Ok(batches)
}
