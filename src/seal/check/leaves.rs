//! Holds the leaves of a log against the tables, or takes them as they are stored.

use super::*;

impl Checker<'_> {
    /// Adds the leaves of a batch as they are stored, but for that of the manifest.
    pub(super) fn stored_leaves(&mut self, entry: &Entry, batch: &str) {
        let end = entry.first + entry.leaves.saturating_sub(1);
        while self.tree.size() < end {
            if self.stored_tiles(end) {
                continue;
            }
            match self.sealed() {
                Some(leaf) => self.push(leaf),
                None => {
                    self.damage("log", batch, "the tiles of its leaves cannot be read");
                    return;
                }
            };
        }
    }

    /// Adds the next leaves as they are stored, as far as they fill tiles before `end`, whose roots are made
    /// side by side. Says whether there were any.
    pub(super) fn stored_tiles(&mut self, end: u64) -> bool {
        const WIDTH: u64 = 256;
        // A pinned tree may end within a tile.
        let until = self.pins.last().map_or(end, |pin| pin.0.min(end));
        let first = self.tree.size() / WIDTH;
        if !self.tree.size().is_multiple_of(WIDTH) || first >= until / WIDTH {
            return false;
        }
        let last = (until / WIDTH).min(first + MOST_TILES);
        let numbers: Vec<u64> = (first..last).collect();
        let groups: Vec<&[u64]> = numbers.chunks(TILES_AT_ONCE).collect();
        let log = self.log;
        let roots = crate::store::side_by_side(&groups, |numbers| {
            let read = |number: &u64| {
                let tile =
                    tlog_tiles::Tile::new(super::super::tree::HEIGHT, 0, *number, 256, false);
                let hashes = log.tile(&tile).ok()?;
                Some((tile, *hashes.first()?, root_of_full(&hashes)))
            };
            Ok::<_, StoreError>(numbers.iter().map(read).collect::<Vec<_>>())
        });
        let before = self.tree.size();
        for root in roots.into_iter().flatten().flatten() {
            // What is wrong with a tile is said where its leaves are asked for one by one.
            let Some((tile, leaf, root)) = root else {
                break;
            };
            self.first_leaf.get_or_insert(leaf);
            self.tiles.insert(tile_path(&tile));
            let (tiles, mut damages) = (&mut self.tiles, Vec::new());
            let compare = |full: FullTile<'_>| {
                compare_tile(log, tiles, &full, &mut damages);
                Ok::<(), std::convert::Infallible>(())
            };
            let Ok(()) = self.tree.push_tile(root, compare);
            self.grown(damages);
        }
        self.tree.size() > before
    }

    /// Makes the leaves of a batch again from its tables, but for that of the manifest. Says whether the
    /// tables could be read.
    pub(super) fn made_leaves(&mut self, at: usize, batch: &str) -> bool {
        let manifest_file = format!("custody/{batch}.json");
        let mut wrong: Vec<LeafOf> = Vec::new();
        let mut named = 0usize;
        let store = self.store;
        let made = batch_leaves(store, at, |of, hash| {
            if !self.push(hash) {
                named += 1;
                if wrong.len() < MOST_NAMED {
                    wrong.push(of);
                }
            }
            Ok(())
        });
        let custody = &store.batches()[at];
        let counts = match made {
            Ok(counts) => counts,
            Err(error) => {
                self.damage(
                    &manifest_file,
                    batch,
                    format!("its tables cannot be read: {error}"),
                );
                return false;
            }
        };
        self.verdict.records += counts.records;
        self.verdict.withheld += counts.withheld;
        let unknown: Vec<&String> = counts
            .unknown
            .iter()
            .filter(|name| !self.erased.contains(*name))
            .collect();
        if let Some(first) = unknown.first() {
            let reason = format!(
                "what {first} and {} other pseudonyms stand for is gone, and no act of erasure says so",
                unknown.len() - 1
            );
            self.damage(&format!("access/vault/{batch}"), batch, reason);
        }
        for of in &wrong {
            let reason = format!("{} is not as it was sealed", place(custody, *of));
            self.damage("log", batch, reason);
        }
        if named > wrong.len() {
            let reason = format!(
                "{} more leaves are not as they were sealed",
                named - wrong.len()
            );
            self.damage("log", batch, reason);
        }
        if counts.rows_without_record > 0 {
            let reason = format!("{} events are of no record", counts.rows_without_record);
            self.damage("log", batch, reason);
        }
        let (records, rejects) = (counts.records, counts.rejects);
        if custody.leaves != (LeafCounts { records, rejects }) {
            let reason = format!(
                "names {} records and {} rejects, the tables have {records} and {rejects}",
                custody.leaves.records, custody.leaves.rejects
            );
            self.damage(&manifest_file, batch, reason);
        }
        true
    }
}
