//! Which part files may hold a key: a question opens those only.
//!
//! One file beside each keys file, a split block Bloom filter as the Parquet format defines it
//! (BloomFilter.md: blocks of 256 bits, eight bits a value), hashed with XXH64. Unlike a filter
//! inside of a Parquet file, it answers with one read of 32 bytes and without the file's footer. It is
//! derived: without it every part is opened.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use twox_hash::XxHash64;

use crate::model::KeyKind;

/// Bytes of a block.
pub(super) const BLOCK: usize = 32;
/// Keys a block: about ten bits a key, so that one look-up in a hundred opens a part for nothing.
const KEYS_A_BLOCK: usize = 25;
/// The Parquet format's constants, one for each word of a block.
const SALT: [u32; 8] = [
    0x47b6_137b,
    0x4497_4d91,
    0x8824_ad5b,
    0xa2b7_289d,
    0x7054_95c7,
    0x2df1_424b,
    0x9efc_4947,
    0x5c6b_fb31,
];

/// Keys of that kind are in the filter. Evidence is read in whole and never looked up by a person.
pub(super) fn is_filtered(kind: KeyKind) -> bool {
    use KeyKind::{Clock, Prefix, Size, Value};
    !matches!(kind, Value | Prefix | Size | Clock)
}

/// The hash of a key.
pub(super) fn hash(kind: KeyKind, value: &str) -> u64 {
    // Kind and value take turns at the hash: a name is never part of a value.
    let seed = XxHash64::oneshot(0, kind.as_str().as_bytes());
    XxHash64::oneshot(seed, value.as_bytes())
}

/// The block of a hash and the bits to set in it.
fn place(hash: u64, blocks: u64) -> (u64, [u32; 8]) {
    let low = (hash & 0xffff_ffff) as u32;
    let bits = SALT.map(|salt| 1 << (low.wrapping_mul(salt) >> 27));
    (((hash >> 32) * blocks) >> 32, bits)
}

/// The filter of the distinct keys of a part.
pub(super) fn build<'k>(keys: impl Iterator<Item = (KeyKind, &'k str)>) -> Vec<u8> {
    let keys = keys.filter(|(kind, _)| is_filtered(*kind));
    of_hashes(keys.map(|(kind, value)| hash(kind, value)).collect())
}

/// The filter of distinct hashes.
pub(super) fn of_hashes(hashes: Vec<u64>) -> Vec<u8> {
    let blocks = hashes.len().div_ceil(KEYS_A_BLOCK).max(1);
    let mut bytes = vec![0u8; blocks * BLOCK];
    for hash in hashes {
        let (block, bits) = place(hash, blocks as u64);
        let at = usize::try_from(block).unwrap_or(0) * BLOCK;
        for (word, bit) in bytes[at..at + BLOCK].chunks_exact_mut(4).zip(bits) {
            for (byte, set) in word.iter_mut().zip(bit.to_le_bytes()) {
                *byte |= set;
            }
        }
    }
    bytes
}

/// The filter that belongs to a keys file.
pub(super) fn path_of(keys: &Path) -> PathBuf {
    let name = keys
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    keys.with_file_name(format!("_{name}.filter"))
}

/// The filter of a keys file for many keys of one kind; `None` where they are not in it, or it cannot be read.
pub(super) fn read(keys: &Path, kind: KeyKind) -> Option<Vec<u8>> {
    let filter = std::fs::read(path_of(keys)).ok();
    filter.filter(|bytes| is_filtered(kind) && !bytes.is_empty() && bytes.len() % BLOCK == 0)
}

/// Whether a keys file may hold that key; without a readable filter it may.
pub(super) fn may_hold(keys: &Path, kind: KeyKind, value: &str) -> bool {
    !is_filtered(kind) || check(&path_of(keys), kind, value).unwrap_or(true)
}

fn check(filter: &Path, kind: KeyKind, value: &str) -> std::io::Result<bool> {
    let mut file = File::open(filter)?;
    let size = file.metadata()?.len();
    if size == 0 || size % BLOCK as u64 != 0 {
        return Ok(true);
    }
    let (block, bits) = place(hash(kind, value), size / BLOCK as u64);
    let mut bytes = [0; BLOCK];
    file.seek(SeekFrom::Start(block * BLOCK as u64))?;
    file.read_exact(&mut bytes)?;
    Ok(are_set(&bytes, bits))
}

/// Whether a filter may hold a hash.
pub(super) fn has(filter: &[u8], hash: u64) -> bool {
    let (block, bits) = place(hash, (filter.len() / BLOCK) as u64);
    let at = usize::try_from(block)
        .unwrap_or(usize::MAX)
        .saturating_mul(BLOCK);
    // A filter that is no such thing excludes nothing.
    filter
        .get(at..at.saturating_add(BLOCK))
        .is_none_or(|block| are_set(block, bits))
}

fn are_set(block: &[u8], bits: [u32; 8]) -> bool {
    block.chunks_exact(4).zip(bits).all(|(word, bit)| {
        let word = u32::from_le_bytes(word.try_into().unwrap_or([0xff; 4]));
        word & bit == bit
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_and_little_else() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("part-00000.parquet");
        let values: Vec<String> = (0..5000).map(|n| format!("INV-{n}")).collect();
        let bytes = build(
            values
                .iter()
                .map(|value| (KeyKind::Invoice, value.as_str())),
        );
        std::fs::write(path_of(&keys), bytes).unwrap();
        assert!(
            values
                .iter()
                .all(|value| may_hold(&keys, KeyKind::Invoice, value))
        );
        let wrong = values
            .iter()
            .filter(|value| may_hold(&keys, KeyKind::Order, value))
            .count();
        assert!(wrong < 150, "{wrong} of 5000");
    }

    #[test]
    fn without_a_filter_every_part_may_hold_it() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("part-00000.parquet");
        assert!(may_hold(&keys, KeyKind::Invoice, "4711"));
        std::fs::write(path_of(&keys), [0; 31]).unwrap();
        assert!(may_hold(&keys, KeyKind::Invoice, "4711"));
    }
}
