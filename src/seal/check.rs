//! Holds a store against its log: every leaf is made again from the tables.

mod leaves;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde::Serialize;
use signed_note::StandardVerifier;
use tlog_tiles::{Hash, record_hash};

use super::leaf;
use super::log::{Entry, JOURNALS, Log, entry_line, manifest_bytes, origin_of, parse_checkpoint};
use super::recompute::{LeafOf, batch_leaves};
use super::tree::{FullTile, Tree, root_of_full, tile_path};
use super::{Signatures, check_time_stamp, signatures};
use crate::store::{Chain, Custody, CustodyFile, Damage, Erasures, LeafCounts, Store, StoreError};

/// What a log was held against.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SealVerdict {
    /// Leaves of the tree.
    pub size: u64,
    /// Its root as the checkpoint says, Base64; empty without a checkpoint.
    pub root: String,
    /// Records whose leaves were made again.
    pub records: u64,
    /// Records that could not be read as they were logged (protected, or destroyed on purpose): what was
    /// held against the log is the commitment to each that lies beside them.
    pub withheld: u64,
    /// Names of known keys that signed the checkpoint.
    pub signed_by: Vec<String>,
    /// Names of keys that signed it too and are not known here.
    pub unknown_keys: Vec<String>,
    /// When pinned checkpoints were there, as authorities say that are believed.
    pub stamps: Vec<String>,
    /// Pinned checkpoints that this log has grown from.
    pub pins: usize,
    /// What is not as it was sealed.
    pub damages: Vec<Damage>,
    /// What is as it should be, and protects less than it could.
    pub notes: Vec<String>,
}

/// How much is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The tree from its stored leaves, and the leaves of manifests and journals. Manifests name the
    /// SHA-256 of every file of their batches, so together with these that covers every byte.
    Files,
    /// Every leaf from the tables.
    Leaves,
}

/// A checkpoint that was kept elsewhere.
pub struct Pin {
    /// Where it was read from.
    pub name: String,
    /// The checkpoint.
    pub bytes: Vec<u8>,
    /// The answer of a time-stamping authority over it, and certificates of authorities (PEM) that are
    /// believed.
    pub stamp: Option<(Vec<u8>, String)>,
}

/// Holds a store against its log, the log's signatures against keys, and the log against pinned
/// checkpoints.
///
/// # Errors
/// The store cannot be read at all. Files of it that cannot be read are damages.
pub fn check_seal(
    store: &Store,
    keys: &[StandardVerifier],
    pins: &[Pin],
    depth: Depth,
) -> Result<SealVerdict, StoreError> {
    let mut verdict = SealVerdict::default();
    let log = match Log::open(&store.layout().root) {
        Ok(log) => log,
        Err(StoreError::Damaged { path, reason }) => {
            verdict.damages.push(Damage {
                file: below(store, &path),
                batch: String::new(),
                reason,
            });
            return Ok(verdict);
        }
        Err(error) => return Err(error),
    };
    verdict.size = log.size;
    verdict.root = log.root.to_string();
    let mut checker = Checker {
        store,
        depth,
        log: &log,
        tree: Tree::default(),
        verdict,
        tiles: HashSet::new(),
        pins: Vec::new(),
        first_leaf: None,
        stored: Stored::default(),
        erased: Erasures::of(store)
            .map(|all| all.pseudonyms)
            .unwrap_or_default(),
    };
    if log.checkpoint.is_empty() {
        checker.damage("log/checkpoint", "", "is missing: nothing is sealed");
        return Ok(checker.verdict);
    }
    checker.read_pins(pins, keys);
    checker.entries()?;
    checker.edge();
    checker.checkpoint(keys);
    checker.strangers();
    checker.unsealed();
    Ok(checker.verdict)
}

fn below(store: &Store, path: &Path) -> String {
    let root = &store.layout().root;
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}

/// The tile of leaves that was read last.
#[derive(Default)]
struct Stored {
    number: Option<u64>,
    hashes: Vec<Hash>,
}

struct Checker<'c> {
    store: &'c Store,
    depth: Depth,
    log: &'c Log,
    tree: Tree,
    verdict: SealVerdict,
    /// Tiles that belong to the tree.
    tiles: HashSet<String>,
    /// Size and root of pinned checkpoints that are still ahead, the smallest last.
    pins: Vec<(u64, Hash, String)>,
    first_leaf: Option<Hash>,
    stored: Stored,
    /// Pseudonyms of which nothing is known any more, on purpose.
    erased: HashSet<String>,
}

/// Tiles of leaves that are read before they are added.
const MOST_TILES: u64 = 1 << 14;
/// Tiles of them that one thread takes at a time.
const TILES_AT_ONCE: usize = 64;

/// So many records are named one by one; more say no more.
const MOST_NAMED: usize = 20;

impl Checker<'_> {
    fn damage(&mut self, file: &str, batch: &str, reason: impl Into<String>) {
        self.verdict.damages.push(Damage {
            file: file.to_owned(),
            batch: batch.to_owned(),
            reason: reason.into(),
        });
    }

    fn stamp(&mut self, pin: &Pin) {
        let Some((answer, certificates)) = &pin.stamp else {
            return;
        };
        let stamp = match check_time_stamp(answer, &pin.bytes, certificates) {
            Ok(stamp) => stamp,
            Err(reason) => {
                self.damage(
                    &format!("{}.tsr", pin.name),
                    "",
                    format!("does not vouch for the pin: {reason}"),
                );
                return;
            }
        };
        let said = format!("{} was there at {}", pin.name, stamp.time);
        match stamp.trusted {
            Some(true) => self.verdict.stamps.push(said),
            Some(false) => {
                let reason = "is signed by none of the given authorities";
                self.damage(&format!("{}.tsr", pin.name), "", reason);
            }
            None => self.verdict.notes.push(format!(
                "{said}, as a time stamp says whose authority was not given (--tsa-cert)"
            )),
        }
    }

    fn read_pins(&mut self, pins: &[Pin], keys: &[StandardVerifier]) {
        for pin in pins {
            self.stamp(pin);
            let Some(parsed) = parse_checkpoint(&pin.bytes) else {
                self.damage(&pin.name, "", "is no checkpoint");
                continue;
            };
            match signatures(&pin.bytes, keys) {
                Err(reason) => self.damage(&pin.name, "", reason),
                Ok(Signatures { good, .. }) if good.is_empty() && !keys.is_empty() => {
                    self.verdict.notes.push(format!(
                        "{} is signed by no known key; it counts as the place where it was kept does",
                        pin.name
                    ));
                }
                Ok(_) => {}
            }
            if parsed.size() > self.log.size {
                let reason = format!(
                    "the store has {} leaves, {} sealed {}: its end was cut off, or an older state was put in its place",
                    self.log.size,
                    pin.name,
                    parsed.size()
                );
                self.damage("log/checkpoint", "", reason);
                continue;
            }
            let pinned = (parsed.size(), *parsed.hash(), pin.name.clone());
            self.pins.push(pinned);
        }
        self.pins.sort_by_key(|pin| std::cmp::Reverse(pin.0));
        self.pass_pins();
    }

    /// Holds pinned roots against the tree as it is now.
    fn pass_pins(&mut self) {
        while let Some((_, root, name)) = self.pins.pop_if(|pin| pin.0 == self.tree.size()) {
            if self.tree.root() == root {
                self.verdict.pins += 1;
            } else {
                let reason = format!(
                    "the first {} leaves are not those that {name} sealed: the past was rewritten",
                    self.tree.size()
                );
                self.damage("log", "", reason);
            }
        }
    }

    fn entries(&mut self) -> Result<(), StoreError> {
        let entries = self.log.entries.clone();
        for entry in &entries {
            if entry.first != self.tree.size() {
                let reason = format!(
                    "leaves {} to {} are nobody's: an entry was taken out or changed",
                    self.tree.size(),
                    entry.first
                );
                self.damage("log/entries.jsonl", "", reason);
                return Ok(());
            }
            match &entry.batch {
                Some(batch) => self.batch(entry, batch)?,
                None => self.journals(entry),
            }
            let made = self.tree.size() - entry.first;
            if made != entry.leaves {
                let name = entry.batch.clone().unwrap_or_default();
                let reason = format!("has {made} leaves, {} were sealed", entry.leaves);
                self.damage("log/entries.jsonl", &name, reason);
                // Leaves behind this one stand at other places: nothing more can be told of them.
                return Ok(());
            }
        }
        if self.tree.size() != self.log.size {
            let reason = format!(
                "names {} leaves, the checkpoint {}",
                self.tree.size(),
                self.log.size
            );
            self.damage("log/entries.jsonl", "", reason);
        }
        Ok(())
    }

    /// The hash that was sealed as the next leaf, if its tile can be read.
    fn sealed(&mut self) -> Option<Hash> {
        let index = self.tree.size();
        let number = index / 256;
        if self.stored.number != Some(number) {
            let width = u32::try_from((self.log.size - number * 256).min(256)).unwrap_or(0);
            if index >= self.log.size || width == 0 {
                return None;
            }
            let tile = tlog_tiles::Tile::new(super::tree::HEIGHT, 0, number, width, false);
            self.stored = Stored {
                number: Some(number),
                // What is wrong with a tile is said where the tiles are compared.
                hashes: self.log.tile(&tile).unwrap_or_default(),
            };
        }
        let at = usize::try_from(index % 256).unwrap_or(0);
        self.stored.hashes.get(at).copied()
    }

    /// Adds a leaf; says whether it is the one that was sealed.
    fn push(&mut self, leaf: Hash) -> bool {
        let same = self.sealed().is_none_or(|sealed| sealed == leaf);
        self.first_leaf.get_or_insert(leaf);
        let (log, tiles, stored) = (self.log, &mut self.tiles, &self.stored);
        let mut damages = Vec::new();
        let compare = |full: FullTile<'_>| {
            let read = full.tile.level() == 0 && stored.number == Some(full.tile.level_index());
            if read && stored.hashes == full.hashes {
                tiles.insert(tile_path(&full.tile));
            } else {
                compare_tile(log, tiles, &full, &mut damages);
            }
            Ok::<(), std::convert::Infallible>(())
        };
        let Ok(()) = self.tree.push(leaf, compare);
        self.grown(damages);
        same
    }

    /// The tree has grown: names tiles that do not fit it, and holds the pins of its size against it.
    fn grown(&mut self, damages: Vec<(String, String)>) {
        for (file, reason) in damages {
            self.damage(&file, "", reason);
        }
        self.pass_pins();
    }

    fn batch(&mut self, entry: &Entry, batch: &str) -> Result<(), StoreError> {
        let manifest_file = format!("custody/{batch}.json");
        let found = self
            .store
            .batches()
            .iter()
            .position(|custody| custody.batch == batch);
        let Some(at) = found else {
            let reason = format!(
                "is missing: the batch's {} records and rejects were removed",
                entry.leaves.saturating_sub(1)
            );
            self.damage(&manifest_file, batch, reason);
            return Ok(());
        };
        if self.depth == Depth::Files {
            self.stored_leaves(entry, batch);
        } else if !self.made_leaves(at, batch) {
            return Ok(());
        }
        let manifest = manifest_bytes(self.store, batch)?;
        if !self.push(record_hash(&leaf::batch(&manifest))) {
            self.damage(&manifest_file, batch, "is not as it was sealed");
        }
        Ok(())
    }

    fn journals(&mut self, entry: &Entry) {
        let line = entry_line(entry);
        if !self.push(record_hash(&leaf::journal(line.as_bytes()))) {
            let reason = format!("the line of leaf {} is not as it was sealed", entry.first);
            self.damage("log/entries.jsonl", "", reason);
        }
        for (file, label) in JOURNALS {
            let Some(sealed) = entry.journals.get(file) else {
                continue;
            };
            let chain = Chain::new(self.store.layout().root.join(file), label);
            match chain.check(sealed.lines) {
                Err(error) => self.damage(file, "", error.to_string()),
                Ok((head, None)) => {
                    let reason = format!("has {} lines, {} were sealed", head.lines, sealed.lines);
                    self.damage(file, "", reason);
                }
                Ok((_, Some(passed))) if passed != *sealed => {
                    let reason = format!(
                        "its first {} lines are not as they were sealed",
                        sealed.lines
                    );
                    self.damage(file, "", reason);
                }
                Ok(_) => {}
            }
        }
    }

    /// Compares the tiles at the tree's edge.
    fn edge(&mut self) {
        let mut damages = Vec::new();
        for partial in self.tree.partial() {
            compare_tile(self.log, &mut self.tiles, &partial, &mut damages);
        }
        for (file, reason) in damages {
            self.damage(&file, "", reason);
        }
    }

    fn checkpoint(&mut self, keys: &[StandardVerifier]) {
        if self.tree.size() == self.log.size && self.tree.root() != self.log.root {
            self.damage("log/checkpoint", "", "its root is not that of the records");
        }
        match signatures(&self.log.checkpoint, keys) {
            Err(reason) => self.damage("log/checkpoint", "", reason),
            Ok(found) if found == Signatures::default() => {
                let origin = self.first_leaf.map(origin_of);
                let said = parse_checkpoint(&self.log.checkpoint);
                if origin.as_deref() != said.as_ref().map(tlog_tiles::Checkpoint::origin) {
                    self.damage(
                        "log/checkpoint",
                        "",
                        "its first line is not as it was written",
                    );
                }
                if keys.is_empty() {
                    self.verdict.notes.push(
                        "the checkpoint is not signed: whoever can write to the store can seal it anew (`trail seal key` makes a key)".to_owned(),
                    );
                } else {
                    self.damage(
                        "log/checkpoint",
                        "",
                        "is not signed by any of the given keys",
                    );
                }
            }
            Ok(found) => {
                if found.good.is_empty() && !keys.is_empty() {
                    let reason = format!(
                        "is signed by {}, none of the given keys",
                        found.unknown.join(", ")
                    );
                    self.damage("log/checkpoint", "", reason);
                } else if found.good.is_empty() {
                    self.verdict.notes.push(format!(
                        "the checkpoint is signed by {}, whose public key was not given (--key)",
                        found.unknown.join(", ")
                    ));
                }
                self.verdict.signed_by = found.good;
                self.verdict.unknown_keys = found.unknown;
            }
        }
    }

    /// Files below `log/` that are not the log's.
    fn strangers(&mut self) {
        let folder = self.log.folder();
        let mut damages = Vec::new();
        let below = walkdir::WalkDir::new(folder).sort_by_file_name();
        for entry in below.into_iter().filter_map(Result::ok) {
            let Ok(path) = entry.path().strip_prefix(folder) else {
                continue;
            };
            let own = path == Path::new("checkpoint")
                || path == Path::new("entries.jsonl")
                || path.to_str().is_some_and(|path| self.tiles.contains(path));
            if entry.file_type().is_file() && !own {
                damages.push(format!("log/{}", path.display()));
            }
        }
        // Where leaves are missing, the tiles behind them are no strangers.
        if self.tree.size() == self.log.size {
            for file in damages {
                self.damage(&file, "", "is not of this log");
            }
        }
    }

    fn unsealed(&mut self) {
        for (_, custody) in super::unsealed(self.store, self.log) {
            let file = format!("custody/{}.json", custody.batch);
            let reason = "is not in the log: an ingest was cut off behind it, or it was put in by hand; `trail seal checkpoint` seals it";
            self.damage(&file, &custody.batch.clone(), reason);
        }
        let last: BTreeMap<&String, _> = self
            .log
            .entries
            .iter()
            .flat_map(|entry| &entry.journals)
            .collect();
        let mut open = Vec::new();
        for (file, label) in JOURNALS {
            let chain = Chain::new(self.store.layout().root.join(file), label);
            match chain.check(0) {
                Ok((head, _)) => {
                    let sealed = last.iter().find(|(name, _)| name.as_str() == file);
                    let sealed = sealed.map_or(0, |(_, head)| head.lines);
                    if head.lines > sealed {
                        open.push(format!(
                            "{} of {file}",
                            crate::tell::safe::count(head.lines - sealed, "line")
                        ));
                    }
                }
                // Already named where something of it was sealed.
                Err(error) if !last.keys().any(|name| name.as_str() == file) => {
                    self.damage(file, "", error.to_string());
                }
                Err(_) => {}
            }
        }
        if !open.is_empty() {
            self.verdict.notes.push(format!(
                "chained and not sealed yet: {} (`trail seal checkpoint`, or the next ingest)",
                open.join(", ")
            ));
        }
    }
}

/// Where a leaf's record lies, for people.
fn place(custody: &Custody, of: LeafOf) -> String {
    let (what, file, ordinal) = match of {
        LeafOf::Record(file, ordinal) => ("record", file, ordinal),
        LeafOf::Reject(file, ordinal) => ("reject", file, ordinal),
    };
    let file = usize::try_from(file)
        .ok()
        .and_then(|file| custody.files.get(file))
        .map_or_else(|| "?".to_owned(), CustodyFile::display_path);
    format!("{what} {ordinal} of {file}")
}

fn compare_tile(
    log: &Log,
    tiles: &mut HashSet<String>,
    full: &FullTile<'_>,
    damages: &mut Vec<(String, String)>,
) {
    let path = tile_path(&full.tile);
    match log.tile(&full.tile) {
        Ok(hashes) if hashes == full.hashes => {}
        Ok(_) => damages.push((format!("log/{path}"), "does not fit the records".to_owned())),
        Err(error) => damages.push((format!("log/{path}"), error.to_string())),
    }
    tiles.insert(path);
}
