//! The log on disk.
//!
//! ```text
//! log/
//!   checkpoint       size and root, as a C2SP checkpoint; signed (signed note, Ed25519) if there is a key
//!   entries.jsonl    which leaves are whose: a line each batch and each sealing of journals
//!   tile/…           the tree's hashes, in the layout of C2SP tlog-tiles (no entry bundles: leaves are
//!                    made again from the tables)
//! ```
//! Leaves of a batch are its records in the order of the dumps, its rejects, and its manifest.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use signed_note::{Note, Signer};
use tlog_tiles::{Checkpoint, Error as TlogError, Hash, Tile, TileReader, record_hash};

use super::leaf;
use super::tree::{FullTile, HEIGHT, Tree, tile_path};
use crate::store::{Chain, ChainHead, Store, StoreError, write_atomically};

/// A line of `entries.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Index of its first leaf.
    pub first: u64,
    /// Number of its leaves.
    pub leaves: u64,
    /// The batch, if it is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub batch: Option<String>,
    /// How far the store's journals have come, by their files.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub journals: BTreeMap<String, ChainHead>,
}

/// The log of a store as it stands.
pub struct Log {
    folder: PathBuf,
    /// Number of leaves that the checkpoint covers.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// The checkpoint, byte for byte; empty if there is none yet.
    pub checkpoint: Vec<u8>,
    /// What the leaves are.
    pub entries: Vec<Entry>,
}

/// The journals of a store that are sealed, by their files below the store's folder.
pub const JOURNALS: [(&str, &str); 4] = [
    ("gate/decisions.jsonl", "trail_gate"),
    ("gate/approvals.jsonl", "trail_gate"),
    ("access/log.jsonl", "trail_access"),
    (crate::store::ERASURES, crate::store::ERASURE_LABEL),
];

impl Log {
    /// Reads the log of a store; an empty one if nothing was sealed yet.
    ///
    /// # Errors
    /// The checkpoint or the entries cannot be read.
    pub fn open(store: &Path) -> Result<Self, StoreError> {
        let folder = store.join("log");
        let path = folder.join("checkpoint");
        let checkpoint = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(StoreError::io("reading", path)(error)),
        };
        let (mut size, mut root) = (0, tlog_tiles::EMPTY_HASH);
        if !checkpoint.is_empty() {
            let parsed = parse_checkpoint(&checkpoint).ok_or_else(|| StoreError::Damaged {
                path: path.clone(),
                reason: "this is no checkpoint".to_owned(),
            })?;
            (size, root) = (parsed.size(), *parsed.hash());
        }
        let mut entries = read_entries(&folder.join("entries.jsonl"))?;
        // What a crash has left behind a checkpoint is not sealed.
        entries.retain(|entry| entry.first.saturating_add(entry.leaves) <= size);
        Ok(Self {
            folder,
            size,
            root,
            checkpoint,
            entries,
        })
    }

    /// The log's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The entry of a batch.
    #[must_use]
    pub fn entry_of(&self, batch: &str) -> Option<&Entry> {
        let mut entries = self.entries.iter();
        entries.find(|entry| entry.batch.as_deref() == Some(batch))
    }

    /// Reads the hashes of a tile.
    ///
    /// # Errors
    /// The file is missing or has another size.
    pub fn tile(&self, tile: &Tile) -> Result<Vec<Hash>, StoreError> {
        let path = self.folder.join(tile_path(tile));
        // A log has tens of thousands of these: one byte more than a tile says in one call that it ends there.
        let mut bytes = [0; 256 * 32 + 1];
        let mut file = File::open(&path).map_err(StoreError::io("reading", &path))?;
        let mut have = 0;
        let whole = tile.width() as usize * 32;
        while have < whole {
            match file.read(&mut bytes[have..=whole]) {
                Ok(0) => break,
                Ok(more) => have += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(StoreError::io("reading", &path)(error)),
            }
        }
        if have != whole {
            let size = file.metadata().map_or(have as u64, |data| data.len());
            return Err(StoreError::Damaged {
                path,
                reason: format!("has {size} bytes, not {whole}"),
            });
        }
        Ok(hashes(&bytes[..whole]))
    }

    /// Begins to add leaves.
    ///
    /// # Errors
    /// A tile at the tree's edge cannot be read, or does not fit the checkpoint.
    pub fn appender(self) -> Result<Appender, StoreError> {
        let mut edge = Vec::new();
        for tile in Tree::edge(self.size) {
            edge.push(tile.map_or(Ok(Vec::new()), |tile| self.tile(&tile))?);
        }
        let tree = Tree::at(self.size, edge);
        if tree.root() != self.root {
            return Err(StoreError::Damaged {
                path: self.folder.join("tile"),
                reason:
                    "the tiles do not fit the checkpoint; `trail verify --integrity` says where"
                        .to_owned(),
            });
        }
        Ok(Appender {
            first: self.size,
            log: self,
            tree,
            folders: PathBuf::new(),
        })
    }
}

/// The parsed body of a checkpoint, whoever signed it.
#[must_use]
pub fn parse_checkpoint(bytes: &[u8]) -> Option<Checkpoint> {
    let end = memchr::memmem::find(bytes, b"\n\n")?;
    Checkpoint::from_bytes(&bytes[..=end]).ok()
}

fn read_entries(path: &Path) -> Result<Vec<Entry>, StoreError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("reading", path)(error)),
    };
    (1..)
        .zip(text.lines())
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| StoreError::Damaged {
                path: path.to_owned(),
                reason: format!("line {number} is damaged: {error}"),
            })
        })
        .collect()
}

/// A line of `entries.jsonl`, without its end.
#[must_use]
pub fn entry_line(entry: &Entry) -> String {
    serde_json::to_string(entry).unwrap_or_default()
}

/// Hashes that lie behind each other.
fn hashes(bytes: &[u8]) -> Vec<Hash> {
    bytes
        .chunks_exact(32)
        .map(|chunk| {
            let mut hash = [0; 32];
            hash.copy_from_slice(chunk);
            Hash(hash)
        })
        .collect()
}

fn bytes_of(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// A log that grows. Nothing counts before [`Appender::publish`].
pub struct Appender {
    log: Log,
    tree: Tree,
    /// First leaf of the entry that is being added.
    first: u64,
    /// The folder that was made last.
    folders: PathBuf,
}

impl Appender {
    /// The log with the entries so far.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Number of leaves, those not yet published among them.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Adds a leaf.
    ///
    /// # Errors
    /// A tile cannot be written.
    pub fn push(&mut self, leaf: Hash) -> Result<(), StoreError> {
        let (folder, made) = (&self.log.folder, &mut self.folders);
        self.tree.push(leaf, |full| write_tile(folder, made, &full))
    }

    /// Ends an entry of a batch.
    pub fn end_batch(&mut self, batch: &str) {
        self.end(Some(batch.to_owned()), BTreeMap::new());
    }

    fn end(&mut self, batch: Option<String>, journals: BTreeMap<String, ChainHead>) {
        self.log.entries.push(Entry {
            first: self.first,
            leaves: self.tree.size() - self.first,
            batch,
            journals,
        });
        self.first = self.tree.size();
    }

    /// Seals how far the store's journals have come, if they have gone on.
    ///
    /// # Errors
    /// A journal is broken, or a tile cannot be written.
    pub fn push_journals(&mut self, store: &Path) -> Result<(), StoreError> {
        let mut journals = BTreeMap::new();
        for (file, label) in JOURNALS {
            let (head, _) = Chain::new(store.join(file), label).check(0)?;
            if head.lines > 0 {
                journals.insert(file.to_owned(), head);
            }
        }
        let mut sealed = self.log.entries.iter().rev();
        let last = sealed.find(|entry| !entry.journals.is_empty());
        if journals.is_empty() || last.is_some_and(|entry| entry.journals == journals) {
            return Ok(());
        }
        let entry = Entry {
            first: self.first,
            leaves: 1,
            batch: None,
            journals,
        };
        let line = entry_line(&entry);
        self.push(record_hash(&leaf::journal(line.as_bytes())))?;
        self.end(None, entry.journals);
        Ok(())
    }

    /// Writes the tiles at the edge, and waits until all tiles are on disk.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        let (folder, made) = (&self.log.folder, &mut self.folders);
        for partial in self.tree.partial() {
            write_tile(folder, made, &partial)?;
        }
        sync_all_below(folder)
    }

    /// Makes the leaves count: writes entries and checkpoint, signed if there is a signer.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn publish(self, signer: Option<&dyn Signer>) -> Result<Log, StoreError> {
        let folder = &self.log.folder;
        let lines: String = self
            .log
            .entries
            .iter()
            .map(|entry| entry_line(entry) + "\n")
            .collect();
        write_atomically(&folder.join("entries.jsonl"), lines.as_bytes())?;
        let (size, root) = (self.tree.size(), self.tree.root());
        let origin = match signer {
            Some(signer) => signer.name().to_owned(),
            None => unsigned_origin(&self.log)?,
        };
        let path = folder.join("checkpoint");
        let refused = |reason: String| StoreError::Damaged {
            path: path.clone(),
            reason,
        };
        let body = Checkpoint::new(&origin, size, root, "")
            .map_err(|error| refused(error.to_string()))?
            .to_bytes();
        let text = match signer {
            None => [body.as_slice(), b"\n"].concat(),
            Some(signer) => {
                let mut note = Note::new(&body, &[]).map_err(|error| refused(error.to_string()))?;
                note.add_sigs(&[signer])
                    .map_err(|error| refused(error.to_string()))?;
                note.to_bytes()
            }
        };
        write_atomically(&path, &text)?;
        remove_outgrown(folder, size);
        Ok(Log {
            size,
            root,
            checkpoint: text,
            ..self.log
        })
    }
}

/// The origin of a log that nobody signs: by its first leaf, so that it can be made again.
///
/// # Errors
/// The first tile cannot be read.
pub fn unsigned_origin(log: &Log) -> Result<String, StoreError> {
    let first = log.folder.join("tile/0");
    let path = ["000", "000.p"]
        .iter()
        .map(|name| first.join(name))
        .find(|path| path.exists());
    let path = match path {
        Some(path) if path.is_dir() => {
            let found = fs::read_dir(&path)
                .map_err(StoreError::io("listing", &path))?
                .filter_map(|entry| Some(entry.ok()?.path()))
                .next();
            found.unwrap_or(path)
        }
        Some(path) => path,
        None => first,
    };
    let bytes = fs::read(&path).map_err(StoreError::io("reading", &path))?;
    let leaf = hashes(&bytes)
        .first()
        .copied()
        .unwrap_or(tlog_tiles::EMPTY_HASH);
    Ok(origin_of(leaf))
}

/// The origin of a log that nobody signs and that begins with that leaf.
#[must_use]
pub fn origin_of(leaf: Hash) -> String {
    format!(
        "unsigned.trail.invalid/{}",
        crate::model::Digest(leaf.0).short(16)
    )
}

fn write_tile(folder: &Path, made: &mut PathBuf, full: &FullTile<'_>) -> Result<(), StoreError> {
    let path = folder.join(tile_path(&full.tile));
    let parent = path.parent().unwrap_or(folder);
    if parent != made {
        fs::create_dir_all(parent).map_err(StoreError::io("creating", parent))?;
        parent.clone_into(made);
    }
    fs::write(&path, bytes_of(full.hashes)).map_err(StoreError::io("writing", &path))
}

/// Thousands of small files are synced together where the system can.
#[cfg(target_os = "linux")]
fn sync_all_below(folder: &Path) -> Result<(), StoreError> {
    let file = File::open(folder).map_err(StoreError::io("opening", folder))?;
    rustix::fs::syncfs(&file).map_err(|error| StoreError::io("syncing", folder)(error.into()))
}

#[cfg(not(target_os = "linux"))]
fn sync_all_below(folder: &Path) -> Result<(), StoreError> {
    for entry in walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(Result::ok)
    {
        if entry.file_type().is_file() {
            let path = entry.path();
            File::open(path)
                .and_then(|file| file.sync_all())
                .map_err(StoreError::io("syncing", path))?;
        }
    }
    Ok(())
}

/// Paths of the tiles of a tree of that size that are not full, below the log's folder.
#[must_use]
pub fn partial_paths(size: u64) -> Vec<PathBuf> {
    let edge = Tree::edge(size).into_iter().flatten();
    edge.map(|tile| PathBuf::from(tile_path(&tile))).collect()
}

/// Takes away the tiles of a smaller tree that were not full.
fn remove_outgrown(folder: &Path, size: u64) {
    let keep: Vec<PathBuf> = partial_paths(size)
        .iter()
        .map(|path| folder.join(path))
        .collect();
    let below = walkdir::WalkDir::new(folder.join("tile")).contents_first(true);
    for entry in below.into_iter().filter_map(Result::ok) {
        let path = entry.path();
        let in_partial = path
            .parent()
            .and_then(|parent| parent.extension())
            .is_some_and(|extension| extension == "p");
        if entry.file_type().is_file() && in_partial && !keep.iter().any(|kept| kept == path) {
            let _ = fs::remove_file(path);
            // A folder that is not empty stays.
            let _ = path.parent().map(fs::remove_dir);
        }
    }
}

/// Tiles of a log for proofs.
impl TileReader for Log {
    fn height(&self) -> u8 {
        HEIGHT
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, TlogError> {
        tiles
            .iter()
            .map(|tile| {
                let hashes = self.tile(tile);
                hashes
                    .map(|hashes| bytes_of(&hashes))
                    .map_err(|error| TlogError::InvalidInput(error.to_string()))
            })
            .collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// The manifest of a batch, byte for byte.
///
/// # Errors
/// It cannot be read.
pub fn manifest_bytes(store: &Store, batch: &str) -> Result<Vec<u8>, StoreError> {
    let path = store.layout().custody().join(format!("{batch}.json"));
    fs::read(&path).map_err(StoreError::io("reading", path))
}
