//! The Merkle tree of RFC 6962 over hashes that come one by one, and its tiles (C2SP tlog-tiles).

use sha2::block_api::compress256;
use tlog_tiles::{Hash, Tile, node_hash};

/// Height of a tile: 256 hashes.
pub const HEIGHT: u8 = 8;
const WIDTH: usize = 1 << HEIGHT;

/// The right edge of a growing tree: of each level of tiles, the hashes of the tile that is not full.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    levels: Vec<Vec<Hash>>,
    size: u64,
}

/// Where a tile lies below the log's folder: C2SP leaves out the height, which is always 8.
#[must_use]
pub fn tile_path(tile: &Tile) -> String {
    tile.path().replacen("tile/8/", "tile/", 1)
}

/// A tile with its hashes.
pub struct FullTile<'t> {
    /// Which.
    pub tile: Tile,
    /// Its hashes.
    pub hashes: &'t [Hash],
}

impl Tree {
    /// A tree of that size, of the hashes of its tiles that are not full.
    #[must_use]
    pub fn at(size: u64, edge: Vec<Vec<Hash>>) -> Self {
        Self { levels: edge, size }
    }

    /// The tile of each level that is not full in a tree of that size; none where it has no hash yet.
    #[must_use]
    pub fn edge(size: u64) -> Vec<Option<Tile>> {
        let mut tiles = Vec::new();
        let mut hashes = size;
        for level in 0u8.. {
            if hashes == 0 {
                break;
            }
            let width = u32::try_from(hashes % WIDTH as u64).unwrap_or(0);
            let number = hashes / WIDTH as u64;
            tiles.push((width > 0).then(|| Tile::new(HEIGHT, level, number, width, false)));
            hashes = number;
        }
        tiles
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf; each tile that is full now goes to `full`.
    ///
    /// # Errors
    /// What `full` gives.
    pub fn push<E>(
        &mut self,
        leaf: Hash,
        full: impl FnMut(FullTile<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.size += 1;
        self.rise(0, leaf, self.size, full)
    }

    /// Adds the leaves of a full tile, whose root is known, to a tree of whole tiles; each tile above it that
    /// is full now goes to `full`.
    ///
    /// # Errors
    /// What `full` gives.
    pub fn push_tile<E>(
        &mut self,
        root: Hash,
        full: impl FnMut(FullTile<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        debug_assert_eq!(self.size % WIDTH as u64, 0);
        self.size += WIDTH as u64;
        if self.levels.is_empty() {
            self.levels.push(Vec::with_capacity(WIDTH));
        }
        self.rise(1, root, self.size / WIDTH as u64, full)
    }

    /// Adds a hash to a level of tiles, and what becomes full by it to those above. `hashes` are those of the
    /// level, this one included.
    fn rise<E>(
        &mut self,
        level: u8,
        mut hash: Hash,
        mut hashes: u64,
        mut full: impl FnMut(FullTile<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for level in level.. {
            let at = usize::from(level);
            if self.levels.len() == at {
                self.levels.push(Vec::with_capacity(WIDTH));
            }
            let edge = &mut self.levels[at];
            edge.push(hash);
            if edge.len() < WIDTH {
                break;
            }
            let number = hashes / WIDTH as u64 - 1;
            let tile = Tile::new(HEIGHT, level, number, WIDTH as u32, false);
            full(FullTile { tile, hashes: edge })?;
            hash = root_of_full(edge);
            edge.clear();
            hashes /= WIDTH as u64;
        }
        Ok(())
    }

    /// The tiles that are not full and not empty.
    pub fn partial(&self) -> impl Iterator<Item = FullTile<'_>> {
        let size = self.size;
        let levels = (0u8..)
            .zip(&self.levels)
            .filter(|(_, edge)| !edge.is_empty());
        levels.map(move |(level, edge)| {
            let number = size >> (u32::from(HEIGHT) * (u32::from(level) + 1));
            let width = u32::try_from(edge.len()).unwrap_or(0);
            FullTile {
                tile: Tile::new(HEIGHT, level, number, width, false),
                hashes: edge,
            }
        })
    }

    /// The root (RFC 6962, section 2.1).
    #[must_use]
    pub fn root(&self) -> Hash {
        // The complete subtrees from the right edge upward are the smaller ones.
        let mut root: Option<Hash> = None;
        for edge in &self.levels {
            let mut rest = edge.as_slice();
            let mut subtrees = Vec::new();
            while !rest.is_empty() {
                let size = 1 << rest.len().ilog2();
                subtrees.push(root_of_full(&rest[..size]));
                rest = &rest[size..];
            }
            for subtree in subtrees.into_iter().rev() {
                root = Some(match root {
                    Some(right) => node_hash(subtree, right),
                    None => subtree,
                });
            }
        }
        root.unwrap_or(tlog_tiles::EMPTY_HASH)
    }
}

/// `node_hash` without its hasher: the two blocks of SHA-256 that `0x01 ‖ left ‖ right` fills with its padding
/// (FIPS 180-4, section 5.1.1). A log of millions of leaves is made of these.
fn node_of(left: &Hash, right: &Hash) -> Hash {
    /// FIPS 180-4, section 5.3.3.
    const INITIAL: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    const BITS: u16 = 65 * 8;
    let mut blocks = [[0u8; 64]; 2];
    blocks[0][0] = 1;
    blocks[0][1..33].copy_from_slice(&left.0);
    blocks[0][33..].copy_from_slice(&right.0[..31]);
    blocks[1][0] = right.0[31];
    blocks[1][1] = 0x80;
    blocks[1][62..].copy_from_slice(&BITS.to_be_bytes());
    let mut state = INITIAL;
    compress256(&mut state, &blocks);
    let mut hash = [0; 32];
    for (bytes, word) in hash.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    Hash(hash)
}

/// Root of a tree whose number of leaves is a power of two.
pub fn root_of_full(hashes: &[Hash]) -> Hash {
    let above = |pair: &[Hash]| node_of(&pair[0], &pair[1]);
    let mut row: Vec<Hash> = match hashes {
        [_, _, ..] => hashes.chunks_exact(2).map(above).collect(),
        few => few.to_vec(),
    };
    while row.len() > 1 {
        let parents = row.len() / 2;
        for at in 0..parents {
            row[at] = above(&row[2 * at..2 * at + 2]);
        }
        row.truncate(parents);
    }
    row.first().copied().unwrap_or(tlog_tiles::EMPTY_HASH)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use tlog_tiles::record_hash;

    use super::*;

    /// The definition of RFC 6962, word for word.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves.len() {
            0 => tlog_tiles::EMPTY_HASH,
            1 => leaves[0],
            n => {
                let k = n.next_power_of_two() / 2;
                node_hash(by_definition(&leaves[..k]), by_definition(&leaves[k..]))
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_tree_that_grows_in_steps_is_the_tree(size in 0usize..70_000, at in 0usize..70_000) {
            let leaves: Vec<Hash> = (0..size).map(|n| record_hash(&n.to_le_bytes())).collect();
            let at = at.min(size);
            let mut tiles: HashMap<String, Vec<Hash>> = HashMap::new();
            let mut keep = |full: FullTile<'_>| {
                tiles.insert(full.tile.path(), full.hashes.to_vec());
                Ok::<_, ()>(())
            };
            let mut tree = Tree::default();
            for leaf in &leaves[..at] {
                tree.push(*leaf, &mut keep).unwrap();
            }
            prop_assert_eq!(tree.root(), by_definition(&leaves[..at]));
            // Taken up again from the tiles that are not full.
            let edge = Tree::edge(at as u64);
            let partial: Vec<_> = tree.partial().map(|t| (t.tile, t.hashes.to_vec())).collect();
            for (tile, _) in &partial {
                prop_assert!(edge.contains(&Some(*tile)));
            }
            let levels = edge
                .iter()
                .map(|tile| {
                    let found = partial.iter().find(|(have, _)| Some(*have) == *tile);
                    found.map(|(_, hashes)| hashes.clone()).unwrap_or_default()
                })
                .collect();
            let mut tree = Tree::at(at as u64, levels);
            for leaf in &leaves[at..] {
                tree.push(*leaf, &mut keep).unwrap();
            }
            prop_assert_eq!(tree.root(), by_definition(&leaves));
            prop_assert_eq!(tiles.values().filter(|t| t.len() == WIDTH).count(), size / WIDTH + size / WIDTH / WIDTH);
            // Whole tiles at once, the rest one by one.
            let mut above = Vec::new();
            let mut by_tiles = Tree::default();
            let mut keep = |full: FullTile<'_>| {
                above.push((full.tile.path(), full.hashes.to_vec()));
                Ok::<_, ()>(())
            };
            let whole = leaves.chunks_exact(WIDTH);
            let rest = whole.remainder();
            for tile in whole {
                by_tiles.push_tile(root_of_full(tile), &mut keep).unwrap();
            }
            for leaf in rest {
                by_tiles.push(*leaf, &mut keep).unwrap();
            }
            prop_assert_eq!(by_tiles.root(), tree.root());
            prop_assert_eq!(above.len(), size / WIDTH / WIDTH);
            prop_assert!(above.iter().all(|(path, hashes)| tiles.get(path) == Some(hashes)));
        }
    }
}
